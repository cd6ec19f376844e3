"""Caution about arms: means shrunk towards what their price lets expect, and gains within noise taken for none."""

import numpy as np
from numpy.typing import NDArray

from langroute.learning.curves import upper_hull
from langroute.learning.tallies import Tallies

Floats = NDArray[np.float64]

_FEWEST_SHARED = 5


def shrunk_success(tallies: Tallies, dollars: Floats) -> Floats:
    """(k,) success of arms, drawn towards a line in the logarithm of their price (empirical Bayes; ours).

    How far is what the tasks say: arms that scatter around the line no more than luck would make them are put on it.

    Args:
        tallies: outcomes.
        dollars: (k,) mean cost of an attempt.
    """
    mean, error = _means(tallies)
    line = np.stack([np.ones(len(mean)), np.log(np.maximum(dollars, 1e-12))], axis=1)
    if len(mean) <= line.shape[1]:
        return mean
    expected: Floats = line @ np.linalg.lstsq(line, mean, rcond=None)[0]
    left = mean - expected
    spread = max(0.0, float((left**2).sum() / (len(mean) - line.shape[1]) - error.mean()))
    found: Floats = np.clip(expected + left * spread / np.maximum(spread + error, 1e-12), 0.0, 1.0)
    return found


def cautious_success(tallies: Tallies, dollars: Floats, *, caution: float) -> Floats:
    """(k,) shrunk success, where a dearer arm counts no more than a cheaper one unless its gain is beyond noise.

    Along the hull of single arms, from the cheapest: an arm is kept if its gain over the last one kept is at least
    ``caution`` standard errors, by tasks that both tried. Arms that are dearer than a kept one, and not kept
    themselves, are believed to be as good as it at most; so they are taken only where they are expected to cost less.

    Args:
        tallies: outcomes.
        dollars: (k,) mean cost of an attempt.
        caution: in standard errors; 0 leaves shrunk means as they are.
    """
    found = shrunk_success(tallies, dollars)
    if not caution > 0:
        return found
    hull = upper_hull(dollars, found)
    arms = [int(np.flatnonzero((dollars == c) & (found == q))[0]) for c, q in zip(hull.cost, hull.quality, strict=True)]
    kept = arms[:1]
    for arm in arms[1:]:
        gain, error = _gain(tallies, kept[-1], arm)
        if gain > 0 and gain >= caution * error:
            kept.append(arm)
    ceiling = np.array([max((found[arm] for arm in kept if dollars[arm] <= dollar), default=1.0) for dollar in dollars])
    wary: Floats = np.minimum(found, ceiling)
    return wary


def _means(tallies: Tallies) -> tuple[Floats, Floats]:
    """Each arm's mean success over its tasks, and the variance of that beside the other arms on the same tasks."""
    rate, tried = tallies.rate, tallies.tries > 0
    count = np.maximum(tried.sum(axis=0), 1)
    filled = np.where(tried, rate, 0.0)
    mean = filled.sum(axis=0) / count
    usual = np.where(tried, filled - mean, 0.0).sum(axis=1) / np.maximum(tried.sum(axis=1), 1)
    left = np.where(tried, filled - mean - usual[:, None], 0.0)
    return mean, (left**2).sum(axis=0) / count**2


def _gain(tallies: Tallies, low: int, high: int) -> tuple[float, float]:
    """How much more one arm achieves than another, and the standard error: paired where enough tasks are shared."""
    rate = tallies.rate[:, [low, high]]
    shared = ~np.isnan(rate).any(axis=1)
    if shared.sum() >= _FEWEST_SHARED:
        gains = rate[shared, 1] - rate[shared, 0]
        return float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains)))
    known = [rate[~np.isnan(rate[:, at]), at] for at in range(2)]
    variance = sum(float(values.var()) / len(values) for values in known)
    return float(known[1].mean() - known[0].mean()), variance**0.5
