"""Records as JSON and back, without loss.

The text depends on nothing but the record: fields stand in the order they are declared in, floats as their shortest
exact text, so equal records have equal bytes and a decision replayed from its row is the decision that was made.
A row tells its version. Fields that a row lacks take their defaults, so rows outlive the addition of fields.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from langroute.errors import JournalUnavailable
from langroute.money import Price
from langroute.records import ActionTaken, EpisodeEnd, PoolSnapshot, Record

ROW_VERSION = 1
"""Version of the rows written here. It grows when an older langroute could misread what is written."""

# Broken text may hold two halves of a character side by side. JSON would read them as one: they are written apart.
_SEAM = re.compile(r"(?<=[\ud800-\udbff])(?=[\udc00-\udfff])")

_WAY_OUT = "It was written by a newer langroute: upgrade langroute to read it."

_Kept = TypeVar("_Kept", Record, ActionTaken, EpisodeEnd, PoolSnapshot)

_BUILDERS: dict[type, Callable[..., Any]] = {Price: Price.from_rates}
"""What makes a record again where its constructor takes something else than its fields."""


def to_json(record: Record) -> str:
    """One line of ASCII JSON that `from_json` turns into an equal record.

    Raises:
        TypeError: a field holds something that is no plain data.
    """
    return _write("record", record)


def from_json(text: str) -> Record:
    """The record of a row.

    Raises:
        JournalUnavailable: the row is damaged, or a newer langroute wrote it.
    """
    return _read("record", Record, text)


def action_to_json(action: ActionTaken) -> str:
    """The same as `to_json` for an action."""
    return _write("action", action)


def action_from_json(text: str) -> ActionTaken:
    """The same as `from_json` for an action."""
    return _read("action", ActionTaken, text)


def end_to_json(end: EpisodeEnd) -> str:
    """The same as `to_json` for the end of an episode."""
    return _write("end", end)


def end_from_json(text: str) -> EpisodeEnd:
    """The same as `from_json` for the end of an episode."""
    return _read("end", EpisodeEnd, text)


def pool_to_json(pool: PoolSnapshot) -> str:
    """The same as `to_json` for a pool."""
    return _write("pool", pool)


def pool_from_json(text: str) -> PoolSnapshot:
    """The same as `from_json` for a pool."""
    return _read("pool", PoolSnapshot, text)


def _write(name: str, value: Record | ActionTaken | EpisodeEnd | PoolSnapshot) -> str:
    row = {"version": ROW_VERSION, name: _plain(value)}
    return json.dumps(row, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def _read(name: str, kind: type[_Kept], text: str) -> _Kept:
    try:
        row = json.loads(text)
        version = row["version"]
        if version > ROW_VERSION:
            raise JournalUnavailable(f"a row has version {version}, this langroute knows {ROW_VERSION}. {_WAY_OUT}")
        hint: Any = kind
        value: _Kept = _reader(hint)(row[name])
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise JournalUnavailable(f"a row is damaged ({exc!r}): {text[:80]!r}; restore it from a backup") from exc
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() or not _SEAM.search(value) else {"parts": _SEAM.split(value)}
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        # JSON has no infinities: they are written as text where a number is declared.
        return value if math.isfinite(value) else repr(float(value))
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        kind: Any = type(value)
        return {name: _plain(getattr(value, name)) for name in _names(kind)}
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be kept in a journal; use plain data")


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


@cache
def _reader(hint: Any) -> Callable[[Any], Any]:
    """What turns plain JSON into a value of this type."""
    if is_dataclass(hint) and isinstance(hint, type):
        return _record_reader(hint)
    inner = [part for part in get_args(hint) if part is not type(None)]
    if get_origin(hint) is tuple:
        return _tuple_reader(inner)
    if hint is float:
        return _read_float
    if len(inner) == 1 and len(get_args(hint)) == 2:
        read = _reader(inner[0])
        return lambda value: None if value is None else read(value)
    return _read_scalar


def _tuple_reader(parts: list[Any]) -> Callable[[Any], Any]:
    if len(parts) == 2 and parts[1] is Ellipsis:
        each = _reader(parts[0])
        return lambda values: tuple([each(value) for value in _list(values)])
    readers = [_reader(part) for part in parts]
    return lambda values: tuple([read(value) for read, value in zip(readers, _list(values), strict=True)])


def _record_reader(kind: type) -> Callable[[Any], Any]:
    build = _BUILDERS.get(kind, kind)

    def read(value: Any) -> Any:
        readers, required = _parts_of(kind)
        if unknown := sorted(value.keys() - readers.keys()):
            raise JournalUnavailable(f"a row has unknown fields in {kind.__name__}: {', '.join(unknown)}. {_WAY_OUT}")
        if missing := sorted(required - value.keys()):
            raise ValueError(f"{kind.__name__} lacks {', '.join(missing)}")
        return build(**{name: readers[name](part) for name, part in value.items()})

    return read


@cache
def _parts_of(kind: Any) -> tuple[dict[str, Callable[[Any], Any]], frozenset[str]]:
    """Readers of a record's fields, and the fields without a default. Found at first use: a price holds prices."""
    hints = get_type_hints(kind)
    required = frozenset(field.name for field in fields(kind) if _is_required(field))
    return {name: _reader(hints[name]) for name in _names(kind)}, required


def _is_required(field: "Field[Any]") -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"expected a list, found {value!r}")
    return value


def _read_float(value: Any) -> Any:
    return float(value) if isinstance(value, str) else _read_scalar(value)


def _read_scalar(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"parts"}:
        return "".join(value["parts"])
    if isinstance(value, list | dict):
        raise ValueError(f"expected a plain value, found {value!r}")
    return value
