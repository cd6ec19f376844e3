"""What OpenAI's chat completions refuse beyond what the lab's server checks already.

The rules rest on the API reference (developers.openai.com/api/reference/resources/chat), on its guides to reasoning and
to structured outputs, and on refusals that users reported; each check names what it rests on where it is not the
reference. Fields of messages and parts that are unknown are let through: it is not known that they are refused.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from langroute.lab.refusals import ApiError, Json, missing, wrong_type
from langroute.testing.openai_schemas import check_length, check_name, check_strict

_PARTS = ("text", "image_url", "input_audio", "refusal", "audio", "file")
_MEDIA = frozenset({"image_url", "input_audio", "file", "audio"})
_LONGEST_CALL_ID = 40
# Reasoning models take no other value of these than the usual one.
_FIXED: dict[str, float] = {"temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0, "n": 1}
# Their functions are called by the responses API only, unless they are told not to reason.
_NO_FUNCTIONS = re.compile(r"gpt-(5\.6|6)")
_NOT_REASONING = ("stop", "logprobs", "top_logprobs", "logit_bias")


def check_chat(body: object, reasons: Callable[[str], bool]) -> None:
    """Check a request, as far as the lab's server does not.

    Args:
        body: its decoded JSON.
        reasons: whether the model of a name is a reasoning model.

    Raises:
        ApiError: OpenAI would refuse it.
    """
    if not isinstance(body, dict):
        return
    model = body.get("model")
    if isinstance(model, str):
        _check_settings(body, reasons(model))
    messages = body.get("messages")
    for index, message in enumerate(messages if isinstance(messages, list) else ()):
        if isinstance(message, dict):
            _check_message(message, f"messages[{index}]")
    _check_tools(body)
    _check_format(body)


def without_media(body: object) -> object:
    """The request with its texts only, which is all that the lab's server reads."""
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        return body
    return {**body, "messages": [_texts_of(message) for message in body["messages"]]}


def _texts_of(message: Any) -> Any:
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list):
        return message
    kept = [part for part in content if not (isinstance(part, dict) and part.get("type") in _MEDIA)]
    return {**message, "content": kept}


def _check_settings(body: Json, reasons: bool) -> None:
    """What reasoning models do not take, and what only they do.

    Reported for `max_tokens` in github.com/fish2018/YPrompt/issues/26 and for `temperature` in
    github.com/decolua/9router/issues/560; the rest was tried against the API in September 2026 and told in public.
    """
    if not reasons:
        if body.get("reasoning_effort") is not None:
            raise ApiError("Unrecognized request argument supplied: reasoning_effort")
        return
    if body.get("max_tokens") is not None:
        raise ApiError(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
            "instead.",
            param="max_tokens",
            code="unsupported_parameter",
        )
    if body.get("reasoning_effort") == "none":
        return
    if _NO_FUNCTIONS.match(body["model"]) and body.get("tools"):
        raise ApiError(
            f"Function tools with reasoning_effort are not supported for {body['model']} in /v1/chat/completions. To "
            "use function tools, use /v1/responses or set reasoning_effort to 'none'.",
            param="reasoning_effort",
        )
    for name, usual in _FIXED.items():
        if body.get(name) not in (None, usual):
            raise ApiError(
                f"Unsupported value: '{name}' does not support {body[name]} with this model. Only the default "
                f"({usual:g}) value is supported.",
                param=name,
                code="unsupported_value",
            )
    unsupported = next((name for name in _NOT_REASONING if body.get(name)), None)
    if unsupported is not None:
        told = f"Unsupported parameter: '{unsupported}' is not supported with this model."
        raise ApiError(told, param=unsupported, code="unsupported_parameter")


def _check_message(message: Json, where: str) -> None:
    role, content = message.get("role"), message.get("content")
    for place, part in enumerate(content if isinstance(content, list) else ()):
        _check_part(part, f"{where}.content[{place}]", where, role)
    if "tool_calls" in message and message["tool_calls"] is not None:
        _check_calls(message["tool_calls"], f"{where}.tool_calls")
    if isinstance(message.get("tool_call_id"), str):
        check_length(message["tool_call_id"], _LONGEST_CALL_ID, f"{where}.tool_call_id")


def _check_part(part: Any, here: str, where: str, role: Any) -> None:
    """Parts of known kinds; images from users only (github.com/openai/openai-node/issues/1030)."""
    kind = part.get("type") if isinstance(part, dict) else None
    if kind not in _PARTS:
        supported = ", ".join(f"'{name}'" for name in _PARTS[:-1])
        raise ApiError(
            f"Invalid value: '{kind}'. Supported values are: {supported}, and '{_PARTS[-1]}'.",
            param=f"{here}.type",
            code="invalid_value",
        )
    if kind == "image_url":
        if not isinstance(part.get("image_url"), dict):
            raise wrong_type(f"{here}.image_url", "an object", part.get("image_url"))
        if role != "user":
            raise ApiError(
                f"Invalid '{where}'. Image URLs are only allowed for messages with role 'user', but this message with "
                f"role '{role}' contains an image URL.",
                param=where,
                code="invalid_value",
            )


def _check_calls(calls: Any, where: str) -> None:
    """Tool calls as they are sent back.

    Reported for their ids in github.com/camel-ai/camel/issues/2215, for none of them in
    home-assistant/core/pull/118577.
    """
    if not isinstance(calls, list):
        raise wrong_type(where, "an array of objects", calls)
    if not calls:
        raise _empty(where)
    for index, call in enumerate(calls):
        here = f"{where}[{index}]"
        if not isinstance(call, dict):
            raise wrong_type(here, "an object", call)
        for name in ("id", "type"):
            if not call.get(name):
                raise missing(f"{here}.{name}")
        check_length(str(call["id"]), _LONGEST_CALL_ID, f"{here}.id")
        function = call.get("function")
        if call["type"] != "function":
            continue
        if not isinstance(function, dict):
            raise missing(f"{here}.function")
        check_name(function.get("name"), f"{here}.function.name")
        if not isinstance(function.get("arguments"), str):
            raise wrong_type(f"{here}.function.arguments", "a string", function.get("arguments"))


def _check_tools(body: Json) -> None:
    """Tools, and what needs them (github.com/openai/swarm/issues/30)."""
    tools = body.get("tools")
    if tools == []:
        raise _empty("tools")
    if body.get("parallel_tool_calls") is not None and not tools:
        raise ApiError(
            "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are "
            "specified.",
            param="parallel_tool_calls",
        )
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        where = f"tools[{index}]"
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind is None:
            raise missing(f"{where}.type")
        if kind not in ("function", "custom"):
            told = f"Invalid value: '{kind}'. Supported values are: 'function' and 'custom'."
            raise ApiError(told, param=f"{where}.type", code="invalid_value")
        function = tool.get("function")
        if not isinstance(function, dict):
            continue
        check_name(function.get("name"), f"{where}.function.name")
        if function.get("strict"):
            told, param = f"function '{function['name']}'", f"{where}.function.parameters"
            check_strict(function.get("parameters"), told=told, param=param, code="invalid_function_parameters")


def _check_format(body: Json) -> None:
    wanted = body.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "json_object" and "json" not in json.dumps(body.get("messages")).lower():
        raise ApiError(
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            param="messages",
        )
    if kind != "json_schema" or not isinstance(wanted, dict):
        return
    described = wanted.get("json_schema")
    if not isinstance(described, dict):
        raise missing("response_format.json_schema")
    check_name(described.get("name"), "response_format.json_schema.name")
    if described.get("strict"):
        told = f"response_format '{described['name']}'"
        check_strict(described.get("schema"), told=told, param="response_format", code="invalid_json_schema")


def _empty(param: str) -> ApiError:
    return ApiError(
        f"Invalid '{param}': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        param=param,
        code="empty_array",
    )
