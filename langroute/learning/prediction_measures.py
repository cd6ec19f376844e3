"""How good predictions of success and cost are: measures over rows, with intervals over tasks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from langroute.learning.bootstrap import bootstrap
from langroute.money import NANO_PER_DOLLAR

Floats = NDArray[np.float64]
_LOWEST = 1e-6
_BINS = 10
_MOST_ROWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Predicted:
    """What was predicted of each row's own arm, by a model that never saw its task.

    Attributes:
        success: (n,) in [0, 1].
        cost_nano: (n,) NaN where no cost could be learned.
        output_tokens: (n,) NaN where no tokens could be learned.
    """

    success: Floats
    cost_nano: Floats
    output_tokens: Floats


def log_loss(said: Floats, true: Floats) -> float:
    """Mean cross entropy, in nats; what is said is kept a millionth away from 0 and 1."""
    inside = np.clip(said, _LOWEST, 1 - _LOWEST)
    return float(-(true * np.log(inside) + (1 - true) * np.log(1 - inside)).mean())


def brier(said: Floats, true: Floats) -> float:
    """Mean squared error of probabilities."""
    return float(((said - true) ** 2).mean())


def auroc(said: Floats, true: Floats) -> float | None:
    """How often a success is ranked above a failure, ties as half; None where there is only one of them.

    Degrees of success count in proportion: a row of .7 is .7 of a success and .3 of a failure.
    """
    good, bad = float(true.sum()), float((1 - true).sum())
    if good <= 0 or bad <= 0:
        return None
    _, level = np.unique(said, return_inverse=True)
    goods, bads = np.bincount(level, true), np.bincount(level, 1 - true)
    below = np.cumsum(bads) - bads / 2
    return float((goods * below).sum() / (good * bad))


def calibration_error(said: Floats, true: Floats) -> float:
    """Mean distance between what is said and what is true, over ten bins of equal number."""
    order = np.argsort(said, kind="stable")
    parts = [part for part in np.array_split(order, _BINS) if len(part)]
    return float(sum(len(part) * abs(said[part].mean() - true[part].mean()) for part in parts) / len(said))


def mean_error(said: Floats, true: Floats) -> float | None:
    """Mean absolute error over rows where both are known; None where there are none."""
    known = ~(np.isnan(said) | np.isnan(true))
    return float(np.abs(said - true)[known].mean()) if known.any() else None


OF_SUCCESS: Mapping[str, Callable[[Floats, Floats], float | None]] = {
    "log_loss": log_loss,
    "brier": brier,
    "auroc": auroc,
    "calibration_error": calibration_error,
}


def measured(
    predicted: Mapping[str, Predicted],
    *,
    success: Floats,
    cost_nano: Floats,
    output_tokens: Floats,
    tasks: NDArray[Any],
    seed: int = 0,
    resamples: int = 200,
) -> dict[str, dict[str, float]]:
    """Every measure of the first prediction with its 95% interval over tasks, and of the others beside it.

    Of a large table the intervals are taken over a sample of whole tasks with some 20,000 rows, so they are wider than
    need be; the figures themselves are of all rows.

    Args:
        predicted: by name, ours first.
        success: (n,) what happened.
        cost_nano: (n,) what it cost.
        output_tokens: (n,) what was written.
        tasks: (n,) rows of one task are drawn together.
        seed: of the drawing.
        resamples: how many are drawn.
    """
    truths = {"cost_mae_usd": cost_nano / NANO_PER_DOLLAR, "token_mae": output_tokens}
    said = {
        name: {"cost_mae_usd": one.cost_nano / NANO_PER_DOLLAR, "token_mae": one.output_tokens}
        for name, one in predicted.items()
    }
    measures: dict[str, tuple[Callable[[Floats, Floats], float | None], Callable[[str], Floats], Floats]] = {}
    for name, measure in OF_SUCCESS.items():
        measures[name] = (measure, lambda whose: predicted[whose].success, success)
    for name, truth in truths.items():
        measures[name] = (mean_error, lambda whose, name=name: said[whose][name], truth)  # type: ignore[misc]
    sample = _sample(tasks, seed)
    found: dict[str, dict[str, float]] = {}
    for name, (measure, of, truth) in measures.items():
        told = {whose: measure(of(whose), truth) for whose in predicted}
        ours, *others = predicted
        if told[ours] is None:
            continue
        low, high = _interval(measure, of(ours)[sample], truth[sample], tasks[sample], seed, resamples)
        beside = {other: told[other] for other in others}
        values = {"value": told[ours], "low": low, "high": high, **beside}
        found[name] = {key: round(value, 6) for key, value in values.items() if value is not None}
    return found


def _sample(tasks: NDArray[Any], seed: int) -> NDArray[np.int64]:
    """Rows of so many whole tasks that they are about 20,000."""
    if len(tasks) <= _MOST_ROWS:
        return np.arange(len(tasks))
    names, label = np.unique(tasks, return_inverse=True)
    kept = np.random.default_rng(seed).permutation(len(names)) < max(2, len(names) * _MOST_ROWS // len(tasks))
    return np.flatnonzero(kept[label])


def _interval(
    measure: Callable[[Floats, Floats], float | None],
    said: Floats,
    true: Floats,
    tasks: NDArray[Any],
    seed: int,
    resamples: int,
) -> tuple[float | None, float | None]:
    def of_rows(rows: NDArray[np.int64]) -> float | None:
        return measure(said[rows], true[rows])

    if of_rows(np.arange(len(said))) is None:
        return None, None
    interval = bootstrap(of_rows, len(said), clusters=tasks, resamples=resamples, seed=seed)
    return interval.low, interval.high
