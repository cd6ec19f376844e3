"""Tiers: the arm a kind of step starts with, and the one below which it never goes."""

from dataclasses import replace
from typing import Any

import pytest
from fakes import Pool, a_step, ladder
from hypothesis import given
from hypothesis import strategies as st

from langroute.config import RouterConfig
from langroute.entry import EntryRule
from langroute.errors import ConfigError
from langroute.records import KINDS, Arm, BudgetView, Features, Kind, Permit, Pressure, Ruling, Step
from langroute.router import StepRouter
from langroute.tiers import Tier, check_tiers, tier_mask, tiered

NAMES = ("tiny", "small", "medium", "large")
FOUR = ladder(*NAMES)
TROUBLE = Pressure(tool_errors=2)


def _mask(tier: Tier, *, ahead: bool = False, permitted: Any = None, **step: Any) -> dict[str, str]:
    return tier_mask(a_step(kind="control", **step), FOUR, {"control": tier}, ahead=ahead, permitted=permitted)


def _open(tier: Tier, **state: Any) -> list[str]:
    masked = _mask(tier, **state)
    return [name for name in state.get("permitted") or NAMES if name not in masked]


def test_without_a_tier_nothing_is_ruled_out() -> None:
    """Steps of a kind that no tier is for keep every arm."""
    assert tier_mask(a_step(kind="execution"), FOUR, {"control": Tier(minimum="large")}, ahead=True) == {}


def test_a_minimum_rules_out_cheaper_arms() -> None:
    """Whatever happens, cheaper arms than the minimum are masked, with a reason that names tier and kind."""
    reason = "below the minimum tier medium of control steps"
    for state in ({}, {"ahead": True}, {"pressure": TROUBLE}, {"permitted": {"tiny", "small"}}, {"pinned": "tiny"}):
        assert _mask(Tier(minimum="medium"), **state) == {"tiny": reason, "small": reason}


def test_a_default_is_where_a_step_starts() -> None:
    """Calm it alone is open; trouble opens dearer arms, a burn ahead of plan cheaper ones, both neither."""
    tier = Tier(default="small")
    assert _open(tier) == ["small"]
    assert _open(tier, pressure=TROUBLE) == ["small", "medium", "large"]
    assert _open(tier, ahead=True) == ["tiny", "small"]
    assert _open(tier, ahead=True, pressure=TROUBLE) == ["small"]


def test_where_the_default_may_not_be_called_the_others_may() -> None:
    """A default that cannot make the call, or no longer fits, closes only what trouble or the burn close."""
    tier = Tier(default="medium")
    without = ("tiny", "small", "large")
    assert _open(tier, permitted=without) == list(without)
    assert _open(tier, permitted=without, pressure=TROUBLE) == ["large"]
    assert _open(tier, permitted=without, ahead=True) == ["tiny", "small"]
    assert _open(tier, permitted=("tiny", "small"), pressure=TROUBLE) == ["tiny", "small"]
    assert _open(tier, permitted=("large",), ahead=True) == ["large"]


def test_every_reason_says_whose_tier_it_is() -> None:
    """Reasons name the default, whose it is, and the pressure or the burn that closed the arm."""
    tier = Tier(default="small")
    assert _mask(tier)["large"] == "not the default tier small of control steps"
    assert _mask(tier, pressure=TROUBLE)["tiny"] == (
        "cheaper than the default tier small of control steps, under pressure 2"
    )
    assert _mask(tier, ahead=True)["large"] == (
        "dearer than the default tier small of control steps, while a dollar is dearer than usual"
    )


def test_an_entry_rule_goes_before_the_kind() -> None:
    """The rule's default replaces the kind's; minimums add up; without the rule in the step only the kind's hold."""
    rules = (EntryRule(name="legal", default="large", minimum="medium"),)
    tiers: dict[Kind, Tier] = {"control": Tier(default="small", minimum="small")}
    step = a_step(kind="control", features=Features(entry="legal"))
    masked = tier_mask(step, FOUR, tiers, ahead=False, entries=rules)
    assert masked == {
        "tiny": "below the minimum tier medium of the entry rule legal",
        "small": "below the minimum tier medium of the entry rule legal",
        "medium": "not the default tier large of the entry rule legal",
    }
    other = replace(step, features=Features(entry="another"))
    assert set(tier_mask(other, FOUR, tiers, ahead=False, entries=rules)) == {"tiny", "medium", "large"}


names = st.none() | st.sampled_from(NAMES)
subsets = st.sets(st.sampled_from(NAMES), min_size=1)
pressures = st.sampled_from((Pressure(), TROUBLE))


@given(names, names, subsets, pressures, st.booleans(), st.permutations(FOUR))
def test_only_a_minimum_closes_the_last_arm(
    default: str | None, minimum: str | None, permitted: set[str], pressure: Pressure, ahead: bool, arms: list[Arm]
) -> None:
    """What may be called and is not below the minimum: some of it stays open, in whatever order the pool stands."""
    step = a_step(kind="control", pressure=pressure)
    tier = Tier.model_construct(default=default, minimum=minimum)
    masked = tier_mask(step, arms, {"control": tier}, ahead=ahead, permitted=permitted)
    floor = 0.0 if minimum is None else next(arm.rank for arm in arms if arm.name == minimum)
    capable = {arm.name for arm in arms if arm.name in permitted and arm.rank >= floor}
    assert bool(capable - set(masked)) == bool(capable)
    assert {arm.name for arm in arms if arm.rank < floor} <= set(masked)
    assert masked == tier_mask(
        step, sorted(arms, key=lambda arm: arm.name), {"control": tier}, ahead=ahead, permitted=permitted
    )


@given(names, st.sampled_from(NAMES), st.sampled_from(NAMES), subsets, pressures, st.booleans())
def test_a_higher_minimum_opens_no_cheaper_arm(
    default: str | None, one: str, other: str, permitted: set[str], pressure: Pressure, ahead: bool
) -> None:
    """Raising the minimum keeps closed what the lower minimum closed."""
    lower, higher = sorted((one, other), key=NAMES.index)
    closed = [
        set(_mask(Tier(minimum=name, default=default), permitted=permitted, pressure=pressure, ahead=ahead))
        for name in (lower, higher)
    ]
    below = set(NAMES[: NAMES.index(lower)])
    assert below <= closed[0] & closed[1]
    assert set(NAMES[: NAMES.index(higher)]) <= closed[1]


@given(st.sampled_from(NAMES), subsets, st.booleans())
def test_trouble_leads_upward(default: str, permitted: set[str], ahead: bool) -> None:
    """Pressure closes no arm above the default and opens none below it."""
    calm = _mask(Tier(default=default), permitted=permitted, ahead=ahead)
    troubled = _mask(Tier(default=default), permitted=permitted, ahead=ahead, pressure=TROUBLE)
    start = NAMES.index(default)
    assert not (set(NAMES[start + 1 :]) & set(troubled)) - set(calm)
    assert not (set(NAMES[:start]) & set(calm)) - set(troubled)


@given(st.sampled_from(NAMES), subsets, pressures)
def test_a_burn_ahead_of_plan_leads_downward(default: str, permitted: set[str], pressure: Pressure) -> None:
    """Spending ahead of plan closes no arm below the default and opens none above it."""
    planned = _mask(Tier(default=default), permitted=permitted, pressure=pressure)
    ahead = _mask(Tier(default=default), permitted=permitted, pressure=pressure, ahead=True)
    start = NAMES.index(default)
    assert not (set(NAMES[:start]) & set(ahead)) - set(planned)
    assert not (set(NAMES[start + 1 :]) & set(planned)) - set(ahead)


def _ruling(**fields: Any) -> Ruling:
    permits = tuple(Permit(arm=name, output_limit=10, worst_nano=5) for name in NAMES)
    return Ruling(**{"price_of_dollar": 2.0, "calm_price": 2.0, "permits": permits, **fields})


STEP: Step = a_step(kind="control")


def test_a_ruling_without_tiers_stays_as_it_is() -> None:
    """No tier for the step: the same ruling, not a copy."""
    ruling = _ruling()
    assert tiered(ruling, STEP, FOUR, tiers={}) is ruling


@pytest.mark.parametrize(
    ("calm", "allowed"), [(2.0, ["medium"]), (None, ["medium"]), (1.0, ["tiny", "small", "medium"])]
)
def test_the_burn_is_read_from_the_price_of_a_dollar(calm: float | None, allowed: list[str]) -> None:
    """A price above the calm price means that money is spent ahead of plan."""
    told = tiered(_ruling(calm_price=calm), STEP, FOUR, tiers={"control": Tier(default="medium")})
    assert [permit.arm for permit in told.permits if permit.allowed] == allowed
    assert [permit.arm for permit in told.permits] == list(NAMES)


def test_a_masked_arm_is_no_longer_short_of_money() -> None:
    """Below the minimum more money would not help; what an arm cannot do stays its reason."""
    permits = (
        Permit(arm="tiny", worst_nano=9, why_not="may cost more", short_of="dollars"),
        Permit(arm="small", why_not="cannot call tools"),
        Permit(arm="medium", output_limit=10),
        Permit(arm="large", worst_nano=99, why_not="may cost more", short_of="dollars"),
    )
    told = tiered(_ruling(permits=permits), STEP, FOUR, tiers={"control": Tier(minimum="medium")})
    assert told.permits == (
        Permit(arm="tiny", why_not="below the minimum tier medium of control steps"),
        *permits[1:],
    )


def test_a_lower_tier_is_told_as_a_measure() -> None:
    """Where a burn ahead of plan takes a cheaper arm than the default, the decision says instead of which, and why."""
    router = StepRouter(Pool(FOUR), config=RouterConfig(tiers={"control": Tier(default="medium")}))
    spent = BudgetView(scope="episode:e", limit_nano=10**9, available_nano=10**8, spent_nano=9 * 10**8)
    calm = router.deliberate(STEP)
    thrifty = router.deliberate(replace(STEP, budget=spent))
    assert (calm.decision.arm, calm.measures) == ("medium", ())
    assert thrifty.decision.arm in ("tiny", "small")
    (measure,) = thrifty.measures
    assert measure.action == "downgrade"
    assert measure.reason.startswith(f"{thrifty.decision.arm} instead of medium: ")


@pytest.mark.parametrize(
    ("settings", "field", "said"),
    [
        ({"tiers": {"control": {"minimum": "huge"}}}, "tiers.control.minimum", "no arm 'huge'; it has tiny, small"),
        ({"tiers": {"control": {"default": "huge"}}}, "tiers.control.default", "no arm 'huge'"),
        (
            {"tiers": {"control": {"default": "small", "minimum": "large"}}},
            "tiers.control.default",
            "small is cheaper than the minimum large",
        ),
        ({"entries": [{"minimum": "huge"}]}, "entries.0.minimum", "no arm 'huge'"),
        (
            {"entries": [{"when": {"hint": "x"}, "kind": "control"}, {"default": "huge"}]},
            "entries.1.default",
            "no arm 'huge'",
        ),
        ({"entries": [{"default": "small", "minimum": "medium"}]}, "entries.0.default", "small is cheaper"),
        (
            {"tiers": {"control": {"minimum": "medium"}}, "entries": [{"kind": "control", "default": "small"}]},
            "entries.0.default",
            "small is cheaper than medium, the minimum tier of control steps",
        ),
    ],
)
def test_names_are_checked_against_the_pool(settings: dict[str, Any], field: str, said: str) -> None:
    """A tier or rule that names no arm of the pool, or contradicts itself, is refused by the path of its field."""
    config = RouterConfig(**settings)
    with pytest.raises(ConfigError) as caught:
        check_tiers(config.tiers, config.entries, FOUR)
    assert caught.value.field == field
    assert said in str(caught.value)


def test_good_names_pass() -> None:
    """Tiers and rules over the pool's own arms are taken, a default at its minimum included."""
    tiers: dict[Kind, Tier] = {kind: Tier(default="medium", minimum="medium") for kind in KINDS}
    check_tiers(tiers, (EntryRule(kind="control", default="medium", minimum="tiny"),), FOUR)


@pytest.mark.parametrize(
    ("tiers", "field"),
    [
        ({"control": {}}, "router.tiers.control"),
        ({"control": {"defualt": "large"}}, "router.tiers.control.defualt"),
        ({"control": {"default": 5}}, "router.tiers.control.default"),
        ({"planning": {"default": "large"}}, "router.tiers.planning.[key]"),
        ({"control": "large"}, "router.tiers.control"),
    ],
)
def test_a_wrong_tier_is_named(tiers: dict[str, Any], field: str) -> None:
    """Every mistake in a tier gives a ConfigError with the path of the field."""
    with pytest.raises(ConfigError) as caught:
        RouterConfig(tiers=tiers)
    assert caught.value.field == field
