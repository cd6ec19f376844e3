"""BoostedEstimator: success and cost by boosted trees over what is known of the step and of the arm."""

import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid
from langroute.estimators.arm_table import ArmTable
from langroute.estimators.calibration import MonotoneCalibration, logistic, logit
from langroute.estimators.feature_schema import FeatureSchema
from langroute.estimators.forest import Forest
from langroute.estimators.prior import BY_PRIOR, PriorEstimator
from langroute.estimators.rows import Expected, StepRows
from langroute.parts import Parts
from langroute.quick import changed
from langroute.records import Arm, Estimate, Step

_MOST_KNOWN = 256
_MOST_MARGIN = 30.0


class BoostedEstimator:
    """One model for all arms: an arm is a few features beside those of the step, and all arms are rows of one call.

    Trees for success, for output tokens and for dollars stand in one forest, which numpy walks without XGBoost; what
    the first say is calibrated. A live step is priced by the arm's own price list and its prompt cache for the tokens
    expected; where the table did not know tokens, by the dollars expected; where it knew neither, by the prior's
    tokens. Per-model regressors of success and cost are what ACO and MTRouter use; that one model reads the arms as
    features is langroute's own.

    An arm that was never seen in training (`unseen`) is estimated by the prior, moved: by as much as the learned
    success of the pool's known arms differs in log odds from what the prior says of them in this step; its tokens are
    the mean of theirs, and its estimate says so (``caveat``). An arm that is gone from the pool changes nothing.

    Args:
        schema: how a step is read.
        arms: what is known of the arms.
        forest: three sums over (step, arm): log odds of success, and logarithms of tokens and of nano-dollars over
            their scale.
        calibration: from the first sum's probability to success.
        token_scale: mean output tokens in training; 0 where the table did not know them.
        cost_scale: mean nano-dollars of an attempt in training; 0 where the table did not know them.
    """

    name = "boosted"
    version = "1"

    def __init__(
        self,
        *,
        schema: FeatureSchema,
        arms: ArmTable,
        forest: Forest,
        calibration: MonotoneCalibration,
        token_scale: float,
        cost_scale: float,
    ) -> None:
        if forest.width != schema.width + len(arms.columns):
            raise ArtifactInvalid(
                f"reads {forest.width} features, and schema and arms have {schema.width + len(arms.columns)}; "
                "train again with `langroute train`",
                field="forest.width",
            )
        self.schema = schema
        self.arms = arms
        self._forest = forest
        self._calibration = calibration
        self._token_scale = float(token_scale)
        self._cost_scale = float(cost_scale)
        self._prior = PriorEstimator()
        self._pools: dict[tuple[str, ...], NDArray[np.float64]] = {}

    def estimate(self, step: Step, arms: Sequence[Arm]) -> tuple[Estimate, ...]:
        """One estimate per arm, in the order of ``arms``."""
        places = [self.arms.place(arm.name) for arm in arms]
        if None not in places:
            return tuple(self._learned(step, arms))
        known = [arm for arm, place in zip(arms, places, strict=True) if place is not None]
        if not known:
            return tuple([changed(one, caveat=BY_PRIOR) for one in self._prior.estimate(step, arms)])
        found = {one.arm: one for one in self._learned(step, known)}
        found |= self._moved(step, [arm for arm in arms if arm.name not in found], known, found)
        return tuple([found[arm.name] for arm in arms])

    def _learned(self, step: Step, arms: Sequence[Arm]) -> list[Estimate]:
        """Estimates of arms that were seen in training."""
        rows = self._pool(arms).copy()
        rows[:, : self.schema.width] = self.schema.row(step)
        # Where tokens are expected, dollars follow from the arm's own prices: their trees need not be walked.
        sums = self._forest.sums(rows, first=2 if self._token_scale else None)
        success, amounts = self._calibration(logistic(sums[:, 0])).tolist(), sums[:, -1].tolist()
        return [self._estimate(step, arm, success[at], amounts[at]) for at, arm in enumerate(arms)]

    def _estimate(self, step: Step, arm: Arm, success: float, amount: float) -> Estimate:
        """One estimate; ``amount`` is the sum for tokens, or for dollars where tokens are not known."""
        size = math.exp(min(max(amount, -_MOST_MARGIN), _MOST_MARGIN))
        if self._token_scale:
            tokens = min(step.output_cap, round(size * self._token_scale))
            cost = step.cost_of(arm, tokens)
        else:
            tokens = self._prior.estimate(step, (arm,))[0].output_tokens
            cost = round(size * self._cost_scale) if self._cost_scale else step.cost_of(arm, tokens)
        return Estimate(arm=arm.name, success=round(success, 6), cost_nano=cost, output_tokens=tokens)

    def unseen(self, arms: Sequence[Arm]) -> tuple[str, ...]:
        """Names of the arms that were not seen in training, which are estimated by the prior."""
        return tuple(arm.name for arm in arms if self.arms.place(arm.name) is None)

    def predict(self, rows: StepRows, arms: Sequence[str]) -> Expected:
        """What each arm is expected to do on each row, (n, arms).

        A table knows no prices that a prior could start from, so an arm that was never seen in training is expected
        to do what those that were seen do on average.
        """
        unknown = any(self.arms.place(arm) is None for arm in arms)
        wanted = [*self.arms.names] if unknown else list(dict.fromkeys(arms))
        seen = self.schema.matrix(rows)
        told = {name: self._told_of(name, seen) for name in wanted}
        mean: NDArray[np.float64] = np.mean(list(told.values()), axis=0)
        success, tokens, nano = np.stack([told.get(arm, mean) for arm in arms], axis=2)
        return Expected(success=success, output_tokens=tokens, cost_nano=nano)

    def _told_of(self, arm: str, seen: NDArray[np.float64]) -> NDArray[np.float64]:
        """(3, n) what is told of one arm on rows of a step's features."""
        own = np.broadcast_to(self.arms.features[self.arms.places([arm])], (len(seen), len(self.arms.columns)))
        return np.stack(self._told(np.concatenate([seen, own], axis=1)))

    def _pool(self, arms: Sequence[Arm]) -> NDArray[np.float64]:
        """Rows of the forest for these arms, with room for a step; made once for a pool."""
        names = tuple([arm.name for arm in arms])
        found = self._pools.get(names)
        if found is None:
            if len(self._pools) >= _MOST_KNOWN:
                self._pools.clear()
            own = self.arms.features[self.arms.places(names)]
            found = self._pools[names] = np.concatenate([np.zeros((len(names), self.schema.width)), own], axis=1)
        return found

    def _told(self, rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        sums = self._forest.sums(rows)
        amounts = np.exp(np.clip(sums[:, 1:], -_MOST_MARGIN, _MOST_MARGIN))
        tokens = amounts[:, 0] * (self._token_scale or np.nan)
        return self._calibration(logistic(sums[:, 0])), tokens, amounts[:, 1] * (self._cost_scale or np.nan)

    def _moved(
        self, step: Step, unseen: Sequence[Arm], known: Sequence[Arm], found: dict[str, Estimate]
    ) -> dict[str, Estimate]:
        """The prior's estimates of unseen arms, on the scale of those that were learned."""
        believed = self._prior.estimate(step, known)
        learned = [found[arm.name] for arm in known]
        apart = [float(logit(one.success) - logit(other.success)) for one, other in zip(learned, believed, strict=True)]
        shift = sum(apart) / len(apart)
        tokens = round(sum(one.output_tokens for one in learned) / len(learned))
        return {
            arm.name: Estimate(
                arm=arm.name,
                success=round(float(logistic(logit(prior.success) + shift)), 6),
                cost_nano=step.cost_of(arm, tokens),
                output_tokens=tokens,
                caveat=BY_PRIOR,
            )
            for arm, prior in zip(unseen, self._prior.estimate(step, unseen), strict=True)
        }

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        forest = self._forest.parts()
        settings = {
            "features": self.schema.as_settings(),
            "arms": self.arms.as_settings(),
            "forest": dict(forest.settings),
            "token_scale": self._token_scale,
            "cost_scale": self._cost_scale,
        }
        arrays = {**forest.arrays, **self._calibration.arrays(), "arm_features": self.arms.features}
        return Parts(settings=settings, arrays=arrays)

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same estimator again.

        Raises:
            ArtifactInvalid: a setting or an array is missing or is not what it has to be.
        """
        settings, arrays = parts.settings, parts.arrays
        try:
            scales = {name: _scale(settings[name]) for name in ("token_scale", "cost_scale")}
            return cls(
                schema=FeatureSchema.from_settings(settings["features"]),
                arms=ArmTable.from_settings(settings["arms"], arrays["arm_features"]),
                forest=Forest.from_parts(Parts(settings=settings["forest"], arrays=arrays)),
                calibration=MonotoneCalibration(arrays["calibration_said"], arrays["calibration_true"]),
                **scales,
            )
        except (KeyError, TypeError, ValueError) as exc:
            raise ArtifactInvalid(
                f"is missing or damaged ({exc}); train again with `langroute train`", field="boosted"
            ) from exc


def _scale(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ArtifactInvalid(f"must be a number from 0, not {value!r}; train again", field="scale")
    return float(value)
