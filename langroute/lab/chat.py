"""Chat messages to prompt tokens, and a model's tokens back to a reply.

A prompt is every message in order, each after a token for its role, and ends with the last message's last word: the
reply starts right there. Tools are named just before the last user message. Every word of every message counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langroute.lab.vocabulary import (
    ASSISTANT,
    CALL,
    END,
    SYSTEM,
    TOOL,
    TOOLS,
    UNK,
    USER,
    decode_text,
    encode_text,
    token_text,
)

_ROLES = {
    "user": USER, "system": SYSTEM, "developer": SYSTEM, "assistant": ASSISTANT, "tool": TOOL, "function": TOOL,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's reply: text, or tool calls as (name, raw arguments), the arguments just as the model wrote them."""

    content: str | None
    tool_calls: tuple[tuple[str, str], ...] = ()


def encode_chat(
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] | None = None,
    tool_choice: Any = None,
    response_format: Mapping[str, Any] | None = None,
) -> list[int]:
    """Return the prompt tokens of a chat completion request; never fails on foreign text.

    Args:
        messages: wire messages (system, user, assistant with tool calls, tool).
        tools: tools on offer; each costs one token for its name and one for each parameter.
        tool_choice: with "none" the tools are left out; any other choice costs nothing.
        response_format: anything but plain text costs the word `json`.
    """
    encoded = [_encode_message(message) for message in messages]
    offered = _encode_tools(tools) if tools and tool_choice != "none" else []
    if response_format and response_format.get("type") not in (None, "text"):
        offered += [SYSTEM, *encode_text("json")]
    last_user = max((i for i, message in enumerate(messages) if message.get("role") == "user"), default=len(encoded))
    before, after = encoded[:last_user], encoded[last_user:]
    return [*_flat(before), *offered, *_flat(after)]


def _flat(parts: list[list[int]]) -> list[int]:
    return [token for part in parts for token in part]


def _encode_message(message: Mapping[str, Any]) -> list[int]:
    tokens = [_ROLES.get(str(message.get("role")), UNK), *_encode_content(message.get("content"))]
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        tokens += [CALL, *encode_text(str(function.get("name", ""))), *encode_text(str(function.get("arguments", "")))]
    return tokens


def _encode_content(content: Any) -> list[int]:
    if content is None:
        return []
    if isinstance(content, str):
        return encode_text(content)
    if not isinstance(content, Sequence):
        return [UNK]
    tokens: list[int] = []
    for part in content:
        text = part if isinstance(part, str) else part.get("text") if isinstance(part, Mapping) else None
        tokens += encode_text(text) if isinstance(text, str) else [UNK]
    return tokens


def _encode_tools(tools: Sequence[Mapping[str, Any]]) -> list[int]:
    tokens = [TOOLS]
    for tool in tools:
        function = tool.get("function") or {}
        properties = (function.get("parameters") or {}).get("properties") or {}
        tokens += encode_text(" ".join((str(function.get("name", "")), *map(str, properties))))
    return tokens


def decode_reply(tokens: Sequence[int], *, tools: Sequence[Mapping[str, Any]] | None = None) -> Reply:
    """Return what a model's tokens say.

    A call marker starts a tool call only when tools were offered; otherwise its words are plain text. The arguments
    are passed on as emitted: they may be malformed JSON.
    """
    words = [token for token in tokens if token != END]
    if not tools or CALL not in words:
        return Reply(decode_text(words))
    first = words.index(CALL)
    calls: list[list[int]] = []
    for token in words[first:]:
        if token == CALL:
            calls.append([])
        else:
            calls[-1].append(token)
    named = tuple((token_text(call[0]).strip(), decode_text(call[1:])) for call in calls if call)
    return Reply(decode_text(words[:first]) or None, named)
