"""What OpenAI's responses API refuses around its input: fields, settings, tools, formats.

The rules rest on the API reference (developers.openai.com/api/reference/resources/responses), on the fields its Python
SDK 3.54 knows, and on refusals that users reported. What is not known to be refused is let through.
"""

import re
from collections.abc import Callable
from typing import Any

from langroute.lab.refusals import ApiError, Json, kind_of, missing, wrong_type
from langroute.testing.openai_schemas import check_name, check_strict

_FIELDS = frozenset({
    "access_programs", "background", "background_options", "context_management", "conversation", "image", "include",
    "input", "instructions", "max_output_tokens", "max_tool_calls", "metadata", "model", "moderation",
    "parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key", "prompt_cache_options",
    "prompt_cache_retention", "reasoning", "safety_identifier", "service_tier", "store", "stream", "stream_options",
    "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user",
})  # fmt: skip
_MOVED = {"messages": "input", "reasoning_effort": "reasoning.effort", "response_format": "text.format"}
_LEAST_OUTPUT = 16
_OWN_TOOL = re.compile(r"[a-z_0-9]+$")


def check_fields(body: object, reasons: Callable[[str], bool]) -> Json:
    """A request, when everything but its input is in order.

    Args:
        body: its decoded JSON.
        reasons: whether the model of a name is a reasoning model.

    Raises:
        ApiError: OpenAI would refuse it.
    """
    if not isinstance(body, dict):
        raise ApiError(f"Invalid type for request body: expected an object, but got {kind_of(body)} instead.")
    for name in body:
        if name not in _FIELDS:
            raise _unknown(name)
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise missing("model")
    if all(body.get(name) is None for name in ("input", "previous_response_id", "prompt", "conversation")):
        raise missing("input")
    _check_numbers(body)
    _check_sampling(body, reasons(body["model"]))
    names = _check_tools(body.get("tools"))
    _check_choice(body.get("tool_choice"), names)
    _check_format((body.get("text") or {}).get("format"))
    return body


def _unknown(name: str) -> ApiError:
    moved = _MOVED.get(name)
    if moved is None:
        return ApiError(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    told = f"Unsupported parameter: '{name}'. In the Responses API, this parameter has moved to '{moved}'."
    return ApiError(told, param=name, code="unsupported_parameter")


def _check_numbers(body: Json) -> None:
    limit = body.get("max_output_tokens")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int)):
        raise wrong_type("max_output_tokens", "an integer", limit)
    if limit is not None and limit < _LEAST_OUTPUT:
        raise ApiError(
            f"Invalid 'max_output_tokens': integer below minimum value. Expected a value >= {_LEAST_OUTPUT}, but got "
            f"{limit} instead.",
            param="max_output_tokens",
            code="integer_below_min_value",
        )
    for name, most in (("temperature", 2), ("top_p", 1)):
        value = body.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise wrong_type(name, "a decimal", value)
        if value is not None and not 0 <= value <= most:
            side, sign, bound = ("below minimum", ">=", 0) if value < 0 else ("above maximum", "<=", most)
            raise ApiError(
                f"Invalid '{name}': decimal {side} value. Expected a value {sign} {bound}, but got {value} instead.",
                param=name,
                code=f"decimal_{side.split()[0]}_{side.split()[1][:3]}_value",
            )


def _check_sampling(body: Json, reasons: bool) -> None:
    """Reasoning models take no temperature, unless they are told not to reason; the others take no effort."""
    effort = (body.get("reasoning") or {}).get("effort")
    if not reasons:
        if effort is not None:
            raise _unsupported("reasoning.effort")
        return
    if effort == "none":
        return
    for name in ("temperature", "top_p"):
        # What equals the default is taken.
        if body.get(name) not in (None, 1):
            raise _unsupported(name)


def _unsupported(name: str) -> ApiError:
    told = f"Unsupported parameter: '{name}' is not supported with this model."
    return ApiError(told, param=name, code="unsupported_parameter")


def _check_tools(tools: Any) -> list[str]:
    """The names of the functions."""
    if tools is None:
        return []
    if not isinstance(tools, list):
        raise wrong_type("tools", "an array of objects", tools)
    names = []
    for index, tool in enumerate(tools):
        where = f"tools[{index}]"
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind is None:
            raise missing(f"{where}.type")
        if not _OWN_TOOL.match(str(kind)):
            raise ApiError(f"Invalid value: '{kind}'.", param=f"{where}.type", code="invalid_value")
        if kind != "function":
            continue
        check_name(tool.get("name"), f"{where}.name")
        if tool.get("strict"):
            told = f"function '{tool['name']}'"
            where = f"{where}.parameters"
            check_strict(tool.get("parameters"), told=told, param=where, code="invalid_function_parameters")
        names.append(tool["name"])
    return names


def _check_choice(choice: Any, names: list[str]) -> None:
    if choice is None:
        return
    if isinstance(choice, str):
        if choice not in ("none", "auto", "required"):
            told = f"Invalid value: '{choice}'. Supported values are: 'none', 'auto', and 'required'."
            raise ApiError(told, param="tool_choice", code="invalid_value")
        return
    if not isinstance(choice, dict):
        raise wrong_type("tool_choice", "one of a tool choice mode or object", choice)
    if choice.get("type") != "function":
        return
    if "name" not in choice:
        raise missing("tool_choice.name")
    if choice["name"] not in names:
        raise ApiError(f"Tool choice '{choice['name']}' not found in 'tools' parameter.", param="tool_choice")


def _check_format(wanted: Any) -> None:
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if wanted is None or kind in ("text", "json_object"):
        return
    if kind != "json_schema":
        told = f"Invalid value: '{kind}'. Supported values are: 'json_object', 'json_schema', and 'text'."
        raise ApiError(told, param="text.format.type", code="invalid_value")
    check_name(wanted.get("name"), "text.format.name")
    if "schema" not in wanted:
        raise missing("text.format.schema")
    if wanted.get("strict"):
        told = f"response_format '{wanted['name']}'"
        check_strict(wanted["schema"], told=told, param="text.format.schema", code="invalid_json_schema")
