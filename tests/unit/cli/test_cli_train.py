"""``langroute train``: from a table to a policy that a router takes."""

import json
from pathlib import Path

import pytest
from outcome_tables import step_columns
from typer.testing import CliRunner

from langroute.cli.app import app
from langroute.estimators.artifact import read_artifact
from langroute.learning.schema import checked
from langroute.learning.writing import write_table

pytest.importorskip("xgboost", reason="the estimators are trained with XGBoost")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "steps.jsonl"
    write_table(path, checked(step_columns(240)))
    return path


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["train", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


def test_it_ends_with_the_metrics_and_the_place(table: Path, tmp_path: Path) -> None:
    """In a pipe there is no bar and no colour; the table of measures, and where it was saved."""
    code, out, told = run(table, "--save", tmp_path / "policy", "--folds", 2)
    assert (code, told) == (0, "")
    assert "AUROC" in out
    assert "arm mean" in out
    assert "MODEL_CARD.md" in out
    assert "\x1b" not in out
    assert read_artifact(tmp_path / "policy").data["rows"] == 240


def test_json_has_the_same_and_a_preset_is_trained(table: Path, tmp_path: Path) -> None:
    """One object with place, data and metrics; AgentRouter's preset reads its own columns only."""
    code, out, _ = run(table, "--save", tmp_path / "policy", "--preset", "agentrouter", "--folds", 2, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["data"]["arms"] == read_artifact(tmp_path / "policy").data["arms"]
    assert {"log_loss", "brier", "auroc"} <= set(found["metrics"])
    assert read_artifact(tmp_path / "policy").features["words"] == ["kind"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--estimator", "oracle"], "no estimator is called 'oracle'"),
        (["--preset", "moon"], "no preset is called 'moon'"),
        (["--preset", "agentrouter", "--estimator", "ridge"], "preset of boosted"),
        (["--encoder", "nowhere"], "policy.json: cannot be read"),
    ],
)
def test_bad_options_end_in_one_line(table: Path, arguments: list[str], complaint: str, tmp_path: Path) -> None:
    """Exit code 2, and a line that names the option and the way out; nothing is stored."""
    code, _, told = run(table, "--save", tmp_path / "policy", *arguments)
    assert code == 2
    assert complaint in told
    assert not (tmp_path / "policy").exists()


def test_a_missing_table_ends_in_one_line(tmp_path: Path) -> None:
    """The file is named."""
    code, _, told = run(tmp_path / "none.parquet", "--save", tmp_path / "policy")
    assert code == 2
    assert "none.parquet" in told
