"""Entry rules: what a request that arrives outside any graph is, and what its whole task may cost, by config alone.

A service gets a request before any graph runs. Its task hint, its channel, its domain and its first words say which
model should take the first call and how much to set aside for the episode. Rules are tried in their order; the first
that matches decides. Everything here is pure: a decision replays from the rule's name, which the step keeps.
"""

import re
from collections.abc import Sequence
from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from langroute.budget import Budget, plain_number
from langroute.money import NANO_PER_DOLLAR, limit_nano
from langroute.records import Kind

MOST_READ = 2_000
"""Characters of a prompt in which a rule looks for its words."""

_MOST_DOLLARS = 4e9


class When(BaseModel):
    """What a call must be for a rule to match; every part that is given must hold, so an empty one always does.

    Attributes:
        hint: the call's task hint, whole, whatever its case.
        channel: its channel, likewise.
        domain: its domain, likewise.
        words: words or phrases, of which one must stand in the first 2,000 characters of the newest human message.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hint: str | None = Field(default=None, min_length=1)
    channel: str | None = Field(default=None, min_length=1)
    domain: str | None = Field(default=None, min_length=1)
    words: tuple[str, ...] = ()

    @field_validator("words")
    @classmethod
    def _no_empty_word(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        if not all(word.strip() for word in words):
            raise ValueError("an empty word stands in every prompt; remove it")
        return words

    @property
    def always(self) -> bool:
        """Whether every call matches."""
        return not (self.hint or self.channel or self.domain or self.words)

    def matches(self, *, hint: str, channel: str, domain: str, said: str) -> bool:
        """Whether a call with this hint, channel and domain, that says this, is meant."""
        pairs = ((self.hint, hint), (self.channel, channel), (self.domain, domain))
        if any(wanted is not None and wanted.casefold() != given.casefold() for wanted, given in pairs):
            return False
        return not self.words or self._any_word.search(said[:MOST_READ]) is not None

    @cached_property
    def _any_word(self) -> re.Pattern[str]:
        phrases = ("\\s+".join(map(re.escape, word.split())) for word in self.words)
        return re.compile(rf"(?<!\w)(?:{'|'.join(phrases)})(?!\w)", re.IGNORECASE)


class EntryRule(BaseModel):
    """What is done with the calls that a rule matches. Parts left out change nothing.

    Attributes:
        name: how the log and the reasons call it; its place in the config, such as ``entries.0``, when left out.
        when: which calls it is for.
        kind: kind of the call.
        default: the arm that such a call starts with; see ``Tier``.
        minimum: no cheaper arm than this one makes the call.
        reserve_dollars: what an episode that the call opens may cost in all; never more than the router's own budget.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = ""
    when: When = Field(default_factory=When)
    kind: Kind | None = None
    default: str | None = None
    minimum: str | None = None
    reserve_dollars: float | None = Field(default=None, ge=0, le=_MOST_DOLLARS)

    @field_validator("reserve_dollars", mode="before")
    @classmethod
    def _plain_number(cls, value: object) -> object:
        return plain_number(value)

    @model_validator(mode="after")
    def _does_something(self) -> "EntryRule":
        if all(part is None for part in (self.kind, self.default, self.minimum, self.reserve_dollars)):
            raise ValueError("does nothing; give it a kind, default, minimum or reserve_dollars")
        return self


def named_rules(rules: Sequence[EntryRule]) -> tuple[EntryRule, ...]:
    """The rules, each with a name of its own.

    Raises:
        ValueError: two rules have one name, or a rule stands after one that matches every call.
    """
    named = tuple(
        rule if rule.name else rule.model_copy(update={"name": f"entries.{place}"}) for place, rule in enumerate(rules)
    )
    names = [rule.name for rule in named]
    for place, rule in enumerate(named):
        if names.index(rule.name) < place:
            raise ValueError(f"two rules are called {rule.name!r}; the log could not tell them apart")
        if rule.when.always and place + 1 < len(named):
            raise ValueError(f"{rule.name} matches every call, so no rule after it is ever reached; move it to the end")
    return named


def first_match(
    rules: Sequence[EntryRule], *, hint: str = "", channel: str = "", domain: str = "", said: str = ""
) -> EntryRule | None:
    """The first rule that matches a call; None when none does.

    >>> rules = named_rules([EntryRule(when=When(channel="voice"), kind="presentation")])
    >>> found = first_match(rules, channel="Voice")
    >>> (found.name, found.kind) if found else None
    ('entries.0', 'presentation')
    """
    for rule in rules:
        if rule.when.matches(hint=hint, channel=channel, domain=domain, said=said):
            return rule
    return None


def reserved(budget: Budget, dollars: float) -> Budget:
    """The budget of an episode for which this much is set aside: the router's own, but with a smaller total.

    Reserves keep their share of the total; all other limits stay. More than the router's total is never given.
    """
    total, given = budget.total_dollars, limit_nano(dollars)
    if total is None:
        return Budget(**{**budget.model_dump(), "total_dollars": dollars})
    whole = limit_nano(total)
    if given >= whole:
        return budget
    kept = {
        name: limit_nano(getattr(budget, name)) * given // whole / NANO_PER_DOLLAR
        for name in Budget.model_fields
        if name.startswith("reserve_for_")
    }
    return Budget(**{**budget.model_dump(), **kept, "total_dollars": dollars})
