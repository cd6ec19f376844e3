"""PostgreSQL for the tests: the server that answers, else one of our own, else a skip that says why.

In this order: LANGROUTE_TEST_POSTGRES_URL (which must answer), 127.0.0.1:5432, a private server from the binaries on
PATH or where Debian keeps them. Under LANGROUTE_REQUIRE_STORES=1 a test that finds none fails instead of being skipped.
"""

import atexit
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg
import pytest

STANDARD = "postgresql://postgres@127.0.0.1:5432/postgres"
_DEBIAN = Path("/usr/lib/postgresql")
_NEVER_AS_ROOT = ("postgres", "nobody")


class PrivateServer:
    """A PostgreSQL of the test's own, in a folder of its own, on a spare port; it can be stopped, killed and restarted.

    Args:
        settings: server settings beside our own, such as ``{"max_connections": "8"}``.
    """

    def __init__(self, **settings: str) -> None:
        self._bin = binaries()
        self._user = None if os.getuid() else _unprivileged()
        self._folder = Path(tempfile.mkdtemp(prefix="langroute-postgres-"))
        self.data = self._folder / "data"
        if self._user:
            shutil.chown(self._folder, self._user)
        self._folder.chmod(0o700)
        self._settings = {"unix_socket_directories": "", "listen_addresses": "127.0.0.1", **settings}
        # A small write-ahead log, so that a limit on the size of files meets the tables first.
        self._run(
            *("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8"),
            *("--no-sync", "--wal-segsize=1"),
        )
        self.port = _spare_port()

    @property
    def url(self) -> str:
        """Where it answers while it runs."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self, *, largest_file: int | None = None) -> "PrivateServer":
        """Start it and return when it takes connections.

        Args:
            largest_file: bytes that any file of it may grow to: beyond, it is told that it cannot write any more.
        """
        options = " ".join(f"-c {name}='{value}'" for name, value in (self._settings | {"port": self.port}).items())
        self._control("start", "-l", self._folder / "log", "-o", options, largest_file=largest_file)
        return self

    def stop(self, how: str = "fast") -> None:
        """Stop it: ``fast`` ends sessions and closes the books, ``immediate`` is a crash."""
        self._control("stop", "-m", how)

    def restart(self, how: str = "immediate") -> None:
        """Stop it in the middle of whatever it does, and start it again."""
        self.stop(how)
        self.start()

    def remove(self) -> None:
        """Stop it if it runs, and delete everything it kept."""
        if (self.data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self._folder)

    def _control(self, *command: object, largest_file: int | None = None) -> None:
        self._run("pg_ctl", "-D", self.data, "-s", "-w", *command, largest_file=largest_file)

    def _run(self, name: str, *arguments: object, largest_file: int | None = None) -> None:
        command = [self._bin / name, *map(str, arguments)]
        if largest_file is not None:  # the signal would end the server; without it, writing fails
            command = ["/bin/sh", "-c", f'trap "" XFSZ; ulimit -f {largest_file // 512}; exec "$@"', "sh", *command]
        # Neither standard stream may be a pipe: the server would inherit it and keep it open.
        with (self._folder / "output").open("ab") as output:
            done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs
                command,
                cwd="/",
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                user=self._user,
                timeout=120,
            )
        if done.returncode:
            raise RuntimeError(f"{name} {arguments}: " + (self._folder / "output").read_text()[-2_000:])


def binaries() -> Path:
    """The folder with initdb and pg_ctl; skips, or fails where stores are required, when there is none."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda found: float(found.parts[-3]))
    if not versions:
        missing("no initdb on PATH or in Debian's place; install postgresql")
    return versions[-1].parent


def missing(why: str) -> None:
    """Skip the test for want of a server, or fail it where stores are required."""
    if os.environ.get("LANGROUTE_REQUIRE_STORES") == "1":
        pytest.fail(f"PostgreSQL is required here (LANGROUTE_REQUIRE_STORES=1): {why}")
    pytest.skip(f"no PostgreSQL: {why}")


@cache
def server_url() -> str:
    """A database of a server that answers, where databases may be made."""
    given = os.environ.get("LANGROUTE_TEST_POSTGRES_URL")
    if given:
        with psycopg.connect(given, connect_timeout=5):
            return given
    try:
        with psycopg.connect(STANDARD, connect_timeout=2):
            return STANDARD
    except psycopg.OperationalError:
        server = PrivateServer()
        atexit.register(server.remove)
        return server.start().url


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """The URL of a database that is made for the block and dropped after it."""
    name = f"langroute_test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as link:
        link.execute(f"CREATE DATABASE {name}")
    try:
        yield in_database(server, name)
    finally:
        with psycopg.connect(server, autocommit=True) as link:
            link.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def new_schema(database: str) -> Iterator[str]:
    """A URL with a schema that nobody uses yet; dropped after the block."""
    schema = f"books_{uuid.uuid4().hex}"
    try:
        yield f"{database}{'&' if '?' in database else '?'}schema={schema}"
    finally:
        with psycopg.connect(database, autocommit=True) as link:
            link.execute(f"SET lock_timeout = '10s'; DROP SCHEMA IF EXISTS {schema} CASCADE")


def in_database(url: str, name: str) -> str:
    """The same URL with another database."""
    base, _, options = url.partition("?")
    scheme, _, rest = base.partition("://")
    host = rest.partition("/")[0]
    return f"{scheme}://{host}/{name}" + (f"?{options}" if options else "")


def _unprivileged() -> str:
    for name in _NEVER_AS_ROOT:
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    missing("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")
    raise AssertionError("unreachable")


def _spare_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
