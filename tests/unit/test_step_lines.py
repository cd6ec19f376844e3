"""The log of a journey: which lines a step writes, and when."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from fakes import TWO, ApiError, Bench, ScriptedCaller, good, malformed

from langroute.actions import Actions
from langroute.budget import Budget
from langroute.config import RouterConfig
from langroute.errors import BudgetExceeded, LedgerError, LedgerUnavailable

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    """What the routing log has written so far."""
    with caplog.at_level(logging.INFO, "langroute"):
        yield lambda: [json.loads(entry.message) for entry in caplog.records if entry.name == "langroute"]


def told(lines: Lines) -> list[tuple[object, ...]]:
    """Every line in short: what was done, or which arm was chosen and whether its answer was accepted."""
    return [
        (line["action"],)
        if line["event"] == "routing_action"
        else (line["arm"], None if line["outcome"] is None else line["outcome"]["accepted"])
        for line in lines()
    ]


def test_a_step_is_one_line_and_the_first_one_opens_its_episode(lines: Lines) -> None:
    """The line of the first step tells the whole budget, that of the next one what is left of it."""
    bench = Bench(budget=Budget(total_dollars=1, reserve_for_final_synthesis=0.25))
    for _ in range(2):
        bench.run(ScriptedCaller(good()))
    first, second = lines()
    assert (first["event"], first["call_index"], second["call_index"]) == ("routing_step", 0, 1)
    assert (first["budget"]["limit_usd"], first["budget"]["spent_usd"]) == (1.0, 0.0)
    assert first["budget"]["reserves_usd"] == {"final_synthesis": 0.25}
    assert second["budget"]["spent_usd"] == first["outcome"]["cost_usd"] > 0


def test_the_line_is_written_when_the_call_is_over(lines: Lines) -> None:
    """While the call is under way the log has nothing of it; the books have its hold, under the same id."""
    bench = Bench(budget=Budget(total_dollars=1))
    seen: list[Any] = []

    class Looking(ScriptedCaller):
        def call(self, act: Any) -> Any:
            seen.extend([lines(), [entry.id for entry in bench.ledger.entries("episode:e") if entry.settled is None]])
            return super().call(act)

    bench.run(Looking(good()))
    (line,) = lines()
    assert seen == [[], [line["record_id"]]]


def test_each_attempt_is_a_line_and_what_follows_stands_between(lines: Lines) -> None:
    """A failed call and a rejected answer are lines of their own, and so is what was done about them."""
    bench = Bench(budget=Budget(total_dollars=1))
    bench.run(ScriptedCaller(malformed(), ApiError(429), good()))
    assert told(lines) == [
        ("small", False),
        ("escalate",),
        ("large", False),
        ("retry",),
        ("large", True),
    ]
    assert lines()[2]["outcome"]["error"] == "ApiError"


def test_a_stop_is_a_line_without_an_outcome_and_an_action(lines: Lines) -> None:
    """Nothing was called, nothing came of it, and the action says that this was the end."""
    bench = Bench(budget=Budget(total_dollars=1e-9))
    with pytest.raises(BudgetExceeded):
        bench.run(ScriptedCaller())
    assert told(lines) == [(None, None), ("stop",)]


def test_a_hold_that_could_not_be_taken_is_a_line_and_an_action(lines: Lines) -> None:
    """What was decided is told although the books did not answer."""
    bench = Bench(budget=Budget(total_dollars=1))
    bench.ledger.fail["hold"] = LedgerUnavailable("away")
    with pytest.raises(LedgerUnavailable):
        bench.run(ScriptedCaller())
    assert told(lines) == [("small", None), ("refused",)]


@pytest.mark.parametrize(
    ("error", "comes"),
    [
        (LedgerUnavailable("away"), nullcontext()),
        (LedgerError("no such hold"), pytest.raises(LedgerError, match="no such hold")),
    ],
)
def test_a_call_that_cannot_be_booked_has_its_line(
    lines: Lines, error: LedgerError, comes: AbstractContextManager[Any]
) -> None:
    """It was made and paid for, so the log has it whatever becomes of the booking."""
    bench = Bench(budget=Budget(total_dollars=1))
    bench.ledger.fail["settle"] = error
    with comes:
        bench.run(ScriptedCaller(good()))
    assert told(lines) == [("small", True)]


def test_measures_are_in_the_line_of_their_step_alone(lines: Lines) -> None:
    """A lowered output limit is told with its reason where it happened, and has no line of its own."""
    usual = TWO[0].price.worst_cost(input_tokens=800, output_tokens=1000)
    bench = Bench(budget=Budget(total_dollars=usual * 0.9 / 1e9), config=RouterConfig(actions=Actions(downgrade=False)))
    bench.run(ScriptedCaller(good()))
    (line,) = lines()
    assert [measure["action"] for measure in line["measures"]] == ["lower_output"]
    assert "instead of 1000 tokens" in line["measures"][0]["reason"]
