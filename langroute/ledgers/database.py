"""One SQLite file, shared politely: by threads, by processes and across forks.

The ledger and the journal may live in the same file; each has its own connection, its own numbered migrations and its
own class of error.
"""

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any
from weakref import WeakSet

from langroute.errors import LangrouteError

_MAKE_SCHEMA_TABLE = "CREATE TABLE IF NOT EXISTS langroute_schema (room TEXT PRIMARY KEY, version INTEGER NOT NULL)"
_SET_VERSION = "INSERT INTO langroute_schema VALUES (?, ?) ON CONFLICT (room) DO UPDATE SET version = excluded.version"

# Only where the write-ahead log is carried over into the file does SQLite wait for the disk. The usual 1,000 pages are
# full after some thirty steps; these take a few hundred, and at most 40 MB of log beside the file.
_PAGES_BETWEEN_SYNCS = 10_000

_WAYS_OUT = {
    "SQLITE_FULL": "Free some space on the disk and call again.",
    "SQLITE_BUSY": "Another process keeps the file locked: end it or wait, and call again.",
    "SQLITE_LOCKED": "Another connection keeps a table locked: end it or wait, and call again.",
    "SQLITE_NOTADB": "Point the store at another file, or restore this one from a backup.",
    "SQLITE_CORRUPT": "Restore the file from a backup, or save what `sqlite3 FILE .recover` can read.",
    "SQLITE_CANTOPEN": "Check that its directory exists and may be written.",
    "SQLITE_READONLY": "Make the file and its directory writable.",
    "SQLITE_IOERR": "Check the disk and call again.",
}


@cache
def sql_of(package: str) -> dict[str, str]:
    """Statements of a package by name: its files ``sql/<name>.sql``."""
    folder = resources.files(package) / "sql"
    return {item.name[:-4]: item.read_text("utf-8") for item in folder.iterdir() if item.name.endswith(".sql")}


class Database:
    """Transactions on one SQLite file through one connection, opened at first use.

    One connection under a lock, not one per thread: SQLite admits one writer at a time anyway, and waiting for a lock
    is fair and immediate where SQLite's own waiting sleeps and may starve. Before a fork the connection is closed,
    since SQLite loses track of its file locks in a child; both sides open it again when they next need it.

    Every commit survives the death of the process (write-ahead log). With ``synchronous=NORMAL`` a power cut or a crash
    of the operating system may lose the last commits, never the consistency of the file.

    Args:
        path: the file; made absolute now, so that a later change of directory does not move it.
        package: package whose ``sql/migrations/NNNN_*.sql`` make the tables.
        room: name under which the version of those tables is kept.
        error: class for everything that goes wrong with the file.
        busy_timeout_s: seconds to wait for another process that writes.
    """

    def __init__(
        self, path: str | Path, *, package: str, room: str, error: type[LangrouteError], busy_timeout_s: float
    ) -> None:
        self.path = Path(path).expanduser().absolute()
        self.busy_timeout_s = busy_timeout_s
        self._package = package
        self._room = room
        self._error = error
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._pid = os.getpid()
        with _registering:
            _living.add(self)

    def write(self) -> AbstractContextManager[sqlite3.Connection]:
        """A transaction that holds SQLite's write lock from its start: what it reads cannot change under it.

        Committed at the end of the block, undone on any exception.
        """
        return _Transaction(self, "BEGIN IMMEDIATE")

    def rows(self, statement: str, parameters: Mapping[str, Any]) -> list[Any]:
        """What one statement reads: of one moment, without the price of a transaction."""
        with self._lock:
            try:
                return self._connected().execute(statement, parameters).fetchall()
            except BaseException as exc:
                self._failed(exc)
                raise

    def read(self) -> AbstractContextManager[sqlite3.Connection]:
        """A transaction whose reads all see the same moment."""
        return _Transaction(self, "BEGIN")

    def close(self) -> None:
        """Close the connection, if there is one. A later transaction opens it again."""
        with self._lock:
            self._disconnect()

    def __del__(self) -> None:
        """Close a connection that nobody closed, unless it is another process's."""
        if getattr(self, "_pid", None) == os.getpid():
            self._disconnect()

    def _failed(self, exc: BaseException) -> None:
        """Undo what was begun. Faults of the file are told in our own words, others are left as they are."""
        if isinstance(exc, sqlite3.Error | UnicodeEncodeError):
            self._disconnect()  # which undoes what was begun; the next call starts afresh
            raise self._explained(exc) from exc
        self._undo()

    def _undo(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                self._disconnect()

    def _connected(self) -> sqlite3.Connection:
        if self._pid != os.getpid():
            # A fork that no hook saw. The inherited connection must not even be closed here: keep it, unused.
            _inherited.append(self._connection)
            self._connection, self._pid = None, os.getpid()
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=self.busy_timeout_s, isolation_level=None, check_same_thread=False
        )
        try:
            _use_write_ahead_log(connection, deadline=time.monotonic() + self.busy_timeout_s)
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _migrate(self, connection: sqlite3.Connection) -> None:
        steps = _migrations(self._package)
        if self._version(connection, newest=len(steps)) == len(steps):
            return
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_MAKE_SCHEMA_TABLE)
        for step in steps[self._version(connection, newest=len(steps)) :]:
            for statement in _statements(step.read_text("utf-8")):
                connection.execute(statement)
        connection.execute(_SET_VERSION, (self._room, len(steps)))
        connection.execute("COMMIT")

    def _version(self, connection: sqlite3.Connection, *, newest: int) -> int:
        known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'langroute_schema'").fetchone()
        query = "SELECT version FROM langroute_schema WHERE room = ?"
        row = connection.execute(query, (self._room,)).fetchone() if known else None
        version = int(row[0]) if row else 0
        if version > newest:
            raise self._error(
                f"{self.path}: its {self._room} has version {version}, this langroute knows {newest}: "
                "it was written by a newer langroute. Upgrade langroute or use another file."
            )
        return version

    def _explained(self, exc: Exception) -> LangrouteError:
        name = getattr(exc, "sqlite_errorname", None) or ""
        way_out = next((text for start, text in _WAYS_OUT.items() if name.startswith(start)), "")
        return self._error(f"{self.path}: {exc}. Nothing of this call was stored. {way_out}".rstrip())

    def _before_fork(self) -> None:
        self._lock.acquire()
        self._disconnect()

    def _after_fork(self) -> None:
        self._pid = os.getpid()
        self._lock.release()


class _Transaction:
    """A block between BEGIN and COMMIT, as a class: a generator would take longer than some statements."""

    __slots__ = ("_begin", "_connection", "_database")

    def __init__(self, database: Database, begin: str) -> None:
        self._database = database
        self._begin = begin

    def __enter__(self) -> sqlite3.Connection:
        database = self._database
        database._lock.acquire()
        try:
            self._connection = database._connected()
            self._connection.execute(self._begin)
        except BaseException as exc:
            try:
                database._failed(exc)
                raise
            finally:
                database._lock.release()
        return self._connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        database = self._database
        try:
            if error is None:
                self._connection.execute("COMMIT")
            else:
                database._failed(error)
        except BaseException as exc:
            if error is None:
                database._failed(exc)
            raise
        finally:
            database._lock.release()


def _use_write_ahead_log(connection: sqlite3.Connection, *, deadline: float) -> None:
    # SQLite does not wait by itself where two processes turn the log on at the same moment.
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            break
        except sqlite3.OperationalError as exc:
            busy = (exc.sqlite_errorname or "").startswith("SQLITE_BUSY")
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    # A file system without shared memory keeps the old journal, where only FULL is safe.
    connection.execute(f"PRAGMA synchronous = {'NORMAL' if mode == 'wal' else 'FULL'}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_BETWEEN_SYNCS}")


def _migrations(package: str) -> list[Traversable]:
    folder = resources.files(package) / "sql" / "migrations"
    return sorted((item for item in folder.iterdir() if item.name.endswith(".sql")), key=lambda item: item.name)


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


_living: "WeakSet[Database]" = WeakSet()
_registering = Lock()
_inherited: list[sqlite3.Connection | None] = []
_forking: list[Database] = []


def _before_fork() -> None:
    _registering.acquire()
    _forking[:] = list(_living)
    for database in _forking:
        database._before_fork()


def _after_fork() -> None:
    for database in _forking:
        database._after_fork()
    _forking.clear()
    _registering.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
