"""Middleware inside RoutingMiddleware: what it adds is held before it is sent, what it answers itself costs nothing."""

from typing import Any

from langchain.agents.middleware import AgentMiddleware, ModelRequest
from langchain_core.messages import AIMessage

from langroute import ModelPool, StepRouter
from langroute.integrations.middleware import RoutingMiddleware
from langroute.testing import ScriptedModel
from tests.integration.agents import adding, agent_of, all_records, ask, books_hold
from tests.integration.routed import SMALL, House

WORK: Any = {"metadata": {"langroute_kind": "execution"}}


def test_an_answer_from_middleware_inside_costs_nothing() -> None:
    """Where middleware inside answers without any model, nothing is booked."""

    class Canned(AgentMiddleware[Any, Any, Any]):
        def wrap_model_call(self, request: ModelRequest[Any], handler: Any) -> Any:
            return AIMessage("from the shelf")

    house = adding()
    assert ask(agent_of(house, RoutingMiddleware(house.router), Canned())) == "from the shelf"
    assert house.router.balance(house.only_episode()).spent.nano_usd == 0
    assert books_hold(house)


def test_what_middleware_inside_adds_is_held_before_it_is_sent() -> None:
    """A call that grew behind the router is held anew at its true size; later calls count the growth at once."""

    class Memory(AgentMiddleware[Any, Any, Any]):
        def wrap_model_call(self, request: ModelRequest[Any], handler: Any) -> Any:
            return handler(request.override(system_prompt="Remember this. " * 200))

    house = House(small=lambda messages, kwargs: "yes")
    middleware = RoutingMiddleware(house.router)
    agent = agent_of(house, middleware, Memory(), tools=[])
    ask(agent, config=WORK)
    grown, held = house.records(house.only_episode())
    assert (grown.outcome.cost_nano, grown.outcome.error) == (0, "Outgrown")
    assert held.step.input_bound - grown.step.input_bound >= len("Remember this. ") * 200
    assert len(house.small.calls) == 1
    ask(agent, config=WORK)
    assert len(house.small.calls) == 2
    assert len(all_records(house)) == 3
    assert books_hold(house)


def test_a_tool_that_middleware_inside_adds_is_held_before_it_is_sent() -> None:
    """A tool added behind the router counts as growth too."""

    class Search(AgentMiddleware[Any, Any, Any]):
        def wrap_model_call(self, request: ModelRequest[Any], handler: Any) -> Any:
            return handler(request.override(tools=[*request.tools, {"type": "web_search", "about": "x" * 500}]))

    house = House(small=["yes"])
    ask(agent_of(house, RoutingMiddleware(house.router), Search(), tools=[]), config=WORK)
    grown, held = house.records(house.only_episode())
    assert grown.outcome.cost_nano == 0
    assert held.step.input_bound - grown.step.input_bound >= 500
    assert len(house.small.calls) == 1


def test_growth_is_held_under_an_arm_s_own_tokenizer_as_well() -> None:
    """Where a tokenizer counts the input, a call that grew is counted again as it will be sent."""

    class Memory(AgentMiddleware[Any, Any, Any]):
        def wrap_model_call(self, request: ModelRequest[Any], handler: Any) -> Any:
            return handler(request.override(system_prompt="word " * 300))

    def counted(messages: Any, tools: Any) -> int:
        return sum(len(message.text.split()) for message in messages)

    model = ScriptedModel(["yes", "yes"], model_name="s-1")
    pool = ModelPool({"small": model}, prices={"small": SMALL}, token_counters={"small": counted})
    house = House()
    house.router = StepRouter(pool)
    agent = agent_of(house, RoutingMiddleware(house.router), Memory(), tools=[])
    for _ in range(2):
        ask(agent)
    answered = [record for record in all_records(house) if record.outcome.accepted]
    assert [record.step.bound_for(house.router.arm("small")) >= 300 for record in answered] == [True, True]
    assert len(model.calls) == 2
    assert books_hold(house)


def test_a_routed_model_that_middleware_inside_puts_in_is_booked_once() -> None:
    """A RoutedChatModel put in behind the router takes a hold of its own, so the outer one books nothing."""
    house = House(small=lambda messages, kwargs: "yes", large=lambda messages, kwargs: "yes")

    class Other(AgentMiddleware[Any, Any, Any]):
        def wrap_model_call(self, request: ModelRequest[Any], handler: Any) -> Any:
            return handler(request.override(model=house.llm, model_settings={}))

    ask(agent_of(house, RoutingMiddleware(house.router), Other(), tools=[]))
    records = house.records(house.only_episode())
    assert len(house.small.calls) + len(house.large.calls) == 1
    assert sorted(record.outcome.cost_nano > 0 for record in records) == [False, True]
    assert books_hold(house)
