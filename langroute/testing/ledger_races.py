"""What every ledger must do when threads race; part of `langroute.testing.check_ledger`."""

from collections.abc import Callable
from threading import Barrier, Thread

from langroute.books import Amount, Limits
from langroute.errors import BudgetExceeded
from langroute.protocols import Ledger
from langroute.testing.ledger_moves import exceeds, expect, hold

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
