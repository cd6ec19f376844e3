"""The code that readers copy runs: python fences of README.md and docs/, and examples in docstrings."""

import ast
import asyncio
import doctest
import inspect
import re
from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import CodeType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
MODULES = sorted(path for path in (ROOT / "langroute").rglob("*.py") if ">>> " in path.read_text("utf-8"))

# Fences marked `python no-run`, by page, and examples marked `# doctest: +SKIP`, by module. Numbers here only shrink.
NO_RUN: dict[str, int] = {}
SKIPPED: dict[str, int] = {"langroute/lab/server.py": 1}

OPTIONAL = {"redis", "psycopg", "sklearn", "torch", "xgboost"}

_FENCE = re.compile(r"^(?P<margin> *)```(?P<info>[^\n`]+)\n(?P<body>.*?)^ *```\s*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """One fenced block: what it says it is, its code, and the line of the page the code starts on (from 1)."""

    info: str
    code: str
    line: int


def fences(page: Path) -> list[Fence]:
    text = page.read_text("utf-8")
    return [
        Fence(
            info=found["info"].strip(),
            code="".join(line.removeprefix(found["margin"]) for line in found["body"].splitlines(keepends=True)),
            line=text.count("\n", 0, found.start("body")) + 1,
        )
        for found in _FENCE.finditer(text)
    ]


def compiled(fence: Fence, page: Path) -> CodeType:
    """The fence's code, counting lines as the page does; ``await`` may stand at its top."""
    source = "\n" * (fence.line - 1) + fence.code
    return compile(source, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and the key that clients ask for when they are made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "dummy")
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if page.exists()], ids=name_of)
def test_the_fences_of_a_page_run(page: Path, elsewhere: Path) -> None:
    """The python fences of a page, taken one after the other, run offline in an empty directory."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    for fence in fences(page):
        if fence.info != "python":
            continue
        code = compiled(fence, page)
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(code, namespace))  # noqa: S307 - our own documentation
        else:
            exec(code, namespace)  # noqa: S102 - our own documentation


def test_fences_that_do_not_run_only_become_fewer() -> None:
    """Code that is shown but not run is counted; a page may lose some, not gain any."""
    shown = Counter(
        name_of(page) for page in PAGES if page.exists() for fence in fences(page) if fence.info == "python no-run"
    )
    assert dict(shown) == NO_RUN, "fewer than listed: lower the number in NO_RUN; more: make the fence run"


@pytest.mark.parametrize("page", [page for page in PAGES if page.exists()], ids=name_of)
def test_no_python_hides_under_another_name(page: Path) -> None:
    """Fences say ``python`` or ``python no-run``, so that none escapes by a spelling."""
    odd = [
        f"line {fence.line}: {fence.info}"
        for fence in fences(page)
        if fence.info.lower().startswith(("py", "ipython", "{py")) and fence.info not in ("python", "python no-run")
    ]
    assert not odd


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_the_examples_in_docstrings_are_true(path: Path, elsewhere: Path) -> None:
    """The examples in a module's docstrings give what they say they give."""
    name = name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    try:
        module = import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name in OPTIONAL:
            pytest.skip(f"{name} needs {missing.name}, which is not installed")
        raise
    found = sum(len(test.examples) for test in doctest.DocTestFinder().find(module))
    assert found == path.read_text("utf-8").count(">>> "), "has >>> that doctest does not find, so nobody checks it"
    assert doctest.testmod(module).failed == 0


def test_examples_that_are_skipped_only_become_fewer() -> None:
    """Examples in docstrings that are shown but not run are counted; a module may lose some, not gain any."""
    skipped = {name_of(path): path.read_text("utf-8").count("doctest: +SKIP") for path in MODULES}
    assert {name: count for name, count in skipped.items() if count} == SKIPPED


def test_fences_are_found_with_their_lines(tmp_path: Path) -> None:
    """Indented fences lose their margin, lines count from the page's start, and other languages keep their name."""
    page = tmp_path / "page.md"
    page.write_text("# T\n```python\na = 1\n```\n- x\n  ```python no-run\n  b\n    c\n  ```\n\n```bash\nls\n```\n")
    assert fences(page) == [
        Fence(info="python", code="a = 1\n", line=3),
        Fence(info="python no-run", code="b\n  c\n", line=7),
        Fence(info="bash", code="ls\n", line=12),
    ]


def test_an_error_in_a_fence_names_the_line_of_the_page(tmp_path: Path) -> None:
    """A failing fence points at its line in the page, not at a line of the fence."""
    page = tmp_path / "page.md"
    page.write_text("# T\n\n```python\na = 1\nb = a / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as raised:
        exec(compiled(fences(page)[0], page), {})  # noqa: S102 - the line above
    assert (raised.traceback[-1].path, raised.traceback[-1].lineno + 1) == (page, 5)
