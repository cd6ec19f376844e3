"""Strong spot checks: how often a cheap arm's accepted answers differ from a strong arm's, with honest bounds. Pure.

A share of accepted answers is answered again by a strong arm. Where the two differ, one of them is wrong, so the
disagreement watches the quality of what nobody grades, and tells when a calibration no longer fits.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from langroute.acceptance.calibration_data import share
from langroute.acceptance.p_values import binomial_tail

_GAMBLERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotCheck:
    """One answer that was answered again.

    Attributes:
        kind: of the step.
        arm: whose answer was accepted.
        agreed: whether the strong arm said the same.
        at: epoch seconds.
    """

    kind: str
    arm: str
    agreed: bool
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """How often the checked answers of one kind and arm differ from the strong arm's.

    Attributes:
        kind: of the steps.
        arm: who answered.
        n: checks.
        differing: how many differed.
        low: lower end of the exact interval.
        high: upper end; the true rate is above it with at most half the probability left by the level.
    """

    kind: str
    arm: str
    n: int
    differing: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        """The share that differed."""
        return self.differing / self.n


def disagreement(checks: Iterable[SpotCheck], *, level: float = 0.95) -> tuple[Disagreement, ...]:
    """The rate per (kind, arm), in alphabetical order, with the exact (Clopper-Pearson) interval of a level.

    **Assumed.** Checks are drawn at random among accepted answers, one per task, and the rate does not change.
    **Not guaranteed.** Who is right where two answers differ; the strong arm may be the wrong one. The interval is for
    one look; who looks after every check uses `drift_p_value`.

    Raises:
        CalibrationError: the level is not in (0, 1).
    """
    tail = (1.0 - share(level, field="level")) / 2
    counts: dict[tuple[str, str], list[int]] = {}
    for check in checks:
        found = counts.setdefault((check.kind, check.arm), [0, 0])
        found[0] += 1
        found[1] += not check.agreed
    return tuple(
        Disagreement(kind=kind, arm=arm, n=n, differing=k, low=1.0 - _upper(n - k, n, tail), high=_upper(k, n, tail))
        for (kind, arm), (n, k) in sorted(counts.items())
    )


def _upper(count: int, n: int, tail: float) -> float:
    """The largest rate under which ``count`` of n or fewer has still the probability ``tail``, by bisection."""
    if count >= n:
        return 1.0
    low, high = count / n, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if middle <= 0.0 or (middle < 1.0 and binomial_tail(count, n, middle) > tail):
            low = middle
        else:
            high = middle
    return high


def drift_p_value(checks: Iterable[SpotCheck], *, rate: float) -> float:
    """A p-value for "the disagreement is at most ``rate``", which stays valid however often one looks.

    The checks of one cell, in the order of time, are bet on by gamblers who each believe in one higher rate; their
    mean wealth grows on average only where the hypothesis is false. By Ville's inequality it ever reaches 1/p with
    probability at most p if it is true, so an alarm may be raised at the first moment at which the p-value is low
    enough. 1 without checks.

    Args:
        checks: of one kind and arm.
        rate: what was promised, or seen in calibration, in (0, 1).

    Raises:
        CalibrationError: the rate is not in (0, 1).
    """
    promised = share(rate, field="rate")
    differed = [not check.agreed for check in sorted(checks, key=lambda check: check.at)]
    if not differed:
        return 1.0
    believed = promised + (1.0 - promised) * (np.arange(_GAMBLERS) + 0.5) / _GAMBLERS
    won, lost = np.log(believed / promised), np.log((1.0 - believed) / (1.0 - promised))
    wealth = np.cumsum(np.where(np.array(differed)[:, None], won, lost), axis=0)
    highest = float((np.logaddexp.reduce(wealth, axis=1) - np.log(_GAMBLERS)).max())
    return min(1.0, math.exp(-highest))
