"""SoftGapEstimator: how likely a weak arm is to be as good as a strong one, up to a tolerance."""

from collections.abc import Sequence
from typing import Self

import numpy as np

from langroute.errors import ArtifactInvalid
from langroute.estimators.arm_scale import ArmScale
from langroute.estimators.rows import Expected, StepRows
from langroute.estimators.text_views import TextViews
from langroute.parts import Parts
from langroute.records import Arm, Estimate, Step


class SoftGapEstimator:
    """The weak arm's probability to be good enough beside the strong one (HybridLLM 2404.14618).

    The label is the paper's: the share of pairs of samples with ``weak >= strong - tolerance``. Success here means "no
    worse than the strong arm, up to the tolerance": 1 for the strong arm, so that a price of a dollar is the paper's
    threshold. The paper trains DeBERTa on the label; here it is regressed on hashed words and surface counts, a
    reconstruction. Arms beside the two stand on a scale between them (`ArmScale`).

    Args:
        views: one target: the label.
        scale: where the arms stand.
        tolerance: of the label.

    Raises:
        ArtifactInvalid: the views have other targets, or the tolerance is not in [0, 1].
    """

    name = "soft_gap"
    version = "1"

    def __init__(self, *, views: TextViews, scale: ArmScale, tolerance: float) -> None:
        if views.targets != 1:
            raise ArtifactInvalid(f"must have 1 target, not {views.targets}", field="views")
        if not 0.0 <= tolerance <= 1.0:
            raise ArtifactInvalid(f"must be in [0, 1], not {tolerance}", field="tolerance")
        self._views = views
        self._scale = scale
        self.tolerance = tolerance

    def estimate(self, step: Step, arms: Sequence[Arm]) -> tuple[Estimate, ...]:
        """One estimate per arm, in the order of ``arms``."""
        weak = float(np.clip(self._views.predict(StepRows.of(step))[0, 0], 0.0, 1.0))
        return self._scale.estimates(step, arms, weak=weak, strong=1.0)

    def unseen(self, arms: Sequence[Arm]) -> tuple[str, ...]:
        """Names of the arms that were not seen in training, which are placed by their rank."""
        return tuple(arm.name for arm in arms if arm.name not in self._scale.places)

    def predict(self, rows: StepRows, arms: Sequence[str]) -> Expected:
        """What each arm is expected to do on each row, (n, arms).

        Raises:
            ArtifactInvalid: an arm was never seen in training.
        """
        weak = np.clip(self._views.predict(rows)[:, 0], 0.0, 1.0)
        return self._scale.expected(weak, np.ones(len(rows)), arms)

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        views = self._views.parts()
        settings = {"views": dict(views.settings), "tolerance": self.tolerance, **self._scale.settings()}
        return Parts(settings=settings, arrays=views.arrays)

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same estimator again.

        Raises:
            ArtifactInvalid: a setting or an array is missing or is not what it has to be.
        """
        views = TextViews.from_parts(Parts(settings=parts.settings.get("views") or {}, arrays=parts.arrays))
        tolerance = parts.settings.get("tolerance")
        if not isinstance(tolerance, int | float):
            raise ArtifactInvalid(f"must be a number, not {tolerance!r}; train again", field="tolerance")
        return cls(views=views, scale=ArmScale.of(parts.settings), tolerance=float(tolerance))
