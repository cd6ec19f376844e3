"""The drivers: a whole answer and a stream, sync and async; whatever interrupts them, the books are right."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import pytest
from fakes import TWO, ApiError, Bench, Pieces, ScriptedCaller, good, ladder, malformed, usage

from langroute.books import Amount
from langroute.budget import Budget
from langroute.errors import LedgerUnavailable
from langroute.flow import Act, Call, Close, Look, Reply, Take

SMALL, LARGE = TWO
COST = usage().cost_nano(SMALL.price)
BUDGET = Budget(total_dollars=1)


def _settled_worst(bench: Bench) -> bool:
    """Whether the episode has one hold, booked in full because the truth is not known."""
    (entry,) = bench.ledger.entries("episode:e")
    return entry.settled == entry.held and entry.worst_case and bench.books.held == Amount()


# -- whole answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocking", [False, True])
async def test_the_async_journey_is_the_same(blocking: bool) -> None:
    """Refused, malformed, then good: the async driver takes the same acts and books as the sync one."""
    script = (ApiError(429), malformed(), good("mended"))
    first, second = Bench(budget=BUDGET), Bench(budget=BUDGET)
    second.desk.blocking = blocking
    caller = ScriptedCaller(*script)
    assert first.run(ScriptedCaller(*script)) == await second.arun(caller) == "mended"
    assert [type(act) for act in first.desk.acts] == [type(act) for act in second.desk.acts]
    assert (first.books, first.told) == (second.books, second.told)
    assert len(caller.calls) == 3


@pytest.mark.parametrize("blocking", [False, True])
async def test_a_blocking_desk_is_kept_off_the_event_loop(blocking: bool) -> None:
    """Books that wait for a store do so in another thread; books that do not stay where they are."""
    bench, seen = Bench(), set()
    bench.desk.blocking = blocking
    bench.desk.before = lambda index, act: seen.add(threading.current_thread() is threading.main_thread())
    await bench.arun(ScriptedCaller(good()))
    assert seen == {not blocking}


async def test_the_episode_around_is_known_in_the_worker_thread() -> None:
    """A blocking desk finds the episode that the task is inside of."""
    bench = Bench()
    bench.desk.blocking = True
    with bench.router.episode("around"):
        await bench.arun(ScriptedCaller(good()))
    assert bench.ledger.balance("episode:around").calls == 1


class _Gate:
    """Stops a blocking desk inside one act until the test lets it go on."""

    def __init__(self, bench: Bench, kind: type[Act], *, late: bool) -> None:
        self.kind = kind
        self.entered, self.leave = threading.Event(), threading.Event()
        bench.desk.blocking = True
        setattr(bench.desk, "after" if late else "before", self._wait)

    def _wait(self, index: int, act: Act) -> None:
        if isinstance(act, self.kind):
            self.entered.set()
            assert self.leave.wait(10)

    async def reached(self) -> None:
        while not self.entered.is_set():
            await asyncio.sleep(0)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("kind", [Look, Take, Close])
async def test_cancelled_while_the_books_are_busy(kind: type[Act], late: bool) -> None:
    """The act is finished, then the cancellation goes on: no hold stays, and only a call that was made is booked."""
    bench = Bench(budget=BUDGET)
    gate = _Gate(bench, kind, late=late)
    caller = ScriptedCaller(good())
    task = asyncio.create_task(bench.arun(caller))
    await gate.reached()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    gate.leave.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.books.held == Amount()
    assert bench.books.spent.nano_usd == (COST if kind is Close else 0)
    assert len(caller.calls) == int(kind is Close)


async def test_cancelled_while_the_call_is_under_way() -> None:
    """A call that was sent may be billed: its worst case is booked, in a thread, before the cancellation goes on."""

    class Hanging(ScriptedCaller):
        async def acall(self, act: Call) -> Reply:
            self.calls.append(act)
            await asyncio.get_running_loop().create_future()
            raise AssertionError("never reached")

    for blocking in (False, True):
        bench = Bench(budget=BUDGET)
        bench.desk.blocking = blocking
        caller = Hanging()
        task = asyncio.create_task(bench.arun(caller))
        while not caller.calls:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert _settled_worst(bench)
        assert bench.told == ["small CancelledError"]


async def test_cancelled_while_waiting_before_a_retry() -> None:
    """Between two attempts nothing is held, so a cancellation there books nothing more."""
    bench = Bench(budget=BUDGET, arms=ladder("only"))

    async def forever(seconds: float) -> None:
        await asyncio.get_running_loop().create_future()

    bench.desk.asleep = forever  # type: ignore[method-assign]
    caller = ScriptedCaller(ApiError(429))
    task = asyncio.create_task(bench.arun(caller))
    while not bench.told:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.books.used == Amount()


def test_a_loop_that_shuts_down_still_settles() -> None:
    """Every task is cancelled when a loop ends, also those in the middle of settling: the books are finished."""
    bench = Bench(budget=BUDGET)
    gate = _Gate(bench, Close, late=False)

    async def main() -> None:
        task = asyncio.create_task(bench.arun(ScriptedCaller(good())))
        await gate.reached()
        asyncio.get_running_loop().call_soon(gate.leave.set)
        del task

    asyncio.run(main())
    assert (bench.books.held, bench.books.spent.nano_usd) == (Amount(), COST)


def test_a_coroutine_that_is_closed_still_settles() -> None:
    """A coroutine thrown away in the middle of its call books the worst case and ends quietly."""

    class Parked(ScriptedCaller):
        async def acall(self, act: Call) -> Reply:
            await _parked()
            return good()

    bench = Bench(budget=BUDGET)
    coroutine = bench.arun(Parked())
    coroutine.send(None)
    coroutine.close()
    assert _settled_worst(bench)


class _parked:  # noqa: N801 - used like a function
    def __await__(self) -> Generator[None, None, None]:
        yield


# -- streams ---------------------------------------------------------------------------------------------------------


async def _collected(pieces: AsyncGenerator[Any, None]) -> list[Any]:
    return [piece async for piece in pieces]


Play = Callable[[Bench, ScriptedCaller, bool], list[Any]]


def _sync(bench: Bench, caller: ScriptedCaller, gate: bool) -> list[Any]:
    return list(bench.stream(caller, gate=gate))


def _async(bench: Bench, caller: ScriptedCaller, gate: bool) -> list[Any]:
    return asyncio.run(_collected(bench.astream(caller, gate=gate)))


def _async_blocking(bench: Bench, caller: ScriptedCaller, gate: bool) -> list[Any]:
    bench.desk.blocking = True
    return _async(bench, caller, gate)


every_stream = pytest.mark.parametrize("play", [_sync, _async, _async_blocking])


@every_stream
def test_an_ungated_stream_comes_through(play: Play) -> None:
    """Pieces come as they are, and the truth is settled at the end."""
    bench = Bench(budget=BUDGET)
    assert play(bench, ScriptedCaller(Pieces(("a", "b"))), False) == ["a", "b"]
    assert (bench.books.spent.nano_usd, bench.books.held) == (COST, Amount())


@every_stream
def test_a_gated_stream_yields_the_accepted_answer_only(play: Play) -> None:
    """Nothing of a rejected answer is streamed."""
    bench = Bench(budget=BUDGET)
    assert play(bench, ScriptedCaller(malformed("bad"), good("fine")), True) == ["fine"]
    assert bench.told == ["small rejected", "large accepted"]


@every_stream
def test_a_stream_that_never_starts_is_tried_again(play: Play) -> None:
    """Before its first piece a stream can be taken back; each attempt has its own hold."""
    bench = Bench(budget=BUDGET)
    script = (ApiError(429), Pieces((), ApiError(503)), Pieces(("a",)))
    assert play(bench, ScriptedCaller(*script), False) == ["a"]
    entries = bench.ledger.entries("episode:e")
    assert [entry.worst_case for entry in entries] == [False, True, False]
    assert [entry.arm for entry in entries] == ["small", "large", "small"]
    assert len(bench.desk.pauses) == 1


@every_stream
def test_an_error_in_the_middle_of_a_stream_comes_out(play: Play) -> None:
    """Once a piece was passed on nothing is tried again: the worst case is booked and the error keeps its type."""
    bench = Bench(budget=BUDGET)
    caller = ScriptedCaller(Pieces(("a",), ApiError(503)))
    with pytest.raises(ApiError):
        play(bench, caller, False)
    assert _settled_worst(bench)
    assert len(caller.calls) == 1


@every_stream
def test_a_stream_without_books_is_refused(play: Play) -> None:
    """Fail closed, as for a whole answer."""
    bench = Bench(budget=BUDGET)
    bench.ledger.fail["hold"] = LedgerUnavailable("away")
    with pytest.raises(LedgerUnavailable):
        play(bench, ScriptedCaller(), False)
    assert bench.books.calls == 0


def test_a_stream_closed_early_books_the_worst_case() -> None:
    """The consumer may stop at any piece: the provider's stream is closed, and the hold is settled in full."""
    bench = Bench(budget=BUDGET)
    caller = ScriptedCaller(Pieces(("a", "b", "c")))
    pieces = bench.stream(caller)
    assert next(pieces) == "a"
    pieces.close()
    assert caller.closed == 1
    assert _settled_worst(bench)


@pytest.mark.parametrize("blocking", [False, True])
async def test_an_async_stream_closed_early_books_the_worst_case(blocking: bool) -> None:
    """As for the sync stream."""
    bench = Bench(budget=BUDGET)
    bench.desk.blocking = blocking
    pieces = bench.astream(ScriptedCaller(Pieces(("a", "b", "c"))))
    assert await anext(pieces) == "a"
    await pieces.aclose()
    assert _settled_worst(bench)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ApiError(429), ValueError])
def test_an_error_thrown_into_a_stream_by_its_consumer(error: Any) -> None:
    """It comes out again as it is, with the worst case booked and nothing tried again."""
    bench = Bench(budget=BUDGET)
    pieces = bench.stream(ScriptedCaller(Pieces(("a", "b"))))
    next(pieces)
    with pytest.raises(error if isinstance(error, type) else type(error)):
        pieces.throw(error)
    assert bench.books.held == Amount()
    assert len(bench.ledger.entries("episode:e")) == 1


def test_a_stream_that_is_never_read_costs_nothing() -> None:
    """Nothing is looked up, held or called before the first piece is asked for."""
    bench = Bench(budget=BUDGET)
    bench.stream(ScriptedCaller()).close()
    assert bench.desk.acts == []


def test_a_gated_stream_closed_early_was_settled_before() -> None:
    """The accepted answer is booked with its truth before its first piece is passed on."""
    bench = Bench(budget=BUDGET)
    pieces = bench.stream(ScriptedCaller(good("whole")), gate=True)
    assert next(pieces) == "whole"
    assert (bench.books.spent.nano_usd, bench.books.held) == (COST, Amount())
    pieces.close()


async def test_a_cancelled_reader_of_a_stream_settles() -> None:
    """The task that reads a stream is cancelled while the provider is slow: the worst case is booked."""

    class Slow(ScriptedCaller):
        async def astream(self, act: Call) -> AsyncGenerator[Any, None]:
            yield "a"
            await asyncio.get_running_loop().create_future()

    bench, seen = Bench(budget=BUDGET), []
    bench.desk.blocking = True

    async def read() -> None:
        async for piece in bench.astream(Slow()):
            seen.append(piece)  # noqa: PERF401 - one by one, as it is cancelled in between

    task = asyncio.create_task(read())
    while not seen:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _settled_worst(bench)
