"""What journals in a database have in common: they write behind, read back whole, and name rows alike."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

from langroute.journal.buffer import WriteBehind
from langroute.journal.row import action_from_json, end_from_json, from_json, pool_from_json
from langroute.journal.store import not_found
from langroute.records import ActionTaken, Arm, EpisodeEnd, PoolSnapshot, Record

_PAGE = 500

Item = Record | ActionTaken | EpisodeEnd | PoolSnapshot


class StoredJournal(ABC):
    """A journal over a database, which says how rows are saved and read; see `langroute.protocols.Journal`.

    ``write``, ``note``, ``finish`` and ``keep_pool`` only append to a queue in memory (see `WriteBehind`): they wait
    for no store and never fail. Reading flushes first.

    Args:
        interval_s: seconds between two writes to the store.
        most_pending: rows that wait in memory at most while the store refuses them.
    """

    def __init__(self, *, interval_s: float, most_pending: int) -> None:
        self._pending: WriteBehind[Item] = WriteBehind(self._save, interval_s=interval_s, most=most_pending)

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
        """Flush and release the store. A later call opens it again."""
        try:
            self.flush()
        finally:
            self._release()

    def records(self, episode: str) -> tuple[Record, ...]:
        """All records of an episode, in the order they were written; see `langroute.protocols.Journal.records`."""
        rows = self._rows("records_of", episode=key_of(episode))
        if not rows and not self._rows("find_episode", episode=key_of(episode)):
            raise not_found(episode, where=self._where())
        return tuple([from_json(row[0]) for row in rows])

    def actions(self, episode: str) -> tuple[ActionTaken, ...]:
        """All actions of an episode, in the order they were noted; empty when none is stored."""
        return tuple([action_from_json(row[0]) for row in self._rows("actions_of", episode=key_of(episode))])

    def end(self, episode: str) -> EpisodeEnd | None:
        """How an episode ended; None when nobody said."""
        rows = self._rows("find_episode", episode=key_of(episode))
        return end_from_json(rows[0][0]) if rows and rows[0][0] is not None else None

    def arms(self, episode: str) -> tuple[Arm, ...]:
        """The pool of an episode; see `langroute.protocols.Journal.arms`."""
        records = self.records(episode)
        rows = self._rows("find_pool", id=key_of(records[-1].pool)) if records else []
        return pool_from_json(rows[0][0]).arms if rows else ()

    def episodes(self, *, limit: int = 100) -> tuple[str, ...]:
        """Ids of stored episodes, the one last written to first."""
        return tuple([row[0] for row in self._rows("newest_episodes", limit=limit)])

    def every_episode(self, *, since: float | None = None) -> Iterator[str]:
        """All stored episodes, page by page in the order of ids; see `langroute.protocols.JournalIndex`."""
        after = ""  # ids are no moving target: a page stays right while others write
        while page := self._rows("episodes_after", after=after, since=since, limit=_PAGE):
            yield from [row[0] for row in page]
            after = page[-1][0]

    def _rows(self, statement: str, **parameters: Any) -> list[Any]:
        self.flush()
        return self._read(statement, parameters)

    @abstractmethod
    def _save(self, items: Sequence[Item]) -> None:
        """Store items, all or none; raises `JournalUnavailable` when it cannot."""

    @abstractmethod
    def _read(self, statement: str, parameters: dict[str, Any]) -> list[Any]:
        """The rows of a statement; none where nothing was ever written."""

    @abstractmethod
    def _where(self) -> str:
        """The store, for messages."""

    @abstractmethod
    def _release(self) -> None:
        """Close what is open."""


def key_of(name: str) -> str:
    """The name as a database takes it: characters that are no Unicode text are spelled out."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
