"""Calls that are bought about an answer: a verifier's verdict, or a strong arm's own answer to compare it with.

Bought only where a rule says what a check is worth, its expected price is no more than that, and the budget carries its
worst case: a check has a hold of its own, for the purpose ``verification``, and a record of its own. Where there is no
money for it, or it fails, the answer stands, and its record says so.
"""

import logging
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langroute.acts import Act, Call, Close, Compare, Look, Reply, Take, Weigh
from langroute.bookings import Attempt, ended, failed, hold_request
from langroute.books import Amount, HoldRequest
from langroute.candidates import VerifierCall
from langroute.consent import is_dear, probable_nano
from langroute.deliberation import Deliberation, record_of, view_of
from langroute.episodes import Episode, RunPlace
from langroute.errors import BudgetExceeded
from langroute.faults import classify_fault
from langroute.money import format_dollars
from langroute.parties import Router, ms_since
from langroute.protocols import Acceptance, AnswerReader
from langroute.quick import changed
from langroute.records import Arm, Features, Measure, Outcome, Pressure, Record, Step, Verdict

_log = logging.getLogger("langroute.verification")

Wish = tuple[Any, VerifierCall]
"""A rule, and the call it wants."""

_VERDICTS: tuple[Verdict, ...] = ("ok", "wrong")


def gating(rules: Sequence[Acceptance], record: Record) -> list[Acceptance]:
    """The rules that judge the answer of this attempt; one that looks at the chosen arm too is asked so."""
    return [
        rule
        for rule in rules
        if (rule.gates(record.step) if (gates := getattr(rule, "gates_call", None)) is None else gates(record))
    ]


def judged(rules: Sequence[Acceptance], record: Record, outcome: Outcome) -> tuple[str, ...]:
    """What makes an answer unacceptable, by all rules; each is asked with as much as it can take."""
    defects: list[str] = []
    for rule in rules:
        judge = getattr(rule, "judge", None)
        defects += rule.defects(record.step, outcome) if judge is None else judge(record, outcome)
    return tuple(defects)


def told_quality(rules: Sequence[Acceptance], record: Record, outcome: Outcome) -> float | None:
    """Probability that an answer is right, by the first rule that tells it; None where none does."""
    told = [rule.quality_of(record, outcome) for rule in rules if hasattr(rule, "quality_of")]
    return next((quality for quality in told if quality is not None), None)


def wishes(rules: Sequence[Acceptance], record: Record, outcome: Outcome) -> list[Wish]:
    """The checks that rules want of an answer that none of them refused, in the order of the rules."""
    asked = [(rule, worth(record, outcome)) for rule in rules if (worth := getattr(rule, "worth", None)) is not None]
    return [(rule, wish) for rule, wish in asked if wish is not None]


def checked(
    router: Router, place: RunPlace, episode: Episode, attempt: Attempt, wanted: Sequence[Wish]
) -> Generator[Act, Any, tuple[Attempt, tuple[str, ...], tuple[Any] | None]]:
    """Buy checks until one finds something: the attempt with what was found, its defects, and a better answer.

    The better answer is that of a spot check that came out different; None in all other cases.
    """
    for rule, wish in wanted:
        finding = yield from _bought(router, place, episode, attempt, rule, wish)
        record, outcome = attempt.record, attempt.outcome
        if finding.reason:
            taken = Measure(action="verify" if wish.asks == "verdict" else "spot_check", reason=finding.reason)
            record = changed(record, measures=(*record.measures, taken))
        if finding.verdict:
            outcome = changed(outcome, verdict=finding.verdict)
        attempt = replace(attempt, record=record, outcome=outcome)
        defects = tuple(rule.found(record, outcome, finding.verdict)) if finding.verdict else ()
        if defects:
            return attempt, defects, finding.better if finding.verdict == "different" else None
    return attempt, (), None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """What became of a wish: the verdict, empty where nothing was bought or it failed, and why."""

    verdict: Verdict = ""
    reason: str = ""
    better: tuple[Any] | None = None


def _bought(
    router: Router, place: RunPlace, episode: Episode, attempt: Attempt, rule: Any, wish: VerifierCall
) -> Generator[Act, Any, _Finding]:
    named, answered_by = router.arm(wish.arm), router.arm(attempt.outcome.arm)
    arm = router.arm(named.base or named.name)
    if wish.asks == "answer" and arm.name == (answered_by.base or answered_by.name):
        return _Finding()  # its own answer again would tell nothing new
    episode, books = yield Look(place=place)
    now = router.clock.now()
    step = yield from _step(episode, attempt, arm, wish)
    view = view_of(books, step, max_seconds=episode.budget.max_seconds, now=now)
    thought = router.deliberate(changed(step, budget=view))
    if why_not := _why_not(router, thought, arm, wish):
        return _Finding(reason=f"not checked by {arm.name}: {why_not}")
    record = changed(record_of(thought, record_id=router.new_id(), at=now), checks=attempt.record.id)
    request = hold_request(record, episode, books, lease_s=router.lease_s)
    try:
        yield Take(request=request)
    except BaseException as error:
        hold_id = None if isinstance(error, BudgetExceeded) else request.id
        yield Close(hold_id=hold_id, amount=Amount(), worst_case=False, record=changed(record, action="refused"))
        if not isinstance(error, Exception):
            raise
        return _Finding(reason=f"not checked by {arm.name}: no hold could be taken ({type(error).__name__})")
    check = yield from _made(router, record, request, arm, (attempt.value,) if wish.asks == "verdict" else None)
    if isinstance(check, str):
        return _Finding(reason=f"not checked by {arm.name}: its call failed ({check})")
    return (yield from _read(router, attempt, check, rule, wish))


def _step(episode: Episode, attempt: Attempt, arm: Arm, wish: VerifierCall) -> Generator[Act, Any, Step]:
    """The step of a check, which is a step of its own: it is nobody's retry and closes no loop."""
    step, index = attempt.record.step, episode.next_index()
    unfit = tuple([out for out in step.rejected if out.why == "unfit"])
    if wish.asks == "answer":
        calm = changed(step.pressure, retries=0)
        return changed(
            step, call_index=index, attempt=0, purpose="verification", pinned=arm.name, rejected=unfit, pressure=calm
        )
    expected, bound = yield Weigh(value=attempt.value)
    return changed(
        step,
        call_index=index,
        attempt=0,
        kind="verification",
        kind_reason="an answer is checked before it is passed on",
        purpose="verification",
        pressure=Pressure(),
        input_tokens=expected,
        input_bound=bound,
        arm_bounds=(),
        output_cap=max(wish.output_tokens, arm.min_output_tokens),
        needs_tools=False,
        needs_structure=False,
        pinned=arm.name,
        rejected=(),
        features=Features(),
        needs_media=(),
        loops=False,
        alone=False,
        closing=False,
        caches=(),
    )


def _why_not(router: Router, thought: Deliberation, arm: Arm, wish: VerifierCall) -> str:
    """Why a check is not bought; empty when it is."""
    if thought.decision.arm is None:
        barred = [permit.why_not for permit in thought.ruling.permits if permit.arm == arm.name and permit.why_not]
        return barred[0] if barred else thought.decision.rationale
    if router.asks and is_dear(thought):
        return "it is so dear that a person would have to be asked"
    price = probable_nano(thought.decision)
    if wish.worth_nano is not None and price > wish.worth_nano:
        return f"its price of {format_dollars(price)} is more than the {format_dollars(wish.worth_nano)} it should save"
    return ""


def _made(
    router: Router, record: Record, request: HoldRequest, arm: Arm, verifies: tuple[Any] | None
) -> Generator[Act, Any, Attempt | str]:
    """Make the call of a check and book it; the name of its fault where it failed.

    Raises:
        BaseException: what is no error of the call, such as a cancellation; it is booked then as well.
    """
    limit, began = record.decision.output_limit, router.clock.elapsed()
    call = Call(arm=arm, output_limit=limit, gated=True, record=record, verifies=verifies, extra=True)
    try:
        reply: Reply = yield call
    except BaseException as error:
        fault = classify_fault(error)
        yield failed(record, request, call, fault, ms_since(router, began))
        if not isinstance(error, Exception):
            raise
        _log.warning("a check by %s failed, and the answer stands: %s", arm.name, error)
        return fault.name
    check = ended(arm, reply, request, ms_since(router, began), record=record, swapped=call.swapped)
    yield check.close()
    return check


def _read(
    router: Router, attempt: Attempt, check: Attempt, rule: Any, wish: VerifierCall
) -> Generator[Act, Any, _Finding]:
    """What a check that was made says of the answer."""
    by, because = check.outcome.arm, f", because {wish.reason}" if wish.reason else ""
    if wish.asks == "verdict":
        verdict: Verdict = check.value if check.value in _VERDICTS else "unclear"
        return _Finding(verdict=verdict, reason=f"{by} was asked{because}, and found the answer {verdict}")
    texts: Sequence[str] = yield Compare(values=(attempt.value, check.value))
    reader = next((one for one in (rule, router.selector) if isinstance(one, AnswerReader)), None)
    mine, other = texts if reader is None else (reader.read(texts[0]), reader.read(texts[1]))
    readable = other and not check.outcome.defects
    verdict = "unclear" if not readable else "same" if mine == other else "different"
    return _Finding(verdict=verdict, reason=f"{by} answered too{because}: {verdict}", better=(check.value,))
