"""LangChainCaller: makes the calls a journey asks for, through the public methods of the chosen chat model.

So there is one run per provider call, with the model's own name, cache, streaming and callbacks.
"""

from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, Protocol

from langchain_core.callbacks import Callbacks
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from pydantic import ValidationError

from langroute.acts import Ask, Call, Compare, Prefer, Reply, Weigh
from langroute.errors import ConfigError
from langroute.integrations.bindings import BoundModels
from langroute.integrations.meter import CallMeter, meter_of, reply_of
from langroute.integrations.place import can_resume
from langroute.integrations.request import ModelCall, StepReader, form_defects
from langroute.integrations.sayings import saying
from langroute.integrations.swap.fits import Fitted
from langroute.integrations.verdicts import prompt_tokens, verdict_of, verdict_prompt
from langroute.pool import ModelPool
from langroute.records import Record, Step

_NOSTREAM = "nostream"  # langgraph.constants.TAG_NOSTREAM, spelled out so that plain LangChain needs no LangGraph
_STREAM = "stream"
_MISFIT = (OutputParserException, ValidationError)
# An answer cut off by its output limit before it fits its schema; known by name, so that no SDK has to be imported.
_CUT_OFF = "LengthFinishReasonError"


CLOSING_INSTRUCTION = (
    "The budget of this task carries no further step: no tools are at hand any more. Answer now, as well as the "
    "conversation so far allows, and say what is missing."
)


class Edit(Protocol):
    """Makes a conversation shorter in place: any ``ContextEdit`` of ``langchain.agents.middleware``."""

    def apply(self, messages: list[Any], *, count_tokens: Any) -> None:
        """Change the list."""
        ...


class Misfit:
    """Stands for an answer that does not fit its schema, until it is known whether another arm will do better."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def answer(value: Any) -> Any:
    """The answer of a journey; raises where no arm brought one that fits."""
    if isinstance(value, Misfit):
        raise value.error
    return value


class LangChainCaller:
    """Makes the calls of one journey.

    Args:
        pool: gives the chat model of an arm.
        request: the call as it reached the door.
        reader: reads the step; told under which name an arm answers.
        edits: make the prompt shorter, in this order, when the router wants it to be.
        bound: models of this pool that tools are bound to; none when left out.
        alone: the call opens an episode of its own.
        watched: somebody may watch the tokens of the run, so that a whole call is streamed underneath.
    """

    def __init__(
        self,
        pool: ModelPool,
        request: ModelCall,
        reader: StepReader,
        *,
        edits: Sequence[Edit] = (),
        bound: BoundModels | None = None,
        alone: bool = False,
        watched: bool = True,
    ) -> None:
        self._pool = pool
        self._request = request
        self._reader = reader
        self._edits = edits
        # Not `bound or`: a pool's models begin with none bound, and what is empty is false.
        self._bound = BoundModels() if bound is None else bound
        self._alone = alone
        self._watched = watched
        self._reply = Reply()
        self._fitted: tuple[Record, Fitted] | None = None

    def observe(self, episode: str, call_index: int, /, *, compress: bool = False) -> Step:
        """The step of the call; ``compress`` first makes the prompt shorter that will be sent."""
        if compress and self._edits:
            shorter = shortened(self._request.messages, self._edits)
            self._request = replace(self._request, prompt=shorter, messages=shorter)
        return self._reader.read(self._request, episode=episode, call_index=call_index, alone=self._alone)

    def ask(self, act: Ask) -> object:
        """Interrupt the graph with a question, and return what it is resumed with.

        Raises:
            ConfigError: the call stands outside a graph, or in one without a checkpointer.
        """
        return interrupted(act)

    def compare(self, act: Compare) -> tuple[str, ...]:
        """Answers in a form in which equal ones are equal; empty for what cannot be read."""
        return tuple([saying(self._answer_of(value)) for value in act.values])

    def prefer(self, act: Prefer) -> None:
        """Take note of which of several replies is passed on: the next step looks at how sure it was."""
        self._reader.learn_outcome(act.record.step.episode, act.reply.confidence)

    def weigh(self, act: Weigh) -> tuple[int, int]:
        """Input tokens of the call that asks a verifier about an answer: expected, and at most."""
        return prompt_tokens(self._verdict_prompt(act))

    def call(self, act: Call) -> Reply:
        """Make the whole call."""
        if act.verifies is not None:
            return self._verified(act)
        meter = None if self._tells_all(act) else CallMeter()
        try:
            value = self._target(act).invoke(self._prompt(act), self._config(act, meter), **self._options(act))
        except BaseException as error:
            misfit = _misfit(act, meter or meter_of(error), error)
            if misfit is None:
                raise
            return misfit
        return self._read(act, value) if meter is None else self._done(act, meter, value)

    async def acall(self, act: Call) -> Reply:
        """Make the whole call without blocking the event loop."""
        if act.verifies is not None:
            return await self._averified(act)
        meter = None if self._tells_all(act) else CallMeter()
        target = self._target(act)
        try:
            value = await target.ainvoke(self._prompt(act), self._config(act, meter), **self._options(act))
        except BaseException as error:
            misfit = _misfit(act, meter or meter_of(error), error)
            if misfit is None:
                raise
            return misfit
        return self._read(act, value) if meter is None else self._done(act, meter, value)

    def stream(self, act: Call) -> Generator[Any, None, None]:
        """Make the call piece by piece."""
        meter = CallMeter()
        try:
            yield from self._target(act).stream(self._prompt(act), self._config(act, meter), **self._options(act))
        except BaseException:
            act.usage = meter.usage
            raise
        self._reply = self._done(act, meter, None)

    async def astream(self, act: Call) -> AsyncGenerator[Any, None]:
        """Make the call piece by piece without blocking the event loop."""
        meter = CallMeter()
        target = self._target(act)
        try:
            async for piece in target.astream(self._prompt(act), self._config(act, meter), **self._options(act)):
                yield piece
        except BaseException:
            act.usage = meter.usage
            raise
        self._reply = self._done(act, meter, None)

    def reply(self, act: Call) -> Reply:  # noqa: ARG002 - the driver's contract
        """What the stream brought, once it has ended."""
        return self._reply

    def pieces(self, value: Any) -> Iterator[Any]:
        """A whole answer as one piece of a stream."""
        whole = answer(value)
        if whole is None:
            return
        if isinstance(whole, AIMessage) and not isinstance(whole, AIMessageChunk):
            yield _chunk(whole)
        else:
            yield whole

    # -- a verifier's call: the model itself, with a prompt of its own -----------------------------------------------

    def _verified(self, act: Call) -> Reply:
        meter, prompt = CallMeter(), self._verdict_prompt(act)
        try:
            self._pool.model(act.arm.name).invoke(prompt, self._config(act, meter), **self._limit(act))
        except BaseException:
            act.usage = meter.usage
            raise
        return _verdict(meter)

    async def _averified(self, act: Call) -> Reply:
        meter, prompt = CallMeter(), self._verdict_prompt(act)
        try:
            await self._pool.model(act.arm.name).ainvoke(prompt, self._config(act, meter), **self._limit(act))
        except BaseException:
            act.usage = meter.usage
            raise
        return _verdict(meter)

    def _verdict_prompt(self, act: Call | Weigh) -> list[BaseMessage]:
        value = act.value if isinstance(act, Weigh) else (act.verifies or (None,))[0]
        return verdict_prompt(self._request.messages, self._answer_of(value))

    def _limit(self, act: Call) -> dict[str, Any]:
        return self._pool.output_limit_kwargs(act.arm.name, act.output_limit)

    def _answer_of(self, value: Any) -> Any:
        """The answer in what a call brought."""
        return None if isinstance(value, Misfit) else value

    def _fit(self, act: Call) -> Fitted:
        """The call as it is sent to the chosen arm; worked out once per attempt, whose samples are alike."""
        if self._fitted is None or self._fitted[0] is not act.record:
            self._fitted = act.record, self._made_fit(act)
        act.swapped = self._fitted[1].reasons
        return self._fitted[1]

    def _made_fit(self, act: Call) -> Fitted:
        call = self._request
        return self._reader.swap.fit(
            act.arm.name,
            messages=call.messages,
            tools=call.tools,
            tool_options=call.tool_options,
            options=call.options,
            structure=call.structure.options if call.structure is not None else None,
            closing=act.record.step.closing,
            declares=call.may_declare_tools,
            known=call.fitted,
        )

    def _prompt(self, act: Call) -> Any:
        messages = self._fit(act).messages
        if act.record.step.closing:
            return closing_messages(messages)
        return self._request.prompt if messages is self._request.messages else list(messages)

    def _target(self, act: Call) -> Runnable[Any, Any]:
        """The chosen model with what was bound to the call bound to it."""
        fitted = self._fit(act)
        model: Any = self._reader.swap.model(act.arm.name, fitted.settings)
        if self._request.structure is not None:
            wanted = self._request.structure
            # LangChain drops a call's keyword arguments with include_raw: the limit has to be on the model itself.
            model = self._pool.limited_model(act.arm.name, act.output_limit)
            model = model.model_copy(update=dict(fitted.settings)) if fitted.settings else model
            return model.with_structured_output(  # type: ignore[no-any-return]
                wanted.schema, include_raw=wanted.include_raw, **fitted.structure_options
            )
        if fitted.tools:
            return self._bound.bind(model, fitted.tools, fitted.tool_options)
        return model  # type: ignore[no-any-return]

    def _tells_all(self, act: Call) -> bool:
        """Whether the answer itself tells all that a meter would see: a whole one, not taken apart, not put together.

        So does an error, which `meter_of` reads.
        An answer that comes in pieces shows in them what LangChain mends on the way, and one with a schema is parsed.
        """
        if self._watched or self._request.needs_structure or _STREAM in self._request.options:
            return False
        return not getattr(self._pool.model(act.arm.name), "streaming", False)

    def _read(self, act: Call, value: Any) -> Reply:
        """What a whole answer brought."""
        message = value if isinstance(value, AIMessage) else None
        defects = form_defects(self._request, message) if self._request.tools else ()
        return self._learned(act, message, reply_of(message, value, defects))

    def _config(self, act: Call, meter: CallMeter | None) -> RunnableConfig:
        """The call's config with what is ours added; as `merge_configs` would do, which takes five times as long."""
        step, given = act.record.step, self._request.config
        tags = {*(given.get("tags") or ()), f"langroute:{act.arm.name}"}
        if act.gated:
            tags.add(_NOSTREAM)
        config: RunnableConfig = {
            **given,
            "tags": sorted(tags),
            "metadata": {
                **(given.get("metadata") or {}),
                "langroute_episode": step.episode,
                "langroute_call_index": step.call_index,
                "langroute_record": act.record.id,
            },
        }
        if meter is not None:
            config["callbacks"] = _joined(given.get("callbacks"), meter)
        if step.attempt or act.extra:
            config.pop("run_id", None)  # the first attempt had it, and each is a run of its own
        return config

    def _options(self, act: Call) -> dict[str, Any]:
        name, limit, options = act.arm.name, act.output_limit, self._fit(act).options
        if self._request.structure is not None and self._pool.limited_model(name, limit) is not self._pool.model(name):
            return dict(options)  # the limit is on the model
        return {**options, **self._pool.output_limit_kwargs(name, limit)}

    def _done(self, act: Call, meter: CallMeter, value: Any) -> Reply:
        defects = list(form_defects(self._request, meter.message, meter.written.values()))
        if self._request.structure is not None and isinstance(value, dict) and value.get("parsing_error") is not None:
            defects.append("invalid_structure")
        return self._learned(act, meter.message, meter.reply(value, tuple(defects)))

    def _learned(self, act: Call, message: AIMessage | None, reply: Reply) -> Reply:
        """A reply, after the reader of this door was told of it."""
        self._reader.learn_outcome(act.record.step.episode, reply.confidence)
        self._reader.learn_cache(self._request, act.record.step, act.arm, reply.usage, at=act.record.at)
        if message is not None:
            self._reader.learn_answer(message, model=act.arm.model, asked_with=len(self._request.messages))
            self._reader.swap.learn_answer(message, act.arm.name)
        return reply


def _verdict(meter: CallMeter) -> Reply:
    said = "unclear" if meter.message is None else verdict_of(meter.message)
    return meter.reply(said, ())


def closing_messages(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """A conversation with the instruction to answer now at its end; the messages given are not changed."""
    return [*messages, HumanMessage(CLOSING_INSTRUCTION)]


def shortened(messages: Sequence[BaseMessage], edits: Sequence[Edit]) -> list[BaseMessage]:
    """A shorter copy of a conversation; the messages given are not changed."""
    copy = deepcopy(list(messages))
    for edit in edits:
        edit.apply(copy, count_tokens=count_tokens_approximately)
    return copy


def interrupted(act: Ask) -> object:
    """What a graph is resumed with, after it was interrupted with a question.

    Raises:
        ConfigError: the call stands outside a graph, or in one that could never be resumed.
    """
    from langgraph.types import interrupt  # noqa: PLC0415 - plain LangChain needs no LangGraph until somebody asks

    if not can_resume(var_child_runnable_config.get()):
        raise ConfigError(
            "a person is to be asked, but the call stands outside a graph or in one without a checkpointer; compile "
            "the graph with one, or give StepRouter(ask=...) a function that asks",
            field="actions.ask_above_dollars",
        )
    return interrupt(act.question.payload(again=act.again))


def _joined(callbacks: Callbacks, meter: CallMeter) -> Callbacks:
    """Callbacks with the meter beside them; those given are not changed."""
    if callbacks is None or isinstance(callbacks, list):
        return [*(callbacks or ()), meter]
    manager = callbacks.copy()
    manager.add_handler(meter, inherit=True)
    return manager


def _misfit(act: Call, meter: CallMeter, error: BaseException) -> Reply | None:
    """What a failed call brought, if its answer merely does not fit its schema; its usage is kept either way."""
    act.usage = meter.usage
    if not isinstance(error, _MISFIT) and type(error).__name__ != _CUT_OFF:
        return None
    return meter.reply(Misfit(error), ("invalid_structure",))


def _chunk(message: AIMessage) -> AIMessageChunk:
    """A whole message in the form that streams are made of."""
    return AIMessageChunk(
        content=message.content,
        additional_kwargs=message.additional_kwargs,
        response_metadata=message.response_metadata,
        tool_calls=message.tool_calls,
        invalid_tool_calls=message.invalid_tool_calls,
        usage_metadata=message.usage_metadata,
        id=message.id,
        chunk_position="last",
    )
