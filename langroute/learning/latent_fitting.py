"""Fits `LatentText` to texts: rarity of buckets, and the directions in which the texts differ most."""

from collections.abc import Sequence

import numpy as np

from langroute.errors import OutcomesInvalid
from langroute.estimators.latent import BUCKETS, LatentText, buckets, weighted
from langroute.estimators.text_form import form_of

_COMPONENTS = 80
_LEAST_SPREAD = 1e-6
_MOST_TEXTS = 20_000


def fit_latent_text(texts: Sequence[str], *, seed: int, components: int = _COMPONENTS) -> LatentText:
    """The encoder of these texts, by a truncated singular value decomposition (scikit-learn); the same for a seed.

    The latent numbers of a text have together about the weight of its counts.

    Args:
        texts: different texts; at most 20,000 of them, drawn at random, are looked at.
        seed: of the drawing and the decomposition.
        components: numbers that a text becomes beside the counts; fewer where there are few texts.

    Raises:
        OutcomesInvalid: there is no text.
    """
    from scipy import sparse  # type: ignore[import-untyped, unused-ignore]  # noqa: PLC0415 - comes with scikit-learn
    from sklearn.decomposition import TruncatedSVD  # noqa: PLC0415

    if not texts:
        raise OutcomesInvalid("has no text to learn from", field="text")
    if len(texts) > _MOST_TEXTS:
        drawn = np.sort(np.random.default_rng(seed).permutation(len(texts))[:_MOST_TEXTS])
        texts = [texts[at] for at in drawn.tolist()]
    seen = np.zeros(2 * BUCKETS)
    for text in texts:
        seen[list(buckets(text))] += 1
    rarity = (np.log((1 + len(texts)) / (1 + seen)) + 1).astype(np.float32)
    rows = [weighted(text, rarity) for text in texts]
    counts = np.array([form_of(text) for text in texts])
    matrix = sparse.csr_matrix(
        (
            np.concatenate([values for _, values in rows]),
            np.concatenate([places for places, _ in rows]),
            np.cumsum([0, *(len(places) for places, _ in rows)]),
        ),
        shape=(len(texts), 2 * BUCKETS),
    )
    size = max(1, min(components, len(texts) - 1))
    projection = TruncatedSVD(size, random_state=seed).fit(matrix).components_.T
    length = float(np.sqrt(((matrix @ projection) ** 2).sum(axis=1).mean())) or 1.0
    return LatentText(
        rarity=rarity,
        projection=(projection * np.sqrt(counts.shape[1]) / length).astype(np.float32),
        centre=counts.mean(axis=0),
        spread=np.maximum(counts.std(axis=0), _LEAST_SPREAD) if len(texts) > 1 else np.ones(counts.shape[1]),
    )
