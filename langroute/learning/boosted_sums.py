"""Boosted trees by XGBoost for one target: how many of them is found inside, and every row is predicted out of fold."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ConfigError
from langroute.learning.folds import Folds, folds_by

Target = Literal["share", "amount"]
_OBJECTIVES: dict[Target, str] = {"share": "binary:logistic", "amount": "reg:gamma"}
_VALIDATION_PARTS = 8
_LEAST_AMOUNT = 1e-6
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeOptions:
    """How trees are grown.

    Attributes:
        rounds: most trees of a sum; a live decision walks all of them.
        depth: of a tree; each level costs a live decision as much as the one before.
        rate: how much of a tree's advice is taken.
        patience: so many trees without gain on the part kept for it end the growing.
        folds: parts in turn left out, for predictions out of fold.
        threads: of one sum. Another number may change the last digits of results, and on a busy machine several wait
            for each other more than they work: the sums of a large table are grown beside each other instead.
    """

    rounds: int = 100
    depth: int = 4
    rate: float = 0.1
    patience: int = 10
    folds: int = 4
    threads: int = 1

    def parameters(self, target: Target, *, base: float, seed: int) -> dict[str, Any]:
        """For ``xgboost.train``."""
        return {
            "objective": _OBJECTIVES[target],
            "base_score": base,
            "max_depth": self.depth,
            "learning_rate": self.rate,
            "min_child_weight": 3.0,
            "reg_lambda": 2.0,
            "subsample": 0.8,
            "colsample_bytree": 0.7,
            "tree_method": "hist",
            "seed": seed,
            "verbosity": 0,
            "nthread": self.threads,
        }


class Source(Protocol):
    """Features of n rows, in memory or on disk."""

    @property
    def size(self) -> int:
        """How many rows there are."""
        ...

    @property
    def width(self) -> int:
        """How many features a row has."""
        ...

    def matrix(
        self, rows: NDArray[np.int64], label: NDArray[np.float64], weight: NDArray[np.float64], *, like: Any = None
    ) -> Any:
        """Sorted rows as XGBoost reads them; ``label`` and ``weight`` are those of all n rows.

        Args:
            rows: row numbers, sorted.
            label: (n,) what is learned.
            weight: (n,) what each row counts.
            like: a matrix whose bins are taken.
        """
        ...

    def chunks(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """All rows in order, a chunk at a time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySource:
    """Features in memory.

    Attributes:
        features: (n, width).
    """

    features: NDArray[np.float32]

    @property
    def size(self) -> int:
        """How many rows there are."""
        return len(self.features)

    @property
    def width(self) -> int:
        """How many features a row has."""
        return int(self.features.shape[1])

    def matrix(
        self, rows: NDArray[np.int64], label: NDArray[np.float64], weight: NDArray[np.float64], *, like: Any = None
    ) -> Any:
        """See `Source`."""
        return xgboost().QuantileDMatrix(self.features[rows], label[rows], weight=weight[rows], ref=like)

    def chunks(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """All rows at once."""
        yield slice(0, self.size), self.features


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grown:
    """Trees for one target.

    Attributes:
        booster: of XGBoost, on all rows.
        margin: (n,) the sum out of fold, before the link function; NaN in rows that were not learned from.
        rounds: trees by fold, as found without the scored rows.
    """

    booster: Any
    margin: NDArray[np.float64]
    rounds: tuple[int, ...]


def grow(
    source: Source,
    label: NDArray[np.float64],
    weight: NDArray[np.float64],
    together: NDArray[np.int64],
    *,
    target: Target,
    options: TreeOptions,
    seed: int,
    tell: Progress = lambda _: None,
) -> Grown:
    """Trees on all rows whose label is known, and what trees without a row's fold say of it.

    In each fold a part of the rows seen says when to stop; the last trees are as many as the folds' median.

    Args:
        source: the features.
        label: (n,) in [0, 1] for a share, with mean 1 for an amount; NaN where unknown.
        weight: (n,) what each row counts.
        together: (n,) numbers of tasks; rows of one are never on both sides.
        target: what the label is.
        options: how trees are grown.
        seed: of folds and samples.
        tell: called after each fit.
    """
    known = np.flatnonzero(~np.isnan(label))
    weight = weight / weight[known].mean()
    label = np.where(np.isnan(label), 1.0, label)
    if target == "amount":
        label, base = np.maximum(label, _LEAST_AMOUNT), 1.0
    else:
        base = float(np.clip(np.average(label[known], weights=weight[known]), 1e-4, 1 - 1e-4))
    parameters = options.parameters(target, base=base, seed=seed)
    margin, rounds = np.full(source.size, np.nan), []
    folds = dealt(together[known], options.folds, seed=seed)
    for seen, scored in folds:
        fitted = _stopped(source, label, weight, together, known[seen], parameters, options, seed)
        _predict(source, fitted, known[scored], margin)
        rounds.append(fitted.best_iteration + 1)
        tell(target)
    final = xgboost().train(parameters, source.matrix(known, label, weight), int(np.median(rounds)))
    tell(target)
    return Grown(booster=final, margin=margin, rounds=tuple(rounds))


def no_trees(source: Source) -> Grown:
    """A sum that is nothing, for a target that nothing is known of."""
    rows = np.arange(min(source.size, 2))
    one = np.ones(source.size)
    parameters = {"objective": "reg:gamma", "base_score": 1.0, "max_depth": 1, "verbosity": 0, "nthread": 1}
    booster = xgboost().train(parameters, source.matrix(rows, one, one), 1)
    return Grown(booster=booster, margin=np.zeros(source.size), rounds=())


def dealt(together: NDArray[np.int64], count: int, *, seed: int) -> Folds:
    """Folds by task; fewer of them where there are fewer tasks."""
    return folds_by(together, count=min(count, len(np.unique(together))), seed=seed)


def xgboost() -> Any:
    """XGBoost, which the extra ``learn`` installs.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import xgboost as library  # noqa: PLC0415 - training only
    except ImportError as exc:
        raise ConfigError('needs XGBoost: pip install "langroute[learn]"', field="estimator") from exc
    return library


def _stopped(
    source: Source,
    label: NDArray[np.float64],
    weight: NDArray[np.float64],
    together: NDArray[np.int64],
    rows: NDArray[np.int64],
    parameters: dict[str, Any],
    options: TreeOptions,
    seed: int,
) -> Any:
    """Trees on most of these rows, as many as the others say."""
    parts = dealt(together[rows], _VALIDATION_PARTS, seed=seed + 1).fold
    grown = source.matrix(rows[parts != 0], label, weight)
    kept = source.matrix(rows[parts == 0], label, weight, like=grown)
    return xgboost().train(
        parameters,
        grown,
        options.rounds,
        evals=[(kept, "kept")],
        early_stopping_rounds=options.patience,
        verbose_eval=False,
    )


def _predict(source: Source, booster: Any, rows: NDArray[np.int64], margin: NDArray[np.float64]) -> None:
    """Write the sums of sorted rows into ``margin``."""
    trees = (0, booster.best_iteration + 1)
    for chunk, features in source.chunks():
        own = rows[np.searchsorted(rows, chunk.start) : np.searchsorted(rows, chunk.stop)]
        if len(own):
            asked = features[own - chunk.start]
            margin[own] = booster.inplace_predict(asked, iteration_range=trees, predict_type="margin")
