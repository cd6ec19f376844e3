"""How fast a store books: pairs of hold and settle a second, and the time that one pair in a hundred exceeds.

Concurrency is threads of one process on one scope. Python's threads share the interpreter's lock, a memory ledger has
one lock and a SQLite ledger one connection, so more threads bring no more pairs: the figures tell what waiting for each
other costs. What is timed is the ledger alone; requests are made before.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from langroute.books import Amount, HoldRequest, Limits
from langroute.protocols import Ledger

CONCURRENCY = (1, 8, 64)
AMOUNT = Amount(nano_usd=12_500_000, input_tokens=1_000, output_tokens=1_000)
_PLENTY = Limits(nano_usd=2**60)

clock: Callable[[], float] = time.perf_counter


def use_cpu_clock() -> None:
    """Count the processor's seconds in `pairs_per_s`, for a busy machine; what a server does is not among them."""
    global clock  # noqa: PLW0603 - one clock for all stores of a run
    clock = time.process_time


def pairs_per_s(ledger: Ledger, *, threads: int, pairs: int, run: str) -> float:
    """Pairs of hold and settle a second.

    Args:
        ledger: a store.
        threads: how many book at once.
        pairs: how many pairs in all.
        run: name of the scope and part of the ids, so that no hold is taken twice.
    """
    shares = _shares(ledger, threads, pairs, run)

    def work(share: Sequence[HoldRequest]) -> None:
        for request in share:
            ledger.hold(request)
            ledger.settle(request.id, AMOUNT, at=2.0)

    with _started(work, shares) as seconds:
        pass
    return sum(map(len, shares)) / seconds()


def p99_ms(ledger: Ledger, *, threads: int, pairs: int, run: str) -> float:
    """Milliseconds that one pair in a hundred exceeds; as `pairs_per_s`, with a clock around each pair."""
    shares, took = _shares(ledger, threads, pairs, run), []

    def work(share: Sequence[HoldRequest]) -> None:
        own = []
        for request in share:
            began = time.perf_counter()
            ledger.hold(request)
            ledger.settle(request.id, AMOUNT, at=2.0)
            own.append(time.perf_counter() - began)
        took.extend(own)

    with _started(work, shares):
        pass
    took.sort()
    return took[math.ceil(0.99 * len(took)) - 1] * 1e3


def _shares(ledger: Ledger, threads: int, pairs: int, run: str) -> list[list[HoldRequest]]:
    scope = f"bench:{run}"
    ledger.open(scope, _PLENTY, at=0.0)
    ids = [f"{run}-{number}" for number in range(max(pairs // threads, 1) * threads)]
    made = [HoldRequest(id=name, scopes=(scope,), amount=AMOUNT, arm="gpt-4o", at=1.0) for name in ids]
    return [made[start::threads] for start in range(threads)]


@contextmanager
def _started(
    work: Callable[[Sequence[HoldRequest]], None], shares: Sequence[Sequence[HoldRequest]]
) -> Iterator[Callable[[], float]]:
    """Threads that start together; ended at the end of the block, and then the seconds they took are known."""
    gate, failures = threading.Barrier(len(shares) + 1), []

    def one(share: Sequence[HoldRequest]) -> None:
        gate.wait()
        try:
            work(share)
        except Exception as exc:  # told below: a thread's own error would be lost
            failures.append(exc)

    threads = [threading.Thread(target=one, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    gate.wait()
    began, ended = clock(), 0.0
    yield lambda: ended - began
    for thread in threads:
        thread.join()
    ended = clock()
    if failures:
        raise failures[0]
