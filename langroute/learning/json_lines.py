"""JSON Lines as batches of columns: one object a line, by column; what a line lacks is unknown."""

import json
import math
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ConfigError, OutcomesInvalid


def read_batches(path: Path, *, rows: int) -> Iterator[dict[str, list[Any]]]:
    """The file's columns, at most so many rows at a time; None where a line says nothing. Empty lines do not count.

    Raises:
        ConfigError: the file cannot be opened.
        OutcomesInvalid: a line is no JSON object; names the line, counted from 1.
    """
    lines = read_lines(path)
    while batch := list(islice(lines, rows)):
        names = dict.fromkeys(name for line in batch for name in line)
        yield {name: [line.get(name) for line in batch] for name in names}


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file, line by line; see `read_batches`."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _object(path, number, line)
    except UnicodeDecodeError as exc:
        raise OutcomesInvalid(f"{path} is no UTF-8 text: {exc}") from exc
    except OSError as exc:
        raise ConfigError(f"cannot be read: {exc}", field=str(path)) from exc


class JsonRows:
    """Writes batches of columns into one file, a line a row; unknown cells are left out."""

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("w", encoding="utf-8")

    def write(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Add rows."""
        names = list(columns)
        for cells in zip(*[values.tolist() for values in columns.values()], strict=True):
            row = {name: cell for name, cell in zip(names, cells, strict=True) if not _unknown(cell)}
            self._file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        found = json.loads(line, parse_constant=_constant)
    except (ValueError, RecursionError) as exc:
        raise OutcomesInvalid(f"{path} line {number} is no JSON: {exc}; mend the line or leave it out") from exc
    if not isinstance(found, dict):
        raise OutcomesInvalid(f"{path} line {number} must be a JSON object, not {line.strip()[:40]!r}")
    return found


def _constant(name: str) -> float:
    """NaN as a number, for tables that other programs wrote; infinities are refused by the columns they stand in."""
    return float(np.float64(name.replace("Infinity", "inf")))


def _unknown(cell: Any) -> bool:
    if isinstance(cell, list):
        return all(isinstance(part, float) and math.isnan(part) for part in cell)
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))
