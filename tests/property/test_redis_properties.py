"""Redis, the memory ledger and the simplest books there can be agree after any sequence of steps."""

import tempfile
from contextlib import suppress
from typing import Any

import orjson
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from property.test_ledger_agreement import Agreement
from property.test_ledger_properties import Books, Model
from servers import own_books

from langroute.ledgers import MemoryLedger
from langroute.ledgers.redis import RedisLedger
from langroute.ledgers.redis_scripts import script_of


class RedisBooks(Books):
    """The machine of the other ledgers, with Redis in the place of SQLite."""

    server = ""

    def __init__(self) -> None:
        RuleBasedStateMachine.__init__(self)
        self.folder = tempfile.mkdtemp(prefix="langroute-books-")
        self.books = own_books(self.server)
        self.sqlite: Any = RedisLedger(next(self.books))
        self.ledgers: Any = (MemoryLedger(), self.sqlite)
        self.model = Model()
        self.clock = 0.0

    def teardown(self) -> None:
        """Leave nothing behind."""
        super().teardown()
        with suppress(StopIteration):
            next(self.books)


class RedisAgreement(Agreement):
    """The same for leases, corrections, resets, windows and jumping clocks."""

    def __init__(self) -> None:
        RuleBasedStateMachine.__init__(self)
        self.folder = tempfile.mkdtemp(prefix="langroute-books-")
        self.books = own_books(RedisBooks.server)
        self.ledgers = (MemoryLedger(), RedisLedger(next(self.books)))
        self.overrun = False
        self.now = 0.0
        self.settled = {}

    def teardown(self) -> None:
        """Leave nothing behind."""
        super().teardown()
        with suppress(StopIteration):
            next(self.books)


@pytest.fixture(autouse=True, scope="module")
def on_a_real_server(redis_server: str) -> None:
    """The machine runs where the other tests run."""
    RedisBooks.server = redis_server


TestRedisBooks = RedisBooks.TestCase
TestRedisBooks.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)

TestRedisAgreement = RedisAgreement.TestCase
TestRedisAgreement.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)

_SUMS = """
local a, b = integer(ask.a), integer(ask.b)
return cjson.encode({sum = text(plus(a, b)), difference = text(minus(a, b)), less = less(a, b)})
"""

integers = st.integers(-(2**66), 2**66) | st.integers(-3, 3).map(lambda n: n * 10**9) | st.integers(-(10**9), 10**9)


@settings(max_examples=300, deadline=None)
@given(a=integers, b=integers)
def test_the_integers_of_the_scripts_are_exact(a: int, b: int) -> None:
    """Far beyond the 2^53 of Lua's numbers, sums, differences and comparisons are those of Python."""
    client = redis.Redis.from_url(RedisBooks.server)
    told = client.eval(script_of("books")[0] + _SUMS, 1, "{langroute-test-sums}:books", f'{{"a": "{a}", "b": "{b}"}}')
    client.close()
    assert orjson.loads(told) == {"sum": str(a + b), "difference": str(a - b), "less": a < b}
