"""The commands put together, and what becomes of their errors."""

from typing import Any

import typer
from typer.core import TyperGroup

from langroute.cli.demo import demo
from langroute.cli.evaluate import evaluate, frontier
from langroute.cli.explain import explain
from langroute.cli.journal import journal
from langroute.cli.kinds import kinds
from langroute.cli.lab import lab
from langroute.cli.ledger import ledger
from langroute.cli.replay import replay
from langroute.cli.train import train
from langroute.errors import LangrouteError


class _Group(TyperGroup):
    """Commands whose own errors end in one clear line on stderr and exit code 2, never in a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except LangrouteError as error:
            typer.echo(f"langroute: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(2) from error


app = typer.Typer(
    cls=_Group,
    help="Per-step model routing for agents, under budgets that cannot be overspent.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(demo)
app.command()(evaluate)
app.command()(explain)
app.command()(frontier)
app.command()(kinds)
app.command()(replay)
app.command()(train)
app.add_typer(journal, name="journal")
app.add_typer(lab, name="lab")
app.add_typer(ledger, name="ledger")
