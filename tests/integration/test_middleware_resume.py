"""RoutingMiddleware over time and depth: checkpoints, interrupts, time travel, nested agents, fan-out."""

from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents.middleware import AgentMiddleware, HumanInTheLoopMiddleware, ModelRequest
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt

from langroute import Budget, current_episode, route_graph
from langroute.integrations.middleware import RoutingMiddleware
from langroute.testing import Reply
from tests.integration.agents import adder, adding, agent_of, all_records, ask, books_hold
from tests.integration.routed import House

INPUT: Any = {"messages": [("user", "add 1 and 2")]}
THREAD: Any = {"configurable": {"thread_id": "t"}}


def approving(house: House, **options: Any) -> Any:
    """An agent that asks a person before its tool runs."""
    human = HumanInTheLoopMiddleware(interrupt_on={"add": True})
    routing = RoutingMiddleware(house.router, **options)
    return agent_of(house, human, routing, checkpointer=InMemorySaver())


YES: Any = Command(resume={"decisions": [{"type": "approve"}]})


def test_an_interrupted_agent_goes_on_in_its_episode() -> None:
    """A resume belongs to the turn it continues: one episode, one call before and one after, each paid once."""
    house = adding()
    agent = approving(house)
    assert agent.invoke(INPUT, THREAD)["__interrupt__"]
    assert agent.invoke(YES, THREAD)["messages"][-1].text == "It is 3."
    records = house.records(house.only_episode())
    assert [record.step.call_index for record in records] == [0, 1]
    assert books_hold(house)


async def test_an_interrupted_async_agent_goes_on_in_its_episode() -> None:
    """The same for ainvoke."""
    house = adding()
    agent = approving(house)
    await agent.ainvoke(INPUT, THREAD)
    state = await agent.ainvoke(YES, THREAD)
    assert state["messages"][-1].text == "It is 3."
    assert len(house.records(house.only_episode())) == 2


def test_an_interrupt_before_the_call_costs_nothing() -> None:
    """Middleware inside that asks before the model is called books nothing for the attempt it broke off."""

    class Gate(AgentMiddleware[Any, Any, Any]):
        def wrap_model_call(self, request: ModelRequest[Any], handler: Any) -> Any:
            interrupt("may I?")
            return handler(request)

    house = House(small=lambda messages, kwargs: "yes", large=lambda messages, kwargs: "yes")
    agent = agent_of(house, RoutingMiddleware(house.router), Gate(), tools=[], checkpointer=InMemorySaver())
    assert agent.invoke(INPUT, THREAD)["__interrupt__"][0].value == "may I?"
    assert house.router.balance(house.only_episode()).used.nano_usd == 0
    assert agent.invoke(Command(resume="yes"), THREAD)["messages"][-1].text == "yes"
    first, second = house.records(house.only_episode())
    assert (first.outcome.error, first.outcome.cost_nano) == ("GraphInterrupt", 0)
    assert second.outcome.accepted
    assert books_hold(house)


def test_each_turn_of_a_thread_has_a_budget_of_its_own() -> None:
    """A fresh input opens a new episode under the same thread."""
    house = adding()
    agent = agent_of(house, checkpointer=InMemorySaver())
    ask(agent, config=THREAD)
    ask(agent, config=THREAD)
    house.router.flush()
    assert len(list(house.router.journal.episodes())) == 2


def test_time_travel_spends_on_where_it_left_the_books() -> None:
    """Going back to a checkpoint rewinds the state and its view, but not what was spent."""
    house = adding()
    agent = agent_of(house, RoutingMiddleware(house.router, expose_state=True), checkpointer=InMemorySaver())
    ask(agent, config=THREAD)
    episode = house.only_episode()
    spent = house.router.balance(episode).spent.nano_usd
    before_last = next(state for state in agent.get_state_history(THREAD) if state.next == ("model",))
    assert before_last.values["langroute"]["spent_usd"] < spent / 1e9
    agent.invoke(None, before_last.config)
    assert len(house.records(house.only_episode())) == 3
    now = house.router.balance(episode).spent.nano_usd
    assert now > spent
    assert agent.get_state(THREAD).values["langroute"]["spent_usd"] == pytest.approx(now / 1e9)
    assert books_hold(house)


def test_a_process_that_died_leaves_its_books_to_the_next(tmp_path: Path) -> None:
    """With a SQLite store a resume in a new router goes on with the same episode and its budget."""
    saver, store = InMemorySaver(), f"sqlite:///{tmp_path / 'books.db'}"
    human = HumanInTheLoopMiddleware(interrupt_on={"add": True})
    first = adding(store=store)
    agent_of(first, human, RoutingMiddleware(first.router), checkpointer=saver).invoke(INPUT, THREAD)
    spent = first.router.balance(first.only_episode()).spent.nano_usd
    first.router.close()
    second = adding(store=store)
    agent_of(second, human, RoutingMiddleware(second.router), checkpointer=saver).invoke(YES, THREAD)
    assert [record.step.call_index for record in second.records(second.only_episode())] == [0, 1]
    assert second.router.balance(second.only_episode()).spent.nano_usd > spent > 0
    second.router.close()


def nested(house: House, inner: Any) -> Any:
    """An agent one of whose tools is an agent."""

    @tool
    def add(a: int, b: int) -> str:
        """Add two numbers, by asking somebody."""
        return ask(inner, f"add {a} and {b}", {"configurable": {"thread_id": "inner"}})

    return agent_of(house, RoutingMiddleware(house.router), tools=[add])


def test_a_nested_agent_belongs_to_the_episode_around_it() -> None:
    """An agent inside a tool, even with a thread of its own, spends from the outer agent's budget."""
    house = adding()
    inner = agent_of(house, RoutingMiddleware(house.router), checkpointer=InMemorySaver(), name="inner")
    assert ask(nested(house, inner)) == "It is It is 3.."
    assert len(house.records(house.only_episode())) == 4
    assert books_hold(house)


def test_a_nested_agent_on_a_routed_model_belongs_to_it_too() -> None:
    """A nested agent without the middleware, on a RoutedChatModel, spends from the same budget."""
    house = adding()
    inner = agent_of(house, Nothing(), model=house.llm, checkpointer=InMemorySaver())
    ask(nested(house, inner))
    assert len(house.records(house.only_episode())) == 4
    assert len(house.small.calls) + len(house.large.calls) == 4


class Nothing(AgentMiddleware[Any, Any, Any]):
    """Middleware that does nothing."""


class Tasks(TypedDict):
    """State of a graph that asks several agents at once."""

    answers: Annotated[list[str], lambda left, right: [*left, *right]]


def test_agents_in_a_fan_out_share_the_episode_of_the_run() -> None:
    """Agents started side by side with ``Send`` spend from one budget, each call counted once."""
    house = adding()
    agent = agent_of(house)

    def work(state: Any) -> Any:
        return {"answers": [ask(agent, state["text"])]}

    builder = StateGraph(Tasks)
    builder.add_node("work", work)
    builder.add_conditional_edges(START, lambda state: [Send("work", {"text": text}) for text in "abc"], ["work"])
    builder.add_edge("work", END)
    result = builder.compile().invoke({"answers": []})
    assert result["answers"] == ["It is 3."] * 3
    records = house.records(house.only_episode())
    assert sorted(record.step.call_index for record in records) == list(range(6))
    assert books_hold(house)


def test_an_agent_as_a_node_of_a_routed_graph() -> None:
    """An agent that is a node takes the kind the graph gave the node, unless the middleware was told one."""
    house = adding()
    for name, told in (("verify_facts", None), ("research", "presentation")):
        builder = StateGraph(dict)  # type: ignore[type-var]
        inner = agent_of(house, RoutingMiddleware(house.router, kind=told))  # type: ignore[arg-type]
        builder.add_node(name, lambda state, inner=inner: {"text": ask(inner)})
        builder.add_edge(START, name)
        route_graph(builder, house.router).compile().invoke({})
    kinds = [record.step.kind for record in all_records(house)]
    assert kinds in (["verification"] * 2 + ["presentation"] * 2, ["presentation"] * 2 + ["verification"] * 2)


def test_a_tool_reads_the_remaining_budget_and_a_charge_counts() -> None:
    """What a tool sees of the budget is the episode's books at that moment."""
    left: list[Any] = []

    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        episode = current_episode()
        assert episode is not None
        left.append(episode.look().available_nano("general"))
        return a + b

    house = adding(budget=Budget(total_dollars=0.5))
    ask(agent_of(house, tools=[add]))
    first, *_ = house.records(house.only_episode())
    assert left == [500_000_000 - first.outcome.cost_nano]


def test_an_agent_without_an_answer_to_a_tool_call_ends_as_without_routing() -> None:
    """A tool that fails raises as it does without routing, and the episode around the tool is left behind."""

    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        raise RuntimeError("broken tool")

    house = House(small=adder, large=lambda messages, kwargs: Reply(tool_calls=(("add", {"a": 1, "b": 2}),)))
    with pytest.raises(RuntimeError, match="broken tool"):
        ask(agent_of(house, tools=[add]))
    assert current_episode() is None


def asking_between(house: House, saver: Any) -> Any:
    """A plain graph whose nodes run an agent, ask a person, and run an agent again."""
    agent = agent_of(house)
    builder = StateGraph(Tasks)
    builder.add_node("first", lambda state: {"answers": [ask(agent)]})
    builder.add_node("person", lambda state: {"answers": [interrupt("go on?")]})
    builder.add_node("last", lambda state: {"answers": [ask(agent)]})
    builder.add_edge(START, "first").add_edge("first", "person").add_edge("person", "last")
    return builder.compile(checkpointer=saver)


def test_an_agent_that_begins_after_a_resume_is_of_the_turn(tmp_path: Path) -> None:
    """Its own counts start anew, yet it spends from the turn's budget, also in another process; a new input is new."""
    saver, store = InMemorySaver(), f"sqlite:///{tmp_path / 'books.db'}"
    for calls in ([4], [4, 4]):
        before = adding(store=store)
        asking_between(before, saver).invoke({"answers": []}, THREAD)
        before.router.close()
        after = adding(store=store)
        asking_between(after, saver).invoke(Command(resume="yes"), THREAD)
        after.router.flush()
        assert [len(after.records(episode)) for episode in after.router.journal.episodes()] == calls
        after.router.close()
