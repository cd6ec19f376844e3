"""Budgets that episodes share: what they are called, what they limit, and what is refused."""

from typing import Any

import pytest

from langroute.config import RouterConfig
from langroute.errors import ConfigError
from langroute.scopes import ScopeRule, check_known, checked_said, scopes_at

NOON = 1_790_000_000.0  # 2026-09-21, 14:13:20 UTC


@pytest.mark.parametrize(
    ("settings", "scope"),
    [
        ({}, "user:ada"),
        ({"per": "hour"}, "user:ada@2026-09-21T14"),
        ({"per": "day"}, "user:ada@2026-09-21"),
        ({"per": "month"}, "user:ada@2026-09"),
        ({"per": "rolling", "window_hours": 24}, "user:ada"),
    ],
)
def test_books_are_named_by_whose_they_are_and_by_period(settings: dict[str, Any], scope: str) -> None:
    """A calendar period is part of the name, so a new one begins with new books; a rolling window is a limit's."""
    rule = ScopeRule(name="user", total_dollars=5, max_input_tokens=10, **settings)
    ((name, limits),) = scopes_at([rule], {"user": "ada"}, at=NOON, episode="e")
    assert name == scope
    assert (limits.nano_usd, limits.input_tokens, limits.output_tokens) == (5 * 10**9, 10, None)
    assert limits.window_s == (86_400.0 if "window_hours" in settings else None)


def test_two_scopes_may_ask_for_the_same_word() -> None:
    """A user's day and a user's month are two budgets of one user; what all share asks for nothing."""
    rules = [
        ScopeRule(name="user-day", key="user", per="day", total_dollars=5),
        ScopeRule(name="user-month", key="user", per="month", total_dollars=50),
        ScopeRule(name="company", shared=True, total_dollars=500),
        ScopeRule(name="team", total_dollars=50, required=False),
    ]
    names = [name for name, _ in scopes_at(rules, {"user": "ada"}, at=NOON, episode="e")]
    assert names == ["user-day:ada@2026-09-21", "user-month:ada@2026-09", "company:all"]


def test_a_call_that_does_not_say_whose_budget_it_is_is_refused() -> None:
    """The error names the key, and both places where it can be said."""
    with pytest.raises(
        ConfigError, match=r"langroute_scopes.user.*episode 'e'.*configurable.*router\.episode"
    ) as caught:
        scopes_at([ScopeRule(name="user", total_dollars=5)], {}, at=NOON, episode="e")
    assert caught.value.field == "langroute_scopes.user"


def test_a_slip_of_the_pen_opens_no_way_past_a_budget() -> None:
    """A key that no rule has is refused, and so is one of a budget that all share."""
    rules = [
        ScopeRule(name="user", total_dollars=5, required=False),
        ScopeRule(name="firm", shared=True, total_dollars=5),
    ]
    check_known({"user": "ada"}, rules, field="scopes")
    for said in ({"usr": "ada"}, {"firm": "x"}):
        with pytest.raises(ConfigError, match="no scope with this key; it has user"):
            check_known(said, rules, field="scopes")


@pytest.mark.parametrize("said", ["ada", {"user": ""}, {"user": " "}, {"user": 3}, {3: "ada"}, {"user": "x" * 201}])
def test_what_is_no_word_is_refused(said: Any) -> None:
    """Whose a budget is is a word of at most 200 characters."""
    with pytest.raises(ConfigError):
        checked_said(said, field="scopes")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"name": "user"}, "limits nothing"),
        ({"name": "user", "total_dollars": 1, "per": "rolling"}, "window_hours"),
        ({"name": "user", "total_dollars": 1, "window_hours": 3}, "window_hours"),
        ({"name": "user", "total_dollars": 1, "shared": True, "key": "user"}, "shared by all"),
        ({"name": "episode", "total_dollars": 1}, "take another name"),
        ({"name": "a b", "total_dollars": 1}, "name"),
        ({"name": "user", "total_dollars": -1}, "total_dollars"),
        ({"name": "user", "total_dollars": 1, "per": "week"}, "per"),
    ],
)
def test_a_scope_that_makes_no_sense_is_refused(settings: dict[str, Any], told: str) -> None:
    """A wrong rule is refused when the configuration is made, with its place in it."""
    with pytest.raises(ConfigError, match=told) as caught:
        RouterConfig(scopes=[settings])
    assert "scopes" in str(caught.value.field)


def test_two_scopes_of_one_name_are_refused() -> None:
    """Their books would be one."""
    rule = {"name": "user", "total_dollars": 1}
    with pytest.raises(ConfigError, match="two scopes are called"):
        RouterConfig(scopes=[rule, rule])
