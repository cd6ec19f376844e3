"""What a handle on an episode does: charges, what is left, and a budget that changes while the episode runs."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fakes import Bench, FailingLedger, ScriptedCaller, good

from langroute.books import Amount, HoldRequest, Limits, Remaining
from langroute.budget import Budget
from langroute.episodes import Episode, EpisodeBook
from langroute.errors import BudgetExceeded, ConfigError, LedgerError, LedgerUnavailable
from langroute.ledgers import MemoryLedger, SqliteLedger
from langroute.protocols import Ledger
from langroute.records import ActionTaken, EpisodeEnd
from langroute.testing.clock import FakeClock

DOLLAR = 1_000_000_000


class Desk:
    """An episode with its books, its clock and what it told."""

    def __init__(self, budget: Budget | None = None, *, ledger: Ledger | None = None) -> None:
        self.told: list[ActionTaken] = []
        self.ends: list[EpisodeEnd] = []
        self.ledger = ledger or MemoryLedger()
        self.clock = FakeClock(at=1_000.0)
        self._number = 0
        self._lock = threading.Lock()
        self.book = EpisodeBook(
            ledger=self.ledger,
            budget=budget or Budget(total_dollars=1),
            clock=self.clock,
            new_id=self._new_id,
            on_finish=self.ends.append,
            on_single_call=lambda: None,
            on_action=self.told.append,
        )
        self.episode = self.book.episode("e")

    def _new_id(self) -> str:
        with self._lock:
            self._number += 1
            return f"id{self._number}"

    def hold(self, dollars: float, *, name: str = "call") -> None:
        """What a call under way sets aside."""
        self.episode.look()
        self.ledger.hold(HoldRequest(id=name, scopes=(self.episode.scope,), amount=Amount(nano_usd=int(dollars * 1e9))))


@pytest.mark.parametrize("dollars", [0.25, "0.25", Decimal("0.25")])
def test_a_charge_is_one_settled_entry(dollars: Any) -> None:
    """What a tool costs is held and settled at once, named in the books, and told with its amount."""
    desk = Desk()
    desk.episode.charge("search", dollars)
    (entry,) = desk.ledger.entries("episode:e")
    assert entry.held == entry.settled == Amount(nano_usd=DOLLAR // 4)
    assert (entry.arm, entry.purpose, entry.worst_case, entry.at) == ("charge:search", "general", False, 1_000.0)
    (action,) = desk.told
    assert (action.id, action.episode, action.action, action.at) == (entry.id, "e", "charged", 1_000.0)
    assert (action.cost_nano, action.reason) == (DOLLAR // 4, "search costs $0.25")
    assert json.loads(action.detail) == {"name": "search", "purpose": "general"}


def test_a_charge_that_does_not_fit_books_nothing() -> None:
    """It is refused before anything is spent, also where a call under way holds the money; what fits exactly fits."""
    desk = Desk()
    desk.hold(0.6)
    with pytest.raises(BudgetExceeded, match=r"this call needs \$0\.400000001\. Do without it, or raise the budget"):
        desk.episode.charge("search", "0.400000001")
    assert [entry.id for entry in desk.ledger.entries("episode:e")] == ["call"]
    assert desk.told == []
    desk.episode.charge("search", "0.4")
    assert desk.episode.remaining.dollars == 0


def test_a_charge_rounds_up_and_may_open_a_reserve() -> None:
    """A part of a nano-dollar counts as one, and a purpose opens its own reserve."""
    desk = Desk(Budget(total_dollars=1, reserve_for_human_handoff=0.5))
    desk.episode.charge("embedding", "0.0000000001")
    assert desk.ledger.balance("episode:e").spent == Amount(nano_usd=1)
    with pytest.raises(BudgetExceeded, match=r"\$0\.50 is kept for human_handoff"):
        desk.episode.charge("page a person", 0.75)
    desk.episode.charge("page a person", 0.75, purpose="human_handoff")
    assert desk.told[-1].reason == "page a person costs $0.75, for human_handoff"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("search", -0.1), "dollars: must not be negative"),
        (("search", float("nan")), "dollars: must be a finite amount"),
        (("search", "much"), "dollars: must be an amount of dollars, not 'much'"),
        (("search", True), "dollars: must be an amount"),
        (("search", None), "dollars: must be an amount"),
        ((" ", 0.1), "name: must say what costs"),
        ((5, 0.1), "name: must say what costs"),
    ],
)
def test_a_charge_of_nonsense_is_refused_by_name(arguments: Any, said: str) -> None:
    """What is no amount or no name is an error that names the field, and nothing is booked."""
    desk = Desk()
    with pytest.raises(ConfigError, match=rf"^{said}"):
        desk.episode.charge(*arguments)
    with pytest.raises(ConfigError, match=r"^purpose: 'fun' is no purpose; use one of general, "):
        desk.episode.charge("search", 0.1, purpose="fun")  # type: ignore[arg-type]
    assert desk.episode.look().calls == 0


def test_a_finished_episode_takes_no_charge() -> None:
    """After ``finish`` nothing is charged, and it is no matter of money."""
    desk = Desk()
    desk.episode.finish()
    with pytest.raises(LedgerError, match="is closed") as caught:
        desk.episode.charge("search", 0.1)
    assert not isinstance(caught.value, BudgetExceeded)


def test_charges_of_many_threads_never_overspend() -> None:
    """16 threads that charge 0.1 of a dollar each, three times: ten fit, each once, and each is told once."""
    desk = Desk()
    ready = threading.Barrier(16)

    def charge(_: int) -> int:
        ready.wait(10)
        taken = 0
        for _again in range(3):
            try:
                desk.episode.charge("search", 0.1)
            except BudgetExceeded:
                continue
            taken += 1
        return taken

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(charge, range(16))) == 10
    entries = desk.ledger.entries("episode:e")
    assert sorted(action.id for action in desk.told) == sorted(entry.id for entry in entries)
    assert desk.ledger.balance("episode:e").spent == Amount(nano_usd=DOLLAR)


def test_a_settlement_that_fails_leaves_the_charge_held(caplog: pytest.LogCaptureFixture) -> None:
    """The hold counts as much as the settlement would: the charge stands, and is not asked to be made twice."""
    ledger = FailingLedger()
    desk = Desk(ledger=ledger)
    ledger.fail["settle"] = LedgerUnavailable("the disk is full")
    desk.episode.charge("search", 0.25)
    assert desk.ledger.balance("episode:e").held == Amount(nano_usd=DOLLAR // 4)
    assert [action.action for action in desk.told] == ["charged"]
    assert "its hold stays in the books" in caplog.text
    ledger.fail["hold"] = LedgerUnavailable("the disk is full")
    with pytest.raises(LedgerUnavailable):
        desk.episode.charge("search", 0.25)
    assert len(desk.told) == 1


def test_a_charge_that_was_not_settled_can_be_settled_by_anybody() -> None:
    """Of a process that died between the two, or whose store went away: it is booked at what it cost."""
    ledger = FailingLedger()
    desk = Desk(ledger=ledger)
    ledger.fail["settle"] = LedgerUnavailable("the disk is full")
    desk.episode.charge("search", 0.25)
    (line,) = desk.ledger.expire(at=desk.clock.now())
    assert (line.settled, line.expired) == (Amount(nano_usd=DOLLAR // 4), True)
    assert desk.ledger.balance("episode:e").held == Amount()


async def test_a_charge_does_not_block_the_event_loop(tmp_path: Path) -> None:
    """Where the store waits for a disk, `acharge` books in another thread; else at once."""
    threads: list[int] = []

    class Watched(SqliteLedger):
        def hold(self, request: HoldRequest) -> Any:
            threads.append(threading.get_ident())
            return super().hold(request)

    blocking, quick = Desk(ledger=Watched(tmp_path / "books.db")), Desk()
    await asyncio.gather(*[blocking.episode.acharge("search", 0.1, purpose="general") for _ in range(3)])
    await quick.episode.acharge("search", 0.1)
    assert threading.get_ident() not in threads
    assert len(threads) == len(blocking.told) == 3
    assert quick.ledger.balance("episode:e").spent.nano_usd == DOLLAR // 10
    blocking.ledger.close()


def test_what_is_left_is_read_from_the_books_now() -> None:
    """Spent, held and kept are taken off, per purpose; time goes by; nothing is below zero."""
    desk = Desk(
        Budget(
            total_dollars=1,
            reserve_for_verification=0.25,
            max_input_tokens=100,
            max_output_tokens=50,
            hard_stop_after_retries=2,
            max_seconds=30,
        )
    )
    assert desk.episode.remaining == Remaining(
        dollars=Decimal("0.75"), input_tokens=100, output_tokens=50, retries=2, seconds=30.0
    )
    desk.clock.advance(12.5)
    used = Amount(nano_usd=DOLLAR // 2, input_tokens=90, output_tokens=60, retries=1)
    desk.ledger.hold(HoldRequest(id="h", scopes=("episode:e",), amount=Amount(nano_usd=DOLLAR // 2)))
    desk.ledger.settle("h", used, at=1.0)
    assert desk.episode.remaining == Remaining(
        dollars=Decimal("0.25"), input_tokens=10, output_tokens=0, retries=1, seconds=17.5
    )
    assert desk.episode.remaining_for("verification").dollars == Decimal("0.5")
    desk.clock.advance(60)
    assert desk.episode.remaining.seconds == 0.0


def test_without_limits_nothing_is_told_to_be_left() -> None:
    """None is unlimited."""
    nothing = Remaining(dollars=None, input_tokens=None, output_tokens=None, retries=None, seconds=None)
    assert Desk(Budget()).episode.remaining == nothing


def test_raising_a_live_budget() -> None:
    """What did not fit fits at once; reserves and what is spent stay; the handle and the log tell of it."""
    first = Budget(total_dollars=1, reserve_for_verification=0.25, hard_stop_after_retries=1)
    desk = Desk(first)
    desk.episode.charge("search", 0.75)
    with pytest.raises(BudgetExceeded):
        desk.episode.charge("search", 0.75)
    now = desk.episode.raise_budget(total_dollars=2)
    assert now == desk.episode.budget == first.model_copy(update={"total_dollars": 2.0})
    desk.episode.charge("search", 0.75)
    assert desk.episode.remaining_for("verification").dollars == Decimal("0.5")
    (change,) = [action for action in desk.told if action.action == "budget_changed"]
    assert change.reason == "total_dollars from $1.00 to $2.00"
    assert json.loads(change.detail) == {"from": {"total_dollars": 1.0}, "to": {"total_dollars": 2.0}}
    assert desk.book.episode("e", budget=first) is desk.episode
    assert desk.book.episode("e", budget=now) is desk.episode
    with pytest.raises(ConfigError, match="already runs under another budget; change_budget changes it"):
        desk.book.episode("e", budget=Budget(total_dollars=3))


def test_raising_never_lowers() -> None:
    """Two people who raise, in either order or twice, come to the higher limits; what is unlimited stays so."""
    desk = Desk(Budget(total_dollars=1, max_seconds=10))
    for total in (3.0, 2.0, 3.0):
        desk.episode.raise_budget(total_dollars=total, max_input_tokens=5, max_seconds=20.0)
    assert desk.episode.budget == Budget(total_dollars=3, max_seconds=20)
    assert [action.reason for action in desk.told] == ["total_dollars from $1.00 to $3.00; max_seconds from 10 to 20"]


def test_changing_a_budget_may_lower_it() -> None:
    """Another budget is put in force whole: below what is spent nothing more is admitted, and nothing is lost."""
    desk = Desk(Budget(total_dollars=1, max_seconds=10))
    desk.episode.charge("search", 0.5)
    lower = Budget(total_dollars=0.25, max_output_tokens=9, reserve_for_verification=0.1)
    assert desk.episode.change_budget(lower) == desk.episode.budget == lower
    assert desk.episode.remaining.dollars == 0
    assert desk.ledger.balance("episode:e").spent == Amount(nano_usd=DOLLAR // 2)
    assert desk.ledger.balance("episode:e").limits == lower.limits()
    assert desk.told[-1].reason == (
        "total_dollars from $1.00 to $0.25; reserve_for_verification from $0.00 to $0.10; max_output_tokens from "
        "unlimited to 9; max_seconds from 10 to unlimited"
    )
    told = len(desk.told)
    desk.episode.change_budget(lower)
    assert len(desk.told) == told


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({}, "budget: give at least one of total_dollars, max_input_tokens"),
        ({"total_dollars": 0.1}, r"budget: the reserves sum to \$0.5, above total_dollars \$0.1"),
        ({"total_dollars": -1}, "budget.total_dollars: "),
        ({"total_dollars": "2"}, "budget.total_dollars: must be a number, not str"),
        ({"max_input_tokens": 0.5}, "budget.max_input_tokens: "),
        ({"max_seconds": float("nan")}, "budget.max_seconds: "),
    ],
)
def test_raising_to_nonsense_changes_nothing(limits: Any, said: str) -> None:
    """A limit out of range, or a total below the reserves, is refused by name; the old limits stay in force."""
    first = Budget(total_dollars=1, reserve_for_verification=0.5)
    desk = Desk(first)
    with pytest.raises(ConfigError, match=f"^{said}"):
        desk.episode.raise_budget(**limits)
    with pytest.raises(ConfigError, match=r"^budget: must be a Budget, not 5"):
        desk.episode.change_budget(5)  # type: ignore[arg-type]
    assert desk.episode.budget == first
    assert desk.episode.look().limits == first.limits()
    assert desk.told == []


def test_a_finished_episode_keeps_its_budget() -> None:
    """After ``finish`` the books are closed, and the handle goes on telling the budget that was in force."""
    desk = Desk()
    desk.episode.finish()
    with pytest.raises(LedgerError, match="is closed"):
        desk.episode.raise_budget(total_dollars=2)
    assert desk.episode.budget == Budget(total_dollars=1)


def test_a_budget_raised_elsewhere_is_not_lowered_here() -> None:
    """The books know the limits in force: a process that does not know of a raise builds on it, not on what it knew."""
    desk = Desk(Budget(total_dollars=1, reserve_for_verification=0.25, max_seconds=7))
    desk.episode.look()
    elsewhere = Limits(nano_usd=5 * DOLLAR, output_tokens=8, reserves=(("verification", DOLLAR // 2),))
    desk.ledger.amend("episode:e", elsewhere, at=1.0)
    assert desk.episode.remaining.dollars == Decimal("4.5")
    desk.episode.raise_budget(total_dollars=3, max_output_tokens=10)
    after = Limits(nano_usd=5 * DOLLAR, output_tokens=10, reserves=(("verification", DOLLAR // 2),))
    assert desk.ledger.balance("episode:e").limits == after
    assert desk.episode.budget == Budget(
        total_dollars=5, max_output_tokens=10, reserve_for_verification=0.5, max_seconds=7
    )


def test_threads_that_raise_together_lose_no_raise() -> None:
    """8 threads raise different limits of one episode: all of them are in force at the end."""
    desk = Desk(Budget(total_dollars=1, max_input_tokens=1, max_output_tokens=1, hard_stop_after_retries=1))
    ready = threading.Barrier(8)
    names = ("total_dollars", "max_input_tokens", "max_output_tokens", "hard_stop_after_retries")

    def change(number: int) -> Budget:
        ready.wait(10)
        return desk.episode.raise_budget(**{names[number % 4]: 10 + number})  # type: ignore[arg-type]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(8)))
    raised = Budget(total_dollars=14, max_input_tokens=15, max_output_tokens=16, hard_stop_after_retries=17)
    assert desk.episode.budget == raised
    assert desk.ledger.balance("episode:e").limits == raised.limits()


def test_an_arm_may_be_demanded_for_a_whole_episode() -> None:
    """The demand is on the handle; asking for none leaves it, and the last one counts."""
    desk = Desk()
    assert desk.episode.arm is None
    assert desk.book.episode("e", arm="large") is desk.episode
    assert desk.book.episode("e").arm == "large"
    assert desk.book.episode("f", arm="small").arm == "small"
    assert desk.book.episode("e", arm="small").arm == "small"


def test_a_router_tells_and_keeps_what_happened_to_an_episode() -> None:
    """Charges and changes of the budget reach the journal beside the records; a demanded arm must be in the pool."""
    bench = Bench(budget=Budget(total_dollars=1))
    bench.run(ScriptedCaller(good()))
    handle: Episode = bench.router.episode("e")
    handle.charge("search", 0.25)
    handle.raise_budget(total_dollars=2)
    assert [action.action for action in bench.journal.actions("e")] == ["charged", "budget_changed"]
    with pytest.raises(ConfigError, match=r"^arm: the pool has no arm 'huge'"):
        bench.router.episode("e", arm="huge")
    assert bench.router.episode("e", arm="large").arm == "large"


def test_whoever_finishes_an_episode_says_who_they_are() -> None:
    """The source of an end is the program unless said otherwise, and none but the known ones is taken."""
    desk = Desk()
    desk.episode.finish(success=True)
    desk.episode.finish(success=False, source="human")
    assert [(end.success, end.source) for end in desk.ends] == [(1.0, "success"), (0.0, "human")]
    with pytest.raises(ConfigError, match="source: must be one of success, human, verifier"):
        desk.episode.finish(success=True, source="rumour")  # type: ignore[arg-type]
