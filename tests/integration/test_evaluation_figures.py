"""Figures known beforehand, reproduced on the shared outcomes by these measures alone.

Reads ``*/outcomes.parquet`` under ``$LANGROUTE_DATA``, or under ``../shared/data`` beside the repository.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from langroute.learning import (
    OutcomeGrid,
    OutcomeTable,
    apgr,
    best_single,
    bootstrap,
    cpt,
    cross_fitted_oracle,
    folds_by,
    frontier,
    gap_closed,
    group_means,
    oracle_frontier,
    rank_within,
    single_hull,
    singles,
    strong_call_curve,
)

ROOT = Path(os.environ.get("LANGROUTE_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
STRONG_SHARE = {"mixtral-8x7b": 0, "gpt-4-1106": 1}


def columns_of(name: str, file: str = "outcomes") -> dict[str, list[Any]]:
    """A file's columns; the test is skipped where the data, or what reads it, is absent."""
    path = ROOT / name / f"{file}.parquet"
    if not path.exists():
        pytest.skip(f"{name}/{file}.parquet is not here: set LANGROUTE_DATA to a folder that holds it")
    parquet = pytest.importorskip("pyarrow.parquet", reason="reading parquet needs pyarrow")
    columns: dict[str, list[Any]] = parquet.read_table(path).to_pydict()
    return columns


def routellm(name: str) -> OutcomeGrid:
    table = OutcomeTable.read(columns_of(name), arm_costs=STRONG_SHARE)
    return OutcomeGrid.of(table, arms=tuple(STRONG_SHARE))


def test_the_subjects_mean_on_mmlu() -> None:
    """The group mean baseline's known APGR is .607 over five folds; which folds they were is not known, so +-.01."""
    grid = routellm("routellm_mmlu")
    weak, strong = grid.success.T
    folds = folds_by(grid.tasks, count=5)
    estimates, _ = group_means(grid, folds)
    scores = rank_within(estimates[:, 1] - estimates[:, 0], folds)
    found = bootstrap(
        lambda rows: apgr(strong_call_curve(scores[rows], weak[rows], strong[rows])), len(grid), resamples=200
    )
    assert found.point == pytest.approx(0.607, abs=0.01)
    assert found.high - found.low == pytest.approx(0.043, abs=0.015)  # as wide as the interval known for the best one


def test_the_length_of_the_question_on_gsm8k() -> None:
    """Longer questions to the strong arm: the known APGR is .622."""
    grid = routellm("routellm_gsm8k")
    texts = columns_of("routellm_gsm8k", "tasks")
    length = {task: float(len(text)) for task, text in zip(texts["task"], texts["text"], strict=True)}
    curve = strong_call_curve(np.array([length[task] for task in grid.tasks.tolist()]), *grid.success.T)
    assert apgr(curve) == pytest.approx(0.622, abs=0.0005)
    assert 0 < cpt(curve, 0.5) < cpt(curve, 0.8) < 1


def test_the_in_sample_oracle_of_mcpmark() -> None:
    """The known in-sample oracle is .829; chosen on other runs it reaches less, but more than one model."""
    table = OutcomeTable.read(columns_of("mcpmark"))
    whole = [arm for arm in np.unique(table.arm).tolist() if len(np.unique(table.run[table.arm == arm])) == 4]
    table = table.rows(np.isin(table.arm, whole))
    grid = OutcomeGrid.of(table)
    assert oracle_frontier(grid).quality[-1] == pytest.approx(0.829, abs=0.0005)
    assert singles(grid)[best_single(grid)].quality < cross_fitted_oracle(table).quality < 0.8


def test_minimax_alone_on_swebench() -> None:
    """Known: MiniMax alone saves 91.5% of the strong model's cost at .991 of its success."""
    columns = columns_of("swebench_verified")
    known = [row for row, cost in enumerate(columns["cost_usd"]) if cost is not None]
    table = OutcomeTable.read({name: [column[row] for row in known] for name, column in columns.items()})
    points = singles(OutcomeGrid.of(table, drop_incomplete=True))
    cheap, strong = (points[f"{name} (high reasoning)"] for name in ("MiniMax M2.5", "Claude 4.5 Opus"))
    assert 1 - cheap.cost / strong.cost == pytest.approx(0.915, abs=0.0005)
    assert cheap.quality / strong.quality == pytest.approx(0.991, abs=0.0005)


def test_the_group_alone_closes_no_gap() -> None:
    """Without a verifier the repository alone is known not to help on SWE-bench: no more than .03 of the gap."""
    columns = columns_of("swebench_verified")
    known = [row for row, cost in enumerate(columns["cost_usd"]) if cost is not None]
    table = OutcomeTable.read({name: [column[row] for row in known] for name, column in columns.items()})
    grid = OutcomeGrid.of(table, drop_incomplete=True)
    curve = frontier(grid, *group_means(grid, folds_by(grid.tasks, count=5)))
    assert gap_closed(curve, single_hull(grid), oracle_frontier(grid)) < 0.03
