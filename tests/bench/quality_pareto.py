"""The row ``pareto``: what equal reward costs when prompts are routed among three arms (paretobandit).

Learned are success and cost of each arm from the text alone, by the learner ``mean``: lines on a latent space of
hashed words and on counts of the text's form, and boosted trees on the same. The choice is ``argmax U - lambda C``, U
from the text and C the arm's mean cost in training: costs of a prompt are predicted well, but dividing by them did not
help; both figures are in ``extra``. Lambda is chosen inside the training folds, on predictions out of inner folds, so
that the mean reward is the dearest arm's. What is scored never chose anything.

Reported is the cost, as a share of the dearest arm's, at the lambda chosen inside: what a user gets. Only where that
falls short of the dearest arm's reward is the cost read off the curve over lambda instead, on the pooled predictions
out of fold, by straight lines; ``extra`` has both and says which was reported. The two differ much: the curve is nearly
flat where it crosses, and the dearest arm's lead over the next is small against the noise of its mean, so a lambda
found on some prompts lands early or late on others.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from quality_row import Reached, Row

from langroute.artifacts import open_policy
from langroute.errors import ConfigError
from langroute.estimators.rows import Predictor
from langroute.learning import Folds, OutcomeGrid, OutcomeTable, dearest_single, folds_by, frontier
from langroute.learning.artifact_files import save_artifact
from langroute.learning.baselines import group_means, oracle_frontier, single_hull
from langroute.learning.bootstrap import bootstrap
from langroute.learning.examples import Examples
from langroute.learning.mean_fitting import MeanLearner
from langroute.learning.reading import read_table
from langroute.learning.sweep import choices_at
from langroute.learning.targets import replayed_prices, steady_price
from langroute.money import NANO_PER_DOLLAR
from langroute.prices_of_targets import PriceTable
from langroute.target import Target

FOLDS, INNER = 5, 10
Floats = NDArray[np.float64]


def measure(data: Path) -> Reached:
    """Five folds over prompts; all that is chosen is chosen on the other four."""
    examples, grid = _read(data / "paretobandit")
    folds = folds_by(grid.tasks, count=FOLDS, seed=0)
    success, predicted, constant = (np.empty(grid.success.shape) for _ in range(3))
    chosen = {"cheapest": np.empty(len(grid), dtype=np.int64), "steady": np.empty(len(grid), dtype=np.int64)}
    for seen, scored in folds:
        success[scored], predicted[scored] = _asked(examples, grid, seen, scored)
        constant[scored] = grid.cost[seen].mean(axis=0)
        for name, price in _lambdas(examples, grid.take(seen), seen, grid).items():
            chosen[name][scored] = choices_at(success[scored], constant[scored] / NANO_PER_DOLLAR, price)
    return _reached(grid, success, constant, predicted, chosen, folds)


def fit(data: Path, folder: Path) -> None:
    """An artifact with the estimator of all prompts, its encoder and the prices found out of fold."""
    examples, grid = _read(data / "paretobandit")
    rows = np.arange(len(grid))
    lesson = MeanLearner().fit(examples, seed=0)
    table = _table(examples, grid, rows, grid)
    assert lesson.encoder is not None
    save_artifact(
        folder,
        {"estimator": lesson.estimator, "encoder": lesson.encoder, "targets": table},
        data=examples.described(),
        metrics={"mean_cost_nano": dict(zip(grid.arms, grid.cost.mean(axis=0).tolist(), strict=True))},
        card="Row `pareto` of the quality bench, learned from all prompts of the folder that was given.\n",
        text=lesson.text,
        numbers=lesson.numbers,
        words=lesson.words,
    )


def score(folder: Path, data: Path) -> Reached:
    """The stored artifact on prompts of another folder."""
    examples, grid = _read(data / "paretobandit")
    learned = open_policy(folder)
    estimator: Any = learned.estimator
    read = examples.reading(estimator.encoder)
    success, predicted = _in_grid(estimator.inner, read, grid.arms, grid)
    mean = learned.artifact.metrics["mean_cost_nano"]
    constant = np.tile([float(mean[arm]) for arm in grid.arms], (len(grid), 1))
    prices = _prices(learned.targets)
    chosen = {name: choices_at(success, constant / NANO_PER_DOLLAR, price) for name, price in prices.items()}
    return _reached(grid, success, constant, predicted, chosen, folds_by(grid.tasks, count=FOLDS, seed=0))


def _read(folder: Path) -> tuple[Examples, OutcomeGrid]:
    columns = read_table(folder)
    return Examples.read(columns), OutcomeGrid.of(OutcomeTable.read(columns))


def _asked(examples: Examples, grid: OutcomeGrid, seen: NDArray[Any], scored: NDArray[Any]) -> tuple[Floats, Floats]:
    """Success and cost (m, k) that are expected on the scored tasks by what was learned on the others."""
    lesson = MeanLearner().fit(examples.take(np.isin(examples.task, grid.tasks[seen])), seed=0)
    asked: Any = examples.take(np.isin(examples.task, grid.tasks[scored])).reading(lesson.encoder)  # type: ignore[arg-type]
    return _in_grid(lesson.estimator, asked, grid.arms, grid.take(scored))


def _in_grid(estimator: Any, asked: Examples, arms: tuple[str, ...], grid: OutcomeGrid) -> tuple[Floats, Floats]:
    assert isinstance(estimator, Predictor)
    names, first = np.unique(asked.task, return_index=True)
    expected = estimator.predict(asked.rows.take(first), arms)
    order = np.searchsorted(names, grid.tasks)
    return expected.success[order], expected.cost_nano[order]


def _table(examples: Examples, part: OutcomeGrid, seen: NDArray[Any], grid: OutcomeGrid) -> PriceTable:
    """Prices on the seen tasks, by predictions out of inner folds."""
    success = np.empty(part.success.shape)
    for known, asked in folds_by(part.tasks, count=INNER, seed=1):
        success[asked], _ = _asked(examples, grid, seen[known], seen[asked])
    constant = np.tile(part.cost.mean(axis=0), (len(part), 1))
    return replayed_prices(part, success, constant, reference=dearest_single(part))


def _lambdas(examples: Examples, part: OutcomeGrid, seen: NDArray[Any], grid: OutcomeGrid) -> dict[str, float]:
    return _prices(_table(examples, part, seen, grid))


def _prices(table: PriceTable) -> dict[str, float]:
    """By way of choosing: the cheapest point that reached the dearest arm's reward, and the last before one did not."""
    try:
        return {
            "cheapest": table.price(Target(quality=1.0))[0],
            "steady": steady_price(table, 1.0).price_of_dollar,
        }
    except ConfigError:
        return {"cheapest": 0.0, "steady": 0.0}


def _reached(
    grid: OutcomeGrid,
    success: Floats,
    constant: Floats,
    predicted: Floats,
    chosen: dict[str, NDArray[np.int64]],
    folds: Folds,
) -> Reached:
    dearest = grid.column(dearest_single(grid))

    def share(rows: NDArray[np.int64], cost: Floats = constant) -> float:
        """Cost at equal reward; all of the dearest arm's where the curve never gets there."""
        part = grid.take(rows)
        found = frontier(part, success[rows], cost[rows]).cost_at(float(part.success[:, dearest].mean()))
        dear = float(part.cost[:, dearest].mean())
        return 1.0 if found is None else min(1.0, found / dear)

    read_off = bootstrap(share, len(grid), resamples=1000, seed=0)
    inside = _at_choice(grid, chosen["cheapest"], dearest)
    kept = inside["reward_ratio"]["point"] >= 1.0
    found = inside["cost_share"] if kept else asdict(read_off)
    return Reached(
        reached=found["point"],
        low=found["low"],
        high=found["high"],
        baselines=_baselines(grid, folds, dearest),
        extra={
            "reported": "chosen inside" if kept else "read off the curve: the choice fell short of the reward",
            "read_off_the_curve": {"point": read_off.point, "low": read_off.low, "high": read_off.high},
            "with_predicted_costs": share(np.arange(len(grid)), predicted),
            **{f"chosen_inside_{name}": _at_choice(grid, arms, dearest) for name, arms in chosen.items()},
            "curve": _curve(grid, success, constant, dearest),
            "correlation_of_gain": float(
                np.corrcoef(
                    success[:, dearest] - np.delete(success, dearest, axis=1).max(axis=1),
                    grid.success[:, dearest] - np.delete(grid.success, dearest, axis=1).max(axis=1),
                )[0, 1]
            ),
        },
    )


def _at_choice(grid: OutcomeGrid, arms: NDArray[np.int64], dearest: int) -> dict[str, Any]:
    """Cost share and reward ratio of one choice for each prompt, with 95% intervals."""

    def of(values: Floats) -> dict[str, float]:
        taken = values[np.arange(len(values)), arms]
        found = bootstrap(lambda rows: float(taken[rows].sum() / values[rows, dearest].sum()), len(values))
        return {"point": found.point, "low": found.low, "high": found.high}

    return {"cost_share": of(grid.cost), "reward_ratio": of(grid.success)}


def _curve(grid: OutcomeGrid, success: Floats, cost: Floats, dearest: int) -> list[dict[str, float]]:
    curve = frontier(grid, success, cost)
    dear, reward = float(grid.cost[:, dearest].mean()), float(grid.success[:, dearest].mean())
    shares = np.arange(0.05, 1.0001, 0.05)
    quality = curve.interpolated(shares * dear)
    pairs = zip(shares.tolist(), quality.tolist(), strict=True)
    return [{"cost_share": round(at, 2), "reward_ratio": value / reward} for at, value in pairs]


def _baselines(grid: OutcomeGrid, folds: Folds, dearest: int) -> dict[str, float]:
    dear, reward = float(grid.cost[:, dearest].mean()), float(grid.success[:, dearest].mean())
    curves = {
        "random mixture": single_hull(grid),
        "group mean": frontier(grid, *group_means(grid, folds)),
        "oracle": oracle_frontier(grid),
    }
    found = {name: curve.cost_at(reward) for name, curve in curves.items()}
    return {"always-strong": 1.0} | {name: cost / dear for name, cost in found.items() if cost is not None}


ROWS = (Row(name="pareto", reach=0.42, higher=False, measure=measure, fit=fit, score=score),)
