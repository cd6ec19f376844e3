"""One Redis budget under several processes, some of which die or fork."""

import multiprocessing
import os
import signal
import subprocess
import sys
from uuid import uuid4

import pytest
import redis

from langroute.books import Amount, HoldRequest, Limits
from langroute.errors import BudgetExceeded
from langroute.ledgers.redis import RedisLedger

PROCESSES = 8
HOLDS = 30
SCOPES = ("episode:a", "user:u")


def spend(ledger: RedisLedger, process: int, limit: int, naive_key: str) -> tuple[int, int]:
    """Open the scopes as if nobody had, then hold 10 and settle, again and again: holds taken, and naively granted."""
    naive = redis.Redis.from_url(ledger.url.partition("?")[0])
    ledger.open("episode:a", Limits(nano_usd=limit), at=0.0)
    ledger.open("user:u", Limits(nano_usd=limit + 5, output_tokens=10_000), at=0.0)
    taken = granted = 0
    for number in range(HOLDS):
        used = int(naive.get(naive_key) or 0)  # the control: read, look, write
        amount = Amount(nano_usd=10, output_tokens=1)
        try:
            ledger.hold(HoldRequest(id=f"{process}/{number}", scopes=SCOPES, amount=amount))
            taken += 1
            ledger.settle(f"{process}/{number}", amount, at=1.0)
        except BudgetExceeded:
            pass
        if used + 10 <= limit:
            naive.set(naive_key, used + 10)
            granted += 1
    naive.close()
    ledger.close()
    return taken, granted


def race(ledger: RedisLedger, server: str, *, limit: int) -> tuple[int, int]:
    """The same in every process at once; the ledger travels there by pickle."""
    key = f"langroute-test-naive-{uuid4().hex}"
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        told = pool.starmap(spend, [(ledger, process, limit, key) for process in range(PROCESSES)], chunksize=1)
    client = redis.Redis.from_url(server)
    client.delete(key)
    client.close()
    taken, granted = zip(*told, strict=True)
    return sum(taken), sum(granted)


def test_processes_never_overspend_where_reading_first_does(redis_url: str, redis_server: str) -> None:
    """8 processes race for a budget that fits 100 of their 240 holds: exactly 100 are taken; naively more are."""
    ledger = RedisLedger(redis_url)
    taken, granted = race(ledger, redis_server, limit=1_000)
    assert taken == 100 < granted
    assert ledger.balance("episode:a").spent == Amount(nano_usd=1_000, output_tokens=100)
    assert ledger.balance("user:u").spent == ledger.balance("episode:a").spent
    assert len(ledger.entries("episode:a")) == 100
    ledger.close()


def test_processes_that_all_fit_lose_nothing(redis_url: str, redis_server: str) -> None:
    """8 processes whose holds all fit: none is refused, and the books are exact."""
    ledger = RedisLedger(redis_url)
    taken, _ = race(ledger, redis_server, limit=PROCESSES * HOLDS * 10)
    balance = ledger.balance("episode:a")
    assert taken == PROCESSES * HOLDS == balance.calls == len(ledger.entries("user:u"))
    assert (balance.spent.nano_usd, balance.held) == (PROCESSES * HOLDS * 10, Amount())
    ledger.close()


HOLD_AND_WAIT = """
import sys
from langroute.books import Amount, HoldRequest, Limits
from langroute.ledgers.redis import RedisLedger

ledger = RedisLedger(sys.argv[1])
ledger.open("episode:a", Limits(nano_usd=100), at=0.0)
ledger.hold(HoldRequest(id="h", scopes=("episode:a",), amount=Amount(nano_usd=60)))
print("held", flush=True)
sys.stdin.read()
"""

SPEND_FOR_EVER = """
import sys
from langroute.books import Amount, HoldRequest, Limits
from langroute.ledgers.redis import RedisLedger

ledger = RedisLedger(sys.argv[1])
both = ("episode:a", "user:u")
for scope in both:
    ledger.open(scope, Limits(nano_usd=10**12), at=0.0)
print("spending", flush=True)
number = 0
while True:
    ledger.hold(HoldRequest(id=f"h{number}", scopes=both, amount=Amount(nano_usd=60)))
    ledger.settle(f"h{number}", Amount(nano_usd=20), at=1.0)
    number += 1
"""


def kill_at_its_first_word(script: str, url: str) -> None:
    """Run a script until it has said something, then kill it without warning."""
    child = subprocess.Popen(  # noqa: S603 - this interpreter, a script of this file
        [sys.executable, "-c", script, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        child.stdout.readline()
        child.kill()
    assert child.returncode == -signal.SIGKILL


def test_a_hold_survives_the_death_of_its_process(redis_url: str) -> None:
    """Killed while its call is under way: the hold is still in the books, still counts and can be settled."""
    kill_at_its_first_word(HOLD_AND_WAIT, redis_url)
    ledger = RedisLedger(redis_url)
    assert ledger.balance("episode:a").held == Amount(nano_usd=60)
    with pytest.raises(BudgetExceeded):
        ledger.hold(HoldRequest(id="next", scopes=("episode:a",), amount=Amount(nano_usd=41)))
    ledger.settle("h", Amount(nano_usd=60), worst_case=True, at=1.0)
    assert ledger.balance("episode:a").spent == Amount(nano_usd=60)
    ledger.close()


def test_death_in_the_middle_of_an_operation_leaves_all_of_it_or_nothing(redis_url: str) -> None:
    """Killed again and again while it spends: both scopes always agree, and lines add up to totals."""
    for _ in range(5):
        kill_at_its_first_word(SPEND_FOR_EVER, redis_url)
    ledger = RedisLedger(redis_url)
    entries = ledger.entries("episode:a")
    balances = [ledger.balance(scope) for scope in SCOPES]
    for balance in balances:
        assert balance.held.nano_usd == sum(60 for entry in entries if not entry.settled)
        assert balance.spent.nano_usd == sum(20 for entry in entries if entry.settled)
        assert balance.calls == len(entries)
    assert entries == ledger.entries("user:u")
    ledger.close()


FORKS = """
import os, sys
from threading import Event, Thread
from langroute.books import Amount, HoldRequest, Limits
from langroute.ledgers.redis import RedisLedger

def hold(id):
    return ledger.hold(HoldRequest(id=id, scopes=("episode:a",), amount=Amount(nano_usd=1)))

ledger = RedisLedger(sys.argv[1])
ledger.open("episode:a", Limits(nano_usd=1_000_000), at=0.0)
stop = Event()

def work(thread):
    number = 0
    while not stop.is_set():
        assert hold(f"parent/{thread}/{number}").scope == "episode:a"
        number += 1

# The parent books in other threads at every moment of the forks.
threads = [Thread(target=work, args=(number,)) for number in range(3)]
for thread in threads:
    thread.start()
children = []
for child in range(10):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            for number in range(20):
                hold(f"child{child}/{number}")
            ledger.close()
            code = 0
        finally:
            os._exit(code)
    children.append(pid)
codes = [os.waitpid(pid, 0)[1] for pid in children]
stop.set()
for thread in threads:
    thread.join()
hold("last")
entries = ledger.entries("episode:a")
assert ledger.balance("episode:a").calls == len(entries)
ledger.close()
ids = [entry.id for entry in entries]
print(codes, sum(id.startswith("child") for id in ids), len(set(ids)) == len(ids))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_books_work_on_both_sides_of_a_fork(redis_url: str) -> None:
    """Children forked while the parent books share no connection with it: every hold is in the books once."""
    done = subprocess.run(  # noqa: S603 - this interpreter, a script of this file
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKS, redis_url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("[0, 0, 0, 0, 0, 0, 0, 0, 0, 0] 200 True", "")
