"""DifferencePolicy: two arms of one family and how much better the strong one must be, as in Bedrock prompt routing."""

from collections.abc import Sequence

from langroute.errors import ConfigError
from langroute.money import float_dollars
from langroute.parts import Parts
from langroute.policies.frontier import FrontierPolicy, Scored, compose
from langroute.records import Estimate, RoutingDecision, Ruling, Step


class DifferencePolicy:
    """The weak arm, unless the strong one is expected to be better by more than a difference.

    A preset of the frontier: with two arms it is ``argmax U - lambda C`` at the lambda that makes the dollars between
    them worth that difference, whatever they are; the price of a dollar plays no part. Where one of the two is not
    permitted the other is taken, then the fallback, then whatever `FrontierPolicy` would take. Reconstructed from the
    product's settings: a quality difference in percent, and a fallback model.

    Args:
        weak: name of the cheaper arm.
        strong: name of the dearer arm.
        difference: success, in [0, 1], by which the strong arm must be better to be taken.
        fallback: name of the arm to take where neither may be called; empty for none.

    Raises:
        ConfigError: the arms are one and the same, or the difference is not in [0, 1].
    """

    name = "difference"
    version = "1"

    def __init__(self, *, weak: str, strong: str, difference: float = 0.0, fallback: str = "") -> None:
        if weak == strong:
            raise ConfigError(f"is {strong!r}, as the weak arm is", field="strong")
        if not 0 <= difference <= 1:
            raise ConfigError(f"must be in [0, 1], not {difference}", field="difference")
        self._weak, self._strong, self._difference, self._fallback = weak, strong, difference, fallback

    def choose(self, step: Step, estimates: Sequence[Estimate], ruling: Ruling) -> RoutingDecision:
        """The decision over one estimate and one permit per arm, both in pool order."""
        scored: list[Scored] = [
            (round(estimate.success - ruling.price_of_dollar * float_dollars(estimate.cost_nano), 9), estimate, permit)
            for estimate, permit in zip(estimates, ruling.permits, strict=True)
        ]
        open_ = {entry[1].arm: entry for entry in scored if entry[2].allowed}
        first = self._weak
        if self._weak in open_ and self._strong in open_:
            gain = open_[self._strong][1].success - open_[self._weak][1].success
            first = self._strong if gain > self._difference else self._weak
        plain = FrontierPolicy().choose(step, estimates, ruling).arm or ""
        order = (first, self._weak, self._strong, self._fallback, plain)
        # Where nothing is worth its price, `FrontierPolicy` stops, and so does this.
        best = next((open_[arm] for arm in order if arm in open_ and plain), None)
        because = f"{self._strong} is taken where it is better by more than {self._difference:g}"
        return compose(self, step, ruling, scored, best, because=because)

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        settings = {"weak": self._weak, "strong": self._strong, "difference": self._difference}
        return Parts(settings={**settings, "fallback": self._fallback})

    @classmethod
    def from_parts(cls, parts: Parts) -> "DifferencePolicy":
        """The same policy again."""
        return cls(**parts.settings)
