"""Where records are kept: in memory for a program and its tests, in a SQLite file or PostgreSQL for everything else."""

from collections.abc import Mapping

from langroute.errors import EpisodeNotFound
from langroute.ledgers.stores import load_store, split_store
from langroute.protocols import Journal

JOURNALS: Mapping[str, str] = {
    "memory": "langroute.journal.memory:MemoryJournal",
    "sqlite": "langroute.journal.sqlite:SqliteJournal",
    "postgresql": "langroute.journal.postgres:PostgresJournal",
    "postgres": "langroute.journal.postgres:PostgresJournal",
}
"""Scheme to the class that serves it. A class has ``from_place(place)`` for what stands after ``scheme://``."""


def open_journal(url: str) -> Journal:
    """The journal that a store URL names; the same URLs as `langroute.ledgers.open_ledger`.

    Raises:
        ConfigError: the URL is malformed, or its scheme has no journal in this version.
    """
    scheme, place = split_store(url, known=JOURNALS)
    journal: Journal = load_store(JOURNALS[scheme]).from_place(place)
    return journal


def not_found(episode: str, *, where: str) -> EpisodeNotFound:
    """The error for an episode that nothing is stored of."""
    return EpisodeNotFound(
        f"no record of episode {episode!r} is stored in {where}; check the id and the store (`episodes()` lists them)"
    )
