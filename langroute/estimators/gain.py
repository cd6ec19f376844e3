"""GainEstimator: what a strong arm gains over a weak one on a question, which is RouteLLM's question."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid
from langroute.estimators.arm_scale import ArmScale
from langroute.estimators.rows import Expected, StepRows
from langroute.estimators.text_views import TextViews
from langroute.parts import Parts
from langroute.records import Arm, Estimate, Step

_GAIN, _WEAK = 0, 1


class GainEstimator:
    """Success of the weak arm, and of the strong arm as that plus the gain expected of it (RouteLLM 2406.18665).

    RouteLLM learns the probability that the strong model wins, from people's preferences, with embeddings and matrix
    factorisation. Here the expected difference of success is regressed itself, on hashed words and surface counts: a
    question that both fail is then worth no strong call. That regression is a reconstruction of the question, not of
    the paper's models. Arms beside the two stand on a scale between them (`ArmScale`).

    Without a text vector of the length it was trained on, it expects the means of training.

    Args:
        views: two targets: gain and success of the weak arm.
        scale: where the arms stand.

    Raises:
        ArtifactInvalid: the views have other targets.
    """

    name = "gain"
    version = "1"

    def __init__(self, *, views: TextViews, scale: ArmScale) -> None:
        if views.targets != 2:
            raise ArtifactInvalid(f"must have 2 targets, gain and weak success, not {views.targets}", field="views")
        self._views = views
        self._scale = scale

    def estimate(self, step: Step, arms: Sequence[Arm]) -> tuple[Estimate, ...]:
        """One estimate per arm, in the order of ``arms``."""
        weak, strong = self._ends(StepRows.of(step))
        return self._scale.estimates(step, arms, weak=float(weak[0]), strong=float(strong[0]))

    def unseen(self, arms: Sequence[Arm]) -> tuple[str, ...]:
        """Names of the arms that were not seen in training, which are placed by their rank."""
        return tuple(arm.name for arm in arms if arm.name not in self._scale.places)

    def predict(self, rows: StepRows, arms: Sequence[str]) -> Expected:
        """What each arm is expected to do on each row, (n, arms).

        Raises:
            ArtifactInvalid: an arm was never seen in training.
        """
        return self._scale.expected(*self._ends(rows), arms)

    def gains(self, rows: StepRows) -> NDArray[np.float64]:
        """(n,) the gain expected of the strong arm: what to rank questions by."""
        return self._views.predict(rows)[:, _GAIN]

    def _ends(self, rows: StepRows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        told = self._views.predict(rows)
        gain = np.clip(told[:, _GAIN], -1.0, 1.0)
        # The gain is what choices rest on, so the weak arm gives way where the two would not both fit into [0, 1].
        weak = np.clip(told[:, _WEAK], np.maximum(0.0, -gain), np.minimum(1.0, 1.0 - gain))
        return weak, weak + gain

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        views = self._views.parts()
        return Parts(settings={"views": dict(views.settings), **self._scale.settings()}, arrays=views.arrays)

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same estimator again.

        Raises:
            ArtifactInvalid: a setting or an array is missing or is not what it has to be.
        """
        views = TextViews.from_parts(Parts(settings=parts.settings.get("views") or {}, arrays=parts.arrays))
        return cls(views=views, scale=ArmScale.of(parts.settings))
