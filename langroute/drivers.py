"""The drivers: they perform what the flow yields. Sync and async, each for a whole answer and for a stream.

What goes wrong while an act is performed is thrown into the flow, which says what to book; that booking is completed
even when the caller was cancelled or closed the stream.
"""

import asyncio
import contextvars
import inspect
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import aclosing, closing
from typing import Any, Protocol, TypeVar

from langroute.acts import (
    Act,
    Ask,
    Call,
    Compare,
    Draw,
    Journey,
    Pause,
    Prefer,
    Reply,
    Sample,
    StreamClosed,
    Weigh,
)
from langroute.errors import ConfigError
from langroute.questions import Ask as AskPerson
from langroute.questions import Question

Result = TypeVar("Result")


class Desk(Protocol):
    """Performs the acts that concern the books and the journal."""

    blocking: bool

    def perform(self, act: Act) -> Any:
        """Perform an act that concerns the books or the journal. Waits for the store where ``blocking`` is true."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    async def asleep(self, seconds: float) -> None:
        """Wait without blocking the event loop."""
        ...


class Caller(Protocol):
    """Makes calls on behalf of a door; each method may be used once per ``Call``."""

    def call(self, act: Call) -> Reply:
        """Make the whole call."""
        ...

    async def acall(self, act: Call) -> Reply:
        """Make the whole call."""
        ...

    def stream(self, act: Call) -> Generator[Any, None, None]:
        """Make the call piece by piece; ``reply`` is known afterwards."""
        ...

    def astream(self, act: Call) -> AsyncGenerator[Any, None]:
        """Make the call piece by piece; ``reply`` is known afterwards."""
        ...

    def reply(self, act: Call) -> Reply:
        """What the stream brought, once it has ended."""
        ...

    def pieces(self, value: Any) -> Iterator[Any]:
        """A whole answer as pieces of a stream."""
        ...

    def compare(self, act: Compare) -> tuple[str, ...]:
        """Answers in a form in which equal ones are equal; empty for what cannot be read."""
        ...

    def prefer(self, act: Prefer) -> None:
        """Take note of which of several replies is passed on."""
        ...

    def weigh(self, act: Weigh) -> tuple[int, int]:
        """Input tokens of the call that asks a verifier about an answer: expected, and at most."""
        ...

    def ask(self, act: Ask) -> object:
        """Ask the person in front of this door, by interrupting what runs behind it."""
        ...


def run(journey: Journey, desk: Desk, caller: Caller) -> Any:
    """Drive a journey to its answer."""
    try:
        act = next(journey)
        while True:
            try:
                result = _perform(act, desk, caller)
            except BaseException as error:
                act = _throw(journey, error)
            else:
                act = journey.send(result)
    except StopIteration as end:
        return end.value
    except StreamClosed:
        raise GeneratorExit from None


def stream(journey: Journey, desk: Desk, caller: Caller) -> Generator[Any, None, None]:
    """Drive a journey and yield the pieces of its answer; nothing of a rejected answer is yielded."""
    streamed = False
    try:
        act = next(journey)
        while True:
            try:
                if isinstance(act, Call) and not act.gated:
                    with closing(caller.stream(act)) as pieces:
                        for piece in pieces:
                            streamed = act.started = True
                            yield piece
                    result: Any = caller.reply(act)
                else:
                    result = _perform(act, desk, caller)
            except BaseException as error:
                act = _throw(journey, error)
            else:
                act = journey.send(result)
    except StopIteration as end:
        answer = end.value
    except StreamClosed:
        return
    if not streamed:
        yield from caller.pieces(answer)


async def arun(journey: Journey, desk: Desk, caller: Caller) -> Any:
    """Drive a journey to its answer without blocking the event loop."""
    try:
        act = next(journey)
        while True:
            try:
                result = await _aperform(act, desk, caller)
            except BaseException as error:  # GeneratorExit too: what is left over when an event loop ends is closed
                act = _throw(journey, error)
            else:
                act = journey.send(result)
    except StopIteration as end:
        return end.value
    except StreamClosed:
        raise GeneratorExit from None


async def astream(journey: Journey, desk: Desk, caller: Caller) -> AsyncGenerator[Any, None]:
    """Drive a journey and yield the pieces of its answer without blocking the event loop."""
    streamed = False
    try:
        act = next(journey)
        while True:
            try:
                if isinstance(act, Call) and not act.gated:
                    async with aclosing(caller.astream(act)) as pieces:
                        async for piece in pieces:
                            streamed = act.started = True
                            yield piece
                    result: Any = caller.reply(act)
                else:
                    result = await _aperform(act, desk, caller)
            except BaseException as error:
                act = _throw(journey, error)
            else:
                act = journey.send(result)
    except StopIteration as end:
        answer = end.value
    except StreamClosed:
        return
    if not streamed:
        for piece in caller.pieces(answer):
            yield piece


def _throw(journey: Journey, error: BaseException) -> Act:
    # Thrown as it is, GeneratorExit would close the flow's inner generators before they have settled.
    return journey.throw(StreamClosed() if isinstance(error, GeneratorExit) else error)


def _perform(act: Act, desk: Desk, caller: Caller) -> Any:
    match act:
        case Call():
            return caller.call(act)
        case Draw():
            return _draw(act, caller)
        case Pause(seconds=seconds):
            return desk.sleep(seconds)
        case Ask(question=question, person=person):
            return caller.ask(act) if person is None else _asked(person, question)
        case Compare() | Prefer() | Weigh():
            return _told(act, caller)
        case _:
            return desk.perform(act)


async def _aperform(act: Act, desk: Desk, caller: Caller) -> Any:
    match act:
        case Call():
            return await caller.acall(act)
        case Draw():
            return await _adraw(act, caller)
        case Pause(seconds=seconds):
            return await desk.asleep(seconds)
        case Ask(question=question, person=person):
            return caller.ask(act) if person is None else await _aasked(person, question)
        case Compare() | Prefer() | Weigh():
            return _told(act, caller)
        case _:
            return await _to_the_end(_in_thread(desk, act)) if desk.blocking else desk.perform(act)


def _told(act: Compare | Prefer | Weigh, caller: Caller) -> Any:
    """What a door says of answers that it brought."""
    match act:
        case Compare():
            return caller.compare(act)
        case Prefer():
            return caller.prefer(act)
        case Weigh():
            return caller.weigh(act)


def _draw(act: Draw, caller: Caller) -> None:
    """Make the calls one after the other; a call that fails does not keep the others from being made."""
    for sample in act.samples:
        sample.begun, began = True, act.elapsed()
        try:
            sample.reply = caller.call(sample.call)
        except BaseException as error:
            sample.error = error
            if not isinstance(error, Exception):
                raise
        sample.latency_ms = round((act.elapsed() - began) * 1000, 3)


async def _adraw(act: Draw, caller: Caller) -> None:
    """Make the calls at once. Where this is cancelled, so are they, and it ends when all of them have."""
    await asyncio.gather(*[_sampled(sample, act, caller) for sample in act.samples], return_exceptions=True)
    # What is no error of a call is raised once no call is under way any more, as if there had been one call only.
    for sample in act.samples:
        if sample.error is not None and not isinstance(sample.error, Exception):
            raise sample.error


async def _sampled(sample: Sample, act: Draw, caller: Caller) -> None:
    sample.begun, began = True, act.elapsed()
    try:
        sample.reply = await caller.acall(sample.call)
    except asyncio.CancelledError as error:
        sample.error = error
        raise
    except BaseException as error:
        sample.error = error
    sample.latency_ms = round((act.elapsed() - began) * 1000, 3)


def _asked(person: AskPerson, question: Question) -> object:
    """The answer of a person whom a sync call asks."""
    answer = person(question)
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()  # nobody will await it
        raise ConfigError("is a coroutine function, which a sync call cannot ask; give a plain function", field="ask")
    return answer


async def _aasked(person: AskPerson, question: Question) -> object:
    """The answer of a person who may take a while, and be asked by a coroutine."""
    answer = await asyncio.to_thread(person, question)
    return await answer if inspect.isawaitable(answer) else answer


def _in_thread(desk: Desk, act: Act) -> asyncio.Future[Any]:
    # Not a task, as `asyncio.to_thread` would need here: a loop that shuts down cancels every task, also this one.
    run_in_context = contextvars.copy_context().run
    return asyncio.get_running_loop().run_in_executor(None, run_in_context, desk.perform, act)


async def _to_the_end(task: asyncio.Future[Result]) -> Result:
    """Wait for the books even when cancelled; the cancellation is raised once they are done."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
        except BaseException:  # noqa: S110 - raised by task.result() below
            pass
    if cancelled is not None:
        task.exception()
        raise cancelled
    return task.result()
