"""Traces of other programs for tests: an agent's run as spans of OpenTelemetry, in the forms files have them in."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any


def span(
    span_id: str,
    operation: str,
    *,
    trace: str = "t1",
    parent: str = "",
    begin: float = 0.0,
    end: float = 1.0,
    failed: bool = False,
    events: Sequence[Mapping[str, Any]] = (),
    **attributes: Any,
) -> dict[str, Any]:
    """A span as the Python SDK writes it; ``gen_ai`` attributes by their last names, with ``__`` for a dot."""
    named = {f"gen_ai.{name.replace('__', '.')}": value for name, value in attributes.items()}
    return {
        "name": f"{operation} something",
        "context": {"trace_id": f"0x{trace}", "span_id": f"0x{span_id}", "trace_state": "[]"},
        "kind": "SpanKind.CLIENT",
        "parent_id": f"0x{parent}" if parent else None,
        "start_time": iso(begin),
        "end_time": iso(end),
        "status": {"status_code": "ERROR" if failed else "UNSET"},
        "attributes": {"gen_ai.operation.name": operation, **named},
        "events": list(events),
        "links": [],
        "resource": {"attributes": {"service.name": "app"}},
    }


def iso(seconds: float) -> str:
    """The time so many seconds after the start, as text."""
    whole, part = divmod(round(seconds * 1000), 1000)
    return f"2026-09-21T14:13:{20 + whole:02d}.{part:03d}000Z"


def evaluation(name: str, **said: Any) -> dict[str, Any]:
    """An evaluation as an event of a span."""
    attributes = {"gen_ai.evaluation.name": name, **{f"gen_ai.evaluation.score.{key}": said[key] for key in said}}
    return {"name": "gen_ai.evaluation.result", "timestamp": iso(9), "attributes": attributes}


def agent_run(*, trace: str = "t1", score: float | None = 1.0) -> list[dict[str, Any]]:
    """An agent that calls a model, a tool that fails, the model, the same tool, and the model of another provider."""
    events = () if score is None else (evaluation("task_completion", value=score),)
    about: dict[str, Any] = {"trace": trace}
    tool = {"tool__name": "search", "tool__call__arguments": '{"q": "tea"}'}
    gpt = {"provider__name": "openai", "request__model": "gpt-5-nano", "conversation__id": "c7"}
    return [
        span("a0", "invoke_agent", end=9, events=events, agent__name="researcher", **about),
        span(
            "m1",
            "chat",
            parent="a0",
            begin=0,
            end=1.5,
            **gpt,
            **about,
            response__model="gpt-5-nano-2025-08-07",
            usage__input_tokens=1000,
            usage__output_tokens=100,
            usage__cache_read__input_tokens=400,
            input__messages="[secret text]",
            request__max_tokens=500,
        ),
        span("x1", "execute_tool", parent="a0", begin=2, end=3, failed=True, error__type="Timeout", **tool, **about),
        span(
            "m2", "chat", parent="a0", begin=3, end=4, **gpt, **about, usage__input_tokens=1200, usage__output_tokens=50
        ),
        span("x2", "execute_tool", parent="a0", begin=4, end=5, **tool, **about),
        span(
            "m3",
            "chat",
            parent="a0",
            begin=6,
            end=8,
            **about,
            provider__name="anthropic",
            request__model="claude-sonnet-4-5",
            usage__input_tokens=50,
            usage__output_tokens=10,
            usage__cache_creation__input_tokens=2000,
        ),
    ]


def as_otlp(spans: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The same spans as one object of OTLP/JSON."""
    return {
        "resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": [_otlp(each) for each in spans]}]}]
    }


def _otlp(flat: Mapping[str, Any]) -> dict[str, Any]:
    def nano(text: str) -> str:
        return str(round(datetime.fromisoformat(text).timestamp() * 1000) * 1_000_000)

    def pairs(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
        kinds = {str: "stringValue", int: "intValue", float: "doubleValue"}
        return [
            {"key": key, "value": {kinds[type(value)]: str(value) if isinstance(value, int) else value}}
            for key, value in attributes.items()
        ]

    return {
        "traceId": flat["context"]["trace_id"].removeprefix("0x"),
        "spanId": flat["context"]["span_id"].removeprefix("0x"),
        "parentSpanId": (flat["parent_id"] or "").removeprefix("0x"),
        "name": flat["name"],
        "kind": 3,
        "startTimeUnixNano": nano(flat["start_time"]),
        "endTimeUnixNano": nano(flat["end_time"]),
        "attributes": pairs(flat["attributes"]),
        "events": [{"name": each["name"], "attributes": pairs(each["attributes"])} for each in flat["events"]],
        "status": {"code": 2} if flat["status"]["status_code"] == "ERROR" else {},
    }
