"""Tells the usual conversation, with which nothing has to be done for any arm, from all others, at little cost.

It is plain text and well-formed: people, answers and results in turn, each call with its result. Conversations grow by
a message or two between calls, so only what is new is looked at; a message is taken as immutable once it is followed
by another one, as LangGraph treats it.
"""

import re
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from langroute.integrations.swap.answers import has_own_extras
from langroute.integrations.swap.inputs import has_clean_name
from langroute.steps.facts import author, leading_system, same

_USUAL_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
_MOST = 256


class _Known:
    """A conversation as last looked at: its settled part, without the last turn, and where its calls were made."""

    __slots__ = ("calls", "messages", "settled")

    def __init__(self, messages: list[BaseMessage], settled: int, calls: dict[str, int]) -> None:
        self.messages, self.settled, self.calls = messages, settled, calls


class PlainConversations:
    """Knows plain conversations again. Keeps the messages of at most 256 alive; safe from any thread.

    Args:
        opened: a person has to open the conversation, as Anthropic and Google demand.
    """

    def __init__(self, *, opened: bool = True) -> None:
        self._opened = opened
        self._known: OrderedDict[int, _Known] = OrderedDict()
        self._lock = Lock()

    def has(self, messages: Sequence[BaseMessage]) -> bool:
        """Whether a conversation can be sent to any arm as it is; nobody may change the list of it afterwards."""
        start = leading_system(messages)
        body = messages if not start and isinstance(messages, list) else list(messages[start:])
        if not body or (self._opened and author(body[0]) != "human"):
            return False
        if not all(isinstance(message.content, str) for message in messages[:start]):
            return False
        begin, known = self._resume(body)
        scan = _Scan(known.calls if known is not None else {}, begin)
        settled = scan.over(body)
        if settled is None:
            return False
        if known is not None and settled <= known.settled:
            return True  # a shorter part of it, such as an earlier point of a thread: what is known stays known
        calls = known.calls if known is not None else {}
        calls.update(scan.settled)
        key = id(body[0])
        with self._lock:
            self._known[key] = _Known(body, settled, calls)
            self._known.move_to_end(key)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return True

    def _resume(self, body: list[BaseMessage]) -> tuple[int, _Known | None]:
        """Up to where a conversation is known to be plain, and what is known of it."""
        known = self._known.get(id(body[0]))
        if known is None:
            return 0, None
        begin = min(known.settled, len(body) - 1)
        # A long list is compared faster than it is copied: only the longer one is cut.
        before = known.messages if len(known.messages) == begin else known.messages[:begin]
        if not same(before, body[:begin]):
            return 0, None
        while begin and author(body[begin]) == "tool":  # in the midst of a turn
            begin -= 1
        return begin, known


class _Scan:
    """Looks at one message after the other.

    Args:
        calls: where the calls of a known conversation were made, by id; not changed, since the look may fail.
        begin: the place from which on it is looked at.

    Attributes:
        settled: where the calls of the turns that are settled now were made.
    """

    __slots__ = ("_begin", "_calls", "_fresh", "_open", "settled")

    def __init__(self, calls: dict[str, int], begin: int) -> None:
        self.settled: dict[str, int] = {}
        self._calls = calls
        self._begin = begin
        self._fresh: dict[str, int] = {}
        self._open: set[str] = set()

    def over(self, body: list[BaseMessage]) -> int | None:
        """How many messages are settled, those before the beginning included; None where one is not plain."""
        settled = self._begin
        for place in range(self._begin, len(body)):
            if not self._takes(body[place], place) or (place and _calls_after(body[place - 1], body[place])):
                return None
            if not self._open and place < len(body) - 1:
                settled = place + 1
                self.settled.update(self._fresh)
                self._fresh.clear()
        return None if self._open else settled

    def _takes(self, message: BaseMessage, place: int) -> bool:
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
            return self._takes_answer(message, place)
        return who == "human" and isinstance(message, HumanMessage) and bool(message.content.strip())

    def _takes_answer(self, message: AIMessage, place: int) -> bool:
        if message.invalid_tool_calls or (message.additional_kwargs and has_own_extras(message)):
            return False
        for call in message.tool_calls:
            known = call["id"] or ""
            used = self._calls.get(known, place) < self._begin or known in self.settled or known in self._fresh
            if used or not _USUAL_ID.fullmatch(known):
                return False
            self._open.add(known)
            self._fresh[known] = place
        return bool(message.tool_calls) or bool(str(message.content).strip())


def _calls_after(before: BaseMessage, message: BaseMessage) -> bool:
    """Whether an answer that calls tools follows another answer, which Google does not take."""
    return isinstance(message, AIMessage) and bool(message.tool_calls) and author(before) == "ai"
