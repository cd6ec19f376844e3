"""Ledgers that are wrong on purpose, each in one way: what the contract's checks must find."""

import math
import time
from dataclasses import replace
from typing import Any

from langroute.books import Amendment, Amount, Balance, Entry, HoldRequest, Limits
from langroute.errors import BudgetExceeded, ConfigError, LedgerError
from langroute.ledgers import MemoryLedger
from langroute.ledgers.rules import refusal

NOTHING = Amount()


class Undecided(MemoryLedger):
    """Does not say whether it blocks."""

    blocking = "perhaps"  # type: ignore[assignment]


class Reopening(MemoryLedger):
    """Opening again puts other limits in force."""

    def open(self, scope: str, limits: Limits, *, at: float) -> Balance:
        """Open or amend."""
        super().open(scope, limits, at=at)
        return super().amend(scope, limits, at=at)


class Inventing(MemoryLedger):
    """Has books for scopes that were never opened."""

    def balance(self, scope: str, *, at: float | None = None) -> Balance:
        """Empty books for anybody."""
        try:
            return super().balance(scope, at=at)
        except LedgerError:
            return Balance(scope=scope, limits=Limits())


class Gullible(MemoryLedger):
    """Books nonsense as nothing."""

    def settle(self, hold_id: str, amount: Amount, *, worst_case: bool = False, at: float) -> Entry:
        """Anything goes."""
        amount = Amount(
            nano_usd=max(0, amount.nano_usd), output_tokens=max(0, amount.output_tokens), retries=amount.retries
        )
        return super().settle(hold_id, amount, worst_case=worst_case, at=at if math.isfinite(at) and at >= 0 else 0.0)


class Generous(MemoryLedger):
    """Takes what does not fit as if it cost nothing."""

    def hold(self, request: HoldRequest) -> Balance:
        """Never refuse."""
        try:
            return super().hold(request)
        except BudgetExceeded:
            return super().hold(replace(request, amount=NOTHING))


class DollarsOnly(MemoryLedger):
    """Keeps no limit but that of dollars, and no reserves."""

    def open(self, scope: str, limits: Limits, *, at: float) -> Balance:
        """Forget most limits."""
        return super().open(scope, Limits(nano_usd=limits.nano_usd), at=at)

    def amend(self, scope: str, limits: Limits, *, at: float, reason: str = "") -> Balance:
        """Forget most limits."""
        return super().amend(scope, Limits(nano_usd=limits.nano_usd), at=at, reason=reason)


class Leaking(MemoryLedger):
    """Takes from the scopes that fit before it finds one that does not."""

    def hold(self, request: HoldRequest) -> Balance:
        """Take scope by scope."""
        for scope in request.scopes:
            balance = super().hold(replace(request, id=f"{request.id}@{scope}", scopes=(scope,)))
        return balance


class Blaming(MemoryLedger):
    """Names the first scope, whichever is the tightest."""

    def hold(self, request: HoldRequest) -> Balance:
        """Blame the first."""
        try:
            return super().hold(request)
        except BudgetExceeded as exc:
            exc.scope = request.scopes[0]
            raise


class Repeating(MemoryLedger):
    """Takes the same id again and again."""

    def hold(self, request: HoldRequest) -> Balance:
        """Take once more."""
        taken = {entry.id for entry in self.entries(request.scopes[0])}
        return super().hold(replace(request, id=f"{request.id}+") if request.id in taken else request)


class Overwriting(MemoryLedger):
    """Lets a second settlement win."""

    def settle(self, hold_id: str, amount: Amount, *, worst_case: bool = False, at: float) -> Entry:
        """Answer with the newest truth."""
        entry = super().settle(hold_id, amount, worst_case=worst_case, at=at)
        return replace(entry, settled=amount, worst_case=worst_case, settled_at=at)


class Clinging(MemoryLedger):
    """Never gives back all of a hold."""

    def settle(self, hold_id: str, amount: Amount, *, worst_case: bool = False, at: float) -> Entry:
        """Keep a nano-dollar."""
        amount = replace(amount, nano_usd=max(1, amount.nano_usd))
        return super().settle(hold_id, amount, worst_case=worst_case, at=at)


class Hiding(MemoryLedger):
    """Never books more than 60."""

    def settle(self, hold_id: str, amount: Amount, *, worst_case: bool = False, at: float) -> Entry:
        """Book at most 60."""
        amount = min(amount, Amount(nano_usd=60), key=lambda each: each.nano_usd)
        return super().settle(hold_id, amount, worst_case=worst_case, at=at)


class NeverClosing(MemoryLedger):
    """Takes holds from closed scopes."""

    def close_scope(self, scope: str) -> Balance:
        """Say closed, stay open."""
        return replace(self.balance(scope), closed=True)


class Alphabetical(MemoryLedger):
    """Takes the last name for the latest."""

    def scopes(self, prefix: str = "", *, limit: int = 100) -> tuple[Balance, ...]:
        """In the order of names."""
        found = super().scopes(prefix, limit=10_000)
        return tuple(sorted(found, key=lambda balance: balance.scope, reverse=True))[:limit]

    def latest(self, prefix: str) -> Balance | None:
        """The last name."""
        return next(iter(self.scopes(prefix, limit=1)), None)


class Reversed(MemoryLedger):
    """Lists the newest line first."""

    def entries(self, scope: str) -> tuple[Entry, ...]:
        """Backwards."""
        return super().entries(scope)[::-1]


class Vanishing(MemoryLedger):
    """Forgets its books when it is closed."""

    def close(self) -> None:
        """Start anew."""
        self.__init__()  # type: ignore[misc]


class Rounding(MemoryLedger):
    """Counts money in floats."""

    def hold(self, request: HoldRequest) -> Balance:
        """Round."""
        nano = int(float(request.amount.nano_usd))
        balance = super().hold(replace(request, amount=replace(request.amount, nano_usd=nano)))
        return replace(balance, held=replace(balance.held, nano_usd=int(float(balance.held.nano_usd))))


class Forgetting(MemoryLedger):
    """Says that it changed a budget, and goes on as before; keeps no record of it."""

    def amend(self, scope: str, limits: Limits, *, at: float, reason: str = "") -> Balance:
        """Answer with books that are not kept."""
        return replace(self.balance(scope), limits=limits)

    def reset(self, scope: str, *, at: float, reason: str = "") -> Balance:
        """Answer with books that are not kept."""
        balance = self.balance(scope)
        return replace(balance, spent=NOTHING, past=balance.lifetime)

    def amendments(self, scope: str) -> tuple[Amendment, ...]:
        """None."""
        return ()


class Stubborn(MemoryLedger):
    """Refuses to lower a limit below what is used."""

    def amend(self, scope: str, limits: Limits, *, at: float, reason: str = "") -> Balance:
        """Only upwards."""
        if limits.nano_usd is not None and limits.nano_usd < self.balance(scope).used.nano_usd:
            raise ConfigError("is used already", field="nano_usd")
        return super().amend(scope, limits, at=at, reason=reason)


class Welcoming(MemoryLedger):
    """Amends and resets what was never opened or is closed, and changes windows."""

    def amend(self, scope: str, limits: Limits, *, at: float, reason: str = "") -> Balance:
        """Never mind."""
        self.open(scope, limits, at=at)
        self._accounts[scope].closed = False
        limits = replace(limits, window_s=self._accounts[scope].limits.window_s)
        return super().amend(scope, limits, at=at, reason=reason)

    def reset(self, scope: str, *, at: float, reason: str = "") -> Balance:
        """Never mind."""
        self.open(scope, Limits(), at=at)
        self._accounts[scope].closed = False
        return super().reset(scope, at=at, reason=reason)


class Releasing(MemoryLedger):
    """A reset forgets what open holds hold of the reserves."""

    def reset(self, scope: str, *, at: float, reason: str = "") -> Balance:
        """All reserves are whole."""
        super().reset(scope, at=at, reason=reason)
        self._accounts[scope].used = dict.fromkeys(self._accounts[scope].used, 0)
        return self.balance(scope)


class GivingBackTwice(MemoryLedger):
    """Gives back what a reset has forgiven or a window forgotten."""

    def reset(self, scope: str, *, at: float, reason: str = "") -> Balance:
        """Do not note when."""
        balance = super().reset(scope, at=at, reason=reason)
        self._accounts[scope].era = 0
        return balance

    def correct(self, hold_id: str, amount: Amount, *, at: float, reason: str = "") -> Entry:
        """As if it had been booked just now."""
        if hold_id in self._lines:
            line = list(self._lines[hold_id])
            line[13] = at
            self._lines[hold_id] = tuple(line)
        return super().correct(hold_id, amount, at=at, reason=reason)


class Sweeping(MemoryLedger):
    """A reset of one scope is a reset of all."""

    def reset(self, scope: str, *, at: float, reason: str = "") -> Balance:
        """All of them."""
        for each in self.scopes():
            if each.scope != scope and not each.closed:
                super().reset(each.scope, at=at, reason=reason)
        return super().reset(scope, at=at, reason=reason)


class Recalling(MemoryLedger):
    """A reset leaves the buckets of a window as they were."""

    def reset(self, scope: str, *, at: float, reason: str = "") -> Balance:
        """Keep the buckets."""
        buckets = dict(self._accounts[scope].buckets or {})
        balance = super().reset(scope, at=at, reason=reason)
        if self._accounts[scope].buckets is not None:
            self._accounts[scope].buckets = buckets
        return balance


class OpeningFirst(MemoryLedger):
    """Opens what a hold opens before it knows whether the hold fits."""

    def hold(self, request: HoldRequest) -> Balance:
        """Two steps."""
        for scope, limits in request.opens:
            self.open(scope, limits, at=request.at)
        return super().hold(request)


class OpeningNothing(MemoryLedger):
    """Opens nothing with a hold."""

    def hold(self, request: HoldRequest) -> Balance:
        """Scopes must be open."""
        return super().hold(replace(request, opens=()))


class ReleasingWhatExpires(MemoryLedger):
    """A hold that expires is given back, in every scope, whichever was named."""

    def expire(self, *, at: float, scope: str | None = None) -> tuple[Entry, ...]:
        """Settle at nothing."""
        overdue = [each for each, (request, _, _) in self._open.items() if (request.expires or math.inf) <= at]
        return tuple(self.settle(hold_id, NOTHING, worst_case=True, at=at) for hold_id in overdue)


class Final(MemoryLedger):
    """What has expired stays as it is."""

    def settle(self, hold_id: str, amount: Amount, *, worst_case: bool = False, at: float) -> Entry:
        """Too late."""
        line = self._line(hold_id)
        return line if line.expired else super().settle(hold_id, amount, worst_case=worst_case, at=at)


class Doubling(MemoryLedger):
    """Books a late truth beside the worst case."""

    def settle(self, hold_id: str, amount: Amount, *, worst_case: bool = False, at: float) -> Entry:
        """Add it."""
        line = self._line(hold_id)
        late = line.expired and line.worst_case
        entry = super().settle(hold_id, amount, worst_case=worst_case, at=at)
        if late:
            for scope in entry.scopes:
                self._accounts[scope].spent_nano += line.held.nano_usd
        return entry


class Certain(MemoryLedger):
    """Takes every settlement for the truth."""

    def settle(self, hold_id: str, amount: Amount, *, worst_case: bool = False, at: float) -> Entry:
        """No doubts."""
        return super().settle(hold_id, amount, at=at)


class Doubting(MemoryLedger):
    """Takes every settlement for a worst case."""

    def settle(self, hold_id: str, amount: Amount, *, worst_case: bool = False, at: float) -> Entry:
        """Nothing is certain."""
        return super().settle(hold_id, amount, worst_case=True, at=at)


class Lax(MemoryLedger):
    """Corrects without a word, and not at all what proves true."""

    def correct(self, hold_id: str, amount: Amount, *, at: float, reason: str = "") -> Entry:
        """Keep no record."""
        if self._line(hold_id).settled == amount:
            return self._line(hold_id)
        return replace(super().correct(hold_id, amount, at=at, reason=reason), corrections=())


class Unforgetting(MemoryLedger):
    """Its clock stands still: nothing ever leaves a window."""

    def hold(self, request: HoldRequest) -> Balance:
        """Always at the beginning."""
        return super().hold(replace(request, at=0.0))


class Impatient(MemoryLedger):
    """Lets an old hold go when the window has passed."""

    def hold(self, request: HoldRequest) -> Balance:
        """Release first what is older than an hour."""
        for hold_id, (taken, _, _) in list(self._open.items()):
            if taken.at < request.at - 3_600:
                self.settle(hold_id, NOTHING, at=request.at)
        return super().hold(request)


class Touching(MemoryLedger):
    """A look is a passing of time."""

    def balance(self, scope: str, *, at: float | None = None) -> Balance:
        """Advance."""
        if scope in self._accounts and at is not None:
            self._accounts[scope].advance(at)
        return super().balance(scope, at=at)


class TimeTravelling(MemoryLedger):
    """Follows a clock that jumps back."""

    def hold(self, request: HoldRequest) -> Balance:
        """Go back."""
        for scope in request.scopes:
            if scope in self._accounts:
                self._accounts[scope].newest = 0
        return super().hold(request)


class ShortSighted(MemoryLedger):
    """Forgets after half the window."""

    def open(self, scope: str, limits: Limits, *, at: float) -> Balance:
        """Halve it."""
        window = limits.window_s
        return super().open(scope, replace(limits, window_s=None if window is None else window / 2), at=at)


class Backdating(MemoryLedger):
    """Dates a late truth by the expiry that it replaces."""

    def settle(self, hold_id: str, amount: Amount, *, worst_case: bool = False, at: float) -> Entry:
        """At the time of before."""
        booked: Any = self._line(hold_id).settled_at
        return super().settle(hold_id, amount, worst_case=worst_case, at=at if booked is None else booked)


class Racing(MemoryLedger):
    """Reads, looks and then writes, without keeping others out meanwhile."""

    def hold(self, request: HoldRequest) -> Balance:
        """What a budget check without an atomic hold does."""
        for scope, limits in request.opens:
            self.open(scope, limits, at=request.at)
        accounts = tuple(self._accounts[scope] for scope in request.scopes)
        if request.id in self._open or request.id in self._lines:
            return accounts[0].balance()
        error = refusal([account.balance(request.at) for account in accounts], request)
        if error is not None:
            raise error
        time.sleep(0.001)
        for account in accounts:
            account.take(request)
        self._open[request.id] = (request, request.scopes, accounts)
        return accounts[0].balance()


class Losing(MemoryLedger):
    """Reads the sum, adds, and writes it back over what others wrote meanwhile."""

    def settle(self, hold_id: str, amount: Amount, *, worst_case: bool = False, at: float) -> Entry:
        """A lost update."""
        account = self._accounts[self._line(hold_id).scopes[0]]
        before = account.spent_nano
        entry = super().settle(hold_id, amount, worst_case=worst_case, at=at)
        time.sleep(0.001)
        account.spent_nano = before + amount.nano_usd
        return entry
