"""RoutingMiddleware: routes every model call of an agent made by `create_agent`."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any, NotRequired, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langgraph.errors import GraphBubbleUp

from langroute import drivers
from langroute.episodes import Episode, inside
from langroute.errors import ConfigError, LangrouteError
from langroute.flow import Journey, journey
from langroute.integrations.caller import answer
from langroute.integrations.chat_model import RoutedChatModel, _is_watched
from langroute.integrations.hold_meter import Outgrown
from langroute.integrations.node_attempts import NodeAttempts
from langroute.integrations.place import KIND, KIND_REASON, run_place
from langroute.integrations.request import StepReader
from langroute.money import dollars
from langroute.pool import ModelPool
from langroute.records import Kind
from langroute.router import StepRouter

try:
    from langchain.agents.middleware import AgentMiddleware, ExtendedModelResponse, ModelRequest
    from langchain.agents.middleware.types import AgentState, PrivateStateAttr
    from langgraph.types import Command

    from langroute.integrations.agent_call import AgentCall, AgentCalls
    from langroute.integrations.agent_caller import AgentCaller, Turn, chosen, whole_response
    from langroute.integrations.agent_kind import AgentKinds, KindOf
except ImportError as missing:
    raise ConfigError(
        f"RoutingMiddleware needs langchain 1.4 or later: `pip install langroute[langchain]` ({missing})",
        field="middleware",
    ) from missing

_MOST_GROWTH = 3

_log = logging.getLogger("langroute.middleware")


class RoutedState(AgentState[Any]):
    """State of an agent that shows what is left of its budget.

    Attributes:
        langroute: ``episode``, ``spent_usd``, and ``remaining_usd``, which is None without a limit; as of the last
            model call.
    """

    langroute: NotRequired[Annotated[dict[str, Any], PrivateStateAttr]]


class RoutingMiddleware(AgentMiddleware[Any, Any, Any]):
    """Puts in the router's choice of a model before every model call of an agent, and keeps its books.

    The chosen model takes the place of the request's model, so that LangChain binds tools and picks the strategy for
    structured output by that model, and middleware inside sees the real one. There is one run per provider call. Tools
    run inside the episode of the agent, so nested agents belong to it and ``current_episode()`` works in them.

    A call is never routed twice: where the agent's model is a ``RoutedChatModel``, this decides in its place.

    Args:
        router: decides, and keeps the books. Its pool must be a ``ModelPool``.
        kind: kind of every step, or a function of the request that tells it (None: don't know). Without it, the kind
            comes from the agent's name, its system prompt, its tools and its response format. ``langroute_kind`` in the
            config's metadata wins over it.
        edits: LangChain's own context edits, such as ``ClearToolUsesEdit``, applied to a copy of the messages when the
            router asks for a shorter call; the state keeps everything.
        expose_state: also write a view of the budget to the agent's state, under ``langroute``. Off by default: it is
            a view as of the last model call, and time travel brings back an old one; ``current_episode().look()`` is
            the truth.

    Raises:
        ConfigError: an argument is none of these.
    """

    def __init__(
        self,
        router: StepRouter,
        *,
        kind: "Kind | KindOf | None" = None,
        edits: Sequence[Any] = (),
        expose_state: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(router, StepRouter):
            raise ConfigError(f"must be a StepRouter, not {type(router).__name__}", field="router")
        for edit in edits:
            if not callable(getattr(edit, "apply", None)):
                raise ConfigError(f"{edit!r} is no context edit; it has no `apply`", field="edits")
        if expose_state:
            self.state_schema = RoutedState
        self.router = router
        self._edits = tuple(edits)
        self._exposes = expose_state
        self._pool = cast("ModelPool", router.pool)
        self._reader = StepReader(router.config, self._pool, clock=router.clock, encoder=router.encoder)
        self._calls = AgentCalls()
        self._kinds = AgentKinds(kind)
        self._attempts = NodeAttempts()
        self._inside_bytes = 0
        self._told_of_subagents = False

    # -- the hooks -------------------------------------------------------------------------------------------------

    def wrap_model_call(self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]) -> Any:
        """Route one model call; returns what the accepted attempt brought."""
        if self._is_routed(request):
            return handler(request)
        config = ensure_config()
        turn = self._turn(request, config)
        run = _run_of(config)
        try:
            value = self._routed(turn, handler)
        except BaseException as error:
            self._note(run, request, error)
            raise
        self._attempts.ended(run)
        return self._with_view(value, self.router.episodes.resolve(run_place(config))) if self._exposes else value

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[Any]]
    ) -> Any:
        """Route one model call; returns what the accepted attempt brought."""
        if self._is_routed(request):
            return await handler(request)
        config = ensure_config()
        turn = self._turn(request, config)
        run = _run_of(config)
        try:
            value = await self._arouted(turn, handler)
        except BaseException as error:
            self._note(run, request, error)
            raise
        self._attempts.ended(run)
        if not self._exposes:
            return value
        episode = await self.router.aresolve(run_place(config))
        if self.router.blocking:
            return await asyncio.to_thread(self._with_view, value, episode)
        return self._with_view(value, episode)

    def wrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Run a tool inside the agent's episode."""
        with inside(self.router.episodes.resolve(run_place(ensure_config()))):
            return handler(request)

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Run a tool inside the agent's episode."""
        with inside(await self.router.aresolve(run_place(ensure_config()))):
            return await handler(request)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _is_routed(self, request: ModelRequest[Any]) -> bool:
        """Whether another RoutingMiddleware has put in this request's model."""
        if request.model is not chosen.get():
            return False
        if not self._reader.swap.owns(request.model):
            raise ConfigError(
                "another RoutingMiddleware with another router stands before this one; a call is routed once, by one "
                "router: leave one of them out",
                field="middleware",
            )
        return True

    def _routed(self, turn: Turn, handler: Callable[[Any], Any]) -> Any:
        for _ in range(_MOST_GROWTH):
            try:
                return answer(drivers.run(*self._set_out(turn, handler)))
            except Outgrown as more:
                turn = self._with_room(turn, more)
        return answer(drivers.run(*self._set_out(turn, handler)))

    async def _arouted(self, turn: Turn, handler: Callable[[Any], Any]) -> Any:
        for _ in range(_MOST_GROWTH):
            try:
                return answer(await drivers.arun(*self._set_out(turn, handler)))
            except Outgrown as more:
                turn = self._with_room(turn, more)
        return answer(await drivers.arun(*self._set_out(turn, handler)))

    def _turn(self, request: ModelRequest[Any], config: RunnableConfig) -> Turn:
        self._check_model(request, config)
        failures = self._attempts.before(_run_of(config), request.model)
        if failures:
            # What middleware outside tries again is told as LangChain's own `.with_retry()` tells it.
            config["tags"] = [*(config.get("tags") or ()), f"retry:attempt:{failures + 1}"]
        allowance = self._allowance()
        return Turn(request=request, call=self._call(request, config, allowance), config=config, allowance=allowance)

    def _check_model(self, request: ModelRequest[Any], config: RunnableConfig) -> None:
        """Refuse a model that another router stands behind; warn of subagents whose calls nobody would route."""
        if isinstance(request.model, RoutedChatModel):
            if request.model.router is not self.router:
                raise ConfigError(
                    "the agent's model is a RoutedChatModel of another router than this middleware's; use one router "
                    "for both",
                    field="model",
                )
        elif not self._told_of_subagents and _has_subagents(request, config):
            self._told_of_subagents = True
            _log.warning(
                "deepagents gives its general-purpose subagent the agent's model but not its middleware, so that "
                "subagent's calls are not routed; pass model=RoutedChatModel(router) to create_deep_agent"
            )

    def _call(self, request: ModelRequest[Any], config: RunnableConfig, inside_bytes: int) -> AgentCall:
        """What the router sees of a request: with the kind of the step in its config, which is not the one sent on."""
        form = self._calls.form(request)
        found = self._kinds.of(request, form, config)
        if found is not None:
            metadata = {**(config.get("metadata") or {}), KIND: found[0], KIND_REASON: found[1]}
            config = RunnableConfig(**{**config, "metadata": metadata})
        return self._calls.of(request, config, form=form, inside_bytes=inside_bytes)

    def _set_out(
        self, turn: Turn, handler: Callable[[ModelRequest[Any]], Any]
    ) -> tuple[Journey, StepRouter, AgentCaller]:
        """A turn's journey, with the desk and the caller that a driver needs to perform it."""
        place = self._reader.place(turn.call)
        caller = AgentCaller(self._pool, turn, self._reader, handler, edits=self._edits, alone=place.alone)
        gate = self.router.config.gate_streams or not _is_watched(turn.config)
        return journey(self.router, place, caller.observe, gate=gate), self.router, caller

    def _allowance(self) -> int:
        """Bytes that middleware inside is known to add; an arm's own tokenizer cannot count them beforehand."""
        return 0 if any(self._pool.token_counter(name) for name in self._pool.names) else self._inside_bytes

    def _with_room(self, turn: Turn, more: Outgrown) -> Turn:
        """The turn with a hold that counts what middleware inside adds; later ones will count it at once."""
        self._inside_bytes = max(self._inside_bytes, more.more_bytes)
        allowance = max(turn.allowance, more.more_bytes)
        call = self._call(turn.request, turn.config, allowance)
        if not self._allowance():
            call = replace(call, messages=more.sent)
        return replace(turn, call=call, allowance=allowance)

    def _note(self, run: str, request: ModelRequest[Any], error: BaseException) -> None:
        # A refusal or an interrupt is no failed attempt of a model.
        if isinstance(error, Exception) and not isinstance(error, LangrouteError | GraphBubbleUp):
            self._attempts.failed(run, request.model)
        else:
            self._attempts.ended(run)

    def _with_view(self, value: Any, episode: Episode) -> Any:
        balance = episode.look()
        left = episode.remaining.dollars
        view = {
            "episode": episode.id,
            "spent_usd": float(dollars(balance.spent.nano_usd)),
            "remaining_usd": None if left is None else float(left),
        }
        command: Command[Any] = Command(update={"langroute": view})
        return ExtendedModelResponse(model_response=whole_response(value), command=command)


def _has_subagents(request: ModelRequest[Any], config: RunnableConfig) -> bool:
    of_deepagents = (config.get("metadata") or {}).get("ls_integration") == "deepagents"
    return of_deepagents and any(getattr(tool, "name", "") == "task" for tool in request.tools)


def _run_of(config: RunnableConfig) -> str:
    return str((config.get("metadata") or {}).get("langgraph_checkpoint_ns", ""))
