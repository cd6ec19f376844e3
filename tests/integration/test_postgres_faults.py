"""The faults that every store must survive, on PostgreSQL; see `tests/ledger_faults.py`."""

import os

import ledger_faults
import pytest


def test_64_threads_on_one_budget(postgres_url: str) -> None:
    """As many calls are admitted as fit; reading before writing overspends."""
    with ledger_faults.open_ledger_closing(postgres_url) as ledger:
        ledger_faults.race_threads(ledger)


async def test_64_tasks_on_one_budget(postgres_url: str) -> None:
    """As many calls are admitted as fit; reading before writing overspends."""
    with ledger_faults.open_ledger_closing(postgres_url) as ledger:
        await ledger_faults.race_tasks(ledger)


def test_8_processes_on_one_budget(postgres_url: str) -> None:
    """As many calls are admitted as fit; reading before writing overspends. The making of the tables races too."""
    ledger_faults.race_processes(postgres_url)


def test_a_process_that_dies_mid_call(postgres_url: str) -> None:
    """Its hold counts on, expires at its worst case and can be put right."""
    ledger_faults.die_mid_call(postgres_url)


def test_processes_that_die_at_any_moment(postgres_url: str) -> None:
    """What was answered is booked, what was not is whole, and lines sum to books."""
    ledger_faults.die_at_any_moment(postgres_url)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forks_while_the_parent_writes(postgres_url: str) -> None:
    """Both sides of a fork book into the same database and lose nothing."""
    ledger_faults.fork_while_writing(postgres_url)
