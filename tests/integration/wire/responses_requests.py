"""Requests to OpenAI's responses API: which it refuses, in which words, and which it takes."""

from typing import Any

FN = {"type": "function", "name": "add", "parameters": {"type": "object", "properties": {}}}
USER = {"role": "user", "content": "hi"}
CALL = {"type": "function_call", "call_id": "call_1", "name": "add", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "3"}
ASSISTANT = {"role": "assistant", "content": [{"type": "output_text", "text": "x"}]}
PART = {"type": "input_text", "text": "x"}


def schema(**more: Any) -> dict[str, Any]:
    """A format of answers with a strict schema."""
    format_ = {"type": "json_schema", "name": "v", "strict": True, "schema": {"type": "object", **more}}
    return {"text": {"format": format_}}


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    """A user's message of parts."""
    return {"role": "user", "content": list(parts)}


def tool(**more: Any) -> dict[str, Any]:
    """A request with one tool."""
    return {"tools": [{**FN, **more}]}


# Name -> changes of a plain request, and what the refusal says.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({"input": None}, "Missing required parameter: 'input'."),
    "chat messages": ({"messages": [USER]}, "has moved to 'input'"),
    "chat limit": ({"max_tokens": 100}, "Unknown parameter: 'max_tokens'."),
    "chat effort": ({"reasoning_effort": "low"}, "has moved to 'reasoning.effort'"),
    "chat format": ({"response_format": {"type": "json_object"}}, "has moved to 'text.format'"),
    "stop": ({"stop": ["x"]}, "Unknown parameter: 'stop'."),
    "cache mark": ({"cache_control": {"type": "ephemeral"}}, "Unknown parameter: 'cache_control'."),
    "low limit": ({"max_output_tokens": 15}, "Expected a value >= 16, but got 15 instead."),
    "hot": ({"temperature": 3}, "Invalid 'temperature': decimal above maximum value."),
    "effort": ({"reasoning": {"effort": "low"}}, "'reasoning.effort' is not supported with this model"),
    "cool reasoning": ({"model": "gpt-5-mini", "temperature": 0}, "'temperature' is not supported with this model."),
    "top_p reasoning": ({"model": "gpt-5-mini", "top_p": 0.5}, "'top_p' is not supported with this model."),
    "chat tool": (
        {"tools": [{"type": "function", "function": {"name": "add"}}]},
        "Missing required parameter: 'tools[0].name'.",
    ),
    "anthropic tool": ({"tools": [{"name": "add", "input_schema": {}}]}, "'tools[0].type'"),
    "odd name": (tool(name="a.b"), "string does not match pattern"),
    "long name": (tool(name="a" * 65), "maximum length 64, but got a string with length 65 instead."),
    "open parameters": (tool(strict=True), "'additionalProperties' is required to be supplied and to be false."),
    "chat choice": ({**tool(), "tool_choice": {"type": "function", "function": {}}}, "'tool_choice.name'"),
    "unknown choice": ({**tool(), "tool_choice": "any"}, "Supported values are: 'none', 'auto', and 'required'."),
    "missing tool": ({**tool(), "tool_choice": {"type": "function", "name": "x"}}, "'x' not found in 'tools'"),
    "open schema": (schema(), "Invalid schema for response_format 'v': In context=(), 'additionalProperties' is"),
    "optional field": (
        schema(additionalProperties=False, properties={"a": {"type": "string"}}),
        "Missing 'a'.",
    ),
    "listed schema": (
        {"text": {"format": {"type": "json_schema", "name": "v", "strict": True, "schema": {"type": "array"}}}},
        "got 'type: \"array\"'",
    ),
    "tool role": ({"input": [{"role": "tool", "content": "x"}]}, "Supported values are: 'assistant', 'system'"),
    "chat text": ({"input": [user({"type": "text", "text": "x"})]}, "Invalid value: 'text'. Supported values are:"),
    "assistant input": (
        {"input": [USER, {"role": "assistant", "content": [PART]}]},
        "Supported values are: 'output_text' and 'refusal'.",
    ),
    "chat image": (
        {"input": [user({"type": "input_image", "image_url": {"url": "x"}})]},
        "expected an image URL, but got an object instead",
    ),
    "chat calls": ({"input": [USER, {**ASSISTANT, "tool_calls": []}]}, "Unknown parameter: 'input[1].tool_calls'."),
    "tool_use": ({"input": [USER, {"type": "tool_use", "id": "x"}]}, "Invalid value: 'tool_use'."),
    "call id in id": ({"input": [USER, {**CALL, "id": "call_1"}, OUTPUT]}, "Expected an ID that begins with 'fc'."),
    "run id": ({"input": [USER, {**ASSISTANT, "id": "run-1"}]}, "Expected an ID that begins with 'msg'."),
    "long call id": (
        {"input": [USER, {**CALL, "call_id": "c" * 65}, {**OUTPUT, "call_id": "c" * 65}]},
        "Invalid 'input[1].call_id': string too long. Expected a string with maximum length 64",
    ),
    "parsed arguments": ({"input": [USER, {**CALL, "arguments": {}}, OUTPUT]}, "'input[1].arguments'"),
    "no output": ({"input": [USER, CALL]}, "No tool output found for function call call_1."),
    "no call": ({"input": [USER, OUTPUT]}, "No tool call found for function call output with call_id call_1."),
    "no summary": ({"input": [USER, {"type": "reasoning", "id": "rs_1"}, ASSISTANT]}, "'input[1].summary'"),
    "foreign secret": (
        {"input": [USER, {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}, ASSISTANT]},
        "The encrypted content for item rs_1 could not be verified.",
    ),
    "unknown reasoning": (
        {"input": [USER, {"type": "reasoning", "id": "rs_1", "summary": []}, ASSISTANT]},
        "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.",
    ),
    "unknown reference": ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "Item with id 'msg_1' not found."),
    "unknown response": ({"previous_response_id": "resp_1"}, "Previous response with id 'resp_1' not found."),
}

TAKEN: dict[str, dict[str, Any]] = {
    "text": {},
    "messages": {"input": [{"role": "system", "content": "x"}, USER, ASSISTANT, USER]},
    "parts": {
        "input": [
            user(
                PART,
                {"type": "input_image", "image_url": "data:image/png;base64,eA==", "detail": "auto"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,eA=="},
            )
        ]
    },
    "tools": {**tool(), "input": [USER, CALL, OUTPUT], "tool_choice": {"type": "function", "name": "add"}},
    "own tools": {"tools": [{"type": "web_search"}, FN]},
    "closed schema": schema(additionalProperties=False),
    "loose schema": {"text": {"format": {"type": "json_schema", "name": "v", "schema": {"type": "object"}}}},
    "told not to reason": {"model": "gpt-5-mini", "temperature": 0, "reasoning": {"effort": "none"}},
    "reasoning": {"model": "gpt-5-mini", "temperature": 1, "reasoning": {"effort": "low"}},
}
