"""Fitting the rule that asks whether another arm is worth its price, once an answer is there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from langroute.acceptance.answer_update import AnswerUpdate, CellUpdate, Floats, log_odds, log_surprise
from langroute.acceptance.worth import WorthAcceptance
from langroute.errors import OutcomesInvalid
from langroute.learning.examples import Examples
from langroute.records import KINDS

LEAST_ANSWERS = 40
"""Answers of a kind and arm, of both outcomes together, from which an update is fitted."""

_PENALTIES = np.array([0.05, 4.0, 4.0])
_FOLDS = 5
_ERRORS = 2.0
_MOST_STEPS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What answers of a kind tell beyond what was expected, out of fold.

    Attributes:
        kind: of the steps.
        rows: answers that were scored.
        gain: mean log loss of what was expected, recalibrated, less that of the update; above 0 where answers tell.
        error: its standard error, over tasks.
        judged: whether answers of this kind are judged: ``gain`` is above 0 by two standard errors.
    """

    kind: str
    rows: int
    gain: float
    error: float
    judged: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Answers:
    """Answers of one kind: their arm, task, success, and what was expected, known and told. All (n,)."""

    arm: NDArray[np.str_]
    task: NDArray[np.int64]
    success: Floats
    expected: Floats
    confidence: Floats
    tokens: Floats

    def take(self, rows: NDArray[Any]) -> "_Answers":
        return _Answers(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


def fit_worth(
    columns: Mapping[str, Any], examples: Examples, expected: Floats, *, margin: float = 0.0, seed: int = 0
) -> tuple[WorthAcceptance, tuple[Told, ...]]:
    """The rule of a table of outcomes whose rows are steps, and what it rests on.

    Kinds are judged where answers tell something: fitted without the tasks it is tried on, the update's log loss is
    lower than that of what was expected before the call. Elsewhere a second call would be bought by noise.

    Args:
        columns: the table, for ``confidence`` and ``output_tokens``; rows without either are left out.
        examples: the same table, read.
        expected: (n,) what the estimator expects of each row's own arm, fitted on other tasks than the row's.
        margin: of the rule.
        seed: of the folds.

    Raises:
        OutcomesInvalid: the table has no ``confidence``, or too few tasks.
    """
    if "confidence" not in columns:
        raise OutcomesInvalid("is missing: without it an answer tells nothing of itself", field="confidence")
    if len(np.unique(examples.task)) < 2 * _FOLDS:
        raise OutcomesInvalid(f"has fewer than {2 * _FOLDS} tasks, too few to judge answers by", field="task")
    kinds = examples.rows.word("kind")
    found = {kind: _answers(columns, examples, expected, kinds == kind) for kind in KINDS if (kinds == kind).any()}
    told = tuple(_told(kind, answers, seed) for kind, answers in found.items())
    cells: dict[tuple[str, str], CellUpdate] = {
        (kind, arm): cell for kind, answers in found.items() for arm, cell in _fitted(answers, surprise=True).items()
    }
    judged = [one.kind for one in told if one.judged]
    return WorthAcceptance(update=AnswerUpdate(cells), kinds=judged, margin=margin), told


def _answers(columns: Mapping[str, Any], examples: Examples, expected: Floats, chosen: NDArray[np.bool_]) -> _Answers:
    confidence = np.asarray(columns["confidence"], dtype=np.float64)
    _, task = np.unique(examples.task, return_inverse=True)
    known = chosen & ~np.isnan(confidence) & ~np.isnan(examples.output_tokens) & ~np.isnan(expected)
    return _Answers(
        arm=examples.arm,
        task=task,
        success=examples.success,
        expected=expected,
        confidence=confidence,
        tokens=examples.output_tokens,
    ).take(known)


def _told(kind: str, answers: _Answers, seed: int) -> Told:
    """What answers tell, each judged by updates that were fitted without its task."""
    fold = np.random.default_rng(seed).permutation(int(answers.task.max(initial=0)) + 1)[answers.task] % _FOLDS
    gains = np.full(len(answers.task), np.nan)
    for number in range(_FOLDS):
        seen, scored = answers.take(fold != number), np.flatnonzero(fold == number)
        before, after = _fitted(seen, surprise=False), _fitted(seen, surprise=True)
        for arm, cell in after.items():
            rows = scored[answers.arm[scored] == arm]
            gains[rows] = _loss(before[arm], answers.take(rows)) - _loss(cell, answers.take(rows))
    scored = np.flatnonzero(~np.isnan(gains))
    if not len(scored):
        return Told(kind=kind, rows=0, gain=0.0, error=0.0, judged=False)
    mean = float(gains[scored].mean())
    _, task = np.unique(answers.task[scored], return_inverse=True)
    sums = np.bincount(task, gains[scored] - mean)
    error = float(np.sqrt((sums**2).sum())) / len(scored)
    return Told(kind=kind, rows=len(scored), gain=mean, error=error, judged=mean > _ERRORS * error)


def _loss(cell: CellUpdate, answers: _Answers) -> Floats:
    chances = AnswerUpdate.chances(cell, answers.expected, answers.confidence, answers.tokens)
    inside = np.clip(chances, 1e-6, 1 - 1e-6)
    found: Floats = -(answers.success * np.log(inside) + (1 - answers.success) * np.log(1 - inside))
    return found


def _fitted(answers: _Answers, *, surprise: bool) -> dict[str, CellUpdate]:
    """The update of each arm with enough answers; without ``surprise`` what was expected is recalibrated, no more."""
    found = {}
    for arm in np.unique(answers.arm).tolist():
        own = answers.take(answers.arm == arm)
        if len(own.task) >= LEAST_ANSWERS:
            found[arm] = _cell(own, surprise=surprise)
    return found


def _cell(answers: _Answers, *, surprise: bool) -> CellUpdate:
    odds, told = log_odds(answers.expected), log_surprise(answers.confidence, answers.tokens)
    centre, mean = float(odds.mean()), float(told.mean())
    scale = float(told.std()) or 1.0
    design = np.column_stack((np.ones(len(odds)), odds - centre, (told - mean) / scale * surprise))
    first, second, third = _weights(design, answers.success, odds).tolist()
    return CellUpdate(centre=centre, mean=mean, scale=scale, weights=(first, second, third))


def _weights(design: Floats, success: Floats, offset: Floats) -> Floats:
    """The ridge weights of a logistic regression with an offset, by Newton's method with halved steps."""
    weights = np.zeros(design.shape[1])

    def loss(at: Floats) -> float:
        logits = offset + design @ at
        return float((np.logaddexp(0.0, logits) - success * logits).sum() + (_PENALTIES * at**2).sum() / 2)

    for _ in range(_MOST_STEPS):
        chances = 1.0 / (1.0 + np.exp(-np.clip(offset + design @ weights, -500, 500)))
        slope = design.T @ (chances - success) + _PENALTIES * weights
        bend = (design * (chances * (1 - chances))[:, None]).T @ design + np.diag(_PENALTIES)
        step, size = np.linalg.solve(bend, slope), 1.0
        while loss(weights - size * step) > loss(weights) and size > 1e-6:
            size /= 2
        weights = weights - size * step
        if float(np.abs(size * step).max()) < 1e-8:
            break
    return weights
