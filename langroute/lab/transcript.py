"""Checking the messages of a request, as strictly as the real API does."""

from collections.abc import Sequence

from langroute.lab.refusals import ApiError, Json, missing, wrong_type

_ROLES = ("system", "assistant", "user", "function", "tool", "developer")


def read_messages(messages: object) -> tuple[Json, ...]:
    """The messages with text parts joined to plain strings.

    Raises:
        ApiError: no list of messages, an unknown role, content that is no text, a tool message that answers no call,
            or a call that no tool message answers.
    """
    if messages is None:
        raise missing("messages")
    if not isinstance(messages, list):
        raise wrong_type("messages", "an array of objects", messages)
    if not messages:
        raise ApiError(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            param="messages",
            code="empty_array",
        )
    read = tuple(_message(message, f"messages.[{index}]") for index, message in enumerate(messages))
    _check_tool_answers(read)
    return read


def _message(message: object, where: str) -> Json:
    if not isinstance(message, dict):
        raise wrong_type(where, "an object", message)
    role = message.get("role")
    if role not in _ROLES:
        supported = ", ".join(f"'{name}'" for name in _ROLES[:-1])
        raise ApiError(
            f"Invalid value: '{role}'. Supported values are: {supported}, and '{_ROLES[-1]}'.",
            param=f"{where}.role",
            code="invalid_value",
        )
    content = message.get("content")
    if content is None and not (role == "assistant" and message.get("tool_calls")):
        raise ApiError(
            f"Invalid value for 'content': expected a string, got null. ({where}.content)",
            param=f"{where}.content",
        )
    return {**message, "content": _text(content, f"{where}.content")}


def _text(content: object, where: str) -> str | None:
    if content is None or isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise wrong_type(where, "one of a string or array of objects", content)
    parts = []
    for index, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in ("text", "refusal"):
            raise ApiError(
                f"Invalid content type. {kind} is only supported by certain models.", param=f"{where}.[{index}].type"
            )
        parts.append(str(part.get(kind, "")))
    return "".join(parts)


def _check_tool_answers(messages: Sequence[Json]) -> None:
    """Every tool message answers a call of the assistant message before it, and every call is answered."""
    open_calls: list[str] = []
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            if message.get("tool_call_id") not in open_calls:
                raise ApiError(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                    param=f"messages.[{index}].role",
                )
            open_calls.remove(message["tool_call_id"])
            continue
        _refuse_unanswered(open_calls, index)
        open_calls = _call_ids(message, index)
    _refuse_unanswered(open_calls, len(messages))


def _call_ids(message: Json, index: int) -> list[str]:
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list) or not all(isinstance(c, dict) and isinstance(c.get("id"), str) for c in calls):
        raise wrong_type(f"messages.[{index}].tool_calls", "an array of objects with an 'id'", calls)
    return [call["id"] for call in calls]


def _refuse_unanswered(open_calls: Sequence[str], index: int) -> None:
    if open_calls:
        raise ApiError(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            "'tool_call_id'. The following tool_call_ids did not have response messages: " + ", ".join(open_calls),
            param=f"messages.[{index}].role",
        )
