"""The obliging answerer: calls the tool that is asked for, fits the schema that is asked for, echoes otherwise."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from langroute.testing.chat_form import as_chat
from langroute.testing.fitting import Hints, fitting_value
from langroute.testing.reply import Reply

_QUOTED = re.compile(r"""["'`]([^"'`\n]+)["'`]""")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")
_WORD = re.compile(r"[a-z]{4,}")


def obliging(request: Mapping[str, Any]) -> Reply:
    """A plausible answer to any request of any provider, always the same to the same one.

    A tool is called when ``tool_choice`` demands one, or when the last message is a user's that names the tool or a
    word of its name; not after a tool has answered. Arguments and schemas get the smallest values that fit, with
    numbers and quoted texts of the prompt where a number or a text is due. In JSON mode the quoted words are the keys.

    Args:
        request: the JSON of the request.
    """
    request = as_chat(request)
    message = request["messages"][-1]
    text = _text(message)
    hints = Hints(numbers=_NUMBER.findall(text), texts=_QUOTED.findall(text))
    function = _wanted(request, message, text)
    if function is not None:
        arguments = fitting_value(function.get("parameters") or {"type": "object"}, hints)
        return Reply(tool_calls=((function["name"], arguments),))
    wanted = request.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        return Reply(text=json.dumps(fitting_value(wanted["json_schema"]["schema"], hints), ensure_ascii=False))
    if wanted.get("type") == "json_object":
        return Reply(text=json.dumps(dict.fromkeys(_QUOTED.findall(text), "some text"), ensure_ascii=False))
    return Reply(text=f"You said: {text}" if text.strip() else "You said nothing.")


def _wanted(request: Mapping[str, Any], message: Mapping[str, Any], text: str) -> Mapping[str, Any] | None:
    """The function to call, if any."""
    functions: list[Mapping[str, Any]] = [tool["function"] for tool in request.get("tools") or ()]
    choice = request.get("tool_choice")
    if not functions or choice == "none":
        return None
    if isinstance(choice, Mapping):
        return next(function for function in functions if function["name"] == choice["function"]["name"])
    asked = _asked_for(functions, text) if message["role"] == "user" else None
    return functions[0] if asked is None and choice == "required" else asked


def _asked_for(functions: Sequence[Mapping[str, Any]], text: str) -> Mapping[str, Any] | None:
    lowered = text.lower()
    words = set(_WORD.findall(lowered))
    # A longer name first, where one name is the beginning of another.
    for function in sorted(functions, key=lambda each: len(each["name"]), reverse=True):
        name = function["name"].lower()
        if name in lowered or words & set(_WORD.findall(name)):
            return function
    return None


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
