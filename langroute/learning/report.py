"""Judges a learned policy on a table of outcomes: its frontier beside all baselines, with intervals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self, cast

import numpy as np
from numpy.typing import NDArray

from langroute.artifacts import LearnedEstimator, LearnedPolicy, ReadingEstimator
from langroute.errors import OutcomesInvalid
from langroute.estimators.rows import Expected, Predictor
from langroute.learning.baseline_table import baseline_table
from langroute.learning.baselines import best_single, dearest_single, oracle_frontier, single_hull, singles
from langroute.learning.bootstrap import Interval, bootstrap
from langroute.learning.curves import Curve
from langroute.learning.examples import Examples
from langroute.learning.folds import folds_by
from langroute.learning.grid import OutcomeGrid, Point
from langroute.learning.measures import bankruptcy, cost_save, gap_closed, hypervolume, perf_gain
from langroute.learning.strong_calls import apgr, cpt, strong_call_curve
from langroute.learning.sweep import choices_at, frontier
from langroute.learning.target_fitting import full_grid
from langroute.learning.targets import tried_prices
from langroute.money import NANO_PER_DOLLAR

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]

_RESAMPLES = 300
_BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A figure with the 95% interval of a paired bootstrap over tasks."""

    point: float
    low: float
    high: float

    @classmethod
    def of(cls, found: Interval) -> Self:
        """What a bootstrap found."""
        return cls(point=found.point, low=found.low, high=found.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of the table: a policy or a baseline.

    Attributes:
        name: of it.
        dollars: mean dollars of a task (of an episode where the table holds steps).
        quality: mean success, with its interval where it is known task by task.
        price_of_dollar: lambda, where it is a setting of the learned policy.
    """

    name: str
    dollars: float
    quality: Told
    price_of_dollar: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is known of a learned policy from a table.

    Attributes:
        basis: ``replayed`` where every arm was tried on every task, ``model-based`` where the estimator had to say how
            arms would have done that were not tried.
        tasks: how many were scored.
        arms: the arms, by name.
        lines: baselines, and the policy at the price of its target.
        frontier: the policy at every price that was tried.
        hull: of single arms, points of (dollars, quality); empty where nothing is replayed.
        oracle: the per-task oracle's points; empty where nothing is replayed.
        measures: by name, with intervals.
        calibration: bins of (said, true, rows): success as it was expected and as it was, of the arms that were tried.
        notes: what one has to know to read it.
    """

    basis: Literal["replayed", "model-based"]
    tasks: int
    arms: tuple[str, ...]
    lines: tuple[Line, ...]
    frontier: tuple[Line, ...]
    hull: tuple[tuple[float, float], ...] = ()
    oracle: tuple[tuple[float, float], ...] = ()
    measures: Mapping[str, Told] = field(default_factory=dict)
    calibration: tuple[tuple[float, float, int], ...] = ()
    notes: tuple[str, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """The report as plain data, as JSON holds it."""
        return asdict(self)


def evaluated(learned: LearnedPolicy, columns: Mapping[str, Any], *, price: float | None = None) -> Report:
    """What a learned policy would have done on the rows of a table.

    Args:
        learned: an opened artifact.
        columns: of `langroute.learning.reading.read_table`.
        price: the price of a dollar at which it is shown beside the baselines; by default without such a line.

    Raises:
        OutcomesInvalid: the estimator cannot read tables or knows no cost, or the table has an arm that was never seen.
    """
    examples = Examples.read(columns)
    estimator, read = _reader(learned, examples)
    notes = _notes(learned, examples)
    grid = full_grid(examples)
    if grid is not None:
        expected = _in_grid(estimator, read, grid)
        return _replayed(grid, expected, price, notes, _calibration(estimator, read))
    return _model_based(estimator, read, price, notes)


def _reader(learned: LearnedPolicy, examples: Examples) -> tuple[Predictor, Examples]:
    estimator: Any = learned.estimator
    if isinstance(estimator, ReadingEstimator):
        examples = examples.reading(estimator.encoder) if examples.knows_text else examples
    if isinstance(estimator, LearnedEstimator):
        estimator = estimator.inner
    if not isinstance(estimator, Predictor):
        raise OutcomesInvalid(f"{learned.estimator.name} cannot be asked about a table", field="estimator")
    known = learned.artifact.data.get("arms")
    unseen = [arm for arm in examples.arms if isinstance(known, Mapping) and arm not in known]
    if unseen:
        message = f"{', '.join(unseen)} never seen in training; leave these rows out or train on a table with them"
        raise OutcomesInvalid(message, field="arm")
    return estimator, examples


def _notes(learned: LearnedPolicy, examples: Examples) -> tuple[str, ...]:
    if learned.artifact.data.get("fingerprint") == examples.fingerprint:
        return ("Scored on what it was trained on: these figures flatter it. Score it on other rows.",)
    return ()


def _in_grid(estimator: Predictor, examples: Examples, grid: OutcomeGrid) -> Expected:
    _, first = np.unique(examples.task, return_index=True)  # sorted by name, as the grid's tasks are
    expected = estimator.predict(examples.rows.take(first), grid.arms)
    return _with_costs(expected, examples.mean_costs(), grid.arms)


def _with_costs(expected: Expected, costs: Mapping[str, float], arms: Sequence[str]) -> Expected:
    """The same, with an arm's mean cost in the table where the policy knows no costs."""
    if not np.isnan(expected.cost_nano).any():
        return expected
    if set(arms) - set(costs):
        message = "is not known to this policy, nor to the table, so there is no frontier"
        raise OutcomesInvalid(message, field="cost_nano")
    usual = np.array([costs[arm] for arm in arms])
    return replace(expected, cost_nano=np.where(np.isnan(expected.cost_nano), usual, expected.cost_nano))


def _replayed(
    grid: OutcomeGrid,
    expected: Expected,
    price: float | None,
    notes: tuple[str, ...],
    calibration: tuple[tuple[float, float, int], ...],
) -> Report:
    curve = frontier(grid, expected.success, expected.cost_nano)
    tried = tried_prices(expected.success, expected.cost_nano).tolist()
    points = tuple(_at(grid, expected, one, f"lambda {one:.4g}") for one in tried)
    own = () if price is None else (_at(grid, expected, price, "this policy"),)
    at = own[0].dollars * NANO_PER_DOLLAR if own else float(curve.cost[-1])
    folds = folds_by(grid.tasks, count=min(5, len(grid)))
    baselines = baseline_table(grid, folds, cost=at)
    return Report(
        basis="replayed",
        tasks=len(grid),
        arms=grid.arms,
        lines=(*own, *(_baseline(grid, name, point) for name, point in baselines.items())),
        frontier=points,
        hull=_points(single_hull(grid)),
        oracle=_points(oracle_frontier(grid)),
        measures=_measures(grid, expected, price),
        calibration=calibration,
        notes=(*notes, f"Baselines with a budget are shown at ${at / NANO_PER_DOLLAR:.4g} a task."),
    )


def _at(grid: OutcomeGrid, expected: Expected, price: float, name: str) -> Line:
    arms = choices_at(expected.success, expected.cost_nano / NANO_PER_DOLLAR, price)
    rows = np.arange(len(grid))
    quality = _mean_told(grid.success[rows, arms])
    dollars = float(grid.cost[rows, arms].mean()) / NANO_PER_DOLLAR
    return Line(name=name, dollars=dollars, quality=quality, price_of_dollar=price)


def _mean_told(values: Floats) -> Told:
    return Told.of(bootstrap(lambda rows: float(values[rows].mean()), len(values), resamples=_RESAMPLES))


def _baseline(grid: OutcomeGrid, name: str, point: Point) -> Line:
    """A baseline; its interval where it is a single arm, else the point alone."""
    single = {"always-strong": dearest_single(grid), "best single": best_single(grid)}.get(name)
    if single is not None:
        return Line(
            name=f"{name} ({single})",
            dollars=point.cost / NANO_PER_DOLLAR,
            quality=_mean_told(grid.success[:, grid.column(single)]),
        )
    told = Told(point=point.quality, low=point.quality, high=point.quality)
    return Line(name=name, dollars=point.cost / NANO_PER_DOLLAR, quality=told)


def _points(curve: Curve) -> tuple[tuple[float, float], ...]:
    kept = np.unique(np.linspace(0, len(curve.cost) - 1, 200).astype(np.int64))
    pairs = zip(curve.cost[kept].tolist(), curve.quality[kept].tolist(), strict=True)
    return tuple((cost / NANO_PER_DOLLAR, quality) for cost, quality in pairs)


def _measures(grid: OutcomeGrid, expected: Expected, price: float | None) -> dict[str, Told]:
    """The field's measures of the whole frontier, and of the one price; those that are defined here."""

    def curve_of(rows: Rows) -> tuple[OutcomeGrid, Curve]:
        part = grid.take(rows)
        return part, frontier(part, expected.success[rows], expected.cost_nano[rows])

    def gap(rows: Rows) -> float:
        part, curve = curve_of(rows)
        return gap_closed(curve, single_hull(part), oracle_frontier(part))

    def over_best(rows: Rows, of: Callable[[Curve, Point], float | None]) -> float | None:
        part, curve = curve_of(rows)
        return of(curve, singles(part)[best_single(part)])

    def volume(rows: Rows) -> float:
        part, curve = curve_of(rows)
        return hypervolume(curve, most_cost=singles(part)[dearest_single(part)].cost)

    asked: dict[str, Callable[[Rows], float | None]] = {
        "gap closed": gap,
        "PerfGain": lambda rows: over_best(rows, perf_gain),
        "CostSave": lambda rows: over_best(rows, cost_save),
        "CostSave at 97%": lambda rows: over_best(rows, lambda curve, best: cost_save(curve, best, share=0.97)),
        "hypervolume": volume,
        **_of_two(grid, expected),
    }
    if price is not None:
        arms = choices_at(expected.success, expected.cost_nano / NANO_PER_DOLLAR, price)
        spent, dear = grid.cost[np.arange(len(grid)), arms], grid.cost[:, grid.column(dearest_single(grid))]
        budget = float(dear.mean())
        asked["bankruptcy"] = lambda rows: bankruptcy(spent[rows], budget)
    return {name: told for name, of in asked.items() if (told := _told(of, len(grid))) is not None}


def _of_two(grid: OutcomeGrid, expected: Expected) -> dict[str, Callable[[Rows], float | None]]:
    """RouteLLM's measures, where there are two arms: the dearer one is the strong."""
    if len(grid.arms) != 2:
        return {}
    strong = grid.column(dearest_single(grid))
    gain = expected.success[:, strong] - expected.success[:, 1 - strong]

    def curve_of(rows: Rows) -> Curve:
        return strong_call_curve(gain[rows], grid.success[rows, 1 - strong], grid.success[rows, strong])

    return {
        "APGR": lambda rows: apgr(curve_of(rows)),
        "CPT50": lambda rows: cpt(curve_of(rows), 0.5),
        "CPT80": lambda rows: cpt(curve_of(rows), 0.8),
    }


def _told(of: Callable[[Rows], float | None], size: int) -> Told | None:
    """A measure with its interval; None where it is not defined on this table."""
    try:
        return Told.of(bootstrap(of, size, resamples=_RESAMPLES))
    except OutcomesInvalid:
        return None


def _calibration(estimator: Predictor, examples: Examples) -> tuple[tuple[float, float, int], ...]:
    """Success as expected and as it was, of each row's own arm, in bins of equally many rows."""
    columns = np.searchsorted(np.array(examples.arms), examples.arm)
    said = estimator.predict(examples.rows, examples.arms).success[np.arange(len(examples)), columns]
    bins = np.array_split(np.argsort(said, kind="stable"), min(_BINS, len(said)))
    return tuple((float(said[rows].mean()), float(examples.success[rows].mean()), len(rows)) for rows in bins)


def _model_based(estimator: Predictor, examples: Examples, price: float | None, notes: tuple[str, ...]) -> Report:
    """What the estimator expects of choices that were not made, beside what was logged."""
    costs = examples.mean_costs()
    expected = _with_costs(estimator.predict(examples.rows, examples.arms), costs, examples.arms)
    episodes = len(np.unique(examples.episode))
    rows = np.arange(len(examples))

    def at(one: float, name: str) -> Line:
        arms = choices_at(expected.success, expected.cost_nano / NANO_PER_DOLLAR, one)
        dollars = float(expected.cost_nano[rows, arms].sum()) / episodes / NANO_PER_DOLLAR
        return Line(name=name, dollars=dollars, quality=_mean_told(expected.success[rows, arms]), price_of_dollar=one)

    def always(column: int) -> Line:
        dollars = float(expected.cost_nano[:, column].sum()) / episodes / NANO_PER_DOLLAR
        return Line(
            name=f"always {examples.arms[column]}", dollars=dollars, quality=_mean_told(expected.success[:, column])
        )

    spent = float(np.nansum(examples.cost_nano)) / episodes / NANO_PER_DOLLAR
    logged = Line(name="as logged (measured)", dollars=spent, quality=_mean_told(examples.success))
    own = () if price is None else (at(price, "this policy"),)
    tried = tried_prices(expected.success, expected.cost_nano).tolist()
    return Report(
        basis="model-based",
        tasks=episodes,
        arms=examples.arms,
        lines=(*own, logged, *map(always, range(len(examples.arms)))),
        frontier=tuple(at(one, f"lambda {one:.4g}") for one in tried),
        calibration=_calibration(estimator, examples),
        notes=(
            *notes,
            "Not every arm was tried on every task, so all but the logged line is what the estimator expects; its "
            "intervals know nothing of its own error. Judge it by its calibration.",
        ),
    )


def shown_lines(report: Report) -> tuple[Line, ...]:
    """The table's lines, the policy's own first, then from the cheapest."""
    own = [line for line in report.lines if line.price_of_dollar is not None]
    others = [line for line in report.lines if line.price_of_dollar is None]
    return (*own, *sorted(others, key=lambda line: cast("Any", line.dollars)))
