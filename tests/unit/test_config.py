"""RouterConfig: every setting validated once, from Python or a file, with errors that name the field."""

from pathlib import Path
from typing import Any

import pytest

from langroute.budget import Budget
from langroute.config import DEFAULT_OUTPUT_CAPS, RouterConfig, checked_kind
from langroute.entry import EntryRule, When
from langroute.errors import ConfigError
from langroute.records import KINDS
from langroute.tiers import Tier

YAML = """
store: sqlite:///books.db
journal: memory://
policy: always-small
thrift: 0.2
kinds: {plan: control}
tiers: {control: {default: large, minimum: medium}}
entries: [{when: {channel: voice}, kind: presentation}]
output_caps: {execution: 64}
attempts_on_fault: 5
gate_streams: true
"""


@pytest.mark.parametrize("key", ["budget", "task_budget"])
def test_a_file_holds_every_setting(tmp_path: Path, key: str) -> None:
    """Settings and budget come from one file; the budget under either key."""
    file = tmp_path / "router.yaml"
    file.write_text(f"{YAML}{key}: {{total_dollars: 0.5}}\n")
    assert RouterConfig.from_file(file) == RouterConfig(
        budget=Budget(total_dollars=0.5),
        store="sqlite:///books.db",
        journal="memory://",
        policy="always-small",
        thrift=0.2,
        kinds={"plan": "control"},
        tiers={"control": Tier(default="large", minimum="medium")},
        entries=(EntryRule(when=When(channel="voice"), kind="presentation"),),
        output_caps={"execution": 64},
        attempts_on_fault=5,
        gate_streams=True,
    )


def test_a_password_in_a_store_is_not_shown() -> None:
    """A configuration that is logged tells no secrets."""
    url = "postgresql://ada:secret@h/db"
    assert "secret" not in repr(RouterConfig(store=url, journal=url))


def test_both_budget_keys_are_one_too_many(tmp_path: Path) -> None:
    """Two budgets in one file are refused, not merged."""
    file = tmp_path / "router.toml"
    file.write_text("[budget]\ntotal_dollars = 1\n[task_budget]\ntotal_dollars = 2\n")
    with pytest.raises(ConfigError, match="use either budget or task_budget"):
        RouterConfig.from_file(file)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"thrfit": 1}, "router.thrfit"),
        ({"thrift": -0.1}, "router.thrift"),
        ({"thrift": 2}, "router.thrift"),
        ({"thrift": True}, "router.thrift"),
        ({"thrift": float("nan")}, "router.thrift"),
        ({"attempts_on_fault": 0}, "router.attempts_on_fault"),
        ({"attempts_on_fault": "3"}, "router.attempts_on_fault"),
        ({"kinds": {"plan": "planning"}}, "router.kinds.plan"),
        ({"output_caps": {"control": 0}}, "router.output_caps"),
        ({"output_caps": {"control": True}}, "router.output_caps"),
        ({"output_caps": {"planning": 5}}, "router.output_caps.planning.[key]"),
        ({"budget": 5}, "router.budget"),
        ({"budget": {"total": 5}}, "router.budget.total"),
        ({"store": 5}, "router.store"),
    ],
)
def test_a_wrong_setting_is_named(given: dict[str, Any], field: str) -> None:
    """Every wrong setting gives a ConfigError with the dotted path of the field."""
    with pytest.raises(ConfigError) as caught:
        RouterConfig(**given)
    assert caught.value.field == field


def test_caps_fall_back_by_kind() -> None:
    """A cap set for one kind leaves the others at their defaults."""
    config = RouterConfig(output_caps={"control": 7})
    assert {kind: config.output_cap(kind) for kind in KINDS} == {**DEFAULT_OUTPUT_CAPS, "control": 7}


def test_a_kind_is_checked_by_name() -> None:
    """A name of a kind is that kind; anything else is refused with the kinds there are."""
    assert checked_kind("control", field="x") == "control"
    with pytest.raises(ConfigError, match=r"^x: 'plan' is no kind of step; use one of control, execution"):
        checked_kind("plan", field="x")
