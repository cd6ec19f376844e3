"""From a store URL to a ledger."""

import subprocess
import sys
from pathlib import Path

import pytest

from langroute.errors import ConfigError
from langroute.ledgers import MemoryLedger, SqliteLedger, open_ledger
from langroute.ledgers.postgres import PostgresLedger
from langroute.ledgers.postgres_place import PostgresPlace
from langroute.ledgers.stores import without_secrets


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
        (
            "mysql://localhost/db",
            r"store: unknown scheme 'mysql'.*memory, sqlite, redis, rediss, postgres.*redis://host",
        ),
        ("postgresql://u:p%zz@localhost/db", r"cannot be read; write postgresql://user@host:5432/database, with %XX"),
        ("postgresql://localhost/db?sslmod=require", r"cannot be read"),
        ("postgresql://localhost/db?schema=Books;", r"schema='Books;' is no plain name"),
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


def test_postgresql_urls_open_nothing_and_name_a_schema() -> None:
    """Both spellings of the scheme; ``schema`` is langroute's own, every other option is libpq's."""
    for url in ("postgresql://ada@db.example:5433/shop?schema=books&sslmode=require", "postgres://db.example/shop"):
        assert isinstance(open_ledger(url), PostgresLedger)
    place = PostgresPlace.of("postgresql://ada:secret@db.example:5433/shop?schema=books&sslmode=require")
    assert place.conninfo == "postgresql://ada:secret@db.example:5433/shop?sslmode=require"
    assert (place.schema, place.shown) == ("books", "postgresql://ada@db.example:5433/shop")
    assert "secret" not in repr(place)
    assert PostgresPlace.of("postgres://db.example/shop").schema == "langroute"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ada:se:cr@et@h/db", "postgresql://ada:***@h/db"),
        ("postgresql://ada:s/e@h/db", "postgresql://ada:***@h/db"),
        ("postgresql://:secret@h/db", "postgresql://:***@h/db"),
        (
            "postgresql://h/db?user=ada&Password=secret&sslmode=require",
            "postgresql://h/db?user=ada&***&sslmode=require",
        ),
        ("postgresql://ada@h:5432/db", "postgresql://ada@h:5432/db"),
        ("redis://:secret@h:6379/0", "redis://:***@h:6379/0"),
        ("sqlite:///plain.db", "sqlite:///plain.db"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    """Wherever it stands: after the user, with special characters nobody encoded, or among the options."""
    told = without_secrets(url)
    assert told.lower().replace("password=***", "***") == shown


def test_a_wrong_scheme_does_not_show_the_password() -> None:
    """A misspelt URL is repeated in the error, its password is not."""
    with pytest.raises(ConfigError) as caught:
        open_ledger("postgre://ada:secret@h/db")
    assert "ada:***@h/db" in str(caught.value)
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        open_ledger("postgresql://ada:secret%zz@h/db")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


MISSING = """
import sys
sys.modules["psycopg"] = None
from langroute.errors import ConfigError
from langroute.journal import open_journal
from langroute.ledgers import open_ledger
for opened in (open_ledger, open_journal):
    try:
        opened("postgresql://h/db")
    except ConfigError as exc:
        print(exc.field, "pip install 'langroute[postgres]'" in str(exc))
"""


def test_a_missing_library_is_told_with_the_extra_that_brings_it() -> None:
    """Without psycopg the URL fails as a matter of configuration; everything else works without it."""
    done = subprocess.run([sys.executable, "-c", MISSING], capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.stdout.split(), done.stderr) == (["store", "True", "store", "True"], "")
