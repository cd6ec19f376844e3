"""Rows of the SQL ledgers as records of the books. The column order is that of find_scope.sql and find_hold.sql."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langroute.books import Amount, Balance, Entry, Limits

Row = Sequence[Any]

SEQ = 14
"""Column of a hold row with the hold's number in the books."""


def bind_limits(limits: Limits) -> dict[str, int | None]:
    """The limits as parameters of a statement."""
    return {
        "nano": limits.nano_usd,
        "input": limits.input_tokens,
        "output": limits.output_tokens,
        "retries": limits.retries,
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
    row, parts = rows[0], [each[16:19] for each in rows if each[16] is not None]
    limit_nano, limit_input, limit_output, limit_retries = row[1:5]
    return Balance(
        scope=row[0],
        limits=Limits(
            nano_usd=limit_nano,
            input_tokens=limit_input,
            output_tokens=limit_output,
            retries=limit_retries,
            reserves=tuple((purpose, kept) for purpose, kept, _ in parts if kept is not None),
        ),
        spent=_amount(row[5:9]),
        held=_amount(row[9:13]),
        used_nano=tuple(sorted((purpose, used) for purpose, _, used in parts if used)),
        calls=row[13],
        opened_at=row[14],
        closed=bool(row[15]),
    )


def entry_of(rows: Sequence[Row]) -> Entry:
    """A hold from its rows, one per scope that it takes from."""
    row = rows[0]
    return Entry(
        id=row[0],
        scopes=tuple(each[15] for each in rows),
        purpose=row[1],
        arm=row[2],
        held=_amount(row[3:7]),
        settled=None if row[13] is None else _amount(row[8:12]),
        worst_case=bool(row[12]),
        at=row[7],
        settled_at=row[13],
    )


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


def _amount(numbers: Row) -> Amount:
    nano, tokens_in, tokens_out, retries = numbers
    return Amount(nano_usd=nano, input_tokens=tokens_in, output_tokens=tokens_out, retries=retries)
