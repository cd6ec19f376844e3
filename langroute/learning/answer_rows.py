"""From a table of outcomes to answers that an acceptance rule can be fitted on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from langroute.acceptance.signals import SIGNALS, Answers
from langroute.acceptance.validity import MALFORMED
from langroute.errors import OutcomesInvalid
from langroute.records import KINDS

Floats = NDArray[np.float64]

TROUBLE: tuple[str, ...] = (
    "retries",
    "invalid_tool_calls",
    "tool_errors",
    "repeated_calls",
    "self_corrections",
    "schema_failures",
    "empty_ends",
)
"""The columns that add up to the pressure of a step, as `Pressure.total` does."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AnswerRows:
    """Answers with what became of them, row by row.

    Attributes:
        answers: kind, arm and signals.
        task: (n,) what the answer belongs to; rows of one task are no independent rows.
        wrong: (n,) whether the answer was wrong.
        left_out: how many rows of the table are not here, by reason.
    """

    answers: Answers
    task: NDArray[np.str_]
    wrong: NDArray[np.bool_]
    left_out: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.wrong)

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "AnswerRows":
        """The rows that a mask or row numbers choose."""
        kind, arm = np.asarray(self.answers.kind)[chosen], np.asarray(self.answers.arm)[chosen]
        return AnswerRows(
            answers=Answers(kind=kind.tolist(), arm=arm.tolist(), signals=self.answers.signals[chosen]),
            task=self.task[chosen],
            wrong=self.wrong[chosen],
            left_out=self.left_out,
        )

    def of(self, kind: str, arms: Sequence[str]) -> "AnswerRows":
        """The answers of one kind by some arms."""
        return self.rows((np.asarray(self.answers.kind) == kind) & np.isin(self.answers.arm, list(arms)))


def answer_rows(columns: Mapping[str, Sequence[Any]], *, right_from: float = 0.5) -> AnswerRows:
    """The answers of a table of outcomes whose rows are steps.

    An answer's own verdict is used where its kind has any (``credit`` is ``own``). Elsewhere the episode's success
    stands in for it, which is an approximation: a right plan in an episode that failed later counts as wrong. Answers
    that were rejected are then left out, for the episode did not use them. Rows without a known success, and calls that
    ended in an error, are left out and counted.

    Args:
        columns: ``task`` (or ``episode``), ``arm``, ``kind`` and ``success``; the signals, ``defects``, ``credit``,
            ``accepted``, ``error`` and the columns of pressure as far as they are known.
        right_from: from which success an answer counts as right.

    Raises:
        OutcomesInvalid: a column is missing, has another length or holds what it must not; no answer is left.
    """
    task = _texts(columns, "task" if "task" in columns else "episode")
    size = len(task)
    kind, arm = _texts(columns, "kind", size), _texts(columns, "arm", size)
    unknown = sorted(set(kind.tolist()) - set(KINDS))
    if unknown:
        raise OutcomesInvalid(f"holds {unknown[0]!r}; kinds are {', '.join(KINDS)}", field="kind")
    success = _numbers(columns, "success", size)
    reasons = _reasons(columns, kind, success, size)
    kept = np.array([not reason for reason in reasons], dtype=bool)
    left_out = {reason: reasons.count(reason) for reason in sorted(set(reasons) - {""})}
    if not kept.any():
        raise OutcomesInvalid(f"has no answer to learn from; left out: {left_out}", field="success")
    rows = AnswerRows(
        answers=Answers(kind=kind.tolist(), arm=arm.tolist(), signals=_signals(columns, size)),
        task=task,
        wrong=success < right_from,
        left_out=left_out,
    )
    return rows.rows(kept)


def _reasons(columns: Mapping[str, Sequence[Any]], kind: NDArray[np.str_], success: Floats, size: int) -> list[str]:
    """Why each row is left out; empty where it is not."""
    own = _texts(columns, "credit", size) == "own"
    judged = np.isin(kind, np.unique(kind[own]))
    accepted = _numbers(columns, "accepted", size, default=1.0)
    reasons = np.full(size, "", dtype=object)
    reasons[~own & (accepted < 0.5)] = "rejected, and only the episode's success is known"
    reasons[judged & ~own] = "of a kind whose answers have verdicts of their own, without one"
    reasons[np.isnan(success)] = "success is unknown"
    reasons[_texts(columns, "error", size) != ""] = "the call ended in an error"
    return [str(reason) for reason in reasons]


def _signals(columns: Mapping[str, Sequence[Any]], size: int) -> Floats:
    """(n, 7) the columns of `SIGNALS`."""
    found = {name: _numbers(columns, name, size, default=np.nan) for name in SIGNALS}
    if "malformed" not in columns:
        defects = _texts(columns, "defects", size)
        found["malformed"] = np.array(
            [not MALFORMED.isdisjoint(_names(told)) for told in defects.tolist()], dtype=float
        )
    if "pressure" not in columns:
        trouble = np.column_stack([_numbers(columns, name, size, default=0.0) for name in TROUBLE])
        found["pressure"] = np.nansum(trouble, axis=1)
    return np.column_stack([found[name] for name in SIGNALS])


def _names(defects: str) -> list[str]:
    return [name.strip() for name in defects.replace(",", ";").split(";")]


def _texts(columns: Mapping[str, Sequence[Any]], name: str, size: int | None = None) -> NDArray[np.str_]:
    """A column of text; empty text where it may be missing."""
    if name not in columns:
        if size is None or name in ("kind", "arm"):
            raise OutcomesInvalid(f"is missing; the columns are {', '.join(sorted(columns)) or 'none'}", field=name)
        return np.full(size, "", dtype=np.str_)
    found = np.array(["" if value is None else str(value) for value in columns[name]], dtype=np.str_)
    return _of_length(found, name, size)


def _numbers(columns: Mapping[str, Sequence[Any]], name: str, size: int, *, default: float | None = None) -> Floats:
    """A column of numbers, NaN where unknown."""
    if name not in columns:
        if default is None:
            raise OutcomesInvalid(f"is missing; the columns are {', '.join(sorted(columns)) or 'none'}", field=name)
        return np.full(size, default)
    try:
        found = np.array([np.nan if value is None else float(value) for value in columns[name]], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise OutcomesInvalid(f"must be numbers ({error})", field=name) from error
    if np.isinf(found).any():
        raise OutcomesInvalid(f"row {int(np.isinf(found).argmax())} is infinite; leave it unknown", field=name)
    return _of_length(found, name, size)


def _of_length(values: NDArray[Any], name: str, size: int | None) -> NDArray[Any]:
    if not len(values):
        raise OutcomesInvalid("has no rows; a table needs at least one answer", field=name)
    if size is not None and len(values) != size:
        raise OutcomesInvalid(f"has {len(values)} rows where task has {size}", field=name)
    return values
