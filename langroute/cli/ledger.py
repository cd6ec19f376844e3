"""``langroute ledger``: what the books say, whether they add up, and changing budgets by hand."""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from langroute.cli.stores import DEFAULT_STORE, AsJson, Store, console, keeping
from langroute.errors import ConfigError

if TYPE_CHECKING:
    from langroute.books import Balance, Limits
    from langroute.ledgers.reconcile import Truth
    from langroute.protocols import Ledger

ledger = typer.Typer(help="The books: read, prove, put right.", no_args_is_help=True, rich_markup_mode=None)

_MOST_SCOPES = 100_000

Scope = Annotated[str, typer.Argument(help="A scope, for example episode:42; a bare id means an episode.")]
Prefix = Annotated[str, typer.Option("--prefix", help="Only scopes whose names start with this.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the books.")]
Dollars = Annotated[str | None, typer.Option("--dollars", metavar="X", help="Dollars in all.")]
InputTokens = Annotated[int | None, typer.Option("--input-tokens", metavar="N", min=0, help="Input tokens in all.")]
OutputTokens = Annotated[int | None, typer.Option("--output-tokens", metavar="N", min=0, help="Output tokens in all.")]
Retries = Annotated[int | None, typer.Option("--retries", metavar="N", min=0, help="Retries in all.")]


@ledger.command()
def show(
    scope: Scope,
    *,
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
    limit: Annotated[int, typer.Option("--limit", min=0, help="How many lines are shown at most.")] = 20,
) -> None:
    """Show one scope: limits, spent, held, left, changes and lines."""
    from langroute.observe import books, books_json

    with keeping(store) as kept:
        name = _named(kept, scope)
        balance = kept.balance(name, at=_now())
        entries, amendments = kept.entries(name), kept.amendments(name)
    if as_json:
        told = books_json.balance_json(balance) | {
            "amendments": [books_json.amendment_json(each) for each in amendments],
            "lines": [books_json.entry_json(entry) for entry in entries],
        }
        typer.echo(json.dumps(told, indent=2))
    else:
        console().print(books.show(balance, entries, amendments, most_lines=limit))


@ledger.command()
def top(
    *,
    store: Store = DEFAULT_STORE,
    prefix: Prefix = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many scopes are listed at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the scopes that ever spent most."""
    from langroute.observe import books, books_json

    with keeping(store) as kept:
        found = kept.scopes(prefix, limit=_MOST_SCOPES)
    dearest = sorted(found, key=lambda balance: -balance.lifetime.nano_usd)[:limit]
    if as_json:
        typer.echo(json.dumps([books_json.balance_json(balance) for balance in dearest], indent=2))
    elif dearest:
        console().print(books.top(dearest))
    else:
        typer.echo("The store holds no such scope yet.")


@ledger.command()
def audit(
    scope: Annotated[str | None, typer.Argument(help="One scope; left out, every scope.")] = None,
    *,
    store: Store = DEFAULT_STORE,
    prefix: Prefix = "",
    as_json: AsJson = False,
) -> None:
    """Prove that the lines sum to the books. Exit code 1 where they do not."""
    from langroute.ledgers.audit import audit as prove
    from langroute.observe import books, books_json

    with keeping(store) as kept:
        names = [_named(kept, scope)] if scope else [each.scope for each in kept.scopes(prefix, limit=_MOST_SCOPES)]
        found = [prove(kept, name) for name in names]
    if as_json:
        typer.echo(json.dumps([books_json.audit_json(each) for each in found], indent=2))
    elif found:
        console().print(books.audited(found))
    else:
        typer.echo("The store holds no such scope yet.")
    if not all(each.sound for each in found):
        raise typer.Exit(1)


@ledger.command()
def reconcile(
    *,
    store: Store = DEFAULT_STORE,
    scope: Annotated[str | None, typer.Option("--scope", help="Only lines of this scope.")] = None,
    hold: Annotated[str | None, typer.Option("--hold", metavar="ID", help="The line that --dollars is about.")] = None,
    dollars: Annotated[str | None, typer.Option("--dollars", metavar="X", help="What it really cost.")] = None,
    input_tokens: InputTokens = None,
    output_tokens: OutputTokens = None,
    reason: Reason = "",
    file: Annotated[Path | None, typer.Option("--file", help="JSON lines with hold, dollars, ... each.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let overdue holds expire, list worst cases, and put them right.

    A hold whose process died is booked at all it held once its lease is over. Where you know better, say so, for one
    line (--hold, --dollars) or for many (--file).
    """
    from langroute.ledgers.reconcile import apply_truths, correctable

    truths = _truths(hold, dollars, input_tokens, output_tokens, reason, file)
    with keeping(store) as kept:
        name = None if scope is None else _named(kept, scope)
        expired = kept.expire(at=_now(), scope=name)
        corrected = apply_truths(kept, truths, correctable(kept, scope=name), at=_now()) if truths else ()
        worst = tuple([entry for entry in correctable(kept, scope=name) if entry.worst_case])
    found = {"expired": expired, "corrected": corrected, "worst_case": worst}
    if as_json:
        from langroute.observe.books_json import entry_json

        typer.echo(json.dumps({what: [entry_json(each) for each in lines] for what, lines in found.items()}, indent=2))
        return
    from langroute.observe.books import lines as table

    titles = {"expired": "Expired now", "corrected": "Corrected now", "worst_case": "Booked at a worst case"}
    for place, (what, lines) in enumerate((what, lines) for what, lines in found.items() if lines):
        typer.echo(("\n" if place else "") + titles[what])
        console().print(table(lines))
    if not any(found.values()):
        typer.echo("Nothing is overdue, and no line is booked at a worst case.")


def _truths(
    hold: str | None,
    dollars: str | None,
    input_tokens: int | None,
    output_tokens: int | None,
    reason: str,
    file: Path | None,
) -> "tuple[Truth, ...]":
    from langroute.ledgers.reconcile import Truth, read_truths

    if (hold is None) != (dollars is None):
        raise ConfigError("--hold ID and --dollars X belong together", field="--hold")
    truths: tuple[Truth, ...] = ()
    if hold is not None and dollars is not None:
        truths = (
            Truth(hold=hold, dollars=dollars, input_tokens=input_tokens, output_tokens=output_tokens, reason=reason),
        )
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigError(f"cannot be read: {exc}", field="--file") from exc
        truths += read_truths(text, source=str(file))
    return truths


@ledger.command("raise")
def raise_(
    scope: Scope,
    *,
    dollars: Dollars = None,
    input_tokens: InputTokens = None,
    output_tokens: OutputTokens = None,
    retries: Retries = None,
    reason: Reason = "",
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Raise limits of a live budget to what is given; recorded."""
    given = _given(dollars, input_tokens, output_tokens, retries)
    _change(scope, given, up=True, reason=reason, store=store, as_json=as_json)


@ledger.command()
def lower(
    scope: Scope,
    *,
    dollars: Dollars = None,
    input_tokens: InputTokens = None,
    output_tokens: OutputTokens = None,
    retries: Retries = None,
    reason: Reason = "",
    store: Store = DEFAULT_STORE,
    as_json: AsJson = False,
) -> None:
    """Lower limits of a live budget, below what is spent too; recorded."""
    given = _given(dollars, input_tokens, output_tokens, retries)
    _change(scope, given, up=False, reason=reason, store=store, as_json=as_json)


@ledger.command()
def reset(scope: Scope, *, reason: Reason = "", store: Store = DEFAULT_STORE, as_json: AsJson = False) -> None:
    """Forgive what a scope has spent; what is held stays. Recorded."""
    with keeping(store) as kept:
        name = _named(kept, scope)
        balance = kept.reset(name, at=_now(), reason=reason)
    _told(balance, as_json=as_json)


def _given(
    dollars: str | None, input_tokens: int | None, output_tokens: int | None, retries: int | None
) -> dict[str, int]:
    from langroute.money import limit_nano

    given = {"input_tokens": input_tokens, "output_tokens": output_tokens, "retries": retries}
    given["nano_usd"] = None if dollars is None else limit_nano(dollars, field="--dollars")
    found = {name: value for name, value in given.items() if value is not None}
    if not found:
        raise ConfigError("give at least one of --dollars, --input-tokens, --output-tokens, --retries")
    return found


def _change(scope: str, given: dict[str, int], *, up: bool, reason: str, store: str, as_json: bool) -> None:
    with keeping(store) as kept:
        name = _named(kept, scope)
        limits = _changed(kept.balance(name).limits, given, up=up)
        balance = kept.amend(name, limits, at=_now(), reason=reason)
    _told(balance, as_json=as_json)


def _changed(limits: "Limits", given: dict[str, int], *, up: bool) -> "Limits":
    from math import inf

    from langroute.money import format_dollars
    from langroute.quick import changed

    for name, value in given.items():
        now = getattr(limits, name)
        now = inf if now is None else now
        if (value <= now) if up else (value >= now):
            option = "--dollars" if name == "nano_usd" else f"--{name.replace('_', '-')}"
            shown = format_dollars if name == "nano_usd" else str
            verb, other = ("raise", "lower") if up else ("lower", "raise")
            raise ConfigError(
                f"{shown(value)} would not {verb} it: it is {'unlimited' if now == inf else shown(int(now))}; "
                f"see `langroute ledger {other}`",
                field=option,
            )
    return changed(limits, **given)


def _told(balance: "Balance", *, as_json: bool) -> None:
    from langroute.observe import books, books_json

    if as_json:
        typer.echo(json.dumps(books_json.balance_json(balance), indent=2))
    else:
        console().print(books.show(balance, (), (), most_lines=0))


def _named(kept: "Ledger", scope: str) -> str:
    """The scope's name; a bare id is that of an episode, unless there is a scope of just this name."""
    from langroute.episodes import scope_of
    from langroute.errors import LedgerError, LedgerUnavailable

    try:
        return kept.balance(scope).scope
    except LedgerUnavailable:
        raise
    except LedgerError:
        return kept.balance(scope_of(scope)).scope if ":" not in scope else kept.balance(scope).scope


def _now() -> float:
    from langroute.clock import SystemClock

    return SystemClock().now()
