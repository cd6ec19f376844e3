"""A router whose books are on Redis and whose records are elsewhere."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from langroute import Budget, BudgetExceeded, ModelPool, Price, RoutedChatModel, StepRouter
from langroute.config import RouterConfig
from langroute.errors import LedgerUnavailable
from langroute.ledgers.audit import audit
from langroute.testing import Reply, ScriptedModel

PRICES = {"small": Price(input_per_million=0.05, output_per_million=0.40)}


def router_for(url: str, journal: str, *, answers: int, dollars: float = 0.01) -> StepRouter:
    """A router over one scripted arm whose calls cost 2,800 nano-dollars."""
    replies = [Reply(text="Paris", input_tokens=40, output_tokens=2) for _ in range(answers)]
    pool = ModelPool({"small": ScriptedModel(replies)}, prices=PRICES)
    config = RouterConfig(store=url, journal=journal)
    return StepRouter(pool, budget=Budget(total_dollars=dollars), config=config)


def test_routers_share_one_budget_on_redis(redis_url: str, tmp_path: Path) -> None:
    """Calls, streams and async calls of two routers are booked on one server; the records are where `journal` says."""
    journal = f"sqlite:///{tmp_path}/records.db"
    with router_for(redis_url, journal, answers=2) as router, router.episode("demo"):
        assert RoutedChatModel(router).invoke("Capital of France?").text == "Paris"
        assert "".join(piece.text for piece in RoutedChatModel(router).stream("And again?")) == "Paris"
    with router_for(redis_url, journal, answers=1) as again, again.episode("demo"):
        assert asyncio.run(RoutedChatModel(again).ainvoke("And again?")).text == "Paris"
        again.flush()
        assert len(again.journal.records("demo")) == 3
        assert again.balance("demo").spent.nano_usd == 3 * 2_800
        assert audit(again.ledger, "episode:demo").sound


def test_parallel_calls_on_redis_spend_what_there_is_and_not_more(redis_url: str) -> None:
    """16 calls at once on a budget for some of them: at least one is made, none above the budget, and all adds up."""
    router = router_for(redis_url, "memory://", answers=16, dollars=0.002)

    def call(number: int) -> bool:
        with router.episode("demo"):
            try:
                RoutedChatModel(router).invoke(f"Question {number}?")
            except BudgetExceeded:
                return False
            return True

    with ThreadPoolExecutor(16) as pool:
        admitted = sum(pool.map(call, range(16)))
    balance = router.balance("demo")
    assert admitted >= 1
    assert balance.spent.nano_usd == admitted * 2_800
    assert balance.held.nano_usd == 0
    assert audit(router.ledger, "episode:demo").sound
    router.close()


def test_no_call_is_made_while_redis_is_away(tmp_path: Path) -> None:
    """A router whose server does not answer refuses its calls before any model is asked."""
    model = ScriptedModel(["never said"])
    pool = ModelPool({"small": model}, prices=PRICES)
    config = RouterConfig(store="redis://127.0.0.1:1/0?timeout_s=0.5", journal="memory://")
    with StepRouter(pool, budget=Budget(total_dollars=0.01), config=config) as router, router.episode("demo"):
        with pytest.raises(LedgerUnavailable, match=r"127\.0\.0\.1:1/0"):
            RoutedChatModel(router).invoke("Hello?")
        assert model.calls == []
