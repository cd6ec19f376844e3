"""deepagents: with a RoutedChatModel as its model, every call of the agent and of all its subagents is routed once."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from deepagents import create_deep_agent
from langchain_core.messages import BaseMessage
from langchain_core.tools import tool

from langroute import RoutedChatModel, current_episode
from langroute.integrations.middleware import RoutingMiddleware
from langroute.testing import Reply, ScriptedModel
from tests.integration.agents import all_records, books_hold
from tests.integration.routed import House

INPUT: Any = {"messages": [("user", "find out and check")]}
SEEN: list[str | None] = []


@tool
def note(text: str) -> str:
    """Note something."""
    episode = current_episode()
    SEEN.append(None if episode is None else episode.id)
    return f"noted {text}"


def play(messages: Sequence[BaseMessage], kwargs: Mapping[str, Any]) -> str | Reply:
    """The agent sends a general-purpose subagent and a critic; each of them notes something and answers."""
    names = {item["function"]["name"] for item in kwargs.get("tools", ())}
    asked = sum(message.type == "tool" for message in messages)
    if "task" in names:
        who = ("general-purpose", "critic")
        return Reply(tool_calls=(("task", {"description": "go", "subagent_type": who[asked]}),)) if asked < 2 else "all"
    return "ok" if asked else Reply(tool_calls=(("note", {"text": "this"}),))


def critic(**more: Any) -> Any:
    """A subagent that criticises."""
    return {"name": "critic", "description": "criticises", "system_prompt": "Criticise.", "tools": [note], **more}


def house() -> House:
    """A house whose models play all parts."""
    SEEN.clear()
    return House(small=play, large=play)


def check(routed: House) -> None:
    """Seven provider calls, each with one record, in one episode, which the tools saw as well."""
    episode = routed.only_episode()
    assert len(routed.small.calls) + len(routed.large.calls) == 7
    assert [record.step.call_index for record in routed.records(episode)] == list(range(7))
    assert set(SEEN) <= {episode, None}
    assert books_hold(routed)


@pytest.mark.parametrize("beside", [False, True], ids=["model alone", "with the middleware"])
def test_all_calls_are_routed_once(beside: bool) -> None:
    """The model alone routes every call; with the middleware beside it, still each only once."""
    routed = house()
    middleware = [RoutingMiddleware(routed.router)] if beside else []
    agent = create_deep_agent(
        model=RoutedChatModel(routed.router), tools=[note], middleware=middleware, subagents=[critic()]
    )
    assert agent.invoke(INPUT)["messages"][-1].text == "all"
    check(routed)


async def test_all_calls_of_an_async_agent_are_routed_once() -> None:
    """The same for ainvoke; with the middleware, tools of subagents run inside the episode of the whole."""
    routed = house()
    agent = create_deep_agent(
        model=RoutedChatModel(routed.router),
        tools=[note],
        middleware=[RoutingMiddleware(routed.router)],
        subagents=[critic()],
    )
    await agent.ainvoke(INPUT)
    check(routed)
    assert set(SEEN) == {routed.only_episode()}


def test_a_subagent_may_have_its_own_middleware() -> None:
    """A subagent's own RoutingMiddleware tells the kind of its steps, and routes each once."""
    routed = house()
    own = critic(middleware=[RoutingMiddleware(routed.router, kind="verification")])
    agent = create_deep_agent(
        model=RoutedChatModel(routed.router),
        tools=[note],
        middleware=[RoutingMiddleware(routed.router)],
        subagents=[own],
    )
    agent.invoke(INPUT)
    check(routed)
    assert [record.step.kind for record in all_records(routed)].count("verification") == 2


def test_the_middleware_alone_warns_of_what_it_cannot_reach(caplog: pytest.LogCaptureFixture) -> None:
    """deepagents hands no middleware to its general-purpose subagent: with a plain model its calls are not routed."""
    routed = house()
    plain = ScriptedModel(play, model_name="plain")
    agent = create_deep_agent(
        model=plain, tools=[note], middleware=[RoutingMiddleware(routed.router)], subagents=[critic()]
    )
    agent.invoke(INPUT)
    agent.invoke(INPUT)
    assert len(plain.calls) == 8
    assert caplog.text.count("pass model=RoutedChatModel(router) to create_deep_agent") == 1


def test_streams_of_a_deep_agent_are_counted_once() -> None:
    """Streaming tokens of the agent and its subagents changes nothing about the books."""
    routed = house()
    agent = create_deep_agent(
        model=RoutedChatModel(routed.router),
        tools=[note],
        middleware=[RoutingMiddleware(routed.router)],
        subagents=[critic()],
    )
    assert list(agent.stream(INPUT, stream_mode="messages", subgraphs=True))
    check(routed)
