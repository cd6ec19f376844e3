"""Paired bootstrap over tasks: how sure a measure, or a difference of two, is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A measure with its percentile interval.

    Attributes:
        point: on the tasks themselves.
        low: lower end.
        high: upper end.
        resamples: how many resamples the ends come from.
        undefined: on how many more resamples the measure was not defined; many of them make the ends too narrow.
    """

    point: float
    low: float
    high: float
    resamples: int
    undefined: int


def bootstrap(
    measure: Callable[[NDArray[np.int64]], float | None],
    size: int,
    *,
    clusters: NDArray[np.str_] | NDArray[np.int64] | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The interval of a measure over resamples of tasks.

    Paired: whatever the measure compares, it computes from the same tasks, because it is given row numbers. Anything
    that was fitted stays fitted: the interval is about the tasks scored, not about training again.

    Args:
        measure: from (m,) row numbers to a number; None, or `OutcomesInvalid`, where it is not defined on them.
        size: how many tasks there are.
        clusters: (size,) labels; whole clusters are drawn (services, repositories) where tasks of one are alike.
        resamples: how many are drawn.
        level: of the two-sided interval.
        seed: of the drawing; the same seed draws the same tasks for every measure.

    Raises:
        OutcomesInvalid: the measure is not defined on the tasks themselves, or on none of the resamples; or an option
            is out of range.
    """
    if size < 1 or resamples < 1 or not 0 < level < 1:
        raise OutcomesInvalid(f"size {size}, resamples {resamples}, level {level}: out of range", field="bootstrap")
    members = _members(size, clusters)
    point = measure(np.arange(size))
    if point is None:
        raise OutcomesInvalid("is not defined on the tasks themselves", field="measure")
    random = np.random.default_rng(seed)
    drawn = (random.integers(len(members), size=len(members)) for _ in range(resamples))
    tried = (_tried(measure, np.concatenate([members[at] for at in draw])) for draw in drawn)
    values = [value for value in tried if value is not None]
    if not values:
        raise OutcomesInvalid(f"is not defined on any of {resamples} resamples", field="measure")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    undefined = resamples - len(values)
    return Interval(point=point, low=float(low), high=float(high), resamples=len(values), undefined=undefined)


def _members(size: int, clusters: NDArray[np.str_] | NDArray[np.int64] | None) -> list[NDArray[np.int64]]:
    if clusters is None:
        return list(np.arange(size)[:, None])
    if clusters.shape != (size,):
        raise OutcomesInvalid(f"must be one for each of {size} tasks, not {clusters.shape}", field="clusters")
    _, label, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    return np.split(np.argsort(label, kind="stable"), np.cumsum(sizes)[:-1])


def _tried(measure: Callable[[NDArray[np.int64]], float | None], rows: NDArray[np.int64]) -> float | None:
    try:
        value = measure(rows)
    except OutcomesInvalid:
        return None
    return None if value is None or not np.isfinite(value) else value
