"""Arms that cost by time, and service tiers: the hold covers whatever may be served, and what was served is booked."""

import pickle
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from fakes import Pool, a_step
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI

from langroute import RoutedChatModel
from langroute.acts import Call, Reply
from langroute.bookings import failed, outcome_of
from langroute.books import Amount, HoldRequest
from langroute.deliberation import record_of
from langroute.errors import ConfigError
from langroute.faults import classify_fault
from langroute.integrations.meter import service_tier
from langroute.journal.row import pool_from_json, pool_to_json
from langroute.money import Price
from langroute.permits import permit
from langroute.pool import ModelPool
from langroute.prices import as_price
from langroute.records import Arm, PoolSnapshot, Usage
from langroute.router import StepRouter
from langroute.testing import Reply as Scripted
from langroute.testing import ScriptedModel

BASE = Price(input_per_million=1, output_per_million=4, cached_input_per_million="0.1")
TIERED = BASE.with_tiers({"flex": "0.5", "priority": 2})
USAGE = Usage(input_tokens=1000, output_tokens=100, cache_read_tokens=200)


@given(
    dollars=st.integers(1, 10_000_000),
    reads=st.integers(1, 100_000),
    writes=st.integers(1, 10_000),
    at_once=st.integers(1, 64),
    tokens=st.integers(0, 200_000),
    written=st.integers(0, 8_000),
)
def test_time_is_never_undercounted(
    dollars: int, reads: int, writes: int, at_once: int, tokens: int, written: int
) -> None:
    """A call costs at least its share of the machine's time, and at most a pico-dollar a token and a nano more."""
    price = Price.by_capacity(
        dollars_per_hour=f"{dollars}e-4",
        output_tokens_per_s=writes,
        input_tokens_per_s=reads,
        concurrency=at_once,
    )
    seconds = (Fraction(tokens, reads) + Fraction(written, writes)) / at_once
    exact = seconds * Fraction(dollars, 10_000) / 3600 * 10**9
    cost = price.cost(input_tokens=tokens, output_tokens=written)
    assert ceil(exact) <= cost <= exact + Fraction(tokens + written, 1000) + 1
    assert cost <= price.worst_cost(input_tokens=tokens, output_tokens=written)


def test_idle_hours_are_paid_by_what_is_served() -> None:
    """At half the utilization a token costs twice as much; a warm prefix costs the time that it takes."""
    full = Price.by_capacity(
        dollars_per_hour=36, output_tokens_per_s=100, input_tokens_per_s=1000, cached_input_tokens_per_s=10_000
    )
    half = Price.by_capacity(dollars_per_hour=36, output_tokens_per_s=100, input_tokens_per_s=1000, utilization="0.5")
    assert full.cost(input_tokens=0, output_tokens=100) == 10_000_000
    assert half.cost(input_tokens=0, output_tokens=100) == 20_000_000
    assert full.cost(input_tokens=1000, output_tokens=0, cache_read_tokens=1000) == 1_000_000
    assert half.rates.cache_read == half.rates.input


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dollars_per_hour", -1),
        ("output_tokens_per_s", 0),
        ("input_tokens_per_s", "fast"),
        ("cached_input_tokens_per_s", 0),
        ("concurrency", 0),
        ("concurrency", 1.5),
        ("utilization", 0),
        ("utilization", 1.01),
    ],
)
def test_an_impossible_machine_is_refused(field: str, value: Any) -> None:
    """A wrong number is named, in Python and in a configuration."""
    machine = {"dollars_per_hour": 2, "output_tokens_per_s": 50, "input_tokens_per_s": 900}
    with pytest.raises(ConfigError, match=field):
        Price.by_capacity(**{**machine, field: value})  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as caught:
        as_price({**machine, field: value}, field="prices.mine")
    assert caught.value.field == f"prices.mine.{field}"


def test_a_machine_can_be_plain_data() -> None:
    """A mapping with an hourly price is the same price, and needs its speeds."""
    machine: dict[str, Any] = {"dollars_per_hour": 2, "output_tokens_per_s": 50, "input_tokens_per_s": 900}
    assert as_price(machine, field="p") == Price.by_capacity(**machine)
    del machine["input_tokens_per_s"]
    with pytest.raises(ConfigError, match=r"p\.input_tokens_per_s: is missing"):
        as_price(machine, field="p")


def test_tiers_can_be_plain_data_and_survive_the_journal() -> None:
    """Multipliers and whole prices are read from a mapping; copies and rows are equal to the first."""
    plain = {
        "input_per_million": 1,
        "output_per_million": 4,
        "cached_input_per_million": 0.1,
        "tiers": {"flex": 0.5, "priority": {"input_per_million": 2, "output_per_million": 8}},
    }
    price = as_price(plain, field="p")
    assert price == BASE.with_tiers({"flex": 0.5, "priority": Price(input_per_million=2, output_per_million=8)})
    assert price == Price(
        input_per_million=1, output_per_million=4, cached_input_per_million=0.1, tiers=dict(price.tiers)
    )
    assert pickle.loads(pickle.dumps(price)) == price
    snapshot = PoolSnapshot(id="x", arms=(Arm(name="a", model="m", provider="p", price=price),))
    assert pool_from_json(pool_to_json(snapshot)) == snapshot


@pytest.mark.parametrize(
    ("tiers", "field"),
    [
        ({"flex": 0}, "p.tiers.flex"),
        ({"flex": "half"}, "p.tiers.flex"),
        ({"flex": {"input_per_million": 1}}, "p.tiers.flex.output_per_million"),
        ({"flex": TIERED}, "p.tiers.flex"),
        ([("flex", 1)], "p.tiers"),
    ],
)
def test_a_wrong_tier_is_named(tiers: Any, field: str) -> None:
    """What is wrong with a service tier is named by its dotted path."""
    with pytest.raises(ConfigError) as caught:
        as_price({"input_per_million": 1, "output_per_million": 1, "tiers": tiers}, field="p")
    assert caught.value.field == field


@given(
    tokens=st.integers(0, 300_000),
    written=st.integers(0, 9_000),
    share=st.floats(0, 1),
    tier=st.sampled_from(("", "default", "standard", "flex", "priority", "scale")),
    asked=st.sampled_from(("", "flex", "priority", "standard", "other")),
)
def test_no_tier_costs_more_than_the_hold(tokens: int, written: int, share: float, tier: str, asked: str) -> None:
    """Whatever is asked for and whatever is served, what is booked fits into the worst case."""
    longer = Price(input_per_million=3, output_per_million=5)
    price = Price(
        input_per_million=1, output_per_million=4, above=[(1000, longer)], tiers={"flex": "0.3", "priority": 2}
    ).asked(asked)
    usage = Usage(input_tokens=tokens, output_tokens=written, cache_read_tokens=int(tokens * share))
    worst = price.worst_cost(input_tokens=tokens, output_tokens=written)
    assert usage.cost_nano(price, tier=tier) <= worst
    if (most := price.affordable_output(nano=worst, input_tokens=tokens)) >= 0:
        assert most >= written


@pytest.mark.parametrize(
    ("asked", "served", "factor"),
    [
        ("", "default", 1.0),
        ("", "flex", 0.5),
        ("", "priority", 2.0),
        ("", "", 2.0),
        ("", "scale", 2.0),
        ("flex", "flex", 0.5),
        ("flex", "default", 1.0),
        ("flex", "standard", 1.0),
        ("priority", "", 2.0),
        ("unlisted", "default", 1.0),
    ],
)
def test_what_was_served_is_booked(asked: str, served: str, factor: float) -> None:
    """The reported tier's price is booked, the dearest listed one where none or an unlisted one is reported."""
    plain = USAGE.cost_nano(BASE)
    arm = Arm(name="a", model="m", provider="openai", price=TIERED.asked(asked))
    request = HoldRequest(id="h", scopes=("e",), amount=Amount(nano_usd=10**9), purpose="general", arm="a", at=0.0)
    outcome = outcome_of(arm, Reply(usage=USAGE, service_tier=served), request, 1.0)
    assert (outcome.cost_nano, outcome.service_tier) == (plain * factor, served)


def test_a_price_without_tiers_is_booked_whatever_was_served() -> None:
    """Where no other tier has a price, the one that is known is booked."""
    assert USAGE.cost_nano(BASE, tier="priority") == USAGE.cost_nano(BASE, tier="") == USAGE.cost_nano(BASE)


def test_a_model_that_asks_for_a_tier_has_that_tiers_price() -> None:
    """The model's own setting chooses among the tiers; the others stay in the worst case."""
    prices = {"plain": TIERED, "flex": TIERED}
    pool = ModelPool(
        {
            "plain": ChatOpenAI(model="gpt-5-nano", api_key="none"),  # type: ignore[arg-type]
            "flex": ChatOpenAI(model="gpt-5-nano", api_key="none", service_tier="flex"),  # type: ignore[arg-type]
        },
        prices=prices,
    )
    plain, flex = (pool.arm(name).price for name in ("plain", "flex"))
    assert flex.cost(input_tokens=1000, output_tokens=10) * 2 == plain.cost(input_tokens=1000, output_tokens=10)
    assert flex.worst_cost(input_tokens=10, output_tokens=10) == plain.worst_cost(input_tokens=10, output_tokens=10)
    assert pool.cheapest.name == "flex"


def test_the_hold_covers_the_dearest_tier() -> None:
    """A call is held at the dearest tier it may be served in."""
    arm = Arm(name="a", model="m", provider="openai", price=TIERED)
    held = permit(a_step(), arm)
    assert held.worst_nano == 2 * BASE.worst_cost(input_tokens=held.input_bound, output_tokens=held.output_limit)


@pytest.mark.parametrize(
    ("told", "tier"),
    [
        ({}, ""),
        ({"service_tier": "flex"}, "flex"),
        ({"service_tier": None}, ""),
        ({"usage": {"service_tier": "priority"}}, "priority"),
        ({"usage": 3}, ""),
    ],
)
def test_the_served_tier_is_read_where_providers_say_it(told: dict[str, Any], tier: str) -> None:
    """OpenAI says it beside the answer, Anthropic in its usage; others say nothing."""
    assert service_tier(AIMessage("hi", response_metadata=told)) == tier


def test_a_failed_call_with_usage_is_booked_at_the_dearest_tier() -> None:
    """Nobody said in which tier a call was served that broke off, so the dearest is booked."""
    arm = Arm(name="a", model="m", provider="openai", price=TIERED)
    router = StepRouter(Pool((arm,)))
    decided = router.deliberate(a_step())
    record = record_of(decided, record_id="r", at=0.0)
    call = Call(arm=arm, output_limit=10, gated=False, record=record, usage=USAGE)
    request = HoldRequest(id="r", scopes=("e",), amount=Amount(nano_usd=10**9), purpose="general", arm="a", at=0.0)
    close = failed(record, request, call, classify_fault(TimeoutError()), 1.0)
    assert close.amount.nano_usd == 2 * USAGE.cost_nano(BASE)


def test_an_hourly_model_is_routed_and_booked() -> None:
    """An arm priced by capacity takes part like any other: its call is booked at the time its tokens take."""
    mine = Price.by_capacity(dollars_per_hour=3.6, output_tokens_per_s=50, input_tokens_per_s=1000)
    reply = Scripted(text="yes", input_tokens=1000, output_tokens=100)
    pool = ModelPool({"mine": ScriptedModel([reply])}, prices={"mine": mine})
    router = StepRouter(pool)
    with router.episode("e") as episode:
        RoutedChatModel(router).invoke([HumanMessage("?")])
        assert episode.look().spent.nano_usd == 3_000_000
