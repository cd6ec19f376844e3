"""Spans of OpenTelemetry, from the forms they are written to files in.

Read are OTLP/JSON (an object with ``resourceSpans``, or ``resourceLogs`` for events, a line) and flat spans (one a
line, as the Python SDK's ``ReadableSpan.to_json(indent=None)`` writes them, or with the same fields in one level). Of
each span only its place, its time and the ``gen_ai.*`` attributes that say what was done are kept, never what was asked
or answered, so memory holds a few hundred bytes a span.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from langroute.errors import OutcomesInvalid

EVALUATION = "gen_ai.evaluation.result"

_KEPT = frozenset(
    {
        "error.type",
        "gen_ai.agent.name",
        "gen_ai.conversation.id",
        "gen_ai.evaluation.name",
        "gen_ai.evaluation.score.label",
        "gen_ai.evaluation.score.value",
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.max_tokens",
        "gen_ai.request.model",
        "gen_ai.response.model",
        "gen_ai.system",
        "gen_ai.tool.name",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.completion_tokens",
        "gen_ai.usage.cost",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.prompt_tokens",
        "gen_ai.usage.reasoning.output_tokens",
        "langgraph_node",
    }
)
_ARGUMENTS = "gen_ai.tool.call.arguments"
_TOOLS = "gen_ai.tool.definitions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One span, or an evaluation that was logged about one.

    Attributes:
        trace: id of its trace.
        id: its own id; of an evaluation that was logged, that of the span it speaks of.
        parent: id of the span around it; empty at the top.
        start_s: epoch seconds.
        end_s: epoch seconds.
        attributes: what is kept of its attributes; of tool arguments and definitions only a hash.
        failed: its status is an error, or it names one.
        evaluations: what was said of it, each as the attributes of its event.
        is_event: it is an event that was logged, not a span.
    """

    trace: str
    id: str
    parent: str = ""
    start_s: float
    end_s: float
    attributes: Mapping[str, Any]
    failed: bool = False
    evaluations: tuple[Mapping[str, Any], ...] = field(default=())
    is_event: bool = False


def is_trace(line: Mapping[str, Any]) -> bool:
    """Whether an object of a file is a form of spans, and no row of a table."""
    return "resourceSpans" in line or "resourceLogs" in line or isinstance(line.get("attributes"), Mapping | list)


def spans_of(lines: Iterable[Mapping[str, Any]]) -> Iterator[Span]:
    """The spans of a file's objects, in the order they stand there.

    Raises:
        OutcomesInvalid: an object is no form of spans, or a span lacks its trace, its id or its times; names which
            object it was, counted from 1.
    """
    for number, line in enumerate(lines, start=1):
        try:
            yield from _spans_of(line)
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            told = f"object {number} of the file is no span that can be read ({exc!r})"
            way_out = "expected are OTLP/JSON or one span a line with trace_id, span_id, start_time and end_time"
            raise OutcomesInvalid(f"{told}; {way_out}") from exc


def _spans_of(line: Mapping[str, Any]) -> Iterator[Span]:
    if "resourceSpans" in line or "resourceLogs" in line:
        for resource in line.get("resourceSpans", ()):
            for scope in resource.get("scopeSpans", ()):
                yield from [_otlp(span) for span in scope.get("spans", ())]
        for resource in line.get("resourceLogs", ()):
            for scope in resource.get("scopeLogs", ()):
                found = [_logged(log) for log in scope.get("logRecords", ()) if log.get("eventName") == EVALUATION]
                yield from found
    else:
        yield _flat(line)


def _otlp(span: Mapping[str, Any]) -> Span:
    attributes = _kept(_pairs(span.get("attributes", ())))
    events = [(event.get("name"), _pairs(event.get("attributes", ()))) for event in span.get("events", ())]
    return Span(
        trace=_id(span["traceId"]),
        id=_id(span["spanId"]),
        parent=span.get("parentSpanId") or "",
        start_s=int(span["startTimeUnixNano"]) / 1e9,
        end_s=int(span.get("endTimeUnixNano") or span["startTimeUnixNano"]) / 1e9,
        attributes=attributes,
        failed=_is_error((span.get("status") or {}).get("code")) or bool(attributes.get("error.type")),
        evaluations=_evaluations(events),
    )


def _logged(log: Mapping[str, Any]) -> Span:
    at = int(log.get("timeUnixNano") or log["observedTimeUnixNano"]) / 1e9
    said = _kept(_pairs(log.get("attributes", ())))
    return Span(
        trace=_id(log["traceId"]),
        id=_id(log["spanId"]),
        start_s=at,
        end_s=at,
        attributes={},
        evaluations=(said,),
        is_event=True,
    )


def _flat(span: Mapping[str, Any]) -> Span:
    context = span.get("context") or span
    raw = span["attributes"]
    attributes = _kept(raw if isinstance(raw, Mapping) else _pairs(raw))
    status = span.get("status") or {}
    events = [(event.get("name"), event.get("attributes") or {}) for event in span.get("events") or ()]
    start_s = _time(span, "start_time")
    return Span(
        trace=_id(context["trace_id"]),
        id=_id(context["span_id"]),
        parent=(span.get("parent_id") or span.get("parent_span_id") or "").removeprefix("0x"),
        start_s=start_s,
        end_s=_time(span, "end_time") if "end_time" in span or "end_time_unix_nano" in span else start_s,
        attributes=attributes,
        failed=_is_error(status.get("status_code") if isinstance(status, Mapping) else status)
        or bool(attributes.get("error.type")),
        evaluations=_evaluations(events),
    )


def _id(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"an id must be text, not {value!r}")
    return value.removeprefix("0x")


def _time(span: Mapping[str, Any], name: str) -> float:
    """Epoch seconds of a time as ISO text, nanoseconds or seconds."""
    value = span.get(f"{name}_unix_nano", span.get(name))
    if isinstance(value, str) and not value.isdigit():
        return datetime.fromisoformat(value).timestamp()
    if value is None:
        raise KeyError(name)
    number = float(value)
    return number / 1e9 if number > 1e14 else number


def _is_error(code: Any) -> bool:
    return code in (2, "2", "ERROR", "STATUS_CODE_ERROR", "StatusCode.ERROR")


def _pairs(attributes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Attributes of OTLP/JSON as plain values; 64-bit integers stand there as text."""
    return {pair["key"]: _plain(pair["value"]) for pair in attributes if pair.get("value")}


def _plain(value: Mapping[str, Any]) -> Any:
    kind, held = next(iter(value.items()))
    if kind == "intValue":
        return int(held)
    return float(held) if kind == "doubleValue" else held


def _kept(attributes: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in attributes.items() if name in _KEPT}
    for name in (_ARGUMENTS, _TOOLS):
        if attributes.get(name):
            kept[name] = hash(str(attributes[name]))
    return kept


def _evaluations(events: Iterable[tuple[Any, Mapping[str, Any]]]) -> tuple[Mapping[str, Any], ...]:
    return tuple(_kept(attributes) for name, attributes in events if name == EVALUATION)
