"""Of which data something was learned: a fingerprint that does not depend on how they were read."""

import hashlib
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from langroute.estimators.rows import StepRows

_COLUMNS = ("task", "arm", "run", "success", "cost_nano")


class Fingerprint:
    """Takes rows in batches of any size, in their order; the same rows give the same fingerprint."""

    def __init__(self) -> None:
        self._columns = {name: hashlib.sha256() for name in (*_COLUMNS, "numbers", "words")}

    def add(self, columns: Mapping[str, Any]) -> Self:
        """Take rows.

        Args:
            columns: ``task``, ``arm``, ``run``, ``success`` and ``cost_nano``, each (n,), and ``rows``.
        """
        rows: StepRows = columns["rows"]
        found = {**{name: columns[name] for name in _COLUMNS}, "numbers": rows.numbers, "words": rows.words}
        for name, values in found.items():
            self._columns[name].update(_as_bytes(values))
        return self

    def hex(self) -> str:
        """The fingerprint of all rows so far, as 64 hexadecimal digits."""
        whole = hashlib.sha256()
        for name, column in self._columns.items():
            whole.update(name.encode() + column.digest())
        return whole.hexdigest()


def _as_bytes(values: NDArray[Any]) -> bytes:
    if values.dtype.kind == "U":  # the width of an array of text is that of its longest, so it may not count
        return b"".join(len(text).to_bytes(4, "little") + text.encode() for text in values.ravel().tolist())
    return np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes()
