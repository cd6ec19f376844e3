"""How far a conversation has been put in order for an arm: it grows by a message or two, and is sent at every step.

A message is taken as immutable once it is followed by another one, as LangGraph treats it; the last one is looked at
again each time.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import is_
from threading import Lock

from langchain_core.messages import BaseMessage

_MOST = 512


@dataclass(slots=True)
class Arranged:
    """A conversation while it is put in order.

    Attributes:
        messages: what is sent so far.
        reasons: what was changed or left out.
        why_not: why the arm cannot be sent it; empty when it can.
        growth: bytes by which what is sent is larger than what was given; below zero where it is smaller.
        added: messages that stand for none of the originals.
        ids: ids of the calls so far, in order.
    """

    messages: list[BaseMessage] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    why_not: str = ""
    growth: int = 0
    added: int = 0
    ids: dict[str, None] = field(default_factory=dict)

    def up_to(self, mark: "Mark") -> "Arranged":
        """A twin as it was when a place was settled, which can go on by itself."""
        ids = dict(self.ids) if mark.ids == len(self.ids) else dict.fromkeys(islice(self.ids, mark.ids))
        return Arranged(
            messages=self.messages[: mark.messages],
            reasons=self.reasons[: mark.reasons],
            why_not=mark.why_not,
            growth=mark.growth,
            added=mark.added,
            ids=ids,
        )


@dataclass(frozen=True, slots=True)
class Mark:
    """How much there was of everything when a place was settled: nothing that comes later changes it.

    Attributes:
        given: messages of the conversation.
        messages: messages that are sent for them.
        reasons: reasons noted.
        why_not: why the arm cannot be sent them.
        growth: bytes by which they are larger.
        added: messages that stand for none.
        ids: ids of calls.
    """

    given: int = 0
    messages: int = 0
    reasons: int = 0
    why_not: str = ""
    growth: int = 0
    added: int = 0
    ids: int = 0


@dataclass(slots=True)
class Progress:
    """The settled part of a conversation.

    Attributes:
        given: the messages.
        done: what they became; not to be changed any more.
        marks: the last few places that were settled, in order.
    """

    given: list[BaseMessage] = field(default_factory=list)
    done: Arranged = field(default_factory=Arranged)
    marks: tuple[Mark, ...] = ()


_MARKS = 4
_NOTHING = Progress(marks=(Mark(),))


class ProgressBook:
    """Keeps the progress of the conversations worked on last, by arm. Safe from any thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, str], Progress] = OrderedDict()
        self._lock = Lock()

    def of(self, messages: Sequence[BaseMessage], arm: str) -> tuple[Progress, Mark]:
        """What is known of this very conversation for an arm, and the last place up to which that holds."""
        known = self._kept.get((id(messages[0]), arm)) if messages else None
        if known is None:
            return _NOTHING, _NOTHING.marks[0]
        mark = next((mark for mark in reversed(known.marks) if mark.given < len(messages)), None)
        # By identity alone: equal messages need not have the same extras.
        if mark is None or not all(map(is_, islice(known.given, mark.given), messages)):
            return _NOTHING, _NOTHING.marks[0]
        return known, mark

    def keep(
        self, messages: Sequence[BaseMessage], arm: str, done: Arranged, mark: Mark, before: tuple[Mark, ...]
    ) -> None:
        """Remember how far a conversation has been put in order; the one that grew longest ago is forgotten.

        Args:
            messages: the conversation.
            arm: the arm.
            done: what it became.
            mark: up to where that is settled.
            before: places in it that were settled before.
        """
        marks = (*(known for known in before if 0 < known.given < mark.given), mark)[-_MARKS:]
        progress = Progress(given=list(messages[: mark.given]), done=done.up_to(mark), marks=marks)
        key = (id(messages[0]), arm)
        with self._lock:
            self._kept[key] = progress
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
