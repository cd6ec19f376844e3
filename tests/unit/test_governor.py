"""BudgetGovernor: the mask never lets through what does not fit, and the price of a dollar has no unit."""

from dataclasses import replace
from typing import Any

import pytest
from fakes import TWO, a_step, ladder
from hypothesis import given
from hypothesis import strategies as st

from langroute.books import Amount, Balance, Limits, Purpose
from langroute.deliberation import view_of
from langroute.errors import ConfigError
from langroute.estimators.prior import KindPrior, PriorEstimator
from langroute.governor import BudgetGovernor, scarcity
from langroute.money import Price
from langroute.permits import permit, permits
from langroute.policies.frontier import FrontierPolicy
from langroute.records import KINDS, Arm, BudgetView, CacheView, Estimate, Kind, Pressure, Rejection, Step
from langroute.testing.situations import situations

PURPOSES: tuple[Purpose, ...] = ("general", "final_synthesis", "verification", "human_handoff")
SMALL, LARGE = TWO


def _view(**fields: Any) -> BudgetView:
    return BudgetView(scope="episode:e", **fields)


@st.composite
def _arms(draw: st.DrawFn) -> Arm:
    floor = draw(st.integers(1, 50))
    return Arm(
        name="arm",
        model="m",
        provider="p",
        price=Price(
            input_per_million=draw(st.integers(0, 100)),
            output_per_million=draw(st.integers(0, 400)),
            cache_write_per_million=draw(st.none() | st.integers(0, 150)),
        ),
        min_output_tokens=floor,
        max_output_tokens=draw(st.none() | st.integers(1, 5000)),
    )


@st.composite
def _balances(draw: st.DrawFn) -> Balance:
    total = draw(st.integers(0, 2 * 10**8))
    parts = [draw(st.integers(0, total // 3)) for _ in range(3)]
    tokens = st.none() | st.integers(0, 10_000)
    counts = st.integers(0, 5_000)
    return Balance(
        scope="episode:e",
        limits=Limits(
            nano_usd=total,
            input_tokens=draw(tokens),
            output_tokens=draw(tokens),
            retries=draw(st.none() | st.integers(0, 3)),
            reserves=tuple(zip(PURPOSES[1:], parts, strict=True)),
        ),
        spent=Amount(nano_usd=draw(st.integers(0, total)), input_tokens=draw(counts), output_tokens=draw(counts)),
        used_nano=((draw(st.sampled_from(PURPOSES)), draw(st.integers(0, total))),),
    )


@given(_arms(), _balances(), st.sampled_from(PURPOSES), st.integers(0, 20_000), st.integers(1, 8_000), st.booleans())
def test_a_permitted_call_fits_into_every_part_of_the_budget(
    arm: Arm, balance: Balance, purpose: Purpose, bound: int, cap: int, retry: bool
) -> None:
    """Whatever the step, the arm and the books are: what is permitted fits, and its output limit is worth while."""
    step = a_step(
        purpose=purpose, input_bound=bound, input_tokens=0, output_cap=cap, pressure=Pressure(retries=int(retry))
    )
    step = replace(step, budget=view_of((balance,), step, max_seconds=None, now=0.0))
    told, view = permit(step, arm), step.budget
    if not told.allowed:
        assert told.why_not
        return
    assert view.available_nano is not None
    assert told.worst_nano <= view.available_nano
    assert told.worst_nano == arm.price.worst_cost(input_tokens=told.input_bound, output_tokens=told.output_limit)
    assert arm.min_output_tokens <= told.output_limit <= cap
    assert view.input_tokens_left is None or told.input_bound <= view.input_tokens_left
    assert view.output_tokens_left is None or told.output_limit <= view.output_tokens_left
    assert not retry or view.retries_left != 0


@given(_arms(), _balances(), st.sampled_from(PURPOSES))
def test_reserves_open_for_their_purpose_only(arm: Arm, balance: Balance, purpose: Purpose) -> None:
    """What a permitted call may cost leaves every other purpose's reserve untouched."""
    step = a_step(purpose=purpose)
    step = replace(step, budget=view_of((balance,), step, max_seconds=None, now=0.0))
    others = sum(balance.reserve_left(name) for name in PURPOSES[1:] if name != purpose)
    left = (balance.limits.nano_usd or 0) - balance.used.nano_usd
    told = permit(step, arm)
    assert not told.allowed or told.worst_nano == 0 or told.worst_nano <= left - others


@pytest.mark.parametrize(
    ("step", "arm", "said", "short_of"),
    [
        ({"rejected": (Rejection(arm="small", reason="invalid_tool_call"),)}, {}, "tried in this step: inv", None),
        ({"pinned": "large"}, {}, "pinned to large", None),
        ({"needs_tools": True}, {"calls_tools": False}, "cannot call tools", None),
        ({"needs_structure": True}, {"structured_output": False}, "cannot return structured output", None),
        ({"needs_media": ("audio", "image")}, {"modalities": ("image",)}, "cannot take audio input", None),
        ({"needs_media": ("file", "image")}, {"modalities": ()}, "cannot take file or image input", None),
        ({"input_tokens": 4000}, {"context_window": 4000}, "do not fit its window of 4000", None),
        ({"output_cap": 10}, {"min_output_tokens": 16}, "less than 16 output tokens, and 10 may", None),
        ({"output_cap": 0}, {}, "less than 1 output tokens, and 0 may", None),
        ({}, {"min_output_tokens": 16, "max_output_tokens": 8}, "less than 16 output tokens, and 8 may", None),
        ({"budget": _view(seconds_left=0.0)}, {}, "time of the episode is up", "seconds"),
        ({"budget": _view(retries_left=0), "pressure": Pressure(retries=1)}, {}, "no retries are left", "retries"),
        ({"budget": _view(input_tokens_left=799)}, {}, "may take 800 input tokens, 799 are left", "input_tokens"),
        (
            {"budget": _view(output_tokens_left=15)},
            {"min_output_tokens": 16},
            "needs 16 output tokens, 15 are left",
            "output_tokens",
        ),
        (
            {"budget": _view(limit_nano=1, available_nano=1)},
            {},
            "its smallest worthwhile call may cost $0.00004",
            "dollars",
        ),
    ],
)
def test_every_refusal_says_why(step: dict[str, Any], arm: dict[str, Any], said: str, short_of: str | None) -> None:
    """An arm that may not be called has the reason, and the resource that ran short if it is one of the budget."""
    told = permit(a_step(**step), replace(SMALL, **arm))
    assert not told.allowed
    assert said in told.why_not
    assert told.short_of == short_of


def test_the_smallest_of_all_limits_is_what_may_be_asked_for() -> None:
    """Step, arm, tokens left and money left each lower the output limit."""
    assert permit(a_step(output_cap=90), SMALL).output_limit == 90
    assert permit(a_step(), replace(SMALL, max_output_tokens=80)).output_limit == 80
    assert permit(a_step(budget=_view(output_tokens_left=70)), SMALL).output_limit == 70
    worst = SMALL.price.worst_cost(input_tokens=800, output_tokens=60)
    assert permit(a_step(budget=_view(limit_nano=worst, available_nano=worst)), SMALL).output_limit == 60


def test_without_a_retry_the_last_retry_is_not_needed() -> None:
    """A first attempt is admitted when no retries are left."""
    assert permit(a_step(budget=_view(retries_left=0)), SMALL).allowed


def test_an_arms_own_bound_holds_for_that_arm_only() -> None:
    """A tighter bound from an arm's tokenizer lowers its worst case, not the others'."""
    step = a_step(arm_bounds=(("small", 10),))
    assert permit(step, SMALL).input_bound == 10
    assert permit(step, LARGE).input_bound == 800


@pytest.mark.parametrize(
    ("fields", "times"),
    [
        ({}, 1.0),
        ({"limit_nano": 100, "available_nano": 100}, 1.0),
        ({"limit_nano": 100, "available_nano": 50, "spent_nano": 50}, 1.0),
        ({"limit_nano": 100, "available_nano": 25, "spent_nano": 50, "held_nano": 25}, 2.0),
        ({"limit_nano": 100, "available_nano": 1, "spent_nano": 99}, 4.0),
        ({"limit_nano": 100, "available_nano": 0, "spent_nano": 100}, 4.0),
        ({"limit_nano": 0, "available_nano": 0}, 1.0),
    ],
)
def test_a_dollar_gets_dearer_as_the_budget_runs_low(fields: dict[str, int], times: float) -> None:
    """Half of the budget is calm; less makes a dollar dearer, up to fourfold."""
    assert scarcity(a_step(budget=_view(**fields))) == times


def test_a_large_reserve_is_no_scarcity() -> None:
    """A fresh budget of which most is reserved does not run low: nothing of the rest was spent."""
    fresh = _view(limit_nano=100, available_nano=30, reserves=(("final_synthesis", 70),))
    assert scarcity(a_step(budget=fresh)) == 1.0


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**6)), min_size=1, max_size=5),
    st.integers(2, 10**6),
    st.sampled_from((0.0, 0.05, 0.12, 1.0)),
)
def test_the_price_of_a_dollar_has_no_scale(rows: list[tuple[int, int]], factor: int, thrift: float) -> None:
    """Every price multiplied by the same number leaves every utility, and so every choice, as it was."""
    arms = ladder(*(f"arm{place}" for place in range(len(rows))))
    governor, policy, step = BudgetGovernor(thrift=thrift), FrontierPolicy(), a_step()

    def utilities(times: int) -> list[float]:
        estimates = [
            Estimate(arm=arm.name, success=success / 10**6, cost_nano=cost * times, output_tokens=1)
            for arm, (success, cost) in zip(arms, rows, strict=True)
        ]
        told = policy.choose(step, estimates, governor.rule(step, arms, estimates))
        return [alternative.utility for alternative in told.alternatives]

    assert utilities(factor) == pytest.approx(utilities(1), abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factor", [1e-3, 1e3, 1e6])
def test_prices_in_any_currency_lead_to_the_same_arm(kind: str, factor: float) -> None:
    """A pool a thousand times dearer or cheaper makes the same choices."""

    def chosen(scale: float) -> str | None:
        arms = tuple(
            replace(arm, price=Price(input_per_million=scale * 10**place, output_per_million=scale * 10 ** (place + 1)))
            for place, arm in enumerate(ladder("small", "medium", "large"))
        )
        step: Step = a_step(kind=kind, input_tokens=100_000)
        estimates = PriorEstimator().estimate(step, arms)
        return FrontierPolicy().choose(step, estimates, BudgetGovernor().rule(step, arms, estimates)).arm

    assert chosen(factor) == chosen(1.0)


def test_equal_prices_make_a_dollar_worth_nothing() -> None:
    """Where no arm is cheaper, only success counts."""
    arms = (SMALL, replace(SMALL, name="other"))
    step = a_step()
    ruling = BudgetGovernor().rule(step, arms, PriorEstimator().estimate(step, arms))
    assert (ruling.price_of_dollar, ruling.reason) == (0.0, "all arms cost the same here")


@pytest.mark.parametrize("thrift", [-0.1, 1.1, float("nan")])
def test_thrift_is_a_share(thrift: float) -> None:
    """A thrift outside [0, 1] is refused by name."""
    with pytest.raises(ConfigError, match=r"^thrift: must be between 0"):
        BudgetGovernor(thrift=thrift)


def test_a_glance_permits_what_a_close_look_permits() -> None:
    """The mask of all arms at once is that of each arm by itself, in thousands of situations."""
    glanced = 0
    for drawn in situations(rounds=3_000, seed=7):
        for lower, least in ((True, 1), (True, 64), (False, 1)):
            told = permits(drawn.step, drawn.arms, lower_output=lower, least_output_tokens=least)
            close = [permit(drawn.step, arm, lower_output=lower, least_output_tokens=least) for arm in drawn.arms]
            assert told == tuple(close)
            glanced += sum(seen.allowed and seen.output_limit == drawn.step.output_cap for seen in told)
    assert glanced > 1_000


@given(
    shares=st.tuples(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100)),
    ratio=st.sampled_from((1.0, 1.3, 5.0, 40.0)),
)
def test_a_warm_cache_never_makes_a_dollar_cheaper(shares: tuple[int, int, int], ratio: float) -> None:
    """Whatever is in the caches, lambda is at least what it is without them: a discount is no reason to spend more."""
    arms = [_discounted(arm) for arm in ladder("small", "medium", "large", ratio=ratio)]
    plain = a_step(input_tokens=10_000, input_bound=20_000)
    views = tuple(
        CacheView(arm=arm.name, read_tokens=100 * share) for arm, share in zip(arms, shares, strict=True) if share
    )
    warm = replace(plain, caches=views)
    lambdas = [BudgetGovernor().rule(one, arms, PriorEstimator().estimate(one, arms)) for one in (plain, warm)]
    assert lambdas[1].price_of_dollar >= lambdas[0].price_of_dollar or lambdas[1].price_of_dollar == 0
    assert lambdas[1].permits == lambdas[0].permits


@given(share=st.integers(0, 100), ratio=st.sampled_from((1.01, 1.3, 5.0, 40.0)), kind=st.sampled_from(KINDS))
def test_of_two_arms_the_warm_one_is_only_kept_if_it_is_cheaper(share: int, ratio: float, kind: Kind) -> None:
    """With two arms a warm dear one takes a step from a cold cheap one only where it costs less than that."""
    arms = [_discounted(arm) for arm in ladder("small", "large", ratio=ratio)]
    plain = a_step(kind=kind, input_tokens=10_000, input_bound=20_000)
    warm = replace(plain, caches=(CacheView(arm="large", read_tokens=100 * share),))
    chosen = []
    for step in (plain, warm):
        estimates = PriorEstimator().estimate(step, arms)
        chosen.append(FrontierPolicy().choose(step, estimates, BudgetGovernor().rule(step, arms, estimates)))
    costs = {seen.arm: seen.cost_nano for seen in chosen[1].alternatives}
    assert chosen[1].arm == chosen[0].arm or costs["large"] <= costs["small"]


def test_leaving_a_warm_arm_has_to_be_worth_it() -> None:
    """A better arm that would take the step from a cold rival does not take it from a warm one."""
    arms = [_discounted(arm) for arm in ladder("small", "large", ratio=2.0)]
    estimator = PriorEstimator({"execution": KindPrior(weakest=0.80, strongest=0.95, output_tokens=100)})
    plain = a_step(input_tokens=10_000, input_bound=20_000)
    warm = replace(plain, caches=(CacheView(arm="small", read_tokens=9_900),))
    chosen = []
    for step in (plain, warm):
        estimates = estimator.estimate(step, arms)
        chosen.append(FrontierPolicy().choose(step, estimates, BudgetGovernor().rule(step, arms, estimates)).arm)
    assert chosen == ["large", "small"]


def _discounted(arm: Arm) -> Arm:
    rates = arm.price.rates
    return replace(arm, price=Price.from_rates(replace(rates, cache_read=rates.input // 10)))
