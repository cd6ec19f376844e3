"""What a row of the quality bench is: how it is measured, what it learns, and how what was learned is scored."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """One measurement.

    Attributes:
        reached: the figure.
        low: lower end of its 95% interval, by paired bootstrap over tasks.
        high: upper end.
        baselines: the same figure of what a router has to beat, by name, where it is defined.
        extra: what else one needs to believe it, as plain data: what was chosen, ratios, the curve that was tried.
    """

    reached: float
    low: float
    high: float
    baselines: dict[str, float] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: everything that is chosen for it is chosen on other folds, runs or folders than are scored.

    Attributes:
        name: as in the table.
        reach: the figure wanted.
        higher: whether more is better.
        measure: scores out of fold on a data folder, by the folds or runs that the row names.
        fit: learns from all of a data folder and stores that in a folder.
        score: scores what was stored on a data folder of the same form, with other tasks.
    """

    name: str
    reach: float
    higher: bool
    measure: Callable[[Path], Reached]
    fit: Callable[[Path, Path], None]
    score: Callable[[Path, Path], Reached]

    def passes(self, reached: Reached) -> bool:
        """Whether the figure is as wanted."""
        return reached.reached >= self.reach if self.higher else reached.reached <= self.reach
