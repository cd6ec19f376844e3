"""Every ledger keeps every promise of the contract."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from broken_ledgers import Forgetting, Hiding, Leaking

from langroute.books import Amount, HoldRequest, Limits
from langroute.errors import BudgetExceeded
from langroute.ledgers import MemoryLedger, SqliteLedger, open_ledger
from langroute.protocols import Ledger
from langroute.testing.ledger_contract import LEDGER_CHECKS, LedgerCheck, check_ledger

MAKERS: dict[str, Callable[[Path], Ledger]] = {
    "memory": lambda folder: MemoryLedger(),
    "sqlite": lambda folder: SqliteLedger(folder / "books.db"),
}


@pytest.mark.parametrize("check", LEDGER_CHECKS.values(), ids=LEDGER_CHECKS.keys())
def test_postgres_ledger_keeps_its_promise(check: LedgerCheck, postgres_url: str) -> None:
    """The same promises over a real server; the check's own docstring says which."""
    ledger = open_ledger(postgres_url)
    check(ledger)
    ledger.close()


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS.keys())
@pytest.mark.parametrize("check", LEDGER_CHECKS.values(), ids=LEDGER_CHECKS.keys())
def test_ledger_keeps_its_promise(check: LedgerCheck, maker: Callable[[Path], Ledger], tmp_path: Path) -> None:
    """The check's own docstring is the promise."""
    ledger = maker(tmp_path)
    check(ledger)
    ledger.close()


def test_check_ledger_runs_every_check_on_a_fresh_ledger() -> None:
    """The public suite calls the factory once per check and passes on a ledger that is right."""
    made: list[MemoryLedger] = []

    def factory() -> MemoryLedger:
        made.append(MemoryLedger())
        return made[-1]

    check_ledger(factory)
    assert len(made) == len(LEDGER_CHECKS) > 20


@pytest.mark.parametrize("wrong", [Hiding, Leaking, Forgetting])
def test_check_ledger_finds_what_is_wrong(wrong: type[MemoryLedger]) -> None:
    """The suite fails on a ledger that breaks a promise, and names the ledger and the check."""
    with pytest.raises(AssertionError, match=rf"{wrong.__name__} fails \w+"):
        check_ledger(wrong)


class NaiveLedger:
    """The control: reads the books, looks, then writes. A barrier holds all readers together before any writes."""

    def __init__(self, ledger: Ledger, racers: int) -> None:
        self.ledger = ledger
        self._all_have_read = Barrier(racers)
        self.granted: list[int] = []

    def hold(self, request: HoldRequest) -> None:
        """What a budget check without an atomic hold does."""
        room = self.ledger.balance(request.scopes[0]).available_nano("general")
        self._all_have_read.wait()
        if room is None or request.amount.nano_usd > room:
            raise BudgetExceeded(scope=request.scopes[0], limit=0, spent=0, requested=0)
        self.granted.append(request.amount.nano_usd)


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS.keys())
def test_reading_before_writing_overspends_where_holding_does_not(
    maker: Callable[[Path], Ledger], tmp_path: Path
) -> None:
    """8 threads, each wanting the whole budget: the naive check grants it 8 times, a hold once."""
    ledger = maker(tmp_path)
    ledger.open("episode:a", Limits(nano_usd=100), at=0.0)
    naive = NaiveLedger(ledger, racers=8)
    requests = [HoldRequest(id=f"h{n}", scopes=("episode:a",), amount=Amount(nano_usd=100)) for n in range(8)]

    def granted(request: HoldRequest) -> bool:
        try:
            ledger.hold(request)
        except BudgetExceeded:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(naive.hold, requests))
        taken = list(pool.map(granted, requests))
    assert sum(naive.granted) == 800
    assert sum(taken) == 1
    assert ledger.balance("episode:a").held == Amount(nano_usd=100)
    ledger.close()
