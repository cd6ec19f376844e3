"""Training with a rule for cheap answers: one table in, estimator, prices and rule out, and all of it told."""

import json
from pathlib import Path
from typing import Any

import pytest
from judged_answers import a_step, outcome_table
from typer.testing import CliRunner

from langroute.acceptance.calibrated import CalibratedAcceptance
from langroute.artifacts import open_policy
from langroute.cli.app import app
from langroute.errors import CalibrationError, OutcomesInvalid
from langroute.learning.accepting import Wanted
from langroute.learning.learners import learner
from langroute.learning.schema import checked
from langroute.learning.tables import train_table
from langroute.learning.training import Trained
from langroute.learning.writing import write_table
from langroute.records import Outcome, Usage

pytest.importorskip("sklearn", reason="the estimators are trained with scikit-learn")


def table(folder: Path, **changes: Any) -> Path:
    columns = {**outcome_table(300, seed=1), **changes}
    kept = {name: values for name, values in columns.items() if values is not None}
    path = folder / "steps.jsonl"
    write_table(path, checked(kept))
    return path


def trained(path: Path, **wanted: Any) -> Trained:
    accept = Wanted(**{"guarantee": "marginal_risk", "alpha": 0.1, **wanted})
    return train_table(path, learner("group_mean"), folds=2, accept=accept)


def test_the_rule_is_stored_with_what_else_was_learned(tmp_path: Path) -> None:
    """The folder has estimator, prices and rule; the rule judges as it was fitted, under the name of its guarantee."""
    made = trained(table(tmp_path))
    opened = open_policy(made.save(tmp_path / "policy"))
    assert opened.targets is not None
    (rule,) = opened.acceptance
    assert isinstance(rule, CalibratedAcceptance)
    assert rule.name == "calibrated:marginal_risk"
    assert made.acceptance is not None
    assert rule.told() == made.acceptance.rule.told()
    step = a_step()
    answers = [
        Outcome(arm="small", confidence=sure, uncertainty=1 - sure, usage=Usage(input_tokens=9, output_tokens=20))
        for sure in (0.2, 0.5, 0.8, 0.95)
    ]
    told = [rule.defects(step, answer) for answer in answers]
    assert told == [made.acceptance.rule.defects(step, answer) for answer in answers]
    assert told[0] == ("low_confidence:marginal_risk",)
    assert told[-1] == ()


def test_metrics_and_card_tell_of_the_rule_and_of_the_prices(tmp_path: Path) -> None:
    """What was certified, on how many answers, and what each share of quality costs: as data and for people."""
    made = trained(table(tmp_path), guarantee="selective_risk", alpha=0.01)
    found = made.metrics["acceptance"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    (cell,) = found["cells"]
    assert (cell["kind"], cell["arm"], cell["certified"]) == ("control", "small", False)
    assert 0.1 < cell["wrong"] < 0.5
    card = (made.save(tmp_path / "policy") / "MODEL_CARD.md").read_text()
    assert "selective_risk: P(wrong | accepted) <= 0.01 is not certified, stay strong" in card
    assert "| 0.97 |" in card
    assert "replayed" in card


def test_without_being_asked_there_is_no_rule(tmp_path: Path) -> None:
    """A rule that nobody asked for would buy second calls that nobody asked for."""
    made = train_table(table(tmp_path), learner("group_mean"), folds=2)
    assert made.acceptance is None
    assert open_policy(made.save(tmp_path / "policy")).acceptance == ()
    assert "no rule was asked for" in (tmp_path / "policy" / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"kind": None}, "kind"), ({"confidence": None, "uncertainty": None}, "confidence")],
    ids=["no steps", "no signal"],
)
def test_what_is_missing_is_told_before_anything_is_trained(
    changes: dict[str, Any], field: str, tmp_path: Path
) -> None:
    """A table of whole tasks, or of models that tell no probabilities, has nothing to judge answers by."""
    with pytest.raises(OutcomesInvalid, match="leave --accept out") as raised:
        trained(table(tmp_path, **changes))
    assert raised.value.field == field


def test_a_level_out_of_range_is_refused(tmp_path: Path) -> None:
    """A risk of more than everything is no level."""
    with pytest.raises(CalibrationError, match="alpha"):
        trained(table(tmp_path), alpha=1.5)


def test_the_command_says_which_answers_stand(tmp_path: Path) -> None:
    """One line a kind and arm, and where the whole story is."""
    words = ["train", str(table(tmp_path)), "--save", str(tmp_path / "p"), "--estimator", "group_mean", "--folds", "2"]
    done = CliRunner().invoke(app, [*words, "--accept", "marginal_risk", "--alpha", "0.1"], env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    assert "control by small: above" in done.output
    assert "quality is a share of large's" in " ".join(done.output.split())
    assert max(len(line) for line in done.output.splitlines()) <= 80
    assert [rule.name for rule in open_policy(tmp_path / "p").acceptance] == ["calibrated:marginal_risk"]
