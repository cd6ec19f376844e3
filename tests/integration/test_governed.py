"""The governor's actions in real graphs: a person is asked, loops end, prompts shrink, arms fail over."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from integration.routed import LARGE, SMALL, House
from langchain.agents import create_agent
from langchain.agents.middleware import ClearToolUsesEdit
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, RetryPolicy
from pydantic import BaseModel

from langroute import Budget, ConfigError, ModelPool, Price, RoutedChatModel, RouterConfig, StepRouter, route_graph
from langroute.actions import Actions
from langroute.integrations.caller import CLOSING_INSTRUCTION
from langroute.questions import ACTION_NAME
from langroute.testing import Reply, ScriptedModel

ASKING = RouterConfig(actions=Actions(ask_above_dollars=0.001), budget=Budget(total_dollars=1))


def _planner(house: House, *, calls: int = 1, saver: Any = None, **node: Any) -> Any:
    """A graph whose one node plans, with that many calls; plans go to the dear arm."""

    def plan(state: MessagesState) -> MessagesState:
        """Decide which steps to take."""
        return {"messages": [house.llm.invoke(state["messages"]) for _ in range(calls)]}

    builder = StateGraph(MessagesState).add_node("plan", plan, **node)
    builder.add_edge(START, "plan").add_edge("plan", END)
    return route_graph(builder, house.router).compile(checkpointer=InMemorySaver() if saver is None else saver)


def _thread(name: str) -> Any:
    return {"configurable": {"thread_id": name}}


HELLO = {"messages": [HumanMessage("hello", id="m1")]}

# -- asking --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "arm"),
    [("once", "large"), ("no", "small"), ({"decisions": [{"type": "approve"}]}, "large")],
    ids=["once", "no", "approve"],
)
def test_a_graph_stops_before_a_dear_call_and_goes_on_with_the_answer(answer: object, arm: str) -> None:
    """While the graph waits nothing is held or called; the request has the form LangChain's interfaces show."""
    house = House(config=ASKING)
    graph = _planner(house)
    (stopped,) = graph.invoke(HELLO, _thread("t"))["__interrupt__"]
    assert stopped.value["action_requests"][0]["name"] == ACTION_NAME
    assert not house.large.calls
    assert not house.small.calls
    episode = house.only_episode()
    assert house.router.balance(episode).used.nano_usd == 0
    done = graph.invoke(Command(resume=answer), _thread("t"))
    assert done["messages"][-1].text == arm
    assert house.arms(episode) == [arm]


async def test_asking_works_in_async_graphs() -> None:
    """The same, without blocking the loop."""
    house = House(config=ASKING)

    async def plan(state: MessagesState) -> MessagesState:
        """Decide which steps to take."""
        return {"messages": [await house.llm.ainvoke(state["messages"])]}

    builder = StateGraph(MessagesState).add_node("plan", plan)
    builder.add_edge(START, "plan").add_edge("plan", END)
    graph = route_graph(builder, house.router).compile(checkpointer=InMemorySaver())
    assert (await graph.ainvoke(HELLO, _thread("t")))["__interrupt__"]
    done = await graph.ainvoke(Command(resume="once"), _thread("t"))
    assert done["messages"][-1].text == "large"


def test_two_questions_of_one_node_get_their_own_answers() -> None:
    """The node runs again from its start at each resume; each answer meets the call that it was asked for."""
    house = House(config=ASKING)
    graph = _planner(house, calls=2)
    graph.invoke(HELLO, _thread("t"))
    second = graph.invoke(Command(resume="no"), _thread("t"))
    assert second["__interrupt__"]
    done = graph.invoke(Command(resume="once"), _thread("t"))
    assert [message.text for message in done["messages"][1:]] == ["small", "large"]


def test_a_resume_in_another_process_meets_the_same_question(tmp_path: Path) -> None:
    """The question is in the store: a router that never asked raises it first, though it would decide otherwise."""
    store, saver = f"sqlite:///{tmp_path / 'runs.db'}", InMemorySaver()
    first = House(config=ASKING, store=store)
    asked = _planner(first, saver=saver).invoke(HELLO, _thread("t"))["__interrupt__"][0].value
    first.router.close()
    cheap = RouterConfig(
        actions=Actions(ask_above_dollars=0.001), policy="always-small", budget=Budget(total_dollars=1)
    )
    second = House(config=cheap, store=store)
    graph = _planner(second, saver=saver)
    (again,) = graph.get_state(_thread("t")).interrupts
    assert again.value == asked
    done = graph.invoke(Command(resume="episode"), _thread("t"))
    assert done["messages"][-1].text == "small"
    actions = [action.action for action in second.router.journal.actions(second.only_episode())]
    assert [name for name in actions if name in ("ask", "answered")] == ["ask", "answered"]


def test_a_retried_node_does_not_ask_twice() -> None:
    """A retry policy runs the node again within the run: the answer that was given still holds for that call."""
    house = House(config=ASKING, large=[CutError(), "large"])
    graph = _planner(house, retry_policy=RetryPolicy(max_attempts=2, initial_interval=0.0, jitter=False))
    graph.invoke(HELLO, _thread("t"))
    done = graph.invoke(Command(resume="once"), _thread("t"))
    assert "__interrupt__" not in done
    assert done["messages"][-1].text == "large"


def test_asking_without_a_checkpointer_says_what_to_do() -> None:
    """Nobody could ever answer, so the error names the setting and the two ways out."""
    house = House(config=ASKING)
    config: Any = {"metadata": {"langroute_kind": "control"}}
    bare, agent = _planner(house, saver=False), create_agent(house.llm, [])
    for call in (
        lambda: house.llm.invoke("plan this", config),
        lambda: bare.invoke(HELLO),
        lambda: agent.invoke(HELLO, config),
    ):
        with pytest.raises(ConfigError, match=r"StepRouter\(ask=") as caught:
            call()
        assert caught.value.field == "actions.ask_above_dollars"


# -- finishing -----------------------------------------------------------------------------------------------------


@tool
def search(query: str) -> str:
    """Look something up."""
    return f"nothing about {query}, " + "and that at great length, " * 20


def _restless(messages: Any, kwargs: Any) -> Reply:
    """A model that calls a tool as long as it has one."""
    if not kwargs.get("tools"):
        return Reply(text="This is all I found.")
    return Reply(tool_calls=(("search", {"query": f"q{len(messages)}"}),))


def test_an_agent_that_never_stops_is_told_to_answer_in_time() -> None:
    """Its last call has no tools and the instruction; it may use the final reserve; the budget is not overspent."""
    budget = Budget(total_dollars=0.01, reserve_for_final_synthesis=0.002)
    house = House(small=_restless, large=_restless, budget=budget)
    agent = create_agent(house.llm, [search])
    with house.router.episode("agent"):
        messages = agent.invoke({"messages": [HumanMessage("find it")]}, {"recursion_limit": 400})["messages"]
    assert messages[-1].text == "This is all I found."
    assert not any(CLOSING_INSTRUCTION in str(message.content) for message in messages)
    last = max((*house.small.calls, *house.large.calls), key=lambda call: len(call.messages))
    assert last.messages[-1].content == CLOSING_INSTRUCTION
    assert "tools" not in last.kwargs
    records = house.records("agent")
    assert len(records) > 3
    assert [record.step.closing for record in records] == [False] * (len(records) - 1) + [True]
    assert records[-1].step.purpose == "final_synthesis"
    assert house.router.balance("agent").spent.nano_usd <= 10_000_000


def test_a_graphs_own_tool_node_keeps_its_tools() -> None:
    """A node that binds tools in a plain graph is no loop of ours to end: it is refused when nothing fits."""
    house = House(small=_restless, large=_restless, budget=Budget(total_dollars=0.0002))
    model = house.llm.bind_tools([search])
    with house.router.episode("plain"):
        model.invoke("work")
    assert all(call.kwargs.get("tools") for call in (*house.small.calls, *house.large.calls))


def test_an_answer_that_must_be_a_tool_call_keeps_its_tool() -> None:
    """A schema that LangChain demands by a tool is the answer itself: the loop is not ended by taking it away."""

    class Total(BaseModel):
        """A sum."""

        value: int

    def answer(messages: Any, kwargs: Any) -> Reply:
        return Reply(tool_calls=(("Total", {"value": 3}),)) if kwargs.get("tools") else Reply(text="three")

    house = House(small=answer, large=answer, budget=Budget(total_dollars=0.0006))
    agent = create_agent(house.llm, [], response_format=ToolStrategy(Total))
    assert agent.invoke({"messages": [HumanMessage("1 + 2")]})["structured_response"] == Total(value=3)


# -- compressing ---------------------------------------------------------------------------------------------------


def test_a_prompt_that_fills_the_window_is_sent_shorter() -> None:
    """By LangChain's own context edit, on a copy; the hold is that of what is sent, and the log says what was saved."""
    small = ScriptedModel(lambda messages, kwargs: "short", model_name="s-1", profile={"max_input_tokens": 5_000})
    pool = ModelPool({"small": small}, prices={"small": SMALL})
    router = StepRouter(pool, budget=Budget(total_dollars=1), config=RouterConfig(actions=Actions(compress_at=0.5)))
    llm = RoutedChatModel(router, edits=[ClearToolUsesEdit(trigger=1, keep=1)])
    messages: list[Any] = [HumanMessage("read all this")]
    for index in range(4):
        messages.append(
            AIMessage("", tool_calls=[{"name": "search", "args": {"query": str(index)}, "id": f"c{index}"}])
        )
        messages.append(ToolMessage("long " * 600, tool_call_id=f"c{index}", name="search"))
    before = [message.model_copy(deep=True) for message in messages]
    with router.episode("long"):
        llm.invoke(messages)
    assert messages == before
    sent = small.calls[0].messages
    assert [len(str(message.content)) > 1000 for message in sent if message.type == "tool"] == [False] * 3 + [True]
    (record,) = router.journal.records("long")
    assert [measure.action for measure in record.measures] == ["compress"]
    assert record.step.pressure.context_share < 0.5


# -- failing over --------------------------------------------------------------------------------------------------


class CutError(Exception):
    """An error nobody tries again after but the graph."""


class BusyError(Exception):
    """A provider's 429."""

    status_code = 429


def test_a_busy_provider_hands_over_to_the_next_arm() -> None:
    """Its hold is given back whole, the next arm's is its own, and the log tells the way the call went."""
    house = House(small=[BusyError()], large=["saved"])
    with house.router.episode("busy"):
        assert house.llm.invoke("summarize", {"metadata": {"langroute_kind": "presentation"}}).text == "saved"
    assert house.arms("busy") == ["small", "large"]
    entries = house.router.ledger.entries("episode:busy")
    assert entries[0].settled is not None
    assert entries[0].settled.nano_usd == 0
    assert house.records("busy")[1].decision.rationale.endswith("(small: failed in this step: BusyError).")


def test_fail_over_stays_within_the_budget() -> None:
    """Where the next arm does not fit, the provider's error comes with the refusal, and nothing is spent."""
    room = SMALL.worst_cost(input_tokens=400, output_tokens=4096)
    house = House(small=[BusyError()], budget=Budget(total_dollars=room / 1e9))
    assert room < LARGE.worst_cost(input_tokens=100, output_tokens=4096)
    config: Any = {"metadata": {"langroute_kind": "presentation"}}
    with house.router.episode("tight"):
        answer = house.llm.invoke("summarize", config)
    assert answer.text == "large"
    assert house.router.balance("tight").used.nano_usd <= room
    assert house.large.calls[0].kwargs["max_tokens"] < 4096


def test_what_is_sent_is_what_was_held_though_the_list_grows_meanwhile() -> None:
    """A list of messages that grows while a person thinks cannot make the call dearer than its hold."""
    said: list[Any] = [HumanMessage("hello")]
    house = House(config=ASKING, budget=Budget(total_dollars=1))
    house.router.person = lambda question: (said.append(HumanMessage("more " * 9_000)), "once")[1]
    with house.router.episode("e"):
        house.llm.invoke(said, {"metadata": {"langroute_kind": "control"}})
    (call,) = house.large.calls
    assert [message.text for message in call.messages] == ["hello"]
    (entry,) = house.router.ledger.entries("episode:e")
    assert entry.settled is not None
    assert entry.settled.nano_usd <= entry.held.nano_usd


@pytest.mark.parametrize("total", [0.05, 0.2, 1.0, 2.0])
def test_a_loop_that_dear_arms_serve_ends_with_an_answer(total: float) -> None:
    """No arm makes a round after which the last call could not be paid for: the loop is told to answer in time."""

    def step(messages: Sequence[BaseMessage], kwargs: Mapping[str, Any]) -> Reply | str:
        return Reply(tool_calls=(("look", {"at": str(len(messages))}),)) if kwargs.get("tools") else "That is all."

    @tool
    def look(at: str) -> str:
        """Look at something."""
        return "Nothing new. " * 40

    rates = {"s": (1, 4), "l": (20, 80)}
    prices = {name: Price(input_per_million=came, output_per_million=went) for name, (came, went) in rates.items()}
    pool = ModelPool({name: ScriptedModel(step, model_name=name) for name in prices}, prices=prices)
    router = StepRouter(pool, budget=Budget(total_dollars=total), config=RouterConfig(patience_s=0))
    agent = create_agent(RoutedChatModel(router), tools=[look])
    said = agent.invoke({"messages": [HumanMessage("Go.")]}, {"recursion_limit": 2_000})["messages"][-1]
    (episode,) = router.journal.episodes()
    records = router.journal.records(episode)
    assert said.content == "That is all."
    assert records[-1].step.closing
    assert {record.decision.arm for record in records} == {"s", "l"}
    assert router.balance(episode).spent.nano_usd <= total * 1e9
