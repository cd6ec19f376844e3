"""The rules that every ledger keeps: what may be booked, and why a hold is refused.

The memory ledger and SQL test the fit of a hold in their own words, for speed; who was too tight, and by how much, is
told here, once for all of them.
"""

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import get_args

from langroute.books import Amount, Balance, Entry, HoldRequest, Limits, Purpose, Resource
from langroute.errors import BudgetExceeded, ConfigError, LedgerError
from langroute.money import dollars, format_dollars

MOST = 2**62
"""No single number of the books is larger: two of them still fit the 64-bit integers of a database."""

PURPOSES: tuple[Purpose, ...] = tuple(sorted(get_args(Purpose)))
"""Every purpose, in the order in which `Balance.used_nano` tells them."""

BUCKETS = 60
"""A window forgets by buckets of this part of its length. A bucket counts until all of it has left the window: at a
time in bucket ``n``, the buckets from ``n - BUCKETS`` on."""

LEAST_WINDOW_S, MOST_WINDOW_S = 1.0, 1e9
"""The shortest and the longest window, in seconds."""

_RESOURCES: tuple[tuple[Resource, str], ...] = (
    ("dollars", "nano_usd"),
    ("input_tokens", "input_tokens"),
    ("output_tokens", "output_tokens"),
    ("retries", "retries"),
)


def check_limits(limits: Limits) -> None:
    """Refuse limits that no books can keep.

    Raises:
        ConfigError: a limit is negative or beyond 64 bits, reserves exceed it, a purpose has two or is unknown, or a
            window is no length of time or stands beside reserves.
    """
    if limits.window_s is not None:
        _check_window(limits)
    for _, name in _RESOURCES:
        limit = getattr(limits, name)
        if limit is not None and not 0 <= limit <= MOST:
            raise ConfigError(f"must be between 0 and {MOST}, got {limit}; use None for unlimited", field=name)
    if not limits.reserves:
        return
    kept = dict(limits.reserves)
    if len(kept) < len(limits.reserves) or min(kept.values()) < 0 or not kept.keys() <= set(PURPOSES):
        raise ConfigError(f"must name each of {', '.join(PURPOSES)} at most once, no amount negative", field="reserves")
    if limits.nano_usd is None or sum(kept.values()) > limits.nano_usd:
        raise ConfigError("a part can only be kept of a dollar limit that holds all reserves", field="reserves")


def _check_window(limits: Limits) -> None:
    window = limits.window_s
    if not isinstance(window, int | float) or not LEAST_WINDOW_S <= window <= MOST_WINDOW_S:
        raise ConfigError(
            f"must be between {LEAST_WINDOW_S:g} and {MOST_WINDOW_S:g} seconds, got {window!r}; "
            "use None for limits that hold for ever",
            field="window_s",
        )
    if limits.reserves:
        raise ConfigError("a scope with a window keeps no reserves; give them to the episode", field="reserves")


def check_amendment(before: Limits, after: Limits) -> None:
    """Refuse a change of a scope's window: what is in its books is dated by it.

    Raises:
        ConfigError: the windows differ.
    """
    if before.window_s != after.window_s:
        raise ConfigError(
            f"a scope keeps its window ({_window(before)}), got {_window(after)}; open another scope for another one",
            field="window_s",
        )


def _window(limits: Limits) -> str:
    return "none" if limits.window_s is None else f"{limits.window_s:g} seconds"


def check_time(at: float, *, what: str) -> None:
    """Refuse what is no time.

    Raises:
        LedgerError: it is no finite number, or before 1970.
    """
    if not 0 <= at < math.inf:
        raise LedgerError(f"{what} must be epoch seconds, got {at!r}")


def bucket_of(at: float, window_s: float) -> int:
    """Number of the bucket of a window that a time belongs to."""
    return int(at // (window_s / BUCKETS))


def check_amount(amount: Amount, *, what: str, hold_id: str) -> None:
    """Refuse amounts that would give budget back or overflow the books.

    Raises:
        LedgerError: a number is negative or beyond 64 bits; names ``what`` of which hold it is.
    """
    nano, tokens_in, tokens_out, retries = amount.nano_usd, amount.input_tokens, amount.output_tokens, amount.retries
    if 0 <= nano <= MOST and 0 <= tokens_in <= MOST and 0 <= tokens_out <= MOST and 0 <= retries <= MOST:
        return
    raise LedgerError(f"{what} {hold_id}: every number must be between 0 and {MOST}, got {amount}")


def surplus(one: Amount, other: Amount) -> Amount:
    """By how much one amount is above another, resource by resource; nothing where it is not."""
    more = one - other
    return Amount(
        nano_usd=max(0, more.nano_usd),
        input_tokens=max(0, more.input_tokens),
        output_tokens=max(0, more.output_tokens),
        retries=max(0, more.retries),
    )


def check_request(request: HoldRequest) -> tuple[str, ...]:
    """The scopes a hold takes from, each once.

    Raises:
        LedgerError: no scope is named, the purpose is unknown, the amount cannot be booked, a time is none, or it opens
            a scope that it does not take from.
        ConfigError: the limits of a scope that it opens are impossible.
    """
    if request.opens:
        _check_opens(request)
    if not 0 <= request.at < math.inf or (request.expires is not None and not 0 <= request.expires < math.inf):
        check_time(request.at, what=f"at of hold {request.id}")
        check_time(request.expires or 0.0, what=f"expires of hold {request.id}")
    check_amount(request.amount, what="hold", hold_id=request.id)
    if request.purpose not in PURPOSES:
        raise LedgerError(f"hold {request.id}: unknown purpose {request.purpose!r}; use one of {', '.join(PURPOSES)}")
    scopes = request.scopes
    if len(scopes) == 1:
        return scopes
    if not scopes:
        raise LedgerError(f"hold {request.id}: names no scope; name the episode's scope first")
    return tuple(dict.fromkeys(scopes))


def _check_opens(request: HoldRequest) -> None:
    for scope, limits in request.opens:
        if scope not in request.scopes:
            raise LedgerError(f"hold {request.id}: opens {scope!r} without taking from it; name it in scopes too")
        check_limits(limits)


def unknown_scope(scope: str) -> LedgerError:
    """The error for a scope that was never opened."""
    return LedgerError(f"scope {scope!r} was never opened here; call open(scope, limits, at=...) first")


def unknown_hold(hold_id: str) -> LedgerError:
    """The error for a hold that was never taken."""
    return LedgerError(f"hold {hold_id!r} was never taken here; only what was held can be settled")


def uncorrectable(entry: Entry) -> LedgerError:
    """The error for a correction of a line that is open, or that was settled at what was really used."""
    if entry.settled is None:
        return LedgerError(f"hold {entry.id!r} is open: settle it, or let it expire and correct it then")
    return LedgerError(f"hold {entry.id!r} was settled at what was really used; only a worst case can be corrected")


def closed_scope(scope: str) -> LedgerError:
    """The error for a hold on a scope that was closed."""
    return LedgerError(f"scope {scope!r} is closed and takes no more holds; start a new episode")


def refusal(balances: Sequence[Balance], request: HoldRequest) -> LedgerError | BudgetExceeded | None:
    """Why a hold cannot be taken from these scopes; None when it can.

    A closed scope comes first; then the tightest scope and resource: the one with the smallest room relative to what
    the call needs, the first named where two are equal.
    """
    for balance in balances:
        if balance.closed:
            return closed_scope(balance.scope)
    short = [case for balance in balances for case in _shortages(balance, request)]
    return min(short, key=lambda case: case[0])[1] if short else None


def _shortages(balance: Balance, request: HoldRequest) -> Iterator[tuple[Fraction, BudgetExceeded]]:
    for resource, name in _RESOURCES:
        limit, requested = getattr(balance.limits, name), getattr(request.amount, name)
        if limit is None or not requested:
            continue
        used = getattr(balance.used, name)
        room = balance.available_nano(request.purpose) if resource == "dollars" else limit - used
        if room is None or requested <= room:
            continue
        yield Fraction(max(0, room), requested), _exceeded(balance, request, resource, limit, used, requested)


def _exceeded(
    balance: Balance, request: HoldRequest, resource: Resource, limit: int, used: int, requested: int
) -> BudgetExceeded:
    def shown(number: int) -> Decimal | int:
        return dollars(number) if resource == "dollars" else number

    return BudgetExceeded(
        scope=balance.scope,
        resource=resource,
        limit=shown(limit),
        spent=shown(used),
        requested=shown(requested),
        hint=_hint(balance, request, resource),
    )


def _hint(balance: Balance, request: HoldRequest, resource: Resource) -> str:
    kept = [(name, balance.reserve_left(name)) for name, _ in balance.limits.reserves if name != request.purpose]
    told = ", ".join(f"{format_dollars(nano)} is kept for {name}" for name, nano in kept if nano)
    way_out = "Choose a cheaper arm, ask for less output or raise the budget."
    if balance.limits.window_s is not None:
        way_out = f"It counts the last {balance.limits.window_s:g} seconds: wait, choose a cheaper arm or raise it."
    elif resource == "retries":
        way_out = "Raise hard_stop_after_retries, or let the step fail."
    elif request.arm.startswith("charge:"):
        way_out = "Do without it, or raise the budget."
    return f"Of the rest, {told}. {way_out}" if told and resource == "dollars" else way_out
