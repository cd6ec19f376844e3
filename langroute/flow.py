"""The journey of one step, written once: a generator that does no I/O of its own.

It yields acts (look at the books, ask a person, take a hold, make the call, close the attempt, pause) and is sent their
results; a driver in ``drivers.py`` performs them, sync or async, whole or streaming. Whatever happens to a call is
thrown in here, so there is one place that decides what is booked.
"""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any, Protocol

from langroute.acts import (
    Act,
    Ask,
    Call,
    Close,
    Journey,
    Look,
    Pause,
    Raise,
    Recall,
    Reply,
    StreamClosed,
    Take,
    Tell,
)
from langroute.bookings import failed, hold_request, outcome_of, settled
from langroute.books import Amount, Balance, HoldRequest
from langroute.deliberation import Deliberation, could_wait, pinned_step, record_of, refusal, view_of
from langroute.episodes import Episode, RunPlace
from langroute.errors import BudgetExceeded, ConfigError
from langroute.faults import classify_fault
from langroute.learned import Learned
from langroute.money import format_dollars
from langroute.protocols import Acceptance, Clock
from langroute.questions import Ask as AskPerson
from langroute.questions import Question, answered, asked, asked_again, read_answer
from langroute.quick import changed
from langroute.records import Arm, Measure, Outcome, Record, Rejection, RoutingDecision, Step

__all__ = ["Act", "Call", "Close", "Journey", "Look", "Pause", "Reply", "StreamClosed", "Take", "journey"]

Books = tuple[Balance, ...]
"""The books of every scope that a call takes from, its episode's first."""

_MOST_RACES = 64
_LOOK_AGAIN_S = 0.05


class Router(Protocol):
    """What the flow needs of a router."""

    clock: Clock
    acceptance: tuple[Acceptance, ...]
    attempts_on_fault: int
    patience_s: float
    lease_s: float
    asks: bool
    person: AskPerson | None

    def deliberate(self, step: Step) -> Deliberation:
        """Estimates, ruling and decision for a step, with the measures taken. Pure."""
        ...

    def arm(self, name: str) -> Arm:
        """An arm by name."""
        ...

    def new_id(self) -> str:
        """A fresh unique id."""
        ...

    def pause_before(self, attempt: int) -> float:
        """Seconds to wait before making a failed call again; ``attempt`` counts from 1."""
        ...


class Observe(Protocol):
    """What the flow needs of a door: the step it sees."""

    def __call__(self, episode: str, call_index: int, /, *, compress: bool = False) -> Step:
        """The step, given its episode's id and the index of the call; ``budget`` is still to be filled in.

        Args:
            episode: id of the episode.
            call_index: index of the step.
            compress: first make the prompt shorter that will be sent, if the door has the means.
        """
        ...


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
        episode, books = yield from _ask_again(router, place, episode, books, learned)
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
        if router.asks and _is_dear(thought) and not _is_allowed(thought.decision, learned):
            yield from _consider(router, record, episode, learned)
        else:
            accepted, value = yield from _try(router, record, episode, books, learned, gate=gate)
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


# -- asking a person, before anything is held -------------------------------------------------------------------------


def _is_dear(thought: Deliberation) -> bool:
    asked_from = thought.ruling.ask_nano
    return asked_from is not None and _probable_nano(thought.decision) >= asked_from


def _is_allowed(decision: RoutingDecision, learned: Learned) -> bool:
    """Whether a person said yes to this: to the whole episode, to this arm, or to a call that may cost as much."""
    asked_of = learned.allowed
    return learned.consent or (
        asked_of is not None and (decision.arm == asked_of.arm or decision.worst_nano <= asked_of.worst_nano)
    )


def _probable_nano(decision: RoutingDecision) -> int:
    """What a call will probably cost; a lowered output limit bounds what was expected of a usual one."""
    return min(decision.cost_nano, decision.worst_nano)


def _question(record: Record, place: str) -> Question:
    step, decision = record.step, record.decision
    return Question(
        id=record.id,
        place=place,
        episode=step.episode,
        call_index=step.call_index,
        node=step.node,
        kind=step.kind,
        arm=str(decision.arm),
        cost_nano=_probable_nano(decision),
        worst_nano=decision.worst_nano,
        above_nano=record.ruling.ask_nano or 0,
        spent_nano=step.budget.spent_nano,
        limit_nano=step.budget.limit_nano,
    )


def _ask_again(
    router: Router, place: RunPlace, episode: Episode, books: Books, learned: Learned
) -> Generator[Act, Any, tuple[Episode, Books]]:
    """Ask what was asked in this place before, since an answer may be waiting; the books afterwards."""
    learned.place, open_question, learned.consent = yield Recall(place=place, episode=episode)
    if open_question is None or (learned.consent and router.person is not None):
        return episode, books
    yield from _ask(router, open_question, episode, learned)
    looked: tuple[Episode, Books] = yield Look(place=place)
    return looked


def _consider(router: Router, record: Record, episode: Episode, learned: Learned) -> Generator[Act, Any, None]:
    """Ask about a dear call; leave out the dear arms after a no, and after a yes those that may cost still more.

    Nobody is asked twice in a step: a resumed node would hand the answers to the wrong questions.
    """
    if learned.allowed is None and not learned.said_no:
        yield from _ask(router, _question(record, learned.place), episode, learned)
    if _is_allowed(record.decision, learned):
        return
    learned.refused += _left_out(record, learned.allowed)
    out = {rejection.arm for rejection in learned.refused}
    if learned.faulted and not any(permit.allowed and permit.arm not in out for permit in record.ruling.permits):
        learned.faulted.clear()  # what failed for a moment is all that is left
        yield Pause(seconds=router.pause_before(learned.faults))


def _ask(router: Router, question: Question, episode: Episode, learned: Learned) -> Generator[Act, Any, None]:
    """Ask, and do what was answered. Where the graph is interrupted, the question is kept for the resume.

    A graph keeps what it was resumed with, so an answer that cannot be followed must not raise there: it would raise at
    every resume from then on. The question is asked again instead, after that answer.
    """
    yield Tell(action=asked(question, at=router.clock.now()))
    again = False
    while True:
        given = yield Ask(question=question, person=router.person, again=again)
        try:
            answer = read_answer(given)
            yield Tell(action=answered(question, answer, at=router.clock.now()))
            if answer.dollars is not None:
                yield Raise(episode=episode, dollars=answer.dollars)
            break
        except ConfigError:
            if router.person is not None:
                raise
        again = True
        yield Tell(action=asked_again(question, at=router.clock.now()))
    learned.said_no = answer.verdict == "no"
    learned.consent = not learned.said_no and (learned.consent or answer.verdict == "episode")
    learned.allowed = None if learned.said_no else question


def _left_out(record: Record, allowed: Question | None) -> list[Rejection]:
    """The arms that a person did not say yes to: after a no all dear ones, after a yes those that may cost still more.

    The chosen arm is always among them, whatever the policy tells of alternatives, so that asking comes to an end.
    """
    least, chosen = record.ruling.ask_nano or 0, record.decision.arm
    reason = "a person said no to calls this dear"
    if allowed is not None:
        reason = f"a person said yes to {allowed.arm} and at most {format_dollars(allowed.worst_nano)}"
    dear = [
        seen.arm
        for seen in record.decision.alternatives
        if seen.cost_nano >= least
        and (allowed is None or (seen.arm != allowed.arm and seen.worst_nano > allowed.worst_nano))
    ]
    return [Rejection(arm=arm, reason=reason, why="person") for arm in dict.fromkeys((*dear, str(chosen)))]


# -- the attempt under its hold ---------------------------------------------------------------------------------------


def _try(
    router: Router, record: Record, episode: Episode, books: Books, learned: Learned, *, gate: bool
) -> Generator[Act, Any, tuple[bool, Any]]:
    """Take the hold and make the call: whether its answer stands, and the answer.

    Where a sibling took the money between the look and the hold, one decides anew.
    """
    request = hold_request(record, episode, books, lease_s=router.lease_s)
    gates = [rule for rule in router.acceptance if rule.gates(record.step)] if gate else ()
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
    arm = router.arm(str(record.decision.arm))
    call = Call(arm=arm, output_limit=record.decision.output_limit, gated=bool(gates), record=record)
    began = router.clock.elapsed()
    try:
        reply: Reply = yield call
    except BaseException as error:
        yield from _fail(router, request, call, learned, error, began)
        return False, None
    outcome = outcome_of(arm, reply, request, _ms(router, began), swapped=call.swapped)
    if not gates:
        yield settled(record, request, outcome)
        return True, reply.value
    return (yield from _judge(router, record, request, learned, outcome, reply.value, gates))


def _fail(
    router: Router, request: HoldRequest, call: Call, learned: Learned, error: BaseException, began: float
) -> Generator[Act, Any, None]:
    """Book a call that failed; raises its error unless the step is to be tried again."""
    fault, arm, record = classify_fault(error), call.arm, call.record
    others = _another_arm(record, arm)
    may = not call.started and learned.faults + 1 < router.attempts_on_fault
    again = may and (fault.transient or (fault.elsewhere and others))
    close = failed(record, request, call, fault, _ms(router, began))
    yield replace(close, then=("failover" if others else "retry") if again else "")
    if not again:
        raise error
    learned.attempt += 1
    learned.faults += 1
    learned.error = error
    # What is wrong for a moment is forgiven once every arm had its turn; a wrong key or name is not.
    barred = learned.faulted if fault.transient else learned.refused
    barred.append(Rejection(arm=arm.name, reason=fault.name, why="fault"))
    if not others:
        learned.faulted.clear()
        yield Pause(seconds=max(router.pause_before(learned.faults), fault.retry_after_s))


def _judge(
    router: Router,
    record: Record,
    request: HoldRequest,
    learned: Learned,
    outcome: Outcome,
    value: Any,
    gates: Sequence[Acceptance],
) -> Generator[Act, Any, tuple[bool, Any]]:
    """Book an answer that rules judge: whether it stands, and the answer."""
    try:
        defects = tuple([defect for rule in gates for defect in rule.defects(record.step, outcome)])
    except BaseException as error:
        # A rule that fails loses the answer, but must not leave its hold open.
        yield settled(record, request, changed(outcome, accepted=False, error=type(error).__name__))
        raise
    if not defects:
        yield settled(record, request, outcome)
        return True, value
    others = _another_arm(record, router.arm(outcome.arm))
    if others or learned.faulted:
        learned.rejected.append(Rejection(arm=outcome.arm, reason=", ".join(defects)))
        learned.answer = value
        outcome = changed(outcome, accepted=False)
    yield settled(record, request, outcome, then="" if outcome.accepted else "escalate")
    if not outcome.accepted and not others:
        learned.faulted.clear()  # what failed for a moment is the only one left
        yield Pause(seconds=router.pause_before(learned.faults))
    learned.attempt += not outcome.accepted
    return outcome.accepted, value


def _another_arm(record: Record, arm: Arm) -> bool:
    return any(permit.allowed and permit.arm != arm.name for permit in record.ruling.permits)


def _ms(router: Router, began: float) -> float:
    return round((router.clock.elapsed() - began) * 1000, 3)
