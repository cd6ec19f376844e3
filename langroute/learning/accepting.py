"""Training of the rule that cheap answers must pass, on the same table as the estimator."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from langroute.acceptance.certificates import Guarantee
from langroute.acceptance.signals import SIGNALS
from langroute.errors import OutcomesInvalid
from langroute.learning.acceptance_fitting import FittedAcceptance, fit_acceptance
from langroute.learning.answer_rows import TROUBLE
from langroute.learning.reading import read_batches

_READ = (
    "task",
    "episode",
    "kind",
    "arm",
    "success",
    "credit",
    "accepted",
    "error",
    "defects",
    "cost_nano",
    "cost_usd",
    *SIGNALS,
    *TROUBLE,
)
_MEASURED = ("confidence", "uncertainty", "answer_entropy", "agreement")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the rule has to keep.

    Attributes:
        guarantee: ``marginal_risk``, ``missed_failures`` or ``selective_risk``.
        alpha: the bound, for each kind and arm.
        delta: of selective risk: the probability that calibration data mislead.
    """

    guarantee: Guarantee
    alpha: float = 0.05
    delta: float = 0.1


def accepted_by(
    path: str | Path, wanted: Wanted, *, tasks: str | Path | None = None, seed: int = 0
) -> FittedAcceptance:
    """The rule from a table in a file; only the columns that it needs are in memory whole.

    Raises:
        OutcomesInvalid: the table's rows are no steps, or say nothing of how sure the answers were.
    """
    columns = _columns(path, tasks)
    if "kind" not in columns:
        message = "is missing: answers are judged by kind of step; export steps, or leave --accept out"
        raise OutcomesInvalid(message, field="kind")
    if not any(name in columns and not np.isnan(columns[name].astype(float)).all() for name in _MEASURED):
        message = (
            f"is unknown in every row, as are {', '.join(_MEASURED[1:])}, so nothing tells a sure answer from another; "
            "use models that report log-probabilities or arms of several samples, or leave --accept out"
        )
        raise OutcomesInvalid(message, field="confidence")
    return fit_acceptance(columns, guarantee=wanted.guarantee, alpha=wanted.alpha, delta=wanted.delta, seed=seed)


def acceptance_metrics(fitted: FittedAcceptance) -> dict[str, Any]:
    """How a rule came about, as plain data: what was seen in each cell, and what is certified of it."""
    cells = []
    for threshold, report in zip(fitted.rule.thresholds, fitted.cells, strict=True):
        seen = {
            "kind": report.kind,
            "arm": report.arm,
            "answers": report.n,
            "wrong": round(report.wrong, 6),
            "unscored": report.unscored,
            "auroc": None if report.auroc is None else round(report.auroc, 6),
            "accepted": round(report.accepted, 6),
        }
        cells.append({**seen, "certified": threshold.certificate.certified, "told": threshold.told()})
    return {
        "guarantee": fitted.rule.guarantee,
        "arms": list(fitted.rule.arms),
        "cells": cells,
        "left_out": dict(fitted.left_out),
    }


def _columns(path: str | Path, tasks: str | Path | None) -> Mapping[str, Any]:
    parts: dict[str, list[Any]] = {}
    for batch in read_batches(path, tasks=tasks):
        for name in _READ:
            if name in batch:
                parts.setdefault(name, []).append(batch[name])
    return {name: np.concatenate(values) for name, values in parts.items()}
