"""The journey of one step: what is called, what is booked, and which error comes out, whatever happens on the way."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from fakes import TWO, ApiError, Bench, Line, ScriptedCaller, good, malformed, usage

from langroute.actions import Actions
from langroute.books import Amount, HoldRequest
from langroute.budget import Budget
from langroute.config import RouterConfig
from langroute.errors import (
    BudgetExceeded,
    JournalUnavailable,
    LangrouteError,
    LedgerError,
    LedgerUnavailable,
    NoArmAvailable,
)
from langroute.flow import Act, Call, Close, Look, Pause, Reply, Take
from langroute.records import Outcome, Pressure, Step, Usage

SMALL, LARGE = TWO
COST = usage().cost_nano(SMALL.price)
ANY_OUTPUT = RouterConfig(actions=Actions(least_output_tokens=1))  # down to an arm's own least


class Timeout(TimeoutError):
    """A call that may have been billed."""


def test_a_call_is_held_made_and_settled() -> None:
    """One look, one hold of the worst case, one call, one settlement of the truth, one record."""
    bench = Bench(budget=Budget(total_dollars=1))
    caller = ScriptedCaller(good())
    assert bench.run(caller) == "answer"
    assert [type(act) for act in bench.desk.acts] == [Look, Take, Close]
    (entry,) = bench.ledger.entries("episode:e")
    (record,) = bench.journal.kept
    assert entry.held == Amount(
        nano_usd=record.decision.worst_nano, input_tokens=800, output_tokens=record.decision.output_limit
    )
    assert entry.settled == Amount(nano_usd=COST, input_tokens=500, output_tokens=100)
    assert (bench.books.spent, bench.books.held) == (entry.settled, Amount())
    assert (record.id, caller.calls[0].output_limit) == (entry.id, 1000)
    assert bench.told == ["small accepted"]


def test_a_malformed_answer_goes_to_another_arm() -> None:
    """The rejected arm is masked, a stronger one makes the call again, and only its answer comes back."""
    bench = Bench(budget=Budget(total_dollars=1))
    caller = ScriptedCaller(malformed(), good("mended"))
    assert bench.run(caller) == "mended"
    assert caller.arms == ["small", "large"]
    assert bench.told == ["small rejected", "large accepted"]
    second = bench.journal.kept[1]
    assert second.step.pressure == Pressure(retries=1, invalid_tool_calls=1)
    assert second.decision.alternatives[0].why_not == "tried in this step: invalid_tool_call"
    assert bench.books.spent.nano_usd == COST + usage().cost_nano(LARGE.price)


def test_the_last_arms_malformed_answer_is_passed_on() -> None:
    """When every arm was tried the agent gets what there is, rather than nothing."""
    bench = Bench(budget=Budget(total_dollars=1))
    assert bench.run(ScriptedCaller(malformed("first"), malformed("last"))) == "last"
    assert bench.told == ["small rejected", "large accepted"]


def test_a_malformed_answer_no_retry_may_mend_is_passed_on() -> None:
    """It is paid for: when the budget admits no other call it goes to the agent, and the stop is on record."""
    bench = Bench(budget=Budget(hard_stop_after_retries=0))
    assert bench.run(ScriptedCaller(malformed("paid"))) == "paid"
    assert bench.told == ["small rejected", "stop"]
    assert bench.books.held == Amount()


def test_a_malformed_answer_no_dollar_may_mend_is_passed_on() -> None:
    """The stronger arm fitted before the call and no longer fits after it: the answer in hand is what there is."""
    strong = LARGE.price.worst_cost(input_tokens=800, output_tokens=1)
    bench = Bench(budget=Budget(total_dollars=strong / 1e9), config=ANY_OUTPUT)
    assert bench.run(ScriptedCaller(malformed("paid"))) == "paid"
    assert bench.told == ["small rejected", "stop"]
    assert bench.books.spent.nano_usd == COST


def test_without_a_gate_nothing_is_judged() -> None:
    """A step without tools or schema, and a journey that must not gate, take the answer as it is."""
    for step in ({"needs_tools": False}, {"gate": False}):
        assert Bench().run(ScriptedCaller(malformed("as it is")), **step) == "as it is"


def test_a_moments_failure_goes_to_the_next_arm_with_a_hold_each() -> None:
    """A refused call is booked as nothing but a retry; the next arm is tried at once, then all again after a pause."""
    bench = Bench(budget=Budget(total_dollars=1))
    assert bench.run(ScriptedCaller(ApiError(429), ApiError(503), good())) == "answer"
    first, second, third = bench.ledger.entries("episode:e")
    assert first.settled == Amount()
    assert second.settled == second.held
    assert (second.worst_case, second.held.retries, third.held.retries) == (True, 1, 1)
    assert [first.arm, second.arm, third.arm] == ["small", "large", "small"]
    assert [act.then for act in bench.desk.acts if isinstance(act, Close)] == ["failover", "retry", ""]
    assert len(bench.desk.pauses) == 1
    assert bench.books.spent.retries == 2


def test_a_lasting_failure_comes_out_with_its_own_type() -> None:
    """After the last attempt the provider's own error is raised, with every hold settled."""
    bench = Bench(budget=Budget(total_dollars=1))
    errors = [ApiError(429), ApiError(429), ApiError(429)]
    with pytest.raises(ApiError) as caught:
        bench.run(ScriptedCaller(*errors))
    assert caught.value is errors[2]
    assert (bench.books.spent.nano_usd, bench.books.held) == (0, Amount())
    assert len(bench.desk.pauses) == 1


@pytest.mark.parametrize(
    ("error", "worst"),
    [(ApiError(400), False), (ValueError("bug"), True), (KeyboardInterrupt(), True), (Timeout(), True)],
)
def test_what_a_failed_call_books(error: BaseException, worst: bool) -> None:
    """A refused request books nothing; what may have been billed books the worst case."""
    bench = Bench(budget=Budget(total_dollars=1), config=None)
    bench.router.attempts_on_fault = 1
    with pytest.raises(type(error)):
        bench.run(ScriptedCaller(error))
    (entry,) = bench.ledger.entries("episode:e")
    assert (entry.settled, entry.worst_case) == (entry.held if worst else Amount(), worst)
    assert bench.desk.pauses == []


def test_usage_known_although_the_call_failed_is_what_is_booked() -> None:
    """Where the provider told the tokens before the error, they are the truth."""

    class Told(ScriptedCaller):
        def call(self, act: Call) -> Reply:
            act.usage = usage()
            return super().call(act)

    bench = Bench()
    with pytest.raises(ValueError, match="bug"):
        bench.run(Told(ValueError("bug")))
    assert bench.books.spent.nano_usd == COST


@pytest.mark.parametrize("told", [None, Usage(input_tokens=-1, output_tokens=5)])
def test_usage_that_is_missing_or_nonsense_books_the_worst_case(told: Usage | None) -> None:
    """What cannot be booked as the truth is booked as the worst case, and the answer still comes."""
    bench = Bench(budget=Budget(total_dollars=1))
    assert bench.run(ScriptedCaller(Reply(value="answer", usage=told))) == "answer"
    (entry,) = bench.ledger.entries("episode:e")
    assert entry.settled == entry.held
    assert entry.worst_case
    assert bench.journal.kept[0].outcome == Outcome(arm="small", cost_nano=entry.held.nano_usd, worst_case=True)


def test_money_taken_by_a_sibling_is_decided_anew() -> None:
    """A hold that no longer fits is not an error: the books are read again and another decision is made."""
    bench = Bench(budget=Budget(total_dollars=0.01))
    cheap = SMALL.price.worst_cost(input_tokens=800, output_tokens=1000)

    def sibling(index: int, act: Act) -> None:
        if isinstance(act, Look) and index == 0:
            taken = Amount(nano_usd=10_000_000 - cheap)
            bench.ledger.hold(HoldRequest(id="sibling", scopes=("episode:e",), amount=taken))

    bench.desk.after = sibling
    caller = ScriptedCaller(good())
    assert bench.run(caller, kind="control") == "answer"
    assert caller.arms == ["small"]
    assert bench.told == ["refused", "small accepted"]


def full_of_holds() -> Bench:
    """A budget of a cent, all of it held by a call under way."""
    budget = Budget(total_dollars=0.01)
    bench = Bench(budget=budget)
    bench.ledger.open("episode:e", budget.limits(), at=0.0)
    bench.ledger.hold(HoldRequest(id="sibling", scopes=("episode:e",), amount=Amount(nano_usd=10_000_000)))
    return bench


def test_a_call_waits_for_the_money_of_its_siblings() -> None:
    """What calls under way hold mostly comes back: a call that does not fit waits for it instead of being refused."""
    bench = full_of_holds()

    def settle(index: int, act: Act) -> None:
        if isinstance(act, Look) and len(bench.desk.pauses) == 3:
            bench.ledger.settle("sibling", Amount(nano_usd=10), at=0.0)

    bench.desk.before = settle
    assert bench.run(ScriptedCaller(good())) == "answer"
    assert len(bench.desk.pauses) == 3


def test_patience_ends() -> None:
    """A call that never fits is refused once it has waited as long as it may, and nothing is spent on it."""
    bench = full_of_holds()
    with pytest.raises(BudgetExceeded):
        bench.run(ScriptedCaller())
    assert sum(bench.desk.pauses) == pytest.approx(bench.router.patience_s)


def test_a_race_that_never_ends_is_given_up() -> None:
    """Books that refuse what they said they had end in their own error, not in a loop."""
    bench = Bench(budget=Budget(total_dollars=1))
    error = BudgetExceeded(scope="team", limit=1, spent=1, requested=1)

    def refuse(index: int, act: Act) -> None:
        if isinstance(act, Take):
            raise error

    bench.desk.before = refuse
    with pytest.raises(BudgetExceeded, match="team has no room left"):
        bench.run(ScriptedCaller())
    assert bench.books.calls == 0


STOPS: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[Any, ...]]] = {
    "dollars": (
        {"total_dollars": 0.00001},
        {},
        (Decimal("0.00001"), 0, SMALL.price.worst_cost(input_tokens=800, output_tokens=1)),
    ),
    "input_tokens": ({"max_input_tokens": 700}, {}, (700, 0, 800)),
    "output_tokens": ({"max_output_tokens": 0}, {}, (0, 0, 1)),
    "retries": ({"hard_stop_after_retries": 0}, {"pressure": Pressure(retries=1)}, (0, 0, 1)),
}


@pytest.mark.parametrize("resource", STOPS)
def test_a_stop_names_what_ran_short(resource: str) -> None:
    """The error has scope, resource, limit, spent and requested in the resource's unit, and nothing is spent."""
    budget, step, (limit, spent, requested) = STOPS[resource]
    bench = Bench(budget=Budget(**budget), config=ANY_OUTPUT)
    with pytest.raises(BudgetExceeded) as caught:
        bench.run(ScriptedCaller(), **step)
    error = caught.value
    if resource == "dollars":
        requested = Decimal(requested).scaleb(-9)
    assert (error.scope, error.resource) == ("episode:e", resource)
    assert (error.limit, error.spent, error.requested) == (limit, spent, requested)
    assert bench.told == ["stop"]
    assert bench.books.calls == 0


def test_the_output_an_arm_needs_is_what_was_requested() -> None:
    """An arm that is not worth calling for less asks for what it needs, not for one token."""
    bench = Bench(budget=Budget(max_output_tokens=110), arms=[replace(SMALL, min_output_tokens=16)], config=ANY_OUTPUT)
    bench.run(ScriptedCaller(good()))
    with pytest.raises(BudgetExceeded, match="limit 110, spent or held 100, this call needs 16"):
        bench.run(ScriptedCaller())


def test_time_that_is_up_stops_the_next_call() -> None:
    """Seconds count from the first look of the episode; the call under way is not touched."""
    bench = Bench(budget=Budget(max_seconds=30))
    bench.run(ScriptedCaller(good()))
    bench.clock.advance(31.5)
    with pytest.raises(BudgetExceeded) as caught:
        bench.run(ScriptedCaller())
    assert (caught.value.resource, caught.value.limit, caught.value.spent) == ("seconds", 30, Decimal("31.5"))


def test_a_retry_that_is_refused_tells_what_failed_before() -> None:
    """When retries run out after a failure of the provider, its error is the cause of the stop."""
    bench = Bench(budget=Budget(hard_stop_after_retries=1))
    errors = [ApiError(429), ApiError(503)]
    with pytest.raises(BudgetExceeded) as caught:
        bench.run(ScriptedCaller(*errors))
    assert caught.value.__cause__ is errors[1]
    assert (caught.value.resource, caught.value.limit, caught.value.spent) == ("retries", 1, 1)


def test_nobody_able_is_no_matter_of_money() -> None:
    """When no arm can make the call for other reasons the error tells each arm's."""
    bench = Bench(budget=Budget(total_dollars=1), arms=[replace(arm, calls_tools=False) for arm in TWO])
    with pytest.raises(NoArmAvailable) as caught:
        bench.run(ScriptedCaller())
    assert caught.value.reasons == {"small": "cannot call tools", "large": "cannot call tools"}


@pytest.mark.parametrize("method", ["open", "hold"])
def test_books_that_do_not_answer_refuse_the_call(method: str) -> None:
    """Fail closed: without books no call is made, and nothing stays held once they are back."""
    bench = Bench(budget=Budget(total_dollars=1))
    bench.ledger.fail[method] = LedgerUnavailable("away")
    with pytest.raises(LedgerUnavailable, match="away"):
        bench.run(ScriptedCaller())
    assert bench.run(ScriptedCaller(good())) == "answer"
    assert bench.books.held == Amount()


def test_books_that_do_not_settle_keep_the_hold(caplog: pytest.LogCaptureFixture) -> None:
    """The answer is paid for and comes; the hold stays, which is more than it cost; the log says so."""
    bench = Bench(budget=Budget(total_dollars=1))
    bench.ledger.fail["settle"] = LedgerUnavailable("away")
    assert bench.run(ScriptedCaller(good())) == "answer"
    assert bench.books.held.nano_usd == bench.journal.kept[0].decision.worst_nano
    assert "could not settle" in caplog.text


def test_a_journal_that_refuses_fails_no_call(caplog: pytest.LogCaptureFixture) -> None:
    """A full disk under the journal is logged; calls and the episode's end go on."""
    bench = Bench()
    bench.journal.broken = True
    assert bench.run(ScriptedCaller(good())) == "answer"
    bench.router.episode("e").finish(success=True)
    failures = [line.exc_info[1] for line in caplog.records if line.exc_info]
    assert [type(failure) for failure in failures] == [JournalUnavailable, JournalUnavailable]


@pytest.mark.parametrize("part", ["gates", "defects"])
def test_a_rule_that_fails_leaves_no_hold_open(part: str) -> None:
    """An acceptance rule with a bug raises its error, with the books right."""

    class Broken:
        name = "broken"

        def gates(self, step: Step) -> bool:
            if part == "gates":
                raise ZeroDivisionError
            return True

        def defects(self, step: Step, outcome: Outcome) -> tuple[str, ...]:
            raise ZeroDivisionError

    bench = Bench(budget=Budget(total_dollars=1), acceptance=[Broken()])
    with pytest.raises(ZeroDivisionError):
        bench.run(ScriptedCaller(good()))
    assert bench.books.held == Amount()
    assert bench.books.spent.nano_usd == (COST if part == "defects" else 0)


def test_a_finished_episode_takes_no_calls() -> None:
    """A call after the end is refused with a clear error and leaves nothing held."""
    bench = Bench()
    bench.router.episode("e").finish(success=True)
    with pytest.raises(LedgerError, match="'episode:e' is closed and takes no more holds; start a new episode"):
        bench.run(ScriptedCaller())
    assert bench.books.calls == 0


WORLD: tuple[Callable[[], Line], ...] = (lambda: ApiError(429), malformed, lambda: ApiError(503), good)
FAULTS: tuple[Callable[[], BaseException], ...] = (
    KeyboardInterrupt,
    GeneratorExit,
    lambda: LedgerUnavailable("away"),
    lambda: LangrouteError("odd"),
    lambda: Timeout("slow"),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda make: type(make()).__name__)
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("place", range(13))
def test_an_error_at_any_act_leaves_the_books_right(
    place: int, moment: str, fault: Callable[[], BaseException]
) -> None:
    """Wherever an error strikes a journey of four attempts: no hold stays open, and no more is spent than was limited.

    A settlement that was never performed is the one exception: then exactly that hold stays.
    """
    bench = Bench(budget=Budget(total_dollars=0.02))
    struck: list[Act] = []

    def strike(index: int, act: Act) -> None:
        if index == place:
            struck.append(act)
            raise fault()

    setattr(bench.desk, moment, strike)
    try:
        bench.run(ScriptedCaller(*(make() for make in WORLD)))
    except BaseException as error:
        assert isinstance(error, BudgetExceeded | type(fault()))  # noqa: PT017 - which type, not whether
    assert struck or place >= len(bench.desk.acts)
    unsettled = moment == "before" and any(isinstance(act, Close) for act in struck)
    open_holds = (
        [entry for entry in bench.ledger.entries("episode:e") if entry.settled is None] if _opened(bench) else []
    )
    assert len(open_holds) == int(unsettled and _held(struck))
    if _opened(bench):
        assert bench.books.used.nano_usd <= 20_000_000


def _opened(bench: Bench) -> bool:
    return bench.ledger.latest("episode:e") is not None


def _held(struck: list[Act]) -> bool:
    return any(isinstance(act, Close) and act.hold_id is not None for act in struck)


def test_pauses_grow_and_have_a_bound() -> None:
    """The wait before a retry is between nothing and twice the one before, never above eight seconds."""
    router = Bench().router
    for attempt, most in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (30, 8.0)):
        assert all(0 <= router.pause_before(attempt) <= most for _ in range(50))


def test_an_unknown_act_is_refused() -> None:
    """The desk performs looks, holds and settlements, nothing else."""
    with pytest.raises(TypeError, match="not an act of the desk"):
        Bench().router.perform(Pause(seconds=1))
