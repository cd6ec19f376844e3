"""route_graph: finds the kind of every node of a graph, and puts each run of it under one episode."""

import inspect
import logging
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda
from langgraph._internal._runnable import RunnableCallable
from langgraph.constants import END, START
from langgraph.graph import StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.pregel.protocol import PregelProtocol

from langroute.books import Purpose
from langroute.config import checked_kind
from langroute.errors import ConfigError
from langroute.integrations.place import KIND, KIND_REASON, OPTIONAL, PURPOSE, SET_FOR_NODE, SET_IN_METADATA
from langroute.integrations.references import references
from langroute.integrations.request import default_purpose
from langroute.integrations.scope import anode_scope, classify_function, node_scope, terms_of
from langroute.records import Kind
from langroute.router import StepRouter
from langroute.steps.classify import Classification, NodeEdges
from langroute.steps.figures import UNSURE

Builder = TypeVar("Builder", bound=StateGraph[Any, Any, Any, Any])

_log = logging.getLogger("langroute.kinds")


def route_graph(
    builder: Builder,
    router: StepRouter,
    *,
    kinds: Mapping[str, Kind] | None = None,
    optional: Collection[str] = (),
) -> Builder:
    """Classify every node of a graph, before it is compiled.

    The kind of a node comes from, in this order: its ``routed_node`` decorator; ``kinds`` and the router's
    configuration; ``langroute_kind`` in the node's own metadata; its name, function, docstring, source, place in the
    graph, and what the function refers to: prompts, bound tools and schemas. It reaches the model through the node's
    metadata. A kind that is rather a guess is told once, in one line per graph, on the logger ``langroute.kinds``. Each
    node also runs inside its run's episode, so that nested agents belong to it.

    The builder is changed and returned; calling this again changes only what ``kinds`` and ``optional`` say.

    Args:
        builder: the graph, not compiled.
        router: the router whose models the nodes call.
        kinds: kind by node name, where the classification should be overruled.
        optional: names of nodes that the governor may leave out when money runs low; such a node then makes no update.
            ``langroute_optional: True`` in a node's metadata says the same. Only for nodes whose output nobody needs:
            edges out of the node are followed all the same.

    Raises:
        ConfigError: the graph is compiled already; ``kinds`` or ``optional`` names a node that does not exist, or no
            kind; or a compiled graph is to be optional.
    """
    if not isinstance(builder, StateGraph):
        raise ConfigError(
            f"must be a StateGraph that is not compiled yet, not {type(builder).__name__}; "
            "call route_graph(builder, router).compile()",
            field="builder",
        )
    if not isinstance(router, StepRouter):
        raise ConfigError(f"must be a StepRouter, not {type(router).__name__}", field="router")
    # The router's own kinds may serve several graphs, so they may name nodes that this one lacks; ``kinds`` may not.
    for name, kind in (kinds or {}).items():
        _check_node(builder, name, field=f"kinds.{name}")
        checked_kind(kind, field=f"kinds.{name}")
    for name in optional:
        _check_node(builder, name, field=f"optional.{name}")
    wanted: dict[str, Kind] = {**router.config.kinds, **(kinds or {})}
    unsure: dict[str, Classification] = {}
    for name, spec in builder.nodes.items():
        spec.metadata = _metadata(builder, name, spec, wanted.get(name), unsure)
        spec.runnable = _scoped(name, spec, router, optional=name in optional or bool(spec.metadata.get(OPTIONAL)))
    _tell(unsure)
    _tell_of_misspelt(router.config.kinds, builder)
    _tell_of_unrouted(builder)
    return builder


def _check_node(builder: Any, name: str, *, field: str) -> None:
    if name not in builder.nodes:
        known = ", ".join(builder.nodes) or "none"
        raise ConfigError(f"the graph has no such node; it has {known}", field=field)


def _scoped(name: str, spec: Any, router: StepRouter, *, optional: bool) -> Any:
    """The node inside the episode of its run; a node that is there already is left as it is."""
    runnable = spec.runnable
    if isinstance(runnable, PregelProtocol):
        # A compiled graph as a node is left as it is: its own nodes find the episode of the run.
        if optional:
            raise ConfigError(
                "is a compiled graph, which cannot be left out; mark nodes inside it, or call it from a function node",
                field=f"optional.{name}",
            )
        return runnable
    if isinstance(runnable, EpisodeScope):
        return EpisodeScope(runnable.inner, runnable.router, optional=True) if optional else runnable
    terms = terms_of(_called(runnable))
    if not isinstance(runnable, Runnable) or (terms is not None and (terms.optional or not optional)):
        return runnable
    return EpisodeScope(runnable, router, optional=optional)


def node_kinds(builder: StateGraph[Any, Any, Any, Any]) -> dict[str, Classification]:
    """The kind of every node of a graph by what it is, whatever was set for it; found without calling anything."""
    return {name: _classify(builder, name, spec) for name, spec in builder.nodes.items()}


def _tell(unsure: Mapping[str, Classification]) -> None:
    """Log the nodes whose kind a person should look at."""
    if not unsure:
        return
    guesses = ", ".join(f"{name} ({found.kind}, {found.confidence:.2f})" for name, found in unsure.items())
    example = ", ".join(f'"{name}": ...' for name in unsure)
    _log.warning(
        "the kind of %d of the graph's nodes is a guess: %s; where one calls a model and the guess is wrong, say "
        "route_graph(..., kinds={%s}) with the right kind; `langroute kinds` shows the reasons",
        len(unsure),
        guesses,
        example,
    )


def _tell_of_misspelt(kinds: Mapping[str, Kind], builder: Any) -> None:
    """Log kinds of the configuration that name no node but nearly one; they may be meant for another graph."""
    for name in kinds:
        near = [] if name in builder.nodes else get_close_matches(name, builder.nodes, n=1, cutoff=0.8)
        if near:
            _log.warning("the configuration gives a kind to %r, which is no node of this graph; %r is", name, near[0])


def _tell_of_unrouted(builder: Any) -> None:
    """Log nodes that refer to a chat model which nobody routes: their calls are under no budget."""
    for name, spec in builder.nodes.items():
        function = _called(spec.runnable)
        models = references(None if function is None else inspect.unwrap(function)).models
        if models:
            _log.warning(
                "node %r refers to a model that is not routed (%s): its calls are not decided, not logged and under no "
                "budget; use RoutedChatModel(router) in its place",
                name,
                ", ".join(sorted(set(models))),
            )


def _metadata(
    builder: Any, name: str, spec: Any, wanted: Kind | None, unsure: dict[str, Classification]
) -> dict[str, Any]:
    given = dict(spec.metadata or {})
    terms = terms_of(_called(spec.runnable))
    if terms is not None and terms.kind is not None:
        kind, reason = terms.kind, terms.found.reason
    elif wanted is not None:
        kind, reason = wanted, SET_FOR_NODE
    elif KIND in given:
        kind = checked_kind(given[KIND], field=f"{name}.metadata.{KIND}")
        reason = given.get(KIND_REASON, SET_IN_METADATA)
    else:
        found = _classify(builder, name, spec)
        kind, reason = found.kind, found.reason
        if found.confidence < UNSURE and not isinstance(spec.runnable, ToolNode):  # tools call no model
            unsure[name] = found
    purpose = None if terms is None else terms.purpose
    said = {} if purpose is None else {PURPOSE: purpose}
    return {PURPOSE: _purpose(builder, name, kind), **given, **said, KIND: kind, KIND_REASON: reason}


def _purpose(builder: Any, name: str, kind: Kind) -> Purpose:
    """The last presentation of a graph is its final synthesis; otherwise the purpose follows the kind."""
    if kind == "presentation" and _edges(builder, name).to_end:
        return "final_synthesis"
    return default_purpose(kind)


def _classify(builder: Any, name: str, spec: Any) -> Classification:
    called = _called(spec.runnable)
    terms = terms_of(called)
    if terms is not None:
        return terms.found
    function = inspect.unwrap(called) if called is not None else None
    return classify_function(
        name, function, runnable=spec.runnable, commands=bool(spec.ends), edges=_edges(builder, name)
    )


def _edges(builder: Any, name: str) -> NodeEdges:
    branches = builder.branches.get(name, {})
    targets = {target for branch in branches.values() for target in (branch.ends or {}).values()}
    plain = {end for start, end in builder.edges if start == name}
    ends = getattr(builder.nodes[name], "ends", ()) or ()
    return NodeEdges(
        conditional_out=bool(branches) or len(tuple(ends)) > 1,
        to_end=END in plain | targets | set(ends),
        from_start=(START, name) in builder.edges,
        loops=_reaches(builder, name),
    )


def _reaches(builder: Any, name: str) -> bool:
    """Whether a path leads from the node back to it."""
    following: dict[str, set[str]] = {node: set() for node in builder.nodes}
    for start, end in builder.edges:
        following.setdefault(start, set()).add(end)
    for node, branches in builder.branches.items():
        for branch in branches.values():
            following.setdefault(node, set()).update((branch.ends or {}).values())
    seen: set[str] = set()
    todo = list(following.get(name, ()))
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo.extend(following.get(node, ()))
    return name in seen


def _called(runnable: Any) -> Callable[..., Any] | None:
    """The function that a node runs, as it was added to the graph."""
    inner = runnable.inner if isinstance(runnable, EpisodeScope) else runnable
    found = getattr(inner, "func", None) or getattr(inner, "afunc", None)
    return found if callable(found) else None


class EpisodeScope(RunnableLambda[Any, Any]):
    """A node that runs inside the episode of its run.

    A ``RunnableLambda`` only so that LangGraph looks through it, at ``deps``, for graphs that the node invokes.

    Attributes:
        inner: the node as the user wrote it.
        router: keeps the books.
    """

    def __init__(self, inner: Runnable[Any, Any], router: StepRouter, *, optional: bool = False) -> None:
        super().__init__(inner.invoke, inner.ainvoke, name=getattr(inner, "name", None))
        self.inner = inner
        self.router = router
        self._optional = optional
        # LangGraph's node cache keeps results under the name of a node's function; without one, all nodes of a name
        # share them, whatever graph they stand in.
        called = getattr(inner, "func", None) if isinstance(inner, RunnableCallable) else inner
        for name in ("__module__", "__qualname__"):
            if isinstance(known := getattr(called, name, None), str):
                setattr(self, name, known)

    @property
    def deps(self) -> list[Runnable[Any, Any]]:
        """The node itself."""
        return [self.inner]

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Run the node."""
        with node_scope(self.router, config or {}, optional=self._optional) as runs:
            return self.inner.invoke(input, config, **kwargs) if runs else {}

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Run the node."""
        async with anode_scope(self.router, config or {}, optional=self._optional) as runs:
            return await self.inner.ainvoke(input, config, **kwargs) if runs else {}
