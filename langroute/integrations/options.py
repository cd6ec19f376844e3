"""What may be passed along with a single call: the output limit, and nothing that makes the call dearer than its hold.

Keyword arguments of a call win over the chosen model's own settings, so they are checked before anything is held.
"""

import json
from collections.abc import Mapping
from typing import Any

from langchain_core.utils.function_calling import convert_to_openai_tool

from langroute.errors import ConfigError

_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict")
_SAMPLES = ("n", "best_of", "candidate_count")
_MODELS = ("model", "model_name", "model_id", "deployment_id")
# Dictionaries whose entries end up in the request beside, or instead of, what langroute sends.
_NESTED = ("extra_body", "generation_config", "model_kwargs")
# Terms that are billed at the list's rates or below them.
_USUAL_TERMS = {
    "service_tier": {"auto", "default", "flex", "on_demand", "standard", "standard_only"},
    "inference_geo": {"global"},
    "speed": {"standard"},
}
# Options that bring no text which a provider would count as input.
_NOT_SENT_AS_TEXT = frozenset(
    {
        "config",
        "extra_headers",
        "ls_structured_output_format",
        "metadata",
        "parallel_tool_calls",
        "reasoning",
        "service_tier",
        "stop",
        "stream_options",
        "strict",
        "thinking",
        "timeout",
        "tool_choice",
        "user",
    }
)


def take_output_limit(options: dict[str, Any]) -> int | None:
    """Remove the output limits from a call's options; the lowest of them, or None without any.

    Raises:
        ConfigError: a limit is no whole number of tokens above zero.
    """
    if not options:
        return None
    given = {name: value for name in _LIMITS if (value := options.pop(name, None)) is not None}
    for name, value in given.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigError(f"must be a whole number of tokens, at least 1, not {value!r}", field=name)
    return min(given.values(), default=None)


def refuse_hidden_costs(options: Mapping[str, Any]) -> None:
    """Refuse options that would make a call dearer than the hold taken for it.

    Raises:
        ConfigError: an option asks for several answers, another model, other rates, or hides a limit.
    """
    if not options:
        return
    for name in _SAMPLES:
        if (options.get(name) or 1) != 1:
            raise ConfigError("several answers per call are billed each; make one routed call per answer", field=name)
    for name in _MODELS:
        if options.get(name) is not None:
            raise ConfigError(
                "the router chooses the model, and holds money at its price; to demand one, name an arm of the pool "
                "in the config: {'metadata': {'langroute_arm': ...}}",
                field=name,
            )
    for name, usual in _USUAL_TERMS.items():
        value = options.get(name)
        if isinstance(value, str) and value not in usual:
            raise ConfigError(
                f"{value!r} is billed at other rates than the pool's prices; put a model with this setting into the "
                "pool, under a price of its own",
                field=name,
            )
    for name in _NESTED:
        _refuse_nested(name, options.get(name))


def _refuse_nested(name: str, given: object) -> None:
    if not isinstance(given, Mapping):
        return
    hidden = [key for key in (*_LIMITS, *_SAMPLES, *_MODELS, *_USUAL_TERMS) if key in given]
    if hidden:
        raise ConfigError(
            f"{', '.join(hidden)} would override what langroute sends and holds money for; pass max_tokens itself, "
            "and leave the model and its terms to the pool",
            field=name,
        )


def text_bytes(options: Mapping[str, Any]) -> int:
    """A bound on the UTF-8 bytes of input that options bring into the prompt, such as a response format."""
    carried = {
        name: value
        for name, value in options.items()
        if name not in _NOT_SENT_AS_TEXT and not isinstance(value, bool | int | float | None)
    }
    return json_bytes(carried) if carried else 0


def json_bytes(value: Any) -> int:
    """Bytes of a value as JSON; classes, functions and tools count as the schema that is sent for them."""
    return len(json.dumps(value, default=_as_json))


def _as_json(value: Any) -> Any:
    try:
        return convert_to_openai_tool(value)
    except Exception:  # whatever a converter raises for what is no tool: then its text is the best there is
        return repr(value)
