"""What surrounds a node while it runs: the episode of its run, what was said of it, and whether it may be skipped."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config

from langroute.books import Purpose
from langroute.episodes import Episode, current_episode, inside
from langroute.errors import ConfigError
from langroute.integrations.place import (
    ARM,
    KIND,
    KIND_REASON,
    PURPOSE,
    SET_FOR_NODE,
    SET_IN_METADATA,
    run_place,
)
from langroute.integrations.references import references
from langroute.integrations.request import default_purpose
from langroute.records import ActionTaken, Kind
from langroute.router import StepRouter
from langroute.steps.classify import Classification, NodeEdges, classify_node

SET_BY_DECORATOR = "set by routed_node"

TERMS = "__langroute_terms__"
"""Attribute of a decorated function that holds its ``NodeTerms``."""

_SAID = (SET_FOR_NODE, SET_IN_METADATA, SET_BY_DECORATOR)


@dataclass(frozen=True, kw_only=True)
class NodeTerms:
    """What the program says of a node, and the function that tells the rest.

    Attributes:
        function: what the node runs.
        kind: its kind; None where it follows from what the node is.
        purpose: the reserve its calls may open; None where it follows from the kind.
        arm: the arm of its calls; None when free.
        optional: the governor may leave the node out.
    """

    function: Callable[..., Any]
    kind: Kind | None = None
    purpose: Purpose | None = None
    arm: str | None = None
    optional: bool = False

    @property
    def name(self) -> str:
        """Name of the function."""
        function: Any = self.function
        while isinstance(function, partial):
            function = function.func
        return getattr(function, "__name__", type(function).__name__)

    @cached_property
    def found(self) -> Classification:
        """Its kind with the reason; classified when it is first asked for, and once."""
        if self.kind is not None:
            return Classification(kind=self.kind, confidence=1.0, reason=SET_BY_DECORATOR)
        return classify_function(self.name, self.function)

    def onto(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """The metadata of the node's calls: what is said here, before what the node's own metadata say.

        A kind that somebody wrote into the metadata holds against one that was merely classified.
        """
        said = dict(metadata)
        if self.kind is not None or not _is_said(metadata):
            if metadata.get(KIND) != self.found.kind:
                said[PURPOSE] = default_purpose(self.found.kind)
            said[KIND], said[KIND_REASON] = self.found.kind, self.found.reason
        if self.purpose is not None:
            said[PURPOSE] = self.purpose
        if self.arm is not None:
            said[ARM] = self.arm
        return said


def terms_of(function: object) -> NodeTerms | None:
    """What ``routed_node`` was told of a function; None where it is not decorated."""
    terms = getattr(function, TERMS, None)
    return terms if isinstance(terms, NodeTerms) else None


def _is_said(metadata: Mapping[str, Any]) -> bool:
    """Whether somebody wrote a kind into the metadata; one that another node was classified as is inherited only."""
    return KIND in metadata and metadata.get(KIND_REASON, SET_IN_METADATA) in _SAID


def classify_function(
    name: str,
    function: Callable[..., Any] | None,
    *,
    runnable: object = None,
    commands: bool = False,
    edges: NodeEdges | None = None,
) -> Classification:
    """The kind of a node, from its name, its place in the graph, and its function: docstring, source and references.

    ``runnable`` is what the node may be instead of a function.
    """
    source, known = _source(function), references(function, runnable)
    return classify_node(
        name=name,
        function=function,
        doc=inspect.getdoc(function) if function is not None else None,
        source=f"{source or ''} create_agent" if known.agent else source,  # as if it were made here
        prompt=known.prompt,
        tools=known.tools,
        schema=known.schema,
        commands=commands,
        edges=edges,
    )


def _source(function: Any) -> str | None:
    if function is None:
        return None
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return None


@contextmanager
def node_scope(router: StepRouter, config: RunnableConfig, *, optional: bool = False, name: str = "") -> Iterator[bool]:
    """Make the episode of a run the one around a node; yields whether the node is to run at all.

    Args:
        router: keeps the books.
        config: the node's.
        optional: the governor may leave the node out.
        name: what the node is called where the config does not say.
    """
    with inside(_around(router) or router.episodes.resolve(run_place(config))) as episode:
        yield not (optional and _skips(router, episode, _node(config, name)))


@asynccontextmanager
async def anode_scope(
    router: StepRouter, config: RunnableConfig, *, optional: bool = False, name: str = ""
) -> AsyncIterator[bool]:
    """The same as ``node_scope`` without blocking the event loop."""
    with inside(_around(router) or await router.aresolve(run_place(config))) as episode:
        if not optional:
            yield True
        elif router.blocking:
            yield not await asyncio.to_thread(_skips, router, episode, _node(config, name))
        else:
            yield not _skips(router, episode, _node(config, name))


def _around(router: StepRouter) -> Episode | None:
    """The episode around this code, if its books are the router's; then nobody has to look where the code stands."""
    around = current_episode()
    return around if around is not None and around.belongs_to(router.ledger) else None


def _node(config: RunnableConfig, name: str) -> str:
    return str((config.get("metadata") or {}).get("langgraph_node") or name)


def _skips(router: StepRouter, episode: Episode, node: str) -> bool:
    reason = _skip_reason(episode, node, below=router.config.actions.skip_below)
    if reason:
        now = router.clock.now()
        skipped = ActionTaken(id=router.new_id(), episode=episode.id, at=now, action="skip", reason=reason, node=node)
        router.tell(skipped)
    return bool(reason)


def _skip_reason(episode: Episode, node: str, *, below: float) -> str:
    """Why an optional node should not be run now; empty when it should. Waits for the store."""
    balance = episode.look()
    left = balance.available_nano("general")
    if left is None or not below or not balance.limits.nano_usd:
        return ""
    spendable = left + balance.used.nano_usd
    if left >= below * spendable:
        return ""
    share = left / spendable if spendable else 0.0
    return f"{node} is optional, and {share:.0%} of the budget is left, less than {below:.0%}"


def find_episode(router: StepRouter, config: RunnableConfig | None = None) -> Episode:
    """The episode that calls made here belong to, to read what is left of its budget in a node or a tool.

    It is the episode around this code; else that of the run which ``config``, or LangGraph's current config, names.
    May wait for the store when a turn begins here; in a node of a routed graph it does not.

    Args:
        router: keeps the books.
        config: the config of a node or a tool, where the context does not carry it (a plain thread pool).

    Raises:
        ConfigError: neither says which episode this is.
    """
    around = _around(router)
    if around is not None:
        return around
    place = run_place(config or var_child_runnable_config.get() or {})
    if current_episode() is None and not place.explicit and not place.thread and place.run is None:
        raise ConfigError(
            "no episode is around this code; call it inside a node, a tool or `with router.episode('id'):`, or pass "
            "the config of the node",
            field="config",
        )
    return router.episodes.resolve(place)
