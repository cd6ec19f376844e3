"""Parquet files as batches of columns. The one place of the table of outcomes that knows pyarrow."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ConfigError, OutcomesInvalid
from langroute.learning.schema import COLUMNS


def read_batches(path: Path, *, rows: int, only: Sequence[str] | None = None) -> Iterator[dict[str, NDArray[Any]]]:
    """The file's columns, at most so many rows at a time; texts are ``str`` objects, None where a cell is empty.

    Raises:
        ConfigError: pyarrow is not installed, or the file cannot be opened.
        OutcomesInvalid: it is no Parquet file, or damaged.
    """
    arrow, parquet = _arrow(path)
    try:
        with parquet.ParquetFile(path) as file:
            present = set(file.schema_arrow.names)
            wanted = None if only is None else [name for name in only if name in present]
            for batch in file.iter_batches(batch_size=rows, columns=wanted):
                yield {name: _values(arrow, batch.column(name)) for name in batch.schema.names}
    except arrow.ArrowException as exc:
        raise OutcomesInvalid(f"{path} is no Parquet file, or damaged: {exc}") from exc
    except OSError as exc:
        raise ConfigError(f"cannot be read: {exc}", field=str(path)) from exc


class ParquetRows:
    """Writes batches of columns into one file; the first batch says which columns there are.

    Raises:
        ConfigError: pyarrow is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._arrow, self._parquet = _arrow(path)
        self._path = path
        self._writer: Any = None

    def write(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Add rows."""
        arrays = [_array(self._arrow, name, values) for name, values in columns.items()]
        table = self._arrow.table(arrays, names=list(columns))
        if self._writer is None:
            self._writer = self._parquet.ParquetWriter(self._path, table.schema)
        self._writer.write_table(table)

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()


def _arrow(path: Path) -> tuple[ModuleType, ModuleType]:
    try:
        import pyarrow  # noqa: PLC0415 - of the extra `learn`, loaded when a Parquet file is at hand
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as exc:
        way_out = 'pip install "langroute[learn]", or use a .jsonl file, which needs nothing'
        raise ConfigError(f"Parquet files need pyarrow: {way_out}", field=str(path)) from exc
    return pyarrow, pyarrow.parquet


def _values(arrow: ModuleType, column: Any) -> NDArray[Any]:
    """The cells of a column; equal texts of a dictionary share one object, so a million rows of names stay small."""
    kind = column.type
    if arrow.types.is_dictionary(kind):
        names = _objects([*column.dictionary.to_pylist(), None])
        places: NDArray[np.int64] = np.asarray(column.indices.fill_null(len(names) - 1))
        return names[places]
    if arrow.types.is_boolean(kind) or arrow.types.is_null(kind) or arrow.types.is_decimal(kind):
        return np.asarray(column.cast(arrow.float64()).to_numpy(zero_copy_only=False))
    if arrow.types.is_integer(kind) or arrow.types.is_floating(kind):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    return _objects(column.to_pylist())


def _objects(values: list[Any]) -> NDArray[Any]:
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def _array(arrow: ModuleType, name: str, values: NDArray[Any]) -> Any:
    """A column as it is stored: names through a dictionary, unknown numbers as empty cells."""
    known = COLUMNS.get(name)
    if values.ndim == 2:
        rows = [None if np.isnan(row).all() else row.tolist() for row in values]
        return arrow.array(rows, type=arrow.list_(arrow.float64()))
    if known is not None and known.form in ("text", "name"):
        return arrow.array(values, type=arrow.string())
    if values.dtype.kind == "f":
        return arrow.array(values, from_pandas=True)
    return arrow.array(values)
