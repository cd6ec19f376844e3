"""The ledger of many machines: one Redis server, one Lua script per operation."""

from typing import Any, Self

from langroute.books import Amount, Balance, Entry, HoldRequest, Limits
from langroute.ledgers.redis_place import RedisPlace
from langroute.ledgers.redis_rows import amount_text, balance_of, entry_of, limits_text, reserves_text, time_text
from langroute.ledgers.redis_scripts import RedisScripts
from langroute.ledgers.rules import (
    check_amount,
    check_limits,
    check_request,
    closed_scope,
    refusal,
    unknown_hold,
    unknown_scope,
)

_ENTRIES_AT_A_TIME = 500


class RedisLedger:
    """Books on a Redis server that any number of machines share.

    Every operation is one script, which the server runs alone and to its end: nothing is read first and written later.
    Integers are exact far beyond the 2^53 of Lua's own numbers. How much of the books survives a crash of the server is
    the server's own setting (``appendonly``, ``appendfsync``); docs/ledgers/redis.md says what each of them promises.

    No connection is made before the first call. The ledger is pickled by its URL, password included, and works on both
    sides of a fork. Any fault of the server is raised as `LedgerUnavailable`; once it is gone, the same ledger works
    again.

    Args:
        url: ``redis://[user:password@]host[:port][/database][?prefix=langroute&timeout_s=5]``; ``rediss://`` for TLS,
            where ``ssl_ca_certs``, ``ssl_certfile`` and ``ssl_keyfile`` may name files.
    """

    blocking = True

    def __init__(self, url: str) -> None:
        self._url = url
        self._scripts = RedisScripts(RedisPlace.from_url(url))

    @classmethod
    def from_place(cls, place: str) -> Self:
        """The ledger of ``redis://`` followed by ``place``."""
        return cls(f"redis://{place}")

    @property
    def url(self) -> str:
        """The URL without user and password."""
        return self._scripts.place.shown

    def open(self, scope: str, limits: Limits, *, at: float) -> Balance:
        """Open a scope, or return its books as they are; see `langroute.protocols.Ledger.open`."""
        check_limits(limits)
        return balance_of(self._scripts.run("open", _limits(scope, limits, at))["balance"])

    def balance(self, scope: str) -> Balance:
        """The books of a scope; see `langroute.protocols.Ledger.balance`."""
        return self._balance(scope, self._scripts.run("balance", {"scope": scope}))

    def hold(self, request: HoldRequest) -> Balance:
        """Set an amount aside in all scopes or in none; see `langroute.protocols.Ledger.hold`."""
        scopes = check_request(request)
        reply = self._scripts.run(
            "hold",
            {
                "id": request.id,
                "scopes": scopes,
                "amount": amount_text(request.amount),
                "purpose": request.purpose,
                "arm": request.arm,
                "at": time_text(request.at),
            },
        )
        if refused := reply.get("refused"):
            raise refusal([balance_of(scope) for scope in refused], request) or closed_scope(scopes[0])
        return self._balance(reply.get("unknown", ""), reply)

    def settle(self, hold_id: str, amount: Amount, *, worst_case: bool = False, at: float) -> Entry:
        """Replace a hold by what was really used; see `langroute.protocols.Ledger.settle`."""
        check_amount(amount, what="settlement of", hold_id=hold_id)
        told = {"amount": amount_text(amount), "worst_case": "1" if worst_case else "0", "at": time_text(at)}
        reply = self._scripts.run("settle", {"id": hold_id, **told})
        if "entry" not in reply:
            raise unknown_hold(hold_id)
        return entry_of(reply["entry"])

    def amend(self, scope: str, limits: Limits, *, at: float) -> Balance:
        """Put other limits in force for an open scope; see `langroute.protocols.Ledger.amend`."""
        check_limits(limits)
        reply = self._scripts.run("amend", _limits(scope, limits, at))
        if "closed" in reply:
            raise closed_scope(scope)
        return self._balance(scope, reply)

    def close_scope(self, scope: str) -> Balance:
        """Take no more holds from a scope; see `langroute.protocols.Ledger.close_scope`."""
        return self._balance(scope, self._scripts.run("close_scope", {"scope": scope}))

    def latest(self, prefix: str) -> Balance | None:
        """The scope opened last among those whose name starts with ``prefix``."""
        found = self._scripts.run("latest", {"prefix": prefix}).get("balance")
        return None if found is None else balance_of(found)

    def entries(self, scope: str) -> tuple[Entry, ...]:
        """Every hold taken from a scope, oldest first; long books are read in several steps."""
        entries: list[Entry] = []
        more = True
        while more:
            asked = {"scope": scope, "start": len(entries), "most": _ENTRIES_AT_A_TIME}
            reply = self._scripts.run("entries", asked)
            if "unknown" in reply:
                raise unknown_scope(scope)
            entries += [entry_of(hold) for hold in reply["entries"]]
            more = reply["more"]
        return tuple(entries)

    def close(self) -> None:
        """Close the connections. Books stay; a later call, say a late settlement, makes new ones."""
        self._scripts.close()

    def __repr__(self) -> str:
        """The URL without user and password."""
        return f"{type(self).__name__}({self.url!r})"

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by URL: the copy is another door to the same books."""
        return (type(self), (self._url,))

    def _balance(self, scope: str, reply: dict[str, Any]) -> Balance:
        if "balance" not in reply:
            raise unknown_scope(scope)
        return balance_of(reply["balance"])


class TlsRedisLedger(RedisLedger):
    """The same over an encrypted connection: ``rediss://``."""

    @classmethod
    def from_place(cls, place: str) -> Self:
        """The ledger of ``rediss://`` followed by ``place``."""
        return cls(f"rediss://{place}")


def _limits(scope: str, limits: Limits, at: float) -> dict[str, str]:
    return {
        "scope": scope,
        "limits": limits_text(limits),
        "reserves": reserves_text(limits),
        "at": time_text(at),
    }
