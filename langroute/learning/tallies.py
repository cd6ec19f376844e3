"""Tallies: attempts, successes and mean dollars of every arm on every task, where cells may be empty."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid
from langroute.learning.outcomes import OutcomeTable
from langroute.money import NANO_PER_DOLLAR

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tallies:
    """What is known of n tasks and k arms.

    Attributes:
        tasks: (n,) names, sorted.
        groups: (n,) the group of each task.
        arms: the k names.
        tries: (n, k) attempts, 0 where the arm never tried the task.
        successes: (n, k) sum of their successes.
        cost: (n, k) mean dollars of an attempt, NaN where there is none.
    """

    tasks: NDArray[np.str_]
    groups: NDArray[np.str_]
    arms: tuple[str, ...]
    tries: Floats
    successes: Floats
    cost: Floats

    @classmethod
    def of(cls, table: OutcomeTable, *, arms: Sequence[str] | None = None) -> "Tallies":
        """The tallies of a table.

        Args:
            table: the outcomes.
            arms: the arms to keep, in this order; all of them by name when left out.

        Raises:
            OutcomesInvalid: an arm has no outcome at all.
        """
        names = tuple(arms) if arms is not None else tuple(np.unique(table.arm).tolist())
        tasks, first, row = np.unique(table.task, return_index=True, return_inverse=True)
        column = np.full(len(table), -1)
        for number, name in enumerate(names):
            column[table.arm == name] = number
        kept = column >= 0
        absent = set(range(len(names))) - set(column[kept].tolist())
        if absent or not names:
            told = ", ".join(names[number] for number in sorted(absent)) or "no arm"
            raise OutcomesInvalid(f"has no outcome of {told}; leave the arm out", field="arms")
        tries, successes, cost = (np.zeros((len(tasks), len(names))) for _ in range(3))
        at = (row[kept], column[kept])
        np.add.at(tries, at, 1.0)
        np.add.at(successes, at, table.success[kept])
        np.add.at(cost, at, table.cost_nano[kept] / NANO_PER_DOLLAR)
        with np.errstate(invalid="ignore"):
            cost = cost / tries
        return cls(tasks=tasks, groups=table.group[first], arms=names, tries=tries, successes=successes, cost=cost)

    def __len__(self) -> int:
        return len(self.tasks)

    def take(self, rows: NDArray[np.int64]) -> "Tallies":
        """The tasks with these row numbers, in this order."""
        return Tallies(
            tasks=self.tasks[rows],
            groups=self.groups[rows],
            arms=self.arms,
            tries=self.tries[rows],
            successes=self.successes[rows],
            cost=self.cost[rows],
        )

    @property
    def whole(self) -> bool:
        """Whether every arm tried every task."""
        return bool((self.tries > 0).all())

    @property
    def rate(self) -> Floats:
        """(n, k) mean success, NaN where there was no attempt."""
        with np.errstate(invalid="ignore"):
            rate: Floats = self.successes / self.tries
        return rate
