"""WorthAcceptance: an answer stands unless asking another arm is worth its price, now that the answer is known."""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any, Self

from langroute.acceptance.scores import SCORES
from langroute.acceptance.signals import Score, answer_of
from langroute.errors import ArtifactInvalid, ConfigError
from langroute.money import float_dollars
from langroute.parts import Parts
from langroute.records import KINDS, Outcome, Record, Step


class WorthAcceptance:
    """The rule of choice once more, after the call: keep, or ask another arm.

    Before the call the arm with the most ``U - lambda C`` is called. Its answer tells more: how sure the model was.
    The answer is paid for, so keeping it costs nothing and is worth ``P(success | answer)``; another arm b is worth
    ``U_b - lambda C_b`` by the estimates that the decision was made on. The answer is doubted where the best of them is
    worth more. So there is no threshold to choose: the price of a dollar is the only knob, before the call and after.

    Cascade Routing (2410.10347) decides so, with the uncertainty of its estimates added; this is its rule for a single
    look ahead, a reconstruction without the covariance of its residuals. What was learned of the answer does not change
    what is expected of the other arms: where failures go together, this asks once too often.

    Both sides must mean the same by success. With scores and estimates fitted on one table they do: whatever success it
    tells, of the step or of its episode.

    No guarantee is given or implied; see ``calibrated`` for thresholds that have one.

    Args:
        score: P(success | answer), fitted.
        kinds: the kinds that are judged; answers of other kinds stand, and stream.
        margin: success by which another arm must be worth more, so that noise alone does not buy a second call.

    Raises:
        ConfigError: a kind is unknown, or the margin is negative.
    """

    name = "worth"

    def __init__(self, *, score: Score, kinds: Sequence[str], margin: float = 0.0) -> None:
        unknown = sorted(set(kinds) - set(KINDS))
        if unknown:
            raise ConfigError(f"{unknown[0]!r} is no kind of step; use some of {', '.join(KINDS)}", field="kinds")
        if not margin >= 0:
            raise ConfigError(f"must not be negative, got {margin}", field="margin")
        self.score, self.kinds, self.margin = score, tuple(kinds), float(margin)

    def gates(self, step: Step) -> bool:
        """Whether an answer of this step could be doubted; a step pinned to an arm has nobody else to ask."""
        return step.pinned is None and step.kind in self.kinds

    def defects(self, step: Step, outcome: Outcome) -> tuple[str, ...]:  # noqa: ARG002 - the contract's signature
        """Nothing: without the estimates (`judge` has them) no answer is doubted."""
        return ()

    def judge(self, record: Record, outcome: Outcome) -> tuple[str, ...]:
        """``doubtful`` where another permitted arm is worth its price; an answer without a score stands."""
        if not self.gates(record.step):
            return ()
        kept = float(self.score.scores(answer_of(record.step, outcome))[0])
        if isnan(kept):
            return ()
        price = record.ruling.price_of_dollar
        others = [
            estimate.success - price * float_dollars(estimate.cost_nano)
            for estimate, permit in zip(record.estimates, record.ruling.permits, strict=True)
            if permit.allowed and estimate.arm != outcome.arm
        ]
        return (DOUBTFUL,) if others and max(others) > kept + self.margin else ()

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        score = self.score.parts()
        settings = {"type": self.score.name, "settings": dict(score.settings)}
        return Parts(
            settings={"kinds": list(self.kinds), "margin": self.margin, "score": settings}, arrays=score.arrays
        )

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same rule again.

        Raises:
            ArtifactInvalid: a setting is missing or damaged, or this version does not know the score.
        """
        told: Mapping[str, Any] = parts.settings
        try:
            made = SCORES[told["score"]["type"]]
            score = made.from_parts(Parts(settings=told["score"]["settings"], arrays=parts.arrays))
            return cls(score=score, kinds=told["kinds"], margin=told["margin"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactInvalid(f"cannot be made again ({error}); train again", field="acceptance") from error


DOUBTFUL = "doubtful"
"""The defect of an answer that another arm is worth asking after; it says nothing of whether the answer is wrong."""
