"""What is told to somebody who is about to go wrong: plain models left in nodes, misspelt names, missing folders."""

import logging
from pathlib import Path
from typing import Any

import pytest
from integration.routed import House
from langgraph.graph import END, START, MessagesState, StateGraph

from langroute import ConfigError, NoArmAvailable, StepRouter, open_ledger, route_graph
from langroute.testing import ScriptedModel


def _graph(model: Any) -> Any:
    def plan(state: MessagesState) -> MessagesState:
        """Decide which steps to take."""
        return {"messages": [model.invoke(state["messages"])]}

    builder = StateGraph(MessagesState).add_node("plan", plan)
    return builder.add_edge(START, "plan").add_edge("plan", END)


def test_a_node_that_still_uses_a_plain_model_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """Its calls would be under no budget, which nobody would notice; a routed model is no cause for a word."""
    house = House()
    with caplog.at_level(logging.WARNING, logger="langroute"):
        route_graph(_graph(house.llm), house.router)
        assert not [record for record in caplog.records if "not routed" in record.getMessage()]
        route_graph(_graph(ScriptedModel(["hi"])), house.router)
    (told,) = [record.getMessage() for record in caplog.records if "not routed" in record.getMessage()]
    assert "node 'plan' refers to a model that is not routed (ScriptedModel)" in told


def test_a_misspelt_node_in_the_configuration_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """The configuration may serve several graphs, so it is no error; but a near miss is hardly meant for another."""
    house = House(kinds={"plann": "execution", "elsewhere": "control"})
    with caplog.at_level(logging.WARNING, logger="langroute"):
        route_graph(_graph(house.llm), house.router)
    (told,) = [record.getMessage() for record in caplog.records if "no node of this graph" in record.getMessage()]
    assert "'plann'" in told
    assert "'plan' is" in told


def test_a_pin_to_an_arm_that_does_not_exist_says_so() -> None:
    """A misspelt arm of a whole run is not told as a lack of capable models."""
    house = House()
    graph = route_graph(_graph(house.llm), house.router).compile()
    with pytest.raises(NoArmAvailable, match="pinned to 'larg', which the pool does not have"):
        graph.invoke({"messages": ["hi"]}, {"configurable": {"langroute_arm": "larg"}})


def test_a_store_in_a_folder_that_does_not_exist_is_refused_at_once(tmp_path: Path) -> None:
    """When the router is made, not in the middle of the first run; and nothing is created."""
    house = House()
    for place in (tmp_path / "no" / "books.db", tmp_path):
        with pytest.raises(ConfigError, match="cannot be a file") as caught:
            StepRouter(house.pool, store=f"sqlite:///{place}")
        assert caught.value.field == "store"
    assert list(tmp_path.iterdir()) == []
    open_ledger(f"sqlite:///{tmp_path / 'books.db'}").close()
