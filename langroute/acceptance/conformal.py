"""When a cheap answer may be accepted by its score: three guarantees, three names; and Learn-then-Test for episodes.

| name | what is bounded | how sure |
|---|---|---|
| marginal risk | P(accepted and wrong), among all answers | on average over calibration data |
| missed failures | P(accepted given wrong), among wrong answers | on average over calibration data |
| selective risk | P(wrong given accepted), among accepted answers | with confidence 1 - delta |

They are not interchangeable: where few answers are accepted, a small marginal risk goes with a large share of wrong
ones among them, and "95% of failures are caught" says nothing about what is accepted. Whoever reads "5% wrong" usually
means selective risk, the hardest of the three. `certify_lambda` is about the success of whole episodes.

A score is any number that is higher the more the cheap answer is trusted, computed without knowing whether it is wrong,
by something fitted on other data. An answer is accepted when its score is strictly above the threshold, so that answers
with equal scores share their fate.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from langroute.acceptance.calibration_data import Floats, rising, scores_and_failures, share, starts_within
from langroute.acceptance.certificates import Guarantee, LambdaCertificate, ThresholdCertificate
from langroute.acceptance.learn_then_test import certify_lambda, fixed_sequence, why_nothing
from langroute.acceptance.p_values import binomial_p_value

__all__ = [
    "LambdaCertificate",
    "ThresholdCertificate",
    "certify_lambda",
    "control_marginal_risk",
    "control_missed_failures",
    "control_selective_risk",
    "marginal_risk",
    "missed_failures",
    "selective_risk",
]

# 0.29 * 100 is a little less than 29 in binary; the user meant 29.
_ROUNDING = 1e-9


def marginal_risk(scores: ArrayLike, wrong: ArrayLike, threshold: float) -> float:
    """The share of all answers that are accepted and wrong, as seen in data of shape (n,).

    Raises:
        CalibrationError: scores and wrong are not of one length, not numbers, or wrong is not 0 or 1.
    """
    confidence, failed = scores_and_failures(scores, wrong)
    return float(((confidence > threshold) & failed).mean())


def missed_failures(scores: ArrayLike, wrong: ArrayLike, threshold: float) -> float | None:
    """The share of the wrong answers that are accepted, as seen in data of shape (n,); None if none is wrong.

    Raises:
        CalibrationError: as `marginal_risk`.
    """
    confidence, failed = scores_and_failures(scores, wrong)
    return float((confidence[failed] > threshold).mean()) if failed.any() else None


def selective_risk(scores: ArrayLike, wrong: ArrayLike, threshold: float) -> float | None:
    """The share of the accepted answers that are wrong, as seen in data of shape (n,); None if none is accepted.

    Raises:
        CalibrationError: as `marginal_risk`.
    """
    confidence, failed = scores_and_failures(scores, wrong)
    accepted = confidence > threshold
    return float(failed[accepted].mean()) if accepted.any() else None


def control_marginal_risk(scores: ArrayLike, wrong: ArrayLike, *, alpha: float) -> ThresholdCertificate:
    """The lowest threshold with ``P(accepted and wrong) <= alpha`` (conformal risk control, 2208.02814).

    **Guaranteed.** ``P(next answer is accepted and wrong) <= alpha``, the probability being over the calibration data
    and the next answer together: on average over many calibrations.
    **Assumed.** The n calibration answers and the next one are exchangeable: one answer per task, the same mix. Runs of
    the same task that are calibrated on as if they were tasks break it.
    **Not guaranteed.** That the bound holds for the calibration data at hand: it holds on average, and in nearly half
    of all draws of calibration data the risk is above it. Nor how many of the accepted are wrong, nor anything after
    the mix has changed.

    Nothing is certified where ``alpha < 1 / (n + 1)``: the next answer alone could break the bound.

    Args:
        scores: shape (n,), higher is more trusted.
        wrong: shape (n,), whether the cheap answer was wrong.
        alpha: the bound, in (0, 1).

    Raises:
        CalibrationError: empty, not of one length, NaN, wrong not 0 or 1, alpha out of range.
    """
    confidence, failed = scores_and_failures(scores, wrong)
    return _quantile("marginal_risk", confidence[failed], of=len(failed), n=len(failed), alpha=alpha)


def control_missed_failures(scores: ArrayLike, wrong: ArrayLike, *, alpha: float) -> ThresholdCertificate:
    """The lowest threshold with ``P(accepted | wrong) <= alpha``: a conformal quantile over the wrong answers.

    **Guaranteed.** A next answer that is wrong is accepted with probability at most alpha, the probability being over
    the wrong calibration answers and the next wrong one together: on average over many calibrations.
    **Assumed.** The wrong calibration answers and the next wrong one are exchangeable. How often answers are wrong may
    change; how wrong ones score may not.
    **Not guaranteed.** Anything about the accepted: if nearly all answers are wrong, nearly all accepted ones may be,
    with every promise kept. Nor that the bound holds for the calibration data at hand.

    Nothing is certified where ``alpha < 1 / (m + 1)`` for m wrong calibration answers; correct ones do not help.

    Args:
        scores: shape (n,), higher is more trusted.
        wrong: shape (n,), whether the cheap answer was wrong.
        alpha: the bound, in (0, 1).

    Raises:
        CalibrationError: as `control_marginal_risk`.
    """
    confidence, failed = scores_and_failures(scores, wrong)
    return _quantile("missed_failures", confidence[failed], of=int(failed.sum()), n=len(failed), alpha=alpha)


def control_selective_risk(
    scores: ArrayLike, wrong: ArrayLike, *, thresholds: ArrayLike, alpha: float, delta: float, starts: int = 5
) -> ThresholdCertificate:
    """The lowest threshold with ``P(wrong | accepted) <= alpha``, with confidence 1 - delta (2110.01052).

    **Guaranteed.** With probability at least 1 - delta over the draw of the calibration answers, the share of wrong
    answers among those that the certified threshold accepts is at most alpha in the long run.
    **Assumed.** Calibration answers are independent draws of the distribution that new ones come from (more than
    exchangeable), one per task. Thresholds and starts were chosen without looking at them: from the data that the score
    was fitted on, or a plain grid.
    **Not guaranteed.** That anything is certified: with few answers, or a score that does not tell right from wrong,
    nothing is. Nothing about thresholds between the tested ones, groups of tasks, or a changed mix.

    Each threshold has an exact binomial p-value over the answers it accepts: given their number, they are independent
    draws of accepted answers. Thresholds are tested from the highest down, from several starts that share delta,
    because the highest ones accept too few answers to show anything.

    Args:
        scores: shape (n,), higher is more trusted.
        wrong: shape (n,), whether the cheap answer was wrong.
        thresholds: shape (m,), strictly rising.
        alpha: the bound, in (0, 1).
        delta: the probability of being misled, in (0, 1).
        starts: from how many thresholds testing starts (see `fixed_sequence`); at most m are used.

    Raises:
        CalibrationError: as `control_marginal_risk`; thresholds that do not rise.
    """
    confidence, failed = scores_and_failures(scores, wrong)
    level = share(alpha, field="alpha")
    strictest_first = rising(thresholds, field="thresholds")[::-1]
    share(delta, field="delta")
    starts = min(starts, len(strictest_first)) if isinstance(starts, int) else starts
    starts_within(starts, len(strictest_first))
    p_values = _selective_p_values(confidence, failed.astype(np.float64), strictest_first, level)
    rejected = fixed_sequence(p_values, delta=delta, starts=starts)
    return ThresholdCertificate(
        guarantee="selective_risk",
        alpha=level,
        delta=float(delta),
        n=len(failed),
        failures=int(failed.sum()),
        threshold=float(strictest_first[rejected][-1]) if rejected.any() else None,
        thresholds=tuple(strictest_first.tolist()),
        p_values=tuple(p_values.tolist()),
        why_nothing="" if rejected.any() else why_nothing(p_values, delta=delta, starts=starts),
    )


def _selective_p_values(scores: Floats, failed: Floats, thresholds: Floats, alpha: float) -> Floats:
    """One exact p-value per threshold, over the answers above it."""
    order = np.argsort(-scores, kind="stable")
    accepted = np.searchsorted(-scores[order], -thresholds, side="left")
    failures = np.concatenate(([0.0], np.cumsum(failed[order])))[accepted]
    pairs = zip(failures.tolist(), accepted.tolist(), strict=True)
    return np.array([binomial_p_value(int(count), n, alpha) for count, n in pairs])


def _quantile(guarantee: Guarantee, failing: Floats, *, of: int, n: int, alpha: float) -> ThresholdCertificate:
    """The threshold that lets so few failing scores pass that ``(passed + 1) / (of + 1) <= alpha``."""
    level = share(alpha, field="alpha")
    may_pass = math.floor(level * (of + 1) + _ROUNDING) - 1
    rows = "answers" if guarantee == "marginal_risk" else "wrong answers"
    why = "" if may_pass >= 0 else f"{of} {rows} cannot show {level:g}: at least {_fewest(level)} are needed."
    threshold = None
    if may_pass >= 0:
        falling = np.sort(failing)[::-1]
        threshold = float(falling[may_pass]) if may_pass < len(falling) else -math.inf
    return ThresholdCertificate(
        guarantee=guarantee,
        alpha=level,
        delta=None,
        n=n,
        failures=len(failing),
        threshold=threshold,
        why_nothing=why,
    )


def _fewest(alpha: float) -> int:
    """The smallest count with ``1 / (count + 1) <= alpha``."""
    return math.ceil(1 / alpha - _ROUNDING) - 1
