"""Tasks that recur: what earlier attempts at this very task say, beside what is known of tasks like it."""

from dataclasses import dataclass
from math import lgamma

import numpy as np
from numpy.typing import NDArray

from langroute.learning.abilities import Abilities, sigmoid
from langroute.learning.tallies import Tallies
from langroute.policies.plans import Scenarios

Floats = NDArray[np.float64]

_DIFFICULTIES = np.linspace(-6.0, 6.0, 25)
_DEMANDS = np.linspace(-2.0, 2.0, 5)
_NEGLIGIBLE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recurrence:
    """What is known of arms before a task was seen, from which one task's own attempts are judged.

    A success rate is Beta distributed around what the task's difficulty and demand say, with the strength of ``trust``
    attempts; difficulty and demand have the priors of `Abilities`, on a grid. So a few attempts of some arms
    say how hard the task is for all of them, and an arm that solved it before is known to.

    Attributes:
        abilities: of the arms; of its tasks nothing is used.
        dollars: (k,) log dollars of an arm's attempt on a usual task.
        trust: attempts that the population's word counts as, beside those at the task, for success.
        trust_costs: the same for costs.
    """

    abilities: Abilities
    dollars: Floats
    trust: float = 2.0
    trust_costs: float = 1.0

    def scenarios(self, tallies: Tallies, task: int) -> Scenarios:
        """What the next attempts at a task will be like, given those in its row of the tallies."""
        tries, successes = tallies.tries[task], tallies.successes[task]
        difficulty, demand = (grid.ravel() for grid in np.meshgrid(_DIFFICULTIES, _DEMANDS, indexing="ij"))
        merit = self.abilities.merit(str(tallies.groups[task]))
        odds = merit - difficulty[:, None] + demand[:, None] * self.abilities.skill
        expected = sigmoid(odds)
        weight = _posterior(expected, tries, successes, self.trust, difficulty, demand)
        kept = weight > _NEGLIGIBLE * weight.max()
        success = (self.trust * expected[kept] + successes) / (self.trust + tries)
        cost = np.tile(self._costs(tallies, task), (int(kept.sum()), 1))
        return Scenarios(success=success, cost=cost, weight=weight[kept] / weight[kept].sum())

    def _costs(self, tallies: Tallies, task: int) -> Floats:
        """(k,) dollars: the arm's own mean on the task, drawn towards the arm's usual cost on a task of this size."""
        tries = tallies.tries[task]
        logs = np.log(np.maximum(np.where(tries > 0, tallies.cost[task], 1.0), 1e-6))
        size = float((tries * (logs - self.dollars)).sum() / max(float(tries.sum()), 1.0))
        usual = self.dollars + size
        drawn = (tries * logs + self.trust_costs * usual) / (tries + self.trust_costs)
        mean: Floats = np.exp(drawn)
        return mean


def _posterior(
    expected: Floats, tries: Floats, successes: Floats, trust: float, difficulty: Floats, demand: Floats
) -> Floats:
    """(m,) probability of each point of the grid, by the beta-binomial likelihood of all arms' attempts."""
    seen = tries > 0
    right, wrong = trust * expected[:, seen], trust * (1 - expected[:, seen])
    told: Floats = (
        _log_gamma(right + successes[seen])
        + _log_gamma(wrong + tries[seen] - successes[seen])
        - _log_gamma(right)
        - _log_gamma(wrong)
    ).sum(axis=1)
    log = told - difficulty**2 / 8 - demand**2 / 2
    weight = np.exp(log - log.max())
    share: Floats = weight / weight.sum()
    return share


def _log_gamma(values: Floats) -> Floats:
    logs: Floats = np.array([lgamma(value) for value in values.ravel().tolist()]).reshape(values.shape)
    return logs
