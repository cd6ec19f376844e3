"""Agreement between cheap samples as a score: what a model says every time is more often right."""

from typing import Self

from langroute.acceptance.signals import Answers, Floats
from langroute.parts import Parts


class Agreement:
    """The share of the step's samples that say the same as the chosen one; unknown where one sample was taken.

    It needs an arm with several samples, and costs as many calls. Samples of one model share its mistakes: on tasks it
    does not understand it may agree with itself and be wrong, so calibrate it, or combine it with other signals.
    """

    name = "agreement"

    def scores(self, answers: Answers) -> Floats:
        """(n,) in (0, 1]; NaN where nothing could agree."""
        return answers.signal("agreement").copy()

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        return Parts()

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:  # noqa: ARG003 - the contract's signature
        """The same thing again."""
        return cls()
