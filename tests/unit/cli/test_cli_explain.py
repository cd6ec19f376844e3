import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from episode_samples import episode

from langroute.books import Amount, HoldRequest, Limits
from langroute.journal.store import open_journal
from langroute.ledgers import open_ledger
from langroute.records import ActionTaken

Run = Callable[..., Any]


@pytest.mark.parametrize("width", [None, 80, 120])
def test_an_episode_is_printed_for_a_pipe(run: Run, store: str, width: int | None) -> None:
    """Without a terminal the table has no control sequences and is 80 wide unless told otherwise."""
    result = run("explain", "order-42", "--store", store, width=width)
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output
    assert max(map(len, result.output.splitlines())) <= (width or 80)
    assert "Episode order-42" in result.output
    assert episode()[0].decision.rationale in " ".join(result.output.split())


def test_one_step_is_printed_whole(run: Run, store: str) -> None:
    """A step with two attempts shows both, each with its alternatives."""
    result = run("explain", "order-42", "--step", "1", "--store", store)
    assert result.output.count("of episode order-42, node work") == 2
    assert result.output.count("propensity") == 2


def test_json_is_one_object(run: Run, store: str) -> None:
    """The JSON form parses, at whatever width, and can be limited to a step."""
    whole = json.loads(run("explain", "order-42", "--json", "--store", store, width=40).output)
    part = json.loads(run("explain", "order-42", "--json", "--step", "1", "--store", store).output)
    assert len(whole["attempts"]) == 6
    assert [attempt["record_id"] for attempt in part["attempts"]] == ["r1", "r2"]


def test_books_that_know_more_than_the_records_are_told(run: Run, store: str) -> None:
    """A process that died leaves holds and settlements without a record; where both agree nothing is said."""
    ledger = open_ledger(store)
    spent = sum(record.outcome.cost_nano for record in episode() if record.outcome)
    ledger.open("episode:order-42", Limits(nano_usd=80_000_000), at=0.0)
    for name, nano in (("told", spent), ("lost", 1_000_000), ("open", 2_000_000)):
        ledger.hold(HoldRequest(id=name, scopes=("episode:order-42",), amount=Amount(nano_usd=nano)))
        if name == "told":
            ledger.settle(name, Amount(nano_usd=nano), at=1.0)
            only_open = run("explain", "order-42", "--store", store).output
            assert "The books say" not in only_open
        elif name == "lost":
            ledger.settle(name, Amount(nano_usd=nano), at=1.0)
    ledger.close()
    told = " ".join(run("explain", "order-42", "--store", store, width=120).output.split())
    assert "and $0.002 held" in told
    assert "such a hold stays, since its call may have been billed" in told
    assert "langroute ledger show order-42" in told


def test_books_that_were_reset_still_agree_with_the_records(run: Run, store: str) -> None:
    """What a reset forgave was spent all the same, and is what the records tell."""
    ledger = open_ledger(store)
    spent = sum(record.outcome.cost_nano for record in episode() if record.outcome)
    ledger.open("episode:order-42", Limits(nano_usd=80_000_000), at=0.0)
    ledger.hold(HoldRequest(id="told", scopes=("episode:order-42",), amount=Amount(nano_usd=spent)))
    ledger.settle("told", Amount(nano_usd=spent), at=1.0)
    ledger.reset("episode:order-42", at=2.0)
    ledger.close()
    assert "The books say" not in run("explain", "order-42", "--store", store).output


def test_without_an_episode_all_are_listed(run: Run, store: str) -> None:
    """Episodes are listed newest first, those that ended before any call among them."""
    listed = json.loads(run("explain", "--json", "--store", store).output)
    assert [found["episode"] for found in listed] == ["never-began", "order-42"]
    assert listed[1] == {
        "episode": "order-42",
        "steps": 5,
        "calls": 4,
        "cost_usd": listed[1]["cost_usd"],
        "charged_usd": 0.0,
        "success": 1.0,
    }
    text = run("explain", "--store", store).output
    assert text.index("never-began") < text.index("order-42")
    assert "order-42" not in run("explain", "--limit", "1", "--store", store).output


def test_what_happened_beside_calls_is_explained(run: Run, store: str) -> None:
    """Charges and questions are told between the steps, summed up in the list, and picked by step in the JSON form."""
    journal = open_journal(store)
    charge = ActionTaken(id="x1", episode="order-42", at=1.0, action="charged", reason="search", cost_nano=250_000_000)
    journal.note(charge)
    journal.note(replace(charge, id="x2", action="ask", reason="dear", call_index=1, cost_nano=0))
    journal.close()
    assert "  charged\n    search\n" in run("explain", "order-42", "--store", store).output
    part = json.loads(run("explain", "order-42", "--json", "--step", "1", "--store", store).output)
    assert [action["id"] for action in part["actions"]] == ["x2"]
    listed = json.loads(run("explain", "--json", "--store", store).output)
    assert (listed[0]["episode"], listed[0]["charged_usd"]) == ("order-42", 0.25)
    assert "$0.265" in run("explain", "--store", store).output


def test_an_episode_without_a_decision_is_explained_by_what_happened(run: Run, store: str) -> None:
    """An episode that has only actions says so and lists them; it has no step to explain."""
    journal = open_journal(store)
    journal.note(ActionTaken(id="x1", episode="asked", at=1.0, action="ask", reason="May large be called?"))
    journal.close()
    told = run("explain", "asked", "--store", store)
    assert told.exit_code == 0, told.output
    assert "No model call was decided in this episode" in told.output
    assert "May large be called?" in told.output
    step = run("explain", "asked", "--step", "0", "--store", store)
    assert (step.exit_code, step.stdout) == (2, "")
    assert "--step: the episode has no step 0; no call was decided in it" in step.stderr


def test_an_empty_store_says_so(run: Run, tmp_path: Path) -> None:
    """A store without episodes is no error."""
    (tmp_path / "empty.db").touch()
    result = run("explain", "--store", f"sqlite:///{tmp_path / 'empty.db'}")
    assert (result.exit_code, result.output) == (0, "The store holds no episode yet.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody"], "no record of episode 'nobody'"),
        (["never-began"], "the episode has no records"),
        (["order-42", "--step", "9"], "--step: the episode has no step 9; its steps are 0 to 4"),
        (["--step", "1"], "--step: needs an episode"),
    ],
)
def test_a_wrong_question_gets_one_clear_line(run: Run, store: str, arguments: list[str], said: str) -> None:
    """An error is one line on stderr and exit code 2, without a traceback."""
    result = run("explain", *arguments, "--store", store)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("langroute: ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_missing_store_is_not_created(run: Run, tmp_path: Path) -> None:
    """Reading names the file that is not there, and leaves nothing behind."""
    result = run("explain", "x", "--store", f"sqlite:///{tmp_path / 'none.db'}")
    assert result.exit_code == 2
    assert "none.db" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["memory://", "mysql://host/db", "runs.db", "sqlite://"])
def test_a_store_that_cannot_be_read_is_named(run: Run, url: str) -> None:
    """A URL that names no readable store is an error that says which ones are."""
    result = run("explain", "x", "--store", url)
    assert result.exit_code == 2
    assert "sqlite:///" in result.stderr


def test_a_file_that_is_no_store_is_an_error(run: Run, tmp_path: Path) -> None:
    """A file of something else ends in one line, and is left as it was."""
    file = tmp_path / "notes.db"
    file.write_text("this is no database, but it is long enough to be looked at as one" * 50)
    before = file.read_bytes()
    result = run("explain", "x", "--store", f"sqlite:///{file}")
    assert result.exit_code == 2
    assert "notes.db" in result.stderr
    assert result.stderr.count("\n") == 1
    assert file.read_bytes() == before
