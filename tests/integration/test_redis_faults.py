"""What the server may suffer: away, restarted, forgetful, full. Refused calls book nothing, answered ones are kept."""

import time
from collections.abc import Callable, Iterator
from threading import Event, Thread

import pytest
import redis
from forwarder import Forwarder
from servers import RedisServer

from langroute.books import Amount, HoldRequest, Limits
from langroute.errors import BudgetExceeded, LedgerUnavailable
from langroute.ledgers.audit import audit
from langroute.ledgers.redis import RedisLedger

LIMITS = Limits(nano_usd=1_000_000)


def hold(ledger: RedisLedger, hold_id: str, nano: int = 10) -> None:
    """Hold from ``episode:a``."""
    ledger.hold(HoldRequest(id=hold_id, scopes=("episode:a",), amount=Amount(nano_usd=nano)))


def opened(url: str) -> RedisLedger:
    """A ledger with ``episode:a`` open."""
    ledger = RedisLedger(url)
    ledger.open("episode:a", LIMITS, at=0.0)
    return ledger


def check_sums(ledger: RedisLedger) -> None:
    """The lines of the books add up to their totals, and no limit is passed."""
    assert audit(ledger, "episode:a").sound
    balance = ledger.balance("episode:a")
    assert balance.limits.nano_usd is not None
    assert balance.used.nano_usd <= balance.limits.nano_usd


@pytest.fixture
def started() -> Iterator[Callable[..., RedisServer]]:
    """Starts private servers and ends them."""
    servers: list[RedisServer] = []

    def start(**settings: object) -> RedisServer:
        servers.append(RedisServer(**settings))  # type: ignore[arg-type] - settings are text, the limit a number
        return servers[-1].start()

    yield start
    for server in servers:
        server.end()


def test_a_server_that_is_away_refuses_calls_and_the_same_ledger_goes_on_later(private_redis: RedisServer) -> None:
    """No server, no calls: every operation says so, nothing is booked, and nothing needs to be made anew."""
    ledger = opened(private_redis.url)
    hold(ledger, "before")
    private_redis.stop()
    for refused in (
        lambda: hold(ledger, "away"),
        lambda: ledger.settle("before", Amount(nano_usd=1), at=1.0),
        lambda: ledger.open("episode:b", LIMITS, at=1.0),
        lambda: ledger.balance("episode:a"),
    ):
        with pytest.raises(LedgerUnavailable, match=rf"redis://127.0.0.1:{private_redis.port}/0: .*refused"):
            refused()
    private_redis.start()
    assert [entry.id for entry in ledger.entries("episode:a")] == ["before"]
    assert ledger.settle("before", Amount(nano_usd=7), at=2.0).settled == Amount(nano_usd=7)
    check_sums(ledger)
    ledger.close()


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_a_server_restarted_mid_run_loses_nothing_that_was_answered(ending: str, private_redis: RedisServer) -> None:
    """8 threads spend while the server goes and comes back: what was answered is in its books, once, and adds up."""
    ledger = opened(private_redis.url)
    ledger.amend("episode:a", Limits(nano_usd=5_000), at=0.0)
    answered: set[str] = set()
    settled: set[str] = set()
    refused: list[str] = []
    stop = Event()

    def spend(thread: int) -> None:
        for number in range(100_000):
            if stop.is_set():
                return
            name = f"{thread}/{number}"
            try:
                hold(ledger, name)
                answered.add(name)
                ledger.settle(name, Amount(nano_usd=10), at=1.0)
                settled.add(name)
            except LedgerUnavailable:
                refused.append(name)
                stop.wait(0.002)
            except BudgetExceeded:
                return

    threads = [Thread(target=spend, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    while len(answered) < 50:
        time.sleep(0.001)
    getattr(private_redis, ending)()
    while not refused:
        time.sleep(0.001)
    private_redis.start()
    for thread in threads:
        thread.join()
    stop.set()
    entries = {entry.id: entry for entry in ledger.entries("episode:a")}
    assert answered <= entries.keys()
    assert all(entries[name].settled == Amount(nano_usd=10) for name in settled)
    assert ledger.balance("episode:a").used.nano_usd == 5_000
    check_sums(ledger)
    ledger.close()


def test_books_that_went_back_are_noticed_before_anything_is_spent_again(
    started: Callable[..., RedisServer],
) -> None:
    """A server that keeps nothing on disk starts empty: who saw its books refuses to go on from none."""
    server = started()
    ledger = opened(server.url)
    hold(ledger, "h", 1_000_000)
    server.kill()
    server.start()
    for _ in range(2):
        with pytest.raises(LedgerUnavailable, match=r"were begun anew, .* seen change 2: .*has lost"):
            ledger.open("episode:a", LIMITS, at=1.0)
    opened(server.url).close()  # somebody new begins new books
    with pytest.raises(LedgerUnavailable, match="has lost"):
        hold(ledger, "again")
    ledger.close()


def test_books_that_lost_their_last_changes_are_noticed(started: Callable[..., RedisServer]) -> None:
    """A server that comes back with older books, as after a snapshot or a failover, is told from one that did not."""
    server = started()
    ledger = opened(server.url)
    hold(ledger, "kept")
    server.client().save()
    hold(ledger, "lost")
    server.kill()
    server.start()
    with pytest.raises(LedgerUnavailable, match=r"end at change 2, this process has seen change 3"):
        hold(ledger, "next")
    assert [entry.id for entry in RedisLedger(server.url).entries("episode:a")] == ["kept"]
    ledger.close()


def test_full_memory_refuses_the_whole_of_a_call(started: Callable[..., RedisServer]) -> None:
    """Where the server takes no more (maxmemory), nothing of a call is booked in any scope, and it goes on later."""
    server = started(maxmemory_policy="noeviction")
    ledger = opened(server.url)
    ledger.open("user:u", Limits(), at=0.0)
    both = ("episode:a", "user:u")
    ledger.hold(HoldRequest(id="before", scopes=both, amount=Amount(nano_usd=10)))
    server.client().config_set("maxmemory", "1mb")
    for refused in (
        lambda: ledger.hold(HoldRequest(id="full", scopes=both, amount=Amount(nano_usd=10))),
        lambda: ledger.settle("before", Amount(nano_usd=1), at=1.0),
        lambda: ledger.open("episode:b", LIMITS, at=1.0),
        lambda: ledger.close_scope("user:u"),
        lambda: ledger.amend("user:u", LIMITS, at=1.0),
    ):
        with pytest.raises(LedgerUnavailable, match=r"Nothing of this was booked. The server's memory is full"):
            refused()
    assert ledger.balance("episode:a").held == ledger.balance("user:u").held == Amount(nano_usd=10)
    assert [entry.settled for entry in ledger.entries("user:u")] == [None]
    server.client().config_set("maxmemory", "0")
    ledger.settle("before", Amount(nano_usd=1), at=2.0)
    check_sums(ledger)
    ledger.close()


def fill(ledger: RedisLedger, answered: list[str]) -> LedgerUnavailable:
    """Hold until the server refuses, noting what was answered."""
    for number in range(100_000):
        try:
            ledger.hold(HoldRequest(id=f"h{number}", scopes=("episode:a",), amount=Amount(nano_usd=1), arm="x" * 2_000))
        except LedgerUnavailable as error:
            return error
        answered.append(f"h{number}")
    raise AssertionError("the disk never filled up")


def test_a_full_disk_stops_a_server_that_syncs_always_and_loses_nothing(started: Callable[..., RedisServer]) -> None:
    """`appendfsync always`: the server ends rather than answer what it could not write; all it answered is kept."""
    server = started(limited_to=300_000, appendonly="yes", appendfsync="always", aof_use_rdb_preamble="no")
    ledger = opened(server.url)
    answered: list[str] = []
    fill(ledger, answered)
    assert server.wait() == 1
    server.end_of_limit()
    server.start()
    kept = [entry.id for entry in ledger.entries("episode:a")]
    assert kept[: len(answered)] == answered
    assert len(kept) - len(answered) in (0, 1)  # written, and the server ended before it could answer
    check_sums(ledger)
    hold(ledger, "after")
    ledger.close()


def test_a_full_disk_refuses_calls_where_the_server_goes_on(started: Callable[..., RedisServer]) -> None:
    """`appendfsync everysec`: the server answers that it cannot write (MISCONF), and nothing of the call is booked."""
    server = started(limited_to=300_000, appendonly="yes", appendfsync="everysec", aof_use_rdb_preamble="no")
    ledger = opened(server.url)
    answered: list[str] = []
    error = fill(ledger, answered)
    assert "MISCONF" in str(error)
    assert "Nothing of this was booked. The server cannot write its files: free some space" in str(error)
    assert [entry.id for entry in ledger.entries("episode:a")] == answered
    check_sums(ledger)
    ledger.close()


def test_a_lost_reply_is_asked_for_again_and_booked_once(private_redis: RedisServer) -> None:
    """The connection breaks after the server has booked: the call is sent again, and the id keeps it from being two."""
    with Forwarder(private_redis.port) as forwarder:
        ledger = opened(f"redis://127.0.0.1:{forwarder.port}/0")
        forwarder.lose_replies(1)
        hold(ledger, "h")
        forwarder.lose_replies(1)
        ledger.settle("h", Amount(nano_usd=3), at=1.0)
        forwarder.lose_replies(1)
        ledger.open("episode:b", LIMITS, at=1.0)
        assert forwarder.lost == 3
        assert ledger.balance("episode:a").calls == 1
        check_sums(ledger)
        ledger.close()


def test_replies_lost_for_good_say_that_nothing_is_known(private_redis: RedisServer) -> None:
    """Both the call and its repetition lose their reply: the error says that it may be booked, and asking is safe."""
    with Forwarder(private_redis.port) as forwarder:
        ledger = opened(f"redis://127.0.0.1:{forwarder.port}/0")
        forwarder.lose_replies(100)
        with pytest.raises(LedgerUnavailable, match=r"Whether this was booked is not known.*same id is safe"):
            hold(ledger, "h")
        forwarder.lose_replies(0)
        hold(ledger, "h")
        assert ledger.balance("episode:a").calls == 1
        ledger.close()


def test_a_server_that_hangs_is_waited_for_no_longer_than_told(private_redis: RedisServer) -> None:
    """`timeout_s` bounds the wait for a server that takes connections and says nothing; it is not asked twice."""
    with Forwarder(private_redis.port) as forwarder:
        ledger = opened(f"redis://127.0.0.1:{forwarder.port}/0?timeout_s=0.2")
        forwarder.hang()
        began = time.monotonic()
        with pytest.raises(LedgerUnavailable, match=r"[Tt]imeout.*is not known"):
            hold(ledger, "h")
        assert time.monotonic() - began < 2
        ledger.close()


def test_scripts_that_the_server_forgot_are_sent_again(redis_url: str, redis_server: str) -> None:
    """After SCRIPT FLUSH, or on a server just promoted, the next call brings its script along."""
    ledger = opened(redis_url)
    client = redis.Redis.from_url(redis_server)
    for number in range(3):
        client.script_flush()
        hold(ledger, f"h{number}")
    client.close()
    assert ledger.balance("episode:a").calls == 3
    ledger.close()


def test_the_clock_may_jump(redis_url: str) -> None:
    """Times are kept as they were told, forth and back; they decide nothing about money."""
    ledger = opened(redis_url)
    times = [1e9, 5.0, 1.7e9 + 0.123456, 0.0]
    for number, at in enumerate(times):
        amount = Amount(nano_usd=250_000)
        ledger.hold(HoldRequest(id=f"h{number}", scopes=("episode:a",), amount=amount, at=at))
        ledger.settle(f"h{number}", amount, at=at + 1)
    with pytest.raises(BudgetExceeded):
        hold(ledger, "more", 1)
    entries = ledger.entries("episode:a")
    assert [(entry.at, entry.settled_at) for entry in entries] == [(at, at + 1) for at in times]
    ledger.close()
