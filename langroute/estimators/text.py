"""HashedText: reads what was asked into a few dozen numbers, by hashed n-grams and surface counts."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid
from langroute.estimators.ngrams import MOST_BITS, character_grams, word_grams
from langroute.estimators.surface import COUNTS, counts_of
from langroute.parts import Parts

READINGS = ("word", "character")


class HashedText:
    """A `TextEncoder` that serves with numpy alone.

    The vector is: what each direction says of the words (k numbers), of the characters (k numbers), and the surface
    counts. N-grams are weighted by ``(1 + log count) * idf`` and scaled to length 1, each reading by itself. Directions
    are columns over hash buckets, found in training: components of a latent semantic analysis, or weights of a ridge
    regression on outcomes. Long texts are read at their two ends, so the time it takes is bounded.

    Args:
        idf: (2, buckets) inverse document frequency of words and of characters; 0 for what was too rare.
        directions: (2, buckets, k).

    Raises:
        ArtifactInvalid: shapes do not fit together, or a number is not finite.
    """

    name = "hashed_text"
    version = "1"

    def __init__(self, *, idf: NDArray[Any], directions: NDArray[Any]) -> None:
        buckets = idf.shape[-1] if idf.ndim == 2 else 0
        self._bits = buckets.bit_length() - 1
        sound = len(idf) == 2 and 1 <= self._bits <= MOST_BITS and buckets == 1 << self._bits
        if not sound or directions.ndim != 3 or directions.shape[:2] != idf.shape:
            message = f"does not fit directions: shapes {idf.shape} and {directions.shape}; train again"
            raise ArtifactInvalid(message, field="idf")
        self._idf = np.ascontiguousarray(idf, dtype=np.float32)
        self._directions = np.ascontiguousarray(directions, dtype=np.float32)
        if not (np.isfinite(self._idf).all() and np.isfinite(self._directions).all()):
            raise ArtifactInvalid("or directions hold a number that is not finite; train again", field="idf")

    @property
    def bits(self) -> int:
        """There are ``2**bits`` buckets."""
        return self._bits

    @property
    def directions(self) -> int:
        """Directions of each reading (k)."""
        return int(self._directions.shape[2])

    @property
    def width(self) -> int:
        """The length of the vector."""
        return 2 * self.directions + len(COUNTS)

    def encode(self, text: str) -> tuple[float, ...]:
        """The vector of a text; finite whatever the text is."""
        projected = np.concatenate([self._projected(reading, text) for reading in range(2)])
        return (*projected.tolist(), *counts_of(text))

    def weighted(self, reading: int, text: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Buckets and weights of one reading of a text: 0 words, 1 characters."""
        return weighted_grams(reading, text, self._idf[reading], self._bits)

    def _projected(self, reading: int, text: str) -> NDArray[np.float64]:
        buckets, weights = self.weighted(reading, text)
        found: NDArray[np.float64] = weights @ self._directions[reading].take(buckets, axis=0)
        return found

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        return Parts(settings={"counts": list(COUNTS)}, arrays={"idf": self._idf, "directions": self._directions})

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same encoder again.

        Raises:
            ArtifactInvalid: an array is missing or damaged, or the surface counts were others when it was trained.
        """
        if list(parts.settings.get("counts", ())) != list(COUNTS):
            raise ArtifactInvalid("are not those of this version of langroute; train again", field="counts")
        for name in ("idf", "directions"):
            if name not in parts.arrays or parts.arrays[name].dtype.kind != "f":
                raise ArtifactInvalid("is missing or not of numbers; train again", field=name)
        return cls(idf=parts.arrays["idf"], directions=parts.arrays["directions"])


def weighted_grams(
    reading: int, text: str, idf: NDArray[Any], bits: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Buckets that count, and their weights, scaled to length 1 (or all 0)."""
    buckets, counts = (word_grams, character_grams)[reading](text, bits=bits)
    weights = (1.0 + np.log(counts)) * idf.take(buckets)
    length = float(np.sqrt((weights * weights).sum()))
    return buckets, weights / length if length else weights
