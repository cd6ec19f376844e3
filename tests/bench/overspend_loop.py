"""How long an event loop stands still while routed calls are driven on it: the longest run of any of its callbacks.

That is what everything else on the loop has to wait for at once. Many calls are driven side by side by the async
driver, as the doors drive them; the models answer at once, so that nothing but langroute and its store is on the loop.

Python's garbage collector stops whichever callback it comes over, for as long as the whole program's heap takes to walk
(LangChain's modules alone: tens of milliseconds), with or without langroute. So it is switched off for the figure that
says what langroute does, and on for the one that says what a program sees.
"""

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from overhead_cases import pool

from langroute import Budget, StepRouter, drivers
from langroute.acts import Call, Reply
from langroute.episodes import RunPlace
from langroute.flow import journey
from langroute.integrations.request import StepReader, model_call
from langroute.protocols import Ledger
from langroute.records import Step, Usage


def longest_block_ms(ledger: Ledger, *, tasks: int, calls: int, collect: bool) -> float:
    """Milliseconds of the longest callback.

    Args:
        ledger: the books.
        tasks: calls that are under way at once.
        calls: calls of each task.
        collect: let the garbage collector run.
    """
    router = StepRouter(pool(), budget=Budget(total_dollars=1_000.0), ledger=ledger)
    place = RunPlace(explicit=f"loop-{uuid4().hex}")
    with asyncio.Runner() as runner:
        runner.run(_all(router, place, tasks, 2))  # opens the store, loads what is loaded at first use
        gc.collect()
        with _collecting(collect), _watched() as longest:
            runner.run(_all(router, place, tasks, calls))
    router.journal.close()
    return longest[0] * 1e3


async def _all(router: StepRouter, place: RunPlace, tasks: int, calls: int) -> None:
    await asyncio.gather(*[_some(router, place, calls) for _ in range(tasks)])


async def _some(router: StepRouter, place: RunPlace, calls: int) -> None:
    messages = [HumanMessage("What about number 0?")]
    call = model_call(prompt=messages, messages=messages, config=RunnableConfig(), options={})
    reader = StepReader(router.config, router.pool)  # type: ignore[arg-type]

    def observe(episode: str, index: int, /, *, compress: bool = False) -> Step:
        return reader.read(call, episode=episode, call_index=index)

    for _ in range(calls):
        await drivers.arun(journey(router, place, observe), router, _Answering())


class _Answering:
    """A caller whose answer takes one turn of the loop."""

    async def acall(self, act: Call) -> Reply:
        await asyncio.sleep(0)
        return Reply(value="yes", usage=Usage(input_tokens=12, output_tokens=3), served_by="nano")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


@contextmanager
def _collecting(collect: bool) -> Iterator[None]:
    if not collect:
        gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def _watched() -> Iterator[list[float]]:
    """Time every callback of every loop; the list's only entry is the seconds of the longest."""
    longest, run = [0.0], asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        began = time.perf_counter()
        run(handle)
        longest[0] = max(longest[0], time.perf_counter() - began)

    asyncio.Handle._run = timed  # type: ignore[method-assign]
    try:
        yield longest
    finally:
        asyncio.Handle._run = run  # type: ignore[method-assign]
