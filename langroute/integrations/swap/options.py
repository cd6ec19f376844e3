"""Keyword arguments of a call, as each wire format takes them.

The tables say which format knows an option. An option that stands in no table goes to every arm as it is: whoever
passes it knows what for.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from langroute.integrations.swap import reasons as why
from langroute.integrations.swap.targets import Target, Wire

_CHAT: frozenset[Wire] = frozenset({"openai_chat"})
_RESPONSES: frozenset[Wire] = frozenset({"openai_responses"})
_OPENAI = _CHAT | _RESPONSES
_ANTHROPIC: frozenset[Wire] = frozenset({"anthropic"})
_GOOGLE: frozenset[Wire] = frozenset({"google"})
_ALL: frozenset[Wire] = _OPENAI | _ANTHROPIC | _GOOGLE

KNOWN_BY: Mapping[str, frozenset[Wire]] = MappingProxyType(
    {
        "temperature": _ALL,
        "top_p": _ALL,
        "top_k": _ANTHROPIC | _GOOGLE,
        "stop": _CHAT | _ANTHROPIC | _GOOGLE,
        "stop_sequences": _ANTHROPIC | _GOOGLE,
        "seed": _CHAT | _GOOGLE,
        "frequency_penalty": _CHAT | _GOOGLE,
        "presence_penalty": _CHAT | _GOOGLE,
        "logit_bias": _CHAT,
        "logprobs": _CHAT,
        "top_logprobs": _OPENAI,
        "response_logprobs": _GOOGLE,
        "verbosity": _OPENAI,
        "reasoning": _OPENAI,
        "thinking": _ANTHROPIC,
        "thinking_budget": _GOOGLE,
        "thinking_config": _GOOGLE,
        "include_thoughts": _GOOGLE,
        "parallel_tool_calls": _OPENAI,
        "cache_control": _ANTHROPIC,
        "betas": _ANTHROPIC,
        "container": _ANTHROPIC,
        "mcp_servers": _ANTHROPIC,
        "output_config": _ANTHROPIC,
        "output_format": _ANTHROPIC,
        "user_profile_id": _ANTHROPIC,
        "context_management": _RESPONSES | _ANTHROPIC,
        "metadata": _OPENAI | _ANTHROPIC,
        "service_tier": _ALL,
        "user": _OPENAI,
        "store": _OPENAI,
        "prediction": _CHAT,
        "modalities": _CHAT,
        "audio": _CHAT,
        "web_search_options": _CHAT,
        "stream_options": _CHAT,
        "prompt_cache_key": _OPENAI,
        "prompt_cache_options": _OPENAI,
        "prompt_cache_retention": _OPENAI,
        "safety_identifier": _OPENAI,
        "previous_response_id": _RESPONSES,
        "conversation": _RESPONSES,
        "include": _RESPONSES,
        "text": _RESPONSES,
        "truncation": _RESPONSES,
        "max_tool_calls": _RESPONSES,
        "safety_settings": _GOOGLE,
        "generation_config": _GOOGLE,
        "cached_content": _GOOGLE,
        "labels": _GOOGLE,
        "response_modalities": _GOOGLE,
        "response_mime_type": _GOOGLE,
        "response_schema": _GOOGLE,
        "response_json_schema": _GOOGLE,
        "tool_config": _GOOGLE,
        "image_config": _GOOGLE,
        "speech_config": _GOOGLE,
        "extra_headers": _OPENAI | _ANTHROPIC,
        "extra_query": _OPENAI | _ANTHROPIC,
        "extra_body": _OPENAI | _ANTHROPIC,
    }
)
"""Options by the wire formats that know them."""

SAMPLING = frozenset(
    {"temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty", "logprobs", "top_logprobs", "logit_bias"}
)
"""Options that models refuse which think, or which choose their own way of sampling."""

_EFFORT = "reasoning_effort"
_EFFORT_NAMES: Mapping[str, Wire | None] = MappingProxyType(
    {_EFFORT: None, "effort": "anthropic", "thinking_level": "google"}
)
_LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_MOST_STOPS = {"openai_chat": 4, "google": 5}
# Methods of `with_structured_output`.
_METHODS: Mapping[Wire, frozenset[str]] = {
    "openai_chat": frozenset({"function_calling", "json_mode", "json_schema"}),
    "openai_responses": frozenset({"function_calling", "json_mode", "json_schema"}),
    "anthropic": frozenset({"function_calling", "json_schema"}),
    "google": frozenset({"function_calling", "json_mode", "json_schema"}),
}


def fit_options(options: Mapping[str, Any], target: Target, reasons: list[str]) -> Mapping[str, Any]:
    """The keyword arguments of a call that the target takes; the very same where nothing has to change."""
    if not options:
        return options
    options, given = _with_plain_effort(options, target), options
    fitted = {name: value for name, value in options.items() if _is_taken(name, target, reasons)}
    if target.wire != "other":
        _fit_effort(fitted, target, reasons)
        _fit_stops(fitted, target, reasons)
        if target.wire == "anthropic":
            _fit_sampling(fitted, reasons)
    return given if fitted == given else fitted


def why_no_options(options: Mapping[str, Any], target: Target) -> str:
    """Why an arm cannot serve a call with these options; empty when it can."""
    wanted = options.get("response_format")
    if target.wire == "anthropic" and isinstance(wanted, Mapping) and wanted.get("type") == "json_object":
        return "has no JSON mode without a schema"
    return ""


def fit_structure_options(options: Mapping[str, Any], target: Target, reasons: list[str]) -> Mapping[str, Any]:
    """Options for ``with_structured_output`` that the target's package takes; the very same where it takes all."""
    if not options or target.wire == "other":
        return options
    kept = dict(options)
    if "method" in kept and kept["method"] not in _METHODS[target.wire]:
        del kept["method"]
    if target.wire == "google":
        kept = {name: value for name, value in kept.items() if name in {"method", "strict"}}
    if kept == options:
        return options
    reasons.append(why.STRUCTURE)
    return kept


def _with_plain_effort(options: Mapping[str, Any], target: Target) -> Mapping[str, Any]:
    """Options with the effort that OpenAI's ``reasoning`` names, where the target knows no ``reasoning``."""
    asked = options.get("reasoning")
    if target.wire in _OPENAI | {"other"} or not isinstance(asked, Mapping) or not asked.get("effort"):
        return options
    return {_EFFORT: asked["effort"], **options}


def _is_taken(name: str, target: Target, reasons: list[str]) -> bool:
    if name in target.refused:
        taken = False
    elif target.wire == "other":
        taken = True
    elif name in SAMPLING and not target.samples:
        taken = False
    elif name in {"stop", "verbosity", "reasoning"} and target.wire in _OPENAI and name in KNOWN_BY:
        taken = _is_taken_by_openai(name, target)
    else:
        taken = target.wire in KNOWN_BY.get(name, _ALL)
    if not taken:
        reasons.append(why.option_dropped(name))
    return taken


def _is_taken_by_openai(name: str, target: Target) -> bool:
    """What OpenAI takes of a thinking model only, or of any other only."""
    if name == "stop":
        return target.wire == "openai_chat" and not target.reasons
    return target.reasons


def _fit_effort(fitted: dict[str, Any], target: Target, reasons: list[str]) -> None:
    """One level of effort, by the one name that every package knows, as near as the model has it."""
    given = next((name for name in _EFFORT_NAMES if fitted.get(name) is not None), None)
    if given is None:
        return
    level = fitted[given]
    for name in _EFFORT_NAMES:
        fitted.pop(name, None)
    if target.efforts == () or not isinstance(level, str):
        reasons.append(why.option_dropped(given))
        return
    near = level if target.efforts is None else _nearest(level, target.efforts)
    known = given if _EFFORT_NAMES[given] == target.wire else _EFFORT
    if known != given or near != level:
        reasons.append(why.option_changed(given))
    if known == _EFFORT and target.reasoning and "reasoning" not in fitted:
        # Beside a model's own `reasoning` its package would send both, and OpenAI's responses API knows but the one.
        fitted["reasoning"] = {**target.reasoning, "effort": near}
        return
    fitted[known] = near


def _nearest(level: str, levels: tuple[str, ...]) -> str:
    """The level, or the highest one below it, or the lowest there is."""
    if level in levels or level not in _LEVELS:
        return level
    below = [known for known in _LEVELS[: _LEVELS.index(level)] if known in levels]
    return below[-1] if below else levels[0]


def _fit_stops(fitted: dict[str, Any], target: Target, reasons: list[str]) -> None:
    stops = fitted.get("stop")
    if not isinstance(stops, list):
        return
    # Anthropic refuses stop texts of white space only.
    kept = [stop for stop in stops if stop.strip()] if target.wire == "anthropic" else list(stops)
    kept = kept[: _MOST_STOPS.get(target.wire)]
    if kept != stops:
        reasons.append(why.option_changed("stop"))
        fitted["stop"] = kept
        if not kept:
            del fitted["stop"]


def _fit_sampling(fitted: dict[str, Any], reasons: list[str]) -> None:
    """Anthropic's temperature ends at 1, and newer models take it or ``top_p``, not both."""
    temperature = fitted.get("temperature")
    if isinstance(temperature, int | float) and temperature > 1:
        fitted["temperature"] = 1
        reasons.append(why.option_changed("temperature"))
    if temperature is not None and fitted.pop("top_p", None) is not None:
        reasons.append(why.option_dropped("top_p"))
