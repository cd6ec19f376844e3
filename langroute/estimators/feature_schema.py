"""FeatureSchema: from what is known of a step to the numbers that a fitted estimator multiplies or compares."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid
from langroute.estimators.columns import NUMBERS, WORDS, numbers_of, words_of
from langroute.estimators.rows import StepRows
from langroute.records import Step

_SHARES = {"context_share", "prior_confidence", "budget_share", "needs_tools", "needs_structure", "loops"}
LOGGED = tuple(name for name in NUMBERS if name not in _SHARES)
"""Columns read as log(1 + x): counts and sizes, whose large values are far apart."""

MOST_WORDS = 24
"""A column of names gets a feature for each of so many frequent ones, and one for all others."""


class FeatureSchema:
    """Which columns are read, and how: numbers (logarithms of counts), names as ones and zeros, the text vector as is.

    The same for a table and for a live step, so what was fitted on one can be asked about the other. A name that was
    rare or never seen in training is "other". A text vector of another length than in training is read as zeros.

    Args:
        numbers: columns of `NUMBERS` that are read.
        vocabulary: columns of `WORDS` that are read, each with the names that have a feature of their own.
        text: length of the text vector.
    """

    def __init__(
        self, *, numbers: Sequence[str] = NUMBERS, vocabulary: Mapping[str, Sequence[str]] | None = None, text: int = 0
    ) -> None:
        self.numbers = tuple(numbers)
        self.vocabulary = {name: tuple(known) for name, known in (vocabulary or {}).items()}
        self.text = text
        self._number_places = np.array([NUMBERS.index(name) for name in self.numbers], dtype=np.int64)
        self._logged = np.array([at for at, name in enumerate(self.numbers) if name in LOGGED], dtype=np.int64)
        self._words: list[tuple[int, dict[str, int], int]] = []
        place = len(self.numbers)
        for name, known in self.vocabulary.items():
            spots = {word: place + at for at, word in enumerate(known)}
            self._words.append((WORDS.index(name), spots, place + len(known)))
            place += len(known) + 1
        self._text_from = place
        self.width = place + text

    @classmethod
    def fit(cls, rows: StepRows, *, most_words: int = MOST_WORDS, least: int = 5) -> Self:
        """What is worth reading of these rows: columns that vary, and the names that stand in at least ``least`` rows.

        Names of equal frequency are taken in alphabetical order, so the same rows give the same schema.
        """
        varying = [name for name in NUMBERS if _varies(rows.number(name))]
        vocabulary = {}
        for name in WORDS:
            counted = Counter(rows.word(name).tolist())
            if len(counted) > 1:
                often = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:most_words]
                vocabulary[name] = tuple(word for word, count in often if count >= least)
        return cls(numbers=varying, vocabulary=vocabulary, text=rows.text.shape[1])

    def without_text(self) -> Self:
        """The same columns, without the text vector."""
        return type(self)(numbers=self.numbers, vocabulary=self.vocabulary)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The features by name, (width,)."""
        words = [f"{name}={word}" for name, known in self.vocabulary.items() for word in (*known, "(other)")]
        return (*self.numbers, *words, *(f"text[{at}]" for at in range(self.text)))

    def row(self, step: Step) -> NDArray[np.float64]:
        """The features of a live step, (width,); NaN where a number is unknown."""
        found = np.zeros(self.width)
        seen = numbers_of(step)
        found[: len(self.numbers)] = [seen[at] for at in self._number_places]
        for at in self._logged:
            found[at] = math.log1p(max(found[at], 0.0))
        if self._words:
            told = words_of(step)
            for column, spots, other in self._words:
                found[spots.get(told[column], other)] = 1.0
        if self.text and len(step.features.text) == self.text:
            found[self._text_from :] = step.features.text
        return found

    def matrix(self, rows: StepRows) -> NDArray[np.float64]:
        """The features of n rows, (n, width); NaN where a number is unknown."""
        found = np.zeros((len(rows), self.width))
        found[:, : len(self.numbers)] = rows.numbers[:, self._number_places]
        found[:, self._logged] = np.log1p(np.maximum(0.0, found[:, self._logged]))
        for column, spots, other in self._words:
            known, which = np.unique(rows.words[:, column], return_inverse=True)
            places = np.array([spots.get(str(word), other) for word in known], dtype=np.int64)
            found[np.arange(len(rows)), places[which]] = 1.0
        if self.text and rows.text.shape[1] == self.text:
            found[:, self._text_from :] = rows.text
        return found

    def as_settings(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "numbers": list(self.numbers),
            "vocabulary": {name: list(known) for name, known in self.vocabulary.items()},
            "text": self.text,
        }

    @classmethod
    def from_settings(cls, settings: Any) -> Self:
        """The same schema again.

        Raises:
            ArtifactInvalid: a column is not known, or a setting is not what it has to be.
        """
        try:
            numbers, vocabulary, text = settings["numbers"], dict(settings["vocabulary"]), settings["text"]
            odd = [name for name in numbers if name not in NUMBERS] + [name for name in vocabulary if name not in WORDS]
            if odd or isinstance(text, bool) or not isinstance(text, int) or text < 0:
                raise ValueError(f"columns {odd}, text {text!r}")
            return cls(numbers=numbers, vocabulary=vocabulary, text=text)
        except (KeyError, TypeError, ValueError) as exc:
            raise ArtifactInvalid(
                f"is not what it has to be ({exc}); train again with `langroute train`", field="features"
            ) from exc


def _varies(column: NDArray[np.float64]) -> bool:
    known = column[~np.isnan(column)]
    return bool(len(known)) and (len(known) < len(column) or bool((known != known[0]).any()))
