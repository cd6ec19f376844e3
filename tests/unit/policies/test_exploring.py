"""ExploringPolicy: draws as often as it says, and its propensities are the true frequencies."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from langroute.errors import ConfigError
from langroute.policies.exploring import ExploringPolicy
from langroute.policies.pinned import PinnedPolicy
from langroute.records import Estimate, Permit, RoutingDecision, Ruling
from langroute.testing import check_policy
from tests.unit.fakes import a_step

ARMS = ("small", "medium", "large")
ESTIMATES = tuple(Estimate(arm=arm, success=0.5, cost_nano=10, output_tokens=1) for arm in ARMS)
RULING = Ruling(price_of_dollar=1.0, permits=tuple(Permit(arm=arm, output_limit=9) for arm in ARMS))


def decided(policy: ExploringPolicy, count: int, ruling: Ruling = RULING) -> list[RoutingDecision]:
    """Decisions on the first steps of so many episodes."""
    return [policy.choose(a_step(episode=f"e{number}"), ESTIMATES, ruling) for number in range(count)]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_it_keeps_the_contract_of_policies(share: float) -> None:
    """Whatever its share, it is pure and picklable, and chooses nothing that is not permitted."""
    check_policy(ExploringPolicy(share=share, seed=3))


def test_propensities_are_the_true_frequencies() -> None:
    """Over many episodes each arm is chosen as often as its propensity says, within five standard errors."""
    policy = ExploringPolicy(PinnedPolicy(["large"]), share=0.3, seed=1)
    found = decided(policy, 6000)
    counts = Counter(decision.arm for decision in found)
    told = {decision.arm: decision.propensity for decision in found}
    assert told == {"small": pytest.approx(0.1), "medium": pytest.approx(0.1), "large": pytest.approx(0.8)}
    for arm, chance in told.items():
        error = (chance * (1 - chance) / len(found)) ** 0.5
        assert abs(counts[arm] / len(found) - chance) < 5 * error


def test_only_permitted_arms_share_the_draw() -> None:
    """With one arm barred the other two are drawn evenly, and the propensities say so."""
    permits = (replace(RULING.permits[0], why_not="too small"), *RULING.permits[1:])
    found = decided(
        ExploringPolicy(PinnedPolicy(["large"]), share=1.0), 2000, Ruling(price_of_dollar=1, permits=permits)
    )
    assert {decision.arm for decision in found} == {"medium", "large"}
    assert {decision.propensity for decision in found} == {0.5}
    assert abs(sum(decision.arm == "large" for decision in found) / 2000 - 0.5) < 0.06


def test_propensities_of_a_base_that_explores_multiply() -> None:
    """Around a base with propensities of its own, the probabilities of all arms still sum to one."""
    base = ExploringPolicy(PinnedPolicy(["large"]), share=0.5, seed=7)
    policy = ExploringPolicy(base, share=0.2, seed=8)
    found = decided(policy, 8000)
    counts = Counter(decision.arm for decision in found)
    assert counts["small"] / 8000 == pytest.approx(0.2 / 3 + 0.8 * 0.5 / 3, abs=0.02)


def test_draws_differ_by_place_and_seed() -> None:
    """Another call, attempt, episode or seed is drawn independently; the same place is drawn alike."""
    policy, other = ExploringPolicy(share=1.0, seed=0), ExploringPolicy(share=1.0, seed=1)
    places = [a_step(episode="e", call_index=index, attempt=attempt) for index in range(30) for attempt in range(3)]
    arms = [policy.choose(step, ESTIMATES, RULING).arm for step in places]
    assert arms == [policy.choose(step, ESTIMATES, RULING).arm for step in places]
    assert arms != [other.choose(step, ESTIMATES, RULING).arm for step in places]
    assert 10 < sum(left == right for left, right in pairwise(arms)) < 50


def test_it_says_that_it_explored() -> None:
    """A drawn choice says that it was drawn; the base's own choice keeps the base's words, under its own name."""
    drawn = ExploringPolicy(PinnedPolicy(["large"]), share=1.0).choose(a_step(), ESTIMATES, RULING)
    assert "drawn to learn what it achieves" in drawn.rationale
    own = ExploringPolicy(PinnedPolicy(["large"]), share=0.0).choose(a_step(), ESTIMATES, RULING)
    assert (own.policy, own.propensity, own.arm) == ("exploring:pinned", 1.0, "large")
    assert "first arm permitted" in own.rationale


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_an_impossible_share_is_refused(share: float) -> None:
    """A share outside [0, 1] names the field."""
    with pytest.raises(ConfigError, match="share"):
        ExploringPolicy(share=share)
