"""check_policy accepts the house's policies, and finds each way to break the contract."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from langroute.policies.cascade import CascadePolicy
from langroute.policies.chain import ChainPolicy
from langroute.policies.difference import DifferencePolicy
from langroute.policies.exploring import ExploringPolicy
from langroute.policies.frontier import FrontierPolicy
from langroute.policies.pinned import PinnedPolicy
from langroute.protocols import RoutingPolicy
from langroute.records import Estimate, RoutingDecision, Ruling, Step
from langroute.testing import check_policy

Mischief = Callable[[RoutingDecision, Ruling], RoutingDecision]


HOUSE: tuple[RoutingPolicy, ...] = (
    FrontierPolicy(),
    PinnedPolicy(["arm-1", "arm-0"]),
    ChainPolicy({"": ((0.0, ("arm-0", "arm-1")), (2.0, ("arm-0",))), "legal": ((0.0, ("arm-1", "arm-2")),)}),
    CascadePolicy({f"arm-{one}": {f"arm-{one}": 0.05} for one in range(6)}),
    ExploringPolicy(share=0.5),
    DifferencePolicy(weak="arm-0", strong="arm-1", difference=0.1),
)


@pytest.mark.parametrize("policy", HOUSE, ids=lambda policy: str(policy.name))
def test_the_policies_of_the_house_pass(policy: RoutingPolicy) -> None:
    """Every policy that langroute ships keeps the contract it asks of others."""
    check_policy(policy)


class Spoiled(FrontierPolicy):
    """The default policy, with every decision passed through a mischief."""

    def __init__(self, mischief: Mischief) -> None:
        self.mischief = mischief

    def choose(self, step: Step, estimates: Sequence[Estimate], ruling: Ruling) -> RoutingDecision:
        return self.mischief(super().choose(step, estimates, ruling), ruling)


def take_a_forbidden_arm(decision: RoutingDecision, ruling: Ruling) -> RoutingDecision:
    forbidden = [permit.arm for permit in ruling.permits if not permit.allowed]
    return replace(decision, arm=forbidden[0]) if decision.arm and forbidden else decision


def never_stop(decision: RoutingDecision, ruling: Ruling) -> RoutingDecision:
    return decision if decision.arm else replace(decision, arm=ruling.permits[0].arm)


def always_stop(decision: RoutingDecision, ruling: Ruling) -> RoutingDecision:
    reasons = tuple(replace(alternative, why_not="no") for alternative in decision.alternatives)
    return replace(decision, arm=None, output_limit=0, worst_nano=0, cost_nano=0, alternatives=reasons)


def hide_the_rivals(decision: RoutingDecision, ruling: Ruling) -> RoutingDecision:
    return replace(decision, alternatives=tuple(a for a in decision.alternatives if a.arm == decision.arm))


def give_no_reason(decision: RoutingDecision, ruling: Ruling) -> RoutingDecision:
    return replace(decision, alternatives=tuple(replace(a, why_not="") for a in decision.alternatives))


def blame_the_chosen(decision: RoutingDecision, ruling: Ruling) -> RoutingDecision:
    return replace(decision, alternatives=tuple(replace(a, why_not="no") for a in decision.alternatives))


def shuffle_the_pool(decision: RoutingDecision, ruling: Ruling) -> RoutingDecision:
    return replace(decision, alternatives=decision.alternatives[::-1])


def throw_dice(decision: RoutingDecision, ruling: Ruling) -> RoutingDecision:
    return replace(decision, propensity=random.uniform(0.1, 1.0))


def remember() -> Mischief:
    seen: list[int] = []

    def counted(decision: RoutingDecision, ruling: Ruling) -> RoutingDecision:
        seen.append(1)
        return replace(decision, rationale=f"{decision.rationale} (decision {len(seen)})")

    return counted


BROKEN: list[tuple[str, Mischief]] = [
    ("is not permitted", take_a_forbidden_arm),
    ("so it must stop", never_stop),
    ("it stops although", always_stop),
    ("whole pool in its order", hide_the_rivals),
    ("has no why_not", give_no_reason),
    ("why_not must be empty", blame_the_chosen),
    ("whole pool in its order", shuffle_the_pool),
    ("asked twice", throw_dice),
    ("propensity must be in", lambda decision, ruling: replace(decision, propensity=0.0)),
    ("output_limit is not", lambda decision, ruling: replace(decision, output_limit=decision.output_limit + 1)),
    ("worst_nano is not", lambda decision, ruling: replace(decision, worst_nano=decision.worst_nano + 1)),
    ("price_of_dollar", lambda decision, ruling: replace(decision, price_of_dollar=7.7)),
    ("name and version", lambda decision, ruling: replace(decision, policy_version="0")),
    ("rationale", lambda decision, ruling: replace(decision, rationale="two\nlines")),
]


@pytest.mark.parametrize(("complaint", "mischief"), BROKEN, ids=[f"{c}-{i}" for i, (c, _) in enumerate(BROKEN)])
def test_each_break_is_found_and_named(complaint: str, mischief: Mischief, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that breaks one promise fails with a message that names it."""
    # Lambdas do not pickle; that check has a test of its own.
    monkeypatch.setattr("langroute.testing.purity._pickled", lambda subject: subject)
    with pytest.raises(AssertionError, match=complaint):
        check_policy(Spoiled(mischief), rounds=60)


def test_a_policy_that_remembers_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """State kept from one decision to the next shows when the questions come in another order."""
    monkeypatch.setattr("langroute.testing.purity._pickled", lambda subject: subject)
    with pytest.raises(AssertionError, match="asked twice"):
        check_policy(Spoiled(remember()), rounds=12)


def test_a_policy_that_does_not_pickle_is_found() -> None:
    """A policy that cannot travel to a worker process fails, and says why."""
    with pytest.raises(AssertionError, match="must pickle"):
        check_policy(Spoiled(lambda decision, ruling: decision))


class Greedy(FrontierPolicy):
    """Sorts the list it was lent."""

    def choose(self, step: Step, estimates: Sequence[Estimate], ruling: Ruling) -> RoutingDecision:
        decision = super().choose(step, estimates, ruling)
        if isinstance(estimates, list):
            estimates.sort(key=lambda estimate: estimate.cost_nano)
        return decision


def test_a_policy_that_changes_its_arguments_is_found() -> None:
    """What a policy is given is lent, not given away."""
    with pytest.raises(AssertionError, match="list of estimates was changed"):
        check_policy(Greedy())


class Nameless(FrontierPolicy):
    """Has no version."""

    version = ""


def test_a_policy_without_a_version_is_found() -> None:
    """Records name the policy and version that decided, so both must be there."""
    with pytest.raises(AssertionError, match="version"):
        check_policy(Nameless())


def test_the_suite_leaves_the_random_generator_as_it_was() -> None:
    """Running the suite inside a seeded test run changes no other test."""
    before = random.getstate()
    check_policy(FrontierPolicy(), rounds=12)
    assert random.getstate() == before
