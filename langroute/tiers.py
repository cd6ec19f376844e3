"""Tiers: which arm a kind of step starts with, and below which it never goes, by config alone.

A tier is named by an arm of the pool; arms are above or below each other by their price (``Arm.rank``). Everything
here is pure: the mask depends on the step, the arms and the settings, so a decision replays.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, model_validator

from langroute.entry import EntryRule
from langroute.errors import ConfigError
from langroute.records import Arm, Kind, Permit, Ruling, Step


class Tier(BaseModel):
    """The arms that a kind of step is for.

    Attributes:
        default: the arm such a step starts with. While money is spent as planned and nothing went wrong, only this arm
            is taken; under pressure it or a dearer one, when the burn is ahead of plan it or a cheaper one. Where it
            may not be called, the others may.
        minimum: no cheaper arm than this one makes such a step, whatever happens.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    default: str | None = None
    minimum: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "Tier":
        if self.default is None and self.minimum is None:
            raise ValueError("is empty; give it a default, a minimum or both")
        return self


def tier_mask(
    step: Step,
    arms: Sequence[Arm],
    tiers: Mapping[Kind, Tier],
    *,
    ahead: bool,
    entries: Sequence[EntryRule] = (),
    permitted: Collection[str] | None = None,
) -> dict[str, str]:
    """Which arms the tiers rule out for a step, and why. Pure.

    A minimum is hard. A default never closes the last open arm: where all that it would leave open may not be called
    anyway, it closes nothing.

    Args:
        step: what is decided; its kind, its pressure and its entry rule count.
        arms: the pool.
        tiers: by kind.
        ahead: whether money is spent faster than planned.
        entries: the entry rules; the one that the step names adds its minimum, and its default goes before the kind's.
        permitted: the arms that may be called but for the tiers; all when left out.

    Returns:
        Arm name to reason, for the arms that are ruled out.
    """
    sources = tuple(_sources(step, tiers, entries))
    masked = _below_minimum(arms, sources)
    start = next(((arm, owner) for arm, _, owner in sources if arm is not None), None)
    if start is None:
        return masked
    still_open = [arm for arm in arms if arm.name not in masked and (permitted is None or arm.name in permitted)]
    closed = _beside_default(step, still_open, _rank(arms, start[0]), *start, ahead=ahead)
    return masked | closed if len(closed) < len(still_open) else masked


def tiered(
    ruling: Ruling,
    step: Step,
    arms: Sequence[Arm],
    *,
    tiers: Mapping[Kind, Tier],
    entries: Sequence[EntryRule] = (),
) -> Ruling:
    """A ruling with the tiers laid over its permits. Pure.

    Money counts as spent ahead of plan where the price of a dollar is above its calm price.
    """
    if not tiers and not step.features.entry:
        return ruling
    ahead = ruling.calm_price is not None and ruling.price_of_dollar > ruling.calm_price
    permitted = {permit.arm for permit in ruling.permits if permit.allowed}
    masked = tier_mask(step, arms, tiers, ahead=ahead, entries=entries, permitted=permitted)
    if not masked:
        return ruling
    return replace(ruling, permits=tuple(_closed(permit, masked.get(permit.arm)) for permit in ruling.permits))


def check_tiers(tiers: Mapping[Kind, Tier], entries: Sequence[EntryRule], arms: Sequence[Arm]) -> None:
    """Check that tiers and entry rules name arms of the pool, and that no default is below its minimum.

    Raises:
        ConfigError: one does not; names the field, for example ``tiers.control.minimum`` or ``entries.0.default``.
    """
    for kind, tier in tiers.items():
        _check(tier.default, tier.minimum, arms, field=f"tiers.{kind}")
    for place, rule in enumerate(entries):
        _check(rule.default, rule.minimum, arms, field=f"entries.{place}")
        floor = tiers[rule.kind].minimum if rule.kind is not None and rule.kind in tiers else None
        if rule.default is not None and floor is not None and _rank(arms, rule.default) < _rank(arms, floor):
            raise ConfigError(
                f"{rule.default} is cheaper than {floor}, the minimum tier of {rule.kind} steps; raise it or lower "
                f"tiers.{rule.kind}.minimum",
                field=f"entries.{place}.default",
            )


def _check(default: str | None, minimum: str | None, arms: Sequence[Arm], *, field: str) -> None:
    names = [arm.name for arm in arms]
    for part, name in (("default", default), ("minimum", minimum)):
        if name is not None and name not in names:
            raise ConfigError(f"the pool has no arm {name!r}; it has {', '.join(names)}", field=f"{field}.{part}")
    if default is not None and minimum is not None and _rank(arms, default) < _rank(arms, minimum):
        message = f"{default} is cheaper than the minimum {minimum}, so it could never be taken; raise it or lower that"
        raise ConfigError(message, field=f"{field}.default")


Source = tuple[str | None, str | None, str]
"""Default, minimum, and whose they are."""


def _sources(step: Step, tiers: Mapping[Kind, Tier], entries: Sequence[EntryRule]) -> Iterator[Source]:
    """What holds for a step, the nearest first."""
    for rule in entries:
        if step.features.entry and rule.name == step.features.entry:
            yield rule.default, rule.minimum, f"the entry rule {rule.name}"
    if step.kind in tiers:
        tier = tiers[step.kind]
        yield tier.default, tier.minimum, f"{step.kind} steps"


def _below_minimum(arms: Sequence[Arm], sources: Sequence[Source]) -> dict[str, str]:
    masked: dict[str, str] = {}
    for _, minimum, owner in sources:
        if minimum is not None:
            floor = _rank(arms, minimum)
            reason = f"below the minimum tier {minimum} of {owner}"
            masked |= {arm.name: reason for arm in arms if arm.rank < floor and arm.name not in masked}
    return masked


def _beside_default(
    step: Step, arms: Sequence[Arm], start: float, default: str, owner: str, *, ahead: bool
) -> dict[str, str]:
    trouble = step.pressure.total
    if not trouble and not ahead:
        return {arm.name: f"not the default tier {default} of {owner}" for arm in arms if arm.name != default}
    closed: dict[str, str] = {}
    for arm in arms:
        if trouble and arm.rank < start:
            closed[arm.name] = f"cheaper than the default tier {default} of {owner}, under pressure {trouble}"
        elif ahead and arm.rank > start:
            closed[arm.name] = f"dearer than the default tier {default} of {owner}, while a dollar is dearer than usual"
    return closed


def _closed(permit: Permit, reason: str | None) -> Permit:
    # What the arm cannot do is the better reason. That money is short is none here: more of it would not open the arm.
    if reason is None or (not permit.allowed and permit.short_of is None):
        return permit
    return Permit(arm=permit.arm, why_not=reason)


def _rank(arms: Sequence[Arm], name: str) -> float:
    for arm in arms:
        if arm.name == name:
            return arm.rank
    known = ", ".join(arm.name for arm in arms)
    raise ConfigError(f"the pool has no arm {name!r}; it has {known}", field="tiers")
