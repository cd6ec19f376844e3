"""Best of n, verifiers and spot checks through every door, with scripted models."""

import asyncio
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from rich.console import Console

from langroute.acceptance.strong_checks import StrongChecks
from langroute.acceptance.verification import SelectiveVerification
from langroute.books import Amount
from langroute.budget import Budget
from langroute.config import RouterConfig
from langroute.errors import BudgetExceeded
from langroute.integrations.chat_model import RoutedChatModel
from langroute.integrations.graph import route_graph
from langroute.integrations.middleware import RoutingMiddleware
from langroute.money import Price
from langroute.observe.report import explain_step
from langroute.pool import ModelPool
from langroute.records import KINDS, Record
from langroute.router import StepRouter
from langroute.testing import Reply, ScriptedModel

PRICES = {
    "small": Price(input_per_million=0.137, output_per_million=1.011),
    "large": Price(input_per_million=2.501, output_per_million=10.003),
}


class ApiError(Exception):
    """An error of a provider with the status of its answer."""

    def __init__(self, status_code: int) -> None:
        super().__init__(f"status {status_code}")
        self.status_code = status_code


def reply(text: str) -> Reply:
    """An answer with usage."""
    return Reply(text=text, input_tokens=20, output_tokens=5)


class House:
    """A router over two scripted models whose calls are one episode."""

    def __init__(self, small: Sequence[Any], large: Sequence[Any] = (), *, most: int = 3, **options: Any) -> None:
        self.models = {
            "small": ScriptedModel(small, model_name="model-small"),
            "large": ScriptedModel(large, model_name="model-large"),
        }
        pool = ModelPool(self.models, prices=PRICES, samples={"small": (1, most)})
        given_options = {"budget": Budget(total_dollars=1.0), "policy": "always:small x3", **options}
        self.router = StepRouter(pool, **given_options)

    def records(self) -> Sequence[Record]:
        """What is on record, once nothing is held any more and the books agree."""
        self.router.flush()
        records = self.router.journal.records("e")
        balance = self.router.balance("e")
        assert balance.held == Amount()
        assert balance.spent.nano_usd == sum(record.outcome.cost_nano for record in records if record.outcome)
        return records


def chat(house: House, way: str) -> str:
    """The chat model, by one of its ways."""
    model = RoutedChatModel(house.router)

    async def streamed() -> str:
        return "".join([piece.text async for piece in model.astream("What is 6 x 7?")])

    match way:
        case "invoke":
            return str(model.invoke("What is 6 x 7?").text)
        case "ainvoke":
            return str(asyncio.run(model.ainvoke("What is 6 x 7?")).text)
        case "stream":
            return "".join([piece.text for piece in model.stream("What is 6 x 7?")])
        case _:
            return asyncio.run(streamed())


def node(house: House, way: str) -> str:
    """A routed graph of one node that calls the routed model."""
    model = RoutedChatModel(house.router)

    def work(state: MessagesState) -> dict[str, list[BaseMessage]]:
        return {"messages": [model.invoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node("work", work)
    builder.add_edge(START, "work")
    builder.add_edge("work", END)
    graph = route_graph(builder, house.router).compile()
    return str(graph.invoke({"messages": [HumanMessage("What is 6 x 7?")]})["messages"][-1].text)


def agent(house: House, way: str) -> str:
    """An agent with the routing middleware."""
    made: Any = create_agent(house.models["small"], middleware=[RoutingMiddleware(house.router)])
    state = {"messages": [HumanMessage("What is 6 x 7?")]}
    told = asyncio.run(made.ainvoke(state)) if way == "ainvoke" else made.invoke(state)
    return str(told["messages"][-1].text)


DOORS = [
    (chat, "invoke"),
    (chat, "ainvoke"),
    (chat, "stream"),
    (chat, "astream"),
    (node, "invoke"),
    (agent, "invoke"),
    (agent, "ainvoke"),
]


@pytest.mark.parametrize(("door", "way"), DOORS)
def test_the_best_of_three_comes_out_of_every_door(door: Any, way: str) -> None:
    """Three provider calls, one record, one hold; the answer that two of them give."""
    house = House([reply("41"), reply("It is 42"), reply("it is  42")])
    with house.router.episode("e"):
        assert door(house, way) in ("It is 42", "it is  42")
    (record,) = house.records()
    assert record.outcome is not None
    assert (record.outcome.samples, record.outcome.agreement, len(house.models["small"].calls)) == (3, 0.666667, 3)


def verifying(*small: Any, large: Sequence[Any], **options: Any) -> House:
    """A house in which the large model verifies the small one's answers, whatever their kind."""
    rule = SelectiveVerification("large", doubt=lambda record, outcome: 0.9, kinds=KINDS)
    config = RouterConfig(target={"price_of_a_dollar": 1.0}, gate_streams=True)
    return House(small, large, most=1, policy="always-small", acceptance=(rule,), config=config, **options)


@pytest.mark.parametrize(("door", "way"), DOORS)
def test_a_verifier_is_asked_by_every_door(door: Any, way: str) -> None:
    """It sees question and answer, and the arm that makes the call again brings the answer that comes out."""
    house = verifying(reply("41"), large=[reply("WRONG"), reply("42")])
    with house.router.episode("e"):
        assert door(house, way) == "42"
    check, first, second = house.records()
    assert (check.checks, check.step.kind) == (first.id, "verification")
    assert first.outcome is not None
    assert (first.outcome.verdict, first.outcome.accepted, second.decision.arm) == ("wrong", False, "large")
    asked = house.models["large"].calls[0].messages[-1].text
    assert "What is 6 x 7?" in asked
    assert "41" in asked


@pytest.mark.parametrize(("door", "way"), DOORS)
def test_a_strong_check_is_made_by_every_door(door: Any, way: str) -> None:
    """The strong model is asked the same, and its answer is used where both differ."""
    rule = StrongChecks("large", share=1.0, kinds=KINDS)
    config = RouterConfig(gate_streams=True)
    house = House([reply("41")], [reply("42")], policy="always-small", acceptance=(rule,), config=config)
    with house.router.episode("e"):
        assert door(house, way) == "42"
    check, first = house.records()
    assert first.outcome is not None
    assert (check.checks, first.outcome.verdict, first.outcome.accepted) == (first.id, "different", False)


def test_a_verifier_that_is_refused_or_babbles_changes_nothing() -> None:
    """A 429 and a reply without a verdict let the answer stand."""
    for answer in (ApiError(429), reply("Well, it depends on what one means.")):
        house = verifying(reply("42"), large=[answer])
        with house.router.episode("e"):
            assert chat(house, "invoke") == "42"
        check, first = house.records()
        assert first.outcome is not None
        assert first.outcome.accepted
        assert check.checks == first.id


ANSWERS = st.sampled_from(["42", "41", "WRONG", "OK", 429, 500, None])


@settings(max_examples=60, deadline=None)
@given(
    cents=st.integers(min_value=1, max_value=60),
    script=st.lists(ANSWERS, min_size=4, max_size=4),
    policy=st.sampled_from(["always-small", "always:small x3", "always-large"]),
    asynchronous=st.booleans(),
)
def test_no_budget_is_overspent_by_samples_and_checks(
    cents: int, script: list[str | int | None], policy: str, asynchronous: bool
) -> None:
    """Whatever samples and checks bring, what is booked is within the budget, and at least what was billed."""
    place = 0

    def answering(messages: Sequence[BaseMessage], kwargs: Mapping[str, Any]) -> Any:
        nonlocal place
        place += 1
        told = script[place % len(script)]
        if isinstance(told, int):
            return ApiError(told)
        return Reply(text="silent", output_tokens=None) if told is None else reply(told)

    rules = (
        SelectiveVerification("large", doubt=lambda record, outcome: 0.5, kinds=KINDS),
        StrongChecks("large", share=0.5, kinds=KINDS),
    )
    budget = Budget(total_dollars=cents / 5000)
    house = House(answering, answering, policy=policy, acceptance=rules, budget=budget)  # type: ignore[arg-type]
    house.router.pause_before = lambda attempt: 0.0  # type: ignore[method-assign]
    model = RoutedChatModel(house.router)
    with house.router.episode("e"):
        for _ in range(4):
            try:
                told: AIMessage = asyncio.run(model.ainvoke("hi")) if asynchronous else model.invoke("hi")
                assert told.text
            except (BudgetExceeded, ApiError):
                continue
    balance = house.router.balance("e")
    assert balance.held == Amount()
    assert balance.spent.nano_usd <= (balance.limits.nano_usd or 0)
    billed = [record.outcome for record in house.records() if record.outcome and record.outcome.usage]
    assert balance.spent.nano_usd >= sum(outcome.cost_nano for outcome in billed)


def test_an_explanation_tells_of_samples() -> None:
    """What is explained of a step says how many samples there were, how many failed, and how the others agreed."""
    house = House([reply("41"), ApiError(429), reply("42")])
    with house.router.episode("e"):
        chat(house, "invoke")
    (record,) = house.records()
    console = Console(width=400, file=StringIO(), record=True)
    console.print(explain_step(record))
    told = " ".join(console.export_text().split())
    assert "The best of 3 samples, 1 of which failed; 50% of the answers agree with the one chosen." in told
