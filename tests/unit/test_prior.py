"""The prior and the frontier together: what a router without data chooses."""

import pytest
from fakes import a_step, ladder
from hypothesis import given
from hypothesis import strategies as st

from langroute.deliberation import Deliberation
from langroute.estimators.prior import KindPrior, PriorEstimator, loss_by_pressure
from langroute.governor import BudgetGovernor
from langroute.policies.frontier import FrontierPolicy
from langroute.records import KINDS, Arm, Kind, Pressure, Step

RATIOS = (5.0, 10.0, 20.0, 40.0, 60.0)
POOLS = {
    f"{len(names)} arms, {ratio:g}x": ladder(*names, ratio=ratio)
    for names in (("small", "large"), ("small", "medium", "large"))
    for ratio in RATIOS
}
pools = pytest.mark.parametrize("arms", POOLS.values(), ids=POOLS)
pressures = st.builds(
    Pressure,
    retries=st.integers(0, 5),
    invalid_tool_calls=st.integers(0, 5),
    tool_errors=st.integers(0, 5),
    repeated_calls=st.integers(0, 5),
    cycles=st.integers(0, 5),
    self_corrections=st.integers(0, 5),
    schema_failures=st.integers(0, 5),
    empty_ends=st.integers(0, 5),
    context_share=st.floats(0, 1),
)


def _deliberate(step: Step, arms: tuple[Arm, ...]) -> Deliberation:
    estimates = PriorEstimator().estimate(step, arms)
    ruling = BudgetGovernor().rule(step, arms, estimates)
    decision = FrontierPolicy().choose(step, estimates, ruling)
    return Deliberation(step=step, estimates=estimates, ruling=ruling, decision=decision)


def _chosen(arms: tuple[Arm, ...], kind: Kind, **trouble: int) -> str | None:
    return _deliberate(a_step(kind=kind, pressure=Pressure(**trouble)), arms).decision.arm


@pools
def test_a_calm_episode(arms: tuple[Arm, ...]) -> None:
    """Planning starts strong; all other kinds go to an arm at less than half of the dearest one's price."""
    assert _chosen(arms, "control") == "large"
    for kind in KINDS[1:]:
        told = _deliberate(a_step(kind=kind), arms).decision
        assert told.cost_nano < told.alternatives[-1].cost_nano / 2


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_calm_episode_with_two_arms(ratio: float) -> None:
    """With a cheap and a dear arm, all but planning goes to the cheap one."""
    arms = ladder("small", "large", ratio=ratio)
    assert [_chosen(arms, kind) for kind in KINDS] == ["large", "small", "small", "small"]


@pools
@pytest.mark.parametrize(
    "trouble", [{"invalid_tool_calls": 1}, {"retries": 2}, {"schema_failures": 1}, {"empty_ends": 1}]
)
def test_a_malformed_answer_or_second_retry_upgrades_at_once(arms: tuple[Arm, ...], trouble: dict[str, int]) -> None:
    """One malformed or empty answer is enough for execution to leave the cheapest arm, and so is a second retry."""
    assert _chosen(arms, "execution", **trouble) != "small"


@pools
def test_trouble_without_end_ends_at_the_strongest(arms: tuple[Arm, ...]) -> None:
    """Under the highest pressure every kind of step goes to the dearest arm."""
    trouble = {"retries": 3, "invalid_tool_calls": 3, "tool_errors": 3}
    assert {_chosen(arms, kind, **trouble) for kind in KINDS} == {"large"}


@given(pressures, st.sampled_from(KINDS), st.sampled_from(sorted(POOLS)))
def test_estimates_are_probabilities_that_rise_with_the_ladder(pressure: Pressure, kind: Kind, pool: str) -> None:
    """Success lies in [0, 1], rises with the arm's rank, and never rises with pressure."""
    arms = POOLS[pool]
    calm = [estimate.success for estimate in PriorEstimator().estimate(a_step(kind=kind), arms)]
    told = [estimate.success for estimate in PriorEstimator().estimate(a_step(kind=kind, pressure=pressure), arms)]
    assert told == sorted(told)
    assert all(0 <= now <= before <= 1 for now, before in zip(told, calm, strict=True))
    assert 0 <= loss_by_pressure(pressure) <= 0.6


def test_coming_back_is_no_trouble_and_a_full_window_is_some() -> None:
    """Cycles and a window up to half full cost an arm nothing; beyond that the loss grows to a fifth."""
    assert loss_by_pressure(Pressure(cycles=40, context_share=0.5)) == 0
    assert loss_by_pressure(Pressure(context_share=0.75)) == pytest.approx(0.1)
    assert loss_by_pressure(Pressure(context_share=1.0)) == pytest.approx(0.2)


def test_beliefs_of_ones_own_stay_probabilities() -> None:
    """A pessimistic belief under pressure does not become a negative probability."""
    own = PriorEstimator({"execution": KindPrior(weakest=0.1, strongest=0.2, output_tokens=10)})
    step = a_step(pressure=Pressure(invalid_tool_calls=9))
    assert [estimate.success for estimate in own.estimate(step, ladder("small", "large"))] == [0.0, 0.14]


def test_costs_are_of_the_expected_tokens() -> None:
    """Expected cost is the price of the expected input and the kind's usual output, cut at the step's cap."""
    arms = ladder("small", "large")
    for cap, expected in ((50, 50), (5000, 200)):
        told = PriorEstimator().estimate(a_step(output_cap=cap), arms)
        assert [estimate.output_tokens for estimate in told] == [expected, expected]
        assert [estimate.cost_nano for estimate in told] == [
            arm.price.cost(input_tokens=500, output_tokens=expected) for arm in arms
        ]


@given(
    pressures,
    st.sampled_from(KINDS),
    st.sampled_from(sorted(POOLS)),
    st.sampled_from((None, "small", "large", "nobody")),
    st.booleans(),
)
def test_every_alternative_says_why_not_unless_chosen(
    pressure: Pressure, kind: Kind, pool: str, pinned: str | None, tools: bool
) -> None:
    """The chosen arm has no reason against it; every other arm has one."""
    arms = POOLS[pool]
    told = _deliberate(a_step(kind=kind, pressure=pressure, pinned=pinned, needs_tools=tools), arms).decision
    assert [alternative.arm for alternative in told.alternatives] == [arm.name for arm in arms]
    for alternative in told.alternatives:
        assert bool(alternative.why_not) == (alternative.arm != told.arm)


@given(pressures, st.sampled_from(KINDS), st.sampled_from(sorted(POOLS)))
def test_the_rationale_is_one_sentence(pressure: Pressure, kind: Kind, pool: str) -> None:
    """It names the arm and the kind, ends with a full stop, and holds no other sentence."""
    told = _deliberate(a_step(kind=kind, pressure=pressure, node="work"), POOLS[pool]).decision
    assert told.rationale.startswith(f"{told.arm} makes this {kind} call in node work")
    assert told.rationale.endswith(".")
    assert ". " not in told.rationale
    assert "\n" not in told.rationale


@given(pressures, st.sampled_from(KINDS), st.sampled_from(sorted(POOLS)))
def test_the_same_step_gives_the_same_decision(pressure: Pressure, kind: Kind, pool: str) -> None:
    """Deciding twice is the same byte for byte, and the policy alone replays it from estimates and ruling."""
    step = a_step(kind=kind, pressure=pressure)
    first = _deliberate(step, POOLS[pool])
    assert repr(_deliberate(step, POOLS[pool])) == repr(first)
    assert repr(FrontierPolicy().choose(first.step, first.estimates, first.ruling)) == repr(first.decision)
