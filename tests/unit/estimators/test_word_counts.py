"""WordCounts: a small vocabulary, counted."""

import math

import pytest

from langroute.errors import ArtifactInvalid, ConfigError
from langroute.estimators.word_counts import WordCounts
from langroute.parts import Parts
from langroute.protocols import TextEncoder


def test_the_vocabulary_is_the_most_common_words() -> None:
    """Words are ranked by how many texts they stand in, numbers left out; equal ones by name."""
    texts = ["packs of pens 7", "packs of cups 7", "PACKS and pens", "packs"]
    assert WordCounts.of(texts, most=2, fewest=2).words == ("of", "packs")
    assert WordCounts.of(texts, most=9, fewest=2).words == ("of", "packs", "pens")


def test_it_counts_regardless_of_case() -> None:
    """One logarithm of a count per word, and one for all words."""
    encoder = WordCounts(["packs", "dozen"])
    assert isinstance(encoder, TextEncoder)
    assert encoder.encode("Packs and packs") == (math.log1p(2), 0.0, math.log1p(3))


@pytest.mark.parametrize("text", ["", " ", "\ud800", "x " * 100_000, "é\n\t漢字"])
def test_any_text_is_read(text: str) -> None:
    """Empty, huge and odd texts give as many finite numbers as any other."""
    found = WordCounts(["x"]).encode(text)
    assert len(found) == 2
    assert all(map(math.isfinite, found))


def test_it_can_be_stored() -> None:
    """Made again of its parts it reads alike; what is damaged is named."""
    encoder = WordCounts(["a", "b"])
    assert WordCounts.from_parts(encoder.parts()).encode("a b b") == encoder.encode("a b b")
    for broken in ({}, {"words": [1]}, {"words": ["a", "a"]}):
        with pytest.raises(ArtifactInvalid, match="words"):
            WordCounts.from_parts(Parts(settings=broken))
    with pytest.raises(ConfigError, match="words"):
        WordCounts(["a", ""])
