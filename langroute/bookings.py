"""What is booked: the hold before a call, and what replaces it once the call is over."""

from collections.abc import Sequence
from typing import Literal

from langroute.acts import Call, Close, Reply
from langroute.books import Amount, Balance, HoldRequest
from langroute.episodes import Episode
from langroute.faults import Fault
from langroute.quick import changed
from langroute.records import Arm, Outcome, Record, Usage


def hold_request(record: Record, episode: Episode, books: Sequence[Balance], *, lease_s: float) -> HoldRequest:
    """The worst case of the call that a record decides on, from every scope whose books were looked at."""
    step, decision = record.step, record.decision
    for permit in record.ruling.permits:
        if permit.arm == decision.arm:
            break
    return HoldRequest(
        id=record.id,
        scopes=tuple([balance.scope for balance in books]),
        amount=Amount(
            nano_usd=decision.worst_nano,
            input_tokens=permit.input_bound,
            output_tokens=decision.output_limit,
            retries=int(step.is_retry),
        ),
        purpose=step.purpose,
        arm=str(decision.arm),
        at=record.at,
        expires=record.at + lease_s,
        opens=episode.opens,
    )


def outcome_of(
    arm: Arm, reply: Reply, request: HoldRequest, latency_ms: float, *, swapped: tuple[str, ...] = ()
) -> Outcome:
    """What came back from a call that ended; where its usage is not known, it cost what was held."""
    usage = _credible(reply.usage)
    cost = request.amount.nano_usd if usage is None else usage.cost_nano(arm.price, tier=reply.service_tier)
    return Outcome(
        arm=arm.name,
        usage=usage,
        cost_nano=cost,
        worst_case=usage is None,
        latency_ms=latency_ms,
        confidence=reply.confidence,
        uncertainty=reply.uncertainty,
        options=reply.options,
        defects=reply.defects,
        served_by=reply.served_by,
        service_tier=reply.service_tier,
        swapped=swapped,
    )


def _credible(usage: Usage | None) -> Usage | None:
    """The usage a provider reported, unless it is nonsense that no books can take."""
    if usage is None:
        return None
    counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
    return usage if min(counts) >= 0 else None


def settled(record: Record, request: HoldRequest, outcome: Outcome, *, then: Literal["", "escalate"] = "") -> Close:
    """Book what a call used; the whole hold where that is not known."""
    usage = outcome.usage
    if usage is None:
        booked = request.amount if outcome.worst_case else Amount(retries=request.amount.retries)
    else:
        booked = Amount(
            nano_usd=outcome.cost_nano,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            retries=request.amount.retries,
        )
    return Close(
        hold_id=request.id,
        amount=booked,
        worst_case=outcome.worst_case,
        record=changed(record, outcome=outcome),
        then=then,
    )


def failed(record: Record, request: HoldRequest, call: Call, fault: Fault, latency_ms: float) -> Close:
    """Book a call that ended in an error: what it reported, the whole hold if it may have been billed, or nothing."""
    usage = _credible(call.usage)
    worst = usage is None and fault.billed
    cost = usage.cost_nano(call.arm.price, tier="") if usage else request.amount.nano_usd if worst else 0
    outcome = Outcome(
        arm=call.arm.name,
        usage=usage,
        cost_nano=cost,
        worst_case=worst,
        latency_ms=latency_ms,
        accepted=False,
        error=fault.name,
        swapped=call.swapped,
    )
    return settled(record, request, outcome)
