"""What any store must survive, as bodies that take a ledger or a store URL: the same for every store.

Each race stands beside a control that does what budget checks without an atomic hold do: read the books, look, write.
"""

import asyncio
import multiprocessing
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from langroute.books import Amount, HoldRequest, Limits
from langroute.errors import BudgetExceeded, LedgerError
from langroute.ledgers import open_ledger
from langroute.ledgers.audit import audit
from langroute.protocols import Ledger

CENT = 10_000_000
CAP, CALL = 2 * CENT, CENT // 10 + 1
"""Two cents, and calls of a tenth of a cent and a nano-dollar: 19 of them fit, 20 do not."""
FIT = 19
SCOPE, PARENT, NAIVE = "episode:race", "user:race", "episode:naive"


def open_scopes(ledger: Ledger) -> None:
    """The budget, a parent that has room for more, and books without limits for the control."""
    ledger.open(SCOPE, Limits(nano_usd=CAP), at=0.0)
    ledger.open(PARENT, Limits(nano_usd=10 * CAP), at=0.0)
    ledger.open(NAIVE, Limits(), at=0.0)


def call(ledger: Ledger, name: str) -> bool:
    """One call: hold its worst case, settle a bit less. Whether it was admitted."""
    try:
        ledger.hold(HoldRequest(id=name, scopes=(SCOPE, PARENT), amount=Amount(nano_usd=CALL), at=1.0))
    except BudgetExceeded:
        return False
    ledger.settle(name, Amount(nano_usd=CALL), at=2.0)
    return True


def naive_look(ledger: Ledger) -> bool:
    """The control, first half: is there room for the call?"""
    return ledger.balance(NAIVE).used.nano_usd + CALL <= CAP


def naive_spend(ledger: Ledger, name: str) -> None:
    """The control, second half: book the call."""
    ledger.hold(HoldRequest(id=name, scopes=(NAIVE,), amount=Amount(nano_usd=CALL), at=1.0))
    ledger.settle(name, Amount(nano_usd=CALL), at=2.0)


def check_race(ledger: Ledger, admitted: int, *, naive: int) -> None:
    """As many calls as fit were admitted, every sum is proven; the control spent more than the cap."""
    assert admitted == FIT
    assert ledger.balance(SCOPE).spent == Amount(nano_usd=FIT * CALL)
    for scope in (SCOPE, PARENT, NAIVE):
        assert audit(ledger, scope).sound
        assert ledger.balance(scope).held == Amount()
    spent = ledger.balance(NAIVE).spent.nano_usd
    assert spent == naive * CALL
    assert spent > CAP, "a control that does not overspend would prove nothing"


def race_threads(ledger: Ledger, *, threads: int = 64) -> None:
    """64 threads, one call each, on one budget that fits 19."""
    open_scopes(ledger)
    barrier, admitted, granted = threading.Barrier(threads), [], []
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            barrier.wait()
            admitted.append(call(ledger, f"held-{number}"))
            room = naive_look(ledger)
            barrier.wait()
            if room:
                naive_spend(ledger, f"naive-{number}")
                granted.append(number)
        except BaseException as exc:  # an exception in a thread would otherwise go unseen
            errors.append(exc)
            barrier.abort()

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not errors
    check_race(ledger, sum(admitted), naive=len(granted))


async def race_tasks(ledger: Ledger, *, tasks: int = 64) -> None:
    """64 tasks of one event loop, one call each, on one budget that fits 19; a store that blocks gets threads."""

    async def perform(action: Callable[..., Any], *args: Any) -> Any:
        if ledger.blocking:
            return await asyncio.to_thread(action, *args)
        result = action(*args)
        await asyncio.sleep(0)  # the provider's turn: other tasks run here
        return result

    await perform(open_scopes, ledger)
    looked = asyncio.Barrier(tasks)

    async def work(number: int) -> tuple[bool, bool]:
        admitted = await perform(call, ledger, f"held-{number}")
        room = await perform(naive_look, ledger)
        await looked.wait()
        if room:
            await perform(naive_spend, ledger, f"naive-{number}")
        return admitted, room

    done: list[Awaitable[tuple[bool, bool]]] = [work(number) for number in range(tasks)]
    results = await asyncio.gather(*done)
    admitted, granted = [sum(column) for column in zip(*results, strict=True)]
    await perform(lambda: check_race(ledger, admitted, naive=granted))


_together: Any = None
"""In a process of `race_processes`: the barrier that it shares with the others."""


def _join(barrier: Any) -> None:
    global _together  # noqa: PLW0603 - the one way into a pool's processes
    _together = barrier


def _work(url: str, process: int, calls: int) -> tuple[int, int]:
    ledger, naive = open_ledger(url), 0
    try:
        open_scopes(ledger)
        _together.wait()
        admitted = sum(call(ledger, f"held-{process}-{number}") for number in range(calls))
        for number in range(calls):
            room = naive_look(ledger)
            _together.wait()
            if room:
                naive_spend(ledger, f"naive-{process}-{number}")
                naive += 1
    finally:
        ledger.close()
    return admitted, naive


def race_processes(url: str, *, processes: int = 8, calls: int = 5) -> None:
    """8 processes, 5 calls each, on one budget that fits 19 of the 40. The opening of the store races too."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    with context.Pool(processes, initializer=_join, initargs=(barrier,)) as pool:
        results = pool.starmap(_work, [(url, process, calls) for process in range(processes)], chunksize=1)
    admitted, granted = [sum(column) for column in zip(*results, strict=True)]
    ledger = open_ledger(url)
    check_race(ledger, admitted, naive=granted)
    ledger.close()


HOLD_AND_WAIT = """
import sys
from langroute.books import Amount, HoldRequest, Limits
from langroute.ledgers import open_ledger

ledger = open_ledger(sys.argv[1])
ledger.hold(HoldRequest(id="call", scopes=("episode:a", "user:u"), amount=Amount(nano_usd=60), at=10.0, expires=70.0,
                        opens=(("episode:a", Limits(nano_usd=100)), ("user:u", Limits(nano_usd=500)))))
print("held", flush=True)
sys.stdin.read()
"""

CALL_ON_AND_ON = """
import sys
from langroute.books import Amount, HoldRequest, Limits
from langroute.ledgers import open_ledger

ledger = open_ledger(sys.argv[1])
opens = (("episode:a", Limits()), ("user:u", Limits()))
number = 0
while True:
    name = f"h{number}"
    ledger.hold(HoldRequest(id=name, scopes=("episode:a", "user:u"), amount=Amount(nano_usd=7), opens=opens,
                            expires=9.0))
    print("held", name, flush=True)
    ledger.settle(name, Amount(nano_usd=5), at=1.0)
    print("settled", name, flush=True)
    number += 1
"""


def _started(script: str, url: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", script, url]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603


def die_mid_call(url: str) -> None:
    """Killed while its call is under way: the hold counts on, expires at its worst case, and can be put right."""
    with _started(HOLD_AND_WAIT, url) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "held"
        child.kill()
    assert child.returncode == -signal.SIGKILL
    ledger = open_ledger(url)
    both = ("episode:a", "user:u")
    with pytest.raises(BudgetExceeded):
        ledger.hold(HoldRequest(id="next", scopes=both, amount=Amount(nano_usd=41), at=20.0))
    assert ledger.expire(at=69.0) == ()
    (entry,) = ledger.expire(at=70.0)
    assert (entry.id, entry.settled, entry.worst_case, entry.expired) == ("call", Amount(nano_usd=60), True, True)
    with pytest.raises(BudgetExceeded):
        ledger.hold(HoldRequest(id="next", scopes=both, amount=Amount(nano_usd=41), at=80.0))
    corrected = ledger.correct("call", Amount(nano_usd=25), at=90.0, reason="the provider's bill")
    with pytest.raises(LedgerError):
        ledger.correct("next", Amount(), at=91.0)
    assert corrected.settled == Amount(nano_usd=25)
    ledger.hold(HoldRequest(id="next", scopes=both, amount=Amount(nano_usd=75), at=92.0))
    assert all(audit(ledger, scope).sound for scope in both)
    ledger.close()


def die_at_any_moment(url: str, *, times: int = 5, seed: int = 1) -> None:
    """Killed between any two instructions, again and again: what was answered is booked, what was not is whole."""
    chance = random.Random(seed)
    told: set[tuple[str, str]] = set()
    with open_ledger_closing(url) as ledger:
        for _ in range(times):
            told |= _killed_after(url, answers=chance.randint(1, 60))
            entries = {entry.id: entry for entry in ledger.entries("episode:a")}
            held = {name for word, name in told if word == "held"}
            settled = {name for word, name in told if word == "settled"}
            assert held <= entries.keys()
            assert all(entries[name].settled == Amount(nano_usd=5) for name in settled)
            assert len(entries.keys() - held) <= times, "at most the call under way at each death went unanswered"
            for scope in ("episode:a", "user:u"):
                assert audit(ledger, scope).sound
        ledger.expire(at=10.0)
        assert ledger.balance("user:u").held == Amount()
        assert audit(ledger, "user:u").sound


def _killed_after(url: str, *, answers: int) -> set[tuple[str, str]]:
    """What a child was told before it was killed; the lines that it could still write are read too."""
    with _started(CALL_ON_AND_ON, url) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(answers)]
        child.kill()
        lines += child.stdout.readlines()
    return {(word, name) for word, name in (line.split() for line in lines if line.endswith("\n"))}


class open_ledger_closing:  # noqa: N801 - used as a function
    """The ledger of a URL, closed at the end of the block."""

    def __init__(self, url: str) -> None:
        self.ledger = open_ledger(url)

    def __enter__(self) -> Ledger:
        return self.ledger

    def __exit__(self, *error: object) -> None:
        self.ledger.close()


FORK = """
import os, sys
from threading import Event, Thread
from langroute.books import Amount, HoldRequest, Limits
from langroute.ledgers import open_ledger
from langroute.ledgers.audit import audit

ledger = open_ledger(sys.argv[1])
ledger.open("episode:a", Limits(nano_usd=10**9), at=0.0)
stop = Event()

def spend(name):
    ledger.hold(HoldRequest(id=name, scopes=("episode:a",), amount=Amount(nano_usd=2)))
    ledger.settle(name, Amount(nano_usd=1), at=1.0)

def work():
    number = 0
    while not stop.is_set():
        spend(f"parent/{number}")
        number += 1

# The parent writes in another thread at every moment of the forks.
thread = Thread(target=work)
thread.start()
children = []
for child in range(5):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            for number in range(20):
                spend(f"child{child}/{number}")
            ledger.close()
            code = 0
        finally:
            os._exit(code)
    children.append(pid)
codes = [os.waitpid(pid, 0)[1] for pid in children]
stop.set()
thread.join()
ids = [entry.id for entry in ledger.entries("episode:a")]
print(codes, sum(name.startswith("child") for name in ids), len(set(ids)) == len(ids), audit(ledger, "episode:a").sound)
ledger.close()
"""


def fork_while_writing(url: str) -> None:
    """Children forked while the parent writes book into the same store and lose nothing."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
    assert (done.stdout.strip(), done.stderr) == ("[0, 0, 0, 0, 0] 100 True True", "")
