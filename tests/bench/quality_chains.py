"""Rows of mcpmark with its own verifier as acceptance: unseen tasks and services, tasks that recur, noise."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from chain_scores import PRICES, Parting, Rows, Scored, chosen_price, filled, nested, played, read, told
from quality_row import Reached, Row

from langroute.learning.abilities import Abilities
from langroute.learning.chains import Population, fit_chains
from langroute.learning.folds import folds_by
from langroute.learning.outcomes import OutcomeTable
from langroute.learning.recurring import Recurrence
from langroute.learning.tallies import Tallies
from langroute.parts import Parts
from langroute.policies.chain import ChainPolicy
from langroute.policies.plans import Rules, plan

SHARE = 0.973
SEEDS = 3
NAME = "mcpmark"


def by_task(seed: int) -> Parting:
    """Five folds of whole tasks."""
    return lambda tallies: list(folds_by(tallies.tasks, count=5, seed=seed))


def by_service(tallies: Tallies) -> list[tuple[Rows, Rows]]:
    """One fold for each service."""
    return list(folds_by(tallies.groups, count=len(np.unique(tallies.groups))))


def measured(rules: Rules, partings: list[Parting], data: Path) -> Reached:
    """Chains out of fold; over several deals of folds, tasks count with their mean over the deals."""
    tallies = Tallies.of(read(data, NAME))
    deals = [nested(tallies, parting, rules, SHARE) for parting in partings]
    family = Scored(
        success=np.mean([deal[0].success for deal in deals], axis=0),
        cost=np.mean([deal[0].cost for deal in deals], axis=0),
    )
    chosen = Scored(
        success=np.mean([deal[1].success for deal in deals], axis=0),
        cost=np.mean([deal[1].cost for deal in deals], axis=0),
    )
    extra = {"prices_chosen": [deal[2] for deal in deals], "rules": {"attempts": rules.attempts, "error": rules.error}}
    return told(family, chosen, tallies, SHARE, extra)


def stored(rules: Rules, parting: Parting, data: Path, folder: Path) -> None:
    """Learn chains from all tasks, and the price by folds over them."""
    tallies = Tallies.of(read(data, NAME))
    policy = fit_chains(tallies, prices=PRICES.tolist(), rules=rules)
    price = float(PRICES[chosen_price(tallies, parting, rules, SHARE)])
    settings = {"price": price, "arms": list(tallies.arms), "policy": dict(policy.parts().settings)}
    (folder / "policy.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")


def scored(rules: Rules, folder: Path, data: Path) -> Reached:
    """What was stored, on other tasks."""
    settings = json.loads((folder / "policy.json").read_text(encoding="utf-8"))
    policy = ChainPolicy.from_parts(Parts(settings=settings["policy"]))
    tallies = Tallies.of(read(data, NAME), arms=settings["arms"])
    family = Scored.empty(len(tallies))
    for group in np.unique(tallies.groups).tolist():
        rows = np.flatnonzero(tallies.groups == group)
        orders = [numbered(policy.order(price=float(price), domain=group), tallies) for price in PRICES]
        family.put(rows, played(orders, tallies.take(rows), rules))
    return told(family, at_price(family, settings["price"]), tallies, SHARE, {"price": settings["price"]})


def numbered(order: tuple[str, ...], tallies: Tallies) -> tuple[int, ...]:
    """Arms by number."""
    return tuple(tallies.arms.index(arm) for arm in order)


def at_price(family: Scored, price: float) -> Scored:
    """The one policy of a family at a price."""
    at = int(np.abs(PRICES - price).argmin())
    return Scored(success=family.success[at : at + 1], cost=family.cost[at : at + 1])


# -- tasks that recur --------------------------------------------------------------------------------------------------

RECURRING = Rules(attempts=5)


def halves(table: OutcomeTable, seen: tuple[int, ...], later: tuple[int, ...]) -> tuple[Tallies, Tallies]:
    """Tallies of earlier and later runs over the arms, and the tasks, that both have."""
    first, last = table.of_runs(*seen), table.of_runs(*later)
    arms = sorted(set(first.arm.tolist()) & set(last.arm.tolist()))
    before, after = Tallies.of(first, arms=arms), Tallies.of(last, arms=arms)
    both = np.intersect1d(before.tasks, after.tasks)
    return before.take(np.searchsorted(before.tasks, both)), after.take(np.searchsorted(after.tasks, both))


def recurred(population: Population, before: Tallies, after: Tallies) -> Scored:
    """A chain for each task by its own earlier runs, played on its later ones."""
    known = Recurrence(abilities=population.abilities, dollars=population.costs.arm)
    found = Scored.empty(len(after))
    for task in range(len(after)):
        scenarios = known.scenarios(before, task)
        orders = [plan(scenarios, price=float(price), rules=RECURRING).arms for price in PRICES]
        found.put(np.array([task]), played(orders, after.take(np.array([task])), RECURRING))
    return found


def recurring_price(table: OutcomeTable, runs: list[int]) -> float:
    """The price by which chains of some earlier runs reach the share on another: each of the runs in turn."""
    families, tallies = [], None
    for run in runs:
        before, after = halves(table, tuple(other for other in runs if other != run), (run,))
        families.append(recurred(Population.of(before), before, after))
        tallies = after
    assert tallies is not None
    success = np.mean([family.success.mean(axis=1) for family in families], axis=0)
    cost = np.mean([family.cost.mean(axis=1) for family in families], axis=0)
    wanted = SHARE * filled(Tallies.of(table.of_runs(*runs)))[0].mean(axis=0).max()
    reaching = np.flatnonzero(success >= wanted)
    return float(PRICES[reaching[cost[reaching].argmin()] if reaching.size else success.argmax()])


def runs_of(table: OutcomeTable) -> tuple[list[int], list[int]]:
    """The first two runs, and the others."""
    runs = np.unique(table.run).tolist()
    return runs[:2], runs[2:]


def recurring_measured(data: Path) -> Reached:
    """Fitted on runs 1 and 2, price included, scored on 3 and 4."""
    table = read(data, NAME)
    seen, later = runs_of(table)
    before, after = halves(table, tuple(seen), tuple(later))
    family = recurred(Population.of(before), before, after)
    price = recurring_price(table, seen)
    return told(family, at_price(family, price), after, SHARE, {"price": price, "attempts": RECURRING.attempts})


def recurring_stored(data: Path, folder: Path) -> None:
    """Learn the population from all runs, and the price from pairs of runs as a new task has them."""
    table = read(data, NAME)
    population = Population.of(Tallies.of(table, arms=halves(table, *map(tuple, runs_of(table)))[0].arms))
    abilities = population.abilities
    settings = {"price": recurring_price(table, runs_of(table)[0]), "arms": population.arms, "groups": abilities.groups}
    (folder / "policy.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
    np.savez(
        folder / "arrays.npz",
        ability=abilities.ability,
        fit=abilities.fit,
        skill=abilities.skill,
        dollars=population.costs.arm,
    )


def recurring_scored(folder: Path, data: Path) -> Reached:
    """The stored population; each new task's own runs 1 and 2 choose its chain, runs 3 and 4 score it."""
    settings: dict[str, Any] = json.loads((folder / "policy.json").read_text(encoding="utf-8"))
    arrays = np.load(folder / "arrays.npz", allow_pickle=False)
    none = np.zeros(0)
    abilities = Abilities(
        groups=tuple(settings["groups"]),
        ability=arrays["ability"],
        fit=arrays["fit"],
        difficulty=none,
        demand=none,
        skill=arrays["skill"],
    )
    table = read(data, NAME)
    table = table.rows(np.isin(table.arm, settings["arms"]))
    before, after = halves(table, *map(tuple, runs_of(table)))
    at = [settings["arms"].index(arm) for arm in before.arms]
    known = Recurrence(abilities=only(abilities, at), dollars=arrays["dollars"][at])
    family = Scored.empty(len(after))
    for task in range(len(after)):
        orders = [plan(known.scenarios(before, task), price=float(price), rules=RECURRING).arms for price in PRICES]
        family.put(np.array([task]), played(orders, after.take(np.array([task])), RECURRING))
    return told(family, at_price(family, settings["price"]), after, SHARE, {"price": settings["price"]})


def only(abilities: Abilities, at: list[int]) -> Abilities:
    """The abilities of some arms."""
    return replace(abilities, ability=abilities.ability[at], fit=abilities.fit[:, at], skill=abilities.skill[at])


def row(name: str, reach: float, rules: Rules, partings: list[Parting]) -> Row:
    """A row of chains by group."""
    return Row(
        name=name,
        reach=reach,
        higher=True,
        measure=lambda data: measured(rules, partings, data),
        fit=lambda data, folder: stored(rules, partings[0], data, folder),
        score=lambda folder, data: scored(rules, folder, data),
    )


TASKS = [by_task(seed) for seed in range(SEEDS)]
ROWS = (
    row("mcp_tasks", 0.78, Rules(attempts=4), TASKS),
    row("mcp_service", 0.62, Rules(attempts=4), [by_service]),
    Row(
        name="mcp_recurring",
        reach=0.86,
        higher=True,
        measure=recurring_measured,
        fit=recurring_stored,
        score=recurring_scored,
    ),
    row("mcp_noisy", 0.68, Rules(attempts=3, error=0.1), TASKS),
)
