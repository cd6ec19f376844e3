"""The faults that every store must survive, on a real Redis; see `tests/ledger_faults.py`."""

import os

import ledger_faults
import pytest

from langroute.ledgers.redis import RedisLedger


def test_64_threads_on_one_budget(redis_url: str) -> None:
    """As many calls are admitted as fit; reading before writing overspends."""
    ledger = RedisLedger(redis_url)
    ledger_faults.race_threads(ledger)
    ledger.close()


async def test_64_tasks_on_one_budget(redis_url: str) -> None:
    """As many calls are admitted as fit; reading before writing overspends."""
    ledger = RedisLedger(redis_url)
    await ledger_faults.race_tasks(ledger)
    ledger.close()


def test_8_processes_on_one_budget(redis_url: str) -> None:
    """As many calls are admitted as fit; reading before writing overspends."""
    ledger_faults.race_processes(redis_url)


def test_a_process_that_dies_mid_call(redis_url: str) -> None:
    """Its hold counts on, expires at its worst case and can be put right."""
    ledger_faults.die_mid_call(redis_url)


def test_processes_that_die_at_any_moment(redis_url: str) -> None:
    """What was answered is booked, what was not is whole, and lines sum to books."""
    ledger_faults.die_at_any_moment(redis_url)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forks_while_the_parent_writes(redis_url: str) -> None:
    """Both sides of a fork book into the same store, over connections of their own, and lose nothing."""
    ledger_faults.fork_while_writing(redis_url)
