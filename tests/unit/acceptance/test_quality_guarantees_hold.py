"""Each guarantee over 1,000 resplits of synthetic data; and what breaks when its correction is left out."""

import numpy as np
import pytest
from calibration_worlds import SIZES, Answers, Episodes, answers, episodes, splits, two_errors, two_errors_at

from langroute.acceptance.conformal import (
    certify_lambda,
    control_marginal_risk,
    control_missed_failures,
    control_selective_risk,
    marginal_risk,
    missed_failures,
    selective_risk,
)

ALPHA, DELTA = 0.05, 0.1
GRID = np.linspace(0.0, 0.95, 20)


def risk_over_resplits(pool: Answers, n: int, *, corrected: bool) -> list[float]:
    """Marginal risk on the answers not calibrated on, by conformal risk control or by the empirical risk alone."""
    risks = []
    for chosen, others in splits(len(pool.scores), n, seed=3):
        seen, unseen = pool.part(chosen), pool.part(others)
        if corrected:
            threshold = control_marginal_risk(seen.scores, seen.wrong, alpha=ALPHA).threshold
            assert threshold is not None
        else:
            threshold = float(np.sort(seen.scores[seen.wrong])[::-1][int(ALPHA * n)])
        risks.append(marginal_risk(unseen.scores, unseen.wrong, threshold))
    return risks


@pytest.mark.parametrize("n", SIZES)
def test_marginal_risk_is_kept_on_average(n: int) -> None:
    """Mean marginal risk over 1,000 resplits is at most alpha, and not far below what n allows."""
    risks = risk_over_resplits(answers(), n, corrected=True)
    mean, error = float(np.mean(risks)), two_errors(risks)
    assert ALPHA - 1 / (n + 1) - error <= mean <= ALPHA + error


@pytest.mark.parametrize("n", SIZES)
def test_a_single_calibration_may_be_above_the_marginal_bound(n: int) -> None:
    """The promise is an average: more than a quarter of the resplits are above alpha, as the docstring warns."""
    risks = np.array(risk_over_resplits(answers(), n, corrected=True))
    assert 0.25 < (risks > ALPHA).mean() < 0.6


def test_the_empirical_threshold_without_correction_breaks_marginal_risk() -> None:
    """The control: taking the empirical risk for the true one is above alpha on average."""
    risks = risk_over_resplits(answers(), 100, corrected=False)
    assert np.mean(risks) > ALPHA + two_errors(risks)


def test_runs_of_one_task_taken_for_tasks_break_marginal_risk() -> None:
    """The control for exchangeability: four equal runs each of 25 tasks are not 100 answers."""
    pool, risks = answers(), []
    for chosen, others in splits(len(pool.scores), 25, seed=4):
        seen, unseen = pool.part(np.repeat(chosen, 4)), pool.part(others)
        threshold = control_marginal_risk(seen.scores, seen.wrong, alpha=ALPHA).threshold
        assert threshold is not None
        risks.append(marginal_risk(unseen.scores, unseen.wrong, threshold))
    assert np.mean(risks) > ALPHA + two_errors(risks)


@pytest.mark.parametrize("n", SIZES)
def test_missed_failures_are_kept_on_average(n: int) -> None:
    """The mean share of wrong answers that are accepted is at most alpha over 1,000 resplits."""
    pool, missed = answers(), []
    for chosen, others in splits(len(pool.scores), n, seed=5):
        seen, unseen = pool.part(chosen), pool.part(others)
        threshold = control_missed_failures(seen.scores, seen.wrong, alpha=ALPHA).threshold
        found = 0.0 if threshold is None else missed_failures(unseen.scores, unseen.wrong, threshold)
        assert found is not None
        missed.append(found)
    assert ALPHA / 3 < np.mean(missed) <= ALPHA + two_errors(missed)


def test_the_empirical_quantile_of_failures_breaks_missed_failures() -> None:
    """The control: letting alpha of the seen failures pass, and not one fewer, is above alpha on average."""
    pool, missed = answers(), []
    for chosen, others in splits(len(pool.scores), 100, seed=5):
        seen, unseen = pool.part(chosen), pool.part(others)
        failing = np.sort(seen.scores[seen.wrong])[::-1]
        found = missed_failures(unseen.scores, unseen.wrong, float(failing[int(ALPHA * len(failing))]))
        assert found is not None
        missed.append(found)
    assert np.mean(missed) > ALPHA + two_errors(missed)


def selective_over_resplits(pool: Answers, n: int, *, alpha: float, tested: bool) -> tuple[float, float]:
    """The share of resplits above alpha, and of those where something was accepted."""
    above, some = [], []
    for chosen, others in splits(len(pool.scores), n, seed=6):
        seen, unseen = pool.part(chosen), pool.part(others)
        if tested:
            threshold = control_selective_risk(
                seen.scores, seen.wrong, thresholds=GRID, alpha=alpha, delta=DELTA
            ).threshold
        else:
            risks = [selective_risk(seen.scores, seen.wrong, float(cut)) for cut in GRID]
            threshold = next((float(cut) for cut, risk in zip(GRID, risks, strict=True) if (risk or 0) <= alpha), None)
        risk = None if threshold is None else selective_risk(unseen.scores, unseen.wrong, threshold)
        above.append(risk is not None and risk > alpha)
        some.append(threshold is not None)
    return float(np.mean(above)), float(np.mean(some))


@pytest.mark.parametrize("n", SIZES)
def test_selective_risk_is_kept_with_confidence(n: int) -> None:
    """The share of 1,000 resplits whose accepted answers are wrong too often is at most delta."""
    above, some = selective_over_resplits(answers(), n, alpha=0.1, tested=True)
    assert above <= DELTA + two_errors_at(DELTA)
    assert n < 250 or some > 0.5, "a promise kept by never accepting anything would be no test"


@pytest.mark.parametrize("n", SIZES)
def test_the_empirical_selective_risk_breaks_it(n: int) -> None:
    """The control: the lowest threshold whose accepted answers look good enough is above alpha far too often."""
    above, _ = selective_over_resplits(answers(), n, alpha=0.1, tested=False)
    assert above > DELTA + two_errors_at(DELTA)


def lambdas_over_resplits(pool: Episodes, n: int, *, epsilon: float, test: str) -> tuple[float, float]:
    """The share of resplits whose lambda loses more than epsilon on the other episodes; of those with a lambda."""
    total, above, some = pool.losses(), [], []
    for chosen, others in splits(len(pool.strong), n, seed=7):
        seen = pool.part(chosen)
        losses = (total - seen.losses()) / len(others)
        if test == "none":
            fits = np.flatnonzero(seen.losses() <= epsilon * n)
            found = float(pool.lambdas[fits[-1]]) if len(fits) else None
        else:
            found = certify_lambda(
                seen.lambdas, seen.routed, seen.strong, epsilon=epsilon, delta=DELTA, test=test
            ).lambda_
        above.append(found is not None and losses[int(found)] > epsilon)
        some.append(found is not None)
    return float(np.mean(above)), float(np.mean(some))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(("test", "epsilon"), [("betting", 0.05), ("hoeffding_bentkus", 0.2)])
def test_the_certified_lambda_keeps_epsilon_with_confidence(n: int, test: str, epsilon: float) -> None:
    """The share of 1,000 resplits whose certified lambda loses more than epsilon is at most delta."""
    above, some = lambdas_over_resplits(episodes(epsilon=epsilon), n, epsilon=epsilon, test=test)
    assert above <= DELTA + two_errors_at(DELTA)
    assert n < 500 or some > 0.5, "a promise kept by never certifying anything would be no test"


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("epsilon", [0.05, 0.2])
def test_the_cheapest_lambda_that_looks_good_enough_is_not(n: int, epsilon: float) -> None:
    """The control: choosing lambda by its empirical loss alone exceeds epsilon far too often."""
    above, _ = lambdas_over_resplits(episodes(epsilon=epsilon), n, epsilon=epsilon, test="none")
    assert above > DELTA + two_errors_at(DELTA)


def test_three_guarantees_are_three_numbers() -> None:
    """On the same answers at the same level they accept different answers: the names may not be mixed."""
    pool = answers()
    seen = pool.part(np.arange(500))
    marginal = control_marginal_risk(seen.scores, seen.wrong, alpha=ALPHA).threshold
    missed = control_missed_failures(seen.scores, seen.wrong, alpha=ALPHA).threshold
    assert marginal is not None
    assert missed is not None
    assert marginal < missed
    among_accepted = selective_risk(pool.scores, pool.wrong, marginal)
    assert among_accepted is not None
    assert among_accepted > ALPHA, "a marginal risk of alpha is no selective risk of alpha"
