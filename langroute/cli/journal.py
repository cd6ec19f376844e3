"""``langroute journal``: episodes as a table of outcomes, verdicts on them, and the traces of other programs."""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from langroute.cli.stores import DEFAULT_STORE, Store, reading

if TYPE_CHECKING:
    from langroute.learning.journal_rows import Tally

journal = typer.Typer(
    help="The journal as a table of outcomes to learn from.", no_args_is_help=True, rich_markup_mode=None
)


class Level(StrEnum):
    """What a row is."""

    step = "step"
    episode = "episode"


class Quality(StrEnum):
    """What stands for success where nobody said anything."""

    known = "known"
    validity = "validity"


class Episodes(StrEnum):
    """What an episode is, in spans."""

    trace = "trace"
    conversation = "conversation"


class By(StrEnum):
    """Who says how it went."""

    human = "human"
    verifier = "verifier"
    success = "success"


@journal.command()
def export(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The table to write: out.parquet or out.jsonl.")],
    *,
    store: Store = DEFAULT_STORE,
    since: Annotated[
        str, typer.Option("--since", help="Only episodes active since then: 30d, 12h, or 2026-11-01.")
    ] = "",
    level: Annotated[Level, typer.Option("--level", help="A row for each step, or for each episode.")] = Level.step,
    quality: Annotated[
        Quality, typer.Option("--quality", help="validity: take well-formed answers for right where nobody said.")
    ] = Quality.known,
) -> None:
    """Write own episodes as a table of outcomes.

    A step without a verdict of its own has its episode's success, and says so.
    """
    import time

    from langroute.cli.periods import moment
    from langroute.learning.export import export_journal

    begin = moment(since, now=time.time(), field="--since") if since else None
    with reading(store) as opened:
        tally = export_journal(opened, out, since=begin, level=level.value, quality=quality.value)
    _tell(tally, out)


@journal.command()
def judge(
    episode: Annotated[str, typer.Argument(help="Id of a stored episode.")],
    *,
    success: Annotated[float, typer.Option("--success", help="How it went: 1 right, 0 wrong, or between.")],
    step: Annotated[int | None, typer.Option("--step", min=0, help="Speak of this step alone.")] = None,
    by: Annotated[By, typer.Option("--by", help="Who says so.")] = By.human,
    note: Annotated[str, typer.Option("--note", help="Why, in your own words.")] = "",
    store: Store = DEFAULT_STORE,
) -> None:
    """Say afterwards how an episode, or a step of it, went.

    The newest word counts. Exports name who said it.
    """
    import time
    import uuid

    from langroute.journal.verdicts import Verdict
    from langroute.journal.verdicts import judge as store_verdict

    verdict = Verdict(success=success, source=by.value)
    with reading(store) as opened:
        said = store_verdict(opened, episode, verdict, at=time.time(), new_id=uuid.uuid4().hex, step=step, note=note)
    typer.echo(f"Stored for {episode}: {said.reason}.")


@journal.command(name="import")
def import_(
    file: Annotated[
        Path, typer.Argument(help="Rows as JSON Lines, OTLP/JSON lines, or one OpenTelemetry span a line.")
    ],
    *,
    out: Annotated[Path, typer.Option("--out", help="The table to write: out.parquet or out.jsonl.")],
    arms: Annotated[
        list[str] | None, typer.Option("--arm", metavar="ARM=MODEL", help="The model is this arm of your pool; repeat.")
    ] = None,
    prices: Annotated[
        Path | None, typer.Option("--prices", help="YAML or TOML of prices by model, before the bundled list.")
    ] = None,
    verdicts: Annotated[
        Path | None, typer.Option("--verdicts", help="JSON Lines of episode, success, and perhaps step and source.")
    ] = None,
    by: Annotated[Episodes, typer.Option("--by", help="What an episode is, in spans.")] = Episodes.trace,
    evaluation: Annotated[str, typer.Option("--evaluation", help="Which evaluation says how things went.")] = "",
    quality: Annotated[
        Quality, typer.Option("--quality", help="validity: take calls without an error for right where nobody said.")
    ] = Quality.known,
) -> None:
    """Write what another program recorded as a table of outcomes.

    Calls whose cost the file does not tell are priced by model.
    """
    from langroute.files import read_mapping
    from langroute.learning.call_prices import CallPrices
    from langroute.learning.imported import import_file
    from langroute.learning.traced_rows import Reading
    from langroute.learning.verdict_file import Verdicts
    from langroute.prices import GenaiPriceBook, OwnPrices

    own = OwnPrices(read_mapping(prices) if prices else {}, beside=GenaiPriceBook())
    reading = Reading(
        arms=_arms(arms or []),
        verdicts=Verdicts.read(verdicts) if verdicts else Verdicts(),
        quality=quality.value,
        prices=CallPrices(own),
    )
    tally = import_file(file, out, reading=reading, by=by.value, evaluation=evaluation)
    _tell(tally, out)


def _arms(said: list[str]) -> dict[str, str]:
    """Models with the arms they are."""
    from langroute.errors import ConfigError

    pairs = [text.partition("=") for text in said]
    for name, _, model in pairs:
        if not name or not model:
            raise ConfigError(f"must be ARM=MODEL, for example small=gpt-5-nano, not {name!r}", field="--arm")
    return {model: name for name, _, model in pairs}


def _tell(tally: "Tally", out: Path) -> None:
    """Say what was written and what was not."""
    from langroute.errors import OutcomesInvalid

    rows = sum(tally.rows.values())
    if rows:
        typer.echo(f"Wrote {rows} rows of {tally.episodes} episodes to {out}:")
        for what, count in tally.rows.most_common():
            typer.echo(f"  {count} {what}")
    _list("Left out, each with its reason:", tally.left_out)
    _list("Without a known cost (cost_usd is empty), by model:", tally.unpriced)
    if not rows:
        raise OutcomesInvalid(
            f"nothing to write, so {out} was not made: finish episodes with success=..., say how they went with "
            "langroute journal judge, or take the validity of answers with --quality validity"
        )


def _list(title: str, counts: "dict[str, int]") -> None:
    if counts:
        typer.echo(title)
    for what, count in sorted(counts.items(), key=lambda item: -item[1]):
        typer.echo(f"  {count} {what}")
