"""The meter is a witness: its arithmetic is exact, its own, and nothing it counted gets lost."""

import threading
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langroute.lab.meter import Meter, MeterTotal, Rate, exact_rate, metered_cost
from langroute.money import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Dollars per million tokens."""

    input_per_million: Rate = 0.1
    output_per_million: Rate = 0.4
    cached_input_per_million: Rate = 0.025


def test_a_binary_float_is_read_as_the_decimal_it_was_written_as() -> None:
    """0.1 dollars is a tenth of a dollar, not the binary number next to it."""
    assert exact_rate(0.1) == Fraction(1, 10)
    assert exact_rate(Decimal("0.0137")) == Fraction(137, 10_000)
    assert exact_rate(3) == 3


def test_a_request_costs_what_its_tokens_cost_rounded_up_once() -> None:
    """Cached tokens cost the cached rate, and the sum, not each part, is rounded up to a nano-dollar."""
    rates = Rates(input_per_million=0.0001, output_per_million=0.0004, cached_input_per_million=0.00005)
    # 3 plain at 0.1, 2 cached at 0.05 and 1 output token at 0.4 nano-dollars are 0.8: one nano-dollar.
    assert metered_cost(rates, prompt_tokens=5, cached_tokens=2, completion_tokens=1) == 1
    assert metered_cost(Rates(), prompt_tokens=1000, cached_tokens=0, completion_tokens=10) == 104_000
    assert metered_cost(Rates(), prompt_tokens=1000, cached_tokens=1000, completion_tokens=0) == 25_000
    assert metered_cost(Rates(), prompt_tokens=0, cached_tokens=0, completion_tokens=0) == 0


@given(
    rates=st.tuples(*[st.integers(0, 10**9)] * 3),
    plain=st.integers(0, 10**6),
    cached=st.integers(0, 10**6),
    out=st.integers(0, 10**6),
)
def test_meter_and_price_agree_to_the_nano_dollar(
    rates: tuple[int, int, int], plain: int, cached: int, out: int
) -> None:
    """Two arithmetics that share no code say the same, for every rate of up to six decimals."""
    told = [Decimal(rate).scaleb(-6) for rate in rates]
    published = Rates(input_per_million=told[0], output_per_million=told[1], cached_input_per_million=told[2])
    price = Price(input_per_million=told[0], output_per_million=told[1], cached_input_per_million=told[2])
    metered = metered_cost(published, prompt_tokens=plain + cached, cached_tokens=cached, completion_tokens=out)
    assert metered == price.cost(input_tokens=plain + cached, output_tokens=out, cache_read_tokens=cached)


@pytest.mark.parametrize(("prompt", "cached", "out"), [(1, 2, 0), (1, -1, 0), (1, 0, -1)])
def test_usage_that_cannot_be_is_refused(prompt: int, cached: int, out: int) -> None:
    """More cached than prompt tokens, or fewer than none, is an error and leaves no row."""
    meter = Meter()
    with pytest.raises(ValueError, match="no such usage"):
        meter.record(
            id="a", model="m", rates=Rates(), prompt_tokens=prompt, cached_tokens=cached, completion_tokens=out
        )
    assert meter.rows() == ()


def _record(meter: Meter, name: str, *, model: str = "m", cut: bool = False) -> None:
    meter.record(
        id=name,
        model=model,
        rates=Rates(),
        prompt_tokens=10,
        cached_tokens=4,
        completion_tokens=2,
        cut=cut,
        streamed=cut,
    )


def test_totals_are_the_sums_of_the_rows() -> None:
    """Per model and in all, totals add up; a cut request counts like any other and is marked."""
    meter = Meter()
    _record(meter, "1")
    _record(meter, "2", cut=True)
    _record(meter, "3", model="n")
    # 6 * 100 + 4 * 25 + 2 * 400 nano-dollars each
    assert [row.nano_dollars for row in meter.rows()] == [1500] * 3
    two = MeterTotal(requests=2, prompt_tokens=20, cached_tokens=8, completion_tokens=4, nano_dollars=3000, cut=1)
    assert meter.total("m") == meter.by_model()["m"] == two
    assert meter.total().nano_dollars == 4500
    assert meter.total("unheard of") == MeterTotal()
    told = meter.as_json()
    assert told["total"] == {
        "requests": 3, "prompt_tokens": 30, "cached_tokens": 12, "completion_tokens": 6, "nano_dollars": 4500, "cut": 1,
    }  # fmt: skip


def test_reset_hands_over_what_it_forgets() -> None:
    """A reset returns all rows and the meter counts from zero."""
    meter = Meter()
    _record(meter, "1")
    assert [row.id for row in meter.reset()] == ["1"]
    assert meter.rows() == ()
    assert meter.total() == MeterTotal()


def test_no_row_is_lost_when_threads_record_and_reset_at_once() -> None:
    """Rows handed over by resets, and those left, are together all that were recorded, each once."""
    meter, taken = Meter(), []
    start = threading.Barrier(9)

    def work(number: int) -> None:
        start.wait()
        for place in range(200):
            _record(meter, f"{number}-{place}")

    def sweep() -> None:
        start.wait()
        for _ in range(50):
            taken.extend(meter.reset())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)] + [threading.Thread(target=sweep)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [row.id for row in (*taken, *meter.rows())]
    assert len(ids) == 1600
    assert len(set(ids)) == 1600
