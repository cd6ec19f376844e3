"""Logistic regression with a penalty of its own for every weight, by Newton's method."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MOST_STEPS = 100
_SMALL_ENOUGH = 1e-8


def fit_logistic(design: Floats, right: Floats, penalties: Floats) -> Floats:
    """(d,) the weights w that minimise log loss plus ``sum(penalties * w**2) / 2``. Deterministic.

    Steps are halved until the loss falls, so it converges also where the classes can be parted.

    Args:
        design: (n, d) numbers.
        right: (n,) 0 or 1.
        penalties: (d,) above 0, so that the minimum exists and is one.
    """
    weights = np.zeros(design.shape[1])
    loss = _loss(design, right, penalties, weights)
    for _ in range(_MOST_STEPS):
        chances = _sigmoid(design @ weights)
        slope = design.T @ (chances - right) + penalties * weights
        bend = (design * (chances * (1.0 - chances))[:, None]).T @ design
        step = np.linalg.solve(bend + np.diag(penalties), slope)
        size = 1.0
        while size > _SMALL_ENOUGH and _loss(design, right, penalties, weights - size * step) > loss:
            size /= 2
        weights = weights - size * step
        before, loss = loss, _loss(design, right, penalties, weights)
        if before - loss <= _SMALL_ENOUGH * (1.0 + abs(loss)):
            break
    return weights


def _loss(design: Floats, right: Floats, penalties: Floats, weights: Floats) -> float:
    logits = design @ weights
    return float((np.logaddexp(0.0, logits) - right * logits).sum() + (penalties * weights**2).sum() / 2)


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -500, 500))), dtype=np.float64)
