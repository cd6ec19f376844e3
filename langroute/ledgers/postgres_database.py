"""One PostgreSQL database, shared by threads, processes and machines.

The ledger and the journal may live in the same schema; each has connections, numbered migrations and a class of error
of its own.
"""

import time
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row
from psycopg.types.numeric import Int8Dumper

from langroute.errors import LangrouteError
from langroute.ledgers.postgres_connections import Connections, Link
from langroute.ledgers.postgres_place import PostgresPlace

Result = TypeVar("Result")

# Where the URL says nothing else: a server that vanished is noticed within seconds.
_CONNECT: Mapping[str, Any] = {
    "client_encoding": "utf8",
    "connect_timeout": 5,
    "fallback_application_name": "langroute",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.25
_MIGRATING = 0x6C726F75  # with the schema's hash, the key of the lock under which tables are made

# Two that open one scope, or take one hold, at the same moment: the second then finds it there.
_CLASHES = (errors.SerializationFailure, errors.DeadlockDetected, errors.UniqueViolation)

_GONE = ("3F000", "42704", "42P01")  # schema, type of a table, table: what is missed first depends on the statement

_WAYS_OUT: Mapping[str, str] = {
    "22003": "A sum of the books would outgrow 64 bits: start a new scope.",
    "25006": "The server takes no writes, a standby perhaps: point the store at the primary.",
    "42501": "Grant the URL's user what it needs: docs/ledgers/postgres.md lists it.",
    **dict.fromkeys(
        _GONE, "Its tables are gone: restore a backup; without one, the next call makes new, empty tables."
    ),
    "53100": "Free some space on the server's disk and call again.",
    "55P03": "Another transaction keeps a row locked: end it or wait, and call again.",
    "57014": "Raise the server's statement_timeout, or see what keeps the statement waiting.",
}
_NOTHING = "Nothing of this call was stored."
_UNKNOWN = "Whether this call was stored is not known; again with the same id, it is stored once."
_AWAY = "Check that the server runs there and admits this user, and call again."
_BUSY = "Every connection of this process stayed in use. Call again, or allow more of them (max_connections)."


@cache
def statements_of(package: str, schema: str) -> dict[str, str]:
    """Statements of a package by name: its files ``sql_postgres/<name>.sql``, with their tables in a schema."""
    folder = resources.files(package) / "sql_postgres"
    files = [item for item in folder.iterdir() if item.name.endswith(".sql")]
    return {item.name[:-4]: _placed(item.read_text("utf-8"), schema) for item in files}


class PostgresDatabase:
    """Work in one PostgreSQL database, over connections that are opened at first use.

    Work must be safe to repeat, and what langroute does is: an id tells every change apart, so that doing it again
    changes nothing. Where the connection breaks, the work is done once more over a new one; where transactions clash,
    until it is through. A server that lets nobody in is asked again for ``patience_s`` seconds.

    Args:
        place: server and schema.
        package: package whose ``sql_postgres/migrations/NNNN_*.sql`` make the tables.
        room: name under which the version of those tables is kept.
        error: class for everything that goes wrong with the server.
        patience_s: seconds in which a server that is away may come back.
        busy_timeout_s: seconds to wait for a row that somebody else keeps locked, and for a free connection.
        max_connections: connections that this process keeps at most.
    """

    def __init__(
        self,
        place: PostgresPlace,
        *,
        package: str,
        room: str,
        error: type[LangrouteError],
        patience_s: float,
        busy_timeout_s: float,
        max_connections: int,
    ) -> None:
        self.place = place
        self.sql = statements_of(package, place.schema)
        self._package = package
        self._room = room
        self._error = error
        self._patience_s = patience_s
        self._busy_timeout_s = busy_timeout_s
        self._links = Connections(self._connect, most=max_connections)
        self._made = False

    def run(self, work: Callable[[Link], Result], *, make: bool = True) -> Result:
        """Do some work over a connection; see the class for when it is repeated.

        Args:
            work: called with a connection in autocommit mode.
            make: make the tables first, where they are missing.

        Raises:
            LangrouteError: of the class ``error``: the server refuses or is away. Says whether anything was stored.
        """
        trial = _Trial(patience_s=self._patience_s, busy_timeout_s=self._busy_timeout_s)
        while True:
            link: Link | None = None
            try:
                link = self._links.take(wait_s=self._busy_timeout_s)
                if make and not self._made:
                    self._migrate(link)
                return work(link)
            except (psycopg.Error, TimeoutError, UnicodeEncodeError) as exc:
                lost = link is not None and link.closed
                if lost:
                    self._links.clear()  # the others have probably gone the same way
                if not trial.again(exc, connected=link is not None, lost=lost):
                    raise self._explained(exc, connected=link is not None, unknown=trial.unknown) from exc
            finally:
                if link is not None:
                    self._links.give(link)
            trial.pause()

    def fetch(self, link: Link, statement: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows of a statement of the package, by column; over a connection that is at work already."""
        return link.cursor(row_factory=dict_row).execute(self.sql[statement], parameters).fetchall()

    def execute(self, link: Link, statement: str, parameters: Mapping[str, Any]) -> None:
        """Run a statement of the package whose rows, if it has any, nobody needs."""
        link.execute(self.sql[statement], parameters)

    def exists(self) -> bool:
        """Whether the tables have been made. Makes nothing."""
        return self._made or self.run(self._version, make=False) > 0

    def close(self) -> None:
        """Close every connection. Later work opens new ones."""
        self._links.clear()

    def _connect(self) -> Link:
        given = conninfo_to_dict(self.place.conninfo)
        busy_ms = round(self._busy_timeout_s * 1000)
        ours = (
            rf"-c default_transaction_isolation=read\ committed -c plan_cache_mode=force_generic_plan "
            f"-c lock_timeout={busy_ms} "
            f"-c idle_in_transaction_session_timeout={max(busy_ms, 1_000)}"  # a stopped process keeps no lock for ever
        )
        options = f"{ours} {given.pop('options', '')}".rstrip()
        settings: dict[str, Any] = {**_CONNECT, **given, "options": options}
        link = psycopg.connect(autocommit=True, prepare_threshold=0, **settings)
        link.adapters.register_dumper(int, Int8Dumper)  # one type for all sizes: one prepared statement each
        return link

    def _migrate(self, link: Link) -> None:
        """Make or update the tables. Processes that come at once wait for each other; nobody sees half of it."""
        steps = _migrations(self._package)
        if self._version(link) < len(steps):
            schema = self.place.schema
            with link.transaction():
                link.execute("SELECT pg_advisory_xact_lock(%s::int, hashtext(%s))", (_MIGRATING, schema))
                # Asking first spares a user who may write in the schema the right to make one.
                if not link.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone():
                    _script(link, "CREATE SCHEMA {schema}", schema)
                _script(link, _MAKE_VERSIONS, schema)
                for step in steps[self._version(link) :]:
                    _script(link, step, schema)
                link.execute(_placed(_SET_VERSION, schema), (self._room, len(steps)))
        self._made = True

    def _version(self, link: Link) -> int:
        """Version of this room's tables; 0 where there are none."""
        versions = f'"{self.place.schema}".schema_version'
        if link.execute("SELECT to_regclass(%s)", (versions,)).fetchone() == (None,):
            return 0
        query = _placed("SELECT version FROM {schema}.schema_version WHERE room = %s", self.place.schema)
        row = link.execute(query, (self._room,)).fetchone()
        version, newest = int(row[0]) if row else 0, len(_migrations(self._package))
        if version > newest:
            raise self._error(
                f"{self.place.shown}: its {self._room} has version {version}, this langroute knows {newest}: it was "
                "written by a newer langroute. Upgrade langroute or use another schema."
            )
        return version

    def _explained(self, exc: Exception, *, connected: bool, unknown: bool) -> LangrouteError:
        state = getattr(exc, "sqlstate", None) or ""
        if state in _GONE:
            self._made = False
        if isinstance(exc, TimeoutError):
            told, way_out = "no connection is free", _BUSY
        else:
            plain = exc.diag.message_primary if isinstance(exc, psycopg.Error) else None  # no pieces of the statement
            told = plain or " ".join(str(exc).split())
            way_out = _WAYS_OUT.get(state, "" if connected and not unknown else _AWAY)
        stored = _UNKNOWN if unknown else _NOTHING
        return self._error(f"{self.place.shown}: {told.rstrip('.')}. {stored} {way_out}".rstrip())


class _Trial:
    """How often a piece of work is tried, and what is known of the tries that failed."""

    def __init__(self, *, patience_s: float, busy_timeout_s: float) -> None:
        self.unknown = False
        self._begun = time.monotonic()
        self._patience_s = patience_s
        self._busy_timeout_s = busy_timeout_s
        self._pause_s = _FIRST_PAUSE_S

    def again(self, exc: Exception, *, connected: bool, lost: bool) -> bool:
        """Whether to try again after an error."""
        passed = time.monotonic() - self._begun
        if isinstance(exc, _CLASHES):
            return passed < self._busy_timeout_s
        if lost and not self.unknown:
            self.unknown = True
            return True  # at once and whatever the patience: an idle connection may have been cut long ago
        if lost or (not connected and isinstance(exc, psycopg.OperationalError)):
            return passed + self._pause_s < self._patience_s
        return False

    def pause(self) -> None:
        """Wait before the next try, longer each time."""
        time.sleep(self._pause_s)
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)


_MAKE_VERSIONS = "CREATE TABLE IF NOT EXISTS {schema}.schema_version (room text PRIMARY KEY, version integer NOT NULL)"
_SET_VERSION = (
    "INSERT INTO {schema}.schema_version VALUES (%s, %s) ON CONFLICT (room) DO UPDATE SET version = excluded.version"
)


def _placed(text: str, schema: str) -> str:
    return text.replace("{schema}", f'"{schema}"')  # a plain name: the URL admits no other


def _script(link: Link, text: str, schema: str) -> None:
    link.execute(_placed(text, schema), prepare=False)


@cache
def _migrations(package: str) -> tuple[str, ...]:
    folder = resources.files(package) / "sql_postgres" / "migrations"
    files = sorted((item for item in folder.iterdir() if item.name.endswith(".sql")), key=lambda item: item.name)
    return tuple(item.read_text("utf-8") for item in files)
