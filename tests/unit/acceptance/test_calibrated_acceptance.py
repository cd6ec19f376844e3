"""A cheap answer stands where its score is above a certified threshold; nothing else about it is guessed."""

import json
import math
import pickle
from dataclasses import replace
from typing import Any

import pytest
from judged_answers import a_step

from langroute.acceptance.calibrated import CalibratedAcceptance
from langroute.acceptance.certificates import ThresholdCertificate
from langroute.acceptance.confidence import TokenCertainty
from langroute.acceptance.thresholds import CellThreshold
from langroute.errors import ArtifactInvalid, ConfigError
from langroute.parts import Parts
from langroute.protocols import Acceptance
from langroute.records import Outcome, Permit, Record, RoutingDecision, Ruling, Step

ARMS = ("small", "medium", "large")


def _cell(kind: str, arm: str, threshold: float | None, **changes: Any) -> CellThreshold:
    fields: dict[str, Any] = {"guarantee": "marginal_risk", "alpha": 0.05, "delta": None, "n": 200, "failures": 60}
    why = "too few" if threshold is None else ""
    certificate = ThresholdCertificate(**{**fields, "threshold": threshold, "why_nothing": why, **changes})
    return CellThreshold(kind=kind, arm=arm, certificate=certificate)


def _rule(*cells: CellThreshold, **options: Any) -> CalibratedAcceptance:
    given: dict[str, Any] = {"score": TokenCertainty(), "guarantee": "marginal_risk", "arms": ARMS, **options}
    return CalibratedAcceptance(thresholds=cells, **given)


RULE = _rule(_cell("control", "small", 0.8), _cell("control", "medium", None), _cell("execution", "", 0.5))


def _answer(arm: str, uncertainty: float | None) -> Outcome:
    return Outcome(arm=arm, uncertainty=uncertainty)


@pytest.mark.parametrize(
    ("step", "outcome", "defects"),
    [
        (a_step(), _answer("small", 0.1), ()),
        (a_step(), _answer("small", 0.2), ("low_confidence:marginal_risk",)),
        (a_step(), _answer("small", 0.5), ("low_confidence:marginal_risk",)),
        (a_step(), _answer("medium", 0.0), ("uncertified:marginal_risk",)),
        (a_step(), _answer("large", 0.9), ()),
        (a_step(), _answer("newcomer", 0.0), ("uncertified:marginal_risk",)),
        (a_step(), _answer("small", None), ()),
        (a_step(kind="execution"), _answer("medium", 0.4), ()),
        (a_step(kind="execution"), _answer("medium", 0.6), ("low_confidence:marginal_risk",)),
        (a_step(kind="presentation"), _answer("small", 0.9), ()),
    ],
)
def test_what_stands_and_why_not(step: Step, outcome: Outcome, defects: tuple[str, ...]) -> None:
    """Strictly above the threshold stands; at it, uncertified or never seen does not; the strongest arm always does.

    An answer without a score is not gated, a pooled threshold serves the arms without one of their own, and kinds that
    were never calibrated are not judged.
    """
    assert RULE.defects(step, outcome) == defects


def test_an_answer_without_a_score_can_be_refused() -> None:
    """Who wants the guarantee for every answer refuses those that nothing is known of."""
    rule = _rule(_cell("control", "small", 0.8), missing="reject")
    assert rule.defects(a_step(), _answer("small", None)) == ("unscored:marginal_risk",)


def test_only_what_may_be_rejected_is_buffered() -> None:
    """Steps stream where thresholds accept everything, where nothing was calibrated, and where an arm is pinned."""
    assert isinstance(RULE, Acceptance)
    assert RULE.gates(a_step())
    assert not RULE.gates(a_step(pinned="small"))
    assert not RULE.gates(a_step(kind="presentation"))
    everything = _rule(_cell("control", "", -math.inf))
    assert not everything.gates(a_step())
    assert everything.defects(a_step(), _answer("small", 1.0)) == ()
    partly = _rule(_cell("control", "small", -math.inf))
    assert partly.gates(a_step())  # medium has no threshold, so its answers do not stand


def _record(*allowed: str) -> Record:
    permits = tuple(Permit(arm=arm, why_not="" if arm in allowed else "too dear") for arm in ARMS)
    return Record(
        id="r",
        at=0.0,
        step=a_step(),
        estimates=(),
        ruling=Ruling(price_of_dollar=1.0, permits=permits),
        decision=RoutingDecision(arm="small"),
    )


def test_an_answer_of_the_strongest_arm_is_not_kept_back() -> None:
    """Once the arm is chosen only answers of the others are buffered."""
    record = _record(*ARMS)
    assert RULE.gates_call(record)
    assert not RULE.gates_call(replace(record, decision=RoutingDecision(arm="large")))


def test_nothing_is_rejected_in_favour_of_a_weaker_arm() -> None:
    """With the whole attempt in sight, a rejection needs a stronger arm that may be called."""
    doubted = _answer("medium", 0.9)
    assert RULE.judge(_record("small", "medium", "large"), doubted) == ("uncertified:marginal_risk",)
    assert RULE.judge(_record("small", "medium"), doubted) == ()
    assert RULE.judge(_record("small", "large"), _answer("newcomer", 0.0)) == ("uncertified:marginal_risk",)


def test_a_stored_rule_is_the_same_again() -> None:
    """Settings survive strict JSON, certificates and infinite thresholds included; and the rule pickles."""
    told = _cell("presentation", "", -math.inf, thresholds=(0.9, 0.1), p_values=(0.01, 0.5), delta=0.1)
    rule = _rule(*RULE.thresholds, told)
    text = json.dumps(dict(rule.parts().settings), allow_nan=False)
    again = CalibratedAcceptance.from_parts(Parts(settings=json.loads(text)))
    assert again.thresholds == rule.thresholds
    assert (again.name, again.arms, again.missing) == ("calibrated:marginal_risk", ARMS, "accept")
    assert pickle.loads(pickle.dumps(rule)).told() == rule.told()
    assert "control by small: marginal_risk: P(accepted and wrong) <= 0.05" in rule.told()
    assert "execution by any cheap arm" in rule.told()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ({"score": {"type": "oracle", "settings": {}}}, "score: is 'oracle'"),
        ({"thresholds": [{"kind": "control"}]}, "cannot be made again"),
        ({"guarantee": "missed_failures"}, "cannot be made again"),
        ({"arms": None}, "cannot be made again"),
    ],
)
def test_damaged_parts_are_named(damage: dict[str, Any], told: str) -> None:
    """What cannot be made again is an error that says so, never a rule that lets more pass."""
    with pytest.raises(ArtifactInvalid, match=told):
        CalibratedAcceptance.from_parts(Parts(settings={**RULE.parts().settings, **damage}))


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"arms": ()}, "arms"),
        ({"arms": ("small", "small")}, "arms"),
        ({"missing": "guess"}, "missing"),
        ({"guarantee": "selective_risk"}, "thresholds"),
        ({"arms": ("medium", "large")}, "thresholds"),
    ],
)
def test_what_contradicts_itself_is_refused(options: dict[str, Any], field: str) -> None:
    """Thresholds keep the rule's own guarantee and belong to its arms."""
    with pytest.raises(ConfigError, match=f"{field}: "):
        _rule(_cell("control", "small", 0.8), **options)
