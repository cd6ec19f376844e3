"""What the rows about chains share: data, chains scored out of fold, the saving at a share of the best model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyarrow import parquet
from quality_row import Reached

from langroute.learning.bootstrap import bootstrap
from langroute.learning.chains import KIN, Population
from langroute.learning.curves import Curve, upper_hull
from langroute.learning.outcomes import OutcomeTable
from langroute.learning.tallies import Tallies
from langroute.policies.plans import Rules, Scenarios, follow, plan

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
PRICES = np.geomspace(0.08, 4.0, 32)
RESAMPLES = 400


def read(data: Path, name: str) -> OutcomeTable:
    """A set's outcomes; an attempt without a known cost is read as costing what its arm's attempts do on average."""
    columns = parquet.read_table(data / name / "outcomes.parquet").to_pydict()
    costs = np.array([np.nan if cost is None else cost for cost in columns["cost_usd"]], dtype=np.float64)
    arms = np.array(columns["model"])
    for arm in np.unique(arms[np.isnan(costs)]).tolist():
        costs[np.isnan(costs) & (arms == arm)] = np.nanmean(costs[arms == arm])
    return OutcomeTable.read({**columns, "cost_usd": costs.tolist()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A family of policies, one for each of m prices of a dollar, on n tasks.

    Attributes:
        success: (m, n).
        cost: (m, n) dollars.
    """

    success: Floats
    cost: Floats

    @classmethod
    def empty(cls, n: int) -> "Scored":
        """Zeros, to be filled."""
        return cls(success=np.zeros((len(PRICES), n)), cost=np.zeros((len(PRICES), n)))

    def put(self, rows: Rows, other: "Scored") -> None:
        """Fill the columns of these tasks."""
        self.success[:, rows], self.cost[:, rows] = other.success, other.cost


def filled(tallies: Tallies) -> tuple[Floats, Floats]:
    """(n, k) success and dollars; a cell nobody attempted is read as the arm's mean."""
    rate, cost = tallies.rate, tallies.cost
    return (
        np.where(np.isnan(rate), np.nanmean(rate, axis=0), rate),
        np.where(np.isnan(cost), np.nanmean(cost, axis=0), cost),
    )


def played(orders: Sequence[Sequence[int]], scored: Tallies, rules: Rules) -> Scored:
    """What orders, one for each price, achieve on tasks."""
    found = [follow(order, *filled(scored), error=rules.error) for order in orders]
    return Scored(success=np.array([right for right, _ in found]), cost=np.array([paid for _, paid in found]))


def orders_of(scenarios: Scenarios, rules: Rules) -> list[tuple[int, ...]]:
    """The best order at every price."""
    return [plan(scenarios, price=float(price), rules=rules).arms for price in PRICES]


def by_group(fit: Tallies, scored: Tallies, rules: Rules) -> Scored:
    """Chains fitted on some tasks, played on others, group by group."""
    population, found = Population.of(fit), Scored.empty(len(scored))
    for group in np.unique(scored.groups).tolist():
        rows = np.flatnonzero(scored.groups == group)
        orders = orders_of(population.scenarios(group, kin=KIN), rules)
        found.put(rows, played(orders, scored.take(rows), rules))
    return found


def best_model(tallies: Tallies) -> int:
    """The arm of most success; of equals the dearer, which is what the figures known before were compared with."""
    success, cost = filled(tallies)
    return int(np.lexsort((cost.mean(axis=0), success.mean(axis=0).round(9)))[-1])


def cheapest_that_reaches(scored: Scored, tallies: Tallies, share: float) -> int:
    """The number of the price at which the family costs least and still has that share of the best model's success."""
    wanted = share * filled(tallies)[0][:, best_model(tallies)].mean()
    reaching = np.flatnonzero(scored.success.mean(axis=1) >= wanted - 1e-9)
    if not reaching.size:
        return int(scored.success.mean(axis=1).argmax())
    return int(reaching[scored.cost.mean(axis=1)[reaching].argmin()])


def saving(cost: Floats, success: Floats, tallies: Tallies, share: float, rows: Rows) -> float | None:
    """The share of the best model's dollars saved where a family, by straight lines, reaches a share of its success."""
    right, paid = filled(tallies)
    best = best_model(tallies)
    curve = Curve(cost=cost[:, rows].mean(axis=1), quality=success[:, rows].mean(axis=1))
    at = curve.cost_at(share * float(right[rows, best].mean()))
    return None if at is None else 1 - at / float(paid[rows, best].mean())


def told(family: Scored, chosen: Scored, tallies: Tallies, share: float, extra: dict[str, Any]) -> Reached:
    """The saving of what was chosen elsewhere, but where it fell short of the share, of the family at that share.

    So the figure never speaks of less success than the row asks for. Read off the curve it has seen the scored tasks in
    one number, the price; ``extra`` says what the policy that was chosen elsewhere saved, and at which ratio.

    Args:
        family: the policies over all prices.
        chosen: one policy, whose price was chosen on other tasks or runs: arrays of (1, n).
        tallies: the tasks scored.
        share: of the best single model's success.
        extra: what else to tell.
    """
    right, paid = filled(tallies)
    best = best_model(tallies)

    def measure(rows: Rows) -> float | None:
        ratio = chosen.success[0, rows].mean() / right[rows, best].mean()
        own = 1 - float(chosen.cost[0, rows].mean() / paid[rows, best].mean())
        read_off = saving(family.cost, family.success, tallies, share, rows)
        return own if ratio >= share - 1e-9 else read_off

    found = bootstrap(measure, len(tallies), resamples=RESAMPLES)
    everything = np.arange(len(tallies))
    ratio = float(chosen.success.mean() / right[:, best].mean())
    curve = {
        f"{1 - cost / paid[:, best].mean():.3f}": round(float(success / right[:, best].mean()), 3)
        for cost, success in zip(family.cost.mean(axis=1), family.success.mean(axis=1), strict=True)
    }
    return Reached(
        reached=found.point,
        low=found.low,
        high=found.high,
        baselines=singles_that_reach(tallies, share),
        extra={
            **extra,
            "best_single": tallies.arms[best],
            "chosen_saving": 1 - float(chosen.cost.mean() / paid[:, best].mean()),
            "chosen_ratio": ratio,
            "read_off_curve": saving(family.cost, family.success, tallies, share, everything),
            "undefined_resamples": found.undefined,
            "ratio_by_saving": curve,
        },
    )


def singles_that_reach(tallies: Tallies, share: float) -> dict[str, float]:
    """What single models, and random mixes of them, save at that share; what never gets there is left out."""
    right, paid = filled(tallies)
    best, success, cost = best_model(tallies), right.mean(axis=0), paid.mean(axis=0)
    found = {"best single": 0.0}
    reaching = np.flatnonzero(success >= share * success[best] - 1e-9)
    if reaching.size:
        found["cheapest single that reaches it, in hindsight"] = float(1 - cost[reaching].min() / cost[best])
    if share <= 1:
        mixed = upper_hull(cost, success).cost_at(share * float(success[best]))
        if mixed is not None:
            found["random mixture, in hindsight"] = float(1 - mixed / cost[best])
    cheap_first = [int(arm) for arm in np.argsort(cost, kind="stable") if success[arm] > 0]
    everything = follow(cheap_first, right, paid)
    found["all models, cheapest first"] = float(1 - everything[1].mean() / cost[best])
    return found


Fitting = Callable[[Tallies, Tallies, Rules], Scored]
Parting = Callable[[Tallies], list[tuple[Rows, Rows]]]


def nested(
    tallies: Tallies, parting: Parting, rules: Rules, share: float, *, inner: Parting | None = None
) -> tuple[Scored, Scored, list[float]]:
    """The family out of fold, and the policy whose price was chosen inside the training folds, with those prices."""
    family, chosen = Scored.empty(len(tallies)), Scored.empty(len(tallies))
    prices = []
    for fit, rows in parting(tallies):
        train, scored = tallies.take(fit), tallies.take(rows)
        family.put(rows, by_group(train, scored, rules))
        at = chosen_price(train, inner or parting, rules, share)
        prices.append(float(PRICES[at]))
        chosen.success[0, rows], chosen.cost[0, rows] = family.success[at, rows], family.cost[at, rows]
    return family, Scored(success=chosen.success[:1], cost=chosen.cost[:1]), prices


def chosen_price(train: Tallies, parting: Parting, rules: Rules, share: float) -> int:
    """The number of the price that reaches the share out of fold, on the training tasks alone."""
    found = Scored.empty(len(train))
    for fit, rows in parting(train):
        found.put(rows, by_group(train.take(fit), train.take(rows), rules))
    return cheapest_that_reaches(found, train, share)
