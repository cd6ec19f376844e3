"""The page on operations shows what the commands really print, one after the other, on the books that it makes."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from langroute.cli.app import app

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
AS_IN_A_PIPE = {"COLUMNS": None, "FORCE_COLOR": None, "TTY_COMPATIBLE": None}


def fences(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def comparable(text: str) -> list[str]:
    """Lines as they are read: without the time of day, and without blanks that nobody sees."""
    return [re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME", line).rstrip() for line in text.strip().splitlines()]


def test_the_commands_print_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of the page, in its order, on the store of the page; only times may differ."""
    monkeypatch.chdir(tmp_path)
    (made,) = fences("python")
    exec(made, {"__name__": "__main__"})  # noqa: S102 - our own documentation
    shown = [turn for fence in fences("console") for turn in re.split(r"^\$ ", fence, flags=re.MULTILINE) if turn]
    assert len(shown) > 6
    for turn in shown:
        command, _, told = turn.partition("\n")
        program, *arguments = shlex.split(command)
        result = CliRunner().invoke(app, arguments, env=AS_IN_A_PIPE)
        assert (program, result.exit_code) == ("langroute", 0), command
        assert comparable(result.output) == comparable(told), command
