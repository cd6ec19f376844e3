"""The books as a person reads them: one scope, the scopes that spent most, what an audit found, single lines."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.text import Text

from langroute.books import Amendment, Amount, Balance, Entry, Limits
from langroute.ledgers.audit import Audit
from langroute.money import format_dollars
from langroute.observe.layout import Column, Facts, Paragraph, Row, Rows, plain

_WIDE = 100

_LINES = (
    Column(title="time", most=19),
    Column(title="hold", most=36),
    Column(title="arm", most=20),
    Column(title="purpose", most=15, least_width=_WIDE),
    Column(title="held", align="point"),
    Column(title="booked", align="point"),
    Column(title="", most=10),
)

_SCOPES = (
    Column(title="scope", most=44),
    Column(title="ever spent", align="point"),
    Column(title="counts", align="point", least_width=_WIDE),
    Column(title="held", align="point"),
    Column(title="limit", align="point"),
    Column(title="calls", align="right"),
    Column(title="", most=8),
)

_AUDITED = (
    Column(title="scope", most=44),
    Column(title="lines", align="right"),
    Column(title="settled", align="point"),
    Column(title="held", align="point"),
    Column(title="worst case", align="right"),
    Column(title=""),
)


def show(
    balance: Balance, entries: Sequence[Entry], amendments: Sequence[Amendment], *, most_lines: int
) -> RenderableType:
    """One scope whole: its limits, what is spent and left, how its budget was changed, and its newest lines."""
    parts: list[RenderableType] = [
        Text(plain(balance.scope), style="bold"),
        "",
        Facts(pairs=_facts(balance, entries)),
    ]
    if amendments:
        parts += ["", Text("Changes of the budget", style="bold"), *[_amended(each) for each in amendments]]
    shown = list(entries)[-most_lines:]
    if shown:
        parts += ["", lines(shown)]
    if len(entries) > len(shown):
        parts += ["", Paragraph(text=f"{len(entries) - len(shown)} older lines are not shown (--limit).")]
    return Group(*parts)


def _facts(balance: Balance, entries: Sequence[Entry]) -> tuple[tuple[str, str], ...]:
    limits, worst = balance.limits, [entry for entry in entries if entry.worst_case]
    left = balance.available_nano("general")
    kept = ", ".join(f"{format_dollars(balance.reserve_left(name))} for {name}" for name, _ in limits.reserves)
    past = format_dollars(balance.past.nano_usd) if balance.past != Amount() else ""
    booked = sum((entry.settled.nano_usd for entry in worst if entry.settled is not None), 0)
    return (
        ("limits", limits_text(limits)),
        ("spent", _amount_text(balance.spent)),
        ("held", _amount_text(balance.held) if balance.held != Amount() else ""),
        ("left", "unlimited" if left is None else format_dollars(left) + (f", and {kept}" if kept else "")),
        ("past", f"{past} left the window or was forgiven" if past else ""),
        ("calls", str(balance.calls)),
        (
            "worst case",
            f"{format_dollars(booked)} in {len(worst)} of them: langroute ledger reconcile" if worst else "",
        ),
        ("opened", _time(balance.opened_at) + (", closed" if balance.closed else "")),
    )


def _amended(amendment: Amendment) -> RenderableType:
    told = f"{_time(amendment.at)}  "
    if amendment.kind == "reset":
        told += f"reset, {format_dollars(amendment.forgiven.nano_usd)} forgiven"
    else:
        told += f"{limits_text(amendment.before)} -> {limits_text(amendment.after)}"
    return Paragraph(text=told + (f": {amendment.reason}" if amendment.reason else ""))


def lines(entries: Sequence[Entry]) -> Rows:
    """Lines of the books, one a row; what was put right stands beneath its line."""
    return Rows(columns=_LINES, rows=tuple(_line(entry) for entry in entries))


def _line(entry: Entry) -> Row:
    state = "open" if entry.settled is None else "expired" if entry.expired and entry.worst_case else ""
    state = state or ("worst case" if entry.worst_case else "corrected" if entry.corrections else "")
    booked = "" if entry.settled is None else format_dollars(entry.settled.nano_usd)
    return Row(
        cells=(
            _time(entry.at),
            entry.id,
            entry.arm,
            entry.purpose,
            format_dollars(entry.held.nano_usd),
            booked,
            state,
        ),
        notes=tuple(
            f"was {format_dollars(each.before.nano_usd)} until {_time(each.at)}"
            + (f": {each.reason}" if each.reason else "")
            for each in entry.corrections
        ),
        alarm=entry.worst_case,
    )


def top(balances: Sequence[Balance]) -> Rows:
    """Scopes with what they ever spent."""
    return Rows(
        columns=_SCOPES,
        rows=tuple(
            Row(
                cells=(
                    each.scope,
                    format_dollars(each.lifetime.nano_usd),
                    format_dollars(each.spent.nano_usd),
                    format_dollars(each.held.nano_usd),
                    "-" if each.limits.nano_usd is None else format_dollars(each.limits.nano_usd),
                    str(each.calls),
                    "closed" if each.closed else "",
                )
            )
            for each in balances
        ),
    )


def audited(found: Sequence[Audit]) -> RenderableType:
    """What audits found: a row a scope, every difference beneath it, and what it comes to."""
    rows = tuple(
        Row(
            cells=(
                each.balance.scope,
                str(each.lines),
                format_dollars(each.settled.nano_usd),
                format_dollars(each.held.nano_usd),
                str(each.worst_case) if each.worst_case else "",
                "ok" if each.sound else "WRONG",
            ),
            notes=tuple(f"{odd.what}: lines {odd.lines}, books {odd.books}" for odd in each.differences),
            alarm=not each.sound,
        )
        for each in found
    )
    wrong = sum(not each.sound for each in found)
    told = f"{wrong} of {len(found)} scopes do not add up." if wrong else "Every scope's lines sum to its books."
    return Group(Rows(columns=_AUDITED, rows=rows), "", Paragraph(text=told))


def limits_text(limits: Limits) -> str:
    """Limits in words."""
    told = [] if limits.nano_usd is None else [format_dollars(limits.nano_usd)]
    counts = (
        (limits.input_tokens, "input tokens"),
        (limits.output_tokens, "output tokens"),
        (limits.retries, "retries"),
    )
    told += [f"{count} {name}" for count, name in counts if count is not None]
    told += [f"{format_dollars(nano)} kept for {name}" for name, nano in limits.reserves]
    window = "" if limits.window_s is None else f" in any {limits.window_s:g} seconds"
    return (", ".join(told) or "none") + window


def _amount_text(amount: Amount) -> str:
    told = [format_dollars(amount.nano_usd)]
    if amount.input_tokens or amount.output_tokens:
        told.append(f"{amount.input_tokens} + {amount.output_tokens} tokens")
    if amount.retries:
        told.append(f"{amount.retries} retries")
    return ", ".join(told)


def _time(at: float) -> str:
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return f"{at:.0f}"
