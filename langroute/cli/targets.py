"""Loading the graph that a command names: ``module:attribute``, ``file.py:attribute`` or an entry of langgraph.json."""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

from langroute.errors import ConfigError

FIELD = "GRAPH"
_FORMS = "give module:attribute, path/to/file.py:attribute or langgraph.json:name"


def load_graph(target: str) -> Any:
    """The graph that ``target`` names; what its module prints while it is imported goes to stderr.

    Raises:
        ConfigError: there is no such thing, it cannot be imported, or it is no graph.
    """
    place, _, name = target.rpartition(":")
    if target.endswith(".json"):
        place, name = target, ""
    if place.endswith(".json"):
        place, name = _entry(Path(place), name)
    if not place or not name:
        raise ConfigError(f"{target!r} names no graph; {_FORMS}", field=FIELD)
    with redirect_stdout(sys.stderr), _clear(f"importing {place}"):
        module = _from_file(Path(place)) if place.endswith(".py") else _from_path(place)
    try:
        found = attrgetter(name)(module)
    except AttributeError as exc:
        raise ConfigError(f"{place} has no {name!r}{_graphs_in(module)}", field=FIELD) from exc
    with redirect_stdout(sys.stderr), _clear(f"calling {name}()"):
        graph = _made(found, target)
    return _checked(graph, target)


def _entry(file: Path, name: str) -> tuple[str, str]:
    """Place and attribute of a graph that a langgraph.json lists."""
    with _clear(f"reading {file}"):
        listed = json.loads(file.read_text(encoding="utf-8")).get("graphs", {})
    if not name and len(listed) == 1:
        (name,) = listed
    if name not in listed:
        known = ", ".join(listed) or "none"
        asked = f"has no graph {name!r}" if name else "lists several graphs"
        raise ConfigError(f"{file} {asked}; say {file.name}:NAME with one of: {known}", field=FIELD)
    entry = listed[name]
    place, _, attribute = str(entry.get("path", "") if isinstance(entry, dict) else entry).rpartition(":")
    sys.path.insert(0, str(file.parent.resolve()))
    return (str(file.parent / place) if place.endswith(".py") else place), attribute


def _from_path(name: str) -> ModuleType:
    sys.path.insert(0, str(Path.cwd()))
    return importlib.import_module(name)


def _from_file(file: Path) -> ModuleType:
    file = file.resolve()
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}")
    package = file.parent
    while (package / "__init__.py").exists():
        package = package.parent
    if package != file.parent:  # relative imports need the package around the file
        sys.path.insert(0, str(package))
        return importlib.import_module(".".join(file.relative_to(package).with_suffix("").parts))
    sys.path.insert(0, str(file.parent))
    name = f"_langroute_graph_{file.stem}"  # under its own name it might hide a module of that name
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _made(found: Any, target: str) -> Any:
    """The graph itself, where ``found`` is a function that makes one."""
    from langroute.integrations.nodes import builder_of

    if builder_of(found) is not None or not callable(found) or isinstance(found, type):
        return found
    if inspect.iscoroutinefunction(found):
        raise ConfigError(f"{target} is async; name a graph, or a plain function that returns one", field=FIELD)
    needed = [
        parameter.name
        for parameter in inspect.signature(found).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if needed:
        asked = ", ".join(needed)
        raise ConfigError(f"{target} needs arguments ({asked}); name one that needs none", field=FIELD)
    return found()


def _checked(graph: Any, target: str) -> Any:
    from langroute.integrations.nodes import builder_of

    if builder_of(graph) is None:
        raise ConfigError(
            f"{target} is no StateGraph, compiled or not, but {type(graph).__name__}; tasks of an @entrypoint take "
            'their kind from @routed_node(router, kind="...")',
            field=FIELD,
        )
    return graph


def _graphs_in(module: ModuleType) -> str:
    from langroute.integrations.nodes import builder_of

    known = [name for name, value in vars(module).items() if builder_of(value) is not None]
    return f"; its graphs are {', '.join(known)}" if known else ""


@contextmanager
def _clear(doing: str) -> Iterator[None]:
    """Whatever somebody else's code raises is one clear error."""
    try:
        yield
    except ConfigError:
        raise
    except (Exception, SystemExit) as exc:
        raise ConfigError(f"{doing} failed with {type(exc).__name__}: {exc}; {_FORMS}", field=FIELD) from exc
