import math
from dataclasses import fields, replace

import pytest
from episode_samples import episode, stepped
from pydantic import BaseModel, ValidationError

from langroute.observe.events import (
    BudgetPart,
    MeasurePart,
    OutcomePart,
    PressurePart,
    RejectionPart,
    RoutingActionEvent,
    RoutingStepEvent,
    UsagePart,
    action_event,
    step_event,
)
from langroute.records import Measure, Outcome, Pressure, Record, Rejection, Usage

PLAN, FIRST, SECOND, REFUSED, REPORT, STOPPED = episode()


@pytest.mark.parametrize("record", episode(), ids=lambda record: record.id)
def test_events_survive_json(record: Record) -> None:
    """Every event written as JSON reads back, under a schema that forbids unknown fields, as the same event."""
    event = step_event(record)
    assert RoutingStepEvent.model_validate_json(event.model_dump_json()) == event


def outcome_of(record: Record) -> OutcomePart:
    """What the event of a record says of its call."""
    outcome = step_event(record).outcome
    assert outcome is not None
    return outcome


def test_decision_says_what_was_known_and_chosen() -> None:
    """The event carries the step, the choice, the budget and the pressure of its record."""
    event = step_event(SECOND)
    assert (event.episode, event.call_index, event.attempt, event.record_id) == ("order-42", 1, 1, "r2")
    assert (event.arm, event.kind, event.node) == ("large", "execution", "work")
    assert event.rationale == SECOND.decision.rationale
    assert event.price_of_dollar == SECOND.ruling.price_of_dollar
    assert [seen.arm for seen in event.alternatives] == ["small", "large"]
    assert event.alternatives[0].why_not == "tried in this step: invalid_tool_call"
    assert event.alternatives[1].why_not == ""
    assert event.rejected[0].arm == "small"
    assert event.pressure.model_dump() == {
        **dict.fromkeys(PressurePart.model_fields, 0),
        "total": 2,
        "retries": 1,
        "invalid_tool_calls": 1,
    }
    assert event.budget.limit_usd == 0.08
    assert event.budget.remaining_usd == 0.057
    assert event.budget.reserves_usd == {"final_synthesis": 0.02}
    assert event.budget.seconds_left is None


def test_dollars_are_exact_to_the_nano_dollar() -> None:
    """The nano-dollars of the books come back from the logged floats by rounding."""
    for nano in (1, 70_850, 123_456_789, 80_000_000, 999_999_999_999_999):
        record = replace(FIRST, outcome=Outcome(arm="small", cost_nano=nano))
        assert round(outcome_of(record).cost_usd * 1e9) == nano


def test_outcome_says_what_it_cost() -> None:
    """The true cost stands beside the estimated one, with tokens, those of the cache, and what was wrong."""
    outcome = outcome_of(PLAN)
    assert outcome.usage == UsagePart(
        input_tokens=880, output_tokens=210, cache_read_tokens=512, cache_write_tokens=0, reasoning_tokens=0
    )
    assert step_event(PLAN).estimated_cost_usd == PLAN.decision.cost_nano / 1e9
    assert (outcome.latency_ms, outcome.confidence, outcome.served_by) == (412.5, 0.97, "gpt-5-2025-08-07")
    failed = outcome_of(SECOND)
    assert (failed.usage, failed.worst_case, failed.error) == (None, True, "APITimeoutError")
    assert outcome_of(FIRST).defects == ("invalid_tool_call",)


def test_a_metered_call_tells_both_arms() -> None:
    """The arm that would have been chosen is the event's, the arm that made the call the outcome's."""
    assert PLAN.outcome is not None
    shadow = replace(PLAN, action="shadow", outcome=replace(PLAN.outcome, arm="small"))
    event = step_event(shadow)
    assert (event.shadow, event.arm, outcome_of(shadow).arm) == (True, "large", "small")


def test_a_decision_to_stop_has_no_arm() -> None:
    """Stopping is a decision like any other, with a null arm and a reason against every alternative."""
    event = step_event(STOPPED)
    assert event.arm is None
    assert all(seen.why_not for seen in event.alternatives)


@pytest.mark.parametrize("record", [REFUSED, STOPPED], ids=["refused", "stopped"])
def test_no_outcome_without_a_call(record: Record) -> None:
    """Where no call was made the outcome is null, and everything else is told as always."""
    event = step_event(record)
    assert event.outcome is None
    assert event.rationale == record.decision.rationale


def test_measures_are_told_in_their_step() -> None:
    """What was done beside choosing an arm is in the event of the attempt, with its reason."""
    measures = tuple(Measure(action=action, reason=f"why {action}") for action in ("compress", "downgrade"))
    told = step_event(replace(FIRST, measures=measures)).measures
    assert [(each.action, each.reason) for each in told] == [
        ("compress", "why compress"),
        ("downgrade", "why downgrade"),
    ]


def test_infinite_numbers_stay_valid_json() -> None:
    """A priceless dollar is written as a string that reads back as infinity."""
    record = replace(PLAN, decision=replace(PLAN.decision, price_of_dollar=math.inf))
    text = step_event(record).model_dump_json()
    assert '"price_of_dollar":"Infinity"' in text
    assert RoutingStepEvent.model_validate_json(text).price_of_dollar == math.inf


def test_actions_are_a_closed_list() -> None:
    """An action that the schema does not know is refused."""
    event = action_event(episode="e", action="escalate", reason="small did not do", at=1.0, call_index=3, node="work")
    assert event.model_dump()["action"] == "escalate"
    with pytest.raises(ValidationError, match="action"):
        action_event(episode="e", action="panic", reason="", at=1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "source"),
    [(PressurePart, Pressure), (UsagePart, Usage), (MeasurePart, Measure), (RejectionPart, Rejection)],
)
def test_parts_keep_pace_with_the_records(part: type[BaseModel], source: type) -> None:
    """A field added to one of these cannot be forgotten in the log."""
    assert {field.name for field in fields(source)} <= set(part.model_fields)


def test_outcome_keeps_pace_with_the_records() -> None:
    """Every field of an outcome is in the log, dollars under a name that says so."""
    named = {field.name.replace("_nano", "_usd") for field in fields(Outcome)}
    assert named == set(OutcomePart.model_fields)


def test_budget_keeps_pace_with_the_records() -> None:
    """Every field of a step's view of its budget is in the log, dollars under a name that says so."""
    view = stepped(0, "plan", "control").budget
    named = {
        field.name.replace("available_nano", "remaining_usd")
        .replace("_nano", "_usd")
        .replace("reserves", "reserves_usd")
        for field in fields(view)
    }
    assert named == set(BudgetPart.model_fields)


@pytest.mark.parametrize("event", [RoutingStepEvent, RoutingActionEvent])
def test_every_field_is_described(event: type[BaseModel]) -> None:
    """The schema explains each of its fields."""
    undescribed = [name for name, field in event.model_fields.items() if not field.description]
    assert undescribed == []
    assert event.model_fields["schema_version"].default == 2
