"""The row of swebench_verified with a perfect verifier: how far to go along one learned chain."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from chain_scores import Floats, Scored, cheapest_that_reaches, filled, read, told
from quality_row import Reached, Row

from langroute.learning.chains import Population, menu_of
from langroute.learning.folds import folds_by
from langroute.learning.tallies import Tallies
from langroute.policies.plans import Rules, follow

SHARE = 1.05
RULES = Rules(attempts=4)
STEPS = np.linspace(1.0, RULES.attempts, 32)
ORDER_PRICES = np.geomspace(0.02, 8.0, 48).tolist()
SEEDS = 3


def tallied(data: Path, arms: list[str] | None = None) -> Tallies:
    """The tasks, all as one group: repositories have too few tasks to tell apart."""
    tallies = Tallies.of(read(data, "swebench_verified"), arms=arms)
    return replace(tallies, groups=np.full(len(tallies), "all"))


def order_of(tallies: Tallies) -> tuple[str, ...]:
    """The cheapest of the best chains of full length; the longest one where none is full."""
    menu = menu_of(Population.of(tallies).scenarios("all"), tallies.arms, prices=ORDER_PRICES, rules=RULES)
    longest = max(len(order) for _, order in menu)
    return next(order for _, order in reversed(menu) if len(order) == longest)


def along(order: tuple[str, ...], tallies: Tallies) -> Scored:
    """The chain cut after each number of steps; between whole numbers the next step is made on that share of tasks."""
    success, cost = filled(tallies)
    arms = [tallies.arms.index(arm) for arm in order]
    cut = [follow(arms[:length], success, cost) for length in range(len(arms) + 1)]

    def at(steps: float, which: int) -> Floats:
        low = min(int(steps), len(arms))
        high, share = min(low + 1, len(arms)), steps - int(steps)
        mixed: Floats = (1 - share) * cut[low][which] + share * cut[high][which]
        return mixed

    return Scored(
        success=np.array([at(float(steps), 0) for steps in STEPS]),
        cost=np.array([at(float(steps), 1) for steps in STEPS]),
    )


def out_of_fold(tallies: Tallies, seed: int) -> Scored:
    """The family over five folds."""
    found = Scored.empty(len(tallies))
    for fit, rows in folds_by(tallies.tasks, count=5, seed=seed):
        found.put(rows, along(order_of(tallies.take(fit)), tallies.take(rows)))
    return found


def measured(data: Path) -> Reached:
    """Five folds, dealt several times; the chain from the training folds, how far to go from folds inside them."""
    tallies = tallied(data)
    families, choices, steps, orders = [], [], [], []
    for seed in range(SEEDS):
        family, chosen = Scored.empty(len(tallies)), Scored.empty(len(tallies))
        for fit, rows in folds_by(tallies.tasks, count=5, seed=seed):
            train = tallies.take(fit)
            order = order_of(train)
            family.put(rows, along(order, tallies.take(rows)))
            at = cheapest_that_reaches(out_of_fold(train, seed), train, SHARE)
            chosen.success[0, rows], chosen.cost[0, rows] = family.success[at, rows], family.cost[at, rows]
            steps.append(float(STEPS[at]))
            orders.append(" > ".join(order))
        families.append(family)
        choices.append(chosen)
    family = Scored(
        success=np.mean([each.success for each in families], axis=0),
        cost=np.mean([each.cost for each in families], axis=0),
    )
    chosen = Scored(
        success=np.mean([each.success[:1] for each in choices], axis=0),
        cost=np.mean([each.cost[:1] for each in choices], axis=0),
    )
    counted = {order: orders.count(order) for order in sorted(set(orders))}
    return told(family, chosen, tallies, SHARE, {"steps_chosen": steps, "orders_chosen": counted})


def stored(data: Path, folder: Path) -> None:
    """The chain of all tasks, and how far to go by folds over them."""
    tallies = tallied(data)
    at = cheapest_that_reaches(out_of_fold(tallies, 0), tallies, SHARE)
    settings = {"order": order_of(tallies), "steps": float(STEPS[at]), "arms": tallies.arms}
    (folder / "policy.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")


def scored(folder: Path, data: Path) -> Reached:
    """What was stored, on other tasks."""
    settings = json.loads((folder / "policy.json").read_text(encoding="utf-8"))
    tallies = tallied(data, settings["arms"])
    family = along(tuple(settings["order"]), tallies)
    at = int(np.abs(STEPS - settings["steps"]).argmin())
    chosen = Scored(success=family.success[at : at + 1], cost=family.cost[at : at + 1])
    return told(family, chosen, tallies, SHARE, {"order": settings["order"], "steps": settings["steps"]})


ROWS = (Row(name="swe_beyond", reach=0.82, higher=True, measure=measured, fit=stored, score=scored),)
