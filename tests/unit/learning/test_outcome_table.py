"""The table of outcomes, and the grid of tasks x arms that measures read."""

from typing import Any

import numpy as np
import pytest

from langroute.errors import LangrouteError, OutcomesInvalid
from langroute.learning import OutcomeGrid, OutcomeTable

GOOD: dict[str, list[Any]] = {
    "task": ["t1", "t1", "t2", "t2"],
    "group": ["g", "g", "h", "h"],
    "arm": ["a", "b", "a", "b"],
    "success": [0.0, 1.0, 0.5, 1],
    "cost_nano": [1, 10, 3, 20],
}


def test_a_table_reads_columns_and_ignores_others() -> None:
    """Columns as they stand in a file make a table; ``run`` may be missing, and unknown columns do no harm."""
    table = OutcomeTable.read({**GOOD, "latency_ms": [1, 2, 3, 4]})
    assert (len(table), table.run.tolist(), table.cost_nano.tolist()) == (4, [0] * 4, [1, 10, 3, 20])
    assert OutcomeTable.read({k: v for k, v in GOOD.items() if k != "group"}).group.tolist() == ["all"] * 4


def test_dollars_become_whole_nano_dollars_rounded_up() -> None:
    """``model`` and ``cost_usd`` are other names of the columns; a fraction of a nano-dollar costs a whole one."""
    columns = {"task": ["t"], "model": ["a"], "success": [1.0], "cost_usd": [3.00000000001e-9]}
    assert OutcomeTable.read(columns).cost_nano.tolist() == [4]


def test_arms_without_known_costs_take_nominal_ones() -> None:
    """With 0 for the weak and 1 for the strong arm, mean cost is the share of strong calls."""
    columns = {**GOOD, "cost_usd": [None] * 4}
    del columns["cost_nano"]
    assert OutcomeTable.read(columns, arm_costs={"a": 0, "b": 1}).cost_nano.tolist() == [0, 1, 0, 1]
    with pytest.raises(OutcomesInvalid, match=r"arm_costs: has no cost for arm 'b'"):
        OutcomeTable.read(columns, arm_costs={"a": 0})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"success": [0, 1, 1.5, 1]}, r"success: row 2 must be in \[0, 1\], not 1\.5"),
        ({"success": [0, float("nan"), 1, 1]}, r"success: row 1 must be in \[0, 1\], not nan"),
        ({"success": ["yes", 1, 1, 1]}, r"success: must be numbers"),
        ({"cost_nano": [1, -2, 3, 4]}, r"cost_nano: row 1 must not be negative, not -2"),
        ({"cost_nano": [1, 2.0, 3, 4]}, r"cost_nano: row 1 must be a whole number"),
        ({"cost_nano": [1, True, 3, 4]}, r"cost_nano: row 1 must be a whole number"),
        ({"cost_nano": [1, 2**64, 3, 4]}, r"cost_nano: row 1 must be a whole number of 64 bits"),
        ({"cost_nano": [1, 2, 3]}, r"cost_nano: has 3 rows where task has 4"),
        ({"task": ["t1", "t1", "", "t2"]}, r"task: row 2 must be a non-empty text"),
        ({"arm": ["a", None, "a", "b"]}, r"arm: row 1 must be a non-empty text, not None"),
        ({"arm": ["a", "a", "a", "b"]}, r"run: row 1 repeats run 0 of 'a' on task 't1'"),
        ({"group": ["g", "h", "h", "h"]}, r"group: row 1 puts task 't1' into 'h', a row before into 'g'"),
        ({name: [] for name in GOOD}, r"task: has no rows"),
    ],
)
def test_bad_rows_are_named(change: dict[str, list[Any]], told: str) -> None:
    """An error says which column and which row is wrong, and is one of the house's own."""
    with pytest.raises(OutcomesInvalid, match=told) as raised:
        OutcomeTable.read({**GOOD, **change})
    assert isinstance(raised.value, LangrouteError)
    assert raised.value.field == told.partition(":")[0]


@pytest.mark.parametrize("value", [None, -1.0, float("nan"), "much"])
def test_a_cost_that_is_no_cost_is_named(value: object) -> None:
    """A missing, negative or unreadable number of dollars is refused with its row, not read as free."""
    columns = {"task": ["t", "u"], "model": ["a", "a"], "success": [1, 1], "cost_usd": [0.1, value]}
    with pytest.raises(OutcomesInvalid, match=r"cost_usd: row 1"):
        OutcomeTable.read(columns)


def test_a_missing_column_is_named() -> None:
    """The error says which names were looked for and which columns there are."""
    with pytest.raises(OutcomesInvalid, match=r"arm or model: is missing; the columns are success, task"):
        OutcomeTable.read({"task": ["t"], "success": [1]})


def test_a_table_cannot_be_changed() -> None:
    """What was checked stays as it was checked, also when the caller's own array changes."""
    costs = np.array(GOOD["cost_nano"])
    table = OutcomeTable.read({**GOOD, "cost_nano": costs})
    costs[0] = -5
    assert table.cost_nano[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        table.cost_nano[0] = 2


def test_runs_can_be_told_apart() -> None:
    """Selecting on some runs and scoring on others needs the rows of a run; a run that is not there is an error."""
    table = OutcomeTable.read(
        {"task": ["t", "t"], "arm": ["a", "a"], "run": [1, 2], "success": [0, 1], "cost_nano": [1, 3]}
    )
    assert table.of_runs(2).success.tolist() == [1.0]
    with pytest.raises(OutcomesInvalid, match="no rows"):
        table.of_runs(3)


def test_a_grid_averages_runs() -> None:
    """Success and cost of an arm on a task are means over its runs; arms stand as asked for."""
    columns = {
        "task": ["t", "t", "t"],
        "arm": ["a", "a", "b"],
        "run": [1, 2, 1],
        "success": [0.0, 1.0, 1.0],
        "cost_nano": [1, 2, 9],
    }
    grid = OutcomeGrid.of(OutcomeTable.read(columns), arms=("b", "a"))
    assert (grid.arms, grid.success.tolist(), grid.cost.tolist()) == (("b", "a"), [[1.0, 0.5]], [[9.0, 1.5]])


def test_a_grid_refuses_holes_or_leaves_their_tasks_out() -> None:
    """A task that an arm never tried is named; on request it is left out; tasks keep their groups."""
    columns = {name: column[:3] for name, column in GOOD.items()}
    table = OutcomeTable.read(columns)
    with pytest.raises(OutcomesInvalid, match=r"1 of 4 pairs .* first 'b' on 't2'"):
        OutcomeGrid.of(table)
    grid = OutcomeGrid.of(table, drop_incomplete=True)
    assert (grid.tasks.tolist(), grid.groups.tolist()) == (["t1"], ["g"])
    with pytest.raises(OutcomesInvalid, match="no task was attempted by all of a, c"):
        OutcomeGrid.of(table, arms=("a", "c"), drop_incomplete=True)
    with pytest.raises(OutcomesInvalid, match="each once"):
        OutcomeGrid.of(table, arms=("a", "a"))


def test_choices_are_scored_by_what_happened() -> None:
    """A policy that gives each task one arm costs and achieves the mean of those outcomes."""
    grid = OutcomeGrid.of(OutcomeTable.read(GOOD))
    assert grid.score(np.array([1, 0])) == (6.5, 0.75)
    with pytest.raises(OutcomesInvalid, match="one arm for each of 2 tasks"):
        grid.score(np.array([1]))
    with pytest.raises(OutcomesInvalid, match="is 'z', not one of a, b"):
        grid.column("z")
