"""Cost-quality curves, and the upper concave hull of points."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid
from langroute.learning.grid import Point


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """What a policy achieves over its settings: m points, sorted by cost.

    Between two points lies a random mix of the two, so a straight line is a policy too. Nothing is smoothed: a curve
    that falls, falls.

    Attributes:
        cost: (m,) mean cost of a task, in nano-dollars or any other unit.
        quality: (m,) mean success.

    Raises:
        OutcomesInvalid: no point, lengths that differ, or a value that is not finite.
    """

    cost: NDArray[np.float64]
    quality: NDArray[np.float64]

    def __post_init__(self) -> None:
        cost, quality = np.array(self.cost, dtype=np.float64), np.array(self.quality, dtype=np.float64)
        if cost.ndim != 1 or cost.shape != quality.shape or not cost.size:
            raise OutcomesInvalid(f"needs points, not shapes {cost.shape} and {quality.shape}", field="curve")
        if not (np.isfinite(cost).all() and np.isfinite(quality).all()):
            raise OutcomesInvalid("has a point that is not finite", field="curve")
        order = np.lexsort((quality, cost))
        object.__setattr__(self, "cost", cost[order])
        object.__setattr__(self, "quality", quality[order])

    @classmethod
    def of(cls, *points: Point) -> "Curve":
        """The curve through these points."""
        return cls(cost=np.array([point.cost for point in points]), quality=np.array([p.quality for p in points]))

    def quality_at(self, cost: float) -> float | None:
        """Quality at a mean cost; beyond the dearest point its quality, below the cheapest point None."""
        if cost < self.cost[0]:
            return None
        return float(self.interpolated(np.array([cost]))[0])

    def interpolated(self, costs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Quality at each cost by straight lines; flat outside the points. Of points with one cost the best counts."""
        last = np.append(self.cost[1:] > self.cost[:-1], True)
        quality: NDArray[np.float64] = np.interp(costs, self.cost[last], self.quality[last])
        return quality

    def cost_at(self, quality: float) -> float | None:
        """The least cost at which the curve reaches a quality, by straight lines; None where it never does."""
        reached = np.flatnonzero(self.quality >= quality)
        if not reached.size:
            return None
        at = int(reached[0])
        if at == 0:
            return float(self.cost[0])
        share = (quality - self.quality[at - 1]) / (self.quality[at] - self.quality[at - 1])
        return float(self.cost[at - 1] + share * (self.cost[at] - self.cost[at - 1]))


def area(cost: NDArray[np.float64], quality: NDArray[np.float64]) -> float:
    """The area under the straight lines through (m,) points whose costs do not fall (trapezoid rule)."""
    return float((np.diff(cost) * (quality[1:] + quality[:-1])).sum() / 2)


def upper_hull(cost: NDArray[np.float64], quality: NDArray[np.float64]) -> Curve:
    """The upper concave hull of points, from the cheapest to the best: what random mixing of them achieves at most."""
    points = Curve(cost=cost, quality=quality)
    hull: list[int] = []
    best = int(np.flatnonzero(points.quality == points.quality.max())[0])
    for new in range(best + 1):
        while hull and _under(points, hull[-2:], new):
            hull.pop()
        hull.append(new)
    return Curve(cost=points.cost[hull], quality=points.quality[hull])


def _under(points: Curve, last: list[int], new: int) -> bool:
    """Whether the last hull point lies on or under the line to the new point, or is no cheaper than it."""
    top = last[-1]
    if points.cost[top] == points.cost[new]:
        return True
    if len(last) < 2:
        return False
    base = last[0]
    rise = (points.quality[top] - points.quality[base]) * (points.cost[new] - points.cost[base])
    return bool(rise <= (points.quality[new] - points.quality[base]) * (points.cost[top] - points.cost[base]))
