"""Messages of people, tools and system prompts, as they are sent to an arm."""

import re
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from langroute.integrations.swap import reasons as why
from langroute.integrations.swap.blocks import Notes, fit_blocks, is_media
from langroute.integrations.swap.fits import Fit
from langroute.integrations.swap.targets import Target

_NO_NAME = re.compile(r"[\s<|\\/>]+")
_MOVED = "The result is in the message that follows."
_ROLES: dict[str, type[BaseMessage]] = {
    "assistant": AIMessage,
    "ai": AIMessage,
    "developer": SystemMessage,
    "human": HumanMessage,
    "system": SystemMessage,
    "user": HumanMessage,
}


def fit_input(message: BaseMessage, target: Target) -> Fit:
    """A message that no model wrote, as the target takes it: itself, or a copy."""
    notes, changes = Notes(), dict[str, Any]()
    content, behind = message.content, None
    if isinstance(content, list):
        content, behind = _fit_content(message, content, target, notes)
        if content is not message.content:
            changes["content"] = content
    if target.wire == "openai_chat" and message.name and _NO_NAME.search(message.name):
        changes["name"] = clean_name(message.name)
        notes.reasons.append(why.NAMES)
    fitted = message.model_copy(update=changes) if changes else message
    return Fit(message=fitted, behind=behind, reasons=tuple(dict.fromkeys(notes.reasons)), why_not=notes.why_not)


def clean_name(name: str) -> str:
    """A participant's name as OpenAI takes it: without white space and a few signs."""
    return _NO_NAME.sub("_", name).strip("_") or "someone"


def has_clean_name(message: BaseMessage) -> bool:
    """Whether a message's name, if it has one, is taken by every provider."""
    return message.name is None or not _NO_NAME.search(message.name)


def _fit_content(
    message: BaseMessage, content: Sequence[Any], target: Target, notes: Notes
) -> tuple[Any, HumanMessage | None]:
    """Content as the target takes it, and media that have to follow in a message of their own."""
    fitted = fit_blocks(content, target, notes)
    behind = None
    if isinstance(message, ToolMessage) and target.wire == "openai_chat" and any(map(is_media, fitted)):
        # Chat completions take nothing but text in a tool message.
        behind = HumanMessage([block for block in fitted if is_media(block)])
        fitted = [block for block in fitted if not is_media(block)] or [{"type": "text", "text": _MOVED}]
        notes.reasons.append(why.RESULT_MEDIA)
    unchanged = len(fitted) == len(content) and all(new is old for new, old in zip(fitted, content, strict=True))
    return (message.content if unchanged else fitted), behind


def with_known_role(message: BaseMessage) -> BaseMessage:
    """A message with a free role as one of the kinds that every package of LangChain knows; others as they are."""
    if not isinstance(message, ChatMessage):
        return message
    kind = _ROLES.get(message.role.lower())
    return message if kind is None else kind(content=message.content, name=message.name, id=message.id)


def as_human(message: BaseMessage) -> HumanMessage:
    """A system message from the midst of a conversation as a user's message that says what it is."""
    content = message.content
    if isinstance(content, str):
        return HumanMessage(f"<system>\n{content}\n</system>")
    return HumanMessage(["<system>", *content, "</system>"])


def says_nothing(message: BaseMessage) -> bool:
    """Whether a message has no content, or white space only; Anthropic and Google refuse such ones."""
    content = message.content
    if isinstance(content, str):
        return not content.strip()
    return not any(_is_filled(block) for block in content)


def _is_filled(block: Any) -> bool:
    if isinstance(block, str):
        return bool(block.strip())
    return block.get("type") != "text" or bool(str(block.get("text") or "").strip())
