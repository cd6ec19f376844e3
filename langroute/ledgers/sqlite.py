"""The ledger of one machine: exact across threads and processes, and it survives the death of any of them."""

import sqlite3
from dataclasses import replace
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

from langroute.books import Amount, Balance, Entry, HoldRequest, Limits, Purpose
from langroute.errors import LedgerUnavailable
from langroute.ledgers.database import Database, sql_of
from langroute.ledgers.rows import SEQ, balance_of, bind_amount, bind_limits, entry_of, name_beyond, parts_of
from langroute.ledgers.rules import (
    check_amount,
    check_limits,
    check_request,
    closed_scope,
    refusal,
    unknown_hold,
    unknown_scope,
)
from langroute.ledgers.stores import file_of

_PACKAGE = "langroute.ledgers"
_MOST_SEEN = 10_000


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
        if scope in self._seen and (known := self._database.rows(self._sql["find_scope"], {"scope": scope})):
            return balance_of(known)
        with self._database.write() as connection:
            row = {"scope": scope, "at": at} | bind_limits(limits)
            if connection.execute(self._sql["open_scope"], row).rowcount:
                self._keep_first(connection, scope, limits)
            balance = self._balance(connection, scope)
        if len(self._seen) >= _MOST_SEEN:
            self._seen.clear()
        self._seen.add(scope)
        return balance

    def balance(self, scope: str) -> Balance:
        """The books of a scope; see `langroute.protocols.Ledger.balance`."""
        known = self._database.rows(self._sql["find_scope"], {"scope": scope})
        if not known:
            raise unknown_scope(scope)
        return balance_of(known)

    def hold(self, request: HoldRequest) -> Balance:
        """Set an amount aside in all scopes or in none; see `langroute.protocols.Ledger.hold`."""
        scopes = check_request(request)
        row = {"id": request.id, "purpose": request.purpose, "arm": request.arm, "at": request.at}
        row |= bind_amount(request.amount)
        with self._database.write() as connection:
            added = connection.execute(self._sql["add_hold"], row)
            if not added.rowcount:  # taken before
                first = connection.execute(self._sql["first_scope"], {"id": request.id}).fetchone()[0]
                return self._balance(connection, first)
            self._take(connection, scopes, request, row)
            for position, scope in enumerate(scopes):
                part = {"hold": added.lastrowid, "position": position, "scope": scope}
                connection.execute(self._sql["add_hold_scope"], part)
            return self._balance(connection, scopes[0])

    def settle(self, hold_id: str, amount: Amount, *, worst_case: bool = False, at: float) -> Entry:
        """Replace a hold by what was really used; see `langroute.protocols.Ledger.settle`."""
        check_amount(amount, what="settlement of", hold_id=hold_id)
        with self._database.write() as connection:
            rows = connection.execute(self._sql["find_hold"], {"id": hold_id}).fetchall()
            if not rows:
                raise unknown_hold(hold_id)
            entry = entry_of(rows)
            if entry.settled is None:
                row = {"hold": rows[0][SEQ], "at": at, "worst_case": worst_case} | bind_amount(amount)
                connection.execute(self._sql["settle_hold"], row)
                self._book(connection, entry, amount)
                entry = replace(entry, settled=amount, worst_case=worst_case, settled_at=float(at))
            return entry

    def amend(self, scope: str, limits: Limits, *, at: float) -> Balance:  # noqa: ARG002 - no book of past limits
        """Put other limits in force for an open scope; see `langroute.protocols.Ledger.amend`."""
        check_limits(limits)
        with self._database.write() as connection:
            if not connection.execute(self._sql["amend_scope"], {"scope": scope} | bind_limits(limits)).rowcount:
                self._balance(connection, scope)  # raises when it was never opened
                raise closed_scope(scope)
            self._keep(connection, scope, dict(limits.reserves))
            return self._balance(connection, scope)

    def close_scope(self, scope: str) -> Balance:
        """Take no more holds from a scope; see `langroute.protocols.Ledger.close_scope`."""
        with self._database.write() as connection:
            connection.execute(self._sql["close_scope"], {"scope": scope})
            return self._balance(connection, scope)

    def latest(self, prefix: str) -> Balance | None:
        """The scope opened last among those whose name starts with ``prefix``."""
        with self._database.read() as connection:
            row = {"prefix": prefix, "beyond": name_beyond(prefix)}
            found = connection.execute(self._sql["latest"], row).fetchone()
            return None if found is None else self._balance(connection, found[0])

    def entries(self, scope: str) -> tuple[Entry, ...]:
        """Every hold taken from a scope, oldest first."""
        with self._database.read() as connection:
            if connection.execute(self._sql["find_scope"], {"scope": scope}).fetchone() is None:
                raise unknown_scope(scope)
            rows = connection.execute(self._sql["holds_of"], {"scope": scope}).fetchall()
        return tuple(entry_of(list(group)) for _, group in groupby(rows, key=itemgetter(SEQ)))

    def close(self) -> None:
        """Close the file. Books stay; a later call, say a late settlement, opens it again."""
        self._database.close()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by path: the copy is another door to the same books."""
        return (partial(type(self), busy_timeout_s=self._database.busy_timeout_s), (str(self.path),))

    def _take(
        self, connection: sqlite3.Connection, scopes: tuple[str, ...], request: HoldRequest, row: dict[str, Any]
    ) -> None:
        if len(scopes) > 1:
            connection.execute("SAVEPOINT taking")
        for part in parts_of(row, scopes):
            if not connection.execute(self._sql["take"], part).rowcount:
                if len(scopes) > 1:  # so that no scope's books show what could not be taken from all of them
                    connection.execute("ROLLBACK TO taking")
                balances = [self._balance(connection, scope) for scope in scopes]
                raise refusal(balances, request) or closed_scope(scopes[0])
            connection.execute(self._sql["take_purpose"], part)

    def _keep_first(self, connection: sqlite3.Connection, scope: str, limits: Limits) -> None:
        """Write the reserves of a scope that is opened in this very transaction: none of its purposes has a row yet."""
        for purpose, kept in limits.reserves:
            row = {"scope": scope, "purpose": purpose, "kept": kept, "used": 0}
            connection.execute(self._sql["keep_purpose"], row)

    def _keep(self, connection: sqlite3.Connection, scope: str, reserves: dict[Purpose, int]) -> None:
        """Write the rows of a scope's purposes anew: the reserves in their order, with what each has used so far."""
        used = {row[0]: row[2] for row in connection.execute(self._sql["purposes_of"], {"scope": scope})}
        connection.execute(self._sql["forget_purposes"], {"scope": scope})
        rows = [
            {"scope": scope, "purpose": purpose, "kept": reserves.get(purpose), "used": used.get(purpose, 0)}
            for purpose in dict.fromkeys((*reserves, *used))
        ]
        connection.executemany(self._sql["keep_purpose"], rows)

    def _book(self, connection: sqlite3.Connection, entry: Entry, amount: Amount) -> None:
        row = {"purpose": entry.purpose} | bind_amount(amount) | bind_amount(entry.held, prefix="held_")
        for part in parts_of(row, entry.scopes):
            connection.execute(self._sql["settle_scope"], part)
            connection.execute(self._sql["settle_purpose"], part)

    def _balance(self, connection: sqlite3.Connection, scope: str) -> Balance:
        balance = self._find(connection, scope)
        if balance is None:
            raise unknown_scope(scope)
        return balance

    def _find(self, connection: sqlite3.Connection, scope: str) -> Balance | None:
        rows = connection.execute(self._sql["find_scope"], {"scope": scope}).fetchall()
        return balance_of(rows) if rows else None
