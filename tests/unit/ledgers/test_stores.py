"""From a store URL to a ledger."""

from pathlib import Path

import pytest

from langroute.errors import ConfigError
from langroute.ledgers import MemoryLedger, SqliteLedger, open_ledger


def test_memory_urls_name_books_of_their_own() -> None:
    """Every ``memory://`` is a new ledger."""
    first, second = open_ledger("memory://"), open_ledger("memory://")
    assert isinstance(first, MemoryLedger)
    assert first is not second


def test_sqlite_urls_name_files_relative_and_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes are relative to the directory of the moment, four absolute; nothing is opened yet."""
    monkeypatch.chdir(tmp_path)
    relative, absolute = open_ledger("sqlite:///books.db"), open_ledger(f"sqlite:///{tmp_path}/other.db")
    monkeypatch.chdir("/")
    assert isinstance(relative, SqliteLedger)
    assert isinstance(absolute, SqliteLedger)
    assert (relative.path, absolute.path) == (tmp_path / "books.db", tmp_path / "other.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgres://localhost/db", r"store: unknown scheme 'postgres'.*memory, sqlite, redis, rediss.*redis://host"),
        ("SQLITE:///a.db", r"unknown scheme 'SQLITE'"),
        ("books.db", r"'books.db' is no store URL; use memory://, sqlite:///relative.db"),
        ("", r"is no store URL"),
        ("sqlite://", r"names no file; write sqlite:///relative.db"),
        ("sqlite:///", r"names no file"),
        ("sqlite://books.db", r"names no file"),
        ("sqlite:///:memory:", r"use memory://"),
        ("sqlite:///a.db?mode=ro", r"options are not supported"),
        ("memory://shared", r"must end after 'memory://'"),
    ],
)
def test_a_url_that_names_no_store_is_refused_with_the_way_out(url: str, told: str) -> None:
    """What cannot be opened is a `ConfigError` on the field ``store`` that names what can."""
    with pytest.raises(ConfigError, match=told) as caught:
        open_ledger(url)
    assert caught.value.field == "store"
