"""Frozen records that are made fast: a step makes some forty of them, and their constructors were a fifth of its time.

A frozen dataclass may not assign its own fields, so its constructor goes through ``object.__setattr__``, field by
field, at seven times the price of an assignment. Here the constructor works on an unlocked twin of the class, with the
same fields and no lock, and turns the instance into the frozen class when it is done.
"""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

Record = TypeVar("Record")


def quick(cls: type[Record]) -> type[Record]:
    """Give a frozen, keyword-only dataclass a fast constructor; nothing else about it changes.

    Use it above ``@dataclass(frozen=True, slots=True, kw_only=True)``, on classes without ``__post_init__`` and bases.

    Raises:
        TypeError: the class is something else than that.
    """
    described: Any = cls
    odd = [item.name for item in fields(described) if not (item.init and item.kw_only)]
    if odd or cls.__bases__ != (object,) or hasattr(cls, "__post_init__") or not described.__dataclass_params__.frozen:
        raise TypeError(f"{cls.__name__} must be a frozen, keyword-only dataclass without bases and __post_init__")
    twin = type(f"Unlocked{cls.__name__}", (), {"__slots__": described.__slots__} if "__slots__" in vars(cls) else {})
    written = _constructor(cls, twin, usual=described.__init__)
    written.__qualname__, written.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    written.__annotations__ = dict(described.__init__.__annotations__)
    shown = inspect.signature(described.__init__)
    described.__init__ = written
    described.__init__.__signature__ = shown
    return cls


def changed(record: Record, /, **changes: Any) -> Record:
    """A copy of a quick record with some fields changed; as ``dataclasses.replace``, at half its time.

    Raises:
        TypeError: a field that the record does not have.
    """
    cls: Any = type(record)
    names, values = _reader(cls)
    made: Record = cls(**{**dict(zip(names, values(record), strict=False)), **changes})
    return made


def maker(cls: type[Record]) -> Callable[..., Record]:
    """A function that makes a quick record from the values of all its fields, in their order, at a third of the price.

    For the few places that make so many that calling by keyword is what takes the time.
    """
    described: Any = cls
    names = [item.name for item in fields(described)]
    twin = type(f"Unlocked{cls.__name__}", (), {"__slots__": described.__slots__} if "__slots__" in vars(cls) else {})
    lines = ["self = _twin()", *[f"self.{name} = {name}" for name in names], "self.__class__ = _cls", "return self"]
    scope: dict[str, Any] = {"_twin": twin, "_cls": cls}
    source = f"def make({', '.join(names)}):\n    " + "\n    ".join(lines)
    exec(source, scope)  # noqa: S102 - names of fields only, as above
    made: Callable[..., Record] = scope["make"]
    return made


@cache
def _reader(cls: Any) -> tuple[tuple[str, ...], "attrgetter[tuple[Any, ...]]"]:
    names = tuple([item.name for item in fields(cls)])
    return names, attrgetter(*names, "__class__")  # one more than the fields: a tuple also where there is only one


def _constructor(cls: type, twin: type, *, usual: Callable[..., None]) -> Callable[..., None]:
    """The constructor as a person would write it, one assignment a field; a subclass is made in the usual way."""
    names: dict[str, Any] = {"_unlock": object.__setattr__, "_twin": twin, "_cls": cls, "_missing": MISSING}
    names["_usual"] = usual
    taken, lines = [], ["_unlock(self, '__class__', _twin)"]
    for item in fields(cls):
        name, value = item.name, item.name
        if item.default is not MISSING:
            names[f"_default_{name}"] = item.default
            taken.append(f"{name}=_default_{name}")
        elif item.default_factory is not MISSING:
            names[f"_make_{name}"] = item.default_factory
            taken.append(f"{name}=_missing")
            value = f"_make_{name}() if {name} is _missing else {name}"
        else:
            taken.append(name)
        lines.append(f"self.{name} = {value}")
    lines.append("self.__class__ = _cls")
    given = ", ".join(f"{item.name}={item.name}" for item in fields(cls) if item.default_factory is MISSING)
    made = [item.name for item in fields(cls) if item.default_factory is not MISSING]
    rest = "".join(f", **({{}} if {name} is _missing else {{'{name}': {name}}})" for name in made)
    lines.insert(0, f"if self.__class__ is not _cls: return _usual(self, {given}{rest})")
    source = f"def __init__(self, *, {', '.join(taken)}):\n    " + "\n    ".join(lines)
    exec(source, names)  # noqa: S102 - names of fields only, as dataclasses does itself
    written: Callable[..., None] = names["__init__"]
    return written
