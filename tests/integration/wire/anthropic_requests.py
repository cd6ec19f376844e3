"""Requests to Anthropic's messages API: which it refuses, in which words, and which it takes."""

from typing import Any

THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2048}
USER = {"role": "user", "content": "hi"}
USE = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}}]}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "3"}]}
TOOL = {"name": "add", "input_schema": {"type": "object"}}
MARKED = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}


def said(*blocks: dict[str, Any], role: str = "assistant") -> dict[str, Any]:
    """A message of blocks."""
    return {"role": role, "content": list(blocks)}


def thinking_with(**more: Any) -> dict[str, Any]:
    """A request for thinking."""
    return {**THINKING, **more}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no limit": ({"max_tokens": None}, "max_tokens: Field required"),
    "unknown field": ({"seed": 1}, "seed: Extra inputs are not permitted"),
    "hot": ({"temperature": 1.5}, "temperature: range: 0..1"),
    "blank stop": ({"stop_sequences": [" "]}, "must contain non-whitespace"),
    "no messages": ({"messages": []}, "at least one message is required"),
    "assistant first": ({"messages": [said({"type": "text", "text": "x"}), USER]}, 'must use the "user" role'),
    "system inside": ({"messages": [USER, {"role": "system", "content": "x"}]}, 'Unexpected role "system"'),
    "tool role": ({"messages": [USER, {"role": "tool", "content": "x"}]}, 'Unexpected role "tool"'),
    "empty text": (
        {"messages": [said({"type": "text", "text": ""}, role="user")]},
        "text content blocks must be non-empty",
    ),
    "blank text": (
        {"messages": [said({"type": "text", "text": " "}, role="user")]},
        "must contain non-whitespace text",
    ),
    "empty content": ({"messages": [USER, {"role": "assistant", "content": []}, USER]}, "must have non-empty content"),
    "trailing space": (
        {"messages": [USER, {"role": "assistant", "content": "so "}]},
        "cannot end with trailing whitespace",
    ),
    "foreign block": (
        {"messages": [said({"type": "image_url", "image_url": {}}, role="user")]},
        "Input tag 'image_url'",
    ),
    "extra in block": (
        {"messages": [said({"type": "text", "text": "x", "index": 0}, role="user")]},
        "messages.0.content.0.text.index: Extra inputs",
    ),
    "bad image": (
        {
            "messages": [
                said(
                    {"type": "image", "source": {"type": "base64", "media_type": "image/bmp", "data": "eA=="}},
                    role="user",
                )
            ]
        },
        "Input should be 'image/jpeg'",
    ),
    "bad id": (
        {"messages": [USER, said({"type": "tool_use", "id": "call|1", "name": "add", "input": {}}), RESULT]},
        "messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
    ),
    "raw arguments": (
        {"messages": [USER, said({"type": "tool_use", "id": "c", "name": "add", "input": "{}"})]},
        "Input should be a valid dictionary",
    ),
    "unanswered": (
        {"messages": [USER, USE, USER]},
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1",
    ),
    "unanswered last": ({"messages": [USER, USE]}, "without `tool_result` blocks"),
    "text first": (
        {"messages": [USER, USE, said({"type": "text", "text": "x"}, *RESULT["content"], role="user")]},
        "without `tool_result` blocks",
    ),
    "orphan result": (
        {"messages": [USER, said({"type": "text", "text": "x"}), RESULT]},
        "messages.2.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_1",
    ),
    "id twice": ({"messages": [USER, said(*USE["content"], *USE["content"]), RESULT]}, "`tool_use` ids must be unique"),
    "openai tool": ({"tools": [{"type": "function", "function": {"name": "add"}}]}, "tools.0: Input tag 'function'"),
    "tool twice": ({"tools": [TOOL, TOOL]}, "Tool names must be unique"),
    "no schema": ({"tools": [{"name": "add"}]}, "tools.0.custom.input_schema: Field required"),
    "untyped schema": ({"tools": [{"name": "add", "input_schema": {}}]}, "input_schema.type: Field required"),
    "odd name": ({"tools": [{**TOOL, "name": "a.b"}]}, "tools.0.custom.name: String should match pattern"),
    "choice alone": ({"tool_choice": {"type": "any"}}, "may only be specified while providing tools"),
    "one tool alone": ({"tool_choice": {"type": "tool", "name": "add"}}, "Tool 'add' not found in provided tools"),
    "openai choice": ({"tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice: Input tag 'function'"),
    "other tool": ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "x"}}, "Tool 'x' not found"),
    "cool thinking": (thinking_with(temperature=0), "`temperature` may only be set to 1 when thinking is enabled"),
    "thinking top_k": (thinking_with(top_k=3), "`top_k` must be unset when thinking is enabled"),
    "thinking top_p": (thinking_with(top_p=0.5), "`top_p` must be greater than or equal to 0.95"),
    "forced thinking": (
        thinking_with(tools=[TOOL], tool_choice={"type": "any"}),
        "Thinking may not be enabled when tool_choice forces tool use.",
    ),
    "small budget": ({"thinking": {"type": "enabled", "budget_tokens": 10}}, "greater than or equal to 1024"),
    "big budget": (thinking_with(max_tokens=1024), "`max_tokens` must be greater than `thinking.budget_tokens`"),
    "unsigned": (
        {"messages": [USER, said({"type": "thinking", "thinking": "x"}), USER]},
        "messages.1.content.0.thinking.signature: Field required",
    ),
    "foreign signature": (
        {"messages": [USER, said({"type": "thinking", "thinking": "x", "signature": "eA=="}), USER]},
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    "foreign data": (
        {"messages": [USER, said({"type": "redacted_thinking", "data": "eA=="}), USER]},
        "Invalid `data` in `redacted_thinking` block",
    ),
    "marked thinking": (
        {"messages": [USER, said({"type": "thinking", "thinking": "x", "signature": "s", "cache_control": {}}), USER]},
        "thinking.cache_control: Extra inputs are not permitted",
    ),
    "tools without thinking": (
        thinking_with(tools=[TOOL], messages=[USER, USE, RESULT]),
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`",
    ),
    "five marks": (
        {
            "system": [MARKED],
            "tools": [{**TOOL, "cache_control": {}}, {**TOOL, "name": "b", "cache_control": {"type": "ephemeral"}}],
            "messages": [said(MARKED, MARKED, MARKED, role="user")],
        },
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    "marked nothing": (
        {"messages": [said({**MARKED, "text": ""}, role="user")]},
        "cache_control cannot be set for empty text blocks",
    ),
    "open schema": (
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
        "'additionalProperties' must be explicitly set to false",
    ),
}


TAKEN: dict[str, dict[str, Any]] = {
    "plain": {},
    "a choice of nothing": {"tool_choice": {"type": "auto"}},
    "same role twice": {"messages": [USER, USER, said({"type": "text", "text": "x"}), USER]},
    "text after results": {
        "messages": [USER, USE, said(*RESULT["content"], {"type": "text", "text": "x"}, role="user")]
    },
    "results in two messages": {
        "messages": [
            USER,
            said(*USE["content"], {**USE["content"][0], "id": "b"}),
            RESULT,
            said({**RESULT["content"][0], "tool_use_id": "b"}, role="user"),
        ]
    },
    "adaptive without thoughts": {"thinking": {"type": "adaptive"}, "tools": [TOOL], "messages": [USER, USE, RESULT]},
    "prefill": {"messages": [USER, {"role": "assistant", "content": "so"}]},
    "server tool": {"tools": [{"type": "web_search_20250305", "name": "web_search"}, TOOL]},
    "image and file": {
        "messages": [
            said(
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "eA=="}},
                {"type": "document", "source": {"type": "url", "url": "https://x.test/a.pdf"}},
                role="user",
            )
        ]
    },
    "four marks": {"system": [MARKED], "messages": [said(MARKED, MARKED, MARKED, role="user")]},
}
