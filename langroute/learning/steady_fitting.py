"""Fits `SteadyEstimator`: cautious success of arms, costs by group and text; how cautious is chosen out of fold."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from langroute.estimators.steady import Amount, SteadyEstimator
from langroute.learning.attempt_costs import fit_costs
from langroute.learning.baselines import oracle_frontier, single_hull
from langroute.learning.caution import cautious_success
from langroute.learning.examples import Examples
from langroute.learning.folds import folds_by
from langroute.learning.grid import OutcomeGrid
from langroute.learning.learners import Lesson
from langroute.learning.measures import gap_closed
from langroute.learning.reading_text import read_text
from langroute.learning.sufficiency import check_enough
from langroute.learning.sweep import frontier
from langroute.learning.task_table import TaskTable
from langroute.money import NANO_PER_DOLLAR
from langroute.parts import Fitted

Floats = NDArray[np.float64]

CAUTIONS: tuple[float, ...] = (2.0, 1.0, 0.0)
"""Tried by cross-validation, in standard errors; of equals the first is taken."""

_FEWEST_TASKS = 10
_PENALTIES = np.geomspace(0.01, 100.0, 9)


class SteadyLearner:
    """Learns a `SteadyEstimator`, for outcomes without a verifier: routes where costs differ, else stays.

    How cautious to be about dearer arms is what closes most of the gap between single models and the oracle, out of
    fold and over several deals of folds, since one deal says little. Where not every arm tried every task, that cannot
    be compared, and the first of ``cautions`` is taken.

    Args:
        encoder: reads what was asked; one is fitted to the texts when left out.
        cautions: what may be chosen.
        folds: of the cross-validation.
        deals: of these folds.
    """

    name = "steady"

    def __init__(
        self,
        *,
        encoder: Fitted | None = None,
        cautions: Sequence[float] = CAUTIONS,
        folds: int = 5,
        deals: int = 4,
    ) -> None:
        self._encoder = encoder
        self._cautions = tuple(cautions)
        self._folds = folds
        self._deals = deals
        self.chosen: dict[str, object] = {}

    def fit(self, examples: Examples, *, seed: int = 0) -> Lesson:
        """What it learns of examples; the same for the same seed. What was chosen is in ``chosen`` then.

        Raises:
            OutcomesInvalid: too few rows or tasks; see `sufficiency`.
        """
        check_enough(examples)
        encoder, read = read_text(examples, self._encoder, seed=seed)
        table = TaskTable.of(read)
        tried = self._tried(table, seed) if len(self._cautions) > 1 and _comparable(table) else {}
        caution = max(self._cautions, key=lambda option: tried.get(option, 0.0))
        self.chosen = {"caution": caution, "gap_closed": {str(key): round(gap, 4) for key, gap in tried.items()}}
        estimator = steady(table, cautions=(caution,))[0]
        return Lesson(estimator=estimator, encoder=encoder, words=("domain",), text=table.text.shape[1])

    def _tried(self, table: TaskTable, seed: int) -> dict[float, float]:
        """By caution, the gap closed out of fold."""
        gaps = np.zeros(len(self._cautions))
        for deal in range(self._deals):
            found = np.zeros((len(self._cautions), 2, *table.tallies.tries.shape))
            count = min(self._folds, len(table))
            for fit, held in folds_by(table.tallies.tasks, count=count, seed=seed + deal):
                for at, estimator in enumerate(steady(table.take(fit), cautions=self._cautions)):
                    found[at][:, held] = expected_on(estimator, table.take(held))
            gaps += [gap_of(table, *estimates) / self._deals for estimates in found]
        return dict(zip(self._cautions, gaps.tolist(), strict=True))


def steady(table: TaskTable, *, cautions: Sequence[float]) -> list[SteadyEstimator]:
    """An estimator for each caution; they differ in nothing else."""
    groups = np.unique(table.tallies.groups)
    amounts = {name: _amount(table, name) for name in table.knows}
    dollars = _dollars(table)
    return [
        SteadyEstimator(
            arms=table.tallies.arms,
            groups=groups.tolist(),
            success=cautious_success(table.tallies, dollars, caution=caution if "cost" in table.knows else 0.0),
            amounts=amounts,
        )
        for caution in cautions
    ]


def expected_on(estimator: SteadyEstimator, table: TaskTable) -> Floats:
    """(2, n, k) expected success and nano-dollars on the tasks of a table."""
    group = np.array([_place(estimator.groups, str(name)) for name in table.tallies.groups], dtype=np.int64)
    cost = estimator.amounts["cost"].on(group, table.text)
    return np.stack([np.repeat(estimator.success[None], len(table), axis=0), cost])


def gap_of(table: TaskTable, success: Floats, cost_nano: Floats) -> float:
    """The gap closed by ``argmax U - lambda C`` over all lambda, on these tasks; estimates are (n, k), out of fold.

    An attempt without a known cost is read as costing what its arm's attempts do on average.

    Raises:
        OutcomesInvalid: the oracle has no room over the hull.
    """
    grid = grid_of(table)
    return gap_closed(frontier(grid, success, cost_nano), single_hull(grid), oracle_frontier(grid))


def grid_of(table: TaskTable) -> OutcomeGrid:
    """Rates and nano-dollars of every arm on every task; an unknown cost is read as the arm's mean."""
    tallies = table.tallies
    cost = np.where(np.isnan(tallies.cost), _dollars(table), tallies.cost) * NANO_PER_DOLLAR
    return OutcomeGrid(tasks=tallies.tasks, groups=tallies.groups, arms=tallies.arms, success=tallies.rate, cost=cost)


def _place(groups: Sequence[str], name: str) -> int:
    return list(groups).index(name) if name in groups else -1


def _comparable(table: TaskTable) -> bool:
    return len(table) >= _FEWEST_TASKS and table.tallies.whole and "cost" in table.knows


def _dollars(table: TaskTable) -> Floats:
    """(k,) mean dollars of an attempt; 1 for all where costs are unknown."""
    if "cost" not in table.knows:
        return np.ones(len(table.tallies.arms))
    known = ~np.isnan(table.tallies.cost)
    total = np.where(known, table.tallies.cost, 0.0).sum(axis=0)
    dollars: Floats = total / np.maximum(known.sum(axis=0), 1)
    return dollars


def _amount(table: TaskTable, name: str) -> Amount:
    """Log amounts as a sum of arm, group and size, and the size by the text."""
    tallies = table.amounts(name)
    rows = np.flatnonzero((tallies.tries > 0).any(axis=1))
    costs = fit_costs(tallies.take(rows))
    centre, slope, left = sizes_by_text(table.text[rows], costs.size)
    usual = costs.arm + costs.rest / 2 + centre + np.log(np.exp(left).mean())
    if name == "cost":
        usual = usual + np.log(NANO_PER_DOLLAR)
    groups = np.unique(table.tallies.groups).tolist()
    special = np.zeros((len(groups), len(usual)))
    special[[groups.index(group) for group in costs.groups]] = costs.special
    return Amount(usual=usual, special=special, slope=slope)


def sizes_by_text(text: Floats, size: Floats) -> tuple[float, Floats, Floats]:
    """Ridge regression of (n,) sizes on (n, d) texts; the penalty by leaving each task out.

    Returns:
        the intercept, the (d,) slope, zeros where no penalty does better than the mean, and the (n,) errors on tasks
        left out.
    """
    n, d = text.shape
    mean, centre = float(size.mean()), text.mean(axis=0)
    left = (size - mean) * n / max(n - 1, 1)
    best = (float((left**2).mean()), mean, np.zeros(d), left)
    if not d:
        return best[1:]
    turned, length, axes = np.linalg.svd(text - centre, full_matrices=False)
    strength = length**2
    for penalty in (_PENALTIES * max(float(strength.mean()), 1e-12)).tolist():
        along = turned.T @ (size - mean)
        fitted = mean + turned @ (strength / (strength + penalty) * along)
        pull = 1 / n + (turned**2 * (strength / (strength + penalty))).sum(axis=1)
        errors = (size - fitted) / np.maximum(1 - pull, 1e-6)
        if float((errors**2).mean()) < best[0]:
            slope = axes.T @ (length / (strength + penalty) * along)
            best = (float((errors**2).mean()), mean - float(centre @ slope), slope, errors)
    return best[1:]
