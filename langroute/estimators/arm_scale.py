"""ArmScale: where arms stand between a weak and a strong one, so that what is said of two can be said of all."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid
from langroute.estimators.prior import PriorEstimator
from langroute.estimators.rows import Expected
from langroute.records import Arm, Estimate, Step

BY_RANK = "never seen in training, so placed by its rank"
"""The caveat of an estimate of such an arm."""


class ArmScale:
    """Places of arms: 0 is the weak arm, 1 the strong one, and an arm between has that share of the gain.

    In training an arm's place is its share of the difference of the two means, in [0, 1]. An arm that was never seen
    takes its `Arm.rank` in the pool as its place: a belief, not a measurement. Output tokens are the means of training;
    where these are unknown, the prior's.

    Args:
        places: by arm; one has 0 and one has 1.
        tokens: mean output tokens by arm; arms may be missing.
        costs: mean nano-dollars of an attempt by arm, for tables; arms may be missing.

    Raises:
        ArtifactInvalid: a place is outside of [0, 1], or a mean is negative or not finite.
    """

    def __init__(self, *, places: Mapping[str, float], tokens: Mapping[str, float], costs: Mapping[str, float]) -> None:
        self.places, self.tokens, self.costs = dict(places), dict(tokens), dict(costs)
        sound = all(0.0 <= place <= 1.0 for place in self.places.values()) and len(self.places) > 1
        if not sound or not all(0.0 <= mean < math.inf for mean in (*self.tokens.values(), *self.costs.values())):
            raise ArtifactInvalid("must be at least two, in [0, 1], with means of 0 and more", field="places")
        self._prior = PriorEstimator()

    def estimates(self, step: Step, arms: Sequence[Arm], *, weak: float, strong: float) -> tuple[Estimate, ...]:
        """One estimate per arm of what the two ends achieve, both in [0, 1]."""
        return tuple([self._estimate(step, arm, weak, strong) for arm in arms])

    def _estimate(self, step: Step, arm: Arm, weak: float, strong: float) -> Estimate:
        place = min(1.0, max(0.0, self.places.get(arm.name, arm.rank)))
        tokens = self.tokens.get(arm.name)
        expected = self._prior.estimate(step, (arm,))[0].output_tokens if tokens is None else round(tokens)
        expected = min(expected, step.output_cap)
        success = round(min(1.0, max(0.0, weak + place * (strong - weak))), 6)
        caveat = "" if arm.name in self.places else BY_RANK
        cost = step.cost_of(arm, expected)
        return Estimate(arm=arm.name, success=success, cost_nano=cost, output_tokens=expected, caveat=caveat)

    def expected(self, weak: NDArray[np.float64], strong: NDArray[np.float64], arms: Sequence[str]) -> Expected:
        """The same for rows of a table, from (n,) successes of the two ends.

        Raises:
            ArtifactInvalid: an arm was never seen in training, so there is no rank to place it by.
        """
        unknown = [arm for arm in arms if arm not in self.places]
        if unknown:
            raise ArtifactInvalid(
                f"{', '.join(unknown)}: never seen; trained on {', '.join(self.places)}", field="arms"
            )
        place = np.array([self.places[arm] for arm in arms])
        success = np.clip(weak[:, None] + place * (strong - weak)[:, None], 0.0, 1.0)
        tokens, costs = (
            np.tile([known.get(arm, math.nan) for arm in arms], (len(weak), 1)) for known in (self.tokens, self.costs)
        )
        return Expected(success=success, output_tokens=tokens, cost_nano=costs)

    def settings(self) -> dict[str, Any]:
        """As plain data."""
        return {"places": self.places, "tokens": self.tokens, "costs": self.costs}

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """From plain data.

        Raises:
            ArtifactInvalid: a setting is missing or is not what it has to be.
        """
        try:
            told = {
                name: {str(arm): float(value) for arm, value in settings[name].items()}
                for name in ("places", "tokens", "costs")
            }
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise ArtifactInvalid(f"is missing or damaged ({exc}); train again", field="settings") from exc
        return cls(**told)
