"""A PostgreSQL server that is away, crashes, hangs up or fills its disk: calls fail closed, and nothing is lost."""

import secrets
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from forwarder import Forwarder
from postgres_servers import PrivateServer

from langroute.books import Amount, HoldRequest, Limits
from langroute.errors import BudgetExceeded, JournalUnavailable, LedgerError, LedgerUnavailable
from langroute.journal.postgres import PostgresJournal
from langroute.ledgers.audit import audit
from langroute.ledgers.postgres import PostgresLedger
from langroute.records import EpisodeEnd

SCOPE, PARENT = "episode:a", "user:u"
BOTH = (SCOPE, PARENT)


@pytest.fixture(scope="module")
def server() -> Iterator[PrivateServer]:
    """A server that these tests have for themselves; it runs when a test begins."""
    server = PrivateServer()
    yield server.start()
    server.remove()


@pytest.fixture
def url(server: PrivateServer, request: pytest.FixtureRequest) -> str:
    """Books of its own for each test."""
    return f"{server.url}?schema={request.node.name.lower()[:40]}"


def opened(url: str, **options: float) -> PostgresLedger:
    """A ledger with a budget of 1,000 and a parent with room for more."""
    ledger = PostgresLedger(url, **options)
    ledger.open(SCOPE, Limits(nano_usd=1_000), at=0.0)
    ledger.open(PARENT, Limits(nano_usd=10_000), at=0.0)
    return ledger


def hold(ledger: PostgresLedger, hold_id: str, nano: int = 10) -> None:
    """Hold from both scopes."""
    ledger.hold(HoldRequest(id=hold_id, scopes=BOTH, amount=Amount(nano_usd=nano), at=1.0, expires=99.0))


def spend_until_refused(ledger: PostgresLedger, answered: set[str]) -> None:
    """Take large holds and give them back, noting each that was answered."""
    for number in range(10_000):
        name, arm = f"h{number}", secrets.token_hex(3_500)  # nothing that a table could make smaller
        ledger.hold(HoldRequest(id=name, scopes=BOTH, amount=Amount(nano_usd=1), arm=arm, at=1.0))
        answered.add(name)
        ledger.settle(name, Amount(), at=2.0)


def connect_often(url: str, times: int, connections: "list[psycopg.Connection[Any]]") -> None:
    """Connect and stay connected."""
    for _ in range(times):
        connections.append(psycopg.connect(url))


def test_a_server_that_is_away_fails_closed(server: PrivateServer, url: str) -> None:
    """Every call is refused as `LedgerUnavailable`, nothing is booked, and the same ledger works when it is back."""
    ledger = opened(url, patience_s=0.0)
    hold(ledger, "before")
    server.stop()
    try:
        for _ in range(2):
            with pytest.raises(LedgerUnavailable, match=r"127.0.0.1:\d+/postgres: .*Check that the server runs there"):
                hold(ledger, "meanwhile")
        with pytest.raises(LedgerUnavailable):
            ledger.settle("before", Amount(nano_usd=3), at=2.0)
        with pytest.raises(LedgerUnavailable, match="Nothing of this call was stored"):
            ledger.balance(SCOPE)
    finally:
        server.start()
    assert [entry.id for entry in ledger.entries(SCOPE)] == ["before"]
    ledger.settle("before", Amount(nano_usd=3), at=2.0)
    hold(ledger, "after")
    assert all(audit(ledger, scope).sound for scope in BOTH)
    ledger.close()


def test_a_ledger_made_while_the_server_is_away_works_later(server: PrivateServer, url: str) -> None:
    """Nothing is connected before the first call, and a first call that fails leaves nothing broken."""
    server.stop()
    try:
        ledger = PostgresLedger(url, patience_s=0.0)
        with pytest.raises(LedgerUnavailable, match="Nothing of this call was stored"):
            ledger.open(SCOPE, Limits(), at=0.0)
    finally:
        server.start()
    assert ledger.open(SCOPE, Limits(), at=0.0).calls == 0
    ledger.close()


def test_a_server_that_crashes_mid_run(server: PrivateServer, url: str) -> None:
    """Crashed and started again under eight threads: with patience no call fails, and every answer is in the books."""
    ledger = opened(url, patience_s=60.0)
    answered: list[str] = []
    failures: list[BaseException] = []
    begun, stop = threading.Barrier(9), threading.Event()

    def work(thread: int) -> None:
        try:
            begun.wait()
            number = 0
            while not stop.is_set():
                name = f"{thread}/{number}"
                try:
                    hold(ledger, name)
                except BudgetExceeded:
                    continue
                ledger.settle(name, Amount(nano_usd=1), at=2.0)
                answered.append(name)
                number += 1
        except BaseException as exc:  # an exception in a thread would otherwise go unseen
            failures.append(exc)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    begun.wait()
    for how in ("immediate", "fast"):
        server.restart(how)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    entries = ledger.entries(SCOPE)
    assert {entry.id for entry in entries} == set(answered)
    assert all(entry.settled == Amount(nano_usd=1) for entry in entries)
    assert ledger.balance(SCOPE).used == Amount(nano_usd=len(answered))
    assert all(audit(ledger, scope).sound for scope in BOTH)
    ledger.close()


def test_a_lost_answer_books_once(server: PrivateServer, url: str) -> None:
    """Done by the server, but the answer never came: the call is made again by itself, and is in the books once."""
    opened(url).close()
    with Forwarder(server.port) as forwarder:
        ledger = PostgresLedger(url.replace(str(server.port), str(forwarder.port)))
        ledger.balance(SCOPE)

        def losing(action: object) -> object:
            forwarder.lose_replies(1)
            return action()  # type: ignore[operator]

        losing(lambda: hold(ledger, "h"))
        assert ledger.balance(SCOPE).calls == 1
        entry = losing(lambda: ledger.settle("h", Amount(nano_usd=7), worst_case=True, at=2.0))
        assert entry == ledger.entries(SCOPE)[0]
        losing(lambda: ledger.correct("h", Amount(nano_usd=5), at=3.0))
        assert losing(lambda: ledger.amend(SCOPE, Limits(nano_usd=500), at=4.0)).limits.nano_usd == 500
        losing(lambda: ledger.reset(SCOPE, at=5.0))
        hold(ledger, "late")
        losing(lambda: ledger.expire(at=100.0))
        assert losing(lambda: ledger.close_scope(SCOPE)).closed
        assert forwarder.lost == 7
        ledger.close()
    ledger = PostgresLedger(url)
    assert [len(entry.corrections) for entry in ledger.entries(SCOPE)] == [1, 0]
    assert [each.kind for each in ledger.amendments(SCOPE)] == ["limits", "reset"]
    assert ledger.amendments(SCOPE)[1].forgiven == Amount(nano_usd=5)
    assert ledger.balance(SCOPE).lifetime == Amount(nano_usd=15)
    assert all(audit(ledger, scope).sound for scope in BOTH)
    ledger.close()


def test_answers_that_are_lost_again_and_again(server: PrivateServer, url: str) -> None:
    """Then the call fails and says that it may be booked; the same call again finds out, and books nothing twice."""
    opened(url).close()
    with Forwarder(server.port) as forwarder:
        ledger = PostgresLedger(url.replace(str(server.port), str(forwarder.port)), patience_s=0.0)
        ledger.balance(SCOPE)
        forwarder.lose_replies(1_000)
        with pytest.raises(
            LedgerUnavailable, match="Whether this call was stored is not known; again with the same id"
        ):
            hold(ledger, "h")
        forwarder.lose_replies(0)
        hold(ledger, "h")
        assert ledger.balance(SCOPE).calls == 1
        ledger.close()


def test_a_full_disk_refuses_calls_and_loses_nothing(server: PrivateServer, url: str) -> None:
    """What was answered is in the books, what was refused is nowhere, and with room again the same ledger works."""
    ledger = opened(url, patience_s=0.0)
    server.stop()
    server.start(largest_file=3_000_000)
    told: set[str] = set()
    try:
        with pytest.raises(LedgerUnavailable, match=r"could not extend file.*Nothing of this call was stored.*space"):
            spend_until_refused(ledger, told)
        assert len(told) > 100
        assert {entry.id for entry in ledger.entries(SCOPE)} == told
    finally:
        server.stop("immediate")
        server.start()
    assert {entry.id for entry in ledger.entries(SCOPE)} == told
    assert all(audit(ledger, scope).sound for scope in BOTH)
    hold(ledger, "after")
    ledger.close()


def test_a_journal_keeps_its_rows_while_the_server_is_away(server: PrivateServer, url: str) -> None:
    """Writing never fails; flushing does, drops nothing, and stores all of it when the server is back."""
    journal = PostgresJournal(url, interval_s=3_600.0, patience_s=0.0)
    journal.finish(EpisodeEnd(episode="before", at=1.0))
    journal.flush()
    server.stop()
    try:
        journal.finish(EpisodeEnd(episode="meanwhile", at=2.0))
        for _ in range(2):
            with pytest.raises(JournalUnavailable):
                journal.flush()
    finally:
        server.start()
    assert journal.episodes() == ("meanwhile", "before")
    journal.close()


def test_too_many_clients_are_told(server: PrivateServer, url: str) -> None:
    """Where the server takes no more connections, calls fail closed, and go on when there is room."""
    ledger = opened(url, patience_s=0.0)
    ledger.close()
    with psycopg.connect(server.url, autocommit=True) as link:
        (most,) = link.execute("SHOW max_connections").fetchone() or ("",)
        others: list[psycopg.Connection[Any]] = []
        try:
            with pytest.raises(psycopg.OperationalError):
                connect_often(server.url, int(most) + 1, others)
            with pytest.raises(LedgerUnavailable, match="too many clients"):
                hold(ledger, "h")
        finally:
            for other in others:
                other.close()
    with pytest.raises(LedgerError, match="never taken"):
        ledger.settle("h", Amount(), at=1.0)
    ledger.close()
