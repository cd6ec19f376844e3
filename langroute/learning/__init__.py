"""Learning from recorded outcomes; so far: how policies are judged, by the field's measures and honest baselines."""

from langroute.learning.baseline_table import baseline_table
from langroute.learning.baselines import (
    best_single,
    cheapest_single,
    cross_fitted_oracle,
    dearest_single,
    first_large,
    group_means,
    oracle_frontier,
    random_mixture,
    single_hull,
    singles,
)
from langroute.learning.bootstrap import Interval, bootstrap
from langroute.learning.curves import Curve, upper_hull
from langroute.learning.folds import Folds, folds_by, out_of_fold, rank_within
from langroute.learning.grid import OutcomeGrid, Point
from langroute.learning.measures import bankruptcy, cost_save, gap_closed, hypervolume, perf_gain
from langroute.learning.outcomes import OutcomeTable
from langroute.learning.strong_calls import apgr, cpt, pgr, strong_call_curve
from langroute.learning.sweep import Moves, choices_at, frontier, moves

__all__ = [
    "Curve",
    "Folds",
    "Interval",
    "Moves",
    "OutcomeGrid",
    "OutcomeTable",
    "Point",
    "apgr",
    "bankruptcy",
    "baseline_table",
    "best_single",
    "bootstrap",
    "cheapest_single",
    "choices_at",
    "cost_save",
    "cpt",
    "cross_fitted_oracle",
    "dearest_single",
    "first_large",
    "folds_by",
    "frontier",
    "gap_closed",
    "group_means",
    "hypervolume",
    "moves",
    "oracle_frontier",
    "out_of_fold",
    "perf_gain",
    "pgr",
    "random_mixture",
    "rank_within",
    "single_hull",
    "singles",
    "strong_call_curve",
    "upper_hull",
]
