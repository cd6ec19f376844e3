"""The contracts between the rooms, on one page.

Anything that has these methods fits: no base class, no registry. The contract suites in ``langroute.testing`` check
more than types.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from langroute.books import Amendment, Amount, Balance, Entry, HoldRequest, Limits
from langroute.candidates import Candidate, VerifierCall
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
    Verdict,
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
class TextEncoder(Protocol):
    """What an estimator may be able to do beside: turn what was asked into a few numbers, kept in ``Features.text``.

    Records never hold text, and a decision must be explained from its record: so the text is read once, at the door,
    and only what the encoder made of it is kept.
    """

    def encode(self, text: str) -> tuple[float, ...]:
        """A vector of fixed length, of whatever text. Pure, never raises for text."""
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
class Judging(Protocol):
    """What an acceptance rule may be able to do beside: judge with all that is known of the attempt.

    The flow asks this instead of `Acceptance.defects` of a rule that has it.
    """

    def judge(self, record: Record, outcome: Outcome) -> tuple[str, ...]:
        """What makes the answer unacceptable; empty when it is accepted. Pure.

        Args:
            record: step, estimates, ruling and decision of the attempt; its own ``outcome`` is not filled in yet.
            outcome: what came back.
        """
        ...


@runtime_checkable
class CallGating(Protocol):
    """What an acceptance rule may be able to do beside: say by the chosen arm too whether answers are judged at all.

    The flow asks this instead of `Acceptance.gates` of a rule that has it: an answer that cannot be rejected, such as
    the strongest arm's, then streams at once.
    """

    def gates_call(self, record: Record) -> bool:
        """Whether the answer of this attempt is judged. What is judged is buffered, not streamed. Pure."""
        ...


@runtime_checkable
class Verifying(Protocol):
    """What an acceptance rule may be able to do beside: have another call made about an answer that no rule refused."""

    def worth(self, record: Record, outcome: Outcome) -> VerifierCall | None:
        """The call that is worth its price; None when none is. Pure; arguments as for `Judging.judge`."""
        ...

    def found(self, record: Record, outcome: Outcome, verdict: Verdict) -> tuple[str, ...]:
        """What makes the answer unacceptable now that a check said this of it; empty when it stands. Pure."""
        ...


@runtime_checkable
class Selector(Protocol):
    """Chooses among the answers of an arm with several samples."""

    name: str

    def select(self, step: Step, candidates: Sequence[Candidate]) -> int:
        """The place of the answer that is passed on. Pure; there is always at least one candidate."""
        ...


@runtime_checkable
class AnswerReader(Protocol):
    """What a selector may be able to do beside: say by which part of an answer two answers are compared."""

    def read(self, answer: str) -> str:
        """The part of a `Candidate.answer` that has to be equal. Pure, for any text."""
        ...


@runtime_checkable
class Ledger(Protocol):
    """The books. Every method is atomic, durable as far as the store is, and safe to call from any thread.

    A ledger is synchronous; where ``blocking`` is true the async driver calls it in a worker thread, so that no event
    loop waits for a disk or a network. ``langroute.testing.check_ledger`` is the contract.

    Time comes from the caller (``at``, epoch seconds), and clocks differ and jump. Only windows depend on it, and in a
    scope with one it never goes back: an ``at`` before the newest that a hold or settlement there has brought is read
    as that newest. A window forgets by buckets of a sixtieth of its length: what was settled in a bucket
    counts until the whole bucket has left the window, so it counts a little longer than ``window_s``, never shorter.
    """

    blocking: bool

    def open(self, scope: str, limits: Limits, *, at: float) -> Balance:
        """Open a scope, or return its books as they are at ``at``: reopening never changes limits in force.

        Raises:
            ConfigError: the limits are impossible.
        """
        ...

    def balance(self, scope: str, *, at: float | None = None) -> Balance:
        """The books of a scope; those of one with a window as they are at ``at``, or at the newest time seen there.

        A look changes nothing, also not the newest time.

        Raises:
            LedgerError: the scope was never opened.
        """
        ...

    def hold(self, request: HoldRequest) -> Balance:
        """Set an amount aside in all scopes or in none; returns the first scope's books. Idempotent by ``request.id``.

        Scopes that ``request.opens`` names and that are not open are opened in the same step, in the order of
        ``request.scopes``. In scopes with a window, what has left the window by ``request.at`` no longer counts. Where
        the hold is refused, nothing changes at all.

        Raises:
            BudgetExceeded: it does not fit; names the tightest scope, and nothing was set aside anywhere.
            LedgerError: a scope was never opened and is not opened by it, or is closed.
            ConfigError: limits of a scope that it opens are impossible.
        """
        ...

    def settle(self, hold_id: str, amount: Amount, *, worst_case: bool = False, at: float) -> Entry:
        """Replace a hold by what was really used. Settling again changes nothing and returns the first settlement.

        A hold that has expired is booked at its worst case, which is no settlement of the caller's: what is booked is
        taken back from where it was booked, and ``amount`` is booked now (in a window: in the bucket of ``at``). Where
        ``worst_case`` says that this is not the truth either, the truth may still follow by another `settle`.

        What is used above the hold, and above every limit, is booked as it is.

        Raises:
            LedgerError: no such hold was ever taken.
        """
        ...

    def expire(self, *, at: float, scope: str | None = None) -> tuple[Entry, ...]:
        """Settle each open hold whose lease is over (``expires <= at``) at all that it holds, and return those lines.

        They are marked ``worst_case`` and ``expired``, oldest first; each is one atomic step. What was held is spent
        from then on, so nothing becomes free; closed scopes are no exception.

        Args:
            at: epoch seconds now.
            scope: only holds that take from this scope.

        Raises:
            LedgerError: the scope was never opened.
        """
        ...

    def correct(self, hold_id: str, amount: Amount, *, at: float, reason: str = "") -> Entry:
        """Put the truth in place of a worst case, in every scope; what stood there is kept in `Entry.corrections`.

        The line is no worst case any more, but may be corrected again; the amount that is booked already changes and
        records nothing more than that. What is given back is taken back, resource by resource, from where it was
        booked; what is dearer than was booked counts now. ``settled_at`` and ``expired`` stay.

        Raises:
            LedgerError: no such hold was ever taken, it is open, or it was settled at what was really used.
        """
        ...

    def amend(self, scope: str, limits: Limits, *, at: float, reason: str = "") -> Balance:
        """Put other limits in force for an open scope; what is spent and held stays. Returns the books after it.

        Limits below what is spent or held are taken: nothing more is admitted then. The change is recorded, unless the
        limits are those in force.

        Raises:
            LedgerError: the scope was never opened, or is closed.
            ConfigError: the limits are impossible, or their window is not the scope's.
        """
        ...

    def reset(self, scope: str, *, at: float, reason: str = "") -> Balance:
        """Forgive all that an open scope has spent: it counts no more. What is held stays held. Returns the books.

        What was spent is added to `Balance.past`, and `Balance.used_nano` is what open holds hold. The reset is
        recorded with what it forgave, unless that is nothing. A forgiven line that is put right later (`settle` after
        `expire`, `correct`) gives back nothing that counts: what it gives back is taken from `Balance.past`.

        Raises:
            LedgerError: the scope was never opened, or is closed.
        """
        ...

    def amendments(self, scope: str) -> tuple[Amendment, ...]:
        """Every change that was made to the budget of a scope, oldest first.

        Raises:
            LedgerError: the scope was never opened.
        """
        ...

    def close_scope(self, scope: str) -> Balance:
        """Take no more holds from a scope; open holds may still settle."""
        ...

    def latest(self, prefix: str) -> Balance | None:
        """The most recently opened scope whose name starts with ``prefix``."""
        ...

    def scopes(self, prefix: str = "", *, limit: int = 100) -> tuple[Balance, ...]:
        """The scopes whose names start with ``prefix``, at most ``limit`` of them, the most recently opened first."""
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
class JournalIndex(Protocol):
    """What a journal may be able to do beside: name every episode it holds, however many. Exports need it."""

    def every_episode(self, *, since: float | None = None) -> Iterator[str]:
        """Ids of all stored episodes, each once, in no promised order and with flat memory.

        An episode that is first written to while this runs may be missing.

        Args:
            since: epoch seconds; only episodes with a record or an action of that time or later.
        """
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
