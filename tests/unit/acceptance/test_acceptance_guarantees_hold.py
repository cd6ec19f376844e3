"""Calibrated acceptance in use: over many calibrations the risk of new answers keeps what each guarantee says.

The curve is RouteNLP's (2604.23577): the share of violations by the number of calibration answers. The paper reports
7.2%, 5.8% and 4.2% at n = 100, 250 and 500 for alpha = .05; a threshold that takes the empirical risk for the true one
has that shape, conformal risk control stays at or below alpha at every n.
"""

import numpy as np
import pytest
from judged_answers import outcome_table
from numpy.typing import NDArray

from langroute.acceptance.conformal import marginal_risk
from langroute.learning.acceptance_fitting import fit_acceptance
from langroute.learning.answer_rows import AnswerRows, answer_rows

ALPHA, DELTA, ROUNDS = 0.05, 0.1, 150
SIZES = (100, 250, 500)


@pytest.fixture(scope="module")
def fresh() -> AnswerRows:
    """Answers of the small arm that no calibration saw."""
    return answer_rows(outcome_table(8_000, seed=10_000)).of("control", ["small"])


def _risks(
    n: int, fresh: AnswerRows, *, guarantee: str, score: str, runs: int = 1, alpha: float = ALPHA
) -> NDArray[np.float64]:
    """(rounds,) the risk on new answers of rules that were calibrated on n tasks each; NaN where none is accepted."""
    found = []
    for seed in range(ROUNDS):
        table = outcome_table(n, seed=seed, runs=runs)
        rule = fit_acceptance(table, guarantee=guarantee, alpha=alpha, delta=DELTA, score=score, fewest=1).rule  # type: ignore[arg-type]
        certificate = rule.thresholds[0].certificate
        accepted = certificate.accepts(rule.score.scores(fresh.answers))
        if guarantee == "marginal_risk":
            found.append((accepted & fresh.wrong).mean())
        elif guarantee == "missed_failures":
            found.append(accepted[fresh.wrong].mean())
        else:
            found.append(fresh.wrong[accepted].mean() if accepted.any() else 0.0)
    return np.array(found)


def _naive(n: int, fresh: AnswerRows) -> NDArray[np.float64]:
    """The same, if the lowest threshold is taken whose risk on the calibration answers is at most alpha."""
    found = []
    for seed in range(ROUNDS):
        rows = answer_rows(outcome_table(n, seed=seed)).of("control", ["small"])
        scores = 1.0 - rows.answers.signal("uncertainty")
        best = min(
            (
                threshold
                for threshold in [-1.0, *scores.tolist()]
                if marginal_risk(scores, rows.wrong, threshold) <= ALPHA
            ),
        )
        found.append(((1.0 - fresh.answers.signal("uncertainty") > best) & fresh.wrong).mean())
    return np.array(found)


@pytest.mark.parametrize("guarantee", ["marginal_risk", "missed_failures"])
@pytest.mark.parametrize("n", SIZES)
def test_risk_is_controlled_on_average(n: int, guarantee: str, fresh: AnswerRows) -> None:
    """The mean over calibrations is at most alpha, two standard errors allowed, and not far below it."""
    risks = _risks(n, fresh, guarantee=guarantee, score="token_certainty")
    error = float(risks.std() / np.sqrt(len(risks)))
    assert risks.mean() <= ALPHA + 2 * error
    assert risks.mean() >= ALPHA / 4 if guarantee == "missed_failures" else risks.mean() >= ALPHA / 2


def test_a_fitted_score_keeps_the_promise_too(fresh: AnswerRows) -> None:
    """The combined score is fitted on other tasks than certify it, so its mean risk is at most alpha as well."""
    risks = _risks(250, fresh, guarantee="marginal_risk", score="combined")
    assert risks.mean() <= ALPHA + 2 * float(risks.std() / np.sqrt(len(risks)))


@pytest.mark.parametrize("n", [250, 500])
def test_selective_risk_is_broken_in_few_calibrations(n: int, fresh: AnswerRows) -> None:
    """The share of calibrations whose accepted answers are wrong more often than .1 is at most delta.

    And it is not kept by accepting nothing: in half the calibrations and more something is certified.
    """
    risks = _risks(n, fresh, guarantee="selective_risk", score="token_certainty", alpha=0.1)
    assert (risks > 0.1).mean() <= DELTA + 2 * np.sqrt(DELTA * (1 - DELTA) / ROUNDS)
    assert (risks > 0).mean() >= 0.5


def test_the_curve_has_the_papers_shape(fresh: AnswerRows) -> None:
    """A naive threshold violates most where n is small; the spread of the controlled risk shrinks with n as well."""
    naive = [float(_naive(n, fresh).mean()) for n in SIZES]
    assert naive[0] > naive[1] > naive[2]
    assert naive[0] > ALPHA
    spread = [float(_risks(n, fresh, guarantee="marginal_risk", score="token_certainty").std()) for n in SIZES]
    assert spread[0] > spread[1] > spread[2]


def test_runs_of_one_task_do_not_break_it(fresh: AnswerRows) -> None:
    """Five runs of a hundred tasks are calibrated on as a hundred tasks, so the mean risk stays at most alpha."""
    risks = _risks(100, fresh, guarantee="marginal_risk", score="token_certainty", runs=5)
    assert risks.mean() <= ALPHA + 2 * float(risks.std() / np.sqrt(len(risks)))
