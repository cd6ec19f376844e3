"""``langroute explain``: what was decided in an episode, and why."""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer

from langroute.cli.stores import DEFAULT_STORE, AsJson, Store, console, reading
from langroute.errors import ConfigError

if TYPE_CHECKING:
    from langroute.protocols import Journal
    from langroute.records import ActionTaken, Record


def explain(
    episode: Annotated[str | None, typer.Argument(help="Id of an episode; left out, the episodes are listed.")] = None,
    *,
    store: Store = DEFAULT_STORE,
    step: Annotated[int | None, typer.Option("--step", min=0, help="Explain this step alone, in full.")] = None,
    card: Annotated[bool, typer.Option("--card", help="On one page: cost by place, tokens, trouble.")] = False,
    as_json: AsJson = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many episodes are listed at most.")] = 20,
) -> None:
    """Explain an episode: each decision, why, and its cost.

    Without EPISODE, list the stored episodes, newest first.
    """
    with reading(store) as journal:
        if card:
            _print_card(journal, episode, step, as_json=as_json)
        elif episode is not None:
            _explain_one(journal, episode, step, store, as_json=as_json)
        elif step is not None:
            raise ConfigError("needs an episode: langroute explain EPISODE --step N", field="--step")
        else:
            _list(journal, limit, as_json=as_json)


def _print_card(journal: "Journal", episode: str | None, step: int | None, *, as_json: bool) -> None:
    from langroute.observe.card import card_of
    from langroute.observe.card_report import explain_card

    if episode is None or step is not None:
        raise ConfigError("is of a whole episode: langroute explain EPISODE --card", field="--card")
    card = card_of(journal.records(episode), journal.end(episode), journal.actions(episode))
    if as_json:
        typer.echo(json.dumps(card.to_json(), indent=2))
    else:
        console().print(explain_card(card))


def _explain_one(journal: "Journal", episode: str, step: int | None, store: str, *, as_json: bool) -> None:
    from langroute.observe import report

    records, end, arms = journal.records(episode), journal.end(episode), journal.arms(episode)
    actions = journal.actions(episode)
    wanted = records if step is None else _of_step(records, step)
    if as_json:
        happened = [action for action in actions if step is None or action.call_index == step]
        typer.echo(report.as_json(wanted, end, arms, happened))
    elif step is None:
        console().print(report.explain(records, end, arms, actions))
        _tell_of_books(store, episode, records, actions)
    else:
        for place, record in enumerate(wanted):
            if place:
                typer.echo()
            console().print(report.explain_step(record))


def _tell_of_books(store: str, episode: str, records: "Sequence[Record]", actions: "Sequence[ActionTaken]") -> None:
    """Say where the books know of more than the records: a process died, or calls are under way."""
    from langroute.episodes import scope_of
    from langroute.errors import LedgerError
    from langroute.ledgers import open_ledger
    from langroute.money import format_dollars
    from langroute.observe.layout import Paragraph

    ledger = open_ledger(store)
    try:
        books = ledger.balance(scope_of(episode))
    except LedgerError:
        return
    finally:
        ledger.close()
    booked = [record.outcome for record in records if record.action != "shadow"]
    calls = sum(outcome.cost_nano for outcome in booked if outcome is not None)
    told = calls + sum(action.cost_nano for action in actions)
    if books.lifetime.nano_usd == told and not books.held.nano_usd:
        return
    typer.echo()
    text = (
        f"The books say {format_dollars(books.lifetime.nano_usd)} spent "
        f"and {format_dollars(books.held.nano_usd)} held; what stands above comes to "
        f"{format_dollars(told)}. Either calls are under way, or a process ended before it could store a record or "
        "settle a hold: such a hold stays, since its call may have been billed. Or a line was "
        f"put right since: see langroute ledger show {episode}."
    )
    console().print(Paragraph(text=text))


def _of_step(records: "Sequence[Record]", step: int) -> "tuple[Record, ...]":
    found = tuple(record for record in records if record.step.call_index == step)
    if not records:
        raise ConfigError(f"the episode has no step {step}; no call was decided in it", field="--step")
    if not found:
        last = max(record.step.call_index for record in records)
        raise ConfigError(f"the episode has no step {step}; its steps are 0 to {last}", field="--step")
    return found


def _list(journal: "Journal", limit: int, *, as_json: bool) -> None:
    found = [_listed(journal, episode) for episode in journal.episodes(limit=limit)]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    elif found:
        _print_list(found)
    else:
        typer.echo("The store holds no episode yet.")


class _Listed(TypedDict):
    episode: str
    steps: int
    calls: int
    cost_usd: float
    charged_usd: float
    success: float | None


def _listed(journal: "Journal", episode: str) -> _Listed:
    from langroute.money import NANO_PER_DOLLAR

    records, end = journal.records(episode), journal.end(episode)
    outcomes = [record.outcome for record in records if record.outcome is not None]
    return {
        "episode": episode,
        "steps": len({record.step.call_index for record in records}),
        "calls": len(outcomes),
        "cost_usd": sum(outcome.cost_nano for outcome in outcomes) / NANO_PER_DOLLAR,
        "charged_usd": sum(action.cost_nano for action in journal.actions(episode)) / NANO_PER_DOLLAR,
        "success": None if end is None or end.success is None else float(end.success),
    }


def _print_list(found: Sequence[_Listed]) -> None:
    from langroute.money import cost_nano, format_dollars
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
                listed["episode"],
                str(listed["steps"]),
                str(listed["calls"]),
                format_dollars(cost_nano(listed["cost_usd"]) + cost_nano(listed["charged_usd"])),
                "-" if listed["success"] is None else f"{listed['success']:g}",
            )
        )
        for listed in found
    )
    console().print(Rows(columns=columns, rows=rows))
