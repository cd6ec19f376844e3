"""TaskTable: examples by task and arm, with what was known of each task before it was attempted."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from langroute.learning.examples import Examples
from langroute.learning.sufficiency import amounts_known
from langroute.learning.tallies import Tallies
from langroute.money import NANO_PER_DOLLAR

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskTable:
    """What n tasks look like, and what k arms did on them.

    Attributes:
        tallies: of weighted attempts; cost in dollars; the group of a task is its ``domain``.
        tokens: (n, k) mean output tokens, NaN where there is none.
        text: (n, d) text vectors.
        knows: which amounts are known of every arm: ``tokens``, ``cost``.
    """

    tallies: Tallies
    tokens: Floats
    text: Floats
    knows: tuple[str, ...]

    @classmethod
    def of(cls, read: Examples) -> Self:
        """The table of examples that were read by an encoder; a task is as its first row says."""
        arms = read.arms
        tasks, first, row = np.unique(read.task, return_index=True, return_inverse=True)
        at = (row, np.searchsorted(np.array(arms), read.arm))
        shape = (len(tasks), len(arms))

        def summed(values: Floats) -> Floats:
            found = np.zeros(shape)
            np.add.at(found, at, values)
            return found

        def mean(amount: Floats) -> Floats:
            told = ~np.isnan(amount)
            with np.errstate(invalid="ignore"):
                found: Floats = summed(np.where(told, amount, 0.0)) / summed(told.astype(np.float64))
            return found

        tallies = Tallies(
            tasks=tasks,
            groups=read.rows.word("domain")[first],
            arms=arms,
            tries=summed(read.weight),
            successes=summed(read.weight * read.success),
            cost=mean(read.cost_nano / NANO_PER_DOLLAR),
        )
        knows = tuple(name for name, known in zip(("tokens", "cost"), amounts_known(read), strict=True) if known)
        return cls(tallies=tallies, tokens=mean(read.output_tokens), text=read.rows.text[first], knows=knows)

    def __len__(self) -> int:
        return len(self.tallies)

    def take(self, rows: NDArray[np.int64]) -> Self:
        """The tasks with these row numbers, in this order."""
        return replace(self, tallies=self.tallies.take(rows), tokens=self.tokens[rows], text=self.text[rows])

    def amounts(self, name: str) -> Tallies:
        """Tallies whose cost is the tokens, or the dollars; cells where it is unknown are empty."""
        amount = self.tokens if name == "tokens" else self.tallies.cost
        return replace(self.tallies, cost=amount, tries=np.where(np.isnan(amount), 0.0, self.tallies.tries))
