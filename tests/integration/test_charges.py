"""Charges and what is left, as a node and a tool of a graph see them."""

from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from langroute import Budget, BudgetExceeded, current_episode, route_graph
from langroute.episodes import Episode
from langroute.observe.report import explain
from tests.integration.routed import House


def here() -> Episode:
    """The episode around this code."""
    episode = current_episode()
    assert episode is not None
    return episode


@tool
def search(query: str) -> str:
    """Search the web, for 40 cents."""
    try:
        here().charge("search", "0.40")
    except BudgetExceeded:
        return f"too dear: {here().remaining.dollars:.1f} left"
    return f"found {query}"


@tool
async def look_up(query: str) -> str:
    """Search the web without blocking, for 40 cents."""
    await here().acharge("look_up", 0.4)
    return f"found {query}"


def agent(house: House, *tools: Any) -> Any:
    """A node that calls its tool three times at once, the tools, and a node that reads what is left."""

    def plan(state: MessagesState) -> dict[str, Any]:
        house.llm.invoke("plan")
        calls = [{"name": tools[0].name, "args": {"query": "ducks"}, "id": f"c{n}"} for n in range(3)]
        return {"messages": [AIMessage("", tool_calls=calls)]}

    def count(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage(f"{here().remaining.dollars:.1f} left")]}

    builder = StateGraph(MessagesState)
    builder.add_node(plan).add_node("tools", ToolNode(list(tools))).add_node(count)
    builder.add_edge(START, "plan").add_edge("plan", "tools").add_edge("tools", "count").add_edge("count", END)
    return route_graph(builder, house.router).compile()


def test_tools_charge_the_episode_of_their_run() -> None:
    """Three tools at once on a dollar: two are paid, the third is told what is left, and a node reads the same."""
    house = House(budget=Budget(total_dollars=1))
    *_, first, second, third, count = agent(house, search).invoke({"messages": []})["messages"]
    told = sorted(message.content for message in (first, second, third))
    assert told == ["found ducks", "found ducks", "too dear: 0.2 left"]
    assert count.content == "0.2 left"
    episode = house.only_episode()
    charges = house.router.journal.actions(episode)
    assert [(action.action, action.cost_nano) for action in charges] == [("charged", 400_000_000)] * 2
    assert explain(house.records(episode), actions=charges)


async def test_async_tools_charge_a_store_on_disk(tmp_path: Path) -> None:
    """With a ledger that waits for a disk, async tools charge without blocking the loop, each once."""
    house = House(budget=Budget(total_dollars=2), store=f"sqlite:///{tmp_path / 'runs.db'}")
    result = await agent(house, look_up).ainvoke({"messages": []})
    assert result["messages"][-1].content == "0.8 left"
    assert len(house.router.journal.actions(house.only_episode())) == 3
    house.router.close()
