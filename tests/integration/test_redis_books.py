"""What is special about books on Redis: pages of long books, repeated requests, and races of several doors."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from forwarder import Forwarder
from servers import RedisServer

from langroute.books import Amount, Entry, HoldRequest, Limits
from langroute.errors import ConfigError, LedgerError, LedgerUnavailable
from langroute.ledgers.redis import RedisLedger


def lease(ledger: RedisLedger, hold_id: str, *, expires: float, scopes: tuple[str, ...] = ("episode:a",)) -> None:
    """Hold 10 until ``expires``."""
    ledger.hold(HoldRequest(id=hold_id, scopes=scopes, amount=Amount(nano_usd=10), at=1.0, expires=expires))


def test_long_books_are_read_page_by_page_and_stay_in_order(redis_url: str) -> None:
    """More lines and scopes than one script reads come back complete, in their order, under any prefix."""
    ledger = RedisLedger(redis_url)
    names = [f"episode:{number}" for number in range(650)]
    for name in names:
        ledger.open(name, Limits(), at=0.0)
    ledger.open("user:u", Limits(), at=0.0)
    for number in range(450):
        lease(ledger, f"h{number}", expires=1_000.0 - number, scopes=("episode:0",))
    assert [entry.id for entry in ledger.entries("episode:0")] == [f"h{number}" for number in range(450)]
    newest = names[::-1]
    assert [balance.scope for balance in ledger.scopes("episode:", limit=1_000)] == newest
    assert [balance.scope for balance in ledger.scopes("episode:", limit=430)] == newest[:430]
    assert [balance.scope for balance in ledger.scopes("episode:64", limit=1_000)] == [*newest[:10], "episode:64"]
    assert [balance.scope for balance in ledger.scopes(limit=2)] == ["user:u", "episode:649"]
    expired = ledger.expire(at=1_000.0, scope="episode:0")
    assert [entry.id for entry in expired] == [f"h{number}" for number in range(450)]
    assert ledger.balance("episode:0").spent == Amount(nano_usd=4_500)
    assert ledger.expire(at=2_000.0) == ()
    ledger.close()


def test_many_holds_of_other_scopes_do_not_hide_those_of_one(redis_url: str) -> None:
    """Expiring one scope passes over the overdue holds of others, however many come first."""
    ledger = RedisLedger(redis_url)
    for scope in ("episode:a", "episode:b"):
        ledger.open(scope, Limits(), at=0.0)
    for number in range(300):
        lease(ledger, f"a{number}", expires=5.0)
        lease(ledger, f"b{number}", expires=6.0, scopes=("episode:b",))
    assert len(ledger.expire(at=10.0, scope="episode:b")) == 300
    assert ledger.balance("episode:a").held == Amount(nano_usd=3_000)
    ledger.close()


def test_a_reset_and_an_amendment_whose_replies_are_lost_are_made_once(private_redis: RedisServer) -> None:
    """Sent again after a lost reply, they are recorded once and forgive nothing more."""
    with Forwarder(private_redis.port) as forwarder:
        ledger = RedisLedger(f"redis://127.0.0.1:{forwarder.port}/0")
        ledger.open("episode:a", Limits(nano_usd=100), at=0.0)
        ledger.hold(HoldRequest(id="h", scopes=("episode:a",), amount=Amount(nano_usd=60)))
        ledger.settle("h", Amount(nano_usd=60), worst_case=True, at=1.0)
        forwarder.lose_replies(1)
        ledger.correct("h", Amount(nano_usd=50), at=2.0, reason="invoice")
        forwarder.lose_replies(1)
        ledger.amend("episode:a", Limits(nano_usd=70), at=3.0)
        forwarder.lose_replies(1)
        balance = ledger.reset("episode:a", at=4.0)
        assert forwarder.lost == 3
        assert (balance.spent, balance.past) == (Amount(), Amount(nano_usd=50))
        assert [amendment.kind for amendment in ledger.amendments("episode:a")] == ["limits", "reset"]
        assert len(ledger.entries("episode:a")[0].corrections) == 1
        ledger.close()


def test_a_reset_is_done_once_even_where_more_was_spent_before_it_is_asked_again(redis_url: str) -> None:
    """The same request, come twice, does not forgive what was spent between the two."""
    ledger, other = RedisLedger(redis_url), RedisLedger(redis_url)
    ledger.open("episode:a", Limits(nano_usd=100), at=0.0)
    request = {"scope": "episode:a", "at": "4.0", "reason": "", "fresh": "the same"}
    for number in range(2):
        other.hold(HoldRequest(id=f"h{number}", scopes=("episode:a",), amount=Amount(nano_usd=10)))
        other.settle(f"h{number}", Amount(nano_usd=10), at=1.0)
        ledger._scripts.send("reset", request)
    balance = ledger.balance("episode:a")
    assert (balance.spent, balance.past) == (Amount(nano_usd=10), Amount(nano_usd=10))
    for each in (ledger, other):
        each.close()


def test_full_memory_refuses_what_puts_books_right(private_redis: RedisServer) -> None:
    """Expiry, correction and reset change nothing where the server takes no more."""
    ledger = RedisLedger(private_redis.url)
    ledger.open("episode:a", Limits(nano_usd=100), at=0.0)
    lease(ledger, "open", expires=5.0)
    lease(ledger, "wrong", expires=50.0)
    ledger.settle("wrong", Amount(nano_usd=10), worst_case=True, at=2.0)
    before = (ledger.balance("episode:a"), ledger.entries("episode:a"))
    private_redis.client().config_set("maxmemory", "1mb")
    for refused in (
        lambda: ledger.expire(at=10.0),
        lambda: ledger.correct("wrong", Amount(nano_usd=1), at=10.0),
        lambda: ledger.reset("episode:a", at=10.0),
    ):
        with pytest.raises(LedgerUnavailable, match="memory is full"):
            refused()
    assert (ledger.balance("episode:a"), ledger.entries("episode:a")) == before
    assert ledger.amendments("episode:a") == ()
    ledger.close()


def test_settling_and_expiring_at_once_book_one_of_the_two(redis_url: str) -> None:
    """A slow process settles while others expire its holds: the truth ends up booked, once, whoever came first."""
    doors = [RedisLedger(redis_url) for _ in range(4)]
    doors[0].open("episode:a", Limits(nano_usd=10_000), at=0.0)
    for number in range(100):
        lease(doors[0], f"h{number}", expires=5.0)

    def race(door: int) -> tuple[Entry, ...]:
        if door % 2:
            return doors[door].expire(at=6.0)
        return tuple(doors[door].settle(f"h{number}", Amount(nano_usd=3), at=6.0) for number in range(100))

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(race, range(4)))
    expired = [entry.id for entries in told[1::2] for entry in entries]
    assert len(set(expired)) == len(expired)
    balance = doors[0].balance("episode:a")
    assert (balance.spent, balance.held, balance.calls) == (Amount(nano_usd=300), Amount(), 100)
    assert {entry.settled for entry in doors[0].entries("episode:a")} == {Amount(nano_usd=3)}
    for door in doors:
        door.close()


def test_nothing_of_the_books_lies_outside_their_slot(redis_url: str, redis_server: str) -> None:
    """Every key has the prefix as its hash tag, so one primary keeps the whole of a ledger."""
    ledger = RedisLedger(redis_url)
    ledger.open("user:{odd}", Limits(window_s=60.0), at=0.0)
    request = HoldRequest(
        id="{h}", scopes=("episode:a", "user:{odd}"), amount=Amount(), expires=5.0, opens=(("episode:a", Limits()),)
    )
    ledger.hold(request)
    ledger.expire(at=9.0)
    ledger.amend("user:{odd}", Limits(nano_usd=5, window_s=60.0), at=1.0)
    prefix = redis_url.partition("prefix=")[2]
    client = redis.Redis.from_url(redis_server, decode_responses=True)
    keys = set(client.scan_iter(f"*{prefix}*", count=1000))
    client.close()
    kinds = {key.removeprefix(f"{{{prefix}}}:").partition(":")[0] for key in keys}
    assert kinds == {"books", "scope", "hold", "lines", "order", "window", "amendments"}
    assert all(key.startswith(f"{{{prefix}}}:") for key in keys)
    ledger.close()


def test_a_window_cannot_be_changed_and_nonsense_is_refused_before_it_is_sent(redis_url: str) -> None:
    """What the rules refuse is refused here too, with nothing changed on the server."""
    ledger = RedisLedger(redis_url)
    ledger.open("user:w", Limits(nano_usd=5, window_s=60.0), at=0.0)
    for limits in (Limits(nano_usd=9), Limits(nano_usd=9, window_s=61.0)):
        with pytest.raises(ConfigError, match=r"keeps its window \(60 seconds\)"):
            ledger.amend("user:w", limits, at=1.0)
    for nonsense in (float("nan"), float("inf"), -1.0):
        with pytest.raises(LedgerError, match="epoch seconds"):
            ledger.balance("user:w", at=nonsense)
    assert ledger.amendments("user:w") == ()
    ledger.close()
