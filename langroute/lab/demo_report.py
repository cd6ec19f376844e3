"""The demonstration as a person reads it."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from langroute.lab.demo_result import DemoResult, PolicyResult
from langroute.lab.intervals import Bounds
from langroute.money import format_dollars
from langroute.observe.report import explain
from langroute.records import Arm, EpisodeEnd, Record


def demo_report(
    result: DemoResult, *, records: Sequence[Record], end: EpisodeEnd | None, arms: Sequence[Arm]
) -> RenderableType:
    """The table of policies, what routing saved, and one routed episode step by step."""
    return Group(
        _table(result),
        Text(""),
        *(Text(line) for line in _findings(result)),
        Text(""),
        Text("One routed task, step by step:", style="bold"),
        explain(records, end, arms),
    )


def _table(result: DemoResult) -> Table:
    title = f"{result.tasks} tasks, each under every policy (95% intervals)"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("policy")
    for heading in ("success", "dollars a task", "calls"):
        table.add_column(heading, justify="right")
    for name, policy in result.policies.items():
        table.add_row(name, _success(policy), _cost(policy), f"{policy.steps:.1f}")
    return table


def _success(policy: PolicyResult) -> str:
    low, high = policy.success_interval
    return f"{policy.success:.1%} {_span((low, high))}"


def _cost(policy: PolicyResult) -> str:
    low, high = policy.dollars_interval
    return f"${policy.dollars_per_task:.5f} [{low:.5f}, {high:.5f}]"


def _findings(result: DemoResult) -> list[str]:
    routed = result.policies["routed"]
    refused = sum(run.refused for run in routed.runs)
    lines = [
        f"Routing saved {result.saving:.1%} {_span(result.saving_interval)} of always-large's dollars "
        f"at {result.quality:.1%} {_span(result.quality_interval)} of its success.",
        f"Budget of each routed task: ${result.budget.total_dollars:g}. Budgets broken: {result.overspent}. "
        f"Tasks the budget ended early: {refused}.",
    ]
    for name, metered in result.metered_nano.items():
        booked = result.policies[name].nano_usd
        verdict = "equal to the nano-dollar" if booked == metered else f"off by {format_dollars(booked - metered)}"
        lines.append(f"Booked for {name}: {format_dollars(booked)}; the server's own meter: {verdict}.")
    return lines


def _span(interval: Bounds) -> str:
    return f"[{interval[0]:.1%}, {interval[1]:.1%}]"
