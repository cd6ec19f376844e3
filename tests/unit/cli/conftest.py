from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from episode_samples import END, episode
from typer.testing import CliRunner

from langroute.cli.app import app
from langroute.journal.store import open_journal
from langroute.records import EpisodeEnd


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The URL of a store that holds the sample episode, and a newer one that ended before any call."""
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    journal = open_journal(url)
    for record in episode():
        journal.write(record)
    journal.finish(END)
    journal.flush()
    journal.finish(EpisodeEnd(episode="never-began", at=END.at + 1))
    journal.close()
    return url


@pytest.fixture
def run() -> Callable[..., Any]:
    """Runs a command as a pipe of a given width would see it."""

    def invoke(*arguments: str, width: int | None = None) -> Any:
        env = {"COLUMNS": None if width is None else str(width), "FORCE_COLOR": None, "TTY_COMPATIBLE": None}
        return CliRunner().invoke(app, list(arguments), env=env)

    return invoke
