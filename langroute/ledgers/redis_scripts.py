"""Scripts on a Redis server: how they are sent, and what is said when it does not answer."""

import hashlib
from functools import cache
from importlib import resources
from typing import Any, NoReturn
from uuid import uuid4

import orjson

from langroute.errors import ConfigError, LedgerError, LedgerUnavailable
from langroute.ledgers.redis_place import RedisPlace

_UNKNOWN = "Whether this was booked is not known; to ask again with the same id is safe, it is booked once"
_NOTHING = "Nothing of this was booked"

# A script that is cut short by these may have begun to write.
_MIDWAY = ("NoPermissionError", "WRONGTYPE")

_NO_CLUSTER = "Redis Cluster is not supported: name a server that is no part of one."
_ON_LINES = ("settle", "expire", "correct")

# By redis-py's class of the error, or by the first word of what the server says.
_WAYS_OUT = {
    "AuthenticationError": "Check user and password in the store URL.",
    "AuthenticationWrongNumberOfArgsError": "Check user and password in the store URL.",
    "NOAUTH": "Put the password in the store URL.",
    "NoPermissionError": "The user needs EVAL, EVALSHA and the commands of the scripts on the keys of the prefix.",
    "BusyLoadingError": "The server is reading its files: wait and call again.",
    "OutOfMemoryError": "The server's memory is full (maxmemory): give it more and call again.",
    "OOM": "The server's memory is full (maxmemory): give it more and call again.",
    "ReadOnlyError": "This server is a replica: name the primary in the store URL.",
    "MISCONF": "The server cannot write its files: free some space on its disk and call again.",
    "NOREPLICAS": "Too few replicas are connected to the server (min-replicas-to-write).",
    "WRONGTYPE": "Something else uses these keys: choose another prefix in the store URL.",
    "MovedError": _NO_CLUSTER,
    "AskError": _NO_CLUSTER,
    "CLUSTERDOWN": _NO_CLUSTER,
    "ClusterDownError": _NO_CLUSTER,
}


class RedisScripts:
    """Runs the scripts beside this module, each of them one atomic step of the server.

    Connections are made when they are needed, as many as there are calls at a time, and are never shared with a forked
    child (redis-py sees to that). A call whose connection breaks is sent once more: every operation is told apart by
    an id, so what was done already is not done again.

    The client remembers the newest change that it has seen, and the scripts refuse to go on from books that are older:
    a server that came back without its last writes is noticed before money that was spent is spent again.
    """

    def __init__(self, place: RedisPlace) -> None:
        self.place = place
        self._redis = _library()
        self._client = self._connections()
        self._books = f"{{{place.prefix}}}:books"
        self._born: str | None = None
        self._changes = 0

    def run(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        """What the script ``lua/<name>.lua`` answers.

        Raises:
            LedgerUnavailable: the server does not answer or refuses, or its books have lost changes.
        """
        told = {**request, "fresh": uuid4().hex}
        if self._born is not None:
            told |= {"born": self._born, "seen": self._changes}
        return self._current(self.send(name, told))

    def send(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        """The bare answer of a script to a request, however old its books are.

        Raises:
            LedgerUnavailable: the server does not answer or refuses.
            LedgerError: the request holds what is no text.
        """
        text, (script, digest) = _encoded(request), script_of(name)
        try:
            try:
                reply = self._client.evalsha(digest, 1, self._books, text)
            except self._redis.exceptions.NoScriptError:  # a server that was started or failed over since
                reply = self._client.eval(script, 1, self._books, text)
        except self._redis.RedisError as exc:
            raise self._explained(exc) from exc
        answer: dict[str, Any] = orjson.loads(reply)
        return answer

    def close(self) -> None:
        """Close the connections that are not in use. A later call makes new ones."""
        self._client.connection_pool.disconnect(inuse_connections=False)

    def _connections(self) -> Any:
        broken = self._redis.exceptions.ConnectionError
        once = self._redis.retry.Retry(self._redis.backoff.NoBackoff(), 1, supported_errors=(broken,))
        # redis-py 5 retries what `retry_on_error` names too, and nothing else.
        return self._redis.Redis(**self.place.arguments, retry=once, retry_on_error=[broken])

    def _current(self, reply: dict[str, Any]) -> dict[str, Any]:
        if "lost" in reply:
            told = "were begun anew" if reply["anew"] else f"end at change {reply['lost']}"
            raise LedgerUnavailable(
                f"{self.place.shown}: its books {told}, this process has seen change {self._changes}: the server "
                f"has lost what was booked since. {_NOTHING}. Restore its files, or accept the loss by starting this "
                "process again."
            )
        if "format" in reply:
            raise LedgerUnavailable(
                f"{self.place.shown}: its books have format {reply['format']}, written by a newer langroute. "
                f"{_NOTHING}. Upgrade langroute or choose another prefix."
            )
        if reply.get("born"):
            self._born, self._changes = reply["born"], max(self._changes, int(reply["changes"]))
        return reply

    def _explained(self, exc: Exception) -> LedgerUnavailable:
        said = str(exc)
        kind = next((name for name in (type(exc).__name__, said.partition(" ")[0]) if name in _WAYS_OUT), "")
        sure = _NOTHING if kind and kind not in _MIDWAY else _UNKNOWN
        return LedgerUnavailable(f"{self.place.shown}: {said.rstrip('.')}. {sure}. {_WAYS_OUT.get(kind, '')}".rstrip())


def _library() -> Any:
    try:
        import redis  # noqa: PLC0415 - an optional package, needed where such a ledger is made and nowhere else
    except ImportError as exc:
        raise ConfigError(
            "a redis:// store needs the package redis: pip install 'langroute[redis]'", field="store"
        ) from exc
    return redis


@cache
def script_of(name: str) -> tuple[str, str]:
    """Text and SHA-1 digest of a script; what it shares with others stands before it."""
    folder = resources.files("langroute.ledgers") / "lua"
    parts = ("books", "lines", name) if name in _ON_LINES else ("books", name)
    text = "".join([(folder / f"{part}.lua").read_text("utf-8") for part in dict.fromkeys(parts)])
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _encoded(request: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(request)
    except (TypeError, orjson.JSONEncodeError) as exc:
        _unwritable(exc)


def _unwritable(exc: Exception) -> NoReturn:
    raise LedgerError(f"this cannot be written into the books: {exc}. Names are text without lone surrogates") from exc
