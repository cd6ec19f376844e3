"""RouterConfig: every setting of a router, from Python or from one YAML or TOML file, validated once."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from langroute.actions import Actions
from langroute.budget import Budget, config_error, plain_number
from langroute.entry import EntryRule, When, named_rules
from langroute.errors import ConfigError
from langroute.files import read_mapping
from langroute.records import KINDS, Kind
from langroute.scopes import ScopeRule, check_scopes
from langroute.target import Target
from langroute.tiers import Tier

DEFAULT_OUTPUT_CAPS: Mapping[Kind, int] = MappingProxyType(
    {"control": 2048, "execution": 4096, "verification": 2048, "presentation": 4096}
)


class RouterConfig(BaseModel):
    """Settings of a router. Every field has a default that does something sensible.

    Attributes:
        budget: what each episode may use; unlimited when left out.
        store: where books and journal live: ``memory://``, ``sqlite:///file.db``, ``postgresql://user@host/database``
            or, for books alone, ``redis://host:6379/0``.
        journal: where records go instead, a URL of the same kinds but Redis; the store when left out.
        policy: ``prior``, ``always-small``, ``always-large``, ``always:ARM``, ``exploring:SHARE`` (the prior, but this
            share of the steps is drawn, to learn from), or the folder of a learned policy.
        target: what is wanted: a share of quality, dollars per episode, or the price of a dollar; see ``Target``.
        cache_aware: expect a call to cost what the prompt caches will leave of it; when false, the full price.
        thrift: success probability one is willing to give up to use the cheapest arm instead of the dearest, per step;
            without effect where ``target`` says what a dollar is worth.
        kinds: kind of a node by its name, where the classification should be overruled.
        pins: arm by node name; it makes every call of the node, unless the call or the node itself says otherwise.
        tiers: by kind of step, the arm it starts with (``default``) and the cheapest it may ever take (``minimum``).
        entries: rules for calls outside any graph, by task hint, channel, domain and words; the first match decides.
        scopes: budgets that episodes share (of a user, a team, a tenant; per day, per month, rolling); a call takes
            from all of them and from its episode at once, or from none. See ``ScopeRule``.
        output_caps: most output tokens of a call by kind, where the user set none on the model or the call.
        attempts_on_fault: how often a step's call is made in all, on one arm or several, when providers fail (429, 5xx,
            time-outs): the next arm first, the same again after a pause where no other is left.
        patience_s: seconds a call waits for money that calls under way have set aside, before it is refused; most of
            it comes back when they settle.
        lease_s: seconds after which a hold that nobody settled counts as that of a process that died: it may then be
            settled at its worst case. Longer than the longest call; a call that settles later is still booked right.
        actions: what the governor may do beside choosing an arm; see ``Actions``.
        gate_streams: also buffer streamed answers to which tools or a schema are bound, so that a malformed one can be
            rejected; when false a stream starts at once and cannot be taken back.

    Raises:
        ConfigError: an unknown field or a wrong value; names the field.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    budget: Budget = Field(default_factory=Budget)
    store: str = Field(default="memory://", repr=False)  # a URL may hold a password
    journal: str | None = Field(default=None, repr=False)
    policy: str = "prior"
    target: Target = Field(default_factory=Target)
    cache_aware: bool = True
    thrift: float = Field(default=0.12, ge=0, le=1)
    kinds: dict[str, Kind] = Field(default_factory=dict)
    pins: dict[str, str] = Field(default_factory=dict)
    tiers: dict[Kind, Tier] = Field(default_factory=dict)
    entries: tuple[EntryRule, ...] = ()
    scopes: tuple[ScopeRule, ...] = ()
    output_caps: dict[Kind, int] = Field(default_factory=dict)
    attempts_on_fault: int = Field(default=3, ge=1)
    patience_s: float = Field(default=5.0, ge=0)
    lease_s: float = Field(default=3600.0, gt=0)
    actions: Actions = Field(default_factory=Actions)
    gate_streams: bool = False

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as exc:
            raise config_error(exc, section="router", known=_known_beside(exc, type(self).model_fields)) from exc

    @field_validator("thrift", "attempts_on_fault", mode="before")
    @classmethod
    def _plain_number(cls, value: object) -> object:
        return plain_number(value)

    @field_validator("output_caps", mode="before")
    @classmethod
    def _plain_caps(cls, caps: object) -> object:
        if isinstance(caps, Mapping):
            for cap in caps.values():
                plain_number(cap)
        return caps

    @field_validator("output_caps")
    @classmethod
    def _caps_positive(cls, caps: dict[Kind, int]) -> dict[Kind, int]:
        for kind, cap in caps.items():
            if cap < 1:
                raise ValueError(f"the cap of {kind} must be at least 1 token, got {cap}")
        return caps

    @field_validator("entries")
    @classmethod
    def _entries_told_apart(cls, rules: tuple[EntryRule, ...]) -> tuple[EntryRule, ...]:
        return named_rules(rules)

    @field_validator("scopes")
    @classmethod
    def _scopes_told_apart(cls, rules: tuple[ScopeRule, ...]) -> tuple[ScopeRule, ...]:
        check_scopes(rules)
        return rules

    def output_cap(self, kind: Kind) -> int:
        """Most output tokens of a call of this kind."""
        return self.output_caps.get(kind, DEFAULT_OUTPUT_CAPS[kind])

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Settings from a YAML or TOML file. The budget stands under ``budget`` or ``task_budget``.

        Raises:
            ConfigError: the file is missing or unreadable, or a field is wrong.
        """
        data = read_mapping(path)
        if "task_budget" in data:
            if "budget" in data:
                raise ConfigError("use either budget or task_budget, not both", field="task_budget")
            data["budget"] = data.pop("task_budget")
        return cls(**data)


_PARTS: Mapping[object, type[BaseModel]] = MappingProxyType(
    {"tiers": Tier, "entries": EntryRule, "scopes": ScopeRule, "target": Target, "when": When}
)


def _known_beside(exc: ValidationError, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields that stand beside the first one at fault."""
    for place in exc.errors(include_url=False)[0]["loc"][:-1]:
        fields = _PARTS[place].model_fields if place in _PARTS else fields
    return fields


def checked_kind(value: object, *, field: str) -> Kind:
    """The kind a text names.

    Raises:
        ConfigError: it names none; the message lists them.
    """
    for kind in KINDS:
        if value == kind:
            return kind
    raise ConfigError(f"{value!r} is no kind of step; use one of {', '.join(KINDS)}", field=field)
