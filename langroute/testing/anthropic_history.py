"""What Anthropic's messages API refuses in the messages themselves: roles, blocks, tools, thinking."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from langroute.lab.refusals import ApiError, Json

_BLOCK_FIELDS: dict[str, frozenset[str]] = {
    kind: frozenset({"type", *fields.split()})
    for kind, fields in {
        "text": "text cache_control citations",
        "thinking": "thinking signature",
        "redacted_thinking": "data",
        "image": "source cache_control transformations",
        "document": "source cache_control citations context title",
        "search_result": "content source title cache_control citations",
        "tool_use": "id input name cache_control caller toolset_name",
        "tool_result": "tool_use_id cache_control content is_error toolset_name",
    }.items()
}
# Blocks of tools that Anthropic runs itself; what they hold is not looked at.
_SERVER_BLOCK = re.compile(r"server_tool_use$|container_upload$|compaction$|mcp_tool_(use|result)$|\w+_tool_result$")
_ID = re.compile(r"[a-zA-Z0-9_-]+$")
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_THOUGHTS = ("thinking", "redacted_thinking")
_NOT_THINKING = (
    "Expected `thinking` or `redacted_thinking`, but found `{}`. When `thinking` is enabled, a final `assistant` "
    "message must start with a thinking block (preceeding the lastmost set of `tool_use` and `tool_result` blocks). We "
    "recommend you include thinking blocks from previous turns. To avoid this requirement, disable `thinking`."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Neighbouring messages of one role: to the API they are one.

    Attributes:
        role: ``user``, ``assistant`` or ``system``.
        start: where its first message stands.
        blocks: where each block stands, as errors name it, and the block.
    """

    role: str
    start: int
    blocks: tuple[tuple[str, Json], ...]


def check_history(body: Json, *, tools_with_history: bool, midway_system: bool, signed: Callable[..., str]) -> None:
    """Check the messages of a request.

    Args:
        body: the request.
        tools_with_history: whether messages about tools need ``tools``, as they did until February 2025
            (github.com/anthropics/anthropic-sdk-python/issues/849) and still do on Bedrock.
        midway_system: whether system messages may stand after a user's, as newer models allow
            (platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages).
        signed: says of a block of thinking, given the turns before it, what is wrong with its signature, or nothing.

    Raises:
        ApiError: the messages are not in order.
    """
    turns = turns_of(body["messages"], midway_system=midway_system)
    _check_ends(turns)
    _check_tools(turns)
    if tools_with_history and not body.get("tools"):
        kinds = {block["type"] for turn in turns for _, block in turn.blocks}
        if kinds & {"tool_use", "tool_result"}:
            raise ApiError("Requests which include `tool_use` or `tool_result` blocks must define tools.")
    _check_thoughts(body, turns, signed)


def turns_of(messages: Any, *, midway_system: bool = True) -> tuple[Turn, ...]:
    """The messages, each checked by itself, put together to turns."""
    if not isinstance(messages, list):
        raise ApiError("messages: Input should be a valid list")
    if not messages:
        raise ApiError("messages: at least one message is required")
    turns: list[Turn] = []
    for index, message in enumerate(messages):
        role = _role(message, index, turns[-1].role if turns else "", midway_system=midway_system)
        blocks = tuple(_blocks(message.get("content"), index, last=index == len(messages) - 1, role=role))
        if turns and turns[-1].role == role:
            merged = Turn(role=role, start=turns[-1].start, blocks=turns[-1].blocks + blocks)
            turns[-1] = merged
        else:
            turns.append(Turn(role=role, start=index, blocks=blocks))
    return tuple(turns)


def _role(message: Any, index: int, before: str, *, midway_system: bool) -> str:
    if not isinstance(message, dict):
        raise ApiError(f"messages.{index}: Input should be a valid dictionary")
    role = message.get("role")
    if role == "system" and not (midway_system and before in ("user", "system")):
        raise ApiError(
            'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not "system" '
            "as an input message role."
        )
    if role not in ("user", "assistant", "system"):
        raise ApiError(f'messages: Unexpected role "{role}". Allowed roles are "user" or "assistant"')
    extra = next((name for name in message if name not in ("role", "content")), None)
    if extra is not None:
        raise ApiError(f"messages.{index}.{extra}: Extra inputs are not permitted")
    return str(role)


def _blocks(content: Any, index: int, *, last: bool, role: str) -> Iterator[tuple[str, Json]]:
    where = f"messages.{index}"
    if content is None or not isinstance(content, str | list):
        raise ApiError(f"{where}.content: " + ("Field required" if content is None else "Input should be a valid list"))
    if not content and not (last and role == "assistant"):
        raise ApiError(
            f"{where}: all messages must have non-empty content except for the optional final assistant message"
        )
    if isinstance(content, str):
        if content and not content.strip():
            raise ApiError("messages: text content blocks must contain non-whitespace text")
        yield f"{where}.content", {"type": "text", "text": content}
        return
    for place, block in enumerate(content):
        _check_block(block, f"{where}.content.{place}")
        yield f"{where}.content.{place}", block


def _check_block(block: Any, where: str) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind is None:
        raise ApiError(f"{where}.type: Field required")
    known = _BLOCK_FIELDS.get(kind)
    if known is None:
        if not _SERVER_BLOCK.match(kind):
            tags = ", ".join(f"'{name}'" for name in sorted(_BLOCK_FIELDS))
            raise ApiError(
                f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {tags}"
            )
        return
    extra = next((name for name in block if name not in known), None)
    if extra is not None:
        raise ApiError(f"{where}.{kind}.{extra}: Extra inputs are not permitted")
    required = {"text": ("text",), "tool_use": ("id", "name", "input"), "tool_result": ("tool_use_id",),
                "thinking": ("thinking", "signature"), "redacted_thinking": ("data",), "image": ("source",),
                "document": ("source",)}  # fmt: skip
    for name in required.get(kind, ()):
        if block.get(name) is None:
            raise ApiError(f"{where}.{kind}.{name}: Field required")
    if kind in _CHECKS:
        _CHECKS[kind](block, where)


def _check_text(block: Json, where: str) -> None:
    if not isinstance(block["text"], str):
        raise ApiError(f"{where}.text.text: Input should be a valid string")
    if not block["text"]:
        if block.get("cache_control"):
            raise ApiError(f"{where}.text: cache_control cannot be set for empty text blocks")
        raise ApiError("messages: text content blocks must be non-empty")
    if not block["text"].strip():
        raise ApiError("messages: text content blocks must contain non-whitespace text")


def _check_tool_use(block: Json, where: str) -> None:
    if not _ID.match(str(block["id"])):
        raise ApiError(f"{where}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    if not isinstance(block["input"], dict):
        raise ApiError(f"{where}.tool_use.input: Input should be a valid dictionary")


def _check_tool_result(block: Json, where: str) -> None:
    if not _ID.match(str(block["tool_use_id"])):
        raise ApiError(f"{where}.tool_result.tool_use_id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    content = block.get("content")
    for place, part in enumerate(content if isinstance(content, list) else ()):
        _check_block(part, f"{where}.tool_result.content.{place}")


def _check_source(block: Json, where: str) -> None:
    source = block["source"]
    kind = source.get("type") if isinstance(source, dict) else None
    if kind not in ("base64", "url", "file", "text", "content"):
        raise ApiError(
            f"{where}.{block['type']}.source: Input tag '{kind}' found using 'type' does not match any of the expected "
            "tags: 'base64', 'content', 'file', 'text', 'url'"
        )
    if kind == "base64" and not source.get("media_type"):
        raise ApiError(f"{where}.{block['type']}.source.base64.media_type: Field required")
    if kind == "base64" and block["type"] == "image" and source["media_type"] not in _IMAGES:
        raise ApiError(
            f"{where}.image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or "
            "'image/webp'"
        )


_CHECKS: dict[str, Callable[[Json, str], None]] = {
    "text": _check_text,
    "tool_use": _check_tool_use,
    "tool_result": _check_tool_result,
    "image": _check_source,
    "document": _check_source,
}


def _check_ends(turns: Sequence[Turn]) -> None:
    """Who begins (github.com/langchain4j/langchain4j/issues/940), and how (tailcallhq/forgecode/issues/1872)."""
    if turns[0].role != "user":
        raise ApiError('messages: first message must use the "user" role')
    last = turns[-1]
    if last.role != "assistant" or not last.blocks:
        return
    text = last.blocks[-1][1].get("text", "")
    if text != text.rstrip():
        raise ApiError("messages: final assistant content cannot end with trailing whitespace")


def _check_tools(turns: Sequence[Turn]) -> None:
    """Calls are answered at the beginning of the next turn, and nothing else is answered there.

    Reported in github.com/anthropics/claude-code/issues/6521 and /13460 and anthropic-sdk-typescript/issues/653.
    """
    open_calls: list[str] = []
    start, used = 0, set[str]()
    for turn in turns:
        if turn.role == "system":
            continue
        answered: list[str] = []
        opening = True
        for where, block in turn.blocks:
            if block["type"] != "tool_result":
                opening = False
                continue
            if turn.role != "user":
                raise ApiError(f"{where}: `tool_result` blocks can only be in `user` messages")
            if block["tool_use_id"] not in open_calls:
                raise ApiError(
                    f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {block['tool_use_id']}. Each "
                    "`tool_result` block must have a corresponding `tool_use` block in the previous message."
                )
            answered += [block["tool_use_id"]] if opening else []
        _refuse_unanswered([call for call in open_calls if call not in answered], start)
        open_calls = [block["id"] for _, block in turn.blocks if block["type"] == "tool_use"]
        if open_calls and turn.role != "assistant":
            raise ApiError(f"messages.{turn.start}: `tool_use` blocks can only be in `assistant` messages")
        if used & set(open_calls) or len(set(open_calls)) < len(open_calls):
            raise ApiError(f"messages.{turn.start}: `tool_use` ids must be unique")
        used |= set(open_calls)
        start = turn.start
    _refuse_unanswered(open_calls, start)


def _refuse_unanswered(calls: Sequence[str], start: int) -> None:
    if calls:
        raise ApiError(
            f"messages.{start}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(calls)}. Each `tool_use` block must have a corresponding `tool_result` block in the next "
            "message."
        )


def _check_thoughts(body: Json, turns: Sequence[Turn], signed: Callable[..., str]) -> None:
    """Thinking is what the API signed, and a turn that goes on after tools begins with it.

    The latter holds for ``enabled`` thinking only (github.com/mastra-ai/mastra/issues/7799), the last rule from
    github.com/tailcallhq/forgecode/issues/1853.
    """
    for place, turn in enumerate(turns):
        for where, block in turn.blocks:
            if block["type"] in _THOUGHTS and (wrong := signed(body, turns[:place], block)):
                raise ApiError(f"{where}: {wrong}")
    kind = (body.get("thinking") or {}).get("type", "disabled")
    if kind == "disabled" and turns[-1].role == "assistant":
        for where, block in turns[-1].blocks:
            if block["type"] in _THOUGHTS:
                raise ApiError(
                    f"{where}: When thinking is disabled, an `assistant` message in the final position cannot contain "
                    f"`{block['type']}`. To use thinking blocks, enable `thinking` in your request."
                )
    if kind != "enabled":
        return
    asked = max((n for n, turn in enumerate(turns) if turn.role == "user" and not _answers_tools(turn)), default=-1)
    answer = next((turn for turn in turns[asked + 1 :] if turn.role == "assistant"), None)
    if answer is not None and answer.blocks and answer.blocks[0][1]["type"] not in _THOUGHTS:
        where, block = answer.blocks[0]
        raise ApiError(f"{where}.type: " + _NOT_THINKING.format(block["type"]))


def _answers_tools(turn: Turn) -> bool:
    return any(block["type"] == "tool_result" for _, block in turn.blocks)
