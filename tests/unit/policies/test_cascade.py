"""Cascade routing, two arms by difference, and arms of several samples."""

import json
from dataclasses import replace

import numpy as np
import pytest

from langroute.errors import ArtifactInvalid, ConfigError, OutcomesInvalid
from langroute.learning.best_of import with_samples
from langroute.learning.cascades import fit_cascade
from langroute.learning.frugal import fit_frugal
from langroute.learning.tallies import Tallies
from langroute.parts import Parts
from langroute.policies.cascade import CascadePolicy
from langroute.policies.difference import DifferencePolicy
from langroute.policies.supermodels import SupermodelRule
from langroute.records import Outcome, Record, Rejection
from langroute.testing import check_policy
from langroute.testing.situations import Situation, situations

UNSURE = {f"arm-{one}": {f"arm-{one}": 0.05} for one in range(6)}


def free() -> Situation:
    """Two arms or more, all permitted: the first is cheap and weak, the last dear and strong."""
    for found in situations(rounds=240, seed=5):
        if len(found.arms) == 2 and all(permit.allowed for permit in found.ruling.permits):
            weak, strong = found.estimates
            estimates = (
                replace(weak, success=0.5, cost_nano=1_000_000),
                replace(strong, success=0.8, cost_nano=100_000_000),
            )
            step = replace(found.step, rejected=(), pinned=None)
            ruling = replace(found.ruling, price_of_dollar=4.0, stop_price=None)
            return replace(found, step=step, estimates=estimates, ruling=ruling)
    raise AssertionError("no such situation was drawn")


def record(policy: CascadePolicy, found: Situation) -> Record:
    decision = policy.choose(found.step, found.estimates, found.ruling)
    return Record(id="r", at=0.0, step=found.step, estimates=found.estimates, ruling=found.ruling, decision=decision)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_cascade_routing_keeps_the_contract(depth: int) -> None:
    """The suite for policies, at every depth."""
    check_policy(CascadePolicy(UNSURE, depth=depth), rounds=120)


def test_the_difference_keeps_the_contract() -> None:
    """The suite for policies."""
    check_policy(DifferencePolicy(weak="arm-0", strong="arm-1", difference=0.1, fallback="arm-2"))


def test_a_doubtful_answer_is_rejected_and_a_sure_one_accepted() -> None:
    """Running on is weighed by what the answer's confidence says, and the next arm is the strong one."""
    policy, found = CascadePolicy(UNSURE, confidences=(0.0, 1.0), qualities=(0.0, 1.0)), free()
    tried = record(policy, found)
    assert tried.decision.arm == "arm-0"
    assert policy.judge(tried, Outcome(arm="arm-0", confidence=0.95)) == ()
    (defect,) = policy.judge(tried, Outcome(arm="arm-0", confidence=0.1))
    assert defect == "low_quality:0.1000"
    again = replace(found.step, rejected=(Rejection(arm="arm-0", reason=defect),))
    assert policy.choose(again, found.estimates, found.ruling).arm == "arm-1"


def test_nothing_is_run_on_where_a_dollar_is_dear() -> None:
    """At a high price even a poor answer stands, and a step whose answer was rejected elsewhere stops."""
    policy, found = CascadePolicy(UNSURE, confidences=(0.0, 1.0), qualities=(0.0, 1.0)), free()
    found = replace(found, ruling=replace(found.ruling, price_of_dollar=50.0))
    assert policy.judge(record(policy, found), Outcome(arm="arm-0", confidence=0.1)) == ()
    out = replace(found.step, rejected=(Rejection(arm="arm-0", reason="invalid_tool_call"),))
    assert policy.choose(out, found.estimates, found.ruling).arm is None


def test_an_answer_with_a_defect_is_worth_nothing() -> None:
    """A malformed answer has quality 0, whatever its confidence; one without confidence its arm's own."""
    policy = CascadePolicy(UNSURE, confidences=(0.0, 1.0), qualities=(0.2, 0.9))
    assert policy.quality(Outcome(arm="a", confidence=1.0, defects=("invalid_tool_call",)), otherwise=0.7) == 0.0
    assert policy.quality(Outcome(arm="a"), otherwise=0.7) == 0.7
    assert policy.quality(Outcome(arm="a", confidence=0.5), otherwise=0.7) == pytest.approx(0.55)


def test_policies_are_the_same_after_they_were_stored() -> None:
    """Parts survive JSON, and decide alike."""
    found = free()
    for policy in (CascadePolicy(UNSURE, depth=2), DifferencePolicy(weak="arm-0", strong="arm-1", difference=0.2)):
        settings = json.loads(json.dumps(policy.parts().settings))
        again = type(policy).from_parts(Parts(settings=settings))
        assert again.choose(found.step, found.estimates, found.ruling) == policy.choose(
            found.step, found.estimates, found.ruling
        )


def test_damaged_settings_are_named() -> None:
    """No covariance, and what is no covariance, are invalid artifacts."""
    with pytest.raises(ArtifactInvalid, match="cascade"):
        CascadePolicy.from_parts(Parts(settings={"depth": 2}))
    with pytest.raises(ArtifactInvalid, match="eigenvalue"):
        CascadePolicy({"a": {"a": -1.0}})
    with pytest.raises(ArtifactInvalid, match="square"):
        SupermodelRule(covariance=np.zeros((2, 3)), depth=1)


def test_uncertainty_is_worth_running_on_for() -> None:
    """With an answer of .6 in hand, an arm of equal ex-ante quality is run only if it may turn out better."""
    before, cost = np.array([0.6, 0.6]), np.array([0.1, 0.1])
    for variance, wanted in ((0.0, None), (0.25, 1)):
        rule = SupermodelRule(covariance=np.eye(2) * variance, depth=2)
        assert rule.next(before, cost, {0: 0.6}, price=0.5, allowed=[0, 1]) == wanted


def test_one_price_for_each_depth() -> None:
    """A dollar may be made dearer after the first answer."""
    before, cost = np.array([0.5, 0.9]), np.array([0.1, 0.5])
    for dearer, wanted in (((1.0,), 1), ((1.0, 10.0), None)):
        rule = SupermodelRule(covariance=np.zeros((2, 2)), depth=2, dearer=dearer)
        assert rule.next(before, cost, {0: 0.4}, price=0.2, allowed=[0, 1]) == wanted


def test_the_covariance_is_learned() -> None:
    """The policy that is fitted holds the residuals' covariance."""
    random = np.random.default_rng(0)
    before = random.random((500, 2))
    after = before + random.normal(0, [0.1, 0.3], (500, 2))
    found = fit_cascade(("a", "b"), before, after).parts().settings["covariance"]
    assert found["a"]["a"] == pytest.approx(0.01, rel=0.2)
    assert found["b"]["b"] == pytest.approx(0.09, rel=0.2)
    with pytest.raises(OutcomesInvalid, match="two rows"):
        fit_cascade(("a", "b"), before[:1], after[:1])


def test_the_difference_decides() -> None:
    """The strong arm is taken where it is better by more than the difference."""
    found = free()
    for difference, wanted in ((0.29, "arm-1"), (0.31, "arm-0")):
        policy = DifferencePolicy(weak="arm-0", strong="arm-1", difference=difference)
        assert policy.choose(found.step, found.estimates, found.ruling).arm == wanted
    with pytest.raises(ConfigError, match="strong"):
        DifferencePolicy(weak="a", strong="a")
    with pytest.raises(ConfigError, match="difference"):
        DifferencePolicy(weak="a", strong="b", difference=2.0)


def test_frugal_thresholds_buy_most_within_the_cost() -> None:
    """Scores that tell right from wrong make a chain as good as the strong arm for less; too little is refused."""
    random = np.random.default_rng(1)
    success = np.stack([random.random(300) < 0.6, np.ones(300)], axis=1).astype(np.float64)
    cost = np.tile([1.0, 10.0], (300, 1))
    scores = success + random.random((300, 2)) * 0.1
    chain = fit_frugal(scores, success, cost, (0, 1), most_cost=7.5)
    achieved, paid = chain.walk(scores, success, cost)
    assert achieved.mean() == 1.0
    assert paid.mean() <= 7.5
    with pytest.raises(OutcomesInvalid, match="most_cost"):
        fit_frugal(success, success, cost, (0, 1), most_cost=0.5)


def test_the_best_of_two_by_hand() -> None:
    """Of four attempts two are right: two drawn without replacement miss both in 1 of 6; they cost double."""
    tallies = Tallies(
        tasks=np.array(["t"]),
        groups=np.array(["g"]),
        arms=("a", "b"),
        tries=np.array([[4.0, 1.0]]),
        successes=np.array([[2.0, 1.0]]),
        cost=np.array([[0.5, 3.0]]),
    )
    found = with_samples(tallies, [2])
    assert found.arms == ("a", "b", "a*2")
    assert found.rate[0].tolist() == pytest.approx([0.5, 1.0, 5 / 6])
    assert found.cost[0].tolist() == [0.5, 3.0, 1.0]
    with pytest.raises(OutcomesInvalid, match="counts"):
        with_samples(tallies, [1])
    with pytest.raises(OutcomesInvalid, match="0 or 1"):
        with_samples(replace(tallies, successes=np.array([[2.5, 1.0]])), [2])


def test_an_answer_that_disappoints_lowers_what_is_expected_of_its_like() -> None:
    """After a surprise the arms that fail together with it are expected to be worse, others as before."""
    together = np.array([[0.2, 0.2, 0.0], [0.2, 0.2, 0.0], [0.0, 0.0, 0.2]])
    rule = SupermodelRule(covariance=together, depth=2)
    before, cost = np.array([0.7, 0.75, 0.7]), np.array([0.1, 0.1, 0.1])
    assert rule.next(before, cost, {0: 0.0}, price=0.1, allowed=[0, 1, 2]) == 2
    assert rule.next(before, cost, {0: 0.7}, price=0.1, allowed=[0, 1, 2]) == 1


def test_nothing_is_run_after_an_answer_that_is_certainly_right() -> None:
    """A quality of 1 ends a step, however free and uncertain the other arms are."""
    rule = SupermodelRule(covariance=np.eye(2), depth=2)
    assert rule.next(np.array([0.5, 0.9]), np.zeros(2), {0: 1.0}, price=0.0, allowed=[0, 1]) is None


def test_it_tells_the_quality_of_the_answers_of_its_pool() -> None:
    """By confidence where there is one, else what was expected; nothing of an arm that was not estimated."""
    policy, found = CascadePolicy(UNSURE, confidences=(0.0, 1.0), qualities=(0.0, 1.0)), free()
    tried = record(policy, found)
    assert policy.quality_of(tried, Outcome(arm="arm-0", confidence=0.25)) == 0.25
    assert policy.quality_of(tried, Outcome(arm="arm-0")) == 0.5
    assert policy.quality_of(tried, Outcome(arm="gone", confidence=0.25)) is None
