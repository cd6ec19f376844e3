"""Every fault of the file is `LedgerUnavailable` with nothing booked, and the ledger works again once it is gone."""

import pickle
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from langroute.books import Amount, HoldRequest, Limits
from langroute.errors import BudgetExceeded, LedgerError, LedgerUnavailable
from langroute.ledgers import SqliteLedger
from langroute.ledgers.posting import Posting


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    """A ledger with one scope."""
    ledger = SqliteLedger(tmp_path / "books.db", busy_timeout_s=0.01)
    ledger.open("episode:a", Limits(nano_usd=100_000), at=0.0)
    yield ledger
    ledger.close()


def hold(ledger: SqliteLedger, hold_id: str, *, arm: str = "small") -> None:
    """Hold one nano-dollar."""
    ledger.hold(HoldRequest(id=hold_id, scopes=("episode:a",), amount=Amount(nano_usd=1), arm=arm))


def hold_many(ledger: SqliteLedger, answered: list[str]) -> None:
    """Take large holds, noting each that was answered."""
    for number in range(1, 1_000):
        hold(ledger, f"h{number}", arm="x" * 500)
        answered.append(f"h{number}")


def test_nothing_is_opened_before_first_use(tmp_path: Path) -> None:
    """The constructor touches no file, so a wrong path is told by the first call, with the way out."""
    ledger = SqliteLedger(tmp_path / "no such directory" / "books.db")
    with pytest.raises(LedgerUnavailable, match=r"books.db: unable to open.*Check that its directory exists"):
        ledger.balance("episode:a")
    (tmp_path / "no such directory").mkdir()
    assert ledger.open("episode:a", Limits(), at=0.0).calls == 0
    ledger.close()


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Somebody else's file is never written to; when it has gone, the same ledger works."""
    path = tmp_path / "books.db"
    path.write_text("Dear diary, " * 500)
    ledger = SqliteLedger(path)
    with pytest.raises(LedgerUnavailable, match=r"not a database.*Point the store at another file") as caught:
        ledger.open("episode:a", Limits(), at=0.0)
    assert isinstance(caught.value.__cause__, sqlite3.DatabaseError)
    assert path.read_text() == "Dear diary, " * 500
    path.unlink()
    ledger.open("episode:a", Limits(), at=0.0)
    ledger.close()


def test_corrupt_books_are_told_and_a_backup_brings_them_back(ledger: SqliteLedger) -> None:
    """Damaged pages are an error with the way out; a restored file is read by the same ledger."""
    hold(ledger, "h")
    ledger.close()
    sound = ledger.path.read_bytes()
    ledger.path.write_bytes(sound[:4096] + b"\xff" * (len(sound) - 4096))
    with pytest.raises(LedgerUnavailable, match=r"malformed.*Restore the file from a backup"):
        hold(ledger, "next")
    ledger.close()
    ledger.path.write_bytes(sound)
    assert ledger.balance("episode:a").held == Amount(nano_usd=1)
    hold(ledger, "next")


def test_a_full_disk_refuses_calls_and_loses_nothing(ledger: SqliteLedger) -> None:
    """Every hold that was answered is in the books, the refused one is nowhere, and later calls work again."""
    hold(ledger, "h0")
    connection = ledger._database._connection
    assert connection is not None
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
    answered = ["h0"]
    with pytest.raises(LedgerUnavailable, match=r"disk is full.*Nothing of this call was stored.*Free some space"):
        hold_many(ledger, answered)
    assert [entry.id for entry in ledger.entries("episode:a")] == answered
    hold(ledger, f"h{len(answered)}", arm="x" * 500)
    assert ledger.balance("episode:a").calls == len(answered) + 1


def test_a_locked_file_refuses_and_is_used_again_when_free(ledger: SqliteLedger) -> None:
    """A writer that never ends makes a hold fail closed after the time-out; a settlement waits for the next try."""
    hold(ledger, "h")
    other = sqlite3.connect(ledger.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailable, match=r"locked.*Another process keeps the file locked"):
        hold(ledger, "next")
    with pytest.raises(LedgerUnavailable, match="locked"):
        ledger.settle("h", Amount(), at=1.0)
    assert ledger.balance("episode:a").calls == 1
    other.close()
    ledger.settle("h", Amount(), at=1.0)
    hold(ledger, "next")


def test_books_of_a_newer_version_are_not_touched(ledger: SqliteLedger) -> None:
    """A file that a newer langroute wrote is refused by name, not misread."""
    ledger.close()
    with sqlite3.connect(ledger.path) as other:
        other.execute("UPDATE langroute_schema SET version = 99 WHERE room = 'ledger'")
    other.close()
    with pytest.raises(LedgerUnavailable, match=r"ledger has version 99, this langroute knows \d+.*Upgrade langroute"):
        ledger.balance("episode:a")


def test_sums_beyond_64_bits_are_refused_not_rounded(ledger: SqliteLedger) -> None:
    """SQLite would turn an overflowing sum into a float: such a settlement is refused and the books stay exact."""
    for number in range(2):
        hold(ledger, f"h{number}")
    ledger.settle("h0", Amount(nano_usd=2**62), at=1.0)
    with pytest.raises(LedgerUnavailable):
        ledger.settle("h1", Amount(nano_usd=2**62), at=1.0)
    assert ledger.balance("episode:a").used == Amount(nano_usd=2**62 + 1)


def test_names_that_are_no_unicode_text_are_refused(ledger: SqliteLedger) -> None:
    """A lone surrogate cannot be stored: the call fails clearly and the next one works."""
    with pytest.raises(LedgerError, match="surrogates not allowed"):
        ledger.open("episode:\ud800", Limits(), at=0.0)
    hold(ledger, "h")


def test_an_interrupted_hold_is_undone(ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of a transaction books nothing and leaves no lock behind."""

    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Posting, "balance", interrupted)
        with pytest.raises(KeyboardInterrupt):
            hold(ledger, "h")
    assert ledger.balance("episode:a").used == Amount()
    hold(ledger, "h")


def test_the_ledger_is_pickled_by_its_path(ledger: SqliteLedger) -> None:
    """A copy is another door to the same books."""
    copy: SqliteLedger = pickle.loads(pickle.dumps(ledger))
    hold(copy, "h")
    assert copy.path == ledger.path
    assert ledger.balance("episode:a") == copy.balance("episode:a")
    copy.close()


def test_errors_of_the_budget_leave_the_file_open(ledger: SqliteLedger) -> None:
    """A refusal is an answer, not a fault: the connection stays, and so do the books."""
    connection = ledger._database._connection
    with pytest.raises(BudgetExceeded):
        ledger.hold(HoldRequest(id="h", scopes=("episode:a",), amount=Amount(nano_usd=100_001)))
    assert ledger._database._connection is connection
    assert ledger.balance("episode:a").calls == 0


def test_the_disk_is_waited_for_every_few_hundred_steps(tmp_path: Path) -> None:
    """Commits reach the log, which survives the process; the log is carried over, with a sync, only when it is long."""
    ledger = SqliteLedger(tmp_path / "books.db")
    ledger.open("episode:1", Limits(), at=0.0)
    with ledger._database.read() as connection:
        settings = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
        pages = connection.execute("PRAGMA wal_autocheckpoint").fetchone()[0]
    assert (settings, pages) == (["wal", 1], 10_000)
    ledger.close()
