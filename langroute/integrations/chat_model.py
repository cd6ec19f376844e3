"""RoutedChatModel: a chat model that is another one at every step."""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun, Callbacks
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult, LLMResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.tools import BaseTool
from langchain_core.tracers._streaming import _StreamingCallbackHandler
from pydantic import ConfigDict, PrivateAttr

from langroute import drivers
from langroute.flow import Journey, journey
from langroute.integrations.caller import LangChainCaller, answer
from langroute.integrations.place import run_place
from langroute.integrations.request import STRUCTURE, TOOLS, ModelCall, StepReader, Structure, model_call
from langroute.pool import ModelPool
from langroute.router import StepRouter


class RoutedChatModel(BaseChatModel):
    """A chat model for wherever one goes; before every call the router chooses which model of the pool makes it.

    Every public way of calling it chooses an arm, holds its worst case in the episode's budget, calls the chosen
    model's own public method with the same config, and settles the truth. So there is one run per provider call, under
    the chosen model's own name, and usage is counted once.

    A call can be steered through the config's metadata: ``langroute_episode``, ``langroute_kind``,
    ``langroute_purpose``, ``langroute_arm``.

    Args:
        router: decides, and keeps the books. Its pool must be a ``ModelPool``.

    Raises:
        BudgetExceeded: by a call whose worst case does not fit into what is left.
        NoArmAvailable: by a call that no arm can make.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    router: StepRouter
    _reader: StepReader = PrivateAttr()
    _langroute_routed: bool = PrivateAttr(default=True)

    def __init__(self, router: StepRouter, **kwargs: Any) -> None:
        fields: dict[str, Any] = {"router": router, "profile": _shared_profile(_pool(router)), **kwargs}
        super().__init__(**fields)
        self._reader = StepReader(router.config, _pool(router))

    # -- the four ways in ----------------------------------------------------------------------------------------

    def invoke(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Route one call and return its whole answer."""
        call = self._call(input, config, stop, kwargs)
        return cast("AIMessage", answer(drivers.run(self._journey(call), self.router, self._caller(call))))

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Route one call and return its whole answer."""
        call = self._call(input, config, stop, kwargs)
        return cast("AIMessage", answer(await drivers.arun(self._journey(call), self.router, self._caller(call))))

    def stream(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """Route one call and yield its answer piece by piece."""
        call = self._call(input, config, stop, kwargs)
        yield from drivers.stream(self._journey(call, streams=True), self.router, self._caller(call))

    async def astream(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """Route one call and yield its answer piece by piece."""
        call = self._call(input, config, stop, kwargs)
        pieces = drivers.astream(self._journey(call, streams=True), self.router, self._caller(call))
        try:
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()

    # -- the ways in that LangChain builds on these ----------------------------------------------------------------

    def generate(
        self,
        messages: list[list[BaseMessage]],
        stop: list[str] | None = None,
        callbacks: Callbacks = None,
        *,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        run_name: str | None = None,
        run_id: uuid.UUID | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        """Route one call per prompt."""
        config = _config(callbacks, tags, metadata, run_name)
        answers = [self.invoke(prompt, _named(config, run_id), stop=stop, **kwargs) for prompt in messages]
        return _result(answers)

    async def agenerate(
        self,
        messages: list[list[BaseMessage]],
        stop: list[str] | None = None,
        callbacks: Callbacks = None,
        *,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        run_name: str | None = None,
        run_id: uuid.UUID | None = None,
        **kwargs: Any,
    ) -> LLMResult:
        """Route one call per prompt."""
        config = _config(callbacks, tags, metadata, run_name)
        answers = [await self.ainvoke(prompt, _named(config, run_id), stop=stop, **kwargs) for prompt in messages]
        return _result(answers)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        # Only LangChain's own machinery comes here, with a run of its own around the call: that run reports the usage.
        message = self.invoke(messages, {"callbacks": []}, stop=stop, **kwargs)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        message = await self.ainvoke(messages, {"callbacks": []}, stop=stop, **kwargs)
        return ChatResult(generations=[ChatGeneration(message=message)])

    # -- binding: kept with the call, and bound again on the chosen model ---------------------------------------------

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools; they are bound to whichever model is chosen when the call is made."""
        choice = {} if tool_choice is None else {"tool_choice": tool_choice}
        return self.bind(**{TOOLS: list(tools)}, **choice, **kwargs)

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """Demand a schema; the chosen model's own strategy for structured output is used when the call is made."""
        return self.bind(**{STRUCTURE: Structure(schema=schema, include_raw=include_raw, options=kwargs)})

    # -- what it says of itself ----------------------------------------------------------------------------------

    @property
    def _llm_type(self) -> str:
        return "langroute"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"arms": [f"{arm.name}={arm.provider}:{arm.model}" for arm in self.router.pool.arms]}

    # -- inside --------------------------------------------------------------------------------------------------

    def _call(
        self, prompt: LanguageModelInput, config: RunnableConfig | None, stop: list[str] | None, kwargs: dict[str, Any]
    ) -> ModelCall:
        options = dict(kwargs) if stop is None else {**kwargs, "stop": stop}
        messages = self._convert_input(prompt).to_messages()
        return model_call(prompt=prompt, messages=messages, config=ensure_config(config), options=options)

    def _journey(self, call: ModelCall, *, streams: bool = False) -> Journey:
        gate = self.router.config.gate_streams or not (streams or _is_watched(call.config))
        return journey(
            self.router,
            run_place(call.config),
            lambda episode, index: self._reader.read(call, episode=episode, call_index=index),
            gate=gate,
        )

    def _caller(self, call: ModelCall) -> LangChainCaller:
        return LangChainCaller(_pool(self.router), call, self._reader)


def _pool(router: StepRouter) -> ModelPool:
    return cast("ModelPool", router.pool)


def _is_watched(config: RunnableConfig) -> bool:
    """Whether somebody watches the tokens of this run, so that a whole call is streamed underneath."""
    callbacks = config.get("callbacks")
    handlers = callbacks if isinstance(callbacks, list) else getattr(callbacks, "handlers", ())
    return any(isinstance(handler, _StreamingCallbackHandler) for handler in handlers)


def _config(
    callbacks: Callbacks, tags: list[str] | None, metadata: dict[str, Any] | None, run_name: str | None
) -> RunnableConfig:
    config = RunnableConfig(callbacks=callbacks, tags=tags or [], metadata=metadata or {})
    if run_name is not None:
        config["run_name"] = run_name
    return config


def _named(config: RunnableConfig, run_id: uuid.UUID | None) -> RunnableConfig:
    return config if run_id is None else RunnableConfig(**{**config, "run_id": run_id})


def _result(answers: Sequence[AIMessage]) -> LLMResult:
    return LLMResult(generations=[[ChatGeneration(message=message)] for message in answers])


def _shared_profile(pool: ModelPool) -> Any:
    """What all models of the pool can do: the least of each limit, and only what each of them supports."""
    profiles = [getattr(pool.model(arm.name), "profile", None) for arm in pool.arms]
    known = [profile for profile in profiles if profile]
    if not known or len(known) < len(profiles):
        return None
    shared: dict[str, Any] = {}
    for key in set.intersection(*(set(profile) for profile in known)):
        values = [profile[key] for profile in known]
        if all(isinstance(value, bool) for value in values):
            shared[key] = all(values)
        elif all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            shared[key] = min(values)
        elif all(value == values[0] for value in values):
            shared[key] = values[0]
    return shared
