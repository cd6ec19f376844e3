"""Training: any learner on a table of outcomes, judged out of fold beside what needs no learning, and stored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ConfigError, OutcomesInvalid
from langroute.estimators.rows import Predictor
from langroute.learning.acceptance_fitting import FittedAcceptance
from langroute.learning.accepting import acceptance_metrics
from langroute.learning.artifact_files import save_artifact
from langroute.learning.examples import Examples
from langroute.learning.folds import Folds, folds_by
from langroute.learning.learners import Learner, Lesson
from langroute.learning.model_card import model_card
from langroute.learning.prediction_measures import Predicted, measured
from langroute.learning.target_fitting import AllArms
from langroute.parts import Fitted
from langroute.prices_of_targets import PriceTable
from langroute.protocols import TextEncoder

Tell = Callable[[str, float], None]
"""Told what is done, and which share of all the work, in [0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What was learned, and how good it is.

    Attributes:
        estimator: name of the learner.
        lesson: fitted on all rows.
        data: what it was trained on, as plain data.
        metrics: measured out of fold, as plain data: each with ``value``, ``low``, ``high`` and the same of baselines.
        targets: prices of a dollar for targets, found out of fold; None where there are none.
        acceptance: the rule that cheap answers must pass, and what it certifies; None where none was asked for.
        policy: the rule of choice that was fitted; None for the router's own.
    """

    estimator: str
    lesson: Lesson
    data: Mapping[str, Any]
    metrics: Mapping[str, Any]
    targets: PriceTable | None = None
    acceptance: FittedAcceptance | None = None
    policy: Fitted | None = None

    def accepting(self, fitted: FittedAcceptance) -> "Trained":
        """The same with a rule for cheap answers, which the metrics and the card tell of."""
        metrics = {**self.metrics, "acceptance": acceptance_metrics(fitted)}
        return replace(self, acceptance=fitted, metrics=metrics)

    def save(self, folder: str | Path, **more: Any) -> Path:
        """Store it as an artifact, with a model card.

        Args:
            folder: where to.
            more: further sections: ``acceptance``, ``policy``, ``targets``.

        Raises:
            ConfigError: something else than an artifact stands there, or the folder cannot be written.
        """
        encoder = {} if self.lesson.encoder is None else {"encoder": self.lesson.encoder}
        targets = {} if self.targets is None else {"targets": self.targets}
        rules = {} if self.acceptance is None else {"acceptance": [self.acceptance.rule]}
        policy = {} if self.policy is None else {"policy": self.policy}
        return save_artifact(
            folder,
            {"estimator": self.lesson.estimator, **encoder, **targets, **rules, **policy, **more},
            data=self.data,
            metrics=self.metrics,
            card=model_card(
                self.estimator,
                data=self.data,
                metrics=self.metrics,
                lesson=self.lesson,
                targets=self.targets,
                rule="" if self.policy is None else self.policy.name,
            ),
            text=self.lesson.text,
            numbers=self.lesson.numbers,
            words=self.lesson.words,
        )


def train(
    examples: Examples,
    learner: Learner,
    *,
    folds: int = 5,
    seed: int = 0,
    tell: Tell = lambda _what, _share: None,
    rule: Callable[[Examples, AllArms], Fitted | None] = lambda _examples, _expected: None,
) -> Trained:
    """Fit a learner on all rows, and judge it by fitting it again without each fold.

    Rows of one task are in one fold. Everything the learner chooses, and the text encoder, it chooses without the fold
    that is scored.

    Args:
        examples: the rows.
        learner: what is trained.
        folds: how many; fewer where there are fewer tasks.
        seed: of folds and learner; the same seed gives the same result.
        tell: told of the progress.
        rule: fits the rule of choice on what was found out of fold; None leaves it to the router.

    Raises:
        ConfigError: fewer than two folds.
        OutcomesInvalid: there is too little to learn from.
    """
    if folds < 2:
        raise ConfigError(f"must be at least 2, not {folds}", field="folds")
    tell("all rows", 0.0)
    lesson = learner.fit(examples, seed=seed)
    count = min(folds, len(np.unique(examples.task)))
    dealt = folds_by(examples.task, count=count, seed=seed)
    everywhere = AllArms(examples)
    predicted = cross_fitted(learner, examples, dealt, seed=seed, tell=tell, keep=everywhere.keep)
    simple = baselines(examples, dealt)
    metrics = {
        "folds": count,
        "seed": seed,
        "basis": "out of fold by task; 95% intervals over tasks",
        **measured(
            {"ours": predicted, **simple},
            success=examples.success,
            cost_nano=examples.cost_nano,
            output_tokens=examples.output_tokens,
            tasks=examples.task,
            seed=seed,
        ),
    }
    tell("judged", 1.0)
    chosen_by = rule(examples, everywhere)
    return Trained(
        estimator=learner.name,
        lesson=lesson,
        data=examples.described(),
        metrics=metrics,
        # The prices were found for the frontier; another rule reaches something else at each.
        targets=None if chosen_by else _believable(everywhere.prices(seed=seed), predicted, simple, examples),
        policy=chosen_by,
    )


def _believable(
    found: PriceTable | None, ours: Predicted, simple: Mapping[str, Predicted], examples: Examples
) -> PriceTable | None:
    """Prices, unless they rest on an estimator alone that knows no more of a step than how its arm does on average.

    More is known where the loss of tasks left out is lower by more than its standard error over tasks. Of a table where
    every arm was tried on every task the prices are replayed, and true whatever the estimator knows.
    """
    if found is None or found.basis == "replayed":
        return found
    _, task = np.unique(examples.task, return_inverse=True)
    saved = np.bincount(task, _losses(simple["arm_mean"], examples) - _losses(ours, examples))
    return found if saved.mean() > saved.std(ddof=1) / np.sqrt(len(saved)) else None


def _losses(said: Predicted, examples: Examples) -> NDArray[np.float64]:
    share = np.clip(said.success, 1e-6, 1.0 - 1e-6)
    losses: NDArray[np.float64] = -(examples.success * np.log(share) + (1.0 - examples.success) * np.log(1.0 - share))
    return losses


def cross_fitted(
    learner: Learner,
    examples: Examples,
    folds: Folds,
    *,
    seed: int,
    tell: Tell = lambda _what, _share: None,
    keep: Callable[[Lesson, NDArray[np.int64]], None] = lambda _lesson, _scored: None,
) -> Predicted:
    """What the learner says of each row's own arm, fitted without the row's fold.

    Args:
        learner: what is fitted.
        examples: the rows.
        folds: which rows are left out together.
        seed: of the learner.
        tell: told of the progress.
        keep: given each fold's lesson, and the rows it did not see.

    Raises:
        OutcomesInvalid: without a fold there is too little to learn from, or the estimator cannot read tables.
    """
    found = {name: np.full(len(examples), np.nan) for name in ("success", "cost_nano", "output_tokens")}
    for number, (seen, scored) in enumerate(folds):
        tell(f"fold {number + 1} of {folds.count}", (number + 1) / (folds.count + 2))
        lesson = learner.fit(examples.take(seen), seed=seed)
        keep(lesson, scored)
        for name, values in own_predictions(lesson, examples.take(scored)).items():
            found[name][scored] = values
    return Predicted(**found)


def own_predictions(lesson: Lesson, examples: Examples) -> dict[str, NDArray[np.float64]]:
    """What is expected of each row's own arm: success, dollars and tokens, (n,) each.

    Raises:
        OutcomesInvalid: the estimator has no ``predict``.
    """
    if not isinstance(lesson.estimator, Predictor):
        raise OutcomesInvalid(f"{lesson.estimator.name} cannot read a table: it lacks predict", field="estimator")
    if lesson.encoder is not None and examples.knows_text:
        examples = examples.reading(cast("TextEncoder", lesson.encoder))
    found = {name: np.full(len(examples), np.nan) for name in ("success", "cost_nano", "output_tokens")}
    for arm in examples.arms:
        rows = np.flatnonzero(examples.arm == arm)
        told = lesson.estimator.predict(examples.rows.take(rows), [arm])
        for name, values in found.items():
            values[rows] = getattr(told, name)[:, 0]
    return found


def baselines(examples: Examples, folds: Folds) -> dict[str, Predicted]:
    """What needs no learning: the arm's mean, and the mean of its group and arm drawn to that; out of fold."""
    by_arm, by_group = _means(examples, folds, examples.arm), _means(examples, folds, _joined(examples))
    return {"arm_mean": by_arm[0], "group_mean": _drawn(by_group, by_arm[0])}


_DRAWN_BY = 5.0


def _joined(examples: Examples) -> NDArray[np.str_]:
    kind = examples.rows.word("kind")
    return np.char.add(np.char.add(np.char.add(examples.group, "\x1f"), np.char.add(kind, "\x1f")), examples.arm)


def _means(examples: Examples, folds: Folds, key: NDArray[np.str_]) -> tuple[Predicted, dict[str, NDArray[np.float64]]]:
    """Means of other folds' rows with the same key, and how many rows they stand on."""
    _, label = np.unique(key, return_inverse=True)
    size = int(label.max()) + 1
    found, counts = {}, {}
    for name in ("success", "cost_nano", "output_tokens"):
        values = getattr(examples, name)
        found[name], counts[name] = np.full(len(key), np.nan), np.zeros(len(key))
        for seen, scored in folds:
            known = seen[~np.isnan(values[seen])]
            if not len(known):
                continue
            count = np.bincount(label[known], minlength=size)
            total = np.bincount(label[known], values[known], minlength=size)
            mean = np.where(count > 0, total / np.maximum(count, 1), values[known].mean())
            found[name][scored], counts[name][scored] = mean[label[scored]], count[label[scored]]
    return Predicted(**found), counts


def _drawn(means: tuple[Predicted, dict[str, NDArray[np.float64]]], to: Predicted) -> Predicted:
    found = {}
    for name, count in means[1].items():
        share = count / (count + _DRAWN_BY)
        found[name] = share * getattr(means[0], name) + (1 - share) * getattr(to, name)
    return Predicted(**found)
