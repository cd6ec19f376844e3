"""Requests for OpenAI's chat completions: which it refuses, in which words, and which it takes."""

from typing import Any

FN = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
USER = {"role": "user", "content": "hi"}


def call(id_: str = "call_1", arguments: Any = "{}") -> dict[str, Any]:
    """An assistant's message with a call."""
    function = {"name": "add", "arguments": arguments}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": id_, "type": "function", "function": function}]}


def result(id_: str = "call_1") -> dict[str, Any]:
    """The answer of a tool."""
    return {"role": "tool", "tool_call_id": id_, "content": "3"}


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    """A request with one message of parts."""
    return {"messages": [{"role": "user", "content": list(parts)}]}


def schema(**more: Any) -> dict[str, Any]:
    """A request for answers of a strict schema."""
    described = {"name": "v", "strict": True, "schema": {"type": "object", **more}}
    return {"response_format": {"type": "json_schema", "json_schema": described}}


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}}

# Name -> changes of a plain request, and what the refusal says.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "cache mark": ({"cache_control": {"type": "ephemeral"}}, "Unknown parameter: 'cache_control'."),
    "thinking": ({"thinking": {"type": "enabled"}}, "Unknown parameter: 'thinking'."),
    "thinking part": (user({"type": "thinking", "thinking": "x"}), "Invalid value: 'thinking'. Supported values are:"),
    "tool_use part": (user({"type": "tool_use", "id": "x"}), "Invalid value: 'tool_use'."),
    "bare image": (user({"type": "image_url", "image_url": "x"}), "expected an object, but got a string instead"),
    "image of a tool": (
        {"messages": [USER, call(), {**result(), "content": [IMAGE]}]},
        "Image URLs are only allowed for messages with role 'user', but this message with role 'tool'",
    ),
    "no answer": ({"messages": [USER, call()]}, "The following tool_call_ids did not have response messages: call_1"),
    "no call": ({"messages": [USER, result()]}, "must be a response to a preceeding message with 'tool_calls'"),
    "other answer": ({"messages": [USER, call(), result("call_2")]}, "must be a response to a preceeding message"),
    "late answer": ({"messages": [USER, call(), USER, result()]}, "did not have response messages"),
    "long id": (
        {"messages": [USER, call("c" * 41), result("c" * 41)]},
        "Invalid 'messages[1].tool_calls[0].id': string too long. Expected a string with maximum length 40, but got a "
        "string with length 41 instead.",
    ),
    "empty calls": (
        {"messages": [USER, {**call(), "tool_calls": []}]},
        "Invalid 'messages[1].tool_calls': empty array.",
    ),
    "parsed arguments": (
        {"messages": [USER, call(arguments={}), result()]},
        "Invalid type for 'messages[1].tool_calls[0].function.arguments': expected a string",
    ),
    "no tools": ({"tools": []}, "Invalid 'tools': empty array."),
    "odd name": (
        {"tools": [{"type": "function", "function": {"name": "a.b"}}]},
        "Invalid 'tools[0].function.name': string does not match pattern.",
    ),
    "own tool": ({"tools": [{"type": "web_search_20250305", "name": "x"}]}, "Invalid value: 'web_search_20250305'."),
    "anthropic tool": (
        {"tools": [{"name": "add", "input_schema": {}}]},
        "Missing required parameter: 'tools[0].type'.",
    ),
    "anthropic choice": ({"tools": [FN], "tool_choice": {"type": "any"}}, "is not among the 'tools'"),
    "parallel nothing": ({"parallel_tool_calls": False}, "is only allowed when 'tools' are specified"),
    "open parameters": (
        {"tools": [{"type": "function", "function": {**FN["function"], "strict": True}}]},
        "Invalid schema for function 'add': In context=(), 'additionalProperties' is required to be supplied",
    ),
    "open schema": (schema(), "Invalid schema for response_format 'v': In context=(), 'additionalProperties'"),
    "optional field": (schema(additionalProperties=False, properties={"a": {}}), "Missing 'a'."),
    "no word": ({"response_format": {"type": "json_object"}}, "'messages' must contain the word 'json'"),
    "effort": ({"reasoning_effort": "low"}, "Unrecognized request argument supplied: reasoning_effort"),
    "old limit": ({"model": "gpt-5-mini", "max_tokens": 9}, "Use 'max_completion_tokens' instead."),
    "cool reasoning": (
        {"model": "gpt-5-mini", "temperature": 0.2},
        "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is",
    ),
    "newest with tools": (
        {"model": "gpt-6-luna", "tools": [FN]},
        "use /v1/responses or set reasoning_effort to 'none'",
    ),
    "stopped reasoning": ({"model": "gpt-5-mini", "stop": ["x"]}, "'stop' is not supported with this model"),
    "told reasoning": ({"model": "gpt-5-mini", "logprobs": True}, "'logprobs' is not supported with this model"),
}

TAKEN: dict[str, dict[str, Any]] = {
    "plain": {},
    "parts": user(
        {"type": "text", "text": "hi"}, IMAGE, {"type": "file", "file": {"filename": "a.pdf", "file_data": "x"}}
    ),
    "an image alone": user(IMAGE),
    "tools": {"tools": [FN], "messages": [USER, call(), result()], "parallel_tool_calls": False},
    "history without tools": {"messages": [USER, call(), result()]},
    "closed schema": schema(additionalProperties=False),
    "reasoning": {"model": "gpt-5-mini", "max_completion_tokens": 9, "temperature": 1, "reasoning_effort": "low"},
    "newest with tools": {"model": "gpt-6-luna", "tools": [FN], "reasoning_effort": "none", "temperature": 0.7},
    "told not to reason": {"model": "gpt-5-mini", "temperature": 0.2, "reasoning_effort": "none"},
}
