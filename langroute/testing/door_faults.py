"""What a door promises of a call that does not go well; part of `check_door`."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from langroute.budget import Budget
from langroute.errors import BudgetExceeded
from langroute.records import Record
from langroute.testing.door import AsyncDoor, AsyncStreamingDoor, StreamingDoor
from langroute.testing.door_bench import DoorBench, Stage
from langroute.testing.purity import expect
from langroute.testing.reply import Reply

_LONG = Reply(text=" ".join(f"piece{number}" for number in range(40)), input_tokens=313)


class ProviderDown(RuntimeError):
    """What a scripted provider raises."""


def refuses_before_calling(stage: Stage, way: str) -> None:
    """A call whose worst case does not fit is refused with BudgetExceeded; no provider is called, nothing is spent."""
    bench = stage(budget=Budget(total_dollars=0.000_000_1))
    try:
        answer = bench.ask(way, bench.call())
    except BudgetExceeded:
        pass
    else:
        expect(False, f"a call that does not fit must raise BudgetExceeded, it gave {answer!r}")
    expect(bench.provider_calls == 0, "a refused call must not reach a provider")
    spent = bench.balance().spent.nano_usd
    expect(spent == 0, f"a refused call costs nothing, {spent} nano-dollars are booked")


def keeps_the_providers_error(stage: Stage, way: str) -> None:
    """A provider's error reaches the caller as it is, and the call is not made again behind his back."""
    bench = stage(answers=lambda messages, kwargs: ProviderDown("down"))  # noqa: ARG005 - an answerer takes both
    try:
        answer = bench.ask(way, bench.call())
    except ProviderDown:
        pass
    except Exception as exc:
        raise AssertionError(f"the provider raised ProviderDown, the caller got {exc!r}") from exc
    else:
        expect(False, f"the provider raised ProviderDown, the caller got the answer {answer!r}")
    expect(bench.provider_calls == 1, f"an unknown error is not retried, there were {bench.provider_calls} calls")


def settles_a_failed_call(stage: Stage, way: str) -> None:
    """A call that failed and may have been billed is booked at its worst case; its hold does not stay open."""
    bench = stage(answers=lambda messages, kwargs: ProviderDown("down"))  # noqa: ARG005
    try:
        bench.ask(way, bench.call())
    except ProviderDown:
        _at_its_worst(bench, "failed")
    else:
        expect(False, "the provider raised ProviderDown, the caller got an answer")


def books_the_worst_without_usage(stage: Stage, way: str) -> None:
    """An answer whose usage is not reported is booked at its worst case, and marked."""
    bench = stage(answers=lambda messages, kwargs: Reply(text="one two", usage=False))  # noqa: ARG005
    bench.ask(way, bench.call())
    _at_its_worst(bench, "brought no usage")


def settles_a_closed_stream(stage: Stage, way: str) -> None:
    """A stream closed early leaves no hold open, and is booked at its worst or at what was reported, never at zero."""
    bench = stage(answers=lambda messages, kwargs: _LONG)  # noqa: ARG005
    if way == "astream":
        asyncio.run(_aclose_early(bench))
    else:
        with bench.around():
            pieces: Any = cast("StreamingDoor", bench.door).stream(bench.router, bench.call())
            next(pieces)
            pieces.close()
    expect(bench.provider_calls == 1, f"one question must be one provider call, there were {bench.provider_calls}")
    spent = bench.balance().spent.nano_usd
    expect(spent > 0, "a closed stream may have been billed, nothing is booked")
    for record in _called(bench.records()):
        known = record.outcome is not None and (record.outcome.worst_case or record.outcome.usage is not None)
        expect(known, f"a closed stream must be booked at its worst or at what was reported: {record.outcome}")


async def _aclose_early(bench: DoorBench) -> None:
    with bench.around():
        pieces: Any = cast("AsyncStreamingDoor", bench.door).astream(bench.router, bench.call())
        await anext(pieces)
        await pieces.aclose()


def settles_a_cancelled_call(stage: Stage, way: str) -> None:  # noqa: ARG001 - only async calls can be cancelled
    """A cancelled call ends cancelled, leaves no hold open, and is booked at its worst case, never at zero."""
    asked = asyncio.Event()

    async def never(messages: Any, kwargs: Any) -> Reply:  # noqa: ARG001
        asked.set()
        await asyncio.Event().wait()
        return _LONG

    bench = stage(answers=never)
    asyncio.run(_cancel_when(bench, asked))
    _at_its_worst(bench, "was cancelled")


async def _cancel_when(bench: DoorBench, asked: asyncio.Event) -> None:
    with bench.around():
        door = cast("AsyncDoor", bench.door)
        task = asyncio.ensure_future(door.arun(bench.router, bench.call()))
        waiting = asyncio.ensure_future(asked.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        expect(not task.done(), f"the call must reach the provider and wait for it, it ended: {task}")
        task.cancel()
        try:
            answer = await task
        except asyncio.CancelledError:
            return
        expect(False, f"a cancelled call must end cancelled, it gave {answer!r}")


def _at_its_worst(bench: DoorBench, what: str) -> None:
    """Everything is settled, and each call made is booked at its worst case."""
    spent = bench.balance().spent.nano_usd
    made = _called(bench.records())
    expect(made, f"a call that {what} must leave its record")
    worst = sum(record.decision.worst_nano for record in made)
    expect(
        spent == worst > 0,
        f"a call that {what} may have been billed: its worst case is {worst} nano-dollars, {spent} are booked",
    )
    marked = all(record.outcome is not None and record.outcome.worst_case for record in made)
    expect(marked, f"a call that {what} must be marked worst_case in its record")


def _called(records: Sequence[Record]) -> list[Record]:
    return [record for record in records if record.action == "call"]
