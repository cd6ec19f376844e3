"""Several calls for one answer: which of them is passed on, and what all of them cost.

Each sample is a request and a run of its own, and the hold covers the worst case of all of them. Whatever becomes of
them, each is booked for itself: what it reported, its share of the hold where it may have been billed and nobody knows,
nothing where it was never begun or refused before any work.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langroute.acts import Act, Call, Close, Compare, Draw, Prefer, Reply, Sample
from langroute.bookings import Attempt, credible, outcome_of
from langroute.books import Amount, HoldRequest
from langroute.candidates import Candidate
from langroute.errors import ConfigError
from langroute.faults import Fault, classify_fault
from langroute.protocols import AnswerReader, Clock, Selector
from langroute.quick import changed
from langroute.records import Outcome, Record, Usage


def draw_of(call: Call, clock: Clock) -> Draw:
    """The calls of an arm with several samples; nothing of them is streamed, since one of them will be chosen."""
    calls = [replace(call, gated=True, extra=number > 0) for number in range(call.arm.samples)]
    return Draw(samples=tuple([Sample(call=each) for each in calls]), elapsed=clock.elapsed)


def chosen(selector: Selector, record: Record, draw: Draw) -> Generator[Act, Any, Reply]:
    """The reply that is passed on, of those that came.

    Raises:
        Exception: the first error of a sample, where none brought an answer.
        ConfigError: the selector chose what is not there.
    """
    came = [sample for sample in draw.samples if sample.reply is not None]
    replies = [sample.reply for sample in came if sample.reply is not None]
    if not replies:
        raise next(sample.error for sample in draw.samples if sample.error is not None)
    answers: Sequence[str] = yield Compare(values=tuple([reply.value for reply in replies]))
    candidates = [_candidate(sample, reply, text) for sample, reply, text in zip(came, replies, answers, strict=True)]
    place = selector.select(record.step, candidates)
    if not (isinstance(place, int) and 0 <= place < len(replies)):
        message = f"{selector.name} chose {place!r} of {len(replies)} answers; return the place of one, from 0"
        raise ConfigError(message, field="selector")
    reply = changed(replies[place], agreement=_agreement(selector, answers, place))
    yield Prefer(reply=reply, record=record)
    return reply


def _candidate(sample: Sample, reply: Reply, answer: str) -> Candidate:
    return Candidate(
        answer=answer,
        confidence=reply.confidence,
        uncertainty=reply.uncertainty,
        options=reply.options,
        defects=reply.defects,
        usage=credible(reply.usage),
        latency_ms=sample.latency_ms,
    )


def _agreement(selector: Selector, answers: Sequence[str], place: int) -> float:
    """Share of the answers that say what the chosen one says; an answer that cannot be read agrees with none."""
    read = [selector.read(answer) for answer in answers] if isinstance(selector, AnswerReader) else list(answers)
    alike = read.count(read[place]) if read[place] else 1
    return round(alike / len(read), 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bill:
    """What the samples of one draw cost together."""

    usage: Usage | None
    amount: Amount
    worst_case: bool
    failed: int


def drawn(record: Record, request: HoldRequest, draw: Draw, reply: Reply, latency_ms: float) -> Attempt:
    """An attempt of several calls, of which this reply was chosen."""
    call = draw.samples[0].call
    outcome = outcome_of(call.arm, reply, request, latency_ms, swapped=call.swapped)
    return replace(_billed(record, request, draw, changed(outcome, agreement=reply.agreement)), value=reply.value)


def failed_draw(record: Record, request: HoldRequest, draw: Draw, fault: Fault, latency_ms: float) -> Close:
    """Book several calls of which no answer is passed on: none came, or they were cut off."""
    call = draw.samples[0].call
    outcome = Outcome(arm=call.arm.name, latency_ms=latency_ms, accepted=False, error=fault.name, swapped=call.swapped)
    return _billed(record, request, draw, outcome).close()


def _billed(record: Record, request: HoldRequest, draw: Draw, outcome: Outcome) -> Attempt:
    """The attempt with what all its calls cost together, in place of what one of them did."""
    bill = _bill(request, draw)
    outcome = changed(
        outcome,
        usage=bill.usage,
        cost_nano=bill.amount.nano_usd,
        worst_case=bill.worst_case,
        samples=len(draw.samples),
        failed_samples=bill.failed,
    )
    return Attempt(record=record, request=request, outcome=outcome, amount=bill.amount)


def _bill(request: HoldRequest, draw: Draw) -> _Bill:
    known: list[Usage] = []
    total, unknown = Amount(retries=request.amount.retries), 0
    for sample in draw.samples:
        usage, tier = _reported(sample)
        if usage is not None:
            known.append(usage)
            cost = usage.cost_nano(sample.call.arm.price, tier=tier)
            total += Amount(nano_usd=cost, input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
        elif _may_be_billed(sample):
            unknown += 1
            total += _share(request, len(draw.samples))
    return _Bill(
        usage=_sum(known) if known else None,
        amount=total,
        worst_case=unknown > 0,
        failed=sum([sample.reply is None for sample in draw.samples]),
    )


def _reported(sample: Sample) -> tuple[Usage | None, str]:
    """What a sample reported, and the tier it was served in; the dearest tier where that is not known."""
    if sample.reply is not None:
        return credible(sample.reply.usage), sample.reply.service_tier
    return credible(sample.call.usage), ""


def _may_be_billed(sample: Sample) -> bool:
    if sample.reply is not None:
        return True
    return sample.begun if sample.error is None else classify_fault(sample.error).billed


def _share(request: HoldRequest, samples: int) -> Amount:
    """What was held for one of the samples; the hold is that many times as large."""
    held = request.amount
    return Amount(
        nano_usd=held.nano_usd // samples,
        input_tokens=held.input_tokens // samples,
        output_tokens=held.output_tokens // samples,
    )


def _sum(usages: Sequence[Usage]) -> Usage:
    return Usage(
        input_tokens=sum([usage.input_tokens for usage in usages]),
        output_tokens=sum([usage.output_tokens for usage in usages]),
        cache_read_tokens=sum([usage.cache_read_tokens for usage in usages]),
        cache_write_tokens=sum([usage.cache_write_tokens for usage in usages]),
        reasoning_tokens=sum([usage.reasoning_tokens for usage in usages]),
    )
