"""Episode: a handle on one attempt at one task under one budget."""

import asyncio
import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Self

from langroute.books import Balance, Purpose, Remaining, remaining_of
from langroute.budget import Budget
from langroute.charges import budget_changed, budget_in_force, charge_request, charged, raised
from langroute.errors import ConfigError, LedgerUnavailable
from langroute.money import Dollars
from langroute.protocols import Clock, Ledger
from langroute.records import ActionTaken, EpisodeEnd

_log = logging.getLogger("langroute.episodes")

_SCOPE = "episode:"

# One budget is changed at a time in this process, which is rare: what is in force is read and then replaced.
_changing = threading.RLock()

# The episodes around this code, the innermost last. A tuple rather than tokens on the handle: one handle may be entered
# by several threads and tasks at once.
_around: ContextVar[tuple["Episode", ...]] = ContextVar("langroute_episodes", default=())


def scope_of(episode: str) -> str:
    """Name of an episode's ledger scope."""
    return f"{_SCOPE}{episode}"


def episode_of(scope: str) -> str:
    """Id of the episode a ledger scope belongs to."""
    return scope.removeprefix(_SCOPE)


class Episode:
    """A handle on one episode: what is left of its budget, what else it costs, and its end.

    Use it as a context manager to make every routed call inside belong to it, nested agents included. Any thread may
    use it at any time.

    Attributes:
        id: the episode's id.
        scope: name of its ledger scope.
        scopes: every ledger scope that its calls take from.
        arm: the arm that makes its calls, where nothing nearer to a call says otherwise; None when free.
    """

    def __init__(
        self,
        *,
        episode_id: str,
        ledger: Ledger,
        budget: Budget,
        clock: Clock,
        on_finish: Callable[[EpisodeEnd], None],
        on_action: Callable[[ActionTaken], None] | None = None,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self.id = episode_id
        self.scope = scope_of(episode_id)
        self.scopes = (self.scope,)
        self.arm: str | None = None
        self._budget = self._first_budget = budget
        self._limits = budget.limits()
        self._ledger = ledger
        self._clock = clock
        self._on_finish = on_finish
        self._on_action = on_action
        self._new_id = new_id
        self._steps: int | None = None
        self._lock = threading.Lock()

    @property
    def budget(self) -> Budget:
        """Its budget, as it was given or last changed through this handle."""
        return self._budget

    def belongs_to(self, ledger: Ledger) -> bool:
        """Whether the episode's books are kept in this ledger."""
        return self._ledger is ledger

    def look(self) -> Balance:
        """The books now; opens the scope at the first look. May wait for the store."""
        balance = self._ledger.open(self.scope, self._limits, at=self._clock.now())
        if self._steps is None:
            self._looked(balance)
        return balance

    def _looked(self, balance: Balance) -> None:
        with self._lock:
            if self._steps is None:
                self._steps = balance.calls

    @property
    def remaining(self) -> Remaining:
        """What is left now, for general purposes. May wait for the store; opens the episode if nothing has yet."""
        return self.remaining_for("general")

    def remaining_for(self, purpose: Purpose) -> Remaining:
        """What is left now for a purpose: its own reserve too, never another purpose's. May wait for the store."""
        balance = self.look()
        return remaining_of(balance, purpose, max_seconds=self.budget.max_seconds, now=self._clock.now())

    def charge(self, name: str, dollars: Dollars, *, purpose: Purpose = "general") -> None:
        """Book what a tool, an embedding or anything else beside a routed call costs. Call it BEFORE spending.

        Held and settled at once, so that it can never overspend; each charge is one entry in the books. In async code
        with a store that blocks, use `acharge`.

        Args:
            name: what costs, for example ``search``.
            dollars: how much, rounded up to the nano-dollar.
            purpose: which reserve it may open.

        Raises:
            BudgetExceeded: it does not fit into what is left; nothing is booked.
            ConfigError: the name is empty, or the dollars are no amount; names the field.
            LedgerError: the episode is finished, or the store does not answer; nothing is booked.
        """
        at = self._clock.now()
        request = charge_request(name, dollars, purpose=purpose, charge_id=self._new_id(), scopes=self.scopes, at=at)
        self.look()
        self._ledger.hold(request)
        try:
            self._ledger.settle(request.id, request.amount, at=at)
        except LedgerUnavailable:
            # The hold counts as much as the settlement would; raising would have the charge made again.
            _log.exception("the ledger could not settle charge %s; its hold stays in the books", request.id)
        self._tell(charged(name, request, episode=self.id))

    async def acharge(self, name: str, dollars: Dollars, *, purpose: Purpose = "general") -> None:
        """The same as `charge` without blocking the event loop. Cancelled while it books, it may have booked."""
        if self._ledger.blocking:
            await asyncio.to_thread(self.charge, name, dollars, purpose=purpose)
        else:
            self.charge(name, dollars, purpose=purpose)

    def raise_budget(
        self,
        *,
        total_dollars: float | None = None,
        max_input_tokens: int | None = None,
        max_output_tokens: int | None = None,
        hard_stop_after_retries: int | None = None,
        max_seconds: float | None = None,
    ) -> Budget:
        """Raise limits of the running episode to at least these; returns the budget then in force.

        Limits left out stay, reserves are kept, and nothing is ever lowered: doing it twice, or in another order, comes
        to the same. `change_budget` lowers.

        Raises:
            ConfigError: no limit is given, one is out of range, or the total is below the reserves; names the field.
            LedgerError: the episode is finished.
        """
        return self._change(
            lambda now: raised(
                now,
                total_dollars=total_dollars,
                max_input_tokens=max_input_tokens,
                max_output_tokens=max_output_tokens,
                hard_stop_after_retries=hard_stop_after_retries,
                max_seconds=max_seconds,
            )
        )

    def change_budget(self, budget: Budget) -> Budget:
        """Put another budget in force for the running episode: what is spent and held stays.

        A budget below what is spent admits nothing more. ``max_seconds`` is kept by this handle only,
        all other limits in the books.

        Raises:
            ConfigError: it is no budget.
            LedgerError: the episode is finished.
        """
        if not isinstance(budget, Budget):
            raise ConfigError(f"must be a Budget, not {budget!r}", field="budget")
        return self._change(lambda _: budget)

    def _change(self, change: Callable[[Budget], Budget]) -> Budget:
        with _changing:
            before = budget_in_force(self.budget, self.look().limits)
            after, at = change(before), self._clock.now()
            if after != before:
                self._ledger.amend(self.scope, after.limits(), at=at)
            self._budget, self._limits = after, after.limits()
        if after != before:
            self._tell(budget_changed(before, after, action_id=self._new_id(), episode=self.id, at=at))
        return after

    def runs_under(self, budget: Budget) -> bool:
        """Whether this is its budget, or the one it was first given."""
        return budget in (self._budget, self._first_budget)

    def _tell(self, action: ActionTaken) -> None:
        if self._on_action is not None:
            self._on_action(action)

    def next_index(self) -> int:
        """The index of the next step, counted on from what the ledger knew when this process first looked."""
        with self._lock:
            index = self._steps or 0
            self._steps = index + 1
            return index

    def finish(self, *, success: float | bool | None = None, note: str = "") -> None:
        """Close the episode: it takes no more calls, and what is known of its quality is stored.

        Args:
            success: True, False, a degree in [0, 1], or None when nobody knows.
            note: free text.

        Raises:
            ConfigError: success is no number in [0, 1].
        """
        degree = _degree(success)
        self.look()
        self._ledger.close_scope(self.scope)
        self._on_finish(EpisodeEnd(episode=self.id, at=self._clock.now(), success=degree, note=note))

    def __enter__(self) -> Self:
        _around.set((*_around.get(), self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _around.set(_around.get()[:-1])


def _degree(success: float | bool | None) -> float | None:
    if success is None:
        return None
    if isinstance(success, int | float) and 0 <= success <= 1:
        return float(success)
    raise ConfigError(f"must be True, False or between 0 and 1, got {success!r}", field="success")


def current_episode() -> Episode | None:
    """The episode around this code, if any."""
    around = _around.get()
    return around[-1] if around else None


@contextmanager
def inside(episode: Episode) -> Iterator[Episode]:
    """Make an episode the one around the code of a with block."""
    with episode:
        yield episode
