"""Several calls for one answer: what is held, which answer is passed on, and what is booked, whatever happens."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from fakes import TWO, ApiError, Bench, Line, ScriptedCaller, good, malformed, repeated, usage

from langroute.acts import Call, Close, Compare, Draw, Look, Prefer, Reply, Take
from langroute.books import Amount
from langroute.budget import Budget
from langroute.candidates import Candidate
from langroute.errors import ConfigError
from langroute.money import Price
from langroute.policies.pinned import PinnedPolicy
from langroute.records import Arm, Outcome, Step, Usage

SMALL, LARGE = TWO
THRICE = repeated(SMALL)
ONE = usage().cost_nano(SMALL.price)
WORST = SMALL.price.worst_cost(input_tokens=800, output_tokens=1000)


def a_bench(*arms: Arm, **options: object) -> Bench:
    """A bench whose policy takes the arms in the order given."""
    arms = arms or (SMALL, THRICE, LARGE)
    order = [arm.name for arm in sorted(arms, key=lambda arm: (-arm.samples, arm.rank))]
    settings = {"budget": Budget(total_dollars=1), "policy": PinnedPolicy(order), **options}
    return Bench(arms=arms, **settings)  # type: ignore[arg-type]


def outcome(bench: Bench, place: int = 0) -> Outcome:
    """What came of an attempt."""
    found = bench.journal.kept[place].outcome
    assert found is not None
    return found


def test_all_samples_are_held_made_and_settled_together() -> None:
    """One hold of three worst cases, three calls, one settlement of what all cost, one record that says so."""
    bench = a_bench()
    caller = ScriptedCaller(good("7"), good("42"), good("42"))
    assert bench.run(caller) == "42"
    assert [type(act) for act in bench.desk.acts] == [Look, Take, Close]
    (entry,) = bench.ledger.entries("episode:e")
    assert entry.held == Amount(nano_usd=3 * WORST, input_tokens=2400, output_tokens=3000)
    assert entry.settled == Amount(nano_usd=3 * ONE, input_tokens=1500, output_tokens=300)
    seen = outcome(bench)
    assert (seen.samples, seen.failed_samples, seen.agreement) == (3, 0, 0.666667)
    assert (seen.arm, seen.cost_nano, seen.usage) == (THRICE.name, 3 * ONE, usage(1500, 300))
    assert [call.extra for call in caller.calls] == [False, True, True]
    assert [reply.value for reply in caller.preferred] == ["42"]


def test_every_driver_draws_and_none_streams() -> None:
    """Sync and async, whole and in pieces: the chosen answer comes once, and nothing of the others."""
    script = [good("7"), good("42"), good("42")]
    assert asyncio.run(a_bench().arun(ScriptedCaller(*script))) == "42"
    bench = a_bench()
    caller = ScriptedCaller(*script)
    assert list(bench.stream(caller)) == ["42"]
    assert all(call.gated for call in caller.calls)

    async def pieces() -> list[object]:
        return [piece async for piece in a_bench().astream(ScriptedCaller(*script))]

    assert asyncio.run(pieces()) == ["42"]


def test_of_a_sample_that_fails_the_others_are_used() -> None:
    """What was refused costs nothing, what may have been billed its share of the hold, and the rest its price."""
    bench = a_bench()
    assert bench.run(ScriptedCaller(ApiError(429), ApiError(500), good("42"))) == "42"
    seen = outcome(bench)
    assert (seen.samples, seen.failed_samples, seen.accepted, seen.agreement) == (3, 2, True, 1.0)
    assert (seen.cost_nano, seen.worst_case) == (ONE + WORST, True)
    (entry,) = bench.ledger.entries("episode:e")
    assert entry.settled == Amount(nano_usd=ONE + WORST, input_tokens=1300, output_tokens=1100)
    assert bench.told == ["small x3 accepted"]


def test_a_sample_without_usage_is_booked_at_its_share() -> None:
    """Only the sample of which nothing is known is booked at its worst."""
    bench = a_bench()
    assert bench.run(ScriptedCaller(good("a"), Reply(value="a"), good("b"))) == "a"
    seen = outcome(bench)
    assert (seen.cost_nano, seen.worst_case, seen.usage) == (2 * ONE + WORST, True, usage(1000, 200))


def test_where_no_sample_answers_the_call_has_failed() -> None:
    """An outage of the model is one of every arm that calls it; the next arm is another model."""
    bench = a_bench()
    caller = ScriptedCaller(ApiError(429), ApiError(429), ApiError(429), good("from large"))
    assert bench.run(caller) == "from large"
    assert bench.told == ["small x3 ApiError", "large accepted"]
    assert outcome(bench).failed_samples == 3
    assert [seen.arm for seen in bench.journal.kept[1].step.rejected] == ["small x3", "small"]
    assert bench.books.spent.nano_usd == usage().cost_nano(LARGE.price)


def test_a_lasting_fault_of_all_samples_comes_out_as_the_first_of_them() -> None:
    """The first error is raised; nothing stays held."""
    bench = a_bench(SMALL, THRICE)
    errors = [ApiError(401), ApiError(500), ApiError(429)]
    with pytest.raises(ApiError) as caught:
        bench.run(ScriptedCaller(*errors))
    assert caught.value is errors[0]
    assert (bench.books.held, bench.books.spent.nano_usd) == (Amount(), WORST)


def test_what_was_cut_off_is_booked_call_by_call() -> None:
    """An interrupt in the second call: the first cost its price, the second its share, the third was never begun."""
    bench = a_bench()
    with pytest.raises(KeyboardInterrupt):
        bench.run(ScriptedCaller(good(), KeyboardInterrupt()))
    assert bench.books.held == Amount()
    assert bench.books.spent.nano_usd == ONE + WORST
    seen = outcome(bench)
    assert (seen.error, seen.failed_samples, seen.worst_case) == ("KeyboardInterrupt", 2, True)


class Waiting(ScriptedCaller):
    """Answers the first call at once and lets all others wait for ever."""

    def __init__(self, *script: Line) -> None:
        super().__init__(*script)
        self.cancelled = 0
        self.under_way = asyncio.Event()

    async def acall(self, act: Call) -> Reply:
        if not act.extra:
            return self.call(act)
        self.calls.append(act)
        if len(self.calls) == 3:
            self.under_way.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Reply()


def test_a_cancelled_draw_cancels_its_calls_and_pays_for_them() -> None:
    """Samples run at once; cancelled, those under way are cancelled and booked at their shares, and no hold stays."""
    bench = a_bench()

    async def cancelled() -> Waiting:
        caller = Waiting(good())
        task = asyncio.ensure_future(bench.arun(caller))
        await caller.under_way.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return caller

    assert asyncio.run(cancelled()).cancelled == 2
    assert bench.books.held == Amount()
    assert bench.books.spent.nano_usd == ONE + 2 * WORST
    assert outcome(bench).error == "CancelledError"


class Outgrown(BaseException):
    """No error of a call: something that a door has to know of."""


def test_what_is_no_error_of_a_call_ends_the_draw() -> None:
    """It is raised as it is, once no call is under way any more."""
    bench = a_bench()
    with pytest.raises(Outgrown):
        asyncio.run(bench.arun(ScriptedCaller(good(), Outgrown(), good())))
    assert bench.books.held == Amount()
    assert bench.books.spent.nano_usd == 2 * ONE + WORST


def test_a_malformed_choice_rules_out_the_same_model() -> None:
    """Where not even the best sample is well-formed, calling the same model once is no escalation."""
    bench = a_bench()
    caller = ScriptedCaller(malformed(), malformed(), malformed(), good("mended"))
    assert bench.run(caller) == "mended"
    assert caller.arms == ["small x3", "small x3", "small x3", "large"]
    second = bench.journal.kept[1].step
    assert (second.pressure.retries, second.pressure.invalid_tool_calls) == (1, 1)


def test_a_malformed_single_answer_may_go_to_several() -> None:
    """More samples of the same model are another arm, which a rejected single call does not rule out."""
    bench = a_bench(policy=PinnedPolicy(["small", "small x3", "large"]))
    assert bench.run(ScriptedCaller(malformed(), good("a"), good("a"), good("b"))) == "a"
    assert bench.told == ["small rejected", "small x3 accepted"]


class Broken:
    """A selector that fails, or chooses what is not there."""

    name = "broken"

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def select(self, step: Step, candidates: Sequence[Candidate]) -> int:
        if self._error is not None:
            raise self._error
        return len(candidates)


def test_a_selector_that_fails_loses_the_answers_but_no_money() -> None:
    """Its error comes out, or names what it chose; the calls are booked at their price, and nothing stays held."""
    for selector, error in ((Broken(ZeroDivisionError()), ZeroDivisionError), (Broken(), ConfigError)):
        bench = a_bench(selector=selector)
        with pytest.raises(error):
            bench.run(ScriptedCaller(good(), good(), good()))
        assert (bench.books.held, bench.books.spent.nano_usd) == (Amount(), 3 * ONE)


def test_a_selector_is_checked_when_the_router_is_made() -> None:
    """What cannot select is refused with the field."""
    with pytest.raises(ConfigError, match="selector"):
        a_bench(selector=object())


def test_several_samples_are_not_permitted_where_only_one_fits() -> None:
    """The mask counts all samples: money for two worst cases admits one call and not three."""
    budget = Budget(total_dollars=2 * WORST / 1e9)
    bench = a_bench(SMALL, THRICE, budget=budget, config=None)
    bench.run(ScriptedCaller(good()), output_cap=1000)
    record = bench.journal.kept[0]
    limits = {permit.arm: (permit.output_limit, permit.input_bound) for permit in record.ruling.permits}
    assert limits["small"] == (1000, 800)
    assert limits["small x3"][1] == 2400
    assert record.ruling.permits[1].worst_nano <= 2 * WORST


def test_token_limits_count_every_sample() -> None:
    """Three calls may not take more output tokens than are left, and a budget for input is asked for all three."""
    bench = a_bench(SMALL, THRICE, budget=Budget(max_output_tokens=900, max_input_tokens=2399))
    bench.run(ScriptedCaller(good()))
    thrice = bench.journal.kept[0].ruling.permits[1]
    assert (thrice.short_of, thrice.input_bound) == ("input_tokens", 2400)
    bench = a_bench(SMALL, THRICE, budget=Budget(max_output_tokens=900))
    bench.run(ScriptedCaller(good(), good(), good()))
    assert bench.journal.kept[0].decision.output_limit == 300


def test_each_sample_has_the_rate_of_its_own_size() -> None:
    """A price that rises with the length of a prompt looks at each request, not at the sum of them."""
    price = Price(
        input_per_million=1, output_per_million=1, above=[(1000, Price(input_per_million=9, output_per_million=9))]
    )
    arm = replace(SMALL, price=price)
    bench = a_bench(arm, repeated(arm))
    bench.run(ScriptedCaller(good(), good(), good()))
    assert outcome(bench).cost_nano == 3 * 600_000


def test_nonsense_of_one_sample_is_booked_at_its_share() -> None:
    """Usage that no books can take counts as none."""
    odd = Reply(value="a", usage=Usage(input_tokens=-1, output_tokens=0))
    bench = a_bench()
    bench.run(ScriptedCaller(odd, good("a"), good("a")))
    assert (outcome(bench).cost_nano, outcome(bench).worst_case) == (2 * ONE + WORST, True)


def test_a_draw_asks_the_door_what_the_answers_say() -> None:
    """Comparing is the door's, choosing the selector's: both see the answers that came, in their order."""
    bench, seen = a_bench(), []

    class Told(ScriptedCaller):
        def compare(self, act: Compare) -> tuple[str, ...]:
            seen.append(act.values)
            return super().compare(act)

        def prefer(self, act: Prefer) -> None:
            seen.append(act.reply.value)

    bench.run(Told(good("a"), ApiError(429), good("b")))
    assert seen == [("a", "b"), "a"]
    assert Draw.__name__ not in [type(act).__name__ for act in bench.desk.acts]
