"""The contracts between the rooms, on one page.

Anything that has these methods fits: no base class, no registry. The contract suites in ``langroute.testing`` check
more than types.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from langroute.books import Amount, Balance, Entry, HoldRequest, Limits
from langroute.money import Price
from langroute.records import (
    ActionTaken,
    Arm,
    EpisodeEnd,
    Estimate,
    Outcome,
    PoolSnapshot,
    Record,
    RoutingDecision,
    Ruling,
    Step,
)


@runtime_checkable
class Estimator(Protocol):
    """Says what each arm would achieve and cost. Pure: same step and arms, same estimates."""

    name: str
    version: str

    def estimate(self, step: Step, arms: Sequence[Arm]) -> tuple[Estimate, ...]:
        """One estimate per arm, in the order of ``arms``."""
        ...


@runtime_checkable
class Governor(Protocol):
    """Turns the budget into the price of a dollar and a mask. Pure."""

    def rule(self, step: Step, arms: Sequence[Arm], estimates: Sequence[Estimate]) -> Ruling:
        """The price of a dollar now, and one permit per arm in the order of ``arms``."""
        ...


@runtime_checkable
class RoutingPolicy(Protocol):
    """Chooses. Pure: the decision depends on these three arguments and nothing else, so it replays."""

    name: str
    version: str

    def choose(self, step: Step, estimates: Sequence[Estimate], ruling: Ruling) -> RoutingDecision:
        """The decision; ``arm=None`` (stop) when no arm is permitted."""
        ...


@runtime_checkable
class Acceptance(Protocol):
    """Judges an answer before it is passed on."""

    name: str

    def gates(self, step: Step) -> bool:
        """Whether answers of this step are judged at all. What is judged is buffered, not streamed."""
        ...

    def defects(self, step: Step, outcome: Outcome) -> tuple[str, ...]:
        """What makes the answer unacceptable; empty when it is accepted."""
        ...


@runtime_checkable
class Ledger(Protocol):
    """The books. Every method is atomic, durable as far as the store is, and safe to call from any thread.

    A ledger is synchronous; where ``blocking`` is true the async driver calls it in a worker thread, so that no event
    loop waits for a disk or a network. ``langroute.testing.check_ledger`` is the contract.
    """

    blocking: bool

    def open(self, scope: str, limits: Limits, *, at: float) -> Balance:
        """Open a scope, or return its books as they are: reopening never changes limits in force."""
        ...

    def balance(self, scope: str) -> Balance:
        """The books of a scope.

        Raises:
            LedgerError: the scope was never opened.
        """
        ...

    def hold(self, request: HoldRequest) -> Balance:
        """Set an amount aside in all scopes or in none; returns the first scope's books. Idempotent by ``request.id``.

        Raises:
            BudgetExceeded: it does not fit; names the tightest scope, and nothing was set aside anywhere.
            LedgerError: a scope was never opened, or is closed.
        """
        ...

    def settle(self, hold_id: str, amount: Amount, *, worst_case: bool = False, at: float) -> Entry:
        """Replace a hold by what was really used. Settling again changes nothing and returns the first settlement.

        Raises:
            LedgerError: no such hold was ever taken.
        """
        ...

    def amend(self, scope: str, limits: Limits, *, at: float) -> Balance:
        """Put other limits in force for an open scope; what is spent and held stays. Returns the books after it.

        Limits below what is spent or held are taken: nothing more is admitted then.

        Raises:
            LedgerError: the scope was never opened, or is closed.
            ConfigError: the limits are impossible.
        """
        ...

    def close_scope(self, scope: str) -> Balance:
        """Take no more holds from a scope; open holds may still settle."""
        ...

    def latest(self, prefix: str) -> Balance | None:
        """The most recently opened scope whose name starts with ``prefix``."""
        ...

    def entries(self, scope: str) -> tuple[Entry, ...]:
        """Every hold taken from a scope, oldest first."""
        ...

    def close(self) -> None:
        """Release the store. Books stay."""
        ...


@runtime_checkable
class JournalSink(Protocol):
    """Keeps records. May lag by a second; never blocks an event loop; a failing journal never fails a call."""

    def write(self, record: Record) -> None:
        """Take a record for storage."""
        ...

    def note(self, action: ActionTaken) -> None:
        """Take an action for storage; one with the same id is replaced."""
        ...

    def finish(self, end: EpisodeEnd) -> None:
        """Take the end of an episode for storage."""
        ...

    def keep_pool(self, pool: PoolSnapshot) -> None:
        """Take a pool for storage; records name it by its id. Taking it again changes nothing."""
        ...

    def flush(self) -> None:
        """Return when everything taken so far is stored.

        Raises:
            JournalUnavailable: the store refuses; nothing that was taken is dropped, and a later flush tries again.
        """
        ...

    def close(self) -> None:
        """Flush and release the store."""
        ...


@runtime_checkable
class Journal(JournalSink, Protocol):
    """A journal that can be read back."""

    def records(self, episode: str) -> tuple[Record, ...]:
        """All records of an episode, in order.

        Raises:
            EpisodeNotFound: nothing is stored under this id.
        """
        ...

    def actions(self, episode: str) -> tuple[ActionTaken, ...]:
        """All actions of an episode, in order; empty when none is stored."""
        ...

    def end(self, episode: str) -> EpisodeEnd | None:
        """How an episode ended; None when nobody said."""
        ...

    def arms(self, episode: str) -> tuple[Arm, ...]:
        """The pool that the newest record of an episode chose from; empty when it is not stored."""
        ...

    def episodes(self, *, limit: int = 100) -> tuple[str, ...]:
        """Ids of stored episodes, newest first."""
        ...


@runtime_checkable
class PriceBook(Protocol):
    """Knows what models cost."""

    def price(self, *, model: str, provider: str | None) -> Price | None:
        """The price list of a model; None when unknown."""
        ...


@runtime_checkable
class Clock(Protocol):
    """Tells the time; passed in, so that tests and replays own it."""

    def now(self) -> float:
        """Epoch seconds."""
        ...

    def elapsed(self) -> float:
        """Seconds on a clock that never goes back."""
        ...
