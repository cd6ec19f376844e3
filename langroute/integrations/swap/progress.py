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

    def copy(self) -> "Arranged":
        """A twin that can go on by itself."""
        return Arranged(list(self.messages), list(self.reasons), self.why_not, self.growth, self.added, dict(self.ids))


@dataclass(slots=True)
class Progress:
    """The settled part of a conversation: nothing that comes later changes what is sent for it.

    Attributes:
        given: the messages.
        done: what they became; not to be changed any more.
    """

    given: list[BaseMessage] = field(default_factory=list)
    done: Arranged = field(default_factory=Arranged)


_NOTHING = Progress()


class ProgressBook:
    """Keeps the progress of the conversations worked on last, by arm. Safe from any thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, str], Progress] = OrderedDict()
        self._lock = Lock()

    def of(self, messages: Sequence[BaseMessage], arm: str) -> Progress:
        """How far this very conversation has been put in order for an arm; nothing where it has not."""
        known = self._kept.get((id(messages[0]), arm)) if messages else None
        if known is None or len(messages) <= len(known.given):
            return _NOTHING
        # By identity alone: equal messages need not have the same extras.
        return known if all(map(is_, known.given, islice(messages, len(known.given)))) else _NOTHING

    def keep(self, progress: Progress, arm: str) -> None:
        """Remember how far a conversation has been put in order; the one not asked for longest is forgotten."""
        if not progress.given:
            return
        key = (id(progress.given[0]), arm)
        with self._lock:
            self._kept[key] = progress
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
