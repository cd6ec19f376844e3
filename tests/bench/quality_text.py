"""What the rows on RouteLLM's outcomes share: reading them, fitting out of fold, storing, and the table's figure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from quality_row import Reached

from langroute.artifacts import made
from langroute.estimators.artifact import read_artifact
from langroute.estimators.gain import GainEstimator
from langroute.learning import apgr, bootstrap, cpt, folds_by, rank_within, strong_call_curve
from langroute.learning.artifact_files import save_artifact
from langroute.learning.examples import Examples
from langroute.learning.folds import Folds
from langroute.learning.gain_fitting import GainLearner
from langroute.learning.learners import Lesson
from langroute.learning.reading import read_table
from langroute.learning.view_fitting import ViewOptions
from langroute.protocols import TextEncoder

WEAK, STRONG = "mixtral-8x7b", "gpt-4-1106"
PUBLISHED = "RouteLLM 2406.18665, table of routers, trained on preferences with embeddings"
FOLDS, SEED = 5, 0
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """Outcomes of the two arms, task by task.

    Attributes:
        examples: every row.
        tasks: (n,) names, sorted.
        groups: (n,).
        first: (n,) the row of the weak arm.
        weak: (n,) success.
        strong: (n,) success.
    """

    examples: Examples
    tasks: NDArray[np.str_]
    groups: NDArray[np.str_]
    first: NDArray[np.int64]
    weak: Floats
    strong: Floats

    def of(self, rows: NDArray[np.int64]) -> Examples:
        """The rows of these tasks."""
        return self.examples.take(np.isin(self.examples.task, self.tasks[rows]))


def read_pairs(folder: Path) -> Pairs:
    """The pairs of a data folder."""
    columns = read_table(folder / "outcomes.parquet", tasks=folder / "tasks.parquet")
    examples = Examples.read({**columns, "domain": columns["group"]})
    rows = {arm: np.flatnonzero(examples.arm == arm) for arm in (WEAK, STRONG)}
    low, high = (at[np.argsort(examples.task[at], kind="stable")] for at in rows.values())
    if not np.array_equal(examples.task[low], examples.task[high]):
        raise SystemExit(f"{folder} does not hold both arms on every task")
    return Pairs(
        examples=examples,
        tasks=examples.task[low],
        groups=examples.group[low],
        first=low,
        weak=examples.success[low],
        strong=examples.success[high],
    )


def learned(examples: Examples, options: ViewOptions) -> tuple[Lesson, dict[str, Any]]:
    """What the library learns of examples, and what it chose."""
    learner = GainLearner(weak=WEAK, strong=STRONG, options=options)
    return learner.fit(examples, seed=SEED), learner.chosen


def gains(estimator: GainEstimator, encoder: TextEncoder, pairs: Pairs, rows: NDArray[np.int64]) -> Floats:
    """What the strong arm is expected to gain on these tasks."""
    return estimator.gains(pairs.examples.take(pairs.first[rows]).reading(encoder).rows)


def out_of_fold_gains(pairs: Pairs, folds: Folds, options: ViewOptions) -> tuple[Floats, list[str]]:
    """Gains as ranks in their own fold, each fold scored by what was learned and chosen without it."""
    found, chosen = np.empty(len(pairs.tasks)), []
    for fit, held in folds:
        lesson, told = learned(pairs.of(fit), options)
        found[held] = gains(cast("GainEstimator", lesson.estimator), cast("TextEncoder", lesson.encoder), pairs, held)
        chosen.append(str(told["recipe"]))
    return rank_within(found, folds), chosen


def measure(folder: Path, *, by_group: bool, published: Mapping[str, float]) -> Reached:
    """A row, out of fold."""
    pairs = read_pairs(folder)
    folds = folds_by(pairs.groups if by_group else pairs.tasks, count=FOLDS, seed=SEED)
    scores, chosen = out_of_fold_gains(pairs, folds, ViewOptions(by_group=by_group))
    beside = {"question_length": rank_within(_lengths(pairs), folds)}
    if not by_group and len(np.unique(pairs.groups)) > 1:
        beside["subject_mean"] = rank_within(_subject_means(pairs, folds), folds)
    return reached(pairs, scores, beside, {"chosen": chosen, "published": dict(published), "source": PUBLISHED})


def fit(data: Path, folder: Path, *, by_group: bool) -> None:
    """Learn from all of a data folder and store it as an artifact."""
    pairs = read_pairs(data)
    lesson, chosen = learned(pairs.examples, ViewOptions(by_group=by_group))
    assert lesson.encoder is not None
    save_artifact(
        folder,
        {"estimator": lesson.estimator, "encoder": lesson.encoder},
        data=pairs.examples.described(),
        metrics=chosen,
        card=f"# What a strong arm gains\n\nLearned from {len(pairs.tasks)} tasks. Mix of views: {chosen['recipe']}.\n",
        text=lesson.text,
        numbers=lesson.numbers,
        words=lesson.words,
    )


def score(folder: Path, data: Path) -> Reached:
    """Score what was stored on other tasks, which one model ranks all together."""
    artifact, pairs = read_artifact(folder), read_pairs(data)
    pieces = {name: artifact.piece(name) for name in ("estimator", "encoder")}
    estimator, encoder = (made(name, piece, artifact) for name, piece in pieces.items() if piece is not None)
    every = np.arange(len(pairs.tasks))
    scores = gains(cast("GainEstimator", estimator), cast("TextEncoder", encoder), pairs, every)
    return reached(pairs, scores, {"question_length": _lengths(pairs)}, {"tasks": len(every)})


def reached(pairs: Pairs, scores: Floats, beside: Mapping[str, Floats], extra: dict[str, Any]) -> Reached:
    """APGR of scores, with its interval, beside what simpler scores reach."""
    found = bootstrap(lambda rows: _apgr(scores[rows], pairs, rows), len(scores), resamples=1000)
    every = np.arange(len(scores))
    baselines = {"random": 0.5, **{name: _apgr(values, pairs, every) for name, values in beside.items()}}
    curve = strong_call_curve(scores, pairs.weak, pairs.strong)
    shares = {"cpt50": cpt(curve, 0.5), "cpt80": cpt(curve, 0.8)}
    oracle = _apgr(pairs.strong - pairs.weak, pairs, every)
    return Reached(
        reached=found.point,
        low=found.low,
        high=found.high,
        baselines=baselines,
        extra={**extra, **shares, "oracle_of_outcomes": oracle},
    )


def _apgr(scores: Floats, pairs: Pairs, rows: NDArray[np.int64]) -> float:
    return apgr(strong_call_curve(scores, pairs.weak[rows], pairs.strong[rows]))


def _lengths(pairs: Pairs) -> Floats:
    return np.array([float(len(pairs.examples.asked[row])) for row in pairs.first.tolist()])


def _subject_means(pairs: Pairs, folds: Folds) -> Floats:
    gain, found = pairs.strong - pairs.weak, np.empty(len(pairs.tasks))
    for seen, held in folds:
        known = {
            name: float(gain[seen][pairs.groups[seen] == name].mean()) for name in set(pairs.groups[seen].tolist())
        }
        found[held] = [known.get(name, float(gain[seen].mean())) for name in pairs.groups[held].tolist()]
    return found
