"""What the tests of the core share: small arms, a scripted caller, a counting desk, books that fail on demand."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langroute.acts import Ask, Compare, Prefer, Weigh
from langroute.books import Balance
from langroute.budget import Budget
from langroute.drivers import arun, astream, run, stream
from langroute.episodes import RunPlace
from langroute.errors import EpisodeNotFound, JournalUnavailable
from langroute.flow import Act, Call, Journey, Reply, journey
from langroute.ledgers import MemoryLedger
from langroute.money import Price
from langroute.questions import Question
from langroute.records import ActionTaken, Arm, BudgetView, EpisodeEnd, PoolSnapshot, Record, Step, Usage
from langroute.router import StepRouter
from langroute.testing.clock import FakeClock

CHEAP = 0.05  # dollars per million input tokens of the cheapest arm


def ladder(*names: str, ratio: float = 20.0) -> tuple[Arm, ...]:
    """Arms from the cheapest to the dearest, which costs ``ratio`` times as much; ranks evenly spaced as in a pool."""
    steps = max(1, len(names) - 1)
    return tuple(
        Arm(
            name=name,
            model=f"model-{name}",
            provider="test",
            price=Price(
                input_per_million=CHEAP * ratio ** (place / steps),
                output_per_million=8 * CHEAP * ratio ** (place / steps),
            ),
            rank=place / steps if len(names) > 1 else 1.0,
        )
        for place, name in enumerate(names)
    )


@dataclass
class Pool:
    """Arms, as the router needs them."""

    arms: tuple[Arm, ...]


TWO = ladder("small", "large")
VERDICT_BOUND = 300  # input tokens at most of a call that asks for a verdict


def repeated(arm: Arm, samples: int = 3) -> Arm:
    """The arm that calls the model of another one several times."""
    return replace(arm, name=f"{arm.name} x{samples}", samples=samples, base=arm.name)


def a_step(**changes: Any) -> Step:
    """An execution step of an unlimited episode, in no trouble."""
    fields: dict[str, Any] = {
        "episode": "e",
        "call_index": 0,
        "kind": "execution",
        "input_tokens": 500,
        "input_bound": 800,
        "output_cap": 1000,
        "budget": BudgetView(scope="episode:e"),
    }
    return Step(**{**fields, **changes})


def usage(input_tokens: int = 500, output_tokens: int = 100) -> Usage:
    """Tokens of an ordinary call."""
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens)


def good(value: Any = "answer") -> Reply:
    """A well-formed answer."""
    return Reply(value=value, usage=usage())


def malformed(value: Any = "broken") -> Reply:
    """An answer with a tool call that cannot be parsed."""
    return Reply(value=value, usage=usage(), defects=("invalid_tool_call",))


class ApiError(Exception):
    """An error of a provider with the status of its answer."""

    def __init__(self, status_code: int) -> None:
        super().__init__(f"status {status_code}")
        self.status_code = status_code


@dataclass(frozen=True)
class Pieces:
    """A scripted stream: what it yields, and the error that ends it early, if any."""

    values: tuple[Any, ...]
    error: BaseException | None = None


Line = Reply | BaseException | Pieces


class ScriptedCaller:
    """Answers calls from a script, one line each, and remembers them."""

    def __init__(self, *script: Line) -> None:
        self.script = list(script)
        self.calls: list[Call] = []
        self.closed = 0
        self.asked: list[Question] = []
        self.answers: list[object] = []
        self.preferred: list[Reply] = []
        self._reply = Reply()

    @property
    def arms(self) -> list[str]:
        """Names of the arms that were called, in order."""
        return [call.arm.name for call in self.calls]

    def call(self, act: Call) -> Reply:
        line = self._next(act)
        if isinstance(line, BaseException):
            raise line
        assert isinstance(line, Reply)
        return line

    async def acall(self, act: Call) -> Reply:
        return self.call(act)

    def stream(self, act: Call) -> Generator[Any, None, None]:
        line = self._next(act)
        if isinstance(line, BaseException):
            raise line
        assert isinstance(line, Pieces)
        try:
            yield from line.values
        finally:
            self.closed += 1
        if line.error is not None:
            raise line.error
        self._reply = Reply(usage=usage())

    async def astream(self, act: Call) -> AsyncGenerator[Any, None]:
        for piece in self.stream(act):
            yield piece

    def reply(self, act: Call) -> Reply:
        return self._reply

    def pieces(self, value: Any) -> Iterator[Any]:
        if value is not None:
            yield value

    def compare(self, act: Compare) -> tuple[str, ...]:
        return tuple(str(value) for value in act.values)

    def prefer(self, act: Prefer) -> None:
        self.preferred.append(act.reply)

    def weigh(self, act: Weigh) -> tuple[int, int]:
        return len(str(act.value)), VERDICT_BOUND

    def ask(self, act: Ask) -> object:
        self.asked.append(act.question)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _next(self, act: Call) -> Line:
        self.calls.append(act)
        return self.script.pop(0)


class ListJournal:
    """A journal in a list; ``broken`` makes it refuse."""

    def __init__(self) -> None:
        self.kept: list[Record] = []
        self.ends: list[EpisodeEnd] = []
        self.pools: list[PoolSnapshot] = []
        self.noted: list[ActionTaken] = []
        self.broken = False

    def write(self, record: Record) -> None:
        if self.broken:
            raise JournalUnavailable("the disk is full")
        self.kept.append(record)

    def note(self, action: ActionTaken) -> None:
        if self.broken:
            raise JournalUnavailable("the disk is full")
        self.noted.append(action)

    def actions(self, episode: str) -> tuple[ActionTaken, ...]:
        return tuple(action for action in self.noted if action.episode == episode)

    def finish(self, end: EpisodeEnd) -> None:
        if self.broken:
            raise JournalUnavailable("the disk is full")
        self.ends.append(end)

    def keep_pool(self, pool: PoolSnapshot) -> None:
        self.pools.append(pool)

    def arms(self, episode: str) -> tuple[Arm, ...]:
        return self.pools[-1].arms if self.pools else ()

    def flush(self) -> None:
        """Everything is stored already."""

    def close(self) -> None:
        """Nothing to release."""

    def records(self, episode: str) -> tuple[Record, ...]:
        found = tuple(record for record in self.kept if record.step.episode == episode)
        if not found:
            raise EpisodeNotFound(episode)
        return found

    def end(self, episode: str) -> EpisodeEnd | None:
        return next((end for end in self.ends if end.episode == episode), None)

    def episodes(self, *, limit: int = 100) -> tuple[str, ...]:
        return tuple(dict.fromkeys(record.step.episode for record in self.kept))[:limit]


class FailingLedger(MemoryLedger):
    """Books whose next call of a method fails: ``ledger.fail["hold"] = error``."""

    def __init__(self) -> None:
        super().__init__()
        self.fail: dict[str, Exception] = {}

    def open(self, *args: Any, **options: Any) -> Balance:
        return self._do("open", super().open, args, options)

    def hold(self, *args: Any, **options: Any) -> Balance:
        return self._do("hold", super().hold, args, options)

    def settle(self, *args: Any, **options: Any) -> Any:
        return self._do("settle", super().settle, args, options)

    def _do(self, name: str, method: Callable[..., Any], args: Any, options: Any) -> Any:
        if error := self.fail.pop(name, None):
            raise error
        return method(*args, **options)


class CountingDesk:
    """A router's desk that records pauses, and calls ``before`` and ``after`` around every act it performs."""

    def __init__(self, router: StepRouter, *, blocking: bool = False) -> None:
        self.router = router
        self.blocking = blocking
        self.acts: list[Act] = []
        self.pauses: list[float] = []
        self.before: Callable[[int, Act], None] = lambda index, act: None
        self.after: Callable[[int, Act], None] = lambda index, act: None

    def perform(self, act: Act) -> Any:
        index = len(self.acts)
        self.acts.append(act)
        self.before(index, act)
        result = self.router.perform(act)
        self.after(index, act)
        return result

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def asleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)


class Bench:
    """A router with its books, journal and clock, and one call at a time through any driver."""

    def __init__(self, *, budget: Budget | None = None, arms: Sequence[Arm] = TWO, **options: Any) -> None:
        self.ledger = FailingLedger()
        self.journal = ListJournal()
        self.clock = FakeClock(at=1000.0)
        options = {"ledger": self.ledger, "journal": self.journal, "clock": self.clock, **options}
        self.router = StepRouter(Pool(tuple(arms)), budget=budget, **options)
        self.desk = CountingDesk(self.router)

    def journey(
        self, *, gate: bool = True, place: RunPlace | None = None, shorter: dict[str, Any] | None = None, **step: Any
    ) -> Journey:
        """The journey of one step in episode ``e``; ``shorter`` is what changes when its prompt is made shorter."""

        def observe(episode: str, call_index: int, /, *, compress: bool = False) -> Step:
            seen = {"episode": episode, "call_index": call_index, "needs_tools": True, **step}
            return a_step(**{**seen, **(shorter or {} if compress else {})})

        return journey(self.router, place or RunPlace(explicit="e"), observe, gate=gate)

    def run(self, caller: ScriptedCaller, **step: Any) -> Any:
        return run(self.journey(**step), self.desk, caller)

    async def arun(self, caller: ScriptedCaller, **step: Any) -> Any:
        return await arun(self.journey(**step), self.desk, caller)

    def stream(self, caller: ScriptedCaller, *, gate: bool = False, **step: Any) -> Generator[Any, None, None]:
        return stream(self.journey(gate=gate, **step), self.desk, caller)

    def astream(self, caller: ScriptedCaller, *, gate: bool = False, **step: Any) -> AsyncGenerator[Any, None]:
        return astream(self.journey(gate=gate, **step), self.desk, caller)

    @property
    def books(self) -> Balance:
        """The books of episode ``e``."""
        return self.ledger.balance("episode:e")

    @property
    def told(self) -> list[str]:
        """What became of each attempt: the action, or how the call's outcome ended."""
        return [_told(record) for record in self.journal.kept]


def _told(record: Record) -> str:
    outcome = record.outcome
    if outcome is None:
        return record.action
    return f"{outcome.arm} {outcome.error or ('accepted' if outcome.accepted else 'rejected')}"
