"""Isotonic calibration: what a model says, put in order of how often it is right, in a few knots."""

import numpy as np
from numpy.typing import NDArray

from langroute.estimators.calibration import MonotoneCalibration

_BINS = 512
_LEAST_SHARE = 0.01
_LEAST_ROWS = 20.0


def fit_calibration(
    said: NDArray[np.float64], success: NDArray[np.float64], weight: NDArray[np.float64]
) -> MonotoneCalibration:
    """The isotonic regression of success on what was said, through the middle of each of its steps.

    Straight lines through the middles (centred isotonic regression) keep the order of arms that a step would make
    equal. A step stands on at least one hundredth of the rows, and on twenty, so that a few rows at an end promise
    neither success nor failure.

    Args:
        said: (n,) probabilities, predicted out of fold.
        success: (n,) what happened, in [0, 1].
        weight: (n,) what each row counts, mean about 1.
    """
    means, trues, weights = _binned(said, success, weight)
    least = max(_LEAST_ROWS, _LEAST_SHARE * float(weight.sum()))
    steps = _pooled(means, trues, weights, least=min(least, float(weight.sum()) / 2))
    places = np.array([step[0] for step in steps])
    heights = np.clip(np.array([step[1] for step in steps]), 0.0, 1.0)
    rising = np.concatenate([[True], np.diff(places) > 0])
    return MonotoneCalibration(places[rising], np.maximum.accumulate(heights[rising]))


def _binned(
    said: NDArray[np.float64], success: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """At most 512 bins of equal number in the order of what was said: their means and weights."""
    order = np.argsort(said, kind="stable")
    parts = np.array_split(order, min(_BINS, len(order)))
    weights = np.array([weight[part].sum() for part in parts])
    means = np.array([np.average(said[part], weights=weight[part]) for part in parts])
    trues = np.array([np.average(success[part], weights=weight[part]) for part in parts])
    return means, trues, weights


def _pooled(
    means: NDArray[np.float64], trues: NDArray[np.float64], weights: NDArray[np.float64], *, least: float
) -> list[tuple[float, float, float]]:
    """Neighbours that fall, or stand on too little, become one: (place, height, weight) by step."""
    steps: list[tuple[float, float, float]] = []
    for step in zip(means.tolist(), trues.tolist(), weights.tolist(), strict=True):
        steps.append(step)
        while len(steps) > 1 and (steps[-2][1] >= steps[-1][1] or steps[-2][2] < least):
            steps.append(_merged(steps.pop(), steps.pop()))
    while len(steps) > 1 and steps[-1][2] < least:
        steps.append(_merged(steps.pop(), steps.pop()))
    return steps


def _merged(one: tuple[float, float, float], other: tuple[float, float, float]) -> tuple[float, float, float]:
    weight = one[2] + other[2]
    place, height = ((one[at] * one[2] + other[at] * other[2]) / weight for at in (0, 1))
    return place, height, weight
