"""What a message has to be fit for: the wire format of an arm, its model, and what that model refuses.

Read off the chat model once. No provider's package is imported: its classes are known by the modules they come from,
and what a model can do stands in the profile that LangChain's packages ship.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

Wire = Literal["openai_chat", "openai_responses", "anthropic", "google", "other"]
"""How a request is written: three providers' own formats, the older of OpenAI's two, and whatever else there is."""

# A snapshot of a model is that model: `gpt-5-2025-08-07`, `claude-sonnet-4-5-20250929`, `models/gemini-3-flash`.
_SNAPSHOT = re.compile(r"-(?:latest|\d{8}|\d{4}-\d{2}-\d{2})$")
_REASONING_OPENAI = re.compile(r"^(?:o\d|gpt-5(?!-chat)|gpt-6|codex)")
# Claude models that think always, and so refuse a forced tool.
_NEVER_FORCED = re.compile(r"^claude-(?:fable-5-1|opus-5-5|sonnet-5-5)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An arm as far as the form of a request depends on it.

    Attributes:
        arm: its name.
        wire: the format its requests are written in.
        maker: what its answers give as ``model_provider``.
        model: the model's name without snapshot date.
        endpoint: host it is reached at; empty for the provider's own.
        provider: id of the provider that serves it.
        reasons: whether the model thinks before it answers.
        samples: whether it takes ``temperature`` and its kin.
        efforts: levels of effort it takes; empty when it takes none, None when unknown.
        reasoning: what the model itself is set to say of its reasoning, in OpenAI's words; empty when nothing.
        manual_thinking: it thinks by a budget (``thinking={"type": "enabled"}``), which Anthropic does not allow in
            the midst of a tool loop that began without.
        forces_tools: whether a tool may be forced.
        declares_tools: whether a history of tool calls may not be sent without tools, as on Bedrock; Anthropic itself
            has taken it since February 2025.
        system_inside: whether a system message may stand inside the conversation.
        refused: options that the user says it refuses.
        twin: another arm answers under the same maker and model from another endpoint, so that an answer's metadata
            alone do not tell whose it is.
    """

    arm: str
    wire: Wire
    maker: str
    model: str
    endpoint: str = ""
    provider: str = ""
    reasons: bool = False
    samples: bool = True
    efforts: tuple[str, ...] | None = None
    reasoning: Mapping[str, Any] = field(default_factory=dict)
    manual_thinking: bool = False
    forces_tools: bool = True
    declares_tools: bool = False
    system_inside: bool = True
    refused: frozenset[str] = frozenset()
    twin: bool = False


def target_of(arm: str, model: "BaseChatModel", *, provider: str = "", refused: Collection[str] = ()) -> Target:
    """What is known of an arm from its chat model.

    Args:
        arm: its name.
        model: its chat model.
        provider: id of the provider that serves it.
        refused: options that the user says it refuses.
    """
    wire, params = _wire(model), model._get_ls_params()  # the only way to ask a chat model for its model's name
    name = base_name(str(params.get("ls_model_name") or type(model).__name__))
    profile: Mapping[str, Any] = getattr(model, "profile", None) or {}
    reasons = _reasons(model, wire, name, profile)
    thinking = getattr(model, "thinking", None)
    mode = thinking.get("type") if isinstance(thinking, Mapping) else None
    return Target(
        arm=arm,
        wire=wire,
        maker=_maker(model, wire, params),
        model=name,
        endpoint=_endpoint(model),
        provider=provider,
        reasons=reasons,
        samples=_samples(wire, profile, reasons=reasons, thinks=mode in {"enabled", "adaptive"}),
        efforts=_efforts(model, wire, profile, reasons=reasons),
        reasoning=dict(getattr(model, "reasoning", None) or {}) if wire == "openai_responses" else {},
        manual_thinking=wire == "anthropic" and mode == "enabled",
        forces_tools=profile.get("tool_choice") is not False and not _NEVER_FORCED.match(name),
        declares_tools=wire == "anthropic" and model._llm_type != "anthropic-chat",
        system_inside=_system_inside(wire, profile),
        refused=frozenset(refused),
    )


def base_name(name: str) -> str:
    """A model's name without the gateway in front of it and the date of its snapshot."""
    return _SNAPSHOT.sub("", name.rpartition("/")[2])


def _wire(model: "BaseChatModel") -> Wire:
    for kind in type(model).__mro__:
        package = kind.__module__.partition(".")[0]
        if package == "langchain_anthropic":
            return "anthropic"
        if package == "langchain_google_genai":
            return "google"
        if package == "langchain_openai":
            return "openai_responses" if getattr(model, "use_responses_api", None) is True else "openai_chat"
    return "other"


def _maker(model: "BaseChatModel", wire: Wire, params: Mapping[str, Any]) -> str:
    own = type(model).__module__.startswith("langchain_openai")
    known = {"anthropic": "anthropic", "google": "google_genai"}
    if own and wire in {"openai_chat", "openai_responses"}:
        return "openai"
    return known.get(wire) or str(params.get("ls_provider") or "")


def _endpoint(model: "BaseChatModel") -> str:
    for name in ("openai_api_base", "azure_endpoint", "anthropic_api_url", "base_url"):
        url = getattr(model, name, None)
        if isinstance(url, str) and url:
            return urlsplit(url).netloc
    return ""


def _reasons(model: "BaseChatModel", wire: Wire, name: str, profile: Mapping[str, Any]) -> bool:
    if wire in {"openai_chat", "openai_responses"}:
        effort = getattr(model, "reasoning_effort", None) or (getattr(model, "reasoning", None) or {}).get("effort")
        known = profile.get("reasoning_output")
        thinks = bool(_REASONING_OPENAI.match(name)) if known is None else bool(known)
        return thinks and effort != "none"
    return profile.get("reasoning_output") is not False


def _samples(wire: Wire, profile: Mapping[str, Any], *, reasons: bool, thinks: bool) -> bool:
    if profile.get("temperature") is False:
        return False
    if wire in {"openai_chat", "openai_responses"}:
        return not reasons
    return not (wire == "anthropic" and thinks)


def _efforts(
    model: "BaseChatModel", wire: Wire, profile: Mapping[str, Any], *, reasons: bool
) -> tuple[str, ...] | None:
    levels = profile.get("reasoning_effort_levels")
    if isinstance(levels, list | tuple):
        return tuple(str(level) for level in levels)
    if wire == "openai_chat" or wire == "openai_responses":  # noqa: PLR1714 - so that mypy narrows the type
        return None if reasons else ()
    return None if wire == "other" or not getattr(model, "profile", None) else ()


def _system_inside(wire: Wire, profile: Mapping[str, Any]) -> bool:
    if wire == "google":
        return False  # its package puts them in front, or leaves them out
    return wire != "anthropic" or bool(profile.get("mid_conversation_system_messages"))
