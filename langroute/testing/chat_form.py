"""Requests of every format in the one form that answers are made from: that of chat completions.

Only what an answer depends on is kept: roles, texts, tools, the choice of a tool, the schema of the answer. A message
that brings results of tools has the role ``tool``. Everything else is left behind, so nothing of this is ever sent on.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from langroute.lab.refusals import Json

_ANTHROPIC_KEYS = {"system", "output_config", "output_format", "thinking", "stop_sequences", "top_k"}


def as_chat(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """Any provider's request as a chat completion's; one that is none of the others is taken for one already."""
    if "contents" in request:
        return google_chat(request)
    if "input" in request:
        return responses_chat(request)
    if _is_anthropic(request):
        return anthropic_chat(request)
    return request


def anthropic_chat(request: Mapping[str, Any]) -> Json:
    """A request to Anthropic's messages API as a chat completion's."""
    messages = [{"role": "system", "content": _text(request["system"])}] if request.get("system") else []
    for message in request["messages"]:
        blocks = message["content"] if isinstance(message["content"], list) else []
        results = [block for block in blocks if block.get("type") == "tool_result"]
        role = "tool" if results and len(results) == len(blocks) else message["role"]
        messages.append({"role": role, "content": _text(message["content"])})
    format_ = (request.get("output_config") or {}).get("format") or request.get("output_format")
    chosen = request.get("tool_choice") or {}
    choices: dict[str, str] = {"any": "required", "none": "none", "auto": "auto"}
    tools = [(t["name"], t["input_schema"]) for t in request.get("tools") or () if "input_schema" in t]
    named = chosen["name"] if chosen.get("type") == "tool" else None
    return _chat(messages, tools, choices.get(chosen.get("type", ""), ""), named, format_ and format_["schema"])


def responses_chat(request: Mapping[str, Any]) -> Json:
    """A request to OpenAI's responses API as a chat completion's."""
    told = request["input"]
    messages = [{"role": "system", "content": request["instructions"]}] if request.get("instructions") else []
    for item in [{"role": "user", "content": told}] if isinstance(told, str) else told:
        if item.get("type", "message") == "message":
            messages.append({"role": item["role"], "content": _text(item.get("content"))})
        elif item["type"].endswith("_output"):
            messages.append({"role": "tool", "content": _text(item.get("output"))})
    format_ = (request.get("text") or {}).get("format") or {}
    chosen = request.get("tool_choice")
    tools = [(t["name"], t.get("parameters") or {}) for t in request.get("tools") or () if t["type"] == "function"]
    named = chosen.get("name") if isinstance(chosen, Mapping) else None
    schema = {"type": "object"} if format_.get("type") == "json_object" else format_.get("schema")
    chat = _chat(messages, tools, chosen if isinstance(chosen, str) else "", named, schema)
    if format_.get("type") == "json_object":
        chat["response_format"] = {"type": "json_object"}
    return chat


def google_chat(request: Mapping[str, Any]) -> Json:
    """A request to Google's generateContent as a chat completion's."""
    system = request.get("systemInstruction") or request.get("system_instruction")
    messages = [{"role": "system", "content": _parts_text(system["parts"])}] if system else []
    for content in request["contents"]:
        answered = any("functionResponse" in part for part in content["parts"])
        role = "assistant" if content.get("role") == "model" else "tool" if answered else "user"
        messages.append({"role": role, "content": _parts_text(content["parts"])})
    tools: list[tuple[str, Any]] = [
        (each["name"], json_schema(each.get("parametersJsonSchema") or each.get("parameters") or {"type": "object"}))
        for tool in request.get("tools") or ()
        for each in tool.get("functionDeclarations") or ()
    ]
    calling = (request.get("toolConfig") or {}).get("functionCallingConfig") or {}
    allowed: list[str] = calling.get("allowedFunctionNames") or []
    choice = {"ANY": "required", "NONE": "none"}.get(calling.get("mode", ""), "")
    wanted = request.get("generationConfig") or {}
    schema = wanted.get("responseJsonSchema") or wanted.get("responseSchema")
    named = allowed[0] if choice == "required" and len(allowed) == 1 else None
    chat = _chat(messages, tools, choice, named, json_schema(schema) if schema else None)
    if wanted.get("responseMimeType") == "application/json" and not schema:
        chat["response_format"] = {"type": "json_object"}
    return chat


def json_schema(schema: Any) -> Any:
    """A schema of Google's own kind as JSON schema: its types are in capitals, and null is a flag."""
    if isinstance(schema, list):
        return [json_schema(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    read: Json = {
        key: {name: json_schema(each) for name, each in value.items()} if key == "properties" else json_schema(value)
        for key, value in schema.items()
    }
    if isinstance(read.get("type"), str):
        read["type"] = read["type"].lower()
    return {key: int(value) if key in ("minItems", "maxItems") else value for key, value in read.items()}


def _chat(messages: list[Json], tools: Iterable[tuple[str, Any]], choice: str, named: str | None, schema: Any) -> Json:
    chat: Json = {"messages": messages}
    functions = [{"type": "function", "function": {"name": name, "parameters": schema_}} for name, schema_ in tools]
    if functions:
        chat["tools"] = functions
    if named:
        chat["tool_choice"] = {"type": "function", "function": {"name": named}}
    elif choice:
        chat["tool_choice"] = choice
    if schema:
        chat["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    return chat


def _is_anthropic(request: Mapping[str, Any]) -> bool:
    blocks = [
        block
        for message in request["messages"]
        for block in (message["content"] if isinstance(message.get("content"), list) else ())
    ]
    return (
        bool(_ANTHROPIC_KEYS & set(request))
        or any(block.get("type") in ("tool_result", "tool_use") for block in blocks)
        or any("function" not in tool for tool in request.get("tools") or ())
    )


def _text(content: Any) -> str:
    """All text there is in a content, whatever its shape."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    told = [
        part if isinstance(part, str) else str(part["text"]) if "text" in part else _text(part.get("content"))
        for part in content
    ]
    return " ".join(filter(None, told))


def _parts_text(parts: Iterable[Mapping[str, Any]]) -> str:
    told = []
    for part in parts:
        if "functionResponse" in part:
            response = part["functionResponse"].get("response") or {}
            told += [each if isinstance(each, str) else json.dumps(each) for each in response.values()]
        elif not part.get("thought"):
            told.append(str(part.get("text", "")))
    return " ".join(filter(None, told))
