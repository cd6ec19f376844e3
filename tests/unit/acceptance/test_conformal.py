"""Thresholds and certificates: what small examples give by hand, and what bad input is told."""

import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from langroute.acceptance.conformal import (
    certify_lambda,
    control_marginal_risk,
    control_missed_failures,
    control_selective_risk,
    marginal_risk,
    missed_failures,
    selective_risk,
)
from langroute.acceptance.learn_then_test import fixed_sequence
from langroute.errors import CalibrationError, LangrouteError

SCORES = np.arange(1, 20) / 20
NONE_WRONG = np.zeros(19, dtype=bool)


def wrong_at(*scores: float) -> np.ndarray:
    """Wrong where the score is one of these, of nineteen answers."""
    return np.isin(SCORES, np.array(scores))


def test_the_three_measures_by_hand() -> None:
    """Ten answers, four wrong, five accepted, one of them wrong: 1/10, 1/4, 1/5."""
    scores = np.arange(10)
    wrong = np.isin(scores, (0, 1, 2, 7))
    assert marginal_risk(scores, wrong, 4.5) == 0.1
    assert missed_failures(scores, wrong, 4.5) == 0.25
    assert selective_risk(scores, wrong, 4.5) == 0.2


def test_a_share_of_nothing_is_not_a_number() -> None:
    """Nobody wrong, or nobody accepted: None instead of a made-up 0."""
    assert missed_failures(SCORES, NONE_WRONG, 0.5) is None
    assert selective_risk(SCORES, NONE_WRONG, 1.0) is None


def test_marginal_risk_counts_the_next_answer_as_wrong() -> None:
    """With 19 answers, 0.05 leaves room for the next answer only, 0.1 for one seen failure."""
    wrong = wrong_at(0.25, 0.5)
    tight = control_marginal_risk(SCORES, wrong, alpha=0.05)
    assert (tight.threshold, tight.n, tight.failures) == (0.5, 19, 2)
    assert control_marginal_risk(SCORES, wrong, alpha=0.1).threshold == 0.25
    assert control_marginal_risk(SCORES, wrong, alpha=0.15).threshold == -math.inf


def test_answers_of_one_score_share_their_fate() -> None:
    """Where a failure may not pass, no answer of the same score does."""
    scores, wrong = np.full(99, 0.5), np.arange(99) < 10
    certificate = control_marginal_risk(scores, wrong, alpha=0.05)
    assert not certificate.accepts(scores).any()


def test_missed_failures_rest_on_failures_alone() -> None:
    """Nine failures cannot show 0.05, however many answers are right; nineteen can."""
    scores = np.arange(1_000) / 1_000
    few = control_missed_failures(scores, np.arange(1_000) < 9, alpha=0.05)
    assert (few.threshold, few.n, few.failures) == (None, 1_000, 9)
    assert "9 wrong answers" in few.why_nothing
    assert "at least 19" in few.why_nothing
    assert control_missed_failures(scores, np.arange(1_000) < 19, alpha=0.05).threshold == 0.018


def test_too_few_answers_certify_nothing_and_say_how_many_are_needed() -> None:
    """The certificate accepts nothing, names the guarantee and asks for 19 answers."""
    certificate = control_marginal_risk(SCORES[:18], NONE_WRONG[:18], alpha=0.05)
    assert not certificate.certified
    assert not certificate.accepts([0.1, 5.0]).any()
    assert certificate.told() == (
        "marginal_risk: P(accepted and wrong) <= 0.05 is not certified, stay strong: "
        "18 answers cannot show 0.05: at least 19 are needed."
    )
    assert control_marginal_risk(SCORES, NONE_WRONG, alpha=0.05).certified


def test_levels_are_the_decimal_numbers_that_were_meant() -> None:
    """0.29 of 100 is 29, though in binary it is a little less: 28 seen failures and the next may pass."""
    scores = np.arange(99)
    assert control_marginal_risk(scores, np.ones(99), alpha=0.29).threshold == 70


def test_a_certificate_tells_which_guarantee_it_is() -> None:
    """Three sentences that cannot be taken for each other."""
    scores, wrong = np.arange(400) / 400, np.arange(400) < 30
    told = [
        control_marginal_risk(scores, wrong, alpha=0.1).told(),
        control_missed_failures(scores, wrong, alpha=0.1).told(),
        control_selective_risk(scores, wrong, thresholds=[0.2, 0.4], alpha=0.1, delta=0.1).told(),
    ]
    assert told == [
        "marginal_risk: P(accepted and wrong) <= 0.1 on average over calibration data "
        "for scores above -inf (n = 400, 30 wrong).",
        "missed_failures: P(accepted | wrong) <= 0.1 on average over calibration data "
        "for scores above 0.0675 (n = 400, 30 wrong).",
        "selective_risk: P(wrong | accepted) <= 0.1 with confidence 0.9 for scores above 0.2 (n = 400, 30 wrong).",
    ]


def test_a_fixed_sequence_stops_at_its_first_failure() -> None:
    """What comes after a failure is not tested, however small its p-value; a second start has half of delta."""
    p_values = [0.01, 0.02, 0.2, 0.001, 0.04, 0.06]
    assert fixed_sequence(p_values, delta=0.05).tolist() == [True, True, False, False, False, False]
    assert fixed_sequence(p_values, delta=0.05, starts=2).tolist() == [True, True, False, True, False, False]
    assert fixed_sequence(p_values, delta=0.5).all()
    assert not fixed_sequence([0.06, 0.0], delta=0.05).any()


def test_selective_risk_may_certify_nothing() -> None:
    """A score that tells nothing, over answers of which a third are wrong, certifies nothing and says so."""
    draws = np.random.default_rng(13)
    certificate = control_selective_risk(
        draws.random(500), draws.random(500) < 1 / 3, thresholds=np.linspace(0, 0.9, 10), alpha=0.05, delta=0.1
    )
    assert certificate.threshold is None
    assert "p-value" in certificate.why_nothing
    assert len(certificate.p_values) == len(certificate.thresholds) == 10
    assert certificate.thresholds[0] == 0.9


def test_the_p_value_of_a_threshold_is_about_the_answers_above_it() -> None:
    """Forty answers above the threshold, none wrong: 0.9^40; answers at the threshold do not count."""
    scores = np.concatenate((np.full(40, 0.8), np.full(60, 0.5)))
    certificate = control_selective_risk(scores, scores == 0.5, thresholds=[0.5, 0.8], alpha=0.1, delta=0.1)
    assert certificate.p_values == (1.0, pytest.approx(0.9**40))
    assert certificate.threshold == 0.5


STRONG = np.tile([1.0, 1.0, 1.0, 0.0], 125)


def routed(*lost: float) -> np.ndarray:
    """Success per lambda where these shares of the episodes that always-strong wins are lost, spread evenly."""
    turned = np.random.default_rng(14).permutation(500) / 500
    return np.stack([STRONG * (turned >= share) for share in lost], axis=1)


def test_the_cheapest_lambda_within_epsilon_is_certified() -> None:
    """Losses of 0, 0 and nearly 30%: the second lambda is the cheapest that can be shown."""
    certificate = certify_lambda([0, 1, 2], routed(0, 0, 0.4), STRONG, epsilon=0.05, delta=0.1)
    assert (certificate.lambda_, certificate.n, certificate.test) == (1.0, 500, "betting")
    assert certificate.losses[:2] == (0.0, 0.0)
    assert certificate.losses[2] > 0.2
    assert certificate.p_values[1] < 0.1
    assert certificate.p_values[2] > 0.9
    assert certificate.told() == (
        "mean loss of success against always-strong <= 0.05 with confidence 0.9 at lambda 1 (n = 500, betting)."
    )


def test_no_lambda_within_epsilon_stays_strong() -> None:
    """Where even the first lambda loses too much nothing is certified, though a later one would have been."""
    certificate = certify_lambda([0, 1], routed(0.4, 0), STRONG, epsilon=0.05, delta=0.1)
    assert not certificate.certified
    assert certificate.lambda_ is None
    assert "stay strong" in certificate.told()
    assert certify_lambda([0, 1], routed(0.4, 0), STRONG, epsilon=0.05, delta=0.1, starts=2).lambda_ == 1.0


def test_a_router_better_than_always_strong_is_credited() -> None:
    """Losses reach down to -1: a router that wins what always-strong loses is certified to lose nothing."""
    better = np.ones((500, 1))
    assert certify_lambda([1.0], better, STRONG, epsilon=0.0, delta=0.1).lambda_ == 1.0
    assert certify_lambda([1.0], STRONG[:, None], STRONG, epsilon=0.0, delta=0.1).lambda_ is None


def test_the_order_of_the_table_does_not_help() -> None:
    """A table sorted with the losses last, on which a gambler would have won before they come, certifies nothing."""
    lost = np.concatenate((np.ones(250), np.zeros(250)))[:, None]
    certificate = certify_lambda([1.0], lost, np.ones(500), epsilon=0.05, delta=0.1)
    assert certificate.lambda_ is None


def test_certificates_are_deterministic_and_pickle() -> None:
    """The same data give the same certificate, and it survives a pickle."""
    certificate = certify_lambda([0, 1], routed(0, 0.1), STRONG, epsilon=0.05, delta=0.1)
    assert certify_lambda([0, 1], routed(0, 0.1), STRONG, epsilon=0.05, delta=0.1) == certificate
    assert pickle.loads(pickle.dumps(certificate)) == certificate


def selective(**changed: Any) -> object:
    """A call that is sound but for what is changed."""
    arguments = {"scores": SCORES, "wrong": NONE_WRONG, "thresholds": [0.1, 0.5], "alpha": 0.1, "delta": 0.1}
    return control_selective_risk(**(arguments | changed))


def episodes(**changed: Any) -> object:
    """A call that is sound but for what is changed."""
    arguments = {"lambdas": [0, 1], "success": np.ones((9, 2)), "strong": np.ones(9), "epsilon": 0.1, "delta": 0.1}
    return certify_lambda(**(arguments | changed))


@pytest.mark.parametrize(
    ("call", "changed", "field", "told"),
    [
        (selective, {"scores": []}, "scores", "empty"),
        (selective, {"scores": [math.nan] * 19}, "scores", "NaN"),
        (selective, {"scores": ["high"] * 19}, "scores", "numbers"),
        (selective, {"scores": SCORES[:, None]}, "scores", "shape"),
        (selective, {"wrong": NONE_WRONG[:5]}, "wrong", "5 rows, scores has 19"),
        (selective, {"wrong": np.full(19, 0.5)}, "wrong", "0 or 1"),
        (selective, {"alpha": 0}, "alpha", "strictly between"),
        (selective, {"alpha": 1.0}, "alpha", "strictly between"),
        (selective, {"alpha": math.nan}, "alpha", "strictly between"),
        (selective, {"alpha": "5%"}, "alpha", "number"),
        (selective, {"delta": -0.1}, "delta", "strictly between"),
        (selective, {"delta": True}, "delta", "number"),
        (selective, {"thresholds": [0.5, 0.1]}, "thresholds", "rise"),
        (selective, {"starts": 0}, "starts", "whole number"),
        (selective, {"starts": True}, "starts", "whole number"),
        (episodes, {"success": np.ones((9, 3))}, "success", "3 columns for 2 lambdas"),
        (episodes, {"success": np.ones(9)}, "success", "2 dimension"),
        (episodes, {"success": np.full((9, 2), 1.5)}, "success", r"\[0, 1\]"),
        (episodes, {"success": np.ones((8, 2))}, "success", "8 rows, strong has 9"),
        (episodes, {"strong": np.full(9, -1.0)}, "strong", r"\[0, 1\]"),
        (episodes, {"lambdas": [1, 1]}, "lambdas", "rise"),
        (episodes, {"epsilon": 1.0}, "epsilon", r"\[0, 1\)"),
        (episodes, {"delta": 0.0}, "delta", "strictly between"),
        (episodes, {"test": "binomial"}, "test", "betting, hoeffding_bentkus"),
        (episodes, {"starts": 3}, "starts", "from 1 to 2"),
    ],
)
def test_bad_input_is_named(call: Callable[..., object], changed: dict[str, Any], field: str, told: str) -> None:
    """Each argument that cannot be used is named, with what is wrong with it."""
    with pytest.raises(CalibrationError, match=told) as raised:
        call(**changed)
    assert raised.value.field == field
    assert isinstance(raised.value, LangrouteError)
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (str(copy), copy.field) == (str(raised.value), field)


@pytest.mark.parametrize("control", [control_marginal_risk, control_missed_failures])
def test_levels_of_the_average_guarantees_are_checked(control: Callable[..., object]) -> None:
    """Neither 0 nor 1 is a level that means anything."""
    for alpha in (0.0, 1.0, math.inf):
        with pytest.raises(CalibrationError, match="alpha"):
            control(SCORES, NONE_WRONG, alpha=alpha)
