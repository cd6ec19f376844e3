"""Fits `NeighboursEstimator`: which contexts are kept, how many are asked, and how far their mean is shrunk."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from langroute.estimators.feature_schema import FeatureSchema
from langroute.estimators.neighbours import NeighboursEstimator
from langroute.estimators.rows import StepRows
from langroute.estimators.scaling import Scaling
from langroute.learning.examples import Examples
from langroute.learning.folds import folds_by
from langroute.learning.learners import Lesson
from langroute.learning.reading_text import read_text
from langroute.learning.sufficiency import amounts_known, check_enough
from langroute.parts import Fitted

NEAREST: tuple[int, ...] = (5, 10, 20, 40, 80, 160)
STRENGTHS: tuple[float, ...] = (2.0, 8.0, 32.0)
"""Tried by cross-validation; a larger context set wants more neighbours, noisy outcomes more shrinkage."""

Floats = NDArray[np.float64]


class NeighboursLearner:
    """Learns a `NeighboursEstimator`; number of neighbours and shrinkage by cross-validation over tasks.

    Args:
        encoder: reads what was asked; one is fitted to the texts when left out.
        most_contexts: contexts that are kept at most, drawn at random: a decision compares with all of them.
        folds: of the cross-validation.
    """

    name = "neighbours"

    def __init__(self, *, encoder: Fitted | None = None, most_contexts: int = 5_000, folds: int = 5) -> None:
        self._encoder = encoder
        self._most = most_contexts
        self._folds = folds

    def fit(self, examples: Examples, *, seed: int = 0) -> Lesson:
        """What it learns of examples; the same for the same seed.

        Raises:
            OutcomesInvalid: too few rows or tasks; see `sufficiency`.
        """
        check_enough(examples)
        encoder, read = read_text(examples, self._encoder, seed=seed)
        schema = FeatureSchema.fit(read.rows)
        contexts = _Contexts(read, most=self._most, seed=seed)
        nearest, strength = self._chosen(contexts, schema, seed)
        estimator = contexts.estimator(schema, np.arange(len(contexts.rows)), nearest=nearest, strength=strength)
        return Lesson.over(schema, estimator, encoder=encoder)

    def _chosen(self, contexts: "_Contexts", schema: FeatureSchema, seed: int) -> tuple[int, float]:
        """The pair that predicts success best on tasks left out; of equals the smoother."""
        tasks = len(np.unique(contexts.task))
        tried = list(product(NEAREST, STRENGTHS))
        errors = np.zeros(len(tried))
        for fit, score in folds_by(contexts.task, count=min(self._folds, tasks), seed=seed):
            if not (contexts.tried[fit, 0] > 0).any(axis=0).all():
                continue  # an arm was tried in the fold left out only, so nothing can be said of it
            for at, (nearest, strength) in enumerate(tried):
                estimator = contexts.estimator(schema, fit, nearest=nearest, strength=strength)
                guessed = estimator.predict(contexts.rows.take(score), contexts.arms).success
                missed = contexts.tried[score, 0] * (contexts.outcomes[score, 0] - guessed) ** 2
                errors[at] += float((missed / contexts.noise).sum())
        return tried[int(np.flatnonzero(errors <= errors.min() * (1 + 1e-9))[-1])]


class _Contexts:
    """Examples of one task whose features are equal, together: what each arm did in that context."""

    def __init__(self, examples: Examples, *, most: int, seed: int) -> None:
        self.arms: tuple[str, ...] = examples.arms
        self.known = amounts_known(examples)
        first, place = _distinct(examples)
        if len(first) > most:
            kept = np.sort(np.random.default_rng(seed).permutation(len(first))[:most])
            renamed = np.full(len(first), -1)
            renamed[kept] = np.arange(most)
            first, place = first[kept], renamed[place]
        used = np.flatnonzero(place >= 0)
        columns = np.searchsorted(np.array(self.arms), examples.arm[used])
        self.task = examples.task[first]
        self.rows: StepRows = examples.rows.take(first)
        self.tried = np.zeros((len(first), 3, len(self.arms)))
        self.outcomes = np.zeros((len(first), 3, len(self.arms)))
        for at, values in enumerate((examples.success, examples.output_tokens, examples.cost_nano)):
            weight = np.where(np.isnan(values), 0.0, examples.weight)[used]
            np.add.at(self.tried[:, at], (place[used], columns), weight)
            np.add.at(self.outcomes[:, at], (place[used], columns), weight * np.nan_to_num(values)[used])
        self.outcomes /= np.maximum(self.tried, 1e-12)
        self.noise = self._noise()

    def _noise(self) -> Floats:
        """(k,) the variance of each arm's success, so that a fickle arm does not choose for all."""
        weight, success = self.tried[:, 0], self.outcomes[:, 0]
        total = np.maximum(weight.sum(axis=0), 1e-12)
        mean = (weight * success).sum(axis=0) / total
        variance = (weight * (success - mean) ** 2).sum(axis=0) / total
        found: Floats = np.maximum(variance, max(0.01 * float(variance.max()), 1e-9))
        return found

    def estimator(
        self, schema: FeatureSchema, chosen: NDArray[np.int64], *, nearest: int, strength: float
    ) -> NeighboursEstimator:
        features = schema.matrix(self.rows.take(chosen))
        scaling = Scaling.fit(features, together=schema.text)
        block = _block(schema, scaling)
        tried, outcomes = self.tried[chosen], self.outcomes[chosen]
        total = np.maximum(tried.sum(axis=0), 1e-12)
        return NeighboursEstimator(
            arms=self.arms,
            schema=schema,
            scaling=scaling,
            block=block,
            contexts=(scaling.apply(features) * block).astype(np.float32),
            tried=tried.astype(np.float32),
            outcomes=outcomes.astype(np.float32),
            means=(tried * outcomes).sum(axis=0) / total,
            nearest=nearest,
            strength=strength,
            known=self.known,
        )


def _distinct(examples: Examples) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first row of each context, and the context (n,) of each row."""
    rows = examples.rows
    known: dict[tuple[str, bytes, bytes, bytes], int] = {}
    first: list[int] = []
    place = np.empty(len(examples), dtype=np.int64)
    keys = zip(examples.task.tolist(), rows.numbers, rows.words, rows.text, strict=True)
    for row, (task, numbers, words, text) in enumerate(keys):
        at = known.setdefault((task, numbers.tobytes(), words.tobytes(), text.tobytes()), len(first))
        if at == len(first):
            first.append(row)
        place[row] = at
    return np.array(first, dtype=np.int64), place


def _block(schema: FeatureSchema, scaling: Scaling) -> Floats:
    """(width,) weights with which numbers, names and text count alike in a distance, however many columns each has."""
    numbers, words = len(schema.numbers), schema.width - len(schema.numbers) - schema.text
    sizes = np.concatenate([np.full(size, max(size, 1)) for size in (numbers, words, schema.text)])
    gaps = np.full(len(scaling.gaps), max(numbers, 1))
    found: Floats = 1.0 / np.sqrt(np.concatenate([sizes, gaps]))
    return found
