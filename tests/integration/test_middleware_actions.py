"""RoutingMiddleware and the governor's actions: shorter prompts, the closing call, a question to a person."""

from typing import Any

import pytest
from langchain.agents.middleware import ClearToolUsesEdit
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import BaseModel

from langroute import Budget, RouterConfig
from langroute.integrations.caller import CLOSING_INSTRUCTION
from langroute.integrations.middleware import RoutingMiddleware
from langroute.testing import Reply
from tests.integration.agents import adding, agent_of, all_records, books_hold
from tests.integration.routed import House

INPUT: Any = {"messages": [("user", "add 1 and 2")]}
THREAD: Any = {"configurable": {"thread_id": "t"}}


class Sum(BaseModel):
    """A sum."""

    total: int


def again(messages: Any, kwargs: Any) -> Any:
    """Calls the tool for as long as it has one."""
    if not kwargs.get("tools"):
        return "It is about 3."
    if len(kwargs["tools"]) == 1 and kwargs["tools"][0]["function"]["name"] == "Sum":
        return Reply(tool_calls=(("Sum", {"total": 3}),))
    number = sum(message.type == "tool" for message in messages)
    return Reply(tool_calls=(("add", {"a": number, "b": 2}),), input_tokens=400, output_tokens=20)


def poor(**options: Any) -> House:
    """A house with money for a few rounds, whose models never stop by themselves."""
    return House(small=again, large=again, budget=Budget(total_dollars=0.0006), **options)


def test_the_last_call_that_fits_loses_its_tools_and_answers() -> None:
    """When no further round fits, the call is told to answer now, without tools; the state knows nothing of it."""
    house = poor()
    state = agent_of(house).invoke(INPUT, {"recursion_limit": 60})
    assert state["messages"][-1].text == "It is about 3."
    assert not any(CLOSING_INSTRUCTION in message.text for message in state["messages"])
    records = all_records(house)
    assert [record.step.closing for record in records[-2:]] == [False, True]
    last = max(house.small.calls + house.large.calls, key=lambda call: len(call.messages))
    assert last.messages[-1].text == CLOSING_INSTRUCTION
    assert "tools" not in last.kwargs
    assert house.router.balance(house.only_episode()).used.nano_usd <= 600_000
    assert books_hold(house)


async def test_the_last_call_of_an_async_agent_loses_its_tools() -> None:
    """The same for ainvoke."""
    house = poor()
    state = await agent_of(house).ainvoke(INPUT, {"recursion_limit": 60})
    assert state["messages"][-1].text == "It is about 3."
    assert all_records(house)[-1].step.closing
    assert books_hold(house)


def test_the_last_call_still_gives_the_structured_response() -> None:
    """A closing call keeps the schema's own tool, which LangChain binds itself."""
    house = poor()
    state = agent_of(house, response_format=ToolStrategy(Sum)).invoke(INPUT, {"recursion_limit": 60})
    assert state["structured_response"] == Sum(total=3)
    assert all_records(house)[-1].step.closing
    assert books_hold(house)


def talk() -> list[Any]:
    """A conversation with long tool results."""
    said: list[Any] = [HumanMessage("add many")]
    for index in range(4):
        said.append(AIMessage("", tool_calls=[{"name": "add", "args": {"a": index, "b": 1}, "id": f"c{index}"}]))
        said.append(ToolMessage("a long result " * 100, tool_call_id=f"c{index}", name="add"))
    return said


@pytest.mark.parametrize("system", [None, "You add."])
def test_edits_shorten_what_is_sent_and_not_the_state(system: str | None) -> None:
    """When the router asks for a shorter prompt, LangChain's own edit is applied to a copy."""
    house = House(
        small=lambda messages, kwargs: "done",
        large=lambda messages, kwargs: "done",
        budget=Budget(total_dollars=0.005),
        config=RouterConfig(actions={"compress_cost_share": 0.001}),
    )
    routing = RoutingMiddleware(house.router, edits=[ClearToolUsesEdit(trigger=10, keep=1)])
    agent = agent_of(house, routing, system_prompt=system)
    with house.router.episode("e"):
        agent.invoke(INPUT)  # a first call may use what it likes
        state = agent.invoke({"messages": talk()})
    call = max(house.small.calls + house.large.calls, key=lambda call: len(call.messages))
    sent = [message.text for message in call.messages if message.type == "tool"]
    assert sent == ["[cleared]", "[cleared]", "[cleared]", "a long result " * 100]
    assert [message.type for message in call.messages].count("system") == (0 if system is None else 1)
    assert not any(message.text == "[cleared]" for message in state["messages"])
    assert [measure.action for measure in all_records(house)[1].measures][:1] == ["compress"]
    assert books_hold(house)


def test_without_edits_nothing_is_shortened() -> None:
    """A router that asks for a shorter prompt gets none where the middleware was given no means."""
    house = House(
        small=lambda messages, kwargs: "done", large=lambda messages, kwargs: "done", budget=Budget(total_dollars=0.05)
    )
    agent_of(house).invoke({"messages": talk()})
    (call,) = house.small.calls + house.large.calls
    assert not any(message.text == "[cleared]" for message in call.messages)


def asking(**options: Any) -> House:
    """A house that asks a person before any call that costs something."""
    return adding(config=RouterConfig(actions={"ask_above_dollars": 0.000_000_001}), **options)


def test_a_person_is_asked_before_a_dear_call() -> None:
    """The graph is interrupted before anything is held; the answer is taken, and the call made once."""
    house = asking()
    agent = agent_of(house, checkpointer=InMemorySaver())
    (question,) = agent.invoke(INPUT, THREAD)["__interrupt__"]
    assert "May large make this control call" in str(question.value)
    assert not house.small.calls + house.large.calls
    state = agent.invoke(Command(resume="episode"), THREAD)
    assert "__interrupt__" not in state
    assert state["messages"][-1].text == "It is 3."
    assert len(house.small.calls) + len(house.large.calls) == 2
    assert books_hold(house)


async def test_a_person_is_asked_by_async_agents_too() -> None:
    """The same for ainvoke."""
    house = asking()
    agent = agent_of(house, checkpointer=InMemorySaver())
    state = await agent.ainvoke(INPUT, THREAD)
    assert "__interrupt__" in state
    while "__interrupt__" in state:
        state = await agent.ainvoke(Command(resume="yes"), THREAD)
    assert state["messages"][-1].text == "It is 3."
    assert books_hold(house)
