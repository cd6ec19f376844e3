"""The events of the structured log as plain dictionaries, the way they are written.

``events.py`` has the schema, field by field. A line is written for every call, and building checked models first would
take longer than all the rest of writing it: so it is built here, and the tests hold it to the schema.
"""

from math import isfinite
from typing import Any, Literal

from langroute.money import NANO_PER_DOLLAR
from langroute.records import Action, Outcome, Record, Step, as_dollars

SCHEMA_VERSION: Literal[2] = 2

Event = dict[str, Any]
"""Fields by name, in the order of the schema; the first is ``event``."""


def step_event(record: Record) -> Event:
    """The event of an attempt: what was known and decided, and what came of it."""
    step, ruling = record.step, record.ruling
    told = _decided(record)
    told["budget"] = _budget(step)
    told["pressure"] = _pressure(step)
    told["features"] = _features(step)
    told["caches"] = _caches(step) if step.caches else ()
    told["needs_media"] = step.needs_media
    told["loops"] = step.loops
    told["alone"] = step.alone
    told["closing"] = step.closing
    told["calm_price"] = _float(ruling.calm_price)
    told["reservation_usd"] = as_dollars(ruling.reservation_nano)
    told["measures"] = tuple([{"action": taken.action, "reason": taken.reason} for taken in record.measures])
    told["checks"] = record.checks
    told["outcome"] = None if record.outcome is None else _outcome(record.outcome)
    return told


def action_event(*, episode: str, action: Action, reason: str, at: float, call_index: int | None, node: str) -> Event:
    """The event of something other than a call; arguments as in ``events.action_event``."""
    return {
        "event": "routing_action",
        "schema_version": SCHEMA_VERSION,
        "at": float(at),
        "episode": episode,
        "call_index": call_index,
        "node": node,
        "action": action,
        "reason": reason,
    }


def is_finite(record: Record) -> bool:
    """Whether every number in the event of a record is finite; False also where their sum is not."""
    step, decision, ruling, outcome = record.step, record.decision, record.ruling, record.outcome
    view = step.budget
    total = record.at + decision.propensity + decision.price_of_dollar + decision.success + (ruling.calm_price or 0.0)
    total += (view.seconds_limit or 0.0) + (view.seconds_left or 0.0)
    total += step.pressure.context_share + (step.features.prior_confidence or 0.0)
    for seen in decision.alternatives:
        total += seen.success + seen.utility
    if outcome is not None:
        total += outcome.latency_ms + (outcome.confidence or 0.0) + (outcome.uncertainty or 0.0)
        total += sum(outcome.options) + (outcome.agreement or 0.0)
    return isfinite(total)


def _decided(record: Record) -> Event:
    step, decision = record.step, record.decision
    return {
        "event": "routing_step",
        "schema_version": SCHEMA_VERSION,
        "at": float(record.at),
        "episode": step.episode,
        "record_id": record.id,
        "call_index": step.call_index,
        "attempt": step.attempt,
        "node": step.node,
        "kind": step.kind,
        "purpose": step.purpose,
        "arm": decision.arm,
        "shadow": record.action == "shadow",
        "kind_reason": step.kind_reason,
        "rationale": decision.rationale,
        "policy": decision.policy,
        "policy_version": decision.policy_version,
        "estimator": record.estimator,
        "propensity": float(decision.propensity),
        "price_of_dollar": float(decision.price_of_dollar),
        "price_reason": record.ruling.reason,
        "estimated_success": float(decision.success),
        "estimated_cost_usd": decision.cost_nano / NANO_PER_DOLLAR,
        "worst_case_usd": decision.worst_nano / NANO_PER_DOLLAR,
        "output_limit": decision.output_limit,
        "input_tokens": step.input_tokens,
        "input_bound": step.input_bound,
        "needs_tools": step.needs_tools,
        "needs_structure": step.needs_structure,
        "pinned": step.pinned,
        "rejected": tuple([{"arm": tried.arm, "reason": tried.reason, "why": tried.why} for tried in step.rejected]),
        "alternatives": _alternatives(record),
    }


def _outcome(outcome: Outcome) -> Event:
    return {
        "arm": outcome.arm,
        "cost_usd": outcome.cost_nano / NANO_PER_DOLLAR,
        "worst_case": outcome.worst_case,
        "usage": _usage(outcome),
        "latency_ms": float(outcome.latency_ms),
        "confidence": _float(outcome.confidence),
        "uncertainty": _float(outcome.uncertainty),
        "options": outcome.options,
        "agreement": _float(outcome.agreement),
        "defects": outcome.defects,
        "accepted": outcome.accepted,
        "error": outcome.error,
        "served_by": outcome.served_by,
        "service_tier": outcome.service_tier,
        "swapped": outcome.swapped,
        "samples": outcome.samples,
        "failed_samples": outcome.failed_samples,
        "verdict": outcome.verdict,
    }


def _float(number: float | None) -> float | None:
    return None if number is None else float(number)


def _alternatives(record: Record) -> tuple[Event, ...]:
    return tuple(
        [
            {
                "arm": seen.arm,
                "success": float(seen.success),
                "cost_usd": seen.cost_nano / NANO_PER_DOLLAR,
                "worst_usd": seen.worst_nano / NANO_PER_DOLLAR,
                "utility": float(seen.utility),
                "why_not": seen.why_not,
            }
            for seen in record.decision.alternatives
        ]
    )


def _budget(step: Step) -> Event:
    view = step.budget
    return {
        "scope": view.scope,
        "limit_usd": as_dollars(view.limit_nano),
        "spent_usd": view.spent_nano / NANO_PER_DOLLAR,
        "held_usd": view.held_nano / NANO_PER_DOLLAR,
        "remaining_usd": as_dollars(view.available_nano),
        "reserves_usd": {purpose: nano / NANO_PER_DOLLAR for purpose, nano in view.reserves},
        "input_tokens_limit": view.input_tokens_limit,
        "input_tokens_left": view.input_tokens_left,
        "output_tokens_limit": view.output_tokens_limit,
        "output_tokens_left": view.output_tokens_left,
        "retries_limit": view.retries_limit,
        "retries_left": view.retries_left,
        "seconds_limit": _float(view.seconds_limit),
        "seconds_left": _float(view.seconds_left),
        "shared_usd": as_dollars(view.shared_nano),
    }


def _pressure(step: Step) -> Event:
    pressure = step.pressure
    return {
        "total": pressure.total,
        "retries": pressure.retries,
        "invalid_tool_calls": pressure.invalid_tool_calls,
        "tool_errors": pressure.tool_errors,
        "repeated_calls": pressure.repeated_calls,
        "cycles": pressure.cycles,
        "self_corrections": pressure.self_corrections,
        "schema_failures": pressure.schema_failures,
        "empty_ends": pressure.empty_ends,
        "context_share": float(pressure.context_share),
    }


def _features(step: Step) -> Event:
    features = step.features
    return {
        "prompt_bytes": features.prompt_bytes,
        "retrievals": features.retrievals,
        "tool_category": features.tool_category,
        "prior_confidence": _float(features.prior_confidence),
        "hint": features.hint,
        "channel": features.channel,
        "domain": features.domain,
        "entry": features.entry,
    }


def _caches(step: Step) -> tuple[Event, ...]:
    return tuple(
        [
            {
                "arm": seen.arm,
                "read_tokens": seen.read_tokens,
                "write_tokens": seen.write_tokens,
                "saved_usd": seen.saved_nano / NANO_PER_DOLLAR,
            }
            for seen in step.caches
        ]
    )


def _usage(outcome: Outcome) -> Event | None:
    usage = outcome.usage
    if usage is None:
        return None
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }
