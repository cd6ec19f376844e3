"""What single messages became, remembered for as long as they live: a long history is sent again at every step."""

from collections import OrderedDict
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any
from weakref import ReferenceType, ref

from langchain_core.messages import BaseMessage

from langroute.integrations.swap.fits import Fit
from langroute.integrations.swap.targets import Target

_MOST = 10_000

Maker = Callable[[BaseMessage, Target], Fit]


class FitMemory:
    """Remembers fits by message and target. Keeps no message alive; forgets the oldest beyond ten thousand.

    A message is known by identity, and by what is sent of it: one that was changed in place is made fit anew. Safe
    from any thread.
    """

    def __init__(self) -> None:
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def of(self, message: BaseMessage, target: Target, make: Maker) -> Fit | None:
        """The fit of a message for a target; None where the message is sent as it is and nothing is to be told."""
        entry = self._entries.get(id(message))
        if entry is None or not entry.holds(message):
            entry = self._enter(message)
        if target.arm not in entry.fits:
            entry.fits[target.arm] = _kept(message, make(message, target))
        kept = entry.fits[target.arm]
        if kept is None:
            return None
        return replace(kept.fit, message=message) if kept.same else kept.fit

    def _enter(self, message: BaseMessage) -> "_Entry":
        entry = _Entry(message, partial(_forget, self._entries, id(message)))
        with self._lock:
            self._entries[id(message)] = entry
            while len(self._entries) > _MOST:
                self._entries.popitem(last=False)
        return entry


def _forget(entries: "OrderedDict[int, _Entry]", key: int, gone: ReferenceType[BaseMessage]) -> None:
    entry = entries.get(key)
    if entry is not None and entry.message is gone:
        entries.pop(key, None)


class _Kept:
    """A fit as it is remembered: without the message where it is the very one, which it would keep alive."""

    __slots__ = ("fit", "same")

    def __init__(self, fit: Fit, *, same: bool) -> None:
        self.fit, self.same = replace(fit, message=None) if same else fit, same


def _kept(message: BaseMessage, fit: Fit) -> _Kept | None:
    same = fit.message is message
    return None if same and not (fit.reasons or fit.why_not or fit.behind) else _Kept(fit, same=same)


class _Entry:
    """One message with its fits, by arm, and the state of it that they were made from."""

    __slots__ = ("calls", "content", "extras", "fits", "message", "name")

    def __init__(self, message: BaseMessage, forget: Callable[[ReferenceType[BaseMessage]], None]) -> None:
        self.message = ref(message, forget)
        self.fits: dict[str, _Kept | None] = {}
        # Containers are copied, texts are not: so it is seen when a block changes in place, at the price of a glance.
        self.content = _copy(message.content)
        self.calls = _copy(getattr(message, "tool_calls", None))
        self.extras = _copy(message.additional_kwargs)
        self.name = message.name

    def holds(self, message: BaseMessage) -> bool:
        """Whether this is the message, and as it was."""
        try:
            return (
                self.message() is message
                and bool(self.content == message.content)
                and bool(self.calls == getattr(message, "tool_calls", None))
                and bool(self.extras == message.additional_kwargs)
                and self.name == message.name
            )
        except ValueError:  # an array among the extras has no single truth value: take it as changed
            return False


def _copy(value: Any) -> Any:
    try:
        return deepcopy(value)
    except Exception:  # whatever an object among the extras raises: then its identity has to do
        return value
