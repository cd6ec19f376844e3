"""The schema of the structured log, version 1: three events, each a flat JSON object with a few nested ones.

The log says what was decided and what came of it, never what was said: no prompt, answer, tool argument or tool
result is in any field. Dollars are floats that are exact to the nano-dollar (``round(x * 1e9)`` gives it back), tokens
and counts are integers, probabilities lie in [0, 1]. ``docs/log.md`` is this page for people.

Versioning: ``schema_version`` rises when a field is renamed or removed or changes its meaning, type or unit. A new
field or a new action does not raise it, so readers of other programs should ignore what they do not know.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from langroute.books import Purpose
from langroute.records import Action, Kind, Outcome, Record, Usage, as_dollars

SCHEMA_VERSION: Literal[1] = 1


class _Part(BaseModel):
    # Infinite numbers (a dollar can be priceless) stay valid JSON: they are written as the string "Infinity".
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class AlternativePart(_Part):
    """One arm of the pool as the decision saw it."""

    arm: str = Field(description="name of the arm")
    success: float = Field(description="estimated probability that it does the step right, in [0, 1]")
    cost_usd: float = Field(description="estimated cost, dollars")
    worst_usd: float = Field(description="worst case that would be held for it, dollars")
    utility: float = Field(description="success - price_of_dollar * cost_usd")
    why_not: str = Field(description="why it was not chosen; empty for the chosen arm")


class BudgetPart(_Part):
    """What the step knew of its budget when it was decided, in the tightest scope."""

    scope: str = Field(description="ledger scope all other fields speak of")
    limit_usd: float | None = Field(description="its limit, dollars; null when unlimited")
    spent_usd: float = Field(description="settled so far, dollars")
    held_usd: float = Field(description="set aside by calls under way, dollars")
    remaining_usd: float | None = Field(
        description="what this step may set aside, other purposes' reserves excluded, dollars; null when unlimited"
    )
    reserves_usd: dict[Purpose, float] = Field(description="dollars still kept, by purpose")
    input_tokens_limit: int | None = Field(description="tokens in all; null when unlimited")
    input_tokens_left: int | None = Field(description="tokens; null when unlimited")
    output_tokens_limit: int | None = Field(description="tokens in all; null when unlimited")
    output_tokens_left: int | None = Field(description="tokens; null when unlimited")
    retries_limit: int | None = Field(description="count in all; null when unlimited")
    retries_left: int | None = Field(description="count; null when unlimited")
    seconds_limit: float | None = Field(description="seconds in all; null when unlimited")
    seconds_left: float | None = Field(description="seconds; null when unlimited")
    planned_calls: int | None = Field(description="calls the episode is planned to take; null when nothing was planned")


class PressurePart(_Part):
    """How much trouble the episode is in, as counts."""

    total: int = Field(description="all parts together")
    retries: int = Field(description="attempts of this step before this one")
    invalid_tool_calls: int = Field(description="tool calls that could not be parsed")
    tool_errors: int = Field(description="tool messages with status error")
    repeated_calls: int = Field(description="tool calls made again with the same or nearly the same arguments")
    cycles: int = Field(description="times the run came back to this node beyond its first visit; not in the total")
    self_corrections: int = Field(description="answers in which the model takes back what it said before")
    schema_failures: int = Field(description="answers that did not fit the schema that was demanded")
    empty_ends: int = Field(description="answers without text and without a readable tool call")
    context_share: float = Field(
        description="expected input over the largest window of the pool; 0 when no window is known; not in the total"
    )


class FeaturesPart(_Part):
    """What else was known of the step; never text of a prompt."""

    prompt_bytes: int = Field(description="UTF-8 bytes of all that is sent")
    retrievals: int = Field(description="retrieved documents and results of search tools in the current turn")
    tool_category: str = Field(description="what the bound tools are for; empty without tools")
    prior_confidence: float | None = Field(description="confidence of the step before; null when unknown")
    hint: str = Field(description="what the caller says the task is; empty when nothing was said")
    channel: str = Field(description="where the request comes from; empty when nothing was said")
    domain: str = Field(description="the subject; empty when nothing was said")


class MeasurePart(_Part):
    """Something done about the step beside choosing its arm."""

    action: Action = Field(description="what was done")
    reason: str = Field(description="why, one plain sentence")


class RejectionPart(_Part):
    """An arm that is out for the rest of this step, and why."""

    arm: str = Field(description="name of the arm")
    reason: str = Field(description="what was wrong")
    why: Literal["answer", "fault", "person"] = Field(
        description="its answer was not accepted, its call failed, or a person said no"
    )


class UsagePart(_Part):
    """Tokens the provider reported."""

    input_tokens: int = Field(description="all input tokens, cache reads and writes included")
    output_tokens: int = Field(description="all output tokens, reasoning included")
    cache_read_tokens: int = Field(description="part of the input read from the prompt cache")
    cache_write_tokens: int = Field(description="part of the input written to the prompt cache")
    reasoning_tokens: int = Field(description="part of the output spent on reasoning")


class _Event(_Part):
    event: str = Field(description="name of the event")
    schema_version: Literal[1] = Field(default=SCHEMA_VERSION, description="version of this schema")
    at: float = Field(description="epoch seconds; of the decision, or of the action")
    episode: str = Field(description="id of the episode")


class _AttemptEvent(_Event):
    record_id: str = Field(description="id of the attempt: the hold's id, the same in decision and outcome")
    call_index: int = Field(description="how many steps of the episode came before this one")
    attempt: int = Field(description="how often this step was decided before; 0 at first")
    node: str = Field(description="graph node the call is made in; empty outside a graph")
    kind: Kind = Field(description="kind of the step")
    purpose: Purpose = Field(description="which reserve the call may open")
    arm: str | None = Field(description="the chosen arm; null when the decision is to stop")


class RoutingDecisionEvent(_AttemptEvent):
    """``routing_decision``: which arm is to make a call, and why. Written before the call."""

    event: Literal["routing_decision"] = Field(default="routing_decision", description="name of the event")
    kind_reason: str = Field(description="how the kind was found")
    rationale: str = Field(description="why this arm, one plain sentence")
    policy: str = Field(description="name of the policy")
    policy_version: str = Field(description="its version")
    propensity: float = Field(description="probability with which the policy chooses this arm here, in (0, 1]")
    price_of_dollar: float = Field(description="lambda: success probability given up per dollar saved")
    price_reason: str = Field(description="why lambda is what it is, one sentence")
    estimated_success: float = Field(description="of the chosen arm, in [0, 1]")
    estimated_cost_usd: float = Field(description="of the chosen arm, dollars")
    worst_case_usd: float = Field(description="what is to be held for the call, dollars")
    output_limit: int = Field(description="output tokens the call may ask for")
    input_tokens: int = Field(description="expected input tokens")
    input_bound: int = Field(description="input tokens that no call of this step can exceed")
    needs_tools: bool = Field(description="tools are bound to the call")
    needs_structure: bool = Field(description="a schema is bound to the call")
    pinned: str | None = Field(description="arm the user demands; null when free")
    rejected: tuple[RejectionPart, ...] = Field(description="arms that are out for the rest of this step")
    alternatives: tuple[AlternativePart, ...] = Field(description="every arm of the pool, in pool order")
    budget: BudgetPart = Field(description="what was left")
    pressure: PressurePart = Field(description="how much trouble the episode is in")
    features: FeaturesPart = Field(description="what else was known of the step")
    needs_media: tuple[str, ...] = Field(description="kinds of media that the arm has to take")
    loops: bool = Field(description="the call is one round of an agent's loop")
    alone: bool = Field(description="the call stands outside any graph and opened an episode of its own")
    closing: bool = Field(description="this is to be the last call of its episode: without tools, told to answer now")
    calm_price: float | None = Field(description="lambda if money were spent as planned; null when nothing was planned")
    reservation_usd: float | None = Field(
        description="what an episode opened by this very call was given, dollars; null when unlimited or not opened"
    )
    measures: tuple[MeasurePart, ...] = Field(description="what was done beside choosing an arm")


class RoutingOutcomeEvent(_AttemptEvent):
    """``routing_outcome``: what came back from a call, and what it cost. Written when the hold is settled."""

    event: Literal["routing_outcome"] = Field(default="routing_outcome", description="name of the event")
    estimated_cost_usd: float = Field(description="what the decision expected, dollars")
    cost_usd: float = Field(description="what was booked, dollars")
    worst_case: bool = Field(description="the hold was booked in full because the truth was not known")
    usage: UsagePart | None = Field(description="tokens reported; null when the provider reported none")
    latency_ms: float = Field(description="from sending to the last token, milliseconds")
    confidence: float | None = Field(
        description="geometric mean of the output tokens' probabilities, in (0, 1]; null without logprobs"
    )
    defects: tuple[str, ...] = Field(description="names of what was found wrong with the answer")
    accepted: bool = Field(description="whether the answer was passed on")
    error: str = Field(description="class name of the error that ended the call; empty without one")
    served_by: str = Field(description="model that the provider says answered; empty when it does not say")


class RoutingActionEvent(_Event):
    """``routing_action``: something other than a call happened to an episode."""

    event: Literal["routing_action"] = Field(default="routing_action", description="name of the event")
    call_index: int | None = Field(description="step it happened in; null when it concerns the whole episode")
    node: str = Field(description="graph node it happened in; empty outside a graph")
    action: Action = Field(description="what was done")
    reason: str = Field(description="why, one plain sentence")


RoutingEvent = RoutingDecisionEvent | RoutingOutcomeEvent | RoutingActionEvent


def decision_event(record: Record) -> RoutingDecisionEvent:
    """The event of the decision in a record, made or not."""
    step, decision = record.step, record.decision
    return RoutingDecisionEvent(
        at=record.at,
        episode=step.episode,
        record_id=record.id,
        call_index=step.call_index,
        attempt=step.attempt,
        node=step.node,
        kind=step.kind,
        purpose=step.purpose,
        arm=decision.arm,
        kind_reason=step.kind_reason,
        rationale=decision.rationale,
        policy=decision.policy,
        policy_version=decision.policy_version,
        propensity=decision.propensity,
        price_of_dollar=decision.price_of_dollar,
        price_reason=record.ruling.reason,
        estimated_success=decision.success,
        estimated_cost_usd=_usd(decision.cost_nano),
        worst_case_usd=_usd(decision.worst_nano),
        output_limit=decision.output_limit,
        input_tokens=step.input_tokens,
        input_bound=step.input_bound,
        needs_tools=step.needs_tools,
        needs_structure=step.needs_structure,
        pinned=step.pinned,
        rejected=tuple(RejectionPart(arm=tried.arm, reason=tried.reason, why=tried.why) for tried in step.rejected),
        alternatives=_alternatives(record),
        budget=_budget(record),
        pressure=_pressure(record),
        features=_features(record),
        needs_media=step.needs_media,
        loops=step.loops,
        alone=step.alone,
        closing=step.closing,
        calm_price=record.ruling.calm_price,
        reservation_usd=as_dollars(record.ruling.reservation_nano),
        measures=tuple(MeasurePart(action=taken.action, reason=taken.reason) for taken in record.measures),
    )


def outcome_event(record: Record) -> RoutingOutcomeEvent:
    """The event of the outcome in a record.

    Raises:
        ValueError: the record has no outcome, because no call was made.
    """
    outcome, step = record.outcome, record.step
    if outcome is None:
        raise ValueError(f"record {record.id!r} has no outcome: its action was {record.action!r}, no call was made")
    return RoutingOutcomeEvent(
        at=record.at,
        episode=step.episode,
        record_id=record.id,
        call_index=step.call_index,
        attempt=step.attempt,
        node=step.node,
        kind=step.kind,
        purpose=step.purpose,
        arm=outcome.arm,
        estimated_cost_usd=_usd(record.decision.cost_nano),
        cost_usd=_usd(outcome.cost_nano),
        worst_case=outcome.worst_case,
        usage=_usage(outcome),
        latency_ms=outcome.latency_ms,
        confidence=outcome.confidence,
        defects=outcome.defects,
        accepted=outcome.accepted,
        error=outcome.error,
        served_by=outcome.served_by,
    )


def action_event(
    *, episode: str, action: Action, reason: str, at: float, call_index: int | None = None, node: str = ""
) -> RoutingActionEvent:
    """The event of something other than a call.

    Args:
        episode: id of the episode.
        action: what was done.
        reason: why, one plain sentence without text of a prompt or an answer.
        at: epoch seconds.
        call_index: the step it happened in; None when it concerns the whole episode.
        node: the graph node it happened in.
    """
    return RoutingActionEvent(at=at, episode=episode, call_index=call_index, node=node, action=action, reason=reason)


def _usd(nano: int) -> float:
    return as_dollars(nano) or 0.0


def _alternatives(record: Record) -> tuple[AlternativePart, ...]:
    return tuple(
        AlternativePart(
            arm=seen.arm,
            success=seen.success,
            cost_usd=_usd(seen.cost_nano),
            worst_usd=_usd(seen.worst_nano),
            utility=seen.utility,
            why_not=seen.why_not,
        )
        for seen in record.decision.alternatives
    )


def _budget(record: Record) -> BudgetPart:
    view = record.step.budget
    return BudgetPart(
        scope=view.scope,
        limit_usd=as_dollars(view.limit_nano),
        spent_usd=_usd(view.spent_nano),
        held_usd=_usd(view.held_nano),
        remaining_usd=as_dollars(view.available_nano),
        reserves_usd={purpose: _usd(nano) for purpose, nano in view.reserves},
        input_tokens_limit=view.input_tokens_limit,
        input_tokens_left=view.input_tokens_left,
        output_tokens_limit=view.output_tokens_limit,
        output_tokens_left=view.output_tokens_left,
        retries_limit=view.retries_limit,
        retries_left=view.retries_left,
        seconds_limit=view.seconds_limit,
        seconds_left=view.seconds_left,
        planned_calls=view.planned_calls,
    )


def _pressure(record: Record) -> PressurePart:
    pressure = record.step.pressure
    return PressurePart(
        total=pressure.total,
        retries=pressure.retries,
        invalid_tool_calls=pressure.invalid_tool_calls,
        tool_errors=pressure.tool_errors,
        repeated_calls=pressure.repeated_calls,
        cycles=pressure.cycles,
        self_corrections=pressure.self_corrections,
        schema_failures=pressure.schema_failures,
        empty_ends=pressure.empty_ends,
        context_share=pressure.context_share,
    )


def _features(record: Record) -> FeaturesPart:
    features = record.step.features
    return FeaturesPart(
        prompt_bytes=features.prompt_bytes,
        retrievals=features.retrievals,
        tool_category=features.tool_category,
        prior_confidence=features.prior_confidence,
        hint=features.hint,
        channel=features.channel,
        domain=features.domain,
    )


def _usage(outcome: Outcome) -> UsagePart | None:
    usage: Usage | None = outcome.usage
    if usage is None:
        return None
    return UsagePart(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        reasoning_tokens=usage.reasoning_tokens,
    )
