"""Cascade routing on recorded outcomes, beside what it contains: routing, and a cascade in a fixed order.

Reads ``mcpmark/outcomes.parquet`` under ``$LANGROUTE_DATA``, or under ``../shared/data`` beside the repository.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from langroute.learning.bootstrap import bootstrap
from langroute.learning.cascades import residual_covariance
from langroute.learning.curves import Curve, upper_hull
from langroute.learning.folds import folds_by
from langroute.policies.supermodels import SupermodelRule

ROOT = Path(os.environ.get("LANGROUTE_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
PRICES = np.geomspace(0.05, 8.0, 10)
MOST_ARMS = 5
KIN = 5.0

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


class Runs:
    """Success and dollars of every task, arm and run, in (n, k, runs); what was not run is read as the mean."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        names = ("task", "model", "run")
        (tasks, at), (arms, by), (runs, number) = [np.unique(columns[name], return_inverse=True) for name in names]
        shape = (len(tasks), len(arms), len(runs))
        self.success, self.cost = np.full(shape, np.nan), np.full(shape, np.nan)
        self.success[at, by, number] = np.array(columns["success"], dtype=np.float64)
        self.cost[at, by, number] = [np.nan if cost is None else cost for cost in columns["cost_usd"]]
        self.group = np.array(columns["group"])[np.unique(columns["task"], return_index=True)[1]]
        for values in (self.success, self.cost):
            means = np.nanmean(values, axis=(0, 2))[None, :, None]
            own = np.where(np.isnan(values).all(axis=2, keepdims=True), means, values)
            filled = np.nanmean(own, axis=2, keepdims=True)
            values[...] = np.where(np.isnan(values), filled, values)

    def usual(self, values: Floats, fit: Rows, rows: Rows) -> Floats:
        """(rows, k) means of the training tasks, the task itself left out, of its service drawn to those of all."""
        found = []
        means = values.mean(axis=2)
        for row in rows:
            others = fit[fit != row]
            kin = others[self.group[others] == self.group[row]]
            found.append((means[kin].sum(axis=0) + KIN * means[others].mean(axis=0)) / (len(kin) + KIN))
        return np.array(found)


def played(
    rule: SupermodelRule, before: Floats, usual: Floats, success: Floats, cost: Floats, price: float
) -> tuple[float, float]:
    """Success and dollars on one task: decided by what arms usually cost, paid as they did."""
    seen: dict[int, float] = {}
    while len(seen) < rule.depth:
        arm = rule.next(before, usual, seen, price=price, allowed=range(len(before)))
        if arm is None:
            break
        seen[arm] = float(success[arm])
    return max(seen.values()), float(sum(cost[arm] for arm in seen))


def rules_of(covariance: Floats) -> dict[str, SupermodelRule]:
    """The three rules over arms by rising cost."""
    size = len(covariance)
    return {
        "routing": SupermodelRule(covariance=covariance, depth=1),
        "cascade": SupermodelRule(covariance=covariance, depth=size, order=tuple(range(size))),
        "cascade routing": SupermodelRule(covariance=covariance, depth=size),
    }


def chosen_arms(table: Runs, fit: Rows) -> list[int]:
    """The dearest arms of the single models' hull on the training tasks, by rising cost."""
    success, cost = table.success[fit].mean(axis=(0, 2)), table.cost[fit].mean(axis=(0, 2))
    hull = upper_hull(cost, success)
    on_it = zip(hull.cost, hull.quality, strict=True)
    return [int(np.flatnonzero((cost == at) & (success == high))[0]) for at, high in on_it][-MOST_ARMS:]


def scored(table: Runs) -> dict[str, tuple[Floats, Floats]]:
    """(prices, n) success and dollars of each rule, out of fold, over all runs."""
    size, runs = len(table.group), table.success.shape[2]
    found = {name: (np.zeros((len(PRICES), size)), np.zeros((len(PRICES), size))) for name in rules_of(np.eye(2))}
    for fit, rows in folds_by(np.arange(size).astype(str), count=5):
        arms = chosen_arms(table, fit)
        before = table.usual(table.success[:, arms], fit, fit)
        surprise = np.concatenate([table.success[fit][:, arms, run] for run in range(runs)])
        rules = rules_of(residual_covariance(np.tile(before, (runs, 1)), surprise))
        told, usual = table.usual(table.success[:, arms], fit, rows), table.usual(table.cost[:, arms], fit, rows)
        for name, (success, cost) in found.items():
            for at, row in enumerate(rows):
                for number, price in enumerate(PRICES):
                    tried = [
                        played(
                            rules[name],
                            told[at],
                            usual[at],
                            table.success[row, arms, run],
                            table.cost[row, arms, run],
                            float(price),
                        )
                        for run in range(runs)
                    ]
                    success[number, row], cost[number, row] = np.mean(tried, axis=0)
    return found


def test_cascade_routing_is_as_good_as_what_it_contains() -> None:
    """With the verifier: far above routing, and nowhere below the better of both beyond the noise of 79 tasks."""
    path = ROOT / "mcpmark" / "outcomes.parquet"
    if not path.exists():
        pytest.skip("mcpmark/outcomes.parquet is not here: set LANGROUTE_DATA to a folder that holds it")
    parquet = pytest.importorskip("pyarrow.parquet", reason="reading parquet needs pyarrow")
    table = Runs(parquet.read_table(path).to_pydict())
    found = scored(table)

    def curve(name: str, rows: Rows) -> Curve:
        success, cost = found[name]
        return upper_hull(cost[:, rows].mean(axis=1), success[:, rows].mean(axis=1))

    everything = np.arange(len(table.group))
    whole = [curve(name, everything) for name in found]
    costs = np.linspace(max(each.cost[0] for each in whole), min(each.cost[-1] for each in whole), 9)

    def ahead(rows: Rows) -> tuple[Floats, Floats]:
        routing, fixed, ours = (curve(name, rows).interpolated(costs) for name in found)
        return ours - routing, ours - np.maximum(routing, fixed)

    for at in range(len(costs)):
        both = bootstrap(lambda rows, at=at: float(ahead(rows)[1][at]), len(everything), resamples=200)
        assert both.high >= 0, f"{both} at ${costs[at]:.2f}"
    gained = bootstrap(lambda rows: float(ahead(rows)[0].mean()), len(everything), resamples=200)
    assert gained.low > 0.02
