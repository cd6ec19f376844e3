"""What is posted in one transaction on a SQLite file; `langroute.ledgers.sqlite` says when."""

import sqlite3
from collections.abc import Mapping
from typing import Any

from langroute.books import Amendment, Amount, Balance, Entry, HoldRequest, Limits, Purpose
from langroute.ledgers.rows import (
    NEWEST,
    amount_of,
    balance_of,
    bind_amendment,
    bind_amount,
    bind_limits,
    parts_of,
)
from langroute.ledgers.rules import BUCKETS, bucket_of, closed_scope, refusal, unknown_scope
from langroute.quick import changed

_NOTHING = Amount()


class Posting:
    """The statements of one transaction, which its caller begins and commits.

    Args:
        connection: in a transaction; one that writes holds the write lock, so that what is read stays as it is.
        sql: the statements by name.
    """

    __slots__ = ("_connection", "_sql")

    def __init__(self, connection: sqlite3.Connection, sql: Mapping[str, str]) -> None:
        self._connection = connection
        self._sql = sql

    def do(self, statement: str, row: Mapping[str, Any]) -> sqlite3.Cursor:
        """Run a statement by name."""
        return self._connection.execute(self._sql[statement], row)

    def balance(self, scope: str, at: float | None = None) -> Balance:
        """The books of a scope, at a time.

        Raises:
            LedgerError: it was never opened.
        """
        rows = self.do("find_scope", {"scope": scope}).fetchall()
        if not rows:
            raise unknown_scope(scope)
        balance = balance_of(rows)
        if at is None or balance.limits.window_s is None:
            return balance
        least = max(rows[0][NEWEST], bucket_of(at, balance.limits.window_s)) - BUCKETS
        gone = amount_of(self.do("leaving", {"scope": scope, "least": least}).fetchone())
        return changed(balance, spent=balance.spent - gone, past=balance.past + gone)

    def open(self, scope: str, limits: Limits, *, at: float) -> None:
        """Open a scope that is not open yet."""
        row = {"scope": scope, "at": at} | bind_limits(limits)
        if self.do("open_scope", row).rowcount:
            for purpose, kept in limits.reserves:
                self.do("keep_purpose", {"scope": scope, "purpose": purpose, "kept": kept, "used": 0})

    def take(self, scopes: tuple[str, ...], request: HoldRequest, row: Mapping[str, Any]) -> None:
        """Take a hold's amount from each scope.

        Raises:
            BudgetExceeded: it does not fit into one of them; the transaction is to be undone.
            LedgerError: a scope is closed or was never opened; likewise.
        """
        if len(scopes) > 1:
            self._connection.execute("SAVEPOINT taking")
        for part in parts_of(row, scopes):
            if not self._take_part(part):
                if len(scopes) > 1:  # so that no scope's books show what could not be taken from all of them
                    self._connection.execute("ROLLBACK TO taking")
                balances = [self.balance(scope, request.at) for scope in scopes]
                raise refusal(balances, request) or closed_scope(scopes[0])
            self.do("take_purpose", part)

    def _take_part(self, part: dict[str, Any]) -> bool:
        part["advanced"] = 0
        if self.do("take", part).rowcount:
            return True
        scope, part["advanced"] = part["scope"], 1
        if self._clock(scope)[0] is None:
            return False
        self.advance(scope, part["at"])
        return self.do("take", part).rowcount > 0

    def book(self, entry: Entry, amount: Amount, windows: Mapping[str, float | None], *, at: float) -> None:
        """Replace what an open hold holds by what was used, in each scope."""
        row = {"purpose": entry.purpose} | bind_amount(amount) | bind_amount(entry.held, prefix="held_")
        for part in parts_of(row, entry.scopes):
            self.do("settle_scope", part)
            self.do("settle_purpose", part)
            if windows[part["scope"]] is not None:
                self._count(part["scope"], self.advance(part["scope"], at), amount)

    def rebook(self, entry: Entry, *, back: Amount, more: Amount, era: int, at: float) -> None:
        """Take back from where a settled line was booked, and book more now, in each scope."""
        for scope in entry.scopes:
            self.advance(scope, at)
            window_s, newest, reset = self._clock(scope)
            counts = era >= reset
            if window_s is not None:
                bucket = bucket_of(entry.settled_at or 0.0, window_s)
                counts = counts and bucket >= newest - BUCKETS
                if counts:
                    # A clock that ran back may have dated the line before the bucket it was booked in. Then the window
                    # counts what is taken back a little too long, never too short.
                    self._count(scope, bucket, _NOTHING - back)
                self._count(scope, newest, more)
            counted = more - back if counts else more
            self._shift(scope, counted=counted, past=_NOTHING if counts else _NOTHING - back)
            self.do("take_purpose", {"scope": scope, "purpose": entry.purpose, "nano": counted.nano_usd})

    def advance(self, scope: str, at: float) -> int:
        """Retire what has left a scope's window by now; the bucket that it is, or 0 where there is no window."""
        window_s, newest, _ = self._clock(scope)
        if window_s is None:
            return 0
        now = bucket_of(at, window_s)
        if now <= newest:
            return newest
        row = {"scope": scope, "least": now - BUCKETS, "newest": now}
        gone = amount_of(self.do("leaving", row).fetchone())
        if gone != _NOTHING:
            self._shift(scope, counted=_NOTHING - gone, past=gone)
        self.do("forget_buckets", row)
        self.do("advance_scope", row)
        return now

    def forgive(self, scope: str, *, at: float, reason: str) -> None:
        """Count nothing of what a scope has spent any more, and record it."""
        self.advance(scope, at)
        balance = self.balance(scope)
        if balance.spent == _NOTHING:
            return
        held: dict[Purpose, int] = dict(self.do("held_by_purpose", {"scope": scope}).fetchall())
        self._shift(scope, counted=_NOTHING - balance.spent, past=balance.spent)
        for purpose, _, _ in self.do("purposes_of", {"scope": scope}).fetchall():
            self.do("use_purpose", {"scope": scope, "purpose": purpose, "used": held.get(purpose, 0)})
        self._connection.execute("DELETE FROM ledger_bucket WHERE scope = ?", (scope,))
        limits = balance.limits
        era = self.record(
            Amendment(
                scope=scope, at=at, kind="reset", before=limits, after=limits, forgiven=balance.spent, reason=reason
            )
        )
        self.do("reset_scope", {"scope": scope, "era": era})

    def limit(self, scope: str, limits: Limits) -> None:
        """Put other limits in force: the reserves in their order, with what each purpose has used so far."""
        self.do("amend_scope", {"scope": scope} | bind_limits(limits))
        reserves = dict(limits.reserves)
        used = {row[0]: row[2] for row in self.do("purposes_of", {"scope": scope})}
        self.do("forget_purposes", {"scope": scope})
        for purpose in dict.fromkeys((*reserves, *used)):
            row = {"scope": scope, "purpose": purpose, "kept": reserves.get(purpose), "used": used.get(purpose, 0)}
            self.do("keep_purpose", row)

    def record(self, amendment: Amendment) -> int:
        """Record a change of a budget; its number."""
        return self.do("add_amendment", bind_amendment(amendment)).lastrowid or 0

    def _clock(self, scope: str) -> tuple[float | None, int, int]:
        """Window, newest bucket and era of the last reset of a scope; no window where it was never opened."""
        found: tuple[float | None, int, int] | None = self.do("clock_of", {"scope": scope}).fetchone()
        return found or (None, 0, 0)

    def _count(self, scope: str, bucket: int, amount: Amount) -> None:
        self.do("add_bucket", {"scope": scope, "bucket": bucket} | bind_amount(amount))

    def _shift(self, scope: str, *, counted: Amount, past: Amount) -> None:
        self.do("shift_scope", {"scope": scope} | bind_amount(counted) | bind_amount(past, prefix="past_"))
