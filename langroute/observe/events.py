"""The schema of the structured log, version 2: two events, each a flat JSON object with a few nested ones.

The log says what was decided and what came of it, never what was said: no prompt, answer, tool argument or tool
result is in any field. Dollars are floats that are exact to the nano-dollar (``round(x * 1e9)`` gives it back), tokens
and counts are integers, probabilities lie in [0, 1]. ``docs/log.md`` is this page for people.

Versioning: ``schema_version`` rises when a field is renamed or removed or changes its meaning, type or unit. A new
field or a new action does not raise it, so readers of other programs should ignore what they do not know.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from langroute.books import Purpose
from langroute.observe import plain
from langroute.observe.plain import SCHEMA_VERSION
from langroute.records import Action, Kind, Record, Verdict


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
    shared_usd: float | None = Field(
        description="what the tightest shared budget leaves, dollars; null when nothing is shared, or without limit"
    )


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
    entry: str = Field(description="name of the entry rule that the call matched; empty without one")


class CachePart(_Part):
    """What an arm's prompt cache is expected to do; an arm without one of these was expected at full price."""

    arm: str = Field(description="name of the arm")
    read_tokens: int = Field(description="input tokens expected to be read from its cache")
    write_tokens: int = Field(description="input tokens expected to be written to it, where that is billed")
    saved_usd: float = Field(
        description="by which the input is cheaper than at the full rate, dollars; may be negative"
    )


class MeasurePart(_Part):
    """Something done about the step beside choosing its arm."""

    action: Action = Field(description="what was done")
    reason: str = Field(description="why, one plain sentence")


class RejectionPart(_Part):
    """An arm that is out for the rest of this step, and why."""

    arm: str = Field(description="name of the arm")
    reason: str = Field(description="what was wrong")
    why: Literal["answer", "fault", "person", "unfit"] = Field(
        description="its answer was not accepted, its call failed, a person said no, or it cannot be sent the call"
    )


class UsagePart(_Part):
    """Tokens the provider reported."""

    input_tokens: int = Field(description="all input tokens, cache reads and writes included")
    output_tokens: int = Field(description="all output tokens, reasoning included")
    cache_read_tokens: int = Field(description="part of the input read from the prompt cache")
    cache_write_tokens: int = Field(description="part of the input written to the prompt cache")
    reasoning_tokens: int = Field(description="part of the output spent on reasoning")


class OutcomePart(_Part):
    """What came back from a call, and what it cost."""

    arm: str = Field(
        description="arm that made the call; of a metered call perhaps not the chosen one, or empty: none of the pool"
    )
    cost_usd: float = Field(description="what was booked, dollars")
    worst_case: bool = Field(description="the hold was booked in full because the truth was not known")
    usage: UsagePart | None = Field(description="tokens reported; null when the provider reported none")
    latency_ms: float = Field(description="from sending to the last token, milliseconds")
    confidence: float | None = Field(
        description="geometric mean of the output tokens' probabilities, in (0, 1]; null without logprobs"
    )
    uncertainty: float | None = Field(
        description="mean of 1 - p over the output tokens, in [0, 1); null without logprobs"
    )
    options: tuple[float, ...] = Field(
        description="probabilities of the likeliest first tokens, best first; empty without alternatives"
    )
    agreement: float | None = Field(
        description="share of the step's samples that say the same as this answer, in (0, 1]; null where one was taken"
    )
    defects: tuple[str, ...] = Field(description="names of what was found wrong with the answer")
    accepted: bool = Field(description="whether the answer was passed on")
    error: str = Field(description="class name of the error that ended the call; empty without one")
    served_by: str = Field(description="model that the provider says answered; empty when it does not say")
    service_tier: str = Field(description="tier that the provider says it was served in; empty when it does not say")
    swapped: tuple[str, ...] = Field(description="what was changed or left out of what was sent, to fit the arm")
    samples: int = Field(description="calls that were made for the answer; cost and usage are of all of them together")
    failed_samples: int = Field(description="those of them that brought no answer")
    verdict: Verdict = Field(description="what a check that was bought said of the answer; empty without one")


class _Event(_Part):
    event: str = Field(description="name of the event")
    schema_version: Literal[2] = Field(default=SCHEMA_VERSION, description="version of this schema")
    at: float = Field(description="epoch seconds; of the decision, or of the action")
    episode: str = Field(description="id of the episode")


class RoutingStepEvent(_Event):
    """``routing_step``: one attempt at a step, what was decided and what came of it. Written when it is over."""

    event: Literal["routing_step"] = Field(default="routing_step", description="name of the event")
    record_id: str = Field(description="id of the attempt: the hold's id in the books, the record's in the journal")
    call_index: int = Field(description="how many steps of the episode came before this one")
    attempt: int = Field(description="how often this step was decided before; 0 at first")
    node: str = Field(description="graph node the call is made in; empty outside a graph")
    kind: Kind = Field(description="kind of the step")
    purpose: Purpose = Field(description="which reserve the call may open")
    arm: str | None = Field(description="the chosen arm; null when the decision is to stop")
    shadow: bool = Field(description="nobody followed the decision: the call was only metered, from logged state")
    kind_reason: str = Field(description="how the kind was found")
    rationale: str = Field(description="why this arm, one plain sentence")
    policy: str = Field(description="name of the policy")
    policy_version: str = Field(description="its version")
    estimator: str = Field(
        default="", description="name and version of what gave the estimates, and of the data it learned from"
    )
    propensity: float = Field(description="probability with which the policy chooses this arm here, in (0, 1]")
    price_of_dollar: float = Field(description="lambda: success probability given up per dollar saved")
    price_reason: str = Field(description="why lambda is what it is, one sentence")
    estimated_success: float = Field(description="of the chosen arm, in [0, 1]")
    estimated_cost_usd: float = Field(description="of the chosen arm, dollars")
    worst_case_usd: float = Field(description="what was held for the call, or would have been, dollars")
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
    caches: tuple[CachePart, ...] = Field(description="what prompt caches are expected to do, by arm")
    needs_media: tuple[str, ...] = Field(description="kinds of media that the arm has to take")
    loops: bool = Field(description="the call is one round of an agent's loop")
    alone: bool = Field(description="the call stands outside any graph and opened an episode of its own")
    closing: bool = Field(description="this is to be the last call of its episode: without tools, told to answer now")
    calm_price: float | None = Field(description="lambda if money were spent as planned; null when nothing was planned")
    reservation_usd: float | None = Field(
        description="what an episode opened by this very call was given, dollars; null when unlimited or not opened"
    )
    measures: tuple[MeasurePart, ...] = Field(description="what was done beside choosing an arm")
    checks: str = Field(description="record whose answer this call checks; empty for a call of the agent's own")
    outcome: OutcomePart | None = Field(description="what came of the call; null when none was made")


class RoutingActionEvent(_Event):
    """``routing_action``: something other than a call happened to an episode."""

    event: Literal["routing_action"] = Field(default="routing_action", description="name of the event")
    call_index: int | None = Field(description="step it happened in; null when it concerns the whole episode")
    node: str = Field(description="graph node it happened in; empty outside a graph")
    action: Action = Field(description="what was done")
    reason: str = Field(description="why, one plain sentence")


RoutingEvent = RoutingStepEvent | RoutingActionEvent


def step_event(record: Record) -> RoutingStepEvent:
    """The event of an attempt: what was known and decided, and what came of it."""
    return RoutingStepEvent.model_validate(plain.step_event(record))


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
    told = plain.action_event(episode=episode, action=action, reason=reason, at=at, call_index=call_index, node=node)
    return RoutingActionEvent.model_validate(told)
