"""Episodes: which one a call belongs to, and the handles on them."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from langroute.budget import Budget
from langroute.episode import Episode, current_episode, episode_of, inside, scope_of
from langroute.errors import ConfigError
from langroute.protocols import Clock, Ledger
from langroute.quick import quick_opaque
from langroute.records import ActionTaken, EpisodeEnd
from langroute.scopes import ScopeRule

__all__ = ["Episode", "EpisodeBook", "RunPlace", "current_episode", "episode_of", "inside", "scope_of"]

_MOST_REMEMBERED = 10_000
_MOST_OPENING = 64
"""Turns that are opened at once, each of which waits for the store."""


@quick_opaque
@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlace:
    """Where a call stands in its host framework, as far as the episode depends on it.

    Attributes:
        explicit: episode id given by the user in the call's metadata; empty if none.
        thread: conversation thread id; empty if none.
        run: identity of the run; None outside any run.
        resumed: the run is known to continue an earlier one (interrupt, time travel), not to start from a fresh input.
        resumes: asks the host, where that is not known at once, whether the run goes on with a turn that was opened at
            these epoch seconds. It may read what the host has stored, so it is asked once per run.
        task: what the framework calls this execution of the node, the same when it is resumed; empty outside a graph.
        execution: identity of this execution; another one when it is resumed.
        alone: the call stands outside any graph and episode, so it opens an episode of its own.
        budget: what that episode may use, where it is not the router's own budget.
        scopes: whose shared budgets the call takes from, by key.
    """

    explicit: str = ""
    thread: str = ""
    run: object = None
    resumed: bool = False
    resumes: Callable[[float], bool] | None = None
    task: str = ""
    execution: object = None
    alone: bool = False
    budget: Budget | None = None
    scopes: Mapping[str, str] | None = None

    def goes_on(self, opened_at: float) -> bool:
        """Whether the run goes on with the thread's latest turn, which was opened then; may wait for the host."""
        return self.resumed or (self.resumes is not None and self.resumes(opened_at))


class EpisodeBook:
    """Finds the episode a call belongs to, and keeps the handles.

    In this order: the episode around the code; the id the user gave; under a thread id one turn (or the whole
    thread, by ``Budget.per``); else one run; else a single call.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        budget: Budget,
        clock: Clock,
        new_id: Callable[[], str],
        on_finish: Callable[[EpisodeEnd], None],
        on_single_call: Callable[[], None],
        rules: Sequence[ScopeRule] = (),
        on_action: Callable[[ActionTaken], None] | None = None,
    ) -> None:
        self._ledger = ledger
        self._budget = budget
        self._clock = clock
        self._new_id = new_id
        self._on_finish = on_finish
        self._on_single_call = on_single_call
        self._rules = tuple(rules)
        self._on_action = on_action
        self._handles: OrderedDict[str, Episode] = OrderedDict()
        self._runs: OrderedDict[int, tuple[object, Episode]] = OrderedDict()
        self._lock = threading.Lock()
        self._opening = tuple([threading.Lock() for _ in range(_MOST_OPENING)])

    def episode(
        self,
        episode_id: str,
        *,
        budget: Budget | None = None,
        arm: str | None = None,
        scopes: Mapping[str, str] | None = None,
        fresh: bool = False,
    ) -> Episode:
        """The handle of an episode by id; from now on with this arm, where one is given.

        Args:
            episode_id: its id.
            budget: its own budget, instead of the usual one.
            arm: the arm that makes its calls.
            scopes: whose shared budgets it takes from, by key.
            fresh: the id was made just now, so no books can be open under it.

        Raises:
            ConfigError: the id is empty, or this process already knows the episode under another budget.
        """
        if not isinstance(episode_id, str) or not episode_id.strip():
            raise ConfigError("must be a non-empty string", field="episode")
        with self._lock:
            known = self._handles.get(episode_id)
            if known is None:
                known = Episode(
                    episode_id=episode_id,
                    ledger=self._ledger,
                    budget=budget or self._budget,
                    clock=self._clock,
                    on_finish=self._on_finish,
                    on_action=self._on_action,
                    new_id=self._new_id,
                    rules=self._rules,
                    fresh=fresh,
                )
                self._handles[episode_id] = known
                while len(self._handles) > _MOST_REMEMBERED:
                    self._handles.popitem(last=False)
            elif budget is not None and not known.runs_under(budget):
                raise ConfigError(
                    f"episode {episode_id!r} already runs under another budget; change_budget changes it",
                    field="budget",
                )
            known.arm = arm or known.arm
            self._handles.move_to_end(episode_id)
        if scopes is not None:
            known.say(scopes)
        return known

    def resolve(self, place: RunPlace) -> Episode:
        """The episode a call in this place belongs to. May wait for the store.

        Raises:
            ConfigError: the call names shared budgets that its episode does not take from.
        """
        episode = self._found(place)
        if place.scopes is not None:
            episode.say(place.scopes)
        return episode

    def _found(self, place: RunPlace) -> Episode:
        around = current_episode()
        if around is not None:
            return around if around.belongs_to(self._ledger) else self.episode(around.id)
        if place.explicit:
            return self.episode(place.explicit)
        if place.thread and self._budget.per == "thread":
            return self.episode(place.thread)
        if place.run is None:
            if place.thread:
                return self.episode(self._turn(place))
            if place.budget is None:
                self._on_single_call()
            return self.episode(f"call-{self._new_id()}", budget=place.budget, fresh=True)
        return self._of_run(place)

    def _of_run(self, place: RunPlace) -> Episode:
        known = self._known(place.run)
        if known is not None:
            return known
        # Siblings of a superstep come at once, and one of them answers for the run. Each opening a turn of its own, a
        # resume would find one that nobody spent from, and the turn would have its budget twice.
        with self._opening[id(place.run) // 16 % len(self._opening)]:
            known = self._known(place.run)
            if known is None:
                name = self._turn(place) if place.thread else f"run-{self._new_id()}"
                known = self.episode(name, fresh=not place.thread)
                self._keep(place.run, known)
            return known

    def _known(self, run: object) -> Episode | None:
        with self._lock:
            known = self._runs.get(id(run))
            if known is None or known[0] is not run:
                return None
            self._runs.move_to_end(id(run))
            return known[1]

    def _keep(self, run: object, episode: Episode) -> None:
        with self._lock:
            self._runs[id(run)] = (run, episode)
            self._runs.move_to_end(id(run))
            while len(self._runs) > _MOST_REMEMBERED:
                self._runs.popitem(last=False)

    def _turn(self, place: RunPlace) -> str:
        """Id of the thread's turn: the latest one when it goes on, else a new one."""
        thread = _marked(place.thread)
        if place.resumed or place.resumes is not None:
            latest = self._ledger.latest(f"{scope_of(thread)}#")
            if latest is not None and place.goes_on(latest.opened_at):
                return episode_of(latest.scope)
        turn = self.episode(turn_id(place.thread, self._new_id()), budget=place.budget)
        turn.open()  # now: a resume must find it, also when nothing was spent before the interrupt
        return turn.id


def turn_id(thread: str, unique: str) -> str:
    """Id of a turn of a thread."""
    return f"{_marked(thread)}#{unique}"


def _marked(thread: str) -> str:
    """The thread's id without the mark that separates it from the turn: the turns of `a` are none of thread `a#b`."""
    return thread.replace("%", "%25").replace("#", "%23")
