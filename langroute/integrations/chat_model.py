"""RoutedChatModel: a chat model that is another one at every step."""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeGuard, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun, Callbacks
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config, merge_configs, var_child_runnable_config
from langchain_core.tools import BaseTool
from langchain_core.tracers._streaming import _StreamingCallbackHandler, _V2StreamingCallbackHandler
from pydantic import ConfigDict, PrivateAttr

from langroute import drivers
from langroute.errors import ConfigError
from langroute.flow import Journey, journey
from langroute.integrations.bindings import BoundModels
from langroute.integrations.caller import LangChainCaller, answer
from langroute.integrations.profile import shared_profile
from langroute.integrations.request import STRUCTURE, TOOLS, BoundTool, ModelCall, StepReader, Structure, model_call
from langroute.pool import ModelPool
from langroute.router import StepRouter

_OWN_FIELDS = frozenset(
    {"edits", "name", "callbacks", "tags", "metadata", "verbose", "profile", "custom_get_token_ids"}
)

_USUAL_MESSAGES = frozenset({AIMessage, HumanMessage, SystemMessage, ToolMessage})
_VERSIONS = "lc_versions"
_WHOLE = frozenset({"tags", "metadata", "callbacks", "recursion_limit", "configurable"})


class RoutedChatModel(BaseChatModel):
    """A chat model for wherever one goes; before every call the router chooses which model of the pool makes it.

    Every public way of calling it chooses an arm, holds its worst case in the episode's budget, calls the chosen
    model's own public method with the same config, and settles the truth. So there is one run per provider call, under
    the chosen model's own name, and usage is counted once.

    A call can be steered through the config's metadata: ``langroute_episode``, ``langroute_kind``,
    ``langroute_purpose``, ``langroute_arm``; a call outside any graph also by ``langroute_hint``, ``langroute_channel``
    and ``langroute_domain``.

    Args:
        router: decides, and keeps the books. Its pool must be a ``ModelPool``.
        edits: make the prompt that is sent shorter when the router wants it to be: context edits of
            ``langchain.agents.middleware``, such as ``ClearToolUsesEdit``. The agent's messages are not changed.
        **kwargs: ``name``, and ``callbacks``, ``tags`` and ``metadata`` for every call. Whatever else a chat model can
            be told (``cache``, ``rate_limiter``, ``disable_streaming``, ...) is set on the models of the pool.

    Raises:
        ConfigError: by the constructor, for a setting that would have no effect; by a call, for an argument that would
            make it dearer than its hold.
        BudgetExceeded: by a call whose worst case does not fit into what is left.
        NoArmAvailable: by a call that no arm can make.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    router: StepRouter
    edits: tuple[Any, ...] = ()
    _reader: StepReader = PrivateAttr()
    _bound: BoundModels = PrivateAttr(default_factory=BoundModels)
    _langroute_routed: bool = PrivateAttr(default=True)

    def __init__(self, router: StepRouter, **kwargs: Any) -> None:
        if not isinstance(router, StepRouter):
            raise ConfigError(f"must be a StepRouter, not {type(router).__name__}", field="router")
        _refuse_without_effect(kwargs)
        fields: dict[str, Any] = {"router": router, "profile": shared_profile(_pool(router)), **kwargs}
        super().__init__(**fields)
        self._reader = StepReader(router.config, _pool(router), clock=router.clock, encoder=router.encoder)

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
        return cast("AIMessage", answer(drivers.run(*self._set_out(call))))

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
        return cast("AIMessage", answer(await drivers.arun(*self._set_out(call))))

    def stream(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """Route one call and yield its answer piece by piece; it belongs to the episode around this call."""
        call = self._call(input, config, stop, kwargs)
        return drivers.stream(*self._set_out(call, streams=True))

    def astream(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """Route one call and yield its answer piece by piece; it belongs to the episode around this call."""
        call = self._call(input, config, stop, kwargs)
        return drivers.astream(*self._set_out(call, streams=True))

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
        pairs = zip(messages, _configs(len(messages), callbacks, tags, metadata, run_name, run_id), strict=True)
        answers = [self.invoke(prompt, config, stop=stop, **kwargs) for prompt, config in pairs]
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
        pairs = zip(messages, _configs(len(messages), callbacks, tags, metadata, run_name, run_id), strict=True)
        answers = [await self.ainvoke(prompt, config, stop=stop, **kwargs) for prompt, config in pairs]
        return _result(answers)

    # Only LangChain's own machinery comes below, such as `stream_events(version="v3")`, with a run of its own around
    # the call: that run reports to the callbacks, and the call must not do so again.

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call = self._call(messages, _quiet(run_manager), stop, kwargs, own=False)
        message = answer(drivers.run(*self._set_out(call)))
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        call = self._call(messages, _quiet(run_manager), stop, kwargs, own=False)
        message = answer(await drivers.arun(*self._set_out(call)))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        call = self._call(messages, _quiet(run_manager), stop, kwargs, own=False)
        for piece in drivers.stream(*self._set_out(call, streams=True)):
            yield ChatGenerationChunk(message=piece)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        call = self._call(messages, _quiet(run_manager), stop, kwargs, own=False)
        async with aclosing(drivers.astream(*self._set_out(call, streams=True))) as pieces:
            async for piece in pieces:
                yield ChatGenerationChunk(message=piece)

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
        return self.bind(**{TOOLS: [BoundTool(tool) for tool in tools]}, **choice, **kwargs)

    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, Any]:
        """Demand a schema; the chosen model's own strategy for structured output is used when the call is made."""
        return self.bind(**{STRUCTURE: Structure(schema=schema, include_raw=include_raw, options=kwargs)})

    # -- counting: as the pool's models count ----------------------------------------------------------------------

    def get_num_tokens(self, text: str) -> int:
        """Tokens of a text: the most that any model of the pool counts."""
        if self.custom_get_token_ids is not None:
            return super().get_num_tokens(text)
        return max(_pool(self.router).model(arm.name).get_num_tokens(text) for arm in self.router.pool.arms)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Tokens of messages: the most that any model of the pool counts, by its counter where it was given one."""
        pool, counts = _pool(self.router), []
        for arm in pool.arms:
            counter = pool.token_counter(arm.name)
            if counter is not None:
                counts.append(counter(messages, tuple(BoundTool(tool) for tool in tools or ())))
            else:
                counts.append(pool.model(arm.name).get_num_tokens_from_messages(messages, tools))
        return max(counts)

    # -- what it says of itself ----------------------------------------------------------------------------------

    @property
    def _llm_type(self) -> str:
        return "langroute"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        return {"arms": [f"{arm.name}={arm.provider}:{arm.model}" for arm in self.router.pool.arms]}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        # For the run that LangChain itself opens around a call; the call's own run names the model that was chosen.
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = self._llm_type
        params.setdefault("ls_model_name", "|".join(arm.name for arm in self.router.pool.arms))
        return params

    # -- inside --------------------------------------------------------------------------------------------------

    def _call(
        self,
        prompt: LanguageModelInput,
        config: RunnableConfig | None,
        stop: list[str] | None,
        kwargs: dict[str, Any],
        *,
        own: bool = True,
    ) -> ModelCall:
        options = dict(kwargs) if stop is None else {**kwargs, "stop": stop}
        messages = self._messages(prompt)
        given = config if _is_whole(config) else ensure_config(_in_place(config))
        # A list may grow while a person is asked or a pause is kept: what is sent is what the hold was computed from.
        sent = messages if isinstance(prompt, list) else prompt
        return model_call(
            prompt=sent, messages=messages, config=self._with_own(given) if own else given, options=options
        )

    def _messages(self, prompt: LanguageModelInput) -> Sequence[BaseMessage]:
        """The prompt as messages; a list of them as it is, where LangChain would check every one of a long history."""
        if (
            type(prompt) is list
            and (kinds := set(map(type, prompt)))
            and (kinds <= _USUAL_MESSAGES or all(issubclass(kind, BaseMessage) for kind in kinds))
        ):
            return list(prompt)
        return list(self._convert_input(prompt).to_messages())

    def _with_own(self, config: RunnableConfig) -> RunnableConfig:
        """A config with this model's own callbacks, tags and metadata; where both say something, the config wins."""
        # In a graph, handlers that a call brings itself are joined with those of the run around it, below.
        brings_handlers = isinstance(config.get("callbacks"), list) and var_child_runnable_config.get() is not None
        if self._says_nothing and not brings_handlers:
            return config
        own = RunnableConfig(tags=self.tags or [], metadata=self.metadata or {})
        merged = merge_configs(own, config)
        # Added to the callbacks in force, not these to them: those know the run around the call.
        return merged if self.callbacks is None else merge_configs(merged, RunnableConfig(callbacks=self.callbacks))

    @property
    def _says_nothing(self) -> bool:
        """Whether this model brings no callbacks, tags and metadata of its own.

        Which versions of LangChain it runs under, as every model's metadata tell, the chosen model tells as well.
        """
        return self.callbacks is None and not self.tags and not (self.metadata or {}).keys() - {_VERSIONS}

    def _set_out(self, call: ModelCall, *, streams: bool = False) -> tuple[Journey, StepRouter, LangChainCaller]:
        """A call's journey, with the desk and the caller that a driver needs to perform it."""
        router, watched = self.router, _is_watched(call.config)
        gate = router.config.gate_streams or not (streams or watched)
        place = self._reader.place(call)
        caller = LangChainCaller(
            _pool(router),
            call,
            self._reader,
            edits=self.edits,
            bound=self._bound,
            alone=place.alone,
            watched=watched,
        )
        return journey(router, place, caller.observe, gate=gate), router, caller


def _pool(router: StepRouter) -> ModelPool:
    return cast("ModelPool", router.pool)


def _is_watched(config: RunnableConfig) -> bool:
    """Whether somebody watches the tokens of this run, so that a whole call is streamed underneath."""
    callbacks = config.get("callbacks")
    handlers = callbacks if isinstance(callbacks, list) else getattr(callbacks, "handlers", ())
    return bool(handlers) and any(
        isinstance(handler, _StreamingCallbackHandler | _V2StreamingCallbackHandler) for handler in handlers
    )


def _is_whole(config: RunnableConfig | None) -> TypeGuard[RunnableConfig]:
    """Whether a config is one that a binding passes on in a node: made by `ensure_config`, and in place, already."""
    if config is None or config.keys() != _WHOLE or config["callbacks"] is None:
        return False
    return "langgraph_node" in config["metadata"]


def _in_place(config: RunnableConfig | None) -> RunnableConfig | None:
    """A config that still says in which node the call stands.

    LangChain puts a call's own metadata in the place of those of the run around it, and LangGraph's are among them.
    """
    around, given = var_child_runnable_config.get(), (config or {}).get("metadata")
    if not config or not around or not given:
        return config
    return RunnableConfig(**{**config, "metadata": {**(around.get("metadata") or {}), **given}})


def _quiet(run_manager: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None) -> RunnableConfig:
    """A config without callbacks, that still says where the call stands."""
    return RunnableConfig(callbacks=[], metadata={} if run_manager is None else dict(run_manager.metadata))


def _refuse_without_effect(settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        known = BaseChatModel.model_fields.get(name)
        if name in _OWN_FIELDS or (known is not None and value == known.default):
            continue
        raise ConfigError(
            "has no effect here, since the chosen model makes the call; set it on the models of the pool", field=name
        )


def _configs(
    count: int,
    callbacks: Callbacks,
    tags: list[str] | None,
    metadata: dict[str, Any] | None,
    run_name: str | None,
    run_id: uuid.UUID | None,
) -> list[RunnableConfig]:
    """One config per prompt; as elsewhere in LangChain, the id given is that of the first run."""
    config = RunnableConfig(callbacks=callbacks, tags=tags or [], metadata=metadata or {})
    if run_name is not None:
        config["run_name"] = run_name
    first = config if run_id is None else RunnableConfig(**{**config, "run_id": run_id})
    return [first if index == 0 else config for index in range(count)]


def _result(answers: Sequence[AIMessage]) -> LLMResult:
    return LLMResult(generations=[[ChatGeneration(message=message)] for message in answers])
