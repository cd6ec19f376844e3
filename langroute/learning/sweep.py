"""The frontier of one equation: argmax U - lambda C for every lambda at once, by estimates, scored by what happened.

For each task the arms that some lambda chooses are the upper concave hull of its estimated (cost, success) points. As
lambda falls, tasks move up their hulls in the order of the slopes. Sorting all moves by slope therefore gives the whole
frontier without a grid of lambdas; with the outcomes themselves as estimates it is the per-task oracle's.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid
from langroute.learning.curves import Curve
from langroute.learning.grid import OutcomeGrid


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moves:
    """Every change of arm as lambda falls from infinity to zero.

    Attributes:
        first: (n,) the arm of each task at lambda = infinity: the cheapest, of equals the better.
        task: (m,) whose arm changes, in the order of falling lambda.
        source: (m,) the arm it leaves.
        target: (m,) the arm it takes.
        price: (m,) the lambda at which both are worth the same: success per unit of cost.
    """

    first: NDArray[np.int64]
    task: NDArray[np.int64]
    source: NDArray[np.int64]
    target: NDArray[np.int64]
    price: NDArray[np.float64]


def moves(success: NDArray[np.float64], cost: NDArray[np.float64]) -> Moves:
    """How argmax success - lambda * cost changes with lambda; both (n, k), estimated or true.

    Raises:
        OutcomesInvalid: the shapes differ or a value is not finite.
    """
    if success.ndim != 2 or success.shape != cost.shape or not success.size:
        raise OutcomesInvalid(
            f"success and cost must be (n, k), not {success.shape} and {cost.shape}", field="estimates"
        )
    if not (np.isfinite(success).all() and np.isfinite(cost).all()):
        raise OutcomesInvalid("must be finite", field="estimates")
    rows = np.arange(len(success))
    cheapest = cost == cost.min(axis=1, keepdims=True)
    current = first = np.where(cheapest, success, -np.inf).argmax(axis=1)
    ceiling = np.full(len(rows), np.inf)
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    while True:
        gain = success - success[rows, current][:, None]
        extra = cost - cost[rows, current][:, None]
        better = (gain > 0) & (extra > 0)
        slope = np.divide(gain, extra, out=np.full(gain.shape, -np.inf), where=better)
        steepest = slope.max(axis=1)
        moved = rows[steepest > -np.inf]
        if not moved.size:
            break
        target = np.where(slope == steepest[:, None], gain, -np.inf).argmax(axis=1)
        ceiling = np.minimum(ceiling, steepest)  # slopes of a hull fall; rounding must not let one rise
        found.append((moved, current[moved], target[moved], ceiling[moved]))
        current = np.where(steepest > -np.inf, target, current)
    return _in_order(first, found)


def _in_order(
    first: NDArray[np.int64],
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]],
) -> Moves:
    none = np.empty(0, dtype=np.int64)
    task, source, target = (np.concatenate([none, *(step[part] for step in found)]) for part in range(3))
    price = np.concatenate([np.empty(0), *(step[3] for step in found)])
    order = np.argsort(-price, kind="stable")
    return Moves(first=first, task=task[order], source=source[order], target=target[order], price=price[order])


def frontier(grid: OutcomeGrid, success: NDArray[np.float64], cost: NDArray[np.float64]) -> Curve:
    """True (cost, quality) of argmax U - lambda C over all lambda, U and C being (n, k) estimates (CARROT 2502.03261).

    Estimates that are equal for two tasks change their arms together: between those points lies a random mix.

    Raises:
        OutcomesInvalid: the estimates are not (n, k) finite numbers.
    """
    if success.shape != grid.success.shape:
        raise OutcomesInvalid(f"must be {grid.success.shape}, not {success.shape}", field="estimates")
    path = moves(success, cost)
    rows = np.arange(len(grid))
    quality, spent = (
        np.concatenate(
            [[true[rows, path.first].sum()], true[path.task, path.target] - true[path.task, path.source]]
        ).cumsum()
        / len(grid)
        for true in (grid.success, grid.cost)
    )
    settled = np.append(path.price[1:] != path.price[:-1], True) if path.price.size else np.empty(0, dtype=bool)
    shown = np.concatenate([[True], settled])
    return Curve(cost=spent[shown], quality=quality[shown])


def choices_at(success: NDArray[np.float64], cost: NDArray[np.float64], price: float) -> NDArray[np.int64]:
    """The arm argmax success - price * cost of each task, (n,); of equals the cheapest. One setting of the frontier."""
    worth = success - price * cost
    best = worth == worth.max(axis=1, keepdims=True)
    chosen: NDArray[np.int64] = np.where(best, cost, np.inf).argmin(axis=1)
    return chosen
