"""Asking a person, before anything is held: whether a call is so dear, what is asked, and what the answer allows."""

from collections.abc import Generator
from typing import Any

from langroute.acts import Act, Ask, Look, Pause, Raise, Recall, Tell
from langroute.deliberation import Deliberation
from langroute.episodes import Episode, RunPlace
from langroute.errors import ConfigError
from langroute.learned import Learned
from langroute.money import format_dollars
from langroute.parties import Books, Router
from langroute.questions import Question, answered, asked, asked_again, read_answer
from langroute.records import Record, Rejection, RoutingDecision


def is_dear(thought: Deliberation) -> bool:
    """Whether a person is asked before a call that is expected to cost as much."""
    asked_from = thought.ruling.ask_nano
    return asked_from is not None and probable_nano(thought.decision) >= asked_from


def is_allowed(decision: RoutingDecision, learned: Learned) -> bool:
    """Whether a person said yes to this: to the whole episode, to this arm, or to a call that may cost as much."""
    asked_of = learned.allowed
    return learned.consent or (
        asked_of is not None and (decision.arm == asked_of.arm or decision.worst_nano <= asked_of.worst_nano)
    )


def probable_nano(decision: RoutingDecision) -> int:
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
        cost_nano=probable_nano(decision),
        worst_nano=decision.worst_nano,
        above_nano=record.ruling.ask_nano or 0,
        spent_nano=step.budget.spent_nano,
        limit_nano=step.budget.limit_nano,
    )


def ask_again(
    router: Router, place: RunPlace, episode: Episode, books: Books, learned: Learned
) -> Generator[Act, Any, tuple[Episode, Books]]:
    """Ask what was asked in this place before, since an answer may be waiting; the books afterwards."""
    learned.place, open_question, learned.consent = yield Recall(place=place, episode=episode)
    if open_question is None or (learned.consent and router.person is not None):
        return episode, books
    yield from _ask(router, open_question, episode, learned)
    looked: tuple[Episode, Books] = yield Look(place=place)
    return looked


def consider(router: Router, record: Record, episode: Episode, learned: Learned) -> Generator[Act, Any, None]:
    """Ask about a dear call; leave out the dear arms after a no, and after a yes those that may cost still more.

    Nobody is asked twice in a step: a resumed node would hand the answers to the wrong questions.
    """
    if learned.allowed is None and not learned.said_no:
        yield from _ask(router, _question(record, learned.place), episode, learned)
    if is_allowed(record.decision, learned):
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
