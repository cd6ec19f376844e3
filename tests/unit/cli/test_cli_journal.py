"""``langroute journal``: a table from a store, a verdict on it, and a table from somebody else's traces."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from traces import agent_run

from langroute.cli.periods import moment
from langroute.errors import ConfigError
from langroute.observe.card import TraceCard

Run = Callable[..., Any]


def test_export_says_what_it_wrote_and_what_not(run: Run, store: str, tmp_path: Path) -> None:
    """The command names the rows by what their success rests on, and every reason for leaving something out."""
    out = tmp_path / "out.jsonl"
    found = run("journal", "export", str(out), "--store", store)
    assert found.exit_code == 0, found.output
    assert "rows of 1 episodes" in found.stdout
    assert "credited to each of its steps" in found.stdout
    assert "Left out" in found.stdout
    assert {json.loads(line)["task"] for line in out.read_text("utf-8").splitlines()} == {"order-42"}


def test_a_verdict_is_exported(run: Run, store: str, tmp_path: Path) -> None:
    """What a person says by command is what the next export holds, and `explain` shows it."""
    said = run("journal", "judge", "order-42", "--success", "0.5", "--note", "half right", "--store", store)
    assert said.stdout == "Stored for order-42: a person says of the episode: success 0.5 (half right).\n"
    out = tmp_path / "out.jsonl"
    run("journal", "export", str(out), "--level", "episode", "--store", store)
    row = json.loads(out.read_text("utf-8"))
    assert (row["success"], row["success_source"]) == (0.5, "human")
    assert "half right" in run("explain", "order-42", "--store", store).stdout


def test_nothing_to_export_is_an_error(run: Run, store: str, tmp_path: Path) -> None:
    """Where no row comes of it, the command ends with 2, makes no file and says how success gets known."""
    out = tmp_path / "out.jsonl"
    found = run("journal", "export", str(out), "--since", "1s", "--store", store)
    assert found.exit_code == 2
    assert "langroute journal judge" in found.stderr
    assert not out.exists()


def test_import_prices_and_names_arms(run: Run, tmp_path: Path) -> None:
    """Traces become rows under the pool's names, priced from one's own table, and the unpriced model is named."""
    traces, out, prices = tmp_path / "spans.jsonl", tmp_path / "out.jsonl", tmp_path / "prices.yaml"
    run_of = [span for span in agent_run() if span["context"]["span_id"] != "0xm1"]
    run_of[-1]["attributes"]["gen_ai.request.model"] = "house-model"
    run_of[-1]["attributes"]["gen_ai.provider.name"] = "house"
    traces.write_text("\n".join(map(json.dumps, run_of)), "utf-8")
    prices.write_text("gpt-5-nano: {input_per_million: 1, output_per_million: 10}\n", "utf-8")
    found = run(
        "journal", "import", str(traces), "--out", str(out), "--arm", "small=gpt-5-nano", "--prices", str(prices)
    )
    assert found.exit_code == 0, found.output
    assert "1 house-model" in found.stdout
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert [row["arm"] for row in rows] == ["small", "house-model"]
    assert rows[0]["cost_usd"] == pytest.approx(1700e-6)
    assert "cost_usd" not in rows[1]


def test_an_arm_is_given_with_its_model(run: Run, tmp_path: Path) -> None:
    """``--arm`` without a model is refused with an example."""
    found = run("journal", "import", str(tmp_path / "x.jsonl"), "--out", str(tmp_path / "y.jsonl"), "--arm", "small")
    assert found.exit_code == 2
    assert "--arm: must be ARM=MODEL" in found.stderr


def test_explain_prints_a_card(run: Run, store: str) -> None:
    """``explain --card`` prints the card, with ``--json`` one that can be read again; it is of an episode."""
    assert "Card of episode order-42" in run("explain", "order-42", "--card", "--store", store).stdout
    card = TraceCard.from_json(run("explain", "order-42", "--card", "--json", "--store", store).stdout)
    assert card.task_id == "order-42"
    assert run("explain", "--card", "--store", store).exit_code == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30d", 10_000_000 - 30 * 86400),
        ("1.5h", 10_000_000 - 5400),
        ("1970-01-02", 86400.0),
        ("2w", 10_000_000 - 1209600),
    ],
)
def test_moments_are_ago_or_dates(text: str, expected: float) -> None:
    """A moment is so long ago, or a date; a date without a zone is UTC."""
    assert moment(text, now=10_000_000.0, field="--since") == expected


def test_what_is_no_moment_is_refused() -> None:
    """Anything else names the option and shows what is understood."""
    with pytest.raises(ConfigError, match="--since: must be a time such as 30d"):
        moment("recently", now=0.0, field="--since")
