"""Which prompt caches are warm: what earlier calls sent, and what of it a next call would read.

A provider serves the beginning of a prompt from its cache when the same model was sent the same beginning shortly
before. So per conversation and arm the last call is kept: how much of the conversation it held, how many tokens that
was by its own report, and when. The beginning that conversations share, system messages and tools, is kept by itself.

What is looked up is of one size however long the conversation is: a beginning is taken as unchanged when a few messages
spread over it, the last among them, are. It is an estimate for costs to be compared by, never a bound.
"""

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from langroute.quick import quick
from langroute.records import Arm, CacheView, Usage
from langroute.steps.facts import author, message_bytes

_SAMPLES = 8
_MOST = 1_024

Head = tuple[Hashable, ...]
_Sample = tuple[tuple[int, Any], ...]


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """A beginning of a conversation that was sent: messages spread over it, and its tokens."""

    tokens: int
    sample: _Sample = ()

    def begins(self, body: Sequence[Any]) -> bool:
        """Whether a conversation begins with it."""
        return all(place < len(body) and _same(known, body[place]) for place, known in self.sample)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """The last call of an arm in a conversation, longest mark first.

    Attributes:
        at: epoch seconds.
        marks: beginnings of what was sent, as far as the cache holds them; empty where nothing is known to be held.
        wrote: whether the provider reported that it wrote to its cache.
        rest: tokens at the end of the prompt that were neither read nor written.
    """

    at: float
    marks: tuple[_Mark, ...]
    wrote: bool = False
    rest: int = 0


class PromptCaches:
    """What the arms' prompt caches are expected to serve. Bounded, safe from any thread, and empty after a restart.

    Args:
        arms: the pool; arms for which cached tokens cost as much as others are not followed.
        most: conversations that are remembered; the one not called for longest is forgotten first.
    """

    def __init__(self, arms: Sequence[Arm], *, most: int = _MOST) -> None:
        self._arms = {arm.name: arm for arm in arms if arm.caching.mode != "none" and _told_apart(arm)}
        self._most = most
        self._sent: OrderedDict[Hashable, dict[str, _Sent]] = OrderedDict()
        self._heads: OrderedDict[Hashable, dict[str, _Sent]] = OrderedDict()
        self._lock = Lock()

    def __bool__(self) -> bool:
        """Whether any arm is followed at all."""
        return bool(self._arms)

    def expect(
        self, messages: Sequence[Any], *, tools_bytes: int, input_tokens: int, marked: bool, at: float
    ) -> tuple[CacheView, ...]:
        """One view per arm that would read from its cache, or would be billed for writing to it.

        Args:
            messages: the conversation that is to be sent.
            tools_bytes: UTF-8 bytes of all tools and schemas, by which they are recognised.
            input_tokens: expected tokens of all of it.
            marked: whether the prompt marks what is to be cached.
            at: epoch seconds of the call.
        """
        head, body = _parts(messages, tools_bytes)
        with self._lock:
            # A conversation's dict is replaced, never changed, once it is in here.
            sent, heads = self._sent.get((head, _name(body)), {}), self._heads.get(head, {})
        views = []
        for name, arm in self._arms.items():
            shared = arm.base or name  # samples of a model share its cache
            last = sent.get(shared)
            read = self._read(arm, last, heads.get(shared), body, at)
            view = _view(arm, min(read, input_tokens), last, input_tokens=input_tokens, marked=marked)
            if view is not None:
                views.append(view)
        return tuple(views)

    def learn(
        self, messages: Sequence[Any], *, arm: str, usage: Usage | None, prompt_bytes: int, tools_bytes: int, at: float
    ) -> None:
        """Remember what an arm was sent and what it reported of it.

        Args:
            messages: the conversation that was sent.
            arm: who answered.
            usage: the tokens it reported; without them nothing is known of its cache.
            prompt_bytes: UTF-8 bytes of all that was sent.
            tools_bytes: those of them that are tools and schemas.
            at: epoch seconds at which it was sent: lifetimes count from there.
        """
        called = self._arms.get(arm)
        if called is None or usage is None or not usage.input_tokens:
            return
        arm = called.base or arm
        head, body = _parts(messages, tools_bytes)
        before = tools_bytes + sum([message_bytes(message)[0] for message in messages[: len(messages) - len(body)]])
        marks = _marks(called, usage, body, prompt_bytes=prompt_bytes, before=before)
        sent = _Sent(
            at=at,
            marks=marks,
            wrote=usage.cache_write_tokens > 0,
            rest=max(0, usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens),
        )
        shared = _Mark(tokens=usage.input_tokens * before // max(1, prompt_bytes, before))
        with self._lock:
            self._put(self._sent, (head, _name(body)), arm, sent)
            if marks and called.caching.mode != "marked":  # where a marked prompt's marks stand is not known
                self._put(self._heads, head, arm, _Sent(at=at, marks=(shared,)))

    def _put(self, kept: OrderedDict[Hashable, dict[str, _Sent]], key: Hashable, arm: str, sent: _Sent) -> None:
        kept[key] = {**kept.get(key, {}), arm: sent}
        kept.move_to_end(key)
        while len(kept) > self._most:
            kept.popitem(last=False)

    def _read(self, arm: Arm, last: _Sent | None, head: _Sent | None, body: Sequence[Any], at: float) -> int:
        """Tokens that an arm's cache is expected to serve: of the conversation, else of what all of them share."""
        for sent in (last, head):
            for mark in () if sent is None else sent.marks:
                if sent is not None and mark.begins(body):
                    return arm.caching.readable(mark.tokens, age_s=at - sent.at)
        return 0


def has_cache_marks(messages: Sequence[Any], options: Mapping[str, Any]) -> bool:
    """Whether a prompt marks what is to be cached: in the options of the call, its head, or its last two messages."""
    if "cache_control" in options:
        return True
    at_the_head = [message for message in messages[:2] if author(message) == "system"]
    return any(_is_marked(message.content) for message in (*at_the_head, *messages[-2:]))


def _is_marked(content: Any) -> bool:
    if not isinstance(content, list):
        return False
    return any(isinstance(block, Mapping) and ("cache_control" in block or "cachePoint" in block) for block in content)


def _told_apart(arm: Arm) -> bool:
    """Whether the arm's price tells cached tokens from others."""
    prices = (arm.price, *(price for _, price in arm.price.above))
    return any(not price.rates.input == price.rates.cache_read == price.rates.cache_write for price in prices)


def _view(arm: Arm, read: int, last: _Sent | None, *, input_tokens: int, marked: bool) -> CacheView | None:
    write = _written(arm, read, last, input_tokens=input_tokens, marked=marked)
    if not (read or write):
        return None
    cost = arm.price.cost(input_tokens=input_tokens, output_tokens=0, cache_read_tokens=read, cache_write_tokens=write)
    full = arm.price.cost(input_tokens=input_tokens, output_tokens=0)
    return CacheView(arm=arm.name, read_tokens=read, write_tokens=write, saved_nano=full - cost)


def _written(arm: Arm, read: int, last: _Sent | None, *, input_tokens: int, marked: bool) -> int:
    """Tokens that are expected to be written, where writing costs more than reading anew."""
    rates, rule = arm.price.rates_for(input_tokens), arm.caching
    if rates.cache_write == rates.input or input_tokens < rule.min_tokens:
        return 0
    if rule.mode == "automatic":
        return input_tokens - read
    if last is not None and (read or last.wrote):
        return max(0, input_tokens - read - last.rest) if last.wrote else 0
    return input_tokens if marked and rule.mode == "marked" else 0


def _marks(arm: Arm, usage: Usage, body: Sequence[Any], *, prompt_bytes: int, before: int) -> tuple[_Mark, ...]:
    """Beginnings of a conversation that the cache now holds, longest first.

    The whole prompt; and, since the next one may fork, all but its last message, and its first message alone. The
    shorter ones' tokens are their share of the bytes; ``before`` are those of what stands before the conversation.
    """
    mode, whole = arm.caching.mode, usage.input_tokens
    if mode == "marked":
        held = usage.cache_read_tokens + usage.cache_write_tokens
        return (_Mark(tokens=held, sample=_sample(body, len(body))),) if held else ()
    if mode == "shown" and not usage.cache_read_tokens:
        return ()
    marks, total = [_Mark(tokens=whole, sample=_sample(body, len(body)))], max(1, prompt_bytes, before)
    if len(body) > 2:
        shorter = max(0, total - message_bytes(body[-1])[0])
        marks.append(_Mark(tokens=whole * shorter // total, sample=_sample(body, len(body) - 1)))
    if len(body) > 1:
        first = min(total, before + message_bytes(body[0])[0])
        marks.append(_Mark(tokens=whole * first // total, sample=_sample(body, 1)))
    return tuple(marks)


def _sample(body: Sequence[Any], length: int) -> _Sample:
    """A few messages spread evenly over the first ones, the last of them among them."""
    places = range(length) if length <= _SAMPLES else [(turn * length) // _SAMPLES - 1 for turn in range(1, 9)]
    return tuple([(place, body[place]) for place in places])


def _parts(messages: Sequence[Any], tools_bytes: int) -> tuple[Head, Sequence[Any]]:
    """What stands before a conversation, as a key, and the conversation itself."""
    start = 0
    while start < len(messages) and author(messages[start]) == "system":
        start += 1
    head: Head = (tools_bytes, *[_text(message.content) for message in messages[:start]])
    return head, messages[start:]


def _name(body: Sequence[Any]) -> Hashable:
    """What names a conversation: its first message."""
    return (body[0].type, _text(body[0].content)) if body else None


def _text(content: Any) -> Hashable:
    return content if isinstance(content, str) else repr(content)


def _same(left: Any, right: Any) -> bool:
    """Whether two messages are sent alike, as far as that can be told at once."""
    return left is right or (left.type == right.type and _text(left.content) == _text(right.content))
