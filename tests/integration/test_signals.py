"""Pressure, features and the media mask as LangGraph and LangChain really bring them about."""

import math
import operator
from dataclasses import fields, replace
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt
from pydantic import BaseModel

from langroute import ModelPool, NoArmAvailable, RoutedChatModel, StepRouter
from langroute.integrations.place import NodePlace
from langroute.integrations.signals import Signals
from langroute.records import Pressure
from langroute.steps import ConversationReader
from langroute.testing import Reply, ScriptedModel
from tests.integration.routed import LARGE, SMALL, House


class State(TypedDict, total=False):
    """State of the test graphs."""

    said: Annotated[list[str], operator.add]


def cycles(house: House, node: str) -> list[int]:
    """The cycles of a node's steps, in the order they were decided."""
    records = house.records(house.only_episode())
    return [record.step.pressure.cycles for record in records if record.step.node == node]


def work_node(house: House, *, calls: int = 1) -> Any:
    """A node that makes so many calls."""

    def work(state: State) -> State:
        return {"said": [str(house.llm.invoke(f"work {number}").content) for number in range(calls)]}

    return work


def looping(house: House, *, rounds: int, calls: int = 1) -> Any:
    """work -> work -> ... with so many rounds."""
    builder = StateGraph(State).add_node("work", work_node(house, calls=calls)).add_edge(START, "work")
    builder.add_conditional_edges("work", lambda state: "work" if len(state["said"]) < rounds * calls else END)
    return builder


def test_coming_back_to_a_node_is_a_cycle_and_more_calls_in_it_are_not() -> None:
    """Two calls in each of three visits: none, one and two cycles, twice each."""
    house = House()
    looping(house, rounds=3, calls=2).compile().invoke({"said": []})
    assert cycles(house, "work") == [0, 0, 1, 1, 2, 2]


def test_a_fan_out_is_no_cycle_and_coming_back_to_it_is() -> None:
    """Siblings of one superstep are one visit; the next fan-out is the second, in a subgraph as in a node."""
    for inside in (False, True):
        house = House()
        inner = StateGraph(State).add_node("deep", work_node(house)).add_edge(START, "deep")
        builder = StateGraph(State).add_node("work", inner.compile() if inside else work_node(house))
        builder.add_node("spread", lambda state: {"said": ["round"]})
        builder.add_edge(START, "spread")
        builder.add_conditional_edges("spread", lambda state: [Send("work", {"said": []})] * 3, ["work"])
        builder.add_conditional_edges("work", lambda state: "spread" if state["said"].count("round") < 2 else END)
        builder.compile().invoke({"said": []})
        assert cycles(house, "deep" if inside else "work") == [0, 0, 0, 1, 1, 1]


def test_branches_that_loop_side_by_side_count_their_own_rounds() -> None:
    """Two subgraphs that each loop three times in one superstep come back twice, not five times."""
    house = House()
    builder = StateGraph(State).add_node("branch", looping(house, rounds=3).compile())
    builder.add_conditional_edges(START, lambda state: [Send("branch", {"said": []})] * 2, ["branch"])
    builder.compile().invoke({"said": []})
    assert sorted(cycles(house, "work")) == [0, 0, 1, 1, 2, 2]


def test_a_node_retried_by_the_graph_is_no_cycle() -> None:
    """A retry policy runs the same task again: it counts as a retry alone."""
    house = House()
    failed: list[int] = []

    def work(state: State) -> State:
        house.llm.invoke("work")
        if not failed:
            failed.append(1)
            raise ConnectionError
        return {"said": ["done"]}

    builder = StateGraph(State).add_edge(START, "work")
    builder.add_node("work", work, retry_policy=RetryPolicy(initial_interval=0, jitter=False)).compile().invoke({})
    records = house.records(house.only_episode())
    assert [(record.step.pressure.retries, record.step.pressure.cycles) for record in records] == [(0, 0), (1, 0)]


def test_a_resumed_node_is_no_cycle() -> None:
    """A node that asks a person runs from its start again when the answer comes: still its first visit."""
    house = House()

    def work(state: State) -> State:
        house.llm.invoke("before")
        return {"said": [str(interrupt("go on?"))]}

    graph = StateGraph(State).add_node("work", work).add_edge(START, "work").compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    graph.invoke({"said": []}, config)
    graph.invoke(Command(resume="yes"), config)
    assert cycles(house, "work") == [0, 0]


def test_a_call_outside_any_graph_has_no_cycles() -> None:
    """Without supersteps there is nothing to come back to."""
    house = House()
    with house.router.episode("e"):
        house.llm.invoke("a")
        house.llm.invoke("b")
    assert [record.step.pressure.cycles for record in house.records("e")] == [0, 0]


class Answer(BaseModel):
    """The answer."""

    number: int


@tool
def search_web(query: str) -> str:
    """Search the web."""
    return f"nothing about {query}"


def test_an_agents_missed_schema_and_its_searches_are_seen() -> None:
    """LangChain's own retry of structured output shows as schema failures; search results as retrievals."""
    answers = [
        Reply(tool_calls=(("search_web", {"query": "x"}),)),
        Reply(tool_calls=(("Answer", {"number": "many"}),)),
        Reply(tool_calls=(("Answer", {"number": 7}),)),
    ]
    waiting = iter(answers)
    house = House(small=lambda messages, kwargs: next(waiting), large=lambda messages, kwargs: next(waiting))
    agent = create_agent(house.llm, tools=[search_web], response_format=ToolStrategy(Answer))
    assert agent.invoke({"messages": [HumanMessage("how many?")]})["structured_response"] == Answer(number=7)
    steps = [record.step for record in house.records(house.only_episode())]
    assert [step.pressure.schema_failures for step in steps] == [0, 0, 1]
    assert [step.pressure.tool_errors for step in steps] == [0, 0, 0]
    assert [step.pressure.cycles for step in steps] == [0, 1, 2]
    assert [step.features.retrievals for step in steps] == [0, 1, 1]


def test_features_of_a_call() -> None:
    """Bytes grow with the prompt, the tools name their category, the demanded one wins, nothing is known at first."""
    house = House()
    with house.router.episode("e"):
        house.llm.invoke("hi")
        house.llm.bind_tools([search_web]).invoke("hi")
        house.llm.bind_tools([search_web, Answer], tool_choice="Answer").invoke("hi")
    plain, bound, demanded = (record.step.features for record in house.records("e"))
    assert (plain.prompt_bytes, plain.tool_category, plain.retrievals) == (2, "", 0)
    assert bound.prompt_bytes > 2 + len("search_web")
    assert (bound.tool_category, demanded.tool_category) == ("search", "other")


def test_the_confidence_of_the_step_before_is_known() -> None:
    """What the last answer of the episode told, and nothing where it told nothing or the episode is another one."""
    answers = [Reply(text="a b", logprobs=(math.log(0.25), 0.0)), Reply(text="c"), Reply(text="d"), Reply(text="e")]
    waiting = iter(answers)
    house = House(small=lambda messages, kwargs: next(waiting), large=lambda messages, kwargs: next(waiting))
    with house.router.episode("e"):
        for _ in range(3):
            house.llm.invoke("hi")
    with house.router.episode("f"):
        house.llm.invoke("hi")
    told = [record.step.features.prior_confidence for record in house.records("e")]
    assert told == [None, pytest.approx(0.5), None]
    assert house.records("f")[0].step.features.prior_confidence is None


def _seeing(**profiles: dict[str, Any]) -> StepRouter:
    models = {
        name: ScriptedModel(lambda messages, kwargs: "seen", model_name=name, profile=profile)
        for name, profile in profiles.items()
    }
    return StepRouter(ModelPool(models, prices={"small": SMALL, "large": LARGE}))


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def test_an_arm_that_takes_no_images_is_masked() -> None:
    """A picture anywhere in the conversation, in a tool's result too, goes to an arm that can see."""
    router = _seeing(small={"image_inputs": False}, large={"image_inputs": True})
    call = {"name": "look", "args": {}, "id": "c"}
    history = [HumanMessage("q"), AIMessage("", tool_calls=[call]), ToolMessage([IMAGE], tool_call_id="c")]
    with router.episode("e"):
        RoutedChatModel(router).invoke([HumanMessage([IMAGE])])
        RoutedChatModel(router).invoke(history)
    router.flush()
    for record in router.journal.records("e"):
        assert record.step.needs_media == ("image",)
        assert record.decision.arm == "large"
        assert record.ruling.permits[0].why_not == "cannot take image input"


def test_when_no_arm_can_take_it_the_refusal_says_so() -> None:
    """The error names the reason for each arm; without a profile nothing is masked."""
    blind = _seeing(small={"image_inputs": False}, large={"image_inputs": False})
    with blind.episode("e"), pytest.raises(NoArmAvailable, match="cannot take image input"):
        RoutedChatModel(blind).invoke([HumanMessage([IMAGE])])
    unknown = _seeing(small={}, large={})
    with unknown.episode("e"):
        assert RoutedChatModel(unknown).invoke([HumanMessage([IMAGE])]).content == "seen"


def test_the_share_of_the_window_is_of_the_largest_known() -> None:
    """Expected input over the largest window of the pool, four digits; zero where no window is known."""
    router = _seeing(small={"max_input_tokens": 4_000}, large={"max_input_tokens": 10_000})
    with router.episode("e"):
        RoutedChatModel(router).invoke("x" * 8_000)
    router.flush()
    (record,) = router.journal.records("e")
    assert record.step.pressure.context_share == round(record.step.input_tokens / 10_000, 4)
    assert 0.15 < record.step.pressure.context_share < 0.25
    house = House()
    with house.router.episode("e"):
        house.llm.invoke("x" * 8_000)
    assert house.records("e")[0].step.pressure.context_share == 0


def test_no_signal_of_the_messages_gets_lost_on_the_way_to_the_step() -> None:
    """Every field that messages tell arrives as it was read; place and pool fill in the other three."""
    told = Pressure(**{field.name: 3 + number for number, field in enumerate(fields(Pressure))})
    reading = replace(ConversationReader().read([HumanMessage("q")]), pressure=told)
    signals = Signals(House().pool)
    found = signals.pressure(reading, {}, episode="e", place=NodePlace(attempt=1), expected=9)
    assert found == replace(told, retries=1, cycles=0, context_share=0.0)
