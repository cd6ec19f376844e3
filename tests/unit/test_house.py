"""The rules of the house that no linter knows. Allow-lists only shrink: an entry no longer needed fails too."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "langroute"

MOST_LINES = 400
LONGEST_BODY = 40
LONGEST_README = 119

# Files over 400 lines, functions over 40 lines, public names without a docstring, tests without a promise.
LONG_FILES: set[str] = set()
LONG_BODIES: set[str] = set()
UNDOCUMENTED: set[str] = set()
TESTS_WITHOUT_A_PROMISE: set[str] = set()

OPTIONAL = ("redis", "psycopg", "sklearn", "torch", "xgboost")
HEAVY = (
    "langchain",
    "langchain_core",
    "langchain_openai",
    "langgraph",
    "numpy",
    "openai",
    "pandas",
    "torch",
    "xgboost",
)

# A path into somebody's machine. Written so that this line does not match itself.
_MACHINE_PATH = re.compile(r"(?<![\w.:/}])/(?:home|root|Users|work|opt|mnt)/\w[\w./-]*")
_TEXT = {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".sql", ".lua", ".json", ".cfg", ""}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.Module | ast.ClassDef | Function


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def package_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), filename=str(path))


def public_names(tree: ast.Module) -> Iterator[tuple[str, Documented]]:
    """The module, its public classes and functions, and the public methods of its public classes."""
    yield "", tree
    for node in tree.body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                yield from _public_methods(node)


def _public_methods(owner: ast.ClassDef) -> Iterator[tuple[str, Documented]]:
    for node in owner.body:
        if isinstance(node, Function) and not node.name.startswith("_") and not _excused(node):
            yield f"{owner.name}.{node.name}", node


def _excused(function: Function) -> bool:
    """Setters and overloads are described where the name is described first; overrides where they are declared."""
    marks = {ast.unparse(decorator).rpartition(".")[2] for decorator in function.decorator_list}
    return bool(marks & {"setter", "deleter", "overload", "override"})


def body_lines(function: Function) -> int:
    """Lines from the first statement after the docstring to the last."""
    statements = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return 0 if not statements else (statements[-1].end_lineno or 0) - statements[0].lineno + 1


def test_files_stay_short() -> None:
    """No file of the package is longer than 400 lines."""
    long = {name_of(path) for path in package_files() if len(path.read_text("utf-8").splitlines()) > MOST_LINES}
    assert long == LONG_FILES


def test_functions_stay_short() -> None:
    """No function of the package has a body of more than 40 lines."""
    long = {
        f"{name_of(path)}:{node.name}"
        for path in package_files()
        for node in ast.walk(tree_of(path))
        if isinstance(node, Function) and body_lines(node) > LONGEST_BODY
    }
    assert long == LONG_BODIES


def test_everything_public_is_documented() -> None:
    """Every module, and every public class, function and method in it, says what it is for."""
    silent = {
        f"{name_of(path)}:{name}"
        for path in package_files()
        for name, node in public_names(tree_of(path))
        if not ast.get_docstring(node)
    }
    assert silent == UNDOCUMENTED


def test_every_test_states_its_promise() -> None:
    """Every test says in its docstring what it holds the house to."""
    silent = {
        f"{name_of(path)}:{node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(tree_of(path))
        if isinstance(node, Function) and node.name.startswith("test_") and not ast.get_docstring(node)
    }
    assert silent == TESTS_WITHOUT_A_PROMISE


def test_every_room_is_a_package() -> None:
    """Every directory with code has an ``__init__.py``: without it, import contracts and type checkers pass it by."""
    rooms = {path.parent for path in package_files()}
    assert [name_of(room) for room in sorted(rooms) if not (room / "__init__.py").exists()] == []


def test_no_file_is_a_drawer() -> None:
    """Files are nouns: none is called utils, helpers, managers, misc or common."""
    drawers = re.compile(r"(^|_)(utils?|helpers?|managers?|misc|common)$")
    assert not [name_of(path) for path in package_files() if drawers.search(path.stem)]


def test_the_readme_stays_short() -> None:
    """README.md has fewer than 120 lines."""
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= LONGEST_README


def test_no_path_of_anybodys_machine_is_written_down() -> None:
    """Code, tests, documents and settings name no home directory or mount of the machine they were written on."""
    rooms = ("langroute", "tests", "examples", "docs", ".ci")
    files = [path for room in rooms for path in (ROOT / room).rglob("*") if "__pycache__" not in path.parts]
    files += [path for path in ROOT.iterdir() if path.name[0] != "." and path.is_file()]
    found = [
        f"{name_of(path)}: {match[0]}"
        for path in sorted(files)
        if path.is_file() and path.suffix in _TEXT
        for match in _MACHINE_PATH.finditer(path.read_text("utf-8"))
    ]
    assert not found


def run_python(code: str) -> str:
    """What a fresh interpreter prints; it writes no byte code and hears no environment of the tests."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-B", "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_langroute_loads_no_framework() -> None:
    """``import langroute`` loads no framework, no numpy and no client."""
    loaded = json.loads(run_python("import json, sys, langroute; print(json.dumps(sorted(sys.modules)))"))
    assert not {name.partition(".")[0] for name in loaded} & set(HEAVY)


_WATCHED_IMPORT = """
import importlib, json, sys, threading

seen = []
names, optional = NAMES, OPTIONAL


def who():
    # The innermost caller that is not the standard library: the one whose code did it.
    frame = sys._getframe(2)
    while frame:
        name = frame.f_globals.get("__name__", "")
        if name != "__main__" and name.partition(".")[0] not in sys.stdlib_module_names:
            return name
        frame = frame.f_back
    return ""


def watch(event, arguments):
    if event in WATCHED or (event == "open" and writes(arguments)):
        name = who()
        if name.partition(".")[0] == "langroute":
            seen.append(f"{name}: {event} {arguments[0]!r}")


def start(thread):
    watch("thread", (thread,))
    started(thread)


def writes(arguments):
    path, mode, flags = arguments
    return isinstance(mode, str) and any(letter in mode for letter in "wax+")


# Threads have no audit event of one name in all versions of Python.
WATCHED = {"thread", "socket.__new__", "subprocess.Popen", "sqlite3.connect", "os.mkdir"}
started, threading.Thread.start = threading.Thread.start, start
sys.addaudithook(watch)
skipped = []
for name in names:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in optional:
            raise
        skipped.append(name)
print(json.dumps({"seen": seen, "skipped": skipped}))
"""


def watched_import(names: list[str]) -> dict[str, list[str]]:
    """What the house itself opened or started while these modules were imported, and which could not be."""
    settings = f"NAMES = {names!r}\nOPTIONAL = {OPTIONAL!r}\n"
    result: dict[str, list[str]] = json.loads(run_python(settings + _WATCHED_IMPORT).splitlines()[-1])
    return result


def module_name(path: Path) -> str:
    return name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def test_importing_any_module_opens_nothing() -> None:
    """No module opens a socket, a thread, a process, a database or a file for writing when it is imported."""
    names = [module_name(path) for path in package_files() if path.stem != "__main__"]
    result = watched_import(names)
    assert result["seen"] == []
    assert len(result["skipped"]) < len(names) / 2


@pytest.mark.parametrize(
    ("code", "event"),
    [
        ("import threading; threading.Thread(target=int).start()", ": thread "),
        ("import socket; socket.socket().close()", "socket.__new__"),
        ("import sqlite3; sqlite3.connect(':memory:').close()", "sqlite3.connect"),
        ("import os; open(os.devnull, 'w').close()", ": open "),
    ],
)
def test_the_watch_sees_what_a_module_opens(code: str, event: str, tmp_path: Path) -> None:
    """The test above would notice: a module that does open something at import is reported."""
    (tmp_path / "probe.py").write_text(f"__name__ = 'langroute.probe'\n{code}\n")
    settings = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nNAMES = ['probe']\nOPTIONAL = ()\n"
    seen = json.loads(run_python(settings + _WATCHED_IMPORT).splitlines()[-1])["seen"]
    assert [entry for entry in seen if event in entry]
