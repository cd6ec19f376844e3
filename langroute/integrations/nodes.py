"""Every node of a graph with its kind, subgraphs included: what ``langroute kinds`` prints."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from langgraph.graph import StateGraph
from langgraph.prebuilt import ToolNode

from langroute.errors import ConfigError
from langroute.integrations.graph import EpisodeScope, node_kinds
from langroute.integrations.place import KIND, KIND_REASON
from langroute.records import Kind
from langroute.steps.classify import Classification
from langroute.steps.figures import UNSURE

_DEEPEST = 10  # subgraphs within subgraphs


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedNode:
    """A node of a graph and its kind.

    Attributes:
        path: names of the nodes it stands in and its own, joined by ``/``.
        node: its own name, by which ``kinds`` in the configuration knows it.
        kind: the kind it has.
        confidence: how likely that is right, in (0, 1]; None where the kind was set by a person.
        reason: what spoke for it.
        unsure: a person should look at it.
    """

    path: str
    node: str
    kind: Kind
    confidence: float | None
    reason: str
    unsure: bool


def list_nodes(graph: Any) -> tuple[ListedNode, ...]:
    """The nodes of a graph and of the graphs that are nodes of it, in the order they were added.

    Args:
        graph: a ``StateGraph``, compiled or not.

    Raises:
        ConfigError: it is something else.
    """
    builder = builder_of(graph)
    if builder is None:
        raise ConfigError(
            f"must be a StateGraph, compiled or not, not {type(graph).__name__}",
            field="graph",
        )
    return tuple(_listed(builder, "", 0))


def builder_of(graph: Any) -> StateGraph[Any, Any, Any, Any] | None:
    """The builder of a graph: itself, or what it was compiled from; None where there is none."""
    found = graph if isinstance(graph, StateGraph) else getattr(graph, "builder", None)
    return found if isinstance(found, StateGraph) else None


def _listed(builder: StateGraph[Any, Any, Any, Any], above: str, depth: int) -> Iterator[ListedNode]:
    for name, found in node_kinds(builder).items():
        spec = builder.nodes[name]
        yield _node(f"{above}{name}", name, spec, found)
        runnable = spec.runnable.inner if isinstance(spec.runnable, EpisodeScope) else spec.runnable
        inner = builder_of(runnable)
        if inner is not None and depth < _DEEPEST:
            yield from _listed(inner, f"{above}{name}/", depth + 1)


def _node(path: str, name: str, spec: Any, found: Classification) -> ListedNode:
    metadata = spec.metadata or {}
    kind, reason = metadata.get(KIND), metadata.get(KIND_REASON, "set in metadata")
    runnable = spec.runnable.inner if isinstance(spec.runnable, EpisodeScope) else spec.runnable
    if kind is None or (kind, reason) == (found.kind, found.reason):  # found by route_graph is found, not set
        tools = isinstance(runnable, ToolNode)  # calls no model
        return ListedNode(
            path=path,
            node=name,
            kind=found.kind,
            confidence=found.confidence,
            reason="it only calls tools" if tools else found.reason,
            unsure=found.confidence < UNSURE and not tools,
        )
    return ListedNode(path=path, node=name, kind=kind, confidence=None, reason=reason, unsure=False)
