"""``langroute lab``: the lab's models as a server, and what they can do."""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

import threading
from typing import Annotated

import typer

from langroute.cli.lab_learning import collect, learn
from langroute.cli.stores import AsJson

lab = typer.Typer(help="Tiny real language models, offline.", no_args_is_help=True, rich_markup_mode=None)


@lab.command()
def serve(
    *,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on loopback; 0 takes a free one.")] = 8765,
) -> None:
    """Serve the lab's models as an OpenAI-compatible server on loopback, until interrupted."""
    from langroute.lab.server import LabServer

    with LabServer(port=port) as server:
        typer.echo(f"Serving at {server.base_url} - stop with Ctrl-C")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            typer.echo("Stopped.")


@lab.command()
def measure(
    *,
    tasks: Annotated[int, typer.Option("--tasks", min=1, help="How many fresh tasks.")] = 2000,
    seed: Annotated[
        int, typer.Option("--seed", min=100_000, help="Seed of the first task; training used those below.")
    ] = 1_000_000_000,
    as_json: AsJson = False,
) -> None:
    """Measure what each model achieves and costs, with intervals."""
    from langroute.lab.measure import run

    run(tasks=tasks, seed=seed, as_json=as_json)


lab.command()(collect)
lab.command()(learn)
