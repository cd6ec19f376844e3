"""Learning a gain: a signal in the text is found, stored and served; bad tables are refused by name."""

from typing import Any

import numpy as np
import pytest

from langroute.errors import ArtifactInvalid, OutcomesInvalid
from langroute.estimators.gain import GainEstimator
from langroute.estimators.soft_gap import SoftGapEstimator
from langroute.learning.examples import Examples
from langroute.learning.gain_fitting import GainLearner, SoftGapLearner, apart_most, preferred, soft_labels
from langroute.learning.learners import Lesson
from langroute.learning.view_fitting import ViewOptions
from langroute.parts import Parts
from langroute.records import Arm
from langroute.testing import check_estimator

pytest.importorskip("sklearn")
pytest.importorskip("xgboost")

QUICK = ViewOptions(folds=2, trees=20, landmarks=60)


def table(*, runs: int = 1, third: bool = False) -> dict[str, list[Any]]:
    """Questions with "proof" are failed by the weak arm; all others both answer."""
    columns: dict[str, list[Any]] = {name: [] for name in ("task", "group", "domain", "arm", "run", "success", "text")}
    for at in range(120):
        hard = at % 3 == 0
        text = f"give the {'proof of lemma' if hard else 'name of city'} number {at}"
        arms = {"small": float(not hard), "large": 1.0, **({"middle": float(at % 6 != 0)} if third else {})}
        for arm, success in arms.items():
            for run in range(runs):
                row = (f"t{at:03}", "g", "g", arm, run, success, text)
                for name, value in zip(columns, row, strict=True):
                    columns[name].append(value)
    return columns


def fitted(learner: GainLearner | SoftGapLearner, columns: dict[str, list[Any]]) -> tuple[Lesson, Examples]:
    examples = Examples.read(columns)
    return learner.fit(examples, seed=0), examples


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    return fitted(GainLearner(options=QUICK), table(third=True))[0]


def expected(lesson: Lesson, text: str, arms: tuple[str, ...]) -> Any:
    found: Any = lesson
    columns = {"task": ["x"], "arm": ["small"], "success": [0.0], "text": [text], "domain": ["g"]}
    return found.estimator.predict(Examples.read(columns).reading(found.encoder).rows, arms).success[0]


def test_the_gain_is_found_where_it_is(lesson: Lesson) -> None:
    """The strong arm is expected to gain on the questions that the weak one fails, and not on others."""
    hard = expected(lesson, "give the proof of lemma number 7", ("small", "middle", "large"))
    easy = expected(lesson, "give the name of city number 7", ("small", "middle", "large"))
    assert hard[2] - hard[0] > 0.5
    assert easy[2] - easy[0] < 0.2
    assert hard[0] < hard[1] < hard[2]


def test_it_is_an_estimator(lesson: Lesson) -> None:
    """It passes the contract suite: pure, picklable, in order, in range; also with text of another length."""
    assert isinstance(lesson.estimator, GainEstimator)
    check_estimator(lesson.estimator)
    gap = fitted(SoftGapLearner(options=QUICK), table())[0].estimator
    assert isinstance(gap, SoftGapEstimator)
    check_estimator(gap)


def test_both_can_be_stored(lesson: Lesson) -> None:
    """Made again of their parts they expect the same."""
    gap = fitted(SoftGapLearner(options=QUICK), table())[0]
    for found in (lesson, gap):
        again = type(found.estimator).from_parts(found.estimator.parts())
        other = Lesson(estimator=again, encoder=found.encoder)
        for text in ("the proof of lemma 3", "", "city"):
            assert np.array_equal(expected(found, text, ("small", "large")), expected(other, text, ("small", "large")))


@pytest.mark.parametrize("broken", ["mix", "places", "views"])
def test_damaged_parts_are_refused(lesson: Lesson, broken: str) -> None:
    """A missing setting or a misshapen array is a named error."""
    parts = lesson.estimator.parts()
    settings, arrays = dict(parts.settings), dict(parts.arrays)
    if broken == "mix":
        arrays["mix"] = arrays["mix"][:-1]
    else:
        del settings[broken]
    with pytest.raises(ArtifactInvalid):
        GainEstimator.from_parts(Parts(settings=settings, arrays=arrays))


def test_the_same_seed_learns_the_same() -> None:
    """Two fits agree to the last bit, and say what they chose."""
    one, other = GainLearner(options=QUICK), GainLearner(options=QUICK)
    first, second = (fitted(learner, table())[0].estimator.parts() for learner in (one, other))
    assert all(np.array_equal(first.arrays[name], second.arrays[name]) for name in first.arrays)
    assert one.chosen == other.chosen
    assert one.chosen["recipe"] in one.chosen["tried"]


def test_hybrid_llms_label() -> None:
    """The share of pairs of samples in which the weak arm is as good, up to the tolerance."""
    low, high = [np.array([0.0, 1.0])], [np.array([0.5, 1.0])]
    assert soft_labels(low, high, 0.0).tolist() == [0.5]
    assert soft_labels(low, high, 0.5).tolist() == [0.75]
    apart = [np.array([0.0]), np.array([0.9])], [np.array([0.1]), np.array([1.0])]
    assert apart_most(*apart) == 0.0  # no tolerance tells these apart: 0 of both, or 1 of both
    assert apart_most([np.array([0.0]), np.array([0.9])], [np.array([1.0]), np.array([1.0])]) == 0.1


def test_preferences_are_outcomes() -> None:
    """Who was preferred succeeds; a tie is half for both; several votes on one text are runs."""
    votes = {"winner": ["large", "tie", "small"], "text": ["a", "b", "a"], "task": ["1", "2", "1"]}
    found = preferred(votes, weak="small", strong="large")
    assert list(zip(found["task"], found["arm"], found["run"], found["success"], strict=True)) == [
        ("1", "small", 1, 0.0),
        ("1", "large", 1, 1.0),
        ("2", "small", 1, 0.5),
        ("2", "large", 1, 0.5),
        ("1", "small", 2, 1.0),
        ("1", "large", 2, 0.0),
    ]
    with pytest.raises(OutcomesInvalid, match="winner"):
        preferred({"winner": ["who"], "text": ["a"]}, weak="small", strong="large")


def test_tables_that_cannot_teach_are_refused() -> None:
    """One arm, no text, too few questions and a constant gain are named errors."""
    whole = table()
    only = {
        name: [v for v, arm in zip(values, whole["arm"], strict=True) if arm == "small"]
        for name, values in whole.items()
    }
    few = {name: values[:20] for name, values in whole.items()}
    mute = {**whole, "text": [""] * len(whole["text"])}
    same = {**whole, "success": [1.0] * len(whole["text"])}
    for columns, word in ((only, "arm"), (few, "text"), (mute, "text"), (same, "success")):
        with pytest.raises(OutcomesInvalid, match=word):
            fitted(GainLearner(options=QUICK), columns)
    with pytest.raises(OutcomesInvalid, match="recipe"):
        fitted(GainLearner(options=ViewOptions(recipe="none")), whole)


def test_an_unseen_arm_is_placed_by_its_rank(lesson: Lesson) -> None:
    """It is told of, and a table that names it is refused."""
    from langroute.testing.situations import situations  # noqa: PLC0415 - arms like a pool's

    estimator: Any = lesson.estimator
    arms: tuple[Arm, ...] = next(iter(situations(rounds=1))).arms
    assert estimator.unseen(arms) == tuple(arm.name for arm in arms)
    with pytest.raises(ArtifactInvalid, match="never seen"):
        expected(lesson, "x", ("huge",))
