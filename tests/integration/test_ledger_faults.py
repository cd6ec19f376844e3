"""The faults that every store must survive, on the stores that need no server; see `tests/ledger_faults.py`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ledger_faults
import pytest

from langroute.books import Amount
from langroute.ledgers import MemoryLedger, SqliteLedger
from langroute.ledgers.audit import audit
from langroute.protocols import Ledger


@pytest.fixture(params=["memory", "sqlite"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger of each kind."""
    made: Ledger = MemoryLedger() if request.param == "memory" else SqliteLedger(tmp_path / "books.db")
    yield made
    made.close()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A store that processes can share."""
    return f"sqlite:///{tmp_path}/books.db"


def test_64_threads_on_one_budget(ledger: Ledger) -> None:
    """As many calls are admitted as fit; reading before writing overspends."""
    ledger_faults.race_threads(ledger)


async def test_64_tasks_on_one_budget(ledger: Ledger) -> None:
    """As many calls are admitted as fit; reading before writing overspends."""
    await ledger_faults.race_tasks(ledger)


def test_8_processes_on_one_budget(url: str) -> None:
    """As many calls are admitted as fit; reading before writing overspends."""
    ledger_faults.race_processes(url)


def test_a_process_that_dies_mid_call(url: str) -> None:
    """Its hold counts on, expires at its worst case and can be put right."""
    ledger_faults.die_mid_call(url)


def test_processes_that_die_at_any_moment(url: str) -> None:
    """What was answered is booked, what was not is whole, and lines sum to books."""
    ledger_faults.die_at_any_moment(url)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forks_while_the_parent_writes(url: str) -> None:
    """Both sides of a fork book into the same file and lose nothing."""
    ledger_faults.fork_while_writing(url)


FILL = """
import resource, signal, sys
from langroute.books import Amount, HoldRequest, Limits
from langroute.errors import LedgerUnavailable
from langroute.ledgers import open_ledger

ledger = open_ledger(sys.argv[1])
ledger.open("episode:a", Limits(nano_usd=10**9), at=0.0)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, resource.RLIM_INFINITY))

def spend(number):
    ledger.hold(HoldRequest(id=f"h{number}", scopes=("episode:a",), amount=Amount(nano_usd=2), arm="x" * 900, at=1.0))
    print("held", f"h{number}", flush=True)
    ledger.settle(f"h{number}", Amount(nano_usd=1), at=2.0)
    print("settled", f"h{number}", flush=True)

number = 0
while True:
    try:
        spend(number)
    except LedgerUnavailable:
        break
    number += 1
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
spend(number + 1)
ledger.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no limits for files")
def test_a_disk_that_is_really_full(url: str) -> None:
    """Where the system refuses to write any more, calls are refused, what was answered stays, and later calls work."""
    done = subprocess.run(  # noqa: S603 - this interpreter, a script of this file
        [sys.executable, "-c", FILL, url], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    told = [tuple(line.split()) for line in done.stdout.splitlines()]
    with ledger_faults.open_ledger_closing(url) as ledger:
        entries = {entry.id: entry for entry in ledger.entries("episode:a")}
        assert len(told) > 20
        assert entries.keys() == {name for word, name in told if word == "held"}
        settled = {name for word, name in told if word == "settled"}
        assert {name for name, entry in entries.items() if entry.settled == Amount(nano_usd=1)} == settled
        assert audit(ledger, "episode:a").sound
