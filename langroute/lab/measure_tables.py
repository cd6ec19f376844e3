"""The lab's measurement as tables on the terminal."""

from rich.console import Console
from rich.table import Table

from langroute.lab.agent import STEP_KINDS
from langroute.lab.intervals import Interval
from langroute.lab.measure import LARGE, Measurement


def print_tables(measured: Measurement, console: Console | None = None) -> None:
    """Print a measurement; without a console, to standard output."""
    console = console or Console()
    console.print(f"{measured.tasks} fresh tasks from seed {measured.seed}; 95% intervals in brackets\n")
    console.print(model_table(measured))
    console.print(policy_table(measured))
    console.print(step_table(measured))
    shares = ", ".join(f"{name} {share:.1%}" for name, share in measured.shares.items())
    console.print(f"Tasks: {shares} (small succeeds; only large; neither)")


def model_table(measured: Measurement) -> Table:
    """Return the models with their sizes and prices."""
    table = Table(title="Models, dollars per million tokens", title_justify="left")
    for heading in ("model", "parameters", "input", "cached input", "output"):
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for name, rates in measured.rates.items():
        prices = (rates.input_per_million, rates.cached_input_per_million, rates.output_per_million)
        table.add_row(name, f"{measured.parameters[name]:,}", *(f"{price:g}" for price in prices))
    return table


def policy_table(measured: Measurement) -> Table:
    """Return what each way of choosing models reached and cost."""
    table = Table(title="Who makes which call", title_justify="left")
    headings = (
        "routing",
        "success",
        "dollars per 1,000 tasks",
        "of large",
        "with prompt cache",
        "of large",
        "calls",
        "retries",
    )
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "routing" else "right")
    large = measured.policies[f"always {LARGE}"]
    for name, score in measured.policies.items():
        table.add_row(
            name,
            _interval(score.success, 100, "%", 1),
            _interval(score.dollars, 1000, "", 3),
            f"{score.dollars.mean / large.dollars.mean:.1%}",
            _interval(score.dollars_cached, 1000, "", 3),
            f"{score.dollars_cached.mean / large.dollars_cached.mean:.1%}",
            f"{score.calls:.1f}",
            f"{score.retries:.2f}",
        )
    return table


def step_table(measured: Measurement) -> Table:
    """Return how each model does each step when all before it is right."""
    table = Table(title="Steps by themselves", title_justify="left")
    for heading in ("model", "step", "kind", "right", "AUROC of mean logprob", "malformed", "wrong claims caught"):
        table.add_column(heading, justify="left" if heading in ("model", "step", "kind") else "right")
    kinds = {str(step): kind for step, kind in STEP_KINDS.items()}
    for name, steps in measured.steps.items():
        for step, score in steps.items():
            auroc = "" if score.auroc is None else f"{score.auroc:.2f}"
            malformed = f"{score.malformed:.1%}" if step == "work" else ""
            caught = "" if score.caught is None else f"{score.caught:.1%}"
            table.add_row(name, step, kinds[step], f"{score.success:.1%}", auroc, malformed, caught)
    return table


def _interval(value: Interval, scale: float, unit: str, digits: int) -> str:
    low, high = (f"{bound * scale:.{digits}f}" for bound in (value.low, value.high))
    return f"{value.mean * scale:.{digits}f}{unit} [{low}, {high}]"
