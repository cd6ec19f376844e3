"""Conformal sets of options: which answers a model cannot rule out (CP-Router, 2505.19970). Pure arithmetic.

Where an answer is one of a few options (``ok`` or ``wrong``, A to D), the probabilities of the options say which are
still possible: those at or above ``1 - q``, where q is a conformal quantile of ``1 - p(the right option)`` over
calibration answers. The set then holds the right option with probability at least 1 - alpha. That score is a choice
made here; which one the paper took was not available.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from langroute.acceptance.calibration_data import Floats, column, rising, same_length, share
from langroute.errors import CalibrationError

WEIGHT_OF_SIZES = 3.0
"""beta of the paper's ``beta * H_full + H_binary``."""

ALPHAS: tuple[float, ...] = tuple([round(0.01 * step, 2) for step in range(1, 51)])
"""Levels that are tried; the paper's own grid was not available, so this one is a choice made here."""

_ROUNDING = 1e-9


def option_rows(options: Sequence[Sequence[float]]) -> Floats:
    """(n, k) probabilities of the options of n answers, best first, each row made to add up to 1, short rows with 0.

    Raises:
        CalibrationError: there is no answer, one has no option, or a probability is not in [0, 1].
    """
    if not len(options) or min(map(len, options)) < 1:
        raise CalibrationError("needs answers with one option or more each (top_logprobs at the door)", field="options")
    rows = np.zeros((len(options), max(map(len, options))))
    for row, found in zip(rows, options, strict=True):
        row[: len(found)] = sorted(map(float, found), reverse=True)
    if not np.isfinite(rows).all() or rows.min() < 0 or rows.max() > 1 or (rows[:, 0] <= 0).any():
        raise CalibrationError("must be probabilities in [0, 1], at least one of each answer above 0", field="options")
    return np.asarray(rows / rows.sum(axis=1, keepdims=True), dtype=np.float64)


def right_options(rows: Floats, right: ArrayLike) -> Floats:
    """(n,) probability of the right option, from whether the likeliest one was right.

    Where it was not, the right one is known of two options only: it is the other. Of more it is taken to have had no
    probability at all, which makes sets larger, never smaller, than they have to be.

    Raises:
        CalibrationError: not one verdict per answer.
    """
    verdicts = column(right, field="right")
    same_length(verdicts, rows[:, 0], field="right", other="options")
    other = rows[:, 1] if rows.shape[1] == 2 else np.zeros(len(rows))
    return np.where(verdicts >= 0.5, rows[:, 0], other)


def conformal_quantile(right_probabilities: ArrayLike, *, alpha: float) -> float:
    """The q such that the options at or above ``1 - q`` hold the right one with probability at least 1 - alpha.

    The (n + 1)(1 - alpha)-th smallest of ``1 - p(right option)``, over calibration answers that are exchangeable with
    the next; infinite, so that every option is kept, where n is too small for alpha.

    Raises:
        CalibrationError: no numbers, or alpha is not in (0, 1).
    """
    scores = np.sort(1.0 - column(right_probabilities, field="right_probabilities"))
    place = math.ceil((len(scores) + 1) * (1 - share(alpha, field="alpha")) - _ROUNDING)
    return float(scores[place - 1]) if place <= len(scores) else math.inf


def set_sizes(rows: Floats, quantile: float) -> NDArray[np.int64]:
    """(n,) how many options of each answer are at or above ``1 - quantile``; 0 where none is."""
    return np.asarray((rows >= 1.0 - quantile - _ROUNDING).sum(axis=1), dtype=np.int64)


def full_and_binary_entropy(sizes: NDArray[np.int64]) -> float:
    """``3 * H_full + H_binary`` in nats: the entropy of the set sizes, and that of "one option or not"."""
    counts = np.bincount(sizes)
    return WEIGHT_OF_SIZES * _entropy(counts) + _entropy(np.bincount((sizes == 1).astype(int)))


def _entropy(counts: NDArray[np.intp]) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def choose_alpha(rows: Floats, right_probabilities: ArrayLike, *, alphas: ArrayLike = ALPHAS) -> float:
    """alpha* of the paper: where the set sizes of the calibration answers tell most, ``argmax 3 H_full + H_binary``.

    The most cautious of equals. Calibration answers only, never those to be judged; since alpha* and the quantile come
    from the same answers, the coverage of 1 - alpha* is nearly, not exactly, kept.

    Raises:
        CalibrationError: alphas do not rise within (0, 1).
    """
    levels = rising(alphas, field="alphas")
    told = [
        full_and_binary_entropy(set_sizes(rows, conformal_quantile(right_probabilities, alpha=float(level))))
        for level in levels
    ]
    return float(levels[int(np.argmax(np.round(told, 12)))])
