"""Replies of the Redis scripts as records of the books. What the texts mean is said in lua/books.lua."""

from collections.abc import Mapping
from typing import Any, cast

import orjson

from langroute.books import Amendment, Amount, Balance, Correction, Entry, Limits, Purpose

Reply = Mapping[str, Any]


def amount_text(amount: Amount) -> str:
    """An amount as the scripts keep it."""
    return f"{amount.nano_usd:d} {amount.input_tokens:d} {amount.output_tokens:d} {amount.retries:d}"


def limits_texts(limits: Limits) -> dict[str, str]:
    """Limits as the scripts keep them: the numbers, where ``-`` is none, the reserves in their order, the window."""
    numbers = (limits.nano_usd, limits.input_tokens, limits.output_tokens, limits.retries)
    return {
        "limits": " ".join(["-" if number is None else f"{number:d}" for number in numbers]),
        "reserves": " ".join([f"{purpose}={nano:d}" for purpose, nano in limits.reserves]),
        "window": "" if limits.window_s is None else time_text(limits.window_s),
    }


def time_text(at: float) -> str:
    """Epoch seconds, so that they come back as they were."""
    return repr(float(at))


def balance_of(scope: Reply) -> Balance:
    """A scope's books."""
    used = _purposes(scope["spent_for"])
    for purpose, nano in _purposes(scope["held_for"]).items():
        used[purpose] = used.get(purpose, 0) + nano
    return Balance(
        scope=scope["scope"],
        limits=limits_of(scope, window=scope["window"]),
        spent=_amount(scope["spent"]),
        held=_amount(scope["held"]),
        past=_amount(scope["past"]),
        used_nano=tuple(sorted([pair for pair in used.items() if pair[1]])),
        calls=int(scope["calls"]),
        opened_at=float(scope["at"]),
        closed=scope["closed"] == "1",
    )


def limits_of(kept: Reply, *, window: str) -> Limits:
    """Limits from their texts."""
    nano, tokens_in, tokens_out, retries = [None if word == "-" else int(word) for word in kept["limits"].split()]
    return Limits(
        nano_usd=nano,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        retries=retries,
        reserves=tuple(_purposes(kept["reserves"]).items()),
        window_s=float(window) if window else None,
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
        expires=float(hold["expires"]) if "expires" in hold else None,
        expired=hold.get("expired") == "1",
        corrections=tuple(
            [
                Correction(at=float(each["at"]), before=_amount(each["before"]), reason=each["reason"])
                for each in hold.get("corrections", ())
            ]
        ),
    )


def amendment_of(scope: str, text: str) -> Amendment:
    """A recorded change of a scope's budget."""
    kept = orjson.loads(text)
    return Amendment(
        scope=scope,
        at=float(kept["at"]),
        kind=kept["kind"],
        before=limits_of(kept["before"], window=kept["window"]),
        after=limits_of(kept["after"], window=kept["window"]),
        forgiven=_amount(kept["forgiven"]),
        reason=kept["reason"],
    )


def _amount(words: str) -> Amount:
    nano, tokens_in, tokens_out, retries = words.split()
    return Amount(nano_usd=int(nano), input_tokens=int(tokens_in), output_tokens=int(tokens_out), retries=int(retries))


def _purposes(words: str) -> dict[Purpose, int]:
    pairs = [word.split("=") for word in words.split()]
    return {cast("Purpose", name): int(nano) for name, nano in pairs}
