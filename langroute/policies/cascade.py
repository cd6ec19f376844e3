"""CascadePolicy: cascade routing inside the flow, which goes round again when an answer is not good enough."""

from collections.abc import Mapping, Sequence

import numpy as np

from langroute.errors import ArtifactInvalid
from langroute.money import float_dollars
from langroute.parts import Parts
from langroute.policies.frontier import Scored, compose, worthwhile
from langroute.policies.supermodels import SupermodelRule
from langroute.quick import changed
from langroute.records import Estimate, Outcome, Record, RoutingDecision, Ruling, Step

LOW_QUALITY = "low_quality"
"""The defect of an answer that is worth improving on; its quality follows after a colon."""


class CascadePolicy:
    """Cascade routing (2410.10347): routes, cascades, or both, whichever is worth most at the price of a dollar.

    The ex-ante quality of an arm is its estimate's success. The post-hoc quality of an answer is read off its
    confidence by `quality`; `judge` rejects an answer whenever running on is worth more than its price, so the flow
    asks this policy again, which picks the next arm. Give the same object to the router as policy and as acceptance.

    As in the paper the best of all answers is passed on, by post-hoc quality: the flow asks `quality_of`. Where the
    price of success is set (``actions.value_of_success``), an arm that is not worth its price is never run.

    `langroute.learning.cascade_learning` fits the covariance, and the map from confidence to quality, on a table of
    outcomes. `langroute.learning.cascades.fit_cascade` fits the covariance alone; the map it is given.

    Args:
        covariance: of post-hoc minus ex-ante qualities, by arm names: ``{arm: {arm: value}}``; arms that are missing
            are taken as certain (variance 0).
        confidences: rising confidences at which the quality is known.
        qualities: the quality at each; straight lines between. Without confidences every answer that has no defect has
            its arm's ex-ante quality.
        depth: most arms to run for a step; 1 is routing.
        dearer: see `SupermodelRule`.
    """

    name = "cascade"
    version = "1"

    def __init__(
        self,
        covariance: Mapping[str, Mapping[str, float]],
        *,
        confidences: Sequence[float] = (),
        qualities: Sequence[float] = (),
        depth: int = 3,
        dearer: Sequence[float] = (1.0,),
    ) -> None:
        if len(confidences) != len(qualities) or list(confidences) != sorted(set(confidences)):
            raise ArtifactInvalid("cascade: confidences must rise, and qualities be one for each")
        self._covariance = {one: dict(others) for one, others in covariance.items()}
        self._confidences, self._qualities = tuple(confidences), tuple(qualities)
        self._depth, self._dearer = depth, tuple(dearer)
        self._rule(list(self._covariance))  # what is no covariance is found now, not at the first step

    def choose(self, step: Step, estimates: Sequence[Estimate], ruling: Ruling) -> RoutingDecision:
        """The decision over one estimate and one permit per arm, both in pool order."""
        price = ruling.price_of_dollar
        scored: list[Scored] = [
            (round(estimate.success - price * float_dollars(estimate.cost_nano), 9), estimate, permit)
            for estimate, permit in zip(estimates, ruling.permits, strict=True)
        ]
        arm = self._next(estimates, ruling, self._seen(step, estimates))
        if arm is None:
            scored = [
                (worth, each, changed(permit, why_not=permit.why_not or _ENDED) if worthwhile(each, ruling) else permit)
                for worth, each, permit in scored
            ]
        because = f"with what may be run after it, it is worth most at {price:g} success a dollar"
        return compose(self, step, ruling, scored, None if arm is None else scored[arm], because=because)

    def gates(self, step: Step) -> bool:  # noqa: ARG002 - the contract's signature
        """Every step is judged, unless only one arm may run."""
        return self._depth > 1

    def defects(self, step: Step, outcome: Outcome) -> tuple[str, ...]:  # noqa: ARG002 - the contract's signature
        """Nothing: what running on is worth takes estimates and a ruling, see `judge`."""
        return ()

    def judge(self, record: Record, outcome: Outcome) -> tuple[str, ...]:
        """``low_quality:Q`` where running on is worth more than its price; empty where the answer is accepted."""
        quality = self.quality_of(record, outcome)
        if quality is None:
            return ()
        at = [estimate.arm for estimate in record.estimates].index(outcome.arm)
        seen = {**self._seen(record.step, record.estimates), at: quality}
        on = self._next(record.estimates, record.ruling, seen)
        return () if on is None else (f"{LOW_QUALITY}:{quality:.4f}",)

    def quality_of(self, record: Record, outcome: Outcome) -> float | None:
        """The post-hoc quality of an attempt's answer; None of an arm that was not estimated."""
        expected = {estimate.arm: estimate.success for estimate in record.estimates}
        return None if outcome.arm not in expected else self.quality(outcome, otherwise=expected[outcome.arm])

    def quality(self, outcome: Outcome, *, otherwise: float) -> float:
        """The post-hoc quality of an answer: 0 with a defect, else by its confidence; ``otherwise`` without one."""
        if outcome.defects:
            return 0.0
        if outcome.confidence is None or not self._confidences:
            return otherwise
        return float(np.interp(outcome.confidence, self._confidences, self._qualities))

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        return Parts(
            settings={
                "covariance": self._covariance,
                "confidences": list(self._confidences),
                "qualities": list(self._qualities),
                "depth": self._depth,
                "dearer": list(self._dearer),
            }
        )

    @classmethod
    def from_parts(cls, parts: Parts) -> "CascadePolicy":
        """The same policy again.

        Raises:
            ArtifactInvalid: a setting is missing or is not what it has to be.
        """
        settings = dict(parts.settings)
        try:
            return cls(settings.pop("covariance"), **settings)
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise ArtifactInvalid(f"cascade: {exc!r}; train the policy again") from exc

    def _rule(self, names: Sequence[str]) -> SupermodelRule:
        covariance = [[float(self._covariance.get(one, {}).get(other, 0.0)) for other in names] for one in names]
        return SupermodelRule(
            covariance=np.array(covariance).reshape(len(names), len(names)), depth=self._depth, dearer=self._dearer
        )

    def _next(self, estimates: Sequence[Estimate], ruling: Ruling, seen: Mapping[int, float]) -> int | None:
        """The number of the arm to run next."""
        pairs = enumerate(zip(estimates, ruling.permits, strict=True))
        allowed = [at for at, (estimate, permit) in pairs if permit.allowed and worthwhile(estimate, ruling)]
        if not allowed:
            return None
        rule = self._rule([estimate.arm for estimate in estimates])
        before = np.array([estimate.success for estimate in estimates])
        cost = np.array([float_dollars(estimate.cost_nano) for estimate in estimates])
        return rule.next(before, cost, seen, price=ruling.price_of_dollar, allowed=allowed)

    def _seen(self, step: Step, estimates: Sequence[Estimate]) -> dict[int, float]:
        """Post-hoc qualities of the arms whose answers were rejected in this step; 0 where another rule rejected it."""
        names = [estimate.arm for estimate in estimates]
        tried = [each for each in step.rejected if each.why == "answer" and each.arm in names]
        return {names.index(each.arm): _quality_in(each.reason) for each in tried}


_ENDED = "running on is not worth its price"


def _quality_in(reason: str) -> float:
    """The quality that a rejection tells of; 0 where something else was wrong too, or nothing is told."""
    kind, _, told = reason.partition(":")
    try:
        return float(told) if kind == LOW_QUALITY else 0.0
    except ValueError:
        return 0.0
