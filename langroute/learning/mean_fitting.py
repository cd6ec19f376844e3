"""Fits `MeanEstimator`: several learners on the same examples and the same text vectors."""

from collections.abc import Sequence
from typing import cast

from langroute.estimators.mean import MeanEstimator, Member
from langroute.learning.examples import Examples
from langroute.learning.learners import Lesson, learner
from langroute.learning.reading_text import read_text
from langroute.parts import Fitted


class MeanLearner:
    """Learns each member on all examples, and takes plain means: nothing is chosen, so nothing can be chosen by luck.

    Args:
        members: names of learners that take an ``encoder``.
        encoder: reads what was asked; one is fitted to the texts when left out, for all members.
    """

    name = "mean"

    def __init__(self, *, members: Sequence[str] = ("ridge", "boosted"), encoder: Fitted | None = None) -> None:
        self._members = tuple(members)
        self._encoder = encoder

    def fit(self, examples: Examples, *, seed: int = 0) -> Lesson:
        """What it learns of examples; the same for the same seed.

        Raises:
            OutcomesInvalid: the examples are too few or too much alike for a member.
        """
        encoder, _ = read_text(examples, self._encoder, seed=seed)
        options = {} if encoder is None else {"encoder": encoder}
        lessons = [learner(name, **options).fit(examples, seed=seed) for name in self._members]
        return Lesson(
            estimator=MeanEstimator([cast("Member", lesson.estimator) for lesson in lessons]),
            encoder=encoder,
            numbers=tuple(dict.fromkeys(name for lesson in lessons for name in lesson.numbers)),
            words=tuple(dict.fromkeys(name for lesson in lessons for name in lesson.words)),
            text=max(lesson.text for lesson in lessons),
        )
