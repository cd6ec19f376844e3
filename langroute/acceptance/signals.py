"""What may tell a right answer from a wrong one once it is there, as named columns: the same in tables and live.

No signal is trusted by itself. A provider that sends no log-probabilities leaves most of them unknown, and an unknown
signal is NaN, never a guess.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from langroute.acceptance.validity import MALFORMED
from langroute.parts import Fitted
from langroute.records import Outcome, Step

Floats = NDArray[np.float64]

SIGNALS: tuple[str, ...] = (
    "confidence",
    "uncertainty",
    "answer_entropy",
    "agreement",
    "malformed",
    "pressure",
    "output_tokens",
)
"""Columns of `Answers.signals`.

The first four are those of `Outcome`; ``malformed`` is 1 where the door found the answer so, ``pressure`` how much
trouble the episode was in before the call, ``output_tokens`` what was billed.
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """Answers to be judged, row by row.

    Attributes:
        kind: (n,) kind of the step.
        arm: (n,) who answered.
        signals: (n, 7) the columns of `SIGNALS`, NaN where unknown.
    """

    kind: Sequence[str]
    arm: Sequence[str]
    signals: Floats

    def __len__(self) -> int:
        return len(self.signals)

    def signal(self, name: str) -> Floats:
        """(n,) one signal by its name."""
        return self.signals[:, SIGNALS.index(name)]


def answer_of(step: Step, outcome: Outcome) -> Answers:
    """One live answer, as a table of one row."""
    known = (
        outcome.confidence,
        outcome.uncertainty,
        outcome.answer_entropy,
        outcome.agreement,
        not MALFORMED.isdisjoint(outcome.defects),
        step.pressure.total,
        None if outcome.usage is None else outcome.usage.output_tokens,
    )
    row = [nan if value is None else float(value) for value in known]
    return Answers(kind=(step.kind,), arm=(outcome.arm,), signals=np.array([row]))


@runtime_checkable
class Score(Fitted, Protocol):
    """A number that is higher the more an answer is trusted. Pure; what is fitted of it was fitted on other answers."""

    def scores(self, answers: Answers) -> Floats:
        """(n,) one per answer; NaN where a signal that it needs is unknown."""
        ...
