"""Kinds of the nodes of real graphs: what their functions refer to, and what is told of guesses."""

import logging
from typing import Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_core.messages import SystemMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.prebuilt import ToolNode
from pydantic import BaseModel

from langroute.errors import ConfigError
from langroute.integrations.graph import node_kinds, route_graph
from langroute.integrations.nodes import list_nodes
from langroute.integrations.references import references
from tests.integration.routed import House


class State(TypedDict):
    said: list[str]


class Route(BaseModel):
    next: str


@tool
def search(query: str) -> str:
    """Search."""
    return query


LLM = ChatOpenAI(model="gpt-4o-mini", api_key="none")  # type: ignore[arg-type]
LLM_WITH_TOOLS = LLM.bind_tools([search])
ROUTER_PROMPT = ChatPromptTemplate.from_messages(
    [("system", "You are a supervisor. Decide which worker should act next."), ("human", "{said}")]
)
ROUTER = ROUTER_PROMPT | LLM.with_structured_output(Route)
GRADER_PROMPT = "You are a strict grader. Give a binary score, 'yes' or 'no', for the relevance of the document."
AGENT = create_agent(LLM, [search])


def uses_tools(state: State) -> Any:
    return LLM_WITH_TOOLS.invoke(state["said"])


def uses_chain(state: State) -> Any:
    return ROUTER.invoke(dict(state))


def uses_text(state: State) -> Any:
    return LLM.invoke([SystemMessage(GRADER_PROMPT)])


def uses_agent(state: State) -> Any:
    return AGENT.invoke({"messages": []})


class Nodes:
    """Nodes that are methods and keep their model in ``self``."""

    def __init__(self) -> None:
        self.model = LLM.bind_tools([search])
        self.unused = "A prompt that stands in the object but that no code of the method ever names."

    def step(self, state: State) -> Any:
        """Take a step."""
        return self.model.invoke(state["said"])


def test_functions_are_known_by_what_they_refer_to() -> None:
    """Tools, schemas, prompts and agents beside a function are found, in modules, closures and objects."""
    local = LLM.with_structured_output(Route, method="function_calling")

    def uses_local(state: State) -> Any:
        return local.invoke("x")

    assert references(uses_tools).tools
    assert references(Nodes().step).tools
    assert references(Nodes().step).prompts == []
    chain = references(uses_chain)
    assert (chain.schema["title"], [*chain.schema["properties"]], chain.tools) == ("Route", ["next"], False)
    assert chain.prompt == "You are a supervisor. Decide which worker should act next."
    assert references(uses_local).schema is Route
    assert references(uses_text).prompt == GRADER_PROMPT
    assert (references(uses_agent).agent, references(uses_tools).agent) == (True, False)
    assert references(None, ROUTER).schema == chain.schema


@pytest.mark.parametrize("odd", [None, len, object(), RunnableLambda(len).invoke, type("T", (), {})])
def test_whatever_a_node_is_nothing_is_called(odd: Any) -> None:
    """Builtins, objects and classes refer to nothing that is known, and raise nothing."""
    found = references(odd)
    assert (found.prompt, found.tools, found.schema, found.agent) == ("", False, None, False)


def test_a_model_bound_through_a_door_is_seen() -> None:
    """Tools and schemas bound to a routed model count as those of a plain one do."""
    house = House()
    tools, structured = house.llm.bind_tools([search]), house.llm.with_structured_output(Route)
    assert references(lambda state: tools).tools
    assert references(lambda state: structured).schema is Route


def test_what_stands_beside_a_node_decides_its_kind() -> None:
    """Nodes with names that say nothing are known by the prompt, tools, schema or agent that they use."""
    builder = StateGraph(State)
    for name, function in {"n1": uses_tools, "n2": uses_chain, "n3": uses_text, "n4": uses_agent}.items():
        builder.add_node(name, RunnableLambda(function))
    kinds = {name: found.kind for name, found in node_kinds(builder).items()}
    assert kinds == {"n1": "control", "n2": "control", "n3": "verification", "n4": "execution"}


def _graph() -> StateGraph[State]:
    builder = StateGraph(State).add_node("plan", lambda state: state).add_node("x1", lambda state: state)
    builder.add_node("x2", lambda state: state).add_node("tools", ToolNode([search]))
    return builder.add_edge(START, "plan").add_edge("plan", END)


def test_guesses_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """One line per graph names the nodes a person should look at, and how to correct them; a set kind is no guess."""
    house = House()
    with caplog.at_level(logging.INFO, logger="langroute.kinds"):
        builder = route_graph(_graph(), house.router, kinds={"x2": "verification"})
        route_graph(builder, house.router)
    (told,) = [record for record in caplog.records if record.name == "langroute.kinds"]
    assert told.levelname == "WARNING"
    assert "the kind of 1 of the graph's nodes is a guess: x1 (execution, 0." in told.getMessage()
    assert 'kinds={"x1": ...}) with the right kind' in told.getMessage()


def test_nothing_is_logged_of_a_graph_that_is_clear(caplog: pytest.LogCaptureFixture) -> None:
    """Where every kind is clear or set, nothing is said."""
    house = House()
    with caplog.at_level(logging.INFO, logger="langroute.kinds"):
        route_graph(_graph(), house.router, kinds={"x1": "execution", "x2": "verification"})
    assert not [record for record in caplog.records if record.name == "langroute.kinds"]


def test_a_routed_graph_is_listed_as_before() -> None:
    """Routing a graph changes no line of its listing but those of kinds that were set."""
    house = House()
    before = list_nodes(_graph())
    after = list_nodes(route_graph(_graph(), house.router, kinds={"x2": "verification"}).compile())
    assert [node for node in after if node.node != "x2"] == [node for node in before if node.node != "x2"]
    (changed,) = [node for node in after if node.node == "x2"]
    assert (changed.kind, changed.confidence, changed.unsure) == ("verification", None, False)
    assert [node.unsure for node in before] == [False, True, True, False]


def test_only_graphs_are_listed() -> None:
    """Something else is refused with what it is."""
    with pytest.raises(ConfigError, match="must be a StateGraph, compiled or not, not str"):
        list_nodes("graph")
