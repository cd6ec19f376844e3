"""Journals: what is written is read back, and a store that refuses loses nothing."""

import logging
import pickle
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

from langroute.books import Limits
from langroute.errors import ConfigError, EpisodeNotFound, JournalUnavailable
from langroute.journal import MemoryJournal, SqliteJournal, open_journal, to_json
from langroute.ledgers import SqliteLedger
from langroute.money import Price
from langroute.protocols import Journal, JournalIndex
from langroute.records import (
    ActionTaken,
    Arm,
    BudgetView,
    EpisodeEnd,
    PoolSnapshot,
    Record,
    RoutingDecision,
    Ruling,
    Step,
)

NEVER_S = 3600.0  # an interval at which nothing is stored unless a test asks for it


def record(record_id: str, *, episode: str = "a", at: float = 1.0) -> Record:
    """The plainest record."""
    step = Step(episode=episode, call_index=0, kind="control", budget=BudgetView(scope=f"episode:{episode}"))
    ruling, decision = Ruling(price_of_dollar=0.5, permits=()), RoutingDecision(arm=None)
    return Record(id=record_id, at=at, step=step, estimates=(), ruling=ruling, decision=decision, action="stop")


def action(action_id: str, *, episode: str = "a", at: float = 1.0, reason: str = "why") -> ActionTaken:
    """The plainest action."""
    return ActionTaken(id=action_id, episode=episode, at=at, action="compress", reason=reason)


MAKERS: dict[str, Callable[[Path], Journal]] = {
    "memory": lambda path: MemoryJournal(),
    "sqlite": lambda path: SqliteJournal(path, interval_s=NEVER_S),
}


@pytest.fixture(params=[*MAKERS, "postgres"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    """A journal of each kind."""
    if request.param == "postgres":
        journal = open_journal(request.getfixturevalue("postgres_url"))
    else:
        journal = MAKERS[request.param](tmp_path / "journal.db")
    yield journal
    journal.close()


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[SqliteJournal]:
    """A journal in a file, which stores only when it is asked to."""
    journal = SqliteJournal(tmp_path / "journal.db", interval_s=NEVER_S, busy_timeout_s=0.01)
    yield journal
    journal.close()


def test_records_come_back_in_order(journal: Journal) -> None:
    """Each episode has its own records, equal to what was written, in the order they were written."""
    written = [record(f"r{9 - n}", episode="ab"[n % 2], at=float(-n)) for n in range(6)]
    for each in written:
        journal.write(each)
    journal.flush()
    assert isinstance(journal, Journal)
    assert journal.records("a") == tuple(written[0::2])
    assert journal.records("b") == tuple(written[1::2])


def test_a_record_written_again_replaces_the_first(journal: Journal) -> None:
    """An id stands for one record, in its first place."""
    for each in (record("r1"), record("r2"), record("r1", at=7.0)):
        journal.write(each)
    assert [(kept.id, kept.at) for kept in journal.records("a")] == [("r1", 7.0), ("r2", 1.0)]


def test_an_episode_nobody_wrote_is_not_found(journal: Journal) -> None:
    """The error says which episode and what to look at; an episode that only ended is known."""
    with pytest.raises(EpisodeNotFound, match=r"'nobody'.*check the id and the store"):
        journal.records("nobody")
    assert journal.end("nobody") is None
    assert journal.episodes() == ()
    journal.finish(EpisodeEnd(episode="nobody", at=1.0))
    assert journal.records("nobody") == ()


def test_actions_come_back_in_order(journal: Journal) -> None:
    """Each episode has its own actions, whole, in the order they were noted; an id stands for one, in its place."""
    charged = ActionTaken(
        id="x1",
        episode="a",
        at=5.5,
        action="charged",
        reason="search: $0.25",
        call_index=3,
        node="work",
        cost_nano=250_000_000,
        detail='{"name": "search"}',
    )
    for each in (action("x1"), action("x2", at=-1.0), action("x3", episode="b"), charged):
        journal.note(each)
    journal.flush()
    assert journal.actions("a") == (charged, action("x2", at=-1.0))
    assert journal.actions("b") == (action("x3", episode="b"),)
    assert journal.actions("nobody") == ()


def test_an_episode_of_actions_alone_exists(journal: Journal) -> None:
    """Where a budget was opened, or a human asked, and no call made, the episode is known and has no records."""
    journal.note(action("x1", episode="asked"))
    assert journal.episodes() == ("asked",)
    assert journal.records("asked") == ()
    assert journal.arms("asked") == ()
    assert journal.end("asked") is None
    journal.write(record("r1"))
    journal.note(action("x2", episode="asked"))
    assert journal.episodes() == ("asked", "a")


def test_an_end_is_kept_and_the_last_one_counts(journal: Journal) -> None:
    """How an episode ended is what was said last, records or none."""
    journal.finish(EpisodeEnd(episode="a", at=1.0, success=False))
    journal.finish(EpisodeEnd(episode="a", at=2.0, success=0.75, note="half"))
    journal.write(record("r1"))
    assert journal.end("a") == EpisodeEnd(episode="a", at=2.0, success=0.75, note="half")
    assert len(journal.records("a")) == 1


def test_episodes_are_listed_newest_first(journal: Journal) -> None:
    """Newest is the one last written to, whatever its clock said."""
    for number, episode in enumerate("abcab"):
        journal.write(record(f"r{number}", episode=episode, at=float(-number)))
    assert journal.episodes() == ("b", "a", "c")
    journal.finish(EpisodeEnd(episode="c", at=0.0))
    assert journal.episodes(limit=2) == ("c", "b")


def test_the_pool_of_an_episode_is_that_of_its_newest_record(journal: Journal) -> None:
    """What an episode's newest record chose from is read back with its prices; nothing where it was never kept."""
    long = Price(input_per_million=2, output_per_million=4)
    price = Price(input_per_million=1, output_per_million=2, above=[(1_000, long)])
    arm = Arm(name="small", model="gpt-5-nano", provider="openai", price=price)
    journal.keep_pool(PoolSnapshot(id="p1", arms=()))
    journal.keep_pool(PoolSnapshot(id="p2", arms=(arm,)))
    journal.write(replace(record("r1"), pool="p1"))
    journal.write(replace(record("r2"), pool="p2"))
    journal.write(replace(record("r3", episode="b"), pool="never kept"))
    assert journal.arms("a") == (arm,)
    assert journal.arms("b") == ()


def test_broken_text_is_kept(journal: Journal) -> None:
    """An episode whose id is no proper text is stored and found like any other."""
    journal.write(record("r\ud800", episode="\udfff"))
    assert journal.records("\udfff")[0].id == "r\ud800"


def test_a_memory_journal_forgets_the_oldest() -> None:
    """It is bounded: beyond the limit the oldest records go, and with its last record an episode and its end."""
    journal = MemoryJournal(most_records=3)
    journal.write(record("r0", episode="old"))
    journal.finish(EpisodeEnd(episode="old", at=1.0))
    for number in range(1, 5):
        journal.write(record(f"r{number}"))
    assert [kept.id for kept in journal.records("a")] == ["r2", "r3", "r4"]
    assert journal.episodes() == ("a",)
    assert journal.end("old") is None
    for number in range(5):
        journal.finish(EpisodeEnd(episode=f"end{number}", at=1.0))
    assert journal.episodes() == ("end4", "end3", "end2", "a")


def test_a_memory_journal_bounds_its_actions_too() -> None:
    """Actions have a bound of their own; an episode is forgotten when neither records nor actions are left of it."""
    journal = MemoryJournal(most_records=2)
    journal.write(record("r0", episode="mixed"))
    journal.note(action("x0", episode="mixed"))
    journal.note(action("x1", episode="noted"))
    for number in range(2, 4):
        journal.note(action(f"x{number}"))
    assert [kept.id for kept in journal.actions("a")] == ["x2", "x3"]
    assert journal.episodes() == ("a", "mixed")
    with pytest.raises(EpisodeNotFound):
        journal.records("noted")
    for number in range(1, 3):
        journal.write(record(f"r{number}"))
    assert journal.episodes() == ("a",)


def test_an_id_that_moves_to_another_episode_leaves_the_first(journal: Journal) -> None:
    """An id stands for one record and one action, wherever it is written last."""
    for episode in ("a", "b"):
        journal.write(record("r1", episode=episode))
        journal.note(action("x1", episode=episode))
    journal.note(action("x2"))
    assert [each.id for each in (*journal.records("a"), *journal.actions("a"))] == ["x2"]
    assert [each.id for each in (*journal.records("b"), *journal.actions("b"))] == ["r1", "x1"]


def test_journal_urls(tmp_path: Path) -> None:
    """The same URLs as for ledgers, with the same errors."""
    assert isinstance(open_journal("memory://"), MemoryJournal)
    journal = open_journal(f"sqlite:///{tmp_path}/journal.db")
    assert isinstance(journal, SqliteJournal)
    assert journal.path == tmp_path / "journal.db"
    with pytest.raises(ConfigError, match="unknown scheme 'mysql'"):
        open_journal("mysql://localhost")
    with pytest.raises(
        ConfigError, match=r"journal: redis://:\*\*\*@localhost keeps books, not records; set journal to"
    ):
        open_journal("redis://:secret@localhost")


def test_writing_waits_for_no_file(stored: SqliteJournal) -> None:
    """Writing, noting and finishing only queue; reading what was never written makes no file either."""
    assert stored.episodes() == ()
    stored.write(record("r1"))
    stored.note(action("x1"))
    stored.finish(EpisodeEnd(episode="a", at=2.0))
    assert not stored.path.exists()
    stored.flush()
    assert stored.path.exists()


def test_a_thread_stores_what_was_written(tmp_path: Path) -> None:
    """Nobody has to flush: a thread stores the rows and ends when there are no more."""
    journal = SqliteJournal(tmp_path / "journal.db", interval_s=0.001)
    for number in range(3):
        journal.write(record(f"r{number}"))
        thread = journal._pending._thread
        if thread is not None:
            thread.join(timeout=30)
    assert len(journal._pending) == 0
    with sqlite3.connect(journal.path) as connection:
        assert connection.execute("SELECT count(*) FROM journal_record").fetchone() == (3,)
    connection.close()
    journal.close()


def test_a_file_of_the_first_version_gets_room_for_actions(stored: SqliteJournal) -> None:
    """Records that were stored before actions existed are still read, and actions are kept beside them."""
    first = resources.files("langroute.journal") / "sql" / "migrations" / "0001_journal.sql"
    with sqlite3.connect(stored.path) as connection:
        connection.executescript(first.read_text("utf-8"))
        connection.execute("CREATE TABLE langroute_schema (room TEXT PRIMARY KEY, version INTEGER NOT NULL)")
        connection.execute("INSERT INTO langroute_schema VALUES ('journal', 1)")
        connection.execute(
            "INSERT INTO journal_record (id, episode, at, body) VALUES ('r1', 'a', 1.0, ?)", (to_json(record("r1")),)
        )
        connection.execute("INSERT INTO journal_episode VALUES ('a', 1, NULL)")
    connection.close()
    assert stored.actions("a") == ()
    stored.note(action("x1"))
    assert stored.records("a") == (record("r1"),)
    assert stored.actions("a") == (action("x1"),)


def test_many_rows_are_stored_in_several_transactions(stored: SqliteJournal) -> None:
    """A flush stores everything that was taken before it, in order."""
    for number in range(1_234):
        stored.write(record(f"r{number}"))
    stored.flush()
    assert [kept.id for kept in stored.records("a")] == [f"r{number}" for number in range(1_234)]


def test_a_file_that_refuses_loses_nothing(stored: SqliteJournal) -> None:
    """While another program keeps the file locked, flushing fails clearly; afterwards everything is there."""
    stored.write(record("r1"))
    stored.flush()
    other = sqlite3.connect(stored.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    stored.write(record("r2"))
    stored.finish(EpisodeEnd(episode="a", at=2.0))
    for _ in range(2):
        with pytest.raises(JournalUnavailable, match=r"locked.*Another process keeps the file locked"):
            stored.flush()
    other.close()
    assert [kept.id for kept in stored.records("a")] == ["r1", "r2"]
    assert stored.end("a") is not None


def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Somebody else's file is never written to; writing itself does not fail."""
    path = tmp_path / "journal.db"
    path.write_text("Dear diary, " * 500)
    journal = SqliteJournal(path, interval_s=NEVER_S)
    journal.write(record("r1"))
    with pytest.raises(JournalUnavailable, match="not a database"):
        journal.flush()
    assert path.read_text() == "Dear diary, " * 500
    path.unlink()
    journal.close()
    assert len(journal.records("a")) == 1
    journal.close()


def test_a_damaged_row_is_an_error_of_the_journal(stored: SqliteJournal) -> None:
    """A row that was tampered with is not returned as a record."""
    stored.write(record("r1"))
    stored.flush()
    with sqlite3.connect(stored.path) as connection:
        connection.execute("UPDATE journal_record SET body = substr(body, 1, 40)")
    connection.close()
    with pytest.raises(JournalUnavailable, match="a row is damaged"):
        stored.records("a")


def test_memory_for_waiting_rows_is_bounded_and_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """When a store refuses for long, rows beyond the bound are not taken, with one warning; those taken are stored."""
    (tmp_path / "journal.db").mkdir()
    journal = SqliteJournal(tmp_path / "journal.db", interval_s=NEVER_S, most_pending=3)
    with caplog.at_level(logging.WARNING, logger="langroute.journal"):
        for number in range(10):
            journal.write(record(f"r{number}"))
    assert [entry.getMessage()[:40] for entry in caplog.records] == ["3 rows wait for a store that refuses the"]
    with pytest.raises(JournalUnavailable, match="unable to open"):
        journal.flush()
    (tmp_path / "journal.db").rmdir()
    assert [kept.id for kept in journal.records("a")] == ["r0", "r1", "r2"]
    journal.close()


def test_a_record_that_cannot_be_stored_holds_up_no_other(
    stored: SqliteJournal, caplog: pytest.LogCaptureFixture
) -> None:
    """A record of what is no plain data is left out, with an error in the log; the rows behind it are kept."""
    stored.write(replace(record("r1"), estimates=({"small"},)))
    stored.write(record("r2", at=float("nan")))
    stored.write(record("r3", at=10**400))
    stored.note(replace(action("x1"), detail={"no": "text"}))
    stored.write(record("r4"))
    stored.note(action("x2"))
    assert [kept.id for kept in stored.records("a")] == ["r2", "r4"]
    assert [kept.id for kept in stored.actions("a")] == ["x2"]
    assert caplog.text.count("cannot be kept in a journal") == 2


def test_ledger_and_journal_share_a_file(tmp_path: Path) -> None:
    """One file holds both, and closing one leaves the other at work."""
    journal, ledger = SqliteJournal(tmp_path / "both.db", interval_s=NEVER_S), SqliteLedger(tmp_path / "both.db")
    ledger.open("episode:a", Limits(nano_usd=5), at=0.0)
    journal.write(record("r1"))
    journal.close()
    assert ledger.balance("episode:a").limits.nano_usd == 5
    ledger.close()
    assert len(journal.records("a")) == 1
    journal.close()


def test_a_journal_is_pickled_by_its_path(stored: SqliteJournal) -> None:
    """A copy reads the same file; rows that are not stored yet stay with the first."""
    stored.write(record("r1"))
    copy: SqliteJournal = pickle.loads(pickle.dumps(stored))
    assert copy.episodes() == ()
    stored.flush()
    assert len(copy.records("a")) == 1
    copy.close()


LIFE = """
import os, sys
from langroute.journal import SqliteJournal, from_json

journal = SqliteJournal(sys.argv[1], interval_s=3600.0)
first, second = [from_json(line) for line in sys.stdin.read().splitlines()]
journal.write(first)
if os.fork() == 0:
    journal.write(second)  # the child's own; the parent's row is not written twice
    journal.flush()
    journal.close()
    os._exit(0)
os.wait()
"""


def test_the_end_of_a_process_stores_its_rows(stored: SqliteJournal) -> None:
    """A process that just ends has its rows stored; a forked child stores its own and not its parent's."""
    rows = "\n".join([to_json(record("r1")), to_json(record("r2"))])
    done = subprocess.run(  # noqa: S603 - this interpreter, a script of this file
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", LIFE, str(stored.path)],
        input=rows,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [kept.id for kept in stored.records("a")] == ["r2", "r1"]


def test_every_episode_is_listed_once(journal: Journal) -> None:
    """However many there are, each stored episode is named once; ``since`` keeps those with something that late."""
    names = [f"e{number:04d}" for number in range(1203)]
    for number, name in enumerate(names):
        journal.write(record(f"r{number}", episode=name, at=float(number)))
    journal.note(action("late", episode=names[0], at=5000.0))
    journal.finish(EpisodeEnd(episode="only-ended", at=9000.0))
    assert isinstance(journal, JournalIndex)
    assert sorted(journal.every_episode()) == sorted([*names, "only-ended"])
    assert sorted(journal.every_episode(since=1201.0)) == [names[0], *names[1201:]]
    assert list(journal.every_episode(since=6000.0)) == []


def test_an_end_says_who_said_so(journal: Journal) -> None:
    """Who said how an episode went is kept, and a later end replaces an earlier one."""
    journal.write(record("r1"))
    journal.finish(EpisodeEnd(episode="a", at=1.0, success=1.0))
    journal.finish(EpisodeEnd(episode="a", at=2.0, success=0.0, source="human"))
    assert journal.end("a") == EpisodeEnd(episode="a", at=2.0, success=0.0, source="human")
