"""What one message weighs and does: bytes that are sent, media blocks, and keys of its tool calls.

Messages are duck-typed (``type``, ``content``, ``tool_calls``, ...), so that no framework is needed here.
"""

import json
from collections.abc import Hashable, Mapping, Sequence
from math import isfinite
from operator import itemgetter
from typing import Any, Literal

Author = Literal["human", "ai", "tool", "system", "other"]

_AUTHORS: dict[str, Author] = {
    "human": "human",
    "HumanMessageChunk": "human",
    "user": "human",
    "ai": "ai",
    "AIMessageChunk": "ai",
    "assistant": "ai",
    "tool": "tool",
    "ToolMessageChunk": "tool",
    "function": "tool",
    "FunctionMessageChunk": "tool",
    "system": "system",
    "SystemMessageChunk": "system",
    "developer": "system",
}
_IMAGES = frozenset({"image", "image_url", "input_image"})
_MEDIA = _IMAGES | {"audio", "input_audio", "video", "file", "input_file", "media", "document"}
_AUDIO = frozenset({"audio", "input_audio"})
_NO_KINDS: frozenset[str] = frozenset()
_MAX_DEPTH = 32


def author(message: Any) -> Author:
    """Who wrote a message; streamed chunks and ``ChatMessage`` roles are understood."""
    kind = message.type
    known = _AUTHORS.get(kind)
    return known if known else _AUTHORS.get(getattr(message, "role", ""), "other")


def leading_system(messages: Sequence[Any]) -> int:
    """How many system messages lead a conversation."""
    count = 0
    for message in messages:
        if author(message) != "system":
            break
        count += 1
    return count


def asked(messages: Sequence[Any], *, most: int = 8_000) -> str:
    """What a person asked last: the newest human messages that stand together, at most ``most`` characters of them."""
    texts: list[str] = []
    for message in reversed(messages):
        if author(message) == "human":
            texts.append(str(message.text))
        elif texts:
            break
    return "\n".join(reversed(texts))[:most]


def same(left: Any, right: Any) -> bool:
    """Whether two messages, parts of them, or lists of them are the same; of lists identity is tried first, in C."""
    try:
        return left is right or bool(left == right)
    except ValueError:  # an array among the extras has no single truth value: take it as changed
        return False


def text_bytes(text: str) -> int:
    """UTF-8 bytes of a text; lone surrogates count three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def message_bytes(message: Any) -> tuple[int, int, frozenset[str]]:
    """UTF-8 bytes of all that is sent of a message, how many media blocks it holds, and what kinds of media.

    Text, names, tool-call names, ids and JSON arguments (escaped to ASCII, which is never shorter), unknown content
    blocks and provider extras count in full. An image counts as one media block and no bytes; other media count as one
    block and the bytes of their inline data. The kinds are ``image``, ``audio``, ``video`` and ``file``; a plain text
    file is none of them.
    """
    content = message.content
    size, media, kinds = (text_bytes(content), 0, _NO_KINDS) if isinstance(content, str) else _blocks(content)
    if name := getattr(message, "name", None):
        size += text_bytes(name)
    calls: Sequence[Any] = ()
    who = author(message)  # asking a pydantic model for an attribute it lacks is slow: ask by author
    if who == "ai":
        calls = getattr(message, "tool_calls", None) or ()
        size += sum(_call_bytes(call) for call in calls)
        size += sum(_call_bytes(call) for call in getattr(message, "invalid_tool_calls", None) or ())
    elif who == "tool":
        size += text_bytes(getattr(message, "tool_call_id", None) or "")
    for key, value in (getattr(message, "additional_kwargs", None) or {}).items():
        if not (key == "tool_calls" and calls):  # the provider's raw form of what was counted above
            size += _value_bytes(value, 0)
    return size, media, kinds


def tool_call_key(call: Mapping[str, Any]) -> Hashable:
    """A key that equal and near-equal tool calls share.

    The name must be the same; in the arguments strings are equal regardless of case and runs of white space, floats
    when nine significant digits agree, and an integral float equals the integer. Integers are exact: ids and offsets
    that differ by one are different calls.
    """
    return (call.get("name"), _fold(call.get("args"), 0))


def _blocks(content: Any) -> tuple[int, int, frozenset[str]]:
    if not isinstance(content, Sequence):
        return _value_bytes(content, 0), 0, _NO_KINDS
    size = media = 0
    kinds: set[str] = set()
    for block in content:
        kind = block.get("type") if isinstance(block, Mapping) else None
        if kind in _MEDIA:
            media += 1
            kinds.update(_media_kind(kind, block))
        if kind not in _IMAGES:
            size += _value_bytes(block, 0)
    return size, media, frozenset(kinds) if kinds else _NO_KINDS


def _media_kind(kind: Any, block: Mapping[str, Any]) -> tuple[str, ...]:
    """The kind of media a block is; none for plain text, which every model takes."""
    if kind in _IMAGES:
        return ("image",)
    if kind in _AUDIO:
        return ("audio",)
    if kind == "video":
        return ("video",)
    source = block.get("source")  # Anthropic's documents: their text may stand in the block itself
    source = source if isinstance(source, Mapping) else {}
    if source.get("type") in {"text", "content"}:
        return ()
    mime = str(block.get("mime_type") or source.get("media_type") or "")
    head = mime.partition("/")[0]
    if head == "text":
        return ()
    # Google's "media" blocks may be anything; a "file" is handed over as a file whatever is in it.
    return (head,) if kind == "media" and head in {"image", "audio", "video"} else ("file",)


def _call_bytes(call: Mapping[str, Any]) -> int:
    args = call.get("args")
    size = text_bytes(call.get("name") or "") + text_bytes(call.get("id") or "")
    return size + (text_bytes(args) if isinstance(args, str) else _json_bytes(args))


_encode = json.JSONEncoder(default=repr).encode


def _json_bytes(value: Any) -> int:
    try:
        return len(_encode(value))
    except (TypeError, ValueError, RecursionError):  # odd keys or cycles: no provider takes them as they are either
        return text_bytes(repr(value))


def _value_bytes(value: Any, depth: int) -> int:
    """Bytes of all strings, numbers and keys inside a JSON-like value; other objects are never sent and count none."""
    if isinstance(value, str):
        return text_bytes(value)
    if isinstance(value, bytes):
        return -(-len(value) // 3) * 4  # sent as base64
    if depth >= _MAX_DEPTH:
        return _json_bytes(value)
    if isinstance(value, Mapping):
        return sum(text_bytes(str(key)) + 6 + _value_bytes(item, depth + 1) for key, item in value.items())
    if isinstance(value, list | tuple):
        return sum(2 + _value_bytes(item, depth + 1) for item in value)
    return _json_bytes(value) if value is None or isinstance(value, int | float) else 0


def _fold(value: Any, depth: int) -> Hashable:
    if isinstance(value, str):
        return " ".join(value.split()).casefold()
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        pairs = [(str(key), _fold(item, depth + 1)) for key, item in value.items()]
        return ("map", *sorted(pairs, key=itemgetter(0)))
    if depth < _MAX_DEPTH and isinstance(value, list | tuple):
        return ("list", *(_fold(item, depth + 1) for item in value))
    return _fold_number(value)


def _fold_number(value: Any) -> Hashable:
    if isinstance(value, float) and isfinite(value):
        rounded = float(f"{value:.9g}")
        return int(rounded) if rounded.is_integer() else rounded
    plain = isinstance(value, int) and not isinstance(value, bool)  # True equals 1 in Python, not in JSON
    return value if plain else ("other", repr(value))
