"""RoutingMiddleware: every model call of an agent is routed once, paid once and settled."""

import asyncio
import importlib
import sys
from typing import Any

import pytest
from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.tools import tool

from langroute import Budget, BudgetExceeded, ConfigError, RoutedChatModel, current_episode
from langroute.integrations.middleware import RoutingMiddleware
from langroute.testing import Reply
from tests.integration.agents import adding, agent_of, all_records, ask, books_hold, unused
from tests.integration.routed import LARGE, SMALL, House

WORK: Any = {"metadata": {"langroute_kind": "execution"}}


def test_every_call_of_an_agent_is_routed_in_one_episode() -> None:
    """Each turn of the loop is a step of the run's episode; the agent's own model is never called."""
    house = adding()
    assert ask(agent_of(house)) == "It is 3."
    records = house.records(house.only_episode())
    assert [record.step.call_index for record in records] == [0, 1]
    assert {record.step.node for record in records} == {"model"}
    assert len(house.small.calls) + len(house.large.calls) == 2
    assert books_hold(house)


async def test_an_async_agent_is_routed_like_a_sync_one() -> None:
    """ainvoke makes the same calls, with the same records."""
    house = adding()
    state = await agent_of(house).ainvoke({"messages": [("user", "add 1 and 2")]})
    assert state["messages"][-1].text == "It is 3."
    assert [record.step.call_index for record in house.records(house.only_episode())] == [0, 1]
    assert books_hold(house)


def test_the_books_hold_what_the_reported_usage_costs() -> None:
    """One run per provider call, under the chosen model's name, and its usage priced to the nano-dollar."""
    house = House(small=[Reply(text="yes", input_tokens=1000, output_tokens=10)])
    usage = UsageMetadataCallbackHandler()
    agent_of(house, tools=[]).invoke({"messages": [("user", "hi")]}, {**WORK, "callbacks": [usage]})
    assert {name: tokens["input_tokens"] for name, tokens in usage.usage_metadata.items()} == {"s-1": 1000}
    spent = house.router.balance(house.only_episode()).spent.nano_usd
    assert spent == SMALL.cost(input_tokens=1000, output_tokens=10)


def test_the_limit_that_was_held_is_the_limit_that_is_sent() -> None:
    """The output limit of the hold goes into the model settings; a lower one of the user's own wins."""
    house = adding()

    class Short(AgentMiddleware[Any, Any, Any]):
        def wrap_model_call(self, request: ModelRequest[Any], handler: Any) -> Any:
            return handler(request.override(model_settings={"max_tokens": 7, "stop": ["x"]}))

    ask(agent_of(house, tools=[]), config=WORK)
    ask(agent_of(house, Short(), RoutingMiddleware(house.router), tools=[]), config=WORK)
    assert [call.kwargs["max_tokens"] for call in house.small.calls] == [4096, 7]
    assert house.small.calls[1].stop == ("x",)


def test_a_setting_that_would_outgrow_its_hold_is_refused() -> None:
    """Model settings that ask for several answers are refused by name before anything is spent."""
    house = adding()

    class Many(AgentMiddleware[Any, Any, Any]):
        def wrap_model_call(self, request: ModelRequest[Any], handler: Any) -> Any:
            return handler(request.override(model_settings={"n": 3}))

    with pytest.raises(ConfigError, match="n: several answers"):
        ask(agent_of(house, Many(), RoutingMiddleware(house.router)))
    assert not house.small.calls
    assert not house.large.calls


def test_the_chosen_model_is_the_request_s_model_for_middleware_inside() -> None:
    """Middleware inside sees the real model, so its ``isinstance`` checks are about the model that answers."""
    house, seen = adding(), []

    class Look(AgentMiddleware[Any, Any, Any]):
        def wrap_model_call(self, request: ModelRequest[Any], handler: Any) -> Any:
            seen.append(request.model.model_name)
            return handler(request)

    ask(agent_of(house, RoutingMiddleware(house.router), Look(), model=house.llm), config=WORK)
    assert seen == ["s-1", "s-1"]


@pytest.mark.parametrize("bad", [("add", "{not json"), ("subtract", {"a": 1}), ("add", {"a": 1})])
def test_a_malformed_call_is_made_again_by_a_stronger_arm(bad: Any) -> None:
    """A tool call that cannot be parsed, of no known tool, or lacking an argument never reaches the agent."""
    answers: Any = [Reply(tool_calls=(bad,)), "It is 3."]
    house = House(small=answers, large=[Reply(tool_calls=(("add", {"a": 1, "b": 2}),))])
    state = agent_of(house).invoke({"messages": [("user", "add")]}, WORK)
    assert [message.type for message in state["messages"]] == ["human", "ai", "tool", "ai"]
    first, second, _ = house.records(house.only_episode())
    assert (first.decision.arm, first.outcome.accepted) == ("small", False)
    assert (second.decision.arm, second.outcome.accepted) == ("large", True)
    assert books_hold(house)


def test_parallel_tool_calls_run_inside_the_episode() -> None:
    """Tools that run at once each see the agent's episode, and what is left of its budget."""
    seen: list[tuple[str, int]] = []

    @tool
    def look(place: str) -> str:
        """Look somewhere."""
        episode = current_episode()
        assert episode is not None
        seen.append((episode.id, episode.look().spent.nano_usd))
        return place

    def looker(messages: Any, kwargs: Any) -> Any:
        asked = tuple(("look", {"place": place}) for place in "abc")
        return "seen" if messages[-1].type == "tool" else Reply(tool_calls=asked)

    house = House(small=looker, large=looker)
    assert ask(agent_of(house, tools=[look]), config=WORK) == "seen"
    assert [episode for episode, _ in seen] == [house.only_episode()] * 3
    assert all(spent > 0 for _, spent in seen)


async def test_an_async_tool_runs_inside_the_episode() -> None:
    """An async tool sees the agent's episode; outside the agent there is none."""
    seen: list[Any] = []

    @tool
    async def add(a: int, b: int) -> int:
        """Add two numbers."""
        await asyncio.sleep(0)
        seen.append(current_episode())
        return a + b

    house = adding()
    await agent_of(house, tools=[add]).ainvoke({"messages": [("user", "add")]})
    assert [episode.id for episode in seen] == [house.only_episode()]
    assert current_episode() is None


def test_provider_side_tools_are_passed_on_as_they_are() -> None:
    """A tool that the provider runs is sent as it was given, and calls of it are no unknown tools."""
    search = {"type": "web_search", "max_uses": 2}
    house = House(small=["found"])
    # A scripted model binds as OpenAI's does: what is no function is sent unchanged.
    ask(agent_of(house, tools=[search]), config=WORK)
    assert house.small.calls[0].kwargs["tools"] == [search]
    assert house.records(house.only_episode())[0].outcome.defects == ()


def test_batches_are_an_episode_each() -> None:
    """Each input of a batch is a run of its own under a budget of its own."""
    house = adding()
    states = agent_of(house).batch([{"messages": [("user", f"add {index}")]} for index in range(3)])
    assert [state["messages"][-1].text for state in states] == ["It is 3."] * 3
    house.router.flush()
    assert len(list(house.router.journal.episodes())) == 3
    assert books_hold(house)


def test_a_routed_model_under_the_middleware_is_routed_once() -> None:
    """Where the agent's model is a RoutedChatModel, the middleware decides in its place."""
    house = adding()
    ask(agent_of(house, model=house.llm))
    assert len(all_records(house)) == len(house.small.calls) + len(house.large.calls) == 2


def test_two_routing_middlewares_route_once() -> None:
    """The inner one of two sees that the call is routed, and passes it on."""

    class Again(RoutingMiddleware):
        """The same under another name, since LangChain refuses two of one name."""

    house = adding()
    ask(agent_of(house, RoutingMiddleware(house.router), Again(house.router)))
    assert len(all_records(house)) == len(house.small.calls) + len(house.large.calls) == 2


def test_two_routers_for_one_call_are_refused() -> None:
    """A RoutedChatModel or a second middleware of another router is an error that names the way out."""

    class Again(RoutingMiddleware):
        """The same under another name."""

    one, other = adding(), adding()
    with pytest.raises(ConfigError, match="another router"):
        ask(agent_of(one, model=RoutedChatModel(other.router)))
    with pytest.raises(ConfigError, match="leave one of them out"):
        ask(agent_of(one, RoutingMiddleware(one.router), Again(other.router)))
    assert not all_records(other)


def test_a_call_that_does_not_fit_is_not_made() -> None:
    """With no money left for any arm the agent ends with BudgetExceeded, and nothing was called."""
    house = adding(budget=Budget(total_dollars=0.000_000_1))
    with pytest.raises(BudgetExceeded):
        ask(agent_of(house))
    assert not house.small.calls
    assert not house.large.calls


def test_an_arm_can_be_pinned_for_a_call() -> None:
    """``langroute_arm`` in the config's metadata demands an arm."""
    house = adding()
    ask(agent_of(house), config={"metadata": {"langroute_arm": "large", "langroute_kind": "execution"}})
    assert (len(house.small.calls), len(house.large.calls)) == (0, 2)


def test_a_provider_fault_fails_over_under_a_hold_of_its_own() -> None:
    """A passing fault sends the call to the next arm; both attempts stand in the books."""
    house = House(small=[ConnectionError("down")], large=["up"])
    assert ask(agent_of(house, tools=[]), config=WORK) == "up"
    first, second = house.records(house.only_episode())
    assert (first.outcome.error, first.outcome.worst_case) == ("ConnectionError", True)
    assert second.outcome.accepted
    assert books_hold(house)


def test_without_langchain_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is not installed, the error names it."""
    monkeypatch.delitem(sys.modules, "langroute.integrations.middleware")
    monkeypatch.setitem(sys.modules, "langchain.agents.middleware", None)
    with pytest.raises(ConfigError, match=r"pip install langroute\[langchain\]"):
        importlib.import_module("langroute.integrations.middleware")


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({}, "control"),
        ({"kind": "verification"}, "verification"),
        ({"kind": lambda request: "presentation" if request.messages[-1].type == "tool" else None}, "control"),
    ],
)
def test_the_kind_comes_from_the_middleware_or_from_the_call(settings: Any, kind: str) -> None:
    """A kind given to the middleware holds; a function of the request may leave it open; tools in a loop control."""
    house = adding()
    ask(agent_of(house, RoutingMiddleware(house.router, **settings)))
    records = house.records(house.only_episode())
    assert records[0].step.kind == kind
    assert records[1].step.kind == ("presentation" if callable(settings.get("kind")) else kind)


def test_what_the_user_says_in_the_config_wins() -> None:
    """``langroute_kind`` in the metadata overrules the middleware's own kind."""
    house = adding()
    ask(agent_of(house, RoutingMiddleware(house.router, kind="verification")), config=WORK)
    assert {record.step.kind for record in house.records(house.only_episode())} == {"execution"}


def test_the_kind_follows_the_agents_name_and_prompt() -> None:
    """Without tools, what the agent is called and told says what its step is."""
    house = House(small=lambda messages, kwargs: "ok", large=lambda messages, kwargs: "ok")
    ask(agent_of(house, tools=[], name="fact_checker", system_prompt="Verify the claim against the sources."))
    ask(agent_of(house, tools=[], name="planner", system_prompt="Plan the steps."))
    kinds = {record.step.kind for record in all_records(house)}
    assert kinds == {"verification", "control"}


def test_a_view_of_the_budget_is_written_to_the_state_only_if_asked_for() -> None:
    """``expose_state`` shows episode, spent and remaining dollars in the state, but not in input or output."""
    house = adding()
    quiet = agent_of(house)
    assert "langroute" not in quiet.channels
    agent = agent_of(house, RoutingMiddleware(house.router, expose_state=True))
    *_, last = agent.stream({"messages": [("user", "add")]}, stream_mode="values")
    view = last["langroute"]
    balance = house.router.balance(view["episode"])
    assert view["spent_usd"] == pytest.approx(balance.spent.nano_usd / 1e9)
    assert view["remaining_usd"] == pytest.approx(1.0 - balance.spent.nano_usd / 1e9)
    assert "langroute" not in agent.invoke({"messages": [("user", "add")]})


async def test_the_view_is_written_by_async_agents_too() -> None:
    """``expose_state`` works for ainvoke, with no limit as no remaining dollars."""
    house = adding(budget=Budget())
    agent = agent_of(house, RoutingMiddleware(house.router, expose_state=True))
    values = [state async for state in agent.astream({"messages": [("user", "add")]}, stream_mode="values")]
    assert values[-1]["langroute"]["remaining_usd"] is None


@pytest.mark.parametrize(
    ("settings", "field"),
    [({"router": None}, "router"), ({"kind": "thinking"}, "kind"), ({"edits": ["clear"]}, "edits")],
)
def test_a_wrong_argument_is_refused_by_name(settings: Any, field: str) -> None:
    """The constructor names the argument that is wrong."""
    house = adding()
    with pytest.raises(ConfigError, match=f"{field}:"):
        RoutingMiddleware(**{"router": house.router, **settings})


def test_the_response_of_the_handler_is_returned_as_it_is() -> None:
    """Outside a graph too, the middleware returns what the accepted call brought, unchanged."""
    house = House(small=lambda messages, kwargs: "yes")
    wanted = ModelResponse(result=[AIMessage("yes")])
    with house.router.episode("e"):
        got = RoutingMiddleware(house.router).wrap_model_call(
            ModelRequest(model=unused(), messages=[]), lambda request: wanted
        )  # fmt: skip
    assert got is wanted


def test_prices_of_both_arms_stand_in_the_books() -> None:
    """An agent whose steps are made by different arms is booked at each arm's own price."""
    house = adding()
    kinds = RoutingMiddleware(
        house.router, kind=lambda request: "execution" if request.messages[-1].type == "tool" else None
    )
    ask(agent_of(house, kinds))
    records = house.records(house.only_episode())
    assert [record.decision.arm for record in records] == ["large", "small"]
    prices = {"small": SMALL, "large": LARGE}
    assert [record.outcome.cost_nano for record in records] == [
        record.outcome.usage.cost_nano(prices[record.decision.arm]) for record in records
    ]
