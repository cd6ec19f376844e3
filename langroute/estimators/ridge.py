"""RidgeEstimator: one straight line per arm for success, output tokens and cost (CARROT's plug-in rule with heads)."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid
from langroute.estimators.arrays import array_of, names_of
from langroute.estimators.feature_schema import FeatureSchema
from langroute.estimators.live import estimates_of, for_arms, unseen_arms
from langroute.estimators.rows import Expected, StepRows
from langroute.estimators.scaling import Scaling
from langroute.parts import Parts
from langroute.records import Arm, Estimate, Step

HEADS = ("success", "tokens", "cost")
"""What a head predicts: success as it is, tokens and cost as logarithms."""

_LARGEST_LOG = 45.0  # e^45 nano-dollars are more than any bill


class RidgeEstimator:
    """Quality and cost of every arm as linear functions of the features of a step (CARROT, 2502.03261).

    CARROT chooses ``argmax (1 - mu) q - mu c`` from a predicted quality and a predicted cost of each model, by nearest
    neighbours or by heads on an encoder's vector; these are such heads. The rule is the one of `FrontierPolicy`, with
    ``lambda = mu / (1 - mu)`` per unit of c (`langroute.estimators.targets.price_of_mu`). How the heads are fitted, a
    slope that all arms share and deviations from it, is a reconstruction: see `langroute.learning.ridge_fitting`.

    The costs of a table are means, so the logarithms that are predicted are turned back with the factor that makes
    them right on average in training. A live step is priced by its own price list; see `langroute.estimators.live`.
    An arm that was never seen has, in a table, the mean of the arms that were, and in a live step the prior's estimate.

    Args:
        arms: the k arms of training.
        schema: which features are read.
        scaling: how they are scaled.
        weights: by head, (width + 1, k): slopes, and in the last row what is predicted for a step of mean features.
        factors: by head, (k,): by what the exponential is multiplied; of no use for success.
    """

    name = "ridge"
    version = "1"

    def __init__(
        self,
        *,
        arms: Sequence[str],
        schema: FeatureSchema,
        scaling: Scaling,
        weights: Mapping[str, NDArray[np.float64]],
        factors: Mapping[str, NDArray[np.float64]],
    ) -> None:
        self.arms = tuple(arms)
        self.schema = schema
        self.scaling = scaling
        self.weights = dict(weights)
        self.factors = dict(factors)
        self._known = {name: at for at, name in enumerate(self.arms)}

    def estimate(self, step: Step, arms: Sequence[Arm]) -> tuple[Estimate, ...]:
        """One estimate per arm, in the order of ``arms``."""
        return estimates_of(step, arms, self._expected(self.schema.row(step)[None, :]), self._known)

    def predict(self, rows: StepRows, arms: Sequence[str]) -> Expected:
        """What each arm is expected to do on each row, in the order of ``arms``."""
        return for_arms(self._expected(self.schema.matrix(rows)), self._known, arms)

    def unseen(self, arms: Sequence[Arm]) -> tuple[str, ...]:
        """The names of a pool's arms that the prior estimates."""
        return unseen_arms(arms, self._known)

    def _expected(self, features: NDArray[np.float64]) -> Expected:
        scaled = self.scaling.apply(features)
        found = {name: scaled @ weight[:-1] + weight[-1] for name, weight in self.weights.items()}
        for name, factor in self.factors.items():
            found[name] = np.exp(np.clip(found[name], -_LARGEST_LOG, _LARGEST_LOG)) * factor
        unknown = np.full(found["success"].shape, np.nan)
        return Expected(
            success=np.clip(found["success"], 0.0, 1.0),
            output_tokens=np.maximum(0.0, found["tokens"] - 1.0) if "tokens" in found else unknown,
            cost_nano=found.get("cost", unknown),
        )

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        settings = {"arms": list(self.arms), "schema": self.schema.as_settings(), "heads": sorted(self.weights)}
        arrays: dict[str, NDArray[Any]] = dict(self.scaling.arrays())
        arrays |= {f"{name}_weight": weight for name, weight in self.weights.items()}
        arrays |= {f"{name}_factor": factor for name, factor in self.factors.items()}
        return Parts(settings=settings, arrays=arrays)

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same estimator again.

        Raises:
            ArtifactInvalid: a setting or an array is missing or is not what it has to be.
        """
        arms, heads = names_of(parts.settings, "arms"), names_of(parts.settings, "heads")
        if not {"success"} <= set(heads) <= set(HEADS):
            raise ArtifactInvalid(f"must be of {', '.join(HEADS)}, not {heads}; train again", field="heads")
        schema = FeatureSchema.from_settings(parts.settings.get("schema"))
        scaling = Scaling.from_parts(parts, schema.width)
        weights = {name: array_of(parts, f"{name}_weight", scaling.width + 1, len(arms)) for name in heads}
        factors = {name: array_of(parts, f"{name}_factor", len(arms)) for name in heads if name != "success"}
        return cls(arms=arms, schema=schema, scaling=scaling, weights=weights, factors=factors)
