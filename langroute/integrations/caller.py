"""LangChainCaller: makes the calls a journey asks for, through the public methods of the chosen chat model.

So there is one run per provider call, with the model's own name, cache, streaming and callbacks.
"""

from collections.abc import AsyncGenerator, Generator, Iterator
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import Runnable, RunnableConfig
from pydantic import ValidationError

from langroute.flow import Call, Reply
from langroute.integrations.bindings import BoundModels
from langroute.integrations.meter import CallMeter
from langroute.integrations.request import ModelCall, StepReader, form_defects
from langroute.pool import ModelPool

_NOSTREAM = "nostream"  # langgraph.constants.TAG_NOSTREAM, spelled out so that plain LangChain needs no LangGraph
_MISFIT = (OutputParserException, ValidationError)
# An answer cut off by its output limit before it fits its schema; known by name, so that no SDK has to be imported.
_CUT_OFF = "LengthFinishReasonError"


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
        reader: told under which name an arm answers.
        bound: models of this pool that tools are bound to; none when left out.
    """

    def __init__(
        self, pool: ModelPool, request: ModelCall, reader: StepReader, *, bound: BoundModels | None = None
    ) -> None:
        self._pool = pool
        self._request = request
        self._reader = reader
        self._bound = bound or BoundModels()
        self._reply = Reply()

    def call(self, act: Call) -> Reply:
        """Make the whole call."""
        meter = CallMeter()
        try:
            value = self._target(act).invoke(self._request.prompt, self._config(act, meter), **self._options(act))
        except BaseException as error:
            misfit = _misfit(act, meter, error)
            if misfit is None:
                raise
            return misfit
        return self._done(act, meter, value)

    async def acall(self, act: Call) -> Reply:
        """Make the whole call without blocking the event loop."""
        meter = CallMeter()
        target = self._target(act)
        try:
            value = await target.ainvoke(self._request.prompt, self._config(act, meter), **self._options(act))
        except BaseException as error:
            misfit = _misfit(act, meter, error)
            if misfit is None:
                raise
            return misfit
        return self._done(act, meter, value)

    def stream(self, act: Call) -> Generator[Any, None, None]:
        """Make the call piece by piece."""
        meter = CallMeter()
        try:
            yield from self._target(act).stream(self._request.prompt, self._config(act, meter), **self._options(act))
        except BaseException:
            act.usage = meter.usage
            raise
        self._reply = self._done(act, meter, None)

    async def astream(self, act: Call) -> AsyncGenerator[Any, None]:
        """Make the call piece by piece without blocking the event loop."""
        meter = CallMeter()
        target = self._target(act)
        try:
            async for piece in target.astream(self._request.prompt, self._config(act, meter), **self._options(act)):
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

    def _target(self, act: Call) -> Runnable[Any, Any]:
        """The chosen model with what was bound to the call bound to it."""
        model: Any = self._pool.model(act.arm.name)
        if self._request.structure is not None:
            wanted = self._request.structure
            # LangChain drops a call's keyword arguments with include_raw: the limit has to be on the model itself.
            model = self._pool.limited_model(act.arm.name, act.output_limit)
            return model.with_structured_output(  # type: ignore[no-any-return]
                wanted.schema, include_raw=wanted.include_raw, **wanted.options
            )
        if self._request.tools:
            return self._bound.bind(model, self._request.tools, self._request.tool_options)
        return model  # type: ignore[no-any-return]

    def _config(self, act: Call, meter: CallMeter) -> RunnableConfig:
        """The call's config with what is ours added; as `merge_configs` would do, which takes five times as long."""
        step, given = act.record.step, self._request.config
        tags = {*(given.get("tags") or ()), f"langroute:{act.arm.name}", *((_NOSTREAM,) if act.gated else ())}
        config: RunnableConfig = {
            **given,
            "tags": sorted(tags),
            "metadata": {
                **(given.get("metadata") or {}),
                "langroute_episode": step.episode,
                "langroute_call_index": step.call_index,
                "langroute_record": act.record.id,
            },
            "callbacks": _joined(given.get("callbacks"), meter),
        }
        if step.attempt:
            config.pop("run_id", None)  # the first attempt had it, and each is a run of its own
        return config

    def _options(self, act: Call) -> dict[str, Any]:
        name, limit = act.arm.name, act.output_limit
        if self._request.structure is not None and self._pool.limited_model(name, limit) is not self._pool.model(name):
            return dict(self._request.options)  # the limit is on the model
        return {**self._request.options, **self._pool.output_limit_kwargs(name, limit)}

    def _done(self, act: Call, meter: CallMeter, value: Any) -> Reply:
        defects = list(form_defects(self._request, meter.message, meter.written.values()))
        if self._request.structure is not None and isinstance(value, dict) and value.get("parsing_error") is not None:
            defects.append("invalid_structure")
        reply = meter.reply(value, tuple(defects))
        if meter.message is not None:
            self._reader.learn_answer(meter.message, model=act.arm.model, asked_with=len(self._request.messages))
        return reply


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
