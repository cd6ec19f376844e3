"""What is learned from real prompts: cost at equal reward on the shared data, where it is at hand."""

import os
from pathlib import Path

import numpy as np
import pytest

from langroute.learning import OutcomeGrid, dearest_single, folds_by, frontier, single_hull
from langroute.learning.examples import Examples
from langroute.learning.learners import learner
from langroute.learning.reading import read_table
from langroute.learning.target_fitting import full_grid

DATA = Path(os.environ.get("LANGROUTE_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


@pytest.fixture(scope="module")
def prompts() -> tuple[Examples, OutcomeGrid]:
    """The prompts of paretobandit, each tried by three arms."""
    if not (DATA / "paretobandit").is_dir():
        pytest.skip(f"no paretobandit in {DATA}; set LANGROUTE_DATA")
    examples = Examples.read(read_table(DATA / "paretobandit"))
    grid = full_grid(examples)
    assert grid is not None
    return examples, grid


def test_lines_on_the_text_beat_mixing(prompts: tuple[Examples, OutcomeGrid]) -> None:
    """Out of fold, heads on the text alone reach the dearest arm's reward for less than three quarters of its cost."""
    examples, grid = prompts
    success = np.empty(grid.success.shape)
    for seen, scored in folds_by(grid.tasks, count=3, seed=0):
        lesson = learner("ridge").fit(examples.take(np.isin(examples.task, grid.tasks[seen])), seed=0)
        asked = examples.take(np.isin(examples.task, grid.tasks[scored])).reading(lesson.encoder)  # type: ignore[arg-type]
        _, first = np.unique(asked.task, return_index=True)
        success[scored] = lesson.estimator.predict(asked.rows.take(first), grid.arms).success  # type: ignore[attr-defined]
    constant = np.tile(grid.cost.mean(axis=0), (len(grid), 1))
    reward = float(grid.success[:, grid.column(dearest_single(grid))].mean())
    mixed = single_hull(grid).cost_at(reward)
    found = frontier(grid, success, constant).cost_at(reward)
    assert found is not None
    assert mixed is not None
    assert found < 0.75 * mixed
