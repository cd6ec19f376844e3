"""Faults a test can plan: refusals, cut streams, and gates that hold a request until the test lets it go."""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from langroute.lab.refusals import ApiError

OVERLOADED = 529
"""Anthropic's status for a service that has too much to do."""

_WORDS: dict[int, tuple[str, str, str | None]] = {
    429: ("Rate limit reached for requests. Please try again later.", "requests", "rate_limit_exceeded"),
    500: ("The server had an error while processing your request. Sorry about that!", "server_error", None),
    503: ("The engine is currently overloaded, please try again later.", "service_unavailable", None),
    OVERLOADED: ("Overloaded", "overloaded_error", None),
}
INJECTABLE = tuple(_WORDS)
"""The statuses that can be planned."""


def status_error(status: int, *, retry_after: float | None = None) -> ApiError:
    """A refusal that is not the request's fault, worded as the real API words it.

    Args:
        status: one of `INJECTABLE`.
        retry_after: seconds for the ``retry-after`` header; None leaves it out.
    """
    message, kind, code = _WORDS[status]
    headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
    return ApiError(message, status=status, type=kind, code=code, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Where a stream breaks off.

    Attributes:
        after_chunks: chunks the client still gets.
        clean: the response ends in good order but short, as behind some proxies; else the connection just closes.
    """

    after_chunks: int
    clean: bool


class Gate:
    """Holds one request until it is opened, so that tests wait for events and never for time.

    Attributes:
        after_chunks: chunks of a stream that are sent before it waits; other requests wait before they are answered.
    """

    def __init__(self, *, after_chunks: int = 0) -> None:
        self.after_chunks = after_chunks
        self._reached = threading.Event()
        self._open = threading.Event()

    def wait_reached(self, *, timeout_s: float = 10.0) -> None:
        """Return once a request stands before the gate.

        Raises:
            TimeoutError: none came in time.
        """
        if not self._reached.wait(timeout_s):
            raise TimeoutError(f"no request reached the gate within {timeout_s:g} s")

    def open(self) -> None:
        """Let the request go on, and never hold another one."""
        self._open.set()

    def pass_through(self) -> None:
        """Stand before the gate until it is opened; the server's side."""
        self._reached.set()
        self._open.wait()


class FaultPlan:
    """The faults that coming requests will meet, each used once. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._errors: deque[ApiError] = deque()
        self._cuts: deque[Cut] = deque()
        self._gates: deque[Gate] = deque()
        self._taken: set[Gate] = set()

    def plan_errors(self, errors: Iterable[ApiError]) -> None:
        """Refuse the next requests with these."""
        with self._lock:
            self._errors.extend(errors)

    def plan_cut(self, cut: Cut) -> None:
        """Break off the next stream."""
        with self._lock:
            self._cuts.append(cut)

    def plan_gate(self, gate: Gate) -> None:
        """Hold the next request."""
        with self._lock:
            self._gates.append(gate)

    def next_error(self) -> ApiError | None:
        """The refusal the next request meets."""
        with self._lock:
            return self._errors.popleft() if self._errors else None

    def next_cut(self) -> Cut | None:
        """Where the next stream breaks off."""
        with self._lock:
            return self._cuts.popleft() if self._cuts else None

    def next_gate(self) -> Gate | None:
        """The gate the next request meets; it stays known, so that `release` can open it."""
        with self._lock:
            if not self._gates:
                return None
            gate = self._gates.popleft()
            self._taken.add(gate)
            return gate

    def release(self) -> None:
        """Forget what is planned and open every gate a request stands before."""
        with self._lock:
            self._errors.clear()
            self._cuts.clear()
            gates = [*self._gates, *self._taken]
            self._gates.clear()
            self._taken.clear()
        for gate in gates:
            gate.open()
