"""Cascade routing learned from outcomes, and walked over them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid
from langroute.policies.cascade import CascadePolicy
from langroute.policies.supermodels import SupermodelRule

Floats = NDArray[np.float64]


def residual_covariance(before: Floats, after: Floats) -> Floats:
    """(k, k) covariance of post-hoc minus ex-ante qualities of (n, k) answers.

    Raises:
        OutcomesInvalid: fewer than two rows, or shapes that differ.
    """
    if before.shape != after.shape or before.ndim != 2 or len(before) < 2:
        raise OutcomesInvalid(f"and after need two rows or more of one shape, not {before.shape}", field="before")
    found: Floats = np.atleast_2d(np.cov(after - before, rowvar=False))
    return found


def walk(
    rule: SupermodelRule, before: Floats, after: Floats, cost: Floats, *, price: float
) -> tuple[NDArray[np.int64], Floats]:
    """What a rule does on n tasks whose post-hoc qualities are known: the arm whose answer is best, and what was paid.

    Args:
        rule: of cascade routing.
        before: (n, k) ex-ante qualities.
        after: (n, k) post-hoc qualities; one is looked at only after its arm has run.
        cost: (n, k) dollars.
        price: of a dollar.

    Returns:
        (n,) numbers of arms, the first best by post-hoc quality of those that ran, and (n,) dollars.
    """
    chosen, paid = np.zeros(len(before), dtype=np.int64), np.zeros(len(before))
    everything = range(before.shape[1])
    for task in range(len(before)):
        seen: dict[int, float] = {}
        while True:
            arm = rule.next(before[task], cost[task], seen, price=price, allowed=everything)
            if arm is None or len(seen) == rule.depth:
                break
            seen[arm] = float(after[task, arm])
            paid[task] += cost[task, arm]
        chosen[task] = max(seen, key=lambda each: seen[each])
    return chosen, paid


def fit_cascade(
    arms: Sequence[str],
    before: Floats,
    after: Floats,
    *,
    depth: int = 3,
    dearer: Sequence[float] = (1.0,),
    confidences: Sequence[float] = (),
    qualities: Sequence[float] = (),
) -> CascadePolicy:
    """A cascade policy with the covariance of these residuals; see `cascade_learning` for all of it from a table.

    Args:
        arms: the k names.
        before: (n, k) ex-ante qualities, estimated out of fold.
        after: (n, k) post-hoc qualities of the same tasks.
        depth: most arms to run.
        dearer: see `SupermodelRule`.
        confidences: see `CascadePolicy`.
        qualities: see `CascadePolicy`.

    Raises:
        OutcomesInvalid: as `residual_covariance`, or names that do not fit.
    """
    covariance = residual_covariance(before, after)
    if len(arms) != len(covariance):
        raise OutcomesInvalid(f"are {len(arms)} for {len(covariance)} columns", field="arms")
    table = {one: dict(zip(arms, row, strict=True)) for one, row in zip(arms, covariance.tolist(), strict=True)}
    return CascadePolicy(table, confidences=confidences, qualities=qualities, depth=depth, dearer=dearer)
