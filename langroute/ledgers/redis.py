"""The ledger of many machines: one Redis server, one Lua script per operation."""

from typing import Any, Self

from langroute.books import Amendment, Amount, Balance, Entry, HoldRequest, Limits
from langroute.ledgers.redis_place import RedisPlace
from langroute.ledgers.redis_rows import amendment_of, amount_text, balance_of, entry_of, limits_texts, time_text
from langroute.ledgers.redis_scripts import RedisScripts
from langroute.ledgers.rules import (
    check_amendment,
    check_amount,
    check_limits,
    check_request,
    check_time,
    closed_scope,
    refusal,
    uncorrectable,
    unknown_hold,
    unknown_scope,
)

_AT_A_TIME = 200
"""Lines and scopes that one script reads, or expires: so many keep other clients waiting for a few milliseconds."""


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
        check_time(at, what="at")
        request = {"scope": scope, "at": time_text(at), **limits_texts(limits)}
        return balance_of(self._scripts.run("open", request)["balance"])

    def balance(self, scope: str, *, at: float | None = None) -> Balance:
        """The books of a scope; see `langroute.protocols.Ledger.balance`."""
        request = {"scope": scope}
        if at is not None:
            check_time(at, what="at")
            request["at"] = time_text(at)
        return self._balance("balance", request)

    def hold(self, request: HoldRequest) -> Balance:
        """Set an amount aside in all scopes or in none; see `langroute.protocols.Ledger.hold`."""
        scopes = check_request(request)
        asked: dict[str, Any] = {
            "id": request.id,
            "scopes": scopes,
            "amount": amount_text(request.amount),
            "purpose": request.purpose,
            "arm": request.arm,
            "at": time_text(request.at),
        }
        if request.expires is not None:
            asked["expires"] = time_text(request.expires)
        if request.opens:
            asked["opens"] = {scope: limits_texts(limits) for scope, limits in request.opens}
        reply = self._scripts.run("hold", asked)
        if refused := reply.get("refused"):
            raise refusal([balance_of(scope) for scope in refused], request) or closed_scope(scopes[0])
        if "unknown" in reply:
            raise unknown_scope(reply["unknown"])
        return balance_of(reply["balance"])

    def settle(self, hold_id: str, amount: Amount, *, worst_case: bool = False, at: float) -> Entry:
        """Replace a hold by what was really used; see `langroute.protocols.Ledger.settle`."""
        check_amount(amount, what="settlement of", hold_id=hold_id)
        check_time(at, what=f"at of settlement {hold_id}")
        told = {"amount": amount_text(amount), "worst_case": "1" if worst_case else "0", "at": time_text(at)}
        reply = self._scripts.run("settle", {"id": hold_id, **told})
        if "entry" not in reply:
            raise unknown_hold(hold_id)
        return entry_of(reply["entry"])

    def expire(self, *, at: float, scope: str | None = None) -> tuple[Entry, ...]:
        """Settle each hold whose lease is over at its worst case; see `langroute.protocols.Ledger.expire`.

        Many are done in several steps. Where the server fails between two of them, what was done stays done.
        """
        check_time(at, what="at")
        request: dict[str, Any] = {"at": time_text(at)} if scope is None else {"at": time_text(at), "scope": scope}
        expired = self._pages("expire", request, scope or "")
        return tuple([entry_of(hold) for hold in sorted(expired, key=lambda hold: int(hold["number"]))])

    def correct(self, hold_id: str, amount: Amount, *, at: float, reason: str = "") -> Entry:
        """Put the truth in place of a worst case; see `langroute.protocols.Ledger.correct`."""
        check_amount(amount, what="correction of", hold_id=hold_id)
        check_time(at, what="at")
        request = {"id": hold_id, "amount": amount_text(amount), "at": time_text(at), "reason": reason}
        reply = self._scripts.run("correct", request)
        if "refused" in reply:
            raise uncorrectable(entry_of(reply["refused"]))
        if "entry" not in reply:
            raise unknown_hold(hold_id)
        return entry_of(reply["entry"])

    def amend(self, scope: str, limits: Limits, *, at: float, reason: str = "") -> Balance:
        """Put other limits in force for an open scope; see `langroute.protocols.Ledger.amend`."""
        check_limits(limits)
        check_time(at, what="at")
        request = {"scope": scope, "at": time_text(at), "reason": reason, **limits_texts(limits)}
        reply = self._scripts.run("amend", request)
        if "window" in reply:
            check_amendment(Limits(window_s=float(reply["window"]) if reply["window"] else None), limits)
        return self._answered(scope, reply)

    def reset(self, scope: str, *, at: float, reason: str = "") -> Balance:
        """Forgive all that an open scope has spent; see `langroute.protocols.Ledger.reset`."""
        check_time(at, what="at")
        return self._balance("reset", {"scope": scope, "at": time_text(at), "reason": reason})

    def amendments(self, scope: str) -> tuple[Amendment, ...]:
        """Every change of a scope's budget, oldest first."""
        reply = self._scripts.run("amendments", {"scope": scope})
        if "unknown" in reply:
            raise unknown_scope(scope)
        return tuple([amendment_of(scope, text) for text in reply["amendments"]])

    def close_scope(self, scope: str) -> Balance:
        """Take no more holds from a scope; see `langroute.protocols.Ledger.close_scope`."""
        return self._balance("close_scope", {"scope": scope})

    def latest(self, prefix: str) -> Balance | None:
        """The scope opened last among those whose name starts with ``prefix``."""
        return next(iter(self.scopes(prefix, limit=1)), None)

    def scopes(self, prefix: str = "", *, limit: int = 100) -> tuple[Balance, ...]:
        """The scopes whose names start with ``prefix``, the most recently opened first; many in several steps."""
        found: list[Balance] = []
        request: dict[str, Any] = {"prefix": prefix}
        while len(found) < limit:
            request["most"] = min(limit - len(found), _AT_A_TIME)
            reply = self._scripts.run("scopes", request)
            found += [balance_of(scope) for scope in reply["balances"]]
            if len(reply["balances"]) < request["most"]:
                break
            request["before"] = reply["last"]
        return tuple(found)

    def entries(self, scope: str) -> tuple[Entry, ...]:
        """Every hold taken from a scope, oldest first; long books are read in several steps."""
        return tuple([entry_of(hold) for hold in self._pages("entries", {"scope": scope}, scope)])

    def close(self) -> None:
        """Close the connections. Books stay; a later call, say a late settlement, makes new ones."""
        self._scripts.close()

    def __repr__(self) -> str:
        """The URL without user and password."""
        return f"{type(self).__name__}({self.url!r})"

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by URL: the copy is another door to the same books."""
        return (type(self), (self._url,))

    def _pages(self, name: str, request: dict[str, Any], scope: str) -> list[dict[str, Any]]:
        """All lines that a script answers, asked for page by page."""
        holds: list[dict[str, Any]] = []
        more = True
        while more:
            reply = self._scripts.run(name, {**request, "start": len(holds), "most": _AT_A_TIME})
            if "unknown" in reply:
                raise unknown_scope(scope)
            holds += reply["entries"]
            more = reply["more"]
        return holds

    def _balance(self, name: str, request: dict[str, Any]) -> Balance:
        return self._answered(request["scope"], self._scripts.run(name, request))

    def _answered(self, scope: str, reply: dict[str, Any]) -> Balance:
        if "closed" in reply:
            raise closed_scope(scope)
        if "balance" not in reply:
            raise unknown_scope(scope)
        return balance_of(reply["balance"])


class TlsRedisLedger(RedisLedger):
    """The same over an encrypted connection: ``rediss://``."""

    @classmethod
    def from_place(cls, place: str) -> Self:
        """The ledger of ``rediss://`` followed by ``place``."""
        return cls(f"rediss://{place}")
