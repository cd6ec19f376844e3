"""Tools as they are sent, and models with tools bound: made once, since agents bind the same ones at every step.

A tool is known again by identity, and by the parts of it that are sent: whoever renames a tool, describes it anew or
gives it another schema is heard at the next call. Tools without such marks (functions, dictionaries, tools with
settings for one provider) are converted at every call, as LangChain does.
"""

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from langchain_core.tools import BaseTool, Tool
from langchain_core.utils.function_calling import convert_to_openai_tool

from langroute.integrations.options import json_bytes

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.runnables import Runnable

_NAMES = frozenset({"function", "name", "title"})
_MOST_TOOLS = 1_024
_MOST_BOUND = 64  # each keeps a model alive, and its tools


class _Mark:
    """A tool with what is sent of it. It holds the tool, so no other one can come by its identity meanwhile."""

    __slots__ = ("description", "name", "schema", "tool")

    def __init__(self, tool: BaseTool) -> None:
        self.tool, self.name, self.description, self.schema = tool, tool.name, tool.description, tool.args_schema

    def __hash__(self) -> int:
        return hash((id(self.tool), self.name, self.description))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _Mark)
            and self.tool is other.tool
            and self.schema is other.schema
            and (self.name, self.description) == (other.name, other.description)
        )


def _mark(tool: Any) -> _Mark | None:
    """The mark of a tool; None where what is sent of it could change unseen."""
    if not isinstance(tool, BaseTool) or isinstance(tool, Tool) or not isinstance(tool.args_schema, type):
        return None
    return None if tool.metadata or getattr(tool, "extras", None) else _Mark(tool)


def schema_of(tool: Any) -> Mapping[str, Any]:
    """The JSON that is sent for a tool; provider-side tools are dictionaries already."""
    mark = _mark(tool)
    return _convert(tool) if mark is None else _kept_schema(mark)[0]


def schema_bytes(tool: Any) -> int:
    """UTF-8 bytes of the JSON that is sent for a tool; all but ASCII is escaped, which is never shorter."""
    mark = _mark(tool)
    return json_bytes(_convert(tool)) if mark is None else _kept_schema(mark)[1]


@lru_cache(maxsize=_MOST_TOOLS)
def _kept_schema(mark: _Mark) -> tuple[Mapping[str, Any], int]:
    schema = _convert(mark.tool)
    return schema, json_bytes(schema)


def _convert(tool: Any) -> Mapping[str, Any]:
    if isinstance(tool, Mapping) and "function" not in tool and "type" in tool and "parameters" not in tool:
        return tool
    if isinstance(tool, Mapping) and not _NAMES.intersection(tool):
        return tool  # Google names its own tools by their only key
    return convert_to_openai_tool(tool)


class BoundModels:
    """Models with the tools that were bound to them last; each is kept with what it was made from."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[Any, Runnable[Any, Any]]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def bind(self, model: "BaseChatModel", tools: Sequence[Any], options: Mapping[str, Any]) -> "Runnable[Any, Any]":
        """The model with the tools bound, as its own ``bind_tools`` binds them.

        Args:
            model: the chat model of an arm.
            tools: as the user gave them.
            options: of the binding, such as ``tool_choice``.
        """
        key = _key(model, tools, options)
        if key is None:
            return model.bind_tools(tools, **options)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                return kept[1]
        bound = model.bind_tools(tools, **options)
        with self._lock:
            self._kept[key] = model, bound  # the model is held: no other one can come by its identity meanwhile
            while len(self._kept) > _MOST_BOUND:
                self._kept.popitem(last=False)
        return bound


def _key(model: object, tools: Sequence[Any], options: Mapping[str, Any]) -> Hashable | None:
    """What names a binding; None where a part of it could change unseen."""
    marks = [_mark(tool) for tool in tools]
    plain = all(value is None or isinstance(value, str | bool) for value in options.values())
    return (id(model), *marks, *sorted(options.items())) if plain and None not in marks else None
