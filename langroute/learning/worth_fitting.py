"""Fitting the rule that asks whether another arm is worth its price, once an answer is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from langroute.acceptance.signals import Floats
from langroute.acceptance.worth import WorthAcceptance
from langroute.errors import OutcomesInvalid
from langroute.learning.acceptance_fitting import auroc
from langroute.learning.answer_rows import AnswerRows, answer_rows
from langroute.learning.combined_fitting import fit_combined
from langroute.records import KINDS

_ERRORS = 3.0
_FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How well the score tells right answers from wrong ones, for one kind of step, out of fold and within arms.

    Attributes:
        kind: of the steps.
        rows: answers that were scored.
        auroc: mean over arms, weighted by their rarer outcome; None where no arm had both.
        low: ``auroc`` less three standard errors.
        judged: whether answers of this kind are judged: ``low`` is above one half.
    """

    kind: str
    rows: int
    auroc: float | None
    low: float
    judged: bool


def fit_worth(
    columns: Mapping[str, Sequence[Any]], *, margin: float = 0.0, seed: int = 0
) -> tuple[WorthAcceptance, tuple[Told, ...]]:
    """The rule of a table of outcomes whose rows are steps, and what it rests on.

    Kinds are judged where the score, fitted without the tasks it is tried on, tells right from wrong: its area under
    the ROC curve is above one half by three standard errors. Elsewhere a second call would be bought by noise.

    Args:
        columns: as `answer_rows` reads them.
        margin: of the rule.
        seed: of the folds.

    Raises:
        OutcomesInvalid: the table lacks what is needed, or all answers are alike.
    """
    rows = answer_rows(columns)
    scores = _out_of_fold(rows, seed)
    kinds = np.asarray(rows.answers.kind)
    told = tuple(_told(kind, rows, scores) for kind in KINDS if (kinds == kind).any())
    judged = [one.kind for one in told if one.judged]
    return WorthAcceptance(score=fit_combined(rows), kinds=judged, margin=margin), told


def _out_of_fold(rows: AnswerRows, seed: int) -> Floats:
    tasks, task = np.unique(rows.task, return_inverse=True)
    if len(tasks) < 2 * _FOLDS:
        message = f"{len(tasks)} tasks are too few to fit a score of answers; at least {2 * _FOLDS} are needed"
        raise OutcomesInvalid(message, field="task")
    fold = np.random.default_rng(seed).permutation(len(tasks))[task] % _FOLDS
    scores = np.full(len(rows), np.nan)
    for number in range(_FOLDS):
        scores[fold == number] = fit_combined(rows.rows(fold != number)).scores(rows.rows(fold == number).answers)
    return scores


def _told(kind: str, rows: AnswerRows, scores: Floats) -> Told:
    arms, kinds = np.asarray(rows.answers.arm), np.asarray(rows.answers.kind)
    areas, weights, count = [], [], 0
    for arm in np.unique(arms).tolist():
        chosen = (kinds == kind) & (arms == arm) & ~np.isnan(scores)
        area = auroc(scores[chosen], ~rows.wrong[chosen])
        count += int(chosen.sum())
        if area is not None:
            areas.append(area)
            weights.append(float(min(rows.wrong[chosen].sum(), (~rows.wrong[chosen]).sum())))
    if not areas:
        return Told(kind=kind, rows=count, auroc=None, low=0.0, judged=False)
    mean = float(np.average(areas, weights=weights))
    # At most this, by Hanley and McNeil's bound with the rarer outcome's count.
    low = mean - _ERRORS * sqrt(mean * (1 - mean) / sum(weights))
    return Told(kind=kind, rows=count, auroc=mean, low=low, judged=low > 0.5)
