"""What a ``postgresql://`` URL says: where the server is, and in which schema the tables live."""

import re
from dataclasses import dataclass, field
from typing import Self

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from langroute.errors import ConfigError

DEFAULT_SCHEMA = "langroute"

_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_HOW = "write postgresql://user@host:5432/database, with %XX for special characters"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresPlace:
    """Where books and journal live in PostgreSQL.

    Attributes:
        conninfo: the URL as libpq takes it, a password included; kept out of ``repr``.
        schema: the schema of the tables.
        shown: the place without password or options, for messages.
    """

    conninfo: str = field(repr=False)
    schema: str
    shown: str

    @classmethod
    def of(cls, url: str) -> Self:
        """The place that a URL names, ``postgresql://`` or ``postgres://``.

        ``schema=NAME`` among its options is langroute's own; all others are libpq's.

        Raises:
            ConfigError: it is no such URL, libpq cannot read it, or the schema is no plain name. The message repeats no
                part that may hold a password.
        """
        scheme, _, place = url.partition("://")
        if scheme not in {"postgresql", "postgres"}:
            raise ConfigError(f"this is no postgresql:// URL; {_HOW}", field="store")
        base, _, query = place.partition("?")
        options = query.split("&") if query else []
        schemas = [option.removeprefix("schema=") for option in options if option.startswith("schema=")]
        schema = schemas[-1] if schemas else DEFAULT_SCHEMA
        if not _SCHEMA.fullmatch(schema):
            raise ConfigError(
                f"schema={schema!r} is no plain name; use lower-case letters, digits and underscores", field="store"
            )
        rest = "&".join(option for option in options if not option.startswith("schema="))
        conninfo = f"postgresql://{base}?{rest}" if rest else f"postgresql://{base}"
        return cls(conninfo=conninfo, schema=schema, shown=_shown(conninfo))


def _shown(conninfo: str) -> str:
    try:
        parts = conninfo_to_dict(conninfo)
    except (ProgrammingError, UnicodeError):
        # libpq's message may quote a piece of the password: neither it nor the URL is repeated.
        raise ConfigError(f"the postgresql:// URL cannot be read; {_HOW}", field="store") from None
    user = f"{parts['user']}@" if parts.get("user") else ""
    hosts = str(parts.get("host") or parts.get("hostaddr") or "")
    ports = f":{parts['port']}" if parts.get("port") else ""
    return f"postgresql://{user}{hosts}{ports}/{parts.get('dbname') or ''}"
