"""Fitting a `HashedText`: which n-grams count, and the directions they are read along."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid
from langroute.estimators.ngrams import character_grams, word_grams
from langroute.estimators.text import READINGS, HashedText, weighted_grams

BITS = 16
_LEAST = (2, 3)
_MOST_STEPS, _CLOSE = 60, 1e-6


def fit_hashed_text(texts: Sequence[str], *, seed: int = 0, components: int = 8, bits: int = BITS) -> HashedText:
    """An encoder along the main components of these texts (latent semantic analysis); no outcome is looked at.

    Raises:
        OutcomesInvalid: there is no text.
    """
    grams = Grams(texts, bits=bits)
    return grams.encoder([_components(matrix, components, seed) for matrix in grams.matrices])


class Grams:
    """Texts as sparse rows of weighted n-grams, one matrix for words and one for characters.

    Args:
        texts: the texts to learn from; how rare an n-gram is, is counted on these.
        bits: there are ``2**bits`` buckets.

    Raises:
        OutcomesInvalid: there is no text.
    """

    def __init__(self, texts: Sequence[str], *, bits: int = BITS) -> None:
        if not any(texts):
            raise OutcomesInvalid("is empty in every row; a text encoder needs texts", field="text")
        self.bits = bits
        self.idf = np.stack([_idf(reading, texts, bits) for reading in range(len(READINGS))])
        self.matrices = self.read(texts)

    def read(self, texts: Sequence[str]) -> list[Any]:
        """Other texts, weighted as these: a CSR matrix (n, buckets) for each reading."""
        return [_matrix(reading, texts, self.idf[reading], self.bits) for reading in range(len(READINGS))]

    def encoder(self, directions: Sequence[NDArray[np.float64]]) -> HashedText:
        """An encoder along (buckets, k) directions for each reading."""
        return HashedText(idf=self.idf, directions=np.stack(directions))


def ridge_directions(matrix: Any, targets: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    """(buckets, t) weights of ridge regressions of (n, t) centred targets on sparse rows, by conjugate gradients.

    It is kernel ridge regression with the rows' inner products as kernel, solved among the n rows; no row is left out
    and nothing is stored but one weight a bucket.
    """
    turned = matrix.T.tocsr()
    found, left = np.zeros_like(targets), targets.copy()
    step, size = left.copy(), (left * left).sum(axis=0)
    enough = _CLOSE * size
    for _ in range(_MOST_STEPS):
        if (size <= enough).all():
            break
        seen = matrix @ (turned @ step) + penalty * step
        pace = size / np.maximum((step * seen).sum(axis=0), 1e-300)
        found += pace * step
        left -= pace * seen
        before, size = size, (left * left).sum(axis=0)
        step = left + size / np.maximum(before, 1e-300) * step
    weights: NDArray[np.float64] = turned @ found
    return weights


def _idf(reading: int, texts: Sequence[str], bits: int) -> NDArray[np.float32]:
    known = np.zeros(1 << bits, dtype=np.int64)
    for text in texts:
        known[(word_grams, character_grams)[reading](text, bits=bits)[0]] += 1
    weights = np.log((1 + len(texts)) / (1 + known)) + 1
    weights[known < min(_LEAST[reading], len(texts))] = 0.0
    return weights.astype(np.float32)


def _matrix(reading: int, texts: Sequence[str], idf: NDArray[np.float32], bits: int) -> Any:
    rows = [weighted_grams(reading, text, idf, bits) for text in texts]
    ends = np.cumsum([0, *(len(buckets) for buckets, _ in rows)])
    columns, weights = (np.concatenate([row[at] for row in rows]) for at in range(2))
    sparse: Any = import_module("scipy.sparse")  # comes with scikit-learn
    return sparse.csr_matrix((weights, columns, ends), shape=(len(rows), len(idf)))


def _components(matrix: Any, count: int, seed: int) -> NDArray[np.float64]:
    from sklearn.utils.extmath import randomized_svd  # noqa: PLC0415 - only training needs it

    most = max(1, min(count, matrix.shape[0] - 1))
    right = randomized_svd(matrix, most, random_state=seed, n_iter=3)[2]
    found = np.zeros((matrix.shape[1], count))
    found[:, :most] = right.T
    return found
