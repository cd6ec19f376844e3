"""What every ledger must do, as checks anyone can run on a ledger of their own.

    from langroute.testing import check_ledger
    check_ledger(lambda: MyLedger("..."))          # raises AssertionError, naming the check that failed

Under pytest, parametrise over `LEDGER_CHECKS` for one result per check. Nothing here needs pytest.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import cast

from langroute.books import Amount, Balance, HoldRequest, Limits, Purpose
from langroute.errors import BudgetExceeded, ConfigError, LedgerError
from langroute.protocols import Ledger
from langroute.testing.ledger_amendments import (
    amends_every_limit,
    amends_reserves,
    amends_what_is_open_only,
    lowers_below_what_is_used,
    raises_a_live_budget,
)
from langroute.testing.ledger_leases import (
    confirms_a_worst_case,
    corrects_a_worst_case,
    corrects_worst_cases_only,
    expires_by_scope_and_when_closed,
    expires_what_is_overdue,
    refuses_times_that_are_none,
    settles_after_expiry,
    survives_jumping_clocks,
    waits_for_the_truth_after_expiry,
)
from langroute.testing.ledger_moves import exceeds, expect, hold, latest, refuses, take
from langroute.testing.ledger_races import (
    books_once_under_threads,
    keeps_amended_limits_under_threads,
    loses_nothing_under_threads,
    never_overspends_under_threads,
    never_passes_a_window_under_threads,
    opens_once_under_threads,
    settles_or_expires_once_under_threads,
)
from langroute.testing.ledger_resets import (
    gives_nothing_back_that_was_forgiven,
    lists_scopes,
    opens_nothing_for_a_refused_hold,
    opens_with_the_first_hold,
    records_amendments,
    resets_a_window,
    resets_one_scope_alone,
    resets_reserves,
    resets_what_is_spent,
    resets_what_there_is_only,
)
from langroute.testing.ledger_windows import (
    books_late_truths_inside_a_window,
    counts_what_is_held_however_old,
    forgets_what_left_the_window,
    holds_in_a_window_and_an_episode,
    looks_without_touching,
    never_passes_a_limit_in_any_window,
    puts_right_inside_a_window,
    refuses_impossible_windows,
    time_never_goes_back,
)

LedgerCheck = Callable[[Ledger], None]

_ZERO = Amount()


def check_ledger(factory: Callable[[], Ledger]) -> None:
    """Run every check, each on a ledger of its own.

    Args:
        factory: makes a ledger with empty books; called once per check.

    Raises:
        AssertionError: a promise is not kept; names the check and says what was promised.
    """
    for name, check in LEDGER_CHECKS.items():
        ledger = factory()
        try:
            check(ledger)
        except Exception as exc:
            raise AssertionError(f"{type(ledger).__name__} fails {name}: {exc!r}") from exc
        finally:
            ledger.close()


def fits_the_protocol(ledger: Ledger) -> None:
    """It has the methods of the protocol and says whether it blocks."""
    expect(isinstance(ledger, Ledger), "every method of langroute.protocols.Ledger exists")
    expect(isinstance(ledger.blocking, bool), "`blocking` is True or False")


def opens_once(ledger: Ledger) -> None:
    """Opening again returns the books as they are and never changes limits in force."""
    limits = Limits(
        nano_usd=100,
        input_tokens=7,
        output_tokens=8,
        retries=9,
        reserves=(("verification", 10), ("final_synthesis", 5)),
    )
    fresh = ledger.open("episode:a", limits, at=12.5)
    expect(fresh == Balance(scope="episode:a", limits=limits, opened_at=12.5), f"a new scope is empty, got {fresh}")
    held = hold(ledger, "h", 30)
    again = ledger.open("episode:a", Limits(nano_usd=1_000_000), at=99.0)
    expect(again == held, f"reopening returned {again}, the books were {held}")


def refuses_what_is_unknown(ledger: Ledger) -> None:
    """A scope never opened and a hold never taken are errors, not empty books."""
    refuses(LedgerError, lambda: ledger.balance("episode:a"))
    refuses(LedgerError, lambda: ledger.entries("episode:a"))
    refuses(LedgerError, lambda: ledger.close_scope("episode:a"))
    refuses(LedgerError, lambda: hold(ledger, "h", 0))
    refuses(LedgerError, lambda: ledger.settle("h", _ZERO, at=1.0))
    ledger.open("episode:a", Limits(nano_usd=100), at=0.0)
    refuses(LedgerError, lambda: hold(ledger, "h", 10, scopes=("episode:a", "user:never-opened")))
    refuses(LedgerError, lambda: hold(ledger, "h", 10, scopes=()))
    expect(ledger.balance("episode:a").used == _ZERO, "a refused hold takes nothing from the scopes that exist")


def refuses_nonsense(ledger: Ledger) -> None:
    """Negative amounts and limits, reserves above the limit and unknown purposes are refused."""
    refuses(ConfigError, lambda: ledger.open("episode:a", Limits(nano_usd=-1), at=0.0))
    refuses(ConfigError, lambda: ledger.open("episode:a", Limits(reserves=(("verification", 1),)), at=0.0))
    over = Limits(nano_usd=10, reserves=(("verification", 6), ("final_synthesis", 5)))
    refuses(ConfigError, lambda: ledger.open("episode:a", over, at=0.0))
    ledger.open("episode:a", Limits(nano_usd=100), at=0.0)
    stranger = cast("Purpose", "entertainment")
    refuses(LedgerError, lambda: hold(ledger, "h", 1, purpose=stranger))
    refuses(ConfigError, lambda: ledger.open("episode:b", Limits(nano_usd=9, reserves=((stranger, 1),)), at=0.0))
    refuses(LedgerError, lambda: hold(ledger, "h", -1))
    hold(ledger, "h", 10)
    refuses(LedgerError, lambda: ledger.settle("h", Amount(output_tokens=-1), at=1.0))
    expect(ledger.balance("episode:a").held == Amount(nano_usd=10), "a refused settlement leaves the hold as it was")


def holds_to_the_last_nano_dollar(ledger: Ledger) -> None:
    """A hold that fits exactly is taken; one nano-dollar more is refused, with the numbers in dollars."""
    ledger.open("episode:a", Limits(nano_usd=100), at=0.0)
    balance = hold(ledger, "first", 60)
    expect(balance.held == Amount(nano_usd=60) and balance.calls == 1, f"a hold is in the books, got {balance}")
    error = exceeds(lambda: hold(ledger, "too-much", 41))
    expect((error.scope, error.resource) == ("episode:a", "dollars"), f"the error names scope and resource: {error}")
    told = (error.limit, error.spent, error.requested)
    expect(told == (Decimal("1e-7"), Decimal("6e-8"), Decimal("4.1e-8")), f"the error tells exact dollars, got {told}")
    expect(hold(ledger, "rest", 40).used == Amount(nano_usd=100), "what fits exactly is taken")
    expect(ledger.balance("episode:a").calls == 2, "a refused hold does not count as a call")


def limits_every_resource(ledger: Ledger) -> None:
    """Input tokens, output tokens and retries are limits of their own, held or spent; none of one always fits."""
    full = Amount(nano_usd=10**15, input_tokens=10, output_tokens=20, retries=1)
    ledger.open("episode:a", Limits(input_tokens=10, output_tokens=20, retries=1), at=0.0)
    take(ledger, "full", full)
    for state in ("held", "spent"):
        for resource in ("input_tokens", "output_tokens", "retries"):
            error = exceeds(partial(take, ledger, resource, Amount(**{resource: 1})))
            expect(error.resource == resource and error.limit == error.spent, f"{resource} all {state}, told {error}")
        take(ledger, f"nothing of what is {state}", Amount(nano_usd=1))
        ledger.settle("full", full, at=1.0)


def keeps_reserves(ledger: Ledger) -> None:
    """A reserve opens for its purpose only, before the common part, and comes back when its hold is released."""
    limits = Limits(nano_usd=100, reserves=(("final_synthesis", 30), ("verification", 20)))
    ledger.open("episode:a", limits, at=0.0)
    exceeds(lambda: hold(ledger, "h0", 51))
    hold(ledger, "h1", 50)
    exceeds(lambda: hold(ledger, "h2", 1))
    exceeds(lambda: hold(ledger, "h3", 31, purpose="final_synthesis"))
    exceeds(lambda: hold(ledger, "h4", 1, purpose="human_handoff"))
    balance = hold(ledger, "h5", 30, purpose="final_synthesis")
    expect(dict(balance.used_nano) == {"general": 50, "final_synthesis": 30}, f"use is told by purpose, got {balance}")
    ledger.settle("h5", _ZERO, at=1.0)
    exceeds(lambda: hold(ledger, "h6", 1))
    ledger.settle("h1", Amount(nano_usd=10), at=1.0)
    hold(ledger, "h7", 65, purpose="final_synthesis")
    expect(ledger.balance("episode:a").available_nano("general") == 5, "a purpose may go on into the common part")
    hold(ledger, "h8", 5)
    expect(hold(ledger, "h9", 20, purpose="verification").used.nano_usd == 100, "what a purpose used is no longer kept")


def holds_everywhere_or_nowhere(ledger: Ledger) -> None:
    """A hold that fits one scope but not another takes nothing anywhere; one that fits takes from each scope once."""
    ledger.open("episode:a", Limits(nano_usd=100), at=0.0)
    ledger.open("user:u", Limits(nano_usd=50), at=0.0)
    both = ("episode:a", "user:u")
    for scopes in (both, both[::-1]):
        error = exceeds(partial(hold, ledger, "h", 51, scopes=scopes))
        expect(error.scope == "user:u", "the error names the scope that was tight")
        expect(ledger.balance("episode:a").used == _ZERO == ledger.balance("user:u").used, "nothing is taken")
    first = hold(ledger, "h", 50, scopes=(*both, "episode:a"))
    expect(first.scope == "episode:a", "the first scope's books are returned")
    expect(first.held.nano_usd == 50 == ledger.balance("user:u").held.nano_usd, "each scope is taken from once")
    ledger.settle("h", Amount(nano_usd=20), at=1.0)
    expect(first.scope == "episode:a" and ledger.balance("user:u").spent.nano_usd == 20, "each scope is settled")
    expect(ledger.entries("user:u")[0].scopes == both, "the entry names every scope once, in order")


def names_the_tightest(ledger: Ledger) -> None:
    """Where several limits are too tight, the error names the one with the least room relative to the need."""
    ledger.open("episode:a", Limits(nano_usd=100, output_tokens=10), at=0.0)
    ledger.open("user:u", Limits(nano_usd=40), at=0.0)
    need = Amount(nano_usd=200, output_tokens=25)  # rooms: 100/200, 10/25, 40/200
    error = exceeds(lambda: take(ledger, "h", need, scopes=("episode:a", "user:u")))
    expect((error.scope, error.resource) == ("user:u", "dollars"), f"user:u has the least room, named {error}")
    error = exceeds(lambda: take(ledger, "h", need, scopes=("episode:a",)))
    expect(
        (error.scope, error.resource) == ("episode:a", "output_tokens"), f"tokens have the least room, named {error}"
    )


def holds_once_per_id(ledger: Ledger) -> None:
    """Taking an id again changes nothing: while the hold is open, after it was settled, after the scope was closed."""
    ledger.open("episode:a", Limits(nano_usd=100), at=0.0)
    held = hold(ledger, "h", 60)
    expect(hold(ledger, "h", 60) == held, "a hold is taken once")
    expect(hold(ledger, "h", 1_000) == held, "an id stands for its first hold, whatever comes with it")
    ledger.settle("h", Amount(nano_usd=50), at=1.0)
    settled = ledger.close_scope("episode:a")
    expect(hold(ledger, "h", 60) == settled, "a settled hold is not taken again")
    expect(len(ledger.entries("episode:a")) == 1, "there is one entry per id")


def settles_once(ledger: Ledger) -> None:
    """Settling replaces the hold by the truth; settling again changes nothing and returns the first settlement."""
    ledger.open("episode:a", Limits(nano_usd=100), at=0.0)
    hold(ledger, "h", 60)
    truth = Amount(nano_usd=20, input_tokens=3, output_tokens=4, retries=1)
    entry = ledger.settle("h", truth, at=2.0)
    expect((entry.settled, entry.settled_at, entry.worst_case) == (truth, 2.0, False), f"what was settled, got {entry}")
    again = ledger.settle("h", Amount(nano_usd=99), worst_case=True, at=3.0)
    expect(again == entry, f"the first settlement stands, got {again}")
    balance = ledger.balance("episode:a")
    expect(balance.spent == truth and balance.held == _ZERO, f"the hold became the truth, got {balance}")


def releases_with_zero(ledger: Ledger) -> None:
    """Settling with nothing gives everything back, and the entry says so."""
    ledger.open("episode:a", Limits(nano_usd=100, retries=1), at=0.0)
    take(ledger, "h", Amount(nano_usd=100, retries=1))
    entry = ledger.settle("h", _ZERO, at=1.0)
    expect(entry.settled == _ZERO and entry.settled_at == 1.0, f"a release is a settlement, got {entry}")
    balance = ledger.balance("episode:a")
    expect(balance.used == _ZERO and balance.used_nano in ((), (("general", 0),)), f"all is free again, got {balance}")
    expect(hold(ledger, "next", 100).calls == 2, "what was released can be held again")


def books_the_truth_above_the_hold(ledger: Ledger) -> None:
    """A settlement above its hold, and above the limit, is booked as it is; then nothing more fits."""
    ledger.open("episode:a", Limits(nano_usd=100, output_tokens=5), at=0.0)
    hold(ledger, "h", 60)
    ledger.settle("h", Amount(nano_usd=130, output_tokens=9), worst_case=True, at=1.0)
    balance = ledger.balance("episode:a")
    expect(balance.spent == Amount(nano_usd=130, output_tokens=9), f"the truth is never hidden, got {balance}")
    exceeds(lambda: hold(ledger, "next", 1))
    expect(hold(ledger, "free", 0).calls == 2, "what costs nothing still fits")
    expect(exceeds(lambda: take(ledger, "next", Amount(output_tokens=1))).resource == "output_tokens", "tokens too")
    expect(ledger.entries("episode:a")[0].worst_case, "a worst case is marked")


def closes_to_holds_only(ledger: Ledger) -> None:
    """A closed scope takes no hold, also not together with open scopes, but what is held still settles."""
    ledger.open("episode:a", Limits(nano_usd=100), at=0.0)
    ledger.open("user:u", Limits(nano_usd=100), at=0.0)
    hold(ledger, "h", 10)
    expect(ledger.close_scope("episode:a").closed and ledger.close_scope("episode:a").closed, "closing twice is fine")
    error = refuses(LedgerError, lambda: hold(ledger, "next", 1))
    expect(not isinstance(error, BudgetExceeded), "a closed scope is no matter of money")
    refuses(LedgerError, lambda: hold(ledger, "next", 1, scopes=("user:u", "episode:a")))
    expect(ledger.balance("user:u").used == _ZERO, "a refused hold takes nothing")
    ledger.settle("h", Amount(nano_usd=7), at=1.0)
    balance = ledger.open("episode:a", Limits(nano_usd=100), at=2.0)
    expect(balance.closed and balance.spent.nano_usd == 7, f"a late settlement is booked, and closed stays: {balance}")


def finds_the_latest(ledger: Ledger) -> None:
    """`latest` is the scope opened last under a prefix; reopening does not count, and letters are letters."""
    expect(ledger.latest("episode:") is None, "empty books have no latest scope")
    for scope in ("episode:t/9", "episode:t/10", "episode:T/11", "episode:t_2", "user:u"):
        ledger.open(scope, Limits(), at=1.0)
    ledger.open("episode:t/9", Limits(), at=5.0)
    expect(latest(ledger, "episode:t/") == "episode:t/10", "opened last, not sorted last")
    expect(latest(ledger, "episode:") == "episode:t_2", "a prefix is plain text")
    expect(latest(ledger, "episode:t%") is None and latest(ledger, "episode:?") is None, "there are no wildcards")
    expect(latest(ledger, "") == "user:u", "the empty prefix is every scope")


def lists_entries(ledger: Ledger) -> None:
    """Every hold stays in the books: oldest first, open ones too, with what was held and what was settled."""
    ledger.open("episode:a", Limits(), at=0.0)
    ledger.open("episode:b", Limits(), at=0.0)
    for number, scope in enumerate(("episode:a", "episode:b", "episode:a", "episode:a")):
        amount = Amount(nano_usd=number, input_tokens=1, output_tokens=2)
        request = HoldRequest(id=f"h{9 - number}", scopes=(scope,), amount=amount, arm="large", at=float(number))
        ledger.hold(request)
    ledger.settle("h7", Amount(nano_usd=1), worst_case=True, at=9.5)
    entries = ledger.entries("episode:a")
    expect([entry.id for entry in entries] == ["h9", "h7", "h6"], "entries are in the order they were taken")
    settled, taken = entries[1], Amount(nano_usd=2, input_tokens=1, output_tokens=2)
    expect((settled.held, settled.settled) == (taken, Amount(nano_usd=1)), f"held and settled stand apart: {settled}")
    told = (settled.purpose, settled.arm, settled.worst_case, settled.at, settled.settled_at)
    expect(told == ("general", "large", True, 2.0, 9.5), f"an entry tells all of its hold, got {settled}")
    expect(entries[2].settled is None and entries[2].settled_at is None, "an open hold is an entry too")


def keeps_books_after_close(ledger: Ledger) -> None:
    """Closing releases the store, not the books; a call that was under way can still be settled."""
    ledger.open("episode:a", Limits(nano_usd=100), at=0.0)
    held = hold(ledger, "h", 60)
    ledger.close()
    expect(ledger.balance("episode:a") == held, "books stay")
    ledger.close()
    ledger.settle("h", Amount(nano_usd=5), at=1.0)
    expect(ledger.balance("episode:a").used == Amount(nano_usd=5), "a late settlement is booked")


def keeps_large_numbers_exact(ledger: Ledger) -> None:
    """Billions of dollars are counted to the nano-dollar."""
    ledger.open("episode:a", Limits(nano_usd=2**61 + 1), at=0.0)
    hold(ledger, "h", 2**61)
    exceeds(lambda: hold(ledger, "more", 2))
    expect(hold(ledger, "last", 1).used.nano_usd == 2**61 + 1, "no float has touched the sum")


LEDGER_CHECKS: Mapping[str, LedgerCheck] = {
    check.__name__: check
    for check in (
        fits_the_protocol,
        opens_once,
        refuses_what_is_unknown,
        refuses_nonsense,
        holds_to_the_last_nano_dollar,
        limits_every_resource,
        keeps_reserves,
        holds_everywhere_or_nowhere,
        names_the_tightest,
        holds_once_per_id,
        settles_once,
        releases_with_zero,
        books_the_truth_above_the_hold,
        closes_to_holds_only,
        finds_the_latest,
        lists_entries,
        keeps_books_after_close,
        keeps_large_numbers_exact,
        raises_a_live_budget,
        lowers_below_what_is_used,
        amends_every_limit,
        amends_reserves,
        amends_what_is_open_only,
        records_amendments,
        resets_what_is_spent,
        resets_reserves,
        resets_what_there_is_only,
        gives_nothing_back_that_was_forgiven,
        resets_one_scope_alone,
        resets_a_window,
        opens_with_the_first_hold,
        opens_nothing_for_a_refused_hold,
        lists_scopes,
        expires_what_is_overdue,
        expires_by_scope_and_when_closed,
        settles_after_expiry,
        waits_for_the_truth_after_expiry,
        corrects_a_worst_case,
        confirms_a_worst_case,
        corrects_worst_cases_only,
        refuses_times_that_are_none,
        survives_jumping_clocks,
        forgets_what_left_the_window,
        counts_what_is_held_however_old,
        looks_without_touching,
        time_never_goes_back,
        never_passes_a_limit_in_any_window,
        holds_in_a_window_and_an_episode,
        puts_right_inside_a_window,
        books_late_truths_inside_a_window,
        refuses_impossible_windows,
        never_overspends_under_threads,
        loses_nothing_under_threads,
        books_once_under_threads,
        keeps_amended_limits_under_threads,
        opens_once_under_threads,
        settles_or_expires_once_under_threads,
        never_passes_a_window_under_threads,
    )
}
"""Every check by name. Each takes a ledger with empty books and raises when a promise is not kept."""
