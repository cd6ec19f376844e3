"""Opening a store that must be there already, and what every command needs of it."""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from langroute.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from langroute.protocols import Journal, Ledger

DEFAULT_STORE = "sqlite:///langroute.db"

Store = Annotated[str, typer.Option("--store", metavar="URL", help="The store to read, as given to StepRouter.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]


@contextmanager
def reading(store: str) -> "Iterator[Journal]":
    """The journal of an existing store, released afterwards; nothing is created.

    Raises:
        ConfigError: the store keeps nothing between programs, or its file does not exist.
        JournalUnavailable: the file is there but is no store, or does not answer.
    """
    from langroute.journal.store import open_journal

    _refuse_memory(store)
    journal = open_journal(store)  # opens nothing yet
    _refuse_missing(journal)
    try:
        yield journal
    finally:
        journal.close()


@contextmanager
def keeping(store: str) -> "Iterator[Ledger]":
    """The ledger of an existing store, released afterwards; nothing is created.

    Raises:
        ConfigError: the store keeps nothing between programs, or its file does not exist.
        LedgerUnavailable: the file is there but is no store, or does not answer.
    """
    from langroute.ledgers import open_ledger

    _refuse_memory(store)
    ledger = open_ledger(store)  # opens nothing yet
    _refuse_missing(ledger)
    try:
        yield ledger
    finally:
        ledger.close()


def _refuse_memory(store: str) -> None:
    if store.startswith("memory:"):
        raise ConfigError(
            "memory:// forgets everything when its program ends; give the router a store such as "
            f"{DEFAULT_STORE} and read that",
            field="--store",
        )


def _refuse_missing(opened: object) -> None:
    path = getattr(opened, "path", None)
    if path is not None and not path.is_file():
        raise ConfigError(
            f"there is no file {path}; give the URL that StepRouter(store=...) had, for example {DEFAULT_STORE}",
            field="--store",
        )


def console() -> "Console":
    """Where reports are printed: as wide as the terminal, 80 wide in a pipe, coloured only in a terminal."""
    from rich.console import Console

    return Console(highlight=False)
