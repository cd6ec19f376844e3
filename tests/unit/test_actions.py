"""What the governor does beside choosing an arm: each action when it is due, not otherwise, and as configured."""

from dataclasses import replace
from typing import Any

import pytest
from fakes import TWO, Pool, a_step, ladder
from hypothesis import given
from hypothesis import strategies as st

from langroute.actions import Actions
from langroute.books import Amount, Balance, Limits
from langroute.closing import CLOSING_TOKENS, closing_step, left_for_closing
from langroute.config import RouterConfig
from langroute.deliberation import Deliberation, could_wait, refusal, view_of
from langroute.errors import ConfigError, NoArmAvailable, StepNotWorthwhile
from langroute.governor import pace
from langroute.records import BudgetView, Pressure, Step
from langroute.router import StepRouter

DOLLAR = 1_000_000_000


def thought(step: Step, *, arms: Any = TWO, **actions: Any) -> Deliberation:
    """What a router with these actions thinks of a step."""
    return StepRouter(Pool(arms), config=RouterConfig(actions=Actions(**actions))).deliberate(step)


def view(*, limit: int, spent: int = 0, **fields: Any) -> BudgetView:
    """A budget of which this much is spent; nothing is kept unless said."""
    kept = sum(nano for _, nano in fields.get("reserves", ()))
    available = max(0, limit - spent - fields.get("held_nano", 0) - kept)
    return BudgetView(scope="episode:e", limit_nano=limit, spent_nano=spent, **{"available_nano": available, **fields})


# -- downgrade -----------------------------------------------------------------------------------------------------


def test_money_spent_ahead_of_plan_lowers_the_tier_and_says_so() -> None:
    """Four fifths of the money gone after a tenth of the planned calls: a cheaper arm than otherwise, with a reason."""
    step = a_step(kind="control", call_index=0, budget=view(limit=DOLLAR, spent=DOLLAR // 5 * 2))
    calm, ahead = thought(step), thought(step, planned_calls=10)
    assert (calm.decision.arm, ahead.decision.arm) == ("large", "small")
    (measure,) = ahead.measures
    assert measure.action == "downgrade"
    assert "small instead of large" in measure.reason
    assert "faster than planned" in measure.reason
    assert not calm.measures


def test_a_downgrade_can_be_switched_off() -> None:
    """Then a dollar is worth the same, however little is left."""
    step = a_step(kind="control", call_index=0, budget=view(limit=DOLLAR, spent=DOLLAR // 5 * 4))
    off = thought(step, planned_calls=10, downgrade=False)
    assert off.ruling.price_of_dollar == off.ruling.calm_price
    assert (off.decision.arm, off.measures) == ("large", ())


@given(st.integers(0, DOLLAR), st.integers(0, 100), st.none() | st.integers(1, 50))
def test_the_pace_stays_between_one_and_four(spent: int, call_index: int, planned: int | None) -> None:
    """Whatever is spent and planned; and it is one as long as money keeps to the plan."""
    step = a_step(call_index=call_index, budget=view(limit=DOLLAR, spent=spent))
    assert 1.0 <= pace(step, planned) <= 4.0
    if planned is None or spent * planned <= DOLLAR * min(planned, call_index + 1):
        assert pace(step, planned) == 1.0


# -- lower the output limit ------------------------------------------------------------------------------------------


def test_a_lowered_output_limit_is_told() -> None:
    """Where only part of the usual output fits, the call is made with less, and the reason says how much less."""
    small = TWO[0]
    room = small.price.worst_cost(input_tokens=800, output_tokens=300)
    told = thought(a_step(budget=view(limit=10 * DOLLAR, spent=10 * DOLLAR - room)))
    assert told.decision.arm == "small"
    assert told.decision.output_limit == 300
    assert [(measure.action, "300 instead of 1000" in measure.reason) for measure in told.measures] == [
        ("lower_output", True)
    ]


def test_an_output_limit_that_may_not_be_lowered_rules_the_arm_out() -> None:
    """Then the usual call has to fit, or the arm is masked with the reason."""
    small = TWO[0]
    room = small.price.worst_cost(input_tokens=800, output_tokens=300)
    told = thought(a_step(budget=view(limit=10 * DOLLAR, spent=10 * DOLLAR - room)), lower_output=False)
    assert told.decision.arm is None
    assert {permit.short_of for permit in told.ruling.permits} == {"dollars"}
    assert "its usual call may cost" in told.ruling.permits[0].why_not


def test_a_limit_of_a_few_tokens_is_not_worth_calling_for() -> None:
    """What fits only at a handful of tokens is ruled out: an answer cut after a word is paid for and worth nothing."""
    small = TWO[0]
    room = small.price.worst_cost(input_tokens=800, output_tokens=15)
    step = a_step(budget=view(limit=10 * DOLLAR, spent=10 * DOLLAR - room))
    assert thought(step).decision.arm is None
    assert "smallest worthwhile call" in thought(step).ruling.permits[0].why_not
    assert thought(step, least_output_tokens=1).decision.output_limit == 15
    assert thought(replace(step, output_cap=20)).decision.output_limit == 15, "a quarter of a short limit will do"


# -- compress --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "due"),
    [
        (a_step(pressure=Pressure(context_share=0.85)), True),
        (a_step(pressure=Pressure(context_share=0.75)), False),
        (a_step(call_index=3, budget=view(limit=300_000)), True),
        (a_step(call_index=0, budget=view(limit=300_000)), False),
        (a_step(call_index=3, budget=view(limit=DOLLAR)), False),
        (a_step(), False),
    ],
    ids=["window fills", "window has room", "dear input", "first call", "cheap input", "no limit"],
)
def test_a_prompt_is_to_be_shortened_when_it_fills_the_window_or_the_budget(step: Step, due: bool) -> None:
    """The reason says which; switched off, never."""
    assert bool(thought(step).ruling.compress) == due
    assert thought(step, compress_at=None, compress_cost_share=None).ruling.compress == ""


# -- finish ----------------------------------------------------------------------------------------------------------


def _loop(**fields: Any) -> Step:
    return a_step(**{"loops": True, "needs_tools": True, "call_index": 4, **fields})


def _room(rounds: float) -> int:
    """Nano-dollars for that many of the cheapest closing calls."""
    return round(rounds * TWO[0].price.worst_cost(input_tokens=960, output_tokens=512))


def test_what_carries_no_other_round_makes_this_call_the_last() -> None:
    """It is decided again without tools, on the final reserve too, and says why."""
    reserve = _room(1)
    step = _loop(budget=view(limit=DOLLAR, spent=DOLLAR - reserve - 1000, reserves=(("final_synthesis", reserve),)))
    told = thought(step)
    assert told.step.closing
    assert (told.step.needs_tools, told.step.purpose) == (False, "final_synthesis")
    assert told.decision.arm == "small"
    assert told.measures[0].action == "finish"
    assert told.step.input_bound == step.input_bound + CLOSING_TOKENS


@pytest.mark.parametrize(
    "step",
    [
        _loop(budget=view(limit=DOLLAR)),
        _loop(budget=BudgetView(scope="episode:e")),
        _loop(loops=False, budget=view(limit=_room(1))),
        _loop(needs_tools=False, budget=view(limit=_room(1))),
    ],
    ids=["enough left", "no limit", "no loop", "no tools"],
)
def test_a_call_is_not_the_last_without_need(step: Step) -> None:
    """Money for another round, no limit at all, or no loop that tools would keep alive."""
    assert not thought(step).step.closing


def test_no_arm_leaves_too_little_for_the_last_call() -> None:
    """Where a dear arm's round would leave nothing to answer with, and a cheap one's would, the dear arm is barred."""
    small, _ = TWO
    step = _loop(kind="control", call_index=0, budget=view(limit=DOLLAR))
    free = thought(step)
    needed = small.price.worst_cost(input_tokens=2 * step.input_bound, output_tokens=Actions().closing_output_tokens)
    assert free.decision.arm == "large"
    for left, arms in ((free.decision.cost_nano + needed, 2), (free.decision.cost_nano + needed - 1, 1)):
        told = thought(replace(step, budget=view(limit=left)))
        assert not told.step.closing
        assert sum(seen.allowed for seen in told.ruling.permits) == arms
        if arms == 1:
            assert told.decision.arm == "small"
            assert "the next may need" in told.ruling.permits[1].why_not


def test_finishing_can_be_switched_off() -> None:
    """Then the loop runs until a call is refused."""
    assert thought(_loop(budget=view(limit=_room(1)))).step.closing
    assert not thought(_loop(budget=view(limit=_room(1))), finish=False).step.closing


def test_a_loop_that_nothing_fits_for_still_closes_on_its_reserve() -> None:
    """No call with tools fits, but the reserve carries an answer."""
    reserve = _room(1.5)
    told = thought(_loop(budget=view(limit=reserve, reserves=(("final_synthesis", reserve),))))
    assert told.step.closing
    assert told.decision.arm is not None
    assert "no call with tools fits" in told.measures[0].reason


def test_a_minimum_tier_counts_when_a_loop_is_to_be_closed() -> None:
    """The cheap arm may not be taken, so that its next round would be affordable keeps no loop going."""
    step = _loop(budget=view(limit=_room(2)))
    assert not thought(step).step.closing
    floor = RouterConfig(tiers={"execution": {"minimum": "large"}})
    told = StepRouter(Pool(TWO), config=floor).deliberate(step)
    assert told.ruling.closing or told.step.closing
    assert told.decision.arm in (None, "large")


def test_a_loop_short_of_more_than_money_is_not_closed() -> None:
    """What lacks is not money, so the reserve would not help: the refusal names what lacks."""
    step = _loop(budget=view(limit=DOLLAR, retries_left=0, retries_limit=1), attempt=1)
    told = thought(step)
    assert not told.step.closing
    assert told.decision.arm is None


def test_a_closing_call_waits_for_what_others_hold() -> None:
    """Money that calls under way hold may come back: then the loop need not end."""
    held = thought(_loop(budget=view(limit=2 * _room(1), held_nano=_room(1.5))))
    assert held.step.closing
    assert could_wait(held)


@given(
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.integers(0, 300),
    st.integers(0, 300),
    st.integers(0, 300),
    st.integers(0, 1000),
)
def test_a_last_call_has_exactly_what_its_purpose_may_set_aside(
    spent: int, held: int, final: int, checks: int, spent_on_final: int, limit: int
) -> None:
    """The view of a closing step says what the books would say to a final synthesis, reserves of others excluded."""
    kept = min(limit, final + checks)
    final = min(final, kept)
    balance = Balance(
        scope="episode:e",
        limits=Limits(nano_usd=limit, reserves=(("final_synthesis", final), ("verification", kept - final))),
        spent=Amount(nano_usd=spent),
        held=Amount(nano_usd=held),
        used_nano=(("final_synthesis", min(spent_on_final, spent)),),
    )
    step = a_step()
    step = replace(step, budget=view_of((balance,), step, max_seconds=None, now=0.0))
    assert closing_step(step).budget.available_nano == left_for_closing(step)
    assert (left_for_closing(step) or 0) <= (balance.available_nano("final_synthesis") or 0)
    if spent + held <= limit - final - (kept - final):
        assert left_for_closing(step) == balance.available_nano("final_synthesis")


# -- the empty arm ---------------------------------------------------------------------------------------------------


def test_a_step_worth_less_than_any_arm_is_not_taken() -> None:
    """With a success worth a thousandth of what the cheapest arm costs, stopping is best, and the error says why."""
    step = a_step(input_tokens=100_000, input_bound=100_000)
    told = thought(step, value_of_success=1e-6)
    assert told.decision.arm is None
    assert all("is worth" in seen.why_not for seen in told.decision.alternatives)
    error = refusal(told)
    assert isinstance(error, StepNotWorthwhile)
    assert set(error.reasons) == {"small", "large"}
    assert isinstance(refusal(thought(replace(step, pinned="nobody"))), NoArmAvailable)


def test_a_step_worth_its_price_is_taken() -> None:
    """One arm whose expected success justifies its price is enough; without a value the empty arm is no choice."""
    step = a_step(input_tokens=100_000, input_bound=100_000)
    assert thought(step, value_of_success=1.0).decision.arm is not None
    assert thought(step).ruling.stop_price is None


def test_what_was_decided_replays_with_every_action() -> None:
    """A record holds all that its decision depends on: closing, a squeezed price, the empty arm."""
    router = StepRouter(Pool(ladder("small", "medium", "large")), config=RouterConfig(actions=Actions(planned_calls=9)))
    for step in (_loop(budget=view(limit=_room(1))), a_step(budget=view(limit=DOLLAR, spent=DOLLAR // 2))):
        seen = router.deliberate(step)
        made = router.policy.choose(seen.step, seen.estimates, seen.ruling)
        assert made == seen.decision
        assert repr(made) == repr(seen.decision)


# -- configuration ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("compress_at", 1.5),
        ("compress_cost_share", 0),
        ("skip_below", -0.1),
        ("ask_above_dollars", 0),
        ("ask_above_dollars", "0.1"),
        ("closing_output_tokens", 0),
        ("planned_calls", 0),
        ("value_of_success", -1),
        ("stop", True),
    ],
)
def test_a_wrong_setting_is_named(setting: str, value: object) -> None:
    """From Python as from a file: the field, what is wrong, and what there is."""
    with pytest.raises(ConfigError) as caught:
        Actions(**{setting: value})
    assert caught.value.field == f"actions.{setting}"
    with pytest.raises(ConfigError) as nested:
        RouterConfig(actions={setting: value})
    assert nested.value.field.endswith(f"actions.{setting}")
