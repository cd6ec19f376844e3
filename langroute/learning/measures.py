"""Measures of a cost-quality curve: against the best single model, against nothing, and between hull and oracle."""

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid
from langroute.learning.curves import Curve, area
from langroute.learning.grid import Point


def perf_gain(curve: Curve, best_single: Point) -> float:
    """The most quality on the curve over that of the best single model, minus 1 (LLMRouterBench 2601.07206).

    That the gain is relative is a reconstruction. The setting is picked on the outcomes it is scored on: it says what
    the curve holds, not what a user would get; for that, score a setting chosen elsewhere.

    Raises:
        OutcomesInvalid: the best single model never succeeds.
    """
    if not best_single.quality > 0:
        raise OutcomesInvalid("never succeeds, so nothing can be relative to it", field="best_single")
    return float(curve.quality.max()) / best_single.quality - 1


def cost_save(curve: Curve, best_single: Point, *, share: float = 1.0) -> float | None:
    """The share of the best single model's cost saved where the curve reaches ``share`` of its quality (2601.07206).

    Points between two settings are random mixes of them, so the cost is read off by straight lines (a reconstruction).
    It is negative where the curve pays more, and None where it never gets there.

    Raises:
        OutcomesInvalid: the best single model costs nothing, or ``share`` is not positive.
    """
    if not best_single.cost > 0:
        raise OutcomesInvalid("costs nothing, so nothing can be saved", field="best_single")
    if not share > 0:
        raise OutcomesInvalid(f"must be more than 0, not {share}", field="share")
    cost = curve.cost_at(share * best_single.quality)
    return None if cost is None else 1 - cost / best_single.cost


def hypervolume(curve: Curve, *, most_cost: float, least_quality: float = 0.0) -> float:
    """The share of the rectangle [0, most_cost] x [least_quality, 1] that the points dominate, in [0, 1].

    A point dominates what costs at least as much and achieves at most as much; there is no mixing, so lines count
    nothing. Fix the rectangle from the pool, not from the curve: the dearest single model's cost is the usual choice.

    Raises:
        OutcomesInvalid: the rectangle is empty, or the curve has negative costs or quality above 1.
    """
    if not most_cost > 0 or not least_quality < 1:
        raise OutcomesInvalid(f"{most_cost} and least_quality {least_quality} leave no area", field="most_cost")
    if curve.cost[0] < 0 or curve.quality.max() > 1 + 1e-9:
        raise OutcomesInvalid("must have costs of 0 and more, and quality of at most 1", field="curve")
    steps = np.append(np.minimum(curve.cost, most_cost), most_cost)
    height = np.clip(np.maximum.accumulate(curve.quality), least_quality, 1.0) - least_quality
    return float((np.diff(steps) * height).sum() / (most_cost * (1 - least_quality)))


def gap_closed(curve: Curve, hull: Curve, oracle: Curve) -> float:
    """How much of the room between random mixing of single models (0) and the per-task oracle (1) the curve uses.

    At every cost from the cheapest to the best single model: curve minus hull, and oracle minus hull; both averaged
    over that range of costs, then divided. So costs where there is little room weigh little, and costs without any do
    no harm; this way of averaging is a reconstruction. Below its cheapest point the curve is a random mix with the
    cheapest single model, above its dearest it stays. Negative where routing does harm.

    Args:
        curve: what is measured. Its points must be scored on outcomes that did not select them.
        hull: of single models, from `single_hull`.
        oracle: from `oracle_frontier`, on the same tasks.

    Raises:
        OutcomesInvalid: the oracle has no room over the hull.
    """
    low, high = float(hull.cost[0]), float(hull.cost[-1])
    if curve.cost[0] > low:
        curve = Curve(cost=np.append(curve.cost, low), quality=np.append(curve.quality, hull.quality[0]))
    inner = np.concatenate([hull.cost, *(_corners(part, low, high) for part in (curve, oracle))])
    costs = np.unique(inner)
    base = hull.interpolated(costs)
    gained = _mean(curve.interpolated(costs) - base, costs)
    room = _mean(oracle.interpolated(costs) - base, costs)
    if not room > 0:
        raise OutcomesInvalid("has no room over the hull of single models: there is nothing to gain", field="oracle")
    return gained / room


def _corners(curve: Curve, low: float, high: float) -> NDArray[np.float64]:
    return curve.cost[(curve.cost > low) & (curve.cost < high)]


def _mean(height: NDArray[np.float64], costs: NDArray[np.float64]) -> float:
    if len(costs) == 1:
        return float(height[0])
    return area(costs, height) / float(costs[-1] - costs[0])


def bankruptcy(cost: NDArray[np.int64] | NDArray[np.float64], budget: float | NDArray[np.float64]) -> float:
    """The share of episodes that would have cost more than their budget (SeqRoute's name for it).

    Args:
        cost: (n,) nano-dollars each episode costs when nothing stops it.
        budget: nano-dollars of every episode, or (n,) one for each.

    Raises:
        OutcomesInvalid: no episode, lengths that differ, or a value that is negative or NaN.
    """
    allowed = np.asarray(budget, dtype=np.float64)
    if not cost.size or (allowed.ndim and allowed.shape != cost.shape):
        raise OutcomesInvalid(f"must be one or one for each of {cost.shape}, not {allowed.shape}", field="budget")
    if not ((cost >= 0).all() and (allowed >= 0).all()):
        raise OutcomesInvalid("and budget must not be negative or NaN", field="cost")
    return float((cost > allowed).mean())
