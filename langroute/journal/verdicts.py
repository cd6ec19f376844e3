"""What is known of how things went: said by the program, by a person, by a verifier, or seen in the answer itself.

Two levels are kept apart. A verdict on a step speaks of that call; a verdict on an episode speaks of all of it, and
what it says of a single step is a guess (see `langroute.learning.credit`).
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from langroute.errors import ConfigError
from langroute.protocols import Journal
from langroute.records import PRICE_UNKNOWN, USAGE_UNKNOWN, ActionTaken, EpisodeEnd, Judge, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How something went.

    Attributes:
        success: in [0, 1].
        source: who said so.
    """

    success: float
    source: Judge

    def __post_init__(self) -> None:
        if isinstance(self.success, str) or not 0 <= self.success <= 1:
            raise ConfigError(f"must be between 0 and 1, not {self.success!r}", field="success")
        if self.source not in get_args(Judge):
            raise ConfigError(f"must be one of {', '.join(get_args(Judge))}, not {self.source!r}", field="source")


def judge(
    journal: Journal, episode: str, verdict: Verdict, *, at: float, new_id: str, step: int | None = None, note: str = ""
) -> ActionTaken:
    """Store what somebody says afterwards of an episode, or of one of its steps; the newest word counts.

    The verdict is an action of the episode, with who said it and when, and what was said before stays readable. A
    verdict on the whole episode also becomes its end.

    Args:
        journal: where the episode is stored.
        episode: its id.
        verdict: how it went.
        at: epoch seconds now.
        new_id: a fresh unique id.
        step: index of the step that is meant; None for the episode.
        note: free text.

    Raises:
        EpisodeNotFound: nothing is stored under this id.
        ConfigError: the episode has no such step.
    """
    steps = {record.step.call_index for record in journal.records(episode)}
    if step is not None and step not in steps:
        told = f"its steps are 0 to {max(steps)}" if steps else "no call was decided in it"
        raise ConfigError(f"the episode has no step {step}; {told}", field="step")
    action = judged(episode, verdict, at=at, new_id=new_id, step=step, note=note)
    journal.note(action)
    if step is None:
        end = EpisodeEnd(episode=episode, at=at, success=verdict.success, note=note, source=verdict.source)
        journal.finish(end)
    journal.flush()
    return action


def judged(
    episode: str, verdict: Verdict, *, at: float, new_id: str, step: int | None = None, note: str = ""
) -> ActionTaken:
    """A verdict as an action of the episode."""
    who = {"success": "the program", "human": "a person", "verifier": "a verifier"}[verdict.source]
    what = "of the episode" if step is None else "of this step"
    told = f"{who} says {what}: success {verdict.success:g}"
    return ActionTaken(
        id=new_id,
        episode=episode,
        at=at,
        action="judged",
        reason=f"{told} ({note})" if note else told,
        call_index=step,
        detail=json.dumps({"success": verdict.success, "source": verdict.source}),
    )


def on_episode(end: EpisodeEnd | None) -> Verdict | None:
    """What is said of a whole episode; None when nobody said."""
    return None if end is None or end.success is None else Verdict(success=float(end.success), source=end.source)


def on_steps(actions: Iterable[ActionTaken]) -> dict[int, Verdict]:
    """What is said of single steps, by index; the newest word on each."""
    said = sorted((each for each in actions if each.action == "judged"), key=lambda action: action.at)
    return {
        each.call_index: Verdict(success=told["success"], source=told["source"])
        for each in said
        if each.call_index is not None
        for told in (json.loads(each.detail),)
    }


DOUBTS = frozenset(
    {"low_confidence", "uncertified", "unscored", "undecided", "low_quality", "doubtful", "verifier_unclear"}
)
"""Defects, up to a colon, by which rules say that they do not trust an answer. That is no verdict on it."""


def flaws(outcome: Outcome) -> tuple[str, ...]:
    """What was wrong with an answer; not knowing its price is no fault of it, nor that a rule did not trust it."""
    known = (PRICE_UNKNOWN, USAGE_UNKNOWN)
    return tuple([defect for defect in outcome.defects if defect not in known and defect.split(":")[0] not in DOUBTS])
