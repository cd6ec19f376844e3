"""All baselines at one cost: the rows that stand beside a policy's own in every table."""

import numpy as np

from langroute.learning.baselines import (
    best_single,
    cheapest_single,
    dearest_single,
    first_large,
    group_means,
    oracle_frontier,
    single_hull,
    singles,
)
from langroute.learning.curves import Curve
from langroute.learning.folds import Folds
from langroute.learning.grid import OutcomeGrid, Point
from langroute.learning.sweep import frontier


def baseline_table(grid: OutcomeGrid, folds: Folds, *, cost: float) -> dict[str, Point]:
    """What each baseline costs and achieves; those with a budget are shown at a policy's mean ``cost`` of a task.

    Args:
        grid: the tasks the policy was scored on.
        folds: for the group mean, which is estimated on other folds than it is scored on.
        cost: nano-dollars a task, as the policy spent them. A baseline that spends less shows what it spends.

    Returns:
        Points by name: ``always-weak`` and ``always-strong`` (the cheapest and the dearest arm), ``best single``, and
        ``random mixture``, ``First-Large``, ``group mean``, ``oracle``. A name is absent where that baseline cannot be
        as cheap as ``cost``.
    """
    points = singles(grid)
    weak, strong = cheapest_single(grid), dearest_single(grid)
    table = {"always-weak": points[weak], "always-strong": points[strong], "best single": points[best_single(grid)]}
    mixed = _at(single_hull(grid), cost)
    if mixed is not None:
        table["random mixture"] = mixed
    budget = cost * len(grid)
    if budget >= float(grid.cost[:, grid.column(weak)].sum()):
        table["First-Large"] = grid.score(first_large(grid, weak=weak, strong=strong, budget=budget))
    for name, curve in (
        ("group mean", frontier(grid, *group_means(grid, folds))),
        ("oracle", oracle_frontier(grid)),
    ):
        point = _at(curve, cost)
        if point is not None:
            table[name] = point
    return table


def _at(curve: Curve, cost: float) -> Point | None:
    quality = curve.quality_at(cost)
    return None if quality is None else Point(float(np.minimum(cost, curve.cost[-1])), quality)
