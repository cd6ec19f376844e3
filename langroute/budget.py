"""Budget: the contract an episode gets."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from langroute.books import Limits, Purpose
from langroute.errors import ConfigError
from langroute.files import read_mapping
from langroute.money import dollars, limit_nano

_MOST_DOLLARS = 4e9  # the ledgers' 64-bit integers of nano-dollars end soon after
_MOST_TOKENS = 10**15

_RESERVES: dict[Purpose, str] = {
    "final_synthesis": "reserve_for_final_synthesis",
    "verification": "reserve_for_verification",
    "human_handoff": "reserve_for_human_handoff",
}


class Budget(BaseModel):
    """What one episode may use. Fields left out are unlimited.

    Attributes:
        total_dollars: dollars in all, reserves included.
        max_input_tokens: input tokens in all, over every call of the episode.
        max_output_tokens: output tokens in all.
        reserve_for_final_synthesis: part of ``total_dollars`` that only the final answer may use, in dollars.
        reserve_for_verification: part that only verification may use, in dollars.
        reserve_for_human_handoff: part kept for handing over to a human, in dollars.
        hard_stop_after_retries: retries the episode may make; one more is refused.
        max_seconds: seconds since the first call of the episode after which no call is admitted.
        per: ``turn`` - one budget from a fresh input through all its interrupts; ``thread`` - one over a whole thread.

    Raises:
        ConfigError: an unknown field, a negative number, or reserves above the total; names the field.

    >>> Budget(total_dollars=0.08, reserve_for_final_synthesis=0.02).limits().nano_usd
    80000000
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    total_dollars: float | None = Field(default=None, ge=0, le=_MOST_DOLLARS)
    max_input_tokens: int | None = Field(default=None, ge=0, le=_MOST_TOKENS)
    max_output_tokens: int | None = Field(default=None, ge=0, le=_MOST_TOKENS)
    reserve_for_final_synthesis: float = Field(default=0.0, ge=0)
    reserve_for_verification: float = Field(default=0.0, ge=0)
    reserve_for_human_handoff: float = Field(default=0.0, ge=0)
    hard_stop_after_retries: int | None = Field(default=None, ge=0, le=_MOST_TOKENS)
    max_seconds: float | None = Field(default=None, gt=0)
    per: Literal["turn", "thread"] = "turn"

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as exc:
            raise config_error(exc, section="budget", known=type(self).model_fields) from exc

    @field_validator("*", mode="before")
    @classmethod
    def _plain_number(cls, value: object, info: ValidationInfo) -> object:
        return value if info.field_name == "per" else plain_number(value)

    @model_validator(mode="after")
    def _reserves_fit(self) -> Self:
        reserves = sum(nano for _, nano in self._reserve_pairs())
        if not reserves:
            return self
        if self.total_dollars is None:
            raise ValueError("reserves need total_dollars: a part can only be kept of a limited budget")
        if reserves > limit_nano(self.total_dollars):
            raise ValueError(
                f"the reserves sum to ${reserves / 1e9:g}, above total_dollars ${self.total_dollars:g}; "
                "lower a reserve or raise the total"
            )
        return self

    def _reserve_pairs(self) -> tuple[tuple[Purpose, int], ...]:
        pairs = ((purpose, limit_nano(getattr(self, name), field=name)) for purpose, name in _RESERVES.items())
        return tuple((purpose, nano) for purpose, nano in pairs if nano)

    def limits(self) -> Limits:
        """The same contract in the ledger's units."""
        return _limits(self)

    def under(self, limits: Limits) -> Self:
        """This budget with the limits of the ledger in place of its own, for books that were changed elsewhere."""
        kept = dict(limits.reserves)
        ledgers = {name: float(dollars(kept.get(purpose, 0))) for purpose, name in _RESERVES.items()}
        total = None if limits.nano_usd is None else float(dollars(limits.nano_usd))
        return self.model_copy(
            update={
                **ledgers,
                "total_dollars": total,
                "max_input_tokens": limits.input_tokens,
                "max_output_tokens": limits.output_tokens,
                "hard_stop_after_retries": limits.retries,
            }
        )

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Self:
        """A budget from a mapping, with or without the key ``task_budget`` around its fields.

        Raises:
            ConfigError: a field is unknown or out of range, or something stands beside ``task_budget``.
        """
        if "task_budget" not in data:
            return cls(**_named(data))
        if beside := sorted(set(data) - {"task_budget"}):
            raise ConfigError(f"move {', '.join(beside)} under task_budget, or remove the key", field="task_budget")
        inner = data["task_budget"]
        if not isinstance(inner, Mapping):
            raise ConfigError(f"must be a mapping of budget fields, not {inner!r}", field="task_budget")
        return cls(**_named(inner))

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """A budget from a YAML or TOML file.

        Raises:
            ConfigError: the file is missing or unreadable, or a field is wrong.
        """
        return cls.from_mapping(read_mapping(path))


@lru_cache(maxsize=1_024)
def _limits(budget: Budget) -> Limits:
    """Every step looks at its budget, and a budget never changes: the decimals are worked out once."""
    return Limits(
        nano_usd=None if budget.total_dollars is None else limit_nano(budget.total_dollars, field="total_dollars"),
        input_tokens=budget.max_input_tokens,
        output_tokens=budget.max_output_tokens,
        retries=budget.hard_stop_after_retries,
        reserves=budget._reserve_pairs(),
    )


def plain_number(value: object) -> object:
    """The value itself, unless it is text or a truth value, which pydantic would quietly turn into a number.

    Raises:
        ValueError: it is text or a truth value.
    """
    if isinstance(value, bool | str | bytes):
        raise ValueError(f"must be a number, not {type(value).__name__}; write it without quotes")
    return value


def _named(data: Mapping[Any, Any]) -> Mapping[str, Any]:
    for name in data:
        if not isinstance(name, str):
            raise ConfigError(f"names of fields are text, not {name!r}", field="budget")
    return data


def config_error(exc: ValidationError, *, section: str, known: Mapping[str, Any]) -> ConfigError:
    """One clear error out of pydantic's: the first field at fault, what is wrong, and the way out."""
    first = exc.errors(include_url=False)[0]
    inner = first.get("ctx", {}).get("error")
    if isinstance(inner, ConfigError) and inner.field:
        return ConfigError(str(inner).removeprefix(f"{inner.field}: "), field=f"{section}.{inner.field}")
    place = ".".join(str(part) for part in first["loc"])
    field = f"{section}.{place}" if place else section
    if first["type"] == "extra_forbidden":
        return ConfigError(f"unknown field; known fields are {', '.join(known)}", field=field)
    message = first["msg"].removeprefix("Value error, ")
    return ConfigError(f"{message} (got {first['input']!r})" if place else message, field=field)
