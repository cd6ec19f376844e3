"""``langroute demo`` with real models: what is wrong with its options is said in one line, before anything runs."""

import pytest
from typer.testing import CliRunner

from langroute.cli.app import app


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--models", "gpt-5-nano"], "needs at least two models"),
        (["--models", "mine,yours"], "no known price; say --prices model=input/output"),
        (["--models", "mine,yours", "--prices", "mine:1"], "should read model=input/output"),
        (["--models", "mine,yours", "--prices", "mine=1/2,theirs=1/2"], "names no arm and no model"),
        (["--models", "mine,yours", "--prices", "mine=1/-2"], "must not be negative"),
    ],
    ids=["one model", "no price", "not a price", "price for nobody", "negative price"],
)
def test_wrong_options_end_in_one_clear_line(options: list[str], told: str) -> None:
    """The line names the option or model and the way out; the exit code is 2."""
    done = CliRunner().invoke(app, ["demo", *options])
    assert done.exit_code == 2
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
