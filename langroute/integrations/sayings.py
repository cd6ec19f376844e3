"""What an answer says, in a form in which equal answers are equal."""

import json
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from pydantic import BaseModel

from langroute.steps.facts import tool_call_key

_RAW, _PARSED = "raw", "parsed"


def saying(value: Any) -> str:
    """What an answer says; empty where nothing can be read.

    Tool calls are what counts where there are some, whatever is said beside them: by name and arguments, in any order.
    Text counts without case and with its white space in runs of one, line by line. A parsed structure is written as
    JSON. What stands beside it (``include_raw``) does not count.
    """
    if isinstance(value, Mapping) and _RAW in value and _PARSED in value:
        value = value[_PARSED] if value[_PARSED] is not None else value[_RAW]
    if isinstance(value, AIMessage):
        return _calls(value) if value.tool_calls else _text(value.text)
    if isinstance(value, BaseMessage):
        return _text(value.text)
    if isinstance(value, str):
        return _text(value)
    return _structure(value)


def _calls(message: AIMessage) -> str:
    # The ids of calls differ from answer to answer, and the order of parallel calls is nobody's meaning.
    return "\n".join(sorted(repr(tool_call_key({"name": c["name"], "args": c["args"]})) for c in message.tool_calls))


def _text(text: str) -> str:
    lines = [" ".join(line.split()).casefold() for line in text.splitlines()]
    return "\n".join(line for line in lines if line)


def _structure(value: Any) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if not isinstance(value, Mapping | list | tuple | int | float | bool):
        return ""
    try:
        return json.dumps(value, sort_keys=True, default=repr)
    except (TypeError, ValueError):
        return ""
