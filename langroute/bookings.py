"""What is booked: the hold before a call, and what replaces it once the call is over."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langroute.acts import Call, Close, Reply, Settle
from langroute.books import Amount, Balance, HoldRequest
from langroute.episodes import Episode
from langroute.faults import Fault
from langroute.quick import changed
from langroute.records import Arm, Outcome, Record, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An attempt whose call is over.

    Attributes:
        record: what was known and decided.
        request: its hold.
        outcome: what came back.
        amount: what is booked for it.
        value: the answer in the framework's own form; opaque here.
    """

    record: Record
    request: HoldRequest
    outcome: Outcome
    amount: Amount
    value: Any = None

    def settle(self) -> Settle:
        """Book it now, because more is to be paid for before its record is complete."""
        return Settle(
            hold_id=self.request.id, amount=self.amount, worst_case=self.outcome.worst_case, record=self.record
        )

    def close(self, outcome: Outcome | None = None, *, then: Literal["", "escalate"] = "") -> Close:
        """Book it, and store its record with this outcome; its own when left out."""
        outcome = self.outcome if outcome is None else outcome
        return Close(
            hold_id=self.request.id,
            amount=self.amount,
            worst_case=outcome.worst_case,
            record=changed(self.record, outcome=outcome),
            then=then,
        )


def hold_request(
    record: Record, episode: Episode, books: Sequence[Balance], *, lease_s: float, samples: int = 1
) -> HoldRequest:
    """The worst case of the call that a record decides on, from every scope whose books were looked at.

    ``samples`` is how often the chosen arm calls its model: the output limit is that of each call.
    """
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
            output_tokens=samples * decision.output_limit,
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
    usage = credible(reply.usage)
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


def credible(usage: Usage | None) -> Usage | None:
    """The usage a provider reported, unless it is nonsense that no books can take."""
    if usage is None:
        return None
    counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
    return usage if min(counts) >= 0 else None


def amount_of(outcome: Outcome, request: HoldRequest) -> Amount:
    """What one call used; the whole hold where that is not known."""
    usage = outcome.usage
    if usage is None:
        return request.amount if outcome.worst_case else Amount(retries=request.amount.retries)
    return Amount(
        nano_usd=outcome.cost_nano,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        retries=request.amount.retries,
    )


def ended(
    arm: Arm, reply: Reply, request: HoldRequest, latency_ms: float, *, record: Record, swapped: tuple[str, ...] = ()
) -> Attempt:
    """An attempt of one call that brought an answer."""
    outcome = outcome_of(arm, reply, request, latency_ms, swapped=swapped)
    return Attempt(
        record=record, request=request, outcome=outcome, amount=amount_of(outcome, request), value=reply.value
    )


def failed(record: Record, request: HoldRequest, call: Call, fault: Fault, latency_ms: float) -> Close:
    """Book a call that ended in an error: what it reported, the whole hold if it may have been billed, or nothing."""
    usage = credible(call.usage)
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
    return Attempt(record=record, request=request, outcome=outcome, amount=amount_of(outcome, request)).close()
