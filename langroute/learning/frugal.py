"""FrugalGPT's chain (2305.05176): thresholds on a score of the answer, searched on quantiles under a mean cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrugalChain:
    """Arms in an order; an answer is passed on when its score reaches the threshold of its place, the last one always.

    Attributes:
        order: numbers of the arms.
        thresholds: one for each arm but the last.
    """

    order: tuple[int, ...]
    thresholds: tuple[float, ...]

    def walk(self, scores: Floats, success: Floats, cost: Floats) -> tuple[Floats, Floats]:
        """(n,) success and cost on tasks whose (n, k) scores, successes and costs are known."""
        reach = np.ones(len(scores), dtype=bool)
        achieved, paid = np.zeros(len(scores)), np.zeros(len(scores))
        for arm, threshold in zip(self.order, (*self.thresholds, -np.inf), strict=True):
            paid += reach * cost[:, arm]
            passed = reach & (scores[:, arm] >= threshold)
            achieved += passed * success[:, arm]
            reach = reach & ~passed
        return achieved, paid


def fit_frugal(
    scores: Floats, success: Floats, cost: Floats, order: Sequence[int], *, most_cost: float, levels: int = 10
) -> FrugalChain:
    """The thresholds of most mean success whose mean cost is at most ``most_cost``.

    Args:
        scores: (n, k) what is known of each answer once it is there.
        success: (n, k).
        cost: (n, k), in the unit of ``most_cost``.
        order: the arms to try.
        most_cost: mean cost of a task.
        levels: quantiles of its scores that are tried for each arm, beside always and never passing on.

    Raises:
        OutcomesInvalid: no thresholds cost so little.
    """
    places = [_levels(scores[:, arm], levels) for arm in order[:-1]]
    best: tuple[float, float, FrugalChain] | None = None
    for thresholds in product(*places):
        chain = FrugalChain(order=tuple(order), thresholds=thresholds)
        achieved, paid = (float(values.mean()) for values in chain.walk(scores, success, cost))
        if paid <= most_cost and (best is None or (achieved, -paid) > best[:2]):
            best = (achieved, -paid, chain)
    if best is None:
        raise OutcomesInvalid(f"is {most_cost:g}, less than the cheapest chain costs", field="most_cost")
    return best[2]


def _levels(scores: Floats, levels: int) -> list[float]:
    quantiles = np.quantile(scores, np.linspace(0, 1, levels + 2)[1:-1])
    return sorted({-np.inf, np.inf, *quantiles.tolist()})
