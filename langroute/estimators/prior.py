"""PriorEstimator: what to expect of an arm before any data has been seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, mul
from types import MappingProxyType

from langroute.records import Arm, Estimate, Kind, Pressure, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class KindPrior:
    """What is believed of one kind of step.

    Attributes:
        weakest: success probability of the cheapest arm in an untroubled episode.
        strongest: success probability of the dearest arm.
        output_tokens: output tokens such a step usually takes.
    """

    weakest: float
    strongest: float
    output_tokens: int


BY_PRIOR = "never seen in training, so estimated by the prior"
"""The caveat of an estimate that a fitted estimator leaves to the prior."""

DEFAULT_PRIORS: Mapping[Kind, KindPrior] = MappingProxyType(
    {
        "control": KindPrior(weakest=0.70, strongest=0.96, output_tokens=250),
        "execution": KindPrior(weakest=0.88, strongest=0.97, output_tokens=200),
        "verification": KindPrior(weakest=0.88, strongest=0.97, output_tokens=100),
        "presentation": KindPrior(weakest=0.93, strongest=0.97, output_tokens=400),
    }
)

_LOSS_PER_SIGNAL = {
    "retries": 0.15,
    "invalid_tool_calls": 0.30,
    "tool_errors": 0.20,
    "repeated_calls": 0.20,
    "self_corrections": 0.10,
    "schema_failures": 0.30,
    "empty_ends": 0.30,
}
_LOSSES, _signals = tuple(_LOSS_PER_SIGNAL.values()), attrgetter(*_LOSS_PER_SIGNAL)
_MOST_LOST = 0.60
_MOST_KNOWN = 1_024
# What one model gets wrong it gets wrong again: most of its errors are in all of its samples, and of the others a
# selector without a verifier finds some. Ever more samples take away this share of the errors, two take half of it.
_MENDED_BY_SAMPLES = 0.15
# Coming back to a node is how agents work; long prompts lose facts in their middle, weak models more of them.
_FULL_ENOUGH, _LOSS_OF_A_FULL_WINDOW = 0.5, 0.20


class PriorEstimator:
    """Success by (kind, arm, pressure), from beliefs that hold across agents, so that routing starts without data.

    An early mistake compounds, so planning is where a weak arm loses most; extraction and checks lose little;
    presentation least. Trouble is evidence against the arm that got into it: each signal of pressure lowers what is
    expected of an arm, the cheapest fully and the dearest by a tenth; so does a window more than half full, and coming
    back to a node does not. An arm with n samples is believed to be hardly better than one: (1 - 1/n) times 15% of the
    errors go away, since one model repeats most of its mistakes. The numbers are beliefs, not measurements; a fitted
    estimator replaces them. Costs are the
    price of the expected input, as the arm's prompt cache leaves it, and of ``output_tokens`` of the kind.

    Args:
        priors: beliefs by kind; kinds left out keep the defaults.
    """

    name = "prior"
    version = "1"

    def __init__(self, priors: Mapping[Kind, KindPrior] | None = None) -> None:
        self._priors: dict[Kind, KindPrior] = {**DEFAULT_PRIORS, **(priors or {})}
        self._known: dict[tuple[Kind, float, tuple[tuple[float, int], ...]], tuple[float, ...]] = {}

    def estimate(self, step: Step, arms: Sequence[Arm]) -> tuple[Estimate, ...]:
        """One estimate per arm, in the order of ``arms``."""
        prior = self._priors[step.kind]
        lost = loss_by_pressure(step.pressure)
        expected = min(prior.output_tokens, step.output_cap)
        return tuple(
            [
                Estimate(
                    arm=arm.name,
                    success=success,
                    cost_nano=step.cost_of(arm, expected),
                    output_tokens=expected,
                )
                for arm, success in zip(arms, self._successes(step.kind, lost, arms), strict=True)
            ]
        )

    def _successes(self, kind: Kind, lost: float, arms: Sequence[Arm]) -> tuple[float, ...]:
        """Success by arm; most steps are of few kinds, under little pressure, so it is remembered."""
        key = (kind, lost, tuple([(arm.rank, arm.samples) for arm in arms]))
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[key] = tuple(
                [_with_samples(_success(self._priors[kind], rank, lost), samples) for rank, samples in key[2]]
            )
        return known


def loss_by_pressure(pressure: Pressure) -> float:
    """Success probability the cheapest arm loses in an episode under this pressure, at most 0.6."""
    lost: float = sum(map(mul, _LOSSES, _signals(pressure)))
    if pressure.context_share > _FULL_ENOUGH:
        lost += _LOSS_OF_A_FULL_WINDOW * (pressure.context_share - _FULL_ENOUGH) / (1 - _FULL_ENOUGH)
    return min(_MOST_LOST, lost)


def _success(prior: KindPrior, rank: float, lost: float) -> float:
    calm = prior.weakest + (prior.strongest - prior.weakest) * rank
    return round(min(1.0, max(0.0, calm - lost * (1.0 - 0.9 * rank))), 6)


def _with_samples(success: float, samples: int) -> float:
    mended = _MENDED_BY_SAMPLES * (1.0 - 1.0 / samples)
    return success if samples == 1 else round(success + (1.0 - success) * mended, 6)
