"""What the checks of a ledger are made of: a move in the books, and the expectation that follows it."""

from collections.abc import Callable
from typing import TypeVar

from langroute.books import Amount, Balance, Entry, HoldRequest, Purpose
from langroute.errors import BudgetExceeded
from langroute.ledgers.audit import audit
from langroute.protocols import Ledger

Refusal = TypeVar("Refusal", bound=Exception)


def hold(
    ledger: Ledger, hold_id: str, nano: int, *, scopes: tuple[str, ...] = ("episode:a",), purpose: Purpose = "general"
) -> Balance:
    """Hold nano-dollars and nothing else."""
    return ledger.hold(HoldRequest(id=hold_id, scopes=scopes, amount=Amount(nano_usd=nano), purpose=purpose))


def take(ledger: Ledger, hold_id: str, amount: Amount, *, scopes: tuple[str, ...] = ("episode:a",)) -> Balance:
    """Hold any amount."""
    return ledger.hold(HoldRequest(id=hold_id, scopes=scopes, amount=amount))


def lease(
    ledger: Ledger,
    hold_id: str,
    nano: int,
    *,
    expires: float,
    at: float = 0.0,
    scopes: tuple[str, ...] = ("episode:a",),
) -> Balance:
    """Hold nano-dollars until a lease ends."""
    amount = Amount(nano_usd=nano)
    return ledger.hold(HoldRequest(id=hold_id, scopes=scopes, amount=amount, at=at, expires=expires))


def hold_at(ledger: Ledger, hold_id: str, nano: int, *, at: float, scopes: tuple[str, ...] = ("user:u",)) -> Balance:
    """Hold nano-dollars at a time."""
    return ledger.hold(HoldRequest(id=hold_id, scopes=scopes, amount=Amount(nano_usd=nano), at=at))


def spend_at(
    ledger: Ledger,
    hold_id: str,
    nano: int,
    *,
    at: float,
    scopes: tuple[str, ...] = ("user:u",),
    worst_case: bool = False,
) -> Entry:
    """Hold nano-dollars and settle all of them at once."""
    hold_at(ledger, hold_id, nano, at=at, scopes=scopes)
    return ledger.settle(hold_id, Amount(nano_usd=nano), worst_case=worst_case, at=at)


def audited(ledger: Ledger, *scopes: str) -> None:
    """Fail where lines and books of a scope do not agree."""
    for scope in scopes:
        found = audit(ledger, scope)
        expect(found.sound, f"the lines of {scope} sum to its books, got {found.differences}")


def latest(ledger: Ledger, prefix: str) -> str | None:
    """Name of the latest scope under a prefix."""
    found = ledger.latest(prefix)
    return None if found is None else found.scope


def expect(kept: bool, promise: str) -> None:
    """Fail with the promise that was not kept."""
    if not kept:
        raise AssertionError(promise)


def exceeds(action: Callable[[], object]) -> BudgetExceeded:
    """The `BudgetExceeded` that an action must raise."""
    return refuses(BudgetExceeded, action)


def refuses(kind: type[Refusal], action: Callable[[], object]) -> Refusal:
    """The error of this kind that an action must raise."""
    try:
        result = action()
    except kind as exc:
        return exc
    raise AssertionError(f"expected {kind.__name__}, but the ledger answered {result!r}")
