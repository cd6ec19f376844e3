"""Writing tables of outcomes, whole or in batches; a file appears when it is complete, or not at all."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from langroute.errors import ConfigError
from langroute.learning.json_lines import JsonRows
from langroute.learning.parquet import ParquetRows
from langroute.learning.reading import ENDINGS
from langroute.learning.schema import checked


def write_table(path: str | Path, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> None:
    """Write a table of outcomes, checked as it would be when it is read.

    Args:
        path: a ``.parquet`` or ``.jsonl`` file; one that is there is replaced.
        columns: values by column, all of one length.

    Raises:
        ConfigError: the file has another ending or cannot be written, or pyarrow is not installed.
        OutcomesInvalid: a value is not what its column holds; names the column and the row. Nothing is written.
    """
    with TableWriter(path) as writer:
        writer.write(columns)


class TableWriter:
    """A table of outcomes that is written batch by batch, with flat memory.

    A context manager. What is written goes to a file beside ``path`` that takes its place at the end; after an error
    it is gone, and what was at ``path`` before is still there.

    Args:
        path: a ``.parquet`` or ``.jsonl`` file in a folder that exists.

    Attributes:
        rows: rows written so far.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.suffix not in ENDINGS:
            ending = self.path.suffix or "nothing"
            raise ConfigError(f"ends in {ending}; use {' or '.join(ENDINGS)}", field=str(self.path))
        self.rows = 0
        self._beside = self.path.with_name(f".{self.path.name}.partial")
        self._file: JsonRows | ParquetRows | None = None

    def __enter__(self) -> Self:
        """Open the file."""
        kind = ParquetRows if self.path.suffix == ".parquet" else JsonRows
        try:
            self._file = kind(self._beside)
        except OSError as exc:
            raise ConfigError(f"cannot be written: {exc}", field=str(self.path)) from exc
        return self

    def write(self, columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> None:
        """Add rows. Every batch of a Parquet file has the columns of the first.

        Raises:
            ConfigError: the disk refuses.
            OutcomesInvalid: a value is not what its column holds; rows are counted from the file's first.
        """
        batch = checked(columns, first_row=self.rows)
        if self._file is None:
            raise ConfigError("is not open; use it in a with statement", field=str(self.path))
        try:
            self._file.write(batch)
        except OSError as exc:
            raise ConfigError(f"cannot be written: {exc}", field=str(self.path)) from exc
        self.rows += len(batch["task"])

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Put the file in its place, or take it away after an error. A table without rows makes no file."""
        if self._file is not None:
            self._file.close()
        if kind is None and self.rows:
            self._beside.replace(self.path)
        else:
            self._beside.unlink(missing_ok=True)
