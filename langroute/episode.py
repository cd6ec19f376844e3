"""Episode: a handle on one attempt at one task under one budget."""

import asyncio
import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Self, get_args

from langroute.books import Balance, Limits, Purpose, Remaining, least_of, remaining_of
from langroute.budget import Budget
from langroute.charges import budget_changed, budget_in_force, charge_request, charged, raised
from langroute.errors import ConfigError, LedgerUnavailable
from langroute.money import Dollars
from langroute.protocols import Clock, Ledger
from langroute.quick import changed
from langroute.records import ActionTaken, EpisodeEnd, Judge
from langroute.scopes import ScopeRule, check_known, of_its_kind, scopes_at

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
        rules: tuple[ScopeRule, ...] = (),
        fresh: bool = False,
    ) -> None:
        self.id = episode_id
        self.scope = scope_of(episode_id)
        self.arm: str | None = None
        self._budget = self._first_budget = budget
        self._limits = budget.limits()
        self._ledger = ledger
        self._clock = clock
        self._on_finish = on_finish
        self._on_action = on_action
        self._new_id = new_id
        self._rules = rules
        self._said: dict[str, str] = {}
        self._steps: int | None = None
        # Until the first hold opens them, books under an id made just now are known without asking the store.
        self._unopened = self._empty() if fresh else None
        self._lock = threading.Lock()

    @property
    def budget(self) -> Budget:
        """Its budget, as it was given or last changed through this handle."""
        return self._budget

    def belongs_to(self, ledger: Ledger) -> bool:
        """Whether the episode's books are kept in this ledger."""
        return self._ledger is ledger

    def look(self) -> Balance:
        """The books now; opens the scope where it may be open already. May wait for the store."""
        unopened = self._unopened
        return self.open() if unopened is None else unopened

    def open(self) -> Balance:
        """Open the scope if it is not open yet; the books now. May wait for the store."""
        now = self._clock.now()
        balance = self._ledger.open(self.scope, self._limits, at=now)
        self._unopened = None
        if self._steps is None:
            if balance.held.nano_usd:  # of a process that died, perhaps
                self._ledger.expire(at=now, scope=self.scope)
                balance = self._ledger.balance(self.scope, at=now)
            with self._lock:
                if self._steps is None:
                    self._steps = balance.calls
        return balance

    def books(self) -> tuple[Balance, ...]:
        """The books of every scope that a call takes from now: its own first. May wait for the store.

        Raises:
            ConfigError: it was not said whose shared budget the episode takes from, or its books count another time
                than the configuration says.
        """
        own = self.look()
        if not self._rules:
            return (own,)
        now = self._clock.now()
        shared = scopes_at(self._rules, self._said, at=now, episode=self.id)
        return (own, *[of_its_kind(self._ledger.open(scope, limits, at=now), limits) for scope, limits in shared])

    @property
    def opens(self) -> tuple[tuple[str, Limits], ...]:
        """What its next hold has to open, with the limits."""
        return () if self._unopened is None else ((self.scope, self._limits),)

    def opened(self) -> None:
        """Note that a hold of this episode was taken, so that its books are open."""
        self._unopened = None

    def say(self, scopes: Mapping[str, str]) -> None:
        """Say whose shared budgets the episode takes from, by key; once said, it stays.

        Raises:
            ConfigError: the configuration has no such scope, or something else was said before; names the key.
        """
        check_known(scopes, self._rules, field="scopes")
        with self._lock:
            for key, whose in scopes.items():
                if self._said.setdefault(key, whose) != whose:
                    raise ConfigError(
                        f"episode {self.id!r} takes from the budget of {self._said[key]!r}, not of {whose!r}; "
                        "an episode keeps its budgets: start another one",
                        field=f"scopes.{key}",
                    )

    def _empty(self) -> Balance:
        return Balance(scope=self.scope, limits=self._limits, opened_at=self._clock.now())

    @property
    def remaining(self) -> Remaining:
        """What is left now, for general purposes. May wait for the store; opens the episode if nothing has yet."""
        return self.remaining_for("general")

    def remaining_for(self, purpose: Purpose) -> Remaining:
        """What is left now for a purpose: its own reserve too, never another purpose's. May wait for the store."""
        own, *shared = self.books()
        left = remaining_of(own, purpose, max_seconds=self.budget.max_seconds, now=self._clock.now())
        for balance in shared:
            left = least_of(left, remaining_of(balance, purpose, max_seconds=None, now=0.0))
        return left

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
        charge_id = self._new_id()
        request = charge_request(name, dollars, purpose=purpose, charge_id=charge_id, scope=self.scope, at=at)
        scopes = tuple([balance.scope for balance in self.books()])
        request = changed(request, scopes=scopes, opens=self.opens)
        self._ledger.hold(request)
        self.opened()
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
            before = budget_in_force(self.budget, self.open().limits)
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

    def finish(self, *, success: float | bool | None = None, note: str = "", source: Judge = "success") -> None:
        """Close the episode: it takes no more calls, and what is known of its quality is stored.

        Finishing it again puts what is said now in place of what was said before.

        Args:
            success: True, False, a degree in [0, 1], or None when nobody knows.
            note: free text.
            source: who says so: the program (``success``), a person (``human``) or a ``verifier``.

        Raises:
            ConfigError: success is no number in [0, 1], or the source is none of these.
        """
        degree = _degree(success)
        if source not in get_args(Judge):
            raise ConfigError(f"must be one of {', '.join(get_args(Judge))}, got {source!r}", field="source")
        self.open()
        self._ledger.close_scope(self.scope)
        end = EpisodeEnd(episode=self.id, at=self._clock.now(), success=degree, note=note, source=source)
        self._on_finish(end)

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
