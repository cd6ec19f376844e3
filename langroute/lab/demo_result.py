"""What the demonstration measured: successes and dollars, paired task by task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langroute.budget import Budget
from langroute.lab.intervals import Bounds, normal_interval, paired_bootstrap, wilson
from langroute.money import dollars


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """One task under one policy.

    Attributes:
        episode: id of its episode.
        success: whether the answer was exactly right.
        nano_usd: what it cost, in nano-dollars.
        steps: model calls made.
        refused: the budget refused a call, so the task ended early.
        overspent: more was booked than the budget allowed.
    """

    episode: str
    success: bool
    nano_usd: int
    steps: int
    refused: bool = False
    overspent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyResult:
    """All tasks under one policy, in the order of the tasks."""

    name: str
    runs: tuple[TaskRun, ...]

    @property
    def success(self) -> float:
        """Share of tasks answered exactly right."""
        return sum(run.success for run in self.runs) / len(self.runs)

    @property
    def success_interval(self) -> Bounds:
        """95% interval of the success (Wilson)."""
        return wilson(sum(run.success for run in self.runs), len(self.runs)).bounds

    @property
    def nano_usd(self) -> int:
        """Nano-dollars of all tasks together."""
        return sum(run.nano_usd for run in self.runs)

    @property
    def dollars_per_task(self) -> float:
        """Mean dollars of a task."""
        return float(dollars(self.nano_usd)) / len(self.runs)

    @property
    def dollars_interval(self) -> Bounds:
        """95% interval of the mean dollars of a task (normal)."""
        return normal_interval([float(dollars(run.nano_usd)) for run in self.runs]).bounds

    @property
    def steps(self) -> float:
        """Mean model calls of a task."""
        return sum(run.steps for run in self.runs) / len(self.runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """The whole demonstration.

    Attributes:
        policies: results by policy name.
        budget: the budget of each routed task.
        metered_nano: what the server's own meter says was served, by policy; empty where there is no such meter.
    """

    policies: Mapping[str, PolicyResult]
    budget: Budget
    metered_nano: Mapping[str, int]

    @property
    def tasks(self) -> int:
        """How many tasks each policy ran."""
        return len(self.policies["routed"].runs)

    @property
    def overspent(self) -> int:
        """Routed tasks that were booked above their budget."""
        return sum(run.overspent for run in self.policies["routed"].runs)

    @property
    def saving(self) -> float:
        """Share of always-large's dollars that routing saved."""
        return _saving(self._paired())

    @property
    def quality(self) -> float:
        """Routed success over always-large's success."""
        return _quality(self._paired())

    @property
    def saving_interval(self) -> Bounds:
        """95% interval of the saving (paired bootstrap over tasks)."""
        return paired_bootstrap(_saving, self._paired())

    @property
    def quality_interval(self) -> Bounds:
        """95% interval of the quality (paired bootstrap over tasks)."""
        return paired_bootstrap(_quality, self._paired())

    def _paired(self) -> list[tuple[float, float, float, float]]:
        pairs = zip(self.policies["routed"].runs, self.policies["always-large"].runs, strict=True)
        return [(ours.nano_usd, theirs.nano_usd, ours.success, theirs.success) for ours, theirs in pairs]

    def as_json(self) -> dict[str, Any]:
        """One object, as ``langroute demo --json`` prints it; ``dollars`` are of all tasks together."""
        return {
            "tasks": self.tasks,
            "policies": {name: _policy_json(result) for name, result in self.policies.items()},
            "budget_per_task": self.budget.total_dollars,
            "overspent": self.overspent,
            "refused": sum(run.refused for run in self.policies["routed"].runs),
            "saving_vs_large": self.saving,
            "quality_vs_large": self.quality,
            "interval": {"saving_vs_large": self.saving_interval, "quality_vs_large": self.quality_interval},
            "metered_dollars": {name: float(dollars(nano)) for name, nano in self.metered_nano.items()},
        }


def _policy_json(result: PolicyResult) -> dict[str, Any]:
    return {
        "success": result.success,
        "dollars": float(dollars(result.nano_usd)),
        "steps": result.steps,
        "success_interval": result.success_interval,
        "dollars_per_task": result.dollars_per_task,
        "dollars_per_task_interval": result.dollars_interval,
    }


def _saving(table: Any) -> float:
    ours, theirs = sum(row[0] for row in table), sum(row[1] for row in table)
    return float(1 - ours / theirs) if theirs else 0.0


def _quality(table: Any) -> float:
    ours, theirs = sum(row[2] for row in table), sum(row[3] for row in table)
    return float(ours / theirs) if theirs else float("nan")
