"""Target: one wish at most, in plain numbers, and what it does to the price of a dollar."""

from typing import Any

import pytest
from fakes import TWO, a_step

from langroute.config import RouterConfig
from langroute.errors import ConfigError
from langroute.governor import BudgetGovernor
from langroute.records import BudgetView, Estimate
from langroute.target import Target

ESTIMATES = tuple(
    Estimate(arm=arm.name, success=0.5, cost_nano=cost, output_tokens=10)
    for arm, cost in zip(TWO, (1_000, 9_000), strict=True)
)


@pytest.mark.parametrize(
    ("target", "field"),
    [
        ({"quality": 0.97, "price_of_a_dollar": 1.0}, "router.target"),
        ({"quality": 0.0}, "router.target.quality"),
        ({"dollars_per_episode": "0.02"}, "router.target.dollars_per_episode"),
        ({"price_of_a_dollar": -1}, "router.target.price_of_a_dollar"),
        ({"price_of_a_dollar": float("inf")}, "router.target.price_of_a_dollar"),
        ({"price": 1}, "router.target.price"),
    ],
)
def test_an_impossible_target_is_refused(target: dict[str, Any], field: str) -> None:
    """Two wishes, text, and numbers out of range are refused under the name of the field."""
    with pytest.raises(ConfigError) as caught:
        RouterConfig(target=target)
    assert caught.value.field == field


def test_what_was_said_is_told() -> None:
    """A target knows which wish it holds."""
    assert Target().said == ()
    assert Target(quality=0.9).said == ("quality",)


def test_a_given_price_of_a_dollar_does_not_depend_on_the_ladder() -> None:
    """Where the price is given, thrift and the spread of the pool's prices do not matter, and the log says why."""
    governor = BudgetGovernor(thrift=0.5, price_of_dollar=20.0, priced_because="quality target 0.97")
    ruling = governor.rule(a_step(), TWO, ESTIMATES)
    assert ruling.price_of_dollar == ruling.calm_price == 20.0
    assert ruling.reason == "one more success may cost $0.05 (quality target 0.97)"
    dearer = governor.rule(a_step(), TWO, ESTIMATES[:1] * 2)
    assert dearer.price_of_dollar == 20.0


def test_scarcity_raises_a_given_price_too() -> None:
    """With a tenth of the budget left, a dollar must buy four times as much, and not a given price of nothing."""
    low = BudgetView(scope="episode:e", limit_nano=1_000_000, spent_nano=900_000, available_nano=100_000)
    ruling = BudgetGovernor(price_of_dollar=20.0).rule(a_step(budget=low), TWO, ESTIMATES)
    assert (ruling.price_of_dollar, ruling.calm_price) == (80.0, 20.0)
    assert ruling.reason.startswith("one more success may cost $0.0125, a dollar being 4.0 times as dear as usual")
    assert BudgetGovernor(price_of_dollar=0.0).rule(a_step(budget=low), TWO, ESTIMATES).price_of_dollar == 0.0


@pytest.mark.parametrize("price", [-0.1, float("nan"), float("inf")])
def test_an_impossible_price_is_refused(price: float) -> None:
    """The governor refuses a price that no choice could be made by."""
    with pytest.raises(ConfigError, match="price_of_a_dollar"):
        BudgetGovernor(price_of_dollar=price)
