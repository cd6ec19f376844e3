"""Dollars inside and at the edges: nothing is lost to rounding, and no call costs more than its worst case."""

import copy
import pickle
from decimal import Decimal, localcontext
from fractions import Fraction
from math import ceil, floor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langroute.errors import ConfigError
from langroute.money import Dollars, Price, cost_nano, dollars, float_dollars, format_dollars, limit_nano

amounts = st.decimals(min_value=0, max_value=4_000_000_000, allow_nan=False, allow_infinity=False, places=None)
rates = st.integers(0, 10**9).map(lambda micro: Decimal(micro).scaleb(-6))
tokens = st.integers(0, 2_000_000)


@st.composite
def prices(draw: st.DrawFn, *, tiers: bool = True) -> Price:
    """Price lists with any order of rates, and up to two tiers."""
    above = ()
    if tiers:
        thresholds = draw(st.lists(st.integers(0, 500_000), max_size=2, unique=True))
        above = tuple((threshold, draw(prices(tiers=False))) for threshold in thresholds)
    return Price(
        input_per_million=draw(rates),
        output_per_million=draw(rates),
        cached_input_per_million=draw(st.none() | rates),
        cache_write_per_million=draw(st.none() | rates),
        above=above,
    )


@given(amounts)
def test_limits_round_down_and_costs_round_up(amount: Decimal) -> None:
    """A limit never grows and a cost never shrinks, however many digits are given."""
    exact = Fraction(amount) * 10**9
    assert (limit_nano(amount), cost_nano(amount)) == (floor(exact), ceil(exact))


@given(amounts)
def test_the_programs_decimal_context_changes_nothing(amount: Decimal) -> None:
    """A program that computes with few digits still gets exact money."""
    expected = (limit_nano(amount), cost_nano(amount), dollars(123_456_789_012_345))
    with localcontext() as context:
        context.prec = 3
        assert (limit_nano(amount), cost_nano(amount), dollars(123_456_789_012_345)) == expected


@pytest.mark.parametrize(
    ("value", "nano"),
    [(0.1, 100_000_000), ("0.02", 20_000_000), (3, 3_000_000_000), (0, 0), (1e-9, 1), (0.3, 3 * 10**8)],
)
def test_what_is_written_is_what_is_meant(value: Dollars, nano: int) -> None:
    """A float means the decimal number that it prints as."""
    assert limit_nano(value) == cost_nano(value) == nano


@pytest.mark.parametrize(
    "value", [-1, -1e-12, float("nan"), float("inf"), "", "ten", True, None, [1], "1e999999", 1e300, Decimal("sNaN")]
)
def test_no_amount_of_dollars(value: Any) -> None:
    """What is negative, endless or no number is refused, and the error names the field."""
    with pytest.raises(ConfigError, match=r"^a\.field: must "):
        limit_nano(value, field="a.field")
    with pytest.raises(ConfigError, match=r"^a\.field: must "):
        cost_nano(value, field="a.field")


def test_dollars_are_exact_for_any_size() -> None:
    """Even more digits than a decimal context holds come back as they went in."""
    huge = 10**40 + 1
    assert dollars(huge) == Decimal(f"{10**31}.000000001")


@pytest.mark.parametrize("field", ["input_per_million", "output_per_million", "cached_input_per_million"])
def test_a_bad_rate_names_its_field(field: str) -> None:
    """The error of a price list says which rate is wrong."""
    given_rates: dict[str, Any] = {"input_per_million": 1, "output_per_million": 1, field: -1}
    with pytest.raises(ConfigError) as caught:
        Price(**given_rates)
    assert caught.value.field == field


@given(prices(), tokens, tokens, st.data())
def test_no_call_within_its_bounds_costs_more_than_the_worst_case(
    price: Price, bound_in: int, bound_out: int, data: st.DataObject
) -> None:
    """Whatever the cache does and whichever tier applies, the worst case covers the truth."""
    came_in = data.draw(st.integers(0, bound_in))
    read = data.draw(st.integers(0, came_in))
    written = data.draw(st.integers(0, came_in - read))
    true = price.cost(
        input_tokens=came_in,
        output_tokens=data.draw(st.integers(0, bound_out)),
        cache_read_tokens=read,
        cache_write_tokens=written,
    )
    assert true <= price.worst_cost(input_tokens=bound_in, output_tokens=bound_out)


@given(prices(), tokens, tokens, st.integers(0, 10**6), st.integers(0, 10**6))
def test_worst_cases_grow_with_their_bounds(price: Price, base_in: int, base_out: int, more: int, also: int) -> None:
    """More tokens never make the worst case smaller."""
    lower = price.worst_cost(input_tokens=base_in, output_tokens=base_out)
    assert lower <= price.worst_cost(input_tokens=base_in + more, output_tokens=base_out + also)


@given(prices(), tokens, st.integers(0, 10**13))
def test_affordable_output_is_exact(price: Price, bound_in: int, nano: int) -> None:
    """The output that fits still fits, and one token more does not."""
    most = price.affordable_output(nano=nano, input_tokens=bound_in)
    if most < 0:
        assert price.worst_cost(input_tokens=bound_in, output_tokens=0) > nano
        return
    assert price.worst_cost(input_tokens=bound_in, output_tokens=most) <= nano
    if price.worst_cost(input_tokens=bound_in, output_tokens=10**9) > price.worst_cost(
        input_tokens=bound_in, output_tokens=0
    ):
        assert price.worst_cost(input_tokens=bound_in, output_tokens=most + 1) > nano


def test_a_free_model_fits_into_nothing() -> None:
    """Zero prices cost nothing and any output is affordable with no money at all."""
    free = Price(input_per_million=0, output_per_million=0)
    assert free.worst_cost(input_tokens=10**12, output_tokens=10**12) == 0
    assert free.affordable_output(nano=0, input_tokens=10**12) >= 10**9


def test_a_tier_holds_for_the_whole_call_once_it_is_passed() -> None:
    """At the threshold the base rates hold; one token later the tier's hold for every token."""
    price = Price(
        input_per_million=1, output_per_million=2, above=[(100, Price(input_per_million=10, output_per_million=20))]
    )
    assert price.cost(input_tokens=100, output_tokens=10) == 100 * 1000 + 10 * 2000
    assert price.cost(input_tokens=101, output_tokens=10) == 101 * 10_000 + 10 * 20_000


def test_each_part_of_the_input_has_its_rate() -> None:
    """Plain input, cache reads, cache writes and output are each billed at their own rate."""
    price = Price(
        input_per_million=3, output_per_million=15, cached_input_per_million="0.3", cache_write_per_million="3.75"
    )
    billed = price.cost(input_tokens=1000, output_tokens=10, cache_read_tokens=600, cache_write_tokens=300)
    assert billed == 100 * 3000 + 600 * 300 + 300 * 3750 + 10 * 15_000


def test_cost_rounds_up_once_after_summing() -> None:
    """Three parts of a third of a nano-dollar are one nano-dollar, not three."""
    price = Price(input_per_million="0.0003", output_per_million="0.0003", cached_input_per_million="0.0003")
    assert price.cost(input_tokens=2, output_tokens=1, cache_read_tokens=1) == 1


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_huge_numbers_stay_exact(scale: int, extra: int) -> None:
    """Beyond what floats and 64 bits hold, sums are still exact."""
    price = Price(input_per_million=1_000_000, output_per_million=0)
    count = scale * 10**20 + extra
    assert price.cost(input_tokens=count, output_tokens=0) == count * 10**9


def test_prices_survive_copies() -> None:
    """Pickled and copied price lists are equal to the first."""
    price = Price(
        input_per_million=1, output_per_million=2, above=[(5, Price(input_per_million=3, output_per_million=4))]
    )
    assert pickle.loads(pickle.dumps(price)) == copy.deepcopy(price) == price


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "$0.00"),
        (1, "$0.000000001"),
        (123_456, "$0.000123"),
        (80_000_000, "$0.08"),
        (12_346_000_000, "$12.35"),
        (-80_000_000, "-$0.08"),
        (10**18, "$1000000000.00"),
    ],
)
def test_dollars_for_people(nano: int, text: str) -> None:
    """Two decimals at least, three significant digits for small amounts."""
    assert format_dollars(nano) == text


nanos = st.integers(-(10**18), 10**18) | st.builds(
    lambda head, zeros: (head * 10 + 5) * 10**zeros, tokens, tokens.map(lambda n: n % 12)
)


@given(nanos)
def test_shown_and_logged_dollars_are_those_of_decimal(nano: int) -> None:
    """Integers are turned into text and floats without decimal, and not a digit is different for it."""
    exact = abs(dollars(nano))
    places = min(9, max(2, 2 - exact.adjusted())) if nano else 2
    shown = format_dollars(nano)
    assert Decimal(shown.replace("$", "")) == Decimal(f"{dollars(nano):.{places}f}")
    assert float_dollars(nano) == float(dollars(nano))
