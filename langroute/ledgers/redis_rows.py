"""Replies of the Redis scripts as records of the books. What the texts mean is said in lua/books.lua."""

from collections.abc import Mapping
from typing import Any, cast

from langroute.books import Amount, Balance, Entry, Limits, Purpose

Reply = Mapping[str, Any]


def amount_text(amount: Amount) -> str:
    """An amount as the scripts keep it."""
    return f"{amount.nano_usd:d} {amount.input_tokens:d} {amount.output_tokens:d} {amount.retries:d}"


def limits_text(limits: Limits) -> str:
    """The limits without their reserves; ``-`` is none."""
    numbers = (limits.nano_usd, limits.input_tokens, limits.output_tokens, limits.retries)
    return " ".join(["-" if number is None else f"{number:d}" for number in numbers])


def reserves_text(limits: Limits) -> str:
    """The reserves, in their order."""
    return " ".join([f"{purpose}={nano:d}" for purpose, nano in limits.reserves])


def time_text(at: float) -> str:
    """Epoch seconds, so that they come back as they were."""
    return repr(float(at))


def balance_of(scope: Reply) -> Balance:
    """A scope's books."""
    limits = [None if word == "-" else int(word) for word in scope["limits"].split()]
    return Balance(
        scope=scope["scope"],
        limits=Limits(
            nano_usd=limits[0],
            input_tokens=limits[1],
            output_tokens=limits[2],
            retries=limits[3],
            reserves=_purposes(scope["reserves"]),
        ),
        spent=_amount(scope["spent"]),
        held=_amount(scope["held"]),
        used_nano=tuple(sorted([pair for pair in _purposes(scope["used"]) if pair[1]])),
        calls=int(scope["calls"]),
        opened_at=float(scope["at"]),
        closed=scope["closed"] == "1",
    )


def entry_of(hold: Reply) -> Entry:
    """A line of the books."""
    settled = hold.get("settled")
    return Entry(
        id=hold["id"],
        scopes=tuple(hold["scopes"]),
        purpose=hold["purpose"],
        arm=hold["arm"],
        held=_amount(hold["held"]),
        settled=None if settled is None else _amount(settled),
        worst_case=hold.get("worst_case") == "1",
        at=float(hold["at"]),
        settled_at=None if settled is None else float(hold["settled_at"]),
    )


def _amount(words: str) -> Amount:
    nano, tokens_in, tokens_out, retries = words.split()
    return Amount(nano_usd=int(nano), input_tokens=int(tokens_in), output_tokens=int(tokens_out), retries=int(retries))


def _purposes(words: str) -> tuple[tuple[Purpose, int], ...]:
    pairs = [word.split("=") for word in words.split()]
    return tuple([(cast("Purpose", name), int(nano)) for name, nano in pairs])
