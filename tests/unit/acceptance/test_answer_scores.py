"""Scores of answers: higher is more trusted, unknown stays unknown, and what is stored is the same score again."""

import json
import math
from collections.abc import Sequence

import numpy as np
import pytest
from judged_answers import a_step

from langroute.acceptance.agreement import Agreement
from langroute.acceptance.combined import FEATURES, CombinedScore
from langroute.acceptance.confidence import TokenCertainty
from langroute.acceptance.entropy import AnswerEntropy
from langroute.acceptance.scores import SCORES
from langroute.acceptance.signals import SIGNALS, Answers, Score, answer_of
from langroute.errors import ArtifactInvalid, ConfigError
from langroute.parts import Parts
from langroute.records import Outcome, Pressure, Usage

UNKNOWN = dict.fromkeys(SIGNALS, math.nan)


def _answers(*rows: dict[str, float], kind: str = "control", arm: str = "small") -> Answers:
    table = np.array([[{**UNKNOWN, **row}[name] for name in SIGNALS] for row in rows])
    return Answers(kind=[kind] * len(rows), arm=[arm] * len(rows), signals=table)


def _combined(*, needed: Sequence[str] = (), weight: float = 2.0) -> CombinedScore:
    """One that trusts confidence alone, and a control step's small arm a little more."""
    width = 1 + 2 * len(FEATURES)
    shared, own = np.zeros(width), np.zeros((1, width))
    shared[1 + FEATURES.index("log_confidence")] = weight
    own[0, 0] = 1.0
    return CombinedScore(
        mean=np.zeros(len(FEATURES)),
        scale=np.ones(len(FEATURES)),
        needed=np.array([name in needed for name in FEATURES]),
        shared=shared,
        cells=[("control", "small")],
        own=own,
    )


ALL: list[Score] = [TokenCertainty(), TokenCertainty(mean="confidence"), AnswerEntropy(), Agreement(), _combined()]


def test_a_live_answer_says_what_a_table_would() -> None:
    """Every signal of an outcome stands in its column; what nobody said is NaN."""
    step = a_step(pressure=Pressure(retries=2, tool_errors=1))
    outcome = Outcome(
        arm="small",
        confidence=0.8,
        uncertainty=0.1,
        defects=("invalid_arguments",),
        usage=Usage(input_tokens=9, output_tokens=7),
    )
    row = dict(zip(SIGNALS, answer_of(step, outcome).signals[0].tolist(), strict=True))
    assert (row["confidence"], row["uncertainty"], row["malformed"]) == (0.8, 0.1, 1.0)
    assert (row["pressure"], row["output_tokens"]) == (3.0, 7.0)
    assert math.isnan(row["agreement"])
    assert math.isnan(row["answer_entropy"])


@pytest.mark.parametrize(
    ("score", "doubtful", "sure"),
    [
        (TokenCertainty(), {"uncertainty": 0.3}, {"uncertainty": 0.1}),
        (TokenCertainty(mean="confidence"), {"confidence": 0.3}, {"confidence": 0.9}),
        (AnswerEntropy(), {"answer_entropy": 0.6}, {"answer_entropy": 0.0}),
        (Agreement(), {"agreement": 1 / 3}, {"agreement": 1.0}),
        (_combined(), {"confidence": 0.3}, {"confidence": 0.9}),
    ],
)
def test_surer_answers_score_higher(score: Score, doubtful: dict[str, float], sure: dict[str, float]) -> None:
    """Each score rises with the signal that it reads, whichever way round that signal is told."""
    low, high = score.scores(_answers(doubtful, sure)).tolist()
    assert low < high


@pytest.mark.parametrize("score", ALL[:4])
def test_an_unknown_signal_leaves_no_score(score: Score) -> None:
    """Nothing is guessed where a provider sent nothing."""
    assert np.isnan(score.scores(_answers({}))).all()


def test_the_papers_u_is_turned_round() -> None:
    """The score is one less RouteNLP's mean of 1 - p."""
    assert TokenCertainty().scores(_answers({"uncertainty": 0.25})).tolist() == [0.75]
    with pytest.raises(ConfigError, match="mean: must be one of"):
        TokenCertainty(mean="median")


def test_a_combined_score_adds_what_a_cell_has_of_its_own() -> None:
    """A cell that was fitted has its own intercept; one that was not has what all share."""
    own = float(_combined().scores(_answers({"confidence": 1.0}))[0])
    shared = float(_combined().scores(_answers({"confidence": 1.0}, arm="new"))[0])
    assert own == pytest.approx(1 / (1 + math.exp(-1)))
    assert shared == pytest.approx(0.5)


def test_a_combined_score_wants_what_it_always_had() -> None:
    """A signal that every answer had when it was fitted must be there; one that some lacked may be missing."""
    lacking = _answers({"answer_entropy": 0.1})
    assert np.isnan(_combined(needed=["log_confidence"]).scores(lacking)).all()
    assert np.isfinite(_combined().scores(lacking)).all()


@pytest.mark.parametrize("score", ALL)
def test_a_stored_score_is_the_same_again(score: Score) -> None:
    """Settings survive JSON, arrays survive as they are, and the scores are equal bit by bit."""
    parts = score.parts()
    again = SCORES[score.name].from_parts(
        Parts(settings=json.loads(json.dumps(dict(parts.settings), allow_nan=False)), arrays=parts.arrays)
    )
    answers = _answers({"confidence": 0.4, "uncertainty": 0.2, "answer_entropy": 0.3, "agreement": 0.5}, {})
    np.testing.assert_array_equal(again.scores(answers), score.scores(answers))


def test_damaged_parts_are_named() -> None:
    """What cannot be made again says which part is at fault."""
    parts = _combined().parts()
    with pytest.raises(ArtifactInvalid, match="shared: is missing or not of shape"):
        CombinedScore.from_parts(Parts(settings=parts.settings, arrays={**parts.arrays, "shared": np.zeros(3)}))
    with pytest.raises(ArtifactInvalid, match=r"signals: are .* train again"):
        CombinedScore.from_parts(Parts(settings={**parts.settings, "signals": ["other"]}, arrays=parts.arrays))
    with pytest.raises(ArtifactInvalid, match="mean: must be one of"):
        TokenCertainty.from_parts(Parts(settings={"mean": "median"}))
