"""From a store URL to the class that keeps books there."""

import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from langroute.errors import ConfigError
from langroute.protocols import Ledger

LEDGERS: Mapping[str, str] = {
    "memory": "langroute.ledgers.memory:MemoryLedger",
    "sqlite": "langroute.ledgers.sqlite:SqliteLedger",
    "redis": "langroute.ledgers.redis:RedisLedger",
    "rediss": "langroute.ledgers.redis:TlsRedisLedger",
    "postgresql": "langroute.ledgers.postgres:PostgresLedger",
    "postgres": "langroute.ledgers.postgres:PostgresLedger",
}
"""Scheme to the class that serves it. A class has ``from_place(place)`` for what stands after ``scheme://``."""

_EXAMPLES = (
    "memory://, sqlite:///relative.db, sqlite:////absolute/path.db, redis://host:6379/0 "
    "and postgresql://user@host:5432/database"
)

_EXTRAS: Mapping[str, str] = {"psycopg": "postgres"}
"""Library that a store needs to the extra of langroute that installs it."""

# From the first colon behind the scheme to the last at sign, and what options call a password.
_SECRETS = re.compile(r"(?<=://)(?P<user>[^:@/?]*):.*@|(?P<option>password=)[^&]*", re.IGNORECASE)


def open_ledger(url: str) -> Ledger:
    """The ledger that a store URL names. Nothing is opened before its first use.

    Args:
        url: ``memory://``, ``sqlite:///relative.db``, ``sqlite:////absolute/path.db``, ``redis://host:6379/0``
            or ``postgresql://user@host:5432/database``.

    Raises:
        ConfigError: the URL is malformed, its scheme has no ledger in this version, or the library for it is missing.

    >>> open_ledger("memory://").blocking
    False
    """
    scheme, place = split_store(url, known=LEDGERS)
    ledger: Ledger = load_store(LEDGERS[scheme]).from_place(place)
    return ledger


def split_store(url: str, *, known: Mapping[str, str]) -> tuple[str, str]:
    """Scheme and place of a store URL, with a scheme out of ``known``.

    Raises:
        ConfigError: no scheme, or one that is not known; the message lists those that are.
    """
    scheme, separator, place = str(url).partition("://")
    if not separator:
        raise ConfigError(f"{without_secrets(url)!r} is no store URL; use {_EXAMPLES}", field="store")
    if scheme not in known:
        raise ConfigError(
            f"unknown scheme {scheme!r} in {without_secrets(url)!r}; this version knows {', '.join(known)} "
            f"({_EXAMPLES})",
            field="store",
        )
    return scheme, place


def load_store(target: str) -> Any:
    """The class behind ``package.module:Class``, imported only when a store of its kind is asked for.

    Raises:
        ConfigError: the library that it needs is not installed; the message names the extra that installs it.
    """
    module, _, name = target.partition(":")
    try:
        return getattr(import_module(module), name)
    except ImportError as exc:
        # psycopg without its C library raises a plain ImportError, whose name is a module inside it.
        library = next((each for each in _EXTRAS if each in f"{exc.name} {exc}"), None)
        if library is None:
            raise
        raise ConfigError(
            f"this store needs {library}, which cannot be imported ({exc}); "
            f"pip install 'langroute[{_EXTRAS[library]}]'",
            field="store",
        ) from exc


def without_secrets(url: object) -> str:
    """A store URL as it may be shown: without a password, wherever it stands.

    >>> without_secrets("postgresql://ada:secret@db.example/books?sslmode=require")
    'postgresql://ada:***@db.example/books?sslmode=require'
    """
    return _SECRETS.sub(lambda found: f"{found['user']}:***@" if found["option"] is None else "password=***", str(url))


def file_of(place: str) -> str:
    """Path of the database in what stands after ``sqlite://``.

    Raises:
        ConfigError: there is no path, options follow it, or it asks for a database in memory.
    """
    path = place.removeprefix("/")
    if not place.startswith("/") or not path:
        raise ConfigError(f"'sqlite://{place}' names no file; write sqlite:///relative.db", field="store")
    if ":memory:" in path:
        raise ConfigError("a SQLite database in memory cannot be shared; use memory://", field="store")
    if "?" in path:
        raise ConfigError(f"options are not supported in 'sqlite://{place}'; drop all from '?' on", field="store")
    if why := _why_no_file(Path(path)):
        raise ConfigError(
            f"'sqlite://{place}' cannot be a file: {why}; the file is made, its folder is not", field="store"
        )
    return path


def _why_no_file(path: Path) -> str:
    if path.is_dir():
        return f"{path} is a folder"
    folder = path.absolute().parent
    return "" if folder.is_dir() else f"there is no folder {folder}"


def no_place(place: str, *, scheme: str) -> None:
    """Check that nothing stands after ``scheme://``.

    Raises:
        ConfigError: something does.
    """
    if place:
        raise ConfigError(f"'{scheme}://{place}' must end after '{scheme}://'", field="store")
