"""Answers of one model, as they are sent to another.

What a model thought, and the ids and provider-side tool calls that go with it, mean something to that model only: they
are kept for it and left out for all others, together, since providers refuse an item without its reasoning. What
remains is the text and the tool calls, which every chat model of LangChain writes in its own way.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage

from langroute.integrations.swap import reasons as why
from langroute.integrations.swap.authors import Authors, maker_of
from langroute.integrations.swap.fits import Fit
from langroute.integrations.swap.targets import Target

# Extras of an answer that belong to the model that gave it.
_OWN_EXTRAS = {
    "reasoning": why.REASONING,
    "reasoning_content": why.REASONING,
    "thinking": why.REASONING,
    "tool_outputs": why.SERVER_TOOLS,
    "audio": why.ANSWER_MEDIA,
    "__openai_function_call_ids__": why.ITEM_IDS,
    "__gemini_function_call_thought_signatures__": why.REASONING,
}
_THOUGHTS = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoning_content", "function_call_signature"})
# Blocks that say again what stands in `tool_calls`.
_CALLS = frozenset(
    {"tool_use", "tool_call", "tool_call_chunk", "invalid_tool_call", "function_call", "input_json_delta"}
)
_MEDIA = frozenset({"image", "image_url", "audio", "video", "file", "media", "image_generation_call", "inline_data"})
# Blocks by which an answer that does not say who gave it is known.
_MAKERS = {
    "redacted_thinking": "anthropic",
    "server_tool_use": "anthropic",
    "mcp_tool_use": "anthropic",
    "web_search_tool_result": "anthropic",
    "executable_code": "google_genai",
    "code_execution_result": "google_genai",
    "function_call_signature": "google_genai",
    "function_call": "openai",
    "refusal": "openai",
    "output_text": "openai",
}


def has_own_extras(message: AIMessage) -> bool:
    """Whether an answer carries extras that belong to the model that gave it."""
    extras = message.additional_kwargs
    return bool(extras) and any(extras.get(name) for name in _OWN_EXTRAS)


def fit_answer(message: AIMessage, target: Target, authors: Authors) -> Fit:
    """An answer as it is sent to the target: itself, or a copy without what belongs to the model that gave it."""
    blocks = message.content if isinstance(message.content, list) else ()
    if not blocks and not has_own_extras(message):
        return Fit(message=message)
    if _is_own(message, blocks, target, authors):
        return Fit(message=message)
    if target.wire == "anthropic" and maker_of(message) and authors.kin(message, target):
        return _without_thoughts(message, blocks)
    if _is_plain(blocks) and not has_own_extras(message):
        return Fit(message=message)
    return _neutral(message, blocks)


def _is_own(message: AIMessage, blocks: Sequence[Any], target: Target, authors: Authors) -> bool:
    if not authors.same(message, target):
        return False
    if target.wire == "openai_chat":
        return _is_plain(blocks)  # the same model through its other format: items mean nothing here
    if not maker_of(message):
        makers = {_maker_by_block(block) for block in blocks} - {""}
        return target.wire == "other" or makers <= {target.maker}
    return True


def _is_plain(blocks: Sequence[Any]) -> bool:
    """Whether blocks are text and tool calls only, without marks of the model they come from."""
    return all(
        isinstance(block, str)
        or (
            isinstance(block, Mapping)
            and (block.get("type") == "tool_use" or (block.get("type") == "text" and not _marked(block)))
        )
        for block in blocks
    )


def _marked(block: Mapping[str, Any]) -> bool:
    return bool(block.keys() - {"type", "text", "index"})


def _maker_by_block(block: Any) -> str:
    if not isinstance(block, Mapping):
        return ""
    kind = str(block.get("type") or "")
    if kind == "reasoning" and ("summary" in block or "encrypted_content" in block):
        return "openai"
    if kind == "thinking" and "signature" in block:
        return ""  # Anthropic's and Google's look alike
    if kind.endswith("_call") and kind not in {"tool_call", "invalid_tool_call", "server_tool_call"}:
        return _MAKERS.get(kind, "openai")
    return _MAKERS.get(kind, "")


def _without_thoughts(message: AIMessage, blocks: Sequence[Any]) -> Fit:
    """An answer of another Claude: all but its thoughts can stay."""
    kept = [block for block in blocks if not (isinstance(block, Mapping) and block.get("type") in _THOUGHTS)]
    if len(kept) == len(blocks):
        return Fit(message=message)
    if not _says_something(kept) and not message.tool_calls:
        return Fit(message=None, reasons=(why.REASONING,))
    return Fit(message=message.model_copy(update={"content": kept}), reasons=(why.REASONING,))


def _says_something(blocks: Sequence[Any]) -> bool:
    return any(not isinstance(block, Mapping) or block.get("type") != "text" or block.get("text") for block in blocks)


def _neutral(message: AIMessage, blocks: Sequence[Any]) -> Fit:
    """An answer as text and tool calls."""
    notes = [reason for name, reason in _OWN_EXTRAS.items() if message.additional_kwargs.get(name)]
    text = message.content if isinstance(message.content, str) else _text(blocks, notes)
    reasons = tuple(dict.fromkeys(notes))
    if not text and not message.tool_calls and not message.invalid_tool_calls:
        return Fit(message=None, reasons=(*reasons, why.EMPTY))
    copy = AIMessage(
        content=text,
        tool_calls=[
            {"type": "tool_call", "name": call["name"], "args": call["args"], "id": call["id"]}
            for call in message.tool_calls
        ],
        invalid_tool_calls=list(message.invalid_tool_calls),
        name=message.name,
    )
    return Fit(message=copy, reasons=reasons)


def _text(blocks: Sequence[Any], notes: list[str]) -> str:
    """The texts of blocks, a new paragraph where something else stood between them; notes what is left out."""
    text, apart = "", False
    for block in blocks:
        piece = block if isinstance(block, str) else _piece(block, notes)
        if not piece:
            apart = bool(text)
            continue
        text += f"\n\n{piece}" if apart else piece
        apart = False
    return text


def _piece(block: Any, notes: list[str]) -> str:
    kind = str(block.get("type") or "") if isinstance(block, Mapping) else ""
    if kind in {"text", "output_text"}:
        if block.get("annotations") or block.get("citations"):
            notes.append(why.CITATIONS)
        if block.get("extras", {}).get("signature") or block.get("thought_signature") or block.get("signature"):
            notes.append(why.REASONING)
        return str(block.get("text") or "")
    if kind == "refusal":
        return str(block.get("refusal") or "")
    if kind in _THOUGHTS:
        notes.append(why.REASONING)
    elif kind in _MEDIA:
        notes.append(why.ANSWER_MEDIA)
    elif kind not in _CALLS:
        notes.append(why.SERVER_TOOLS)
    return ""
