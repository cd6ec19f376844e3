"""The journey of a doubted answer: escalation by a calibrated rule, under the budget's word."""

import math

import pytest
from fakes import TWO, ApiError, Bench, Pieces, ScriptedCaller, malformed, usage
from langgraph.errors import GraphInterrupt

from langroute.acceptance.calibrated import CalibratedAcceptance
from langroute.acceptance.certificates import ThresholdCertificate
from langroute.acceptance.confidence import TokenCertainty
from langroute.acceptance.thresholds import CellThreshold
from langroute.acceptance.validity import ValidityAcceptance
from langroute.acts import Reply
from langroute.books import Amount
from langroute.budget import Budget
from langroute.errors import LangrouteError
from langroute.records import Pressure

SMALL, LARGE = TWO


def _rule(threshold: float) -> CalibratedAcceptance:
    certificate = ThresholdCertificate(
        guarantee="marginal_risk", alpha=0.05, delta=None, n=500, failures=90, threshold=threshold
    )
    return CalibratedAcceptance(
        score=TokenCertainty(),
        thresholds=[CellThreshold(kind="execution", arm="small", certificate=certificate)],
        guarantee="marginal_risk",
        arms=("small", "large"),
    )


def _reply(value: str, uncertainty: float | None) -> Reply:
    return Reply(value=value, usage=usage(), uncertainty=uncertainty)


def _bench(threshold: float = 0.9, **budget: float) -> Bench:
    return Bench(budget=Budget(**{"total_dollars": 1.0, **budget}), acceptance=(_rule(threshold),))


def test_a_sure_answer_is_accepted() -> None:
    """One call, the cheap one's; nothing is retried."""
    bench, caller = _bench(), ScriptedCaller(_reply("sure", 0.05))
    assert bench.run(caller) == "sure"
    assert caller.arms == ["small"]
    assert bench.journal.kept[0].outcome.uncertainty == 0.05


def test_a_doubted_answer_goes_to_the_strong_arm() -> None:
    """Both calls are paid; the doubt is a retry, no malformed call; the strong arm's answer stands whatever it says."""
    bench, caller = _bench(), ScriptedCaller(_reply("unsure", 0.4), _reply("strong", 0.9))
    assert bench.run(caller) == "strong"
    assert caller.arms == ["small", "large"]
    second = bench.journal.kept[1]
    assert second.step.pressure == Pressure(retries=1)
    assert second.decision.alternatives[0].why_not == "tried in this step: low_confidence:marginal_risk"
    assert bench.books.spent.nano_usd == usage().cost_nano(SMALL.price) + usage().cost_nano(LARGE.price)


def test_a_doubted_answer_that_nobody_may_mend_is_returned() -> None:
    """Where the budget admits no second call the answer that was paid for is passed on, and nothing is overspent."""
    bench, caller = _bench(hard_stop_after_retries=0), ScriptedCaller(_reply("paid", 0.4))
    assert bench.run(caller) == "paid"
    assert caller.arms == ["small"]
    dear = _bench(total_dollars=0.0008)
    assert dear.run(ScriptedCaller(_reply("paid", 0.4))) == "paid"
    assert dear.books.spent.nano_usd == usage().cost_nano(SMALL.price)


def test_an_answer_without_logprobs_stands() -> None:
    """The rule cannot doubt what it knows nothing of; the record shows that nothing was known."""
    bench, caller = _bench(), ScriptedCaller(_reply("silent", None))
    assert bench.run(caller) == "silent"
    assert bench.journal.kept[0].outcome.uncertainty is None


async def test_it_is_the_same_when_awaited() -> None:
    """The async driver escalates alike."""
    bench, caller = _bench(), ScriptedCaller(_reply("unsure", 0.4), _reply("strong", 0.9))
    assert await bench.arun(caller) == "strong"
    assert caller.arms == ["small", "large"]


def test_a_step_that_nothing_can_reject_streams() -> None:
    """Where the threshold accepts everything the answer streams at once; else it is kept, but for the strongest."""
    streamed = ScriptedCaller(Pieces(["one", "two"]))
    assert list(_bench(-math.inf).stream(streamed, gate=True)) == ["one", "two"]
    assert not streamed.calls[0].gated
    kept = ScriptedCaller(_reply("unsure", 0.4), Pieces(["strong"]))
    assert list(_bench().stream(kept, gate=True)) == ["strong"]
    assert [call.gated for call in kept.calls] == [True, False]


@pytest.mark.parametrize("error", [ApiError(400), ApiError(500), ValueError("no JSON")], ids=["400", "500", "other"])
def test_a_doubted_answer_is_returned_when_its_successor_fails_for_good(error: Exception) -> None:
    """The cheap answer is paid for and better than none: it comes back, both calls are booked, the record tells why."""
    bench, caller = _bench(), ScriptedCaller(_reply("paid", 0.4), *[error] * 8)
    assert bench.run(caller) == "paid"
    assert caller.arms[:2] == ["small", "large"]
    assert set(caller.arms[1:]) == {"large"}
    last = bench.journal.kept[-1]
    assert last.outcome is not None
    assert last.outcome.error == type(error).__name__
    assert last.measures[-1].action == "failover"
    assert "The doubted answer of small is passed on" in last.measures[-1].reason
    assert bench.books.held == Amount()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), LangrouteError("inside"), GraphInterrupt()], ids=type)
def test_what_steers_the_program_is_never_swallowed(error: BaseException) -> None:
    """A cancelled call, a budget's word from inside and a graph's interrupt come out, whatever was paid before."""
    bench, caller = _bench(), ScriptedCaller(_reply("paid", 0.4), error)
    with pytest.raises(type(error)):
        bench.run(caller)
    assert bench.books.held == Amount()


def test_a_malformed_answer_does_not_stand_for_a_failed_call() -> None:
    """An agent cannot work with what cannot be read, so the error of the second call is what it is told."""
    bench = Bench(budget=Budget(total_dollars=1))
    with pytest.raises(ApiError):
        bench.run(ScriptedCaller(malformed(), ApiError(400)))


def test_a_doubted_answer_is_streamed_when_its_successor_fails_before_a_word() -> None:
    """Nothing was shown yet, so the answer that was kept is; where a word was shown, the error is told."""
    silent = ScriptedCaller(_reply("paid", 0.4), Pieces([], error=ApiError(400)))
    assert list(_bench().stream(silent, gate=True)) == ["paid"]
    begun = ScriptedCaller(_reply("paid", 0.4), Pieces(["one"], error=ApiError(400)))
    shown = []
    with pytest.raises(ApiError):
        shown.extend(_bench().stream(begun, gate=True))
    assert shown == ["one"]


async def test_a_doubted_answer_is_returned_when_awaited() -> None:
    """The async driver falls back alike."""
    assert await _bench().arun(ScriptedCaller(_reply("paid", 0.4), ApiError(400))) == "paid"


def test_a_malformed_last_answer_does_not_replace_a_doubted_one() -> None:
    """Where the strong arm's answer cannot be read, and nobody is left, the cheap one that can be read comes out."""
    bench = Bench(budget=Budget(total_dollars=1.0), acceptance=(ValidityAcceptance(), _rule(0.9)))
    caller = ScriptedCaller(_reply("doubted", 0.4), malformed())
    assert bench.run(caller) == "doubted"
    last = bench.journal.kept[-1]
    assert last.measures[-1].reason == "The answer of small is passed on: this one is malformed."
    assert bench.books.spent.nano_usd == usage().cost_nano(SMALL.price) + usage().cost_nano(LARGE.price)
