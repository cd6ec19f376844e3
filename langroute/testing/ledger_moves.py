"""What the checks of a ledger are made of: a move in the books, and the expectation that follows it."""

from collections.abc import Callable
from typing import TypeVar

from langroute.books import Amount, Balance, HoldRequest, Purpose
from langroute.errors import BudgetExceeded
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
