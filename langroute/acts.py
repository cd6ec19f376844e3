"""What a journey asks for: the acts that ``flow.py`` yields, and what comes back from a call.

The drivers perform them: the desk those that concern the books and the journal, the door those that concern the model
and the person in front of it.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Literal

from langroute.books import Amount, HoldRequest
from langroute.episodes import Episode, RunPlace
from langroute.questions import Ask as AskPerson
from langroute.questions import Question
from langroute.quick import quick_opaque
from langroute.records import ActionTaken, Arm, Record, Usage


@quick_opaque
@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a call brought back, before it is judged.

    Attributes:
        value: the answer in the framework's own form; opaque here.
        usage: tokens reported; None when the provider reported none.
        confidence: geometric mean of the output tokens' probabilities; None without logprobs.
        uncertainty: mean of ``1 - p`` over the output tokens; None without logprobs.
        options: probabilities of the likeliest first tokens, best first; empty without alternatives.
        defects: what is malformed about the answer.
        served_by: model that the provider says answered.
        service_tier: tier that the provider says it was served in.
        agreement: share of an arm's samples that say the same; None for a single call.
    """

    value: Any = None
    usage: Usage | None = None
    confidence: float | None = None
    uncertainty: float | None = None
    options: tuple[float, ...] = ()
    defects: tuple[str, ...] = ()
    served_by: str = ""
    service_tier: str = ""
    agreement: float | None = None


@dataclass(slots=True, kw_only=True)
class Look:
    """Act: find the episode and read its books; the result is it and the books of its scopes, its own first."""

    place: RunPlace


@dataclass(slots=True, kw_only=True)
class Take:
    """Act: take the hold; the result is the books after it."""

    request: HoldRequest


@dataclass(slots=True, kw_only=True)
class Call:
    """Act: make the call; the result is a ``Reply``. Errors of the call are thrown into the flow.

    Attributes:
        gated: the answer may be rejected, so nothing of it may be streamed before it is accepted.
        record: the record of the attempt so far.
        started: set by the driver once something of the answer has been streamed.
        usage: set by the driver where usage became known although the call failed.
        swapped: set by the door: what it changed or left out of what is sent, so that it fits the arm.
        verifies: the one answer, in the framework's own form, that a verifier is asked about instead of making the
            call; the value of the reply is then its verdict. None for an ordinary call.
        extra: this is not the first call made for one answer, so that it is a run of its own.
    """

    arm: Arm
    output_limit: int
    gated: bool
    record: Record
    started: bool = False
    usage: Usage | None = None
    swapped: tuple[str, ...] = ()
    verifies: tuple[Any] | None = None
    extra: bool = False


@dataclass(slots=True, kw_only=True)
class Sample:
    """One of several calls for one answer, and what became of it.

    Attributes:
        call: the call.
        begun: whether it was begun; neither a reply nor an error then means that it was cut off.
        reply: what it brought.
        error: what it ended with.
        latency_ms: from sending to its end.
    """

    call: Call
    begun: bool = False
    reply: Reply | None = None
    error: BaseException | None = None
    latency_ms: float = 0.0


@dataclass(slots=True, kw_only=True)
class Draw:
    """Act: make a call several times, never streamed. What came stands in the samples, also where the draw is cut off.

    Attributes:
        samples: one per call.
        elapsed: seconds on a clock that never goes back.
    """

    samples: tuple[Sample, ...]
    elapsed: Callable[[], float]


@dataclass(slots=True, kw_only=True)
class Compare:
    """Act: read answers in a form in which equal ones are equal; the result is one text per value."""

    values: tuple[Any, ...]


@dataclass(slots=True, kw_only=True)
class Prefer:
    """Act: tell the door which of several replies is passed on, since later steps look at it."""

    reply: Reply
    record: Record


@dataclass(slots=True, kw_only=True)
class Weigh:
    """Act: how large the prompt is that asks a verifier about an answer; the result is tokens, expected and at most."""

    value: Any


@dataclass(slots=True, kw_only=True)
class Settle:
    """Act: settle the hold of a call before its record is complete; a `Close` with the same figures follows."""

    hold_id: str
    amount: Amount
    worst_case: bool
    record: Record


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
    then: Literal["", "retry", "failover", "escalate"] = ""


class StreamClosed(BaseException):
    """Thrown into the flow when the consumer closes a stream early.

    Not ``GeneratorExit``, which Python would turn into closing the inner generators before they have settled.
    """


@dataclass(slots=True, kw_only=True)
class Pause:
    """Act: wait before the next attempt."""

    seconds: float


@dataclass(slots=True, kw_only=True)
class Recall:
    """Act: look whether a person was asked here before; the result is ``(place, Question | None, consent)``.

    Attributes:
        place: where the call stands.
        episode: its episode.
    """

    place: RunPlace
    episode: Episode


@dataclass(slots=True, kw_only=True)
class Tell:
    """Act: log an action and keep it in the journal."""

    action: ActionTaken


@dataclass(slots=True, kw_only=True)
class Ask:
    """Act: ask a person; the result is the answer as it was given.

    Attributes:
        question: what is asked.
        person: asks without any graph; None where the door interrupts the graph.
        again: the last answer could not be followed.
    """

    question: Question
    person: AskPerson | None = None
    again: bool = False


@dataclass(slots=True, kw_only=True)
class Raise:
    """Act: raise the budget of an episode to this many dollars in all."""

    episode: Episode
    dollars: float


Act = Look | Take | Call | Draw | Compare | Prefer | Weigh | Settle | Close | Pause | Recall | Tell | Ask | Raise
Journey = Generator[Act, Any, Any]
