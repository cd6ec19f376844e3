"""The journey of a doubted answer: escalation by a calibrated rule, under the budget's word."""

import math

from fakes import TWO, Bench, Pieces, ScriptedCaller, usage

from langroute.acceptance.calibrated import CalibratedAcceptance
from langroute.acceptance.certificates import ThresholdCertificate
from langroute.acceptance.confidence import TokenCertainty
from langroute.acceptance.thresholds import CellThreshold
from langroute.acts import Reply
from langroute.budget import Budget
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
    """Where the threshold accepts everything the answer streams at once; where it may not, it is kept back."""
    streamed = ScriptedCaller(Pieces(["one", "two"]))
    assert list(_bench(-math.inf).stream(streamed, gate=True)) == ["one", "two"]
    assert not streamed.calls[0].gated
    kept = ScriptedCaller(_reply("unsure", 0.4), _reply("strong", 0.9))
    assert list(_bench().stream(kept, gate=True)) == ["strong"]
    assert [call.gated for call in kept.calls] == [True, True]
