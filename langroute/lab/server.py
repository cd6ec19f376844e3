"""An OpenAI-compatible server for the lab's models, on the standard library.

>>> with LabServer() as server:  # doctest: +SKIP
...     ChatOpenAI(model="lab-small", base_url=server.base_url, api_key="lab").invoke("...")
"""

import socket
import threading
import time
from collections.abc import Callable
from socketserver import ThreadingTCPServer
from types import TracebackType
from typing import Any, Self

from langroute.errors import ConfigError, LangrouteError
from langroute.lab.faults import INJECTABLE, Cut, FaultPlan, Gate, status_error
from langroute.lab.formats import ChatFormat, WireFormat
from langroute.lab.handler import ChatHandler
from langroute.lab.meter import Meter
from langroute.lab.protocols import Engine
from langroute.lab.service import LabService

_POLL_S = 0.02


class LabServer:
    """Serves chat completions on loopback, and keeps a meter of what it served.

    Nothing is opened before `start` (or ``with``); after `stop` no thread, socket or connection is left. Requests are
    answered in parallel, one thread per connection, and connections are kept alive.

    Args:
        port: the port to listen on; 0 takes a free one.
        host: the address to listen on.
        engine: the models; None serves the lab's own.
        api_key: the key clients must send; None asks for none.
        clock: seconds on a clock that never goes back, for the lifetime of cached prompts.
        service: what answers, instead of one made of ``engine`` and ``clock``.
        format: the provider whose API is spoken; None speaks OpenAI's chat completions.

    Attributes:
        service: what answers: engine, prompt cache and meter.
        format: how it is asked and answers on the wire.
        faults: what coming requests will meet.
        api_key: the key clients must send.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        engine: Engine | None = None,
        api_key: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        service: LabService | None = None,
        format: WireFormat | None = None,  # noqa: A002 - the word for it
    ) -> None:
        self.service = LabService(engine=engine, clock=clock) if service is None else service
        self.format: WireFormat = ChatFormat() if format is None else format
        self.faults = FaultPlan()
        self.api_key = api_key
        self._address = (host, port)
        self._http: LabHttpServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def meter(self) -> Meter:
        """What was served and what it costs."""
        return self.service.meter

    @property
    def base_url(self) -> str:
        """Where clients send requests, for example ``http://127.0.0.1:8000/v1``.

        Raises:
            LangrouteError: the server is not running.
        """
        if self._http is None:
            raise LangrouteError("the server is not running: call start(), or use it in a with statement")
        host, port = self._http.server_address[:2]
        return f"http://{host!s}:{port}/v1"

    def start(self) -> Self:
        """Listen, and serve from a thread of its own. Returns the server itself.

        Raises:
            ConfigError: the address cannot be listened on.
            LangrouteError: it runs already.
        """
        if self._http is not None:
            raise LangrouteError("the server runs already: stop() it first, or make another one")
        host, port = self._address
        try:
            self._http = LabHttpServer(self._address, self)
        except (OSError, OverflowError) as exc:
            raise ConfigError(f"cannot listen on {host}:{port} ({exc}); port 0 takes a free one", field="port") from exc
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(_POLL_S,), name="langroute-lab-server", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Take no more connections, break off open ones, and wait until all threads have ended. Again is harmless."""
        http, thread = self._http, self._thread
        self._http = self._thread = None
        if http is None or thread is None:
            return
        http.shutdown()
        thread.join()
        self.faults.release()
        http.server_close()

    def note_request(self, body: object) -> None:
        """Called with the decoded JSON of every chat request, also of those refused; here it is not kept."""

    def wait_idle(self, *, timeout_s: float = 10.0) -> None:
        """Return once no request is being answered, so that the meter has seen every one, clients gone or not.

        Raises:
            TimeoutError: some request is still being answered.
        """
        if self._http is not None and not self._http.requests.wait_none(timeout_s):
            raise TimeoutError(f"a request is still being answered after {timeout_s:g} s")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def inject(self, *, status: int, times: int = 1, retry_after: float | None = None) -> None:
        """Refuse the next chat requests with an error of the server's; nothing is metered for them.

        Args:
            status: 429, 500, 503 or 529.
            times: how many requests.
            retry_after: seconds for the ``retry-after`` header; None leaves it out.

        Raises:
            ConfigError: another status.
        """
        if status not in INJECTABLE:
            raise ConfigError(f"must be one of {', '.join(map(str, INJECTABLE))}, not {status}", field="status")
        self.faults.plan_errors(status_error(status, retry_after=retry_after) for _ in range(times))

    def inject_cut(self, *, after_chunks: int = 2, clean: bool = False) -> None:
        """Break off the next stream, without finish reason, usage or ``[DONE]``.

        Args:
            after_chunks: chunks the client still gets.
            clean: end the response in good order, as some proxies do; else the connection just closes.
        """
        self.faults.plan_cut(Cut(after_chunks=after_chunks, clean=clean))

    def inject_gate(self, *, after_chunks: int = 0) -> Gate:
        """Hold the next chat request at a gate, until the gate is opened or the server stops."""
        gate = Gate(after_chunks=after_chunks)
        self.faults.plan_gate(gate)
        return gate


class RequestCount:
    """How many requests are being answered. Safe to use from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running = 0

    def __enter__(self) -> None:
        with self._changed:
            self._running += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._running -= 1
            self._changed.notify_all()

    def wait_none(self, timeout_s: float) -> bool:
        """Wait until none is; False when that takes longer than a number of seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._running == 0, timeout_s)


class LabHttpServer(ThreadingTCPServer):
    """Knows its connections and their threads, so that closing it leaves neither behind.

    Not `http.server.ThreadingHTTPServer`: that asks the resolver for this host's name when it binds.
    """

    allow_reuse_address = True

    request_queue_size = 128
    daemon_threads = True  # a server that nobody stopped must not keep the process alive; server_close joins them

    def __init__(self, address: tuple[str, int], lab: LabServer) -> None:
        self.lab = lab
        self.requests = RequestCount()
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        super().__init__(address, ChatHandler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own."""
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name="langroute-lab-connection",
            daemon=True,
        )
        with self._lock:
            self._open[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection that was served."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Let a client go away without a word; the handler logs whatever else fails."""

    def server_close(self) -> None:
        """Stop listening, break off all connections and wait for their threads."""
        super().server_close()
        with self._lock:
            left = dict(self._open)
        for connection in left:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # its thread has just closed it
        for thread in left.values():
            thread.join()
