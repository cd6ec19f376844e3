"""Fits `GroupMeanEstimator`: means by group, and how far small groups are shrunk."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from langroute.estimators.group_mean import LEVELS, GroupMeanEstimator
from langroute.learning.examples import Examples
from langroute.learning.folds import folds_by
from langroute.learning.learners import Lesson
from langroute.learning.sufficiency import amounts_known, check_enough

STRENGTHS: tuple[float, ...] = (1.0, 4.0, 16.0, 64.0, 256.0)
"""Tried by cross-validation: rows that a group's mean counts as if they were like the group around it."""


class GroupMeanLearner:
    """Learns a `GroupMeanEstimator`; the shrinkage by cross-validation over tasks.

    Args:
        folds: of the cross-validation.
    """

    name = "group_mean"

    def __init__(self, *, folds: int = 5) -> None:
        self._folds = folds

    def fit(self, examples: Examples, *, seed: int = 0) -> Lesson:
        """What it learns of examples; the same for the same seed.

        Raises:
            OutcomesInvalid: too few rows or tasks; see `sufficiency`.
        """
        check_enough(examples)
        levels = tuple(level for level in LEVELS if len(np.unique(examples.rows.word(level))) > 1)
        errors = np.zeros(len(STRENGTHS))
        tasks = len(np.unique(examples.task))
        for fit, score in folds_by(examples.task, count=min(self._folds, tasks), seed=seed):
            known, asked = examples.take(fit), examples.take(score)
            for at, strength in enumerate(STRENGTHS):
                guessed = _made(known, levels, strength).predict(asked.rows, examples.arms).success
                columns = np.searchsorted(np.array(examples.arms), asked.arm)
                missed = asked.success - guessed[np.arange(len(asked)), columns]
                errors[at] += float(asked.weight @ missed**2)
        best = int(np.flatnonzero(errors <= errors.min() * (1 + 1e-9))[-1])
        return Lesson(estimator=_made(examples, levels, STRENGTHS[best]), words=levels)


def _made(examples: Examples, levels: Sequence[str], strength: float) -> GroupMeanEstimator:
    arms = examples.arms
    columns = np.searchsorted(np.array(arms), examples.arm)
    outcomes = np.stack([examples.success, examples.output_tokens, examples.cost_nano])
    words = [examples.rows.word(level).tolist() for level in levels]
    names: list[tuple[str, ...]] = list(zip(*words, strict=True)) if levels else [()] * len(examples)
    groups: list[tuple[str, ...]] = [()]
    means = [_means(outcomes, examples.weight, columns, len(arms), toward=None, strength=strength)]
    for length in range(1, len(levels) + 1):
        place: dict[tuple[str, ...], list[int]] = {}
        for row, name in enumerate(names):
            place.setdefault(name[:length], []).append(row)
        for group, members in sorted(place.items()):
            rows = np.array(members)
            toward = means[groups.index(group[:-1])]
            means.append(
                _means(
                    outcomes[:, rows], examples.weight[rows], columns[rows], len(arms), toward=toward, strength=strength
                )
            )
            groups.append(group)
    return GroupMeanEstimator(
        arms=arms, levels=levels, groups=groups, means=np.stack(means), known=amounts_known(examples)
    )


def _means(
    outcomes: NDArray[np.float64],
    weight: NDArray[np.float64],
    columns: NDArray[np.int64],
    arms: int,
    *,
    toward: NDArray[np.float64] | None,
    strength: float,
) -> NDArray[np.float64]:
    """(3, k) weighted means of (3, n) outcomes by arm, NaN left out, shrunk ``toward`` those of the group around."""
    told = ~np.isnan(outcomes)
    count = np.stack([np.bincount(columns, weights=weight * row, minlength=arms) for row in told])
    total = np.stack([np.bincount(columns, weights=weight * row, minlength=arms) for row in np.nan_to_num(outcomes)])
    if toward is None:
        return total / np.maximum(count, 1e-12)
    return (total + strength * toward) / (count + strength)
