"""What every ledger must do when a budget is changed by hand: record it, forgive exactly what was spent."""

from langroute.books import Amount, HoldRequest, Limits
from langroute.errors import LedgerError
from langroute.protocols import Ledger
from langroute.testing.ledger_moves import audited, exceeds, expect, hold, hold_at, lease, refuses, spend_at

_HOUR = 3_600.0


def records_amendments(ledger: Ledger) -> None:
    """Every change of limits stays in the books with what was, what is, when and why; what changes nothing does not."""
    first = Limits(nano_usd=100, reserves=(("verification", 10),))
    second, third = Limits(nano_usd=150, output_tokens=7), Limits(nano_usd=50)
    ledger.open("episode:a", first, at=0.0)
    ledger.open("episode:b", first, at=0.0)
    expect(ledger.amendments("episode:a") == (), "a new scope has none")
    ledger.amend("episode:a", second, at=1.5, reason="a larger order")
    ledger.amend("episode:b", second, at=2.0)
    ledger.amend("episode:a", second, at=3.0, reason="the same")
    ledger.amend("episode:a", third, at=1.0)
    told = [(each.scope, each.at, each.kind, each.before, each.after) for each in ledger.amendments("episode:a")]
    expected = [("episode:a", 1.5, "limits", first, second), ("episode:a", 1.0, "limits", second, third)]
    expect(told == expected, f"each change is recorded in the order it was made, got {told}")
    expect([each.reason for each in ledger.amendments("episode:a")] == ["a larger order", ""], "with its reason")
    refuses(LedgerError, lambda: ledger.amendments("episode:never-opened"))


def resets_what_is_spent(ledger: Ledger) -> None:
    """A reset forgives what is spent, not what is held; it is recorded, and the whole limit is there again."""
    limits = Limits(nano_usd=100, output_tokens=10)
    ledger.open("episode:a", limits, at=0.0)
    spend_at(ledger, "h1", 60, at=1.0, scopes=("episode:a",))
    hold(ledger, "h2", 30)
    balance = ledger.reset("episode:a", at=2.0, reason="a new month")
    told = (balance.spent, balance.held.nano_usd, balance.past.nano_usd, balance.calls, balance.limits)
    expect(told == (Amount(), 30, 60, 2, limits), f"spent is forgiven, held stays, got {balance}")
    exceeds(lambda: hold(ledger, "h3", 71))
    hold(ledger, "h3", 70)
    ledger.settle("h2", Amount(nano_usd=10), at=3.0)
    expect(ledger.balance("episode:a").spent.nano_usd == 10, "a hold that was open settles as any other")
    (kept,) = ledger.amendments("episode:a")
    told_why = (kept.kind, kept.at, kept.forgiven, kept.reason, kept.before, kept.after)
    expected = ("reset", 2.0, Amount(nano_usd=60), "a new month", limits, limits)
    expect(told_why == expected, f"what was forgiven is recorded, got {kept}")
    expect(ledger.balance("episode:a").lifetime.nano_usd == 70, "and stays known")
    audited(ledger, "episode:a")


def resets_reserves(ledger: Ledger) -> None:
    """After a reset the reserves are whole again, but for what open holds hold of them."""
    ledger.open("episode:a", Limits(nano_usd=100, reserves=(("verification", 40),)), at=0.0)
    hold(ledger, "h1", 30, purpose="verification")
    ledger.settle("h1", Amount(nano_usd=30), at=1.0)
    hold(ledger, "h2", 15, purpose="verification")
    hold(ledger, "h3", 5)
    ledger.settle("h3", Amount(nano_usd=5), at=1.0)
    balance = ledger.reset("episode:a", at=2.0)
    expect(dict(balance.used_nano) == {"verification": 15}, f"only what is held is used, got {balance}")
    expect(balance.available_nano("general") == 60, f"100 less 15 held and 25 kept, got {balance}")
    exceeds(lambda: hold(ledger, "h4", 61))
    hold(ledger, "h4", 60)
    ledger.settle("h2", Amount(nano_usd=10), at=3.0)
    expect(ledger.balance("episode:a").reserve_left("verification") == 30, "it counts on from there")
    audited(ledger, "episode:a")


def resets_what_there_is_only(ledger: Ledger) -> None:
    """Nothing spent is nothing to forgive and to record; scopes unknown or closed are refused."""
    refuses(LedgerError, lambda: ledger.reset("episode:a", at=0.0))
    ledger.open("episode:a", Limits(nano_usd=100), at=0.0)
    held = hold(ledger, "h", 60)
    expect(ledger.reset("episode:a", at=1.0) == held, "what is held is no spend")
    expect(ledger.amendments("episode:a") == (), "so nothing was done")
    ledger.settle("h", Amount(nano_usd=60), at=2.0)
    ledger.close_scope("episode:a")
    refuses(LedgerError, lambda: ledger.reset("episode:a", at=3.0))
    expect(ledger.balance("episode:a").spent.nano_usd == 60, "a closed scope keeps its books")


def gives_nothing_back_that_was_forgiven(ledger: Ledger) -> None:
    """A line from before a reset that is put right frees nothing; only what is dearer or comes later counts."""
    ledger.open("episode:a", Limits(nano_usd=100), at=0.0)
    spend_at(ledger, "worst", 60, at=1.0, scopes=("episode:a",), worst_case=True)
    lease(ledger, "slow", 40, expires=2.0)
    ledger.expire(at=2.0)
    ledger.reset("episode:a", at=3.0)
    hold(ledger, "full", 90)
    ledger.correct("worst", Amount(nano_usd=20), at=4.0)
    balance = ledger.balance("episode:a")
    told = (balance.spent.nano_usd, balance.past.nano_usd)
    expect(told == (0, 60), f"what was forgiven cannot be given back, got {balance}")
    exceeds(lambda: hold(ledger, "next", 11))
    ledger.settle("slow", Amount(nano_usd=7), at=5.0)
    balance = ledger.balance("episode:a")
    told = (balance.spent.nano_usd, balance.past.nano_usd)
    expect(told == (7, 20), f"a late truth counts from when it comes, got {balance}")
    ledger.correct("worst", Amount(nano_usd=22), at=6.0)
    balance = ledger.balance("episode:a")
    told = (balance.spent.nano_usd, balance.past.nano_usd)
    expect(told == (9, 20), f"and so does what is dearer than was forgiven, got {balance}")
    exceeds(lambda: hold(ledger, "next", 2))
    expect(hold(ledger, "next", 1).used.nano_usd == 100, "to the last nano-dollar")
    audited(ledger, "episode:a")


def resets_one_scope_alone(ledger: Ledger) -> None:
    """The other scopes of the same calls go on counting them."""
    both = ("episode:a", "user:u")
    for scope in both:
        ledger.open(scope, Limits(nano_usd=100), at=0.0)
    spend_at(ledger, "h", 60, at=1.0, scopes=both, worst_case=True)
    ledger.reset("user:u", at=2.0)
    ledger.correct("h", Amount(nano_usd=50), at=3.0)
    told = [(ledger.balance(scope).spent.nano_usd, ledger.balance(scope).past.nano_usd) for scope in both]
    expect(told == [(50, 0), (0, 50)], f"each scope knows whether the line still counts, got {told}")
    audited(ledger, *both)


def resets_a_window(ledger: Ledger) -> None:
    """What a window counts is forgiven, what had left it stays past, and the window goes on."""
    ledger.open("user:u", Limits(nano_usd=100, window_s=_HOUR), at=0.0)
    spend_at(ledger, "h1", 30, at=10.0)
    spend_at(ledger, "h2", 60, at=_HOUR)
    balance = ledger.reset("user:u", at=2 * _HOUR - 60.0)
    told = (balance.spent.nano_usd, balance.past.nano_usd)
    expect(told == (0, 90), f"nothing counts any more, got {balance}")
    (kept,) = ledger.amendments("user:u")
    expect(kept.forgiven == Amount(nano_usd=60), f"only what still counted was forgiven, got {kept}")
    spend_at(ledger, "h3", 100, at=2 * _HOUR)
    exceeds(lambda: hold_at(ledger, "h4", 1, at=2 * _HOUR + 1_800.0))
    hold_at(ledger, "h4", 100, at=3 * _HOUR + 60.0)
    audited(ledger, "user:u")


def opens_with_the_first_hold(ledger: Ledger) -> None:
    """Scopes that are not open yet are opened with the hold, in their order; one that is open keeps its limits."""
    day = Limits(nano_usd=500)
    ledger.open("user:u", day, at=1.0)
    opens = (("episode:a", Limits(nano_usd=100, reserves=(("verification", 10),))), ("user:u", Limits(nano_usd=1)))
    request = HoldRequest(
        id="h", scopes=("episode:a", "user:u"), amount=Amount(nano_usd=60), at=7.5, opens=(*opens, ("user:u", day))
    )
    balance = ledger.hold(request)
    expect(balance == ledger.balance("episode:a"), f"the first scope's books are returned, got {balance}")
    told = (balance.limits, balance.held.nano_usd, balance.calls, balance.opened_at)
    expect(told == (opens[0][1], 60, 1, 7.5), f"it is open and holds, got {balance}")
    expect(ledger.balance("user:u").limits == day, "limits in force stay")
    expect(ledger.hold(request) == balance, "the same hold again opens and takes nothing")
    found = ledger.latest("")
    expect(found is not None and found.scope == "episode:a", f"it was opened after the user, got {found}")
    expect(ledger.open("episode:a", Limits(), at=9.0) == balance, "opening again is no change")
    ledger.settle("h", Amount(nano_usd=50), at=8.0)
    audited(ledger, "episode:a", "user:u")


def opens_nothing_for_a_refused_hold(ledger: Ledger) -> None:
    """A hold that does not fit, is nonsense or names a scope that nothing opens leaves no scope behind."""
    ledger.open("user:u", Limits(nano_usd=50), at=0.0)
    ledger.open("team:closed", Limits(), at=0.0)
    ledger.close_scope("team:closed")
    fresh = (("episode:a", Limits(nano_usd=100)),)

    def ask(nano: int, *scopes: str, opens: tuple[tuple[str, Limits], ...] = fresh) -> None:
        ledger.hold(HoldRequest(id="h", scopes=scopes, amount=Amount(nano_usd=nano), opens=opens))

    error = exceeds(lambda: ask(120, "episode:a"))
    expect((error.scope, error.resource) == ("episode:a", "dollars"), f"a scope that it would open counts, got {error}")
    expect(exceeds(lambda: ask(51, "episode:a", "user:u")).scope == "user:u", "the tightest is named")
    refuses(LedgerError, lambda: ask(1, "episode:a", "user:never-opened"))
    refuses(LedgerError, lambda: ask(1, "episode:a", "team:closed"))
    refuses(LedgerError, lambda: ask(1, "user:u"))
    refuses(ValueError, lambda: ask(1, "episode:a", opens=(("episode:a", Limits(nano_usd=-1)),)))
    refuses(LedgerError, lambda: ledger.balance("episode:a"))
    expect([each.scope for each in ledger.scopes()] == ["team:closed", "user:u"], "nothing else is in the books")
    expect(ledger.balance("user:u").calls == 0, "and nothing was taken")
    ask(50, "episode:a", "user:u")
    expect(ledger.balance("episode:a").held.nano_usd == 50, "the same id can still be taken")


def lists_scopes(ledger: Ledger) -> None:
    """Scopes are listed newest first, under a prefix that is plain text, at most as many as asked for."""
    expect(ledger.scopes() == (), "empty books have no scope")
    names = ("user:b", "episode:t/9", "episode:t/10", "episode:T/11", "episode:t_2", "user:a")
    for at, name in enumerate(names):
        ledger.open(name, Limits(nano_usd=at), at=float(at))
    ledger.open("user:b", Limits(), at=99.0)
    hold(ledger, "h", 1, scopes=("episode:t/9",))
    told = [each.scope for each in ledger.scopes()]
    expect(told == list(reversed(names)), f"newest first, reopening and use do not count, got {told}")
    told = [each.scope for each in ledger.scopes("episode:t", limit=2)]
    expect(told == ["episode:t_2", "episode:t/10"], f"the newest of those with the prefix, got {told}")
    expect(ledger.scopes("episode:t%") == () == ledger.scopes("episode:?"), "there are no wildcards")
    (found,) = ledger.scopes("episode:t/9")
    expect(found == ledger.balance("episode:t/9"), "with their books")
