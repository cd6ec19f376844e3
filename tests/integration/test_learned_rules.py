"""The learned rules of choice live: chain, cascade and difference behind the chat model, with scripted models."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import BaseMessage
from langchain_core.tools import tool

from langroute.acceptance.validity import ValidityAcceptance
from langroute.actions import Actions
from langroute.books import Amount
from langroute.budget import Budget
from langroute.config import RouterConfig
from langroute.errors import BudgetExceeded, NoArmAvailable, StepNotWorthwhile
from langroute.integrations.chat_model import RoutedChatModel
from langroute.money import Price
from langroute.policies.cascade import CascadePolicy
from langroute.policies.chain import ChainPolicy
from langroute.policies.difference import DifferencePolicy
from langroute.pool import ModelPool
from langroute.records import Arm, Estimate, Outcome, Record, Step
from langroute.router import StepRouter
from langroute.testing import Reply, ScriptedModel

PRICES = {
    "small": Price(input_per_million=0.1, output_per_million=1.0),
    "mid": Price(input_per_million=1.0, output_per_million=4.0),
    "large": Price(input_per_million=3.0, output_per_million=12.0),
}
EXPECTED = {"small": 0.6, "mid": 0.7, "large": 0.9}
UNSURE = {name: {name: 0.05} for name in EXPECTED}


class Expecting:
    """Expects the same of an arm at every step."""

    name = "expecting"
    version = "1"

    def estimate(self, step: Step, arms: Sequence[Arm]) -> tuple[Estimate, ...]:
        return tuple(
            Estimate(arm=arm.name, success=EXPECTED[arm.name], cost_nano=step.cost_of(arm, 100), output_tokens=100)
            for arm in arms
        )


class SaysNo:
    """A rule that knows which texts are right; here by the confidence that was scripted."""

    name = "says_no"

    def gates(self, step: Step) -> bool:
        return True

    def defects(self, step: Step, outcome: Outcome) -> tuple[str, ...]:
        return () if outcome.confidence is None or outcome.confidence > 0.5 else ("refuted",)


class ApiError(Exception):
    """An error of a provider with the status of its answer."""

    def __init__(self, status_code: int) -> None:
        super().__init__(f"status {status_code}")
        self.status_code = status_code


@tool
def look_up(word: str) -> str:
    """Look a word up."""
    return word


def reply(text: str, confidence: float | None = None) -> Reply:
    """An answer with usage, and logprobs that make this confidence."""
    logprobs = () if confidence is None else (math.log(confidence),)
    return Reply(text=text, input_tokens=20, output_tokens=5, logprobs=logprobs)


BROKEN = Reply(tool_calls=(("look_up", "{not json"),), input_tokens=20, output_tokens=5)


class House:
    """A router over scripted models whose calls are one episode."""

    def __init__(self, policy: Any, rules: Sequence[Any] = (), *, price: float = 0.0, **scripts: Any) -> None:
        worth = scripts.pop("worth", None)
        budget = scripts.pop("budget", Budget(total_dollars=1.0))
        self.models = {
            name: ScriptedModel(scripts.get(name, ()), model_name=f"model-{name}") for name in PRICES if name in scripts
        }
        judging = (policy,) if isinstance(policy, CascadePolicy) else ()
        self.router = StepRouter(
            ModelPool(self.models, prices={name: PRICES[name] for name in self.models}),
            budget=budget,
            policy=policy,
            price_of_a_dollar=price or 1.0,
            estimator=Expecting(),
            acceptance=(ValidityAcceptance(), *judging, *rules),
            config=RouterConfig(actions=Actions(value_of_success=worth), attempts_on_fault=3),
        )
        self.router.pause_before = lambda attempt: 0.0  # type: ignore[method-assign]

    def ask(self, *, tools: bool = False, asynchronous: bool = False) -> str:
        """One call of the chat model."""
        model: Any = RoutedChatModel(self.router)
        model = model.bind_tools([look_up]) if tools else model
        with self.router.episode("e"):
            told = asyncio.run(model.ainvoke("What is 6 x 7?")) if asynchronous else model.invoke("What is 6 x 7?")
        return str(told.text)

    def records(self) -> Sequence[Record]:
        """What is on record; nothing is held, the books agree, and every decision is made again from its record."""
        self.router.flush()
        records = self.router.journal.records("e")
        balance = self.router.balance("e")
        assert balance.held == Amount()
        assert balance.spent.nano_usd == sum(record.outcome.cost_nano for record in records if record.outcome)
        for record in records:
            again = self.router.policy.choose(record.step, record.estimates, record.ruling)
            assert repr(again) == repr(record.decision)
            assert repr(self.router.decide(record.step)) == repr(record.decision)
        return records


def cascade(**options: Any) -> CascadePolicy:
    return CascadePolicy(UNSURE, confidences=(0.05, 0.95), qualities=(0.05, 0.95), **options)


CHAIN = ChainPolicy({"": ((0.0, ("small", "large")), (100.0, ("small",)))})


def arms_of(house: House) -> list[str | None]:
    return [record.decision.arm for record in house.records()]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_cascade_runs_on_from_an_unsure_answer_and_keeps_a_sure_one(asynchronous: bool) -> None:
    """The second call is made only where the first answer's confidence says so, and the record tells why."""
    sure = House(cascade(), price=100.0, small=[reply("42", 0.95)], large=[])
    assert sure.ask(asynchronous=asynchronous) == "42"
    assert arms_of(sure) == ["small"]
    unsure = House(cascade(), price=100.0, small=[reply("41", 0.1)], large=[reply("42", 0.9)])
    assert unsure.ask(asynchronous=asynchronous) == "42"
    first, second = unsure.records()
    assert first.outcome is not None
    assert first.outcome.defects == ("low_quality:0.1000",)
    assert not first.outcome.accepted
    assert "small makes this" in first.decision.rationale
    assert "worth most at 100 success a dollar" in first.decision.rationale
    assert second.decision.alternatives[0].why_not == "tried in this step: low_quality:0.1000"


def test_a_cascade_that_gets_no_better_passes_on_the_best_answer() -> None:
    """Where the dear answer turns out worse than the cheap one that is paid for, the cheap one comes out, and why."""
    house = House(cascade(), small=[reply("42", 0.6)], large=[reply("41", 0.2)])
    assert house.ask() == "42"
    last = house.records()[-1]
    assert last.decision.arm == "large"
    assert last.measures[-1].reason == (
        "The answer of small is passed on: it is expected to be right with 0.60, this one with 0.20."
    )


def test_a_cascade_without_confidences_is_routing() -> None:
    """An answer of which nothing is known is worth what was expected, so a sure estimator runs nothing more."""
    house = House(CascadePolicy({}), price=2_000.0, small=[reply("42")], large=[])
    assert house.ask() == "42"
    assert arms_of(house) == ["small"]


def test_a_malformed_answer_is_worth_nothing_to_a_cascade() -> None:
    """However sure: the next arm makes the call again."""
    house = House(cascade(), small=[BROKEN], large=[reply("42", 0.9)])
    assert house.ask(tools=True) == "42"
    assert arms_of(house) == ["small", "large"]


def test_a_chain_goes_down_its_order_and_stops_with_it() -> None:
    """Refuted answers bring the next arm of the order; where it ends the last answer is passed on, and says so."""
    house = House(CHAIN, [SaysNo()], small=[reply("40", 0.1)], mid=[], large=[reply("41", 0.2)])
    assert house.ask() == "41"
    first, second, stop = house.records()
    assert [first.decision.arm, second.decision.arm, stop.decision.arm] == ["small", "large", None]
    assert "the order at this price is small > large" in first.decision.rationale
    assert stop.action == "stop"
    assert "mid: the order of this task has ended" in stop.decision.rationale


def test_a_dear_dollar_shortens_a_chain() -> None:
    """At a price from which the shorter order holds, a refuted answer stands."""
    house = House(CHAIN, [SaysNo()], price=200.0, small=[reply("40", 0.1)], mid=[], large=[])
    assert house.ask() == "40"
    assert arms_of(house) == ["small", None]


def test_a_chain_whose_arms_are_down_goes_elsewhere() -> None:
    """An outage is no answer: with both arms of the order down, the call goes to the one that is left."""
    house = House(CHAIN, small=[ApiError(503)], mid=[reply("42")], large=[ApiError(503)])
    assert house.ask() == "42"
    assert arms_of(house) == ["small", "large", "mid"]
    assert "the only arm permitted (small: failed in this step" in house.records()[-1].decision.rationale


@pytest.mark.parametrize(("difference", "arm"), [(0.29, "large"), (0.31, "small")])
def test_a_difference_decides(difference: float, arm: str) -> None:
    """The strong arm is called where it is better by more than the difference; a malformed answer goes to the other."""
    policy = DifferencePolicy(weak="small", strong="large", difference=difference)
    house = House(policy, small=[reply("42")], large=[reply("42")])
    assert house.ask() == "42"
    (record,) = house.records()
    assert record.decision.arm == arm
    assert f"large is taken where it is better by more than {difference:g}" in record.decision.rationale
    weak = DifferencePolicy(weak="small", strong="large", difference=0.31)
    again = House(weak, small=[BROKEN], large=[reply("42")])
    assert again.ask(tools=True) == "42"
    assert arms_of(again) == ["small", "large"]


RULES = {
    "cascade": cascade,
    "chain": lambda: CHAIN,
    "difference": lambda: DifferencePolicy(weak="small", strong="large"),
}


@pytest.mark.parametrize("name", RULES)
def test_a_step_that_is_not_worth_its_price_is_not_taken(name: str) -> None:
    """With a value of success under what every arm costs, no rule calls anything, and the error names each arm."""
    house = House(RULES[name](), worth=1e-9, small=[], large=[])
    with pytest.raises(StepNotWorthwhile, match="small"):
        house.ask()
    assert house.router.balance("e").spent == Amount()


@pytest.mark.parametrize("policy", [cascade(), CHAIN], ids=["cascade", "chain"])
def test_an_arm_that_is_not_worth_its_price_is_never_run(policy: Any) -> None:
    """Between the prices of both arms only the cheap one is run, even when its answer is poor."""
    house = House(policy, [SaysNo()], worth=0.0003, small=[reply("41", 0.1)], large=[])
    assert house.ask() == "41"
    first, stop = house.records()
    assert first.decision.arm == "small"
    assert stop.decision.arm is None
    assert "less than its price" in stop.decision.alternatives[1].why_not


LINES = st.sampled_from([0.05, 0.3, 0.6, 0.95, None, 429, 500, "broken"])


@settings(max_examples=40, deadline=None)
@given(
    cents=st.integers(min_value=1, max_value=60),
    script=st.lists(LINES, min_size=5, max_size=5),
    name=st.sampled_from(sorted(RULES)),
    asynchronous=st.booleans(),
)
def test_no_budget_is_overspent_by_learned_rules(cents: int, script: list[Any], name: str, asynchronous: bool) -> None:
    """Whatever answers and faults come, what is booked is within the budget, and decisions replay from records."""
    place = 0

    def answering(messages: Sequence[BaseMessage], kwargs: Mapping[str, Any]) -> Any:
        nonlocal place
        place += 1
        told = script[place % len(script)]
        if told == "broken":
            return BROKEN
        return ApiError(told) if isinstance(told, int) else reply("text", told)

    scripts = dict.fromkeys(PRICES, answering)
    house = House(RULES[name](), [SaysNo()], budget=Budget(total_dollars=cents / 5_000), **scripts)
    for _ in range(3):
        try:
            house.ask(tools=True, asynchronous=asynchronous)
        except (BudgetExceeded, NoArmAvailable, ApiError):
            continue
    balance = house.router.balance("e")
    assert balance.spent.nano_usd <= (balance.limits.nano_usd or 0)
    house.records()
