"""Where records are kept: in memory for a program and its tests, in a SQLite file for everything else."""

import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any, Self

from langroute.errors import EpisodeNotFound, JournalUnavailable
from langroute.journal.buffer import WriteBehind
from langroute.journal.row import end_from_json, end_to_json, from_json, pool_from_json, pool_to_json, to_json
from langroute.ledgers.database import Database, sql_of
from langroute.ledgers.stores import file_of, load_store, no_place, split_store
from langroute.protocols import Journal
from langroute.records import Arm, EpisodeEnd, PoolSnapshot, Record

JOURNALS: Mapping[str, str] = {
    "memory": "langroute.journal.store:MemoryJournal",
    "sqlite": "langroute.journal.store:SqliteJournal",
}
"""Scheme to the class that serves it. A class has ``from_place(place)`` for what stands after ``scheme://``."""

_PACKAGE = "langroute.journal"
_log = logging.getLogger(_PACKAGE)


def open_journal(url: str) -> Journal:
    """The journal that a store URL names; the same URLs as `langroute.ledgers.open_ledger`.

    Raises:
        ConfigError: the URL is malformed, or its scheme has no journal in this version.
    """
    scheme, place = split_store(url, known=JOURNALS)
    journal: Journal = load_store(JOURNALS[scheme]).from_place(place)
    return journal


class MemoryJournal:
    """Keeps the newest records in memory; see `langroute.protocols.Journal`.

    Args:
        most_records: records kept; beyond them the oldest are forgotten, and with its last record an episode.
    """

    def __init__(self, *, most_records: int = 100_000) -> None:
        self._most = most_records
        self._lock = Lock()
        self._episode_of: OrderedDict[str, str] = OrderedDict()
        self._episodes: OrderedDict[str, OrderedDict[str, Record]] = OrderedDict()
        self._ends: OrderedDict[str, EpisodeEnd] = OrderedDict()
        self._pools: dict[str, PoolSnapshot] = {}

    @classmethod
    def from_place(cls, place: str) -> Self:
        """A new, empty journal: every ``memory://`` is one of its own."""
        no_place(place, scheme="memory")
        return cls()

    def write(self, record: Record) -> None:
        """Keep a record; one with the same id is replaced."""
        with self._lock:
            episode = record.step.episode
            self._episodes.setdefault(episode, OrderedDict())[record.id] = record
            self._episodes.move_to_end(episode)
            self._episode_of[record.id] = episode
            while len(self._episode_of) > self._most:
                self._forget(*self._episode_of.popitem(last=False))

    def finish(self, end: EpisodeEnd) -> None:
        """Keep the end of an episode; a later one replaces it."""
        with self._lock:
            self._ends[end.episode] = end
            self._ends.move_to_end(end.episode)
            self._episodes.setdefault(end.episode, OrderedDict())
            self._episodes.move_to_end(end.episode)
            while len(self._ends) > self._most:
                oldest, _ = self._ends.popitem(last=False)
                if not self._episodes.get(oldest):
                    self._episodes.pop(oldest, None)

    def keep_pool(self, pool: PoolSnapshot) -> None:
        """Keep a pool."""
        self._pools[pool.id] = pool

    def flush(self) -> None:
        """Nothing to wait for: what was taken is kept."""

    def close(self) -> None:
        """Nothing to release."""

    def records(self, episode: str) -> tuple[Record, ...]:
        """All records of an episode, in the order they were written; see `langroute.protocols.Journal.records`."""
        with self._lock:
            kept = self._episodes.get(episode)
            if kept is None:
                raise _not_found(episode, where="this journal in memory")
            return tuple(kept.values())

    def end(self, episode: str) -> EpisodeEnd | None:
        """How an episode ended; None when nobody said."""
        with self._lock:
            return self._ends.get(episode)

    def arms(self, episode: str) -> tuple[Arm, ...]:
        """The pool of an episode; see `langroute.protocols.Journal.arms`."""
        records = self.records(episode)
        pool = self._pools.get(records[-1].pool) if records else None
        return pool.arms if pool else ()

    def episodes(self, *, limit: int = 100) -> tuple[str, ...]:
        """Ids of stored episodes, the one last written to first."""
        with self._lock:
            return tuple(islice(reversed(self._episodes), limit))

    def _forget(self, record_id: str, episode: str) -> None:
        kept = self._episodes[episode]
        kept.pop(record_id, None)
        if not kept:
            del self._episodes[episode]
            self._ends.pop(episode, None)


class SqliteJournal:
    """Keeps records in a SQLite file, which may be the ledger's; see `langroute.protocols.Journal`.

    ``write`` and ``finish`` only append to a queue in memory (see `WriteBehind`): they wait for no disk and never fail.
    Rows reach the file within about a quarter of a second, at ``flush``, at ``close`` and at the end of the process.
    Reading flushes first. The journal is pickled by its path and works on both sides of a fork.

    Args:
        path: the file; made at first use if it does not exist, in a directory that does.
        interval_s: seconds between two writes to the file.
        most_pending: rows that wait in memory at most while the file refuses them.
        busy_timeout_s: seconds to wait for another process that writes.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        interval_s: float = 0.25,
        most_pending: int = 100_000,
        busy_timeout_s: float = 30.0,
    ) -> None:
        self._options: dict[str, Any] = {
            "interval_s": interval_s,
            "most_pending": most_pending,
            "busy_timeout_s": busy_timeout_s,
        }
        self._sql = sql_of(_PACKAGE)
        self._database = Database(
            path, package=_PACKAGE, room="journal", error=JournalUnavailable, busy_timeout_s=busy_timeout_s
        )
        self._pending: WriteBehind[Record | EpisodeEnd | PoolSnapshot] = WriteBehind(
            self._save, interval_s=interval_s, most=most_pending
        )

    @classmethod
    def from_place(cls, place: str) -> Self:
        """The journal of ``sqlite://`` followed by ``place``."""
        return cls(file_of(place))

    @property
    def path(self) -> Path:
        """The file, as an absolute path."""
        return self._database.path

    def write(self, record: Record) -> None:
        """Take a record for storage; one with the same id is replaced."""
        self._pending.add(record)

    def finish(self, end: EpisodeEnd) -> None:
        """Take the end of an episode for storage; a later one replaces it."""
        self._pending.add(end)

    def keep_pool(self, pool: PoolSnapshot) -> None:
        """Take a pool for storage."""
        self._pending.add(pool)

    def flush(self) -> None:
        """Return when everything taken so far is stored; see `langroute.protocols.JournalSink.flush`."""
        self._pending.flush()

    def close(self) -> None:
        """Flush and close the file. A later call opens it again."""
        try:
            self.flush()
        finally:
            self._database.close()

    def records(self, episode: str) -> tuple[Record, ...]:
        """All records of an episode, in the order they were written; see `langroute.protocols.Journal.records`."""
        rows = self._read("records_of", episode=_key(episode))
        if not rows and not self._read("find_episode", episode=_key(episode)):
            raise _not_found(episode, where=str(self.path))
        return tuple([from_json(row[0]) for row in rows])

    def end(self, episode: str) -> EpisodeEnd | None:
        """How an episode ended; None when nobody said."""
        rows = self._read("find_episode", episode=_key(episode))
        return end_from_json(rows[0][0]) if rows and rows[0][0] is not None else None

    def arms(self, episode: str) -> tuple[Arm, ...]:
        """The pool of an episode; see `langroute.protocols.Journal.arms`."""
        records = self.records(episode)
        rows = self._read("find_pool", id=_key(records[-1].pool)) if records else []
        return pool_from_json(rows[0][0]).arms if rows else ()

    def episodes(self, *, limit: int = 100) -> tuple[str, ...]:
        """Ids of stored episodes, the one last written to first."""
        return tuple([row[0] for row in self._read("newest_episodes", limit=limit)])

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by path: the copy is another door to the same file. Rows not stored yet stay with this one."""
        return (partial(type(self), **self._options), (str(self.path),))

    def _read(self, statement: str, **parameters: Any) -> list[Any]:
        self.flush()
        if not self.path.exists():  # reading what was never written makes no file
            return []
        with self._database.read() as connection:
            return connection.execute(self._sql[statement], parameters).fetchall()

    def _save(self, items: Sequence[Record | EpisodeEnd | PoolSnapshot]) -> None:
        # Everything is made ready first: a ledger in the same file waits only while rows are inserted.
        moves = [move for item in items for move in _moves(item)]
        with self._database.write() as connection:
            for statement, row in moves:
                connection.execute(self._sql[statement], row)


def _moves(item: Record | EpisodeEnd | PoolSnapshot) -> list[tuple[str, dict[str, Any]]]:
    """The statements, with their parameters, that store an item."""
    try:
        if isinstance(item, PoolSnapshot):
            return [("add_pool", {"id": _key(item.id), "body": pool_to_json(item)})]
        if isinstance(item, EpisodeEnd):
            return [("touch_episode", {"episode": _key(item.episode), "ending": end_to_json(item)})]
        row = {"id": _key(item.id), "episode": _key(item.step.episode), "at": float(item.at), "body": to_json(item)}
        return [("add_record", row), ("touch_episode", {"episode": row["episode"], "ending": None})]
    except (TypeError, ValueError, OverflowError) as exc:
        # It would fail for ever and hold up every row behind it.
        _log.error("a record cannot be stored and is left out: %s", exc)
        return []


def _key(name: str) -> str:
    """The name as a database takes it: characters that are no Unicode text are spelled out."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _not_found(episode: str, *, where: str) -> EpisodeNotFound:
    return EpisodeNotFound(
        f"no record of episode {episode!r} is stored in {where}; check the id and the store (`episodes()` lists them)"
    )
