"""95% intervals of what the lab measures."""

from collections.abc import Callable, Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray

_Z = 1.959964
_RESAMPLES = 2000

Interval = tuple[float, float]


def wilson(successes: int, trials: int) -> Interval:
    """Wilson's score interval of a proportion."""
    if trials == 0:
        return 0.0, 1.0
    rate, spread = successes / trials, _Z * _Z / trials
    middle = (rate + spread / 2) / (1 + spread)
    half = _Z * sqrt(rate * (1 - rate) / trials + spread / (4 * trials)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def mean_interval(values: Sequence[float]) -> Interval:
    """Normal interval of a mean."""
    sample = np.asarray(values, dtype=float)
    if len(sample) < 2:
        return float(sample.mean()), float(sample.mean())
    half = _Z * float(sample.std(ddof=1)) / sqrt(len(sample))
    return float(sample.mean()) - half, float(sample.mean()) + half


def paired_bootstrap(
    statistic: Callable[[NDArray[np.float64]], float], rows: Sequence[Sequence[float]], *, seed: int = 0
) -> Interval:
    """Percentile interval of a statistic of tasks, resampled whole: what is paired in a task stays paired.

    Args:
        statistic: of an array of shape (tasks, columns).
        rows: one row per task.
        seed: of the resampling.
    """
    table = np.asarray(rows, dtype=float)
    rng = np.random.default_rng(seed)
    drawn = [statistic(table[rng.integers(0, len(table), len(table))]) for _ in range(_RESAMPLES)]
    return float(np.nanpercentile(drawn, 2.5)), float(np.nanpercentile(drawn, 97.5))
