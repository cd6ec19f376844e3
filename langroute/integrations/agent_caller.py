"""AgentCaller: makes the calls a journey asks for through what `create_agent` wraps around its model."""

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from langchain.agents.middleware.types import ExtendedModelResponse, ModelRequest, ModelResponse
from langchain.agents.structured_output import StructuredOutputError
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config

from langroute.acts import Call, Reply
from langroute.errors import ConfigError
from langroute.integrations.agent_call import AgentCall, sent_messages
from langroute.integrations.caller import (
    Edit,
    LangChainCaller,
    Misfit,
    _misfit,
    closing_messages,
    shortened,
)
from langroute.integrations.hold_meter import HoldMeter, SecondCall
from langroute.integrations.meter import CallMeter, usage_of
from langroute.integrations.options import take_output_limit
from langroute.integrations.place import KIND, KIND_REASON
from langroute.integrations.request import StepReader
from langroute.integrations.swap.fits import Fitted
from langroute.pool import ModelPool
from langroute.records import Step, Usage

_log = logging.getLogger("langroute.middleware")
_NOTHING = Usage(input_tokens=0, output_tokens=0)

chosen: ContextVar[BaseChatModel | None] = ContextVar("langroute_chosen_model", default=None)
"""The model that a routed call under way was given, by which middleware inside knows that the call is routed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One model call of an agent on its way through the router.

    Attributes:
        request: the request as it reached the middleware.
        call: the same as the router sees it.
        config: the config in force around it.
        allowance: UTF-8 bytes that middleware inside may add to it, because the hold counts them.
    """

    request: ModelRequest[Any]
    call: AgentCall
    config: RunnableConfig
    allowance: int = 0


class AgentCaller(LangChainCaller):
    """Makes the calls of one journey through the handler that a middleware is given.

    Args:
        pool: gives the chat model of an arm.
        turn: the call as it reached the door.
        reader: reads the step; told under which name an arm answers.
        handler: the rest of the agent's model call, sync or async: middleware inside, binding, the call, parsing.
        edits: make the prompt shorter, in this order, when the router wants it to be.
        alone: the call opens an episode of its own.
    """

    def __init__(
        self,
        pool: ModelPool,
        turn: Turn,
        reader: StepReader,
        handler: Callable[[Any], Any],
        *,
        edits: Sequence[Edit] = (),
        alone: bool = False,
    ) -> None:
        super().__init__(pool, turn.call, reader, edits=edits, alone=alone)
        self._turn = turn
        self._handler = handler
        self._talk: Sequence[BaseMessage] = turn.request.messages
        self._sent: Sequence[BaseMessage] = ()

    def observe(self, episode: str, call_index: int, /, *, compress: bool = False) -> Step:
        """The step of the call; ``compress`` first makes the conversation shorter that will be sent."""
        if compress and self._edits:
            system = self._turn.request.system_message
            self._talk = shortened(self._turn.request.messages, self._edits)
            self._request = replace(self._request, messages=[*([] if system is None else [system]), *self._talk])
        return super().observe(episode, call_index)

    def call(self, act: Call) -> Reply:
        """Make the whole call."""
        if act.verifies is not None:
            return self._verified(act)
        request = self._prepared(act)
        meter = self._meter(act, request)
        try:
            with _in_force(self._config(act, meter), request.model):
                value = self._handler(request)
        except BaseException as error:
            return self._failed(act, meter, error)
        return self._finished(act, meter, value)

    async def acall(self, act: Call) -> Reply:
        """Make the whole call without blocking the event loop."""
        if act.verifies is not None:
            return await self._averified(act)
        request = self._prepared(act)
        meter = self._meter(act, request)
        handler: Callable[[Any], Awaitable[Any]] = self._handler
        try:
            with _in_force(self._config(act, meter), request.model):
                value = await handler(request)
        except BaseException as error:
            return self._failed(act, meter, error)
        return self._finished(act, meter, value)

    def _answer_of(self, value: Any) -> Any:
        """The structured answer in what a handler returned, or else the model's message."""
        response = None if isinstance(value, Misfit) else _response(value)
        if response is not None and response.structured_response is not None:
            return response.structured_response
        return None if isinstance(value, Misfit) else _answer_in(value)

    def _prepared(self, act: Call) -> ModelRequest[Any]:
        """The request with the chosen model and the output limit that was held; the last call of all without tools."""
        name, request, closing = act.arm.name, self._turn.request, act.record.step.closing
        fitted = self._fit(act)
        system, talk = self._split(fitted.messages)
        changed: dict[str, Any] = {
            "model": self._reader.swap.model(name, fitted.settings),
            "model_settings": {**fitted.options, **self._pool.output_limit_kwargs(name, act.output_limit)},
        }
        if system is not request.system_message:
            changed["system_message"] = system
        if closing or talk is not request.messages:
            changed["messages"] = closing_messages(talk) if closing else talk
        if closing or fitted.tools is not request.tools:
            changed["tools"] = list(fitted.tools)
        choice = fitted.tool_options.get("tool_choice")
        if closing or choice is not request.tool_choice:
            changed["tool_choice"] = choice
        return request.override(**changed)

    def _made_fit(self, act: Call) -> Fitted:
        request = self._turn.request
        settings = dict(request.model_settings)
        take_output_limit(settings)
        self._sent = [*([] if request.system_message is None else [request.system_message]), *self._talk]
        return self._reader.swap.fit(
            act.arm.name,
            messages=self._sent,
            tools=request.tools,
            tool_options={} if request.tool_choice is None else {"tool_choice": request.tool_choice},
            options=settings,
            closing=act.record.step.closing,
            declares=self._turn.call.may_declare_tools,
        )

    def _split(self, messages: Sequence[BaseMessage]) -> tuple[Any, Sequence[BaseMessage]]:
        """Messages as a request holds them: the system message, and all others."""
        system = self._turn.request.system_message
        if messages is self._sent:
            return system, self._talk
        return (None, messages) if system is None else (messages[0], messages[1:])

    def _meter(self, act: Call, request: ModelRequest[Any]) -> HoldMeter:
        return HoldMeter(
            record=act.record.id,
            expected=sent_messages(request),
            tools=len(self._turn.call.known_schemas),
            allowance=self._turn.allowance,
        )

    def _config(self, act: Call, meter: CallMeter | None) -> RunnableConfig:
        """The config around the call with what is ours added, but without the kind that was found for this step.

        It goes into the config in force and not on the model: binding tools loses a model's config, and a copy of the
        model per call would build its clients anew.
        """
        config = super()._config(act, meter)
        given, around = config["metadata"], self._turn.config.get("metadata") or {}
        config["metadata"] = {key: given[key] for key in given if key not in (KIND, KIND_REASON) or key in around}
        return config

    def _finished(self, act: Call, meter: HoldMeter, value: Any) -> Reply:
        if meter.error is not None and meter.message is None:
            # Something inside turned the fault into an answer; the router does better, and has to book it.
            return self._failed(act, meter, meter.error)
        reply = self._done(act, meter, value)
        if not meter.asked:
            return replace(reply, usage=_told_usage(value, meter))
        if self._turn.call.form is not None and _lacks_structure(value):
            return replace(reply, defects=(*reply.defects, "invalid_structure"))
        return reply

    def _failed(self, act: Call, meter: HoldMeter, error: BaseException) -> Reply:
        """What a failed call brought if it merely does not fit its schema; else raises what the flow should see."""
        act.usage = meter.usage if meter.asked else _NOTHING
        if isinstance(error, SecondCall):
            raise _told(meter) from meter.error
        if isinstance(error, StructuredOutputError):
            return meter.reply(Misfit(error), ("invalid_structure",))
        reply = _misfit(act, meter, error) if meter.asked else None
        if reply is None:
            raise error
        return reply


def _told_usage(value: Any, meter: HoldMeter) -> Usage:
    """What to book for an answer that no model was seen to give: what it reports, unless that was held elsewhere."""
    answer = _answer_in(value)
    return _NOTHING if answer is None or meter.routed_inside else usage_of(answer) or _NOTHING


def _told(meter: HoldMeter) -> BaseException:
    """What the flow is told of a second call: the fault of the first, after which it calls again with a new hold."""
    if meter.error is not None:
        _log.warning(
            "a middleware inside RoutingMiddleware wanted to call a model again after %s; the router does that, with a "
            "hold for each call: leave that middleware out, or put it before RoutingMiddleware",
            type(meter.error).__name__,
        )
        return meter.error
    return ConfigError(
        "a middleware after RoutingMiddleware calls a model of its own under the hold of the agent's call; put it "
        "before RoutingMiddleware and give it a RoutedChatModel, as in LLMToolSelectorMiddleware(model=...)",
        field="middleware",
    )


@contextmanager
def _in_force(config: RunnableConfig, model: BaseChatModel) -> Iterator[None]:
    """Put a config into force, which is where LangChain looks for it when a call brings none."""
    # Set back by value: a token of a coroutine that is closed from elsewhere belongs to another context.
    before = var_child_runnable_config.get(), chosen.get()
    var_child_runnable_config.set(config)
    chosen.set(model)
    try:
        yield
    finally:
        var_child_runnable_config.set(before[0])
        chosen.set(before[1])


def whole_response(value: Any) -> ModelResponse[Any]:
    """What a handler returned, in the one form that carries everything."""
    return _response(value) or ModelResponse(result=[value])


def _response(value: Any) -> ModelResponse[Any] | None:
    if isinstance(value, ExtendedModelResponse):
        return value.model_response
    return value if isinstance(value, ModelResponse) else None


def _answer_in(value: Any) -> AIMessage | None:
    """The answer of a model in what a handler returned."""
    response = _response(value)
    messages: list[BaseMessage] = [value] if response is None else response.result
    return next((message for message in messages if isinstance(message, AIMessage)), None)


def _lacks_structure(value: Any) -> bool:
    """Whether an answer that had to fit a schema is the last word on it and does not: neither fit nor a tool call."""
    response = _response(value)
    if response is None or response.structured_response is not None:
        return False
    answer = _answer_in(value)
    # LangChain answers a call that does not fit with a message to the model; a mere text ends the agent without answer.
    return len(response.result) > 1 or (answer is not None and not answer.tool_calls)
