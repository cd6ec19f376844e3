"""Rows of the SQL ledgers as records of the books. The column order is that of find_scope.sql and find_hold.sql."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langroute.books import Amendment, Amount, Balance, Correction, Entry, Limits
from langroute.quick import maker

Row = Sequence[Any]

SEQ = 17
"""Column of a hold row with the hold's number in the books."""

NEWEST = 21
"""Column of a scope row with the newest bucket of its window."""

_amount = maker(Amount)


def bind_limits(limits: Limits) -> dict[str, float | int | None]:
    """The limits as parameters of a statement."""
    return {
        "nano": limits.nano_usd,
        "input": limits.input_tokens,
        "output": limits.output_tokens,
        "retries": limits.retries,
        "window_s": limits.window_s,
    }


def bind_amount(amount: Amount, *, prefix: str = "") -> dict[str, int]:
    """The amount as parameters of a statement, each name with ``prefix`` before it."""
    return {
        f"{prefix}nano": amount.nano_usd,
        f"{prefix}input": amount.input_tokens,
        f"{prefix}output": amount.output_tokens,
        f"{prefix}retries": amount.retries,
    }


def balance_of(rows: Sequence[Row]) -> Balance:
    """A scope's books from its rows, one per purpose; a single one without a purpose where none was used or kept."""
    row, parts = rows[0], [each[22:25] for each in rows if each[22] is not None]
    limit_nano, limit_input, limit_output, limit_retries = row[1:5]
    windowed = row[16] is not None
    return Balance(
        scope=row[0],
        limits=Limits(
            nano_usd=limit_nano,
            input_tokens=limit_input,
            output_tokens=limit_output,
            retries=limit_retries,
            reserves=tuple([(purpose, kept) for purpose, kept, _ in parts if kept is not None]),
            window_s=row[16],
        ),
        spent=amount_of(row[5:9]),
        held=amount_of(row[9:13]),
        past=amount_of(row[17:21]),
        used_nano=() if windowed else tuple(sorted([(purpose, used) for purpose, _, used in parts if used])),
        calls=row[13],
        opened_at=row[14],
        closed=bool(row[15]),
    )


def entry_of(rows: Sequence[Row]) -> Entry:
    """A hold from its rows, one per scope that it takes from."""
    row = rows[0]
    return Entry(
        id=row[0],
        scopes=tuple([each[18] for each in rows]),
        purpose=row[1],
        arm=row[2],
        held=amount_of(row[3:7]),
        settled=None if row[13] is None else amount_of(row[8:12]),
        worst_case=bool(row[12]),
        at=row[7],
        settled_at=row[13],
        expires=row[14],
        expired=bool(row[15]),
        corrections=() if row[16] is None else corrections_of(row[16]),
    )


def corrections_of(text: str) -> tuple[Correction, ...]:
    """Corrections from the column that keeps them."""
    return tuple([Correction(at=at, before=amount_of(before), reason=why) for at, before, why in json.loads(text)])


def corrections_text(corrections: Sequence[Correction]) -> str:
    """Corrections as the column keeps them: a JSON list of [at, [nano, input, output, retries], reason]."""
    return json.dumps([[each.at, _numbers(each.before), each.reason] for each in corrections])


def amendment_of(row: Row) -> Amendment:
    """An amendment from its row."""
    scope, at, kind, before, after, forgiven, reason = row
    return Amendment(
        scope=scope,
        at=at,
        kind=kind,
        before=_limits_of(before),
        after=_limits_of(after),
        forgiven=amount_of(json.loads(forgiven)),
        reason=reason,
    )


def bind_amendment(amendment: Amendment) -> dict[str, Any]:
    """An amendment as parameters of a statement."""
    return {
        "scope": amendment.scope,
        "at": amendment.at,
        "kind": amendment.kind,
        "before": _limits_text(amendment.before),
        "after": _limits_text(amendment.after),
        "forgiven": json.dumps(_numbers(amendment.forgiven)),
        "reason": amendment.reason,
    }


def parts_of(row: Mapping[str, Any], scopes: Iterable[str]) -> list[dict[str, Any]]:
    """The same parameters once per scope."""
    return [{**row, "scope": scope} for scope in scopes]


def name_beyond(prefix: str) -> str | None:
    """The least name that sorts after every name with this prefix; None when there is no such name."""
    for end in range(len(prefix), 0, -1):
        following = ord(prefix[end - 1]) + 1
        if 0xD800 <= following <= 0xDFFF:
            following = 0xE000  # surrogates are no characters
        if following <= 0x10FFFF:
            return prefix[: end - 1] + chr(following)
    return None


def amount_of(numbers: Row) -> Amount:
    """Nano-dollars, input tokens, output tokens and retries as a record."""
    return _amount(*numbers)


def _numbers(amount: Amount) -> list[int]:
    return [amount.nano_usd, amount.input_tokens, amount.output_tokens, amount.retries]


def _limits_text(limits: Limits) -> str:
    kept = {"reserves": [list(pair) for pair in limits.reserves]} if limits.reserves else {}
    return json.dumps({name: value for name, value in bind_limits(limits).items() if value is not None} | kept)


def _limits_of(text: str) -> Limits:
    kept = json.loads(text)
    return Limits(
        nano_usd=kept.get("nano"),
        input_tokens=kept.get("input"),
        output_tokens=kept.get("output"),
        retries=kept.get("retries"),
        reserves=tuple([(purpose, nano) for purpose, nano in kept.get("reserves", ())]),
        window_s=kept.get("window_s"),
    )
