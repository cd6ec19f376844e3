"""Content blocks of people, tools and system prompts, as each wire format takes them.

LangChain's packages write standard blocks, and each its provider's own; what none of them knows of the others is
rewritten here as a standard block. Media that an arm cannot be sent - a file by an id of another provider, a file by
URL where only its bytes will do - mask the arm: to leave them out would change the task.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import HumanMessage

from langroute.integrations.swap import reasons as why
from langroute.integrations.swap.targets import Target, Wire

Block = Mapping[str, Any]

_TEXTS = frozenset({"text", "input_text", "output_text"})
_SHOWN = frozenset({"image", "audio", "video", "file"})
# Blocks that LangChain's package for the format, or the provider itself, takes as they are.
_NATIVE: Mapping[Wire, frozenset[str]] = {
    "openai_chat": frozenset({"image_url", "input_audio"}),
    "openai_responses": frozenset(
        {
            "image_url",
            "input_image",
            "input_file",
            "input_text",
            "additional_tools",
            "computer_call_output",
            "custom_tool_call_output",
            "mcp_approval_response",
            "tool_search_output",
            "apply_patch_call_output",
            "configuration_update",
        }
    ),
    "anthropic": frozenset(
        {
            "image_url",
            "document",
            "text-plain",
            "search_result",
            "tool_result",
            "tool_reference",
            "container_upload",
            "tool_addition",
            "tool_removal",
            "mid_conv_system",
        }
    ),
    "google": frozenset({"image_url", "media", "executable_code", "code_execution_result"}),
}


@dataclass(slots=True)
class Notes:
    """What was found while blocks were rewritten.

    Attributes:
        reasons: what was changed or left out.
        why_not: why the arm cannot be sent them; empty when it can.
    """

    reasons: list[str] = field(default_factory=list)
    why_not: str = ""


def fit_blocks(blocks: Sequence[Any], target: Target, notes: Notes) -> list[Any]:
    """Content blocks as the target takes them; the same blocks where nothing has to change."""
    fitted = [_fit(block, target, notes) for block in blocks]
    return [block for block in fitted if block is not None]


def is_media(block: Any) -> bool:
    """Whether a block is an image, a sound, a film or a file."""
    return isinstance(block, Mapping) and block.get("type") in _SHOWN | {"image_url", "input_audio", "input_image"}


def _fit(block: Any, target: Target, notes: Notes) -> Any:
    if isinstance(block, str):
        return {"type": "text", "text": block} if target.wire in {"openai_chat", "openai_responses"} else block
    if not isinstance(block, Mapping):
        return block
    if target.wire != "anthropic" and not _takes_marks(target):
        block = _unmarked(block, notes)
        if block is None:
            return None
    if target.wire == "other":
        return block
    if "type" not in block:
        return _untyped(block, notes)
    return _typed(block, target, notes)


def _takes_marks(target: Target) -> bool:
    """Whether cache markers are understood: by gateways to Claude, and by Bedrock."""
    return target.wire == "other" and target.maker.startswith(("amazon", "bedrock", "openrouter"))


def _unmarked(block: Block, notes: Notes) -> Block | None:
    if block.keys() == {"cachePoint"}:
        notes.reasons.append(why.CACHE_MARKS)
        return None
    if "cache_control" in block:
        notes.reasons.append(why.CACHE_MARKS)
        return {key: value for key, value in block.items() if key != "cache_control"}
    return block


def _untyped(block: Block, notes: Notes) -> Block | None:
    if block.keys() == {"cachePoint"}:  # Bedrock's, on its way to Anthropic
        notes.reasons.append(why.CACHE_MARKS)
        return None
    if isinstance(text := block.get("text"), str):
        notes.reasons.append(why.TEXT_FORM)
        return {"type": "text", "text": text}
    notes.why_not = notes.why_not or "cannot take a content block without a type"
    return block


def _typed(block: Block, target: Target, notes: Notes) -> Block | None:
    kind, wire = str(block["type"]), target.wire
    if kind == "text":
        return _text(block, target)
    if (other := _own_form(block, kind, wire)) is not None:
        notes.reasons.append(why.MEDIA_FORM)
        return other
    if kind in _TEXTS and kind not in _NATIVE[wire]:
        notes.reasons.append(why.TEXT_FORM)
        return {"type": "text", "text": str(block.get("text") or "")}
    if kind in _NATIVE[wire] or _is_native_medium(block, kind, wire):
        notes.why_not = notes.why_not or _why_not(block, target)
        return block
    return _rewritten(block, target, notes)


def _own_form(block: Block, kind: str, wire: Wire) -> Block | None:
    """A standard block that the format's package does not write, in the provider's own form; None for all others."""
    if wire == "openai_responses" and kind == "image" and str(block.get("file_id") or "").startswith("file-"):
        return {"type": "input_image", "file_id": block["file_id"]}
    if wire == "anthropic" and (text := _plain_text_of(block)) is not None:
        return {"type": "text-plain", "text": text, "mime_type": "text/plain"}
    if wire == "google" and kind in _SHOWN and str(block.get("url") or "").startswith("data:"):
        return {**{key: value for key, value in block.items() if key != "url"}, **_of_data_url(str(block["url"]))}
    if wire in {"openai_chat", "openai_responses"} and kind == "file" and _lacks_name(block):
        return {**block, "filename": _file_name(block)}
    return None


def _lacks_name(block: Block) -> bool:
    """Whether a file with its bytes has no name: OpenAI wants one, others never ask for it."""
    if "base64" not in block and block.get("source_type") != "base64":
        return False
    told = (block, block.get("extras") or {}, block.get("metadata") or {})
    return not any(isinstance(part, Mapping) and part.get("filename") for part in told)


def _file_name(block: Block) -> str:
    return "file." + str(block.get("mime_type") or "application/pdf").rpartition("/")[2].partition(";")[0]


def _of_data_url(url: str) -> dict[str, str]:
    head, _, data = url.partition(",")
    return {"base64": data, "mime_type": head.removeprefix("data:").partition(";")[0]}


def _text(block: Block, target: Target) -> Block:
    """A text block without what only LangChain or another provider reads: OpenAI refuses fields it does not know."""
    if target.wire != "openai_chat" or block.keys() <= {"type", "text", "prompt_cache_breakpoint"}:
        return block
    extras = block.get("extras")
    marks = {**extras, **block} if isinstance(extras, Mapping) else block
    return {key: marks[key] for key in ("type", "text", "prompt_cache_breakpoint") if key in marks}


def _is_native_medium(block: Block, kind: str, wire: Wire) -> bool:
    """Whether a block of a kind that several formats share is in a form that the format's package knows."""
    if kind not in _SHOWN:
        return False
    if kind == "file" and isinstance(block.get("file"), Mapping):
        return wire in {"openai_chat", "openai_responses"}
    if isinstance(block.get("source"), Mapping):
        return wire != "google"
    return True


def _rewritten(block: Block, target: Target, notes: Notes) -> Block | None:
    """A block in LangChain's standard form, or as text."""
    try:
        standard = _standard(block)
    except (AttributeError, KeyError, TypeError, ValueError):  # whatever core says of a block that is malformed
        standard = block
    standard = _own_form(standard, str(standard.get("type")), target.wire) or standard
    kind = standard.get("type")
    if kind == "text-plain":
        notes.reasons.append(why.TEXT_FORM)
        return standard if target.wire == "anthropic" else {"type": "text", "text": str(standard.get("text") or "")}
    if kind == "search_result":
        notes.reasons.append(why.TEXT_FORM)
        return {"type": "text", "text": _search_text(standard)}
    if kind in _SHOWN:
        notes.reasons.append(why.MEDIA_FORM)
        notes.why_not = notes.why_not or _why_not(standard, target)
        return standard
    notes.why_not = notes.why_not or f"cannot take a content block of type {block['type']}"
    return block


def _standard(block: Block) -> Block:
    kind = block["type"]
    if kind == "media":
        return _of_media(block)
    if kind == "input_image":
        url, known = block.get("image_url"), block.get("file_id")
        return {"type": "image", "url": url} if url else {"type": "image", "file_id": known}
    if kind == "input_file":
        return _of_input_file(block)
    if kind in {"text-plain", "search_result"}:
        return block
    standard: dict[str, Any] = dict(HumanMessage([dict(block)]).content_blocks[0])
    if str(standard.get("id") or "").startswith("lc_"):
        del standard["id"]  # made up anew each time: what is sent would never be the same twice
    if standard["type"] in _SHOWN and "id" in standard and not standard.keys() & {"url", "base64", "file_id"}:
        standard["file_id"] = standard.pop("id")  # LangChain's name for the id of an uploaded file is another one
    return standard


def _of_media(block: Block) -> Block:
    """Google's block for whatever has a MIME type."""
    mime = str(block.get("mime_type") or "")
    head = mime.partition("/")[0]
    kind = head if head in {"image", "audio", "video"} else "file"
    source = {"base64": block["data"]} if "data" in block else {"file_id": block.get("file_uri")}
    return {"type": kind, "mime_type": mime, **source}


def _of_input_file(block: Block) -> Block:
    if block.get("file_url"):
        return {"type": "file", "url": block["file_url"]}
    if block.get("file_id"):
        return {"type": "file", "file_id": block["file_id"]}
    data = _of_data_url(str(block.get("file_data") or ""))
    return {"type": "file", **data, "extras": {"filename": block.get("filename")}}


def _search_text(block: Block) -> str:
    texts = [str(part.get("text") or "") for part in block.get("content") or () if isinstance(part, Mapping)]
    return "\n".join(text for text in (str(block.get("title") or ""), str(block.get("source") or ""), *texts) if text)


# -- media that cannot be sent -----------------------------------------------------------------------------------------


def _why_not(block: Block, target: Target) -> str:
    """Why an arm cannot be sent a block of media; empty when it can."""
    kind = str(block["type"])
    if "source" in block or kind in {"text-plain", "image_url"}:
        return _why_not_source(block.get("source"), target)
    medium = {"input_audio": "audio", "input_image": "image", "input_file": "file"}.get(kind, kind)
    if not _takes(medium, block, target.wire):
        return f"cannot take {medium} input"
    inner = block.get("file")
    known = (inner if isinstance(inner, Mapping) else block).get("file_id") or block.get("file_uri")
    if known is None and block.get("source_type") == "id":
        known = block.get("id")
    if known:
        return _why_not_id(str(known), medium, target.wire)
    if medium == "file" and target.wire == "openai_chat" and block.get("url"):
        return "cannot take a file by URL"
    if medium == "file" and target.wire == "anthropic" and not _is_document(block):
        return f"cannot take a file of type {block.get('mime_type')}"
    return ""


def _why_not_source(source: Any, target: Target) -> str:
    """Anthropic's own way of naming where media come from."""
    if not isinstance(source, Mapping) or source.get("type") != "file":
        return ""
    return _why_not_id(str(source.get("file_id") or ""), "file", target.wire)


def _takes(medium: str, block: Block, wire: Wire) -> bool:
    if medium == "video":
        return wire == "google"
    if medium == "audio":
        return wire == "google" or (wire == "openai_chat" and not block.get("url"))
    return True


def _why_not_id(known: str, medium: str, wire: Wire) -> str:
    """Files that were uploaded to one provider are unknown to the others."""
    owner: set[Wire]
    if known.startswith("file-"):
        owner = {"openai_responses"} if medium == "image" else {"openai_chat", "openai_responses"}
    elif known.startswith("file_"):
        owner = {"anthropic"}
    else:
        owner = {"google"} if "/" in known else {wire}
    return "" if wire in owner else f"cannot take a {medium} by an id of another provider"


def _is_document(block: Block) -> bool:
    mime = str(block.get("mime_type") or "application/pdf")
    return "url" in block or block.get("source_type") in {"url", "text"} or mime == "application/pdf"


def _plain_text_of(block: Block) -> str | None:
    """The text of a file that is plain text in base64; None for anything else."""
    data = block.get("base64")
    if block.get("type") != "file" or not isinstance(data, str):
        return None
    if not str(block.get("mime_type") or "").startswith("text/"):
        return None
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
