"""The walk over flat arrays says what XGBoost says."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langroute.errors import ArtifactInvalid
from langroute.estimators.forest import Forest
from langroute.parts import Parts

xgboost = pytest.importorskip("xgboost", reason="trees to compare with are grown by XGBoost")

from langroute.learning.xgboost_trees import forest_of  # noqa: E402 - after the skip


def grown(
    random: np.random.Generator, *, width: int, depth: int, gaps: float, objective: str = "binary:logistic"
) -> Any:
    rows = random.normal(size=(400, width)).astype(np.float32)
    rows[random.random(rows.shape) < gaps] = np.nan
    seen = np.nan_to_num(rows[:, 0]) + random.normal(size=400)
    label = (seen > 0).astype(float) if objective == "binary:logistic" else np.exp(seen)
    parameters = {"objective": objective, "max_depth": depth, "nthread": 1, "verbosity": 0, "base_score": 0.3}
    return xgboost.train(parameters, xgboost.QuantileDMatrix(rows, label), 12), rows


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.integers(1, 12),
    depth=st.integers(1, 7),
    gaps=st.sampled_from([0.0, 0.1, 0.6]),
    objective=st.sampled_from(["binary:logistic", "reg:gamma"]),
)
def test_it_agrees_with_xgboost_to_a_millionth(seed: int, width: int, depth: int, gaps: float, objective: str) -> None:
    """On random rows, with and without gaps, probabilities and amounts are XGBoost's own within 1e-6."""
    random = np.random.default_rng(seed)
    booster, rows = grown(random, width=width, depth=depth, gaps=gaps, objective=objective)
    fresh = np.concatenate([rows, random.normal(scale=3, size=(50, width)).astype(np.float32)])
    fresh[-5:] = np.nan
    sums = forest_of([booster], width=width).sums(fresh)[:, 0]
    said = 1 / (1 + np.exp(-sums)) if objective == "binary:logistic" else np.exp(sums)
    assert np.abs(said / np.maximum(1, said) - booster.inplace_predict(fresh) / np.maximum(1, said)).max() < 1e-6


def test_values_on_a_threshold_go_where_xgboost_sends_them() -> None:
    """Whole numbers fall on thresholds all the time: equal is not under."""
    random = np.random.default_rng(3)
    rows = random.integers(0, 4, size=(300, 3)).astype(np.float32)
    label = (rows.sum(axis=1) > 4).astype(float)
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.QuantileDMatrix(rows, label), 5)
    sums = forest_of([booster], width=3).sums(rows)[:, 0]
    assert np.allclose(sums, booster.inplace_predict(rows, predict_type="margin"), atol=1e-5)


def test_several_sums_stand_in_one_forest_and_large_inputs_go_in_parts() -> None:
    """Each booster keeps its own sum, also over more rows than are walked at once."""
    random = np.random.default_rng(1)
    one, rows = grown(random, width=4, depth=3, gaps=0.2)
    other, _ = grown(random, width=4, depth=5, gaps=0.2, objective="reg:gamma")
    many = np.tile(rows, (12, 1))
    both = forest_of([one, other], width=4).sums(many)
    assert both.shape == (4_800, 2)
    assert np.array_equal(both[:, 0], forest_of([one], width=4).sums(many)[:, 0])
    assert np.array_equal(both[:400], both[400:800])


def test_it_is_the_same_after_it_was_taken_apart() -> None:
    """What is stored makes the same forest again."""
    booster, rows = grown(np.random.default_rng(2), width=5, depth=4, gaps=0.1)
    forest = forest_of([booster], width=5)
    assert np.array_equal(Forest.from_parts(forest.parts()).sums(rows), forest.sums(rows))


@pytest.mark.parametrize("name", ["feature", "left", "roots"])
@pytest.mark.parametrize("place", [-1, 10**6])
def test_arrays_that_point_outside_are_refused(name: str, place: int) -> None:
    """A damaged forest is an error, never a wild read or an endless walk."""
    booster, _ = grown(np.random.default_rng(2), width=5, depth=4, gaps=0.1)
    parts = forest_of([booster], width=5).parts()
    arrays = {key: array.copy() for key, array in parts.arrays.items()}
    arrays[name][0] = place
    with pytest.raises(ArtifactInvalid, match="forest"):
        Forest.from_parts(Parts(settings=parts.settings, arrays=arrays))
