"""PinnedPolicy: always the same arm, the baseline every router has to beat."""

from collections.abc import Sequence

from langroute.money import float_dollars
from langroute.policies.frontier import Scored, compose
from langroute.records import Estimate, RoutingDecision, Ruling, Step


class PinnedPolicy:
    """The first permitted arm of a fixed order, whatever the step is.

    Args:
        order: arm names, the wanted one first; the others are used only where it is not permitted. Arms that are not
            named come last, in pool order.
        name: name in the log, for example ``always-large``.
    """

    version = "1"

    def __init__(self, order: Sequence[str], *, name: str = "pinned") -> None:
        self.name = name
        self._order = tuple(order)

    def choose(self, step: Step, estimates: Sequence[Estimate], ruling: Ruling) -> RoutingDecision:
        """The decision over one estimate and one permit per arm, both in pool order."""
        scored: list[Scored] = [
            (round(estimate.success - ruling.price_of_dollar * float_dollars(estimate.cost_nano), 9), estimate, permit)
            for estimate, permit in zip(estimates, ruling.permits, strict=True)
        ]
        allowed = [entry for entry in scored if entry[2].allowed]
        best = min(allowed, key=lambda entry: self._place(entry[1].arm), default=None)
        because = f"{self.name} takes the first arm permitted in its order, whatever the price"
        return compose(self, step, ruling, scored, best, because=because)

    def _place(self, arm: str) -> int:
        return self._order.index(arm) if arm in self._order else len(self._order)
