"""WorthAcceptance: an answer stands unless another arm is worth its price."""

import numpy as np
import pytest

from langroute.acceptance.confidence import TokenCertainty
from langroute.acceptance.signals import Answers, Floats
from langroute.acceptance.worth import DOUBTFUL, WorthAcceptance
from langroute.errors import ArtifactInvalid, ConfigError
from langroute.learning.worth_fitting import fit_worth
from langroute.parts import Parts
from langroute.protocols import Acceptance
from langroute.records import Estimate, Outcome, Permit, Record, RoutingDecision, Ruling, Usage
from tests.unit.fakes import a_step


class Certain:
    """A score that is the model's confidence itself."""

    name = "certain"

    def scores(self, answers: Answers) -> Floats:
        return answers.signal("confidence")

    def parts(self) -> Parts:
        return Parts()

    @classmethod
    def from_parts(cls, _: Parts) -> "Certain":
        return cls()


def a_record(*, price: float, large: float = 0.95, barred: str = "", **step: object) -> Record:
    """A decision for small, where large is expected to cost a tenth of a cent."""
    estimates = (
        Estimate(arm="small", success=0.6, cost_nano=10_000, output_tokens=9),
        Estimate(arm="large", success=large, cost_nano=1_000_000, output_tokens=9),
    )
    permits = (Permit(arm="small"), Permit(arm="large", why_not=barred))
    ruling = Ruling(price_of_dollar=price, permits=permits)
    return Record(
        id="r", at=0.0, step=a_step(kind="control", **step), estimates=estimates, ruling=ruling,
        decision=RoutingDecision(arm="small"),
    )  # fmt: skip


RULE = WorthAcceptance(score=Certain(), kinds=["control"])


def judged(
    record: Record, confidence: float | None, rule: WorthAcceptance = RULE, arm: str = "small"
) -> tuple[str, ...]:
    return rule.judge(record, Outcome(arm=arm, confidence=confidence, usage=Usage(input_tokens=40, output_tokens=8)))


@pytest.mark.parametrize(
    ("price", "confidence", "doubted"),
    [(0, 0.94, True), (0, 0.96, False), (100, 0.84, True), (100, 0.86, False), (1000, 0.01, False)],
)
def test_another_arm_is_asked_where_it_is_worth_its_price(price: float, confidence: float, doubted: bool) -> None:
    """Large at .95 for $.001: at lambda 100 it is worth .85, so answers under that are doubted, others stand."""
    assert judged(a_record(price=price), confidence) == ((DOUBTFUL,) if doubted else ())


def test_nothing_is_doubted_where_nobody_else_may_be_asked() -> None:
    """An arm that is not permitted buys no doubt, and the strongest arm's answer stands beside a weaker one."""
    assert judged(a_record(price=0, barred="no money"), 0.1) == ()
    assert judged(a_record(price=0), 0.7, arm="large") == ()


def test_a_margin_and_a_missing_signal() -> None:
    """Another arm must be worth more by the margin; an answer without a score stands."""
    wide = WorthAcceptance(score=Certain(), kinds=["control"], margin=0.1)
    assert judged(a_record(price=0), 0.86, wide) == ()
    assert judged(a_record(price=0), 0.84, wide) == (DOUBTFUL,)
    assert judged(a_record(price=0), None) == ()


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
        WorthAcceptance(score=Certain(), kinds=["planning"])
    with pytest.raises(ConfigError, match="margin"):
        WorthAcceptance(score=Certain(), kinds=[], margin=-1)


def test_it_can_be_stored() -> None:
    """A rule made again of its parts judges alike; damaged parts are named."""
    rule = WorthAcceptance(score=TokenCertainty(), kinds=["control"], margin=0.02)
    again = WorthAcceptance.from_parts(rule.parts())
    assert (again.kinds, again.margin, again.score.name) == (rule.kinds, rule.margin, rule.score.name)
    with pytest.raises(ArtifactInvalid, match="acceptance"):
        WorthAcceptance.from_parts(Parts(settings={"kinds": []}))


def a_table(rows: int = 1200) -> dict[str, list[object]]:
    """Plans whose confidence tells right from wrong, and reports whose confidence tells nothing."""
    random = np.random.default_rng(0)
    kind = ["control", "presentation"] * (rows // 2)
    sure = random.uniform(0.3, 0.999, rows)
    chance = np.where(np.array(kind) == "control", sure, 0.7)
    return {
        "task": [f"t{number // 2}" for number in range(rows)],
        "kind": list(kind),
        "arm": random.choice(["small", "large"], rows).tolist(),
        "success": (random.uniform(size=rows) < chance).astype(float).tolist(),
        "confidence": sure.tolist(),
        "output_tokens": [8.0] * rows,
    }


def test_kinds_are_judged_where_the_score_tells_something() -> None:
    """Fitted on a table, the rule judges the kind whose confidence tells right from wrong, and no other."""
    rule, told = fit_worth(a_table())
    assert rule.kinds == ("control",)
    found = {one.kind: one for one in told}
    assert found["control"].auroc is not None
    assert found["control"].auroc > 0.7
    assert not found["presentation"].judged
    assert judged(a_record(price=0), 0.4, rule) == (DOUBTFUL,)
    assert judged(a_record(price=0, large=0.7), 0.99, rule) == ()
