"""Learn-then-Test (2110.01052): which settings keep a risk below a level, with a stated confidence.

A family of settings is put into an order before the calibration data are looked at, from the safest on. Each setting is
tested against "its risk is above the level"; the tests stop at the first that is not rejected. Since nothing is tested
after a failure, no correction for many tests is needed: the probability that any rejected setting is above the level is
at most delta, whatever the number of settings and however they depend on each other.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from langroute.acceptance.calibration_data import one_of, rising, same_length, share, starts_within, successes
from langroute.acceptance.certificates import LambdaCertificate
from langroute.acceptance.p_values import Floats, betting_p_values, hoeffding_bentkus_p_value, rescaled
from langroute.errors import CalibrationError

TESTS = ("betting", "hoeffding_bentkus")

# A success lies in [0, 1], so the loss of one pair does in [-1, 1]: fixed by what success is, not by what was seen.
PAIRED_LOSS = (-1.0, 1.0)


def fixed_sequence(p_values: ArrayLike, *, delta: float, starts: int = 1) -> NDArray[np.bool_]:
    """Shape (m,): which of m hypotheses are rejected, tested in the order given.

    With several starts, spread evenly over the order, each gets ``delta / starts`` and goes on until its first failure.
    That helps where the first tests of the order rest on few rows and so cannot succeed. The family-wise error, the
    probability that any true hypothesis is rejected, is at most delta if each p-value is valid and the order and the
    starts were chosen without looking at the calibration data.

    Raises:
        CalibrationError: p-values outside [0, 1], delta outside (0, 1), starts outside 1 to m.
    """
    found = successes(p_values, field="p_values", dimensions=1)
    level = share(delta, field="delta") / starts_within(starts, len(found))
    rejected = np.zeros(len(found), dtype=bool)
    for start in range(starts):
        first = start * len(found) // starts
        failed = np.flatnonzero(found[first:] > level)
        rejected[first : first + int(failed[0]) if len(failed) else len(found)] = True
    return rejected


def certify_lambda(
    lambdas: ArrayLike,
    success: ArrayLike,
    strong: ArrayLike,
    *,
    epsilon: float,
    delta: float,
    test: str = "betting",
    starts: int = 1,
    seed: int = 0,
) -> LambdaCertificate:
    """The cheapest lambda whose loss of success against always-strong is at most epsilon, with confidence 1 - delta.

    **Guaranteed.** With probability at least 1 - delta over the draw of the calibration episodes, the certified lambda
    satisfies ``E[success of always-strong - success of the router at lambda] <= epsilon``, the expectation being over
    new episodes. It is a statement about the mean of whole episodes, paired task by task.
    **Assumed.** Episodes are independent draws of the distribution that new ones come from: one run per task, the same
    mix of tasks, prices and models. (Independence is more than exchangeability; confidence needs it.) The family,
    epsilon, delta, the test and the starts were fixed before these episodes were seen, and the router was fitted on
    others.
    **Not guaranteed.** Nothing about a single episode, a group of tasks or a shifted mix; nothing about dollars;
    nothing about lambdas between the tested ones; and the certified lambda is the cheapest that could be shown, not the
    cheapest there is.

    Losses are in [-1, 1]: a router that succeeds where always-strong fails is credited. Both tests are valid for that
    range, whatever the distribution; "betting" (2010.09686) rules out more where most pairs agree, and takes the rows
    in an order drawn with ``seed``, so that a sorted table does no harm. The exact binomial test is for losses of 0 and
    1 and does not apply.

    Args:
        lambdas: shape (m,), strictly rising: from the safest (dollars count least) to the cheapest.
        success: shape (n, m), in [0, 1]: success of episode i when the router runs at lambda j.
        strong: shape (n,), in [0, 1]: success of always-strong on the same tasks.
        epsilon: the loss of mean success that may be given up, in [0, 1).
        delta: the probability of being misled, in (0, 1).
        test: "betting" or "hoeffding_bentkus"; choose before looking, not the one that says yes.
        starts: see `fixed_sequence`.
        seed: of the order in which betting takes the episodes.

    Raises:
        CalibrationError: shapes that do not fit, NaN, values or levels out of range, an unknown test.
    """
    family = rising(lambdas, field="lambdas")
    routed = successes(success, field="success", dimensions=2)
    reference = successes(strong, field="strong", dimensions=1)
    same_length(routed, reference, field="success", other="strong")
    if routed.shape[1] != len(family):
        raise CalibrationError(f"has {routed.shape[1]} columns for {len(family)} lambdas.", field="success")
    share(epsilon, field="epsilon", zero=True)
    share(delta, field="delta")
    one_of(test, TESTS, field="test")
    starts_within(starts, len(family))
    losses = reference[:, None] - routed
    p_values = _p_values(losses, epsilon, delta=delta / starts, test=test, seed=seed)
    rejected = fixed_sequence(p_values, delta=delta, starts=starts)
    return LambdaCertificate(
        epsilon=float(epsilon),
        delta=float(delta),
        n=len(losses),
        lambda_=float(family[rejected][-1]) if rejected.any() else None,
        lambdas=tuple(family.tolist()),
        losses=tuple(losses.mean(axis=0).tolist()),
        p_values=tuple(p_values.tolist()),
        test=test,
        starts=starts,
        why_nothing="" if rejected.any() else why_nothing(p_values, delta=delta, starts=starts),
    )


def why_nothing(p_values: Floats, *, delta: float, starts: int) -> str:
    """Why fixed-sequence testing certified nothing, and what would help."""
    firsts = [float(p_values[start * len(p_values) // starts]) for start in range(starts)]
    needed = f"{delta:g}" if starts == 1 else f"{delta:g}/{starts}"
    return (
        f"the lowest p-value at a start is {min(firsts):.3g}, above {needed}. More calibration data, a wider level, or "
        "a safer first member of the family may help; it may also be that the risk is above the level."
    )


def _p_values(losses: Floats, epsilon: float, *, delta: float, test: str, seed: int) -> Floats:
    """One p-value per column for "its mean loss is above epsilon"."""
    unit = rescaled(losses, PAIRED_LOSS)
    level = float(rescaled(np.asarray(epsilon, dtype=np.float64), PAIRED_LOSS))
    if test == "betting":
        return betting_p_values(np.random.default_rng(seed).permutation(unit), level, delta)
    n = len(unit)
    return np.array([hoeffding_bentkus_p_value(float(total), n, level) for total in unit.sum(axis=0)])
