"""What Google's generateContent refuses in the conversation: roles, parts, calls and their answers, signatures."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langroute.lab.refusals import ApiError, Json

_PART_FIELDS = frozenset({
    "audio_transcription", "code_execution_result", "executable_code", "file_data", "function_call",
    "function_response", "inline_data", "media_processing", "media_resolution", "part_metadata", "speech_metadata",
    "text", "thought", "thought_signature", "tool_call", "tool_response", "video_metadata",
})  # fmt: skip
_DATA = (
    "text", "inline_data", "file_data", "function_call", "function_response", "executable_code",
    "code_execution_result", "tool_call", "tool_response",
)  # fmt: skip
_CALL_FIELDS = {
    "function_call": frozenset({"args", "id", "name", "partial_args", "will_continue"}),
    "function_response": frozenset({"id", "name", "parts", "response", "scheduling", "will_continue"}),
    "inline_data": frozenset({"data", "display_name", "mime_type"}),
    "file_data": frozenset({"display_name", "file_uri", "mime_type"}),
}
# What stands for a signature where there cannot be one: ai.google.dev/gemini-api/docs/thought-signatures.
UNSIGNED = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
_UNSIGNED_CALL = (
    "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, "
    "and missing thought_signature may lead to degraded model performance. Additional data, {}. Please refer to "
    "https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
)
_CAPITAL = re.compile(r"(?<=[a-z0-9])([A-Z])")
# What stands under these names is the user's own, and keeps its names.
_OWN = frozenset({
    "args", "response", "properties", "response_json_schema", "parameters_json_schema", "labels", "default", "example",
})  # fmt: skip


def snake(value: Any) -> Any:
    """A message with its fields named the one way; names that are the user's are left alone."""
    if isinstance(value, list):
        return [snake(each) for each in value]
    if not isinstance(value, dict):
        return value
    read: Json = {}
    for key, each in value.items():
        name = key if key.startswith("$") else _CAPITAL.sub(r"_\1", key).lower()
        if name == "properties" and isinstance(each, dict):
            read[name] = {own: snake(part) for own, part in each.items()}
        else:
            read[name] = each if name in _OWN else snake(each)
    return read


def invalid(message: str) -> ApiError:
    """A refusal as an invalid argument."""
    return ApiError(message)


def unknown_name(name: str, where: str) -> ApiError:
    """The refusal of a field that the message does not have."""
    place = f" at '{where}'" if where else ""
    return invalid(f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.')


def check_contents(contents: Any, *, signs: bool, genuine: Callable[[str], bool]) -> None:
    """Check a conversation.

    Args:
        contents: the contents, their names in one way of writing.
        signs: whether function calls of the current turn must carry signatures.
        genuine: whether a signature is the provider's own.

    Raises:
        ApiError: Google would refuse it.
    """
    if not contents or not isinstance(contents, list):
        raise invalid("* GenerateContentRequest.contents: contents is not specified")
    for index, content in enumerate(contents):
        _check_content(content, f"contents[{index}]", genuine)
    _check_turns(contents)
    if signs:
        _check_signed(contents)


def _check_content(content: Any, where: str, genuine: Callable[[str], bool]) -> None:
    extra = next((name for name in content if name not in ("role", "parts")), None)
    if extra is not None:
        raise unknown_name(extra, where)
    if content.get("role", "user") not in ("user", "model", "function"):
        raise invalid("Please use a valid role: user, model.")
    if not content.get("parts"):
        raise invalid(f"* GenerateContentRequest.{where}.parts: contents.parts must not be empty.")
    for place, part in enumerate(content["parts"]):
        _check_part(part, f"{where}.parts[{place}]", genuine)


def _check_part(part: Json, where: str, genuine: Callable[[str], bool]) -> None:
    """A part says one thing (nothing: github.com/router-for-me/CLIProxyAPI/issues/1293)."""
    extra = next((name for name in part if name not in _PART_FIELDS), None)
    if extra is not None:
        raise unknown_name(extra, where)
    told = [name for name in _DATA if part.get(name) is not None]
    if not told and not part.get("thought_signature"):
        raise invalid(
            f"* GenerateContentRequest.{where}.data: required oneof field 'data' must have one initialized field"
        )
    if len(told) > 1:
        raise invalid(f"Invalid value at '{where}' (oneof), oneof field 'data' is already set. Cannot set '{told[1]}'")
    for kind in told:
        if kind in _CALL_FIELDS:
            _check_data(part[kind], kind, f"{where}.{kind}")
    signature = part.get("thought_signature")
    # As reported when a conversation came from elsewhere: github.com/lbjlaq/Antigravity-Manager/issues/970.
    if signature is not None and signature not in UNSIGNED and not genuine(signature):
        raise invalid("Corrupted thought signature.")


def _check_data(data: Any, kind: str, where: str) -> None:
    extra = next((name for name in data if name not in _CALL_FIELDS[kind]), None)
    if extra is not None:
        raise unknown_name(extra, where)
    if kind in ("function_call", "function_response") and not data.get("name"):
        raise invalid(f"* GenerateContentRequest.{where}.name: Name cannot be empty.")
    if kind == "inline_data" and not data.get("mime_type"):
        raise invalid(f"* GenerateContentRequest.{where}.mime_type: mime_type must be set.")
    for name in ("args", "response"):
        if not isinstance(data.get(name, {}), dict):
            shown = f'"{data[name]}"' if isinstance(data[name], str) else data[name]
            raise invalid(f"Invalid value at '{where}.{name}' (type.googleapis.com/google.protobuf.Struct), {shown}")


def _check_turns(contents: Sequence[Json]) -> None:
    """Who may follow whom; turns of one role may follow one another (github.com/google/adk-go/pull/1302).

    Reported in github.com/google-gemini/gemini-cli/issues/11814 (calls), /5443 (their number),
    langchain-ai/langchain/issues/27799 (answers), NousResearch/hermes-agent/issues/55427 (who begins) and
    microsoft/semantic-kernel/pull/13288 (a single turn).
    """
    calls = [_count(content, "function_call") for content in contents]
    answers = [_count(content, "function_response") for content in contents]
    if len(contents) == 1 and contents[0].get("role") == "model":
        raise invalid("Please ensure that single turn requests end with a user role or the role field is empty.")
    for index, (called, answered) in enumerate(zip(calls, answers, strict=True)):
        before = index - 1
        if called and (index == 0 or contents[before].get("role") == "model"):
            raise invalid(
                "Please ensure that function call turn comes immediately after a user turn or after a function "
                "response turn."
            )
        if answered and (index == 0 or not calls[before]):
            raise invalid("Please ensure that function response turn comes immediately after a function call turn.")
        if index and calls[before] and answered != calls[before]:
            raise invalid(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
    if contents[0].get("role") == "model":
        raise invalid("Please ensure that multiturn requests alternate between user and model.")


def _check_signed(contents: Sequence[Json]) -> None:
    """The first call of every step since the user last spoke carries a signature.

    ai.google.dev/gemini-api/docs/thought-signatures; earlier turns are not looked at.
    """
    starts = [
        index
        for index, content in enumerate(contents)
        if content.get("role", "user") == "user" and not _count(content, "function_response")
    ]
    for index in range(max(starts, default=-1) + 1, len(contents)):
        call = next((part for part in contents[index]["parts"] if part.get("function_call")), None)
        if call is not None and not call.get("thought_signature"):
            told = f"function call `default_api:{call['function_call']['name']}` , position {index + 1}"
            raise invalid(_UNSIGNED_CALL.format(told))


def _count(content: Mapping[str, Any], kind: str) -> int:
    return sum(1 for part in content["parts"] if part.get(kind) is not None)
