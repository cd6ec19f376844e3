"""Model calls in spans that follow OpenTelemetry's conventions for generative AI (``gen_ai.*``).

A call is a span of the operation ``chat``, ``generate_content`` or ``text_completion``. Where one such span stands
within another (a framework's around its client's), the inner one is the call. What came before a call in its episode is
read from the other spans: tools that failed (``execute_tool``), tools called again with the same arguments, and the
agent around it (``invoke_agent``), which serves as its node.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from langroute.errors import ConfigError, OutcomesInvalid
from langroute.journal.importers.spans import Span
from langroute.journal.verdicts import Verdict
from langroute.records import Usage

By = Literal["trace", "conversation"]

_CALLS = ("chat", "generate_content", "text_completion")
_LABELS = {"pass": 1.0, "correct": 1.0, "fail": 0.0, "incorrect": 0.0}
_PROVIDERS = {
    "aws.bedrock": "bedrock",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure_openai",
    "gcp.gemini": "google_genai",
    "gcp.gen_ai": "google_genai",
    "gcp.vertex_ai": "google_vertexai",
    "mistral_ai": "mistralai",
    "x_ai": "xai",
}
"""What the conventions call a provider -> what langroute does, where the two differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedCall:
    """One model call as a trace tells it.

    Attributes:
        span: id of its span.
        model: the model that answered, as its provider names it; else the one that was asked.
        provider: the provider's id, as langroute spells it; empty when not told.
        node: ``langgraph_node``, else the agent around it; empty without either.
        at: epoch seconds of its start.
        latency_ms: how long it took.
        usage: tokens; None when not told.
        cost_usd: dollars, where the trace tells them; else None.
        output_cap: the output limit it was sent with; None when not told.
        error: what it ended with; empty when it answered.
        call_index: how many calls of the episode began before it.
        tool_errors: tools of the episode that had failed by then.
        repeated_calls: tools that had been called again with the same arguments by then.
        has_tools: whether tools were bound to it, as far as the trace tells.
        verdict: what was said of this call; None when nothing was.
    """

    span: str
    model: str
    provider: str = ""
    node: str = ""
    at: float
    latency_ms: float = 0.0
    usage: Usage | None = None
    cost_usd: float | None = None
    output_cap: int | None = None
    error: str = ""
    call_index: int = 0
    tool_errors: int = 0
    repeated_calls: int = 0
    has_tools: bool = False
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedEpisode:
    """The calls of one trace, or of one conversation.

    Attributes:
        id: id of the trace or the conversation.
        calls: its model calls, in the order they began.
        verdict: what was said of it as a whole; None when nothing was.
    """

    id: str
    calls: Sequence[TracedCall]
    verdict: Verdict | None = None


@dataclass(slots=True)
class Traces:
    """Spans gathered into episodes, however they are spread over a file.

    Args:
        by: what an episode is; where a trace belongs to no conversation, it is an episode of its own.
        evaluation: name of the evaluation (``gen_ai.evaluation.name``) that says how things went; empty takes the only
            one there is.

    Attributes:
        passed_over: what was no call of its own, by reason.
    """

    by: By = "trace"
    evaluation: str = ""
    passed_over: Counter[str] = field(default_factory=Counter)

    def episodes(self, spans: Iterable[Span]) -> list[TracedEpisode]:
        """The episodes of all spans, those without a model call left out.

        Raises:
            ConfigError: several evaluations were made and none was chosen; names them.
            OutcomesInvalid: a number of a span is none, or negative.
        """
        gathered: dict[str, list[Span]] = {}
        said: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for span in spans:
            target = span.parent if "gen_ai.evaluation.name" in span.attributes else span.id
            own = (span.attributes,) if target != span.id else ()
            for evaluation in (*span.evaluations, *own):
                said.setdefault((span.trace, target), []).append(evaluation)
            if not span.is_event:
                gathered.setdefault(span.trace, []).append(span)
        name = self._chosen(said)
        merged: dict[str, list[Span]] = {}
        for trace, members in gathered.items():
            merged.setdefault(self._episode(trace, members), []).extend(members)
        found = [self._episode_of(episode, members, said, name) for episode, members in merged.items()]
        return [episode for episode in found if episode.calls]

    def _chosen(self, said: Mapping[tuple[str, str], list[Mapping[str, Any]]]) -> str:
        names = {str(each.get("gen_ai.evaluation.name", "")) for several in said.values() for each in several}
        if self.evaluation or len(names) < 2:
            return self.evaluation or next(iter(names), "")
        raise ConfigError(
            f"the spans carry {', '.join(sorted(names))}; name the one that says how things went", field="evaluation"
        )

    def _episode(self, trace: str, members: Sequence[Span]) -> str:
        named = [
            span.attributes["gen_ai.conversation.id"] for span in members if "gen_ai.conversation.id" in span.attributes
        ]
        return str(named[0]) if named and self.by == "conversation" else trace

    def _episode_of(
        self,
        episode: str,
        members: Sequence[Span],
        said: Mapping[tuple[str, str], list[Mapping[str, Any]]],
        name: str,
    ) -> TracedEpisode:
        members = sorted(members, key=lambda span: span.start_s)
        known = {(span.trace, span.id): span for span in members}
        calls = [span for span in members if _operation(span) in _CALLS]
        around = {
            (each.trace, each.id) for call in calls for each in _ancestors(call, known) if _operation(each) in _CALLS
        }
        inner = [call for call in calls if (call.trace, call.id) not in around]
        self.passed_over["spans around the span of the same call"] += len(calls) - len(inner)
        tools = [span for span in members if _operation(span) == "execute_tool"]
        verdicts = {key: verdict for key, several in said.items() if (verdict := self._verdict(several, name))}
        whole = [verdicts[key] for key in verdicts if key in known and known[key] not in calls]
        return TracedEpisode(
            id=episode,
            calls=[
                _call(span, index, tools, _node(span, known), verdicts.get((span.trace, span.id)))
                for index, span in enumerate(inner)
            ],
            verdict=whole[-1] if whole else None,
        )

    def _verdict(self, several: Sequence[Mapping[str, Any]], name: str) -> Verdict | None:
        """The last evaluation of this name, where it is one of right and wrong."""
        for said in reversed(several):
            if said.get("gen_ai.evaluation.name", "") != name:
                continue
            score = said.get("gen_ai.evaluation.score.value")
            if score is None:
                score = _LABELS.get(str(said.get("gen_ai.evaluation.score.label", "")).lower())
            if score is not None and 0 <= float(score) <= 1:
                return Verdict(success=float(score), source="verifier")
            self.passed_over["evaluations on another scale than 0 to 1"] += 1
        return None


def _operation(span: Span) -> str:
    return str(span.attributes.get("gen_ai.operation.name", ""))


def _ancestors(span: Span, known: Mapping[tuple[str, str], Span]) -> list[Span]:
    found: list[Span] = []
    above = known.get((span.trace, span.parent))
    while above is not None and above not in found:  # a damaged trace may go round in circles
        found.append(above)
        above = known.get((above.trace, above.parent))
    return found


def _node(span: Span, known: Mapping[tuple[str, str], Span]) -> str:
    for each in (span, *_ancestors(span, known)):
        if named := each.attributes.get("langgraph_node") or each.attributes.get("gen_ai.agent.name"):
            return str(named)
    return ""


def _call(span: Span, index: int, tools: Sequence[Span], node: str, verdict: Verdict | None) -> TracedCall:
    told = span.attributes
    before = [tool for tool in tools if tool.end_s <= span.start_s]
    signed = [
        (tool.attributes.get("gen_ai.tool.name"), tool.attributes["gen_ai.tool.call.arguments"])
        for tool in before
        if "gen_ai.tool.call.arguments" in tool.attributes
    ]
    provider = str(told.get("gen_ai.provider.name") or told.get("gen_ai.system") or "")
    cap, cost = (_number(span, name) for name in ("gen_ai.request.max_tokens", "gen_ai.usage.cost"))
    return TracedCall(
        span=span.id,
        model=str(told.get("gen_ai.response.model") or told.get("gen_ai.request.model") or ""),
        provider=_PROVIDERS.get(provider, provider),
        node=node,
        at=span.start_s,
        latency_ms=round((span.end_s - span.start_s) * 1000, 3),
        usage=_usage(span),
        cost_usd=cost,
        output_cap=None if cap is None else int(cap),
        error=str(told.get("error.type") or ("error" if span.failed else "")),
        call_index=index,
        tool_errors=sum(tool.failed for tool in before),
        repeated_calls=len(signed) - len(set(signed)),
        has_tools="gen_ai.tool.definitions" in told,
        verdict=verdict,
    )


def _usage(span: Span) -> Usage | None:
    """Tokens of a call. The conventions count cached tokens as input; where a program does not, they are added."""
    names = {
        "input": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        "output": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        "read": ("gen_ai.usage.cache_read.input_tokens",),
        "write": ("gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens"),
        "reasoning": ("gen_ai.usage.reasoning.output_tokens",),
    }
    found = {
        what: next((int(number) for name in several if (number := _number(span, name)) is not None), None)
        for what, several in names.items()
    }
    if found["input"] is None and found["output"] is None:
        return None
    asked, read, write = found["input"] or 0, found["read"] or 0, found["write"] or 0
    return Usage(
        input_tokens=asked if read + write <= asked else asked + read + write,
        output_tokens=found["output"] or 0,
        cache_read_tokens=read,
        cache_write_tokens=write,
        reasoning_tokens=found["reasoning"] or 0,
    )


def _number(span: Span, name: str) -> float | None:
    value = span.attributes.get(name)
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number < 1e15:
        raise OutcomesInvalid(f"span {span.id} of trace {span.trace} says {value!r}, not a count", field=name)
    return number
