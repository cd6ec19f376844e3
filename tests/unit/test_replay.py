from dataclasses import replace

import pytest
from episode_samples import ARMS, LARGE, SMALL, SampleEstimator, SampleGovernor, decided, episode, stepped
from hypothesis import given
from hypothesis import strategies as st

from langroute.errors import ConfigError, EpisodeNotFound, ReplayError
from langroute.policies.frontier import FrontierPolicy
from langroute.policies.pinned import PinnedPolicy
from langroute.records import KINDS, Kind, Outcome, Record, RoutingDecision, Step, Usage
from langroute.replay import decider, replay_decision, replay_episode

PLAN, FIRST, SECOND, REFUSED, REPORT, STOPPED = episode()


@pytest.mark.parametrize("record", episode(), ids=lambda record: record.id)
def test_a_decision_replays_from_its_record_alone(record: Record) -> None:
    """The policy that decided gives the same decision again, byte for byte."""
    again = replay_decision(record, [PinnedPolicy(["small"]), FrontierPolicy()])
    assert repr(again) == repr(record.decision)


@pytest.mark.parametrize("change", [{"policy": "cascade"}, {"policy_version": "0"}])
def test_another_policy_or_version_is_refused(change: dict[str, str]) -> None:
    """A decision of a policy or version that is not there is not replayed by something else."""
    record = replace(PLAN, decision=replace(PLAN.decision, **change))  # type: ignore[arg-type]
    with pytest.raises(ReplayError, match=r"record r0: decided by policy .*, known here: frontier "):
        replay_decision(record, [FrontierPolicy()])


def test_always_large_is_priced_on_the_recorded_tokens() -> None:
    """Where another arm made the call, its tokens are priced at the replayed arm's list, without cache hits."""
    replayed = replay_episode(episode(), arms=ARMS, policy_name="always-large")
    plan, first, second, report = replayed.calls
    assert (plan.nano, plan.basis) == (plan.recorded_nano, "recorded")
    assert (first.nano, first.basis) == (905 * 1_250 + 64 * 10_000, "tokens")
    assert (second.arm, second.nano, second.basis) == ("large", second.recorded_nano, "recorded")
    assert report.nano == 700 * 1_250 + 120 * 10_000
    assert replayed.nano == sum(call.nano for call in replayed.calls)
    assert (replayed.changed, replayed.over_limit) == (2, False)


def test_always_small_loses_the_cache_and_prices_the_hold_where_usage_is_unknown() -> None:
    """Cache hits of another arm are not credited; a call of unknown usage costs the most it could have used."""
    plan, _, second, _ = replay_episode(episode(), arms=ARMS, policy_name="always-small").calls
    assert plan.nano == 880 * 50 + 210 * 400
    assert second.basis == "hold"
    assert second.nano == 1200 * 50 + SECOND.decision.output_limit * 400


def test_unbilled_calls_stay_unbilled() -> None:
    """A call that failed before it could be billed costs nothing under any policy."""
    failed = replace(FIRST, outcome=Outcome(arm="small", accepted=False, error="RateLimitError"))
    (call,) = replay_episode([failed], arms=ARMS, policy_name="always-large").calls
    assert (call.nano, call.basis) == (0, "not billed")


def test_an_incapable_arm_is_passed_over() -> None:
    """The cheapest arm that can do what the step needs stands in for the cheapest."""
    mute = replace(SMALL, calls_tools=False)
    plan, first, *_ = replay_episode(episode(), arms=(LARGE, mute), policy_name="always-small").calls
    assert (plan.arm, first.arm) == ("small", "large")


@pytest.mark.parametrize(
    ("change", "arm"),
    [
        ({"pinned": "large"}, "large"),
        ({"input_tokens": 9_000}, "large"),
        ({"needs_structure": True}, "large"),
        ({}, "small"),
    ],
)
def test_what_the_step_demands_is_kept(change: dict[str, object], arm: str) -> None:
    """A pinned arm, a window or a schema binds a replay as it bound the call."""
    weak = replace(SMALL, context_window=8_000, structured_output=False)
    record = replace(PLAN, step=replace(PLAN.step, **change))  # type: ignore[arg-type]
    (call,) = replay_episode([record], arms=(weak, LARGE), policy_name="always-small").calls
    assert call.arm == arm


def test_the_policy_that_decided_replays_to_what_it_recorded() -> None:
    """Deciding each recorded step again with the same parts changes no arm and no dollar."""
    decide = decider(arms=ARMS, estimator=SampleEstimator(), governor=SampleGovernor(), policy=FrontierPolicy())
    replayed = replay_episode(episode(), arms=ARMS, policy_name="prior", decide=decide)
    assert replayed.changed == 0
    assert replayed.nano == replayed.recorded_nano
    assert any("budget" in assumed for assumed in replayed.assumptions)


def test_a_policy_may_stop() -> None:
    """A step the other policy would stop at costs nothing and is shown as such."""
    replayed = replay_episode([PLAN], arms=ARMS, policy_name="never", decide=lambda _: RoutingDecision(arm=None))
    assert (replayed.calls[0].arm, replayed.nano, replayed.calls[0].basis) == (None, 0, "stopped")


def test_budget_that_would_have_broken_is_told() -> None:
    """An estimate above the recorded limit says that the budget would not have carried it."""
    tight = replace(FIRST, step=replace(FIRST.step, budget=replace(FIRST.step.budget, limit_nano=1_000_000)))
    assert replay_episode([tight], arms=ARMS, policy_name="always-large").over_limit
    assert not replay_episode([tight], arms=ARMS, policy_name="always-small").over_limit


def test_what_cannot_be_replayed_is_said() -> None:
    """No records, no pool, an unknown policy and an unknown arm each have an error that names the field."""
    with pytest.raises(EpisodeNotFound):
        replay_episode([], arms=ARMS, policy_name="always-small")
    with pytest.raises(ConfigError, match=r"^arms: is empty"):
        replay_episode([PLAN], arms=(), policy_name="always-small")
    known = r"use always-small, always-large, always:ARM, prior or the folder of a learned policy"
    with pytest.raises(ConfigError, match=rf"^policy: 'cheapest' is unknown; {known}"):
        replay_episode([PLAN], arms=ARMS, policy_name="cheapest")
    with pytest.raises(ReplayError, match="chose huge, which is not in the pool"):
        replay_episode([PLAN], arms=ARMS, policy_name="x", decide=lambda _: RoutingDecision(arm="huge"))


def test_any_arm_can_be_replayed_by_name() -> None:
    """``always:ARM`` prices every call at that arm's list; an arm that was not in the pool is refused by name."""
    calls = replay_episode(episode(), arms=ARMS, policy_name="always:small").calls
    assert {call.arm for call in calls} == {"small"}
    with pytest.raises(ConfigError, match=r"^policy: the pool of the episode has no arm 'huge'; it had small, large"):
        replay_episode([PLAN], arms=ARMS, policy_name="always:huge")


@given(
    kind=st.sampled_from(KINDS),
    usage=st.builds(
        Usage, input_tokens=st.integers(0, 10**6), output_tokens=st.integers(0, 10**5), cache_read_tokens=st.just(0)
    ),
)
def test_always_small_never_costs_more_than_always_large(kind: Kind, usage: Usage) -> None:
    """Over the same tokens the ends of the price ladder keep their order, and the recorded arm its true cost."""
    step: Step = stepped(0, "node", kind)
    record = decided(step, record_id="r", at=0.0)
    arm = {"small": SMALL, "large": LARGE}[str(record.decision.arm)]
    record = replace(record, outcome=Outcome(arm=arm.name, usage=usage, cost_nano=usage.cost_nano(arm.price)))
    small, large = (replay_episode([record], arms=ARMS, policy_name=f"always-{size}") for size in ("small", "large"))
    assert small.nano <= small.recorded_nano <= large.nano


def test_a_learned_estimator_tells_what_it_expects_of_the_changes() -> None:
    """The gain of an accepted answer is the chosen arm's success less the recorded one's; others have none."""
    decide = decider(arms=ARMS, estimator=SampleEstimator(), governor=SampleGovernor(), policy=PinnedPolicy(["large"]))
    replayed = replay_episode(episode(), arms=ARMS, policy_name="learned", decide=decide, learned=True)
    gains = [call.gain for call in replayed.calls]
    assert [gain is None for gain in gains] == [not _accepted(record) for record in episode() if record.outcome]
    known = [gain for gain in gains if gain is not None]
    assert known[-1] > 0  # the report was made by the small arm
    assert min(known) >= 0
    assert replayed.gain == pytest.approx(sum(known) / len(known))
    cheaper = decider(arms=ARMS, estimator=SampleEstimator(), governor=SampleGovernor(), policy=PinnedPolicy(["small"]))
    lost = replay_episode(episode(), arms=ARMS, policy_name="learned", decide=cheaper, learned=True)
    losses = [call.gain for call in lost.calls if call.gain is not None]
    assert max(losses) <= 0 > sum(losses)
    assert lost.gain == pytest.approx(sum(losses))
    assert any("model-based" in text for text in replayed.assumptions)
    blind = replay_episode(episode(), arms=ARMS, policy_name="beliefs", decide=decide)
    assert blind.gain is None
    assert any("nothing is said of quality" in text for text in blind.assumptions)


def _accepted(record: Record) -> bool:
    return record.outcome is not None and record.outcome.accepted
