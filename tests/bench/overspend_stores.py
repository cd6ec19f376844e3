"""The stores that ``overspend.py`` measures: memory and SQLite always, Redis and PostgreSQL where a server answers."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from langroute.books import Limits
from langroute.errors import LangrouteError
from langroute.ledgers import open_ledger
from langroute.protocols import Ledger

NAMES = ("memory", "sqlite", "redis", "postgres")
SERVERS = {
    "redis": ("LANGROUTE_TEST_REDIS_URL", "redis://127.0.0.1:6379/0"),
    "postgres": ("LANGROUTE_TEST_POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres"),
}
"""The variable that names a server, and where one is looked for when nothing does."""


class StoreUnavailable(Exception):
    """A store cannot be measured here; the message says why."""


def store_url(name: str, folder: Path, given: Mapping[str, str | None]) -> str:
    """The URL of a store.

    Args:
        name: one of ``NAMES``.
        folder: where files may be made.
        given: the URL of a server, by name, where the user gave one.
    """
    if name == "memory":
        return "memory://"
    if name == "sqlite":
        return f"sqlite:///{folder / f'{uuid4().hex}.db'}"
    variable, standard = SERVERS[name]
    return given.get(name) or os.environ.get(variable) or standard


@contextmanager
def opened(url: str, *, opening: Callable[[str], Ledger] = open_ledger) -> Iterator[Ledger]:
    """A ledger that answers.

    Raises:
        StoreUnavailable: this version has no such ledger, its client is not installed, or no server answers.
    """
    try:
        ledger = opening(url)
        ledger.open(f"bench:{uuid4().hex}", Limits(nano_usd=1), at=0.0)
    except (LangrouteError, ImportError) as exc:
        raise StoreUnavailable(" ".join(str(exc).split())) from exc
    try:
        yield ledger
    finally:
        ledger.close()
