"""Rows of the PostgreSQL ledger as records of the books, and records as parameters of its statements."""

import json
from collections.abc import Mapping
from typing import Any, cast

from langroute.books import Amendment, Amount, Balance, Correction, Entry, HoldRequest, Limits, Purpose
from langroute.ledgers.rules import PURPOSES

Row = Mapping[str, Any]
"""A row by column."""

_RESOURCES = ("nano", "input", "output", "retries")
_EMPTY: Row = {
    **{f"{kind}_{name}": 0 for kind in ("spent", "held", "past") for name in _RESOURCES},
    **{f"used_{purpose}": 0 for purpose in PURPOSES},
    "closed": False,
}
"""Totals of a scope that nothing was taken from."""


def balance_of(row: Row) -> Balance:
    """A scope's books. Where the row tells apart what has left the window (``gone_*``), that counts as past."""
    limits = limits_of(row)
    spent, past = amount_of(row, "spent_"), amount_of(row, "past_")
    if limits.window_s is not None and "gone_nano" in row:
        gone = amount_of(row, "gone_")
        spent, past = spent - gone, past + gone
    used = [] if limits.window_s is not None else [(purpose, row[f"used_{purpose}"]) for purpose in PURPOSES]
    return Balance(
        scope=row["name"],
        limits=limits,
        spent=spent,
        held=amount_of(row, "held_"),
        past=past,
        used_nano=tuple([pair for pair in used if pair[1]]),
        calls=row["calls"],
        opened_at=row["opened_at"],
        closed=row["closed"],
    )


def limits_of(row: Row) -> Limits:
    """The limits of a scope."""
    order = cast("list[Purpose]", row["reserve_order"].split(",") if row["reserve_order"] else [])
    return Limits(
        nano_usd=row["limit_nano"],
        input_tokens=row["limit_input"],
        output_tokens=row["limit_output"],
        retries=row["limit_retries"],
        reserves=tuple([(purpose, row[f"kept_{purpose}"]) for purpose in order]),
        window_s=row["window_s"],
    )


def bind_limits(scope: str, limits: Limits) -> dict[str, Any]:
    """A scope's name and limits, as columns and as parameters."""
    kept = dict(limits.reserves)
    return {
        "name": scope,
        "limit_nano": limits.nano_usd,
        "limit_input": limits.input_tokens,
        "limit_output": limits.output_tokens,
        "limit_retries": limits.retries,
        "window_s": None if limits.window_s is None else float(limits.window_s),
        **{f"kept_{purpose}": kept.get(purpose) for purpose in PURPOSES},
        "reserve_order": ",".join(kept),
    }


def bind_amount(amount: Amount, *, prefix: str = "") -> dict[str, int]:
    """The amount as parameters of a statement, each name with ``prefix`` before it."""
    numbers = (amount.nano_usd, amount.input_tokens, amount.output_tokens, amount.retries)
    return {f"{prefix}{name}": number for name, number in zip(_RESOURCES, numbers, strict=True)}


def bind_request(request: HoldRequest, scopes: tuple[str, ...]) -> dict[str, Any]:
    """A hold as parameters of ``take.sql``; scopes that it opens as the rows they would be."""
    opens = [{**bind_limits(scope, limits), **_EMPTY} for scope, limits in request.opens]
    return {
        "id": request.id,
        "scopes": list(scopes),
        "purpose": request.purpose,
        "arm": request.arm,
        "at": float(request.at),
        "expires": None if request.expires is None else float(request.expires),
        "opens": json.dumps(opens) if opens else "[]",
        **bind_amount(request.amount),
    }


def entry_of(row: Row) -> Entry:
    """A line of the books."""
    settled_at = row["settled_at"]
    return Entry(
        id=row["id"],
        scopes=tuple(row["scopes"]),
        purpose=row["purpose"],
        arm=row["arm"],
        held=amount_of(row, "held_"),
        settled=None if settled_at is None else amount_of(row, "settled_"),
        worst_case=row["worst_case"],
        at=row["at"],
        settled_at=settled_at,
        expires=row["expires"],
        expired=row["expired"],
        corrections=tuple([_correction_of(each) for each in row["corrections"]]),
    )


def bind_entry(entry: Entry, *, era: int) -> dict[str, Any]:
    """A settled line as parameters of ``rewrite_line.sql``."""
    corrections = [
        {"at": float(each.at), "reason": storable(each.reason), **bind_amount(each.before)}
        for each in entry.corrections
    ]
    return {
        "id": entry.id,
        "at": None if entry.settled_at is None else float(entry.settled_at),
        "worst_case": entry.worst_case,
        "era": era,
        "corrections": json.dumps(corrections),
        **bind_amount(entry.settled or entry.held),
    }


def amendment_of(row: Row) -> Amendment:
    """A change of a scope's budget."""
    return Amendment(
        scope=row["scope"],
        at=row["at"],
        kind=row["kind"],
        before=limits_of(row["before"]),
        after=limits_of(row["after"]),
        forgiven=amount_of(row, "forgiven_"),
        reason=row["reason"],
    )


def bind_amendment(change_id: str, amendment: Amendment) -> dict[str, Any]:
    """A change as parameters of ``add_amendment.sql``."""
    return {
        "id": change_id,
        "scope": amendment.scope,
        "at": float(amendment.at),
        "kind": amendment.kind,
        "before": json.dumps(bind_limits(amendment.scope, amendment.before)),
        "after": json.dumps(bind_limits(amendment.scope, amendment.after)),
        "reason": storable(amendment.reason),
        **bind_amount(amendment.forgiven),
    }


def amount_of(row: Row, prefix: str = "") -> Amount:
    """Four numbers of a row, those whose names begin with ``prefix``."""
    return Amount(
        nano_usd=row[f"{prefix}nano"],
        input_tokens=row[f"{prefix}input"],
        output_tokens=row[f"{prefix}output"],
        retries=row[f"{prefix}retries"],
    )


def storable(text: str) -> str:
    """Free text as PostgreSQL takes it: what is no Unicode text, and NUL, is spelled out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\x00")


def _correction_of(row: Row) -> Correction:
    return Correction(at=float(row["at"]), before=amount_of(row), reason=row["reason"])
