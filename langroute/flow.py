"""The journey of one step, written once: a generator that does no I/O of its own.

It yields acts (look at the books, ask a person, take a hold, make the call, close the attempt, pause) and is sent their
results; a driver in ``drivers.py`` performs them, sync or async, whole or streaming. Whatever happens to a call is
thrown in here, so there is one place that decides what is booked.
"""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

from langroute.acts import (
    Act,
    Call,
    Close,
    Draw,
    Journey,
    Look,
    Pause,
    Reply,
    StreamClosed,
    Take,
)
from langroute.bookings import Attempt, ended, failed, hold_request
from langroute.books import Amount, HoldRequest
from langroute.consent import ask_again, consider, is_allowed, is_dear
from langroute.deliberation import Deliberation, could_wait, pinned_step, record_of, refusal, view_of
from langroute.episodes import Episode, RunPlace
from langroute.errors import BudgetExceeded
from langroute.faults import classify_fault
from langroute.learned import Learned
from langroute.parties import Books, Observe, Router, ms_since
from langroute.protocols import Acceptance
from langroute.quick import changed
from langroute.records import Arm, Measure, Record, Rejection, Step
from langroute.sampling import chosen, draw_of, drawn, failed_draw
from langroute.verification import checked, gating, judged, told_quality, wishes

__all__ = ["Act", "Call", "Close", "Journey", "Look", "Pause", "Reply", "StreamClosed", "Take", "journey"]

_MOST_RACES = 64
_LOOK_AGAIN_S = 0.05


def journey(router: Router, place: RunPlace, observe: Observe, *, gate: bool = True) -> Journey:
    """One step from its observation to an accepted answer, which it returns.

    Args:
        router: decides, and tells the time.
        place: where the call stands, to find its episode.
        observe: the step as the door sees it.
        gate: judge answers before passing them on; False for streams that must start at once.

    Raises:
        BudgetExceeded: no arm's worst case fits into what is left; nothing was spent on the refused call.
        NoArmAvailable: no arm can make the call for other reasons.
        StepNotWorthwhile: no arm's expected success justifies its price.
    """
    learned = Learned()
    episode, books = yield Look(place=place)
    place = changed(place, explicit=episode.id)  # a lone call would open another episode at every look
    seen = pinned_step(observe(episode.id, episode.next_index()), episode.arm)
    if router.asks:
        episode, books = yield from ask_again(router, place, episode, books, learned)
    while True:
        now = router.clock.now()
        view = view_of(books, seen, max_seconds=episode.budget.max_seconds, now=now)
        step = changed(learned.onto(seen) if learned.anything else seen, budget=view)
        thought = router.deliberate(step)
        patience = round(router.patience_s - learned.waited_s, 6)
        if patience > 0 and could_wait(thought):
            learned.waited_s += min(_LOOK_AGAIN_S, patience)
            yield Pause(seconds=min(_LOOK_AGAIN_S, patience))
            episode, books = yield Look(place=place)
            continue
        if thought.ruling.compress and not learned.tried_to_compress:
            seen = _shorter(observe, episode, seen, thought, learned)
            if learned.compressed is not None:
                continue
        shortened = () if learned.compressed is None else (learned.compressed,)
        record = record_of(thought, record_id=router.new_id(), at=now, measures=shortened)
        if thought.decision.arm is None:
            yield Close(hold_id=None, amount=Amount(), worst_case=False, record=replace(record, action="stop"))
            if learned.rejected:
                # Nobody can make the call better any more: the malformed answer is paid for, and the agent may mend it.
                return learned.answer
            raise refusal(thought, books) from learned.error
        if router.asks and is_dear(thought) and not is_allowed(thought.decision, learned):
            yield from consider(router, record, episode, learned)
        else:
            accepted, value = yield from _try(router, place, record, episode, books, learned, gate=gate)
            if accepted:
                return value
        episode, books = yield Look(place=place)


def _shorter(observe: Observe, episode: Episode, seen: Step, thought: Deliberation, learned: Learned) -> Step:
    """The step after its prompt was made shorter; the same one where the door could not."""
    learned.tried_to_compress = True
    shorter = observe(episode.id, seen.call_index, compress=True)
    if shorter.input_tokens >= seen.input_tokens:
        return seen
    saved = f"about {seen.input_tokens} input tokens became {shorter.input_tokens}"
    learned.compressed = Measure(action="compress", reason=f"{saved}, because {thought.ruling.compress}")
    return shorter


# -- the attempt under its hold ---------------------------------------------------------------------------------------


def _try(
    router: Router, place: RunPlace, record: Record, episode: Episode, books: Books, learned: Learned, *, gate: bool
) -> Generator[Act, Any, tuple[bool, Any]]:
    """Take the hold and make the call: whether its answer stands, and the answer.

    Where a sibling took the money between the look and the hold, one decides anew.
    """
    arm = router.arm(str(record.decision.arm))
    request = hold_request(record, episode, books, lease_s=router.lease_s, samples=arm.samples)
    gates = gating(router.acceptance, record) if gate else ()
    try:
        yield Take(request=request)
    except BaseException as error:
        raced = isinstance(error, BudgetExceeded)
        hold_id = None if raced else request.id
        yield Close(hold_id=hold_id, amount=Amount(), worst_case=False, record=changed(record, action="refused"))
        learned.races += raced
        if not raced or learned.races > _MOST_RACES:
            raise
        return False, None
    episode.opened()
    call = Call(arm=arm, output_limit=record.decision.output_limit, gated=bool(gates), record=record)
    attempt = yield from _made(router, request, call, learned)
    if attempt is None:
        return learned.stands, learned.answer if learned.stands else None
    if not gates:
        yield attempt.close()
        return True, attempt.value
    return (yield from _judge(router, place, episode, attempt, learned, gates))


def _made(router: Router, request: HoldRequest, call: Call, learned: Learned) -> Generator[Act, Any, Attempt | None]:
    """Make the call, as often as its arm does; None where it failed, which is booked then."""
    began, draw = router.clock.elapsed(), None
    try:
        if call.arm.samples == 1:
            reply: Reply = yield call
        else:
            draw = draw_of(call, router.clock)
            yield draw
            reply = yield from chosen(router.selector, call.record, draw)
    except BaseException as error:
        yield from _fail(router, request, call, learned, error, began, draw)
        return None
    took = ms_since(router, began)
    if draw is not None:
        return drawn(call.record, request, draw, reply, took)
    return ended(call.arm, reply, request, took, record=call.record, swapped=call.swapped)


def _fail(
    router: Router,
    request: HoldRequest,
    call: Call,
    learned: Learned,
    error: BaseException,
    began: float,
    draw: Draw | None,
) -> Generator[Act, Any, None]:
    """Book a call that failed; raises its error unless the step is to be tried again, or the answer before stands."""
    fault, arm, record = classify_fault(error), call.arm, call.record
    barred_too = _same_model(router, record, arm)
    others = _another_arm(record, barred_too)
    may = not call.started and learned.faults + 1 < router.attempts_on_fault
    again = may and (fault.transient or (fault.elsewhere and others))
    took = ms_since(router, began)
    close = (
        failed(record, request, call, fault, took) if draw is None else failed_draw(record, request, draw, fault, took)
    )
    if not again and learned.falls_back(error, started=call.started):
        yield replace(close, record=_falling_back(close.record, learned))
        return
    yield replace(close, then=("failover" if others else "retry") if again else "")
    if not again:
        raise error
    learned.attempt += 1
    learned.faults += 1
    learned.error = error
    # What is wrong for a moment is forgiven once every arm had its turn; a wrong key or name is not.
    barred = learned.faulted if fault.transient else learned.refused
    barred += [Rejection(arm=name, reason=fault.name, why="fault") for name in barred_too]
    if not others:
        learned.faulted.clear()
        yield Pause(seconds=max(router.pause_before(learned.faults), fault.retry_after_s))


def _falling_back(record: Record, learned: Learned) -> Record:
    reason = f"The doubted answer of {learned.answered_by} is passed on: it is paid for, and this call failed."
    return changed(record, measures=(*record.measures, Measure(action="failover", reason=reason)))


def _judge(
    router: Router,
    place: RunPlace,
    episode: Episode,
    attempt: Attempt,
    learned: Learned,
    gates: Sequence[Acceptance],
) -> Generator[Act, Any, tuple[bool, Any]]:
    """Book an answer that rules judge: whether it stands, and the answer."""
    try:
        defects = judged(gates, attempt.record, attempt.outcome)
        quality = told_quality(gates, attempt.record, attempt.outcome)
        wanted = [] if defects else wishes(gates, attempt.record, attempt.outcome)
        if wanted:
            yield attempt.settle()  # what is known of its cost is free for the check
            attempt, defects, better = yield from checked(router, place, episode, attempt, wanted)
            if better is not None:
                yield attempt.close(changed(attempt.outcome, accepted=False, defects=defects))
                return True, better[0]
    except BaseException as error:
        # A rule that fails loses the answer, but must not leave its hold open.
        yield attempt.close(changed(attempt.outcome, accepted=False, error=type(error).__name__))
        raise
    if defects:
        return (yield from _reject(router, attempt, learned, defects, quality))
    if learned.keeps(well_formed=True, quality=quality):
        return (yield from _earlier(attempt, learned, quality))
    yield attempt.close()
    return True, attempt.value


def _earlier(attempt: Attempt, learned: Learned, quality: float | None) -> Generator[Act, Any, tuple[bool, Any]]:
    """Pass on the answer that was paid for before, which is better than this one."""
    reason = f"The answer of {learned.answered_by} is passed on: this one is malformed."
    if quality is not None and learned.quality is not None:
        told = f"it is expected to be right with {learned.quality:.2f}, this one with {quality:.2f}"
        reason = f"The answer of {learned.answered_by} is passed on: {told}."
    record = attempt.record
    record = changed(record, measures=(*record.measures, Measure(action="escalate", reason=reason)))
    yield replace(attempt, record=record).close(changed(attempt.outcome, accepted=False))
    return True, learned.answer


def _reject(
    router: Router, attempt: Attempt, learned: Learned, defects: tuple[str, ...], quality: float | None
) -> Generator[Act, Any, tuple[bool, Any]]:
    """Send an answer with defects to another arm; where there is none, the best answer so far stands."""
    record, outcome, well_formed = attempt.record, attempt.outcome, not attempt.outcome.defects
    arm = router.arm(outcome.arm)
    barred = [name for name in _same_model(router, record, arm) if router.arm(name).samples <= arm.samples]
    others = _another_arm(record, barred)
    all_told = tuple(dict.fromkeys((*outcome.defects, *defects)))
    if not (others or learned.faulted):
        outcome = changed(outcome, defects=all_told)
        if learned.keeps(well_formed=well_formed, quality=quality):
            return (yield from _earlier(replace(attempt, outcome=outcome), learned, quality if well_formed else None))
        yield attempt.close(outcome)
        return True, attempt.value
    learned.reject(barred, reason=", ".join(defects), value=attempt.value, well_formed=well_formed, quality=quality)
    yield attempt.close(changed(outcome, accepted=False, defects=all_told), then="escalate")
    if not others:
        learned.faulted.clear()  # what failed for a moment is the only one left
        yield Pause(seconds=router.pause_before(learned.faults))
    learned.attempt += 1
    return False, attempt.value


def _same_model(router: Router, record: Record, arm: Arm) -> list[str]:
    """The arms with the model of this one, itself first: they differ in how often they call it."""
    base = arm.base or arm.name
    permitted = [permit.arm for permit in record.ruling.permits]
    return [arm.name, *[name for name in permitted if name != arm.name and base in (name, router.arm(name).base)]]


def _another_arm(record: Record, barred: Sequence[str]) -> bool:
    return any(permit.allowed and permit.arm not in barred for permit in record.ruling.permits)
