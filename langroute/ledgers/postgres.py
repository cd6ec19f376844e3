"""The ledger of many machines: exact across all of them, and it survives the death of any but the server."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Self
from uuid import uuid4

from psycopg import Rollback

from langroute.books import Amendment, Amount, Balance, Entry, HoldRequest, Limits
from langroute.errors import LedgerUnavailable
from langroute.ledgers.postgres_connections import Link
from langroute.ledgers.postgres_database import PostgresDatabase
from langroute.ledgers.postgres_place import PostgresPlace
from langroute.ledgers.postgres_repairs import Repairs
from langroute.ledgers.postgres_rows import (
    Row,
    amendment_of,
    balance_of,
    bind_amount,
    bind_limits,
    bind_request,
    entry_of,
)
from langroute.ledgers.rows import name_beyond
from langroute.ledgers.rules import (
    check_amount,
    check_limits,
    check_request,
    check_time,
    closed_scope,
    refusal,
    unknown_scope,
)

_MOST_SEEN = 10_000


class PostgresLedger:
    """Books in PostgreSQL that any number of threads, processes and machines share.

    A hold and a settlement are one statement each, which is one transaction and one round trip: it locks what it
    changes, always in the same order, and changes all of it or nothing. Where a scope has a window, what left it is
    taken out of the count first, in the same transaction. A process that dies leaves no lock behind, and its holds stay
    in the books as held.

    Connections are opened at first use. The ledger is pickled by its URL, a password in it included, and works on both
    sides of a fork. While the server is away calls fail with `LedgerUnavailable`; when it is back, the same ledger
    works again. Where an answer was lost, the call is made again; ids keep anything from being booked twice.

    Args:
        url: ``postgresql://user@host:5432/database``; see `PostgresPlace`.
        patience_s: seconds in which a server that is away may come back before a call fails.
        busy_timeout_s: seconds to wait for a row that somebody else keeps locked, and for a free connection.
        max_connections: connections of this process at most; they are opened as threads need them.
    """

    blocking = True

    def __init__(
        self, url: str, *, patience_s: float = 2.0, busy_timeout_s: float = 30.0, max_connections: int = 8
    ) -> None:
        self._url = url
        self._options: dict[str, Any] = {
            "patience_s": patience_s,
            "busy_timeout_s": busy_timeout_s,
            "max_connections": max_connections,
        }
        self._windows: set[str] = set()
        self._database = PostgresDatabase(
            PostgresPlace.of(url), package="langroute.ledgers", room="ledger", error=LedgerUnavailable, **self._options
        )
        self._repairs = Repairs(self._database)

    @classmethod
    def from_place(cls, place: str) -> Self:
        """The ledger of ``postgresql://`` followed by ``place``."""
        return cls(f"postgresql://{place}")

    def open(self, scope: str, limits: Limits, *, at: float) -> Balance:
        """Open a scope, or return its books as they are; see `langroute.protocols.Ledger.open`."""
        check_limits(limits)
        known = self._find(scope, at=at)
        if known is None:
            self._do("open_scope", {**bind_limits(scope, limits), "at": float(at)})
            return self.balance(scope, at=at)
        return known

    def balance(self, scope: str, *, at: float | None = None) -> Balance:
        """The books of a scope; see `langroute.protocols.Ledger.balance`."""
        balance = self._find(scope, at=at)
        if balance is None:
            raise unknown_scope(scope)
        return balance

    def hold(self, request: HoldRequest) -> Balance:
        """Set an amount aside in all scopes or in none; see `langroute.protocols.Ledger.hold`."""
        scopes = check_request(request)
        row = bind_request(request, scopes)
        windows = {scope for scope, limits in request.opens if limits.window_s is not None}
        # Whether this process has seen that a scope has a window is only a hint of where to begin.
        advanced = bool(windows) or not self._windows.isdisjoint(scopes)
        found = self._take(row, advanced=advanced)
        windows = {each["name"] for each in found if each["window_s"] is not None}
        if windows and not advanced:
            self._remember(windows)
            found = self._take(row, advanced=True)
        books = {each["name"]: balance_of(each) for each in found}
        if _taken(found):
            return books[scopes[0]]
        before = self._look("find_hold", {"id": request.id})
        if before:
            return self.balance(before[0]["scopes"][0])
        raise _refused(books, request, scopes)

    def settle(self, hold_id: str, amount: Amount, *, worst_case: bool = False, at: float) -> Entry:
        """Replace a hold by what was really used; see `langroute.protocols.Ledger.settle`."""
        check_amount(amount, what="settlement of", hold_id=hold_id)
        check_time(at, what=f"at of settlement {hold_id}")
        row = {"id": hold_id, "at": float(at), "worst_case": worst_case, "expired": False, **bind_amount(amount)}
        settled = self._rows("settle", row)
        if settled:
            return entry_of(settled[0])
        return self._database.run(
            lambda link: self._repairs.settle(link, hold_id, amount, worst_case=worst_case, at=float(at))
        )

    def expire(self, *, at: float, scope: str | None = None) -> tuple[Entry, ...]:
        """Settle each hold whose lease is over at its worst case; see `langroute.protocols.Ledger.expire`."""
        check_time(at, what="at")
        if scope is not None:
            self.balance(scope)
        worst: dict[str, Any] = {"worst_case": True, "expired": True, "at": float(at)}
        worst |= dict.fromkeys(("nano", "input", "output", "retries"))
        overdue = self._look("overdue", {"at": float(at), "scope": scope})
        settled = [self._rows("settle", {"id": each["id"], **worst}) for each in overdue]
        return tuple([entry_of(rows[0]) for rows in settled if rows])  # others were quicker where there is none

    def correct(self, hold_id: str, amount: Amount, *, at: float, reason: str = "") -> Entry:
        """Put the truth in place of a worst case; see `langroute.protocols.Ledger.correct`."""
        check_amount(amount, what="correction of", hold_id=hold_id)
        check_time(at, what="at")
        return self._database.run(
            lambda link: self._repairs.correct(link, hold_id, amount, at=float(at), reason=reason)
        )

    def amend(self, scope: str, limits: Limits, *, at: float, reason: str = "") -> Balance:
        """Put other limits in force for an open scope; see `langroute.protocols.Ledger.amend`."""
        check_limits(limits)
        change_id = uuid4().hex
        self._database.run(lambda link: self._repairs.amend(link, change_id, scope, limits, at=at, reason=reason))
        return self.balance(scope, at=at)

    def reset(self, scope: str, *, at: float, reason: str = "") -> Balance:
        """Forgive all that an open scope has spent; see `langroute.protocols.Ledger.reset`."""
        check_time(at, what="at")
        change_id = uuid4().hex
        self._database.run(lambda link: self._repairs.reset(link, change_id, scope, at=at, reason=reason))
        return self.balance(scope)

    def amendments(self, scope: str) -> tuple[Amendment, ...]:
        """Every change of a scope's budget, oldest first."""
        self.balance(scope)
        return tuple([amendment_of(row) for row in self._look("amendments_of", {"scope": scope})])

    def close_scope(self, scope: str) -> Balance:
        """Take no more holds from a scope; see `langroute.protocols.Ledger.close_scope`."""
        self._do("close_scope", {"scope": scope})
        return self.balance(scope)

    def latest(self, prefix: str) -> Balance | None:
        """The scope opened last among those whose name starts with ``prefix``."""
        return next(iter(self.scopes(prefix, limit=1)), None)

    def scopes(self, prefix: str = "", *, limit: int = 100) -> tuple[Balance, ...]:
        """The scopes whose names start with ``prefix``, the most recently opened first."""
        row = {"prefix": prefix, "beyond": name_beyond(prefix), "limit": limit}
        return tuple([balance_of(each) for each in self._look("newest_scopes", row)])

    def entries(self, scope: str) -> tuple[Entry, ...]:
        """Every hold taken from a scope, oldest first."""
        self.balance(scope)
        return tuple([entry_of(row) for row in self._look("holds_of", {"scope": scope})])

    def close(self) -> None:
        """Close the connections. Books stay; a later call, say a late settlement, opens them again."""
        self._database.close()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by URL: the copy is another door to the same books."""
        return (partial(type(self), **self._options), (self._url,))

    def _rows(self, statement: str, parameters: dict[str, Any]) -> Sequence[Row]:
        return self._database.run(lambda link: self._database.fetch(link, statement, parameters))

    def _look(self, statement: str, parameters: dict[str, Any]) -> Sequence[Row]:
        # A look at books that nobody has begun makes no tables.
        return self._rows(statement, parameters) if self._database.exists() else ()

    def _do(self, statement: str, parameters: dict[str, Any]) -> None:
        self._database.run(lambda link: self._database.execute(link, statement, parameters))

    def _find(self, scope: str, *, at: float | None) -> Balance | None:
        rows = self._look("find_scope", {"scope": scope, "at": None if at is None else float(at)})
        return balance_of(rows[0]) if rows else None

    def _take(self, row: dict[str, Any], *, advanced: bool) -> Sequence[Row]:
        """Try to take a hold: the books of its scopes, and whether it was ``taken``.

        Args:
            row: parameters of ``take.sql``.
            advanced: bring scopes with a window to the time of the hold first; without, such a scope takes nothing.
        """
        row = {**row, "advanced": advanced}
        if not advanced:
            return self._rows("take", row)
        return self._database.run(lambda link: self._taken_in_windows(link, row))

    def _taken_in_windows(self, link: Link, row: dict[str, Any]) -> Sequence[Row]:
        with link.pipeline(), link.transaction():
            for statement in ("lock_scopes", "advance"):
                self._database.execute(link, statement, row)
            found = self._database.fetch(link, "take", row)
            if not _taken(found):
                raise Rollback  # a refused hold brings no scope forward in time
        return found

    def _remember(self, windows: Iterable[str]) -> None:
        if len(self._windows) >= _MOST_SEEN:
            self._windows.clear()
        self._windows.update(windows)


def _taken(found: Sequence[Row]) -> bool:
    return bool(found) and bool(found[0]["taken"])


def _refused(books: dict[str, Balance], request: HoldRequest, scopes: tuple[str, ...]) -> Exception:
    """Why a hold was not taken, by the books that it was judged by."""
    fresh = {scope: Balance(scope=scope, limits=limits) for scope, limits in request.opens}
    books = {**fresh, **books}
    missing = next((scope for scope in scopes if scope not in books), None)
    if missing is not None:
        return unknown_scope(missing)
    return refusal([books[scope] for scope in scopes], request) or closed_scope(scopes[0])
