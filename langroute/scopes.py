"""Budgets that episodes share: of a user, a team, a tenant, a whole company; per day, per month or rolling.

A call takes its hold from its episode and from all of these in one atomic step, or from none.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from langroute.books import Balance, Limits
from langroute.errors import ConfigError
from langroute.money import limit_nano

_MOST_DOLLARS = 4_000_000_000
_MOST_NAME, _MOST_VALUE = 40, 200
_PERIODS = {"always": "", "hour": "@%Y-%m-%dT%H", "day": "@%Y-%m-%d", "month": "@%Y-%m", "rolling": ""}


class ScopeRule(BaseModel):
    """One shared budget. At least one limit is set; limits left out are unlimited.

    Attributes:
        name: what its books are called: with the name ``user``, those of ada are ``user:ada``, with the day behind it
            where the budget is per day.
        key: under which key a call says whose budget it is; the name when left out.
        shared: all calls take from one budget, and none has to say whose it is.
        per: calendar period (UTC, by the clock of the process that makes the call) after which the budget begins anew;
            ``always`` for never, ``rolling`` for the last ``window_hours``.
        window_hours: length of a rolling window.
        required: a call that does not say whose budget it is is refused; otherwise it takes from the others only.
        total_dollars: dollars in a period.
        max_input_tokens: input tokens in a period.
        max_output_tokens: output tokens in a period.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(min_length=1, max_length=_MOST_NAME, pattern=r"^[a-z][a-z0-9_-]*$")
    key: str = ""
    shared: bool = False
    per: Literal["always", "hour", "day", "month", "rolling"] = "always"
    window_hours: float | None = Field(default=None, gt=0, le=24 * 366)
    required: bool = True
    total_dollars: float | None = Field(default=None, ge=0, le=_MOST_DOLLARS)
    max_input_tokens: int | None = Field(default=None, ge=0)
    max_output_tokens: int | None = Field(default=None, ge=0)

    @field_validator("name")
    @classmethod
    def _is_no_episode(cls, value: str) -> str:
        if value == "episode":
            raise ValueError("is what the books of episodes are called; take another name")
        return value

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.per == "rolling") != (self.window_hours is not None):
            raise ValueError("per: rolling and window_hours go together; give both or neither")
        if self.total_dollars is None and self.max_input_tokens is None and self.max_output_tokens is None:
            raise ValueError("limits nothing; give it total_dollars, max_input_tokens or max_output_tokens")
        if self.shared and self.key:
            raise ValueError("is shared by all calls, so none says whose it is; leave out key or shared")
        return self

    @property
    def said_by(self) -> str:
        """The key under which a call says whose budget it is."""
        return self.key or self.name

    def limits(self) -> Limits:
        """The limits in the ledger's units."""
        return _limits(self)

    def scope(self, whose: str, *, at: float) -> str:
        """Name of the books at a moment (epoch seconds).

        >>> ScopeRule(name="user", per="day", total_dollars=5).scope("ada", at=0.0)
        'user:ada@1970-01-01'
        """
        period = datetime.fromtimestamp(at, UTC).strftime(_PERIODS[self.per])
        return f"{self.name}:{whose}{period}"


@lru_cache(maxsize=256)
def _limits(rule: ScopeRule) -> Limits:
    """Every step asks for them, and a configuration has few rules."""
    dollars = rule.total_dollars
    return Limits(
        nano_usd=None if dollars is None else limit_nano(dollars, field=f"scopes.{rule.name}.total_dollars"),
        input_tokens=rule.max_input_tokens,
        output_tokens=rule.max_output_tokens,
        window_s=None if rule.window_hours is None else rule.window_hours * 3600,
    )


def check_scopes(rules: Sequence[ScopeRule]) -> None:
    """Check that rules can be told apart.

    Raises:
        ValueError: two have one name.
    """
    names = [rule.name for rule in rules]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise ValueError(
                f"two scopes are called {name!r}, and so would be their books; rename one, and give it key"
            )


def checked_said(said: object, *, field: str) -> dict[str, str]:
    """Whose budgets a call takes from, by key.

    Raises:
        ConfigError: it is no mapping of words; names the field.
    """
    if not isinstance(said, Mapping):
        raise ConfigError(f"must map names of scopes to whose they are, not {said!r:.120}", field=field)
    for key, whose in said.items():
        if not isinstance(key, str) or not isinstance(whose, str) or not 0 < len(whose.strip()) <= _MOST_VALUE:
            raise ConfigError(f"must be 1 to {_MOST_VALUE} characters, not {whose!r:.120}", field=f"{field}.{key}")
    return {key: whose.strip() for key, whose in said.items()}


def check_known(said: Mapping[str, str], rules: Sequence[ScopeRule], *, field: str) -> None:
    """Check that every key is one of a rule, so that a slip of the pen opens no way past a budget.

    Raises:
        ConfigError: a key belongs to no rule.
    """
    known = [rule.said_by for rule in rules if not rule.shared]
    for key in said:
        if key not in known:
            told = f"it has {', '.join(dict.fromkeys(known))}" if known else "it has none that a call has to say"
            raise ConfigError(f"the configuration has no scope with this key; {told}", field=f"{field}.{key}")


def scopes_at(
    rules: Sequence[ScopeRule], said: Mapping[str, str], *, at: float, episode: str
) -> tuple[tuple[str, Limits], ...]:
    """Name and limits of every shared budget that a call takes from at a moment.

    Raises:
        ConfigError: a rule that is required is not told whose budget it is.
    """
    found = []
    for rule in rules:
        whose = "all" if rule.shared else said.get(rule.said_by)
        if whose is not None:
            found.append((rule.scope(whose, at=at), rule.limits()))
        elif rule.required:
            raise ConfigError(
                f"episode {episode!r} does not say whose budget {rule.name!r} it takes from; pass "
                f"{{'configurable': {{'langroute_scopes': {{{rule.said_by!r}: ...}}}}}} in the config, or "
                f"router.episode(id, scopes={{{rule.said_by!r}: ...}})",
                field=f"langroute_scopes.{rule.said_by}",
            )
    return tuple(found)


def of_its_kind(balance: Balance, limits: Limits) -> Balance:
    """The books of a shared budget, if they count what the configuration says.

    Books keep their window for ever, and a budget for ever is called what a rolling one of the same name is called. To
    go on would count an hour where the configuration says ever.

    Raises:
        ConfigError: they were opened with another window, or with none.
    """
    if balance.limits.window_s == limits.window_s:
        return balance
    name = balance.scope.partition(":")[0]
    raise ConfigError(
        f"the books of {balance.scope!r} count {_counted(balance.limits)}, the configuration says "
        f"{_counted(limits)}; books keep what they count: give the scope another name, and key={name!r}",
        field=f"scopes.{name}.per",
    )


def _counted(limits: Limits) -> str:
    return "for ever" if limits.window_s is None else f"the last {limits.window_s / 3600:g} hours"
