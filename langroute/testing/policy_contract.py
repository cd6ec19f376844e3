"""check_policy: what every routing policy must do, whatever it is made of."""

import math

from langroute.protocols import RoutingPolicy
from langroute.records import RoutingDecision
from langroute.testing.purity import check_named, check_pure, expect
from langroute.testing.situations import Situation, situations


def check_policy(policy: RoutingPolicy, *, rounds: int = 240, seed: int = 0) -> None:
    """Try a policy in many situations.

    It must be pure and picklable; never choose an arm that is not permitted; stop when none is, and call some arm when
    all are and money costs nothing; list every arm of the pool in pool order with a reason against each that was not
    chosen; and carry over what it was told (limits, costs, the price of a dollar) unchanged.

    Args:
        policy: the policy under test, fitted if it needs fitting.
        rounds: how many situations.
        seed: which situations.

    Raises:
        AssertionError: says what was broken, and in which situation.
    """
    expect(isinstance(policy, RoutingPolicy), f"{type(policy).__name__} has no choose(step, estimates, ruling)")
    check_named(policy)
    drawn = list(situations(rounds=rounds, seed=seed))
    for situation, decision in zip(drawn, check_pure(policy, drawn, _choose), strict=True):
        try:
            _check_decision(policy, situation, decision)
        except AssertionError as exc:
            raise AssertionError(f"{exc}\ndecision: {decision}\nsituation: {situation}") from exc


def _choose(policy: RoutingPolicy, situation: Situation) -> RoutingDecision:
    # Lists, so that a policy that sorts or pops what it is given is found out by the next line.
    estimates = list(situation.estimates)
    decision = policy.choose(situation.step, estimates, situation.ruling)
    expect(tuple(estimates) == situation.estimates, "the list of estimates was changed")
    return decision


def _check_decision(policy: RoutingPolicy, situation: Situation, decision: RoutingDecision) -> None:
    expect(isinstance(decision, RoutingDecision), f"choose must return a RoutingDecision, not {type(decision)}")
    expect(
        (decision.policy, decision.policy_version) == (policy.name, policy.version),
        "the decision must carry the policy's name and version",
    )
    expect(decision.price_of_dollar == situation.ruling.price_of_dollar, "price_of_dollar is not the ruling's")
    expect(0.0 < decision.propensity <= 1.0, f"propensity must be in (0, 1], got {decision.propensity}")
    expect(
        decision.rationale.strip() and "\n" not in decision.rationale, "rationale must be one line that is not empty"
    )
    _check_choice(situation, decision)
    _check_alternatives(situation, decision)


def _check_choice(situation: Situation, decision: RoutingDecision) -> None:
    allowed = {permit.arm: permit for permit in situation.ruling.permits if permit.allowed}
    if decision.arm is None:
        nothing_bars = len(allowed) == len(situation.arms) and situation.ruling.price_of_dollar == 0
        free = nothing_bars and not situation.step.rejected and situation.step.pinned is None
        expect(not free, "it stops although every arm is permitted and a dollar is worth nothing")
        stopped = (decision.output_limit, decision.worst_nano, decision.cost_nano)
        expect(stopped == (0, 0, 0), "stopping costs nothing: output_limit, worst_nano and cost_nano must be 0")
        return
    expect(allowed, f"no arm is permitted, so it must stop (arm=None), yet it chose {decision.arm}")
    expect(decision.arm in allowed, f"{decision.arm} is not permitted")
    permit = allowed[decision.arm]
    estimate = next(estimate for estimate in situation.estimates if estimate.arm == decision.arm)
    expect(decision.output_limit == permit.output_limit, "output_limit is not the permit's")
    expect(decision.worst_nano == permit.worst_nano, "worst_nano is not the permit's")
    expect(decision.cost_nano == estimate.cost_nano, "cost_nano is not the estimate's")
    expect(decision.success == estimate.success, "success is not the estimate's")


def _check_alternatives(situation: Situation, decision: RoutingDecision) -> None:
    names = [alternative.arm for alternative in decision.alternatives]
    pool = [arm.name for arm in situation.arms]
    expect(names == pool, f"alternatives must be the whole pool in its order, {pool}, got {names}")
    for alternative, estimate, permit in zip(
        decision.alternatives, situation.estimates, situation.ruling.permits, strict=True
    ):
        seen = (alternative.success, alternative.cost_nano, alternative.worst_nano)
        told = (estimate.success, estimate.cost_nano, permit.worst_nano)
        expect(seen == told, f"{alternative.arm}: success, cost and worst case must be as told, {told}, got {seen}")
        expect(math.isfinite(alternative.utility), f"{alternative.arm}: utility must be finite")
        chosen = alternative.arm == decision.arm
        expect(chosen or alternative.why_not.strip(), f"{alternative.arm} was not chosen and has no why_not")
        expect(not (chosen and alternative.why_not), f"{alternative.arm} was chosen, so why_not must be empty")
