"""95% intervals of what the lab measures."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

import numpy as np
from numpy.typing import NDArray

_Z = NormalDist().inv_cdf(0.975)
_RESAMPLES = 2000

Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean with its 95% interval."""

    mean: float
    low: float
    high: float

    @property
    def bounds(self) -> Bounds:
        """The interval alone."""
        return self.low, self.high


def wilson(successes: int, trials: int) -> Interval:
    """Return a share with Wilson's 95% interval."""
    share = successes / trials
    middle = (share + _Z**2 / (2 * trials)) / (1 + _Z**2 / trials)
    half = _Z / (1 + _Z**2 / trials) * math.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2))
    return Interval(mean=share, low=max(0.0, middle - half), high=min(1.0, middle + half))


def normal_interval(values: Sequence[float]) -> Interval:
    """Return a mean with its 95% interval by the normal approximation; of a single value, that value alone."""
    mean = fmean(values)
    half = _Z * stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return Interval(mean=mean, low=mean - half, high=mean + half)


def paired_bootstrap(
    statistic: Callable[[NDArray[np.float64]], float], rows: Sequence[Sequence[float]], *, seed: int = 0
) -> Bounds:
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
