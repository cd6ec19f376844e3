"""The smallest value that fits a JSON schema, so that a scripted model can answer any of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = Mapping[str, Any]

_DEEPEST = 12
_FORMATS = {
    "date": "2000-01-01",
    "date-time": "2000-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "PT1S",
    "email": "someone@example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com/",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
}


@dataclass(slots=True, kw_only=True)
class Hints:
    """Values to use where one fits, each once, the first first.

    Attributes:
        numbers: numbers as text.
        texts: texts.
    """

    numbers: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def fitting_value(schema: Schema, hints: Hints | None = None) -> Any:
    """A value that fits a JSON schema: only what is required, the shortest lists, the numbers nearest to the hints.

    Knows references, constants, enumerations, alternatives, bounds, lengths and the usual formats. A ``pattern`` is
    not followed: texts come from the hints or from the property's name.

    Raises:
        ValueError: the schema demands itself without an end.
    """
    return _Fitter(schema, hints or Hints()).value(schema, "value", 0)


class _Fitter:
    def __init__(self, root: Schema, hints: Hints) -> None:
        self._root = root
        self._hints = hints

    def value(self, schema: Any, name: str, depth: int) -> Any:
        """A value for one place of the schema."""
        if depth > _DEEPEST:
            raise ValueError(f"no finite value fits: the schema demands {name!r} inside itself")
        if not isinstance(schema, Mapping):
            return None  # `true` fits everything
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        for key in ("anyOf", "oneOf"):
            if schema.get(key):
                return self._first_that_ends(schema, schema[key], name, depth)
        return self._typed(schema, name, depth)

    def _typed(self, schema: Schema, name: str, depth: int) -> Any:
        kind = _kind(schema)
        if kind == "object":
            properties = schema.get("properties") or {}
            return {key: self.value(properties.get(key, True), key, depth + 1) for key in schema.get("required") or ()}
        if kind == "array":
            return self._array(schema, name, depth)
        if kind in ("integer", "number"):
            return self._number(schema, whole=kind == "integer")
        if kind == "string":
            return self._text(schema, name)
        return True if kind == "boolean" else None

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        places = list(schema.get("prefixItems") or ())
        count = max(len(places), schema.get("minItems", 0))
        places += [schema.get("items", True)] * (count - len(places))
        found = [self.value(place, name, depth + 1) for place in places]
        return _distinct(found) if schema.get("uniqueItems") else found

    def _number(self, schema: Schema, *, whole: bool) -> int | float:
        for place, told in enumerate(self._hints.numbers):
            value = float(told)
            if (not whole or value.is_integer()) and _in_bounds(value, schema):
                del self._hints.numbers[place]
                return int(value) if whole or value.is_integer() else value
        return _least_number(schema, whole=whole)

    def _text(self, schema: Schema, name: str) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        text = self._hints.texts.pop(0) if self._hints.texts else name
        return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]

    def _first_that_ends(self, schema: Schema, options: Any, name: str, depth: int) -> Any:
        beside = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}
        resolved = [{**beside, **self._resolved(option)} for option in options if isinstance(option, Mapping)]
        last: ValueError | None = None
        # Null is the answer of last resort: it fits, and says nothing.
        for option in sorted(resolved, key=lambda each: _kind(each) == "null"):
            try:
                return self.value(option, name, depth + 1)
            except ValueError as exc:
                last = exc
        raise last or ValueError(f"no alternative is given for {name!r}")

    def _resolved(self, schema: Schema) -> Schema:
        """The schema with references followed and everything under ``allOf`` put together."""
        while "$ref" in schema:
            target: Any = self._root
            for part in filter(None, schema["$ref"].removeprefix("#").split("/")):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
        for part in schema.get("allOf") or ():
            both = self._resolved(part)
            merged = {
                "properties": {**(schema.get("properties") or {}), **(both.get("properties") or {})},
                "required": [*(schema.get("required") or ()), *(both.get("required") or ())],
            }
            schema = {**schema, **both, **{key: value for key, value in merged.items() if value}}
        return {key: value for key, value in schema.items() if key != "allOf"}


def _distinct(items: list[Any]) -> list[Any]:
    """Texts and numbers made different from one another by their place; other values as they are."""
    found: list[Any] = []
    for place, item in enumerate(items):
        if isinstance(item, str):
            found.append(f"{item} {place + 1}")
        elif isinstance(item, int | float) and not isinstance(item, bool):
            found.append(item + place)
        else:
            found.append(item)
    return found


def _kind(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        return next((each for each in kind if each != "null"), "null")
    if kind is None:
        return "object" if "properties" in schema else "array" if "items" in schema else "string"
    return str(kind)


def _in_bounds(value: float, schema: Schema) -> bool:
    step = schema.get("multipleOf")
    return (
        value >= schema.get("minimum", -math.inf)
        and value <= schema.get("maximum", math.inf)
        and value > schema.get("exclusiveMinimum", -math.inf)
        and value < schema.get("exclusiveMaximum", math.inf)
        and (step is None or math.isclose(value / step, round(value / step)))
    )


def _least_number(schema: Schema, *, whole: bool) -> int | float:
    """One where it fits, else the number nearest to the lower bound, else to the upper one."""
    step = schema.get("multipleOf", 1)
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    tried: list[float] = [1, 0, step]
    tried += [math.ceil(bound / step) * step for bound in (low,) if bound is not None]
    tried += [math.floor(bound / step) * step for bound in (high,) if bound is not None]
    tried += [(math.floor(bound / step) + 1) * step for bound in (above,) if bound is not None]
    tried += [(math.ceil(bound / step) - 1) * step for bound in (below,) if bound is not None]
    if not whole:
        ends = [bound for bound in (low, above) if bound is not None], [b for b in (high, below) if b is not None]
        tried += [bound for side in ends for bound in side]
        tried += [(max(ends[0]) + min(ends[1])) / 2] if all(ends) else []
    fits = next((value for value in tried if _in_bounds(value, schema)), 1)
    return int(fits) if whole else fits
