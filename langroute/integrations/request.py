"""ModelCall: one call as it reached a door, and the step the router sees in it."""

import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig

from langroute.books import Purpose
from langroute.clock import SystemClock
from langroute.config import RouterConfig
from langroute.entry import EntryRule
from langroute.episodes import RunPlace
from langroute.integrations.bindings import schema_bytes, schema_of
from langroute.integrations.entrance import Entrance
from langroute.integrations.options import refuse_hidden_costs, take_output_limit, text_bytes
from langroute.integrations.place import NodePlace, node_place
from langroute.integrations.signals import Signals
from langroute.integrations.swap.fits import FittedMessages
from langroute.integrations.swap.swap import Swap
from langroute.pool import ModelPool
from langroute.protocols import Clock, TextEncoder
from langroute.records import Arm, BudgetView, CacheView, Kind, Step, Usage
from langroute.steps import ConversationReader, Reading, bound_input_tokens, expected_input_tokens
from langroute.steps.calls import classify_call, system_prompt
from langroute.steps.facts import asked
from langroute.steps.warmth import PromptCaches, has_cache_marks

TOOLS = "tools"
STRUCTURE = "langroute_structure"
_FORMAT = "response_format"
# Arguments of some models' own `bind_tools`, which has to see them: there they also change how tools are described.
_BIND_KEYS = ("tool_choice", "strict", "parallel_tool_calls", _FORMAT)
# A call that must make a tool call cannot be a loop's last one: its answer is the tool call, as with `ToolStrategy`.
_FREE_CHOICE = (None, "auto", "none", False)
_MOST_ANSWERS = 10_000


class BoundTool(dict[str, Any]):
    """A tool as it is sent, which is what those look at who inspect a binding, with the tool it was made from.

    Attributes:
        original: the tool as the user gave it; bound again on the chosen model.
    """

    def __init__(self, original: Any) -> None:
        super().__init__(schema_of(original))
        self.original = original


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """A schema that the answer must fit, as given to ``with_structured_output``."""

    schema: Any
    include_raw: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ModelCall:
    """One call as it reached a door: the prompt, the config, and what was bound to it.

    Attributes:
        prompt: the input, as the user gave it.
        messages: the same as messages; a list that nobody changes any more.
        config: the config in force, callbacks included.
        tools: tools bound to the call.
        tool_options: options of the binding, such as ``tool_choice``.
        structure: schema bound to the call.
        options: all other keyword arguments of the call; they go to the model as they are.
        output_limit: most output tokens, where the user set a limit on the call.
    """

    prompt: Any
    messages: Sequence[BaseMessage]
    config: RunnableConfig
    tools: Sequence[Any] = ()
    tool_options: Mapping[str, Any] = field(default_factory=dict)
    structure: Structure | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    output_limit: int | None = None

    @cached_property
    def tool_schemas(self) -> tuple[Mapping[str, Any], ...]:
        """The bound tools in the form that is sent."""
        return tuple([schema_of(tool) for tool in self.tools])

    @cached_property
    def schema_bytes(self) -> int:
        """UTF-8 bytes of everything bound to the call."""
        if not (self.tools or self.options or self.tool_options or self.structure):
            return 0
        size = sum([schema_bytes(tool) for tool in self.tools])
        size += text_bytes(self.options) + text_bytes(self.tool_options)
        if self.structure is not None:
            # Some providers are sent the schema both as a tool and as a format.
            size += 2 * schema_bytes(self.structure.schema) + text_bytes(self.structure.options)
        return size

    @cached_property
    def fitted(self) -> dict[str, FittedMessages]:
        """The messages as they are sent, by arm, as far as that has been worked out."""
        return {}

    @property
    def may_declare_tools(self) -> bool:
        """Whether tools may be declared for a history that needs some: nothing else brings tools along."""
        return not self.tools and self.structure is None

    @property
    def needs_structure(self) -> bool:
        """Whether the answer must fit a schema or a format."""
        return self.structure is not None or bool(self.options.get(_FORMAT) or self.tool_options.get(_FORMAT))


def model_call(
    *, prompt: Any, messages: Sequence[BaseMessage], config: RunnableConfig, options: dict[str, Any]
) -> ModelCall:
    """A call from the keyword arguments it was made with.

    Raises:
        ConfigError: an argument would make the call dearer than its hold, or is no possible limit.
    """
    if not options:
        return ModelCall(prompt=prompt, messages=messages, config=config)
    rest = dict(options)
    structure: Structure | None = rest.pop(STRUCTURE, None)
    refuse_hidden_costs(rest)
    if structure is not None:
        refuse_hidden_costs(structure.options)
    tools = tuple(tool.original if isinstance(tool, BoundTool) else tool for tool in rest.pop(TOOLS, None) or ())
    binding = {key: rest.pop(key) for key in _BIND_KEYS if key in rest}
    if not tools and structure is None and binding.get(_FORMAT) is not None:
        rest[_FORMAT] = binding[_FORMAT]
    return ModelCall(
        prompt=prompt,
        messages=messages,
        config=config,
        tools=tools,
        tool_options=binding if tools else {},
        structure=structure,
        output_limit=take_output_limit(rest),
        options=rest,
    )


class StepReader:
    """Reads the step out of a call; remembers conversations, so that only new messages are read.

    Args:
        config: the router's settings.
        pool: the arms, and the tokenizers that are known of them.
        clock: tells how old what is in a prompt cache is; the machine's when left out.
        encoder: what reads the text of a call for the estimator; None where no text is read.
    """

    def __init__(
        self, config: RouterConfig, pool: ModelPool, *, clock: Clock | None = None, encoder: TextEncoder | None = None
    ) -> None:
        self._config = config
        self._pool = pool
        self._entrance = Entrance(config)
        self._entries = bool(config.entries)
        self._reader = ConversationReader()
        self._answers: OrderedDict[str, tuple[str, int]] = OrderedDict()
        self._signals = Signals(pool)
        self._counters = [(arm.name, arm.model, pool.token_counter(arm.name)) for arm in pool.arms]
        self._counts = any(counter is not None for _, _, counter in self._counters)
        self._caches = PromptCaches(pool.arms if config.cache_aware else ())
        self._clock = clock or SystemClock()
        self._encoder = encoder
        self.swap = Swap(pool)

    def learn_answer(self, message: AIMessage, *, model: str, asked_with: int) -> None:
        """Remember that ``model`` gave this answer to a call on ``asked_with`` messages: then its report of them holds.

        Providers answer under longer names, such as a dated snapshot; the arm's own name is kept here.
        """
        if message.id:
            self._answers[message.id] = (model, asked_with)
            while len(self._answers) > _MOST_ANSWERS:
                self._answers.popitem(last=False)

    def learn_outcome(self, episode: str, confidence: float | None) -> None:
        """Remember how sure the latest answer of an episode was; None when it did not tell."""
        self._signals.learn_outcome(episode, confidence)

    def learn_cache(self, call: ModelCall, step: Step, arm: Arm, usage: Usage | None, *, at: float) -> None:
        """Remember what an arm was sent for a step at a moment, and what it reported: its prompt cache holds it now."""
        if self._caches and not step.closing:  # a closing call is sent without its tools, so nothing after shares it
            self._caches.learn(
                call.messages,
                arm=arm.name,
                usage=usage,
                prompt_bytes=step.features.prompt_bytes,
                tools_bytes=call.schema_bytes,
                at=at,
            )

    def place(self, call: ModelCall) -> RunPlace:
        """Where a call stands, to find its episode, and what is set aside for one that it opens."""
        return self._entrance.place(call.config, call.messages)

    def read(self, call: ModelCall, *, episode: str, call_index: int, alone: bool = False) -> Step:
        """The step of a call; its ``budget`` is still to be filled in."""
        place = node_place(call.config)
        entry = self._entrance.rule(place, call.messages) if self._entries else None
        kind, reason = self._kind(place, call, entry)
        reading = self._reader.read(call.messages, settled=True)
        survey, size = self.swap.survey(call), call.schema_bytes
        bounds = self._arm_bounds(call, reading, survey.growth)
        expected = expected_input_tokens(reading, tools_bytes=size)
        if bounds:
            expected = min(expected, *bounds.values())
        return Step(
            episode=episode,
            call_index=call_index,
            kind=kind,
            budget=BudgetView(scope=""),
            node=place.node,
            kind_reason=reason,
            purpose=place.purpose or default_purpose(kind),
            pressure=self._signals.pressure(reading, call.config, episode=episode, place=place, expected=expected),
            input_tokens=expected,
            input_bound=bound_input_tokens(reading, tools_bytes=size) + survey.most_growth,
            arm_bounds=tuple(bounds.items()),
            output_cap=call.output_limit or self._config.output_cap(kind),
            needs_tools=bool(call.tools),
            needs_structure=call.needs_structure,
            pinned=place.pinned(self._config.pins),
            loops=place.loops and call.tool_options.get("tool_choice") in _FREE_CHOICE,
            features=self._signals.features(
                reading,
                episode=episode,
                place=place,
                entry=entry,
                schema_bytes=size,
                tool_category=self._tool_category(call) if call.tools else "",
                text=() if self._encoder is None else self._encoder.encode(asked(call.messages)),
            ),
            needs_media=reading.media_kinds,
            alone=alone,
            rejected=survey.unfit,
            caches=self._expected_caches(call, expected) if self._caches else (),
        )

    def _expected_caches(self, call: ModelCall, expected: int) -> tuple[CacheView, ...]:
        return self._caches.expect(
            call.messages,
            tools_bytes=call.schema_bytes,
            input_tokens=expected,
            marked=has_cache_marks(call.messages, {**call.options, **call.tool_options}),
            at=self._clock.now(),
        )

    def _tool_category(self, call: ModelCall) -> str:
        return self._signals.tool_category(call.tools, call.tool_options, lambda: call.tool_schemas)

    def _arm_bounds(self, call: ModelCall, reading: Reading, growth: Mapping[str, int]) -> dict[str, int]:
        """Bounds that hold for single arms: by their own tokenizer, or by what they reported of the prefix."""
        bounds: dict[str, int] = {}
        last = reading.last_usage
        if last is None and not self._counts:
            return bounds
        counted: dict[int, int] = {}
        reporter = self._reporter(call) if last is not None and last.anchored else None
        for arm, model, counter in self._counters:
            if counter is not None:
                if id(counter) not in counted:
                    counted[id(counter)] = counter(call.messages, call.tool_schemas)
                bounds[arm] = counted[id(counter)] + growth.get(arm, 0)
            elif last is not None and reporter == model:
                bound = bound_input_tokens(reading, tools_bytes=call.schema_bytes, reported_model=last.model)
                bounds[arm] = bound + growth.get(arm, 0)
        return bounds

    def _reporter(self, call: ModelCall) -> str | None:
        """The model whose answer is the last one of the conversation, if langroute asked it on what stands before."""
        for index in range(len(call.messages) - 1, -1, -1):
            message = call.messages[index]
            if isinstance(message, AIMessage) and message.usage_metadata:
                model, asked_with = self._answers.get(message.id or "", ("", -1))
                return model if asked_with == index else None
        return None

    def _kind(self, place: NodePlace, call: ModelCall, entry: EntryRule | None) -> tuple[Kind, str]:
        if place.node in self._config.kinds:
            return self._config.kinds[place.node], "set in config"
        if place.kind is not None:
            return place.kind, place.kind_reason
        schema = call.structure.schema if call.structure is not None else None
        if not place.node:
            return self._entrance.kind(place, entry, call.messages, tools=bool(call.tools), schema=schema)
        found = classify_call(
            node=place.node, prompt=system_prompt(call.messages), tools=bool(call.tools), schema=schema
        )
        return found.kind, found.reason


def default_purpose(kind: Kind) -> Purpose:
    """The reserve a step of this kind may open where nothing else was said."""
    return "verification" if kind == "verification" else "general"


def form_defects(call: ModelCall, message: AIMessage | None, written: Iterable[str] = ()) -> tuple[str, ...]:
    """What is malformed about an answer: its tool calls, against the tools that were bound.

    Args:
        call: the call that was made.
        message: its answer; None when none came.
        written: arguments of tool calls as the model wrote them, where they came in pieces. LangChain completes
            broken JSON while it streams, so that the message no longer shows what was wrong.
    """
    if message is None or not call.tools:
        return ()
    required = {
        schema["function"]["name"]: set(schema["function"].get("parameters", {}).get("required", ()))
        for schema in call.tool_schemas
        if "function" in schema
    }
    defects = ["invalid_tool_call"] * (bool(message.invalid_tool_calls) or not all(map(_is_object, written)))
    if len(required) == len(call.tool_schemas):
        defects += ["unknown_tool"] * any(made["name"] not in required for made in message.tool_calls)
        defects += ["invalid_arguments"] * any(
            not required.get(made["name"], set()) <= set(made["args"]) for made in message.tool_calls
        )
    return tuple(defects)


def _is_object(text: str) -> bool:
    """Whether a text is a JSON object, or nothing at all, as some models write for "no arguments"."""
    try:
        return not text.strip() or isinstance(json.loads(text), dict)
    except ValueError:
        return False
