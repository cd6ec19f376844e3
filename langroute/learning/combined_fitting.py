"""Fitting the combined score: a hierarchical logistic regression on the signals of answers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from langroute.acceptance.combined import FEATURES, CombinedScore, design, features_of
from langroute.errors import OutcomesInvalid
from langroute.learning.answer_rows import AnswerRows
from langroute.learning.logistic import fit_logistic

Floats = NDArray[np.float64]

_MOST_ROWS = 50_000
# What every answer has in common is shrunk little, what a cell adds of its own more; intercepts least.
_SHARED, _OWN, _INTERCEPT = 1.0, 4.0, 0.05


def fit_combined(rows: AnswerRows) -> CombinedScore:
    """The combined score of some answers; of at most 50,000 of them, evenly spread over the rows.

    Raises:
        OutcomesInvalid: all answers are right, or all are wrong.
    """
    if rows.wrong.all() or not rows.wrong.any():
        told = "wrong" if rows.wrong.all() else "right"
        message = f"all {len(rows)} answers are {told}: nothing tells them apart; use score='token_certainty'"
        raise OutcomesInvalid(message, field="success")
    if len(rows) > _MOST_ROWS:
        rows = rows.rows(np.linspace(0, len(rows) - 1, _MOST_ROWS).astype(np.int64))
    features = features_of(rows.answers)
    known = ~np.isnan(features)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, features, 0.0).sum(axis=0) / count
    spread = np.sqrt((np.where(known, features - mean, 0.0) ** 2).sum(axis=0) / count)
    scale = np.where(spread > 1e-9, spread, 1.0)
    cells = sorted(set(zip(rows.answers.kind, rows.answers.arm, strict=True)))
    weights = _cell_weights(design(features, mean, scale), rows, cells)
    return CombinedScore(
        mean=mean,
        scale=scale,
        needed=np.asarray(known.all(axis=0), dtype=np.bool_),
        shared=weights[0],
        cells=cells,
        own=weights[1:],
    )


def _cell_weights(shared: Floats, rows: AnswerRows, cells: Sequence[tuple[str, str]]) -> Floats:
    """(1 + cells, 17) the shared weights, then what each cell adds."""
    place = {cell: number for number, cell in enumerate(cells)}
    of_row = np.array([place[cell] for cell in zip(rows.answers.kind, rows.answers.arm, strict=True)])
    wide = np.hstack([shared, *[shared * (of_row == number)[:, None] for number in range(len(cells))]])
    width = 1 + 2 * len(FEATURES)
    penalties = np.full((1 + len(cells), width), _OWN)
    penalties[0] = _SHARED
    penalties[:, 0] = _INTERCEPT
    return fit_logistic(wide, (~rows.wrong).astype(np.float64), penalties.ravel()).reshape(-1, width)
