"""The journey of one step, written once: a generator that does no I/O of its own.

It yields acts (look at the books, take a hold, make the call, close the attempt, pause) and is sent their results; a
driver in ``drivers.py`` performs them, sync or async, whole or streaming. Whatever happens to a call is thrown in here,
so there is one place that decides what is booked.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

from langroute.books import Amount, HoldRequest
from langroute.deliberation import Deliberation, could_wait, refusal, view_of
from langroute.episodes import Episode, RunPlace
from langroute.errors import BudgetExceeded
from langroute.faults import Fault, classify_fault
from langroute.protocols import Acceptance, Clock
from langroute.records import Arm, Outcome, Record, Rejection, Step, Usage

_MOST_RACES = 64
_LOOK_AGAIN_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a call brought back, before it is judged.

    Attributes:
        value: the answer in the framework's own form; opaque here.
        usage: tokens reported; None when the provider reported none.
        confidence: geometric mean of the output tokens' probabilities; None without logprobs.
        defects: what is malformed about the answer.
        served_by: model that the provider says answered.
    """

    value: Any = None
    usage: Usage | None = None
    confidence: float | None = None
    defects: tuple[str, ...] = ()
    served_by: str = ""


@dataclass(slots=True, kw_only=True)
class Look:
    """Act: find the episode and read its books; the result is ``(Episode, Balance)``."""

    place: RunPlace


@dataclass(slots=True, kw_only=True)
class Take:
    """Act: take the hold, then announce the decision; the result is the books after it."""

    request: HoldRequest
    record: Record


@dataclass(slots=True, kw_only=True)
class Call:
    """Act: make the call; the result is a ``Reply``. Errors of the call are thrown into the flow.

    Attributes:
        gated: the answer may be rejected, so nothing of it may be streamed before it is accepted.
        record: the record of the attempt so far.
        started: set by the driver once something of the answer has been streamed.
        usage: set by the driver where usage became known although the call failed.
    """

    arm: Arm
    output_limit: int
    gated: bool
    record: Record
    started: bool = False
    usage: Usage | None = None


@dataclass(slots=True, kw_only=True)
class Close:
    """Act: settle the hold, then store and announce the record. Always completed, even when cancelled.

    Attributes:
        hold_id: the hold to settle; None when none was taken.
        amount: what to book.
        worst_case: the whole hold is booked because the truth is not known.
        record: the record of the attempt, complete.
        then: what the flow does next, if it goes round again.
    """

    hold_id: str | None
    amount: Amount
    worst_case: bool
    record: Record
    then: Literal["", "retry", "escalate"] = ""


class StreamClosed(BaseException):
    """Thrown into the flow when the consumer closes a stream early.

    Not ``GeneratorExit``, which Python would turn into closing the inner generators before they have settled.
    """


@dataclass(slots=True, kw_only=True)
class Pause:
    """Act: wait before the next attempt."""

    seconds: float


Act = Look | Take | Call | Close | Pause
Journey = Generator[Act, Any, Any]


class Router(Protocol):
    """What the flow needs of a router."""

    clock: Clock
    acceptance: tuple[Acceptance, ...]
    attempts_on_fault: int
    patience_s: float

    def deliberate(self, step: Step) -> Deliberation:
        """Estimates, ruling and decision for a step. Pure."""
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


@dataclass(slots=True, kw_only=True)
class _Learned:
    """What earlier attempts at this step taught."""

    faults: int = 0
    races: int = 0
    waited_s: float = 0.0
    attempt: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    answer: Any = None
    error: BaseException | None = None

    def onto(self, step: Step) -> Step:
        """The step as it looks after these attempts."""
        # A provider's 429 or outage says nothing against the arm: it is a retry in the books, but no pressure.
        retries = step.pressure.retries + len(self.rejected)
        invalid = step.pressure.invalid_tool_calls + len(self.rejected)
        pressure = replace(step.pressure, retries=retries, invalid_tool_calls=invalid)
        return replace(step, attempt=self.attempt, pressure=pressure, rejected=tuple(self.rejected))


def journey(router: Router, place: RunPlace, observe: Callable[[str, int], Step], *, gate: bool = True) -> Journey:
    """One step from its observation to an accepted answer, which it returns.

    Args:
        router: decides, and tells the time.
        place: where the call stands, to find its episode.
        observe: the step as the door sees it, given the episode's id and the index of the call; its ``budget`` is
            filled in here.
        gate: judge answers before passing them on; False for streams that must start at once.

    Raises:
        BudgetExceeded: no arm's worst case fits into what is left; nothing was spent on the refused call.
        NoArmAvailable: no arm can make the call for other reasons.
    """
    learned = _Learned()
    episode, balance = yield Look(place=place)
    seen = observe(episode.id, episode.next_index())
    if episode.arm is not None and seen.pinned is None:
        seen = replace(seen, pinned=episode.arm)
    while True:
        now = router.clock.now()
        step = replace(
            learned.onto(seen), budget=view_of(balance, seen, max_seconds=episode.budget.max_seconds, now=now)
        )
        thought = router.deliberate(step)
        patience = round(router.patience_s - learned.waited_s, 6)
        if patience > 0 and could_wait(thought):
            learned.waited_s += min(_LOOK_AGAIN_S, patience)
            yield Pause(seconds=min(_LOOK_AGAIN_S, patience))
            episode, balance = yield Look(place=place)
            continue
        record = _record(router.new_id(), now, thought)
        if thought.decision.arm is None:
            yield Close(hold_id=None, amount=Amount(), worst_case=False, record=replace(record, action="stop"))
            if learned.rejected:
                # Nobody can make the call better any more: the malformed answer is paid for, and the agent may mend it.
                return learned.answer
            raise refusal(thought) from learned.error
        request = _hold(record, episode)
        gates = tuple(rule for rule in router.acceptance if rule.gates(step)) if gate else ()
        if (yield from _take(request, record, learned)):
            accepted, value = yield from _attempt(router, record, request, learned, gates)
            if accepted:
                return value
            learned.attempt += 1
        episode, balance = yield Look(place=place)


def _take(request: HoldRequest, record: Record, learned: _Learned) -> Generator[Act, Any, bool]:
    """Take the hold; False when a sibling took the money between the look and the hold, so that one decides anew."""
    refused = replace(record, action="refused")
    try:
        yield Take(request=request, record=record)
    except BudgetExceeded:
        learned.races += 1
        yield Close(hold_id=None, amount=Amount(), worst_case=False, record=refused)
        if learned.races > _MOST_RACES:
            raise
        return False
    except BaseException:
        yield Close(hold_id=request.id, amount=Amount(), worst_case=False, record=refused)
        raise
    return True


def _attempt(
    router: Router, record: Record, request: HoldRequest, learned: _Learned, gates: tuple[Acceptance, ...]
) -> Generator[Act, Any, tuple[bool, Any]]:
    """One call under its hold: whether its answer stands, and the answer."""
    step, arm = record.step, router.arm(str(record.decision.arm))
    call = Call(arm=arm, output_limit=record.decision.output_limit, gated=bool(gates), record=record)
    began = router.clock.elapsed()
    try:
        reply: Reply = yield call
    except BaseException as error:
        fault = classify_fault(error)
        again = fault.transient and not call.started and learned.faults + 1 < router.attempts_on_fault
        close = _close_failed(record, request, call, fault, _ms(router, began))
        yield replace(close, then="retry" if again else "")
        if not again:
            raise
        learned.faults += 1
        learned.error = error
        yield Pause(seconds=router.pause_before(learned.faults))
        return False, None
    outcome = _outcome(arm, reply, request, _ms(router, began))
    try:
        defects = tuple(defect for rule in gates for defect in rule.defects(step, outcome))
    except BaseException as error:
        # A rule that fails loses the answer, but must not leave its hold open.
        yield _close(record, request, replace(outcome, accepted=False, error=type(error).__name__))
        raise
    another = _another_arm(record, arm)
    if defects and another:
        learned.rejected.append(Rejection(arm=arm.name, reason=", ".join(defects)))
        learned.answer = reply.value
        outcome = replace(outcome, accepted=False)
    yield replace(_close(record, request, outcome), then="" if outcome.accepted else "escalate")
    return outcome.accepted, reply.value


def _another_arm(record: Record, arm: Arm) -> bool:
    return any(permit.allowed and permit.arm != arm.name for permit in record.ruling.permits)


def _ms(router: Router, began: float) -> float:
    return round((router.clock.elapsed() - began) * 1000, 3)


def _record(record_id: str, at: float, thought: Deliberation) -> Record:
    return Record(
        id=record_id,
        at=at,
        step=thought.step,
        estimates=thought.estimates,
        ruling=thought.ruling,
        decision=thought.decision,
    )


def _hold(record: Record, episode: Episode) -> HoldRequest:
    step, decision = record.step, record.decision
    permit = next(permit for permit in record.ruling.permits if permit.arm == decision.arm)
    return HoldRequest(
        id=record.id,
        scopes=episode.scopes,
        amount=Amount(
            nano_usd=decision.worst_nano,
            input_tokens=permit.input_bound,
            output_tokens=decision.output_limit,
            retries=int(step.is_retry),
        ),
        purpose=step.purpose,
        arm=str(decision.arm),
        at=record.at,
    )


def _outcome(arm: Arm, reply: Reply, request: HoldRequest, latency_ms: float) -> Outcome:
    usage = _credible(reply.usage)
    cost = request.amount.nano_usd if usage is None else usage.cost_nano(arm.price)
    return Outcome(
        arm=arm.name,
        usage=usage,
        cost_nano=cost,
        worst_case=usage is None,
        latency_ms=latency_ms,
        confidence=reply.confidence,
        defects=reply.defects,
        served_by=reply.served_by,
    )


def _credible(usage: Usage | None) -> Usage | None:
    """The usage a provider reported, unless it is nonsense that no books can take."""
    if usage is None:
        return None
    counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
    return usage if min(counts) >= 0 else None


def _close(record: Record, request: HoldRequest, outcome: Outcome) -> Close:
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
        hold_id=request.id, amount=booked, worst_case=outcome.worst_case, record=replace(record, outcome=outcome)
    )


def _close_failed(record: Record, request: HoldRequest, call: Call, fault: Fault, latency_ms: float) -> Close:
    usage = _credible(call.usage)
    worst = usage is None and fault.billed
    cost = usage.cost_nano(call.arm.price) if usage else request.amount.nano_usd if worst else 0
    outcome = Outcome(
        arm=call.arm.name,
        usage=usage,
        cost_nano=cost,
        worst_case=worst,
        latency_ms=latency_ms,
        accepted=False,
        error=fault.name,
    )
    return _close(record, request, outcome)
