"""Tools and the choice among them, as each wire format takes them."""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import BaseTool

from langroute.integrations.swap import reasons as why
from langroute.integrations.swap.targets import Target

_OPENAI_TOOLS = frozenset(
    {
        "apply_patch",
        "code_interpreter",
        "computer",
        "computer_use_preview",
        "custom",
        "file_search",
        "image_generation",
        "local_shell",
        "mcp",
        "namespace",
        "shell",
        "tool_search",
        "web_search",
        "web_search_2025_08_26",
        "web_search_preview",
        "web_search_preview_2025_03_11",
    }
)
_ANTHROPIC_TOOLS = (
    "advisor_",
    "bash_",
    "code_execution_",
    "computer_",
    "mcp_toolset",
    "memory_",
    "text_editor_",
    "tool_search_tool_",
    "web_fetch_",
    "web_search_2",
)
_GOOGLE_TOOLS = frozenset(
    {
        "code_execution",
        "computer_use",
        "enterprise_web_search",
        "file_search",
        "google_maps",
        "google_search",
        "google_search_retrieval",
        "retrieval",
        "url_context",
    }
)
_FREE = frozenset({"auto", "none"})


def tool_owners(tools: Sequence[Any]) -> tuple[tuple[str, str], ...]:
    """The provider-side tools among some, as pairs of provider and name; none of them is run by the caller."""
    return tuple(found for tool in tools if (found := _owner(tool)) is not None)


def _owner(tool: Any) -> tuple[str, str] | None:
    # A tool as it is sent comes with the tool it was made from. Asking tools for an attribute they lack is slow.
    original = getattr(tool, "original", tool) if isinstance(tool, dict) else tool
    if isinstance(original, BaseTool):
        return None
    if not isinstance(original, Mapping):
        google = type(original).__module__.startswith("google.genai")
        return ("google", type(original).__name__) if google else None
    kind = str(original.get("type") or "")
    if kind in _OPENAI_TOOLS:
        return "openai", kind
    if kind.startswith(_ANTHROPIC_TOOLS):
        return "anthropic", kind
    named = _GOOGLE_TOOLS.intersection(original) if not kind else ()
    return ("google", min(named)) if named else None


def why_no_tools(owners: Sequence[tuple[str, str]], target: Target) -> str:
    """Why an arm cannot be given provider-side tools; empty when it can."""
    for owner, name in owners:
        if target.wire != "other" and not _runs(owner, target):
            return f"has no {name}, a tool of {owner}"
    return ""


def _runs(owner: str, target: Target) -> bool:
    if owner == "openai":
        return target.wire in {"openai_chat", "openai_responses"} and target.maker == "openai"
    return target.wire == owner


def fit_tools(tools: Sequence[Any], target: Target, reasons: list[str]) -> Sequence[Any]:
    """Tools without the cache markers of another provider; the very same where they have none."""
    if target.wire in {"anthropic", "other"} or not any(_is_marked(tool) for tool in tools):
        return tools
    reasons.append(why.TOOL_MARKS)
    return [
        {key: value for key, value in tool.items() if key != "cache_control"} if _is_marked(tool) else tool
        for tool in tools
    ]


def _is_marked(tool: Any) -> bool:
    return isinstance(tool, dict) and "cache_control" in tool


def closing_tools(tools: Sequence[Any], target: Target, reasons: list[str]) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """The tools of a loop's last call: none; for Claude the same as before, without leave to call them.

    Its prompt caches and newer models' thoughts are bound to the tools, and Bedrock refuses a history of tool calls
    without any.
    """
    if target.wire != "anthropic" or not tools:
        return (), {}
    reasons.append(why.TOOLS_KEPT)
    return fit_tools(tools, target, reasons), {"tool_choice": {"type": "none"}}


def fit_tool_options(options: Mapping[str, Any], target: Target, reasons: list[str]) -> Mapping[str, Any]:
    """The options of a binding, such as ``tool_choice``; the very same where nothing has to change."""
    if not options or target.wire == "other":
        return options
    fitted = dict(options)
    if target.wire == "google" and fitted.pop("parallel_tool_calls", None) is not None:
        reasons.append(why.option_dropped("parallel_tool_calls"))
    if "tool_choice" in fitted:
        fitted["tool_choice"] = _choice(fitted["tool_choice"], target, reasons)
        if fitted["tool_choice"] is None:
            del fitted["tool_choice"]
    return options if fitted == options else fitted


def _choice(given: Any, target: Target, reasons: list[str]) -> Any:
    wanted = _wanted(given)
    if not wanted:
        return given
    if wanted not in _FREE and not target.forces_tools:
        reasons.append(why.FORCED_TOOL)
        return None
    if _understands(given, target):
        return given
    reasons.append(why.TOOL_CHOICE)
    return _written(wanted, target)


def _understands(given: Any, target: Target) -> bool:
    """Whether the format's package knows a tool choice in these words."""
    if isinstance(given, Mapping):
        if target.wire == "anthropic":
            return given.get("type") != "function"
        return target.wire != "google" and isinstance(given.get("function"), Mapping)
    return target.wire != "anthropic" or given not in {True, "required", "none"}


def _wanted(given: Any) -> str:
    """What a tool choice means: ``auto``, ``none``, ``any`` or a tool's name; empty where it is none of these."""
    if given is True or given == "required":
        return "any"
    if isinstance(given, str):
        return given
    if not isinstance(given, Mapping):
        return ""
    kind, function = given.get("type"), given.get("function")
    if kind == "function":
        return str(function.get("name") if isinstance(function, Mapping) else given.get("name") or "")
    if kind == "tool":
        return str(given.get("name") or "")
    return str(kind) if kind in {"auto", "any", "none"} and given.keys() == {"type"} else ""


def _written(wanted: str, target: Target) -> Any:
    if wanted == "none" and target.wire == "anthropic":
        return {"type": "none"}  # its package would take the text for a tool's name
    return wanted


def called(messages: Sequence[BaseMessage]) -> tuple[str, ...]:
    """Names of the tools that are called in a conversation, each once."""
    names = [str(call["name"]) for sent in messages if isinstance(sent, AIMessage) for call in sent.tool_calls]
    return tuple(dict.fromkeys(names))


def declared(names: Sequence[str]) -> list[dict[str, Any]]:
    """Tools of these names, for a history in which they were called; what they take is not known any more."""
    return [
        {"name": name, "description": "Not at hand any more.", "input_schema": {"type": "object"}} for name in names
    ]
