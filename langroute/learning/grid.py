"""Outcomes as tasks x arms: every arm's mean success and mean cost on every task, which is what measures read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid
from langroute.learning.outcomes import OutcomeTable


class Point(NamedTuple):
    """What a policy costs a task on average, in nano-dollars, and the mean success it buys."""

    cost: float
    quality: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutcomeGrid:
    """Means over runs for every task (n) and arm (k), nothing missing.

    Costs are means, so they are floats: statistics about money, never money that is booked.

    Attributes:
        tasks: (n,) names.
        groups: (n,) the group of each task.
        arms: the k names.
        success: (n, k) in [0, 1].
        cost: (n, k) nano-dollars.
    """

    tasks: NDArray[np.str_]
    groups: NDArray[np.str_]
    arms: tuple[str, ...]
    success: NDArray[np.float64]
    cost: NDArray[np.float64]

    @classmethod
    def of(
        cls, table: OutcomeTable, *, arms: Sequence[str] | None = None, drop_incomplete: bool = False
    ) -> "OutcomeGrid":
        """The grid of a table; tasks by name, arms in the given order or by name.

        Args:
            table: the outcomes; several runs of an arm on a task are averaged.
            arms: the arms to keep.
            drop_incomplete: leave out tasks that not every arm attempted, rather than refuse them.

        Raises:
            OutcomesInvalid: an arm has no outcome, or some task lacks an arm.
        """
        names = tuple(arms) if arms is not None else tuple(np.unique(table.arm).tolist())
        if not names or len(set(names)) != len(names):
            raise OutcomesInvalid(f"must name at least one arm, each once, not {names}", field="arms")
        tasks, first, row = np.unique(table.task, return_index=True, return_inverse=True)
        column = np.full(len(table), -1)
        for number, name in enumerate(names):
            column[table.arm == name] = number
        kept = column >= 0
        shape = (len(tasks), len(names))
        count, success, cost = (np.zeros(shape) for _ in range(3))
        at = (row[kept], column[kept])
        np.add.at(count, at, 1.0)
        np.add.at(success, at, table.success[kept])
        np.add.at(cost, at, table.cost_nano[kept].astype(np.float64))
        whole = (count > 0).all(axis=1)
        if not whole.all() and not drop_incomplete:
            raise _incomplete(count, tasks, names)
        if not whole.any():
            raise OutcomesInvalid(f"no task was attempted by all of {', '.join(names)}", field="arms")
        count, success, cost = count[whole], success[whole], cost[whole]
        return cls(
            tasks=tasks[whole],
            groups=table.group[first][whole],
            arms=names,
            success=np.minimum(success / count, 1.0),
            cost=cost / count,
        )

    def __len__(self) -> int:
        return len(self.tasks)

    def take(self, rows: NDArray[np.int64]) -> "OutcomeGrid":
        """The tasks with these row numbers, in this order; a number may come twice, as in a bootstrap."""
        return OutcomeGrid(
            tasks=self.tasks[rows],
            groups=self.groups[rows],
            arms=self.arms,
            success=self.success[rows],
            cost=self.cost[rows],
        )

    def column(self, arm: str) -> int:
        """The number of an arm.

        Raises:
            OutcomesInvalid: the grid has no such arm.
        """
        if arm not in self.arms:
            raise OutcomesInvalid(f"is {arm!r}, not one of {', '.join(self.arms)}", field="arm")
        return self.arms.index(arm)

    def score(self, choices: NDArray[np.int64]) -> Point:
        """What it costs and achieves to give each task the arm with this number; choices are (n,)."""
        if choices.shape != (len(self),):
            raise OutcomesInvalid(
                f"must be one arm for each of {len(self)} tasks, not {choices.shape}", field="choices"
            )
        rows = np.arange(len(self))
        return Point(float(self.cost[rows, choices].mean()), float(self.success[rows, choices].mean()))


def _incomplete(count: NDArray[np.float64], tasks: NDArray[np.str_], arms: tuple[str, ...]) -> OutcomesInvalid:
    row, column = np.argwhere(count == 0)[0]
    absent = f"{int((count == 0).sum())} of {count.size} pairs of task and arm have no outcome"
    message = f"{absent}, first {arms[column]!r} on {str(tasks[row])!r}; leave arms out, or pass drop_incomplete=True"
    return OutcomesInvalid(message, field="arm")
