"""``langroute kinds``: every node of a graph with its kind and the reason, for a person to correct."""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from langroute.cli.stores import AsJson, console
from langroute.cli.targets import load_graph

if TYPE_CHECKING:
    from langroute.integrations.nodes import ListedNode

_GRAPH_HELP = "module:attribute, path/to/file.py:attribute or langgraph.json:name."


def kinds(graph: Annotated[str, typer.Argument(metavar="GRAPH", help=_GRAPH_HELP)], *, as_json: AsJson = False) -> None:
    """List the nodes of a graph with their kinds, and why.

    GRAPH is a StateGraph, compiled or not, or a function without arguments that returns one. It is imported, not run.
    """
    loaded = load_graph(graph)
    from langroute.integrations.nodes import list_nodes

    nodes = list_nodes(loaded)
    if as_json:
        typer.echo(json.dumps({"graph": graph, "nodes": [asdict(node) for node in nodes]}, indent=2))
    elif nodes:
        _print(nodes)
    else:
        typer.echo("The graph has no nodes.")


def _print(nodes: "Sequence[ListedNode]") -> None:
    from langroute.observe.layout import Column, Paragraph, Row, Rows
    from langroute.steps.figures import UNSURE

    columns = (
        Column(title="node", most=48),
        Column(title="kind"),
        Column(title="sure", align="right"),
        Column(title="", align="right"),
        Column(title="reason", most=60),
    )
    rows = tuple(
        Row(
            cells=(
                node.path,
                node.kind,
                "set" if node.confidence is None else f"{node.confidence:.2f}",
                "?" if node.unsure else "",
                node.reason,
            ),
            alarm=node.unsure,
        )
        for node in nodes
    )
    out = console()
    out.print(Rows(columns=columns, rows=rows))
    out.print()
    unsure = [node for node in nodes if node.unsure]
    told = (
        f"{len(unsure)} of {len(nodes)} kinds are guesses (?, below {UNSURE:.2f}). Where one is wrong and the node "
        "calls a model, put its right kind into the router's configuration:"
        if unsure
        else "No kind is a guess. Where one is wrong all the same, put the right one into the router's configuration:"
    )
    out.print(Paragraph(text=told))
    typer.echo()
    typer.echo(_yaml(unsure or nodes[:1]))


def _yaml(nodes: "Sequence[ListedNode]") -> str:
    import yaml

    lines = yaml.safe_dump(
        {"kinds": {node.node: str(node.kind) for node in nodes}}, sort_keys=False, allow_unicode=True, width=10_000
    )
    return (
        f"# as found; change what is wrong to one of control, execution, verification, presentation\n{lines.rstrip()}"
    )
