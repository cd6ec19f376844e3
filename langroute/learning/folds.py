"""Folds that never score what selected: whole tasks, or whole groups, are in one fold only."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid

Fitted = TypeVar("Fitted")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Folds:
    """Which fold each row is scored in. Iterating gives (rows to fit on, rows to score), both sorted row numbers.

    Attributes:
        fold: (n,) the fold of each row, from 0.
        count: how many folds there are.
    """

    fold: NDArray[np.int64]
    count: int

    def __iter__(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        for number in range(self.count):
            yield np.flatnonzero(self.fold != number), np.flatnonzero(self.fold == number)


def folds_by(
    labels: Sequence[str] | Sequence[int] | NDArray[np.str_] | NDArray[np.int64], *, count: int, seed: int = 0
) -> Folds:
    """Folds in which rows with one label stay together: labels are tasks, groups or runs.

    The labels with most rows are dealt first, each to the fold that is smallest so far; equals in a random order of
    ``seed``. With as many folds as labels, every label is left out once.

    Raises:
        OutcomesInvalid: fewer than two folds, or fewer labels than folds.
    """
    names, label, sizes = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    if not 2 <= count <= len(names):
        message = f"must be from 2 to the number of different labels ({len(names)}), not {count}"
        raise OutcomesInvalid(message, field="count")
    mixed = np.random.default_rng(seed).permutation(len(names))
    filled = np.zeros(count, dtype=np.int64)
    of_label = np.empty(len(names), dtype=np.int64)
    for name in mixed[np.argsort(-sizes[mixed], kind="stable")].tolist():
        of_label[name] = int(filled.argmin())
        filled[of_label[name]] += sizes[name]
    return Folds(fold=of_label[label], count=count)


def out_of_fold(
    folds: Folds,
    fit: Callable[[NDArray[np.int64]], Fitted],
    predict: Callable[[Fitted, NDArray[np.int64]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """What is predicted for every row by a model that was fitted, and selected, without its fold.

    Args:
        folds: which rows are scored together.
        fit: from the row numbers it may see to anything; all choosing belongs in here.
        predict: from that and the row numbers to score to one number for each, or one row of numbers.

    Returns:
        (n, ...) predictions in the order of the rows.

    Raises:
        OutcomesInvalid: a prediction is missing or not finite.
    """
    found: NDArray[np.float64] | None = None
    for seen, scored in folds:
        values = np.asarray(predict(fit(seen), scored), dtype=np.float64)
        if not values.ndim or len(values) != len(scored) or not np.isfinite(values).all():
            message = f"must be finite, one for each of {len(scored)} rows; got shape {values.shape}"
            raise OutcomesInvalid(message, field="predict")
        if found is None:
            found = np.empty((len(folds.fold), *values.shape[1:]))
        found[scored] = values
    if found is None:
        raise OutcomesInvalid("has no fold", field="folds")
    return found


def rank_within(scores: NDArray[np.float64], folds: Folds) -> NDArray[np.float64]:
    """Scores (n,) as their rank in their own fold, in (0, 1); equal scores share the mean of their ranks.

    A fold's mean prediction leans against its mean outcome, so scores of different folds cannot be compared; ranks can.
    """
    ranks = np.empty(len(scores))
    for _, rows in folds:
        _, label, sizes = np.unique(scores[rows], return_inverse=True, return_counts=True)
        ranks[rows] = (np.cumsum(sizes) - sizes / 2)[label] / max(len(rows), 1)
    return ranks
