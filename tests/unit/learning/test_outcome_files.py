"""Tables of outcomes on disk: what is written is read again, and what cannot be read is named."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from langroute.errors import ConfigError, OutcomesInvalid
from langroute.learning.outcomes import OutcomeTable
from langroute.learning.reading import read_batches, read_table
from langroute.learning.schema import COLUMNS, Columns, checked, column_of
from langroute.learning.writing import TableWriter, write_table

ENDINGS = [
    pytest.param(".jsonl", id="jsonl"),
    pytest.param(".parquet", id="parquet"),
]

SMALL: dict[str, list[Any]] = {
    "task": ["a", "a", "bücher"],
    "arm": ["small", "large", "small"],
    "success": [0.0, 1.0, 0.25],
    "cost_usd": [0.001, None, 0.0000000004],
    "run": [0, 0, 1],
    "output_tokens": [12, None, 7],
    "defects": ["invalid_tool_call", None, ""],
    "encoded": [[0.5, -1.0], None, [0.0, 2.0]],
    "seniority": [3, None, 4],
}


@pytest.fixture(params=ENDINGS)
def ending(request: pytest.FixtureRequest) -> str:
    if request.param == ".parquet":
        pytest.importorskip("pyarrow", reason="Parquet files need pyarrow")
    return str(request.param)


def assert_same(found: Columns, expected: Columns) -> None:
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
        assert found[name].dtype == values.dtype


def test_what_is_written_is_read_again(tmp_path: Path, ending: str) -> None:
    """Texts, numbers, gaps, vectors and a column of one's own come back equal, in either format."""
    write_table(tmp_path / f"out{ending}", SMALL)
    assert_same(read_table(tmp_path / f"out{ending}"), checked(SMALL))


def test_batches_are_the_table(tmp_path: Path, ending: str) -> None:
    """A table written and read in batches is the table, and no batch is longer than asked."""
    path = tmp_path / f"out{ending}"
    whole = checked(
        {"task": [f"t{row}" for row in range(10)], "arm": ["x"] * 10, "success": [row / 9 for row in range(10)]}
    )
    with TableWriter(path) as writer:
        for begin in range(0, 10, 4):
            writer.write({name: values[begin : begin + 4] for name, values in whole.items()})
    batches = list(read_batches(path, rows=3))
    assert [len(batch["task"]) for batch in batches] == [3, 3, 3, 1]
    assert_same(read_table(path), whole)


def test_a_folder_is_read_with_its_texts(tmp_path: Path, ending: str) -> None:
    """Of a folder, the outcomes get the text and group that its file of tasks has; unknown tasks stay without."""
    outcomes = {"task": ["a", "b", "c"], "model": ["m", "m", "m"], "success": [1, 0, 1], "group": ["own", None, None]}
    tasks = {"task": ["a", "b"], "text": ["What is A?", "What is B?"], "group": ["first", "second"]}
    write_table(tmp_path / f"outcomes{ending}", outcomes)
    lines = [json.dumps(dict(zip(tasks, row, strict=True))) for row in zip(*tasks.values(), strict=True)]
    (tmp_path / "tasks.jsonl").write_text("\n".join(lines), "utf-8")
    read = read_table(tmp_path)
    assert read["text"].tolist() == ["What is A?", "What is B?", ""]
    assert read["group"].tolist() == column_of(read, "domain").tolist() == ["own", "second", ""]
    assert read["arm"].tolist() == ["m", "m", "m"]


def test_a_table_of_a_file_is_an_outcome_table(tmp_path: Path, ending: str) -> None:
    """What a file holds goes straight into `OutcomeTable`, which names the row whose cost is not known."""
    path = tmp_path / f"out{ending}"
    write_table(path, SMALL)
    with pytest.raises(OutcomesInvalid, match=r"cost_usd: row 1 \('large'\) has none"):
        OutcomeTable.read(read_table(path))
    table = OutcomeTable.read(read_table(path), arm_costs={"small": 0, "large": 1})
    assert table.cost_nano.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"success": [0, 1, 1.5]}, r"success: row 2 must hold a number in \[0, 1\], not 1\.5"),
        ({"success": [0, None, 1]}, r"success: row 1 must hold a number in \[0, 1\], not nan"),
        ({"success": ["yes", 1, 1]}, "success: row 0 must hold a number"),
        ({"task": ["a", None, "b"]}, "task: row 1 must hold a non-empty text"),
        ({"task": ["a", 7, "b"]}, "task: row 1 must hold text, not 7"),
        ({"cost_usd": [0.1, math.inf, 0.1]}, "cost_usd: row 1 must hold a finite number"),
        ({"cost_nano": [1, None, 3]}, "cost_nano: row 1 must hold a whole number; write cost_usd"),
        ({"run": [0, 0.5, 1]}, "run: row 1 must hold a whole number, not 0.5"),
        ({"run": [0, 2**70, 1]}, "run: row 1 must hold a whole number of 64 bits"),
        ({"level": ["step", "phase", ""]}, "level: row 1 must hold one of step, episode, not 'phase'"),
        ({"encoded": [[1.0], [1.0, 2.0], None]}, "encoded: row 0 must hold 2 numbers, as in other rows"),
        ({"propensity": [0.5, 1, -0.1]}, r"propensity: row 2 must hold a number in \[0, 1\]"),
        ({"defects": ["one"]}, "defects: has 1 rows where task has 3"),
    ],
)
def test_a_bad_value_is_named(change: dict[str, Any], told: str) -> None:
    """The message names the column, the row and what it must hold."""
    with pytest.raises(OutcomesInvalid, match=told):
        checked({**SMALL, **change})


def test_a_bad_row_is_counted_from_the_start_of_the_file(tmp_path: Path) -> None:
    """In a file read in batches, the message counts rows from the first of the file."""
    rows = [{"task": f"t{row}", "arm": "x", "success": 2 if row == 5 else 1} for row in range(8)]
    path = tmp_path / "out.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    with pytest.raises(OutcomesInvalid, match="success: row 5 "):
        list(read_batches(path, rows=2))


@pytest.mark.parametrize("name", ["task", "arm", "success"])
def test_a_missing_column_is_named(name: str) -> None:
    """A table without a required column says which, and which it has."""
    with pytest.raises(OutcomesInvalid, match=f"{name}.*: is missing; the columns are"):
        checked({column: values for column, values in SMALL.items() if column != name})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"task": "a", "arm": "x", "success": 1}\n{"task": ', "line 2 is no JSON"),
        ("[1, 2]\n", "line 1 must be a JSON object"),
        ("\n\n", "has no rows"),
        ("\udcff", "is no UTF-8 text"),
    ],
)
def test_a_damaged_file_of_lines_is_named(tmp_path: Path, text: str, told: str) -> None:
    """A file that is no JSON Lines says which line is at fault."""
    path = tmp_path / "out.jsonl"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(OutcomesInvalid, match=told):
        read_table(path)


def test_a_damaged_parquet_file_is_named(tmp_path: Path) -> None:
    """A file that only ends like Parquet says so."""
    pytest.importorskip("pyarrow", reason="Parquet files need pyarrow")
    (tmp_path / "out.parquet").write_bytes(b"no parquet at all")
    with pytest.raises(OutcomesInvalid, match=r"out\.parquet is no Parquet file, or damaged"):
        read_table(tmp_path / "out.parquet")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing file, a folder without outcomes and a foreign ending are told apart."""
    with pytest.raises(ConfigError, match="there is no such file or folder"):
        read_table(tmp_path / "out.parquet")
    with pytest.raises(ConfigError, match=r"the folder holds neither outcomes\.parquet nor outcomes\.jsonl"):
        read_table(tmp_path)
    (tmp_path / "out.csv").write_text("task", "utf-8")
    with pytest.raises(ConfigError, match=r"ends in \.csv; use \.parquet or \.jsonl"):
        read_table(tmp_path / "out.csv")


def test_a_task_stands_once_in_the_file_of_tasks(tmp_path: Path) -> None:
    """Two texts for a task are refused, since nothing says which was asked."""
    write_table(tmp_path / "outcomes.jsonl", {"task": ["a"], "arm": ["x"], "success": [1]})
    (tmp_path / "tasks.jsonl").write_text('{"task": "a", "text": "1"}\n{"task": "a", "text": "2"}\n', "utf-8")
    with pytest.raises(OutcomesInvalid, match="has task 'a' twice"):
        read_table(tmp_path)


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, ending: str) -> None:
    """An error in the middle leaves the file of before, and no half of a new one."""
    path = tmp_path / f"out{ending}"
    write_table(path, SMALL)
    before = path.read_bytes()

    def write_twice() -> None:
        with TableWriter(path) as writer:
            writer.write(SMALL)
            writer.write({**SMALL, "success": [7, 0, 0]})

    with pytest.raises(OutcomesInvalid, match="success: row 3"):
        write_twice()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_table_lacks_has_its_default() -> None:
    """A column that is not there reads as unknown, or as the default that its description names."""
    table = checked({"task": ["a"], "arm": ["x"], "success": [1]})
    assert math.isnan(column_of(table, "cost_usd")[0])
    assert column_of(table, "kind").tolist() == [""]
    assert column_of(table, "budget_share").tolist() == [1.0]
    assert column_of(table, "run").tolist() == [0]
    assert column_of(table, "encoded").shape == (1, 0)
    with pytest.raises(OutcomesInvalid, match="colour: is missing"):
        column_of(table, "colour")


def test_every_column_says_what_it_means() -> None:
    """No column of the schema goes without a meaning."""
    assert [name for name, column in COLUMNS.items() if not column.meaning] == []


def test_lines_need_no_extra(tmp_path: Path) -> None:
    """Where pyarrow is absent, JSON Lines are read, and a Parquet file names the extra that reads it."""
    write_table(tmp_path / "out.jsonl", SMALL)
    (tmp_path / "out.parquet").write_bytes(b"PAR1")
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from langroute.learning.reading import read_table\n"
        f"print(len(read_table({str(tmp_path / 'out.jsonl')!r})['task']))\n"
        f"read_table({str(tmp_path / 'out.parquet')!r})\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - this interpreter, on code of this test
    assert found.stdout == "3\n"
    assert 'pip install "langroute[learn]"' in found.stderr
