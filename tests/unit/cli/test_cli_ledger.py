import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from langroute.books import Amount, HoldRequest, Limits
from langroute.ledgers import open_ledger

Run = Callable[..., Any]

LIMITS = Limits(nano_usd=80_000_000, output_tokens=9_000, reserves=(("final_synthesis", 20_000_000),))
OPENED = 1_795_000_000.0
HELD = Amount(nano_usd=12_500_000, input_tokens=900, output_tokens=500)


@pytest.fixture
def books(tmp_path: Path) -> str:
    """A store with two episodes of one user: a settled call, a worst case, and a hold whose process died long ago."""
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    ledger = open_ledger(url)
    for number in (1, 2):
        scopes = (f"episode:order-{number}", "user:ada")
        opens = tuple(zip(scopes, (LIMITS, Limits(nano_usd=5_000_000_000)), strict=True))
        for name in ("plan", "write"):
            hold_id = f"{name}-{number}"
            ledger.hold(
                HoldRequest(
                    id=hold_id, scopes=scopes, amount=HELD, arm="large", at=OPENED, expires=OPENED + 60, opens=opens
                )
            )
        ledger.settle(f"plan-{number}", Amount(nano_usd=2_345_678 * number, input_tokens=850), at=OPENED + 1)
    ledger.settle("write-1", HELD, worst_case=True, at=OPENED + 2)
    ledger.close()
    return url


def ask(run: Run, books: str, *arguments: str) -> Any:
    """The JSON that a ledger command prints."""
    result = run("ledger", *arguments, "--json", "--store", books)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("width", [80, 120])
def test_one_scope_is_shown_whole(run: Run, books: str, width: int) -> None:
    """Limits, what is spent and left, and the lines, in a pipe without colours and no wider than the terminal."""
    result = run("ledger", "show", "order-1", "--store", books, width=width)
    assert result.exit_code == 0, result.output
    for text in (
        "episode:order-1",
        "$0.08, 9000 output tokens",
        "$0.0148",
        "worst case",
        "write-1",
        "2026-11-18 11:06:40",
    ):
        assert text in result.output
    assert "\x1b" not in result.output
    assert max(map(len, result.output.splitlines())) <= width
    assert ("purpose" in result.output) == (width == 120)


def test_the_json_of_a_scope_has_its_lines_and_changes(run: Run, books: str) -> None:
    """Dollars are numbers, null is unlimited, and every line is there."""
    told = ask(run, books, "show", "episode:order-2")
    assert (told["limits"]["usd"], told["limits"]["input_tokens"]) == (0.08, None)
    assert (told["spent"]["usd"], told["held"]["usd"]) == (0.004691356, 0.0125)
    assert [(line["hold"], line["worst_case"]) for line in told["lines"]] == [("plan-2", False), ("write-2", False)]
    assert told["lines"][1]["booked"] is None
    assert told["amendments"] == []


def test_top_lists_the_scopes_that_spent_most(run: Run, books: str) -> None:
    """Dearest first, as many as asked for, under a prefix."""
    told = [scope["scope"] for scope in ask(run, books, "top")]
    assert told == ["user:ada", "episode:order-1", "episode:order-2"]
    assert [scope["scope"] for scope in ask(run, books, "top", "--prefix", "episode:", "--limit", "1")] == told[1:2]
    result = run("ledger", "top", "--store", books)
    assert result.output.index("user:ada") < result.output.index("episode:order-1")
    assert (
        run("ledger", "top", "--prefix", "nobody:", "--store", books).output == "The store holds no such scope yet.\n"
    )


def test_an_audit_proves_the_books_and_finds_what_is_wrong(run: Run, books: str, tmp_path: Path) -> None:
    """Exit code 0 where every line is in the books; 1 where they were tampered with, and it says by how much."""
    assert {(each["scope"], each["sound"]) for each in ask(run, books, "audit")} == {
        ("episode:order-1", True),
        ("episode:order-2", True),
        ("user:ada", True),
    }
    with sqlite3.connect(tmp_path / "runs.db") as other:
        other.execute("UPDATE ledger_scope SET spent_nano = spent_nano - 7 WHERE name = 'user:ada'")
    other.close()
    result = run("ledger", "audit", "--store", books)
    assert result.exit_code == 1
    assert "settled nano_usd: lines 19537034, books 19537027" in result.output
    assert "1 of 3 scopes do not add up." in result.output
    assert run("ledger", "audit", "order-1", "--store", books).exit_code == 0


def test_reconcile_lets_overdue_holds_expire_and_lists_worst_cases(run: Run, books: str) -> None:
    """What nobody settled in time is booked at all it held, once; what is booked at a worst case is listed."""
    first = ask(run, books, "reconcile")
    assert [line["hold"] for line in first["expired"]] == ["write-2"]
    assert [line["hold"] for line in first["worst_case"]] == ["write-1", "write-2"]
    again = ask(run, books, "reconcile", "--scope", "order-2")
    assert again["expired"] == []
    assert [line["hold"] for line in again["worst_case"]] == ["write-2"]
    result = run("ledger", "reconcile", "--store", books)
    assert result.output.startswith("Booked at a worst case\n")
    assert max(map(len, result.output.splitlines())) <= 80


def test_reconcile_puts_one_line_right(run: Run, books: str) -> None:
    """The truth takes the place of the worst case in every scope, tokens not given stay, and it is recorded."""
    truth = ("--hold", "write-1", "--dollars", "0.00413", "--output-tokens", "77", "--reason", "console")
    (line,) = ask(run, books, "reconcile", *truth)["corrected"]
    assert line["booked"] == {"usd": 0.00413, "input_tokens": 900, "output_tokens": 77, "retries": 0}
    assert (line["corrections"][0]["before"]["usd"], line["corrections"][0]["reason"]) == (0.0125, "console")
    assert ask(run, books, "show", "order-1")["spent"]["usd"] == 0.006475678
    assert "was $0.0125 until" in run("ledger", "show", "order-1", "--store", books).output
    assert all(each["sound"] for each in ask(run, books, "audit"))


def test_reconcile_reads_many_truths_from_a_file(run: Run, books: str, tmp_path: Path) -> None:
    """JSON lines, all checked before any is booked, and the same file again changes nothing."""
    file = tmp_path / "truths.jsonl"
    lines = [{"hold": "write-1", "dollars": 0.001}, {"hold": "write-2", "dollars": "0.0020000001", "reason": "bill"}]
    file.write_text("\n\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    told = ask(run, books, "reconcile", "--file", str(file))
    assert [line["booked"]["usd"] for line in told["corrected"]] == [0.001, 0.002000001]
    assert told["worst_case"] == []
    assert ask(run, books, "reconcile", "--file", str(file))["corrected"] == told["corrected"]
    nothing = run("ledger", "reconcile", "--store", books).output
    assert nothing == "Nothing is overdue, and no line is booked at a worst case.\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "line 1: is no JSON"),
        ('{"hold": "write-1"}', "must be an object with hold and dollars"),
        ('{"hold": "write-1", "dollars": 0.1, "tokens": 5}', "must be an object with hold and dollars"),
        ('{"hold": "write-1", "dollars": -1}', "line 1"),
        ('{"hold": "write-1", "dollars": 1, "input_tokens": 0.5}', "tokens must be whole numbers"),
        ('{"hold": "write-1", "dollars": 0}\n{"hold": "plan-1", "dollars": 0}', "never booked at a worst case here"),
    ],
)
def test_a_file_that_is_wrong_changes_nothing(run: Run, books: str, tmp_path: Path, text: str, told: str) -> None:
    """What cannot be read or is about no worst case is one line with the place, and no line is corrected."""
    file = tmp_path / "truths.jsonl"
    file.write_text(text, encoding="utf-8")
    result = run("ledger", "reconcile", "--file", str(file), "--store", books)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert ask(run, books, "show", "order-1")["lines"][1]["corrections"] == []


def test_budgets_are_raised_lowered_and_reset_on_record(run: Run, books: str) -> None:
    """Each change is in force at once, keeps the other limits, and stands in the books with its reason."""
    raised = ask(run, books, "raise", "order-1", "--dollars", "0.2", "--reason", "larger order")
    assert (raised["limits"]["usd"], raised["limits"]["output_tokens"]) == (0.2, 9_000)
    lowered = ask(run, books, "lower", "order-1", "--output-tokens", "10")
    assert (lowered["limits"]["output_tokens"], lowered["limits"]["usd"]) == (10, 0.2)
    reset = ask(run, books, "reset", "order-1", "--reason", "goodwill")
    assert (reset["spent"]["usd"], reset["past"]["usd"]) == (0.0, 0.014845678)
    told = ask(run, books, "show", "order-1")["amendments"]
    assert [(each["kind"], each["reason"]) for each in told] == [
        ("limits", "larger order"),
        ("limits", ""),
        ("reset", "goodwill"),
    ]
    text = run("ledger", "show", "order-1", "--store", books, width=120).output
    assert "reset, $0.0148 forgiven: goodwill" in text
    assert run("ledger", "raise", "order-1", "--dollars", "0.3", "--store", books).output.startswith(
        "episode:order-1\n"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("raise", "order-1"), "give at least one of --dollars"),
        (("raise", "order-1", "--dollars", "0.08"), "--dollars: $0.08 would not raise it: it is $0.08"),
        (("raise", "order-1", "--retries", "3"), "--retries: 3 would not raise it: it is unlimited"),
        (("lower", "order-1", "--dollars", "1"), "see `langroute ledger raise`"),
        (("lower", "order-1", "--dollars", "0.01"), "reserves"),
        (("raise", "order-1", "--dollars", "much"), "--dollars"),
        (("reset", "nobody"), "'episode:nobody' was never opened"),
        (("show", "user:nobody"), "'user:nobody' was never opened"),
        (("reconcile", "--hold", "write-1"), "belong together"),
        (("reconcile", "--file", "nowhere.jsonl"), "--file: cannot be read"),
        (("audit", "nobody"), "was never opened"),
    ],
)
def test_what_cannot_be_done_is_one_line(run: Run, books: str, arguments: tuple[str, ...], told: str) -> None:
    """Exit code 2, nothing on stdout, and a line that says what is wrong."""
    result = run("ledger", *arguments, "--store", books)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["show", "audit", "top", "reconcile"])
def test_a_store_that_is_not_there_is_not_made(run: Run, tmp_path: Path, command: str) -> None:
    """Reading creates nothing, and a store in memory cannot be read by another program."""
    scope = ("x",) if command == "show" else ()
    result = run("ledger", command, *scope, "--store", f"sqlite:///{tmp_path / 'none.db'}")
    assert (result.exit_code, "there is no file" in result.stderr) == (2, True)
    assert "forgets everything" in run("ledger", command, *scope, "--store", "memory://").stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["", "show", "top", "audit", "reconcile", "raise", "lower", "reset"])
def test_help_fits_a_pipe(run: Run, command: str) -> None:
    """No colours, no boxes, at most 80 wide."""
    result = run("ledger", *([command] if command else []), "--help")
    assert result.exit_code == 0
    assert result.output.isascii()
    assert max(map(len, result.output.splitlines())) <= 80
