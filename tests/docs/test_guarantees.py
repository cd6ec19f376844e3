"""The page on guarantees names the test that shows each promise, and these tests exist."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text("utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)


def names_in(path: Path) -> set[str]:
    """The names of the tests in a file."""
    tree = ast.parse(path.read_text("utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {node.name for node in found if node.name.startswith("test_")}


def test_every_named_test_exists() -> None:
    """A promise whose test was renamed or removed is a promise that nobody keeps."""
    gone = [
        f"{path}::{name}"
        for path, name in NAMED
        if not (ROOT / path).exists() or (name and name not in names_in(ROOT / path))
    ]
    assert gone == []


def test_every_promise_names_its_test() -> None:
    """Each row of the tables of promises ends with a test."""
    promised, _, _ = PAGE.partition("## What is not promised")
    rows = [line for line in promised.splitlines() if line.startswith("| ") and "shown by" not in line]
    assert len(rows) > 30
    assert [row for row in rows if not re.search(r"`tests/[^`]+\.py(::test_\w+)?` \|$", row)] == []
