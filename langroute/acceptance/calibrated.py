"""CalibratedAcceptance: a cheap answer stands where its score is above a threshold that a guarantee stands behind."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from langroute.acceptance.certificates import Guarantee
from langroute.acceptance.scores import SCORES
from langroute.acceptance.signals import Score, answer_of
from langroute.acceptance.thresholds import CellThreshold, read_threshold, written_threshold
from langroute.errors import ArtifactInvalid, ConfigError
from langroute.parts import Parts
from langroute.records import Outcome, Record, Step

Missing = Literal["accept", "reject"]


class CalibratedAcceptance:
    """Judges answers of cheap arms by a score; what falls short is answered again by another arm.

    Thresholds hold for one (kind, arm) each, or for all cheap arms of a kind where one alone had too few calibration
    answers. Which of the three guarantees they keep stands in the name of the rule and in each of its defects:

    | defect | why |
    |---|---|
    | ``low_confidence:GUARANTEE`` | the score is not above the threshold |
    | ``uncertified:GUARANTEE`` | nothing is certified for this kind and arm, or calibration never saw the arm |
    | ``unscored:GUARANTEE`` | a signal that the score needs is unknown, and ``missing="reject"`` |

    The strongest arm's answers always stand: there is nobody better to ask. So do answers where no stronger arm may be
    called (`judge`), for a rejection would buy nothing. Kinds without calibration are not judged, and stream.

    **What the guarantee speaks of**: answers that have a score, of the kinds, arms and mix of tasks that were
    calibrated on, each cell by itself. It says nothing of answers that stand for want of a better arm or of a score.

    Args:
        score: what answers are judged by; fitted on other answers than the thresholds.
        thresholds: one per (kind, arm), arm empty for the pooled ones.
        guarantee: what the thresholds keep.
        arms: the arms that were calibrated on, from the cheapest to the strongest.
        missing: what becomes of an answer without a score. ``accept``: the rule does not gate it, and the log shows it
            as an answer with ``confidence`` null; ``reject`` keeps the guarantee for the price of a second call.

    Raises:
        ConfigError: no arms, or thresholds that keep another guarantee or belong to no arm.
    """

    name = "calibrated"

    def __init__(
        self,
        *,
        score: Score,
        thresholds: Sequence[CellThreshold],
        guarantee: Guarantee,
        arms: Sequence[str],
        missing: Missing = "accept",
    ) -> None:
        self.name = f"calibrated:{guarantee}"
        self.score, self.guarantee, self.arms, self.missing = score, guarantee, tuple(arms), missing
        self.thresholds = tuple(thresholds)
        self._check()
        self._cells = {(one.kind, one.arm): one.certificate for one in thresholds}
        # A kind that has no threshold for an arm rejects its answers, so it can reject unless all accept everything.
        self._gated = {kind for kind, _ in self._cells if any(self._may_reject(kind, arm) for arm in self.arms[:-1])}
        self._place = {arm: place for place, arm in enumerate(self.arms)}

    def _check(self) -> None:
        if not self.arms or len(set(self.arms)) < len(self.arms):
            raise ConfigError("must name each arm once, the strongest last", field="arms")
        if self.missing not in ("accept", "reject"):
            raise ConfigError(f"must be accept or reject, got {self.missing!r}", field="missing")
        for one in self.thresholds:
            if one.certificate.guarantee != self.guarantee:
                message = f"of {one.kind} keep {one.certificate.guarantee}, the rule {self.guarantee}"
                raise ConfigError(message, field="thresholds")
            if one.arm and one.arm not in self.arms:
                raise ConfigError(f"name {one.arm!r}, which is none of the arms", field="thresholds")

    def _may_reject(self, kind: str, arm: str) -> bool:
        found = self._cells.get((kind, arm)) or self._cells.get((kind, ""))
        return found is None or found.threshold != -math.inf

    def gates(self, step: Step) -> bool:
        """Whether an answer of this step could be rejected; a step that is pinned to an arm has nobody else to ask."""
        return step.pinned is None and step.kind in self._gated

    def gates_call(self, record: Record) -> bool:
        """The same as `gates` once the arm is chosen: the strongest arm's answers always stand, so they stream."""
        return self.gates(record.step) and record.decision.arm != self.arms[-1]

    def judge(self, record: Record, outcome: Outcome) -> tuple[str, ...]:
        """The same as `defects`, but nothing is rejected where no stronger arm may be called."""
        here = self._place.get(outcome.arm, -1)
        stronger = {arm for arm in self.arms if self._place[arm] > here}
        if not any(permit.allowed and permit.arm in stronger for permit in record.ruling.permits):
            return ()
        return self.defects(record.step, outcome)

    def defects(self, step: Step, outcome: Outcome) -> tuple[str, ...]:
        """Why the answer does not stand; empty when it does."""
        if step.kind not in self._gated or outcome.arm == self.arms[-1]:
            return ()
        seen = outcome.arm in self._place
        found = self._cells.get((step.kind, outcome.arm)) or self._cells.get((step.kind, ""))
        if found is None or found.threshold is None or not seen:
            return (f"uncertified:{self.guarantee}",)
        score = float(self.score.scores(answer_of(step, outcome))[0])
        if math.isnan(score):
            return () if self.missing == "accept" else (f"unscored:{self.guarantee}",)
        return () if score > found.threshold else (f"low_confidence:{self.guarantee}",)

    def told(self) -> str:
        """Every threshold with its guarantee, one line each."""
        return "\n".join(one.told() for one in self.thresholds)

    def parts(self) -> Parts:
        """All that `from_parts` needs; certificates included."""
        score = self.score.parts()
        return Parts(
            settings={
                "guarantee": self.guarantee,
                "arms": list(self.arms),
                "missing": self.missing,
                "score": {"type": self.score.name, "settings": dict(score.settings)},
                "thresholds": [written_threshold(one) for one in self.thresholds],
            },
            arrays=score.arrays,
        )

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same rule again.

        Raises:
            ArtifactInvalid: a setting is missing or damaged, or this version does not know the score.
        """
        told = parts.settings
        try:
            return cls(
                score=_read_score(told["score"], parts),
                thresholds=[read_threshold(one) for one in told["thresholds"]],
                guarantee=told["guarantee"],
                arms=told["arms"],
                missing=told["missing"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactInvalid(f"cannot be made again ({error}); train again", field="acceptance") from error


def _read_score(told: Mapping[str, Any], parts: Parts) -> Score:
    if told["type"] not in SCORES:
        message = f"is {told['type']!r}, this version knows {', '.join(SCORES)}; train again, or upgrade langroute"
        raise ArtifactInvalid(message, field="score")
    return SCORES[told["type"]].from_parts(Parts(settings=told["settings"], arrays=parts.arrays))
