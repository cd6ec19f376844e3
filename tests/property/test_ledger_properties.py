"""No interleaving of opens, amendments, holds, settlements, releases and closings breaks the books, on any ledger."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from langroute.books import RESERVED_PURPOSES, Amount, HoldRequest, Limits, Purpose
from langroute.errors import BudgetExceeded, LedgerError
from langroute.ledgers import MemoryLedger, SqliteLedger

RESOURCES = ("nano_usd", "input_tokens", "output_tokens", "retries")
SCOPES = ("episode:1", "episode:2", "user:1")
IDS = tuple(f"h{number}" for number in range(12))
PURPOSES: tuple[Purpose, ...] = ("general", *RESERVED_PURPOSES)

amounts = st.builds(
    Amount,
    nano_usd=st.integers(0, 60),
    input_tokens=st.integers(0, 30),
    output_tokens=st.integers(0, 30),
    retries=st.integers(0, 1),
)
some_scopes = st.lists(st.sampled_from(SCOPES), min_size=1, max_size=3, unique=True).map(tuple)


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    """Limits of a scope, tight enough to matter, with reserves that fit."""
    nano = draw(st.none() | st.integers(0, 150))
    reserves = []
    left = nano or 0
    for purpose in draw(st.lists(st.sampled_from(RESERVED_PURPOSES), unique=True)) if nano else []:
        reserves.append((purpose, draw(st.integers(0, left))))
        left -= reserves[-1][1]
    return Limits(
        nano_usd=nano,
        input_tokens=draw(st.none() | st.integers(0, 60)),
        output_tokens=draw(st.none() | st.integers(0, 60)),
        retries=draw(st.none() | st.integers(0, 3)),
        reserves=tuple(reserves),
    )


@dataclass
class ModelScope:
    """A scope as the simplest books would keep it."""

    limits: Limits
    closed: bool = False
    overrun: bool = False


@dataclass
class ModelHold:
    """A hold as the simplest books would keep it."""

    request: HoldRequest
    settled: Amount | None = None

    @property
    def counts(self) -> Amount:
        """What it uses up."""
        return self.request.amount if self.settled is None else self.settled


@dataclass
class Model:
    """The simplest books there can be: every sum is taken afresh over all holds."""

    scopes: dict[str, ModelScope] = field(default_factory=dict)
    holds: dict[str, ModelHold] = field(default_factory=dict)

    def of(self, scope: str) -> list[ModelHold]:
        """The holds of a scope."""
        return [hold for hold in self.holds.values() if scope in hold.request.scopes]

    def used(self, scope: str, resource: str) -> int:
        """What is spent or held."""
        return sum(getattr(hold.counts, resource) for hold in self.of(scope))

    def kept(self, scope: str, purpose: Purpose | None = None) -> int:
        """Nano-dollars that are still kept for purposes other than ``purpose``."""
        total = 0
        for name, reserve in self.scopes[scope].limits.reserves:
            used = sum(hold.counts.nano_usd for hold in self.of(scope) if hold.request.purpose == name)
            total += max(0, reserve - used) if name != purpose else 0
        return total

    def fits(self, request: HoldRequest) -> bool:
        """Whether a hold fits every limit of every scope."""
        for scope in request.scopes:
            for resource in RESOURCES:
                limit, asked = getattr(self.scopes[scope].limits, resource), getattr(request.amount, resource)
                kept = self.kept(scope, request.purpose) if resource == "nano_usd" else 0
                if asked and limit is not None and self.used(scope, resource) + kept + asked > limit:
                    return False
        return True


def refused(answer: object) -> type[Exception] | None:
    """The class of the error that a ledger answered with."""
    return answer[0] if isinstance(answer, tuple) and answer and isinstance(answer[0], type) else None


class Books(RuleBasedStateMachine):
    """Both ledgers and the model take the same steps and must agree after each."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp(prefix="langroute-books-")
        self.sqlite = SqliteLedger(Path(self.folder) / "books.db")
        self.ledgers = (MemoryLedger(), self.sqlite)
        self.model = Model()
        self.clock = 0.0

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.sqlite.close()
        shutil.rmtree(self.folder)

    def both(self, action: Callable[[MemoryLedger | SqliteLedger], object]) -> object:
        """What both ledgers answer: a result, or the error's class and text."""
        answers = []
        for ledger in self.ledgers:
            try:
                answers.append(action(ledger))
            except (LedgerError, BudgetExceeded) as exc:
                answers.append((type(exc), str(exc)))
        assert answers[0] == answers[1]
        return answers[0]

    @rule(scope=st.sampled_from(SCOPES), limits=limits())
    def open(self, scope: str, limits: Limits) -> None:
        """Open a scope, or open it again."""
        self.clock += 1
        self.both(lambda ledger: ledger.open(scope, limits, at=self.clock))
        self.model.scopes.setdefault(scope, ModelScope(limits))

    @rule(scope=st.sampled_from(SCOPES), limits=limits())
    def amend(self, scope: str, limits: Limits) -> None:
        """Put other limits in force, perhaps below what is used or for a scope that takes none."""
        self.clock += 1
        answer = self.both(lambda ledger: ledger.amend(scope, limits, at=self.clock))
        kept = self.model.scopes.get(scope)
        if kept is None or kept.closed:
            assert refused(answer) is LedgerError
            return
        assert refused(answer) is None
        kept.limits = limits
        over = any(
            getattr(limits, resource) is not None and self.model.used(scope, resource) > getattr(limits, resource)
            for resource in RESOURCES
        )
        kept_back = (
            limits.nano_usd is not None
            and self.model.used(scope, "nano_usd") + self.model.kept(scope) > limits.nano_usd
        )
        kept.overrun = over or kept_back

    @rule(hold_id=st.sampled_from(IDS), scopes=some_scopes, amount=amounts, purpose=st.sampled_from(PURPOSES))
    def hold(self, hold_id: str, scopes: tuple[str, ...], amount: Amount, purpose: Purpose) -> None:
        """Hold, with an id that may be taken already."""
        self.clock += 1
        request = HoldRequest(id=hold_id, scopes=scopes, amount=amount, purpose=purpose, at=self.clock)
        answer = self.both(lambda ledger: ledger.hold(request))
        if hold_id in self.model.holds:
            assert refused(answer) is None
        elif any(scope not in self.model.scopes or self.model.scopes[scope].closed for scope in scopes):
            assert refused(answer) is LedgerError
        elif self.model.fits(request):
            assert refused(answer) is None
            self.model.holds[hold_id] = ModelHold(request)
        else:
            assert refused(answer) is BudgetExceeded

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data(), share=st.sampled_from([0.0, 0.3, 1.0]), worst_case=st.booleans())
    def settle(self, data: st.DataObject, share: float, worst_case: bool) -> None:
        """Settle a hold, perhaps again, within what it holds; nothing of it is a release."""
        hold = self.model.holds[data.draw(st.sampled_from(sorted(self.model.holds)))]
        part = {name: int(getattr(hold.request.amount, name) * share) for name in RESOURCES}
        self.book(hold, Amount(**part), worst_case=worst_case)

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data(), amount=amounts)
    def settle_with_any_truth(self, data: st.DataObject, amount: Amount) -> None:
        """Settle a hold with what may be more than it holds: the truth is booked."""
        hold = self.model.holds[data.draw(st.sampled_from(sorted(self.model.holds)))]
        if hold.settled is None and any(getattr(amount, r) > getattr(hold.request.amount, r) for r in RESOURCES):
            for scope in hold.request.scopes:
                self.model.scopes[scope].overrun = True
        self.book(hold, amount, worst_case=False)

    def book(self, hold: ModelHold, amount: Amount, *, worst_case: bool) -> None:
        """Settle in both ledgers and the model; the first settlement stands."""
        self.clock += 1
        entry = self.both(lambda ledger: ledger.settle(hold.request.id, amount, worst_case=worst_case, at=self.clock))
        hold.settled = amount if hold.settled is None else hold.settled
        assert entry.settled == hold.settled

    @rule(hold_id=st.sampled_from(IDS))
    def settle_what_was_never_held(self, hold_id: str) -> None:
        """An id that was never taken cannot be settled."""
        if hold_id not in self.model.holds:
            answer = self.both(lambda ledger: ledger.settle(hold_id, Amount(), at=self.clock))
            assert refused(answer) is LedgerError

    @precondition(lambda self: self.model.scopes)
    @rule(data=st.data())
    def close_scope(self, data: st.DataObject) -> None:
        """Close a scope."""
        scope = data.draw(st.sampled_from(sorted(self.model.scopes)))
        self.both(lambda ledger: ledger.close_scope(scope))
        self.model.scopes[scope].closed = True

    @rule(prefix=st.sampled_from(["", "episode:", "user:", "nobody:"]))
    def latest(self, prefix: str) -> None:
        """The latest scope is the one opened last."""
        found = self.both(lambda ledger: ledger.latest(prefix))
        names = [name for name in self.model.scopes if name.startswith(prefix)]
        assert (found.scope if found else None) == (names[-1] if names else None)

    @rule()
    def close(self) -> None:
        """Close the ledgers, which changes nothing."""
        self.both(lambda ledger: ledger.close())

    @invariant()
    def books_are_those_of_the_model(self) -> None:
        """Sums, calls and entries are exactly what the simplest books say."""
        for scope, kept in self.model.scopes.items():
            balance = self.both(lambda ledger, scope=scope: ledger.balance(scope))
            holds = self.model.of(scope)
            assert (balance.limits, balance.closed, balance.calls) == (kept.limits, kept.closed, len(holds))
            for resource in RESOURCES:
                assert getattr(balance.used, resource) == self.model.used(scope, resource)
                held = sum(getattr(hold.request.amount, resource) for hold in holds if hold.settled is None)
                assert getattr(balance.held, resource) == held
            entries = self.both(lambda ledger, scope=scope: ledger.entries(scope))
            assert [entry.id for entry in entries] == [hold.request.id for hold in holds]

    @invariant()
    def nothing_is_overspent(self) -> None:
        """Unless more was billed than held, or limits were put too low, no limit is passed and reserves are kept."""
        for scope, kept in self.model.scopes.items():
            if kept.overrun:
                continue
            balance = self.sqlite.balance(scope)
            for resource in RESOURCES:
                limit = getattr(kept.limits, resource)
                assert limit is None or getattr(balance.used, resource) <= limit
            if kept.limits.nano_usd is not None:
                assert balance.used.nano_usd + self.model.kept(scope) <= kept.limits.nano_usd


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
