"""The journey under faults of providers and actions of the governor: who is called next, and what is told."""

from types import SimpleNamespace

import pytest
from fakes import ApiError, Bench, ScriptedCaller, good, ladder

from langroute.books import Amount
from langroute.budget import Budget
from langroute.records import Pressure


def test_a_broken_arm_is_left_out_for_the_rest_of_the_step() -> None:
    """A wrong key is not worth a second try, but another arm is; its call has a hold of its own."""
    bench = Bench(budget=Budget(total_dollars=1))
    caller = ScriptedCaller(ApiError(401), ApiError(429), good())
    assert bench.run(caller) == "answer"
    assert caller.arms == ["small", "large", "large"]
    assert [entry.settled for entry in bench.ledger.entries("episode:e")][:2] == [Amount(), Amount(retries=1)]
    assert len(bench.desk.pauses) == 1
    assert [(out.arm, out.why) for out in bench.journal.kept[-1].step.rejected] == [("small", "fault")]


def test_a_request_that_is_wrong_everywhere_is_not_sent_round() -> None:
    """A bad request says nothing against the arm, so the error comes out at once."""
    bench = Bench(budget=Budget(total_dollars=1))
    with pytest.raises(ApiError):
        bench.run(ScriptedCaller(ApiError(400)))
    assert bench.told == ["small ApiError"]


def test_a_prompt_too_long_for_one_arm_goes_to_another() -> None:
    """Providers say so in the words of a bad request; nothing was billed."""

    class TooLongError(ApiError):
        def __str__(self) -> str:
            return "This model's maximum context length is 100 tokens"

    caller = ScriptedCaller(TooLongError(400), good())
    assert Bench(budget=Budget(total_dollars=1)).run(caller) == "answer"
    assert caller.arms == ["small", "large"]


def test_a_pinned_arm_is_tried_again_after_a_pause() -> None:
    """Nobody else may make the call: the same arm, after a pause that is at least what the provider asks for."""
    bench = Bench(budget=Budget(total_dollars=1))
    busy = ApiError(429)
    busy.response = SimpleNamespace(headers={"retry-after": "17"})  # type: ignore[attr-defined]
    caller = ScriptedCaller(busy, good())
    assert bench.run(caller, pinned="large") == "answer"
    assert caller.arms == ["large", "large"]
    assert bench.desk.pauses == [17.0]


def test_an_outage_does_not_count_as_pressure() -> None:
    """A provider that fails says nothing of the task: the next arm is chosen by price as in calm."""
    bench = Bench(budget=Budget(total_dollars=1), arms=ladder("small", "medium", "large"))
    caller = ScriptedCaller(ApiError(503), good())
    bench.run(caller, kind="presentation")
    assert caller.arms == ["small", "medium"]
    assert bench.journal.kept[-1].step.pressure.total == 0


def test_a_shorter_prompt_is_decided_anew_and_told() -> None:
    """What the door saved is in the record, and the hold is that of the shorter prompt."""
    bench = Bench(budget=Budget(total_dollars=1))
    full = {"pressure": Pressure(context_share=0.9), "input_tokens": 900, "input_bound": 2000}
    bench.run(ScriptedCaller(good()), **full, shorter={"input_tokens": 100, "input_bound": 300})
    (record,) = bench.journal.kept
    assert record.step.input_bound == 300
    assert [(measure.action, "900 input tokens became 100" in measure.reason) for measure in record.measures] == [
        ("compress", True)
    ]


def test_a_door_that_cannot_shorten_makes_the_call_as_it_is() -> None:
    """It is asked once, and nothing is told that was not done."""
    bench = Bench(budget=Budget(total_dollars=1))
    bench.run(ScriptedCaller(good()), pressure=Pressure(context_share=0.9))
    (record,) = bench.journal.kept
    assert record.measures == ()


def test_a_loop_that_runs_dry_ends_with_an_answer() -> None:
    """Round after round within one budget: the last admitted call is told to answer, and the budget holds."""
    limit = 0.001
    bench = Bench(budget=Budget(total_dollars=limit, reserve_for_final_synthesis=limit / 3))
    kinds: list[bool] = []
    while not kinds or not kinds[-1]:
        caller = ScriptedCaller(good())
        bench.run(caller, loops=True, input_tokens=500 + 100 * len(kinds), input_bound=800 + 400 * len(kinds))
        kinds.append(caller.calls[0].record.step.closing)
        assert len(kinds) < 200
    assert len(kinds) > 3
    assert bench.books.spent.nano_usd <= limit * 1e9
    assert bench.journal.kept[-1].measures[0].action == "finish"
