"""The books as plain data: dollars are numbers, times epoch seconds."""

from langroute.books import Amendment, Amount, Balance, Entry, Limits
from langroute.ledgers.audit import Audit
from langroute.money import float_dollars

Plain = dict[str, object]


def balance_json(balance: Balance) -> Plain:
    """The books of a scope."""
    left = balance.available_nano("general")
    return {
        "scope": balance.scope,
        "limits": limits_json(balance.limits),
        "spent": amount_json(balance.spent),
        "held": amount_json(balance.held),
        "past": amount_json(balance.past),
        "left_usd": None if left is None else float_dollars(left),
        "calls": balance.calls,
        "opened_at": balance.opened_at,
        "closed": balance.closed,
    }


def limits_json(limits: Limits) -> Plain:
    """Limits; null is unlimited."""
    return {
        "usd": None if limits.nano_usd is None else float_dollars(limits.nano_usd),
        "input_tokens": limits.input_tokens,
        "output_tokens": limits.output_tokens,
        "retries": limits.retries,
        "window_s": limits.window_s,
        "reserves_usd": {name: float_dollars(nano) for name, nano in limits.reserves},
    }


def amount_json(amount: Amount) -> Plain:
    """An amount."""
    return {
        "usd": float_dollars(amount.nano_usd),
        "input_tokens": amount.input_tokens,
        "output_tokens": amount.output_tokens,
        "retries": amount.retries,
    }


def entry_json(entry: Entry) -> Plain:
    """A line."""
    return {
        "hold": entry.id,
        "scopes": list(entry.scopes),
        "purpose": entry.purpose,
        "arm": entry.arm,
        "at": entry.at,
        "held": amount_json(entry.held),
        "booked": None if entry.settled is None else amount_json(entry.settled),
        "booked_at": entry.settled_at,
        "worst_case": entry.worst_case,
        "expires": entry.expires,
        "expired": entry.expired,
        "corrections": [
            {"at": each.at, "before": amount_json(each.before), "reason": each.reason} for each in entry.corrections
        ],
    }


def amendment_json(amendment: Amendment) -> Plain:
    """A change of a budget."""
    return {
        "at": amendment.at,
        "kind": amendment.kind,
        "before": limits_json(amendment.before),
        "after": limits_json(amendment.after),
        "forgiven": amount_json(amendment.forgiven),
        "reason": amendment.reason,
    }


def audit_json(audit: Audit) -> Plain:
    """What an audit found."""
    return {
        "scope": audit.balance.scope,
        "sound": audit.sound,
        "lines": audit.lines,
        "worst_case": audit.worst_case,
        "settled": amount_json(audit.settled),
        "held": amount_json(audit.held),
        "differences": [{"what": odd.what, "lines": odd.lines, "books": odd.books} for odd in audit.differences],
    }
