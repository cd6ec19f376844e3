"""Examples: rows of a table of outcomes, as what can be learned from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid
from langroute.estimators.rows import StepRows
from langroute.learning import example_columns as column
from langroute.learning.fingerprint import Fingerprint
from langroute.protocols import TextEncoder

CREDIT_WEIGHTS: Mapping[str, float] = {"own": 1.0, "episode": 0.25}
"""What a row counts by how its success came to it: a verdict on the step itself counts four times one of its episode.

Credited rows have one weight, however long their episode was: to divide it among an episode's steps would favour short
episodes, which fail less, and so promise too much.
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examples:
    """Attempts at tasks or steps, in arrays of one length n.

    Attributes:
        task: (n,) what was attempted; rows of one task are never on both sides of a fold.
        episode: (n,) the episode a row belongs to; the task where the table has none.
        group: (n,) what the task belongs to; ``all`` where the table says nothing.
        arm: (n,) what attempted it.
        run: (n,) which attempt of this arm at this task; 0 where the table has none.
        success: (n,) in [0, 1].
        cost_nano: (n,) nano-dollars it was billed; NaN where unknown.
        output_tokens: (n,) NaN where unknown.
        weight: (n,) what a row counts, mean 1; see `CREDIT_WEIGHTS`.
        rows: what was known before, with the table's own text vectors (``encoded``); see `reading`.
        asked: n texts: what was asked; empty where unknown.
        fingerprint: of all of the table; parts of it keep it.
    """

    task: NDArray[np.str_]
    episode: NDArray[np.str_]
    group: NDArray[np.str_]
    arm: NDArray[np.str_]
    run: NDArray[np.int64]
    success: NDArray[np.float64]
    cost_nano: NDArray[np.float64]
    output_tokens: NDArray[np.float64]
    weight: NDArray[np.float64]
    rows: StepRows
    asked: tuple[str, ...]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.task)

    @classmethod
    def read(cls, columns: Mapping[str, Sequence[Any]]) -> Self:
        """Examples from the columns of a table of outcomes.

        ``task``, ``arm`` (or ``model``) and ``success`` must be there; all others may be missing, also costs. Rows may
        be steps or whole tasks.

        Raises:
            OutcomesInvalid: the table has no rows, or a column is missing or holds what it must not; names the column
                and the first bad row.
        """
        size = len(column.required(columns, "task"))
        if not size:
            raise OutcomesInvalid("has no rows; a table needs at least one outcome", field="task")
        task = column.texts(columns["task"], "task", size)
        field = "arm" if "arm" in columns else "model"
        found: dict[str, Any] = {
            "task": task,
            "episode": _episodes(columns, task),
            "group": column.groups(columns, size),
            "arm": column.texts(column.required(columns, "arm", "model"), field, size),
            "success": column.successes(columns, size),
            "cost_nano": column.costs(columns, size),
            "output_tokens": column.counts(columns, "output_tokens", size),
        }
        rows = StepRows(
            numbers=column.numbers(columns, size),
            words=column.words(columns, size),
            text=column.encoded(columns, size),
        )
        asked = column.asked(columns, size)
        made = {**found, "rows": rows, "asked": asked, "run": _runs(columns, size), "weight": _weights(columns, size)}
        return cls(**made, fingerprint=Fingerprint().add(made).hex())

    def take(self, chosen: NDArray[Any]) -> Self:
        """The rows that a mask or row numbers choose."""
        kept = {name: getattr(self, name)[chosen] for name in _ARRAYS}
        places = np.arange(len(self))[chosen].tolist()
        return replace(self, rows=self.rows.take(chosen), asked=tuple([self.asked[row] for row in places]), **kept)

    def reading(self, encoder: TextEncoder | None) -> Self:
        """The same rows with the text vectors of an encoder; without any for None. Equal texts are read once."""
        if encoder is None:
            vectors = np.zeros((len(self), 0))
        else:
            known = {text: place for place, text in enumerate(dict.fromkeys(self.asked))}
            read = np.array([encoder.encode(text) for text in known], dtype=np.float64)
            vectors = read[[known[text] for text in self.asked]]
        return replace(self, rows=replace(self.rows, text=vectors))

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms, sorted by name."""
        return tuple(np.unique(self.arm).tolist())

    def mean_costs(self) -> dict[str, float]:
        """Mean nano-dollars of an attempt, by arm; arms without any known cost are left out."""
        return {
            arm: float(known.mean())
            for arm in self.arms
            if len(known := self.cost_nano[(self.arm == arm) & ~np.isnan(self.cost_nano)])
        }

    @property
    def knows_text(self) -> bool:
        """Whether any row says what was asked."""
        return any(self.asked)

    def described(self) -> dict[str, Any]:
        """What it is, as plain data for an artifact: fingerprint, rows, tasks, episodes, and rows by arm."""
        names, sizes = np.unique(self.arm, return_counts=True)
        return {
            "fingerprint": self.fingerprint,
            "rows": len(self),
            "tasks": len(np.unique(self.task)),
            "episodes": len(np.unique(self.episode)),
            "groups": len(np.unique(self.group)),
            "arms": dict(zip(names.tolist(), sizes.tolist(), strict=True)),
            "success": round(float(self.success.mean()), 6),
            "cost_nano": None if np.isnan(self.cost_nano).all() else round(float(np.nanmean(self.cost_nano))),
        }


_ARRAYS = (
    "task",
    "episode",
    "group",
    "arm",
    "run",
    "success",
    "cost_nano",
    "output_tokens",
    "weight",
)


def _episodes(columns: Mapping[str, Any], task: NDArray[np.str_]) -> NDArray[np.str_]:
    """The episode of each row; the task where it has none."""
    if "episode" not in columns:
        return task
    said = column.texts(columns["episode"], "episode", len(task), empty=True)
    return np.where(said == "", task, said)


def _runs(columns: Mapping[str, Any], size: int) -> NDArray[np.int64]:
    return np.nan_to_num(column.counts(columns, "run", size)).astype(np.int64)


def _weights(columns: Mapping[str, Any], size: int) -> NDArray[np.float64]:
    """What each row counts; a table that does not say how success came to its rows counts all alike."""
    if "credit" not in columns:
        return np.ones(size)
    credit = column.texts(columns["credit"], "credit", size, empty=True)
    weights = np.ones(size)
    for name, weight in CREDIT_WEIGHTS.items():
        weights[credit == name] = weight
    known = np.isin(credit, ["", *CREDIT_WEIGHTS])
    column.refuse(~known, "credit", credit, f"must be one of {', '.join(CREDIT_WEIGHTS)}")
    return weights
