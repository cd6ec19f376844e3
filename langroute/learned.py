"""What earlier attempts at a step taught the journey that makes the next one."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langroute.faults import steers
from langroute.questions import Question
from langroute.records import Measure, Rejection, Step

# As the doors name them; an answer can have both.
_BROKEN_CALLS = frozenset({"invalid_tool_call", "unknown_tool", "invalid_arguments"})
_NO_STRUCTURE = frozenset({"invalid_structure"})


@dataclass(slots=True, kw_only=True)
class Learned:
    """What earlier attempts at this step taught."""

    faults: int = 0
    races: int = 0
    waited_s: float = 0.0
    attempt: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    faulted: list[Rejection] = field(default_factory=list)
    refused: list[Rejection] = field(default_factory=list)
    compressed: Measure | None = None
    tried_to_compress: bool = False
    consent: bool = False
    allowed: Question | None = None
    said_no: bool = False
    place: str = ""
    answer: Any = None
    answered_by: str = ""
    well_formed: bool = False
    quality: float | None = None
    stands: bool = False
    error: BaseException | None = None

    @property
    def anything(self) -> bool:
        """Whether the step looks otherwise than at first."""
        return bool(self.attempt or self.rejected or self.faulted or self.refused)

    def reject(
        self, arms: Sequence[str], *, reason: str, value: Any, well_formed: bool, quality: float | None = None
    ) -> None:
        """Note an answer that did not stand, and the arms that are out because of it, the one that gave it first.

        The best is kept in case that nobody can do better: see `keeps`; the newest where nothing tells them apart.
        """
        kept = self.keeps(well_formed=well_formed, quality=quality)
        self.rejected.append(Rejection(arm=arms[0], reason=reason))
        self.refused += [Rejection(arm=arm, reason=reason) for arm in arms[1:]]
        if not kept:
            self.answer, self.answered_by, self.well_formed, self.quality = value, arms[0], well_formed, quality

    def keeps(self, *, well_formed: bool, quality: float | None) -> bool:
        """Whether the answer kept is better than another one: well-formed where that is not, or of higher quality."""
        if not self.rejected or self.well_formed != well_formed:
            return bool(self.rejected) and self.well_formed
        return quality is not None and self.quality is not None and self.quality > quality

    def falls_back(self, error: BaseException, *, started: bool) -> bool:
        """Whether the answer kept stands, now that its successor failed for good.

        It does where it was only doubted: it is paid for, and better than none. Not where it was malformed, where
        something of the successor was streamed already, or where the error steers the program rather than tells of a
        failure.
        """
        self.stands = bool(self.rejected) and self.well_formed and not started and not steers(error)
        return self.stands

    def _rejected_for(self, defects: frozenset[str]) -> int:
        return sum(not defects.isdisjoint(tried.reason.split(", ")) for tried in self.rejected)

    def onto(self, step: Step) -> Step:
        """The step as it looks after these attempts."""
        # A provider's 429 or outage says nothing against the arm: it is a retry in the books, but no pressure.
        # An answer that was doubted (low confidence, a verifier's no) is a retry too, but nothing was malformed.
        unfit = self._rejected_for(_NO_STRUCTURE)
        pressure = replace(
            step.pressure,
            retries=step.pressure.retries + len(self.rejected),
            invalid_tool_calls=step.pressure.invalid_tool_calls + self._rejected_for(_BROKEN_CALLS),
            schema_failures=step.pressure.schema_failures + unfit,
        )
        out = (*step.rejected, *self.rejected, *self.faulted, *self.refused)
        return replace(step, attempt=self.attempt, pressure=pressure, rejected=out)
