"""What every ledger must do with limits that hold in a rolling window; part of `langroute.testing.check_ledger`."""

from functools import partial
from random import Random

from langroute.books import Amount, HoldRequest, Limits
from langroute.errors import BudgetExceeded, ConfigError, LedgerError
from langroute.protocols import Ledger
from langroute.testing.ledger_moves import audited, exceeds, expect, hold_at, refuses, spend_at

_HOUR = 3_600.0
_BUCKET = _HOUR / 60
_BOTH = ("episode:a", "user:u")


def _opened(ledger: Ledger, *, limit: int = 100) -> None:
    ledger.open("user:u", Limits(nano_usd=limit, output_tokens=1_000, window_s=_HOUR), at=0.0)


def forgets_what_left_the_window(ledger: Ledger) -> None:
    """What was settled counts for the window and at most a sixtieth longer, then it is only part of the past."""
    _opened(ledger)
    spend_at(ledger, "h1", 60, at=90.0)
    hold_at(ledger, "h2", 40, at=100.0)
    exceeds(lambda: hold_at(ledger, "h3", 1, at=90.0 + _HOUR))
    ledger.settle("h2", Amount(nano_usd=40), at=2_000.0)
    balance = hold_at(ledger, "h3", 60, at=90.0 + _HOUR + _BUCKET)
    told = (balance.spent.nano_usd, balance.held.nano_usd, balance.past.nano_usd)
    expect(told == (40, 60, 60), f"what left the window is free again, and stays known, got {balance}")
    exceeds(lambda: hold_at(ledger, "h4", 1, at=2_000.0 + _HOUR))
    expect(hold_at(ledger, "h4", 40, at=2_001.0 + _HOUR + _BUCKET).used.nano_usd == 100, "settling dates the spend")
    expect(ledger.balance("user:u").lifetime == Amount(nano_usd=100), "nothing is lost")
    audited(ledger, "user:u")


def counts_what_is_held_however_old(ledger: Ledger) -> None:
    """A hold counts until it is settled, also when it is older than the window; a lease ends that."""
    _opened(ledger)
    request = HoldRequest(id="h", scopes=("user:u",), amount=Amount(nano_usd=100), at=0.0, expires=10 * _HOUR)
    ledger.hold(request)
    exceeds(lambda: hold_at(ledger, "next", 1, at=9 * _HOUR))
    ledger.expire(at=10 * _HOUR)
    exceeds(lambda: hold_at(ledger, "next", 1, at=11 * _HOUR))
    expect(hold_at(ledger, "next", 100, at=12 * _HOUR).used.nano_usd == 100, "then the window runs")
    audited(ledger, "user:u")


def looks_without_touching(ledger: Ledger) -> None:
    """Books are shown as they will be at a time, and looking changes nothing; another window is another scope."""
    _opened(ledger)
    spend_at(ledger, "h", 60, at=90.0)
    then = 2 * _HOUR
    for look in (partial(ledger.balance, "user:u", at=then), partial(ledger.open, "user:u", Limits(), at=then)):
        balance = look()
        told = (balance.spent.nano_usd, balance.past.nano_usd)
        expect(told == (0, 60), f"by then it has left the window, got {balance}")
        now = ledger.balance("user:u")
        expect((now.spent.nano_usd, now.past.nano_usd) == (60, 0), f"a look is no passing of time, got {now}")
    early = ledger.balance("user:u", at=0.0)
    expect(early.spent.nano_usd == 60, "time does not go back for a look either")
    expect(ledger.balance("user:u").limits.window_s == _HOUR, "the window is told with the limits")
    exceeds(lambda: hold_at(ledger, "next", 41, at=91.0))


def time_never_goes_back(ledger: Ledger) -> None:
    """A clock that jumps back dates nothing earlier than the newest time seen, and so brings nothing back or away."""
    _opened(ledger)
    spend_at(ledger, "h1", 60, at=5 * _HOUR)
    spend_at(ledger, "h2", 40, at=10.0)
    exceeds(lambda: hold_at(ledger, "h3", 1, at=10.0 + 2 * _HOUR))
    exceeds(lambda: hold_at(ledger, "h3", 1, at=6 * _HOUR))
    expect(hold_at(ledger, "h3", 100, at=6 * _HOUR + _BUCKET).used.nano_usd == 100, "then both have left")
    audited(ledger, "user:u")


def never_passes_a_limit_in_any_window(ledger: Ledger) -> None:
    """Whatever is held and settled when: in no stretch of the window's length is more settled than the limit."""
    _opened(ledger)
    random, settled, open_holds, now = Random(7), list[tuple[float, int]](), list[str](), 0.0  # noqa: S311 - no secret
    for number in range(300):
        now += random.choice((1.0, 20.0, 90.0, 700.0))
        try:
            hold_at(ledger, f"h{number}", random.randint(1, 40), at=now)
        except BudgetExceeded:
            continue
        finally:
            if open_holds and random.random() < 0.6:
                amount = random.randint(0, 20)
                entry = ledger.settle(open_holds.pop(0), Amount(nano_usd=amount), at=now)
                settled.append((now, min(amount, entry.held.nano_usd)))
        open_holds.append(f"h{number}")
    for start, _ in settled:
        within = sum(nano for at, nano in settled if start <= at < start + _HOUR)
        expect(within <= 100, f"{within} of 100 were settled in the hour from {start}")
    expect(sum(nano for _, nano in settled) > 300, "and the window does let the next one in")
    audited(ledger, "user:u")


def holds_in_a_window_and_an_episode(ledger: Ledger) -> None:
    """A hold takes from an episode and a window at once or from neither, and the window that is full is named."""
    _opened(ledger)
    ledger.open("episode:a", Limits(nano_usd=500), at=0.0)
    spend_at(ledger, "h1", 80, at=10.0, scopes=_BOTH)
    error = exceeds(lambda: hold_at(ledger, "h2", 30, at=20.0, scopes=_BOTH))
    expect(error.scope == "user:u", f"the window is what is full, got {error}")
    expect(ledger.balance("episode:a").used.nano_usd == 80, "nothing is taken anywhere")
    spend_at(ledger, "h2", 30, at=20.0 + 2 * _HOUR, scopes=_BOTH)
    expect(ledger.balance("episode:a").spent.nano_usd == 110, "an episode forgets nothing")
    tokens = HoldRequest(id="t", scopes=_BOTH, amount=Amount(output_tokens=1_001), at=30.0)
    expect(exceeds(lambda: ledger.hold(tokens)).resource == "output_tokens", "a window limits every resource")
    audited(ledger, *_BOTH)


def puts_right_inside_a_window(ledger: Ledger) -> None:
    """What is put right gives back only what still counts, and what turns out dearer counts from now."""
    _opened(ledger)
    spend_at(ledger, "old", 60, at=90.0, worst_case=True)
    spend_at(ledger, "new", 40, at=3_000.0, worst_case=True)
    ledger.correct("new", Amount(nano_usd=10), at=3_100.0)
    expect(hold_at(ledger, "h", 30, at=3_100.0).used.nano_usd == 100, "what was given back is free")
    ledger.settle("h", Amount(), at=3_100.0)
    spend_at(ledger, "full", 90, at=90.0 + _HOUR + _BUCKET)
    ledger.correct("old", Amount(nano_usd=20), at=4_000.0)
    exceeds(lambda: hold_at(ledger, "h5", 1, at=4_000.0))
    balance = ledger.balance("user:u")
    told = (balance.spent.nano_usd, balance.past.nano_usd)
    expect(told == (100, 20), f"what has left gives nothing back that counts, got {balance}")
    ledger.correct("old", Amount(nano_usd=25), at=4_000.0)
    balance = ledger.balance("user:u")
    told = (balance.spent.nano_usd, balance.past.nano_usd)
    expect(told == (105, 20), f"what is dearer counts now, got {balance}")
    audited(ledger, "user:u")


def books_late_truths_inside_a_window(ledger: Ledger) -> None:
    """A truth that comes after expiry counts from when it comes, and the worst case is taken back."""
    _opened(ledger)
    for hold_id, at in (("h1", 0.0), ("h2", 60.0)):
        request = HoldRequest(id=hold_id, scopes=("user:u",), amount=Amount(nano_usd=50), at=at, expires=at + 90)
        ledger.hold(request)
    ledger.expire(at=200.0)
    ledger.settle("h1", Amount(nano_usd=30), at=3_500.0)
    exceeds(lambda: hold_at(ledger, "next", 21, at=3_500.0))
    later = 200.0 + _HOUR + _BUCKET
    balance = hold_at(ledger, "next", 70, at=later)
    told = (balance.spent.nano_usd, balance.past.nano_usd)
    expect(told == (30, 50), f"h2 has left, h1 counts from its truth on, got {balance}")
    ledger.settle("h2", Amount(nano_usd=40), at=later)
    balance = ledger.balance("user:u")
    told = (balance.spent.nano_usd, balance.past.nano_usd)
    expect(told == (70, 0), f"the truth of h2 counts now, its worst case is gone, got {balance}")
    audited(ledger, "user:u")


def refuses_impossible_windows(ledger: Ledger) -> None:
    """A window is a length of time, has no reserves, and stays what it was."""
    for window in (0.0, -1.0, 0.5, 1e12, float("nan"), float("inf")):
        refuses(ConfigError, partial(ledger.open, "user:u", Limits(nano_usd=1, window_s=window), at=0.0))
    kept = Limits(nano_usd=9, window_s=60.0, reserves=(("verification", 1),))
    refuses(ConfigError, lambda: ledger.open("user:u", kept, at=0.0))
    refuses(LedgerError, lambda: ledger.balance("user:u"))
    _opened(ledger)
    spend_at(ledger, "h", 60, at=10.0)
    for other in (Limits(nano_usd=200), Limits(nano_usd=200, window_s=60.0)):
        refuses(ConfigError, partial(ledger.amend, "user:u", other, at=20.0))
    raised = ledger.amend("user:u", Limits(nano_usd=200, window_s=_HOUR), at=20.0)
    expect((raised.limits.nano_usd, raised.spent.nano_usd) == (200, 60), f"its limits may change, got {raised}")
    ledger.open("episode:a", Limits(), at=0.0)
    refuses(ConfigError, lambda: ledger.amend("episode:a", Limits(window_s=60.0), at=1.0))
