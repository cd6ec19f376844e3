"""A TCP forwarder on loopback that can lose replies: it passes requests on and hangs up where an answer comes back."""

import selectors
import socket
from threading import Event, Thread
from types import TracebackType
from typing import Self


class Forwarder:
    """Stands between a client and a server on this machine.

    Args:
        target: port of the server.

    Attributes:
        port: where clients connect.
        lost: replies that were lost so far.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.lost = 0
        self._to_lose = 0
        self._hanging = False
        self._ended = Event()
        self._threads: list[Thread] = []

    def lose_replies(self, number: int) -> None:
        """Hang up on the next replies instead of passing them on; the server has done what was asked."""
        self._to_lose = number

    def hang(self) -> None:
        """Pass nothing on from now on, and do not hang up either."""
        self._hanging = True

    def __enter__(self) -> Self:
        """Begin to take connections."""
        self._run(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _run(self, work: object, *arguments: object) -> None:
        thread = Thread(target=work, args=arguments)  # type: ignore[arg-type] - methods below
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        self._listener.settimeout(0.05)
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            self._run(self._pass_on, client)

    def _pass_on(self, client: socket.socket) -> None:
        upstream = socket.create_connection(("127.0.0.1", self._target))
        with client, upstream as server, selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while not self._ended.is_set():
                for key, _ in ready.select(timeout=0.05):
                    if not self._moved(key.fileobj, key.data, from_server=key.fileobj is server):
                        return

    def _moved(self, source: object, sink: socket.socket, *, from_server: bool) -> bool:
        assert isinstance(source, socket.socket)
        data = source.recv(65536)
        if not data:
            return False
        if self._hanging:
            return True
        if from_server and self._to_lose:
            self._to_lose -= 1
            self.lost += 1
            return False
        sink.sendall(data)
        return True
