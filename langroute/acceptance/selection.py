"""Selectors: which of several answers of one arm is passed on.

Best of n (BEST-Route, 2506.22716, whose proxy reward model is not at hand here: these are plain rules in its place).
Each chooses among the well-formed answers where there is one, and of equals takes the first.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from langroute.candidates import Candidate
from langroute.records import Step


class FirstValid:
    """The first answer without a defect of form: what several calls are worth where nothing tells answers apart."""

    name = "first-valid"

    def select(self, step: Step, candidates: Sequence[Candidate]) -> int:  # noqa: ARG002 - the contract's signature
        """The place of the first well-formed answer; of the first of all where none is."""
        return _well_formed(candidates)[0]


class MostConfident:
    """The well-formed answer that its model was surest of; one without logprobs counts as least sure.

    Confidence tells answers of one model apart better than answers of different ones: here all are of one model.
    """

    name = "most-confident"

    def select(self, step: Step, candidates: Sequence[Candidate]) -> int:  # noqa: ARG002 - the contract's signature
        """The place of the surest answer."""
        return max(_well_formed(candidates), key=lambda place: _confidence(candidates[place]))


class Majority:
    """The answer that most samples give (self-consistency); of answers given as often the surest one.

    Answers are compared in their normalised form. Free text is hardly ever the same twice, so give it ``read`` where
    only a part of an answer decides, such as its last line. An answer that cannot be read agrees with no other.

    Args:
        read: the part of a `Candidate.answer` that has to be equal; the whole when left out.
    """

    name = "majority"

    def __init__(self, *, read: Callable[[str], str] | None = None) -> None:
        self._read = read

    def read(self, answer: str) -> str:
        """The part of an answer by which two are compared."""
        return answer if self._read is None else self._read(answer)

    def select(self, step: Step, candidates: Sequence[Candidate]) -> int:  # noqa: ARG002 - the contract's signature
        """The place of the surest answer among those that are given most often."""
        places = _well_formed(candidates)
        said = {place: self.read(candidates[place].answer) or place for place in places}
        votes = Counter(said.values())
        return max(places, key=lambda place: (votes[said[place]], _confidence(candidates[place])))


def last_line(answer: str) -> str:
    """The last line of an answer that is not empty, for `Majority`.

    Normalised answers keep their lines, so of a chain of thought the conclusion is left.

    >>> last_line(chr(10).join(["six times seven:", "42 "]))
    '42'
    """
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _well_formed(candidates: Sequence[Candidate]) -> Sequence[int]:
    """The places of the answers without defects; all places where there is none."""
    places = [place for place, seen in enumerate(candidates) if not seen.defects]
    return places or range(len(candidates))


def _confidence(candidate: Candidate) -> float:
    return -1.0 if candidate.confidence is None else candidate.confidence
