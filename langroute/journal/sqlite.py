"""The journal in a SQLite file: written behind, read back whole."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

from langroute.errors import JournalUnavailable
from langroute.journal.buffer import WriteBehind
from langroute.journal.row import (
    action_from_json,
    action_to_json,
    end_from_json,
    end_to_json,
    from_json,
    pool_from_json,
    pool_to_json,
    to_json,
)
from langroute.journal.store import not_found
from langroute.ledgers.database import Database, sql_of
from langroute.ledgers.stores import file_of
from langroute.records import ActionTaken, Arm, EpisodeEnd, PoolSnapshot, Record

_PACKAGE = "langroute.journal"
_log = logging.getLogger(_PACKAGE)

_Item = Record | ActionTaken | EpisodeEnd | PoolSnapshot


class SqliteJournal:
    """Keeps records in a SQLite file, which may be the ledger's; see `langroute.protocols.Journal`.

    ``write``, ``note`` and ``finish`` only append to a queue in memory (see `WriteBehind`): they wait for no disk and
    never fail. Rows reach the file within about a quarter of a second, at ``flush``, at ``close`` and at the end of the
    process. Reading flushes first. The journal is pickled by its path and works on both sides of a fork.

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
        self._pending: WriteBehind[_Item] = WriteBehind(self._save, interval_s=interval_s, most=most_pending)

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

    def note(self, action: ActionTaken) -> None:
        """Take an action for storage; one with the same id is replaced."""
        self._pending.add(action)

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
            raise not_found(episode, where=str(self.path))
        return tuple([from_json(row[0]) for row in rows])

    def actions(self, episode: str) -> tuple[ActionTaken, ...]:
        """All actions of an episode, in the order they were noted; empty when none is stored."""
        return tuple([action_from_json(row[0]) for row in self._read("actions_of", episode=_key(episode))])

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

    def _save(self, items: Sequence[_Item]) -> None:
        # Everything is made ready first: a ledger in the same file waits only while rows are inserted.
        moves = [move for item in items for move in _moves(item)]
        with self._database.write() as connection:
            for statement, row in moves:
                connection.execute(self._sql[statement], row)


def _moves(item: _Item) -> list[tuple[str, dict[str, Any]]]:
    """The statements, with their parameters, that store an item."""
    try:
        if isinstance(item, PoolSnapshot):
            return [("add_pool", {"id": _key(item.id), "body": pool_to_json(item)})]
        if isinstance(item, EpisodeEnd):
            return [("touch_episode", {"episode": _key(item.episode), "ending": end_to_json(item)})]
        if isinstance(item, ActionTaken):
            return _rows("add_action", item, episode=item.episode, body=action_to_json(item))
        return _rows("add_record", item, episode=item.step.episode, body=to_json(item))
    except (TypeError, ValueError, OverflowError) as exc:
        # It would fail for ever and hold up every row behind it.
        _log.error("a record cannot be stored and is left out: %s", exc)
        return []


def _rows(statement: str, item: Record | ActionTaken, *, episode: str, body: str) -> list[tuple[str, dict[str, Any]]]:
    row = {"id": _key(item.id), "episode": _key(episode), "at": float(item.at), "body": body}
    return [(statement, row), ("touch_episode", {"episode": row["episode"], "ending": None})]


def _key(name: str) -> str:
    """The name as a database takes it: characters that are no Unicode text are spelled out."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
