"""What holds in every test: nothing leaves this machine. And the stores that tests are run on."""

import ipaddress
import socket
import sys
from collections.abc import Callable, Iterator

import pytest
from postgres_servers import new_database, new_schema, server_url
from servers import RedisServer, own_books, shared_server

_ASKED = {"socket.connect": 1, "socket.sendto": 1, "socket.getaddrinfo": 0, "socket.gethostbyname": 0}


class NetworkForbidden(AssertionError):
    """A test reached for an address beyond loopback."""


def _is_local(host: object) -> bool:
    if host in (None, "", b"", "localhost", b"localhost", socket.gethostname()):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host)).is_loopback
    except ValueError:
        return False


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    position = _ASKED.get(event)
    if position is None:
        return
    asked = arguments[position]
    # A Unix socket's address is a path, an internet address a tuple that starts with the host.
    if position == 1:
        if not isinstance(asked, tuple):
            return
        asked = asked[0]
    if not _is_local(asked):
        raise NetworkForbidden(f"{event} to {asked!r}: tests talk to this machine only")


# An audit hook sees every library and every thread, whichever way it imported `socket`; it cannot be taken off again.
_hook: Callable[[str, tuple[object, ...]], None] = _guard
sys.addaudithook(_hook)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """URL of a real Redis server."""
    yield from shared_server()


@pytest.fixture
def redis_url(redis_server: str) -> Iterator[str]:
    """Store URL of empty books on a real Redis server."""
    yield from own_books(redis_server)


@pytest.fixture
def private_redis() -> Iterator[RedisServer]:
    """A real Redis server that a test may stop and start again; every write is on disk before it answers."""
    server = RedisServer(appendonly="yes", appendfsync="always").start()
    yield server
    server.end()


@pytest.fixture(scope="session")
def postgres_database() -> Iterator[str]:
    """The URL of a PostgreSQL database that this run of the tests has for itself; skips where there is no server."""
    with new_database(server_url()) as url:
        yield url


@pytest.fixture
def postgres_url(postgres_database: str) -> Iterator[str]:
    """The URL of a PostgreSQL schema that this test has for itself."""
    with new_schema(postgres_database) as url:
        yield url
