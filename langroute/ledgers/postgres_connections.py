"""Connections to one PostgreSQL server: opened when needed, lent to one thread at a time, kept for the next."""

import os
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Lock
from typing import Any
from weakref import WeakSet

from psycopg import Connection, Error
from psycopg.pq import TransactionStatus

Link = Connection[Any]


class Connections:
    """A few connections that all threads of this process share.

    No thread of its own works here and nothing is opened before it is asked for. A thread that finds all of them lent
    waits for one. A forked child starts with none: what it inherited belongs to its parent and is never touched.

    Args:
        connect: opens a connection.
        most: connections at most.
    """

    def __init__(self, connect: Callable[[], Link], *, most: int) -> None:
        self._connect = connect
        self._most = most
        self._idle: list[Link] = []
        self._lent: set[Link] = set()
        self._begin()
        with _registering:
            _living.add(self)

    def take(self, *, wait_s: float) -> Link:
        """A connection for the calling thread alone, to be given back.

        Raises:
            TimeoutError: all of them stayed lent for ``wait_s`` seconds.
            psycopg.Error: a new one was needed and could not be opened.
        """
        with self._change:
            if not self._change.wait_for(lambda: self._idle or self._open < self._most, timeout=wait_s):
                raise TimeoutError
            if self._idle:
                link = self._idle.pop()
                self._lent.add(link)
                return link
            self._open += 1
        return self._opened()

    def give(self, link: Link) -> None:
        """Take a connection back; one that is broken, inside a transaction or lent before a `clear` is closed."""
        sound = not link.closed and link.info.transaction_status == TransactionStatus.IDLE
        with self._change:
            sound = link in self._lent and sound
            self._lent.discard(link)
            if sound:
                self._idle.append(link)
            else:
                self._open -= 1
            self._change.notify()
        if not sound:
            _close(link)

    def clear(self) -> None:
        """Close what is idle now, and what is lent when it comes back."""
        with self._change:
            idle = self._idle
            self._idle = []
            self._lent.clear()
            self._open -= len(idle)
            self._change.notify_all()
        for link in idle:
            _close(link)

    def __del__(self) -> None:
        """Close what nobody closed, unless it is another process's."""
        if getattr(self, "_pid", None) == os.getpid():
            for link in self._idle:
                _close(link)

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._change = Condition(Lock())
        self._idle = []
        self._lent = set()
        self._open = 0

    def _opened(self) -> Link:
        try:
            link = self._connect()
        except BaseException:
            with self._change:
                self._open -= 1
                self._change.notify()
            raise
        with self._change:
            self._lent.add(link)
        return link

    def _forked(self) -> None:
        _inherited.extend((*self._idle, *self._lent))  # closing them here would end the parent's sessions
        self._begin()


def _close(link: Link) -> None:
    with suppress(Error, OSError):
        link.close()


_living: "WeakSet[Connections]" = WeakSet()
_registering = Lock()
_inherited: list[Link] = []


def _after_fork() -> None:
    global _registering  # noqa: PLW0603 - a thread that no longer exists may have held it
    _registering = Lock()
    for connections in list(_living):
        connections._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
