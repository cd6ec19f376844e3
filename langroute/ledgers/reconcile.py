"""Putting right what was booked at a worst case, from what somebody found out: a bill, a provider's console."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from langroute.books import Amount, Entry
from langroute.errors import ConfigError, LedgerError
from langroute.money import Dollars, cost_nano
from langroute.protocols import Ledger

_KNOWN = ("hold", "dollars", "input_tokens", "output_tokens", "reason")
_MOST_SCOPES = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What a call really cost.

    Attributes:
        hold: id of its hold.
        dollars: what it cost, rounded up to the nano-dollar.
        input_tokens: None where they are not known: those of the worst case stay.
        output_tokens: likewise.
        reason: how it is known.
    """

    hold: str
    dollars: Dollars
    input_tokens: int | None = None
    output_tokens: int | None = None
    reason: str = ""


def read_truths(text: str, *, source: str) -> tuple[Truth, ...]:
    """Truths from JSON lines, each with ``hold`` and ``dollars``, perhaps tokens and a reason. Empty lines are skipped.

    Raises:
        ConfigError: a line is none of that; names ``source`` and the line.
    """
    return tuple(
        _truth(line, field=f"{source}, line {number}")
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    )


def _truth(line: str, *, field: str) -> Truth:
    try:
        given = json.loads(line, parse_float=Decimal)
    except ValueError as exc:
        raise ConfigError(f"is no JSON: {exc}", field=field) from exc
    if not isinstance(given, dict) or not {"hold", "dollars"} <= given.keys() <= set(_KNOWN):
        raise ConfigError(f"must be an object with hold and dollars, perhaps {', '.join(_KNOWN[2:])}", field=field)
    tokens = {name: given[name] for name in ("input_tokens", "output_tokens") if given.get(name) is not None}
    if not all(type(count) is int and count >= 0 for count in tokens.values()):
        raise ConfigError("tokens must be whole numbers of at least 0", field=field)
    cost_nano(given["dollars"], field=field)
    return Truth(hold=str(given["hold"]), dollars=given["dollars"], reason=str(given.get("reason", "")), **tokens)


def correctable(ledger: Ledger, *, scope: str | None = None) -> tuple[Entry, ...]:
    """The lines that are or were booked at their worst case, oldest first: of one scope, or of every scope."""
    names = [scope] if scope is not None else [each.scope for each in ledger.scopes(limit=_MOST_SCOPES)]
    found = {entry.id: entry for name in names for entry in _lines(ledger, name)}
    return tuple(sorted(found.values(), key=lambda entry: (entry.at, entry.id)))


def _lines(ledger: Ledger, scope: str) -> list[Entry]:
    return [entry for entry in ledger.entries(scope) if entry.worst_case or entry.corrections]


def apply_truths(ledger: Ledger, truths: Iterable[Truth], lines: Sequence[Entry], *, at: float) -> tuple[Entry, ...]:
    """Correct lines by what is known of them, each in one atomic step, and return them as they are then.

    Args:
        ledger: the books.
        truths: what is known.
        lines: the lines that may be corrected, as `correctable` finds them. One that says so already stays as it is,
            so that the same truths may be given again.
        at: epoch seconds now.

    Raises:
        LedgerError: a truth is about none of these lines; nothing is changed.
        ConfigError: dollars are no amount; nothing is changed.
    """
    known = {entry.id: entry for entry in lines}
    wanted = [(truth, _amount(truth, _line(truth, known))) for truth in truths]
    return tuple(ledger.correct(truth.hold, amount, at=at, reason=truth.reason) for truth, amount in wanted)


def _line(truth: Truth, known: dict[str, Entry]) -> Entry:
    if truth.hold not in known:
        raise LedgerError(
            f"hold {truth.hold!r} was never booked at a worst case here: it is unknown, still open, or was settled at "
            "what was really used; nothing was changed"
        )
    return known[truth.hold]


def _amount(truth: Truth, line: Entry) -> Amount:
    booked: Any = line.settled
    return Amount(
        nano_usd=cost_nano(truth.dollars, field="dollars"),
        input_tokens=booked.input_tokens if truth.input_tokens is None else truth.input_tokens,
        output_tokens=booked.output_tokens if truth.output_tokens is None else truth.output_tokens,
        retries=booked.retries,
    )
