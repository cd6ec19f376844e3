"""Leases, late truths, corrections, resets, windows and jumping clocks, on two ledgers that share no bookkeeping."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from langroute.books import Amount, Balance, Entry, HoldRequest, Limits
from langroute.errors import BudgetExceeded, ConfigError, LedgerError
from langroute.ledgers import MemoryLedger, SqliteLedger
from langroute.ledgers.audit import audit
from langroute.protocols import Ledger

HOUR = 3_600.0
LIMITS = {
    "episode:a": Limits(nano_usd=100, output_tokens=50, reserves=(("verification", 20),)),
    "user:day": Limits(nano_usd=150),
    "user:hour": Limits(nano_usd=60, output_tokens=40, window_s=HOUR),
}
SCOPES = tuple(LIMITS)
IDS = tuple(f"h{number}" for number in range(20))

ids = st.sampled_from(IDS)
amounts = st.builds(Amount, nano_usd=st.integers(0, 40), output_tokens=st.integers(0, 20))
clocks = st.sampled_from([0.0, 1.0, 59.0, 60.0, 61.0, 600.0, HOUR - 1, HOUR, HOUR + 60, 2 * HOUR, 30 * HOUR])
some_scopes = st.lists(st.sampled_from(SCOPES), min_size=1, max_size=3, unique=True).map(tuple)


class Agreement(RuleBasedStateMachine):
    """Both ledgers answer every move alike, their lines sum to their books, and no limit is passed."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp(prefix="langroute-books-")
        self.ledgers: tuple[Ledger, ...] = (MemoryLedger(), SqliteLedger(Path(self.folder) / "books.db"))
        self.overrun = False
        self.now = 0.0
        self.settled: dict[str, tuple[float, Entry]] = {}

    def teardown(self) -> None:
        """Leave nothing behind."""
        for ledger in self.ledgers:
            ledger.close()
        shutil.rmtree(self.folder)

    def both(self, action: Callable[[Ledger], object]) -> object:
        """What both ledgers answer: a result, or the error's class and text."""
        answers = []
        for ledger in self.ledgers:
            try:
                answers.append(action(ledger))
            except (LedgerError, BudgetExceeded, ConfigError) as exc:
                answers.append((type(exc), str(exc)))
        assert answers[0] == answers[1]
        return answers[0]

    @initialize()
    def open_one(self) -> None:
        """One scope is open from the start; holds open the others."""
        self.both(lambda ledger: ledger.open("user:day", LIMITS["user:day"], at=0.0))

    @rule(clock=clocks)
    def clock(self, clock: float) -> None:
        """Clocks jump, back and forth."""
        self.now = clock

    @rule(
        hold_id=ids,
        scopes=some_scopes,
        amount=amounts,
        lease_s=st.none() | st.sampled_from([0.0, 30.0, 5_000.0]),
        purpose=st.sampled_from(["general", "verification"]),
    )
    def hold(self, hold_id: str, scopes: tuple[str, ...], amount: Amount, lease_s: float | None, purpose: str) -> None:
        """Hold, opening what is not open yet."""
        request = HoldRequest(
            id=hold_id,
            scopes=scopes,
            amount=amount,
            purpose=purpose,
            at=self.now,
            expires=None if lease_s is None else self.now + lease_s,
            opens=tuple((scope, LIMITS[scope]) for scope in scopes),
        )
        self.both(lambda ledger: ledger.hold(request))

    @rule(hold_id=ids, amount=amounts, share=st.none() | st.sampled_from([0.0, 0.5, 1.0]), worst_case=st.booleans())
    def settle(self, hold_id: str, amount: Amount, share: float | None, worst_case: bool) -> None:
        """Settle at a part of what is held, or at any amount."""
        held = self.line(hold_id)
        if held is not None and share is not None:
            amount = Amount(
                nano_usd=int(held.held.nano_usd * share), output_tokens=int(held.held.output_tokens * share)
            )
        self.booked(self.both(lambda ledger: ledger.settle(hold_id, amount, worst_case=worst_case, at=self.now)))

    @rule(scope=st.none() | st.sampled_from(SCOPES))
    def expire(self, scope: str | None) -> None:
        """Let leases run out."""
        self.both(lambda ledger: ledger.expire(at=self.now, scope=scope))

    @rule(hold_id=ids, amount=amounts)
    def correct(self, hold_id: str, amount: Amount) -> None:
        """Put a worst case right."""
        self.booked(self.both(lambda ledger: ledger.correct(hold_id, amount, at=self.now, reason="bill")))

    @rule(scope=st.sampled_from(SCOPES))
    def reset(self, scope: str) -> None:
        """Forgive what was spent."""
        self.both(lambda ledger: ledger.reset(scope, at=self.now))

    @rule(scope=st.sampled_from(SCOPES), nano=st.integers(20, 200))
    def amend(self, scope: str, nano: int) -> None:
        """Change the dollar limit, perhaps below what is used, or not at all."""
        limits = Limits(
            nano_usd=nano,
            output_tokens=LIMITS[scope].output_tokens,
            reserves=LIMITS[scope].reserves,
            window_s=LIMITS[scope].window_s,
        )
        answer = self.both(lambda ledger: ledger.amend(scope, limits, at=self.now, reason=f"to {nano}"))
        if isinstance(answer, Balance):
            self.overrun = True

    def line(self, hold_id: str) -> Entry | None:
        """A hold as the books show it."""
        for scope in SCOPES:
            entries = self.both(lambda ledger, scope=scope: ledger.entries(scope))
            if entries and not isinstance(entries[0], type):
                found = [entry for entry in entries if entry.id == hold_id]
                if found:
                    return found[0]
        return None

    def booked(self, answer: object) -> None:
        """Note where more was booked than was held: from then on limits may be passed."""
        if isinstance(answer, Entry) and answer.settled is not None:
            over = answer.settled - answer.held
            self.overrun = self.overrun or over.nano_usd > 0 or over.output_tokens > 0

    @invariant()
    def books_agree_and_are_sound(self) -> None:
        """Totals, lines and amendments are the same; every sum is proven; no limit is passed."""
        for scope in SCOPES:
            for at in (None, self.now, self.now + 2 * HOUR):
                balance = self.both(lambda ledger, scope=scope, at=at: ledger.balance(scope, at=at))
            self.both(lambda ledger, scope=scope: ledger.entries(scope))
            self.both(lambda ledger, scope=scope: ledger.amendments(scope))
            if not isinstance(balance, Balance):
                continue
            assert all(audit(ledger, scope).sound for ledger in self.ledgers)
            balance = self.ledgers[0].balance(scope)
            assert min(balance.held.nano_usd, balance.spent.nano_usd, balance.held.output_tokens) >= 0
            if not self.overrun:
                assert balance.limits.nano_usd is not None
                assert balance.used.nano_usd <= balance.limits.nano_usd
                assert (
                    balance.limits.output_tokens is None or balance.used.output_tokens <= balance.limits.output_tokens
                )
        self.both(lambda ledger: ledger.scopes("user:"))


TestAgreement = Agreement.TestCase
TestAgreement.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
