"""ChainPolicy: the next arm of a learned order, until the order ends."""

import json
from dataclasses import replace

import pytest

from langroute.errors import ArtifactInvalid
from langroute.parts import Parts
from langroute.policies.chain import ChainPolicy
from langroute.records import Rejection
from langroute.testing import check_policy
from langroute.testing.situations import Situation, situations

MENUS = {
    "": ((0.0, ("arm-0", "arm-1")), (2.0, ("arm-0",))),
    "legal": ((0.0, ("arm-1", "arm-2", "arm-0")),),
    "ticket": ((0.0, ("arm-2",)),),
}


def free(*, arms: int = 3) -> Situation:
    """A situation that permits all of several arms, without rejections."""
    for found in situations(rounds=240, seed=3):
        if len(found.arms) >= arms and all(permit.allowed for permit in found.ruling.permits):
            features = replace(found.step.features, domain="", hint="")
            step = replace(found.step, rejected=(), pinned=None, features=features)
            return replace(found, step=step)
    raise AssertionError("no such situation was drawn")


def chosen(found: Situation, *, price: float = 0.0, out: tuple[str, ...] = (), **told: str) -> str | None:
    step = replace(found.step, features=replace(found.step.features, **told))
    step = replace(step, rejected=tuple(Rejection(arm=arm, reason="wrong") for arm in out))
    return ChainPolicy(MENUS).choose(step, found.estimates, replace(found.ruling, price_of_dollar=price)).arm


def test_it_keeps_the_contract() -> None:
    """The chain policy passes the suite for policies."""
    check_policy(ChainPolicy(MENUS))


def test_it_goes_down_its_order_as_answers_are_rejected() -> None:
    """Each rejected answer brings the next arm; after the last one the step stops."""
    found = free()
    assert chosen(found) == "arm-0"
    assert chosen(found, out=("arm-0",)) == "arm-1"
    assert chosen(found, out=("arm-0", "arm-1")) is None


def test_a_task_that_recurs_has_its_own_order_then_its_group_then_everything() -> None:
    """The hint is looked up first, then the domain; what is unknown gets the order of everything."""
    found = free()
    assert chosen(found, domain="legal") == "arm-1"
    assert chosen(found, domain="legal", hint="ticket") == "arm-2"
    assert chosen(found, domain="cooking", hint="unheard of") == "arm-0"


def test_a_dearer_dollar_shortens_the_order() -> None:
    """At a price from which a shorter order holds, the step stops earlier."""
    assert chosen(free(), price=1.9, out=("arm-0",)) == "arm-1"
    assert chosen(free(), price=2.0, out=("arm-0",)) is None


def test_the_decision_says_which_order_it_follows() -> None:
    """The rationale names the order, and every arm not chosen has a reason."""
    found = free()
    decision = ChainPolicy(MENUS).choose(found.step, found.estimates, replace(found.ruling, price_of_dollar=0.0))
    assert "arm-0 > arm-1" in decision.rationale


def test_it_is_the_same_after_it_was_stored() -> None:
    """What is stored is plain JSON, and gives the same orders again."""
    parts = ChainPolicy(MENUS).parts()
    again = ChainPolicy.from_parts(Parts(settings=json.loads(json.dumps(parts.settings))))
    for price in (0.0, 1.0, 2.5):
        for domain in ("", "legal"):
            assert again.order(price=price, domain=domain) == ChainPolicy(MENUS).order(price=price, domain=domain)


@pytest.mark.parametrize(
    ("menus", "complaint"),
    [
        ({}, "no menu for ''"),
        ({"": ()}, "rising prices"),
        ({"": ((1.0, ("a",)), (0.5, ("b",)))}, "rising prices"),
        ({"": ((0.0, ("a", "a")),)}, "twice"),
    ],
)
def test_menus_that_are_none_are_refused(
    menus: dict[str, tuple[tuple[float, tuple[str, ...]], ...]], complaint: str
) -> None:
    """Each fault of a menu is named."""
    with pytest.raises(ArtifactInvalid, match=complaint):
        ChainPolicy(menus)


def test_a_damaged_store_is_named() -> None:
    """Settings that hold no menus are an invalid artifact."""
    with pytest.raises(ArtifactInvalid, match="menus"):
        ChainPolicy.from_parts(Parts(settings={"menus": {"": [["x"]]}}))
