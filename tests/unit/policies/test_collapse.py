"""The abstraction is right where methods of papers come out of one another (collapse tests 1, 2 and 5)."""

import numpy as np
import pytest

from langroute.learning.baselines import oracle_frontier
from langroute.learning.cascades import residual_covariance, walk
from langroute.learning.curves import Curve
from langroute.learning.frugal import FrugalChain
from langroute.learning.grid import OutcomeGrid
from langroute.learning.strong_calls import apgr, strong_call_curve
from langroute.learning.sweep import frontier
from langroute.policies.cascade import CascadePolicy
from langroute.policies.frontier import FrontierPolicy
from langroute.policies.supermodels import SupermodelRule
from langroute.testing.situations import situations

PRICES = (0.0, 0.05, 0.2, 0.5, 1.0, 2.0, 5.0)


def drawn(tasks: int, arms: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ex-ante qualities, post-hoc qualities and costs."""
    random = np.random.default_rng(seed)
    before = random.random((tasks, arms))
    return before, before + random.normal(0, 0.2, (tasks, arms)), random.random((tasks, arms)) * np.arange(1, arms + 1)


def test_a_cascade_of_depth_one_is_carrots_rule() -> None:
    """With one arm to run, cascade routing takes argmax U - lambda C, whatever the uncertainty."""
    before, after, cost = drawn(200, 5)
    rule = SupermodelRule(covariance=residual_covariance(before, after), depth=1)
    for price in PRICES:
        chosen, paid = walk(rule, before, after, cost, price=price)
        best = (before - price * cost).argmax(axis=1)
        assert np.array_equal(chosen, best)
        assert np.array_equal(paid, cost[np.arange(200), best])


def test_a_cascade_policy_of_depth_one_decides_as_the_frontier_policy() -> None:
    """On whole decisions: the same arm, or both stop, in every situation without a price of stopping."""
    policy = CascadePolicy({"arm-0": {"arm-0": 0.04}, "arm-1": {"arm-1": 0.1}}, depth=1)
    compared = 0
    for found in situations(rounds=240, seed=7):
        if found.step.rejected or found.ruling.stop_price is not None:
            continue
        plain = FrontierPolicy().choose(found.step, found.estimates, found.ruling)
        assert policy.choose(found.step, found.estimates, found.ruling).arm == plain.arm
        compared += 1
    assert compared > 60


def test_two_arms_of_constant_cost_are_routellms_threshold() -> None:
    """The strong arm is chosen exactly where its gain exceeds lambda times the dollars between the two."""
    before, after, _ = drawn(300, 2, seed=1)
    cost = np.tile([0.1, 0.7], (300, 1))
    rule = SupermodelRule(covariance=np.eye(2), depth=1)
    for price in PRICES[1:]:
        chosen, _ = walk(rule, before, after, cost, price=price)
        assert np.array_equal(chosen == 1, before[:, 1] - before[:, 0] > price * 0.6)


def test_a_forced_order_without_uncertainty_is_frugalgpts_acceptance() -> None:
    """It goes on exactly while the score is under a threshold: what is to come, less its price."""
    _, after, _ = drawn(400, 3, seed=2)
    quality, dollars = np.array([0.3, 0.5, 0.8]), np.array([0.1, 0.2, 0.6])
    before, cost = np.tile(quality, (400, 1)), np.tile(dollars, (400, 1))
    rule = SupermodelRule(covariance=np.zeros((3, 3)), depth=3, order=(0, 1, 2))
    for price in (0.05, 0.2, 0.4):
        later = quality[2] - price * dollars[2]
        thresholds = (max(quality[1] - price * dollars[1], later - price * dollars[1]), later)
        success = np.zeros((400, 3))
        _, paid = FrugalChain(order=(0, 1, 2), thresholds=thresholds).walk(after, success, cost)
        _, found = walk(rule, before, after, cost, price=price)
        # Where an earlier answer is the better one in hand, the cascade keeps it, and FrugalGPT forgets it.
        held = np.maximum(after[:, 0], after[:, 1])
        differs = (after[:, 0] < thresholds[0]) & (held != after[:, 1])
        assert differs.mean() < 0.5
        assert found[~differs] == pytest.approx(paid[~differs])


def test_a_perfect_estimator_reaches_the_oracle_frontier() -> None:
    """Estimates that are the outcomes give the oracle's whole curve."""
    random = np.random.default_rng(3)
    grid = OutcomeGrid(
        tasks=np.array([f"t{task:02}" for task in range(50)]),
        groups=np.full(50, "g"),
        arms=("a", "b", "c"),
        success=random.random((50, 3)),
        cost=random.random((50, 3)) * [1, 5, 20],
    )
    found, oracle = frontier(grid, grid.success, grid.cost), oracle_frontier(grid)
    costs = np.linspace(oracle.cost[0], oracle.cost[-1], 40)
    assert found.interpolated(costs) == pytest.approx(oracle.interpolated(costs))


def test_a_random_estimator_has_an_apgr_of_one_half() -> None:
    """Averaged over many random scores, within three standard errors."""
    random = np.random.default_rng(4)
    weak = (random.random(500) < 0.4).astype(np.float64)
    strong = (random.random(500) < 0.8).astype(np.float64)
    found = [apgr(strong_call_curve(random.random(500), weak, strong)) for _ in range(200)]
    assert abs(np.mean(found) - 0.5) < 3 * np.std(found) / np.sqrt(200)


def test_cascade_routing_is_no_worse_than_routing_or_a_cascade() -> None:
    """In a world that is as the rule believes, it is worth most at every price, on the tasks of the same draw."""
    random = np.random.default_rng(5)
    tasks, cost = 1500, np.tile([0.1, 0.3, 1.0], (1500, 1))
    before = np.clip(random.normal([0.45, 0.55, 0.7], 0.2, (tasks, 3)), 0, 1)
    spread = np.full((3, 3), 0.01) + np.eye(3) * 0.05
    after = before + random.multivariate_normal(np.zeros(3), spread, tasks)
    rules = {
        "both": SupermodelRule(covariance=spread, depth=3),
        "routing": SupermodelRule(covariance=spread, depth=1),
        "cascade": SupermodelRule(covariance=spread, depth=3, order=(0, 1, 2)),
    }
    curves = {}
    for name, rule in rules.items():
        points = [walk(rule, before, after, cost, price=price) for price in (0.02, 0.1, 0.3, 0.6, 1.2)]
        worth = [after[np.arange(tasks), chosen].mean() for chosen, _ in points]
        curves[name] = Curve(cost=np.array([paid.mean() for _, paid in points]), quality=np.array(worth))
    costs = curves["both"].cost
    for name in ("routing", "cascade"):
        inside = costs >= curves[name].cost[0]
        assert (curves["both"].quality[inside] >= curves[name].interpolated(costs[inside]) - 0.01).all()
