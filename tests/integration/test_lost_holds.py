"""Holds that nobody settled: of a process that died in a call, and of one that was only slow."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from integration.routed import House

from langroute import Budget, RouterConfig
from langroute.books import Amount
from langroute.ledgers.audit import audit
from langroute.testing import FakeClock

ADA = {"configurable": {"langroute_scopes": {"user": "ada"}}}
SCOPE, USER = "episode:order-42", "user:ada"

CALL_AND_DIE = """
import os, sys
from langroute import Budget, ModelPool, Price, RoutedChatModel, RouterConfig, StepRouter
from langroute.testing import ScriptedModel

def never(*_):
    os.kill(os.getpid(), 9)

pool = ModelPool({"small": ScriptedModel(never)}, prices={"small": Price(input_per_million=5, output_per_million=20)})
config = RouterConfig(budget=Budget(total_dollars=1), store=sys.argv[1], lease_s=60, scopes=[
    {"name": "user", "per": "rolling", "window_hours": 1, "total_dollars": 1}
])
router = StepRouter(pool, config=config)
with router.episode("order-42", scopes={"user": "ada"}):
    RoutedChatModel(router).invoke("Hi", max_tokens=500)
"""


def house(store: str, clock: FakeClock, **options: Any) -> House:
    """A router on a store, with the budgets of the process that died."""
    rolling = {"name": "user", "per": "rolling", "window_hours": 1, "total_dollars": 1}
    config = RouterConfig(budget=Budget(total_dollars=1), store=store, lease_s=60, scopes=(rolling,))
    return House(budget=None, config=config, clock=clock, **options)


@pytest.fixture
def dead(tmp_path: Path) -> str:
    """The URL of a store whose only process was killed in a call."""
    store = f"sqlite:///{tmp_path}/books.db"
    done = subprocess.run([sys.executable, "-c", CALL_AND_DIE, store], check=False, timeout=60)  # noqa: S603
    assert done.returncode == -9
    return store


def test_an_episode_that_is_taken_up_again_books_what_a_dead_process_held(dead: str) -> None:
    """While the lease lasts its hold counts; after it, the first look books the worst case, in every scope."""
    clock = FakeClock(at=time.time())
    early = house(dead, clock)
    held = early.router.balance("order-42").held
    assert held.nano_usd > 0
    clock.advance(120)
    late = house(dead, clock)
    balance = late.router.balance("order-42")
    (line,) = late.router.ledger.entries(SCOPE)
    assert (balance.spent, balance.held) == (held, Amount())
    assert (line.worst_case, line.expired, line.settled) == (True, True, held)
    with late.router.episode("order-42", scopes={"user": "ada"}):
        late.llm.invoke("Hi again")
    assert late.router.ledger.balance(USER).calls == 2
    assert all(audit(late.router.ledger, scope).sound for scope in (SCOPE, USER))
    early.router.close()
    late.router.close()


def test_a_hold_that_nobody_lets_expire_counts_in_a_window_for_ever(dead: str) -> None:
    """Other episodes leave it alone; once it is expired, it leaves the window in time."""
    clock = FakeClock(at=time.time())
    made = house(dead, clock)
    clock.advance(3 * 3600)
    made.llm.invoke("Another episode", ADA)
    ledger = made.router.ledger
    held = ledger.balance(USER, at=clock.now()).held
    assert held.nano_usd > 0
    ledger.expire(at=clock.now())
    assert ledger.balance(USER, at=clock.now()).spent.nano_usd >= held.nano_usd
    clock.advance(2 * 3600)
    assert ledger.balance(USER, at=clock.now()).used == Amount()
    made.router.close()


def test_a_call_longer_than_its_lease_books_the_truth() -> None:
    """Expired while it was under way: its end takes the worst case back, and the books are the price of its usage."""
    clock = FakeClock()
    made: House

    def slow(*_: Any) -> str:
        clock.advance(61)
        assert len(made.router.ledger.expire(at=clock.now())) == 1
        return "Late, but here."

    made = house("memory://", clock, small=slow, large=slow)
    with made.router.episode("order-42", scopes={"user": "ada"}):
        made.llm.invoke("Hi")
    (line,) = made.router.ledger.entries(SCOPE)
    (record,) = made.records("order-42")
    assert (line.worst_case, line.corrections) == (False, ())
    assert line.settled is not None
    assert record.outcome is not None
    assert line.settled.nano_usd == record.outcome.cost_nano < line.held.nano_usd
    assert audit(made.router.ledger, USER).sound
