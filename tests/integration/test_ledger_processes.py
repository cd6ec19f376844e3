"""One SQLite budget under several processes, some of which die."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from langroute.books import Amount, HoldRequest, Limits
from langroute.errors import BudgetExceeded
from langroute.ledgers import MemoryLedger, SqliteLedger

PROCESSES = 4
HOLDS = 60


def spend(ledger: SqliteLedger, process: int, limit: int, settled: int) -> int:
    """Open the scopes as if nobody had, then hold 10 and settle, again and again: how many holds were taken."""
    ledger.open("episode:a", Limits(nano_usd=limit), at=0.0)
    ledger.open("user:u", Limits(nano_usd=limit + 5, output_tokens=10_000), at=0.0)
    taken = 0
    for number in range(HOLDS):
        amount = Amount(nano_usd=10, output_tokens=1)
        try:
            ledger.hold(HoldRequest(id=f"{process}/{number}", scopes=("episode:a", "user:u"), amount=amount))
        except BudgetExceeded:
            continue
        taken += 1
        ledger.settle(f"{process}/{number}", Amount(nano_usd=settled, output_tokens=1), at=1.0)
    ledger.close()
    return taken


def race(ledger: SqliteLedger, *, limit: int, settled: int) -> list[int]:
    """The same in every process at once, the making of the file included; the ledger travels there by pickle."""
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        return pool.starmap(spend, [(ledger, process, limit, settled) for process in range(PROCESSES)], chunksize=1)


def test_processes_never_overspend_one_budget(tmp_path: Path) -> None:
    """4 processes race for a budget that fits 100 of their 240 holds: exactly 100 are taken."""
    ledger = SqliteLedger(tmp_path / "books.db")
    assert sum(race(ledger, limit=1_000, settled=10)) == 100
    assert ledger.balance("episode:a").spent == Amount(nano_usd=1_000, output_tokens=100)
    assert ledger.balance("user:u").spent == ledger.balance("episode:a").spent
    ledger.close()


def test_processes_that_all_fit_lose_nothing(tmp_path: Path) -> None:
    """4 processes whose holds all fit: none is refused, and the books are exact."""
    ledger = SqliteLedger(tmp_path / "books.db")
    assert race(ledger, limit=PROCESSES * HOLDS * 10, settled=4) == [HOLDS] * PROCESSES
    balance = ledger.balance("episode:a")
    assert (balance.spent.nano_usd, balance.held, balance.calls) == (PROCESSES * HOLDS * 4, Amount(), PROCESSES * HOLDS)
    assert len(ledger.entries("episode:a")) == PROCESSES * HOLDS
    ledger.close()


HOLD_AND_WAIT = """
import sys
from langroute.books import Amount, HoldRequest, Limits
from langroute.ledgers import SqliteLedger

ledger = SqliteLedger(sys.argv[1])
ledger.open("episode:a", Limits(nano_usd=100), at=0.0)
ledger.hold(HoldRequest(id="h", scopes=("episode:a",), amount=Amount(nano_usd=60)))
print("held", flush=True)
sys.stdin.read()
"""

TAKE_AND_WAIT = """
import sys
from langroute.books import Limits
from langroute.ledgers import SqliteLedger
from langroute.ledgers.database import sql_of

ledger = SqliteLedger(sys.argv[1])
ledger.open("episode:a", Limits(nano_usd=100), at=0.0)
row = dict(scope="episode:a", nano=60, input=0, output=0, retries=0, purpose="general", advanced=1)
with ledger._database.write() as connection:
    connection.execute(sql_of("langroute.ledgers")["take"], row)
    print("taken", flush=True)
    sys.stdin.read()
"""


def kill_at_its_first_word(script: str, path: Path) -> str:
    """Run a script until it has said something, then kill it without warning."""
    child = subprocess.Popen(  # noqa: S603 - this interpreter, a script of this file
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        word = child.stdout.readline().strip()
        child.kill()
    assert child.returncode == -signal.SIGKILL
    return word


def test_a_hold_survives_the_death_of_its_process(tmp_path: Path) -> None:
    """Killed while its call is under way: the hold is still in the books, still counts and can be settled."""
    path = tmp_path / "books.db"
    assert kill_at_its_first_word(HOLD_AND_WAIT, path) == "held"
    ledger = SqliteLedger(path)
    assert ledger.balance("episode:a").held == Amount(nano_usd=60)
    with pytest.raises(BudgetExceeded):
        ledger.hold(HoldRequest(id="next", scopes=("episode:a",), amount=Amount(nano_usd=41)))
    assert [entry.settled for entry in ledger.entries("episode:a")] == [None]
    ledger.settle("h", Amount(nano_usd=60), worst_case=True, at=1.0)
    assert ledger.balance("episode:a").spent == Amount(nano_usd=60)
    ledger.close()


def test_a_hold_half_taken_at_death_was_never_taken(tmp_path: Path) -> None:
    """Killed inside the transaction of a hold: nothing of it is in the books, and the next process is not kept out."""
    path = tmp_path / "books.db"
    assert kill_at_its_first_word(TAKE_AND_WAIT, path) == "taken"
    ledger = SqliteLedger(path)
    assert ledger.balance("episode:a").used == Amount()
    assert ledger.hold(HoldRequest(id="h", scopes=("episode:a",), amount=Amount(nano_usd=100))).calls == 1
    ledger.close()


FORKS = """
import os, sys
from threading import Event, Thread
from langroute.books import Amount, HoldRequest, Limits
from langroute.errors import LedgerError
from langroute.ledgers import MemoryLedger, SqliteLedger

def hold(ledger, id):
    return ledger.hold(HoldRequest(id=id, scopes=("episode:a",), amount=Amount(nano_usd=1)))

shared, memory = SqliteLedger(sys.argv[1]), MemoryLedger()
for ledger in (shared, memory):
    ledger.open("episode:a", Limits(nano_usd=1_000_000), at=0.0)
stop = Event()

def work():
    number = 0
    while not stop.is_set():
        hold(shared, f"parent/{number}")
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
                hold(shared, f"child{child}/{number}")
            shared.close()
            try:
                hold(memory, "h")
            except LedgerError as error:
                code = 0 if "after a fork" in str(error) else 2
        finally:
            os._exit(code)
    children.append(pid)
codes = [os.waitpid(pid, 0)[1] for pid in children]
stop.set()
thread.join()
hold(memory, "h")
entries = shared.entries("episode:a")
assert shared.balance("episode:a").calls == len(entries)
shared.close()
ids = [entry.id for entry in entries]
print(codes, sum(id.startswith("child") for id in ids), len(set(ids)) == len(ids))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_sqlite_books_work_on_both_sides_of_a_fork_and_memory_books_refuse(tmp_path: Path) -> None:
    """Children forked while the parent writes book into the same file and lose nothing; a memory ledger refuses."""
    done = subprocess.run(  # noqa: S603 - this interpreter, a script of this file
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKS, str(tmp_path / "books.db")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("[0, 0, 0, 0, 0] 100 True", "")


def test_a_memory_ledger_cannot_travel_to_another_process() -> None:
    """Pickling a memory ledger fails with the way out; each copy could have spent the same budget."""
    with pytest.raises(Exception, match="sqlite:///"):
        multiprocessing.reduction.ForkingPickler.dumps(MemoryLedger())
