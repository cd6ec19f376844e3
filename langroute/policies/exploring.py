"""ExploringPolicy: now and then another arm than the base policy's, with the probability of each choice on record."""

import hashlib
from collections.abc import Sequence

from langroute.errors import ConfigError
from langroute.money import float_dollars
from langroute.policies.frontier import FrontierPolicy, Scored, compose
from langroute.protocols import RoutingPolicy
from langroute.quick import changed
from langroute.records import Estimate, RoutingDecision, Ruling, Step

_WHOLE = float(2**64)


class ExploringPolicy:
    """Draws a share of the decisions evenly from the permitted arms, and leaves the others to a base policy.

    What an arm would have achieved is only learned where it was tried. Drawn evenly, an arm's outcomes do not depend on
    how hard the step looked, so arms can be compared; ``RoutingDecision.propensity`` is the true probability of the
    choice, which replay and weighting need.

    Pure: the draw is a hash of the seed and of the step's place (episode, call, attempt, node), so the same step is
    decided alike again, and another episode or seed independently. Steps where the base policy stops are not explored.

    Args:
        base: decides the other steps.
        share: of the steps that are drawn, in [0, 1]; 1 draws every step.
        seed: any integer; another one explores other steps.

    Raises:
        ConfigError: the share is not in [0, 1].
    """

    version = "1"

    def __init__(self, base: RoutingPolicy | None = None, *, share: float = 0.2, seed: int = 0) -> None:
        if not 0 <= share <= 1:
            raise ConfigError(f"must be between 0 (never) and 1 (every step), got {share}", field="share")
        self.base: RoutingPolicy = FrontierPolicy() if base is None else base
        self.share, self.seed = float(share), seed
        self.name = f"exploring:{self.base.name}"

    def choose(self, step: Step, estimates: Sequence[Estimate], ruling: Ruling) -> RoutingDecision:
        """The decision over one estimate and one permit per arm, both in pool order."""
        based = self.base.choose(step, estimates, ruling)
        scored: list[Scored] = [
            (round(estimate.success - ruling.price_of_dollar * float_dollars(estimate.cost_nano), 9), estimate, permit)
            for estimate, permit in zip(estimates, ruling.permits, strict=True)
        ]
        allowed = [entry for entry in scored if entry[2].allowed]
        drawn = self._draw(step)
        if based.arm is None or not allowed or drawn >= self.share:
            return changed(
                based,
                policy=self.name,
                policy_version=self.version,
                propensity=1.0 if based.arm is None else self._propensity(based, based.arm, len(allowed)),
            )
        chosen = allowed[min(len(allowed) - 1, int(drawn / self.share * len(allowed)))]
        because = f"drawn to learn what it achieves, as {self.share:.0%} of the steps are"
        decision = compose(self, step, ruling, scored, chosen, because=because)
        return changed(decision, propensity=self._propensity(based, chosen[1].arm, len(allowed)))

    def _propensity(self, based: RoutingDecision, arm: str, count: int) -> float:
        """The probability that this arm is chosen here, whichever way."""
        own = (1.0 - self.share) * based.propensity if arm == based.arm else 0.0
        return self.share / count + own

    def _draw(self, step: Step) -> float:
        """A number in [0, 1) that depends on the seed and on where the step stands, and on nothing else."""
        place = repr((self.seed, step.episode, step.call_index, step.attempt, step.node))
        digest = hashlib.blake2b(place.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return min(int.from_bytes(digest, "big") / _WHOLE, 1.0 - 2**-53)
