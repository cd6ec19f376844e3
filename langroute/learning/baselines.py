"""The baselines that stand in every table: what a policy has to beat before it is worth anything."""

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid
from langroute.learning.curves import Curve, upper_hull
from langroute.learning.folds import Folds
from langroute.learning.grid import OutcomeGrid, Point
from langroute.learning.outcomes import OutcomeTable
from langroute.learning.sweep import frontier


def singles(grid: OutcomeGrid) -> dict[str, Point]:
    """Every arm alone: what it costs a task on average, and its mean success."""
    cost, quality = grid.cost.mean(axis=0), grid.success.mean(axis=0)
    return {arm: Point(float(cost[at]), float(quality[at])) for at, arm in enumerate(grid.arms)}


def cheapest_single(grid: OutcomeGrid) -> str:
    """The arm that costs least, of equals the better: always-weak."""
    points = singles(grid)
    return min(points, key=lambda arm: (points[arm].cost, -points[arm].quality))


def dearest_single(grid: OutcomeGrid) -> str:
    """The arm that costs most, of equals the better: always-strong."""
    points = singles(grid)
    return max(points, key=lambda arm: (points[arm].cost, points[arm].quality))


def best_single(grid: OutcomeGrid) -> str:
    """The arm that succeeds most, of equals the cheaper (2601.07206: always report it).

    Choosing it on the tasks it is scored on flatters it, which is fair to a baseline and unfair to anything else.
    """
    points = singles(grid)
    return max(points, key=lambda arm: (points[arm].quality, -points[arm].cost))


def single_hull(grid: OutcomeGrid) -> Curve:
    """What random mixing of single arms achieves at most at every cost: their upper concave hull."""
    return upper_hull(grid.cost.mean(axis=0), grid.success.mean(axis=0))


def random_mixture(grid: OutcomeGrid, shares: NDArray[np.float64]) -> Point:
    """What it costs and achieves to draw each task's arm by these (k,) probabilities, in expectation.

    Raises:
        OutcomesInvalid: the shares are not (k,) probabilities that sum to 1.
    """
    if shares.shape != (len(grid.arms),) or not (shares >= 0).all() or abs(shares.sum() - 1) > 1e-9:
        raise OutcomesInvalid(f"must be {len(grid.arms)} probabilities that sum to 1, not {shares}", field="shares")
    return Point(float((grid.cost @ shares).mean()), float((grid.success @ shares).mean()))


def oracle_frontier(grid: OutcomeGrid) -> Curve:
    """The most quality at every mean cost, if each task's outcomes were known beforehand; one arm for a task.

    It is the linear relaxation of a multiple-choice knapsack, solved exactly, so no policy that gives each task one arm
    lies above it, random ones included. Where outcomes are single noisy runs, part of it is luck: see
    `cross_fitted_oracle`.
    """
    return frontier(grid, grid.success, grid.cost)


def cross_fitted_oracle(table: OutcomeTable) -> Point:
    """The oracle without luck: each task's best arm on the other runs, scored on the run left out, over all runs.

    Of arms that did equally well on the other runs the one that does better over all tasks on those runs is taken, then
    the cheaper. Costs and successes are means over runs and tasks. The order of ties is ours, and
    matters where runs are few.

    Raises:
        OutcomesInvalid: the table has one run only, or a run lacks an arm on some task.
    """
    runs = np.unique(table.run).tolist()
    if len(runs) < 2:
        raise OutcomesInvalid("there is one only; with a single run luck cannot be told from skill", field="run")
    points = []
    for run in runs:
        scored = OutcomeGrid.of(table.of_runs(run))
        seen = OutcomeGrid.of(table.of_runs(*(other for other in runs if other != run)), arms=scored.arms)
        if not np.array_equal(seen.tasks, scored.tasks):
            raise OutcomesInvalid(f"{run} does not hold the tasks of the other runs", field="run")
        ranks = np.lexsort((-seen.cost.mean(axis=0), seen.success.mean(axis=0)))
        place = np.empty(len(ranks))
        place[ranks] = np.arange(len(ranks))
        best = seen.success == seen.success.max(axis=1, keepdims=True)
        points.append(scored.score(np.where(best, place, -1.0).argmax(axis=1)))
    return Point(*(float(np.mean(values)) for values in zip(*points, strict=True)))


def group_means(grid: OutcomeGrid, folds: Folds) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimates (n, k) of success and cost from the task's group alone, each from the other folds.

    A group that the other folds never saw is estimated by the mean of all their tasks. What does no better has learned
    no more than which group is hard.
    """
    success, cost = np.empty(grid.success.shape), np.empty(grid.cost.shape)
    for fit, score in folds:
        known = grid.groups[fit]
        for group in np.unique(grid.groups[score]).tolist():
            rows = fit[known == group]
            rows = rows if rows.size else fit
            asked = score[grid.groups[score] == group]
            success[asked] = grid.success[rows].mean(axis=0)
            cost[asked] = grid.cost[rows].mean(axis=0)
    return success, cost


def first_large(grid: OutcomeGrid, *, weak: str, strong: str, budget: float) -> NDArray[np.int64]:
    """Choices (n,) of spending on the strong arm first: task after task, while its cost fits what is left.

    ``budget`` is in nano-dollars for all tasks together. What is left must also pay the weak arm for the tasks to
    come. A reconstruction, on tables of tasks, of the baseline that BAAR (2602.21227) reports for steps: its exact rule
    was out of reach. Costs are taken as known before the call, which is generous to it.

    Raises:
        OutcomesInvalid: an arm is unknown, or the budget cannot pay the weak arm throughout.
    """
    at_weak, at_strong = grid.column(weak), grid.column(strong)
    extra = grid.cost[:, at_strong] - grid.cost[:, at_weak]
    left = budget - float(grid.cost[:, at_weak].sum())
    if left < 0:
        raise OutcomesInvalid(f"{budget} nano-dollars do not pay {weak!r} for every task", field="budget")
    choices = np.full(len(grid), at_weak)
    for row, more in enumerate(extra.tolist()):
        if more > left:
            break
        left -= more
        choices[row] = at_strong
    return choices
