"""P-values for "the mean loss is above a level", valid at any sample size: exact binomial, Hoeffding-Bentkus, betting.

Each is super-uniform when the rows are independent draws of one distribution and its mean is at or above the level: the
probability of a p-value at or below delta is then at most delta. None of them relies on a normal approximation.
Losses are in [0, 1]; `rescaled` brings losses of another fixed range there.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Sums of fractions carry rounding errors of about 1e-13: a sum of 3 is not to be taken for a little more than 3.
_ROUNDING = 1e-9

# The largest bet, as a share of the one that could lose everything (1/2 or 3/4 in 2010.09686).
_BOLDEST = 0.75


def rescaled(values: Floats, bounds: tuple[float, float]) -> Floats:
    """Values of a range that was fixed beforehand, moved to [0, 1]; a level is moved with the same call."""
    lowest, highest = bounds
    return (values - lowest) / (highest - lowest)


def binomial_tail(successes: int, n: int, probability: float) -> float:
    """``P(Bin(n, probability) <= successes)``, for a probability strictly between 0 and 1.

    Computed from logarithms, so that it neither overflows nor vanishes too early.
    """
    if successes >= n:
        return 1.0
    if successes < 0:
        return 0.0
    counts = np.arange(1, successes + 1, dtype=np.float64)
    odds = np.log(probability) - np.log1p(-probability)
    steps = np.log((n - counts + 1) / counts) + odds
    logs = np.concatenate(([0.0], np.cumsum(steps))) + n * np.log1p(-probability)
    top = logs.max()
    return float(min(1.0, np.exp(top) * np.exp(logs - top).sum()))


def binomial_p_value(failures: int, n: int, level: float) -> float:
    """The exact p-value for losses that are 0 or 1: as few failures as seen, were the mean loss at the level.

    With no row at all it is 1.
    """
    return binomial_tail(failures, n, level) if n else 1.0


def hoeffding_bentkus_p_value(total: float, n: int, level: float) -> float:
    """The smaller of Hoeffding's and Bentkus' bounds, for losses anywhere in [0, 1] (Learn-then-Test, 2110.01052).

    Args:
        total: the sum of the n losses.
        n: how many losses; with none the p-value is 1.
        level: the mean loss to be ruled out, strictly between 0 and 1.

    Both bounds come from the same convex ordering, so the smaller of the two is valid without a correction.
    """
    if not n:
        return 1.0
    bentkus = np.e * binomial_tail(int(np.ceil(total - _ROUNDING)), n, level)
    mean = min(total / n, level)
    # Kullback-Leibler divergence of two coins; 0 log 0 is 0.
    gained = mean * np.log(mean / level) if mean > 0 else 0.0
    lost = (1 - mean) * np.log((1 - mean) / (1 - level))
    return float(min(1.0, bentkus, np.exp(-n * (gained + lost))))


def betting_p_values(losses: Floats, level: float, delta: float) -> Floats:
    """P-values of shape (m,) for losses of shape (n, m) in [0, 1], by betting against the level (2010.09686).

    A gambler who starts with 1 stakes on every row that its loss is below the level. If the mean is at or above the
    level, the stakes lose on average, and by Ville's inequality the highest wealth reached is 1/p with probability at
    most p. Stakes grow where losses vary little, so this rules out far more than Hoeffding-Bentkus does when the losses
    of pairs are mostly 0 and only their possible range is wide. The stakes are the paper's predictable plug-in; each
    uses earlier rows only, so the order of the rows must not depend on their losses.
    """
    n = len(losses)
    seen = np.arange(2, n + 2, dtype=np.float64)[:, None]
    means = (0.5 + np.cumsum(losses, axis=0)) / seen
    spread = (0.25 + np.cumsum((losses - means) ** 2, axis=0)) / seen
    before = np.concatenate((np.full((1, losses.shape[1]), 0.25), spread[:-1]))
    stakes = np.minimum(_BOLDEST / (1 - level), np.sqrt(2 * np.log(1 / delta) / (n * before)))
    wealth = np.cumsum(np.log1p(stakes * (level - losses)), axis=0)
    highest: Floats = np.minimum(1.0, np.exp(-wealth.max(axis=0)))
    return highest
