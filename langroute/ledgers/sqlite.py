"""The ledger of one machine: exact across threads and processes, and it survives the death of any of them."""

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from math import inf
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

from langroute.books import Amendment, Amount, Balance, Correction, Entry, HoldRequest, Limits
from langroute.errors import LedgerUnavailable
from langroute.ledgers.database import Database, sql_of
from langroute.ledgers.posting import Posting
from langroute.ledgers.rows import (
    SEQ,
    Row,
    amendment_of,
    balance_of,
    bind_amount,
    corrections_text,
    entry_of,
    name_beyond,
)
from langroute.ledgers.rules import (
    check_amendment,
    check_amount,
    check_limits,
    check_request,
    check_time,
    closed_scope,
    surplus,
    uncorrectable,
    unknown_hold,
    unknown_scope,
)
from langroute.ledgers.stores import file_of
from langroute.quick import changed

_PACKAGE = "langroute.ledgers"
_MOST_SEEN = 10_000
_ERA, _WINDOW = 19, 20  # columns of find_hold.sql


class SqliteLedger:
    """Books in a SQLite file that any number of threads and processes share.

    Each change is one transaction which takes SQLite's write lock before it reads. A hold is a conditional update: it
    takes only where it fits. Books survive the death of the process at any moment, a kill -9 in the middle of a call
    included: the hold then stays in the books as held. A power cut may lose the last commits (see `Database`).

    The file is opened at first use. The ledger is pickled by its path and works on both sides of a fork. Any fault of
    the file is raised as `LedgerUnavailable` with nothing booked; once the fault is gone, the same ledger works again.

    Args:
        path: the file; made if it does not exist, in a directory that does.
        busy_timeout_s: seconds to wait for another process that writes.
    """

    blocking = True

    def __init__(self, path: str | Path, *, busy_timeout_s: float = 30.0) -> None:
        self._sql = sql_of(_PACKAGE)
        self._seen: set[str] = set()
        self._database = Database(
            path, package=_PACKAGE, room="ledger", error=LedgerUnavailable, busy_timeout_s=busy_timeout_s
        )

    @classmethod
    def from_place(cls, place: str) -> Self:
        """The ledger of ``sqlite://`` followed by ``place``."""
        return cls(file_of(place))

    @property
    def path(self) -> Path:
        """The file, as an absolute path."""
        return self._database.path

    def open(self, scope: str, limits: Limits, *, at: float) -> Balance:
        """Open a scope, or return its books as they are; see `langroute.protocols.Ledger.open`."""
        check_limits(limits)
        # Steps look again and again at a scope that is open by now: that needs no lock against other writers. Whether
        # this process has seen it is only a hint of where to begin; what is in the file decides.
        if scope in self._seen and (known := self._look(scope, at)):
            return known
        with self._database.write() as connection:
            books = Posting(connection, self._sql)
            books.open(scope, limits, at=at)
            balance = books.balance(scope, at)
        self._see(scope)
        return balance

    def balance(self, scope: str, *, at: float | None = None) -> Balance:
        """The books of a scope; see `langroute.protocols.Ledger.balance`."""
        known = self._look(scope, at)
        if known is None:
            raise unknown_scope(scope)
        return known

    def hold(self, request: HoldRequest) -> Balance:
        """Set an amount aside in all scopes or in none; see `langroute.protocols.Ledger.hold`."""
        scopes = check_request(request)
        row: dict[str, Any] = {"id": request.id, "purpose": request.purpose, "arm": request.arm, "at": request.at}
        row |= bind_amount(request.amount)
        row["expires"] = request.expires
        with self._database.write() as connection:
            books = Posting(connection, self._sql)
            added = books.do("add_hold", row)
            if not added.rowcount:  # taken before
                return books.balance(books.do("first_scope", {"id": request.id}).fetchone()[0])
            if request.opens:
                limits = dict(request.opens)
                for scope in scopes:
                    if scope in limits:
                        books.open(scope, limits[scope], at=request.at)
            books.take(scopes, request, row)
            for position, scope in enumerate(scopes):
                books.do("add_hold_scope", {"hold": added.lastrowid, "position": position, "scope": scope})
            balance = books.balance(scopes[0])
        if request.opens:
            self._see(scopes[0])
        return balance

    def settle(self, hold_id: str, amount: Amount, *, worst_case: bool = False, at: float) -> Entry:
        """Replace a hold by what was really used; see `langroute.protocols.Ledger.settle`."""
        check_amount(amount, what="settlement of", hold_id=hold_id)
        if not 0 <= at < inf:
            check_time(at, what=f"at of settlement {hold_id}")
        with self._database.write() as connection:
            books = Posting(connection, self._sql)
            rows = _found(books, hold_id)
            entry = entry_of(rows)
            if entry.settled is None:
                books.book(entry, amount, _windows(rows), at=at)
            elif entry.expired and entry.worst_case:
                books.rebook(entry, back=entry.settled, more=amount, era=rows[0][_ERA], at=at)
            else:
                return entry
            return _settled(books, rows, entry, amount, worst_case=worst_case, at=at, expired=entry.expired)

    def expire(self, *, at: float, scope: str | None = None) -> tuple[Entry, ...]:
        """Settle each hold whose lease is over at its worst case; see `langroute.protocols.Ledger.expire`."""
        check_time(at, what="at")
        if scope is not None:
            self.balance(scope)
        row = {"at": at, "scope": scope}
        if not self._database.rows(self._sql["overdue"], row):  # which needs no lock against other writers
            return ()
        expired = []
        with self._database.write() as connection:
            books = Posting(connection, self._sql)
            for (hold_id,) in books.do("overdue", row).fetchall():
                rows = _found(books, hold_id)
                entry = entry_of(rows)
                books.book(entry, entry.held, _windows(rows), at=at)
                expired.append(_settled(books, rows, entry, entry.held, worst_case=True, at=at, expired=True))
        return tuple(expired)

    def correct(self, hold_id: str, amount: Amount, *, at: float, reason: str = "") -> Entry:
        """Put the truth in place of a worst case; see `langroute.protocols.Ledger.correct`."""
        check_amount(amount, what="correction of", hold_id=hold_id)
        check_time(at, what="at")
        with self._database.write() as connection:
            books = Posting(connection, self._sql)
            rows = _found(books, hold_id)
            entry = entry_of(rows)
            before = entry.settled
            if before is None or not (entry.worst_case or entry.corrections):
                raise uncorrectable(entry)
            if entry.corrections and before == amount:
                return entry
            books.rebook(entry, back=surplus(before, amount), more=surplus(amount, before), era=rows[0][_ERA], at=at)
            corrections = (*entry.corrections, Correction(at=float(at), before=before, reason=reason))
            row = {"hold": rows[0][SEQ], "corrections": corrections_text(corrections)} | bind_amount(amount)
            books.do("correct_hold", row)
            return changed(entry, settled=amount, worst_case=False, corrections=corrections)

    def amend(self, scope: str, limits: Limits, *, at: float, reason: str = "") -> Balance:
        """Put other limits in force for an open scope; see `langroute.protocols.Ledger.amend`."""
        check_limits(limits)
        with self._database.write() as connection:
            books = Posting(connection, self._sql)
            before = _of_open(books, scope).limits
            check_amendment(before, limits)
            if limits != before:
                books.limit(scope, limits)
                books.record(
                    Amendment(scope=scope, at=float(at), kind="limits", before=before, after=limits, reason=reason)
                )
            return books.balance(scope, at)

    def reset(self, scope: str, *, at: float, reason: str = "") -> Balance:
        """Forgive all that an open scope has spent; see `langroute.protocols.Ledger.reset`."""
        check_time(at, what="at")
        with self._database.write() as connection:
            books = Posting(connection, self._sql)
            _of_open(books, scope)
            books.forgive(scope, at=float(at), reason=reason)
            return books.balance(scope)

    def amendments(self, scope: str) -> tuple[Amendment, ...]:
        """Every change of a scope's budget, oldest first."""
        self.balance(scope)
        rows = self._database.rows(self._sql["amendments_of"], {"scope": scope})
        return tuple([amendment_of(row) for row in rows])

    def close_scope(self, scope: str) -> Balance:
        """Take no more holds from a scope; see `langroute.protocols.Ledger.close_scope`."""
        with self._database.write() as connection:
            books = Posting(connection, self._sql)
            books.do("close_scope", {"scope": scope})
            return books.balance(scope)

    def latest(self, prefix: str) -> Balance | None:
        """The scope opened last among those whose name starts with ``prefix``."""
        found = self.scopes(prefix, limit=1)
        return found[0] if found else None

    def scopes(self, prefix: str = "", *, limit: int = 100) -> tuple[Balance, ...]:
        """The scopes whose names start with ``prefix``, the most recently opened first."""
        row = {"prefix": prefix, "beyond": name_beyond(prefix), "limit": max(0, limit)}
        with self._database.read() as connection:
            books = Posting(connection, self._sql)
            found = books.do("scopes_under" if prefix else "newest_scopes", row).fetchall()
            return tuple([books.balance(name) for (name,) in found])

    def entries(self, scope: str) -> tuple[Entry, ...]:
        """Every hold taken from a scope, oldest first."""
        with self._database.read() as connection:
            books = Posting(connection, self._sql)
            books.balance(scope)  # raises when it was never opened
            rows = books.do("holds_of", {"scope": scope}).fetchall()
        return tuple([entry_of(list(group)) for _, group in groupby(rows, key=itemgetter(SEQ))])

    def close(self) -> None:
        """Close the file. Books stay; a later call, say a late settlement, opens it again."""
        self._database.close()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by path: the copy is another door to the same books."""
        return (partial(type(self), busy_timeout_s=self._database.busy_timeout_s), (str(self.path),))

    def _look(self, scope: str, at: float | None) -> Balance | None:
        """The books of a scope, None when it was never opened; without the price of a transaction where it can be."""
        rows = self._database.rows(self._sql["find_scope"], {"scope": scope})
        if not rows:
            return None
        balance = balance_of(rows)
        if at is None or balance.limits.window_s is None:
            return balance
        with self._database.read() as connection:
            return Posting(connection, self._sql).balance(scope, at)

    def _see(self, scope: str) -> None:
        if len(self._seen) >= _MOST_SEEN:
            self._seen.clear()
        self._seen.add(scope)


def _found(books: Posting, hold_id: str) -> list[Any]:
    rows = books.do("find_hold", {"id": hold_id}).fetchall()
    if not rows:
        raise unknown_hold(hold_id)
    return rows


def _windows(rows: Sequence[Row]) -> dict[str, float | None]:
    return {row[SEQ + 1]: row[_WINDOW] for row in rows}


def _of_open(books: Posting, scope: str) -> Balance:
    balance = books.balance(scope)
    if balance.closed:
        raise closed_scope(scope)
    return balance


def _settled(
    books: Posting, rows: Sequence[Row], entry: Entry, amount: Amount, *, worst_case: bool, at: float, expired: bool
) -> Entry:
    row = {"hold": rows[0][SEQ], "at": at, "worst_case": worst_case, "expired": expired} | bind_amount(amount)
    books.do("settle_hold", row)
    return changed(entry, settled=amount, worst_case=worst_case, settled_at=float(at), expired=expired)
