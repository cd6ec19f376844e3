"""An audit proves the books, and says what does not add up."""

from collections.abc import Callable

import pytest

from langroute.books import Amount, Balance, Entry, HoldRequest, Limits
from langroute.errors import LedgerError
from langroute.ledgers import MemoryLedger
from langroute.ledgers.audit import audit


@pytest.fixture
def ledger() -> MemoryLedger:
    """Books with a settled line, a worst case and an open hold."""
    ledger = MemoryLedger()
    ledger.open("episode:a", Limits(nano_usd=1_000, reserves=(("verification", 100),)), at=0.0)
    for name, purpose in (("h1", "general"), ("h2", "verification"), ("h3", "general")):
        amount = Amount(nano_usd=50, input_tokens=9, output_tokens=5, retries=1)
        ledger.hold(HoldRequest(id=name, scopes=("episode:a",), amount=amount, purpose=purpose))
    ledger.settle("h1", Amount(nano_usd=20, input_tokens=8), at=1.0)
    ledger.settle("h2", Amount(nano_usd=50), worst_case=True, at=1.0)
    return ledger


def test_sound_books_have_no_differences(ledger: MemoryLedger) -> None:
    """Lines, sums and worst cases are counted."""
    found = audit(ledger, "episode:a")
    assert found.sound
    assert (found.lines, found.worst_case) == (3, 1)
    assert found.settled == Amount(nano_usd=70, input_tokens=8)
    assert found.held == Amount(nano_usd=50, input_tokens=9, output_tokens=5, retries=1)


def tamper(name: str, value: object) -> Callable[[MemoryLedger], None]:
    """Somebody writes into the totals."""
    return lambda ledger: setattr(ledger._accounts["episode:a"], name, value)


def lose_a_line(ledger: MemoryLedger) -> None:
    """A line disappears."""
    ledger._accounts["episode:a"].ids.remove("h1")


def list_a_line_twice(ledger: MemoryLedger) -> None:
    """A line stands in the books twice."""
    ledger._accounts["episode:a"].ids.append("h1")


def list_a_stranger(ledger: MemoryLedger) -> None:
    """A line of another scope appears."""
    ledger.hold(
        HoldRequest(id="x", scopes=("episode:b",), amount=Amount(), opens=(("episode:b", Limits()),)),
    )
    ledger._accounts["episode:a"].ids.append("x")


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        (tamper("spent_nano", 69), "settled nano_usd"),
        (tamper("spent_input", 9), "settled input_tokens"),
        (tamper("past", Amount(output_tokens=1)), "settled output_tokens"),
        (tamper("held_retries", 0), "held retries"),
        (tamper("calls", 4), "calls"),
        (tamper("used", {"general": 70, "verification": 51}), "used for verification"),
        (tamper("used", {"general": 70, "verification": 50, "human_handoff": 1}), "used for human_handoff"),
        (lose_a_line, "settled nano_usd"),
        (list_a_line_twice, "ids"),
        (list_a_stranger, "lines of other scopes"),
    ],
)
def test_what_does_not_add_up_is_named(ledger: MemoryLedger, harm: Callable[[MemoryLedger], None], what: str) -> None:
    """Every sum of every resource is checked, and each difference is told with both figures."""
    harm(ledger)
    found = audit(ledger, "episode:a")
    assert not found.sound
    assert what in [odd.what for odd in found.differences]
    assert all(odd.lines != odd.books for odd in found.differences)


class Busy(MemoryLedger):
    """Another call is settled between any two looks, a number of times."""

    left = 0

    def entries(self, scope: str) -> tuple[Entry, ...]:
        """Settle meanwhile."""
        found = super().entries(scope)
        if self.left:
            self.left -= 1
            self.hold(HoldRequest(id=f"busy-{self.left}", scopes=(scope,), amount=Amount(nano_usd=1)))
        return found


@pytest.mark.parametrize("times", [1, 5])
def test_books_in_use_are_read_until_they_stand_still(times: int) -> None:
    """A call that comes between two looks is no difference."""
    ledger = Busy()
    ledger.open("episode:a", Limits(), at=0.0)
    ledger.left = times
    found = audit(ledger, "episode:a")
    assert (found.sound, found.lines) == (True, times)


def test_books_that_never_stand_still_are_no_proof() -> None:
    """Rather than a wrong answer, there is an error with the way out."""
    ledger = Busy()
    ledger.open("episode:a", Limits(), at=0.0)
    ledger.left = 1_000
    with pytest.raises(LedgerError, match="audit it when less is going on"):
        audit(ledger, "episode:a")


def test_a_scope_that_was_never_opened_cannot_be_audited() -> None:
    """There is nothing to prove."""
    with pytest.raises(LedgerError, match="was never opened"):
        audit(MemoryLedger(), "episode:a")


def test_a_balance_tells_what_was_ever_spent() -> None:
    """What counts and what no longer counts."""
    balance = Balance(scope="a", limits=Limits(), spent=Amount(nano_usd=2), past=Amount(nano_usd=3, retries=1))
    assert balance.lifetime == Amount(nano_usd=5, retries=1)
