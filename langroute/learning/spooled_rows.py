"""SpooledRows: features of more rows than memory should hold, in a file, read by XGBoost a chunk at a time."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from langroute.learning.boosted_sums import xgboost

_CHUNK = 65_536
_FLOAT = np.dtype(np.float32)


class SpooledRows:
    """A file of rows of single-precision numbers, one after the other; a `Source` of training.

    XGBoost takes each chunk, keeps its bins in files of its own beside it (external memory), and forgets it. So memory
    holds a chunk and a page of bins, however many rows there are.

    Args:
        path: the file; it is written by `add`.
        width: numbers of a row.
    """

    def __init__(self, path: Path, *, width: int) -> None:
        self._path = path
        self.width = width
        self.size = 0
        self._number = count()

    def add(self, features: NDArray[np.float32]) -> None:
        """Write rows at the end."""
        with self._path.open("ab") as file:
            features.astype(_FLOAT, copy=False).tofile(file)
        self.size += len(features)

    def chunks(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """All rows in order, 65,536 at a time."""
        with self._path.open("rb") as file:
            for start in range(0, self.size, _CHUNK):
                size = min(_CHUNK, self.size - start)
                found = np.fromfile(file, dtype=_FLOAT, count=size * self.width)
                yield slice(start, start + size), found.reshape(size, self.width)

    def matrix(
        self, rows: NDArray[np.int64], label: NDArray[np.float64], weight: NDArray[np.float64], *, like: Any = None
    ) -> Any:
        """Sorted rows as XGBoost reads them, from external memory; see `Source`."""
        bins = self._path.with_name(f"{self._path.name}.bins{next(self._number)}")
        return xgboost().ExtMemQuantileDMatrix(_batches(self, rows, label, weight, bins), ref=like)


def _batches(
    spool: SpooledRows, rows: NDArray[np.int64], label: NDArray[np.float64], weight: NDArray[np.float64], bins: Path
) -> Any:
    """What XGBoost asks for batches."""
    base: Any = xgboost().DataIter

    class Batches(base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(cache_prefix=str(bins))
            self._left = _own(spool, rows)

        def next(self, input_data: Any) -> bool:
            for own, features in self._left:
                if len(own):
                    input_data(data=features, label=label[own], weight=weight[own])
                    return True
            return False

        def reset(self) -> None:
            self._left = _own(spool, rows)

    return Batches()


def _own(spool: SpooledRows, rows: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """The row numbers of each chunk that are wanted, with their features."""
    for chunk, features in spool.chunks():
        own = rows[np.searchsorted(rows, chunk.start) : np.searchsorted(rows, chunk.stop)]
        yield own, features[own - chunk.start]
