"""Hashed n-grams of words and of characters: the same numbers in every process and on every machine."""

import re
import zlib

import numpy as np
from numpy.typing import NDArray

from langroute.estimators.surface import shortened

_WORD = re.compile(r"\w+")
_SPACES = re.compile(r"\s+")
_STEP = np.uint64(1_099_511_628_211)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_LENGTHS = (3, 4, 5)
MOST_BITS = 20


def word_grams(text: str, *, bits: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Buckets of single words and of pairs of neighbours, below ``2**bits``, and how often each stands in the text.

    Lower case; at most the two ends of a long text are read (`surface.MOST_CHARACTERS`). Sorted by bucket.
    """
    words = [zlib.crc32(word.encode("utf-8", "replace")) for word in _WORD.findall(shortened(text).lower())]
    single = np.array(words, dtype=np.uint64)
    pairs = single[:-1] * _STEP + single[1:] + np.uint64(1)
    return _counted(np.concatenate([single, pairs]), bits)


def character_grams(text: str, *, bits: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The same for runs of 3 to 5 bytes of UTF-8, lower case, any space as one blank."""
    plain = f" {_SPACES.sub(' ', shortened(text).lower()).strip()} "
    letters = np.frombuffer(plain.encode("utf-8", "replace"), dtype=np.uint8).astype(np.uint64)
    found, running = [], letters
    for length in range(2, max(_LENGTHS) + 1):
        running = running[:-1] * _STEP + letters[length - 1 :] if len(letters) >= length else running[:0]
        if length in _LENGTHS:
            found.append(running + np.uint64(length))
    return _counted(np.concatenate(found), bits)


def _counted(grams: NDArray[np.uint64], bits: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    # Multiplying spreads what differs in low bits over the high ones, which are the ones that are kept; it wraps.
    places = ((grams * _SPREAD) >> np.uint64(64 - bits)).astype(np.int64)
    buckets, counts = np.unique(places, return_counts=True)
    return buckets, counts.astype(np.float64)
