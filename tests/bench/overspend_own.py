"""langroute in the scenes of ``overspend.py``: a RoutedChatModel over one arm; the cap is the budget of an episode."""

import asyncio
from typing import Any
from uuid import uuid4

from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient, DefaultHttpxClient
from overspend_scene import CALLS, CAP_USD, MODEL, PATIENCE_S, PRICE, QUESTION, TOKENS

from langroute import Budget, BudgetExceeded, ModelPool, RoutedChatModel, StepRouter
from langroute.journal.store import open_journal
from langroute.ledgers import open_ledger


def at_once(base_url: str, *, store: str = "memory://", whole: bool = True) -> None:
    """All calls in parallel, in one episode.

    Args:
        base_url: the server.
        store: where the books are.
        whole: a call is made with its whole output limit or not at all; else a smaller limit is taken where the whole
            one does not fit any more.
    """
    asyncio.run(_at_once(base_url, store, floor=TOKENS if whole else 1))


def in_a_row(base_url: str) -> None:
    """One call after the other, each given up by the client before its answer comes."""
    with DefaultHttpxClient() as client:
        settings = {"timeout": PATIENCE_S, "http_client": client}
        with (
            _router(base_url, store="memory://", floor=TOKENS, **settings) as router,
            router.episode(f"overspend-{uuid4().hex}"),
        ):
            for _ in range(CALLS):
                try:
                    RoutedChatModel(router).invoke([HumanMessage(QUESTION)])
                except Exception:  # noqa: S112 - given up, or refused: the server's meter tells which
                    continue


async def _at_once(base_url: str, store: str, *, floor: int) -> None:
    async with DefaultAsyncHttpxClient() as client:  # else langchain-openai keeps one for the next event loop
        router = _router(base_url, store=store, floor=floor, http_async_client=client)
        llm = RoutedChatModel(router)
        with router, router.episode(f"overspend-{uuid4().hex}"):
            calls = [llm.ainvoke([HumanMessage(QUESTION)]) for _ in range(CALLS)]
            answers = await asyncio.gather(*calls, return_exceptions=True)
    unexpected = [one for one in answers if isinstance(one, BaseException) and not isinstance(one, BudgetExceeded)]
    if unexpected:
        raise unexpected[0]


def _router(base_url: str, *, store: str, floor: int, **settings: Any) -> StepRouter:
    model = ChatOpenAI(model=MODEL, base_url=base_url, api_key="none", max_tokens=TOKENS, **settings)  # type: ignore[arg-type]
    pool = ModelPool({MODEL: model}, prices={MODEL: PRICE}, min_output_tokens={MODEL: floor})
    budget = Budget(total_dollars=CAP_USD)
    return StepRouter(pool, budget=budget, ledger=open_ledger(store), journal=open_journal("memory://"))
