"""The ledger of one process: exact, fast, and gone when the process ends."""

import os
from bisect import bisect_left, insort
from dataclasses import dataclass
from itertools import takewhile
from threading import Lock
from typing import NoReturn, Self

from langroute.books import Amount, Balance, Entry, HoldRequest, Limits, Purpose
from langroute.errors import LedgerError
from langroute.ledgers.rules import (
    PURPOSES,
    check_amount,
    check_limits,
    check_request,
    closed_scope,
    refusal,
    unknown_hold,
    unknown_scope,
)
from langroute.ledgers.stores import no_place

_process = os.getpid()
"""Id of this process, kept current by a hook: asking the system at every hold would take as long as the booking."""


def _forked() -> None:
    global _process  # noqa: PLW0603 - the one fact that a fork changes
    _process = os.getpid()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class MemoryLedger:
    """Books in memory, under one lock that is only ever held for microseconds.

    Safe from any thread and from an event loop. It refuses to work after a fork and to be pickled: two processes with a
    copy each could spend the same budget twice. Every hold stays in the books for audit, about 0.6 kB each.
    """

    blocking = False

    def __init__(self) -> None:
        self._lock = Lock()
        self._process = _process
        self._accounts: dict[str, _Account] = {}
        self._names: list[str] = []
        self._lines: dict[str, _Line] = {}

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
                account = _Account(scope, limits, at=at, number=len(self._accounts))
                self._accounts[scope] = account
                insort(self._names, scope)
            return account.balance()

    def balance(self, scope: str) -> Balance:
        """The books of a scope; see `langroute.protocols.Ledger.balance`."""
        self._own_process()
        with self._lock:
            return self._account(scope).balance()

    def hold(self, request: HoldRequest) -> Balance:
        """Set an amount aside in all scopes or in none; see `langroute.protocols.Ledger.hold`."""
        self._own_process()
        scopes = check_request(request)
        amount, purpose = request.amount, request.purpose
        with self._lock:
            taken = self._lines.get(request.id)
            if taken is not None:
                return taken.accounts[0].balance()
            accounts = tuple([self._account(scope) for scope in scopes])
            if not all(account.admits(amount, purpose) for account in accounts):
                raise self._refused(accounts, request)
            line = _Line(request, accounts)
            for account in accounts:
                account.take(line)
            self._lines[request.id] = line
            return accounts[0].balance()

    def settle(self, hold_id: str, amount: Amount, *, worst_case: bool = False, at: float) -> Entry:
        """Replace a hold by what was really used; see `langroute.protocols.Ledger.settle`."""
        self._own_process()
        check_amount(amount, what="settlement of", hold_id=hold_id)
        with self._lock:
            line = self._lines.get(hold_id)
            if line is None:
                raise unknown_hold(hold_id)
            if line.settled is None:
                line.settled, line.worst_case, line.settled_at = amount, worst_case, at
                for account in line.accounts:
                    account.book(line.request.amount, amount, line.request.purpose)
            return line.entry()

    def amend(self, scope: str, limits: Limits, *, at: float) -> Balance:  # noqa: ARG002 - no book of past limits
        """Put other limits in force for an open scope; see `langroute.protocols.Ledger.amend`."""
        self._own_process()
        check_limits(limits)
        with self._lock:
            account = self._account(scope)
            if account.closed:
                raise closed_scope(scope)
            account.limits, account.reserves = limits, limits.reserves
            return account.balance()

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
            start = bisect_left(self._names, prefix)
            names = takewhile(lambda name: name.startswith(prefix), self._names[start:])
            found = max((self._accounts[name] for name in names), key=lambda account: account.number, default=None)
            return None if found is None else found.balance()

    def entries(self, scope: str) -> tuple[Entry, ...]:
        """Every hold taken from a scope, oldest first."""
        self._own_process()
        with self._lock:
            return tuple([line.entry() for line in self._account(scope).lines])

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

    def _account(self, scope: str) -> "_Account":
        account = self._accounts.get(scope)
        if account is None:
            raise unknown_scope(scope)
        return account

    def _refused(self, accounts: "tuple[_Account, ...]", request: HoldRequest) -> Exception:
        return refusal([account.balance() for account in accounts], request) or closed_scope(request.scopes[0])


class _Account:
    """The running totals of one scope. Plain integers: records are built only for those who ask."""

    __slots__ = (
        "calls",
        "closed",
        "held_input",
        "held_nano",
        "held_output",
        "held_retries",
        "limits",
        "lines",
        "number",
        "opened_at",
        "reserves",
        "scope",
        "spent_input",
        "spent_nano",
        "spent_output",
        "spent_retries",
        "used",
    )

    def __init__(self, scope: str, limits: Limits, *, at: float, number: int) -> None:
        self.scope = scope
        self.limits = limits
        self.number = number
        self.opened_at = at
        self.closed = False
        self.calls = 0
        self.reserves = limits.reserves
        self.used = dict.fromkeys(PURPOSES, 0)
        self.lines: list[_Line] = []
        self.held_nano = self.held_input = self.held_output = self.held_retries = 0
        self.spent_nano = self.spent_input = self.spent_output = self.spent_retries = 0

    def admits(self, amount: Amount, purpose: Purpose) -> bool:
        """Whether a hold fits: the same rule as `rules.refusal`, without building records."""
        limits = self.limits
        if self.closed:
            return False
        nano, tokens_in, tokens_out, retries = (
            amount.nano_usd,
            amount.input_tokens,
            amount.output_tokens,
            amount.retries,
        )
        if nano and limits.nano_usd is not None:
            room = limits.nano_usd - self.spent_nano - self.held_nano
            for name, kept in self.reserves:
                if name != purpose:
                    room -= max(0, kept - self.used[name])
            if nano > room:
                return False
        return not (
            _beyond(tokens_in, limits.input_tokens, self.spent_input + self.held_input)
            or _beyond(tokens_out, limits.output_tokens, self.spent_output + self.held_output)
            or (retries and _beyond(retries, limits.retries, self.spent_retries + self.held_retries))
        )

    def take(self, line: "_Line") -> None:
        """Set a hold's amount aside."""
        amount, purpose = line.request.amount, line.request.purpose
        self.held_nano += amount.nano_usd
        self.held_input += amount.input_tokens
        self.held_output += amount.output_tokens
        self.held_retries += amount.retries
        self.used[purpose] += amount.nano_usd
        self.calls += 1
        self.lines.append(line)

    def book(self, held: Amount, settled: Amount, purpose: Purpose) -> None:
        """Replace a hold's amount by what was used."""
        self.held_nano -= held.nano_usd
        self.held_input -= held.input_tokens
        self.held_output -= held.output_tokens
        self.held_retries -= held.retries
        self.spent_nano += settled.nano_usd
        self.spent_input += settled.input_tokens
        self.spent_output += settled.output_tokens
        self.spent_retries += settled.retries
        self.used[purpose] += settled.nano_usd - held.nano_usd

    def balance(self) -> Balance:
        """The totals as a record."""
        return Balance(
            scope=self.scope,
            limits=self.limits,
            spent=Amount(
                nano_usd=self.spent_nano,
                input_tokens=self.spent_input,
                output_tokens=self.spent_output,
                retries=self.spent_retries,
            ),
            held=Amount(
                nano_usd=self.held_nano,
                input_tokens=self.held_input,
                output_tokens=self.held_output,
                retries=self.held_retries,
            ),
            used_nano=tuple([pair for pair in self.used.items() if pair[1]]),
            calls=self.calls,
            opened_at=self.opened_at,
            closed=self.closed,
        )


def _beyond(requested: int, limit: int | None, used: int) -> bool:
    return limit is not None and requested > 0 and used + requested > limit


@dataclass(slots=True, eq=False)
class _Line:
    """A hold in the books, in the least that an `Entry` can be built from."""

    request: HoldRequest
    accounts: tuple[_Account, ...]
    settled: Amount | None = None
    worst_case: bool = False
    settled_at: float | None = None

    def entry(self) -> Entry:
        """The line as a record."""
        request = self.request
        return Entry(
            id=request.id,
            scopes=tuple([account.scope for account in self.accounts]),
            purpose=request.purpose,
            arm=request.arm,
            held=request.amount,
            settled=self.settled,
            worst_case=self.worst_case,
            at=request.at,
            settled_at=self.settled_at,
        )
