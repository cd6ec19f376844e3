"""What was certified, from what, and how sure it is; or that nothing was, and why."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from langroute.acceptance.calibration_data import column

Guarantee = Literal["marginal_risk", "missed_failures", "selective_risk"]

_BOUNDED: dict[str, str] = {
    "marginal_risk": "P(accepted and wrong)",
    "missed_failures": "P(accepted | wrong)",
    "selective_risk": "P(wrong | accepted)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdCertificate:
    """Which cheap answers may be accepted: those whose score is above the threshold.

    Attributes:
        guarantee: which of the three probabilities is bounded. They are not interchangeable.
        alpha: the bound.
        delta: the probability that calibration data mislead and the bound does not hold; None where the bound holds
            on average over calibration data (then, for the data at hand, it may be missed).
        n: the answers it was computed from.
        failures: how many of them were wrong.
        threshold: accept what scores above it; ``-inf`` accepts everything; None: nothing is certified, stay strong.
        thresholds: those tested, from the strictest on; empty where no test is made.
        p_values: one per tested threshold.
        why_nothing: why nothing is certified; empty where something is.
    """

    guarantee: Guarantee
    alpha: float
    delta: float | None
    n: int
    failures: int
    threshold: float | None
    thresholds: tuple[float, ...] = ()
    p_values: tuple[float, ...] = ()
    why_nothing: str = ""

    @property
    def certified(self) -> bool:
        """Whether anything may be accepted."""
        return self.threshold is not None

    def accepts(self, scores: ArrayLike) -> NDArray[np.bool_]:
        """Shape (k,): whether the answer of each of k scores may be accepted. All False where nothing is certified.

        Raises:
            CalibrationError: scores are not numbers of one dimension.
        """
        found = column(scores, field="scores")
        return np.zeros(len(found), dtype=bool) if self.threshold is None else found > self.threshold

    def told(self) -> str:
        """The certificate in one sentence, for a report or a log."""
        bound = f"{self.guarantee}: {_BOUNDED[self.guarantee]} <= {self.alpha:g}"
        if self.threshold is None:
            return f"{bound} is not certified, stay strong: {self.why_nothing}"
        sure = "on average over calibration data" if self.delta is None else f"with confidence {1 - self.delta:g}"
        return f"{bound} {sure} for scores above {self.threshold:g} (n = {self.n}, {self.failures} wrong)."


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaCertificate:
    """How cheap a router may be: the largest lambda whose loss of success against always-strong is certified.

    Attributes:
        epsilon: the largest loss of mean success that was allowed.
        delta: the probability that calibration data mislead and the loss is above epsilon all the same.
        n: the episodes it was computed from.
        lambda_: the cheapest certified member of the family; None: nothing is certified, stay with always-strong.
        lambdas: the family, in the order of testing.
        losses: mean loss per lambda on the calibration episodes; an observation, not a promise.
        p_values: one per lambda.
        test: the p-value that was used.
        starts: how many starts shared delta.
        why_nothing: why nothing is certified; empty where something is.
    """

    epsilon: float
    delta: float
    n: int
    lambda_: float | None
    lambdas: tuple[float, ...]
    losses: tuple[float, ...]
    p_values: tuple[float, ...]
    test: str
    starts: int
    why_nothing: str = ""

    @property
    def certified(self) -> bool:
        """Whether any lambda of the family may be used in place of always-strong."""
        return self.lambda_ is not None

    def told(self) -> str:
        """The certificate in one sentence, for a report or a log."""
        bound = f"mean loss of success against always-strong <= {self.epsilon:g} with confidence {1 - self.delta:g}"
        if self.lambda_ is None:
            return f"{bound} is not certified for any lambda, stay strong: {self.why_nothing}"
        return f"{bound} at lambda {self.lambda_:g} (n = {self.n}, {self.test})."
