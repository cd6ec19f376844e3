"""The journal of one process: bounded, and gone when the process ends."""

import math
from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from threading import Lock
from typing import Generic, Self, TypeVar

from langroute.journal.store import not_found
from langroute.ledgers.stores import no_place
from langroute.records import ActionTaken, Arm, EpisodeEnd, PoolSnapshot, Record

_Kept = TypeVar("_Kept", Record, ActionTaken)


class MemoryJournal:
    """Keeps the newest records and actions in memory; see `langroute.protocols.Journal`.

    Args:
        most_records: records kept, and as many actions; beyond them the oldest are forgotten. With the last of its
            records and actions an episode is forgotten too.
    """

    def __init__(self, *, most_records: int = 100_000) -> None:
        self._most = most_records
        self._lock = Lock()
        self._records: _Shelf[Record] = _Shelf(most_records)
        self._actions: _Shelf[ActionTaken] = _Shelf(most_records)
        self._episodes: OrderedDict[str, None] = OrderedDict()
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
            self._touch(record.step.episode)
            self._forget(self._records.put(record.step.episode, record))

    def note(self, action: ActionTaken) -> None:
        """Keep an action; one with the same id is replaced."""
        with self._lock:
            self._touch(action.episode)
            self._forget(self._actions.put(action.episode, action))

    def finish(self, end: EpisodeEnd) -> None:
        """Keep the end of an episode; a later one replaces it."""
        with self._lock:
            self._ends[end.episode] = end
            self._ends.move_to_end(end.episode)
            self._touch(end.episode)
            while len(self._ends) > self._most:
                self._forget([self._ends.popitem(last=False)[0]])

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
            if episode not in self._episodes:
                raise not_found(episode, where="this journal in memory")
            return self._records.of(episode)

    def actions(self, episode: str) -> tuple[ActionTaken, ...]:
        """All actions of an episode, in the order they were noted; empty when none is stored."""
        with self._lock:
            return self._actions.of(episode)

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

    def every_episode(self, *, since: float | None = None) -> Iterator[str]:
        """All stored episodes; see `langroute.protocols.JournalIndex`."""
        with self._lock:
            found = [episode for episode in self._episodes if since is None or self._newest(episode) >= since]
        yield from found

    def _newest(self, episode: str) -> float:
        times = [record.at for record in self._records.of(episode)]
        times += [action.at for action in self._actions.of(episode)]
        return max(times, default=-math.inf)

    def _touch(self, episode: str) -> None:
        self._episodes[episode] = None
        self._episodes.move_to_end(episode)

    def _forget(self, episodes: list[str]) -> None:
        """Forget those of these episodes that have neither records nor actions left."""
        for episode in episodes:
            if not self._records.of(episode) and not self._actions.of(episode):
                self._episodes.pop(episode, None)
                self._ends.pop(episode, None)


class _Shelf(Generic[_Kept]):
    """Items by episode and id, in the order they came first; only the newest are kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._episode_of: OrderedDict[str, str] = OrderedDict()
        self._items: dict[str, dict[str, _Kept]] = {}

    def put(self, episode: str, item: _Kept) -> list[str]:
        """Keep an item; returns the episodes whose last item had to go for it."""
        emptied: list[str] = []
        before = self._episode_of.get(item.id, episode)
        if before != episode:
            emptied += self._drop(item.id, before)
        self._items.setdefault(episode, {})[item.id] = item
        self._episode_of[item.id] = episode
        while len(self._episode_of) > self._most:
            emptied += self._drop(*self._episode_of.popitem(last=False))
        return emptied

    def of(self, episode: str) -> tuple[_Kept, ...]:
        """The items of an episode."""
        return tuple(self._items.get(episode, {}).values())

    def _drop(self, item_id: str, episode: str) -> list[str]:
        kept = self._items[episode]
        del kept[item_id]
        if kept:
            return []
        del self._items[episode]
        return [episode]
