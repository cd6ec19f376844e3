"""What the function of a node refers to: prompts, models with tools or a schema bound to them, and whole agents.

Applications seldom write these into the function: ``PROMPT``, ``llm_with_tools`` and ``grader`` stand beside it, in the
module, in the function around it or in ``self``. Nothing is called and nothing changed; values are only looked at.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import RunnableSequence
from langchain_core.runnables.base import RunnableBindingBase
from langgraph.pregel.protocol import PregelProtocol

_LEAST_PROMPT = 40  # characters; a shorter text is a label
_DEEPEST = 4  # chains within chains
_STRUCTURE = "ls_structured_output_format"  # LangChain's own note of the schema on a bound model
_ROUTED_STRUCTURE = "langroute_structure"
_AGENT_TOOLS = "tools"  # the node that agents made by LangChain call their tools in


@dataclass(slots=True, kw_only=True)
class References:
    """What a node's function refers to.

    Attributes:
        prompts: texts long enough to be prompts.
        tools: a model that it refers to has tools bound.
        schema: what a model that it refers to must answer with; None when free.
        agent: it refers to a compiled agent.
        models: the names of classes of chat models that it refers to and that are not routed.
    """

    prompts: list[str] = field(default_factory=list)
    tools: bool = False
    schema: Any = None
    agent: bool = False
    models: list[str] = field(default_factory=list)

    @property
    def prompt(self) -> str:
        """All prompts in one text."""
        return "\n".join(self.prompts)


def references(function: Callable[..., Any] | None, runnable: Any = None) -> References:
    """What a function, and the runnable that a node may be instead of one, refer to."""
    found = References()
    for value in (*_values(function), runnable):
        _look(value, found, 0)
    return found


def _values(function: Any) -> Iterable[Any]:
    """The values that a function's code names: of its module, of the functions around it, and of ``self``."""
    code = getattr(function, "__code__", None)
    if code is None:
        return ()
    try:
        outside = inspect.getclosurevars(function)
    except (TypeError, ValueError):
        return ()
    owner = getattr(function, "__self__", None)
    own = {} if owner is None or inspect.isclass(owner) else getattr(owner, "__dict__", {})
    mine = [own[name] for name in code.co_names if name in own]
    return [*outside.nonlocals.values(), *outside.globals.values(), *mine]


def _look(value: Any, found: References, depth: int) -> None:
    if isinstance(value, str):
        if len(value) >= _LEAST_PROMPT:
            found.prompts.append(value)
    elif depth > _DEEPEST:
        return
    elif isinstance(value, BaseChatModel):
        if not hasattr(value, "_langroute_routed"):
            found.models.append(type(value).__name__)
    elif isinstance(value, PregelProtocol):
        found.agent = found.agent or _AGENT_TOOLS in getattr(value, "nodes", ())
    else:
        for part in _parts(value, found):
            _look(part, found, depth + 1)


def _parts(value: Any, found: References) -> Iterable[Any]:
    if isinstance(value, RunnableSequence):
        return value.steps
    if isinstance(value, RunnableBindingBase):
        _bound(value.kwargs, found)
        return (value.bound,)
    if isinstance(value, BaseMessage):
        return (value.content,)
    if isinstance(value, BasePromptTemplate) or hasattr(type(value), "format_messages"):
        prompt = getattr(value, "prompt", None)
        inner = getattr(value, "messages", None) or (prompt if isinstance(prompt, list) else (prompt,))
        return (*inner, getattr(value, "template", None))
    return ()


def _bound(options: Mapping[str, Any], found: References) -> None:
    routed = options.get(_ROUTED_STRUCTURE)
    noted = options.get(_STRUCTURE)
    schema = getattr(routed, "schema", None) or (noted.get("schema") if isinstance(noted, Mapping) else None)
    if schema is None:
        found.tools = found.tools or bool(options.get("tools"))
    elif isinstance(schema, Mapping) and isinstance(schema.get("function"), Mapping):
        described = schema["function"]
        found.schema = {"title": described.get("name"), **(described.get("parameters") or {})}
    else:
        found.schema = schema
