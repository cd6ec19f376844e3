"""Checks that are bought about an answer: when, with which money, and what becomes of the answer, whatever happens."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fakes import TWO, VERDICT_BOUND, ApiError, Bench, Line, ScriptedCaller, good, malformed, repeated, usage

from langroute.acceptance.strong_checks import StrongChecks, checks_of
from langroute.acceptance.validity import ValidityAcceptance
from langroute.acceptance.verification import SelectiveVerification
from langroute.actions import Actions
from langroute.acts import Call, Close, Look, Reply, Settle, Take
from langroute.books import Amount
from langroute.budget import Budget
from langroute.candidates import VerifierCall
from langroute.config import RouterConfig
from langroute.errors import ConfigError, LedgerUnavailable
from langroute.policies.pinned import PinnedPolicy
from langroute.quick import changed
from langroute.records import Outcome, Record, Step, Verdict
from langroute.replay import replay_decision

SMALL, LARGE = TWO
ONE, STRONG = usage().cost_nano(SMALL.price), usage().cost_nano(LARGE.price)


class Asks:
    """A rule that wants one check of every answer of the small arm."""

    name = "asks"

    def __init__(self, wish: VerifierCall) -> None:
        self.wish = wish

    def gates(self, step: Step) -> bool:
        return True

    def defects(self, step: Step, outcome: Outcome) -> tuple[str, ...]:
        return ()

    def worth(self, record: Record, outcome: Outcome) -> VerifierCall | None:
        return self.wish if outcome.arm == "small" else None

    def found(self, record: Record, outcome: Outcome, verdict: Verdict) -> tuple[str, ...]:
        return ("caught",) if verdict in ("wrong", "different") else ()


VERDICT = VerifierCall(arm="large", reason="a test asks")
AGAIN = VerifierCall(arm="large", asks="answer", reason="a test asks")


def a_bench(wish: VerifierCall = VERDICT, **options: Any) -> Bench:
    """A bench that calls the small arm first and has its answers checked."""
    rules = (ValidityAcceptance(), Asks(wish))
    settings = {"budget": Budget(total_dollars=1), "policy": PinnedPolicy(["small", "large"]), "acceptance": rules}
    return Bench(**{**settings, **options})


def said(verdict: Verdict) -> Reply:
    """What a door makes of a verifier's reply."""
    return Reply(value=verdict, usage=usage(200, 2))


def by_id(bench: Bench) -> tuple[Record, Record]:
    """The record of the answer, and that of its check."""
    checks = [record for record in bench.journal.kept if record.checks]
    (check,) = checks
    (answer,) = [record for record in bench.journal.kept if record.id == check.checks]
    return answer, check


def test_a_verdict_is_bought_held_and_booked_by_itself() -> None:
    """The answer is settled, the check held and settled, then both are on record; the answer stands."""
    bench = a_bench()
    caller = ScriptedCaller(good("42"), said("ok"))
    assert bench.run(caller) == "42"
    assert [type(act) for act in bench.desk.acts] == [Look, Take, Settle, Look, Take, Close, Close]
    assert caller.calls[1].verifies == ("42",)
    answer, check = by_id(bench)
    assert (check.step.kind, check.step.purpose, check.step.call_index) == ("verification", "verification", 1)
    assert (check.step.pinned, check.step.needs_tools, check.step.input_bound) == ("large", False, VERDICT_BOUND)
    assert check.decision.output_limit == VERDICT.output_tokens
    assert answer.outcome is not None
    assert (answer.outcome.verdict, answer.outcome.accepted) == ("ok", True)
    assert [(taken.action, taken.reason) for taken in answer.measures] == [
        ("verify", "large was asked, because a test asks, and found the answer ok")
    ]
    first, second = bench.ledger.entries("episode:e")
    assert (first.settled, second.purpose) == (
        Amount(nano_usd=ONE, input_tokens=500, output_tokens=100),
        "verification",
    )
    assert bench.books.spent.nano_usd == ONE + usage(200, 2).cost_nano(LARGE.price)
    assert repr(replay_decision(check, [bench.router.policy])) == repr(check.decision)


def test_a_wrong_answer_goes_to_another_arm() -> None:
    """A caught answer is rejected as a malformed one is, but counts as a retry only."""
    bench = a_bench()
    assert bench.run(ScriptedCaller(good("41"), said("wrong"), good("42"))) == "42"
    assert bench.told == ["large accepted", "small rejected", "large accepted"]
    answer, _ = by_id(bench)
    assert answer.outcome is not None
    assert (answer.outcome.verdict, answer.outcome.defects) == ("wrong", ("caught",))
    last = bench.journal.kept[-1].step
    assert (last.pressure.retries, last.pressure.invalid_tool_calls) == (1, 0)


def test_a_wrong_answer_nobody_may_mend_is_passed_on() -> None:
    """Escalation keeps the budget's word: without a retry left the answer that is paid for comes back."""
    bench = a_bench(budget=Budget(hard_stop_after_retries=0))
    assert bench.run(ScriptedCaller(good("41"), said("wrong"))) == "41"
    assert bench.told == ["large accepted", "small rejected", "stop"]
    assert bench.books.held == Amount()


def test_a_malformed_escalation_does_not_replace_a_well_formed_answer() -> None:
    """Where the second arm's answer is malformed and no third is there, it stands; it was the last one asked."""
    bench = a_bench(budget=Budget(hard_stop_after_retries=1), arms=(SMALL, LARGE, repeated(LARGE)))
    assert bench.run(ScriptedCaller(good("41"), said("wrong"), malformed("?"))) == "41"


@pytest.mark.parametrize("error", [ApiError(429), ApiError(500), ValueError("odd")])
def test_a_check_that_fails_lets_the_answer_stand(error: Exception) -> None:
    """A verifier's fault is booked as any fault, not tried again, and told in a measure."""
    bench = a_bench()
    assert bench.run(ScriptedCaller(good("42"), error)) == "42"
    answer, check = by_id(bench)
    assert answer.outcome is not None
    assert check.outcome is not None
    assert (answer.outcome.verdict, answer.outcome.accepted) == ("", True)
    assert (check.outcome.accepted, check.outcome.error) == (False, type(error).__name__)
    assert answer.measures[0].reason == f"not checked by large: its call failed ({type(error).__name__})"
    billed = 0 if getattr(error, "status_code", 0) == 429 else check.decision.worst_nano
    assert (bench.books.held, bench.books.spent.nano_usd) == (Amount(), ONE + billed)


def test_a_verdict_nobody_can_read_is_unclear() -> None:
    """What the door could not read is told as it is; what follows is the rule's."""
    bench = a_bench()
    assert bench.run(ScriptedCaller(good("42"), said("unclear"))) == "42"
    answer, _ = by_id(bench)
    assert answer.outcome is not None
    assert answer.outcome.verdict == "unclear"


def test_without_money_nothing_is_checked_and_it_is_said() -> None:
    """The check's worst case does not fit: no call, no hold, the answer stands, and its record tells why."""
    least = SMALL.price.worst_cost(input_tokens=800, output_tokens=1000)
    bench = a_bench(budget=Budget(total_dollars=least / 1e9))
    caller = ScriptedCaller(good("42"))
    assert bench.run(caller) == "42"
    (record,) = bench.journal.kept
    assert record.measures[0].action == "verify"
    assert "may cost" in record.measures[0].reason
    assert len(bench.ledger.entries("episode:e")) == 1


def test_a_check_may_use_the_reserve_for_verification() -> None:
    """What is kept for verification pays for a check when nothing else is left."""
    least = SMALL.price.worst_cost(input_tokens=800, output_tokens=1000)
    kept = LARGE.price.worst_cost(input_tokens=VERDICT_BOUND, output_tokens=64)
    budget = Budget(total_dollars=(least + kept) / 1e9, reserve_for_verification=kept / 1e9)
    bench = a_bench(budget=budget)
    assert bench.run(ScriptedCaller(Reply(value="42"), said("ok"))) == "42"
    assert dict(bench.books.used_nano)["verification"] == usage(200, 2).cost_nano(LARGE.price)


def test_a_check_dearer_than_its_worth_is_not_bought() -> None:
    """The rule says what a verdict may cost; the price of this one is compared with that."""
    bench = a_bench(VerifierCall(arm="large", worth_nano=1))
    assert bench.run(ScriptedCaller(good("42"))) == "42"
    assert "is more than the $0.000000001 it should save" in bench.journal.kept[0].measures[0].reason


def test_nobody_is_asked_about_a_dear_check() -> None:
    """Where a person would have to be asked, the check is left out."""
    config = RouterConfig(actions=Actions(ask_above_dollars=0.00001))
    bench = a_bench(config=config, ask=lambda question: "yes")
    assert bench.run(ScriptedCaller(good("42"))) == "42"
    assert "a person would have to be asked" in bench.journal.kept[-1].measures[0].reason


def test_a_verifier_has_the_output_it_is_worth_calling_for() -> None:
    """An arm that must think before it speaks gets its least output limit, and a single call of several samples."""
    thinker = changed_arm(min_output_tokens=500)
    bench = a_bench(VerifierCall(arm="large x3"), arms=(SMALL, thinker, repeated(thinker)))
    caller = ScriptedCaller(good("42"), said("ok"))
    bench.run(caller)
    assert [(call.arm.name, call.output_limit) for call in caller.calls] == [("small", 1000), ("large", 500)]


def changed_arm(**changes: Any) -> Any:
    """The large arm with changes."""
    return replace(LARGE, **changes)


def test_a_race_for_the_money_leaves_the_answer() -> None:
    """A sibling that takes the money between the look and the hold, or a store that is away, costs the check only."""
    bench = a_bench(budget=Budget(total_dollars=0.01))

    def take(index: int, act: object) -> None:
        if isinstance(act, Look) and index > 0:
            bench.router.episode("e").charge("sibling", "0.0099")

    bench.desk.after = take
    assert bench.run(ScriptedCaller(good("42"))) == "42"
    assert bench.told == ["refused", "small accepted"]
    away = a_bench()
    away.desk.before = lambda index, act: (
        away.ledger.fail.update(hold=LedgerUnavailable("away")) if isinstance(act, Take) and index > 1 else None
    )
    assert away.run(ScriptedCaller(good("42"))) == "42"
    assert (
        away.journal.kept[-1].measures[0].reason == "not checked by large: no hold could be taken (LedgerUnavailable)"
    )


@pytest.mark.parametrize("drive", ["run", "arun"])
def test_a_cancelled_check_books_both_calls(drive: str) -> None:
    """The cancellation comes out; the answer is booked at its price, the check at its worst, and nothing stays held."""
    bench = a_bench()
    caller = ScriptedCaller(good("42"), asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        bench.run(caller) if drive == "run" else asyncio.run(bench.arun(caller))
    answer, check = by_id(bench)
    assert (bench.books.held, bench.books.spent.nano_usd) == (Amount(), ONE + check.decision.worst_nano)
    assert answer.outcome is not None
    assert (answer.outcome.accepted, answer.outcome.error) == (False, "CancelledError")


def test_a_stream_that_is_gated_is_checked_and_others_are_not() -> None:
    """Only buffered answers can be taken back, so only they are checked."""
    bench = a_bench()
    caller = ScriptedCaller(good("41"), said("wrong"), good("42"))
    assert list(bench.stream(caller, gate=True)) == ["42"]
    free = a_bench()
    assert free.run(ScriptedCaller(good("42")), gate=False) == "42"
    assert len(free.journal.kept) == 1


# -- spot checks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("second", "answer", "verdict"),
    [(good("42"), "42", "same"), (good("41"), "41", "different"), (malformed("?"), "42", "unclear")],
)
def test_a_strong_answer_is_compared_and_used_where_it_differs(second: Line, answer: str, verdict: str) -> None:
    """The strong arm makes the same call under a hold of its own; what it says counts where both differ."""
    bench = a_bench(AGAIN)
    caller = ScriptedCaller(good("42"), second)
    assert bench.run(caller) == answer
    assert caller.arms == ["small", "large"]
    assert caller.calls[1].verifies is None
    first, check = by_id(bench)
    assert first.outcome is not None
    assert (first.outcome.verdict, first.outcome.accepted) == (verdict, verdict != "different")
    assert (check.step.purpose, check.step.kind, check.step.needs_tools) == ("verification", "execution", True)
    assert bench.books.spent.nano_usd == ONE + STRONG
    (told,) = checks_of(bench.journal.kept) if verdict != "unclear" else (None,)
    assert told is None or (told.arm, told.agreed) == ("small", verdict == "same")


def test_an_arm_is_not_checked_by_itself() -> None:
    """Its own answer again would tell nothing: nothing is bought and nothing is said."""
    bench = a_bench(VerifierCall(arm="small", asks="answer"))
    assert bench.run(ScriptedCaller(good("42"))) == "42"
    assert bench.journal.kept[0].measures == ()


def test_the_draw_of_spot_checks_depends_on_id_and_seed() -> None:
    """The same records are drawn again, others under another seed, and about the share that was asked for."""
    bench = a_bench()
    bench.run(ScriptedCaller(good(), said("ok")))
    record = bench.journal.kept[-1]
    assert record.outcome is not None

    def drawn(rule: StrongChecks) -> set[int]:
        ids = range(2000)
        return {one for one in ids if rule.worth(changed(record, id=f"r{one}"), record.outcome) is not None}  # type: ignore[arg-type]

    rule = StrongChecks("large", share=0.1)
    assert drawn(rule) == drawn(StrongChecks("large", share=0.1))
    assert drawn(rule) != drawn(StrongChecks("large", share=0.1, seed=1))
    assert 140 < len(drawn(rule)) < 260
    assert drawn(StrongChecks("large", share=0.0)) == set()
    assert len(drawn(StrongChecks("large", share=1.0))) == 2000


def test_unclear_and_missing_verdicts_are_no_checks() -> None:
    """Only answers that could be compared count for the rate of disagreement."""
    bench = a_bench(AGAIN)
    bench.run(ScriptedCaller(good("42"), ApiError(429)))
    assert checks_of(bench.journal.kept) == ()


# -- the rule that ships ----------------------------------------------------------------------------------------------


def selective(**options: Any) -> Bench:
    """A bench whose answers a large arm verifies where that is worth its price; a dollar buys 100 success."""
    rule = SelectiveVerification("large", **options)
    return a_bench(acceptance=(rule,), config=RouterConfig(target={"price_of_a_dollar": 100.0}))


def test_a_doubtful_answer_is_verified_and_a_sure_one_is_not() -> None:
    """What a verdict is worth grows with the doubt; below its price nothing is bought."""
    doubtful, sure = selective(doubt=lambda record, outcome: 0.9), selective(doubt=lambda record, outcome: 0.0)
    assert doubtful.run(ScriptedCaller(good("41"), said("wrong"), good("42"))) == "42"
    answer, _ = by_id(doubtful)
    assert answer.outcome is not None
    assert answer.outcome.defects == ("verifier_rejected",)
    assert sure.run(ScriptedCaller(good("42"))) == "42"
    assert len(sure.journal.kept) == 1


def test_the_strongest_answer_is_not_verified() -> None:
    """Where no permitted arm is expected to do better, an error could not be mended."""
    bench = selective(doubt=lambda record, outcome: 0.9)
    assert bench.run(ScriptedCaller(good("42")), pinned="large") == "42"
    assert len(bench.journal.kept) == 1


@pytest.mark.parametrize(("strict", "answer"), [(False, "41"), (True, "42")])
def test_what_an_unclear_verdict_means_is_a_setting(strict: bool, answer: str) -> None:
    """The answer stands, unless a readable verdict is demanded."""
    bench = selective(doubt=lambda record, outcome: 0.9, reject_unclear=strict)
    assert bench.run(ScriptedCaller(good("41"), said("unclear"), good("42"))) == answer


@pytest.mark.parametrize(
    "make",
    [
        lambda: SelectiveVerification("large", catches=1.1),
        lambda: SelectiveVerification("large", false_alarms=-0.1),
        lambda: SelectiveVerification("large", output_tokens=0),
        lambda: SelectiveVerification("large", kinds=["odd"]),  # type: ignore[list-item]
        lambda: StrongChecks("large", share=2),
        lambda: a_bench(acceptance=(StrongChecks("nobody"),)),
    ],
)
def test_settings_out_of_range_are_refused(make: Callable[[], object]) -> None:
    """Shares, tokens, kinds and arms are checked when the rule or the router is made."""
    with pytest.raises(ConfigError):
        make()


def test_a_check_is_no_act_of_an_unjudged_call() -> None:
    """Rules without checks leave the acts of a call as they were: no settlement before the last."""
    bench = Bench(budget=Budget(total_dollars=1))
    bench.run(ScriptedCaller(good()))
    assert [type(act) for act in bench.desk.acts] == [Look, Take, Close]
    assert Call.__name__ not in [type(act).__name__ for act in bench.desk.acts]


class OnlyTheSmall(ValidityAcceptance):
    """A rule that looks at the arm: it judges the small one's answers only, and by all that is known of the attempt."""

    def __init__(self) -> None:
        self.saw: list[tuple[str | None, float]] = []

    def gates_call(self, record: Record) -> bool:
        return record.decision.arm == "small"

    def judge(self, record: Record, outcome: Outcome) -> tuple[str, ...]:
        self.saw.append((record.decision.arm, record.estimates[0].success))
        return ("doubted",)


def test_a_rule_may_look_at_the_whole_attempt() -> None:
    """`gates_call` is asked instead of `gates`, and `judge` instead of `defects`: what cannot be rejected streams."""
    rule = OnlyTheSmall()
    bench = a_bench(acceptance=(rule,))
    caller = ScriptedCaller(good("41"), good("42"))
    assert bench.run(caller) == "42"
    assert [call.gated for call in caller.calls] == [True, False]
    assert [arm for arm, _ in rule.saw] == ["small"]
    assert bench.told == ["small rejected", "large accepted"]
