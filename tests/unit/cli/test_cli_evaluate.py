"""langroute evaluate and langroute frontier: what they print, write and refuse."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from outcome_samples import full_table, journal_table

from langroute.learning.artifact_files import save_artifact
from langroute.learning.examples import Examples
from langroute.learning.grid import OutcomeGrid
from langroute.learning.learners import learner
from langroute.learning.outcomes import OutcomeTable
from langroute.learning.reading import read_table
from langroute.learning.targets import replayed_prices

pytest.importorskip("sklearn")


def write(path: Path, columns: dict[str, list[Any]]) -> Path:
    """A table as JSON Lines."""
    told = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    lines = [json.dumps({key: None if str(value) == "nan" else value for key, value in row.items()}) for row in told]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def trained(tmp_path: Path) -> tuple[str, str]:
    """A stored policy with prices, and the table it was trained on."""
    table = write(tmp_path / "train.jsonl", full_table())
    columns = read_table(table)
    examples = Examples.read(columns)
    lesson = learner("ridge").fit(examples, seed=0)
    assert lesson.encoder is not None
    grid = OutcomeGrid.of(OutcomeTable.read(columns))
    rows = examples.reading(lesson.encoder).rows.take(slice(None, None, 3))  # type: ignore[arg-type]
    expected = lesson.estimator.predict(rows, grid.arms)  # type: ignore[attr-defined]
    folder = save_artifact(
        tmp_path / "policy",
        {
            "estimator": lesson.estimator,
            "encoder": lesson.encoder,
            "targets": replayed_prices(grid, expected.success, expected.cost_nano, reference="large"),
        },
        data=examples.described(),
        metrics={},
        card="A card.\n",
        text=lesson.text,
    )
    return str(folder), str(table)


def test_the_table_has_the_policy_and_all_baselines(
    run: Callable[..., Any], trained: tuple[str, str], tmp_path: Path
) -> None:
    """On other rows the policy stands beside all baselines, at any width, and without colour in a pipe."""
    other = write(tmp_path / "other.jsonl", full_table(60, seed=5))
    for width in (80, 120):
        result = run("evaluate", trained[0], str(other), width=width)
        assert result.exit_code == 0, result.output
        for name in ("this policy", "always-weak", "always-strong (large)", "best single", "group mean", "oracle"):
            assert name in result.stdout
        assert "Replayed on 60 tasks" in result.stdout
        assert "gap closed" in result.stdout
        assert "\x1b" not in result.stdout
        assert max(map(len, result.stdout.splitlines())) <= width
        assert "trained on" not in result.stdout


def test_scoring_what_it_was_trained_on_is_said(run: Callable[..., Any], trained: tuple[str, str]) -> None:
    """The very table of training is known by its fingerprint, and the report warns."""
    result = run("evaluate", *trained, "--json")
    report = json.loads(result.stdout)
    assert report["basis"] == "replayed"
    assert any("Scored on what it was trained on" in note for note in report["notes"])
    names = [line["name"] for line in report["lines"]]
    assert names[0] == "this policy"
    assert report["lines"][0]["dollars"] < next(
        line["dollars"] for line in report["lines"] if line["name"].startswith("always-strong")
    )


def test_a_journal_is_labelled_model_based(run: Callable[..., Any], trained: tuple[str, str], tmp_path: Path) -> None:
    """Where not every arm was tried, what was logged is measured and all else is the estimator's word."""
    journal = write(tmp_path / "steps.jsonl", journal_table(60))
    result = run("evaluate", trained[0], str(journal))
    assert result.exit_code == 0, result.output
    assert "Model-based on 60 tasks" in result.stdout
    assert "as logged (measured)" in result.stdout


def test_the_frontier_falls_in_cost_as_a_dollar_gets_dearer(run: Callable[..., Any], trained: tuple[str, str]) -> None:
    """Every price that was tried is a line; a dearer dollar never spends more."""
    found = json.loads(run("frontier", *trained, "--json").stdout)
    lines = found["frontier"]
    assert len(lines) > 2
    assert [line["price_of_dollar"] for line in lines] == sorted(line["price_of_dollar"] for line in lines)
    spent = [line["dollars"] for line in lines]
    assert spent[0] > spent[-1]
    assert run("frontier", *trained).exit_code == 0


def test_the_page_needs_no_network(run: Callable[..., Any], trained: tuple[str, str], tmp_path: Path) -> None:
    """One file with plotly's program in it, that loads nothing from elsewhere."""
    pytest.importorskip("plotly")
    page = tmp_path / "report.html"
    assert run("evaluate", *trained, "--html", str(page)).exit_code == 0
    text = page.read_text(encoding="utf-8")
    assert "<script src=" not in text
    assert text.count('class="plotly-graph-div"') == 3
    assert "always-strong" in text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--quality-target", "5"), "was not reached"),
        (("--quality-target", "0.9", "--price-of-a-dollar", "1"), "exclude each other"),
        (("--html", "/nowhere/at/all.html"), "cannot be written"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    run: Callable[..., Any], trained: tuple[str, str], arguments: tuple[str, ...], told: str
) -> None:
    """An impossible target, two wishes, a place that is not there: exit code 2 and one clear line."""
    result = run("evaluate", *trained, *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_arm_never_seen_is_refused(run: Callable[..., Any], trained: tuple[str, str], tmp_path: Path) -> None:
    """A table with another arm is refused by the arm's name: the policy has nothing to say of it."""
    columns = full_table(30)
    columns["arm"] = [name.replace("medium", "stranger") for name in columns["arm"]]
    result = run("evaluate", trained[0], str(write(tmp_path / "odd.jsonl", columns)))
    assert result.exit_code == 2
    assert "stranger" in result.stderr
