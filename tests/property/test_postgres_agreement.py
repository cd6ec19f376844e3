"""The PostgreSQL ledger answers every move as the memory ledger does; see `test_ledger_agreement.py`."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from postgres_servers import new_schema

from langroute.ledgers import MemoryLedger
from langroute.ledgers.postgres import PostgresLedger
from tests.property import test_ledger_agreement as agreement


@pytest.fixture
def machine(postgres_database: str) -> type[agreement.Agreement]:
    """The machine, with PostgreSQL in the place of SQLite and a schema for each run."""

    class WithPostgres(agreement.Agreement):
        def __init__(self) -> None:
            super().__init__()
            self.ledgers[1].close()
            self.schema = new_schema(postgres_database)
            self.ledgers = (MemoryLedger(), PostgresLedger(self.schema.__enter__()))

        def teardown(self) -> None:
            super().teardown()
            self.schema.__exit__(None, None, None)

    return WithPostgres


def test_postgres_agrees_with_memory(machine: type[agreement.Agreement]) -> None:
    """Leases, late truths, corrections, resets, windows and jumping clocks: same answers, same errors, sound books."""
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        machine, settings=settings(max_examples=15, stateful_step_count=30, deadline=None, suppress_health_check=checks)
    )
