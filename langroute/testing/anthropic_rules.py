"""What Anthropic's messages API refuses, in its words where they are known: the request, its settings, its tools.

The rules rest on the API reference (platform.claude.com/docs/en/api/messages), on the fields its Python SDK 2.13 knows,
and on refusals that users reported; each check names what it rests on where it is not the reference. What is not known
to be refused is let through.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from langroute.lab.refusals import ApiError, Json
from langroute.testing.anthropic_history import check_history

_FIELDS = frozenset({
    "billing_policy", "cache_control", "compaction", "container", "context_management", "diagnostics",
    "fallback_credit_token", "fallbacks", "inference_geo", "max_tokens", "mcp_servers", "messages", "metadata", "model",
    "output_config", "output_format", "service_tier", "speed", "stop_sequences", "stream", "system", "temperature",
    "thinking", "thread", "tool_choice", "tools", "top_k", "top_p", "user_profile_id", "workspace_id",
})  # fmt: skip
_TOOL_FIELDS = frozenset({
    "allowed_callers", "cache_control", "defer_loading", "description", "eager_input_streaming", "input_examples",
    "input_schema", "name", "strict", "type",
})  # fmt: skip
_SERVER_TOOL = re.compile(r"[a-z_]+_\d{8}$|mcp_toolset$")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}$")
_MOST_CACHE_BREAKS = 4
_LEAST_BUDGET = 1024


def check_request(body: object, *, tools_with_history: bool, midway_system: bool, signed: Callable[..., str]) -> Json:
    """The request, when Anthropic would take it.

    Args:
        body: its decoded JSON.
        tools_with_history: whether messages about tools need ``tools``.
        midway_system: whether system messages may stand between the others.
        signed: as for `check_history`.

    Raises:
        ApiError: Anthropic would refuse it.
    """
    if not isinstance(body, dict):
        raise ApiError("Input should be a valid dictionary")
    for name in ("model", "max_tokens", "messages"):
        if body.get(name) is None:
            raise ApiError(f"{name}: Field required")
    refuse_extra(body, _FIELDS, "")
    _check_numbers(body)
    _check_stops(body)
    names = _check_tools(body.get("tools"))
    _check_choice(body.get("tool_choice"), names)
    _check_thinking(body)
    _check_output(body)
    check_history(body, tools_with_history=tools_with_history, midway_system=midway_system, signed=signed)
    _check_cache_marks(body)
    return body


def refuse_extra(given: Mapping[str, Any], known: Collection[str], where: str) -> None:
    """Refuse a field that the API does not know."""
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        raise ApiError(f"{where}{unknown}: Extra inputs are not permitted")


def _check_numbers(body: Json) -> None:
    if not isinstance(body["model"], str):
        raise ApiError("model: Input should be a valid string")
    limit = body["max_tokens"]
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise ApiError("max_tokens: Input should be a valid integer")
    if limit < 0:
        raise ApiError("max_tokens: Input should be greater than or equal to 0")
    for name in ("temperature", "top_p"):
        value = body.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ApiError(f"{name}: Input should be a valid number")
        if value is not None and not 0 <= value <= 1:
            raise ApiError(f"{name}: range: 0..1")


def _check_stops(body: Json) -> None:
    stops = body.get("stop_sequences")
    if stops is None:
        return
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise ApiError("stop_sequences: Input should be a valid list of strings")
    if any(not stop.strip() for stop in stops):
        raise ApiError("stop_sequences: each stop sequence must contain non-whitespace")


def _check_tools(tools: Any) -> list[str]:
    """The names of the tools."""
    if tools is not None and not isinstance(tools, list):
        raise ApiError("tools: Input should be a valid list")
    names = []
    for index, tool in enumerate(tools or ()):
        kind = tool.get("type", "custom")
        if kind == "custom":
            _check_custom_tool(tool, f"tools.{index}.custom.")
        elif not _SERVER_TOOL.match(kind):
            raise ApiError(
                f"tools.{index}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
            )
        names += [tool["name"]] if "name" in tool else []
    if len(set(names)) < len(names):
        raise ApiError("tools: Tool names must be unique.")
    return names


def _check_custom_tool(tool: Json, where: str) -> None:
    for field in ("name", "input_schema"):
        if field not in tool:
            raise ApiError(f"{where}{field}: Field required")
    refuse_extra(tool, _TOOL_FIELDS, where)
    if not _NAME.match(str(tool["name"])):
        raise ApiError(f"{where}name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
    if tool["input_schema"].get("type") != "object":
        missing = "type" not in tool["input_schema"]
        raise ApiError(f"{where}input_schema.type: " + ("Field required" if missing else "Input should be 'object'"))


def _check_choice(choice: Any, names: Collection[str]) -> None:
    """A demanded tool must be there; ``auto`` and ``none`` need none (github.com/aakshintala/fiber/issues/132)."""
    if choice is None:
        return
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind not in ("auto", "any", "tool", "none"):
        raise ApiError(
            f"tool_choice: Input tag '{kind}' found using 'type' does not match any of the expected tags: "
            "'auto', 'any', 'tool', 'none'"
        )
    if kind == "any" and not names:
        raise ApiError("tool_choice.any may only be specified while providing tools")
    if kind == "tool" and choice.get("name") not in names:
        raise ApiError(f"Tool '{choice.get('name')}' not found in provided tools")


def _check_thinking(body: Json) -> None:
    """Thinking takes no forced tool and no other sampling than the usual one.

    Tried against the API in github.com/workglow-dev/libs/pull/746 and quarkiverse/quarkus-langchain4j/issues/1812.
    """
    thinking = body.get("thinking")
    if thinking is None:
        return
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if kind not in ("enabled", "disabled", "adaptive", "between_tools"):
        raise ApiError(f"thinking: Input tag '{kind}' found using 'type' does not match any of the expected tags")
    if kind == "enabled":
        _check_budget(body, thinking)
    if kind not in ("enabled", "adaptive"):
        return
    if body.get("temperature") not in (None, 1):
        raise ApiError("`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.")
    if body.get("top_k") is not None:
        raise ApiError("`top_k` must be unset when thinking is enabled.")
    if body.get("top_p") is not None and body["top_p"] < 0.95:
        raise ApiError("`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.")
    if (body.get("tool_choice") or {}).get("type") in ("any", "tool"):
        raise ApiError("Thinking may not be enabled when tool_choice forces tool use.")


def _check_budget(body: Json, thinking: Json) -> None:
    budget = thinking.get("budget_tokens")
    if budget is None:
        raise ApiError("thinking.enabled.budget_tokens: Field required")
    if budget < _LEAST_BUDGET:
        raise ApiError(f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_LEAST_BUDGET}")
    # Thinking between tool calls may take more than one answer holds.
    if budget >= body["max_tokens"] and not body.get("tools"):
        raise ApiError("`max_tokens` must be greater than `thinking.budget_tokens`.")


def _check_output(body: Json) -> None:
    """Objects of a schema for answers are closed (platform.claude.com/docs/en/build-with-claude/structured-outputs)."""
    wanted = (body.get("output_config") or {}).get("format") or body.get("output_format")
    if wanted is None:
        return
    if wanted.get("type") != "json_schema" or not isinstance(wanted.get("schema"), dict):
        raise ApiError("output_config.format: must be a json_schema with a schema")
    for place in _objects(wanted["schema"]):
        if place.get("additionalProperties") is not False:
            raise ApiError(
                "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
            )


def _objects(schema: Any) -> Iterator[Json]:
    if isinstance(schema, list):
        for each in schema:
            yield from _objects(each)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object":
        yield schema
    for key, value in schema.items():
        if key in ("properties", "$defs", "definitions"):
            for each in value.values():
                yield from _objects(each)
        elif key in ("items", "anyOf", "allOf", "oneOf"):
            yield from _objects(value)


def _check_cache_marks(body: Json) -> None:
    """At most four cache breakpoints, none on nothing (github.com/anthropics/claude-code/issues/55302)."""
    marks = [body] if body.get("cache_control") else []
    system = body.get("system")
    places = [(f"system.{n}", block) for n, block in enumerate(system)] if isinstance(system, list) else []
    places += [(f"tools.{n}", tool) for n, tool in enumerate(body.get("tools") or ())]
    for index, message in enumerate(body["messages"]):
        content = message["content"] if isinstance(message["content"], list) else []
        places += [(f"messages.{index}.content.{n}", block) for n, block in enumerate(content)]
    for where, block in places:
        if not block.get("cache_control"):
            continue
        if block.get("type") == "text" and not block["text"]:
            raise ApiError(f"{where}.text: cache_control cannot be set for empty text blocks")
        marks.append(block)
    if len(marks) > _MOST_CACHE_BREAKS:
        raise ApiError(
            f"A maximum of {_MOST_CACHE_BREAKS} blocks with cache_control may be provided. Found {len(marks)}."
        )
