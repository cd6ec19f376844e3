"""Reading tables of outcomes: Parquet or JSON Lines, whole or in batches, with the texts of the tasks joined."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ConfigError, OutcomesInvalid
from langroute.learning import json_lines, parquet
from langroute.learning.schema import COLUMNS, Columns, checked, column_of

ENDINGS = (".parquet", ".jsonl")
"""What tables are read from and written to."""

_AT_ONCE = 65_536


def read_table(path: str | Path, *, tasks: str | Path | None = None) -> Columns:
    """A table of outcomes, whole, checked and in the forms of `langroute.learning.schema`.

    Args:
        path: a ``.parquet`` or ``.jsonl`` file, or a folder that holds ``outcomes`` and perhaps ``tasks`` in one of
            these formats.
        tasks: a file with ``task``, ``text`` and perhaps ``group``, one row a task, joined by ``task``. Of a folder
            its ``tasks``. A task it lacks keeps the text and group that the outcomes give it, or none.

    Raises:
        ConfigError: a file is missing or of another format, or pyarrow is not installed (``langroute[learn]``).
        OutcomesInvalid: the table has no rows, lacks a column, or a value is not what its column holds; names the
            column and the row.
    """
    batches = list(read_batches(path, tasks=tasks))
    if len(batches) == 1:
        return batches[0]
    return _joined(batches)


def read_batches(path: str | Path, *, rows: int = _AT_ONCE, tasks: str | Path | None = None) -> Iterator[Columns]:
    """The same as `read_table`, at most ``rows`` rows at a time: memory stays flat however long the file is.

    Every batch of a Parquet file has the same columns; one of a JSON Lines file has those that its own lines name.
    `langroute.learning.schema.column_of` gives a column with its defaults either way.
    """
    outcomes, beside = _files(Path(path))
    known = _Tasks.read(Path(tasks)) if tasks is not None else _Tasks.read(beside) if beside else None
    first_row = 0
    for raw in _raw(outcomes, rows):
        size = len(next(iter(raw.values()), ()))
        yield checked(raw if known is None else known.onto(raw), first_row=first_row)
        first_row += size
    if not first_row:
        raise OutcomesInvalid(f"{outcomes} has no rows; a table needs at least one outcome", field="task")


def _raw(path: Path, rows: int) -> Iterator[dict[str, Any]]:
    """Columns as they stand in a file."""
    if path.suffix == ".parquet":
        yield from parquet.read_batches(path, rows=rows)
    elif path.suffix == ".jsonl":
        yield from json_lines.read_batches(path, rows=rows)
    else:
        raise ConfigError(f"ends in {path.suffix or 'nothing'}; use {' or '.join(ENDINGS)}", field=str(path))


def _files(path: Path) -> tuple[Path, Path | None]:
    """The file of outcomes, and that of tasks where a folder has one."""
    if not path.is_dir():
        if not path.exists():
            raise ConfigError("there is no such file or folder", field=str(path))
        return path, None
    outcomes, tasks = (_in_folder(path, name) for name in ("outcomes", "tasks"))
    if outcomes is None:
        raise ConfigError(f"the folder holds neither outcomes{' nor outcomes'.join(ENDINGS)}", field=str(path))
    return outcomes, tasks


def _in_folder(folder: Path, name: str) -> Path | None:
    return next((folder / f"{name}{ending}" for ending in ENDINGS if (folder / f"{name}{ending}").is_file()), None)


@dataclass(frozen=True, slots=True)
class _Tasks:
    """What was asked, and what it belongs to, by column and task."""

    said: dict[str, dict[str, str]]

    @classmethod
    def read(cls, path: Path) -> "_Tasks":
        """The tasks of a file, which has each of them once."""
        said: dict[str, dict[str, str]] = {}
        seen: set[str] = set()
        for raw in _raw(path, _AT_ONCE):
            if "task" not in raw:
                raise OutcomesInvalid(f"{path} has no such column; it has {', '.join(raw)}", field="task")
            for task in raw["task"]:
                if task in seen:
                    raise OutcomesInvalid(f"{path} has task {task!r} twice; keep one row a task", field="task")
                seen.add(task)
            for name in ("text", "group"):
                if name in raw:
                    said.setdefault(name, {}).update(zip(raw["task"], raw[name], strict=True))
        return cls(said)

    def onto(self, raw: dict[str, Any]) -> dict[str, Any]:
        """The columns with texts and groups filled in where they say nothing."""
        if "task" not in raw:
            return raw
        return {**raw, **{name: self._filled(raw, name, known) for name, known in self.said.items()}}

    @staticmethod
    def _filled(raw: dict[str, Any], name: str, known: dict[str, str]) -> list[Any]:
        own = raw.get(name, [None] * len(raw["task"]))
        return [value or known.get(task) for task, value in zip(raw["task"], own, strict=True)]


def _joined(batches: list[Columns]) -> Columns:
    """Batches one after the other; a column that some lack is unknown, or at its default, there."""
    names = dict.fromkeys([name for name in COLUMNS if any(name in batch for batch in batches)])
    names |= dict.fromkeys(name for batch in batches for name in batch)
    return {name: _stacked(name, batches) for name in names}


def _stacked(name: str, batches: list[Columns]) -> NDArray[Any]:
    if name in COLUMNS:
        parts = [column_of(batch, name) for batch in batches]
    else:
        parts = [batch.get(name, np.full(len(batch["task"]), None)) for batch in batches]
        if len({part.dtype for part in parts}) > 1:
            parts = [part.astype(object) for part in parts]
    if parts[0].ndim == 1:
        return np.concatenate(parts)
    lengths = {part.shape[1] for part in parts} - {0}
    if len(lengths) > 1:
        told = (
            f"has vectors of {' and '.join(map(str, sorted(lengths)))} numbers; those of one encoder belong in a table"
        )
        raise OutcomesInvalid(told, field=name)
    length = lengths.pop() if lengths else 0
    empty = np.full((1, length), math.nan)
    return np.concatenate([part if part.shape[1] else np.repeat(empty, len(part), axis=0) for part in parts])
