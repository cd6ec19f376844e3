"""The PostgreSQL ledger among others: locks, clashes, other isolation levels, few rights, newer versions, secrets."""

import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from postgres_servers import in_database

from langroute.books import RESERVED_PURPOSES, Amount, HoldRequest, Limits
from langroute.errors import BudgetExceeded, JournalUnavailable, LedgerError, LedgerUnavailable
from langroute.journal.postgres import PostgresJournal
from langroute.ledgers import open_ledger
from langroute.ledgers.audit import audit
from langroute.ledgers.postgres import PostgresLedger
from langroute.ledgers.postgres_connections import Connections
from langroute.ledgers.postgres_place import PostgresPlace

SCOPE, PARENT = "episode:a", "user:u"
BOTH = (SCOPE, PARENT)


@pytest.fixture
def ledger(postgres_url: str) -> Iterator[PostgresLedger]:
    """A ledger with a budget of 1,000 and a parent with room for more; it waits for locks a moment only."""
    ledger = PostgresLedger(postgres_url, busy_timeout_s=0.2, patience_s=0.0)
    ledger.open(SCOPE, Limits(nano_usd=1_000), at=0.0)
    ledger.open(PARENT, Limits(nano_usd=10_000), at=0.0)
    yield ledger
    ledger.close()


@pytest.fixture
def other(postgres_url: str) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    """Somebody else in the same schema, in transactions of their own."""
    place = PostgresPlace.of(postgres_url)
    with psycopg.connect(place.conninfo, options=f"-c search_path={place.schema}") as link:
        yield link


def hold(ledger: PostgresLedger, hold_id: str, nano: int = 10, scopes: tuple[str, ...] = BOTH) -> None:
    """Hold from both scopes."""
    ledger.hold(HoldRequest(id=hold_id, scopes=scopes, amount=Amount(nano_usd=nano), at=1.0))


def with_options(url: str, options: str) -> str:
    """The same books through sessions with other settings."""
    return f"{url}&options={options.replace(' ', '%20').replace('=', '%3D')}"


def test_a_locked_row_is_waited_for_and_then_refused(
    ledger: PostgresLedger, other: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    """A transaction that never ends makes calls fail closed after the time-out; looking still works."""
    hold(ledger, "h")
    other.execute("SELECT * FROM ledger_scope WHERE name = %s FOR UPDATE", (PARENT,))
    with pytest.raises(LedgerUnavailable, match=r"lock timeout. Nothing.*Another transaction keeps a row locked"):
        hold(ledger, "next")
    with pytest.raises(LedgerUnavailable, match="lock timeout"):
        ledger.settle("h", Amount(), at=1.0)
    assert ledger.balance(SCOPE).held == Amount(nano_usd=10), "a look needs no lock"
    other.rollback()
    ledger.settle("h", Amount(), at=1.0)
    hold(ledger, "next")
    assert ledger.balance(SCOPE).calls == 2


def test_a_deadlock_with_somebody_else_is_tried_again(
    postgres_url: str, ledger: PostgresLedger, other: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    """Holds never wait for each other in a circle; where a stranger makes one, the hold is taken all the same."""
    # The ledger notices the circle long before the stranger does, and so is the one whose transaction is undone.
    quick = PostgresLedger(with_options(postgres_url, "-c deadlock_timeout=20ms -c log_lock_waits=off"))
    other.execute("SET deadlock_timeout = '30s'")
    other.execute("SELECT * FROM ledger_scope WHERE name = %s FOR UPDATE", (PARENT,))
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(hold, quick, "h")
        while not other.execute(
            "SELECT 1 FROM pg_locks WHERE NOT granted AND transactionid IS NOT NULL "
            "AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
        ).fetchone():
            assert not taken.done()
        other.execute("SELECT * FROM ledger_scope WHERE name = %s FOR UPDATE", (SCOPE,))
        other.commit()
        taken.result(timeout=30)
    assert ledger.balance(SCOPE).held == Amount(nano_usd=10)
    assert quick.balance(PARENT).calls == 1
    quick.close()


def test_holds_in_any_order_of_scopes_never_wait_in_a_circle(postgres_url: str) -> None:
    """Threads that name the same scopes in opposite orders, while others settle, expire and correct: none fails."""
    url = with_options(postgres_url, "-c deadlock_timeout=10ms")
    ledger, errors = PostgresLedger(url, max_connections=8), list[BaseException]()
    for scope in BOTH:
        ledger.open(scope, Limits(), at=0.0)
    deadlocks = _deadlocks(postgres_url)

    def work(thread: int) -> None:
        try:
            for number in range(15):
                name, scopes = f"{thread}/{number}", BOTH if thread % 2 else BOTH[::-1]
                amount = Amount(nano_usd=2)
                opens = ((f"task:{number}", Limits()), (f"day:{number}", Limits()))
                every = (*scopes, *(scope for scope, _ in opens[:: 1 if thread % 3 else -1]))
                request = HoldRequest(id=name, scopes=every, amount=amount, at=1.0, expires=1.0, opens=opens)
                ledger.hold(request)
                if thread % 4 == 0:
                    ledger.expire(at=2.0)
                ledger.settle(name, Amount(nano_usd=1), worst_case=True, at=2.0)
                ledger.correct(name, Amount(), at=3.0)
        except BaseException as exc:  # an exception in a thread would otherwise go unseen
            errors.append(exc)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for scope in (*BOTH, "task:0", "day:14"):
        assert audit(ledger, scope).sound
        assert ledger.balance(scope).used == Amount()
    assert ledger.balance(SCOPE).calls == 120
    assert _deadlocks(postgres_url) == deadlocks
    ledger.close()


def _deadlocks(url: str) -> int:
    with psycopg.connect(PostgresPlace.of(url).conninfo) as link:
        if link.info.server_version >= 150_000:  # before, the figures come by themselves
            link.execute("SELECT pg_stat_force_next_flush()")
        row = link.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
        return int(row[0]) if row else -1


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_stricter_isolation_clashes_and_is_tried_again(postgres_url: str, level: str) -> None:
    """Where sessions insist on another isolation level, transactions clash: none fails, and nothing is overspent."""
    escaped = level.replace(" ", "\\ ")
    strict = PostgresLedger(with_options(postgres_url, f"-c default_transaction_isolation={escaped}"))
    strict.open(SCOPE, Limits(nano_usd=100), at=0.0)
    strict.open(PARENT, Limits(nano_usd=1_000, window_s=60.0), at=0.0)

    def spend(number: int) -> bool:
        try:
            hold(strict, f"h{number}")
        except BudgetExceeded:
            return False
        strict.settle(f"h{number}", Amount(nano_usd=10), at=2.0)
        return True

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(spend, range(40)))
    assert sum(taken) == 10
    assert strict.balance(PARENT).spent == Amount(nano_usd=100)
    assert all(audit(strict, scope).sound for scope in BOTH)
    strict.close()


def test_a_stopped_process_keeps_no_lock_for_ever(ledger: PostgresLedger) -> None:
    """Where a transaction of several statements stops in the middle, the server ends it, and others go on."""
    hold(ledger, "h")
    ledger.settle("h", Amount(nano_usd=9), worst_case=True, at=1.0)
    entered, leave = threading.Event(), threading.Event()
    stopping = PostgresLedger(ledger._url, busy_timeout_s=0.0, patience_s=0.0)
    rebook = stopping._repairs._rebook

    def stop(*args: object, **options: object) -> None:
        entered.set()
        leave.wait(30)
        rebook(*args, **options)  # type: ignore[arg-type]

    patient = PostgresLedger(ledger._url)
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as pool:
        patch.setattr(stopping._repairs, "_rebook", stop)
        late = pool.submit(stopping.correct, "h", Amount(), at=2.0)
        entered.wait(30)
        hold(patient, "next")  # waits until the server has ended the idle transaction, a second later
        patch.undo()
        leave.set()
        assert late.result(timeout=30).settled == Amount()
    assert ledger.balance(SCOPE).used == Amount(nano_usd=10)
    assert audit(ledger, SCOPE).sound
    stopping.close()
    patient.close()


def test_a_broken_connection_is_replaced_without_a_word(
    ledger: PostgresLedger, other: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    """Sessions that an administrator ended while they were idle cost no call, whatever the patience."""
    hold(ledger, "h1")
    other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'langroute'")
    hold(ledger, "h2")
    assert ledger.balance(SCOPE).calls == 2


def test_books_of_a_newer_version_are_not_touched(
    ledger: PostgresLedger, other: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    """Tables that a newer langroute made are refused by name, not misread."""
    other.execute("UPDATE schema_version SET version = 99 WHERE room = 'ledger'")
    other.commit()
    newcomer = PostgresLedger(ledger._url)
    with pytest.raises(LedgerUnavailable, match=r"ledger has version 99, this langroute knows \d+.*Upgrade langroute"):
        newcomer.balance(SCOPE)
    newcomer.close()


def test_tables_that_are_gone_are_told(ledger: PostgresLedger, other: "psycopg.Connection[tuple[object, ...]]") -> None:
    """A schema that somebody dropped fails the call, with what to do; it is not quietly replaced under it."""
    schema = PostgresPlace.of(ledger._url).schema
    other.execute(f"DROP SCHEMA {schema} CASCADE")
    other.commit()
    with pytest.raises(LedgerUnavailable, match="Its tables are gone: restore a backup"):
        hold(ledger, "h")
    assert ledger.open(SCOPE, Limits(), at=0.0).calls == 0


def test_a_user_with_few_rights(postgres_database: str, postgres_url: str) -> None:
    """Who may not make tables is told; in a schema that is theirs, or with rights on its tables, everything works."""
    place = PostgresPlace.of(postgres_url)
    user = f"clerk_{place.schema[-12:]}"
    clerk = postgres_url.replace("postgres@", f"{user}@", 1)
    with psycopg.connect(postgres_database, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {user} LOGIN")
        try:
            ledger = PostgresLedger(clerk)
            with pytest.raises(LedgerUnavailable, match=r"permission denied.*Nothing.*Grant the URL's user"):
                ledger.open(SCOPE, Limits(), at=0.0)
            assert PostgresJournal(clerk).episodes() == (), "reading makes nothing, and so needs no right to"
            admin.execute(f"CREATE SCHEMA {place.schema}")
            admin.execute(f"GRANT USAGE, CREATE ON SCHEMA {place.schema} TO {user}")
            ledger.open(SCOPE, Limits(nano_usd=100), at=0.0)
            hold(ledger, "h", scopes=(SCOPE,))
            assert ledger.settle("h", Amount(nano_usd=1), at=2.0).settled == Amount(nano_usd=1)
            ledger.close()
        finally:
            admin.execute(f"DROP OWNED BY {user}; DROP ROLE {user}")


def test_the_database_must_exist(postgres_url: str, postgres_database: str) -> None:
    """A database that is not there is told as the server tells it."""
    missing = in_database(postgres_url, "langroute_nowhere")
    ledger, journal = PostgresLedger(missing, patience_s=0.0), PostgresJournal(missing, patience_s=0.0)
    with pytest.raises(LedgerUnavailable, match='database "langroute_nowhere" does not exist'):
        ledger.balance(SCOPE)
    with pytest.raises(JournalUnavailable, match="langroute_nowhere"):
        journal.episodes()


def test_no_password_is_ever_shown(postgres_url: str) -> None:
    """Not in the ledger's repr, not in its errors, not in theirs; a pickle has it, since it must."""
    secret = "hunter2-is-no-password"  # noqa: S105 - it is shown nowhere
    url = postgres_url.replace("postgres@127.0.0.1:5432", f"postgres:{secret}@127.0.0.1:1", 1)
    ledger = open_ledger(url if secret in url else f"postgresql://u:{secret}@127.0.0.1:1/db")
    assert isinstance(ledger, PostgresLedger)
    ledger = PostgresLedger(ledger._url, patience_s=0.0)
    with pytest.raises(LedgerUnavailable) as caught:
        ledger.balance(SCOPE)
    texts = [str(caught.value), repr(caught.value), str(caught.value.__cause__), repr(ledger), repr(ledger._database)]
    texts.append(repr(ledger._database.place))
    assert not [text for text in texts if secret in text]
    copy: PostgresLedger = pickle.loads(pickle.dumps(ledger))
    assert copy._url == ledger._url


def test_names_that_postgresql_cannot_store_are_refused(ledger: PostgresLedger) -> None:
    """NUL and lone surrogates in a name fail the call clearly; in a reason they are spelled out."""
    for name in ("episode:\ud800", "episode:\x00"):
        with pytest.raises(LedgerError):
            ledger.open(name, Limits(), at=0.0)
    ledger.amend(SCOPE, Limits(nano_usd=5), at=1.0, reason="why\x00 \ud800")
    assert ledger.amendments(SCOPE)[0].reason == "why\\x00 \\ud800"


def test_sums_beyond_64_bits_are_refused_not_rounded(ledger: PostgresLedger) -> None:
    """A settlement that would overflow a total is refused, and the books stay exact."""
    hold(ledger, "h0", 1)
    hold(ledger, "h1", 1)
    ledger.settle("h0", Amount(nano_usd=2**62), at=1.0)
    with pytest.raises(LedgerUnavailable, match=r"out of range.*outgrow 64 bits"):
        ledger.settle("h1", Amount(nano_usd=2**62), at=1.0)
    assert ledger.balance(SCOPE).used == Amount(nano_usd=2**62 + 1)


def test_every_purpose_has_its_columns(ledger: PostgresLedger, other: "psycopg.Connection[tuple[object, ...]]") -> None:
    """A purpose that is added to the contract needs a migration: this fails until there is one."""
    columns = other.execute(
        "SELECT array_agg(column_name::text) FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND table_name = 'ledger_scope'"
    ).fetchone()
    assert columns is not None
    for purpose in ("general", *RESERVED_PURPOSES):
        assert {f"kept_{purpose}", f"used_{purpose}"} <= set(columns[0])  # type: ignore[call-overload]


def test_the_ledger_is_pickled_by_its_url(ledger: PostgresLedger) -> None:
    """A copy is another door to the same books, with the same options."""
    copy: PostgresLedger = pickle.loads(pickle.dumps(ledger))
    hold(copy, "h")
    assert copy._options == ledger._options
    assert ledger.balance(SCOPE) == copy.balance(SCOPE)
    copy.close()


def test_connections_are_few_and_served_in_turn(postgres_url: str) -> None:
    """Never more than allowed, each lent to one thread; who waits longest is next, and who waits too long is told."""
    place, opened = PostgresPlace.of(postgres_url), list[int]()

    def connect() -> "psycopg.Connection[tuple[object, ...]]":
        opened.append(1)
        return psycopg.connect(place.conninfo, autocommit=True)

    connections = Connections(connect, most=1)
    first = connections.take(wait_s=1.0)
    with pytest.raises(TimeoutError):
        connections.take(wait_s=0.0)
    served: list[int] = []
    threads = [threading.Thread(target=_take_turn, args=(connections, number, served)) for number in range(5)]
    for number, thread in enumerate(threads):
        thread.start()
        while len(connections._turns) <= number:
            pass
    connections.give(first)
    for thread in threads:
        thread.join()
    assert (served, len(opened)) == ([0, 1, 2, 3, 4], 1)
    first = connections.take(wait_s=1.0)
    connections.clear()
    connections.give(first)
    assert first.closed, "what was lent before a clear is closed when it comes back"
    second = connections.take(wait_s=1.0)
    second.execute("BEGIN")
    connections.give(second)
    assert second.closed, "a transaction is never handed on"
    assert connections._open == 0


def _take_turn(connections: Connections, number: int, served: list[int]) -> None:
    link = connections.take(wait_s=30.0)
    served.append(number)
    connections.give(link)


def test_a_connection_that_fails_to_open_leaves_its_place(postgres_url: str) -> None:
    """A failed try counts as none: the next thread may open one."""
    place = PostgresPlace.of(postgres_url)
    urls = [place.conninfo, "postgresql://127.0.0.1:1/nowhere"]
    connections = Connections(lambda: psycopg.connect(urls.pop(), autocommit=True), most=1)
    with pytest.raises(psycopg.OperationalError):
        connections.take(wait_s=1.0)
    connections.give(connections.take(wait_s=1.0))
    connections.clear()
