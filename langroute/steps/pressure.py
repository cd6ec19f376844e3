"""Reads how much trouble a conversation is in, and how large it is, from new messages only.

Pressure is about the current turn, so a fresh question starts calm: tool calls and tool errors before it do not count.
A turn begins with the first message, and with every human message that follows a finished answer. A human message right
after a tool's result or an unanswered tool call is part of the turn: a node's own instruction, or somebody's objection.

- An invalid tool call is one the provider's answer contained but nobody could parse; each one counts.
- A tool error is a tool message with status ``error``.
- A schema failure is an answer after which LangChain's ``ToolStrategy`` wrote that it did not fit; it is no tool error.
- A repeated call has the name and the equal or near-equal arguments (``facts.tool_call_key``) of an earlier call of
  the turn. What the earlier call returned does not matter: polling counts too. A loop is dear whether or not something
  moves meanwhile, and results often differ by a timestamp only.
- A self-correction is an answer that takes something back (``answers.takes_back``); each answer counts once.
- An empty end is an answer without text and without a readable tool call. It finishes no turn, so it still counts when
  a person asks what happened.

Retries, cycles and the share of the window are not in the messages: a reading leaves them 0.
"""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from threading import Lock
from typing import Any

from langroute.quick import quick, quick_opaque
from langroute.records import Pressure
from langroute.steps.answers import misfit_reported, says_nothing, takes_back
from langroute.steps.facts import author, leading_system, message_bytes, same, tool_call_key
from langroute.steps.features import is_retrieval

_SNAPSHOTS = 4


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class LastUsage:
    """The most recent token count that an AI message of the conversation reported.

    Attributes:
        model: the model name the provider gave; empty when it gave none.
        input_tokens: all input tokens of that call.
        output_tokens: all output tokens of that call, reasoning included.
        answer_bytes: UTF-8 bytes of that AI message as it is sent back.
        bytes_after: UTF-8 bytes of what the reported input did not hold and the answer does not: the messages after
            the answer, and the leading system messages when they are not those of that call.
        media_after: media blocks among them.
        messages_after: messages among them.
        calls_after: tool calls of the answer and of the messages after it.
        anchored: the reader saw the very messages before the answer as one read of their own, so the reported input
            counted all of them. False after a resume or a restart, where nobody knows what was sent.
    """

    model: str
    input_tokens: int
    output_tokens: int
    answer_bytes: int
    bytes_after: int = 0
    media_after: int = 0
    messages_after: int = 0
    calls_after: int = 0
    anchored: bool = False


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a conversation tells about the step that is made on it.

    Attributes:
        pressure: trouble of the current turn, as far as messages tell it.
        messages: messages in all.
        new_messages: messages that had to be read for this; the others were known.
        total_bytes: UTF-8 bytes of all that is sent: text, names, tool-call names, ids and JSON arguments.
        media: image, audio, video and file blocks.
        tool_calls: tool calls in all, invalid ones included.
        reasoning_tokens: reasoning tokens reported by the AI messages: some providers keep them out of the messages
            and bill them again as input.
        last_usage: the most recent reported token count; None when no AI message reported one.
        retrievals: what search tools brought in the current turn: the documents in the artifact of each of their
            messages, or one for a message without a list of them. Tools are known by the name on the message.
        media_kinds: kinds of media in the messages, sorted.
    """

    pressure: Pressure
    messages: int
    new_messages: int
    total_bytes: int
    media: int
    tool_calls: int
    reasoning_tokens: int
    last_usage: LastUsage | None
    retrievals: int = 0
    media_kinds: tuple[str, ...] = ()


def read_pressure(messages: Sequence[Any]) -> Pressure:
    """The pressure of a conversation, by a full scan, as far as messages tell it."""
    tally = _Tally()
    for message in messages:
        tally.add(message)
    return tally.pressure()


class ConversationReader:
    """Reads conversations again and again, each time only what is new.

    Messages seen before are recognised by identity, or else equality, of the whole prefix: a message is taken as
    immutable once it is followed by another one, as LangGraph treats it. Forks, trimmed and edited histories share a
    shorter prefix and are read from the last known point in it, at worst from the start; the result is always that of
    a full scan, except ``new_messages`` and ``last_usage.anchored``. Leading system messages are read each time, since
    nodes often make them anew. Safe from any thread; keeps the messages of at most ``max_conversations`` alive.

    Args:
        max_conversations: conversations to remember; the one not read for longest is forgotten first.
    """

    def __init__(self, *, max_conversations: int = 256) -> None:
        self._max = max(1, max_conversations)
        self._cursors: OrderedDict[Hashable, _Cursor] = OrderedDict()
        self._lock = Lock()

    def read(self, messages: Sequence[Any], *, settled: bool = False) -> Reading:
        """What a conversation tells, all of it, at the price of its new messages.

        Args:
            messages: the conversation.
            settled: nobody changes this list any more, so it need not be copied to be remembered.
        """
        start = leading_system(messages)
        head = list(messages[:start]) if start else []
        body = messages if settled and not start and isinstance(messages, list) else list(messages[start:])
        if not body:
            return _reading(_Tally(), head, new=0)
        key = _key(body[0])
        with self._lock:
            cursor = self._cursors.get(key)
        begin, tally, snapshots = cursor.resume(body) if cursor else (0, _Tally(), ())
        if begin < len(body):
            tally = _extend(tally, body, begin, snapshots)
        tail = body[-1].content
        kept = _keep(snapshots, _Snapshot(length=len(body), tally=tally, head=head, tail=tail))
        with self._lock:
            self._cursors[key] = _Cursor(body=body, snapshots=kept)
            self._cursors.move_to_end(key)
            while len(self._cursors) > self._max:
                self._cursors.popitem(last=False)
        return _reading(tally, head, new=len(body) - begin)


@dataclass(slots=True)
class _Tally:
    """Running counts over the messages of a conversation; never changed once a snapshot holds it."""

    messages: int = 0
    size: int = 0
    media: int = 0
    calls: int = 0
    reasoning: int = 0
    invalid: int = 0
    errors: int = 0
    repeated: int = 0
    corrections: int = 0
    misfits: int = 0
    empty: int = 0
    retrievals: int = 0
    kinds: frozenset[str] = frozenset()
    seen: set[Hashable] = field(default_factory=set)
    owned: bool = False
    usage: LastUsage | None = None
    size_at_usage: int = 0
    media_at_usage: int = 0
    messages_at_usage: int = 0
    calls_at_usage: int = 0
    usage_head: list[Any] | None = None
    unfinished: bool = False
    misfit: bool = False

    def copy(self) -> "_Tally":
        twin = _Tally(*_tally_values(self))
        twin.owned = False
        return twin

    def pressure(self) -> Pressure:
        return Pressure(
            invalid_tool_calls=self.invalid,
            tool_errors=self.errors,
            repeated_calls=self.repeated,
            self_corrections=self.corrections,
            schema_failures=self.misfits,
            empty_ends=self.empty,
        )

    def add(self, message: Any, *, asked_after: "_Snapshot | None" = None) -> None:
        """Count a message; ``asked_after`` is the read that ended right before it, if one did."""
        size, media, kinds = message_bytes(message)
        self.messages, self.size, self.media = self.messages + 1, self.size + size, self.media + media
        if kinds:
            self.kinds |= kinds
        who = author(message)
        if who == "human" and not self.unfinished:
            self.invalid = self.errors = self.repeated = self.corrections = self.misfits = self.empty = 0
            self.retrievals = 0
            self.seen, self.owned = set(), True
        elif who == "tool":
            self.unfinished = True
            self._add_result(message)
        elif who == "ai":
            self._add_answer(message, size, asked_after)

    def _add_result(self, message: Any) -> None:
        if misfit_reported(message):
            self.misfits += not self.misfit  # each of several wrong calls of one answer is told so
            self.misfit = True
        elif getattr(message, "status", None) == "error":
            self.errors += 1
        elif (name := getattr(message, "name", None)) and is_retrieval(name):
            found = getattr(message, "artifact", None)
            self.retrievals += len(found) if isinstance(found, list | tuple) else 1

    def _add_answer(self, message: Any, size: int, asked_after: "_Snapshot | None") -> None:
        usage = getattr(message, "usage_metadata", None)
        if usage:
            self._take_usage(message, usage, size, asked_after)
        invalid = len(getattr(message, "invalid_tool_calls", None) or ())
        self.invalid += invalid
        calls = getattr(message, "tool_calls", None) or ()
        empty = not calls and says_nothing(message)
        self.unfinished, self.misfit = bool(calls or invalid or empty), False
        self.empty += empty
        self.corrections += not empty and takes_back(message.content)
        self.calls += invalid + len(calls)
        if calls and not self.owned:  # a snapshot shares the set: copied once per read, not per message
            self.seen, self.owned = set(self.seen), True
        for call in calls:
            key = tool_call_key(call)
            self.repeated += key in self.seen
            self.seen.add(key)

    def _take_usage(self, message: Any, usage: Any, size: int, asked_after: "_Snapshot | None") -> None:
        about = getattr(message, "response_metadata", None) or {}
        self.usage = LastUsage(
            model=str(about.get("model_name") or about.get("model") or ""),
            input_tokens=int(usage.get("input_tokens") or 0),
            output_tokens=int(usage.get("output_tokens") or 0),
            answer_bytes=size,
            anchored=asked_after is not None,
        )
        self.reasoning += int((usage.get("output_token_details") or {}).get("reasoning") or 0)
        self.size_at_usage, self.media_at_usage = self.size, self.media
        self.messages_at_usage, self.calls_at_usage = self.messages, self.calls
        self.usage_head = asked_after.head if asked_after else None


_tally_values = attrgetter(*_Tally.__slots__)  # a tenth of the time of dataclasses.replace


@quick_opaque
@dataclass(frozen=True, slots=True, kw_only=True)
class _Snapshot:
    """The state after a read: how many body messages it covered, and the leading system messages it came with.

    The head is None when reads of the same length came with different ones: an answer could belong to either.
    """

    length: int
    tally: _Tally
    head: list[Any] | None
    tail: Any


@quick_opaque
@dataclass(frozen=True, slots=True, kw_only=True)
class _Cursor:
    """The messages of one conversation as last read, and snapshots of the last few reads, shortest first."""

    body: list[Any]
    snapshots: tuple[_Snapshot, ...]

    def resume(self, body: list[Any]) -> tuple[int, _Tally, tuple[_Snapshot, ...]]:
        """Where reading can go on, the counts up to there, and the snapshots that still hold."""
        common, valid = _common(self.body, body), self.snapshots
        while valid and valid[-1].length > common:
            valid = valid[:-1]
        while valid and not same(valid[-1].tail, body[valid[-1].length - 1].content):
            valid = valid[:-1]  # the message was changed in place after it was read
        return (valid[-1].length, valid[-1].tally, valid) if valid else (0, _Tally(), ())


def _extend(tally: _Tally, body: list[Any], begin: int, snapshots: tuple[_Snapshot, ...]) -> _Tally:
    before = snapshots[-1] if snapshots else None
    tally = tally.copy()
    for index in range(begin, len(body)):
        tally.add(body[index], asked_after=before if index == begin else None)
    return tally


def _keep(snapshots: tuple[_Snapshot, ...], latest: _Snapshot) -> tuple[_Snapshot, ...]:
    """The snapshots of the last few reads; one of the same length gives way."""
    if not snapshots or snapshots[-1].length < latest.length:
        return (*snapshots, latest)[-_SNAPSHOTS:]
    before = snapshots[-1].head
    head = latest.head if before is not None and same(before, latest.head) else None
    return (*snapshots[:-1], replace(latest, head=head))


def _reading(tally: _Tally, head: list[Any], *, new: int) -> Reading:
    head_bytes, head_media, kinds = 0, 0, tally.kinds
    for message in head:
        size, media, seen = message_bytes(message)
        head_bytes, head_media, kinds = head_bytes + size, head_media + media, kinds | seen if seen else kinds
    return Reading(
        pressure=tally.pressure(),
        messages=tally.messages + len(head),
        new_messages=new + len(head),
        total_bytes=tally.size + head_bytes,
        media=tally.media + head_media,
        tool_calls=tally.calls,
        reasoning_tokens=tally.reasoning,
        last_usage=None if tally.usage is None else _usage_now(tally, tally.usage, head, head_bytes, head_media),
        retrievals=tally.retrievals,
        media_kinds=tuple(sorted(kinds)) if kinds else (),
    )


def _usage_now(tally: _Tally, usage: LastUsage, head: list[Any], head_bytes: int, head_media: int) -> LastUsage:
    known_head = tally.usage_head is not None and same(tally.usage_head, head)
    return LastUsage(
        model=usage.model,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        answer_bytes=usage.answer_bytes,
        bytes_after=tally.size - tally.size_at_usage + (0 if known_head else head_bytes),
        media_after=tally.media - tally.media_at_usage + (0 if known_head else head_media),
        messages_after=tally.messages - tally.messages_at_usage + (0 if known_head else len(head)),
        calls_after=tally.calls - tally.calls_at_usage,
        anchored=usage.anchored,
    )


def _key(message: Any) -> Hashable:
    """What names a conversation: its first message that is not a system message. A shared name costs time only."""
    if named := getattr(message, "id", None):
        return ("id", named)
    content = message.content
    return (message.type, content) if isinstance(content, str) else ("object", id(message))


def _common(known: list[Any], body: list[Any]) -> int:
    """Length of the common prefix."""
    shorter = min(len(known), len(body))
    # List comparison tries identity first, in C; a copy of a long list takes longer than that.
    if same(known if len(known) == shorter else known[:shorter], body if len(body) == shorter else body[:shorter]):
        return shorter
    return next(index for index in range(shorter) if not same(known[index], body[index]))
