"""``langroute demo``: the lab's agent with and without routing, on the same tasks."""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from langroute.cli.stores import DEFAULT_STORE, AsJson, console
from langroute.errors import ConfigError, PriceUnknown

if TYPE_CHECKING:
    from langroute.lab.demo import Progress
    from langroute.lab.demo_result import TaskRun
    from langroute.money import Price

LAB_BUDGET, REAL_BUDGET = 0.003, 0.05

Models = Annotated[str, typer.Option("--models", help="Run these OpenAI models instead, e.g. gpt-5-nano,gpt-5.")]
Prices = Annotated[str, typer.Option("--prices", help="Dollars per million tokens, e.g. my-model=0.05/0.40.")]
Dollars = Annotated[float | None, typer.Option("--budget", min=0, help="Dollars each routed task may cost.")]
StoreUrl = Annotated[str, typer.Option("--store", metavar="URL", help="Where books and journal are kept.")]


def demo(
    *,
    tasks: Annotated[int, typer.Option("--tasks", min=1, help="How many tasks.")] = 100,
    models: Models = "",
    prices: Prices = "",
    budget: Dollars = None,
    store: StoreUrl = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Run an agent always with the cheapest model, always with the dearest, and routed under a budget.

    Offline by default, on the tiny real models of the lab. With OPENAI_API_KEY or OPENAI_BASE_URL set, --models runs
    those models on the same tasks.
    """
    from langroute.budget import Budget
    from langroute.lab.demo import demonstrate, openai_pool

    try:
        pool = openai_pool(_names(models), prices=_prices(prices)) if models else None
    except PriceUnknown as exc:
        raise ConfigError("a model has no known price; say --prices model=input/output", field="--models") from exc
    total = budget if budget is not None else REAL_BUDGET if models else LAB_BUDGET
    with _progress(tasks, quiet=as_json) as progress:
        result = demonstrate(
            tasks=tasks,
            budget=Budget(total_dollars=total),
            store=store,
            run_id=f"demo-{uuid.uuid4().hex[:6]}",
            pool=pool,
            progress=progress,
        )
    if as_json:
        typer.echo(json.dumps(result.as_json()))
        return
    from langroute.journal.store import open_journal
    from langroute.lab.demo_report import demo_report

    journal = open_journal(store)
    try:
        episode = most_telling(result.policies["routed"].runs)
        records, end, arms = journal.records(episode), journal.end(episode), journal.arms(episode)
    finally:
        journal.close()
    console().print(demo_report(result, records=records, end=end, arms=arms))
    typer.echo(f"\nMore: langroute explain {episode}{'' if store == DEFAULT_STORE else f' --store {store}'}")


def most_telling(runs: "tuple[TaskRun, ...]") -> str:
    """The episode worth showing: of those that succeeded, one with the most steps but not an extreme one."""
    told = sorted((run.steps, run.episode) for run in runs if run.success) or [(run.steps, run.episode) for run in runs]
    return told[int(0.9 * (len(told) - 1))][1]


def _names(models: str) -> list[str]:
    return [name.strip() for name in models.split(",") if name.strip()]


def _prices(text: str) -> "dict[str, Price]":
    """Prices from ``model=input/output`` pairs, separated by commas."""
    from langroute.money import Price

    prices = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, _, rates = pair.partition("=")
        came_in, _, went_out = rates.partition("/")
        if not (name and came_in and went_out):
            raise ConfigError(
                f"{pair!r} should read model=input/output, in dollars per million tokens", field="--prices"
            )
        prices[name] = Price(input_per_million=came_in, output_per_million=went_out)
    return prices


@contextmanager
def _progress(tasks: int, *, quiet: bool) -> "Iterator[Progress | None]":
    """A progress bar per policy on stderr, where somebody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    watched = Console(stderr=True)
    if quiet or not watched.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=watched, transient=True) as bars:
        shown = {name: bars.add_task(name, total=tasks) for name in ("always-small", "always-large", "routed")}
        yield lambda name, done: bars.update(shown[name], completed=done)
