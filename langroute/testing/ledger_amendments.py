"""What every ledger must do when the limits of an open scope change; part of `langroute.testing.check_ledger`."""

from langroute.books import Amount, Limits
from langroute.errors import BudgetExceeded, ConfigError, LedgerError
from langroute.protocols import Ledger
from langroute.testing.ledger_moves import exceeds, expect, hold, refuses, take


def raises_a_live_budget(ledger: Ledger) -> None:
    """More is admitted at once, what is spent and held stays, and opening again never brings the old limits back."""
    old, new = Limits(nano_usd=100), Limits(nano_usd=150)
    ledger.open("episode:a", old, at=1.0)
    ledger.open("episode:b", old, at=1.0)
    hold(ledger, "h1", 60)
    ledger.settle("h1", Amount(nano_usd=50), at=2.0)
    before = hold(ledger, "h2", 40)
    exceeds(lambda: hold(ledger, "h3", 60))
    after = ledger.amend("episode:a", new, at=3.0)
    expect(after.limits == new, f"the new limits are in force, got {after}")
    kept = (after.spent, after.held, after.used_nano, after.calls, after.opened_at, after.closed)
    stood = (before.spent, before.held, before.used_nano, before.calls, before.opened_at, before.closed)
    expect(kept == stood, f"everything but the limits stays, got {after}")
    expect(ledger.amend("episode:a", new, at=4.0) == after, "the same limits again change nothing")
    expect(ledger.open("episode:a", old, at=5.0) == after, "reopening with the old limits returns the amended books")
    expect(hold(ledger, "h3", 60).used.nano_usd == 150, "what the new limits leave room for is taken")
    expect(exceeds(lambda: hold(ledger, "h4", 1)).spent is not None, "and not a nano-dollar more")
    expect(ledger.balance("episode:b").limits == old, "other scopes keep their limits")


def lowers_below_what_is_used(ledger: Ledger) -> None:
    """Limits below what is spent or held are taken: nothing more is admitted, and nothing that was is lost."""
    ledger.open("episode:a", Limits(nano_usd=100), at=0.0)
    hold(ledger, "h1", 50)
    ledger.settle("h1", Amount(nano_usd=50), at=1.0)
    hold(ledger, "h2", 40)
    balance = ledger.amend("episode:a", Limits(nano_usd=30), at=2.0)
    expect((balance.spent.nano_usd, balance.held.nano_usd) == (50, 40), f"spent and held stay, got {balance}")
    expect(balance.available_nano("general") == 0, f"nothing is left, and not less than nothing, got {balance}")
    exceeds(lambda: hold(ledger, "h3", 1))
    entry = ledger.settle("h2", Amount(nano_usd=45), at=3.0)
    expect(entry.settled == Amount(nano_usd=45), f"a call under way settles at its true cost, got {entry}")
    exceeds(lambda: hold(ledger, "h4", 1))
    ledger.amend("episode:a", Limits(nano_usd=96), at=4.0)
    expect(hold(ledger, "h5", 1).used.nano_usd == 96, "raised again, it goes on from what was really spent")


def amends_every_limit(ledger: Ledger) -> None:
    """Each resource gets its new limit, and None takes a limit away."""
    full = Limits(nano_usd=9, input_tokens=10, output_tokens=20, retries=1)
    ledger.open("episode:a", full, at=0.0)
    expect(ledger.amend("episode:a", Limits(), at=1.0).limits == Limits(), "no limits are limits too")
    take(ledger, "h1", Amount(nano_usd=10, input_tokens=11, output_tokens=21, retries=2))
    expect(ledger.amend("episode:a", full, at=2.0).limits == full, "limits come back")
    for name in ("nano_usd", "input_tokens", "output_tokens", "retries"):
        one = Amount(**{name: 1})
        try:
            take(ledger, f"over {name}", one)
        except BudgetExceeded:
            continue
        raise AssertionError(f"one more of {name} was admitted above its limit")


def amends_reserves(ledger: Ledger) -> None:
    """Reserves are replaced by those of the new limits; what a purpose has used counts towards its new reserve."""
    ledger.open("episode:a", Limits(nano_usd=100, reserves=(("final_synthesis", 30),)), at=0.0)
    hold(ledger, "h1", 10, purpose="final_synthesis")
    hold(ledger, "h2", 5, purpose="verification")
    raised = Limits(nano_usd=200, reserves=(("verification", 20), ("final_synthesis", 30)))
    balance = ledger.amend("episode:a", raised, at=1.0)
    expect(balance.limits == raised, f"the reserves stand in the order given, got {balance.limits}")
    expect(dict(balance.used_nano) == {"final_synthesis": 10, "verification": 5}, f"use by purpose stays: {balance}")
    expect(balance.available_nano("general") == 150, f"20 and 15 are kept of what is left, got {balance}")
    exceeds(lambda: hold(ledger, "h3", 151))
    hold(ledger, "h3", 150)
    hold(ledger, "h4", 20, purpose="final_synthesis")
    exceeds(lambda: hold(ledger, "h5", 1, purpose="final_synthesis"))
    freed = ledger.amend("episode:a", Limits(nano_usd=200), at=2.0)
    expect(freed.available_nano("general") == 15, f"what is no longer kept is free for all, got {freed}")
    expect(hold(ledger, "h6", 15).used.nano_usd == 200, "and can be taken")


def amends_what_is_open_only(ledger: Ledger) -> None:
    """A scope never opened, a closed one and impossible limits are refused, and nothing changes."""
    limits = Limits(nano_usd=100, reserves=(("verification", 10),))
    refuses(LedgerError, lambda: ledger.amend("episode:a", limits, at=0.0))
    refuses(LedgerError, lambda: ledger.balance("episode:a"))
    ledger.open("episode:a", limits, at=0.0)
    refuses(ConfigError, lambda: ledger.amend("episode:a", Limits(nano_usd=-1), at=1.0))
    refuses(ConfigError, lambda: ledger.amend("episode:a", Limits(nano_usd=9, reserves=limits.reserves), at=1.0))
    expect(ledger.balance("episode:a").limits == limits, "impossible limits change nothing")
    ledger.close_scope("episode:a")
    refuses(LedgerError, lambda: ledger.amend("episode:a", Limits(nano_usd=200), at=2.0))
    expect(ledger.balance("episode:a").limits == limits, "a closed scope keeps its limits")
