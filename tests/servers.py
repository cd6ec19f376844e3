"""Real Redis servers for tests: one to share, and private ones that a test may stop, kill and starve."""

import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self
from uuid import uuid4

import pytest
import redis

STANDARD = "redis://127.0.0.1:6379/0"
NAMED = "LANGROUTE_TEST_REDIS_URL"
REQUIRED = "LANGROUTE_REQUIRE_STORES"
BINARIES = ("redis-server", "valkey-server")
_STARTS_WITHIN_S = 20.0


class RedisServer:
    """A server of its own on a spare port, with its files in a folder of its own. Ended with `stop` or `end`.

    Args:
        settings: more of redis.conf, as ``name=value``; underscores stand for dashes. It keeps nothing on disk unless
            they say so.
        limited_to: most bytes that any of its files may have; None is no limit.
    """

    def __init__(self, *, limited_to: int | None = None, **settings: str) -> None:
        self._binary = binary()
        self.folder = Path(tempfile.mkdtemp(prefix="langroute-redis-"))
        self.port = spare_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._limited_to = limited_to
        self._settings = {"save": "", "appendonly": "no"} | {
            name.replace("_", "-"): value for name, value in settings.items()
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, password: str | None = None) -> Self:
        """Start it on its port and its files, and return when it answers (to this password, where it asks for one)."""
        own = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.folder), "daemonize": "no"}
        options = [word for name, value in (own | self._settings).items() for word in (f"--{name}", value)]
        command = [self._binary, *options]
        if self._limited_to is not None:  # the server is to be told of a full disk, not killed by a signal
            command = ["/bin/sh", "-c", f'trap "" XFSZ; ulimit -f {self._limited_to // 512}; exec "$@"', "sh", *command]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - the binary we looked up
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while not answers(self.url, password=password):
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "log").read_text("utf-8")[-500:]
                self.end()
                pytest.fail(f"redis-server did not start: {said}")
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """Ask it to end, as an operator does; what its settings keep on disk is kept."""
        self._end("terminate")

    def kill(self) -> None:
        """End it without warning."""
        self._end("kill")

    def wait(self) -> int:
        """Wait until it ends by itself; its exit status."""
        assert self._process is not None
        return self._process.wait(timeout=_STARTS_WITHIN_S)

    def end(self) -> None:
        """End it and take its files away."""
        self._end("kill")
        shutil.rmtree(self.folder, ignore_errors=True)

    def end_of_limit(self) -> None:
        """Let its files grow again when it starts next."""
        self._limited_to = None

    def client(self) -> redis.Redis:
        """A plain connection to it."""
        return redis.Redis(host="127.0.0.1", port=self.port, decode_responses=True)

    def _end(self, how: str) -> None:
        process, self._process = self._process, None
        if process is not None:
            getattr(process, how)()
            process.wait(timeout=_STARTS_WITHIN_S)


def spare_port() -> int:
    """A port nobody listens on at this moment; below those that systems give to outgoing connections.

    A server that is stopped in a test finds it free when it comes back.
    """
    while True:
        port = random.randint(20_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def binary() -> str:
    """The server's program; without one the test is skipped, or fails where stores are required."""
    found = next((path for path in map(shutil.which, BINARIES) if path), None)
    if found is None:
        lacking(f"no {' or '.join(BINARIES)} on PATH to start a private server from")
    return found


def lacking(why: str) -> None:
    """Skip the test for want of a server; fail it where the environment says that servers are there."""
    if os.environ.get(REQUIRED):
        pytest.fail(f"{REQUIRED} is set, but {why}")
    pytest.skip(why)


def answers(url: str, *, password: str | None = None) -> bool:
    """Whether a Redis answers there and takes writes."""
    client = redis.Redis.from_url(url, password=password, socket_timeout=2, socket_connect_timeout=2)
    try:
        return client.info("replication")["role"] == "master"
    except redis.RedisError:
        return False
    finally:
        client.close()


def shared_server() -> Iterator[str]:
    """URL of a server for this run: the one the environment names, the one at the standard port, or a private one."""
    named = os.environ.get(NAMED)
    if named:
        if not answers(named):
            pytest.fail(f"{NAMED} is set, but no Redis that takes writes answers there")
        yield named
    elif answers(STANDARD):
        yield STANDARD
    else:
        server = RedisServer().start()
        try:
            yield server.url
        finally:
            server.end()


def own_books(server_url: str) -> Iterator[str]:
    """A store URL with a key prefix of its own, whose keys are deleted afterwards; nobody else's are touched."""
    prefix = f"langroute-test-{uuid4().hex}"
    yield f"{server_url}?prefix={prefix}"
    client = redis.Redis.from_url(server_url)
    keys = list(client.scan_iter(f"{{{prefix}}}:*", count=1000))
    for start in range(0, len(keys), 1000):
        client.unlink(*keys[start : start + 1000])
    client.close()
