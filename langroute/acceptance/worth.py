"""WorthAcceptance: an answer stands unless asking another arm is worth its price, now that the answer is known."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from langroute.acceptance.answer_update import AnswerUpdate
from langroute.errors import ArtifactInvalid, ConfigError
from langroute.money import float_dollars
from langroute.parts import Parts
from langroute.records import KINDS, Outcome, Record, Step

DOUBTFUL = "doubtful"
"""The defect of an answer that another arm is worth asking after; it says nothing of whether the answer is wrong."""


class WorthAcceptance:
    """The rule of choice once more, after the call: keep, or ask another arm.

    Before the call the arm with the most ``U - lambda C`` is called. Its answer tells more: how sure the model was.
    The answer is paid for, so keeping it costs nothing and is worth ``P(success | answer)``; another arm b is worth
    ``U_b - lambda C_b`` by the estimates that the decision was made on. The answer is doubted where the best of them is
    worth more. So there is no threshold to choose: the price of a dollar is the only knob, before the call and after.

    Cascade Routing (2410.10347) decides so, with the uncertainty of its estimates added; this is its rule for a single
    look ahead, a reconstruction without the covariance of its residuals. What was learned of the answer does not change
    what is expected of the other arms: where failures go together, this asks once too often.

    No guarantee is given or implied; see ``calibrated`` for thresholds that have one.

    Args:
        update: from what was expected to P(success | answer), fitted.
        kinds: the kinds that are judged; answers of other kinds stand, and stream.
        margin: success by which another arm must be worth more, so that noise alone does not buy a second call.

    Raises:
        ConfigError: a kind is unknown, or the margin is negative.
    """

    name = "worth"

    def __init__(self, *, update: AnswerUpdate, kinds: Sequence[str], margin: float = 0.0) -> None:
        unknown = sorted(set(kinds) - set(KINDS))
        if unknown:
            raise ConfigError(f"{unknown[0]!r} is no kind of step; use some of {', '.join(KINDS)}", field="kinds")
        if not margin >= 0:
            raise ConfigError(f"must not be negative, got {margin}", field="margin")
        self.update, self.kinds, self.margin = update, tuple(kinds), float(margin)

    def gates(self, step: Step) -> bool:
        """Whether an answer of this step could be doubted; a step pinned to an arm has nobody else to ask."""
        return step.pinned is None and step.kind in self.kinds

    def defects(self, step: Step, outcome: Outcome) -> tuple[str, ...]:  # noqa: ARG002 - the contract's signature
        """Nothing: without the estimates (`judge` has them) no answer is doubted."""
        return ()

    def judge(self, record: Record, outcome: Outcome) -> tuple[str, ...]:
        """``doubtful`` where another permitted arm is worth its price; an answer without a signal stands."""
        if not self.gates(record.step):
            return ()
        kept = self._kept(record, outcome)
        if kept is None:
            return ()
        price = record.ruling.price_of_dollar
        others = [
            estimate.success - price * float_dollars(estimate.cost_nano)
            for estimate, permit in zip(record.estimates, record.ruling.permits, strict=True)
            if permit.allowed and estimate.arm != outcome.arm
        ]
        return (DOUBTFUL,) if others and max(others) > kept + self.margin else ()

    def _kept(self, record: Record, outcome: Outcome) -> float | None:
        """What the answer is worth now; None where it is not known."""
        expected = next((seen.success for seen in record.estimates if seen.arm == outcome.arm), None)
        if expected is None:
            return None
        return self.update.chance(
            kind=record.step.kind,
            arm=outcome.arm,
            expected=expected,
            confidence=outcome.confidence,
            output_tokens=None if outcome.usage is None else outcome.usage.output_tokens,
        )

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        update = self.update.parts()
        return Parts(
            settings={"kinds": list(self.kinds), "margin": self.margin, **update.settings}, arrays=update.arrays
        )

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same rule again.

        Raises:
            ArtifactInvalid: a setting is missing or damaged.
        """
        told: Mapping[str, Any] = parts.settings
        update = AnswerUpdate.from_parts(parts)
        try:
            return cls(update=update, kinds=told["kinds"], margin=told["margin"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactInvalid(f"cannot be made again ({error}); train again", field="acceptance") from error
