"""Where a Redis ledger keeps its books, as its URL says it."""

from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from langroute.errors import ConfigError

_TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_OPTIONS = ("prefix", "timeout_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisPlace:
    """Server, database and key prefix of a ledger.

    Attributes:
        host: name or address of the server.
        port: its TCP port.
        database: number of the database.
        user: name to sign in with; empty for the default user.
        password: empty where none is asked for. Never shown.
        tls: whether the connection is encrypted (``rediss://``).
        prefix: what every key of the books begins with, in braces; ledgers with other prefixes are other books.
        timeout_s: seconds to wait for a connection or an answer.
        files: TLS files by redis-py's names for them: ``ssl_ca_certs``, ``ssl_certfile``, ``ssl_keyfile``.
    """

    host: str
    port: int = 6379
    database: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False
    prefix: str = "langroute"
    timeout_s: float = 5.0
    files: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read ``redis[s]://[user:password@]host[:port][/database][?prefix=...&timeout_s=...]``.

        Raises:
            ConfigError: the URL says something else; the message never repeats the password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or 6379
        except ValueError as exc:
            raise _wrong(f"not a URL: {exc}") from exc
        if parts.scheme not in ("redis", "rediss") or not parts.hostname:
            raise _wrong("no server is named")
        if parts.fragment:
            raise _wrong("write '#' as %23")
        options = _options(parts.query, tls=parts.scheme == "rediss")
        return cls(
            host=parts.hostname,
            port=port,
            database=_database(parts.path),
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            tls=parts.scheme == "rediss",
            prefix=_prefix(options.pop("prefix", cls.prefix_by_default())),
            timeout_s=_seconds(options.pop("timeout_s", "5")),
            files=tuple(sorted(options.items())),
        )

    @staticmethod
    def prefix_by_default() -> str:
        """What keys begin with where the URL does not say."""
        return "langroute"

    @property
    def shown(self) -> str:
        """The URL for people to read: without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        told = f"redis{'s' if self.tls else ''}://{host}:{self.port}/{self.database}"
        return told if self.prefix == self.prefix_by_default() else f"{told}?prefix={quote(self.prefix)}"

    @property
    def arguments(self) -> dict[str, Any]:
        """How redis-py is told of it."""
        told: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "db": self.database,
            "username": self.user or None,
            "password": self.password or None,
            "socket_timeout": self.timeout_s,
            "socket_connect_timeout": self.timeout_s,
            "socket_keepalive": True,
        }
        return told | ({"ssl": True, **dict(self.files)} if self.tls else {})


def _options(query: str, *, tls: bool) -> dict[str, str]:
    known = _OPTIONS + (_TLS if tls else ())
    found = dict(parse_qsl(query, keep_blank_values=True))
    if strange := sorted(found.keys() - set(known)):
        raise _wrong(f"unknown option {strange[0]!r}; known are {', '.join(known)}")
    return found


def _database(path: str) -> int:
    text = path.strip("/") or "0"
    if not (text.isascii() and text.isdecimal()):
        raise _wrong("the path must be the number of a database")
    return int(text)


def _prefix(text: str) -> str:
    if not text or "{" in text or "}" in text:
        raise _wrong("the prefix must not be empty and has no braces")
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise _wrong("timeout_s must be seconds above 0")
    return seconds


def _wrong(why: str) -> ConfigError:
    way_out = "write redis://user:password@host:6379/0?prefix=langroute, or rediss:// for TLS, with '@:/#?%' in a name"
    return ConfigError(f"the Redis URL cannot be used: {why}; {way_out} or password percent-encoded", field="store")
