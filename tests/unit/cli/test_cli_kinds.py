"""The kinds of a graph's nodes, printed for a person to correct."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from langroute.config import RouterConfig

Run = Callable[..., Any]

_AGENT = '''
from typing import TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.prebuilt import ToolNode

print("an import that talks")


class State(TypedDict):
    said: str


def plan(state: State) -> State:
    """Plan the work."""
    return state


def bookkeeping(state: State) -> State:
    return state


def _inner():
    inner = StateGraph(State).add_node("grade_documents", bookkeeping).add_node("x1", bookkeeping)
    return inner.add_edge(START, "x1").add_edge(START, "grade_documents").compile()


def build(interrupts: bool = False):
    builder = StateGraph(State).add_node(plan).add_node("retrieval", _inner()).add_node("x1", bookkeeping)
    builder.add_node("a_helper_with_a_name_that_is_much_too_long_for_any_column_of_a_table", bookkeeping)
    builder.add_node("tools", ToolNode([])).add_node("yes", bookkeeping, metadata={"langroute_kind": "control"})
    return builder.add_edge(START, "plan").add_edge("plan", END)


graph = build().compile()
number = 4


async def later():
    return graph


def needy(config):
    return graph


def broken():
    raise SystemExit("no key is set")
'''


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a graph, as the command's working directory."""
    (tmp_path / "house_agent.py").write_text(_AGENT)
    (tmp_path / "langgraph.json").write_text(
        json.dumps({"graphs": {"main": "./house_agent.py:graph", "made": {"path": "./house_agent.py:build"}}})
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


_TARGETS = [
    "house_agent:graph",
    "house_agent:build",
    "house_agent.py:graph",
    "langgraph.json:main",
    "langgraph.json:made",
]


@pytest.mark.parametrize("target", _TARGETS)
def test_every_form_of_a_graph_is_listed(run: Run, project: Path, target: str) -> None:
    """Builders, compiled graphs and functions that make them give the same nodes, subgraphs with their path."""
    result = run("kinds", target, "--json")
    assert result.exit_code == 0, result.output
    nodes = {node["path"]: node for node in json.loads(result.stdout)["nodes"]}
    assert [*nodes][:5] == ["plan", "retrieval", "retrieval/grade_documents", "retrieval/x1", "x1"]
    assert (nodes["plan"]["kind"], nodes["plan"]["unsure"]) == ("control", False)
    assert nodes["retrieval/grade_documents"]["kind"] == "verification"
    assert (nodes["x1"]["node"], nodes["x1"]["unsure"]) == ("x1", True)
    assert nodes["tools"]["reason"] == "it only calls tools"
    assert (nodes["yes"]["kind"], nodes["yes"]["confidence"], nodes["yes"]["reason"]) == (
        "control",
        None,
        "set in metadata",
    )


@pytest.mark.parametrize("width", [None, 80, 120])
def test_the_table_fits_a_pipe(run: Run, project: Path, width: int | None) -> None:
    """Without a terminal the table has no control sequences, fits the width, and marks the guesses."""
    result = run("kinds", "house_agent:graph", width=width)
    table, _, rest = result.stdout.partition("\n\n")
    assert "\x1b" not in result.stdout
    assert max(map(len, table.splitlines())) <= (width or 80)
    marked = [line.split()[0] for line in table.splitlines() if " ?" in line]
    assert len(marked) == 3
    assert marked[:2] == ["retrieval/x1", "x1"]
    assert "3 of 8 kinds are guesses" in rest


def test_the_listing_ends_with_lines_for_the_configuration(run: Run, project: Path) -> None:
    """What stands last is YAML that the configuration takes, under the names the router knows the nodes by."""
    _, _, text = run("kinds", "house_agent:graph", width=80).stdout.rpartition("\n\n")
    found = RouterConfig.model_validate(yaml.safe_load(text)).kinds
    long = "a_helper_with_a_name_that_is_much_too_long_for_any_column_of_a_table"
    assert [*found] == ["x1", long]
    assert found["x1"] == "execution"


def test_a_file_inside_a_package_is_imported_as_part_of_it(run: Run, project: Path) -> None:
    """A graph's file may import its neighbours relatively."""
    package = project / "house_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "graph.py").write_text("from .parts import graph\n")
    (package / "parts.py").write_text(_AGENT)
    result = run("kinds", "house_package/graph.py:graph", "--json")
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["nodes"]) == 8


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("house_agent", "names no graph; give module:attribute"),
        ("house_agent:nothing", "house_agent has no 'nothing'; its graphs are graph"),
        ("house_agent:number", "is no StateGraph, compiled or not, but int"),
        ("house_agent:needy", "needs arguments (config)"),
        ("house_agent:later", "is async"),
        ("house_agent:broken", "calling broken() failed with SystemExit: no key is set"),
        ("no_such_house:graph", "No module named 'no_such_house'"),
        ("no_such_file.py:graph", "no_such_file.py"),
        ("langgraph.json", "lists several graphs; say langgraph.json:NAME with one of: main, made"),
        ("langgraph.json:other", "has no graph 'other'"),
        ("none.json:other", "none.json"),
    ],
)
def test_a_bad_graph_gets_one_clear_line(run: Run, project: Path, target: str, said: str) -> None:
    """What cannot be loaded is one line on stderr that says why, and exit code 2."""
    result = run("kinds", target)
    told = [line for line in result.stderr.splitlines() if line != "an import that talks"]
    assert (result.exit_code, result.stdout, len(told)) == (2, "", 1)
    assert told[0].startswith("langroute: GRAPH: ")
    assert said in told[0]
