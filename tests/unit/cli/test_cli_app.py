import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from episode_samples import episode

from langroute.journal.store import open_journal

Run = Callable[..., Any]


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    code = "import sys; from langroute.cli import main; sys.argv[0] = 'langroute'; main()"
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(__file__).parents[3])}
    return subprocess.run(  # noqa: S603
        [sys.executable, "-c", code, *arguments], cwd=cwd, env=environment, capture_output=True, check=False, timeout=60
    )


@pytest.mark.parametrize("arguments", [["--help"], ["explain", "--help"], ["replay", "--help"], ["lab", "--help"]])
def test_help_is_plain_text(run: Run, arguments: list[str]) -> None:
    """Help fits a pipe: no colours, no boxes, at most 80 wide."""
    result = run(*arguments)
    assert result.exit_code == 0
    assert result.output.isascii()
    assert "\x1b" not in result.output
    assert max(map(len, result.output.splitlines())) <= 80


def test_help_loads_no_framework(tmp_path: Path) -> None:
    """Asking for help imports neither a framework nor a store nor a model."""
    code = (
        "import sys\nfrom langroute.cli.app import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'langchain_core', 'langgraph', 'numpy', 'pydantic', 'structlog', 'sqlite3'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    environment = {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()


def test_errors_of_the_process_are_one_line(tmp_path: Path) -> None:
    """The real process ends with code 2 and one line on stderr; nothing is created where it ran."""
    done = command("explain", "x", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.startswith(b"langroute: --store: there is no file ")
    assert done.stderr.count(b"\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_narrow_encoding_is_no_traceback(tmp_path: Path) -> None:
    """Names that the output cannot hold are spelled out instead of ending the command."""
    plan = episode()[0]
    journal = open_journal(f"sqlite:///{tmp_path / 'langroute.db'}")
    journal.write(replace(plan, step=replace(plan.step, node="größe")))
    journal.close()
    done = command("explain", "order-42", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert rb"gr\xf6\xdfe" in done.stdout


def test_unknown_commands_are_refused(run: Run) -> None:
    """A command that does not exist is a usage error."""
    assert run("explode").exit_code == 2
