"""From what a fitted estimator expects of its arms to estimates of a live step, in the pool's own prices."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from langroute.estimators.prior import BY_PRIOR, PriorEstimator
from langroute.estimators.rows import Expected
from langroute.quick import changed
from langroute.records import Arm, Estimate, Step

_PRIOR = PriorEstimator()


def estimates_of(step: Step, arms: Sequence[Arm], expected: Expected, known: dict[str, int]) -> tuple[Estimate, ...]:
    """One estimate per arm, in the order of ``arms``.

    The price is the arm's own for this step, its prompt cache included, of the output tokens expected. Where the
    table that was learned from knows no tokens, they are those that the expected bill pays for beside the input, and
    where it knows no costs either, the prior's. An arm that was never seen in training is estimated by the prior, and
    its estimate says so.

    Args:
        step: what is decided on.
        arms: the pool.
        expected: one row, over the arms of training.
        known: the column in ``expected`` of each arm of training.
    """
    return tuple([_estimate(step, arm, expected, known.get(arm.name)) for arm in arms])


def expected_of(outcomes: NDArray[np.float64], known: tuple[bool, bool]) -> Expected:
    """(n, 3, k) success, output tokens and nano-dollars as what is expected; amounts that are not known are NaN."""
    tokens, cost = (
        outcomes[:, at + 1] if told else np.full(outcomes[:, 0].shape, np.nan) for at, told in enumerate(known)
    )
    return Expected(success=np.clip(outcomes[:, 0], 0.0, 1.0), output_tokens=tokens, cost_nano=cost)


def for_arms(expected: Expected, known: dict[str, int], arms: Sequence[str]) -> Expected:
    """What is expected of these arms, in their order; of one never seen, the mean of all that were."""
    columns = [known.get(name, len(known)) for name in arms]
    padded = {
        name: np.concatenate([value, value.mean(axis=1, keepdims=True)], axis=1)[:, columns]
        for name in ("success", "output_tokens", "cost_nano")
        for value in (getattr(expected, name),)
    }
    return Expected(**padded)


def unseen_arms(arms: Sequence[Arm], known: dict[str, int]) -> tuple[str, ...]:
    """The names of a pool's arms that were never seen in training."""
    return tuple([arm.name for arm in arms if arm.name not in known])


def _estimate(step: Step, arm: Arm, expected: Expected, column: int | None) -> Estimate:
    if column is None:
        return changed(_PRIOR.estimate(step, (arm,))[0], caveat=BY_PRIOR)
    tokens, cost = float(expected.output_tokens[0, column]), float(expected.cost_nano[0, column])
    if np.isnan(tokens):
        tokens = _PRIOR.estimate(step, (arm,))[0].output_tokens if np.isnan(cost) else _paid_for(step, arm, cost)
    output = min(round(max(0.0, tokens)), step.output_cap)
    success = min(1.0, max(0.0, float(expected.success[0, column])))
    return Estimate(arm=arm.name, success=round(success, 6), cost_nano=step.cost_of(arm, output), output_tokens=output)


def _paid_for(step: Step, arm: Arm, cost_nano: float) -> float:
    """Output tokens that a bill of ``cost_nano`` leaves room for, once the step's input is paid."""
    without = step.cost_of(arm, 0)
    thousand = step.cost_of(arm, 1000) - without
    return 0.0 if thousand <= 0 else max(0.0, cost_nano - without) * 1000 / thousand
