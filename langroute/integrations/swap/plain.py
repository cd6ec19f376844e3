"""Tells the usual conversation, with which nothing has to be done for any arm, from all others, at little cost.

It is plain text and well-formed: people, answers and results in turn, each call with its result. Conversations grow by
a message or two between calls, so only what is new is looked at; a message is taken as immutable once it is followed
by another one, as LangGraph treats it.
"""

import re
from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice
from operator import is_
from threading import Lock

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from langroute.integrations.swap.answers import has_own_extras
from langroute.integrations.swap.inputs import has_clean_name
from langroute.steps.facts import author

_USUAL_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
_MOST = 256


class _Known:
    """A conversation as last looked at: its settled part, without the last turn, and the call ids in that part."""

    __slots__ = ("ids", "messages", "settled")

    def __init__(self, messages: list[BaseMessage], settled: int, ids: set[str]) -> None:
        self.messages, self.settled, self.ids = messages, settled, ids


class PlainConversations:
    """Knows plain conversations again. Keeps the messages of at most 256 alive; safe from any thread."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, _Known] = OrderedDict()
        self._lock = Lock()

    def has(self, messages: Sequence[BaseMessage]) -> bool:
        """Whether a conversation can be sent to any arm as it is."""
        start = _leading(messages)
        body = list(messages[start:])
        if not body or author(body[0]) != "human":
            return False
        if not all(isinstance(message.content, str) for message in messages[:start]):
            return False
        begin, ids = self._resume(body)
        scan = _Scan(ids)
        settled = scan.over(body, begin)
        if settled is None:
            return False
        key = id(body[0])
        ids.update(scan.settled)
        with self._lock:
            self._known[key] = _Known(body, settled, ids)
            self._known.move_to_end(key)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return True

    def _resume(self, body: list[BaseMessage]) -> tuple[int, set[str]]:
        """Up to where a conversation is known to be plain, and the call ids up to there."""
        known = self._known.get(id(body[0]))
        if known is None or len(body) <= known.settled:
            return 0, set()
        # By identity alone: equal messages need not have the same extras.
        same = all(map(is_, islice(known.messages, known.settled), body))
        return (known.settled, known.ids) if same else (0, set())


class _Scan:
    """Looks at one message after the other.

    Args:
        ids: call ids of what is settled; not changed, since the look may fail.

    Attributes:
        settled: call ids of the turns that are settled now.
    """

    __slots__ = ("_fresh", "_ids", "_open", "settled")

    def __init__(self, ids: set[str]) -> None:
        self.settled: set[str] = set()
        self._ids = ids
        self._fresh: list[str] = []
        self._open: set[str] = set()

    def over(self, body: list[BaseMessage], begin: int) -> int | None:
        """How many messages are settled, those before ``begin`` included; None where one is not plain."""
        settled = begin
        for place in range(begin, len(body)):
            if not self._takes(body[place]) or (place and _calls_after(body[place - 1], body[place])):
                return None
            if not self._open and place < len(body) - 1:
                settled = place + 1
                self.settled.update(self._fresh)
                self._fresh.clear()
        return None if self._open else settled

    def _takes(self, message: BaseMessage) -> bool:
        if not isinstance(message.content, str):
            return False
        who = author(message)
        if who == "tool" and isinstance(message, ToolMessage):
            known = message.tool_call_id in self._open
            self._open.discard(message.tool_call_id)
            return known and has_clean_name(message)
        if self._open or not has_clean_name(message):
            return False
        if who == "ai" and isinstance(message, AIMessage):
            return self._takes_answer(message)
        return who == "human" and isinstance(message, HumanMessage) and bool(message.content.strip())

    def _takes_answer(self, message: AIMessage) -> bool:
        if message.invalid_tool_calls or (message.additional_kwargs and has_own_extras(message)):
            return False
        for call in message.tool_calls:
            known = call["id"] or ""
            used = known in self._ids or known in self.settled or known in self._fresh
            if used or not _USUAL_ID.fullmatch(known):
                return False
            self._open.add(known)
            self._fresh.append(known)
        return bool(message.tool_calls) or bool(str(message.content).strip())


def _calls_after(before: BaseMessage, message: BaseMessage) -> bool:
    """Whether an answer that calls tools follows another answer, which Google does not take."""
    return isinstance(message, AIMessage) and bool(message.tool_calls) and author(before) == "ai"


def _leading(messages: Sequence[BaseMessage]) -> int:
    """How many system messages lead a conversation."""
    return next((place for place, message in enumerate(messages) if author(message) != "system"), len(messages))
