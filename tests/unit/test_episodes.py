"""Episodes: which one a call belongs to, and how one ends."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import count
from typing import Any

import pytest
from fakes import Bench, ScriptedCaller, good

from langroute import episodes
from langroute.budget import Budget
from langroute.episodes import Episode, EpisodeBook, RunPlace, current_episode, inside
from langroute.errors import ConfigError
from langroute.ledgers import MemoryLedger
from langroute.records import EpisodeEnd
from langroute.testing.clock import FakeClock


class _Book(EpisodeBook):
    """An episode book with counted ids that remembers what it told."""

    def __init__(self, *, budget: Budget | None = None) -> None:
        numbers = count(1)
        self.ends: list[EpisodeEnd] = []
        self.single_calls = 0
        self.ledger, self.clock = MemoryLedger(), FakeClock(at=1000.0)
        super().__init__(
            ledger=self.ledger,
            budget=budget or Budget(),
            clock=self.clock,
            new_id=lambda: str(next(numbers)),
            on_finish=self.ends.append,
            on_single_call=self._single,
        )

    def _single(self) -> None:
        self.single_calls += 1

    def opened(self, **place: Any) -> str:
        """Id of the episode of a place, after its first look."""
        episode = self.resolve(RunPlace(**place))
        episode.look()
        return episode.id


def test_the_order_of_resolution() -> None:
    """The episode around the code, then the user's id, then the thread's turn, then the run, then a single call."""
    book, run = _Book(), object()
    with book.episode("around"):
        assert book.opened(explicit="mine", thread="t", run=run) == "around"
    assert book.opened(explicit="mine", thread="t", run=run) == "mine"
    assert book.opened(thread="t", run=run) == "t#1"
    assert book.opened(run=object()) == "run-2"
    assert book.single_calls == 0
    assert book.opened() == "call-3"
    assert book.single_calls == 1


def test_the_host_is_asked_whether_a_run_goes_on() -> None:
    """Where a resume is not known at once, the host decides by when the latest turn was opened; once per run."""
    book, run, asked = _Book(), object(), []

    def resumes(opened_at: float) -> bool:
        asked.append(opened_at)
        return opened_at > 1001.0

    assert book.opened(thread="t", run=object(), resumes=resumes) == "t#1"
    book.clock.advance(5.0)
    assert book.opened(thread="t", run=object(), resumes=resumes) == "t#2"
    assert book.opened(thread="t", run=run, resumes=resumes) == "t#2"
    assert book.opened(thread="t", run=run, resumes=resumes) == "t#2"
    assert asked == [1000.0, 1005.0]


def test_an_episode_that_a_call_opens_gets_what_is_set_aside_for_it() -> None:
    """A lone call, or the fresh turn it begins, opens its episode under the place's budget, and needs no warning."""
    book, own = _Book(budget=Budget(total_dollars=1)), Budget(total_dollars=0.25)
    for thread in ("", "t"):
        episode = book.resolve(RunPlace(alone=True, thread=thread, budget=own))
        assert episode.look().limits.nano_usd == 25 * 10**7
        assert book.episode(episode.id).budget == own
    assert book.single_calls == 0
    assert book.resolve(RunPlace(alone=True)).look().limits.nano_usd == 10**9
    assert book.single_calls == 1


def test_a_budget_over_the_whole_thread() -> None:
    """``per="thread"`` makes every run of a thread one episode, an explicit id still first."""
    book = _Book(budget=Budget(per="thread"))
    assert [book.opened(thread="t", run=object()) for _ in range(3)] == ["t", "t", "t"]
    assert book.opened(thread="t", run=object(), explicit="mine") == "mine"


def test_a_turn_goes_on_when_it_is_resumed() -> None:
    """A fresh input starts a turn; interrupts and resumes stay in it, also in a process that knows nothing of it."""
    book, run = _Book(), object()
    assert book.opened(thread="t", run=run) == book.opened(thread="t", run=run) == "t#1"
    assert book.opened(thread="t", run=object(), resumed=True) == "t#1"
    assert book.opened(thread="t", run=object()) == "t#2"
    assert book.opened(thread="t", run=object(), resumed=True) == "t#2"
    assert book.opened(thread="unseen", run=object(), resumed=True) == "unseen#3"


def test_threads_whose_ids_begin_alike_are_kept_apart() -> None:
    """A resumed thread never continues another thread's turn, whatever characters the ids hold."""
    book = _Book()
    assert book.opened(thread="a#b", run=object()) == "a%23b#1"
    assert book.opened(thread="a", run=object(), resumed=True) == "a#2"
    assert book.opened(thread="ab", run=object(), resumed=True) == "ab#3"
    assert book.opened(thread="a%23b", run=object(), resumed=True) == "a%2523b#4"


def test_two_threads_of_one_run_get_one_episode() -> None:
    """Parallel nodes of a superstep ask at once and are told the same."""
    book, barrier = _Book(), threading.Barrier(8)
    run = object()

    def ask() -> str:
        barrier.wait(10)
        return book.resolve(RunPlace(run=run, thread="t")).id

    with ThreadPoolExecutor(8) as pool:
        found = {future.result() for future in [pool.submit(ask) for _ in range(8)]}
    assert len(found) == 1


def test_parallel_nodes_of_a_run_open_one_turn() -> None:
    """However slow the store is, siblings open one turn between them, and that is the one a resume goes on with."""
    book, run, slow, going = _Book(), object(), threading.Event(), threading.Event()
    latest, opens, opened = book.ledger.latest, book.ledger.open, set()

    def note(scope: str, *args: Any, **kwargs: Any) -> Any:
        opened.add(scope)
        return opens(scope, *args, **kwargs)

    def wait_once(prefix: str) -> Any:
        found = latest(prefix)
        if not slow.is_set():
            slow.set()
            assert going.wait(10)
        return found

    book.ledger.latest, book.ledger.open = wait_once, note  # type: ignore[method-assign]
    place = {"run": run, "thread": "t", "resumes": lambda opened_at: False}
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(book.opened, **place)
        assert slow.wait(10)
        second = pool.submit(book.opened, **place)
        wait([second], timeout=0.2)  # it must not overtake the first; without a lock it does
        going.set()
        assert first.result(10) == second.result(10)
    assert book.opened(run=object(), thread="t", resumed=True) == first.result()
    assert opened == {f"episode:{first.result()}"}


def test_a_nested_router_keeps_the_id_in_its_own_books() -> None:
    """An agent with another ledger takes the id of the episode around it and its own budget."""
    outer, inner = _Book(), _Book(budget=Budget(total_dollars=1))
    with outer.episode("task") as around:
        nested = inner.resolve(RunPlace(run=object()))
        assert nested.id == "task"
        assert nested is not around
        assert nested.belongs_to(inner.ledger)
        assert outer.resolve(RunPlace(run=object())) is around
        assert nested.look().limits.nano_usd == 10**9


def test_inside_nests_and_ends() -> None:
    """The innermost episode is the current one, also after an error inside."""
    book = _Book()
    with inside(book.episode("a")):
        with pytest.raises(ZeroDivisionError):
            _fail_inside(book.episode("b"))
        assert current_episode() is book.episode("a")
    assert current_episode() is None


def _fail_inside(episode: Episode) -> None:
    with episode:
        assert current_episode() is episode
        raise ZeroDivisionError


async def test_one_handle_may_be_entered_by_many_tasks() -> None:
    """Tasks that enter the same episode at the same time leave it in any order."""
    book = _Book()
    doors = [asyncio.Event(), asyncio.Event()]
    inside_now = asyncio.Barrier(3)

    async def visit(door: asyncio.Event) -> Episode | None:
        with book.episode("shared"):
            await inside_now.wait()
            await door.wait()
            assert current_episode() is book.episode("shared")
        return current_episode()

    tasks = [asyncio.create_task(visit(door)) for door in doors]
    await inside_now.wait()
    for task, door in zip(tasks, doors, strict=True):
        door.set()
        assert await task is None


def test_an_episode_has_one_budget() -> None:
    """Its own budget stands beside the router's; a second, different one is refused."""
    book, own = _Book(budget=Budget(total_dollars=1)), Budget(total_dollars=2)
    assert book.episode("own", budget=own).look().limits.nano_usd == 2 * 10**9
    assert book.episode("own").budget == book.episode("own", budget=own).budget == own
    with pytest.raises(ConfigError, match=r"^budget: episode 'own' already runs under another budget"):
        book.episode("own", budget=Budget(total_dollars=3))


@pytest.mark.parametrize("name", ["", "  ", None, 5])
def test_an_episode_needs_a_name(name: Any) -> None:
    """An empty id is refused by name."""
    with pytest.raises(ConfigError, match=r"^episode: must be a non-empty string"):
        _Book().episode(name)


def test_calls_are_numbered_on() -> None:
    """Steps count from zero, and go on from the books where another process began."""
    bench = Bench()
    for _ in range(3):
        bench.run(ScriptedCaller(good()))
    assert [record.step.call_index for record in bench.journal.kept] == [0, 1, 2]
    again = Bench(ledger=bench.ledger)
    again.run(ScriptedCaller(good()))
    assert again.journal.kept[0].step.call_index == 3


@pytest.mark.parametrize(("success", "kept"), [(True, 1.0), (False, 0.0), (0.25, 0.25), (None, None)])
def test_the_end_of_an_episode_is_told(success: float | bool | None, kept: float | None) -> None:
    """``finish`` closes the books and passes on what is known, even of an episode that made no call."""
    book = _Book()
    book.episode("e").finish(success=success, note="by hand")
    assert book.ends == [EpisodeEnd(episode="e", at=1000.0, success=kept, note="by hand")]
    assert book.ledger.balance("episode:e").closed


@pytest.mark.parametrize("success", [-0.1, 1.5, float("nan"), "yes", [1]])
def test_a_success_is_a_degree(success: Any) -> None:
    """What is no degree in [0, 1] is refused by name, and the episode stays open."""
    book = _Book()
    book.episode("e").look()
    with pytest.raises(ConfigError, match=r"^success: must be True, False or between 0 and 1"):
        book.episode("e").finish(success=success)
    assert not book.ledger.balance("episode:e").closed
    assert book.ends == []


def test_what_was_used_least_recently_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Handles are bounded; an episode in use keeps its own budget however many come and go."""
    monkeypatch.setattr(episodes, "_MOST_REMEMBERED", 3)
    book, own = _Book(), Budget(max_seconds=5)
    kept = book.episode("kept", budget=own)
    for place in range(10):
        book.episode(f"other-{place}")
        assert book.episode("kept") is kept
    assert len(book._handles) == 3


def test_runs_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run in use keeps its episode; one that was forgotten starts anew."""
    monkeypatch.setattr(episodes, "_MOST_REMEMBERED", 3)
    book, run, other = _Book(), object(), object()
    first, forgotten = book.opened(run=run), book.opened(run=other)
    for _ in range(10):
        book.opened(run=object())
        assert book.opened(run=run) == first
    assert book.opened(run=other) != forgotten
    assert len(book._runs) == 3
