"""The Redis ledger keeps every promise of the contract, on a real server."""

import pytest

from langroute.ledgers.redis import RedisLedger
from langroute.testing.ledger_contract import LEDGER_CHECKS, LedgerCheck


@pytest.mark.parametrize("check", LEDGER_CHECKS.values(), ids=LEDGER_CHECKS.keys())
def test_redis_ledger_keeps_its_promise(check: LedgerCheck, redis_url: str) -> None:
    """The check's own docstring is the promise."""
    ledger = RedisLedger(redis_url)
    check(ledger)
    ledger.close()
