"""A file that an earlier langroute wrote goes on being the books."""

import sqlite3
from importlib import resources
from pathlib import Path

import pytest

from langroute.books import Amount, HoldRequest, Limits
from langroute.errors import BudgetExceeded
from langroute.ledgers import SqliteLedger
from langroute.ledgers.audit import audit

# What version 1 wrote for two calls of one episode, one of them open, with a reserve that is partly used.
FIRST_BOOKS = """
INSERT INTO ledger_scope (name, limit_nano, opened_at, calls, spent_nano, spent_output, held_nano)
    VALUES ('episode:a', 100, 5.0, 2, 30, 7, 40);
INSERT INTO ledger_purpose (scope, purpose, kept_nano, used_nano) VALUES ('episode:a', 'verification', 50, 40);
INSERT INTO ledger_purpose (scope, purpose, kept_nano, used_nano) VALUES ('episode:a', 'general', NULL, 30);
INSERT INTO ledger_hold (seq, id, purpose, arm, held_nano, held_input, held_output, held_retries, at,
                         settled_nano, settled_input, settled_output, settled_retries, worst_case, settled_at)
    VALUES (1, 'h1', 'general', 'large', 35, 0, 9, 0, 6.0, 30, 0, 7, 0, 1, 7.0);
INSERT INTO ledger_hold (seq, id, purpose, arm, held_nano, held_input, held_output, held_retries, at)
    VALUES (2, 'h2', 'verification', 'small', 40, 0, 0, 0, 8.0);
INSERT INTO ledger_hold_scope (hold, position, scope) VALUES (1, 0, 'episode:a'), (2, 0, 'episode:a');
"""


@pytest.fixture
def first(tmp_path: Path) -> SqliteLedger:
    """A ledger on a file of version 1."""
    script = (resources.files("langroute.ledgers") / "sql" / "migrations" / "0001_books.sql").read_text("utf-8")
    with sqlite3.connect(tmp_path / "books.db") as connection:
        connection.executescript(script + FIRST_BOOKS)
        connection.execute("CREATE TABLE langroute_schema (room TEXT PRIMARY KEY, version INTEGER NOT NULL)")
        connection.execute("INSERT INTO langroute_schema VALUES ('ledger', 1)")
    connection.close()
    return SqliteLedger(tmp_path / "books.db")


def test_books_of_the_first_version_stay_whole(first: SqliteLedger) -> None:
    """Limits, sums, reserves and lines are what they were, and they add up."""
    balance = first.balance("episode:a")
    assert balance.limits == Limits(nano_usd=100, reserves=(("verification", 50),))
    assert (balance.spent, balance.held.nano_usd, balance.past) == (
        Amount(nano_usd=30, output_tokens=7),
        40,
        Amount(),
    )
    worst, still_open = first.entries("episode:a")
    assert (worst.worst_case, worst.expires, worst.expired, worst.corrections) == (True, None, False, ())
    assert still_open.settled is None
    assert audit(first, "episode:a").sound
    first.close()


def test_books_of_the_first_version_go_on(first: SqliteLedger) -> None:
    """They take holds, settle what was open, and can be put right and reset like any others."""
    with pytest.raises(BudgetExceeded):
        first.hold(HoldRequest(id="h3", scopes=("episode:a",), amount=Amount(nano_usd=21)))
    assert first.expire(at=1e9) == ()  # nothing was leased then
    first.settle("h2", Amount(nano_usd=10), at=9.0)
    first.correct("h1", Amount(nano_usd=5, output_tokens=7), at=10.0)
    assert first.balance("episode:a").spent.nano_usd == 15
    first.reset("episode:a", at=11.0)
    assert first.balance("episode:a").past.nano_usd == 15
    assert audit(first, "episode:a").sound
    first.close()
