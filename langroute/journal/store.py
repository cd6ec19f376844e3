"""Where records are kept: in memory for a program and its tests, in a SQLite file or PostgreSQL for everything else."""

from collections.abc import Mapping

from langroute.errors import ConfigError, EpisodeNotFound
from langroute.ledgers.stores import load_store, split_store, without_secrets
from langroute.protocols import Journal

JOURNALS: Mapping[str, str] = {
    "memory": "langroute.journal.memory:MemoryJournal",
    "sqlite": "langroute.journal.sqlite:SqliteJournal",
    "postgresql": "langroute.journal.postgres:PostgresJournal",
    "postgres": "langroute.journal.postgres:PostgresJournal",
}
"""Scheme to the class that serves it. A class has ``from_place(place)`` for what stands after ``scheme://``."""

BOOKS_ONLY = ("redis", "rediss")
"""Schemes of stores that have a ledger and no journal."""


def open_journal(url: str) -> Journal:
    """The journal that a store URL names; the same URLs as `langroute.ledgers.open_ledger`.

    Raises:
        ConfigError: the URL is malformed, its scheme has no journal, or the library for it is missing.
    """
    if str(url).partition("://")[0] in BOOKS_ONLY:
        raise ConfigError(
            f"{without_secrets(url)} keeps books, not records; set journal to where records go, for example "
            "sqlite:///langroute.db, postgresql://user@host/database, or memory:// to forget them with the process",
            field="journal",
        )
    scheme, place = split_store(url, known=JOURNALS)
    journal: Journal = load_store(JOURNALS[scheme]).from_place(place)
    return journal


def not_found(episode: str, *, where: str) -> EpisodeNotFound:
    """The error for an episode that nothing is stored of."""
    return EpisodeNotFound(
        f"no record of episode {episode!r} is stored in {where}; check the id and the store (`episodes()` lists them)"
    )
