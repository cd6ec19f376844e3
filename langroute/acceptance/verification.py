"""SelectiveVerification: an answer is checked by another model where that is worth more than it costs."""

from collections.abc import Callable, Sequence

from langroute.acceptance.verifier import value_of_verification
from langroute.candidates import VerifierCall
from langroute.errors import ConfigError
from langroute.money import NANO_PER_DOLLAR, float_dollars
from langroute.records import KINDS, Estimate, Kind, Outcome, Record, Step, Verdict

DEFECT = "verifier_rejected"
UNCLEAR = "verifier_unclear"

_LEAST_PRICE = 1e-9  # where cost does not matter (lambda 0), a right answer is worth a billion dollars here, no more
JUDGED: tuple[Kind, ...] = ("control", "execution")
"""Kinds of steps whose answers are checked where nothing else is said."""


class SelectiveVerification:
    """Buys a verifier's verdict on an answer that no other rule refused, when the errors it should catch pay for it.

    The value of a verdict in dollars is `value_of_verification` with what the attempt knows: the answer is wrong with
    the probability that ``doubt`` tells, or else one less the success that was estimated before the call; a right
    answer is worth ``1 / lambda`` dollars, lambda being the price of a dollar in force; after a "wrong" the step goes
    to that permitted arm with a better estimate whose answer is worth most for its price. Of estimates ``p`` of the arm
    that answered and ``s`` of the other, only ``(s - p) / (1 - p)`` of the errors count as mended: the least that both
    estimates allow, as if the better arm did right whatever the other one did. The verdict is bought if its own
    expected price is no more than that value, and the budget carries its worst case.

    An answer that is found wrong has the defect ``verifier_rejected`` and the step goes to another arm; where none can
    be paid for, the answer that is paid for stands. A verdict that cannot be read, or a call that fails, lets the
    answer stand, unless ``reject_unclear`` says that a verdict must be readable.

    What is taken of the verifier (``catches``, ``false_alarms``) are beliefs until they are measured: the journal keeps
    the verdict of each checked answer beside what became of its episode.

    Args:
        arm: who verifies; an arm of the pool that is not the one that answered tells more.
        catches: share of the wrong answers that it finds wrong.
        false_alarms: share of the right answers that it finds wrong.
        doubt: probability that the answer is wrong, by the record and the outcome; by the estimate when left out.
        kinds: kinds of steps whose answers are checked; these are buffered, not streamed.
        output_tokens: output tokens of a verdict at most, or the least that the arm is worth calling for.
        reject_unclear: whether an answer without a readable verdict is rejected.

    Raises:
        ConfigError: an argument is out of range; names it.
    """

    name = "selective-verification"

    def __init__(
        self,
        arm: str,
        *,
        catches: float = 0.7,
        false_alarms: float = 0.1,
        doubt: Callable[[Record, Outcome], float] | None = None,
        kinds: Sequence[Kind] = JUDGED,
        output_tokens: int = 64,
        reject_unclear: bool = False,
    ) -> None:
        for field, rate in (("catches", catches), ("false_alarms", false_alarms)):
            if not 0 <= rate <= 1:
                raise ConfigError(f"must be a share in [0, 1], not {rate!r}", field=field)
        if output_tokens < 1:
            raise ConfigError(f"must be at least 1, not {output_tokens!r}", field="output_tokens")
        self.arm = arm
        self._catches = catches
        self._false_alarms = false_alarms
        self._doubt = doubt
        self._kinds = frozenset(checked_kinds(kinds))
        self._output_tokens = output_tokens
        self._reject_unclear = reject_unclear

    def gates(self, step: Step) -> bool:
        """Whether answers of this kind of step are checked."""
        return step.kind in self._kinds

    def defects(self, step: Step, outcome: Outcome) -> tuple[str, ...]:  # noqa: ARG002 - the contract's signature
        """None: only a verdict that was bought speaks against an answer."""
        return ()

    def worth(self, record: Record, outcome: Outcome) -> VerifierCall | None:
        """The verdict to ask for, with the most it may cost; None where no other arm could mend the answer."""
        estimates = {estimate.arm: estimate for estimate in record.estimates}
        own = estimates.get(outcome.arm)
        if own is None or own.success >= 1:
            return None
        p_wrong = 1 - own.success if self._doubt is None else self._doubt(record, outcome)
        permitted = {permit.arm for permit in record.ruling.permits if permit.allowed}
        rivals = [seen for seen in record.estimates if seen.arm in permitted and seen.success > own.success]
        gain = max([self._gain(record, p_wrong, own, rival) for rival in rivals], default=0.0)
        if gain <= 0:
            return None
        told = f"it is wrong with probability {p_wrong:.2f}"
        worth = int(gain * NANO_PER_DOLLAR)
        return VerifierCall(arm=self.arm, worth_nano=worth, output_tokens=self._output_tokens, reason=told)

    def found(self, record: Record, outcome: Outcome, verdict: Verdict) -> tuple[str, ...]:  # noqa: ARG002
        """The defect of an answer with this verdict."""
        if verdict == "wrong":
            return (DEFECT,)
        return (UNCLEAR,) if verdict == "unclear" and self._reject_unclear else ()

    def _gain(self, record: Record, p_wrong: float, own: Estimate, rival: Estimate) -> float:
        """Dollars that a verdict for nothing would be worth, if the step went to this arm after a "wrong"."""
        return value_of_verification(
            p_wrong=p_wrong,
            caught=self._catches,
            false_alarm=self._false_alarms,
            price=0.0,
            redo_price=float_dollars(rival.cost_nano),
            redo_success=1.0,
            redo_success_if_wrong=(rival.success - own.success) / (1 - own.success),
            value=1 / max(_LEAST_PRICE, record.decision.price_of_dollar),
        ).gain


def checked_kinds(kinds: Sequence[Kind]) -> tuple[Kind, ...]:
    """The kinds, if they are some.

    Raises:
        ConfigError: one is no kind of step.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if isinstance(kinds, str) or unknown:
        raise ConfigError(f"must be a sequence of {', '.join(KINDS)}, not {kinds!r}", field="kinds")
    return tuple(kinds)
