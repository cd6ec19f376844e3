"""Changes of the books in PostgreSQL that take several statements: truths that come late, and changes of a budget.

Each is one transaction that begins with the locks of all it reads, so that what was read stays true until it is done.
They are locked in the order that holds and settlements use: a line, then its scopes by name.
"""

from collections.abc import Sequence
from typing import Any

from langroute.books import Amendment, Amount, Correction, Entry, Limits
from langroute.ledgers.postgres_connections import Link
from langroute.ledgers.postgres_database import PostgresDatabase
from langroute.ledgers.postgres_rows import (
    Row,
    amount_of,
    bind_amendment,
    bind_amount,
    bind_entry,
    bind_limits,
    entry_of,
    limits_of,
)
from langroute.ledgers.rules import check_amendment, closed_scope, surplus, uncorrectable, unknown_hold, unknown_scope
from langroute.quick import changed


class Repairs:
    """What `PostgresLedger` does over one connection when one statement cannot do it; each is safe to repeat."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    def settle(self, link: Link, hold_id: str, amount: Amount, *, worst_case: bool, at: float) -> Entry:
        """The settlement that stands; where that is only an expiry's, the caller's in its place."""
        with link.transaction():
            row = self._line(link, hold_id)
            entry = entry_of(row)
            if entry.settled is None or not (entry.expired and entry.worst_case):
                return entry
            era = self._lock(link, entry)
            self._rebook(link, entry, back=entry.settled, more=amount, era=row["era"], at=at)
            return self._rewrite(link, changed(entry, settled=amount, worst_case=worst_case, settled_at=at), era=era)

    def correct(self, link: Link, hold_id: str, amount: Amount, *, at: float, reason: str) -> Entry:
        """Put the truth in place of a worst case; see `langroute.protocols.Ledger.correct`."""
        with link.transaction():
            row = self._line(link, hold_id)
            entry = entry_of(row)
            if entry.settled is None or not (entry.worst_case or entry.corrections):
                raise uncorrectable(entry)
            if entry.corrections and entry.settled == amount:
                return entry
            before, era = entry.settled, row["era"]
            self._lock(link, entry)
            self._rebook(link, entry, back=surplus(before, amount), more=surplus(amount, before), era=era, at=at)
            corrections = (*entry.corrections, Correction(at=at, before=before, reason=reason))
            return self._rewrite(
                link, changed(entry, settled=amount, worst_case=False, corrections=corrections), era=era
            )

    def amend(self, link: Link, change_id: str, scope: str, limits: Limits, *, at: float, reason: str) -> None:
        """Put other limits in force for an open scope; see `langroute.protocols.Ledger.amend`."""
        with link.transaction():
            row = self._scope(link, scope)
            before = limits_of(row)
            if self._done(link, change_id):
                return
            if row["closed"]:
                raise closed_scope(scope)
            check_amendment(before, limits)
            if limits != before:
                self._database.execute(link, "amend_scope", bind_limits(scope, limits))
                change = Amendment(scope=scope, at=at, kind="limits", before=before, after=limits, reason=reason)
                self._database.execute(link, "add_amendment", bind_amendment(change_id, change))

    def reset(self, link: Link, change_id: str, scope: str, *, at: float, reason: str) -> None:
        """Forgive all that an open scope has spent; see `langroute.protocols.Ledger.reset`."""
        with link.transaction():
            row = self._scope(link, scope)
            if self._done(link, change_id):
                return
            if row["closed"]:
                raise closed_scope(scope)
            self._database.execute(link, "advance", {"scopes": [scope], "at": float(at)})
            row = self._scope(link, scope)
            forgiven, limits = amount_of(row, "spent_"), limits_of(row)
            if forgiven == Amount():
                return
            change = Amendment(
                scope=scope, at=at, kind="reset", before=limits, after=limits, forgiven=forgiven, reason=reason
            )
            (added,) = self._run(link, "add_amendment", bind_amendment(change_id, change))
            self._database.execute(link, "forgive", {"scope": scope, "era": added["seq"]})

    def _line(self, link: Link, hold_id: str) -> Row:
        rows = self._run(link, "lock_hold", {"id": hold_id})
        if not rows:
            raise unknown_hold(hold_id)
        return rows[0]

    def _scope(self, link: Link, scope: str) -> Row:
        rows = self._run(link, "lock_scopes", {"scopes": [scope]})
        if not rows:
            raise unknown_scope(scope)
        return rows[0]

    def _lock(self, link: Link, entry: Entry) -> int:
        """Lock the scopes of a line; returns the newest era among them."""
        rows = self._run(link, "lock_scopes", {"scopes": list(entry.scopes)})
        return max(int(row["era"]) for row in rows)

    def _done(self, link: Link, change_id: str) -> bool:
        """Whether a change was made by an earlier try whose answer was lost."""
        return bool(self._run(link, "find_amendment", {"id": change_id}))

    def _rebook(self, link: Link, entry: Entry, *, back: Amount, more: Amount, era: int, at: float) -> None:
        row = {
            "scopes": list(entry.scopes),
            "purpose": entry.purpose,
            "booked": entry.settled_at,
            "era": era,
            "at": at,
            **bind_amount(back, prefix="back_"),
            **bind_amount(more, prefix="more_"),
        }
        self._database.execute(link, "rebook", row)

    def _rewrite(self, link: Link, entry: Entry, *, era: int) -> Entry:
        (row,) = self._run(link, "rewrite_line", bind_entry(entry, era=era))
        return entry_of(row)

    def _run(self, link: Link, statement: str, parameters: dict[str, Any]) -> Sequence[Row]:
        return self._database.fetch(link, statement, parameters)
