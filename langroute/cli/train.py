"""``langroute train``: learn what to expect of each arm from a table of outcomes."""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from langroute.cli.stores import AsJson, console
from langroute.errors import ConfigError

if TYPE_CHECKING:
    from langroute.learning.training import Tell, Trained


class Guarantees(StrEnum):
    """The three risks, which are not interchangeable."""

    marginal_risk = "marginal_risk"
    missed_failures = "missed_failures"
    selective_risk = "selective_risk"


PRESETS = {"agentrouter": "agentrouter"}

_ACCEPT = "Which risk of cheap answers is bounded by what they must score; all well-formed ones stand without it."
_TABLE = "Parquet or JSON Lines, or a folder with outcomes and tasks."
_POLICY = "The rule of choice: frontier, cascade, chain or difference."
_ENCODER = "An artifact whose text encoder is taken, which made the table's `encoded` column."


def train(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help=_TABLE)],
    *,
    save: Annotated[Path, typer.Option("--save", metavar="DIR", help="Where the artifact is stored.")],
    tasks: Annotated[Path | None, typer.Option("--tasks", help="A table with task, text and group.")] = None,
    estimator: Annotated[str, typer.Option("--estimator", help="What is trained.")] = "boosted",
    preset: Annotated[str, typer.Option("--preset", help="agentrouter: four tiers of price, five features.")] = "",
    encoder: Annotated[Path | None, typer.Option("--encoder", metavar="DIR", help=_ENCODER)] = None,
    policy: Annotated[str, typer.Option("--policy", help=_POLICY)] = "frontier",
    folds: Annotated[int, typer.Option("--folds", min=2, help="Parts that are scored in turn.")] = 5,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of folds and samples.")] = 0,
    accept: Annotated[Guarantees | None, typer.Option("--accept", help=_ACCEPT)] = None,
    alpha: Annotated[float, typer.Option("--alpha", help="Of --accept: the risk allowed, by kind and arm.")] = 0.05,
    delta: Annotated[float, typer.Option("--delta", help="Of selective_risk: how often it may be missed.")] = 0.1,
    as_json: AsJson = False,
) -> None:
    """Learn what to expect of each arm, measure it out of fold, and store it.

    With --accept also which cheap answers stand. The folder that comes of it goes into StepRouter(policy=DIR). More
    than 200,000 rows are trained on in batches.
    """
    from langroute.learning.accepting import Wanted
    from langroute.learning.learners import learner
    from langroute.learning.tables import train_table

    name = _chosen(estimator, preset)
    options: dict[str, Any] = {} if encoder is None else {"encoder": _encoder(encoder)}
    made = learner(name, **options)
    wanted = None if accept is None else Wanted(guarantee=accept.value, alpha=alpha, delta=delta)
    with _progress(quiet=as_json) as tell:
        trained = train_table(table, made, tasks=tasks, folds=folds, seed=seed, accept=wanted, tell=tell, policy=policy)
    trained.save(save)
    if as_json:
        typer.echo(json.dumps({"saved": str(save), "policy": policy, "data": trained.data, "metrics": trained.metrics}))
    else:
        _tell(trained, save)


def _chosen(estimator: str, preset: str) -> str:
    if not preset:
        return estimator
    if preset not in PRESETS:
        raise ConfigError(f"no preset is called {preset!r}; use {', '.join(PRESETS)}", field="--preset")
    if estimator not in ("boosted", PRESETS[preset]):
        raise ConfigError(f"{preset} is a preset of boosted, not of {estimator}", field="--preset")
    return PRESETS[preset]


def _encoder(folder: Path) -> Any:
    from langroute.artifacts import made
    from langroute.estimators.artifact import read_artifact

    artifact = read_artifact(folder)
    piece = artifact.piece("encoder")
    if piece is None:
        raise ConfigError("the artifact has no text encoder; leave --encoder out", field="--encoder")
    return made("encoder", piece, artifact)


_MEASURES = {
    "log_loss": ("log loss", "{:.4f}"),
    "brier": ("Brier score", "{:.4f}"),
    "auroc": ("AUROC", "{:.3f}"),
    "calibration_error": ("calibration error", "{:.4f}"),
    "cost_mae_usd": ("error of cost, $", "{:.6f}"),
    "token_mae": ("error of tokens", "{:.1f}"),
}


def _tell(trained: "Trained", save: Path) -> None:
    from langroute.observe.layout import Column, Paragraph, Row, Rows

    titles = ("out of fold", "learned", "95% interval", "arm mean", "group mean")
    columns = tuple(Column(title=title, align="right" if at else "left") for at, title in enumerate(titles))
    rows = []
    for name, (told, form) in _MEASURES.items():
        found = trained.metrics.get(name)
        if found:
            value, arm, group = (form.format(found[key]) if key in found else "-" for key in _SHOWN)
            between = f"{form.format(found['low'])} - {form.format(found['high'])}" if "low" in found else "-"
            rows.append(Row(cells=(told, value, between, arm, group)))
    out, data = console(), trained.data
    out.print(Rows(columns=columns, rows=tuple(rows)))
    out.print()
    sentences = [
        f"{trained.estimator} learned from {data['rows']:,} rows of {data['tasks']:,} tasks and {len(data['arms'])} "
        "arms.",
        _prices_told(trained),
        *_stands_told(trained),
    ]
    for text in sentences:
        out.print(Paragraph(text=text))
    typer.echo(f"Saved in {save}; see {save / 'MODEL_CARD.md'}")


def _stands_told(trained: "Trained") -> list[str]:
    """Which cheap answers stand, one line a kind and arm; why nothing is certified is in the model card."""
    if trained.acceptance is None:
        return []
    told = [f"Which cheap answers stand, by {trained.acceptance.rule.guarantee}:"]
    for one in trained.acceptance.rule.thresholds:
        certificate = one.certificate
        score = "nothing certified, stay strong" if not certificate.certified else f"above {certificate.threshold:.4g}"
        told.append(f"  {one.kind} by {one.arm or 'any cheap arm'}: {score} ({certificate.n} answers)")
    return told


def _prices_told(trained: "Trained") -> str:
    found = trained.targets
    if found is None:
        return "No prices for targets: costs are unknown, or an arm was too rare to be asked everywhere."
    count = len(found.points)
    prices = "one price of a dollar was" if count == 1 else f"{count} prices of a dollar were"
    return f"For targets {prices} tried, {found.basis}; quality is a share of {found.reference}'s."


_SHOWN = ("value", "arm_mean", "group_mean")


@contextmanager
def _progress(*, quiet: bool) -> "Iterator[Tell]":
    """A progress bar on stderr, where somebody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    watched = Console(stderr=True)
    if quiet or not watched.is_terminal:
        yield lambda _what, _share: None
        return
    columns = (TextColumn("{task.description:24}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=watched, transient=True) as bars:
        shown = bars.add_task("reading", total=1.0)
        yield lambda what, share: bars.update(shown, description=what, completed=share)
