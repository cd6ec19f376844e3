"""What Google's generateContent refuses around the conversation: fields, tools, schemas, settings.

The rules rest on the API reference (ai.google.dev/api/generate-content, ai.google.dev/api/caching#Schema), on what its
Python SDK 2.34 sends, and on refusals that users reported; each check names what it rests on where it is not the
reference. What is not known to be refused is let through. Names may be written in either of the two ways that JSON
knows for protocol buffers: ``functionCall`` or ``function_call``.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from langroute.lab.refusals import Json
from langroute.testing.google_contents import check_contents, invalid, snake, unknown_name

_FIELDS = frozenset({
    "cached_content", "contents", "continuation_token", "generation_config", "labels", "model", "safety_settings",
    "service_tier", "store", "system_instruction", "tool_config", "tools",
})  # fmt: skip
_CONFIG_FIELDS = frozenset({
    "audio_timestamp", "audio_transcription_config", "candidate_count", "enable_affective_dialog",
    "enable_enhanced_civic_answers", "frequency_penalty", "image_config", "logprobs", "max_output_tokens",
    "media_resolution", "model_selection_config", "presence_penalty", "response_format", "response_json_schema",
    "response_logprobs", "response_mime_type", "response_modalities", "response_schema", "routing_config", "seed",
    "speech_config", "stop_sequences", "temperature", "thinking_config", "top_k", "top_p", "translation_config",
})  # fmt: skip
_SCHEMA_FIELDS = frozenset({
    "any_of", "default", "description", "enum", "example", "format", "items", "max_items", "max_length",
    "max_properties", "maximum", "min_items", "min_length", "min_properties", "minimum", "nullable", "pattern",
    "properties", "property_ordering", "required", "title", "type",
})  # fmt: skip
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$")
_MOST_STOPS = 5


def check_request(body: object, *, signs: bool, genuine: Any) -> Json:
    """The request, with its names in one way of writing, when Google would take it.

    Args:
        body: its decoded JSON.
        signs: whether the model demands its signatures on function calls, as Gemini 3 does.
        genuine: whether a signature is the provider's own.

    Raises:
        ApiError: Google would refuse it.
    """
    if not isinstance(body, dict):
        raise invalid("Invalid JSON payload received. Root element must be a message.")
    asked: Json = snake(body)
    _refuse_unknown(asked, _FIELDS, "")
    config = asked.get("generation_config") or {}
    _refuse_unknown(config, _CONFIG_FIELDS, "generation_config")
    names = list(_functions(asked.get("tools") or ()))
    _check_calling(asked, names)
    _check_config(config)
    _check_answer_kind(asked, names, signs=signs)
    system = asked.get("system_instruction")
    if system is not None and not (isinstance(system, dict) and system.get("parts")):
        raise invalid("* GenerateContentRequest.system_instruction.parts: contents.parts must not be empty.")
    check_contents(asked.get("contents"), signs=signs, genuine=genuine)
    return asked


def _refuse_unknown(given: Mapping[str, Any], known: Collection[str], where: str) -> None:
    name = next((name for name in given if name not in known), None)
    if name is not None:
        raise unknown_name(name, where)


def _functions(tools: Any) -> Iterator[str]:
    """The names of the functions declared, each declaration checked."""
    for index, tool in enumerate(tools):
        for place, declared in enumerate(tool.get("function_declarations") or ()):
            where = f"tools[{index}].function_declarations[{place}]"
            name = declared.get("name", "")
            if not _NAME.match(name):
                raise invalid(
                    f"* GenerateContentRequest.{where}.name: [FIELD_INVALID] Invalid function name. Must start with a "
                    "letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons "
                    "(:), or dashes (-), with a maximum length of 128."
                )
            _check_schema(declared.get("parameters"), f"{where}.parameters")
            yield name


def _check_schema(schema: Any, where: str) -> None:
    """Google's own schemas know a part of JSON schema.

    Reported in github.com/openswarm-ai/openswarm/issues/24 and zed-industries/zed/issues/59938 (keywords) and /53919
    (lists of types).
    """
    if not isinstance(schema, dict):
        return
    _refuse_unknown(schema, _SCHEMA_FIELDS, where)
    if isinstance(schema.get("type"), list):
        raise invalid(
            f"Invalid JSON payload received. Unknown name \"type\" at '{where}': Proto field is not repeating, cannot "
            "start list."
        )
    for number, value in enumerate(schema.get("enum") or ()):
        if not isinstance(value, str):
            raise invalid(f"Invalid value at '{where}.enum[{number}]' (TYPE_STRING), {value}")
    for number, part in enumerate((schema.get("properties") or {}).values()):
        _check_schema(part, f"{where}.properties[{number}].value")
    _check_schema(schema.get("items"), f"{where}.items")
    for number, part in enumerate(schema.get("any_of") or ()):
        _check_schema(part, f"{where}.any_of[{number}]")


def _check_calling(asked: Mapping[str, Any], names: Collection[str]) -> None:
    """Settings of calls need functions, and functions stand beside Google's own tools only where that is turned on.

    Reported in github.com/pydantic/pydantic-ai/pull/5791 and strands-agents/harness-sdk/pull/3646.
    """
    settings = asked.get("tool_config") or {}
    calling = settings.get("function_calling_config") or {}
    mixes = settings.get("include_server_side_tool_invocations")
    mode, allowed = calling.get("mode", "AUTO"), calling.get("allowed_function_names") or ()
    if mode not in ("MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"):
        raise invalid(f"Invalid value at 'tool_config.function_calling_config.mode' (TYPE_ENUM), \"{mode}\"")
    if calling and not names and not mixes:
        raise invalid("Function calling config is set without function_declarations.")
    own = [name for tool in asked.get("tools") or () for name in tool if name != "function_declarations"]
    if own and names and not mixes:
        raise invalid("Tool use with function calling is unsupported")
    missing = next((name for name in allowed if name not in names), None)
    if missing is not None:
        raise invalid(
            "* GenerateContentRequest.tool_config.function_calling_config.allowed_function_names: the function "
            f"{missing} is not among the function_declarations"
        )


def _check_answer_kind(asked: Mapping[str, Any], names: Collection[str], *, signs: bool) -> None:
    """JSON and calls go together in newer models only, or where calls are forbidden.

    Reported in github.com/symfony/ai/issues/1777 and google/adk-python/issues/5735.
    """
    config = asked.get("generation_config") or {}
    calling = (asked.get("tool_config") or {}).get("function_calling_config") or {}
    json_only = config.get("response_mime_type") == "application/json"
    if names and json_only and calling.get("mode") != "NONE" and not signs:
        raise invalid("Function calling with a response mime type: 'application/json' is unsupported")


def _check_config(config: Mapping[str, Any]) -> None:
    where = "* GenerateContentRequest.generation_config"
    temperature = config.get("temperature")
    if temperature is not None and not 0 <= temperature <= 2:
        raise invalid(f"{where}.temperature: temperature must be in the range [0.0, 2.0].")
    limit = config.get("max_output_tokens")
    if limit is not None and limit < 1:
        raise invalid(f"{where}.max_output_tokens: max_output_tokens must be positive.")
    if len(config.get("stop_sequences") or ()) > _MOST_STOPS:
        raise invalid(f"{where}.stop_sequences: at most {_MOST_STOPS} stop sequences may be given.")
    thinking = config.get("thinking_config") or {}
    if thinking.get("thinking_budget") is not None and thinking.get("thinking_level") is not None:
        raise invalid("You can only set only one of thinking budget and thinking level.")
    if config.get("response_schema") and config.get("response_json_schema"):
        raise invalid(f"{where}: only one of response_schema and response_json_schema may be set.")
    _check_schema(config.get("response_schema"), "generation_config.response_schema")
