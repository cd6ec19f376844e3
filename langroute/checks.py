"""What a router checks of the parts it is given, and of the decisions of a policy that others wrote."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from langroute.config import RouterConfig
from langroute.errors import ConfigError
from langroute.protocols import (
    Acceptance,
    Clock,
    Estimator,
    Governor,
    Journal,
    Ledger,
    RoutingPolicy,
    Selector,
    Verifying,
)
from langroute.records import Arm, Kind, RoutingDecision, Ruling
from langroute.target import Target
from langroute.tiers import check_tiers


class Pool(Protocol):
    """What the router needs of a pool."""

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms, in the order given."""
        ...


_PARTS: Mapping[str, type] = {
    "policy": RoutingPolicy,
    "estimator": Estimator,
    "governor": Governor,
    "selector": Selector,
    "ledger": Ledger,
    "journal": Journal,
    "clock": Clock,
}


def check_parts(**parts: object) -> None:
    """Refuse parts that lack what their contract asks for.

    Raises:
        ConfigError: names the part and what it lacks.
    """
    for field, part in parts.items():
        contract = _PARTS[field]
        if part is not None and (isinstance(part, type) or not isinstance(part, contract)):
            lacking = ", ".join(_lacking(part, contract)) or "an instance, not the class"
            raise ConfigError(f"{part!r} is no {contract.__name__}; it lacks {lacking}", field=field)


def _lacking(part: object, contract: type) -> list[str]:
    fields = (name for base in contract.__mro__ for name in getattr(base, "__annotations__", {}))
    return sorted(name for name in {*dir(contract), *fields} if name[0] != "_" and not hasattr(part, name))


def checked_rules(rules: Sequence[Acceptance], *, arms: Iterable[str] = ()) -> tuple[Acceptance, ...]:
    """The acceptance rules, if they are some, and those that buy checks have them from an arm of the pool."""
    if not isinstance(rules, Sequence) or not all(isinstance(rule, Acceptance) for rule in rules):
        raise ConfigError(f"must be a sequence of acceptance rules, () for none, not {rules!r}", field="acceptance")
    known = tuple(arms)
    for rule in rules:
        asked = getattr(rule, "arm", None)
        if known and isinstance(rule, Verifying) and isinstance(asked, str) and asked not in known:
            message = f"{rule.name} asks the arm {asked!r}, which the pool does not have; it has {', '.join(known)}"
            raise ConfigError(message, field="acceptance")
    return tuple(rules)


def checked_config(config: RouterConfig | None) -> RouterConfig:
    """The configuration, if it is one; the defaults for None."""
    if config is None:
        return RouterConfig()
    if not isinstance(config, RouterConfig):
        raise ConfigError(f"must be a RouterConfig, not {config!r}; RouterConfig(**settings) makes one", field="config")
    return config


def checked_target(**wishes: float | None) -> Target | None:
    """The target that arguments ask for; None where they ask for nothing.

    Raises:
        ConfigError: more than one is given, or one is out of range.
    """
    given = {name: wish for name, wish in wishes.items() if wish is not None}
    return RouterConfig(target=given).target if given else None


def checked_kinds(kinds: Mapping[str, Kind] | None) -> dict[str, Kind] | None:
    """The kinds by node, if they are a mapping; None for None."""
    if kinds is None:
        return None
    if not isinstance(kinds, Mapping):
        raise ConfigError(f"must map node names to kinds, not be {kinds!r}", field="kinds")
    return dict(kinds)


def arms_by_name(pool: Pool, config: RouterConfig) -> dict[str, Arm]:
    """The arms of a pool by name; it has some, each with a name of its own, and those that the settings name."""
    arms = getattr(pool, "arms", None)
    if not arms:
        raise ConfigError("must be a ModelPool with at least one arm", field="pool")
    by_name = {arm.name: arm for arm in arms}
    if len(by_name) < len(arms):
        raise ConfigError(f"has two arms of one name among {', '.join(arm.name for arm in arms)}", field="pool")
    for node, arm in config.pins.items():
        if arm not in by_name:
            raise ConfigError(f"the pool has no arm {arm!r}; it has {', '.join(by_name)}", field=f"pins.{node}")
    check_tiers(config.tiers, config.entries, arms)
    return by_name


def check_within(decision: RoutingDecision, ruling: Ruling) -> None:
    """The mask is hard, whoever wrote the policy: what is not permitted is refused, not called.

    Raises:
        ConfigError: the policy chose an arm that may not be called, or other limits than the permit's.
    """
    if decision.arm is None:
        return
    for permit in ruling.permits:
        if permit.arm == decision.arm and permit.allowed:
            if (decision.output_limit, decision.worst_nano) == (permit.output_limit, permit.worst_nano):
                return
            raise ConfigError(
                f"{decision.policy} chose {decision.arm} with output_limit {decision.output_limit} and worst_nano "
                f"{decision.worst_nano}; take both from its permit ({permit.output_limit}, {permit.worst_nano})",
                field="policy",
            )
    raise ConfigError(f"{decision.policy} chose {decision.arm}, which is not permitted in this step", field="policy")


def merged_config(config: RouterConfig, given: Mapping[str, Any]) -> RouterConfig:
    """A configuration in which the arguments that were given win."""
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        return config
    kept = {name: getattr(config, name) for name in config.model_fields_set}
    return RouterConfig(**{**kept, **changes})
