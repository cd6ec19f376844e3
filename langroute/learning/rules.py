"""Rules of choice by name, fitted on the table that their estimator was trained on."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ConfigError, OutcomesInvalid
from langroute.learning.cascade_learning import Confidences, learn_cascade
from langroute.learning.chains import fit_chains
from langroute.learning.examples import Examples
from langroute.learning.tallies import Tallies
from langroute.learning.target_fitting import AllArms, full_grid
from langroute.money import NANO_PER_DOLLAR
from langroute.parts import Fitted
from langroute.policies.difference import DifferencePolicy

Rule = Callable[[Examples, AllArms], Fitted | None]
"""Fits a policy on examples and what each arm is expected to do in them, out of fold; None leaves it to the router."""

KEPT = 0.97
"""The share of the strong arm's success that a fitted difference keeps, out of fold."""

_MOST_TASKS = 2_000
_FEWEST_SHARED = 5
_PRICES = np.geomspace(0.05, 50.0, 48)


def rule_of(name: str, columns: Mapping[str, Sequence[Any]], *, seed: int = 0) -> Rule:
    """The fitting of a policy by its name.

    Args:
        name: one of `RULES`.
        columns: of the table, for what examples do not hold.
        seed: of folds and samples.

    Raises:
        ConfigError: no policy has this name.
    """
    check_rule(name)
    return partial(RULES[name], columns, seed)


def check_rule(name: str) -> None:
    """Nothing, where a policy of this name can be learned.

    Raises:
        ConfigError: none can.
    """
    if name not in RULES:
        raise ConfigError(f"no policy to learn is called {name!r}; use one of {', '.join(RULES)}", field="--policy")


def tallies_of(examples: Examples, *, seed: int = 0) -> Tallies:
    """Attempts of every arm on every task; an unknown cost is the mean of its arm, of many tasks 2,000 are drawn.

    Raises:
        OutcomesInvalid: nothing is known of the cost of an arm.
    """
    costs = examples.mean_costs()
    if lacking := sorted(set(examples.arms) - set(costs)):
        raise OutcomesInvalid(f"is unknown of {', '.join(lacking)}; a chain weighs what arms cost", field="cost_usd")
    tasks, first, row = np.unique(examples.task, return_index=True, return_inverse=True)
    place = np.searchsorted(np.array(examples.arms), examples.arm)
    usual = np.array([costs[arm] for arm in examples.arms])
    paid = np.where(np.isnan(examples.cost_nano), usual[place], examples.cost_nano) / NANO_PER_DOLLAR
    tries, successes, cost = (np.zeros((len(tasks), len(usual))) for _ in range(3))
    for table, values in ((tries, np.ones(len(examples))), (successes, examples.success), (cost, paid)):
        np.add.at(table, (row, place), values)
    with np.errstate(invalid="ignore"):
        cost = cost / tries
    groups = examples.group[first]
    made = Tallies(tasks=tasks, groups=groups, arms=examples.arms, tries=tries, successes=successes, cost=cost)
    if len(made) <= _MOST_TASKS:
        return made
    return made.take(np.sort(np.random.default_rng(seed).permutation(len(made))[:_MOST_TASKS]))


def _chain(_columns: Mapping[str, Any], seed: int, examples: Examples, _expected: AllArms) -> Fitted:
    tallies = tallies_of(examples, seed=seed)
    shared = int(((tallies.tries > 0).sum(axis=1) > 1).sum())
    if shared < _FEWEST_SHARED:
        message = (
            f"{shared} tasks were tried by more than one arm; a chain needs {_FEWEST_SHARED}, since it rests on which "
            "arm solves what another fails"
        )
        raise OutcomesInvalid(message, field="arm")
    dearest = float(np.nanmean(tallies.cost, axis=0).max())
    if not dearest > 0:
        raise OutcomesInvalid("is 0 for every arm; a chain weighs what arms cost", field="cost_usd")
    return fit_chains(tallies, prices=[float(f"{price / dearest:.6g}") for price in _PRICES], seed=seed)


def _cascade(columns: Mapping[str, Any], seed: int, examples: Examples, expected: AllArms) -> Fitted:
    return learn_cascade(examples, Confidences.read(columns), _known(expected.success), seed=seed)


def _difference(_columns: Mapping[str, Any], _seed: int, examples: Examples, expected: AllArms) -> Fitted:
    """The cheapest arm, the best one, and the largest difference that keeps `KEPT` of the best one's success."""
    grid = full_grid(examples)
    if grid is None:
        message = "a difference is fitted on tasks that every arm was tried on, with known costs"
        raise OutcomesInvalid(message, field="arm")
    success, cost = grid.success.mean(axis=0), grid.cost.mean(axis=0)
    weak, strong = int(cost.argmin()), int(np.lexsort((cost, -success))[0])
    if weak == strong:
        raise OutcomesInvalid(f"{grid.arms[weak]} is both cheapest and best; no choice is left", field="arm")
    _, first = np.unique(examples.task, return_index=True)
    told = _known(expected.success)[first]
    gain = told[:, strong] - told[:, weak]
    found = 0.0
    for difference in np.unique(np.clip(gain, 0.0, 1.0)).tolist():
        reached = np.where(gain > difference, grid.success[:, strong], grid.success[:, weak]).mean()
        found = difference if reached >= KEPT * success[strong] else found
    return DifferencePolicy(weak=grid.arms[weak], strong=grid.arms[strong], difference=round(found, 6))


def _frontier(_columns: Mapping[str, Any], _seed: int, _examples: Examples, _expected: AllArms) -> None:
    return None


def _known(success: NDArray[np.float64]) -> NDArray[np.float64]:
    if np.isnan(success).any():
        raise OutcomesInvalid("an arm is too rare to be estimated without each fold; leave it out", field="arm")
    return success


RULES: Mapping[str, Callable[[Mapping[str, Any], int, Examples, AllArms], Fitted | None]] = MappingProxyType(
    {"frontier": _frontier, "cascade": _cascade, "chain": _chain, "difference": _difference}
)
"""Name -> what fits it. ``frontier`` needs no fitting; artifacts without a policy are served by it."""
