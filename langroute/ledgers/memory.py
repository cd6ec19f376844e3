"""The ledger of one process: exact, fast, and gone when the process ends."""

import os
from bisect import bisect_left, insort
from collections.abc import Iterator
from heapq import nlargest
from math import inf
from threading import Lock
from typing import Any, NoReturn, Self

from langroute.books import Amendment, Amount, Balance, Correction, Entry, HoldRequest, Limits, Purpose
from langroute.errors import LedgerError
from langroute.ledgers.accounts import Account, amount_of, numbers_of
from langroute.ledgers.rows import name_beyond
from langroute.ledgers.rules import (
    check_amendment,
    check_amount,
    check_limits,
    check_request,
    check_time,
    closed_scope,
    refusal,
    surplus,
    uncorrectable,
    unknown_hold,
    unknown_scope,
)
from langroute.ledgers.stores import no_place
from langroute.quick import changed, maker

_entry = maker(Entry)

_process = os.getpid()
"""Id of this process, kept current by a hook: asking the system at every hold would take as long as the booking."""


def _forked() -> None:
    global _process  # noqa: PLW0603 - the one fact that a fork changes
    _process = os.getpid()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

_Open = tuple[HoldRequest, tuple[str, ...], tuple[Account, ...]]
"""An open hold: what was asked for, its scopes, each once, and their totals."""

_Line = tuple[Any, ...]
"""A settled hold, as one tuple of atoms, which costs the garbage collector nothing: the fields of `Entry` after the id,
with four numbers for each amount, then the number of amendments there were when it was settled."""


class MemoryLedger:
    """Books in memory, under one lock that is only ever held for microseconds.

    Safe from any thread and from an event loop. It refuses to work after a fork and to be pickled: two processes with a
    copy each could spend the same budget twice. Every hold stays in the books for audit, about 0.5 kB each.
    """

    blocking = False

    def __init__(self) -> None:
        self._lock = Lock()
        self._process = _process
        self._accounts: dict[str, Account] = {}
        self._names: list[str] = []
        self._open: dict[str, _Open] = {}
        self._lines: dict[str, _Line] = {}
        self._amendments: list[Amendment] = []

    @classmethod
    def from_place(cls, place: str) -> Self:
        """A new, empty ledger: every ``memory://`` is one of its own."""
        no_place(place, scheme="memory")
        return cls()

    def open(self, scope: str, limits: Limits, *, at: float) -> Balance:
        """Open a scope, or return its books as they are; see `langroute.protocols.Ledger.open`."""
        self._own_process()
        check_limits(limits)
        with self._lock:
            account = self._accounts.get(scope)
            if account is None:
                account = Account(scope, limits, at=at, number=len(self._accounts))
                self._register(account)
            return account.balance(at)

    def balance(self, scope: str, *, at: float | None = None) -> Balance:
        """The books of a scope; see `langroute.protocols.Ledger.balance`."""
        self._own_process()
        with self._lock:
            return self._account(scope).balance(at)

    def hold(self, request: HoldRequest) -> Balance:
        """Set an amount aside in all scopes or in none; see `langroute.protocols.Ledger.hold`."""
        if self._process != _process:
            self._own_process()
        scopes, hold_id = check_request(request), request.id
        with self._lock:
            if hold_id in self._lines or hold_id in self._open:
                return self._first_account(hold_id).balance()
            accounts = self._accounts_for(request, scopes)
            for account in accounts:
                if not account.admits(request):
                    raise self._refused(accounts, request)
            if request.opens:
                for account in accounts:
                    if account.scope not in self._accounts:
                        self._register(account)
            for account in accounts:
                account.take(request)
            self._open[hold_id] = (request, scopes, accounts)
            return accounts[0].balance()

    def settle(self, hold_id: str, amount: Amount, *, worst_case: bool = False, at: float) -> Entry:
        """Replace a hold by what was really used; see `langroute.protocols.Ledger.settle`."""
        if self._process != _process:
            self._own_process()
        check_amount(amount, what="settlement of", hold_id=hold_id)
        if not 0 <= at < inf:
            check_time(at, what=f"at of settlement {hold_id}")
        with self._lock:
            if hold_id in self._open:
                return self._settle(hold_id, amount, worst_case=worst_case, at=at)
            entry = self._settled(hold_id)
            if not (entry.expired and entry.worst_case):
                return entry
            back = numbers_of(entry.settled or entry.held)
            self._rebook(entry, back=back, more=numbers_of(amount), at=at)
            entry = changed(entry, settled=amount, worst_case=worst_case, settled_at=at)
            return self._keep(entry, era=len(self._amendments))

    def expire(self, *, at: float, scope: str | None = None) -> tuple[Entry, ...]:
        """Settle each hold whose lease is over at its worst case; see `langroute.protocols.Ledger.expire`."""
        self._own_process()
        check_time(at, what="at")
        with self._lock:
            if scope is not None:
                self._account(scope)
            overdue = [
                hold_id
                for hold_id, (request, scopes, _) in self._open.items()
                if request.expires is not None and request.expires <= at and (scope is None or scope in scopes)
            ]
            return tuple(
                [
                    self._settle(hold_id, self._open[hold_id][0].amount, worst_case=True, at=at, expired=True)
                    for hold_id in overdue
                ]
            )

    def correct(self, hold_id: str, amount: Amount, *, at: float, reason: str = "") -> Entry:
        """Put the truth in place of a worst case; see `langroute.protocols.Ledger.correct`."""
        self._own_process()
        check_amount(amount, what="correction of", hold_id=hold_id)
        check_time(at, what="at")
        with self._lock:
            entry = self._line(hold_id)
            if entry.settled is None or not (entry.worst_case or entry.corrections):
                raise uncorrectable(entry)
            if entry.corrections and entry.settled == amount:
                return entry
            before = entry.settled
            back, more = surplus(before, amount), surplus(amount, before)
            self._rebook(entry, back=numbers_of(back), more=numbers_of(more), at=at)
            corrections = (*entry.corrections, Correction(at=at, before=before, reason=reason))
            entry = changed(entry, settled=amount, worst_case=False, corrections=corrections)
            return self._keep(entry, era=self._lines[hold_id][-1])

    def amend(self, scope: str, limits: Limits, *, at: float, reason: str = "") -> Balance:
        """Put other limits in force for an open scope; see `langroute.protocols.Ledger.amend`."""
        self._own_process()
        check_limits(limits)
        with self._lock:
            account = self._open_account(scope)
            before = account.limits
            check_amendment(before, limits)
            if limits != before:
                account.limits = limits
                self._amendments.append(
                    Amendment(scope=scope, at=at, kind="limits", before=before, after=limits, reason=reason)
                )
            return account.balance(at)

    def reset(self, scope: str, *, at: float, reason: str = "") -> Balance:
        """Forgive all that an open scope has spent; see `langroute.protocols.Ledger.reset`."""
        self._own_process()
        check_time(at, what="at")
        with self._lock:
            account = self._open_account(scope)
            account.advance(at)
            if account.balance().spent != Amount():
                forgiven = account.forgive(era=len(self._amendments) + 1, held=self._held_in(account))
                limits = account.limits
                self._amendments.append(
                    Amendment(
                        scope=scope,
                        at=at,
                        kind="reset",
                        before=limits,
                        after=limits,
                        forgiven=forgiven,
                        reason=reason,
                    )
                )
            return account.balance()

    def amendments(self, scope: str) -> tuple[Amendment, ...]:
        """Every change of a scope's budget, oldest first."""
        self._own_process()
        with self._lock:
            self._account(scope)
            return tuple([amendment for amendment in self._amendments if amendment.scope == scope])

    def close_scope(self, scope: str) -> Balance:
        """Take no more holds from a scope; see `langroute.protocols.Ledger.close_scope`."""
        self._own_process()
        with self._lock:
            account = self._account(scope)
            account.closed = True
            return account.balance()

    def latest(self, prefix: str) -> Balance | None:
        """The scope opened last among those whose name starts with ``prefix``."""
        self._own_process()
        with self._lock:
            found = max(self._under(prefix), key=lambda account: account.number, default=None)
            return None if found is None else found.balance()

    def scopes(self, prefix: str = "", *, limit: int = 100) -> tuple[Balance, ...]:
        """The scopes whose names start with ``prefix``, the most recently opened first."""
        self._own_process()
        with self._lock:
            found = nlargest(limit, self._under(prefix), key=lambda account: account.number)
            return tuple([account.balance() for account in found])

    def entries(self, scope: str) -> tuple[Entry, ...]:
        """Every hold taken from a scope, oldest first."""
        self._own_process()
        with self._lock:
            return tuple([self._line(hold_id) for hold_id in self._account(scope).ids])

    def close(self) -> None:
        """Nothing to release: the books stay as long as the ledger does."""

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied into another process.

        Raises:
            LedgerError: always.
        """
        raise LedgerError(
            "a memory ledger cannot be pickled or copied: each copy could spend the same budget again; "
            "share books between processes with store='sqlite:///langroute.db'"
        )

    def _own_process(self) -> None:
        if self._process != _process:
            raise LedgerError(
                f"a memory ledger of process {self._process} was used after a fork, in process {_process}: each "
                "would spend the same budget; use store='sqlite:///langroute.db', or make the ledger after the fork"
            )

    def _register(self, account: Account) -> None:
        self._accounts[account.scope] = account
        insort(self._names, account.scope)

    def _account(self, scope: str) -> Account:
        account = self._accounts.get(scope)
        if account is None:
            raise unknown_scope(scope)
        return account

    def _open_account(self, scope: str) -> Account:
        account = self._account(scope)
        if account.closed:
            raise closed_scope(scope)
        return account

    def _accounts_for(self, request: HoldRequest, scopes: tuple[str, ...]) -> tuple[Account, ...]:
        """The totals that a hold takes from; those of scopes that it opens are new, and not in the books yet."""
        if not request.opens:
            if len(scopes) == 1 and (account := self._accounts.get(scopes[0])) is not None:
                return (account,)
            return tuple([self._account(scope) for scope in scopes])
        limits, number = dict(request.opens), len(self._accounts)
        accounts = []
        for scope in scopes:
            account = self._accounts.get(scope)
            if account is None and scope in limits:
                account = Account(scope, limits[scope], at=request.at, number=number)
                number += 1
            accounts.append(account or self._account(scope))
        return tuple(accounts)

    def _under(self, prefix: str) -> Iterator[Account]:
        beyond = name_beyond(prefix)
        start = bisect_left(self._names, prefix)
        end = len(self._names) if beyond is None else bisect_left(self._names, beyond)
        return (self._accounts[self._names[place]] for place in range(start, end))

    def _refused(self, accounts: tuple[Account, ...], request: HoldRequest) -> Exception:
        return refusal([account.balance(request.at) for account in accounts], request) or closed_scope(
            request.scopes[0]
        )

    def _first_account(self, hold_id: str) -> Account:
        return self._account(self._line(hold_id).scopes[0])

    def _held_in(self, account: Account) -> dict[Purpose, int]:
        """What the open holds of a scope hold, by purpose."""
        held: dict[Purpose, int] = {}
        for request, _, accounts in self._open.values():
            if account in accounts:
                held[request.purpose] = held.get(request.purpose, 0) + request.amount.nano_usd
        return held

    def _settle(self, hold_id: str, amount: Amount, *, worst_case: bool, at: float, expired: bool = False) -> Entry:
        """Book an open hold."""
        request, scopes, accounts = self._open[hold_id]
        held, purpose = request.amount, request.purpose
        for account in accounts:
            account.book(held, amount, purpose, at)
        # fmt: off
        self._lines[hold_id] = (
            scopes, purpose, request.arm,
            held.nano_usd, held.input_tokens, held.output_tokens, held.retries,
            amount.nano_usd, amount.input_tokens, amount.output_tokens, amount.retries,
            worst_case, request.at, at, request.expires, expired, (), len(self._amendments),
        )
        # fmt: on
        del self._open[hold_id]
        return _entry(
            hold_id,
            scopes,
            purpose,
            request.arm,
            held,
            amount,
            worst_case,
            request.at,
            at,
            request.expires,
            expired,
            (),
        )

    def _rebook(
        self, entry: Entry, *, back: tuple[int, int, int, int], more: tuple[int, int, int, int], at: float
    ) -> None:
        booked, era = entry.settled_at or 0.0, self._lines[entry.id][-1]
        for scope in entry.scopes:
            self._accounts[scope].rebook(back, more, entry.purpose, booked=booked, era=era, at=at)

    def _keep(self, entry: Entry, *, era: int) -> Entry:
        """Write a settled line anew."""
        settled = entry.settled or entry.held
        self._lines[entry.id] = (
            *(entry.scopes, entry.purpose, entry.arm),
            *numbers_of(entry.held),
            *numbers_of(settled),
            *(entry.worst_case, entry.at, entry.settled_at, entry.expires, entry.expired, entry.corrections, era),
        )
        return entry

    def _line(self, hold_id: str) -> Entry:
        """A hold in the books, open or settled."""
        if hold_id not in self._open:
            return self._settled(hold_id)
        request, scopes, _ = self._open[hold_id]
        head = (hold_id, scopes, request.purpose, request.arm, request.amount)
        return _entry(*head, None, False, request.at, None, request.expires, False, ())

    def _settled(self, hold_id: str) -> Entry:
        line = self._lines.get(hold_id)
        if line is None:
            raise unknown_hold(hold_id)
        return _entry(hold_id, *line[:3], amount_of(line[3:7]), amount_of(line[7:11]), *line[11:17])
