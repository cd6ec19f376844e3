"""Whether to pay for a verifier: the value of what it would find out, in dollars. Pure."""

from dataclasses import dataclass
from typing import Literal

from langroute.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationValue:
    """What verifying and redoing are worth, each above letting the answer stand.

    Attributes:
        gain: dollars gained on average by verifying, with the redo that a "wrong" brings; negative where it loses.
        redo_gain: dollars gained on average by redoing at once, unverified.
        alarm: probability that the verifier says "wrong".
        wrong_given_alarm: probability that the answer is wrong once it does; 0 if it never does.
    """

    gain: float
    redo_gain: float
    alarm: float
    wrong_given_alarm: float

    @property
    def worthwhile(self) -> bool:
        """Whether verifying is worth its price, compared with letting the answer stand."""
        return self.gain > 0

    @property
    def best(self) -> Literal["accept", "verify", "redo"]:
        """The best of the three; the answer stands where they tie."""
        if max(self.gain, self.redo_gain) <= 0:
            return "accept"
        return "verify" if self.gain >= self.redo_gain else "redo"


def value_of_verification(
    *,
    p_wrong: float,
    caught: float,
    false_alarm: float,
    price: float,
    redo_price: float,
    redo_success: float,
    value: float,
    redo_success_if_wrong: float | None = None,
) -> VerificationValue:
    """The value of asking a verifier about an answer before it is used.

    Let q be the probability that the answer is wrong, V the value of a right one, d and f the verifier's rates of
    caught errors and false alarms, c its price, r the price of a redo and s its success (s' where the answer was wrong:
    what one model gets wrong is harder for the next). All are averages; nobody is averse to risk.

    - The answer stands: (1 - q) V.
    - Redo at once: (q s' + (1 - q) s) V - r. Above standing: ``q s' V - (1 - q)(1 - s) V - r``.
    - Verify, and redo after an alarm. A caught error (q d) becomes right with s'; a right answer under false alarm
      ((1 - q) f) stays right with s; both cost r. Above standing: ``q d s' V - (1 - q) f (1 - s) V - A r - c``
      with ``A = q d + (1 - q) f`` the probability of an alarm.

    If a redo after an alarm does not pay, the alarm would be ignored, and verifying loses its price c: the gain is
    ``max(0, q d s' V - (1 - q) f (1 - s) V - A r) - c``. So a verifier is worth most where the answer is doubtful: with
    q near 0 there is nothing to catch, with q near 1 one redoes without asking.

    V comes from the price of a dollar: lambda is success given up per dollar, so a right answer is worth
    ``1 / lambda`` dollars. Selective verification is from work on process reward models, where no formula was
    available: this derivation is a reconstruction.

    Args:
        p_wrong: q, for example one less a calibrated score.
        caught: d, the share of wrong answers that the verifier calls wrong.
        false_alarm: f, the share of right answers that it calls wrong.
        price: c, dollars.
        redo_price: r, dollars of answering again.
        redo_success: s, probability that the new answer is right where the old one was.
        value: V, dollars that a right answer is worth.
        redo_success_if_wrong: s'; the same as s when left out, which flatters the verifier.

    Raises:
        ConfigError: a probability is not in [0, 1], or a price or value is negative or not a number.
    """
    _probabilities(p_wrong=p_wrong, caught=caught, false_alarm=false_alarm, redo_success=redo_success)
    _amounts(price=price, redo_price=redo_price, value=value)
    mended = redo_success if redo_success_if_wrong is None else redo_success_if_wrong
    _probabilities(redo_success_if_wrong=mended)
    right = 1.0 - p_wrong
    hit, miss = p_wrong * caught, right * false_alarm
    alarm = hit + miss
    after_alarm = hit * mended * value - miss * (1.0 - redo_success) * value - alarm * redo_price
    return VerificationValue(
        gain=max(0.0, after_alarm) - price,
        redo_gain=p_wrong * mended * value - right * (1.0 - redo_success) * value - redo_price,
        alarm=alarm,
        wrong_given_alarm=hit / alarm if alarm else 0.0,
    )


def _probabilities(**given: float) -> None:
    for name, value in given.items():
        if not 0.0 <= value <= 1.0:
            raise ConfigError(f"must be in [0, 1], got {value!r}", field=name)


def _amounts(**given: float) -> None:
    for name, value in given.items():
        if not 0.0 <= value < float("inf"):
            raise ConfigError(f"must be dollars, 0 or more, got {value!r}", field=name)
