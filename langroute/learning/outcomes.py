"""Recorded outcomes as a plain table: what every arm achieved on a task, and what it cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ConfigError, OutcomesInvalid
from langroute.money import cost_nano

_MOST_NANO = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutcomeTable:
    """One row for each (task, arm, run), in columns of one length; checked when it is made, and read-only after.

    Attributes:
        task: which task was attempted; non-empty text.
        group: what the task belongs to (a subject, a service); a task has one group.
        arm: what attempted it.
        run: which attempt of this arm at this task, an integer; (task, arm, run) is unique.
        success: how well it went, in [0, 1].
        cost_nano: what it cost, in whole nano-dollars.

    Raises:
        OutcomesInvalid: a column is empty, of another length or holds a value it must not hold; the message names the
            column and the first bad row (counted from 0).
    """

    task: NDArray[np.str_]
    group: NDArray[np.str_]
    arm: NDArray[np.str_]
    run: NDArray[np.int64]
    success: NDArray[np.float64]
    cost_nano: NDArray[np.int64]

    def __post_init__(self) -> None:
        size = len(self.task)
        if not size:
            raise OutcomesInvalid("has no rows; a table needs at least one outcome", field="task")
        columns = {
            **{name: _texts(getattr(self, name), name) for name in ("task", "group", "arm")},
            **{name: _integers(getattr(self, name), name) for name in ("run", "cost_nano")},
            "success": _shares(self.success),
        }
        for name, column in columns.items():
            if len(column) != size:
                raise OutcomesInvalid(f"has {len(column)} rows where task has {size}", field=name)
            column.flags.writeable = False
            object.__setattr__(self, name, column)
        _first_bad(self.cost_nano < 0, "cost_nano", self.cost_nano, "must not be negative")
        self._check_keys()

    def _check_keys(self) -> None:
        group_of: dict[str, str] = {}
        seen: set[tuple[str, str, int]] = set()
        rows = zip(self.task.tolist(), self.group.tolist(), self.arm.tolist(), self.run.tolist(), strict=True)
        for row, (task, group, arm, run) in enumerate(rows):
            if group_of.setdefault(task, group) != group:
                message = f"row {row} puts task {task!r} into {group!r}, a row before into {group_of[task]!r}"
                raise OutcomesInvalid(message, field="group")
            if (task, arm, run) in seen:
                message = f"row {row} repeats run {run} of {arm!r} on task {task!r}; number the attempts"
                raise OutcomesInvalid(message, field="run")
            seen.add((task, arm, run))

    def __len__(self) -> int:
        return len(self.task)

    @classmethod
    def read(cls, columns: Mapping[str, Sequence[Any]], *, arm_costs: Mapping[str, int] | None = None) -> Self:
        """A table from columns as they stand in files.

        Args:
            columns: ``task``, ``success``, ``arm`` (or ``model``) and ``cost_nano`` (or ``cost_usd``, rounded up to
                whole nano-dollars). ``group`` (where empty: ``all``) and ``run`` (else 0) may be missing.
            arm_costs: a cost in nano-dollars for every arm, in place of the column. Where nothing is known of costs,
                0 for the weak and 1 for the strong arm make cost the share of strong calls.

        Raises:
            OutcomesInvalid: a column is missing, or a value is not what the column holds.
        """
        task = _column(columns, "task")
        arm = _column(columns, "arm", "model")
        found: dict[str, Any] = {
            "task": task,
            "group": [group or "all" for group in columns.get("group", [""] * len(task))],
            "arm": arm,
            "run": columns.get("run", [0] * len(task)),
            "success": _column(columns, "success"),
            "cost_nano": _costs(columns, arm) if arm_costs is None else [_nominal(arm_costs, name) for name in arm],
        }
        return cls(**found)

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "OutcomeTable":
        """The rows that a mask or row numbers choose, as a table of their own."""
        names = ("task", "group", "arm", "run", "success", "cost_nano")
        return OutcomeTable(**{name: getattr(self, name)[chosen] for name in names})

    def of_runs(self, *runs: int) -> "OutcomeTable":
        """The rows of these runs: select on some runs, score on the others.

        Raises:
            OutcomesInvalid: no row is of these runs.
        """
        return self.rows(np.isin(self.run, runs))


def _column(columns: Mapping[str, Sequence[Any]], *names: str) -> Any:
    for name in names:
        if name in columns:
            return columns[name]
    raise OutcomesInvalid(
        f"is missing; the columns are {', '.join(sorted(columns)) or 'none'}", field=" or ".join(names)
    )


def _costs(columns: Mapping[str, Sequence[Any]], arm: Sequence[str]) -> Any:
    if "cost_nano" in columns:
        return columns["cost_nano"]
    costs = []
    dollars = _column(columns, "cost_nano", "cost_usd")
    for row, value in enumerate(dollars.tolist() if isinstance(dollars, np.ndarray) else dollars):
        if value is None or value != value:  # NaN is how tables of numbers say nothing  # noqa: PLR0124
            message = f"row {row} ({arm[row]!r}) has none; leave the row out, or give arm_costs"
            raise OutcomesInvalid(message, field="cost_usd")
        try:
            costs.append(cost_nano(value, field=f"row {row}"))
        except ConfigError as exc:
            raise OutcomesInvalid(str(exc), field="cost_usd") from exc
    return costs


def _nominal(arm_costs: Mapping[str, int], arm: str) -> int:
    if arm not in arm_costs:
        raise OutcomesInvalid(f"has no cost for arm {arm!r}", field="arm_costs")
    return arm_costs[arm]


def _texts(values: Any, field: str) -> NDArray[np.str_]:
    values = list(values)
    for row, value in enumerate(values):
        if not isinstance(value, str) or not value:
            raise OutcomesInvalid(f"row {row} must be a non-empty text, not {value!r}", field=field)
    return np.array(values, dtype=np.str_)


def _integers(values: Any, field: str) -> NDArray[np.int64]:
    if not (isinstance(values, np.ndarray) and values.dtype.kind in "iu"):
        values = list(values)
        for row, value in enumerate(values):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or abs(int(value)) > _MOST_NANO:
                raise OutcomesInvalid(f"row {row} must be a whole number of 64 bits, not {value!r}", field=field)
    return np.array(values, dtype=np.int64)


def _shares(values: Any) -> NDArray[np.float64]:
    try:
        column = np.array(list(values), dtype=np.float64)
    except (TypeError, ValueError) as exc:
        raise OutcomesInvalid("must be numbers in [0, 1]", field="success") from exc
    _first_bad(~((column >= 0) & (column <= 1)), "success", column, "must be in [0, 1]")
    return column


def _first_bad(bad: NDArray[np.bool_], field: str, column: NDArray[Any], message: str) -> None:
    if bad.any():
        row = int(bad.argmax())
        raise OutcomesInvalid(f"row {row} {message}, not {column[row]}", field=field)
