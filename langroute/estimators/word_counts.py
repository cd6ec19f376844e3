"""WordCounts: how often the words of a known vocabulary stand in a text."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Self

from langroute.errors import ArtifactInvalid, ConfigError
from langroute.parts import Parts

_LONGEST = 20_000
"""Characters that are read; of a longer text its beginning."""


class WordCounts:
    """Logarithms of word counts, and of the number of words: enough where tasks share a small language.

    Words are what white space parts, regardless of case. Forms, tickets and records written by programs are like that;
    for free text see the other encoders.

    Args:
        words: the vocabulary, each word once.

    Raises:
        ConfigError: a word is empty or stands twice.
    """

    name = "words"
    version = "1"

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        if len(set(self.words)) < len(self.words) or not all(self.words):
            raise ConfigError("must hold words that are not empty, each once", field="words")

    @classmethod
    def of(cls, texts: Iterable[str], *, most: int = 48, fewest: int = 5) -> Self:
        """The words that stand in the most texts, plain numbers left out; of equally common ones the first by name.

        Args:
            texts: what was asked, each text once.
            most: how many words at most.
            fewest: texts that a word must stand in.
        """
        found: Counter[str] = Counter()
        for text in texts:
            found.update({word for word in text[:_LONGEST].casefold().split() if not word.isdecimal()})
        common = sorted(
            ((word, count) for word, count in found.items() if count >= fewest), key=lambda item: (-item[1], item[0])
        )
        return cls(sorted(word for word, _ in common[:most]))

    def encode(self, text: str) -> tuple[float, ...]:
        """One number per word of the vocabulary, then one for all words. Pure, never raises for text."""
        found = text[:_LONGEST].casefold().split()
        counts = Counter(found)
        return (*[math.log1p(counts[word]) for word in self.words], math.log1p(len(found)))

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        return Parts(settings={"words": list(self.words)})

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same encoder again.

        Raises:
            ArtifactInvalid: the words are missing, or are no words.
        """
        words: Any = parts.settings.get("words")
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ArtifactInvalid("must be a list of words; train again", field="words")
        try:
            return cls(words)
        except ConfigError as error:
            raise ArtifactInvalid(f"{error}; train again", field="words") from error
