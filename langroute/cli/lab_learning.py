"""``langroute lab collect`` and ``langroute lab learn``: from the lab's own episodes to a learned policy."""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from langroute.cli.stores import console

if TYPE_CHECKING:
    from langroute.lab.learned import Priced, Progress

Seed = Annotated[int, typer.Option("--seed", help="Of exploration, folds and trees.")]


def collect(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The table to write: out.parquet or out.jsonl.")],
    *,
    tasks: Annotated[int, typer.Option("--tasks", min=1, help="How many fresh tasks.")] = 1000,
    share: Annotated[float, typer.Option("--share", min=0, max=1, help="Share of steps that are explored.")] = 0.5,
    store: Annotated[str, typer.Option("--store", metavar="URL", help="Where the journal is kept.")] = "memory://",
    seed: Seed = 0,
) -> None:
    """Run the lab's agent under exploration, and write its calls as a table of outcomes.

    Success is that of the whole task, which is what a user would know.
    """
    from langroute.lab.collect import collect as collected
    from langroute.lab.collect import fresh_tasks
    from langroute.learning.writing import write_table

    with _progress(tasks) as progress:
        found = collected(fresh_tasks(tasks), share=share, seed=seed, store=store, progress=progress)
    write_table(out, found.columns)
    typer.echo(
        f"Wrote {sum(found.tally.rows.values())} calls of {tasks} tasks to {out}; {found.runs.success:.1%} of the "
        f"tasks were answered right for ${found.runs.dollars_per_task:.5f} each, exploration included."
    )


def learn(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="What langroute lab collect wrote.")],
    *,
    save: Annotated[Path, typer.Option("--save", metavar="DIR", help="Folder of the learned policy.")],
    calibrate: Annotated[
        int, typer.Option("--calibrate", min=2, help="Fresh tasks on which each price of a dollar is tried.")
    ] = 500,
    seed: Seed = 0,
) -> None:
    """Learn a policy from a collected table, and choose its price of a dollar on fresh tasks, live.

    The price is the highest whose loss of success against always-large is certified. The policy serves any app:
    StepRouter(pool, policy="DIR", quality_target=0.97).
    """
    from langroute.lab.collect import fresh_tasks
    from langroute.lab.demo import lab_pool
    from langroute.lab.learned import CALIBRATE_SEED, PRICES, try_prices
    from langroute.lab.learned import learn as learned_from
    from langroute.lab.remembering import RememberingEngine
    from langroute.lab.service import LabService
    from langroute.learning.reading import read_table

    learned = learned_from(read_table(table), seed=seed)
    learned.save(save)
    engine = RememberingEngine()
    with _progress(calibrate * (len(PRICES) + 1)) as progress:
        priced = try_prices(
            save,
            fresh_tasks(calibrate, first_seed=CALIBRATE_SEED),
            lambda: lab_pool(service=LabService(engine=engine)),
            progress=progress,
        )
    learned.save(save, targets=priced.table)
    console().print(_table(priced))
    typer.echo(f"{priced.certificate.told()}\nSaved in {save}.")


def _table(priced: "Priced") -> object:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in (
        "price of a dollar",
        "of always-large's success",
        "at least",
        "dollars a task",
        "saved",
        "certified",
    ):
        table.add_column(heading, justify="right")
    strong = priced.strong.dollars_per_task
    for point in priced.table.points:
        saved = 1 - point.dollars / strong
        cells = (f"{point.price_of_dollar:g}", f"{point.quality:.1%}", f"{point.low:.1%}", f"{point.dollars:.5f}")
        table.add_row(*cells, f"{saved:.1%}", "yes" if point.certified else "no")
    return table


@contextmanager
def _progress(total: int) -> "Iterator[Progress | None]":
    """A progress bar on stderr, where somebody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    watched = Console(stderr=True)
    if not watched.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=watched, transient=True) as bars:
        shown = bars.add_task("tasks", total=total)

        def advance(name: str, _: int) -> None:
            bars.update(shown, description=name, advance=1)

        yield advance
