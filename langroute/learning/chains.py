"""Chains learned from outcomes: which arms to try one after another, by group, or by task where tasks recur."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid
from langroute.learning.abilities import Abilities, fit_abilities
from langroute.learning.attempt_costs import AttemptCosts, fit_costs
from langroute.learning.tallies import Tallies
from langroute.policies.chain import EVERYTHING, ChainPolicy, Menu
from langroute.policies.plans import Rules, Scenarios, plan

Floats = NDArray[np.float64]

KIN = 0.2
"""What a task of another group counts, beside one of the same group."""

PRICES = tuple(float(price) for price in np.geomspace(0.05, 8.0, 40))
"""Prices of a dollar that menus are made for, where a dollar is a sensible unit for a task."""

_FEWEST_TASKS = 5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Population:
    """Tasks as they come, smoothed: what arms achieve on them and cost.

    Attributes:
        arms: the k names.
        groups: (n,) the group of each task that was fitted.
        abilities: of the arms, and the tasks' difficulties.
        costs: of attempts.
    """

    arms: tuple[str, ...]
    groups: NDArray[np.str_]
    abilities: Abilities
    costs: AttemptCosts

    @classmethod
    def of(cls, tallies: Tallies, *, seed: int = 0) -> "Population":
        """The population that these outcomes were drawn from, most probably.

        Raises:
            OutcomesInvalid: fewer than 5 tasks, or an arm or a task without a cost.
        """
        if len(tallies) < _FEWEST_TASKS:
            raise OutcomesInvalid(f"are {len(tallies)}; chains need {_FEWEST_TASKS} or more", field="tasks")
        abilities, costs = fit_abilities(tallies, seed=seed), fit_costs(tallies)
        return cls(arms=tallies.arms, groups=tallies.groups, abilities=abilities, costs=costs)

    def scenarios(self, group: str = EVERYTHING, *, kin: float = KIN) -> Scenarios:
        """What a new task of a group may be like: one case for each task that was fitted.

        For a group that was seen the cases are those tasks as they are, others counting ``kin`` as much as its own. For
        one never seen, no arm is expected to suit it better than it suits tasks in general.
        """
        known = group in self.abilities.groups
        weight = np.where(self.groups == group, 1.0, kin) if known else np.ones(len(self.groups))
        asked = None if known else group
        return Scenarios(
            success=self.abilities.success(asked, self.groups),
            cost=self.costs.dollars(asked, self.groups),
            weight=weight / weight.sum(),
        )


def menu_of(
    scenarios: Scenarios, arms: Sequence[str], *, prices: Sequence[float] = PRICES, rules: Rules | None = None
) -> Menu:
    """The best plan at each price of a dollar, as a menu of orders; equal neighbours are one entry."""
    menu: list[tuple[float, tuple[str, ...]]] = []
    for price in sorted(prices):
        order = tuple(arms[arm] for arm in plan(scenarios, price=price, rules=rules).arms)
        if not menu or menu[-1][1] != order:
            menu.append((price, order))
    return tuple(menu)


def fit_chains(
    tallies: Tallies, *, prices: Sequence[float] = PRICES, rules: Rules | None = None, kin: float = KIN, seed: int = 0
) -> ChainPolicy:
    """A chain for each group, and one for groups never seen, at every price of a dollar.

    Args:
        tallies: outcomes of whole attempts at tasks.
        prices: of a dollar, that menus are made for.
        rules: length of chains, and how often the verifier is wrong.
        kin: what a task of another group counts.
        seed: of the fit.

    Raises:
        OutcomesInvalid: as `Population.of`.
    """
    population = Population.of(tallies, seed=seed)
    keys = (EVERYTHING, *population.abilities.groups)
    menus = {
        key: menu_of(population.scenarios(key, kin=kin), population.arms, prices=prices, rules=rules) for key in keys
    }
    return ChainPolicy(menus)
