"""The journal in a SQLite file: written behind, read back whole."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

from langroute.errors import JournalUnavailable
from langroute.journal.row import action_to_json, end_to_json, pool_to_json, to_json
from langroute.journal.stored import Item, StoredJournal, key_of
from langroute.ledgers.database import Database, sql_of
from langroute.ledgers.stores import file_of
from langroute.records import ActionTaken, EpisodeEnd, PoolSnapshot, Record

_PACKAGE = "langroute.journal"
_log = logging.getLogger(_PACKAGE)


class SqliteJournal(StoredJournal):
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
        super().__init__(interval_s=interval_s, most_pending=most_pending)

    @classmethod
    def from_place(cls, place: str) -> Self:
        """The journal of ``sqlite://`` followed by ``place``."""
        return cls(file_of(place))

    @property
    def path(self) -> Path:
        """The file, as an absolute path."""
        return self._database.path

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by path: the copy is another door to the same file. Rows not stored yet stay with this one."""
        return (partial(type(self), **self._options), (str(self.path),))

    def _read(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        if not self.path.exists():  # reading what was never written makes no file
            return []
        with self._database.read() as connection:
            return connection.execute(self._sql[statement], parameters).fetchall()

    def _save(self, items: Sequence[Item]) -> None:
        # Everything is made ready first: a ledger in the same file waits only while rows are inserted.
        moves = [move for item in items for move in _moves(item)]
        with self._database.write() as connection:
            for statement, row in moves:
                connection.execute(self._sql[statement], row)

    def _where(self) -> str:
        return str(self.path)

    def _release(self) -> None:
        self._database.close()


def _moves(item: Item) -> list[tuple[str, dict[str, Any]]]:
    """The statements, with their parameters, that store an item."""
    try:
        if isinstance(item, PoolSnapshot):
            return [("add_pool", {"id": key_of(item.id), "body": pool_to_json(item)})]
        if isinstance(item, EpisodeEnd):
            return [("touch_episode", {"episode": key_of(item.episode), "ending": end_to_json(item)})]
        if isinstance(item, ActionTaken):
            return _rows("add_action", item, episode=item.episode, body=action_to_json(item))
        return _rows("add_record", item, episode=item.step.episode, body=to_json(item))
    except (TypeError, ValueError, OverflowError) as exc:
        # It would fail for ever and hold up every row behind it.
        _log.error("a record cannot be stored and is left out: %s", exc)
        return []


def _rows(statement: str, item: Record | ActionTaken, *, episode: str, body: str) -> list[tuple[str, dict[str, Any]]]:
    row = {"id": key_of(item.id), "episode": key_of(episode), "at": float(item.at), "body": body}
    return [(statement, row), ("touch_episode", {"episode": row["episode"], "ending": None})]
