"""Fitting `CalibratedAcceptance` on a table of outcomes: a score on one part of the tasks, thresholds on the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from langroute.acceptance.calibrated import CalibratedAcceptance, Missing
from langroute.acceptance.calibration_data import one_of, share
from langroute.acceptance.certificates import Guarantee, ThresholdCertificate
from langroute.acceptance.conformal import control_marginal_risk, control_missed_failures, control_selective_risk
from langroute.acceptance.scores import SCORES
from langroute.acceptance.signals import Score
from langroute.acceptance.thresholds import CellThreshold
from langroute.errors import ConfigError, OutcomesInvalid
from langroute.learning.answer_rows import AnswerRows, answer_rows
from langroute.learning.combined_fitting import fit_combined
from langroute.records import Kind

Floats = NDArray[np.float64]

GUARANTEES: tuple[Guarantee, ...] = ("marginal_risk", "missed_failures", "selective_risk")
QUANTILES = np.linspace(0.0, 0.95, 20)
"""Where the thresholds that selective risk tests lie among the scores of the part the score was fitted on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellReport:
    """What calibration saw in one cell. Observations on the data that the threshold comes from, not promises.

    Attributes:
        kind: of the steps.
        arm: who answered; empty where the cheap arms were pooled.
        n: answers, one a task.
        wrong: share of them that was wrong.
        unscored: how many more had no score.
        auroc: how well the score tells right from wrong; None where all were right, or all wrong.
        accepted: share of answers above the threshold; 0 where nothing is certified.
    """

    kind: str
    arm: str
    n: int
    wrong: float
    unscored: int
    auroc: float | None
    accepted: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedAcceptance:
    """A rule, and how it came about.

    Attributes:
        rule: ready for ``StepRouter(acceptance=[ValidityAcceptance(), rule])``, and for an artifact.
        cells: one per threshold.
        left_out: rows of the table that were not used, by reason.
    """

    rule: CalibratedAcceptance
    cells: tuple[CellReport, ...]
    left_out: Mapping[str, int]


def fit_acceptance(
    columns: Mapping[str, Sequence[Any]],
    *,
    guarantee: Guarantee,
    alpha: float = 0.05,
    delta: float = 0.1,
    score: str | Score = "combined",
    arms: Sequence[str] | None = None,
    kinds: Sequence[Kind] | None = None,
    fewest: int = 100,
    missing: Missing = "accept",
    right_from: float = 0.5,
    seed: int = 0,
) -> FittedAcceptance:
    """A calibrated rule from a table of outcomes.

    Tasks are parted at random in two halves: the score is fitted, and the thresholds that will be tested are laid out,
    on one; the thresholds are certified on the other, from one answer a task and cell, for answers of one task are not
    independent. A score that needs no fitting leaves all tasks to the certificates, unless thresholds must be laid out.

    **Assumed**, beside what the guarantee assumes: the answers of a cell in the table are as those that the rule will
    judge. A router that sends other steps to an arm than the one that collected the table changes them.

    Args:
        columns: as `answer_rows` reads them.
        guarantee: ``marginal_risk``, ``missed_failures`` or ``selective_risk``; see ``acceptance.conformal``.
        alpha: the bound, for each cell.
        delta: of selective risk, for each cell.
        score: ``combined``, ``token_certainty``, ``answer_entropy``, ``agreement``, or a fitted score of your own.
        arms: from the cheapest to the strongest; when left out by mean cost of a call in the table.
        kinds: the kinds that are judged; all of the table when left out.
        fewest: answers, one a task, from which an arm has a threshold of its own; under it the cheap arms of the kind
            are pooled, which bounds the risk of their mixture only.
        missing: what the rule does with an answer without a score.
        right_from: from which success an answer counts as right.
        seed: of the halves, and of which answer of a task is taken.

    Raises:
        OutcomesInvalid: the table lacks what is needed.
        CalibrationError: a level is out of range, or no such guarantee exists.
        ConfigError: the score is unknown, or the arms are not those of the table.
    """
    one_of(guarantee, GUARANTEES, field="guarantee")
    share(alpha, field="alpha")
    rows = answer_rows(columns, right_from=right_from)
    ladder = tuple(_by_cost(columns, rows) if arms is None else _checked(arms, rows))
    draws = np.random.default_rng(seed)
    laid_out, held = _halves(rows, draws, whole=score != "combined" and guarantee != "selective_risk")
    judge = _score(score, laid_out)
    cells = [
        _calibrated(cell, judge, laid_out, held, draws, guarantee=guarantee, alpha=alpha, delta=delta)
        for cell in _cells(held, ladder, sorted(set(rows.answers.kind if kinds is None else kinds)), fewest)
    ]
    rule = CalibratedAcceptance(
        score=judge, thresholds=[found for found, _ in cells], guarantee=guarantee, arms=ladder, missing=missing
    )
    return FittedAcceptance(rule=rule, cells=tuple(report for _, report in cells), left_out=rows.left_out)


# -- arms and halves --------------------------------------------------------------------------------------------------


def _by_cost(columns: Mapping[str, Sequence[Any]], rows: AnswerRows) -> list[str]:
    """The arms by mean cost of a call; the dearest is taken for the strongest."""
    name = next((name for name in ("cost_nano", "cost_usd") if name in columns), None)
    if name is None:
        raise ConfigError("cannot be ordered by cost: the table has none; name them, the strongest last", field="arms")
    costs = np.array([np.nan if value is None else float(value) for value in columns[name]])
    arm = np.array([str(value) for value in columns["arm"]])
    seen = sorted(set(rows.answers.arm))
    means = {one: costs[(arm == one) & ~np.isnan(costs)] for one in seen}
    unpriced = [one for one in seen if not len(means[one])]
    if unpriced:
        raise ConfigError(f"cannot be ordered by cost: {unpriced[0]!r} has none; name them in order", field="arms")
    return sorted(seen, key=lambda one: float(means[one].mean()))


def _checked(arms: Sequence[str], rows: AnswerRows) -> Sequence[str]:
    lacking = sorted(set(rows.answers.arm) - set(arms))
    if lacking:
        raise ConfigError(f"must name every arm of the table; {lacking[0]!r} is missing", field="arms")
    return arms


def _halves(rows: AnswerRows, draws: np.random.Generator, *, whole: bool) -> tuple[AnswerRows, AnswerRows]:
    """The part that is looked at, and the part that certifies; both are all rows where nothing is looked at."""
    tasks = np.unique(rows.task)
    if whole:
        return rows, rows
    if len(tasks) < 2:
        raise OutcomesInvalid("has one task only; fitting and certifying need tasks of their own", field="task")
    first = np.isin(rows.task, draws.permutation(tasks)[: len(tasks) // 2])
    return rows.rows(first), rows.rows(~first)


# -- the score --------------------------------------------------------------------------------------------------------


def _score(score: str | Score, rows: AnswerRows) -> Score:
    if not isinstance(score, str):
        return score
    if score == "combined":
        return fit_combined(rows)
    if score not in SCORES:
        raise ConfigError(f"must be one of {', '.join(SCORES)}, got {score!r}", field="score")
    return SCORES[score]()


# -- the thresholds ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    kind: str
    arm: str
    arms: tuple[str, ...]


def _cells(rows: AnswerRows, ladder: tuple[str, ...], kinds: Sequence[str], fewest: int) -> list[_Cell]:
    """Cells with enough answers of their own, and for each kind that has others the pool of its cheap arms."""
    found = []
    for kind in kinds:
        own = [arm for arm in ladder[:-1] if len(np.unique(rows.of(kind, [arm]).task)) >= fewest]
        found += [_Cell(kind=kind, arm=arm, arms=(arm,)) for arm in own]
        if len(own) < len(ladder) - 1:
            found.append(_Cell(kind=kind, arm="", arms=ladder[:-1]))
    return found


def _calibrated(
    cell: _Cell,
    score: Score,
    laid_out: AnswerRows,
    held: AnswerRows,
    draws: np.random.Generator,
    *,
    guarantee: Guarantee,
    alpha: float,
    delta: float,
) -> tuple[CellThreshold, CellReport]:
    rows = _one_a_task(held.of(cell.kind, cell.arms), draws)
    scores = score.scores(rows.answers)
    scored = ~np.isnan(scores)
    values, wrong = scores[scored], rows.wrong[scored]
    if not len(values):
        certificate = _nothing(guarantee, alpha, delta, len(rows))
    elif guarantee == "marginal_risk":
        certificate = control_marginal_risk(values, wrong, alpha=alpha)
    elif guarantee == "missed_failures":
        certificate = control_missed_failures(values, wrong, alpha=alpha)
    else:
        thresholds = _thresholds(score.scores(laid_out.of(cell.kind, cell.arms).answers))
        certificate = (
            control_selective_risk(values, wrong, thresholds=thresholds, alpha=alpha, delta=delta)
            if len(thresholds)
            else _nothing(guarantee, alpha, delta, len(rows))
        )
    report = CellReport(
        kind=cell.kind,
        arm=cell.arm,
        n=len(values),
        wrong=float(wrong.mean()) if len(wrong) else 0.0,
        unscored=int((~scored).sum()),
        auroc=auroc(values, ~wrong),
        accepted=float(certificate.accepts(values).mean()) if len(values) else 0.0,
    )
    return CellThreshold(kind=cell.kind, arm=cell.arm, certificate=certificate), report


def _one_a_task(rows: AnswerRows, draws: np.random.Generator) -> AnswerRows:
    """One answer of each task, drawn at random."""
    mixed = draws.permutation(len(rows))
    _, first = np.unique(rows.task[mixed], return_index=True)
    return rows.rows(np.sort(mixed[first]))


def _thresholds(scores: Floats) -> Floats:
    """Rising thresholds among scores, the first below all of them: it accepts everything."""
    known = scores[~np.isnan(scores)]
    if not len(known):
        return known
    return np.unique(np.concatenate(([known.min() - 1e-6], np.quantile(known, QUANTILES))))


def _nothing(guarantee: Guarantee, alpha: float, delta: float, n: int) -> ThresholdCertificate:
    return ThresholdCertificate(
        guarantee=guarantee,
        alpha=alpha,
        delta=delta if guarantee == "selective_risk" else None,
        n=0,
        failures=0,
        threshold=None,
        why_nothing=f"none of {n} answers has a score (no log-probabilities came, or one sample was taken).",
    )


def auroc(scores: Floats, right: NDArray[np.bool_]) -> float | None:
    """The chance that a right answer scores above a wrong one, ties counting half; None without both."""
    wins, losses = int(right.sum()), int((~right).sum())
    if not wins or not losses:
        return None
    _, label, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[label]
    return float((ranks[right].sum() - wins * (wins + 1) / 2) / (wins * losses))
