"""The journal in PostgreSQL: written behind in batches, read back whole from any machine."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

from langroute.errors import JournalUnavailable
from langroute.journal.row import action_to_json, end_to_json, pool_to_json, to_json
from langroute.journal.stored import Item, StoredJournal, key_of
from langroute.ledgers.postgres_connections import Link
from langroute.ledgers.postgres_database import PostgresDatabase
from langroute.ledgers.postgres_place import PostgresPlace
from langroute.records import ActionTaken, EpisodeEnd, PoolSnapshot

_PACKAGE = "langroute.journal"
_log = logging.getLogger(_PACKAGE)


class PostgresJournal(StoredJournal):
    """Keeps records in PostgreSQL, beside the ledger or elsewhere; see `langroute.protocols.Journal`.

    ``write``, ``note`` and ``finish`` only append to a queue in memory (see `WriteBehind`): they wait for no server and
    never fail. Rows reach the server within about a quarter of a second, up to 500 in one transaction and one round
    trip, at ``flush``, at ``close`` and at the end of the process. Reading flushes first and makes no tables. The
    journal is pickled by its URL and works on both sides of a fork.

    Args:
        url: ``postgresql://user@host:5432/database``; see `PostgresPlace`.
        interval_s: seconds between two writes to the server.
        most_pending: rows that wait in memory at most while the server is away.
        patience_s: seconds in which a server that is away may come back before a write is put off.
        busy_timeout_s: seconds to wait for a row that somebody else keeps locked.
    """

    def __init__(
        self,
        url: str,
        *,
        interval_s: float = 0.25,
        most_pending: int = 100_000,
        patience_s: float = 2.0,
        busy_timeout_s: float = 30.0,
    ) -> None:
        self._url = url
        self._options: dict[str, Any] = {
            "interval_s": interval_s,
            "most_pending": most_pending,
            "patience_s": patience_s,
            "busy_timeout_s": busy_timeout_s,
        }
        self._database = PostgresDatabase(
            PostgresPlace.of(url),
            package=_PACKAGE,
            room="journal",
            error=JournalUnavailable,
            patience_s=patience_s,
            busy_timeout_s=busy_timeout_s,
            max_connections=2,  # one writes behind, one reads
        )
        super().__init__(interval_s=interval_s, most_pending=most_pending)

    @classmethod
    def from_place(cls, place: str) -> Self:
        """The journal of ``postgresql://`` followed by ``place``."""
        return cls(f"postgresql://{place}")

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by URL: the copy is another door to the same rows. Rows not stored yet stay with this one."""
        return (partial(type(self), **self._options), (self._url,))

    def _read(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        if not self._database.exists():  # reading what was never written makes no tables
            return []
        asked = {name: _plain(value) if isinstance(value, str) else value for name, value in parameters.items()}
        query = self._database.sql[statement]
        return self._database.run(lambda link: link.execute(query, asked).fetchall())

    def _save(self, items: Sequence[Item]) -> None:
        batch = _Batch()
        for item in items:
            batch.add(item)
        moves = [(self._database.sql[name], row) for name, row in batch.moves()]

        def store(link: Link) -> None:
            with link.pipeline(), link.transaction():
                for statement, row in moves:
                    link.execute(statement, row)

        self._database.run(store)

    def _where(self) -> str:
        return self._database.place.shown

    def _release(self) -> None:
        self._database.close()


@dataclass(slots=True)
class _Batch:
    """Rows that are stored together: each id once, with what was written last in the place that came first."""

    records: dict[str, tuple[str, float, str]] = field(default_factory=dict)
    actions: dict[str, tuple[str, float, str]] = field(default_factory=dict)
    pools: dict[str, str] = field(default_factory=dict)
    endings: dict[str, str | None] = field(default_factory=dict)

    def add(self, item: Item) -> None:
        """Take an item. One that cannot be stored is left out, with an error in the log."""
        try:
            if isinstance(item, PoolSnapshot):
                self.pools.setdefault(_key(item.id), pool_to_json(item))
            elif isinstance(item, EpisodeEnd):
                self._touch(_key(item.episode), end_to_json(item))
            elif isinstance(item, ActionTaken):
                row = (_key(item.episode), float(item.at), action_to_json(item))
                self.actions[_key(item.id)] = row
                self._touch(row[0], None)
            else:
                row = (_key(item.step.episode), float(item.at), to_json(item))
                self.records[_key(item.id)] = row
                self._touch(row[0], None)
        except (TypeError, ValueError, OverflowError) as exc:
            # It would fail for ever and hold up every row behind it.
            _log.error("a record cannot be stored and is left out: %s", exc)

    def moves(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """The statements, with their parameters, that store the batch."""
        for statement, rows in (("add_records", self.records), ("add_actions", self.actions)):
            if rows:
                episodes, ats, bodies = (list(column) for column in zip(*rows.values(), strict=True))
                yield statement, {"ids": list(rows), "episodes": episodes, "ats": ats, "bodies": bodies}
        if self.pools:
            yield "add_pools", {"ids": list(self.pools), "bodies": list(self.pools.values())}
        if self.endings:
            yield "touch_episodes", {"episodes": list(self.endings), "endings": list(self.endings.values())}

    def _touch(self, episode: str, ending: str | None) -> None:
        known = self.endings.pop(episode, None)  # and to the end: the order of writing is the order of age
        self.endings[episode] = known if ending is None else ending


def _key(name: str) -> str:
    return _plain(key_of(name))


def _plain(name: str) -> str:
    """The name as PostgreSQL takes it: NUL, which it refuses in any text, is spelled out."""
    return name.replace("\x00", "\\x00")
