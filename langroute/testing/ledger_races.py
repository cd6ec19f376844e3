"""What every ledger must do when threads race; part of `langroute.testing.check_ledger`."""

from collections.abc import Callable
from threading import Barrier, Thread

from langroute.books import Amount, HoldRequest, Limits
from langroute.errors import BudgetExceeded
from langroute.protocols import Ledger
from langroute.testing.ledger_moves import audited, exceeds, expect, hold, lease, spend_at

_THREADS = 32


def never_overspends_under_threads(ledger: Ledger) -> None:
    """32 threads racing for a budget that fits 100 of their 320 holds: exactly 100 are taken."""
    ledger.open("episode:a", Limits(nano_usd=1_000), at=0.0)
    ledger.open("user:u", Limits(nano_usd=10_000), at=0.0)
    refused: list[str] = []

    def race(thread: int) -> None:
        for number in range(10):
            try:
                hold(ledger, f"{thread}/{number}", 10, scopes=("episode:a", "user:u"))
            except BudgetExceeded:
                refused.append(f"{thread}/{number}")

    _in_threads(race)
    balance = ledger.balance("episode:a")
    expect(balance.held == Amount(nano_usd=1_000), f"the budget is used up and not a nano-dollar more, got {balance}")
    expect(ledger.balance("user:u").held == balance.held, "both scopes agree")
    expect((len(ledger.entries("episode:a")), len(refused)) == (100, 220), "every hold was either taken or refused")


def loses_nothing_under_threads(ledger: Ledger) -> None:
    """32 threads whose holds all fit: each is taken, each is settled, and the sum is exact."""
    ledger.open("episode:a", Limits(nano_usd=_THREADS * 10 * 7), at=0.0)

    def race(thread: int) -> None:
        for number in range(10):
            hold(ledger, f"{thread}/{number}", 7)
            ledger.settle(f"{thread}/{number}", Amount(nano_usd=3, output_tokens=1), at=1.0)

    _in_threads(race)
    balance = ledger.balance("episode:a")
    expected = Amount(nano_usd=_THREADS * 10 * 3, output_tokens=_THREADS * 10)
    expect(balance.spent == expected and balance.held == Amount(), f"the sum is exact, got {balance}")
    expect(balance.calls == _THREADS * 10, "every call is counted")


def books_once_under_threads(ledger: Ledger) -> None:
    """32 threads that take and settle the same id: one hold, one settlement, and all are told the same."""
    ledger.open("episode:a", Limits(nano_usd=100), at=0.0)
    told: list[object] = []

    def race(thread: int) -> None:
        hold(ledger, "h", 60)
        told.append(ledger.settle("h", Amount(nano_usd=thread), at=float(thread)))

    _in_threads(race)
    entry = ledger.entries("episode:a")[0]
    balance = ledger.balance("episode:a")
    expect(len(told) == _THREADS and all(each == entry for each in told), "every caller sees the one settlement")
    expect(balance.spent == entry.settled and balance.held == Amount(), f"it is booked once, got {balance}")
    expect(balance.calls == 1, "it is one call")


def keeps_amended_limits_under_threads(ledger: Ledger) -> None:
    """While one thread raises and lowers a budget, no hold of 31 others passes the limit in force when it is taken."""
    ledger.open("episode:a", Limits(nano_usd=100), at=0.0)
    taken: list[int] = []
    beyond: list[str] = []

    def race(thread: int) -> None:
        if thread == 0:
            for number in range(20):
                ledger.amend("episode:a", Limits(nano_usd=100 if number % 2 else 100 + 30 * number), at=1.0)
            return
        for number in range(10):
            try:
                balance = hold(ledger, f"{thread}/{number}", 10)
            except BudgetExceeded:
                continue
            taken.append(10)
            if balance.used.nano_usd > (balance.limits.nano_usd or 0):
                beyond.append(f"{balance.used.nano_usd} of {balance.limits.nano_usd}")

    _in_threads(race)
    expect(not beyond, f"a hold is checked against the limits it is taken under, got {beyond[:3]}")
    held = ledger.balance("episode:a").held.nano_usd
    expect(held == sum(taken), f"what was taken is held, and no amendment loses it, got {held} of {sum(taken)}")
    ledger.amend("episode:a", Limits(nano_usd=held + 10), at=2.0)
    hold(ledger, "last", 10)
    exceeds(lambda: hold(ledger, "more", 1))


def opens_once_under_threads(ledger: Ledger) -> None:
    """32 threads whose first holds all open the same scopes: opened once, and taken from by as many as fit."""
    opens = (("episode:a", Limits(nano_usd=100)), ("user:u", Limits(nano_usd=1_000)))
    refused: list[int] = []

    def race(thread: int) -> None:
        amount = Amount(nano_usd=10)
        request = HoldRequest(
            id=f"h{thread}", scopes=("episode:a", "user:u"), amount=amount, at=float(thread), opens=opens
        )
        try:
            ledger.hold(request)
        except BudgetExceeded:
            refused.append(thread)

    _in_threads(race)
    for scope in ("episode:a", "user:u"):
        balance = ledger.balance(scope)
        told = (balance.held.nano_usd, balance.calls)
        expect(told == (100, 10), f"what fits is taken from both, got {balance}")
    expect(len(refused) == _THREADS - 10, f"the others are refused, got {len(refused)}")
    expect(len(ledger.scopes()) == 2, "two scopes are open")
    audited(ledger, "episode:a", "user:u")


def settles_or_expires_once_under_threads(ledger: Ledger) -> None:
    """While holds expire, their owners settle them: whichever comes first, the truth is booked, and once."""
    ledger.open("episode:a", Limits(nano_usd=100 * _THREADS), at=0.0)
    for number in range(_THREADS):
        lease(ledger, f"h{number}", 100, expires=1.0)
    expired: list[str] = []

    def race(thread: int) -> None:
        if thread % 2:
            expired.extend(entry.id for entry in ledger.expire(at=2.0))
        else:
            for number in (thread, thread + 1):
                ledger.settle(f"h{number}", Amount(nano_usd=3), at=2.0)

    _in_threads(race)
    balance = ledger.balance("episode:a")
    told = (balance.spent.nano_usd, balance.held)
    expect(told == (3 * _THREADS, Amount()), f"every truth is booked once, got {balance}")
    expect(len(set(expired)) == len(expired), "no hold expires twice")
    marked = {entry.id for entry in ledger.entries("episode:a") if entry.expired}
    expect(marked == set(expired), "the books say which of them had expired")
    audited(ledger, "episode:a")


def never_passes_a_window_under_threads(ledger: Ledger) -> None:
    """32 threads whose clocks differ: what is settled is never more than the limit of the one window they are in."""
    ledger.open("user:u", Limits(nano_usd=1_000, window_s=86_400.0), at=0.0)
    refused: list[str] = []

    def race(thread: int) -> None:
        for number in range(5):
            try:
                spend_at(ledger, f"{thread}/{number}", 10, at=float(thread * 100))
            except BudgetExceeded:
                refused.append(f"{thread}/{number}")

    _in_threads(race)
    balance = ledger.balance("user:u")
    told = (balance.spent.nano_usd, balance.held, balance.past, len(refused))
    expect(told == (1_000, Amount(), Amount(), 60), f"the window is full and no more than that, got {told}")
    audited(ledger, "user:u")


def _in_threads(race: Callable[[int], None]) -> None:
    barrier = Barrier(_THREADS)
    failures: list[Exception] = []

    def run(thread: int) -> None:
        barrier.wait()
        try:
            race(thread)
        except Exception as exc:  # an exception in a thread would otherwise go unseen
            failures.append(exc)

    threads = [Thread(target=run, args=(number,)) for number in range(_THREADS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    expect(not failures, f"no thread fails, got {failures[:3]}")
