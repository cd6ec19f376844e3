"""What other programs recorded becomes a table of outcomes, and what does not is told."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from traces import agent_run, as_otlp, evaluation, span

from langroute.errors import ConfigError, OutcomesInvalid
from langroute.journal.verdicts import Verdict
from langroute.learning.call_prices import CallPrices
from langroute.learning.imported import import_file
from langroute.learning.journal_rows import Tally
from langroute.learning.reading import read_table
from langroute.learning.schema import Columns
from langroute.learning.traced_rows import Reading
from langroute.learning.verdict_file import Verdicts
from langroute.money import Price
from langroute.prices import OwnPrices

PRICES = CallPrices(
    OwnPrices(
        {
            "gpt-5-nano-2025-08-07": Price(input_per_million=1, output_per_million=10, cached_input_per_million=0.1),
            "gpt-5-nano": Price(input_per_million=1, output_per_million=10),
        }
    )
)


def imported(
    tmp_path: Path, lines: Sequence[Mapping[str, Any]], reading: Reading | None = None, **how: Any
) -> tuple[Columns, Tally]:
    file = tmp_path / "traces.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines), "utf-8")
    tally = import_file(file, tmp_path / "out.jsonl", reading=reading or Reading(prices=PRICES), **how)
    return read_table(tmp_path / "out.jsonl"), tally


@pytest.mark.parametrize("form", ["flat", "otlp", "otlp, a span a line"])
def test_a_trace_becomes_a_row_a_call(tmp_path: Path, form: str) -> None:
    """In either form, each model call of a trace is a row: model, tokens, dollars, and what came before it."""
    run = agent_run()
    lines = {"flat": run, "otlp": [as_otlp(run)], "otlp, a span a line": [as_otlp([each]) for each in reversed(run)]}
    table, tally = imported(tmp_path, lines[form])
    assert table["arm"].tolist() == ["gpt-5-nano-2025-08-07", "gpt-5-nano", "claude-sonnet-4-5"]
    assert table["task"].tolist() == ["t1"] * 3
    assert table["node"].tolist() == ["researcher"] * 3
    assert table["call_index"].tolist() == [0, 1, 2]
    assert table["tool_errors"].tolist() == [0, 1, 1]
    assert table["repeated_calls"].tolist() == [0, 0, 1]
    assert table["latency_ms"].tolist() == [1500, 1000, 2000]
    assert table["output_tokens"].tolist() == [100, 50, 10]
    assert table["cost_usd"][:2].tolist() == pytest.approx([600e-6 + 40e-6 + 1000e-6, 1200e-6 + 500e-6])
    assert table["output_cap"].tolist() == [500, 1024, 1024]
    assert set(table["success"]) == {1.0}
    assert set(table["credit"]) == set(table["level"]) == {"episode"}
    assert tally.unpriced == {"claude-sonnet-4-5": 1}
    assert tally.left_out == {}
    assert "secret" not in (tmp_path / "out.jsonl").read_text("utf-8")


def test_input_that_was_counted_without_the_cache_is_put_right(tmp_path: Path) -> None:
    """The conventions count cached tokens as input; where parts exceed the whole, they are added to it."""
    table, _ = imported(tmp_path, agent_run())
    assert table["used_input_tokens"].tolist() == [1000, 1200, 2050]
    assert table["cache_write_tokens"].tolist() == [0, 0, 2000]


def test_models_take_the_names_of_arms(tmp_path: Path) -> None:
    """A model that is said to be an arm of the pool becomes that arm, numbered within its task."""
    arms = {"gpt-5-nano": "small", "gpt-5-nano-2025-08-07": "small"}
    table, _ = imported(tmp_path, agent_run(), Reading(arms=arms))
    assert table["arm"].tolist() == ["small", "small", "claude-sonnet-4-5"]
    assert table["run"].tolist() == [0, 1, 0]


def test_traces_of_a_conversation_are_one_episode_when_asked(tmp_path: Path) -> None:
    """By conversation, traces that carry its id are one episode; by trace, each stands alone."""
    runs = [*agent_run(trace="t1"), *agent_run(trace="t2")]
    table, tally = imported(tmp_path, runs, by="conversation")
    assert (set(table["task"]), tally.episodes) == ({"c7"}, 1)
    assert sorted(table["call_index"].tolist()) == list(range(6))
    table, tally = imported(tmp_path, runs)
    assert (set(table["task"]), tally.episodes) == ({"t1", "t2"}, 2)


def test_a_call_keeps_its_own_verdict(tmp_path: Path) -> None:
    """An evaluation of a model call is that row's own; the episode's is handed to the others."""
    run = agent_run(score=0.5)
    run[1]["events"] = [evaluation("task_completion", label="FAIL")]
    table, _ = imported(tmp_path, run)
    assert table["success"].tolist() == [0.0, 0.5, 0.5]
    assert table["credit"].tolist() == ["own", "episode", "episode"]
    assert set(table["success_source"]) == {"verifier"}


def test_logged_evaluations_count_like_events(tmp_path: Path) -> None:
    """Evaluations exported as log records, or as spans beneath what they judge, are found as those of span events."""
    run = agent_run(score=None)
    said = evaluation("task_completion", value=0.25)["attributes"]
    log = {
        "timeUnixNano": "1790000009000000000",
        "eventName": "gen_ai.evaluation.result",
        "traceId": "t1",
        "spanId": "a0",
        "attributes": [
            {"key": key, "value": {"doubleValue" if isinstance(value, float) else "stringValue": value}}
            for key, value in said.items()
        ],
    }
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [log]}]}]}
    table, _ = imported(tmp_path, [as_otlp(run), logs])
    assert set(table["success"]) == {0.25}
    beneath = span("e1", "evaluate", parent="a0", evaluation__name="task_completion", evaluation__score__value=0.75)
    table, _ = imported(tmp_path, [*run, beneath])
    assert set(table["success"]) == {0.75}


def test_verdicts_of_a_file_win(tmp_path: Path) -> None:
    """What a file of verdicts says of an episode or a step counts before what the trace says."""
    path = tmp_path / "verdicts.jsonl"
    path.write_text(
        '{"episode": "t1", "success": 0}\n{"episode": "t1", "step": 2, "success": 1, "source": "verifier"}', "utf-8"
    )
    verdicts = Verdicts.read(path)
    assert verdicts.episodes == {"t1": Verdict(success=0.0, source="human")}
    table, _ = imported(tmp_path, agent_run(), Reading(verdicts=verdicts))
    assert table["success"].tolist() == [0.0, 0.0, 1.0]
    assert table["success_source"].tolist() == ["human", "human", "verifier"]


def test_what_is_not_known_is_left_out_and_told(tmp_path: Path) -> None:
    """Episodes without a verdict give no rows unless validity is asked for; failed calls never do."""
    lines = [*agent_run(score=None), *agent_run(trace="t2")]
    lines[3] = {**lines[3], "status": {"status_code": "ERROR"}}
    table, tally = imported(tmp_path, lines)
    assert set(table["task"]) == {"t2"}
    assert sorted(tally.left_out.values()) == [1, 2]
    table, tally = imported(tmp_path, lines, Reading(quality="validity"))
    assert len(table["task"]) == 5
    assert table["success_source"].tolist() == ["validity"] * 2 + ["verifier"] * 3


def test_a_span_around_the_same_call_is_not_counted_twice(tmp_path: Path) -> None:
    """Where a framework's span stands around its client's, the call is one row, and the tally says so."""
    outer = span("m9", "chat", trace="t1", parent="a0", begin=0, end=2, request__model="gpt-5-nano")
    run = agent_run()
    run[1]["parent_id"] = "0xm9"
    table, tally = imported(tmp_path, [*run, outer])
    assert len(table["task"]) == 3
    assert tally.left_out == {"spans around the span of the same call": 1}


def test_a_choice_of_evaluations_is_asked_for(tmp_path: Path) -> None:
    """With several evaluations, none is taken at a guess; one on another scale is told and not used."""
    run = agent_run()
    run[0]["events"].append(evaluation("helpfulness", value=4.0)) if isinstance(run[0]["events"], list) else None
    with pytest.raises(ConfigError, match="helpfulness, task_completion; name the one"):
        imported(tmp_path, run)
    _, tally = imported(tmp_path, run, Reading(quality="validity"), evaluation="helpfulness")
    assert tally.left_out == {"evaluations on another scale than 0 to 1": 1}


def test_rows_are_read_as_they_are_and_filled_in(tmp_path: Path) -> None:
    """Rows in the columns of the schema come through; dollars are priced from tokens, success from verdicts."""
    known = {"task": "a", "arm": "x", "success": 1, "cost_nano": 2_000_000, "kind": "control"}
    priced = {"task": "b", "model": "gpt-5-nano", "input_tokens": 100, "output_tokens": 10, "mood": "good"}
    lost = {"task": "c", "model": "gpt-5-nano", "call_index": 0}
    reading = Reading(
        prices=PRICES,
        arms={"gpt-5-nano": "small"},
        verdicts=Verdicts(episodes={"b": Verdict(success=0.5, source="human")}),
    )
    table, tally = imported(tmp_path, [known, priced, lost], reading)
    assert table["arm"].tolist() == ["x", "small"]
    assert table["success"].tolist() == [1.0, 0.5]
    assert table["cost_usd"].tolist() == pytest.approx([0.002, 200e-6])
    assert table["success_source"].tolist() == ["", "human"]
    assert sum(tally.left_out.values()) == 2
    assert any("'mood'" in reason for reason in tally.left_out)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "t"}]}]}]}, "object 1 of the file is no span"),
        ({**span("m", "chat"), "start_time": "noon"}, "object 1 of the file is no span"),
        ({**span("m", "chat"), "context": {"trace_id": 7, "span_id": "m"}}, "an id must be text"),
        (span("m", "chat", usage__input_tokens=-3), r"gen_ai\.usage\.input_tokens: span m of trace t1 says -3"),
        (span("m", "chat", usage__output_tokens="many"), r"gen_ai\.usage\.output_tokens: span m"),
    ],
)
def test_a_damaged_span_is_named(tmp_path: Path, line: Mapping[str, Any], told: str) -> None:
    """A span that cannot be read is named, and no table is made of the rest."""
    with pytest.raises(OutcomesInvalid, match=told):
        imported(tmp_path, [line])
    assert not (tmp_path / "out.jsonl").exists()


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    """A file without an object says what was expected."""
    with pytest.raises(OutcomesInvalid, match="holds nothing"):
        imported(tmp_path, [])


@pytest.mark.parametrize("line", ['{"success": 1}', '{"episode": "a", "success": "yes"}', '{"episode": "a"}'])
def test_a_verdict_says_of_what_and_how(tmp_path: Path, line: str) -> None:
    """A line of verdicts that names no episode, or no success, is refused."""
    path = tmp_path / "verdicts.jsonl"
    path.write_text(line, "utf-8")
    with pytest.raises(OutcomesInvalid, match="object 1: needs an episode and its success"):
        Verdicts.read(path)
