"""Conformal sets of options, and the rule that accepts an answer whose set is a single option."""

import json
import math

import numpy as np
import pytest
from judged_answers import a_step

from langroute.acceptance.entropy import OptionSets, SingleAnswerAcceptance, calibrate_option_sets
from langroute.acceptance.option_sets import (
    choose_alpha,
    conformal_quantile,
    full_and_binary_entropy,
    option_rows,
    right_options,
    set_sizes,
)
from langroute.errors import ArtifactInvalid, CalibrationError
from langroute.parts import Parts
from langroute.protocols import Acceptance
from langroute.records import Outcome


def _drawn(n: int, seed: int) -> tuple[list[tuple[float, ...]], np.ndarray]:
    """Answers among four options by a calibrated model, and whether its likeliest option was right."""
    draws = np.random.default_rng(seed)
    rows = -np.sort(-draws.dirichlet([0.4] * 4, size=n), axis=1)
    right = draws.random(n) < rows[:, 0]
    return [tuple(row) for row in rows.tolist()], right.astype(float)


def test_the_quantile_is_the_textbooks() -> None:
    """Of nine calibration answers at alpha .2 it is the eighth smallest score; too few answers keep every option."""
    probabilities = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    assert conformal_quantile(probabilities, alpha=0.2) == pytest.approx(0.8)
    assert conformal_quantile(probabilities, alpha=0.05) == math.inf


def test_sets_hold_the_right_option_as_often_as_promised() -> None:
    """Over 300 calibrations of 100 answers, the next sets lack the right option in alpha of the cases, not more."""
    draws = np.random.default_rng(3)
    missed = []
    for _ in range(300):
        rows = draws.dirichlet([0.4] * 4, size=400)
        truth = np.array([draws.choice(4, p=row) for row in rows])
        of_truth = rows[np.arange(400), truth]
        quantile = conformal_quantile(of_truth[:100], alpha=0.1)
        missed.append((of_truth[100:] < 1 - quantile - 1e-9).mean())
    error = float(np.std(missed) / math.sqrt(len(missed)))
    assert 0.08 < float(np.mean(missed)) <= 0.1 + 2 * error


def test_of_two_options_the_other_is_right() -> None:
    """A wrong answer of two options says which is right; of more it is taken to have had no probability at all."""
    two, four = option_rows([(0.7, 0.3), (0.6, 0.4)]), option_rows([(0.7, 0.1, 0.1, 0.1), (0.6, 0.4)])
    np.testing.assert_allclose(right_options(two, [1, 0]), [0.7, 0.4])
    np.testing.assert_allclose(right_options(four, [1, 0]), [0.7, 0.0])


def test_entropy_of_sizes_is_the_papers() -> None:
    """Sizes 1, 1, 2, 3: three times the entropy of (1/2, 1/4, 1/4), and the entropy of (1/2, 1/2)."""
    full = 0.5 * math.log(2) + 0.5 * math.log(4)
    assert full_and_binary_entropy(np.array([1, 1, 2, 3])) == pytest.approx(3 * full + math.log(2))
    assert full_and_binary_entropy(np.array([1, 1])) == 0.0


def test_alpha_is_where_sizes_tell_most() -> None:
    """alpha* is the argmax over the levels, the most cautious of equals."""
    options, right = _drawn(400, seed=1)
    rows = option_rows(options)
    truth = right_options(rows, right)
    levels = [0.05, 0.1, 0.2, 0.4]
    told = [full_and_binary_entropy(set_sizes(rows, conformal_quantile(truth, alpha=level))) for level in levels]
    assert choose_alpha(rows, truth, alphas=levels) == levels[int(np.argmax(told))]
    assert choose_alpha(option_rows([(1.0, 0.0)] * 30), np.ones(30), alphas=[0.1, 0.2]) == 0.1


def test_single_answers_are_right_more_often() -> None:
    """What the rule accepts is right far more often than what it rejects, on answers it was not calibrated on."""
    options, right = _drawn(500, seed=5)
    rule = SingleAnswerAcceptance(sets=[calibrate_option_sets(options, right.tolist(), kind="control", arm="small")])
    fresh, verdicts = _drawn(2000, seed=6)
    step = a_step(kind="control")
    accepted = np.array([not rule.defects(step, Outcome(arm="small", options=one)) for one in fresh])
    assert 0.1 < accepted.mean() < 0.9
    assert verdicts[accepted].mean() > verdicts[~accepted].mean() + 0.25


def test_the_rule_judges_what_it_was_calibrated_on_only() -> None:
    """Other kinds stream, other arms and answers without alternatives stand, and so does a pinned step."""
    sets = OptionSets(kind="control", arm="small", alpha=0.1, quantile=0.5, n=100)
    rule = SingleAnswerAcceptance(sets=[sets])
    assert isinstance(rule, Acceptance)
    step = a_step(kind="control")
    undecided = Outcome(arm="small", options=(0.5, 0.5))
    assert rule.defects(step, undecided) == ("undecided",)
    assert rule.defects(step, Outcome(arm="small", options=(0.9, 0.1))) == ()
    assert rule.defects(step, Outcome(arm="large", options=(0.5, 0.5))) == ()
    assert rule.defects(step, Outcome(arm="small")) == ()
    assert rule.gates(step)
    assert not rule.gates(a_step(kind="control", pinned="small"))
    assert not rule.gates(a_step(kind="execution"))


def test_an_empty_set_is_no_single_answer() -> None:
    """Where no option is likely enough, nothing is accepted."""
    rule = SingleAnswerAcceptance(sets=[OptionSets(kind="control", arm="a", alpha=0.5, quantile=0.1, n=9)])
    assert rule.defects(a_step(kind="control"), Outcome(arm="a", options=(0.6, 0.4))) == ("undecided",)


def test_a_stored_rule_is_the_same_again() -> None:
    """Its parts survive JSON; damaged ones are named."""
    sets = calibrate_option_sets([(0.9, 0.1)] * 5, [1] * 5, kind="control", arm="a")
    rule = SingleAnswerAcceptance(sets=[sets])
    again = SingleAnswerAcceptance.from_parts(
        Parts(settings=json.loads(json.dumps(dict(rule.parts().settings), allow_nan=False)))
    )
    assert again.parts() == rule.parts()
    with pytest.raises(ArtifactInvalid, match="sets: holds no option sets"):
        SingleAnswerAcceptance.from_parts(Parts(settings={"sets": [{"kind": "control"}]}))


@pytest.mark.parametrize("options", [[], [()], [(0.0, 0.0)], [(1.5,)], [(math.nan,)]])
def test_what_is_no_probability_is_refused(options: list[tuple[float, ...]]) -> None:
    """Answers without options, and numbers that are no probabilities, are named errors."""
    with pytest.raises(CalibrationError, match="options:"):
        option_rows(options)
