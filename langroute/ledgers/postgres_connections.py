"""Connections to one PostgreSQL server: opened when needed, lent to one thread at a time, kept for the next."""

import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
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
        self._pid = os.getpid()
        self._lock = Lock()
        self._turns: deque[_Turn] = deque()
        self._idle: list[Link] = []
        self._lent: set[Link] = set()
        self._open = 0
        with _registering:
            _living.add(self)

    def take(self, *, wait_s: float) -> Link:
        """A connection for the calling thread alone, to be given back. Threads that wait are served in turn.

        Raises:
            TimeoutError: all of them stayed lent for ``wait_s`` seconds.
            psycopg.Error: a new one was needed and could not be opened.
        """
        turn = _Turn()
        with self._lock:
            self._turns.append(turn)
            self._serve()
        try:
            served = turn.come.acquire(timeout=wait_s)
        except BaseException:  # an interrupted thread gives back what it may have got meanwhile
            if not self._leave(turn):
                self._refuse(turn)
            raise
        if not served and self._leave(turn):
            raise TimeoutError
        return turn.link or self._opened()

    def give(self, link: Link) -> None:
        """Take a connection back; one that is broken, inside a transaction or lent before a `clear` is closed."""
        sound = not link.closed and link.info.transaction_status == TransactionStatus.IDLE
        with self._lock:
            sound = link in self._lent and sound
            self._lent.discard(link)
            if sound:
                self._idle.append(link)
            else:
                self._open -= 1
            self._serve()
        if not sound:
            _close(link)

    def clear(self) -> None:
        """Close what is idle now, and what is lent when it comes back."""
        with self._lock:
            idle = self._idle
            self._idle = []
            self._lent.clear()
            self._open -= len(idle)
            self._serve()
        for link in idle:
            _close(link)

    def __del__(self) -> None:
        """Close what nobody closed, unless it is another process's."""
        if getattr(self, "_pid", None) == os.getpid():
            for link in self._idle:
                _close(link)

    def _serve(self) -> None:
        """Under the lock: give those who wait longest what there is, a connection or leave to open one."""
        while self._turns and (self._idle or self._open < self._most):
            turn = self._turns.popleft()
            if self._idle:
                turn.link = self._idle.pop()
                self._lent.add(turn.link)
            else:
                self._open += 1
            turn.come.release()

    def _leave(self, turn: "_Turn") -> bool:
        """Stop waiting; False when the turn had come after all."""
        with self._lock:
            if turn in self._turns:
                self._turns.remove(turn)
                return True
        return False

    def _refuse(self, turn: "_Turn") -> None:
        if turn.link is not None:
            self.give(turn.link)
            return
        with self._lock:
            self._open -= 1
            self._serve()

    def _opened(self) -> Link:
        try:
            link = self._connect()
        except BaseException:
            with self._lock:
                self._open -= 1
                self._serve()
            raise
        with self._lock:
            self._lent.add(link)
        return link

    def _forked(self) -> None:
        _inherited.extend((*self._idle, *self._lent))  # closing them here would end the parent's sessions
        self._pid, self._lock, self._open = os.getpid(), Lock(), 0
        self._turns, self._idle, self._lent = deque(), [], set()


class _Turn:
    """A thread that wants a connection; when its turn has come it has one, or leave to open one."""

    __slots__ = ("come", "link")

    def __init__(self) -> None:
        self.link: Link | None = None
        self.come = Lock()
        self.come.acquire()


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
