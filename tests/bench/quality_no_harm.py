"""The row without a verifier: arms by group where that is known to help, else the mixture of single models."""

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from chain_scores import Floats, Rows, filled, read
from quality_row import Reached, Row

from langroute.learning.baselines import oracle_frontier, single_hull
from langroute.learning.bootstrap import bootstrap
from langroute.learning.curves import Curve, upper_hull
from langroute.learning.folds import folds_by
from langroute.learning.grid import OutcomeGrid
from langroute.learning.measures import gap_closed
from langroute.learning.tallies import Tallies

SETS = ("mcpmark", "swebench_verified")
BUDGETS = 40
OWN_TASKS = 20.0
CAUTIONS = (0.0, 1.0, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixer:
    """Which share of a group's tasks each arm gets, at each of some budgets.

    Attributes:
        shares: by group, (budgets, k); the group "" serves those never seen.
    """

    shares: dict[str, Floats]

    def on(self, tallies: Tallies) -> tuple[Floats, Floats]:
        """(budgets, n) success and cost."""
        success, cost = filled(tallies)
        mixes = np.stack([self.shares.get(str(group), self.shares[""]) for group in tallies.groups])
        return np.einsum("nbk,nk->bn", mixes, success), np.einsum("nbk,nk->bn", mixes, cost)


def budgets_of(tallies: Tallies) -> Floats:
    """From the cheapest model to a little above the best."""
    success, cost = (values.mean(axis=0) for values in filled(tallies))
    return np.geomspace(cost.min(), 1.3 * cost[success.argmax()], BUDGETS)


def cautious_hull(success: Floats, cost: Floats, caution: float) -> list[int]:
    """The arms of the single models' hull; a dearer one stays only if its gain exceeds so many standard errors."""
    mean, paid = success.mean(axis=0), cost.mean(axis=0)
    hull = upper_hull(paid, mean)
    arms = [int(np.flatnonzero((paid == c) & (mean == q))[0]) for c, q in zip(hull.cost, hull.quality, strict=True)]
    kept = arms[:1]
    for arm in arms[1:]:
        gain = success[:, arm] - success[:, kept[-1]]
        if gain.mean() >= caution * gain.std() / np.sqrt(len(gain)):
            kept.append(arm)
    return kept


def fitted(tallies: Tallies, caution: float, budgets: Floats, *, by_group: bool) -> Mixer:
    """Spends each budget where it is expected to buy most, arms of the hull only, groups drawn towards the whole."""
    success, cost = filled(tallies)
    arms = cautious_hull(success, cost, caution)
    cells = np.unique(tallies.groups).tolist() if by_group else []
    members = [tallies.groups == cell for cell in cells] or [np.ones(len(tallies), dtype=bool)]
    sizes = np.array([member.sum() for member in members], dtype=np.float64)
    own = (sizes / (sizes + OWN_TASKS))[:, None] if by_group else np.ones((1, 1))
    rate = np.array([success[member][:, arms].mean(axis=0) for member in members])
    paid = np.array([cost[member][:, arms].mean(axis=0) for member in members])
    rate = own * rate + (1 - own) * success[:, arms].mean(axis=0)
    whole = spent(success[:, arms].mean(axis=0)[None], cost[:, arms].mean(axis=0)[None], np.ones(1), budgets)
    shares = {"": widened(whole[:, 0], arms, len(tallies.arms))}
    if by_group:
        mixes = spent(rate, paid, sizes / sizes.sum(), budgets)
        shares |= {cell: widened(mixes[:, at], arms, len(tallies.arms)) for at, cell in enumerate(cells)}
    return Mixer(shares=shares)


def widened(mixes: Floats, arms: list[int], count: int) -> Floats:
    """Shares over all arms."""
    wide = np.zeros((len(mixes), count))
    wide[:, arms] = mixes
    return wide


def spent(rate: Floats, paid: Floats, weight: Floats, budgets: Floats) -> Floats:
    """(budgets, cells, k) shares: the linear relaxation of the knapsack of one arm a cell, solved exactly."""
    shares, steps = np.zeros((len(budgets), *rate.shape)), []
    first = np.zeros(rate.shape)
    for cell in range(len(rate)):
        hull = upper_hull(paid[cell], rate[cell])
        order = [
            int(np.flatnonzero((paid[cell] == c) & (rate[cell] == q))[0])
            for c, q in zip(hull.cost, hull.quality, strict=True)
        ]
        first[cell, order[0]] = 1.0
        for low, high in pairwise(order):
            more = paid[cell, high] - paid[cell, low]
            steps.append(((rate[cell, high] - rate[cell, low]) / more, cell, low, high, more * weight[cell]))
    base = float(weight @ (first * paid).sum(axis=1))
    for at, budget in enumerate(budgets.tolist()):
        shares[at], left = first, budget - base
        for _, cell, low, high, price in sorted(steps, key=lambda step: -step[0]):
            part = min(1.0, max(0.0, left) / price)
            shares[at, cell, low] -= part
            shares[at, cell, high] += part
            left -= part * price
    return shares


def gap(tallies: Tallies, success: Floats, cost: Floats, rows: Rows) -> float:
    """The gap closed on some tasks, hull and oracle from the same tasks: in hindsight, which is strict."""
    right, paid = filled(tallies.take(rows))
    grid = OutcomeGrid(
        tasks=tallies.tasks[rows], groups=tallies.groups[rows], arms=tallies.arms, success=right, cost=paid
    )
    curve = Curve(cost=cost[:, rows].mean(axis=1), quality=success[:, rows].mean(axis=1))
    return gap_closed(curve, single_hull(grid), oracle_frontier(grid))


def out_of_fold(tallies: Tallies, caution: float, seed: int, *, by_group: bool) -> tuple[Floats, Floats]:
    """(budgets, n) success and cost by five folds of tasks."""
    success, cost = np.zeros((2, BUDGETS, len(tallies)))
    for fit, rows in folds_by(tallies.tasks, count=5, seed=seed):
        train = tallies.take(fit)
        mixer = fitted(train, caution, budgets_of(train), by_group=by_group)
        success[:, rows], cost[:, rows] = mixer.on(tallies.take(rows))
    return success, cost


def chosen(tallies: Tallies, seed: int) -> tuple[float, bool]:
    """How cautious to be, and whether groups help, by folds inside the training tasks; of equals the more cautious."""
    options = [(caution, by_group) for caution in reversed(CAUTIONS) for by_group in (False, True)]
    everything = np.arange(len(tallies))

    def score(option: tuple[float, bool]) -> float:
        success, cost = out_of_fold(tallies, option[0], seed, by_group=option[1])
        return gap(tallies, success, cost, everything)

    return max(options, key=score)


def nested(tallies: Tallies, seed: int) -> tuple[Floats, Floats, list[Any]]:
    """Out of fold with everything chosen inside the training folds."""
    success, cost = np.zeros((2, BUDGETS, len(tallies)))
    options = []
    for fit, rows in folds_by(tallies.tasks, count=5, seed=seed):
        train = tallies.take(fit)
        caution, by_group = chosen(train, seed)
        options.append([caution, by_group])
        mixer = fitted(train, caution, budgets_of(train), by_group=by_group)
        success[:, rows], cost[:, rows] = mixer.on(tallies.take(rows))
    return success, cost, options


def combined(found: dict[str, tuple[Tallies, Floats, Floats]], extra: dict[str, Any]) -> Reached:
    """The mean of the sets' gaps with its interval; each set's own beside it, and the worse one."""
    intervals = {
        name: bootstrap(lambda rows, of=of: gap(*of, rows), len(of[0]), resamples=200) for name, of in found.items()
    }
    draws = [np.random.default_rng(seed) for seed in range(200)]
    means = []
    for draw in draws:
        sampled = [gap(*of, draw.integers(len(of[0]), size=len(of[0]))) for of in found.values()]
        means.append(float(np.mean(sampled)))
    low, high = np.quantile(means, [0.025, 0.975])
    points = {name: interval.point for name, interval in intervals.items()}
    told = {name: [interval.point, interval.low, interval.high] for name, interval in intervals.items()}
    return Reached(
        reached=float(np.mean(list(points.values()))),
        low=float(low),
        high=float(high),
        baselines={"random mixture, in hindsight": 0.0},
        extra={**extra, "sets": told, "worse": min(points, key=lambda name: points[name])},
    )


def measured(data: Path) -> Reached:
    """Both sets by folds of tasks."""
    found, options, mixtures = {}, {}, []
    for name in SETS:
        tallies = Tallies.of(read(data, name))
        success, cost, options[name] = nested(tallies, 0)
        found[name] = (tallies, success, cost)
        mixtures.append(gap(tallies, *out_of_fold(tallies, 0.0, 0, by_group=False), np.arange(len(tallies))))
    reached = combined(found, {"options": options})
    return replace(
        reached,
        baselines={**reached.baselines, "random mixture, chosen on the training folds": float(np.mean(mixtures))},
    )


def stored(data: Path, folder: Path) -> None:
    """A mixer for each set, from all its tasks."""
    for name in SETS:
        tallies = Tallies.of(read(data, name))
        caution, by_group = chosen(tallies, 0)
        mixer = fitted(tallies, caution, budgets_of(tallies), by_group=by_group)
        settings = {"arms": tallies.arms, "shares": {group: mix.tolist() for group, mix in mixer.shares.items()}}
        (folder / f"{name}.json").write_text(json.dumps(settings), encoding="utf-8")


def scored(folder: Path, data: Path) -> Reached:
    """What was stored, on other tasks."""
    found = {}
    for name in SETS:
        settings = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        tallies = Tallies.of(read(data, name), arms=settings["arms"])
        mixer = Mixer(shares={group: np.array(mix) for group, mix in settings["shares"].items()})
        found[name] = (tallies, *mixer.on(tallies))
    return combined(found, {})


ROWS = (Row(name="no_harm", reach=0.03, higher=True, measure=measured, fit=stored, score=scored),)
