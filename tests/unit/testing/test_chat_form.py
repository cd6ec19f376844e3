"""Requests of all formats are read as the one that answers are made from."""

from typing import Any

import pytest

from langroute.testing import obliging
from langroute.testing.chat_form import as_chat

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
GOOGLE_SCHEMA = {"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}}, "required": ["n"]}

# Format -> a user's words, the same after a tool's, the tools, a forced tool, a wanted schema.
PLAIN: dict[str, dict[str, Any]] = {
    "chat": {"messages": [{"role": "user", "content": "add 3"}]},
    "responses": {"input": [{"role": "user", "content": [{"type": "input_text", "text": "add 3"}]}]},
    "anthropic": {"messages": [{"role": "user", "content": [{"type": "text", "text": "add 3"}]}], "system": "x"},
    "google": {"contents": [{"role": "user", "parts": [{"text": "add 3"}]}]},
}
ANSWERED: dict[str, dict[str, Any]] = {
    "chat": {"messages": [*PLAIN["chat"]["messages"], {"role": "tool", "content": "add"}]},
    "responses": {"input": [*PLAIN["responses"]["input"], {"type": "function_call_output", "output": "add"}]},
    "anthropic": {
        "messages": [
            *PLAIN["anthropic"]["messages"],
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x", "content": "add"}]},
        ]
    },
    "google": {
        "contents": [
            *PLAIN["google"]["contents"],
            {"role": "user", "parts": [{"functionResponse": {"name": "add", "response": {"output": "add"}}}]},
        ]
    },
}
TOOLS: dict[str, dict[str, Any]] = {
    "chat": {"tools": [{"type": "function", "function": {"name": "add", "parameters": SCHEMA}}]},
    "responses": {"tools": [{"type": "function", "name": "add", "parameters": SCHEMA}]},
    "anthropic": {"tools": [{"name": "add", "input_schema": SCHEMA}]},
    "google": {"tools": [{"functionDeclarations": [{"name": "add", "parameters": GOOGLE_SCHEMA}]}]},
}
FORCED: dict[str, dict[str, Any]] = {
    "chat": {"tool_choice": {"type": "function", "function": {"name": "add"}}},
    "responses": {"tool_choice": {"type": "function", "name": "add"}},
    "anthropic": {"tool_choice": {"type": "tool", "name": "add"}},
    "google": {"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["add"]}}},
}
FORBIDDEN: dict[str, dict[str, Any]] = {
    "chat": {"tool_choice": "none"},
    "responses": {"tool_choice": "none"},
    "anthropic": {"tool_choice": {"type": "none"}},
    "google": {"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}},
}
WANTED: dict[str, dict[str, Any]] = {
    "chat": {"response_format": {"type": "json_schema", "json_schema": {"name": "v", "schema": SCHEMA}}},
    "responses": {"text": {"format": {"type": "json_schema", "name": "v", "schema": SCHEMA}}},
    "anthropic": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    "google": {"generationConfig": {"responseMimeType": "application/json", "responseSchema": GOOGLE_SCHEMA}},
}

each_format = pytest.mark.parametrize("name", PLAIN)


@each_format
def test_texts_are_read(name: str) -> None:
    """The last words are the same in every format."""
    last = as_chat(PLAIN[name])["messages"][-1]
    assert (last["role"], "add 3" in str(last["content"])) == ("user", True)


@each_format
def test_a_tool_that_is_asked_for_is_called(name: str) -> None:
    """By its name in a user's words or by force; not when it is forbidden, nor after it has answered."""
    called = (("add", {"n": 3}),)
    assert obliging({**PLAIN[name], **TOOLS[name]}).tool_calls == called
    assert obliging({**PLAIN[name], **TOOLS[name], **FORCED[name]}).tool_calls == called
    assert obliging({**PLAIN[name], **TOOLS[name], **FORBIDDEN[name]}).tool_calls == ()
    assert obliging({**ANSWERED[name], **TOOLS[name]}).text == "You said: add"


@each_format
def test_a_schema_is_fitted(name: str) -> None:
    """The answer is JSON of the schema that the request names in its own way."""
    assert obliging({**PLAIN[name], **WANTED[name]}).text == '{"n": 3}'
