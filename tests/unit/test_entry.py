"""Entry rules: which rule meets a request, and what is set aside for the episode that it opens."""

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langroute.budget import Budget
from langroute.config import RouterConfig
from langroute.entry import MOST_READ, EntryRule, When, first_match, named_rules, reserved
from langroute.errors import ConfigError

VOICE: dict[str, Any] = {"when": {"channel": "voice"}, "kind": "presentation", "reserve_dollars": 0.01}
LEGAL: dict[str, Any] = {"name": "legal", "when": {"domain": "legal", "hint": "draft"}, "minimum": "large"}
WORDS: dict[str, Any] = {"when": {"words": ["lawsuit", "terms of use", "C++"]}, "default": "large"}
REST: dict[str, Any] = {"reserve_dollars": 0.002}
RULES = RouterConfig(entries=(VOICE, LEGAL, WORDS, REST)).entries


def _found(**call: str) -> str | None:
    rule = first_match(RULES[:3], **call)
    return None if rule is None else rule.name


def test_the_first_rule_that_matches_decides() -> None:
    """Rules are tried in their order; a later one that also matches changes nothing."""
    assert _found(channel="voice", domain="legal", hint="draft") == "entries.0"
    assert _found(domain="legal", hint="draft", said="a lawsuit") == "legal"
    assert _found(domain="legal", hint="summarize", said="a lawsuit") == "entries.2"
    assert _found(domain="legal", hint="summarize", said="a letter") is None
    assert _found() is None


def test_a_rule_without_conditions_takes_what_is_left() -> None:
    """The last rule may match every call; those before it still come first."""
    found = first_match(RULES, channel="chat")
    assert found is not None
    assert found.name == "entries.3"


def test_hint_channel_and_domain_are_compared_whole_in_any_case() -> None:
    """Only the case may differ; a part of a word, or a word more, is another word."""
    assert _found(channel="VOICE") == "entries.0"
    assert _found(channel="voicemail") is None
    assert _found(domain="Legal", hint="Draft") == "legal"
    assert _found(domain="legal", hint="draft a letter") is None


@pytest.mark.parametrize(
    ("said", "matches"),
    [
        ("Our LAWSUIT is lost", True),
        ("lawsuits", False),
        ("the terms\n of use are long", True),
        ("use of terms", False),
        ("written in C++.", True),
        ("written in C", False),
        ("lawsuit".rjust(MOST_READ), True),
        ("lawsuit".rjust(MOST_READ + 1), False),
    ],
)
def test_words_are_found_whole_near_the_beginning(said: str, matches: bool) -> None:
    """One word or phrase of a rule is enough, in any case; parts of words and what stands further on do not count."""
    assert (_found(said=said) == "entries.2") is matches


def test_rules_have_names_of_their_own() -> None:
    """A rule without a name is called by its place, and stays so when the settings are merged again."""
    assert [rule.name for rule in RULES] == ["entries.0", "legal", "entries.2", "entries.3"]
    assert RouterConfig(entries=RULES).entries == RULES


def test_rules_survive_a_process_boundary() -> None:
    """Pickled rules are the same rules and match the same calls, also after they have been used."""
    assert _found(said="lawsuit") == "entries.2"
    again = pickle.loads(pickle.dumps(RULES))
    assert again == RULES
    assert first_match(again, said="lawsuit") == RULES[2]


@pytest.mark.parametrize(
    ("entries", "field", "said"),
    [
        ([{"when": {"channel": "voice"}}], "router.entries.0", "does nothing; give it a kind, default"),
        ([REST, VOICE], "router.entries", "entries.0 matches every call, so no rule after it"),
        ([LEGAL, LEGAL], "router.entries", "two rules are called 'legal'"),
        ([{**VOICE, "reserve": 1}], "router.entries.0.reserve", "known fields are name, when, kind"),
        ([VOICE, {"when": {"chanel": "x"}}], "router.entries.1.when.chanel", "fields are hint, channel, domain, words"),
        ([{**VOICE, "kind": "speech"}], "router.entries.0.kind", "should be 'control'"),
        ([{**VOICE, "reserve_dollars": -1}], "router.entries.0.reserve_dollars", "greater than or equal to 0"),
        ([{**VOICE, "reserve_dollars": "1"}], "router.entries.0.reserve_dollars", "must be a number, not str"),
        ([{**VOICE, "reserve_dollars": float("inf")}], "router.entries.0.reserve_dollars", "finite"),
        ([{**VOICE, "when": {"channel": ""}}], "router.entries.0.when.channel", "at least 1 character"),
        ([{**VOICE, "when": {"words": [" "]}}], "router.entries.0.when.words", "an empty word stands in every prompt"),
        ([{**VOICE, "when": {"words": "law"}}], "router.entries.0.when.words", "valid tuple"),
        ({"voice": VOICE}, "router.entries", "valid tuple"),
    ],
)
def test_a_wrong_rule_is_named(entries: Any, field: str, said: str) -> None:
    """Every mistake in a rule gives a ConfigError with the path of the field and the way out."""
    with pytest.raises(ConfigError) as caught:
        RouterConfig(entries=entries)
    assert caught.value.field == field
    assert said in str(caught.value)


def test_a_reservation_is_a_smaller_budget_of_the_same_shape() -> None:
    """The total is what is set aside, reserves keep their share of it, and every other limit stays."""
    budget = Budget(
        total_dollars=0.08,
        reserve_for_final_synthesis=0.02,
        reserve_for_verification=0.06,
        max_output_tokens=100,
        hard_stop_after_retries=2,
        max_seconds=5,
        per="thread",
    )
    assert reserved(budget, 0.01) == Budget(
        total_dollars=0.01,
        reserve_for_final_synthesis=0.0025,
        reserve_for_verification=0.0075,
        max_output_tokens=100,
        hard_stop_after_retries=2,
        max_seconds=5,
        per="thread",
    )
    assert reserved(Budget(max_seconds=5), 0.01) == Budget(total_dollars=0.01, max_seconds=5)


@given(
    st.integers(0, 10**10),
    st.lists(st.integers(0, 100), min_size=3, max_size=3),
    st.integers(0, 10**10),
)
def test_a_reservation_is_never_above_the_routers_budget(total: int, shares: list[int], given_nano: int) -> None:
    """Whatever a rule sets aside and the router keeps back, total and reserves only shrink and still fit."""
    kept = [total * share // max(100, sum(shares)) / 1e9 for share in shares]
    names = ("reserve_for_final_synthesis", "reserve_for_verification", "reserve_for_human_handoff")
    budget = Budget(total_dollars=total / 1e9, **dict(zip(names, kept, strict=True)))
    limits = reserved(budget, given_nano / 1e9).limits()
    assert limits.nano_usd == min(total, given_nano)
    assert sum(nano for _, nano in limits.reserves) <= limits.nano_usd
    before = dict(budget.limits().reserves)
    assert all(nano <= before[purpose] for purpose, nano in limits.reserves)


def test_named_rules_checks_rules_made_by_hand() -> None:
    """Rules written in Python get the same names and checks as those of a file."""
    rules = [EntryRule(when=When(hint="draft"), kind="execution"), EntryRule(kind="control")]
    assert [rule.name for rule in named_rules(rules)] == ["entries.0", "entries.1"]
    with pytest.raises(ValueError, match=r"entries\.0 matches every call"):
        named_rules(rules[::-1])
