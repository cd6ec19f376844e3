"""``langroute explain``: what was decided in an episode, and why."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from langroute.cli.stores import DEFAULT_STORE, AsJson, Store, arms_of, console, reading
from langroute.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langroute.observe.totals import EpisodeTotals
    from langroute.protocols import Journal
    from langroute.records import EpisodeEnd, Record


def explain(
    episode: Annotated[str | None, typer.Argument(help="Id of an episode; left out, the episodes are listed.")] = None,
    *,
    store: Store = DEFAULT_STORE,
    step: Annotated[int | None, typer.Option("--step", min=0, help="Explain this step alone, in full.")] = None,
    as_json: AsJson = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many episodes are listed at most.")] = 20,
) -> None:
    """Explain an episode: every decision with its reason, what it cost and what was left.

    Without EPISODE, list the stored episodes, newest first.
    """
    with reading(store) as journal:
        if episode is not None:
            _explain_one(journal, episode, step, as_json=as_json)
        elif step is not None:
            raise ConfigError("needs an episode: langroute explain EPISODE --step N", field="--step")
        else:
            _list(journal, limit, as_json=as_json)


def _explain_one(journal: "Journal", episode: str, step: int | None, *, as_json: bool) -> None:
    from langroute.observe import report

    records, end, arms = journal.records(episode), journal.end(episode), arms_of(journal, episode)
    wanted = records if step is None else _of_step(records, step)
    if as_json:
        typer.echo(report.as_json(wanted, end, arms))
    elif step is None:
        console().print(report.explain(records, end, arms))
    else:
        for place, record in enumerate(wanted):
            if place:
                typer.echo()
            console().print(report.explain_step(record))


def _of_step(records: "Sequence[Record]", step: int) -> "tuple[Record, ...]":
    found = tuple(record for record in records if record.step.call_index == step)
    if not found:
        last = max(record.step.call_index for record in records)
        raise ConfigError(f"the episode has no step {step}; its steps are 0 to {last}", field="--step")
    return found


def _list(journal: "Journal", limit: int, *, as_json: bool) -> None:
    from langroute.observe.totals import totals

    found = [(totals(journal.records(episode)), journal.end(episode)) for episode in journal.episodes(limit=limit)]
    if as_json:
        typer.echo(json.dumps([_listed(sums, end) for sums, end in found], indent=2))
    elif found:
        _print_list(found)
    else:
        typer.echo("The store holds no episode yet.")


def _listed(sums: "EpisodeTotals", end: "EpisodeEnd | None") -> dict[str, object]:
    from langroute.records import as_dollars

    return {
        "episode": sums.episode,
        "steps": sums.steps,
        "calls": sums.calls,
        "cost_usd": as_dollars(sums.cost_nano),
        "limit_usd": as_dollars(sums.limit_nano),
        "success": None if end is None else end.success,
    }


def _print_list(found: "list[tuple[EpisodeTotals, EpisodeEnd | None]]") -> None:
    from langroute.money import format_dollars
    from langroute.observe.layout import Column, Row, Rows

    columns = (
        Column(title="episode", most=44),
        Column(title="steps", align="right"),
        Column(title="calls", align="right"),
        Column(title="spent", align="point"),
        Column(title="success"),
    )
    rows = tuple(
        Row(
            cells=(
                sums.episode,
                str(sums.steps),
                str(sums.calls),
                format_dollars(sums.cost_nano),
                "-" if end is None or end.success is None else f"{float(end.success):g}",
            )
        )
        for sums, end in found
    )
    console().print(Rows(columns=columns, rows=rows))
