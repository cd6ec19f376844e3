"""Columns of a table of outcomes as checked arrays: each bad value is named with its column and its row."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid
from langroute.estimators.columns import DEFAULTS, NUMBERS, WORDS
from langroute.money import NANO_PER_DOLLAR

Columns = Mapping[str, Any]

_MOST_DOLLARS = 9e9
# What tables of tasks call a column of steps.
_ALSO = {"domain": "group"}


def required(columns: Columns, *names: str) -> Any:
    """The first of these columns that a table has.

    Raises:
        OutcomesInvalid: it has none of them.
    """
    for name in names:
        if name in columns:
            return columns[name]
    told = ", ".join(sorted(columns)) or "none"
    raise OutcomesInvalid(f"is missing; the columns are {told}", field=" or ".join(names))


def texts(values: Any, field: str, size: int, *, empty: bool = False) -> NDArray[np.str_]:
    """A column of text.

    Args:
        values: as it stands in the table; None is empty.
        field: its name.
        size: rows of the table.
        empty: whether values may be empty.

    Raises:
        OutcomesInvalid: it has another length, or a value is no text, or empty where it must not be.
    """
    found = [value if value is not None else "" for value in _listed(values)]
    _check_length(len(found), field, size)
    for row, value in enumerate(found):
        if not isinstance(value, str):
            raise OutcomesInvalid(f"row {row} must be text, not {value!r}", field=field)
    column = np.array(found, dtype=np.str_)
    if not empty:
        refuse(column == "", field, column, "must not be empty")
    return column


def groups(columns: Columns, size: int) -> NDArray[np.str_]:
    """The column ``group``; ``all`` where it says nothing, as in the tables of own episodes."""
    if "group" not in columns:
        return np.full(size, "all")
    found = texts(columns["group"], "group", size, empty=True)
    return np.where(found == "", "all", found)


def asked(columns: Columns, size: int) -> tuple[str, ...]:
    """The column ``text``: kept apart from arrays, in which each text would take the room of the longest."""
    if "text" not in columns:
        return ("",) * size
    found = tuple([value if value is not None else "" for value in _listed(columns["text"])])
    _check_length(len(found), "text", size)
    for row, value in enumerate(found):
        if not isinstance(value, str):
            raise OutcomesInvalid(f"row {row} must be text, not {value!r}", field="text")
    return found


def reals(values: Any, field: str, size: int, *, gaps: bool = False) -> NDArray[np.float64]:
    """A column of numbers; None and NaN are gaps.

    Raises:
        OutcomesInvalid: it has another length, or a value is no number, infinite, or a gap where none is allowed.
    """
    try:
        column = np.array(_listed(values), dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as exc:
        raise OutcomesInvalid(f"must hold numbers ({exc})", field=field) from exc
    if column.ndim != 1:
        raise OutcomesInvalid("must hold one number a row", field=field)
    _check_length(len(column), field, size)
    refuse(np.isinf(column), field, column, "must be finite")
    if not gaps:
        refuse(np.isnan(column), field, column, "must be a number; leave the row out where it is unknown")
    return column


def successes(columns: Columns, size: int) -> NDArray[np.float64]:
    """The column ``success``, each value in [0, 1]."""
    column = reals(required(columns, "success"), "success", size)
    refuse((column < 0) | (column > 1), "success", column, "must be in [0, 1]")
    return column


def costs(columns: Columns, size: int) -> NDArray[np.float64]:
    """Nano-dollars, from ``cost_nano`` or ``cost_usd``, NaN where unknown; floats, as they are not booked."""
    if "cost_nano" in columns:
        column, field, scale = reals(columns["cost_nano"], "cost_nano", size), "cost_nano", 1.0
    elif "cost_usd" in columns:
        field, scale = "cost_usd", float(NANO_PER_DOLLAR)
        column = reals(columns["cost_usd"], field, size, gaps=True)
    else:
        return np.full(size, math.nan)
    refuse(column < 0, field, column, "must not be negative")
    refuse(column * scale > _MOST_DOLLARS * NANO_PER_DOLLAR, field, column, "is beyond any price")
    return column * scale


def counts(columns: Columns, field: str, size: int) -> NDArray[np.float64]:
    """A column of numbers that are not negative; NaN where unknown, all NaN where the table lacks it."""
    if field not in columns:
        return np.full(size, math.nan)
    column = reals(columns[field], field, size, gaps=True)
    refuse(column < 0, field, column, "must not be negative")
    return column


def numbers(columns: Columns, size: int) -> NDArray[np.float64]:
    """(size, len(NUMBERS)) what is known of the steps; columns that the table lacks have their defaults.

    ``input_tokens`` of a row that is no step, so that has no ``kind``, are what the whole attempt was billed in the
    end: nobody knew them before, and they would tell how it went.
    """
    found = np.empty((size, len(NUMBERS)))
    for place, name in enumerate(NUMBERS):
        if name in columns:
            found[:, place] = reals(columns[name], name, size, gaps=True)
        else:
            found[:, place] = DEFAULTS[name]
    kind = texts(columns["kind"], "kind", size, empty=True) if "kind" in columns else np.full(size, "")
    found[kind == "", NUMBERS.index("input_tokens")] = DEFAULTS["input_tokens"]
    return found


def encoded(columns: Columns, size: int) -> NDArray[np.float64]:
    """(size, d) the vectors of ``encoded``, zeros where unknown; (size, 0) where the table lacks it."""
    if "encoded" not in columns:
        return np.zeros((size, 0))
    try:
        found = np.array(_listed(columns["encoded"]), dtype=np.float64).reshape(size, -1)
    except (TypeError, ValueError) as exc:
        raise OutcomesInvalid(f"must hold vectors of one length ({exc})", field="encoded") from exc
    filled: NDArray[np.float64] = np.nan_to_num(found, posinf=0.0, neginf=0.0)
    return filled


def words(columns: Columns, size: int) -> NDArray[np.str_]:
    """(size, len(WORDS)) names of the steps; empty where the table lacks the column."""
    found = [
        texts(columns[known], known, size, empty=True) if known in columns else np.full(size, "", dtype="<U1")
        for known in (name if name in columns else _ALSO.get(name, name) for name in WORDS)
    ]
    return np.stack(found, axis=1)


def refuse(bad: NDArray[np.bool_], field: str, column: NDArray[Any], message: str) -> None:
    """Nothing, where no row is bad.

    Raises:
        OutcomesInvalid: names the first bad row, counted from 0, and its value.
    """
    if bad.any():
        row = int(bad.argmax())
        raise OutcomesInvalid(f"row {row} {message}, not {column[row]}", field=field)


def _listed(values: Any) -> Sequence[Any] | NDArray[Any]:
    if isinstance(values, np.ndarray):
        return values.tolist() if values.dtype.kind in "OUT" else values
    return values if isinstance(values, list) else list(values)


def _check_length(found: int, field: str, size: int) -> None:
    if found != size:
        raise OutcomesInvalid(f"has {found} rows where task has {size}", field=field)
