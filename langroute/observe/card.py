"""The trace card of an episode: on one page what it cost, where, and what went wrong in it.

After ClawTrace's TraceCard (arXiv 2604.23853), with its names where records know what they name. Reconstruction: it is
made from routing records, which see model calls and no tools. So ``tool_call_count`` counts the tools that were charged
to the episode, ``redundant_tool_calls`` is what the conversation showed at its worst, and ``sub_agents`` are the nodes
that ran a model in a tool loop.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from langroute.errors import ConfigError, EpisodeNotFound
from langroute.money import NANO_PER_DOLLAR
from langroute.records import ActionTaken, EpisodeEnd, Outcome, Record

_MOST_SPANS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CardTokens:
    """Tokens of all calls; what was read from and written to prompt caches is part of the input."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSpan:
    """What one arm cost in one node, or what a charge cost.

    Attributes:
        node: the node; empty outside a graph; of charges the name of what was charged.
        arm: who made the calls; empty for charges.
        steps: the steps, by index.
        calls: how many calls or charges.
        nano: nano-dollars.
    """

    node: str
    arm: str
    steps: tuple[int, ...]
    calls: int
    nano: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubledStep:
    """A step that did not go well at once.

    Attributes:
        step: its index.
        node: the node it stands in.
        arms: who tried, in order; the last may have succeeded.
        trouble: what went wrong, in order.
        ending: ``repaired`` when a later attempt was passed on, else ``failed``.
    """

    step: int
    node: str
    arms: tuple[str, ...]
    trouble: tuple[str, ...]
    ending: Literal["repaired", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceCard:
    """An episode on one page.

    Attributes:
        task_id: id of the episode.
        models: arms that made its calls, by name.
        success: what is known of its success; None when nobody said.
        total_nano: nano-dollars booked for calls and charges.
        total_tokens: see `CardTokens`.
        llm_call_count: calls that were made, failed and rejected ones included.
        tool_call_count: tools that were charged to the episode; None where none was, since records see no others.
        top_cost_spans: where the money went, dearest first, at most five.
        redundant_tool_calls: tool calls made again with equal or nearly equal arguments.
        sub_agents: nodes that ran a model in a tool loop.
        failed_or_repaired_steps: steps that did not go well at once.
    """

    task_id: str
    models: tuple[str, ...] = ()
    success: float | None = None
    total_nano: int = 0
    total_tokens: CardTokens = CardTokens()
    llm_call_count: int = 0
    tool_call_count: int | None = None
    top_cost_spans: tuple[CostSpan, ...] = ()
    redundant_tool_calls: int = 0
    sub_agents: tuple[str, ...] = ()
    failed_or_repaired_steps: tuple[TroubledStep, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The card as plain data under ClawTrace's names; amounts are dollars."""
        tokens = self.total_tokens
        return {
            "task_id": self.task_id,
            "models": list(self.models),
            "success": self.success,
            "total_cost_usd": self.total_nano / NANO_PER_DOLLAR,
            "total_tokens": {
                "input": tokens.input,
                "output": tokens.output,
                "cacheRead": tokens.cache_read,
                "cacheWrite": tokens.cache_write,
            },
            "llm_call_count": self.llm_call_count,
            "tool_call_count": self.tool_call_count,
            "top_cost_spans": [
                {
                    "node": span.node,
                    "arm": span.arm,
                    "steps": list(span.steps),
                    "calls": span.calls,
                    "cost_usd": span.nano / NANO_PER_DOLLAR,
                }
                for span in self.top_cost_spans
            ],
            "redundant_tool_calls": self.redundant_tool_calls,
            "sub_agents": list(self.sub_agents),
            "failed_or_repaired_steps": [
                {
                    "step": each.step,
                    "node": each.node,
                    "arms": list(each.arms),
                    "trouble": list(each.trouble),
                    "ending": each.ending,
                }
                for each in self.failed_or_repaired_steps
            ],
        }

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The card that `to_json` wrote, down to the nano-dollar.

        Raises:
            ConfigError: it is no card.
        """
        try:
            told = json.loads(text)
            return cls(**_read(told))
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise ConfigError(f"is no trace card ({exc!r}); write one with langroute explain EPISODE --card") from exc


def card_of(records: Sequence[Record], end: EpisodeEnd | None = None, actions: Sequence[ActionTaken] = ()) -> TraceCard:
    """The card of one episode; metered calls of an app that is not routed count as its calls.

    Raises:
        EpisodeNotFound: there are neither records nor actions.
    """
    if not records and not actions:
        raise EpisodeNotFound("the episode has no records, so there is nothing to put on a card")
    called = [(record, record.outcome) for record in records if record.outcome is not None]
    charges = [action for action in actions if action.action == "charged"]
    usages = [outcome.usage for _, outcome in called if outcome.usage is not None]
    tokens = CardTokens(
        input=sum(usage.input_tokens for usage in usages),
        output=sum(usage.output_tokens for usage in usages),
        cache_read=sum(usage.cache_read_tokens for usage in usages),
        cache_write=sum(usage.cache_write_tokens for usage in usages),
    )
    booked = sum(outcome.cost_nano for _, outcome in called) + sum(action.cost_nano for action in actions)
    return TraceCard(
        task_id=records[0].step.episode if records else actions[0].episode,
        models=tuple(sorted({_arm(outcome) for _, outcome in called})),
        success=None if end is None or end.success is None else float(end.success),
        total_nano=booked,
        total_tokens=tokens,
        llm_call_count=len(called),
        tool_call_count=len(charges) or None,
        top_cost_spans=_spans(called, charges),
        redundant_tool_calls=max((record.step.pressure.repeated_calls for record in records), default=0),
        sub_agents=tuple(sorted({record.step.node for record in records if record.step.loops and record.step.node})),
        failed_or_repaired_steps=_troubled(records),
    )


def _arm(outcome: Outcome) -> str:
    return outcome.arm or outcome.served_by or "unknown"


def _spans(called: Sequence[tuple[Record, Outcome]], charges: Sequence[ActionTaken]) -> tuple[CostSpan, ...]:
    places: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for record, outcome in called:
        places.setdefault((record.step.node, _arm(outcome)), []).append((record.step.call_index, outcome.cost_nano))
    spans = [
        CostSpan(
            node=node,
            arm=arm,
            steps=tuple(sorted({index for index, _ in costs})),
            calls=len(costs),
            nano=sum(nano for _, nano in costs),
        )
        for (node, arm), costs in places.items()
    ]
    if charges:
        nano = sum(action.cost_nano for action in charges)
        spans.append(CostSpan(node="charges", arm="", steps=(), calls=len(charges), nano=nano))
    return tuple(sorted(spans, key=lambda span: (-span.nano, span.node, span.arm))[:_MOST_SPANS])


def _troubled(records: Sequence[Record]) -> tuple[TroubledStep, ...]:
    steps: dict[int, list[Record]] = {}
    for record in records:
        steps.setdefault(record.step.call_index, []).append(record)
    found = []
    for index, attempts in sorted(steps.items()):
        trouble = [told for attempt in attempts if (told := _trouble(attempt))]
        if trouble:
            found.append(
                TroubledStep(
                    step=index,
                    node=attempts[0].step.node,
                    arms=tuple(attempt.decision.arm or "-" for attempt in attempts),
                    trouble=tuple(trouble),
                    ending="failed" if _trouble(attempts[-1]) else "repaired",
                )
            )
    return tuple(found)


def _trouble(record: Record) -> str:
    """What went wrong in an attempt; empty when nothing did."""
    outcome = record.outcome
    if outcome is None:
        return {"stop": "stopped", "refused": "refused by the budget"}.get(record.action, "no call")
    if outcome.error:
        return outcome.error
    if not outcome.accepted:
        return f"rejected for {', '.join(outcome.defects)}" if outcome.defects else "rejected"
    return ""


def _read(told: Mapping[str, Any]) -> dict[str, Any]:
    tokens = told["total_tokens"]
    return {
        "task_id": told["task_id"],
        "models": tuple(told["models"]),
        "success": told["success"],
        "total_nano": round(told["total_cost_usd"] * NANO_PER_DOLLAR),
        "total_tokens": CardTokens(
            input=tokens["input"],
            output=tokens["output"],
            cache_read=tokens["cacheRead"],
            cache_write=tokens["cacheWrite"],
        ),
        "llm_call_count": told["llm_call_count"],
        "tool_call_count": told["tool_call_count"],
        "top_cost_spans": tuple(
            CostSpan(
                node=span["node"],
                arm=span["arm"],
                steps=tuple(span["steps"]),
                calls=span["calls"],
                nano=round(span["cost_usd"] * NANO_PER_DOLLAR),
            )
            for span in told["top_cost_spans"]
        ),
        "redundant_tool_calls": told["redundant_tool_calls"],
        "sub_agents": tuple(told["sub_agents"]),
        "failed_or_repaired_steps": tuple(
            TroubledStep(
                step=each["step"],
                node=each["node"],
                arms=tuple(each["arms"]),
                trouble=tuple(each["trouble"]),
                ending=each["ending"],
            )
            for each in told["failed_or_repaired_steps"]
        ),
    }
