"""From a table of outcomes to a calibrated rule: what is used, what is left out, and that it comes out the same."""

import json
from typing import Any

import numpy as np
import pytest
from judged_answers import a_step, outcome_table

from langroute.acceptance.calibrated import CalibratedAcceptance
from langroute.acceptance.combined import CombinedScore
from langroute.errors import CalibrationError, ConfigError, OutcomesInvalid
from langroute.learning.acceptance_fitting import auroc, fit_acceptance
from langroute.learning.answer_rows import answer_rows
from langroute.learning.combined_fitting import fit_combined
from langroute.learning.logistic import fit_logistic
from langroute.parts import Parts
from langroute.records import Outcome, Usage

TABLE = outcome_table(600, seed=1, kinds=("control", "execution"), arms=("small", "medium", "large"))


def _judged(
    rule: CalibratedAcceptance, table: dict[str, list[Any]], arm: str, kind: str
) -> tuple[np.ndarray, np.ndarray]:
    """Whether the answers of an arm stand, and whether they are right, row by row."""
    step, stands, right = a_step(kind=kind), [], []
    for row, found in enumerate(table["arm"]):
        if (found, table["kind"][row]) == (arm, kind):
            outcome = Outcome(
                arm=arm,
                confidence=table["confidence"][row],
                uncertainty=table["uncertainty"][row],
                usage=Usage(input_tokens=1, output_tokens=table["output_tokens"][row]),
            )
            stands.append(not rule.defects(step, outcome))
            right.append(table["success"][row] > 0.5)
    return np.array(stands), np.array(right)


@pytest.mark.parametrize("guarantee", ["marginal_risk", "missed_failures", "selective_risk"])
@pytest.mark.parametrize("score", ["combined", "token_certainty"])
def test_a_rule_says_which_guarantee_it_keeps_and_keeps_it(guarantee: Any, score: str) -> None:
    """Each cell is certified by the guarantee asked for, under its name, and its risk on new tasks is near the level.

    One draw may be above the bound; the curve of many is in test_acceptance_guarantees_hold.py.
    """
    fitted = fit_acceptance(TABLE, guarantee=guarantee, alpha=0.1, score=score)
    assert fitted.rule.name == f"calibrated:{guarantee}"
    assert fitted.rule.arms == ("small", "medium", "large")
    assert {(cell.kind, cell.arm) for cell in fitted.cells} == {
        (kind, arm) for kind in ("control", "execution") for arm in ("small", "medium")
    }
    fresh = outcome_table(2000, seed=2, kinds=("control", "execution"), arms=("small", "medium", "large"))
    stands, right = _judged(fitted.rule, fresh, "small", "control")
    assert stands.any()
    risk = {
        "marginal_risk": (stands & ~right).mean(),
        "missed_failures": stands[~right].mean(),
        "selective_risk": (~right[stands]).mean(),
    }[guarantee]
    assert risk <= 0.1 + 0.05
    everything, _ = _judged(fitted.rule, fresh, "large", "control")
    assert everything.all()


def test_it_comes_out_the_same_and_goes_through_an_artifact() -> None:
    """The same table and seed give the same rule; stored and made again it judges every answer alike."""
    first = fit_acceptance(TABLE, guarantee="selective_risk", alpha=0.15, seed=3).rule
    second = fit_acceptance(TABLE, guarantee="selective_risk", alpha=0.15, seed=3).rule
    assert first.thresholds == second.thresholds
    parts = first.parts()
    again = CalibratedAcceptance.from_parts(
        Parts(settings=json.loads(json.dumps(dict(parts.settings), allow_nan=False)), arrays=parts.arrays)
    )
    for arm in ("small", "medium", "large"):
        np.testing.assert_array_equal(
            _judged(again, TABLE, arm, "control")[0], _judged(first, TABLE, arm, "control")[0]
        )


def test_runs_of_one_task_are_one_row() -> None:
    """Five runs of each task certify what one run of each does, not five times as much."""
    once = fit_acceptance(outcome_table(300, seed=4), guarantee="marginal_risk", score="token_certainty")
    often = fit_acceptance(outcome_table(300, seed=4, runs=5), guarantee="marginal_risk", score="token_certainty")
    assert [cell.n for cell in once.cells] == [cell.n for cell in often.cells] == [300]


def test_few_answers_are_pooled_over_the_cheap_arms() -> None:
    """Arms with too few answers share a threshold, which says so; with none of them alone there is one for all."""
    fitted = fit_acceptance(TABLE, guarantee="marginal_risk", score="token_certainty", fewest=10_000)
    assert [(cell.kind, cell.arm, cell.n) for cell in fitted.cells] == [("control", "", 600), ("execution", "", 600)]
    assert "by any cheap arm" in fitted.rule.told()


def test_where_nothing_can_be_certified_it_stays_strong() -> None:
    """Too few tasks for the level: the rule says why and lets no cheap answer stand."""
    fitted = fit_acceptance(outcome_table(12, seed=1), guarantee="marginal_risk", alpha=0.01, score="token_certainty")
    assert "not certified, stay strong: 12 answers cannot show 0.01" in fitted.rule.told()
    assert fitted.rule.defects(a_step(), Outcome(arm="small", uncertainty=0.0)) == ("uncertified:marginal_risk",)


def test_without_any_signal_nothing_is_certified() -> None:
    """A provider that sends no log-probabilities leaves nothing to judge by, and the certificate says that."""
    table = {**outcome_table(200, seed=1), "uncertainty": [None] * 400}
    for guarantee in ("marginal_risk", "selective_risk"):
        fitted = fit_acceptance(table, guarantee=guarantee, score="token_certainty")  # type: ignore[arg-type]
        assert "none of" in fitted.rule.told()
        assert fitted.cells[0].unscored > 0


def test_a_kind_that_only_the_strongest_answered_is_not_certified() -> None:
    """Nothing is known of cheap answers of such a kind, so they do not stand; unless the kind is not to be judged."""
    table = outcome_table(150, seed=1, kinds=("control", "execution"))
    cheap = [(kind, arm) == ("execution", "small") for kind, arm in zip(table["kind"], table["arm"], strict=True)]
    table = {
        name: [value for value, out in zip(values, cheap, strict=True) if not out] for name, values in table.items()
    }
    rule = fit_acceptance(table, guarantee="marginal_risk", score="token_certainty").rule
    sure = Outcome(arm="small", uncertainty=0.0)
    assert rule.defects(a_step(kind="execution"), sure) == ("uncertified:marginal_risk",)
    only = fit_acceptance(table, guarantee="marginal_risk", score="token_certainty", kinds=["control"]).rule
    assert not only.gates(a_step(kind="execution"))


def test_signals_combined_tell_more_than_each_alone() -> None:
    """Where length and confidence each tell half the truth, the combined score tells more than confidence."""
    draws = np.random.default_rng(0)
    sure, tokens = draws.uniform(0.3, 1, 3000), draws.integers(5, 60, 3000)
    right = draws.random(3000) < 1 / (1 + np.exp(-(6 * (sure - 0.6) - 0.12 * (tokens - 30))))
    table = {
        "task": [f"t{row}" for row in range(3000)],
        "arm": ["small"] * 3000,
        "kind": ["control"] * 3000,
        "success": right.astype(float).tolist(),
        "confidence": sure.tolist(),
        "output_tokens": tokens.tolist(),
    }
    rows = answer_rows(table)
    score = fit_combined(rows.rows(np.arange(1500)))
    rest = rows.rows(np.arange(1500, 3000))
    combined, alone = (
        auroc(score.scores(rest.answers), ~rest.wrong),
        auroc(rest.answers.signal("confidence"), ~rest.wrong),
    )
    assert combined is not None
    assert alone is not None
    assert combined > alone + 0.1
    chances = score.scores(rest.answers)
    for low in (0.0, 0.25, 0.5, 0.75):  # it is a probability: what it says is what happens, quarter by quarter
        seen = (chances >= low) & (chances < low + 0.25)
        assert abs(chances[seen].mean() - (~rest.wrong[seen]).mean()) < 0.08


def test_rows_that_say_nothing_are_left_out_and_counted() -> None:
    """Errors, unknown success, rejected answers without a verdict of their own, and credit where own verdicts exist."""
    table = {
        "task": ["a", "b", "c", "d", "e", "f"],
        "arm": ["small"] * 6,
        "kind": ["control", "control", "execution", "execution", "execution", "execution"],
        "success": [1.0, 1.0, 0.0, 1.0, None, 1.0],
        "credit": ["own", "episode", "episode", "episode", "episode", "episode"],
        "accepted": [0, 1, 0, 1, 1, 1],
        "error": ["", "", "", "", "", "APITimeoutError"],
        "defects": ["invalid_arguments; other", "", "", "", "", ""],
    }
    rows = answer_rows(table)
    assert rows.task.tolist() == ["a", "d"]
    assert rows.answers.signal("malformed").tolist() == [1.0, 0.0]
    assert sum(rows.left_out.values()) == 4
    assert set(rows.left_out) == {
        "of a kind whose answers have verdicts of their own, without one",
        "rejected, and only the episode's success is known",
        "success is unknown",
        "the call ended in an error",
    }


@pytest.mark.parametrize(
    ("changes", "options", "error", "told"),
    [
        ({"arm": None}, {}, OutcomesInvalid, "arm: is missing"),
        ({"kind": ["planning"] * 40}, {}, OutcomesInvalid, "kind: holds 'planning'"),
        ({"success": [None] * 40}, {}, OutcomesInvalid, "success: has no answer to learn from"),
        ({"success": [1.0] * 40}, {}, OutcomesInvalid, "success: all 20 answers are right"),
        ({"success": [1.0] * 3}, {}, OutcomesInvalid, "success: has 3 rows where task has 40"),
        ({"success": ["yes"] * 40}, {}, OutcomesInvalid, "success: must be numbers"),
        ({"confidence": [float("inf")] * 40}, {}, OutcomesInvalid, "confidence: row 0 is infinite"),
        ({"task": ["t"] * 40}, {}, OutcomesInvalid, "task: has one task only"),
        ({"cost_usd": None}, {}, ConfigError, "arms: cannot be ordered by cost"),
        ({}, {"arms": ["small"]}, ConfigError, "arms: must name every arm"),
        ({}, {"score": "oracle"}, ConfigError, "score: must be one of"),
        ({}, {"guarantee": "certainty"}, CalibrationError, "guarantee: must be one of"),
        ({}, {"alpha": 1.5}, CalibrationError, "alpha: must be"),
    ],
)
def test_bad_input_is_named(
    changes: dict[str, Any], options: dict[str, Any], error: type[Exception], told: str
) -> None:
    """A table or an option that cannot be used says which, and what to do."""
    table = {name: values for name, values in {**outcome_table(20, seed=1), **changes}.items() if values is not None}
    with pytest.raises(error, match=told):
        fit_acceptance(table, **{"guarantee": "marginal_risk", **options})


def test_logistic_regression_is_the_known_one() -> None:
    """Weights agree with scikit-learn's, which minimises the same loss."""
    sklearn = pytest.importorskip("sklearn.linear_model", reason="scikit-learn (langroute[learn]) is not installed")
    draws = np.random.default_rng(0)
    design = draws.normal(size=(400, 3))
    right = (draws.random(400) < 1 / (1 + np.exp(-design @ [1.0, -2.0, 0.5]))).astype(float)
    theirs = sklearn.LogisticRegression(C=0.5, fit_intercept=False, tol=1e-10, max_iter=1000).fit(design, right)
    np.testing.assert_allclose(fit_logistic(design, right, np.full(3, 2.0)), theirs.coef_[0], atol=1e-4)


def test_classes_that_can_be_parted_have_finite_weights() -> None:
    """A signal that parts right from wrong perfectly is fitted all the same."""
    assert np.isfinite(fit_logistic(np.array([[-1.0], [1.0]] * 50), np.array([0.0, 1.0] * 50), np.array([0.01]))).all()
    assert isinstance(fit_combined(answer_rows(TABLE)), CombinedScore)
