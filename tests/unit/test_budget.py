"""The contract an episode gets: exactly these fields, from Python, YAML and TOML; what is wrong is named."""

import pickle
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from langroute.budget import Budget
from langroute.config import RouterConfig
from langroute.errors import ConfigError

FIELDS = [
    "total_dollars",
    "max_input_tokens",
    "max_output_tokens",
    "reserve_for_final_synthesis",
    "reserve_for_verification",
    "reserve_for_human_handoff",
    "hard_stop_after_retries",
    "max_seconds",
    "per",
]
FULL = Budget(
    total_dollars=0.08,
    max_input_tokens=1000,
    max_output_tokens=500,
    reserve_for_final_synthesis=0.02,
    reserve_for_verification=0.01,
    reserve_for_human_handoff=0.005,
    hard_stop_after_retries=3,
    max_seconds=60,
    per="thread",
)
YAML = "\n".join(f"{name}: {value}" for name, value in FULL.model_dump().items())
TOML = "\n".join(f"{name} = {value!r}" for name, value in FULL.model_dump().items())


def test_the_fields_are_these() -> None:
    """The public contract has these fields and no other."""
    assert list(Budget.model_fields) == FIELDS


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("flat.yaml", YAML),
        ("wrapped.yml", "task_budget:\n" + "\n".join(f"  {line}" for line in YAML.splitlines())),
        ("flat.toml", TOML),
        ("wrapped.toml", f"[task_budget]\n{TOML}"),
    ],
)
def test_files_hold_the_same_contract(tmp_path: Path, name: str, text: str) -> None:
    """YAML and TOML, with or without ``task_budget`` around the fields, give the budget written in Python."""
    (tmp_path / name).write_text(text)
    assert Budget.from_file(tmp_path / name) == FULL


def test_round_trips() -> None:
    """A budget comes back from its fields, its JSON and its pickle."""
    assert Budget(**FULL.model_dump()) == FULL
    assert Budget.model_validate_json(FULL.model_dump_json()) == FULL
    assert pickle.loads(pickle.dumps(FULL)) == FULL


@pytest.mark.parametrize("field", FIELDS[:-1])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "1", "many", True, [1]])
def test_a_wrong_number_is_refused(field: str, value: Any) -> None:
    """Negative, endless, text, truth values: a ConfigError that names the field."""
    with pytest.raises(ConfigError) as caught:
        Budget(**{"total_dollars": 1.0, field: value})
    assert caught.value.field == f"budget.{field}"


@pytest.mark.parametrize("field", FIELDS[:-2])
def test_what_no_books_can_hold_is_refused_at_construction(field: str) -> None:
    """A limit beyond a ledger's integers is refused here, not at the first call."""
    with pytest.raises(ConfigError) as caught:
        Budget(**{"total_dollars": 1.0, field: 1e300})
    assert caught.value.field == f"budget.{field}"


def test_text_is_told_to_lose_its_quotes() -> None:
    """A number in quotes, the usual slip in YAML, is answered with the way out."""
    with pytest.raises(ConfigError, match=r"budget\.total_dollars: must be a number.*without quotes.*'0\.08'"):
        Budget(total_dollars="0.08")


def test_an_unknown_field_is_answered_with_the_known_ones() -> None:
    """A misspelt field is named, with the fields there are."""
    with pytest.raises(
        ConfigError, match=r"budget\.totl_dollars: unknown field; known fields are total_dollars"
    ) as caught:
        Budget(totl_dollars=1)
    assert caught.value.field == "budget.totl_dollars"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"total_dollars": 0.05, "reserve_for_verification": 0.03, "reserve_for_human_handoff": 0.03},
            "lower a reserve",
        ),
        ({"reserve_for_verification": 0.03}, "reserves need total_dollars"),
        ({"max_seconds": 0}, r"budget\.max_seconds"),
        ({"max_input_tokens": 1.5}, r"budget\.max_input_tokens"),
        ({"per": "week"}, r"budget\.per.*'turn' or 'thread'"),
    ],
)
def test_contradictions_are_refused(given: dict[str, Any], said: str) -> None:
    """What cannot hold together is refused at construction, with the way out."""
    with pytest.raises(ConfigError, match=said):
        Budget(**given)


def test_reserves_may_take_the_whole_total() -> None:
    """Reserves that sum to the total in decimal fit, although their floats sum to more."""
    budget = Budget(total_dollars=0.3, reserve_for_verification=0.1, reserve_for_final_synthesis=0.2)
    assert sum(nano for _, nano in budget.limits().reserves) == budget.limits().nano_usd


def test_limits_round_down() -> None:
    """The ledger's limit is never above the written one; a Decimal is as good as a float."""
    assert Budget(total_dollars=0.0000000019).limits().nano_usd == 1
    assert Budget(total_dollars=Decimal("0.08")).limits().nano_usd == 80_000_000


def test_nothing_given_is_nothing_limited() -> None:
    """An empty budget limits nothing and reserves nothing."""
    limits = Budget().limits()
    assert (limits.nano_usd, limits.input_tokens, limits.output_tokens, limits.retries, limits.reserves) == (
        None,
        None,
        None,
        None,
        (),
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"task_budget": {"total_dollars": 1}, "per": "turn"}, "move per under task_budget"),
        ({"task_budget": None}, "task_budget: must be a mapping"),
        ({"task_budget": {1: 2}}, "names of fields are text, not 1"),
        ({1: 2}, "names of fields are text, not 1"),
    ],
)
def test_mappings_of_the_wrong_shape(data: dict[Any, Any], said: str) -> None:
    """What stands in the wrong place is named."""
    with pytest.raises(ConfigError, match=said):
        Budget.from_mapping(data)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("b.json", "{}", r"use \.yaml, \.yml or \.toml"),
        ("b.yaml", "", "must hold a mapping"),
        ("b.yaml", "- 1", "must hold a mapping"),
        ("b.yaml", "1: 2", "must hold a mapping"),
        ("b.yaml", "a: [", "not well-formed"),
        ("b.yaml", "a: 2020-99-99", "not well-formed"),
        ("b.toml", "a = ", "not well-formed"),
    ],
)
def test_files_of_the_wrong_shape(tmp_path: Path, name: str, text: str, said: str) -> None:
    """A file that holds no settings is refused by its name."""
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=said) as caught:
        Budget.from_file(tmp_path / name)
    assert caught.value.field == str(tmp_path / name)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A path without a file is a setting that is wrong, not a crash."""
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        Budget.from_file(tmp_path / "none.yaml")


def test_a_budget_inside_a_configuration_keeps_its_own_words() -> None:
    """The error of a nested budget names the whole path, and says what the budget alone would say."""
    with pytest.raises(ConfigError) as caught:
        RouterConfig(budget={"total_dollars": -1})
    assert caught.value.field == "router.budget.total_dollars"
    assert str(caught.value).count("got") == 1
