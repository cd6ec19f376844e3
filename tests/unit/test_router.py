"""StepRouter: what it is made of, that deciding is pure, and that wrong arguments are named."""

from pathlib import Path
from typing import Any

import pytest
from fakes import TWO, Bench, ListJournal, Pool, ScriptedCaller, a_step, good, ladder, malformed
from hypothesis import given
from hypothesis import strategies as st

from langroute.budget import Budget
from langroute.config import RouterConfig
from langroute.episodes import RunPlace
from langroute.errors import ConfigError
from langroute.estimators.prior import PriorEstimator
from langroute.governor import BudgetGovernor
from langroute.ledgers import MemoryLedger
from langroute.policies.frontier import FrontierPolicy
from langroute.records import KINDS, BudgetView, Estimate, Pressure, Rejection, RoutingDecision, Ruling, Step
from langroute.router import StepRouter

THREE = ladder("small", "medium", "large")
ROUTER = StepRouter(Pool(THREE))

steps = st.builds(
    a_step,
    kind=st.sampled_from(KINDS),
    pressure=st.builds(Pressure, retries=st.integers(0, 3), invalid_tool_calls=st.integers(0, 3)),
    input_tokens=st.integers(0, 2000),
    input_bound=st.integers(0, 4000),
    output_cap=st.integers(0, 4000),
    pinned=st.sampled_from((None, "small", "large")),
    rejected=st.lists(st.sampled_from(("small", "medium", "large")), max_size=3).map(
        lambda arms: tuple(Rejection(arm=arm, reason="invalid_tool_call") for arm in arms)
    ),
    budget=st.builds(
        BudgetView,
        scope=st.just("episode:e"),
        limit_nano=st.just(10**7),
        available_nano=st.none() | st.integers(0, 10**7),
        output_tokens_left=st.none() | st.integers(0, 500),
    ),
)


@given(steps)
def test_deciding_is_pure(step: Step) -> None:
    """The same step gives the same decision byte for byte, from another router too, and from its record alone."""
    thought = ROUTER.deliberate(step)
    assert repr(ROUTER.decide(step)) == repr(StepRouter(Pool(THREE)).decide(step)) == repr(thought.decision)
    assert repr(FrontierPolicy().choose(step, thought.estimates, thought.ruling)) == repr(thought.decision)


@given(steps)
def test_a_decision_is_within_its_ruling(step: Step) -> None:
    """The chosen arm is permitted and its worst case fits; without a permitted arm the decision is to stop."""
    thought = ROUTER.deliberate(step)
    allowed = {permit.arm: permit for permit in thought.ruling.permits if permit.allowed}
    decision, available = thought.decision, step.budget.available_nano
    assert (decision.arm is None) == (not allowed)
    if decision.arm is not None:
        assert decision.worst_nano == allowed[decision.arm].worst_nano
        assert available is None or decision.worst_nano <= available


def test_every_record_of_a_run_replays() -> None:
    """Through retries and escalations under a tight budget each record gives its decision again."""
    bench = Bench(budget=Budget(total_dollars=0.02, reserve_for_final_synthesis=0.005), arms=THREE)
    for kind in KINDS:
        bench.run(ScriptedCaller(malformed(), malformed(), good()), kind=kind)
    assert len(bench.journal.kept) == 12
    for record in bench.journal.kept:
        again = FrontierPolicy().choose(record.step, record.estimates, record.ruling)
        assert repr(again) == repr(record.decision) == repr(bench.router.decide(record.step))


class _Rogue(FrontierPolicy):
    """A policy that changes what it was told."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    def choose(self, step: Step, estimates: Any, ruling: Ruling) -> RoutingDecision:
        told = super().choose(step, estimates, ruling)
        fields = {name: getattr(told, name) for name in ("arm", "output_limit", "worst_nano", "policy")}
        return RoutingDecision(**{**fields, **self.changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"arm": "large"}, "frontier chose large, which is not permitted in this step"),
        ({"arm": "huge"}, "frontier chose huge, which is not permitted in this step"),
        ({"output_limit": 10**9}, "chose small with output_limit 1000000000"),
        ({"worst_nano": 0}, "and worst_nano 0; take both from its permit"),
    ],
)
def test_no_policy_reaches_beyond_the_mask(changes: dict[str, Any], said: str) -> None:
    """A policy that chooses what is not permitted, or with other limits, is refused before anything is held."""
    bench = Bench(policy=_Rogue(**changes), budget=Budget(total_dollars=1))
    with pytest.raises(ConfigError, match=f"^policy: .*{said}"):
        bench.run(ScriptedCaller(), pinned="small")
    assert bench.books.calls == 0


def test_a_policy_may_stop_although_arms_are_permitted() -> None:
    """The error then tells the policy's own reason, and speaks of no budget."""
    changes = {"arm": None, "output_limit": 0, "worst_nano": 0, "rationale": "The answer is known already."}
    bench = Bench(policy=_Rogue(**changes), budget=Budget(total_dollars=1))
    with pytest.raises(Exception, match=r"small: The answer is known already\."):
        bench.run(ScriptedCaller())


def test_parts_of_ones_own_are_used() -> None:
    """Estimator and governor given to the router are those that it asks."""

    class Sure(PriorEstimator):
        def estimate(self, step: Step, arms: Any) -> tuple[Estimate, ...]:
            return tuple(Estimate(arm=arm.name, success=1.0, cost_nano=1, output_tokens=1) for arm in arms)

    router = StepRouter(Pool(TWO), estimator=Sure(), governor=BudgetGovernor(thrift=0.5))
    assert {seen.success for seen in router.decide(a_step(kind="control")).alternatives} == {1.0}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"policy": "best"}, "policy"),
        ({"policy": 5}, "policy"),
        ({"policy": FrontierPolicy}, "policy"),
        ({"estimator": object()}, "estimator"),
        ({"governor": object()}, "governor"),
        ({"acceptance": [object()]}, "acceptance"),
        ({"acceptance": 5}, "acceptance"),
        ({"ledger": ListJournal()}, "ledger"),
        ({"journal": MemoryLedger()}, "journal"),
        ({"clock": 5}, "clock"),
        ({"logger": object()}, "logger"),
        ({"config": {"thrift": 1}}, "config"),
        ({"budget": 5}, "router.budget"),
        ({"budget": {"total": 5}}, "router.budget.total"),
        ({"kinds": ["plan"]}, "kinds"),
        ({"kinds": {"plan": "planning"}}, "router.kinds.plan"),
        ({"store": 5}, "router.store"),
        ({"store": "mysql://x"}, "store"),
    ],
)
def test_a_wrong_argument_is_named(given: dict[str, Any], field: str) -> None:
    """Every wrong argument gives a ConfigError at construction that names it."""
    with pytest.raises(ConfigError) as caught:
        StepRouter(Pool(TWO), **given)
    assert caught.value.field == field


@pytest.mark.parametrize("pool", [Pool(()), None, object(), Pool((TWO[0], TWO[0]))])
def test_a_wrong_pool_is_named(pool: Any) -> None:
    """No pool, an empty one, and two arms of one name are refused."""
    with pytest.raises(
        ConfigError, match=r"^pool: (must be a ModelPool with at least one arm|has two arms of one name)"
    ):
        StepRouter(pool)


def test_what_a_part_lacks_is_listed() -> None:
    """A part that does not fit its contract is told what is missing."""
    with pytest.raises(ConfigError, match="is no Estimator; it lacks estimate, name, version"):
        StepRouter(Pool(TWO), estimator=object())  # type: ignore[arg-type]


def test_arguments_win_over_the_configuration(tmp_path: Path) -> None:
    """Settings come from a file; what is given beside it wins, and the rest stays."""
    file = tmp_path / "router.toml"
    file.write_text('policy = "always-small"\nthrift = 0.5\n[task_budget]\ntotal_dollars = 1\n')
    router = StepRouter.from_file(file, Pool(TWO), budget=Budget(total_dollars=2))
    assert router.config == RouterConfig(policy="always-small", thrift=0.5, budget=Budget(total_dollars=2))
    assert router.decide(a_step(kind="control")).arm == "small"
    assert StepRouter.from_file(file, Pool(TWO), policy="always-large").decide(a_step()).arm == "large"


def test_an_unknown_arm_is_answered_with_the_known() -> None:
    """Asking for an arm that is not there names those that are."""
    assert ROUTER.arm("medium") is THREE[1]
    with pytest.raises(ConfigError, match=r"^arm: the pool has no arm 'huge'; it has small, medium, large"):
        ROUTER.arm("huge")


def test_balance_tells_an_episodes_books() -> None:
    """The books of an episode can be read at any time, also before its first call."""
    bench = Bench(budget=Budget(total_dollars=1))
    assert bench.router.balance("new").limits.nano_usd == 10**9
    bench.run(ScriptedCaller(good()))
    assert bench.router.balance("e") == bench.books


def test_a_single_call_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Calls outside any graph and episode warn once per router, with the way out."""
    router = Bench().router
    for _ in range(3):
        router.episodes.resolve(RunPlace())
    assert len([line for line in caplog.messages if "with router.episode" in line]) == 1
