"""LangChain's own middleware beside RoutingMiddleware: the table in docs/doors/middleware.md, run."""

import warnings
from typing import Any

import pytest
from langchain.agents.middleware import (
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    HumanInTheLoopMiddleware,
    LLMToolSelectorMiddleware,
    ModelCallLimitMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    PIIMiddleware,
    SummarizationMiddleware,
    TodoListMiddleware,
    ToolCallLimitMiddleware,
    ToolRetryMiddleware,
)
from langchain_anthropic import ChatAnthropic
from langchain_anthropic.middleware import AnthropicPromptCachingMiddleware
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from langroute import Budget, BudgetExceeded, ConfigError, ModelPool, RoutedChatModel, StepRouter
from langroute.integrations.middleware import RoutingMiddleware
from langroute.testing import Reply, ScriptedModel
from tests.integration.agents import add, adder, adding, agent_of, all_records, ask, books_hold
from tests.integration.routed import LARGE, SMALL, House

WORK: Any = {"metadata": {"langroute_kind": "execution"}}
THREAD: Any = {"configurable": {"thread_id": "t"}}


class Down(ConnectionError):
    """A provider that is away."""

    status_code = 503


def in_both_orders(house: House, other: Any) -> list[Any]:
    """The middleware before and after the router's."""
    return [
        agent_of(house, *stack, checkpointer=InMemorySaver())
        for stack in ([other, RoutingMiddleware(house.router)], [RoutingMiddleware(house.router), other])
    ]


@pytest.mark.parametrize(
    "other",
    [
        ModelCallLimitMiddleware(run_limit=5),
        ToolCallLimitMiddleware(run_limit=5),
        ToolRetryMiddleware(max_retries=1),
        PIIMiddleware("email"),
        ContextEditingMiddleware(),
        TodoListMiddleware(),
        SummarizationMiddleware(model=ScriptedModel([]), trigger=("tokens", 100_000)),
    ],
    ids=lambda other: type(other).__name__,
)
def test_middleware_that_works_in_either_order(other: Any) -> None:
    """The agent answers, and each call is routed once and booked at its price, wherever this one stands."""
    house = adding()
    for agent in in_both_orders(house, other):
        assert ask(agent, config={**THREAD, **WORK}) == "It is 3."
    answered = [record for record in all_records(house) if record.outcome.error != "Outgrown"]
    assert len(answered) == len(house.small.calls) == 4
    assert books_hold(house)


def test_a_person_is_asked_in_either_order() -> None:
    """HumanInTheLoop interrupts before the tool and goes on in the same episode, wherever it stands."""
    for stack in (0, 1):
        house = adding()
        agent = in_both_orders(house, HumanInTheLoopMiddleware(interrupt_on={"add": True}))[stack]
        assert agent.invoke({"messages": [("user", "add")]}, THREAD)["__interrupt__"]
        state = agent.invoke(Command(resume={"decisions": [{"type": "approve"}]}), THREAD)
        assert state["messages"][-1].text == "It is 3."
        assert len(house.records(house.only_episode())) == 2


def test_a_call_limit_counts_turns_not_attempts() -> None:
    """ModelCallLimit counts turns of the agent; an attempt that the router made again is none of them."""
    house = House(small=[Reply(tool_calls=(("add", "{no"),)), "It is 3."], large=adder)
    limit = ModelCallLimitMiddleware(run_limit=2, exit_behavior="error")
    assert ask(agent_of(house, limit, RoutingMiddleware(house.router)), config=WORK) == "It is 3."
    assert len(all_records(house)) == 3


def test_a_retry_before_the_router_is_a_step_of_its_own_each_time() -> None:
    """[ModelRetry, Routing]: the router sees each attempt, holds for each, and knows that it is a retry."""
    house = House(small=[ValueError("odd")], large=["fine"])
    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0.0, jitter=False)
    assert ask(agent_of(house, retry, RoutingMiddleware(house.router), tools=[]), config=WORK) == "fine"
    first, second = house.records(house.only_episode())
    assert (first.step.pressure.retries, second.step.pressure.retries) == (0, 1)
    assert (first.step.call_index, second.step.call_index) == (0, 1)
    assert first.outcome.worst_case
    assert books_hold(house)


async def test_an_async_retry_before_the_router_is_a_step_of_its_own() -> None:
    """The same for ainvoke."""
    house = House(small=[ValueError("odd")], large=["fine"])
    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0.0, jitter=False)
    agent = agent_of(house, retry, RoutingMiddleware(house.router), tools=[])
    await agent.ainvoke({"messages": [("user", "hi")]}, WORK)
    assert [record.step.pressure.retries for record in all_records(house)] == [0, 1]
    assert books_hold(house)


def test_a_retry_after_the_router_makes_no_call_behind_the_hold(caplog: pytest.LogCaptureFixture) -> None:
    """[Routing, ModelRetry]: no second call under the first one's hold; the router makes it, with one of its own."""
    house = House(small=[Down("away")], large=["fine"])
    retry = ModelRetryMiddleware(max_retries=2, initial_delay=0.0, jitter=False)
    assert ask(agent_of(house, RoutingMiddleware(house.router), retry, tools=[]), config=WORK) == "fine"
    first, second = house.records(house.only_episode())
    assert (first.outcome.error, first.outcome.worst_case, second.outcome.accepted) == ("Down", True, True)
    assert len(house.small.calls) == len(house.large.calls) == 1
    assert "leave that middleware out, or put it before RoutingMiddleware" in caplog.text
    assert books_hold(house)


async def test_an_async_retry_after_the_router_makes_no_call_behind_the_hold() -> None:
    """The same for ainvoke."""
    house = House(small=[Down("away")], large=["fine"])
    retry = ModelRetryMiddleware(max_retries=2, initial_delay=0.0, jitter=False)
    agent = agent_of(house, RoutingMiddleware(house.router), retry, tools=[])
    await agent.ainvoke({"messages": [("user", "hi")]}, WORK)
    assert [record.outcome.error for record in all_records(house)] == ["Down", ""]
    assert len(house.small.calls) == len(house.large.calls) == 1
    assert books_hold(house)


def test_an_error_that_a_retry_turned_into_a_text_is_still_an_error() -> None:
    """[Routing, ModelRetry] at its end writes the error as an answer; the books and the router know better."""
    house = House(small=[ValueError("odd")])
    retry = ModelRetryMiddleware(max_retries=0, initial_delay=0.0)
    with pytest.raises(ValueError, match="odd"):
        ask(agent_of(house, RoutingMiddleware(house.router), retry, tools=[]), config=WORK)
    (record,) = all_records(house)
    assert record.outcome.worst_case
    assert books_hold(house)


def test_a_fallback_before_the_router_is_refused() -> None:
    """[ModelFallback, Routing]: the fallback's model would be replaced again, so the error names the way out."""
    house = House(small=[ValueError("odd")])
    other = ScriptedModel([], model_name="elsewhere")
    agent = agent_of(house, ModelFallbackMiddleware(other), RoutingMiddleware(house.router), tools=[])
    with pytest.raises(ConfigError, match="put its models into the pool"):
        ask(agent, config=WORK)
    assert not other.calls
    assert books_hold(house)


def test_a_refusal_is_told_through_a_fallback() -> None:
    """[ModelFallback, Routing]: a budget that is used up stays BudgetExceeded, and the fallback is not called."""
    house = adding(budget=Budget(total_dollars=0.000_000_1))
    other = ScriptedModel([], model_name="elsewhere")
    with pytest.raises(BudgetExceeded):
        ask(agent_of(house, ModelFallbackMiddleware(other), RoutingMiddleware(house.router)))
    assert not other.calls


def test_a_fallback_after_the_router_calls_no_model_outside_the_pool() -> None:
    """[Routing, ModelFallback]: the router's own next arm comes first, and the fallback's model is never called."""
    house = House(small=[Down("away")], large=["fine"])
    other = ScriptedModel([], model_name="elsewhere")
    agent = agent_of(house, RoutingMiddleware(house.router), ModelFallbackMiddleware(other), tools=[])
    assert ask(agent, config=WORK) == "fine"
    assert not other.calls
    assert books_hold(house)


def selecting(messages: Any, kwargs: Any) -> Any:
    """Selects the tool when asked to, otherwise plays the adder."""
    names = {item["function"]["name"] for item in kwargs.get("tools", ())}
    if any("select" in name.lower() for name in names):
        (name,) = names
        return Reply(tool_calls=((name, {"tools": ["add"]}),))
    return adder(messages, kwargs)


@tool
def subtract(a: int, b: int) -> int:
    """Subtract one number from another."""
    return a - b


def test_a_tool_selector_on_a_routed_model_is_routed() -> None:
    """[LLMToolSelector(model=RoutedChatModel), Routing]: its own call has a hold of its own in the same episode."""
    house = House(small=selecting, large=selecting)
    selector = LLMToolSelectorMiddleware(model=RoutedChatModel(house.router), max_tools=1)
    agent = agent_of(house, selector, RoutingMiddleware(house.router), tools=[add, subtract])
    assert ask(agent, config=WORK) == "It is 3."
    assert len(house.records(house.only_episode())) == len(house.small.calls) == 4
    assert books_hold(house)


def test_a_tool_selector_on_the_agents_routed_model_is_routed() -> None:
    """A selector without a model uses the agent's: a RoutedChatModel there is enough."""
    house = House(small=selecting, large=selecting)
    agent = agent_of(
        house,
        LLMToolSelectorMiddleware(max_tools=1),
        RoutingMiddleware(house.router),
        model=house.llm,
        tools=[add, subtract],
    )
    assert ask(agent, config=WORK) == "It is 3."
    assert len(house.records(house.only_episode())) == 4


def test_a_tool_selector_after_the_router_is_refused() -> None:
    """[Routing, LLMToolSelector]: its call would use up the agent's hold, so the error names the way out."""
    house = House(small=selecting, large=selecting)
    agent = agent_of(
        house, RoutingMiddleware(house.router), LLMToolSelectorMiddleware(max_tools=1), tools=[add, subtract]
    )
    with pytest.raises(ConfigError, match="put it before RoutingMiddleware and give it a RoutedChatModel"):
        ask(agent, config=WORK)
    assert len(house.small.calls) == 1
    assert books_hold(house)


def long_talk() -> list[Any]:
    """A conversation with three long tool results."""
    talk: list[Any] = [HumanMessage("add many")]
    for index in range(3):
        talk.append(AIMessage("", tool_calls=[{"name": "add", "args": {"a": index, "b": 1}, "id": f"c{index}"}]))
        talk.append(ToolMessage("a long result " * 50, tool_call_id=f"c{index}", name="add"))
    return talk


def test_a_summary_is_routed_when_its_model_is() -> None:
    """SummarizationMiddleware on a RoutedChatModel: the summary is a step of the same episode."""
    house = House(small=lambda messages, kwargs: "short", large=lambda messages, kwargs: "short")
    summary = SummarizationMiddleware(
        model=RoutedChatModel(house.router), trigger=("messages", 4), keep=("messages", 1)
    )
    agent = agent_of(house, summary, RoutingMiddleware(house.router), tools=[])
    state = agent.invoke({"messages": [HumanMessage("a"), AIMessage("b"), HumanMessage("c"), AIMessage("d")]})
    assert state["messages"][-1].text == "short"
    # LangChain's retry around the summary hides its node, so only the episode tells where it belongs.
    assert [record.step.node for record in house.records(house.only_episode())] == ["", "model"]
    assert books_hold(house)


def test_context_editing_shortens_what_is_sent() -> None:
    """Before the router it makes the hold smaller too; after it only what is sent, and the books stay true."""
    bounds = []
    for editing_first in (True, False):
        house = House(small=lambda messages, kwargs: "done")
        stack: Any = [
            ContextEditingMiddleware(edits=[ClearToolUsesEdit(trigger=10, keep=1)]),
            RoutingMiddleware(house.router),
        ]
        agent = agent_of(house, *(stack if editing_first else reversed(stack)))
        state = agent.invoke({"messages": long_talk()}, WORK)
        sent = [message.text for message in house.small.calls[0].messages if message.type == "tool"]
        assert sent[:2] == ["[cleared]", "[cleared]"]
        assert not any(message.text == "[cleared]" for message in state["messages"])
        bounds.append(all_records(house)[0].step.input_bound)
        assert books_hold(house)
    assert bounds[0] < bounds[1] - 1_000


class Claude(ChatAnthropic):
    """An Anthropic model that answers offline, through a scripted one."""

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        CLAUDE.append(kwargs)
        return ScriptedModel(["yes"], model_name="c-1")._generate(messages)


CLAUDE: list[Any] = []
"""What the Anthropic model was sent."""


def test_prompt_caching_belongs_after_the_router() -> None:
    """[Routing, AnthropicPromptCaching]: the check for an Anthropic model sees the chosen one; before, it does not."""
    CLAUDE.clear()
    claude = Claude(model_name="c-1", api_key="none", timeout=None, stop=None)  # type: ignore[arg-type]
    router = StepRouter(ModelPool({"claude": claude}, prices={"claude": SMALL}))
    house = adding()
    house.router = router
    agent = agent_of(house, RoutingMiddleware(router), AnthropicPromptCachingMiddleware(), tools=[])
    assert ask(agent) == "yes"
    assert CLAUDE[0]["cache_control"] == {"type": "ephemeral", "ttl": "5m"}
    before = agent_of(
        house, AnthropicPromptCachingMiddleware(), RoutingMiddleware(router), model=RoutedChatModel(router), tools=[]
    )
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        ask(before)
    assert any("only supports Anthropic" in str(warning.message) for warning in told)
    assert "cache_control" not in CLAUDE[1]


def test_a_todo_list_before_the_router_is_part_of_the_hold() -> None:
    """[TodoList, Routing]: its prompt and its tool are counted before the call, so nothing is held twice."""
    house = adding()
    ask(agent_of(house, TodoListMiddleware(), RoutingMiddleware(house.router)), config=WORK)
    assert [record.outcome.error for record in all_records(house)] == ["", ""]
    assert {tool["function"]["name"] for tool in house.small.calls[0].kwargs["tools"]} == {"add", "write_todos"}


def test_prices_differ_so_the_orders_above_mean_something() -> None:
    """The two arms of these tests cost differently, so that booking the wrong one would show."""
    assert SMALL != LARGE
