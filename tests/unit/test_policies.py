"""The rules that choose, on estimates and rulings written by hand."""

import pytest
from fakes import TWO, a_step

from langroute import defaults
from langroute.errors import ConfigError
from langroute.policies.frontier import FrontierPolicy
from langroute.policies.pinned import PinnedPolicy
from langroute.records import Estimate, Permit, RoutingDecision, Ruling

ROWS = {"small": (0.80, 1_000), "medium": (0.90, 5_000), "large": (0.95, 40_000)}


def _estimates(rows: dict[str, tuple[float, int]]) -> tuple[Estimate, ...]:
    return tuple(
        Estimate(arm=name, success=success, cost_nano=cost, output_tokens=10) for name, (success, cost) in rows.items()
    )


def _ruling(price: float, rows: dict[str, tuple[float, int]], *barred: str) -> Ruling:
    return Ruling(
        price_of_dollar=price,
        permits=tuple(
            Permit(arm=name, why_not="barred here")
            if name in barred
            else Permit(arm=name, output_limit=10, input_bound=10, worst_nano=2 * rows[name][1])
            for name in rows
        ),
        reason="prices are as they are",
    )


def _choose(
    price: float, *barred: str, rows: dict[str, tuple[float, int]] | None = None, policy: object = None
) -> RoutingDecision:
    rows = rows or ROWS
    chooser = policy if isinstance(policy, PinnedPolicy) else FrontierPolicy()
    return chooser.choose(a_step(), _estimates(rows), _ruling(price, rows, *barred))


@pytest.mark.parametrize(
    ("price", "arm"), [(0.0, "large"), (1_000.0, "large"), (10_000.0, "medium"), (50_000.0, "small")]
)
def test_the_best_of_success_less_cost(price: float, arm: str) -> None:
    """As a dollar gets dearer the choice moves down the ladder, at the prices where utilities cross."""
    told = _choose(price)
    best = max(ROWS, key=lambda name: ROWS[name][0] - price * ROWS[name][1] / 1e9)
    assert told.arm == best == arm
    assert (told.output_limit, told.worst_nano, told.cost_nano, told.success) == (
        10,
        2 * ROWS[arm][1],
        ROWS[arm][1],
        ROWS[arm][0],
    )


def test_what_is_barred_is_never_chosen() -> None:
    """The best arm that is permitted is chosen; the permit's reason stands against the others."""
    told = _choose(0.0, "large")
    assert told.arm == "medium"
    assert {seen.arm: seen.why_not for seen in told.alternatives}["large"] == "barred here"


def test_the_only_arm_left_says_so() -> None:
    """With one arm permitted the rationale tells what bars the others."""
    assert _choose(0.0, "small", "large").rationale == (
        "medium makes this execution call: expected success 0.90 for $0.000005; "
        "the only arm permitted (small: barred here; large: barred here)."
    )


def test_nothing_permitted_is_a_stop() -> None:
    """Without any permitted arm the decision is to stop, and says why, costs nothing and chooses nobody."""
    told = _choose(1.0, "small", "medium", "large")
    assert (told.arm, told.worst_nano, told.output_limit, told.cost_nano) == (None, 0, 0, 0)
    assert told.rationale.startswith("Stop: no arm may make this execution call (small: barred here;")
    assert all(seen.why_not for seen in told.alternatives)


def test_ties_go_to_the_cheaper_then_to_the_earlier() -> None:
    """Of two arms of equal utility the cheaper is chosen; of two equal in all, the first of the pool."""
    assert _choose(0.0, rows={"dear": (0.9, 50), "cheap": (0.9, 5)}).arm == "cheap"
    assert _choose(5.0, rows={"first": (0.9, 5), "second": (0.9, 5)}).arm == "first"


@pytest.mark.parametrize(
    ("price", "rows", "said"),
    [
        (50_000.0, {"a": (0.8, 1_000), "b": (0.9, 5_000)}, "+0.100 success is not worth $0.000004 more"),
        (1.0, {"b": (0.8, 1_000), "a": (0.9, 5_000)}, "saves $0.000004 but costs 0.100 success"),
        (1.0, {"a": (0.9, 5), "b": (0.9, 5)}, "no better than a, and no cheaper"),
        (1.0, {"a": (0.9, 5), "b": (0.8, 5)}, "no better than a, and no cheaper"),
    ],
)
def test_why_not_speaks_of_the_trade(price: float, rows: dict[str, tuple[float, int]], said: str) -> None:
    """The reason against an arm is the trade that it loses."""
    told = _choose(price, rows=rows)
    assert {seen.arm: seen.why_not for seen in told.alternatives} == {"a": "", "b": said}


def test_a_pinned_arm_is_chosen_whatever_it_costs() -> None:
    """The pinned order decides; a better arm is told that the policy prefers another."""
    told = _choose(50_000.0, policy=PinnedPolicy(["large", "medium"], name="always-large"))
    assert (told.arm, told.policy) == ("large", "always-large")
    assert {seen.arm: seen.why_not for seen in told.alternatives}["small"] == "the policy prefers large"
    assert _choose(1.0, "large", policy=PinnedPolicy(["large", "medium"])).arm == "medium"
    assert _choose(1.0, "large", "medium", policy=PinnedPolicy(["large"])).arm == "small"


def test_a_pinned_arm_where_a_dollar_is_worth_nothing() -> None:
    """Equal success for less money is not called no cheaper."""
    told = _choose(0.0, rows={"cheap": (0.9, 5), "dear": (0.9, 50)}, policy=PinnedPolicy(["dear"]))
    assert told.alternatives[0].why_not == "the policy prefers dear"


def test_a_pinned_choice_is_explained_as_one() -> None:
    """Nobody is led to believe that a baseline weighed success against cost."""
    told = _choose(50_000.0, policy=PinnedPolicy(["large"], name="always-large"))
    assert told.rationale == (
        "large makes this execution call: expected success 0.95 for $0.00004; "
        "always-large takes the first arm permitted in its order, whatever the price."
    )


@pytest.mark.parametrize(
    ("name", "arm"),
    [
        ("always-small", "small"),
        ("always-large", "large"),
        ("always:large", "large"),
        ("prior", "large"),
        ("exploring:0", "large"),
    ],
)
def test_policies_by_name(name: str, arm: str) -> None:
    """Each documented name is a policy; ``prior`` with a worthless dollar takes the best."""
    rows = {"small": ROWS["small"], "large": ROWS["large"]}
    assert defaults.policy(name, TWO).choose(a_step(), _estimates(rows), _ruling(0.0, rows)).arm == arm


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("best", "no policy is called 'best'; use one of prior, always-small, always-large, always:ARM"),
        ("exploring", "no policy is called 'exploring'"),
        ("exploring:often", "exploring:often must name a share of the steps"),
        ("exploring:2", "exploring:2 must name a share of the steps between 0 and 1"),
        ("always:huge", "the pool has no arm 'huge'; it has small, large"),
    ],
)
def test_an_unknown_policy_is_answered_with_the_known(name: str, said: str) -> None:
    """A wrong name is refused with those there are."""
    with pytest.raises(ConfigError, match=f"^policy: {said}"):
        defaults.policy(name, TWO)
