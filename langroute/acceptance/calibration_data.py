"""Checks of what guarantees are computed from: each says which argument is wrong, why, and what to do."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from langroute.errors import CalibrationError

Floats = NDArray[np.float64]


def column(values: ArrayLike, *, field: str) -> Floats:
    """Numbers of shape (n,), n >= 1, none of them NaN or infinite."""
    return _numbers(values, field=field, dimensions=1)


def successes(values: ArrayLike, *, field: str, dimensions: int) -> Floats:
    """Successes from 0 to 1, of one or two dimensions, none of them empty."""
    found = _numbers(values, field=field, dimensions=dimensions)
    if found.min() < 0 or found.max() > 1:
        raise CalibrationError(f"must lie in [0, 1], got {found.min():g} to {found.max():g}.", field=field)
    return found


def scores_and_failures(scores: ArrayLike, wrong: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """One score and one verdict per answer, of the same length."""
    confidence = column(scores, field="scores")
    verdicts = column(wrong, field="wrong")
    same_length(verdicts, confidence, field="wrong", other="scores")
    if not np.isin(verdicts, (0.0, 1.0)).all():
        raise CalibrationError(
            "must be 0 or 1 (False or True); cut a graded quality at the point that counts as wrong.", field="wrong"
        )
    return confidence, verdicts.astype(bool)


def share(value: float, *, field: str, zero: bool = False) -> float:
    """A level or a probability strictly below 1 and strictly above 0, or 0 itself where that makes sense."""
    told = "in [0, 1)" if zero else "strictly between 0 and 1"
    if not isinstance(value, int | float | np.floating) or isinstance(value, bool):
        raise CalibrationError(f"must be a number {told}, got {value!r}.", field=field)
    if not (0 <= value < 1 if zero else 0 < value < 1):
        raise CalibrationError(f"must be {told}, got {value!r}.", field=field)
    return float(value)


def rising(values: ArrayLike, *, field: str) -> Floats:
    """Numbers in strictly rising order."""
    found = column(values, field=field)
    if (np.diff(found) <= 0).any():
        raise CalibrationError("must rise strictly: it is the order that the tests follow.", field=field)
    return found


def starts_within(starts: int, tests: int) -> int:
    """A number of starts from 1 to the number of tests."""
    if isinstance(starts, bool) or not isinstance(starts, int) or not 1 <= starts <= tests:
        raise CalibrationError(f"must be a whole number from 1 to {tests}, got {starts!r}.", field="starts")
    return starts


def same_length(values: Floats, others: Floats, *, field: str, other: str) -> None:
    """Row i of both is about the same thing, so there must be as many of each."""
    if len(values) != len(others):
        raise CalibrationError(f"has {len(values)} rows, {other} has {len(others)}: give one each.", field=field)


def one_of(value: str, names: Sequence[str], *, field: str) -> None:
    """A name among those that exist."""
    if value not in names:
        raise CalibrationError(f"must be one of {', '.join(names)}, got {value!r}.", field=field)


def _numbers(values: ArrayLike, *, field: str, dimensions: int) -> Floats:
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CalibrationError(f"must be numbers, got {type(values).__name__} ({error}).", field=field) from error
    if found.ndim != dimensions:
        raise CalibrationError(f"must have {dimensions} dimension(s), has shape {found.shape}.", field=field)
    if not found.size:
        raise CalibrationError("is empty: nothing can be said without calibration data.", field=field)
    if not np.isfinite(found).all():
        raise CalibrationError("holds NaN or infinity: drop those rows, or find out why they are there.", field=field)
    return found
