"""The world's truth, by an independent route."""

import re
from fractions import Fraction

import pytest

from langroute.lab.calculator import calculate, run_tool
from langroute.lab.vocabulary import UNK, encode_text
from langroute.lab.world import LEVELS, Task, grade, sample_task

PIECES = {"pairs": 2, "packs": 6, "dozen": 12}
LINE = re.compile(r"(\w+) (\d+)(?: (pairs|packs|dozen))? at (\d+)(?: (apiece|per \w+))?")


def solve(problem: str) -> str:
    """Answer a problem from its words alone, with fractions, sharing no code with the world."""
    who, rest = problem.split(" : ")
    body, question = rest.split(" . ")
    parts = body.split(" , ")
    gone = {part.split()[0] for part in parts if part.endswith("missing")}
    lines = {m[1]: m for m in (LINE.fullmatch(part) for part in parts) if m}
    verb, asked = re.fullmatch(r"(cost|count) of (.*) \?", question).groups()
    if asked == "all":
        names = set(lines)
    elif asked.startswith("all but "):
        names = set(lines) - {asked.removeprefix("all but ")}
    else:
        names = set(asked.split(" and "))
    total = Fraction(0)
    for name in names - gone:
        _, quantity, unit, price, basis = lines[name].groups()
        pieces = int(quantity) * PIECES.get(unit, 1)
        packs = int(quantity) if basis and basis.startswith("per") else pieces
        total += pieces if verb == "count" else packs * int(price)
    if verb == "count":
        return f"you get {total} pieces"
    shipping = 0
    for part in parts:
        words = part.split()
        if words[0] == "coupon":
            total -= int(words[1])
        elif words[0] == "shipping":
            shipping = int(words[1])
        elif "off" in words and not ("members" in words and who != "member"):
            total = Fraction((total * (100 - int(words[0])) / 100).__floor__())
    return f"you pay {total + shipping} dollars"


@pytest.mark.parametrize("level", LEVELS)
def test_truth_agrees_with_an_independent_reading(level: int) -> None:
    """The answer follows from the problem's words alone, whatever the level."""
    for seed in range(400):
        task = sample_task(seed, level)
        assert grade(task, solve(task.problem)), task


def test_tasks_repeat_and_are_made_of_known_words() -> None:
    """A seed always gives the same task, levels differ in size, and no word of a problem is unknown."""
    tasks = [sample_task(seed) for seed in range(500)]
    assert tasks == [sample_task(seed) for seed in range(500)]
    assert {task.level for task in tasks} == set(LEVELS)
    assert all(len(task.lines) == task.level + 1 for task in tasks)
    assert all(UNK not in encode_text(task.problem) for task in tasks)
    assert all(task.answer > 0 for task in tasks)


def test_unknown_level_is_refused() -> None:
    """A level that does not exist is named in the error."""
    with pytest.raises(ValueError, match="level must be one of"):
        sample_task(1, level=9)


def _task(seed: int = 3) -> Task:
    return sample_task(seed, 2)


def test_grading_is_exact() -> None:
    """Only the right number in the right unit counts, with nothing beside it; a state is graded by its answer."""
    task = _task()
    right = solve(task.problem)
    assert grade(task, right)
    assert grade(task, {"answer": right})
    other_unit = right.replace("dollars", "pieces") if "dollars" in right else right.replace("pieces", "dollars")
    for wrong in (other_unit, right + " or so", right.replace(str(task.answer), str(task.answer + 1)), "", None, {}):
        assert not grade(task, wrong)


@pytest.mark.parametrize(
    ("expression", "value"),
    [("3 * 12 * 4", 144), ("36+20", 56), ("97 - 20 %", 77), ("99 - 50 %", 49), ("7", 7), ("2 + 3 * 4 - 5", 9)],
)
def test_calculator(expression: str, value: int) -> None:
    """Products bind first; a percentage is taken off what stands before it, rounded down."""
    assert calculate(expression) == value


@pytest.mark.parametrize("expression", ["", "3 *", "* 3", "3 4", "three", "3 / 4", "- 5", "9" * 12, "%"])
def test_calculator_refuses_what_it_cannot_read(expression: str) -> None:
    """An unreadable expression is an error, never a guess."""
    with pytest.raises(ValueError, match="cannot read expression"):
        calculate(expression)


@pytest.mark.parametrize(
    ("name", "arguments", "content"),
    [
        ("abacus", '{"expression": "1"}', "error: no tool"),
        ("calculator", '{"expression": "1"', "error: arguments not json"),
        ("calculator", '{"sum": "1"}', "error: no expression"),
        ("calculator", "[]", "error: no expression"),
        ("calculator", '{"expression": "1 +"}', "error: cannot read expression"),
        ("calculator", '{"expression": "999999999 * 999999999"}', "error: result too large"),
    ],
)
def test_bad_calls_become_errors_for_the_model(name: str, arguments: str, content: str) -> None:
    """Every bad call says what was wrong, in words the models know."""
    result = run_tool(name, arguments)
    assert (result.value, result.content) == (None, content)
    assert UNK not in encode_text(content)
