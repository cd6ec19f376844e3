"""WorthAcceptance: an answer stands unless another arm is worth its price."""

import math

import numpy as np
import pytest

from langroute.acceptance.answer_update import AnswerUpdate, CellUpdate
from langroute.acceptance.worth import DOUBTFUL, WorthAcceptance
from langroute.errors import ArtifactInvalid, ConfigError, OutcomesInvalid
from langroute.learning.examples import Examples
from langroute.learning.worth_fitting import Told, fit_worth
from langroute.parts import Parts
from langroute.protocols import Acceptance
from langroute.records import Estimate, Outcome, Permit, Record, RoutingDecision, Ruling, Usage
from tests.unit.fakes import a_step

NO_UPDATE = CellUpdate(centre=0.0, mean=0.0, scale=1.0, weights=(0.0, 0.0, 0.0))
FEARFUL = CellUpdate(centre=0.0, mean=0.0, scale=1.0, weights=(0.0, 0.0, -1.0))
RULE = WorthAcceptance(update=AnswerUpdate({("control", "small"): NO_UPDATE}), kinds=["control"])
WARY = WorthAcceptance(update=AnswerUpdate({("control", "small"): FEARFUL}), kinds=["control"])


def a_record(*, price: float, small: float = 0.6, large: float = 0.95, barred: str = "") -> Record:
    """A decision for small, where large is expected to cost a tenth of a cent."""
    estimates = (
        Estimate(arm="small", success=small, cost_nano=10_000, output_tokens=9),
        Estimate(arm="large", success=large, cost_nano=1_000_000, output_tokens=9),
    )
    permits = (Permit(arm="small"), Permit(arm="large", why_not=barred))
    ruling = Ruling(price_of_dollar=price, permits=permits)
    decision = RoutingDecision(arm="small")
    step = a_step(kind="control")
    return Record(id="r", at=0.0, step=step, estimates=estimates, ruling=ruling, decision=decision)


def judged(
    record: Record, confidence: float | None = 0.9, rule: WorthAcceptance = RULE, arm: str = "small"
) -> tuple[str, ...]:
    return rule.judge(record, Outcome(arm=arm, confidence=confidence, usage=Usage(input_tokens=40, output_tokens=8)))


@pytest.mark.parametrize(
    ("price", "kept", "doubted"),
    [(0, 0.94, True), (0, 0.96, False), (100, 0.84, True), (100, 0.86, False), (1000, 0.01, False)],
)
def test_another_arm_is_asked_where_it_is_worth_its_price(price: float, kept: float, doubted: bool) -> None:
    """Large at .95 for $.001: at lambda 100 it is worth .85, so an answer worth less is doubted, others stand."""
    assert judged(a_record(price=price, small=kept)) == ((DOUBTFUL,) if doubted else ())


def test_a_surprised_model_is_doubted() -> None:
    """Where answers tell something, a sure one stands and an unsure one does not, all else equal."""
    record = a_record(price=100, small=0.85)
    assert judged(record, 0.999, WARY) == ()
    assert judged(record, 0.5, WARY) == (DOUBTFUL,)


def test_nothing_is_doubted_where_nobody_else_may_be_asked() -> None:
    """An arm that is not permitted buys no doubt, and an arm that was never fitted is not judged."""
    assert judged(a_record(price=0, barred="no money")) == ()
    assert judged(a_record(price=0, small=0.99), arm="large") == ()


def test_a_margin_and_a_missing_signal() -> None:
    """Another arm must be worth more by the margin; an answer without confidence or usage stands."""
    wide = WorthAcceptance(update=RULE.update, kinds=["control"], margin=0.1)
    assert judged(a_record(price=0, small=0.86), rule=wide) == ()
    assert judged(a_record(price=0, small=0.84), rule=wide) == (DOUBTFUL,)
    assert judged(a_record(price=0), None) == ()
    assert RULE.judge(a_record(price=0), Outcome(arm="small", confidence=0.5)) == ()


def test_what_is_gated() -> None:
    """Only kinds that are judged are buffered, and no step that is pinned."""
    assert isinstance(RULE, Acceptance)
    assert RULE.gates(a_step(kind="control"))
    assert not RULE.gates(a_step(kind="execution"))
    assert not RULE.gates(a_step(kind="control", pinned="small"))
    assert RULE.defects(a_step(kind="control"), Outcome(arm="small", confidence=0.0)) == ()


def test_wrong_settings_are_named() -> None:
    """An unknown kind and a negative margin name their fields."""
    with pytest.raises(ConfigError, match="kinds"):
        WorthAcceptance(update=RULE.update, kinds=["planning"])
    with pytest.raises(ConfigError, match="margin"):
        WorthAcceptance(update=RULE.update, kinds=[], margin=-1)


def test_it_can_be_stored() -> None:
    """A rule made again of its parts judges alike; damaged parts are named."""
    rule = WorthAcceptance(update=WARY.update, kinds=["control"], margin=0.02)
    again = WorthAcceptance.from_parts(rule.parts())
    assert (again.kinds, again.margin, again.update.cells) == (rule.kinds, rule.margin, rule.update.cells)
    whole = rule.parts()
    for settings, arrays in (
        ({}, whole.arrays),
        (whole.settings, {}),
        (whole.settings, {"numbers": np.full((1, 6), math.nan)}),
        ({"cells": [["control", "small"]]}, whole.arrays),
    ):
        with pytest.raises(ArtifactInvalid):
            WorthAcceptance.from_parts(Parts(settings=settings, arrays=arrays))


def a_table(rows: int = 1600) -> dict[str, list[object]]:
    """Plans whose confidence tells right from wrong, and reports whose confidence tells nothing."""
    random = np.random.default_rng(0)
    kind = np.array(["control", "presentation"] * (rows // 2))
    sure = random.uniform(0.3, 0.999, rows)
    chance = np.where(kind == "control", sure, 0.7)
    return {
        "task": [f"t{number // 2}" for number in range(rows)],
        "kind": kind.tolist(),
        "arm": random.choice(["small", "large"], rows).tolist(),
        "success": (random.uniform(size=rows) < chance).astype(float).tolist(),
        "confidence": sure.tolist(),
        "output_tokens": [8.0] * rows,
    }


def fitted(table: dict[str, list[object]], expected: float = 0.65) -> tuple[WorthAcceptance, dict[str, Told]]:
    """The rule of a table whose every answer was expected to be right alike."""
    rule, told = fit_worth(table, Examples.read(table), np.full(len(table["task"]), expected))
    return rule, {one.kind: one for one in told}


def test_kinds_are_judged_where_answers_tell_something() -> None:
    """Fitted on a table, the rule judges the kind whose confidence tells right from wrong, and no other."""
    rule, told = fitted(a_table())
    assert rule.kinds == ("control",)
    assert told["control"].gain > 5 * told["control"].error > 0
    assert told["presentation"].gain < 2 * told["presentation"].error
    assert judged(a_record(price=0, small=0.65), 0.4, rule) == (DOUBTFUL,)
    assert judged(a_record(price=0, small=0.65, large=0.7), 0.98, rule) == ()


def test_what_is_fitted_is_a_probability_that_holds() -> None:
    """Among 8,000 fresh answers, those said to be right with some chance are right about that often."""
    table, fresh = a_table(), a_table(16_000)
    rule, _ = fitted(table)
    for low, high in ((0.3, 0.5), (0.5, 0.7), (0.7, 0.9)):
        rows = [
            at for at, (kind, arm) in enumerate(zip(fresh["kind"], fresh["arm"], strict=True))
            if (kind, arm) == ("control", "small")
        ]  # fmt: skip
        chances = AnswerUpdate.chances(
            rule.update.cells["control", "small"],
            np.full(len(rows), 0.65),
            np.array([fresh["confidence"][at] for at in rows], dtype=float),
            np.full(len(rows), 8.0),
        )
        inside = (chances > low) & (chances < high)
        right = np.array([fresh["success"][at] for at in rows], dtype=float)[inside]
        assert abs(right.mean() - chances[inside].mean()) < 0.08


def test_too_little_to_fit_is_named() -> None:
    """Without confidences, or with a handful of tasks, it says what is missing."""
    table = a_table(16)
    with pytest.raises(OutcomesInvalid, match="task"):
        fitted(table)
    lacking = {name: values for name, values in a_table(40).items() if name != "confidence"}
    with pytest.raises(OutcomesInvalid, match="confidence"):
        fitted(lacking)
