"""Learning from recorded outcomes: tables of them, and how policies are judged on them."""

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
from langroute.learning.reading import read_batches, read_table
from langroute.learning.schema import COLUMNS, Column, Columns, checked, column_of
from langroute.learning.strong_calls import apgr, cpt, pgr, strong_call_curve
from langroute.learning.sweep import Moves, choices_at, frontier, moves
from langroute.learning.writing import TableWriter, write_table

__all__ = [
    "COLUMNS",
    "Column",
    "Columns",
    "Curve",
    "Folds",
    "Interval",
    "Moves",
    "OutcomeGrid",
    "OutcomeTable",
    "Point",
    "TableWriter",
    "apgr",
    "bankruptcy",
    "baseline_table",
    "best_single",
    "bootstrap",
    "cheapest_single",
    "checked",
    "choices_at",
    "column_of",
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
    "read_batches",
    "read_table",
    "single_hull",
    "singles",
    "strong_call_curve",
    "upper_hull",
    "write_table",
]
