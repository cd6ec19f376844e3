"""What attempts cost: an arm's usual dollars, times the task's size, times what is special about a group."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid
from langroute.learning.tallies import Tallies

Floats = NDArray[np.float64]

_LEAST_DOLLARS = 1e-6
_GROUP_TASKS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AttemptCosts:
    """``log dollars = arm + size of the task + special[group]``, with a normal rest.

    Attributes:
        groups: the g names of the groups, sorted.
        arm: (k,) log dollars of each arm on a task of size 0.
        special: (g, k) what is added in each group.
        size: (n,) of each task that was fitted, in log dollars.
        rest: variance of what is left, so that means of dollars are not biased low.
    """

    groups: tuple[str, ...]
    arm: Floats
    special: Floats
    size: Floats
    rest: float

    def dollars(self, group: str | None, groups: NDArray[np.str_]) -> Floats:
        """(n, k) expected dollars on the fitted tasks, were they of a group; of their own where it is None."""
        special = np.array([self._special(str(own)) for own in groups]) if group is None else self._special(group)
        return np.exp(self.arm + self.size[:, None] + special + self.rest / 2)

    def _special(self, group: str) -> Floats:
        return self.special[self.groups.index(group)] if group in self.groups else np.zeros_like(self.arm)


def fit_costs(tallies: Tallies, *, rounds: int = 10) -> AttemptCosts:
    """Costs as a sum of logs, by alternating means; what is special about a group is shrunk as if 5 tasks said no.

    Raises:
        OutcomesInvalid: an arm has no cost, or a task has none.
    """
    seen = tallies.tries > 0
    if not (seen.any(axis=0).all() and seen.any(axis=1).all()):
        raise OutcomesInvalid("must have a cost of every arm, and on every task", field="cost")
    logs = np.log(np.maximum(np.where(seen, tallies.cost, 1.0), _LEAST_DOLLARS))
    per_arm, per_task = seen.sum(axis=0), seen.sum(axis=1)
    size = np.zeros(len(tallies))
    arm = np.zeros(len(tallies.arms))
    for _ in range(rounds):
        arm = np.where(seen, logs - size[:, None], 0.0).sum(axis=0) / per_arm
        size = np.where(seen, logs - arm, 0.0).sum(axis=1) / per_task
    left = np.where(seen, logs - arm - size[:, None], 0.0)
    groups, member = np.unique(tallies.groups, return_inverse=True)
    summed, count = np.zeros((len(groups), len(arm))), np.zeros((len(groups), len(arm)))
    np.add.at(summed, member, left)
    np.add.at(count, member, seen.astype(np.float64))
    special = summed / (count + _GROUP_TASKS)
    rest = np.where(seen, left - special[member], 0.0)
    names = tuple(groups.tolist())
    return AttemptCosts(groups=names, arm=arm, special=special, size=size, rest=float((rest**2).sum() / seen.sum()))
