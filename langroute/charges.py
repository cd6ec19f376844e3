"""What is booked for an episode beside its calls, and what is said when its budget changes."""

import json
from typing import get_args

from langroute.books import Amount, HoldRequest, Limits, Purpose
from langroute.budget import Budget
from langroute.errors import ConfigError
from langroute.money import Dollars, cost_nano, format_dollars
from langroute.records import ActionTaken

_PURPOSES: tuple[Purpose, ...] = get_args(Purpose)

# The fields of a budget in the order in which a change tells them, with how each is shown.
_MONEY = ("total_dollars", "reserve_for_final_synthesis", "reserve_for_verification", "reserve_for_human_handoff")
_COUNTS = ("max_input_tokens", "max_output_tokens", "hard_stop_after_retries", "max_seconds")


def charge_request(
    name: str, dollars: Dollars, *, purpose: Purpose, charge_id: str, scope: str, at: float
) -> HoldRequest:
    """The hold of a charge: its whole cost, rounded up to the nano-dollar.

    It is settled at once at the same amount, so its lease is over from the beginning: a hold that is still open may be
    settled by anybody.

    Raises:
        ConfigError: the name is empty, the dollars are no amount or the purpose is unknown; names the field.
    """
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"must say what costs, for example 'search', not {name!r}", field="name")
    if purpose not in _PURPOSES:
        raise ConfigError(f"{purpose!r} is no purpose; use one of {', '.join(_PURPOSES)}", field="purpose")
    amount = Amount(nano_usd=cost_nano(dollars, field="dollars"))
    return HoldRequest(
        id=charge_id, scopes=(scope,), amount=amount, purpose=purpose, arm=f"charge:{name}", at=at, expires=at
    )


def charged(name: str, request: HoldRequest, *, episode: str) -> ActionTaken:
    """The action of a charge that was booked."""
    nano = request.amount.nano_usd
    return ActionTaken(
        id=request.id,
        episode=episode,
        at=request.at,
        action="charged",
        reason=f"{name} costs {format_dollars(nano)}" + _paid_from(request.purpose),
        cost_nano=nano,
        detail=json.dumps({"name": name, "purpose": request.purpose}),
    )


def _paid_from(purpose: Purpose) -> str:
    return "" if purpose == "general" else f", for {purpose}"


def budget_in_force(known: Budget, limits: Limits) -> Budget:
    """The budget that books keep: ``known`` unless another process changed their limits meanwhile."""
    return known if known.limits() == limits else known.under(limits)


def raised(budget: Budget, **limits: float | None) -> Budget:
    """The budget with these limits where they are above its own; a limit that is unlimited stays so.

    Raises:
        ConfigError: no limit is given, one is out of range or below the reserves; names the field.
    """
    given = {name: limit for name, limit in limits.items() if limit is not None}
    if not given:
        raise ConfigError(f"give at least one of {', '.join(limits)}", field="budget")
    asked = Budget(**{**_set_fields(budget), **given})
    higher = {name: getattr(asked, name) for name in given if _is_above(getattr(asked, name), getattr(budget, name))}
    return Budget(**{**_set_fields(budget), **higher}) if higher else budget


def _set_fields(budget: Budget) -> dict[str, object]:
    return {name: getattr(budget, name) for name in budget.model_fields_set}


def _is_above(asked: float, now: float | None) -> bool:
    return now is not None and asked > now


def budget_changed(before: Budget, after: Budget, *, action_id: str, episode: str, at: float) -> ActionTaken:
    """The action of a budget that was changed, with what it was and what it is."""
    changes = [name for name in (*_MONEY, *_COUNTS) if getattr(before, name) != getattr(after, name)]
    told = [f"{name} from {_shown(before, name)} to {_shown(after, name)}" for name in changes]
    detail = {
        "from": {name: getattr(before, name) for name in changes},
        "to": {name: getattr(after, name) for name in changes},
    }
    return ActionTaken(
        id=action_id,
        episode=episode,
        at=at,
        action="budget_changed",
        reason="; ".join(told),
        detail=json.dumps(detail),
    )


def _shown(budget: Budget, name: str) -> str:
    value = getattr(budget, name)
    if value is None:
        return "unlimited"
    return (
        format_dollars(cost_nano(value)) if name in _MONEY else f"{value:g}" if isinstance(value, float) else str(value)
    )
