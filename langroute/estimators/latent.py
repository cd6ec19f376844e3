"""LatentText: words and pieces of words of a text, hashed, weighted by rarity and projected to a few numbers."""

import re
import zlib
from collections import Counter
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid
from langroute.estimators.arrays import array_of
from langroute.estimators.text_form import FORM_WIDTH, form_of
from langroute.parts import Parts

BUCKETS = 8_192
"""Of words and pairs of words, and as many of pieces of words."""

_LONGEST = 8_000
_WORD = re.compile(r"\w+")
_PIECES = (3, 4, 5)


class LatentText:
    """Latent semantic analysis with hashed features, and the counts of `form_of` beside it.

    Serving needs numpy only. What a text becomes is the same in every process and on every machine.

    Args:
        rarity: (2 * BUCKETS,) inverse document frequency of each bucket.
        projection: (2 * BUCKETS, d) from buckets to d numbers.
        centre: (18,) what is subtracted from the counts.
        spread: (18,) what they are divided by.
    """

    name = "latent"
    version = "1"

    def __init__(
        self,
        *,
        rarity: NDArray[np.float32],
        projection: NDArray[np.float32],
        centre: NDArray[np.float64],
        spread: NDArray[np.float64],
    ) -> None:
        self.rarity = rarity
        self.projection = projection
        self.centre = centre
        self.spread = spread

    def encode(self, text: str) -> tuple[float, ...]:
        """(18 + d,) numbers. Pure, never raises for text."""
        counts = (np.array(form_of(text)) - self.centre) / self.spread
        places, values = weighted(text, self.rarity)
        latent = values @ self.projection[places] if len(places) else np.zeros(self.projection.shape[1])
        return tuple([round(value, 6) for value in (*counts.tolist(), *latent.tolist())])

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        names = ("rarity", "projection", "centre", "spread")
        return Parts(arrays={name: getattr(self, name) for name in names})

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same encoder again.

        Raises:
            ArtifactInvalid: an array is missing or is not what it has to be.
        """
        spread = array_of(parts, "spread", FORM_WIDTH)
        if not (spread > 0).all():
            raise ArtifactInvalid("must be positive; train again with `langroute train`", field="spread")
        return cls(
            rarity=array_of(parts, "rarity", 2 * BUCKETS),
            projection=array_of(parts, "projection", 2 * BUCKETS, None),
            centre=array_of(parts, "centre", FORM_WIDTH),
            spread=spread,
        )


def buckets(text: str) -> Counter[int]:
    """How often each bucket is hit: words and pairs of words, then pieces of 3 to 5 characters within words."""
    words = _WORD.findall(text[:_LONGEST].lower())
    terms = Counter(words) + Counter(f"{one} {two}" for one, two in pairwise(words))
    found: Counter[int] = Counter()
    for term, count in terms.items():
        found[zlib.crc32(term.encode("utf-8", "replace")) % BUCKETS] += count
    for word, count in Counter(words).items():
        padded = f" {word} "
        for size in _PIECES:
            for start in range(len(padded) - size + 1):
                piece = padded[start : start + size].encode("utf-8", "replace")
                found[BUCKETS + zlib.crc32(piece) % BUCKETS] += count
    return found


def weighted(text: str, rarity: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The buckets of a text, and their weights: 1 + log count, times rarity; words and pieces each of length 1."""
    found = buckets(text)
    places = np.array(sorted(found), dtype=np.int64)
    if not len(places):
        return places, np.zeros(0)
    values = (1.0 + np.log([found[place] for place in places.tolist()])) * rarity[places]
    for part in (places < BUCKETS, places >= BUCKETS):
        length = float(np.sqrt((values[part] ** 2).sum()))
        values[part] /= length or 1.0
    return places, values
