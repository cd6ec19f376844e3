"""Whose success a row has: a step's own where something is known of it, else its episode's as an approximation.

Handing an episode's success to all its steps is not what those steps achieved. An arm that is called for the hard steps
is blamed for their difficulty, one that makes the last step of episodes that went well is praised for the others; with
many steps an episode, little of a single step shows at all. So every row says in ``credit`` how it came to its success,
and what counts rows of its ``own`` can leave the others out.
"""

from dataclasses import dataclass
from typing import Literal

from langroute.journal.verdicts import Verdict
from langroute.learning.schema import Credit, Level, SuccessSource

Quality = Literal["known", "validity"]
"""``known``: rows whose success somebody said, or whose answer was rejected; ``validity``: all others as well, by
whether their answer was well-formed, which is far less than right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credited:
    """The success of a row, and how the row came to it.

    Attributes:
        success: in [0, 1].
        level: what it speaks of.
        source: who said so.
        credit: whether it was said of this row, or is its episode's.
    """

    success: float
    level: Level
    source: SuccessSource
    credit: Credit

    def cells(self) -> dict[str, object]:
        """The columns that say so."""
        return {
            "success": self.success,
            "level": self.level,
            "success_source": self.source,
            "credit": self.credit,
        }


def credit_of(
    *, own: Verdict | None, episode: Verdict | None, accepted: bool, flawed: bool, quality: Quality = "known"
) -> Credited | None:
    """The success of one attempt at a step; None when nothing is known of it.

    In this order: an attempt whose answer was rejected for a fault failed, and of one that was only doubted nothing is
    known, for neither the episode nor a word on the step speaks of it; what somebody said of the step; an answer that
    was passed on with faults failed; what somebody said of the episode; and if ``quality`` is ``validity``, that the
    answer was well-formed.

    Args:
        own: what was said of the step.
        episode: what was said of the episode.
        accepted: whether the answer was passed on.
        flawed: whether something was found wrong with it; a doubt is no such thing.
        quality: what to take where nobody said anything.
    """
    failed = Credited(success=0.0, level="step", source="validity", credit="own")
    if not accepted:
        return failed if flawed else None
    if own is not None:
        return Credited(success=own.success, level="step", source=own.source, credit="own")
    if flawed:
        return failed
    if episode is not None:
        return Credited(success=episode.success, level="episode", source=episode.source, credit="episode")
    if quality == "validity":
        return Credited(success=1.0, level="step", source="validity", credit="own")
    return None
