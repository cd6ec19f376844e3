"""Prices for targets from a training table: every arm is asked of every row out of fold, then the table is made."""

from typing import cast

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid, OutcomesInvalid
from langroute.estimators.rows import Expected, Predictor
from langroute.learning.examples import Examples
from langroute.learning.grid import OutcomeGrid
from langroute.learning.learners import Lesson
from langroute.learning.targets import expected_prices, replayed_prices
from langroute.prices_of_targets import PriceTable
from langroute.protocols import TextEncoder


class AllArms:
    """What each arm is expected to do on each of n rows, by lessons that did not see the row.

    Args:
        examples: the rows.
    """

    def __init__(self, examples: Examples) -> None:
        self._examples = examples
        self._arms = examples.arms
        shape = (len(examples), len(self._arms))
        self._success, self._cost = np.full(shape, np.nan), np.full(shape, np.nan)

    def keep(self, lesson: Lesson, scored: NDArray[np.int64]) -> None:
        """Ask a lesson of rows that it did not see; an arm it never saw is left out, so that there will be no table."""
        part = self._examples.take(scored)
        if lesson.encoder is not None and part.knows_text:
            part = part.reading(cast("TextEncoder", lesson.encoder))
        if not isinstance(lesson.estimator, Predictor):
            return
        try:
            told = lesson.estimator.predict(part.rows, self._arms)
        except ArtifactInvalid:
            return
        self._success[scored], self._cost[scored] = told.success, told.cost_nano

    @property
    def success(self) -> NDArray[np.float64]:
        """(n, k) arms in the order of ``examples.arms``; NaN where a lesson never saw the arm."""
        return self._success

    def prices(self, *, seed: int = 0) -> PriceTable | None:
        """The table; the reference is the arm that costs most.

        Replayed where every arm was tried on every task, else model-based. Where an estimator knows no costs, an arm
        is expected to cost its mean. None where costs are unknown, or an arm was too rare to be asked everywhere.
        """
        costs = self._examples.mean_costs()
        if np.isnan(self._success).any() or len(costs) < len(self._arms) or len(self._arms) < 2:
            return None
        usual = np.array([costs[arm] for arm in self._arms])
        cost = np.where(np.isnan(self._cost), usual, self._cost)
        reference = self._arms[int(usual.argmax())]
        grid = full_grid(self._examples)
        try:
            if grid is not None:
                _, first = np.unique(self._examples.task, return_index=True)
                return replayed_prices(grid, self._success[first], cost[first], reference=reference, seed=seed)
            expected = Expected(success=self._success, output_tokens=np.full(cost.shape, np.nan), cost_nano=cost)
            return expected_prices(expected, self._examples.episode, arms=self._arms, reference=reference)
        except OutcomesInvalid:
            return None  # the reference never succeeds, so there is nothing that quality could be a share of


def full_grid(examples: Examples) -> OutcomeGrid | None:
    """Means by task and arm, both by name; None where an arm was not tried on a task, or a cost is unknown."""
    tasks, first, row = np.unique(examples.task, return_index=True, return_inverse=True)
    column = np.searchsorted(np.array(examples.arms), examples.arm)
    shape = (len(tasks), len(examples.arms))
    count, success, cost = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    np.add.at(count, (row, column), 1.0)
    np.add.at(success, (row, column), examples.success)
    np.add.at(cost, (row, column), examples.cost_nano)
    if not count.all() or np.isnan(cost).any():
        return None
    return OutcomeGrid(
        tasks=tasks,
        groups=examples.group[first],
        arms=examples.arms,
        success=np.minimum(success / count, 1.0),
        cost=cost / count,
    )
