"""The measuring, and the ladder it must show."""

import io
import json

import pytest
from rich.console import Console

from langroute.lab.catalog import MODEL_NAMES
from langroute.lab.engine import Rates
from langroute.lab.intervals import normal_interval, wilson
from langroute.lab.measure import FRESH_SEED, Measurement, call_dollars, measure, run
from langroute.lab.measure_tables import print_tables
from langroute.lab.probes import auroc
from langroute.lab.runner import Call

TASKS = 300


@pytest.fixture(scope="module")
def measured() -> Measurement:
    return measure(TASKS, seed=FRESH_SEED + 500_000)


def test_the_ladder(measured: Measurement) -> None:
    """Small does at most 60%, large at least 90%, medium between; slack of 5 and 2 points for 300 tasks' noise."""
    small, medium, large = (measured.policies[f"always {name}"].success.mean for name in MODEL_NAMES)
    assert small <= 0.65
    assert large >= 0.88
    assert small < medium < large


def test_routing_pays(measured: Measurement) -> None:
    """Large for plans and retries with small for the rest comes near always-large for a fraction of its dollars."""
    large = measured.policies["always lab-large"]
    routed = measured.policies["large plans, small works, medium checks, large retries"]
    assert routed.dollars.mean < 0.4 * large.dollars.mean
    assert routed.success.mean > 0.93 * large.success.mean


def test_a_wrong_plan_is_costly(measured: Measurement) -> None:
    """Large for all but the plan loses most of what always-large reaches: plans are worth their price."""
    by_small = measured.policies["small plans, large does the rest"]
    assert by_small.success.mean < 0.8 * measured.policies["always lab-large"].success.mean


def test_shares_add_up(measured: Measurement) -> None:
    """Easy is what small does; Easy, Hard and Intractable cover every task once."""
    assert sum(measured.shares.values()) == pytest.approx(1)
    assert measured.shares["easy"] == measured.policies["always lab-small"].success.mean


def test_tables_and_json_say_the_same(measured: Measurement, capsys: pytest.CaptureFixture[str]) -> None:
    """The printed tables name every model and routing; `--json` is one object with the same measurement."""
    out = io.StringIO()
    print_tables(measured, Console(file=out, width=250))
    for name in (*MODEL_NAMES, *measured.policies, *measured.shares):
        assert name in out.getvalue()
    run(tasks=4, seed=FRESH_SEED, as_json=True)
    parsed = json.loads(capsys.readouterr().out)
    assert parsed["tasks"] == 4
    assert set(parsed["policies"]) == set(measured.policies)


def test_measuring_repeats_itself() -> None:
    """The same tasks give the same figures."""
    assert measure(3, seed=5) == measure(3, seed=5)
    with pytest.raises(ValueError, match="at least 2 tasks"):
        measure(1)


def test_wilson_interval() -> None:
    """Wilson's interval agrees with a textbook value and stays within 0 and 1."""
    interval = wilson(10, 20)
    assert (interval.low, interval.high) == (pytest.approx(0.2993, abs=1e-4), pytest.approx(0.7007, abs=1e-4))
    assert wilson(0, 5).low == 0
    assert wilson(5, 5).high == 1


def test_normal_interval() -> None:
    """A mean's interval is 1.96 standard errors to each side."""
    interval = normal_interval([1.0, 2.0, 3.0])
    assert interval.mean == 2
    assert interval.high - interval.mean == pytest.approx(1.96 / 3**0.5, abs=1e-3)


def test_auroc_counts_pairs() -> None:
    """The area is the share of right-wrong pairs in the right order, ties counting half."""
    scores, right = [0.1, 0.4, 0.4, 0.8, 0.3], [False, True, False, True, True]
    pairs = [
        (a, b) for a, r in zip(scores, right, strict=True) for b, s in zip(scores, right, strict=True) if r and not s
    ]
    expected = sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)
    assert auroc(scores, right) == pytest.approx(expected)
    assert auroc([1.0], [True]) is None


def test_call_dollars() -> None:
    """A call costs its tokens at their rates; cached prompt tokens cost the cached rate when the cache counts."""
    rates = Rates(input_per_million=4.0, output_per_million=16.0, cached_input_per_million=1.0)
    call = Call(
        step="work", model="m", attempt=1, input_tokens=50, cached_tokens=30, output_tokens=10, mean_logprob=0.0
    )
    assert call_dollars(call, rates) == pytest.approx(360e-6)
    assert call_dollars(call, rates, cached=True) == pytest.approx((20 * 4 + 30 * 1 + 160) / 1e6)
