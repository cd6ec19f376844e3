"""The text encoder: one vector for one text, everywhere, whatever the text is."""

import math
import subprocess
import sys

import numpy as np
import pytest

from langroute.errors import ArtifactInvalid, OutcomesInvalid
from langroute.estimators.ngrams import character_grams, word_grams
from langroute.estimators.surface import COUNTS, MOST_CHARACTERS, counts_of
from langroute.estimators.text import HashedText
from langroute.learning.text_fitting import fit_hashed_text, ridge_directions
from langroute.parts import Fitted, Parts
from langroute.protocols import TextEncoder

STRANGE = ("", " \n\t", "\x00", "\ud800", "٣٤ ½ ² 5,,,.", "1" * 500, "x" * 100_000, "Q?\nA.\nB.\nC.", "∀x∃y", "🦜" * 50)
QUESTION = "Which of the following is NOT true of 12% of $35?\nA. All of it\nB. Because of 1/2\nC. Yes\nD. It is 4.2"


@pytest.fixture(scope="module")
def encoder() -> HashedText:
    pytest.importorskip("sklearn")
    return fit_hashed_text([f"how many apples has {name} after {n} days" for n, name in enumerate("abcdefgh")], seed=1)


def test_a_count_is_what_its_name_says() -> None:
    """Counts read a question with options as a person would."""
    told = dict(zip(COUNTS, counts_of(QUESTION), strict=True))
    assert told["options"] == 4
    assert told["which_of_the_following"] == told["negated"] == told["shouts_not"] == told["ends_with_question"] == 1
    assert told["numbers"] == pytest.approx(math.log1p(5))
    assert told["fractions"] == told["percents"] == told["dollars"] == pytest.approx(math.log(2))
    assert told["all_of_these"] == 1
    assert told["none_of_these"] == 0


@pytest.mark.parametrize("text", STRANGE)
def test_any_text_has_a_finite_vector_of_one_length(encoder: HashedText, text: str) -> None:
    """Empty, huge, broken or foreign text neither raises nor gives NaN, and reading it twice gives the same."""
    vector = encoder.encode(text)
    assert len(vector) == encoder.width
    assert all(map(math.isfinite, vector))
    assert encoder.encode(text) == vector


def test_a_long_text_is_read_at_its_ends(encoder: HashedText) -> None:
    """What stands in the middle of a text that is too long changes nothing; its end does."""
    half = "word " * (MOST_CHARACTERS // 10)
    assert encoder.encode(half + "x" * 50_000 + half) == encoder.encode(half + "y" * 90_000 + half)
    assert encoder.encode(half + half) != encoder.encode(half + half[:-50] + "7 " * 25)


def test_buckets_are_those_of_every_process() -> None:
    """Another process with another hash seed finds the same buckets, and known ones at that."""
    code = (
        "from langroute.estimators.ngrams import *;"
        "print(word_grams('Naïve Bayes, twice', bits=16)[0].tolist(), character_grams('ab é', bits=10)[0].tolist())"
    )
    told = [
        subprocess.run(  # noqa: S603 - this interpreter and a constant
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    ]
    own = f"{word_grams('Naïve Bayes, twice', bits=16)[0].tolist()} {character_grams('ab é', bits=10)[0].tolist()}\n"
    assert told == [own, own]


def test_grams_are_counted() -> None:
    """Words and pairs of neighbours, and runs of 3 to 5 bytes, each as often as it stands there."""
    buckets, counts = word_grams("to be or not to be", bits=20)
    assert counts.sum() == 6 + 5
    assert sorted(counts.tolist())[-3:] == [2, 2, 2]  # to, be, and "to be"
    assert np.array_equal(buckets, np.unique(buckets))
    assert character_grams("abc", bits=20)[1].sum() == 3 + 2 + 1  # of " abc "


def test_an_encoder_can_be_stored(encoder: HashedText) -> None:
    """Made again of its parts it says the same."""
    again = HashedText.from_parts(encoder.parts())
    assert isinstance(again, Fitted)
    assert isinstance(again, TextEncoder)
    assert again.encode(QUESTION) == encoder.encode(QUESTION)


@pytest.mark.parametrize("broken", ["counts", "idf", "directions", "nan", "shape"])
def test_a_damaged_encoder_is_refused(encoder: HashedText, broken: str) -> None:
    """Other counts, a missing or misshapen array and NaN are named errors."""
    parts = encoder.parts()
    arrays, settings = dict(parts.arrays), dict(parts.settings)
    if broken == "counts":
        settings["counts"] = ["one"]
    elif broken == "nan":
        arrays["idf"] = np.full_like(arrays["idf"], np.nan)
    elif broken == "shape":
        arrays["idf"] = arrays["idf"][:, :-1]
    else:
        del arrays[broken]
    with pytest.raises(ArtifactInvalid):
        HashedText.from_parts(Parts(settings=settings, arrays=arrays))


def test_without_text_there_is_no_encoder() -> None:
    """Fitting on nothing says so."""
    with pytest.raises(OutcomesInvalid, match="text"):
        fit_hashed_text(["", ""])


def test_ridge_by_conjugate_gradients_is_ridge() -> None:
    """The weights are those of the closed form."""
    sparse = pytest.importorskip("scipy.sparse")
    source = np.random.default_rng(0)
    rows, targets = source.normal(size=(30, 50)), source.normal(size=(30, 2))
    closed = rows.T @ np.linalg.solve(rows @ rows.T + 3.0 * np.eye(30), targets)
    assert np.allclose(
        ridge_directions(sparse.csr_matrix(rows), targets, 3.0), closed, atol=1e-2 * np.abs(closed).max()
    )
