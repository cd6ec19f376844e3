import copy
import io
import json
import logging
import math
import pickle
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
import structlog
from episode_samples import episode
from pydantic import TypeAdapter
from structlog.testing import CapturingLogger

from langroute.errors import ConfigError
from langroute.observe.events import RoutingEvent, step_event
from langroute.observe.log import RoutingLog

PLAN, FIRST, _, REFUSED, _, STOPPED = episode()
ANY_EVENT: TypeAdapter[RoutingEvent] = TypeAdapter(RoutingEvent)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the default log writes while it is switched on."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logger = logging.getLogger("langroute")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield written
    logger.setLevel(before)
    logger.removeHandler(handler)


def events(written: io.StringIO) -> list[RoutingEvent]:
    return [ANY_EVENT.validate_json(line) for line in written.getvalue().splitlines()]


def test_default_log_writes_one_json_event_a_line(lines: io.StringIO) -> None:
    """Switched on, the log holds exactly the events of the schema, one JSON object a line, the name first."""
    log = RoutingLog()
    log.step(PLAN)
    log.step(FIRST)
    assert events(lines) == [step_event(PLAN), step_event(FIRST)]
    assert lines.getvalue().startswith('{"event":"routing_step","schema_version":2,')


def test_silent_until_asked(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without logging configured nothing is printed, and no event is even built."""
    monkeypatch.setattr("langroute.observe.log.step_event", lambda _: pytest.fail("an event was built"))
    monkeypatch.setattr(logging.getLogger("langroute"), "level", logging.NOTSET)
    log = RoutingLog()
    log.step(PLAN)
    log.step(STOPPED)
    log.action(episode="e", action="charged", reason="search", at=0.0)
    assert capfd.readouterr() == ("", "")


def test_global_configuration_is_left_alone(lines: io.StringIO) -> None:
    """A program's structlog configuration neither changes nor is changed by the default log."""
    before = structlog.get_config()
    structlog.configure(processors=[lambda *_: pytest.fail("the program's processors were used")])
    try:
        RoutingLog().step(PLAN)
        assert len(events(lines)) == 1
    finally:
        structlog.reset_defaults()
    assert structlog.get_config() == before


def test_own_logger_gets_fields() -> None:
    """A logger of the program's own is called with the event's name and its other fields."""
    captured = CapturingLogger()
    logger = structlog.wrap_logger(captured, processors=[lambda _, __, fields: ((), fields)])
    RoutingLog(logger.bind(service="shop")).step(FIRST)
    (call,) = captured.calls
    assert call.method_name == "info"
    assert call.kwargs["event"] == "routing_step"
    assert call.kwargs["service"] == "shop"
    assert call.kwargs["outcome"]["defects"] == ("invalid_tool_call",)


def test_calls_not_made_are_told_as_step_and_action(lines: io.StringIO) -> None:
    """A stop and a refused hold log what was decided and what was done instead of the call."""
    log = RoutingLog()
    log.step(STOPPED)
    log.step(REFUSED)
    told = [event.model_dump() for event in events(lines)]
    assert [event["event"] for event in told] == ["routing_step", "routing_action"] * 2
    assert (told[0]["outcome"], told[2]["outcome"]) == (None, None)
    assert (told[1]["action"], told[1]["reason"]) == ("stop", STOPPED.decision.rationale)
    assert (told[3]["action"], told[3]["call_index"], told[3]["node"]) == ("refused", 2, "check")


def test_a_failing_logger_never_fails_a_call(caplog: pytest.LogCaptureFixture) -> None:
    """An error of the program's logger is reported on langroute.log and goes no further."""

    class Broken:
        def info(self, event: str, /, **fields: Any) -> Any:
            raise OSError("disk full")

    RoutingLog(Broken()).step(PLAN)
    (said,) = caplog.records
    assert said.name == "langroute.log"
    assert "could not write a routing_step event" in said.getMessage()


@pytest.mark.parametrize("logger", [logging.getLogger("mine"), object()])
def test_a_logger_without_fields_is_refused(logger: Any) -> None:
    """What cannot take fields is refused when the log is made, not at the first call."""
    with pytest.raises(ConfigError, match=r"^logger: "):
        RoutingLog(logger)


def test_the_log_can_be_copied_and_pickled(lines: io.StringIO) -> None:
    """A copied or unpickled default log writes as the first did."""
    log = RoutingLog()
    log.step(PLAN)
    for again in (copy.deepcopy(log), pickle.loads(pickle.dumps(log))):
        again.step(PLAN)
    assert events(lines) == [step_event(PLAN)] * 3


def test_odd_text_stays_on_one_line(lines: io.StringIO) -> None:
    """Line breaks, percent signs and quotes in a name neither break the line nor the formatting."""
    RoutingLog().action(episode='a\n"%s"', action="stop", reason="100 % \u2028", at=0.0)
    assert json.loads(lines.getvalue())["episode"] == 'a\n"%s"'
    assert lines.getvalue().count("\n") == 1


def infinite(record: Any) -> Iterator[Any]:
    """The record again and again, each time with another of its numbers infinite, optional ones included."""
    for item in fields(record):
        value = getattr(record, item.name)
        if item.type in (float, float | None):
            yield replace(record, **{item.name: math.inf})
        elif is_dataclass(value):
            yield from (replace(record, **{item.name: changed}) for changed in infinite(value))
        elif item.name == "alternatives":
            for changed in infinite(value[0]):
                yield replace(record, alternatives=(changed, *value[1:]))


def test_any_infinite_number_is_written_as_text(lines: io.StringIO) -> None:
    """Whichever number of a record is infinite, its line says so, and never null."""
    told = 0
    for record in infinite(FIRST):
        RoutingLog().step(record)
        written = json.loads(lines.getvalue().splitlines()[-1])
        assert written == json.loads(step_event(record).model_dump_json())
        told += "Infinity" in str(written)
    assert told >= 13


def test_amounts_beyond_64_bits_are_written(lines: io.StringIO) -> None:
    """A number larger than most JSON writers take is written in full."""
    RoutingLog().step(replace(PLAN, step=replace(PLAN.step, input_bound=2**70)))
    assert json.loads(lines.getvalue())["input_bound"] == 2**70
