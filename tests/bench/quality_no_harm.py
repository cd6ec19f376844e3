"""The row without a verifier: one cautious success an arm, and costs by group and text; routes where costs differ."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from chain_scores import Floats, Rows
from quality_row import Reached, Row
from quality_text import made

from langroute.artifacts import read_artifact
from langroute.estimators.steady import SteadyEstimator
from langroute.learning.artifact_files import save_artifact
from langroute.learning.baselines import oracle_frontier, single_hull
from langroute.learning.examples import Examples
from langroute.learning.folds import folds_by
from langroute.learning.grid import OutcomeGrid
from langroute.learning.measures import gap_closed
from langroute.learning.reading import read_table
from langroute.learning.steady_fitting import SteadyLearner, grid_of
from langroute.learning.sweep import frontier
from langroute.learning.task_table import TaskTable
from langroute.protocols import TextEncoder

SETS = ("mcpmark", "swebench_verified")
DEALS = 3
RESAMPLES = 400
TRIED = {
    "mixture of single models chosen on training folds": {"mcpmark": -0.153, "swebench_verified": -0.107},
    "means shrunk to a line in log price": {"mcpmark": -0.141, "swebench_verified": -0.103},
    "same, costs by group and text": {"mcpmark": -0.047, "swebench_verified": -0.098},
    "same, dearer arms only beyond 2 standard errors": {"mcpmark": -0.162, "swebench_verified": -0.020},
    "mean over 40 bootstrap choices, costs by group and text": {"mcpmark": -0.085, "swebench_verified": -0.076},
    "success by group too, 20 tasks against it": {"mcpmark": -0.114},
    "the library's estimator, always caution 0": {"mcpmark": -0.073, "swebench_verified": -0.113},
    "the library's estimator, always caution 1": {"mcpmark": -0.158, "swebench_verified": -0.046},
    "the library's estimator, always caution 2": {"mcpmark": -0.188, "swebench_verified": -0.024},
    "abilities and difficulty by text": {"mcpmark": -0.073, "swebench_verified": -0.085},
}
"""Variants, most of them scratch: mean gap closed over 3 or 4 deals of folds, nothing nested; to compare, no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """Estimates out of fold, (n, k) each: ours, and the training folds' plain means, which mix single models."""

    success: Floats
    cost: Floats
    mean_success: Floats
    mean_cost: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A set: what happened on its tasks, and what was guessed in each deal of folds."""

    grid: OutcomeGrid
    guesses: list[Guess]


def read(data: Path, name: str) -> Examples:
    """A set's examples; the group of a task is what a live step calls its domain."""
    columns = read_table(data / name / "outcomes.parquet", tasks=data / name / "tasks.parquet")
    return Examples.read({**columns, "domain": columns["group"]})


def grid_from(examples: Examples) -> OutcomeGrid:
    """What happened, cells without a known cost read as the arm's mean."""
    return grid_of(TaskTable.of(examples))


def guessed(estimator: SteadyEstimator, encoder: TextEncoder | None, examples: Examples) -> tuple[Floats, Floats]:
    """(n, k) success and nano-dollars expected of the tasks, by name, over the estimator's arms."""
    first = np.unique(examples.task, return_index=True)[1]
    expected = estimator.predict(examples.take(first).reading(encoder).rows, estimator.arms)
    return expected.success, expected.cost_nano


def out_of_fold(examples: Examples, grid: OutcomeGrid, seed: int) -> tuple[Guess, list[Any]]:
    """Everything learned and chosen without the fold that is scored."""
    success, cost, mean_success, mean_cost = np.zeros((4, *grid.success.shape))
    chosen = []
    for fit, held in folds_by(grid.tasks, count=5, seed=seed):
        learner = SteadyLearner()
        lesson = learner.fit(examples.take(np.isin(examples.task, grid.tasks[fit])), seed=seed)
        asked = examples.take(np.isin(examples.task, grid.tasks[held]))
        estimator, encoder = cast("SteadyEstimator", lesson.estimator), cast("TextEncoder | None", lesson.encoder)
        success[held], cost[held] = guessed(estimator, encoder, asked)
        mean_success[held], mean_cost[held] = grid.success[fit].mean(axis=0), grid.cost[fit].mean(axis=0)
        chosen.append(learner.chosen["caution"])
    return Guess(success=success, cost=cost, mean_success=mean_success, mean_cost=mean_cost), chosen


def strict(subject: Subject, rows: Rows) -> float:
    """The gap closed; hull and oracle in hindsight, from the tasks scored."""
    grid = taken(subject.grid, rows)
    hull, oracle = single_hull(grid), oracle_frontier(grid)
    curves = [frontier(grid, guess.success[rows], guess.cost[rows]) for guess in subject.guesses]
    return float(np.mean([gap_closed(curve, hull, oracle) for curve in curves]))


def mixture(subject: Subject, rows: Rows) -> float:
    """The gap closed, in hindsight as well, by mixing the single models that training folds choose."""
    grid = taken(subject.grid, rows)
    hull, oracle = single_hull(grid), oracle_frontier(grid)
    curves = [frontier(grid, guess.mean_success[rows], guess.mean_cost[rows]) for guess in subject.guesses]
    return float(np.mean([gap_closed(curve, hull, oracle) for curve in curves]))


def fair(subject: Subject, rows: Rows) -> float:
    """The gap closed over the mixture that the training folds chose, in place of the one chosen in hindsight."""
    return strict(subject, rows) - mixture(subject, rows)


def taken(grid: OutcomeGrid, rows: Rows) -> OutcomeGrid:
    """The tasks of these rows, which a resample may hold more than once."""
    return replace(
        grid,
        tasks=np.array([f"{at}" for at in range(len(rows))]),
        groups=grid.groups[rows],
        success=grid.success[rows],
        cost=grid.cost[rows],
    )


def interval(subjects: dict[str, Subject], measure: Callable[[Subject, Rows], float]) -> list[float]:
    """Point and 95% interval of the mean over the sets, each resampled by its own tasks."""
    point = float(np.mean([measure(subject, np.arange(len(subject.grid))) for subject in subjects.values()]))
    random, means = np.random.default_rng(0), []
    for _ in range(RESAMPLES):
        drawn = {name: random.integers(len(of.grid), size=len(of.grid)) for name, of in subjects.items()}
        means.append(float(np.mean([measure(of, drawn[name]) for name, of in subjects.items()])))
    low, high = np.quantile(means, [0.025, 0.975])
    return [point, float(low), float(high)]


def told(subjects: dict[str, Subject], extra: dict[str, Any], *, folds: bool) -> Reached:
    """The mean of the sets' gaps; beside it each set's own and, where there are folds, the fair comparison."""
    point, low, high = interval(subjects, strict)
    sets = {name: interval({name: subject}, strict) for name, subject in subjects.items()}
    baselines = {"random mixture, in hindsight": 0.0}
    if folds:
        baselines["random mixture, chosen on the training folds"] = interval(subjects, mixture)[0]
        extra = {**extra, "over_the_mixture_of_training_folds": interval(subjects, fair), "tried": TRIED}
        extra["over_it_by_set"] = {name: interval({name: subject}, fair) for name, subject in subjects.items()}
    worse = min(sets, key=lambda name: sets[name][0])
    return Reached(
        reached=point, low=low, high=high, baselines=baselines, extra={**extra, "sets": sets, "worse": worse}
    )


def measured(data: Path) -> Reached:
    """Both sets by five folds of tasks, dealt several times."""
    subjects, cautions = {}, {}
    for name in SETS:
        examples = read(data, name)
        grid = grid_from(examples)
        deals = [out_of_fold(examples, grid, seed) for seed in range(DEALS)]
        subjects[name] = Subject(grid=grid, guesses=[guess for guess, _ in deals])
        cautions[name] = [chosen for _, chosen in deals]
    return told(subjects, {"cautions": cautions}, folds=True)


def stored(data: Path, folder: Path) -> None:
    """An artifact for each set, from all its tasks."""
    for name in SETS:
        examples, learner = read(data, name), SteadyLearner()
        lesson = learner.fit(examples, seed=0)
        save_artifact(
            folder / name,
            {"estimator": lesson.estimator, **({} if lesson.encoder is None else {"encoder": lesson.encoder})},
            data=examples.described(),
            metrics=learner.chosen,
            card=f"# Where costs differ\n\nLearned from {name}. Chosen: {json.dumps(learner.chosen)}.\n",
            text=lesson.text,
            numbers=lesson.numbers,
            words=lesson.words,
        )


def scored(folder: Path, data: Path) -> Reached:
    """What was stored, on other tasks, over the arms it was learned for."""
    subjects = {}
    for name in SETS:
        artifact = read_artifact(folder / name)
        pieces = {part: artifact.piece(part) for part in ("estimator", "encoder")}
        found = {part: made(part, piece, artifact) for part, piece in pieces.items() if piece is not None}
        estimator = cast("SteadyEstimator", found["estimator"])
        examples = read(data, name)
        examples = examples.take(np.isin(examples.arm, estimator.arms))
        success, cost = guessed(estimator, cast("TextEncoder | None", found.get("encoder")), examples)
        guess = Guess(success=success, cost=cost, mean_success=success, mean_cost=cost)
        subjects[name] = Subject(grid=grid_from(examples), guesses=[guess])
    return told(subjects, {}, folds=False)


ROWS = (Row(name="no_harm", reach=0.03, higher=True, measure=measured, fit=stored, score=scored),)
