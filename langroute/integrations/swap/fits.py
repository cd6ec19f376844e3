"""What became of a message, and of a call, when it was made fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import BaseMessage

from langroute.quick import quick


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One message as it is sent.

    Attributes:
        message: the very message where nothing had to change, a copy where something had to; None when nothing of it
            can be sent.
        behind: a message that has to follow it, with what it may not hold itself.
        reasons: what was changed or left out.
        why_not: why the arm cannot be sent this message at all; empty when it can.
        growth: bytes by which it is larger than what was given, without what follows it.
    """

    message: BaseMessage | None
    behind: BaseMessage | None = None
    reasons: tuple[str, ...] = ()
    why_not: str = ""
    growth: int = 0


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class FittedMessages:
    """A conversation as it is sent to one arm.

    Attributes:
        messages: the very list given where nothing had to change.
        reasons: what was changed or left out, each reason once.
        growth: input tokens at most by which it is larger than what was given.
        why_not: why the arm cannot be sent it at all; empty when it can.
    """

    messages: Sequence[BaseMessage]
    reasons: tuple[str, ...] = ()
    growth: int = 0
    why_not: str = ""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A whole call as it is sent to one arm.

    Attributes:
        messages: the messages; the very list given where nothing had to change.
        tools: tools to bind.
        tool_options: options of the binding.
        options: keyword arguments of the call.
        structure_options: options for ``with_structured_output``.
        settings: fields of the chat model that have to be others for this call.
        reasons: what was changed or left out, each reason once.
    """

    messages: Sequence[BaseMessage]
    tools: Sequence[Any] = ()
    tool_options: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    structure_options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
