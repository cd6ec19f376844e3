"""Abilities of arms and difficulties of tasks: the population that chains are planned on (item response theory).

With a few dozen tasks, what was seen of one arm on one task is mostly luck. A smooth model keeps what carries over to
other tasks: how able an arm is, in which group, how hard a task is, and one direction in which tasks differ and arms
specialise. Failures correlate through difficulty, which is why a second cheap arm helps so little after a first.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from langroute.learning.tallies import Tallies

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spreads:
    """Standard deviations, on the scale of log-odds, of what the fit shrinks towards 0.

    Attributes:
        ability: of arms.
        fit: of an arm within a group, beyond its ability.
        difficulty: of tasks.
        skill: of an arm's skill in the direction in which tasks differ (their demand for it has spread 1).
    """

    ability: float = 3.0
    fit: float = 0.7
    difficulty: float = 2.0
    skill: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Abilities:
    """``P(success) = sigmoid(ability + fit[group] - difficulty + demand * skill)``.

    Attributes:
        groups: the g names of the groups, sorted.
        ability: (k,) of each arm.
        fit: (g, k) of each arm in each group.
        difficulty: (n,) of each task that was fitted.
        demand: (n,) of each task that was fitted.
        skill: (k,) of each arm.
    """

    groups: tuple[str, ...]
    ability: Floats
    fit: Floats
    difficulty: Floats
    demand: Floats
    skill: Floats

    def merit(self, group: str) -> Floats:
        """(k,) log-odds of the arms on an average task of a group; one never seen is expected to suit no arm better."""
        if group not in self.groups:
            return self.ability
        merit: Floats = self.ability + self.fit[self.groups.index(group)]
        return merit

    def success(self, group: str | None, groups: NDArray[np.str_]) -> Floats:
        """(n, k) success on the fitted tasks, were they of a group; of their own ``groups`` where it is None."""
        merit = np.array([self.merit(str(own)) for own in groups]) if group is None else self.merit(group)[None]
        odds: Floats = merit - self.difficulty[:, None] + self.demand[:, None] * self.skill
        return sigmoid(odds)


def sigmoid(odds: Floats) -> Floats:
    """Probabilities of log-odds."""
    chance: Floats = 1.0 / (1.0 + np.exp(-np.clip(odds, -40.0, 40.0)))
    return chance


def fit_abilities(tallies: Tallies, *, spreads: Spreads | None = None, rounds: int = 300, seed: int = 0) -> Abilities:
    """The most probable abilities and difficulties, given normal priors of these spreads.

    A two-parameter item response model with arms as persons; the direction (rank 1) and the spreads are a
    reconstruction of ours, the rank chosen by the likelihood of cells left out.

    Args:
        tallies: what was seen; empty cells say nothing.
        spreads: of the priors.
        rounds: of Adam, with a falling step.
        seed: of where the direction starts; the same seed gives the same fit.
    """
    spreads = spreads or Spreads()
    groups, member = np.unique(tallies.groups, return_inverse=True)
    n, k = tallies.tries.shape
    random = np.random.default_rng(seed)
    values: list[Floats] = [
        np.zeros(k),
        np.zeros((len(groups), k)),
        np.zeros(n),
        random.normal(0, 0.3, (n,)),
        random.normal(0, 0.3, (k,)),
    ]
    ascend = _Adam(values, rounds=rounds)
    for _ in range(rounds):
        ability, fit, difficulty, demand, skill = values
        odds = ability + fit[member] - difficulty[:, None] + np.outer(demand, skill)
        surprise = tallies.successes - tallies.tries * sigmoid(odds)
        within = np.zeros_like(fit)
        np.add.at(within, member, surprise)
        ascend.by(
            [
                surprise.sum(axis=0) - ability / spreads.ability**2,
                within - fit / spreads.fit**2,
                -surprise.sum(axis=1) - difficulty / spreads.difficulty**2,
                surprise @ skill - demand,
                surprise.T @ demand - skill / spreads.skill**2,
            ]
        )
    ability, fit, difficulty, demand, skill = values
    names = tuple(groups.tolist())
    return Abilities(groups=names, ability=ability, fit=fit, difficulty=difficulty, demand=demand, skill=skill)


class _Adam:
    """Adam (1412.6980) uphill, in place, with a step that falls to a tenth."""

    def __init__(self, values: list[Floats], *, rounds: int, step: float = 0.1) -> None:
        self._values, self._rounds, self._step, self._round = values, rounds, step, 0
        self._mean = [np.zeros_like(value) for value in values]
        self._square = [np.zeros_like(value) for value in values]

    def by(self, slopes: list[Floats]) -> None:
        """One step along these slopes."""
        self._round += 1
        step = self._step * (1 - 0.9 * self._round / self._rounds)
        for at, slope in enumerate(slopes):
            self._mean[at] += 0.1 * (slope - self._mean[at])
            self._square[at] += 0.01 * (slope**2 - self._square[at])
            shrunk = self._mean[at] / (1 - 0.9**self._round)
            self._values[at] += step * shrunk / (np.sqrt(self._square[at] / (1 - 0.99**self._round)) + 1e-8)
