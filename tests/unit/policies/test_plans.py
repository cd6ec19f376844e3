"""Plans: exact for one attempt, found by search beyond, and never worth less than stopping."""

import itertools

import numpy as np
import pytest

from langroute.errors import ArtifactInvalid
from langroute.policies.plans import Plan, Rules, Scenarios, follow, plan


def drawn(seed: int, *, cases: int = 12, arms: int = 4) -> Scenarios:
    random = np.random.default_rng(seed)
    weight = random.random(cases)
    return Scenarios(
        success=random.random((cases, arms)) * random.random((cases, 1)),
        cost=random.random((cases, arms)) * np.linspace(0.1, 1.0, arms),
        weight=weight / weight.sum(),
    )


def worth(order: tuple[int, ...], scenarios: Scenarios, price: float, error: float = 0.0) -> float:
    success, cost = follow(order, scenarios.success, scenarios.cost, error=error)
    return float(scenarios.weight @ (success - price * cost))


@pytest.mark.parametrize("error", [0.0, 0.1])
@pytest.mark.parametrize("price", [0.0, 0.2, 0.6, 3.0])
def test_a_wide_search_finds_the_best_of_all_orders(price: float, error: float) -> None:
    """With a beam as wide as there are orders, no order of any length is worth more."""
    for seed in range(8):
        scenarios = drawn(seed)
        orders = [order for size in range(4) for order in itertools.permutations(range(4), size)]
        best = max(worth(order, scenarios, price, error) for order in orders)
        found = plan(scenarios, price=price, rules=Rules(attempts=3, error=error, width=30))
        assert found.worth(price) == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("error", [0.0, 0.2])
def test_what_a_plan_expects_is_what_following_it_gives(error: float) -> None:
    """The success and cost of a plan are those of its order over the scenarios."""
    scenarios = drawn(3)
    found = plan(scenarios, price=0.1, rules=Rules(attempts=3, error=error))
    success, cost = follow(found.arms, scenarios.success, scenarios.cost, error=error)
    assert found.success == pytest.approx(scenarios.weight @ success)
    assert found.cost == pytest.approx(scenarios.weight @ cost)


def test_following_pays_for_failures_and_stops_at_a_success() -> None:
    """Two arms by hand: the second is paid for only where the first failed."""
    success, cost = follow((0, 1), np.array([[0.75, 0.5]]), np.array([[1.0, 10.0]]))
    assert success.tolist() == [0.875]
    assert cost.tolist() == [3.5]


def test_a_wrong_verifier_by_hand() -> None:
    """Wrong one time in ten: the last answer stands whatever it says, an earlier one only if it is let through."""
    success, cost = follow((0, 1), np.array([[0.5, 1.0]]), np.array([[1.0, 1.0]]), error=0.1)
    assert success[0] == pytest.approx(0.5 * 0.9 + 0.5 * 1.0)
    assert cost[0] == pytest.approx(1.5)


def test_nothing_is_tried_where_nothing_is_worth_its_price() -> None:
    """The empty plan is among the plans."""
    assert plan(drawn(0), price=1e6) == Plan()


def test_a_second_arm_that_fails_with_the_first_is_left_out() -> None:
    """Arms that fail on the same tasks add nothing to each other, however good each is alone."""
    same, other = np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0, 0.0])
    scenarios = Scenarios(
        success=np.stack([same, same * 0.9, other], axis=1), cost=np.full((4, 3), 0.1), weight=np.full(4, 0.25)
    )
    assert plan(scenarios, price=0.5, rules=Rules(attempts=2)).arms == (0, 2)


@pytest.mark.parametrize(
    ("success", "weight"),
    [
        (np.array([[1.5]]), np.array([1.0])),
        (np.array([[0.5]]), np.array([0.4])),
        (np.array([[0.5]]), np.array([0.5, 0.5])),
        (np.array([[np.nan]]), np.array([1.0])),
    ],
)
def test_scenarios_that_are_none_are_refused(success: np.ndarray, weight: np.ndarray) -> None:
    """Probabilities out of range, weights that do not sum to 1, and shapes that do not fit are named."""
    with pytest.raises(ArtifactInvalid, match="scenarios"):
        Scenarios(success=success, cost=np.zeros_like(success), weight=weight)


@pytest.mark.parametrize("bad", [{"attempts": 0}, {"error": 0.5}, {"width": 0}])
def test_rules_out_of_range_are_refused(bad: dict[str, float]) -> None:
    """A verifier no better than a coin, and no attempts, are no rules."""
    with pytest.raises(ArtifactInvalid, match="plan rules"):
        Rules(**bad)  # type: ignore[arg-type]
