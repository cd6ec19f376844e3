"""What every ledger must do with holds that nobody settles; part of `langroute.testing.check_ledger`."""

from functools import partial
from itertools import pairwise

from langroute.books import Amount, Limits
from langroute.errors import LedgerError
from langroute.protocols import Ledger
from langroute.testing.ledger_moves import audited, exceeds, expect, hold, lease, refuses

_BOTH = ("episode:a", "user:u")


def _opened(ledger: Ledger) -> None:
    ledger.open("episode:a", Limits(nano_usd=100, reserves=(("verification", 20),)), at=0.0)
    ledger.open("user:u", Limits(nano_usd=1_000), at=0.0)


def expires_what_is_overdue(ledger: Ledger) -> None:
    """Holds whose lease is over are spent at their worst case, in every scope, and nothing becomes free by it."""
    _opened(ledger)
    lease(ledger, "late", 30, expires=50.0, scopes=_BOTH)
    lease(ledger, "later", 20, expires=51.0, scopes=_BOTH)
    hold(ledger, "without", 10)
    expect(ledger.expire(at=49.9) == (), "a lease that is not over is left alone")
    expect(ledger.entries("episode:a")[0].expires == 50.0, "the entry tells when the lease ends")
    (entry,) = ledger.expire(at=50.0)
    told = (entry.id, entry.settled, entry.worst_case, entry.expired, entry.settled_at)
    expect(told == ("late", Amount(nano_usd=30), True, True, 50.0), f"it is settled at all it holds, got {entry}")
    expect(ledger.expire(at=50.0) == (), "once")
    for scope, held in (("episode:a", 30), ("user:u", 20)):
        balance = ledger.balance(scope)
        told_sums = (balance.spent.nano_usd, balance.held.nano_usd)
        expect(told_sums == (30, held), f"what was held there is spent, got {balance}")
    exceeds(lambda: hold(ledger, "next", 21))
    expect([each.id for each in ledger.expire(at=1e9)] == ["later"], "a hold without a lease never expires")
    expect(ledger.entries("episode:a")[0] == entry, "the books show what was told")
    audited(ledger, *_BOTH)


def expires_by_scope_and_when_closed(ledger: Ledger) -> None:
    """Only one scope's holds where one is named, oldest first; a closed scope is no exception, an unknown one is."""
    _opened(ledger)
    lease(ledger, "h1", 1, expires=9.0, scopes=("user:u",))
    lease(ledger, "h3", 2, expires=5.0, scopes=_BOTH)
    lease(ledger, "h2", 3, expires=7.0)
    ledger.close_scope("episode:a")
    expect([entry.id for entry in ledger.expire(at=10.0, scope="episode:a")] == ["h3", "h2"], "oldest first")
    expect(ledger.balance("user:u").held == Amount(nano_usd=1), "the holds of other scopes stay")
    refuses(LedgerError, lambda: ledger.expire(at=10.0, scope="user:never-opened"))
    expect([entry.id for entry in ledger.expire(at=10.0)] == ["h1"], "all of them where none is named")
    audited(ledger, *_BOTH)


def settles_after_expiry(ledger: Ledger) -> None:
    """A process that was only slow books the truth in place of the worst case; the first truth stands."""
    _opened(ledger)
    lease(ledger, "h", 60, expires=5.0, scopes=_BOTH)
    ledger.expire(at=6.0)
    truth = Amount(nano_usd=20, output_tokens=4)
    entry = ledger.settle("h", truth, at=7.0)
    told = (entry.settled, entry.worst_case, entry.expired, entry.settled_at)
    expect(told == (truth, False, True, 7.0), f"the truth is booked, and that it was late, got {entry}")
    again = ledger.settle("h", Amount(nano_usd=50), at=8.0)
    expect(again == entry, f"the first truth stands, got {again}")
    for scope in _BOTH:
        balance = ledger.balance(scope)
        expect((balance.spent, balance.held) == (truth, Amount()), f"booked once, got {balance}")
    expect(dict(ledger.balance("episode:a").used_nano) == {"general": 20}, "by purpose too")
    expect(hold(ledger, "rest", 60).used.nano_usd == 80, "what the worst case took in vain is free again")
    lease(ledger, "dear", 20, expires=9.0, scopes=("user:u",))
    ledger.expire(at=9.0)
    ledger.settle("dear", Amount(nano_usd=2_000), at=10.0)
    expect(ledger.balance("user:u").spent.nano_usd == 2_020, "a truth above the hold, and above the limit, is booked")
    audited(ledger, *_BOTH)


def waits_for_the_truth_after_expiry(ledger: Ledger) -> None:
    """Where the late process does not know the truth either, it may still follow, or be found out by hand."""
    _opened(ledger)
    lease(ledger, "h", 60, expires=5.0)
    ledger.expire(at=6.0)
    unknown = ledger.settle("h", Amount(nano_usd=60), worst_case=True, at=7.0)
    expect((unknown.worst_case, unknown.settled) == (True, Amount(nano_usd=60)), f"no truth yet, got {unknown}")
    expect(ledger.balance("episode:a").spent.nano_usd == 60, "and booked once")
    ledger.settle("h", Amount(nano_usd=5), at=8.0)
    expect(ledger.balance("episode:a").spent.nano_usd == 5, "the truth takes its place")
    lease(ledger, "other", 30, expires=5.0)
    ledger.expire(at=9.0)
    found = ledger.correct("other", Amount(nano_usd=7), at=10.0)
    late = ledger.settle("other", Amount(nano_usd=9), at=11.0)
    expect(late == found, f"a truth that was found out stands as any other, got {late}")
    audited(ledger, "episode:a")


def corrects_a_worst_case(ledger: Ledger) -> None:
    """The truth takes the place of a worst case in every scope, cheaper or dearer, and what stood there is kept."""
    _opened(ledger)
    hold(ledger, "h", 60, scopes=_BOTH)
    ledger.settle("h", Amount(nano_usd=60, output_tokens=9), worst_case=True, at=1.0)
    entry = ledger.correct("h", Amount(nano_usd=25, output_tokens=12), at=9.0, reason="the provider's bill")
    told = (entry.settled, entry.worst_case, entry.settled_at, entry.expired)
    expect(told == (Amount(nano_usd=25, output_tokens=12), False, 1.0, False), f"the truth is booked, got {entry}")
    expect(len(entry.corrections) == 1, f"the correction is kept, got {entry}")
    kept = entry.corrections[0]
    told_why = (kept.at, kept.before, kept.reason)
    expect(told_why == (9.0, Amount(nano_usd=60, output_tokens=9), "the provider's bill"), f"and kept why, got {kept}")
    for scope in _BOTH:
        expect(ledger.balance(scope).spent == Amount(nano_usd=25, output_tokens=12), "in every scope")
    expect(ledger.correct("h", Amount(nano_usd=25, output_tokens=12), at=10.0) == entry, "the same again is no change")
    again = ledger.correct("h", Amount(nano_usd=130), at=11.0, reason="misread")
    expect([each.before.nano_usd for each in again.corrections] == [60, 25], f"every correction is kept, got {again}")
    expect(ledger.balance("episode:a").spent == Amount(nano_usd=130), "a dearer truth is booked, above the limit too")
    exceeds(lambda: hold(ledger, "next", 1))
    expect(ledger.entries("user:u")[0] == again, "the books show what was told")
    audited(ledger, *_BOTH)


def confirms_a_worst_case(ledger: Ledger) -> None:
    """A worst case that proves true is no worst case any more, and its correction is recorded."""
    _opened(ledger)
    hold(ledger, "h", 60)
    ledger.settle("h", Amount(nano_usd=60), worst_case=True, at=1.0)
    entry = ledger.correct("h", Amount(nano_usd=60), at=2.0, reason="billed in full")
    expect(not entry.worst_case and len(entry.corrections) == 1, f"the worst case was the truth, got {entry}")
    expect(ledger.balance("episode:a").spent == Amount(nano_usd=60), "nothing else changes")
    audited(ledger, "episode:a")


def corrects_worst_cases_only(ledger: Ledger) -> None:
    """What was settled at what was really used, an open hold, an unknown one and nonsense cannot be corrected."""
    _opened(ledger)
    hold(ledger, "open", 10)
    hold(ledger, "true", 10)
    ledger.settle("true", Amount(nano_usd=4), at=1.0)
    hold(ledger, "worst", 10)
    ledger.settle("worst", Amount(nano_usd=10), worst_case=True, at=1.0)
    before = ledger.balance("episode:a")
    for hold_id in ("open", "true", "never-taken"):
        refuses(LedgerError, partial(ledger.correct, hold_id, Amount(nano_usd=1), at=2.0))
    refuses(LedgerError, lambda: ledger.correct("worst", Amount(nano_usd=-1), at=2.0))
    expect(ledger.balance("episode:a") == before, "a refused correction changes nothing")
    expect(not any(entry.corrections for entry in ledger.entries("episode:a")), "and records nothing")


def refuses_times_that_are_none(ledger: Ledger) -> None:
    """What is no time since 1970 is refused before anything is booked."""
    _opened(ledger)
    for nonsense in (float("nan"), float("inf"), -1.0):
        refuses(LedgerError, partial(lease, ledger, "h", 1, expires=nonsense))
        refuses(LedgerError, partial(ledger.expire, at=nonsense))
    lease(ledger, "h", 1, expires=5.0)
    for nonsense in (float("nan"), float("inf"), -1.0):
        refuses(LedgerError, partial(ledger.settle, "h", Amount(), at=nonsense))
    expect(ledger.balance("episode:a").held == Amount(nano_usd=1), "the hold is as it was")


def survives_jumping_clocks(ledger: Ledger) -> None:
    """Clocks that run back or far ahead decide when a hold expires, never how much may be spent."""
    _opened(ledger)
    clocks = (1_000.0, 3.0, 900_000.0, 10.0, 10.0)
    for number, (now, then) in enumerate(pairwise(clocks)):
        lease(ledger, f"h{number}", 20, expires=now + 60, at=now)
        ledger.expire(at=then)
        ledger.settle(f"h{number}", Amount(nano_usd=20), at=then)
        ledger.settle(f"h{number}", Amount(nano_usd=20), at=now)
        expect(ledger.balance("episode:a").spent.nano_usd == 20 * (number + 1), "each call is booked once")
    exceeds(lambda: hold(ledger, "more", 1))
    audited(ledger, "episode:a")
