"""RouteLLM's measures of a choice between two arms, over the share of calls that go to the strong one (2406.18665).

PGR (performance gap recovered) is (quality - weak) / (strong - weak). APGR averages it over the share of strong calls,
and CPT(x) is the share needed for PGR x. The paper averages over ten shares; here it is the trapezoid over every
threshold, and CPT is read off by straight lines. That equal scores count as a random order among them is ours: a
constant score so has APGR exactly .5.
"""

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid
from langroute.learning.curves import Curve, area


def strong_call_curve(scores: NDArray[np.float64], weak: NDArray[np.float64], strong: NDArray[np.float64]) -> Curve:
    """Quality over the share of strong calls, in [0, 1], when tasks with the highest scores go to the strong arm.

    Args:
        scores: (n,) what the strong arm is expected to gain; only the order counts.
        weak: (n,) success of the weak arm.
        strong: (n,) success of the strong arm.

    Raises:
        OutcomesInvalid: lengths differ, there is no task, or a score is NaN.
    """
    if not scores.size or scores.ndim != 1 or scores.shape != weak.shape or scores.shape != strong.shape:
        message = f"must be one number for each task, not {scores.shape}, {weak.shape}, {strong.shape}"
        raise OutcomesInvalid(message, field="scores")
    if np.isnan(scores).any():
        raise OutcomesInvalid(f"has {int(np.isnan(scores).sum())} NaN", field="scores")
    order = np.argsort(-scores, kind="stable")
    gained = np.concatenate([[0.0], np.cumsum((strong - weak)[order])])
    ranked = scores[order]
    shown = np.concatenate([[True], ranked[1:] != ranked[:-1], [True]])
    calls = np.flatnonzero(shown)
    return Curve(cost=calls / len(scores), quality=weak.mean() + gained[shown] / len(scores))


def pgr(quality: float, *, weak: float, strong: float) -> float:
    """Performance gap recovered: 0 is the weak arm, 1 the strong one; it may lie outside (2406.18665).

    Raises:
        OutcomesInvalid: the strong arm is not better, so there is no gap to recover.
    """
    if not strong > weak:
        raise OutcomesInvalid(f"strong ({strong:.4g}) is not better than weak ({weak:.4g})", field="strong")
    return (quality - weak) / (strong - weak)


def apgr(curve: Curve) -> float:
    """Average PGR over the share of strong calls from 0 to 1, by the trapezoid rule (2406.18665).

    Args:
        curve: of `strong_call_curve`; its ends are always-weak and always-strong.

    Raises:
        OutcomesInvalid: the curve does not go from 0 to 1, or the strong arm is not better.
    """
    weak, strong = _ends(curve)
    return pgr(area(curve.cost, curve.quality), weak=weak, strong=strong)


def cpt(curve: Curve, share: float) -> float:
    """Call-performance threshold: the least share of strong calls with PGR ``share``, .5 for CPT50 (2406.18665).

    Raises:
        OutcomesInvalid: ``share`` is not in [0, 1], the curve does not go from 0 to 1, or the strong arm is not better.
    """
    if not 0 <= share <= 1:
        raise OutcomesInvalid(f"must be in [0, 1], not {share}", field="share")
    weak, strong = _ends(curve)
    needed = curve.cost_at(min(weak + share * (strong - weak), strong))
    return 1.0 if needed is None else needed


def _ends(curve: Curve) -> tuple[float, float]:
    if (curve.cost[0], curve.cost[-1]) != (0.0, 1.0):
        message = f"must go from a share of 0 to 1, not {curve.cost[0]:.4g} to {curve.cost[-1]:.4g}"
        raise OutcomesInvalid(message, field="curve")
    weak, strong = float(curve.quality[0]), float(curve.quality[-1])
    pgr(weak, weak=weak, strong=strong)  # refuses a pair without a gap
    return weak, strong
