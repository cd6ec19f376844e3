"""Writing behind: rows are taken at once and stored a moment later, by a thread that lives while there are some."""

import atexit
import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from threading import Event, Lock, Thread
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from langroute.errors import JournalUnavailable

Row = TypeVar("Row")

_log = logging.getLogger("langroute.journal")
_BATCH = 500  # rows in one transaction: few enough that a ledger in the same file waits milliseconds
_SLOWEST_S = 5.0


class WriteBehind(Generic[Row]):
    """A queue in memory before a store.

    ``add`` never waits for the store and never fails. A daemon thread, started with the first row, stores the rows
    every ``interval_s`` seconds and ends when none are left. While the store refuses, rows are kept and tried again, up
    to ``most`` of them; what comes beyond is not taken, which is logged. At the end of the process, rows are stored too
    (a ``multiprocessing`` child made by fork skips that step: flush there). A forked child starts with an empty queue;
    the rows taken before belong to its parent.

    Args:
        save: stores rows, all or none; raises `JournalUnavailable` when it cannot.
        interval_s: seconds between two attempts; while attempts fail, up to 5 seconds.
        most: rows kept at most.
    """

    def __init__(self, save: Callable[[Sequence[Row]], None], *, interval_s: float, most: int) -> None:
        self._save = save
        self._interval_s = interval_s
        self._most = most
        self._rows: deque[Row] = deque()
        self._warned = False
        self._lock = Lock()
        self._flushing = Lock()
        self._pause = Event()
        self._thread: Thread | None = None
        with _registering:
            _living.add(self)

    def __len__(self) -> int:
        """Rows that are not stored yet."""
        return len(self._rows)

    def add(self, row: Row) -> None:
        """Take a row for storage."""
        with self._lock:
            if len(self._rows) >= self._most:
                self._warn(f"{self._most} rows wait for a store that refuses them; no more are taken until it recovers")
                return
            self._rows.append(row)
            if self._thread is None:
                self._thread = self._started()

    def flush(self) -> None:
        """Return when every row taken before this call is stored.

        Raises:
            JournalUnavailable: the store refuses; the rows are kept, and a later attempt stores them.
        """
        with self._flushing:
            left = len(self._rows)
            while left > 0:
                batch = list(islice(self._rows, min(left, _BATCH)))
                self._save(batch)
                left -= len(batch)
                with self._lock:
                    for _ in batch:
                        self._rows.popleft()
            self._warned = False

    def _started(self) -> Thread | None:
        thread = Thread(target=self._run, name="langroute-journal", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter is ending: the rows wait for flush, close or exit
            return None
        return thread

    def _run(self) -> None:
        delay = self._interval_s
        while True:
            self._pause.wait(delay)
            try:
                self.flush()
                delay = self._interval_s
            except Exception as exc:
                self._warn(f"{len(self)} rows could not be stored yet and are kept: {exc}")
                delay = min(2 * delay, _SLOWEST_S)
            with self._lock:
                if not self._rows:
                    self._thread = None
                    return

    def _warn(self, message: str) -> None:
        # Once until the store has recovered: a log that fills up helps nobody.
        if not self._warned:
            self._warned = True
            _log.warning(message)

    def _last_flush(self) -> None:
        try:
            self.flush()
        except JournalUnavailable as exc:
            _log.error("the process ends and %d rows of the journal could not be stored: %s", len(self), exc)

    def _forked(self) -> None:
        self._rows.clear()
        self._lock, self._flushing, self._pause, self._thread = Lock(), Lock(), Event(), None


_living: "WeakSet[WriteBehind[Any]]" = WeakSet()
_registering = Lock()


def _at_exit() -> None:
    with _registering:
        buffers = list(_living)
    for buffer in buffers:
        buffer._last_flush()


def _after_fork() -> None:
    global _registering  # noqa: PLW0603 - a thread that no longer exists may have held it
    _registering = Lock()
    for buffer in list(_living):
        buffer._forked()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
