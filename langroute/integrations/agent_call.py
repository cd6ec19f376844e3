"""AgentCall: one model call of `create_agent`, as the router sees it."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from langchain.agents.middleware.types import ModelRequest
from langchain.agents.structured_output import AutoStrategy, ProviderStrategy, ToolStrategy
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig

from langroute.integrations.options import json_bytes, text_bytes
from langroute.integrations.request import BoundTool, ModelCall, Structure, model_call

_MOST_REMEMBERED = 1_000

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerForm:
    """What `response_format` asks for, whichever way the chosen model is made to give it.

    Attributes:
        schema: the first schema, which tells something about the kind of the step.
        tools: the schemas as the tools that LangChain binds for them; empty where the provider's own way is demanded.
        native: the provider's own way is demanded, so that arms without it cannot make the call.
        size: UTF-8 bytes that the schemas add to the input, whichever way they are sent.
    """

    schema: Any
    tools: tuple[Mapping[str, Any], ...]
    native: bool
    size: int


@dataclass(frozen=True, kw_only=True)
class AgentCall(ModelCall):
    """A model call of an agent, with what is known of its tools and schemas from earlier calls.

    Attributes:
        form: what `response_format` asks for; None without one.
        known_schemas: the tools in the form that is sent, those that stand for schemas included.
        known_bytes: UTF-8 bytes of all tools and schemas.
        inside_bytes: UTF-8 bytes that middleware inside routing is known to add.
    """

    form: AnswerForm | None = None
    known_schemas: tuple[Mapping[str, Any], ...] = ()
    known_bytes: int = 0
    inside_bytes: int = 0

    @cached_property
    def tool_schemas(self) -> tuple[Mapping[str, Any], ...]:
        """The bound tools in the form that is sent."""
        return self.known_schemas

    @cached_property
    def schema_bytes(self) -> int:
        """UTF-8 bytes of everything bound to the call."""
        return self.known_bytes + self.inside_bytes + text_bytes(self.options) + text_bytes(self.tool_options)

    @property
    def may_declare_tools(self) -> bool:
        """Whether tools may be declared for a history that needs some: nothing else brings tools along."""
        return not self.tools

    @property
    def needs_structure(self) -> bool:
        """Whether only an arm with structured output of its own can make the call."""
        return (self.form is not None and self.form.native) or bool(self.options.get("response_format"))


class Kept(Generic[Made]):
    """Remembers what was made from an object for as long as it is asked about; recognises it by identity."""

    def __init__(self, make: Callable[[Any], Made], *, marks: Callable[[Any], object] = id) -> None:
        self._make = make
        self._marks = marks
        self._kept: OrderedDict[int, tuple[Any, object, Made]] = OrderedDict()

    def of(self, thing: Any) -> Made:
        """What was made from this object, made anew once its marks have changed."""
        found = self._kept.get(id(thing))
        marks = self._marks(thing)
        if found is not None and found[0] is thing and found[1] == marks:
            return found[2]
        made = self._make(thing)
        self._kept[id(thing)] = (thing, marks, made)
        while len(self._kept) > _MOST_REMEMBERED:
            self._kept.popitem(last=False)
        return made


def _tool_marks(tool: Any) -> object:
    return (getattr(tool, "name", ""), getattr(tool, "description", ""), id(getattr(tool, "args_schema", None)))


def _sized(tool: Any) -> tuple[Mapping[str, Any], int]:
    schema = BoundTool(tool)
    return schema, json_bytes(schema)


@dataclass(frozen=True, slots=True)
class AgentCalls:
    """Makes an `AgentCall` of each request; schemas of tools and answers are worked out once."""

    _tools: Kept[tuple[Mapping[str, Any], int]] = field(default_factory=lambda: Kept(_sized, marks=_tool_marks))
    _forms: Kept[AnswerForm] = field(default_factory=lambda: Kept(answer_form))

    def of(
        self, request: ModelRequest[Any], config: RunnableConfig, *, form: AnswerForm | None, inside_bytes: int = 0
    ) -> AgentCall:
        """The call that a request asks for, whose answer has this form.

        Raises:
            ConfigError: a model setting would make the call dearer than its hold, or is no possible limit.
        """
        options, limit = _settings(request.model_settings, config)
        schemas, size = self._schemas(request.tools)
        schemas = (*schemas, *(form.tools if form else ()))
        return AgentCall(
            prompt=None,
            messages=sent_messages(request),
            config=config,
            tools=schemas,
            tool_options={"tool_choice": request.tool_choice} if request.tool_choice is not None else {},
            structure=None if form is None else Structure(schema=form.schema),
            options=options,
            output_limit=limit,
            form=form,
            known_schemas=schemas,
            known_bytes=size + (form.size if form else 0),
            inside_bytes=inside_bytes,
        )

    def form(self, request: ModelRequest[Any]) -> AnswerForm | None:
        """What the `response_format` of a request asks for."""
        return None if request.response_format is None else self._forms.of(request.response_format)

    def _schemas(self, tools: Sequence[Any]) -> tuple[tuple[Mapping[str, Any], ...], int]:
        # Dictionaries may be changed in place and are small, so they are read each time.
        sized = [_sized(tool) if isinstance(tool, dict) else self._tools.of(tool) for tool in tools]
        return tuple(schema for schema, _ in sized), sum(size for _, size in sized)


def _settings(settings: dict[str, Any], config: RunnableConfig) -> tuple[Mapping[str, Any], int | None]:
    """Model settings that go to the model as they are, and the output limit among them."""
    if not settings:
        return {}, None
    plain = model_call(prompt=None, messages=(), config=config, options=dict(settings))
    return plain.options, plain.output_limit


def sent_messages(request: ModelRequest[Any]) -> list[BaseMessage]:
    """The messages of a request as LangChain sends them: the system message first."""
    if request.system_message is None:
        return list(request.messages)
    return [request.system_message, *request.messages]


def answer_form(response_format: Any) -> AnswerForm:
    """What a `response_format` asks for: a strategy, or a plain schema, for which LangChain picks one per model."""
    if isinstance(response_format, ProviderStrategy):
        spec = response_format.schema_spec
        return AnswerForm(schema=spec.schema, tools=(), native=True, size=json_bytes(spec.json_schema))
    strategy = response_format
    if not isinstance(strategy, ToolStrategy):
        schema = strategy.schema if isinstance(strategy, AutoStrategy) else strategy
        strategy = ToolStrategy(schema)
    tools = tuple(_output_tool(spec) for spec in strategy.schema_specs)
    # A plain schema goes out as a tool or as a format: both forms are of about the size of the tool.
    return AnswerForm(
        schema=strategy.schema_specs[0].schema, tools=tools, native=False, size=sum(json_bytes(tool) for tool in tools)
    )


def _output_tool(spec: Any) -> Mapping[str, Any]:
    return {
        "type": "function",
        "function": {"name": spec.name, "description": spec.description, "parameters": spec.json_schema},
    }
