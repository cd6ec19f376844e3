"""Fits `RidgeEstimator`: a slope that all arms share, and what each arm deviates from it.

Success of different arms rises and falls together, because some steps are hard for all; what a router needs is where
they differ, which is far smaller and needs far more shrinkage. So two penalties are chosen, one for the shared slope
and one for the deviations (regularised multi-task learning; the choice is ours, CARROT 2502.03261 does not say how its
heads are regularised). Everything is computed from one Gram matrix for each fold and arm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from langroute.estimators.feature_schema import FeatureSchema
from langroute.estimators.ridge import RidgeEstimator
from langroute.estimators.scaling import Scaling
from langroute.learning.examples import Examples
from langroute.learning.folds import Folds, folds_by
from langroute.learning.learners import Lesson
from langroute.learning.reading_text import read_text
from langroute.learning.sufficiency import amounts_known, check_enough
from langroute.parts import Fitted

PENALTIES: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Tried for the shared slope and for the deviations, as a share of the rows' weight; features have variance 1."""

_BATCH = 8_192

Floats = NDArray[np.float64]


class RidgeLearner:
    """Learns a `RidgeEstimator`; both penalties by cross-validation over tasks.

    Args:
        encoder: reads what was asked; one is fitted to the texts when left out.
        folds: of the cross-validation.
    """

    name = "ridge"

    def __init__(self, *, encoder: Fitted | None = None, folds: int = 5) -> None:
        self._encoder = encoder
        self._folds = folds

    def fit(self, examples: Examples, *, seed: int = 0) -> Lesson:
        """What it learns of examples; the same for the same seed.

        Raises:
            OutcomesInvalid: too few rows or tasks; see `sufficiency`.
        """
        check_enough(examples)
        encoder, read = read_text(examples, self._encoder, seed=seed)
        schema = FeatureSchema.fit(read.rows)
        scaling = Scaling.fit(schema.matrix(read.rows), together=schema.text)
        folds = folds_by(read.task, count=min(self._folds, len(np.unique(read.task))), seed=seed)
        weights = {
            head: _fitted(_sums(read, target, schema, scaling, folds)) for head, target in _targets(read).items()
        }
        estimator = RidgeEstimator(
            arms=read.arms,
            schema=schema,
            scaling=scaling,
            weights=weights,
            factors={head: np.ones(len(read.arms)) for head in weights if head != "success"},
        )
        _set_factors(estimator, read)
        return Lesson.over(schema, estimator, encoder=encoder)


def _targets(examples: Examples) -> dict[str, Floats]:
    """By head, (n,) what is predicted: success, and logarithms of cost and of tokens + 1; NaN where unknown."""
    found = {"success": examples.success}
    tokens, cost = amounts_known(examples)
    if cost:
        found["cost"] = np.log(np.maximum(1.0, examples.cost_nano))
    if tokens:
        found["tokens"] = np.log1p(examples.output_tokens)
    return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sums:
    """Weighted sums by fold (f) and arm (k), over features (w).

    Attributes:
        weight: (f, k).
        x: (f, k, w).
        y: (f, k).
        xx: (f, k, w, w).
        xy: (f, k, w).
        yy: (f, k).
    """

    weight: Floats
    x: Floats
    y: Floats
    xx: Floats
    xy: Floats
    yy: Floats

    def without(self, fold: int | None) -> "_Centred":
        """All folds but one, or all, centred by arm."""
        kept = [at for at in range(len(self.weight)) if at != fold]
        return _centred(*(getattr(self, name)[kept].sum(axis=0) for name in self.__slots__))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Centred:
    """By arm (k): weight, means, and Gram matrices around the means."""

    weight: Floats
    x: Floats
    y: Floats
    xx: Floats
    xy: Floats
    yy: Floats


def _centred(weight: Floats, x: Floats, y: Floats, xx: Floats, xy: Floats, yy: Floats) -> _Centred:
    safe = np.maximum(weight, 1e-12)
    mean_x, mean_y = x / safe[:, None], y / safe
    return _Centred(
        weight=weight,
        x=mean_x,
        y=mean_y,
        xx=xx - mean_x[:, :, None] * x[:, None, :],
        xy=xy - mean_x * y[:, None],
        yy=np.maximum(0.0, yy - mean_y * y),
    )


def _sums(examples: Examples, target: Floats, schema: FeatureSchema, scaling: Scaling, folds: Folds) -> _Sums:
    """One pass over the rows, in batches of one fold and arm."""
    arms, told = examples.arms, ~np.isnan(target)
    shape, width = (folds.count, len(arms)), scaling.width
    sums = _Sums(
        weight=np.zeros(shape),
        x=np.zeros((*shape, width)),
        y=np.zeros(shape),
        xx=np.zeros((*shape, width, width)),
        xy=np.zeros((*shape, width)),
        yy=np.zeros(shape),
    )
    for at, arm in enumerate(arms):
        for fold in range(folds.count):
            rows = np.flatnonzero(told & (examples.arm == arm) & (folds.fold == fold))
            for start in range(0, len(rows), _BATCH):
                chosen = rows[start : start + _BATCH]
                x = scaling.apply(schema.matrix(examples.rows.take(chosen)))
                y, weight = target[chosen], examples.weight[chosen]
                heavy = x * weight[:, None]
                sums.weight[fold, at] += weight.sum()
                sums.x[fold, at] += heavy.sum(axis=0)
                sums.y[fold, at] += weight @ y
                sums.xx[fold, at] += heavy.T @ x
                sums.xy[fold, at] += heavy.T @ y
                sums.yy[fold, at] += weight @ y**2
    return sums


def _fitted(sums: _Sums) -> Floats:
    """(w + 1, k) slopes and intercepts of one head, with the penalties that predict best out of fold."""
    noise = _noise(sums.without(None))
    errors = np.zeros((len(PENALTIES), len(PENALTIES)))
    for fold in range(len(sums.weight)):
        tried = _slopes(sums.without(fold), noise, PENALTIES)
        for (shared, own), weights in tried.items():
            errors[shared, own] += _error(sums, fold, weights, noise)
    # Of penalties that predict equally well, the strongest: a line that is not needed is not drawn.
    best = np.flatnonzero(errors.ravel() <= errors.min() * (1 + 1e-9))[-1]
    shared, own = divmod(int(best), len(PENALTIES))
    return _slopes(sums.without(None), noise, (PENALTIES[shared], PENALTIES[own]), pair=True)[0, 1]


def _noise(centred: _Centred) -> Floats:
    """(k,) variance of each arm's outcome: what is steady says more about a shared slope than what is not."""
    variance = centred.yy / np.maximum(centred.weight, 1e-12)
    usual = float(variance.max())
    return np.maximum(variance, 0.01 * usual if usual > 0 else 1.0)


def _slopes(
    centred: _Centred, noise: Floats, penalties: Sequence[float], *, pair: bool = False
) -> dict[tuple[int, int], Floats]:
    """Slopes and intercepts (w + 1, k) by (penalty of the shared slope, penalty of the deviations).

    With ``pair``, the first penalty is for the shared slope and the second for the deviations, and only they are used.
    """
    weight = centred.weight / noise
    whole = (centred.xx / noise[:, None, None]).sum(axis=0)
    toward = (centred.xy / noise[:, None]).sum(axis=0)
    values, vectors = np.linalg.eigh(whole)
    own = [np.linalg.eigh(gram) for gram in centred.xx]
    found = {}
    for first, shared_penalty in enumerate(penalties[:1] if pair else penalties):
        shared = vectors @ ((vectors.T @ toward) / (np.maximum(values, 0.0) + shared_penalty * weight.sum()))
        left = centred.xy - centred.xx @ shared
        for second, own_penalty in enumerate(penalties):
            if pair and second == 0:
                continue
            slopes = np.stack(
                [
                    shared + basis @ ((basis.T @ left[arm]) / (np.maximum(spread, 0.0) + own_penalty * heavy))
                    for arm, ((spread, basis), heavy) in enumerate(
                        zip(own, np.maximum(centred.weight, 1e-12), strict=True)
                    )
                ],
                axis=1,
            )
            intercepts = centred.y - (centred.x * slopes.T).sum(axis=1)
            found[first, second] = np.concatenate([slopes, intercepts[None, :]])
    return found


def _error(sums: _Sums, fold: int, weights: Floats, noise: Floats) -> float:
    """The weighted squared error on a fold, each arm's in units of its noise."""
    slopes, intercepts = weights[:-1], weights[-1]
    x, xy = sums.x[fold], sums.xy[fold]
    predicted = (
        np.einsum("wk,kwv,vk->k", slopes, sums.xx[fold], slopes)
        + 2 * intercepts * (x * slopes.T).sum(axis=1)
        + intercepts**2 * sums.weight[fold]
    )
    product = (xy * slopes.T).sum(axis=1) + intercepts * sums.y[fold]
    return float(((sums.yy[fold] - 2 * product + predicted) / noise).sum())


def _set_factors(estimator: RidgeEstimator, examples: Examples) -> None:
    """Make the exponentials of predicted logarithms right on average, by arm."""
    sums = {head: np.zeros((2, len(estimator.arms))) for head in estimator.factors}
    for start in range(0, len(examples), _BATCH):
        part = examples.take(np.arange(start, min(start + _BATCH, len(examples))))
        expected = estimator.predict(part.rows, estimator.arms)
        columns = np.array([estimator.arms.index(arm) for arm in part.arm.tolist()])
        pairs = {
            "cost": (part.cost_nano, expected.cost_nano),
            "tokens": (part.output_tokens + 1.0, expected.output_tokens + 1.0),
        }
        for head, (true, guessed) in pairs.items():
            if head in sums:
                weight = np.where(np.isnan(true), 0.0, part.weight)
                np.add.at(sums[head][0], columns, weight * np.nan_to_num(true))
                np.add.at(sums[head][1], columns, weight * guessed[np.arange(len(part)), columns])
    for head, (true, guessed) in sums.items():
        estimator.factors[head] = true / np.maximum(guessed, 1e-12)
