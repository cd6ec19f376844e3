"""route_graph and episodes: every node classified, one budget per turn, whatever LangGraph does to a run."""

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt

from langroute import Budget, BudgetExceeded, ConfigError, current_episode, node_kinds, route_graph
from tests.integration.routed import House


class State(TypedDict, total=False):
    """State of the test graphs."""

    said: Annotated[list[str], operator.add]
    item: str


def thread(name: str) -> dict[str, Any]:
    """A config with a thread id."""
    return {"configurable": {"thread_id": name}}


def three_nodes(house: House) -> Any:
    """plan -> extract -> report, each making one call."""

    def plan(state: State) -> State:
        """Make a plan of the steps."""
        return {"said": [str(house.llm.invoke("plan").content)]}

    def extract(state: State) -> State:
        return {"said": [str(house.llm.invoke("extract").content)]}

    async def report(state: State) -> State:
        return {"said": [str((await house.llm.ainvoke("report")).content)]}

    builder = StateGraph(State)
    builder.add_node(plan).add_node(extract).add_node(report)
    builder.add_edge(START, "plan").add_edge("plan", "extract").add_edge("extract", "report").add_edge("report", END)
    return builder


async def test_each_node_gets_its_kind_and_its_arm() -> None:
    """Planning starts strong, extraction and presentation go cheap, and the run is one episode."""
    house = House()
    graph = route_graph(three_nodes(house), house.router).compile()
    result = await graph.ainvoke({"said": []})
    assert result["said"] == ["large", "small", "small"]
    records = house.records(house.only_episode())
    assert [(record.step.node, record.step.kind) for record in records] == [
        ("plan", "control"),
        ("extract", "execution"),
        ("report", "presentation"),
    ]
    assert records[-1].step.purpose == "final_synthesis"
    assert all(record.step.kind_reason for record in records)


def test_kinds_overrule_the_classification_and_are_checked() -> None:
    """kinds= wins; a node that does not exist or a kind that is none is refused with the way out."""
    house = House()
    builder = route_graph(three_nodes(house), house.router, kinds={"plan": "presentation"})
    assert builder.nodes["plan"].metadata["langroute_kind"] == "presentation"
    with pytest.raises(ConfigError, match=r"kinds\.plann.*plan, extract, report"):
        route_graph(three_nodes(house), house.router, kinds={"plann": "control"})
    with pytest.raises(ConfigError, match="control, execution, verification, presentation"):
        route_graph(three_nodes(house), house.router, kinds={"plan": "planning"})  # type: ignore[dict-item]
    with pytest.raises(ConfigError, match="not compiled yet"):
        route_graph(builder.compile(), house.router)
    with pytest.raises(ConfigError, match=r"router: must be a StepRouter, not ModelPool"):
        route_graph(three_nodes(house), house.pool)  # type: ignore[arg-type]
    assert node_kinds(three_nodes(house))["extract"].kind == "execution"


def test_routing_a_graph_twice_changes_nothing() -> None:
    """route_graph may be called again: nodes are not wrapped twice."""
    house = House()
    builder = route_graph(route_graph(three_nodes(house), house.router), house.router)
    assert builder.nodes["plan"].runnable.inner.__class__.__name__ == "RunnableCallable"


def asking(house: House, saver: Any, *, routed: bool, first: bool = True) -> Any:
    """A graph that calls a model, asks a human, and calls a model again."""

    def begin(state: State) -> State:
        return {"said": [str(house.llm.invoke("one").content)] if first else []}

    def ask(state: State) -> State:
        answer = interrupt("go on?")
        return {"said": [str(answer)]}

    def end(state: State) -> State:
        return {"said": [str(house.llm.invoke("two").content)]}

    builder = StateGraph(State)
    builder.add_node(begin).add_node(ask).add_node(end)
    builder.add_edge(START, "begin").add_edge("begin", "ask").add_edge("ask", "end").add_edge("end", END)
    return (route_graph(builder, house.router) if routed else builder).compile(checkpointer=saver)


@pytest.mark.parametrize(("routed", "first"), [(True, True), (True, False), (False, True)])
def test_a_turn_goes_on_through_interrupt_and_resume(routed: bool, first: bool) -> None:
    """From a fresh input through its interrupts and resumes it is one episode; the next input starts another."""
    house = House()
    graph = asking(house, InMemorySaver(), routed=routed, first=first)
    for _ in range(2):
        graph.invoke({"said": []}, thread("t"))
        graph.invoke(Command(resume="yes"), thread("t"))
    house.router.flush()
    episodes = house.router.journal.episodes()
    assert len(episodes) == 2
    assert all(episode.startswith("t#") for episode in episodes)
    assert [len(house.records(episode)) for episode in episodes] == [1 + first, 1 + first]


def test_a_turn_that_nobody_saw_begin_is_never_given_a_second_budget() -> None:
    """In a graph without route_graph, a turn resumed before its first call goes on with the thread's last budget."""
    house = House()
    graph = asking(house, InMemorySaver(), routed=False, first=False)
    for _ in range(2):
        graph.invoke({"said": []}, thread("t"))
        graph.invoke(Command(resume="yes"), thread("t"))
    assert len(house.records(house.only_episode())) == 2


def test_a_turn_goes_on_in_another_process(tmp_path: Any) -> None:
    """The episode of an interrupted turn is found again by a router that has never seen it, in the same store."""
    store = f"sqlite:///{tmp_path / 'books.db'}"
    saver = InMemorySaver()
    before = House(store=store)
    asking(before, saver, routed=True).invoke({"said": []}, thread("t"))
    before.router.close()
    after = House(store=store)
    asking(after, saver, routed=True).invoke(Command(resume="yes"), thread("t"))
    assert len(after.records(after.only_episode())) == 2
    after.router.close()


def test_time_travel_spends_from_the_same_budget() -> None:
    """Replaying from an earlier checkpoint rewinds the state, not the money."""
    house = House()
    graph = asking(house, InMemorySaver(), routed=True)
    graph.invoke({"said": []}, thread("t"))
    history = list(graph.get_state_history(thread("t")))
    start = next(state for state in history if state.next == ("begin",))
    graph.invoke(None, start.config)
    assert len(house.records(house.only_episode())) == 2


def test_per_thread_is_one_budget_over_the_whole_thread() -> None:
    """With per='thread' every turn of a thread draws on one budget."""
    house = House(budget=Budget(total_dollars=1.0, per="thread"))
    graph = asking(house, InMemorySaver(), routed=True)
    for _ in range(2):
        graph.invoke({"said": []}, thread("t"))
        graph.invoke(Command(resume="yes"), thread("t"))
    assert house.only_episode() == "t"
    assert len(house.records("t")) == 4


def test_the_users_own_episode_wins() -> None:
    """An id in the metadata, or a with block, names the episode."""
    house = House()
    graph = asking(house, InMemorySaver(), routed=True)
    graph.invoke({"said": []}, {**thread("t"), "metadata": {"langroute_episode": "mine"}})
    with house.router.episode("block"):
        graph.invoke(Command(resume="yes"), thread("t"))
    assert len(house.records("mine")) == len(house.records("block")) == 1


def test_a_nested_agent_with_its_own_thread_belongs_to_the_episode_around_it() -> None:
    """Subgraphs and agents invoked inside a node share the outer budget, even with thread ids of their own."""
    house = House()

    def inner_work(state: State) -> State:
        return {"said": [str(house.llm.invoke("inner").content)]}

    nested = StateGraph(State).add_node(inner_work).add_edge(START, "inner_work")
    agent = nested.compile(checkpointer=InMemorySaver())

    def outer(state: State) -> State:
        agent.invoke({"said": []}, thread("child"))
        return {"said": [str(house.llm.invoke("outer").content)]}

    builder = StateGraph(State).add_node(outer).add_edge(START, "outer")
    builder.add_node("sub", StateGraph(State).add_node(inner_work).add_edge(START, "inner_work").compile())
    builder.add_edge("outer", "sub")
    graph = route_graph(builder, house.router).compile(checkpointer=InMemorySaver())
    graph.invoke({"said": []}, thread("parent"))
    episode = house.only_episode()
    assert episode.startswith("parent#")
    assert [record.step.node for record in house.records(episode)] == ["inner_work", "outer", "inner_work"]
    assert {name for name, _ in graph.get_subgraphs()} == {"outer", "sub"}


async def test_a_fan_out_shares_one_budget_and_never_overspends() -> None:
    """Parallel siblings hold their worst cases from one budget; those that do not fit are refused, not overspent."""
    house = House(
        budget=Budget(total_dollars=0.0052),
        small=lambda messages, kwargs: "word " * 4000,
    )

    async def work(state: State) -> State:
        try:
            return {"said": [str((await house.llm.ainvoke(state["item"], max_tokens=4000)).content)[:4]]}
        except BudgetExceeded:
            return {"said": ["none"]}

    builder = StateGraph(State).add_node(work)
    builder.add_conditional_edges(START, lambda state: [Send("work", {"item": str(i)}) for i in range(8)], ["work"])
    graph = route_graph(builder, house.router, kinds={"work": "execution"}).compile()
    said = (await graph.ainvoke({"said": []}))["said"]
    balance = house.router.balance(house.only_episode())
    assert 1 <= said.count("word") < 8
    assert balance.held.nano_usd == 0
    assert balance.spent.nano_usd <= 5_200_000


def test_a_retry_policy_shows_as_pressure() -> None:
    """A node that LangGraph runs again is a retry: the step knows, and goes to a stronger arm."""
    house = House(small=lambda messages, kwargs: "")

    def extract(state: State) -> State:
        text = str(house.llm.invoke("extract").content)
        if not text:
            raise ValueError("empty")
        return {"said": [text]}

    builder = StateGraph(State)
    policy = RetryPolicy(initial_interval=0.0, jitter=False, max_attempts=3, retry_on=ValueError)
    builder.add_node("extract", extract, retry_policy=policy).add_edge(START, "extract")
    graph = route_graph(builder, house.router).compile()
    assert graph.invoke({"said": []})["said"] == ["large"]
    records = house.records(house.only_episode())
    assert [(record.decision.arm, record.step.pressure.retries) for record in records] == [("small", 0), ("large", 1)]


def test_the_episode_can_be_read_inside_a_node() -> None:
    """A node sees the episode around it, and through it what is left of the budget."""
    house = House()
    seen = []

    def look(state: State) -> State:
        episode = current_episode()
        assert episode is not None
        seen.append(episode.look().available_nano("general"))
        return {"said": []}

    route_graph(StateGraph(State).add_node(look).add_edge(START, "look"), house.router).compile().invoke({"said": []})
    assert seen == [1_000_000_000]


def test_message_streaming_shows_each_call_once() -> None:
    """stream_mode='messages' streams the chosen model's tokens, one run per call, with usage booked."""
    house = House(large=lambda messages, kwargs: "one two three")

    def plan(state: State) -> State:
        return {"said": [str(house.llm.invoke("plan").content)]}

    graph = route_graph(StateGraph(State).add_node(plan).add_edge(START, "plan"), house.router).compile()
    pieces = [piece for piece, _ in graph.stream({"said": []}, stream_mode="messages")]
    assert "".join(str(piece.content) for piece in pieces) == "one two three"
    (record,) = house.records(house.only_episode())
    assert not record.outcome.worst_case


@pytest.mark.parametrize("routed", [True, False])
def test_the_checkpointer_is_asked_once_per_run_at_most(routed: bool) -> None:
    """Whether a run resumes is read from the checkpointer when its episode is looked for, not at every call."""
    house, asked = House(), []

    class Saver(InMemorySaver):
        def list(self, *args: Any, **kwargs: Any) -> Any:
            asked.append(args)
            return super().list(*args, **kwargs)

    builder = three_nodes(house)
    graph = (route_graph(builder, house.router) if routed else builder).compile(checkpointer=Saver())
    for turn in (1, 2, 3):
        asyncio.run(graph.ainvoke({"said": []}, thread("t")))
        assert len(asked) == turn - 1  # the first turn of a thread has none before it
