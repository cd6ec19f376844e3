"""What OpenAI asks of schemas that it is to keep to strictly, and of the names beside them.

The rules are those of developers.openai.com/api/docs/guides/structured-outputs; the words those of the refusals that
users reported, as in github.com/moeru-ai/xsai/issues/202.
"""

import re
from collections.abc import Iterator
from typing import Any

from langroute.lab.refusals import ApiError, Json, missing, wrong_type

_NAME = re.compile(r"[a-zA-Z0-9_-]+$")
_UNSUPPORTED = ("allOf", "not", "dependentRequired", "dependentSchemas", "if", "then", "else", "patternProperties")
REASONING = re.compile(r"(o\d|gpt-[5-9](?!.*chat))")
"""Names of models that reason: they take no temperature, no stop texts and no `max_tokens`."""


def check_strict(schema: Any, *, told: str, param: str, code: str) -> None:
    """Refuse a schema that cannot be kept to strictly.

    Args:
        schema: the JSON schema.
        told: what it belongs to, for the message: ``function 'add'`` or ``response_format 'answer'``.
        param: where it stands in the request.
        code: the code of the refusal.

    Raises:
        ApiError: the first thing that is wrong with it.
    """
    if not isinstance(schema, dict):
        raise wrong_type(param, "an object", schema)
    if schema.get("type") != "object":
        shown = f'"{schema["type"]}"' if schema.get("type") else "None"
        raise ApiError(
            f"Invalid schema for {told}: schema must be a JSON Schema of 'type: \"object\"', got 'type: {shown}'.",
            param=param,
            code=code,
        )
    for place, part in _places(schema, ()):
        wrong = _wrong(part)
        if wrong:
            raise ApiError(f"Invalid schema for {told}: In context={place!r}, {wrong}", param=param, code=code)


def check_name(name: Any, param: str) -> None:
    """Refuse a name that is missing, too long or has other characters than letters, digits, ``_`` and ``-``."""
    if not name:
        raise missing(param)
    if not isinstance(name, str):
        raise wrong_type(param, "a string", name)
    if not _NAME.match(name):
        raise ApiError(
            f"Invalid '{param}': string does not match pattern. Expected a string that matches the pattern "
            "'^[a-zA-Z0-9_-]+$'.",
            param=param,
            code="invalid_value",
        )
    check_length(name, 64, param)


def check_length(text: str, most: int, param: str) -> None:
    """Refuse a text that is too long (github.com/camel-ai/camel/issues/2215)."""
    if len(text) > most:
        raise ApiError(
            f"Invalid '{param}': string too long. Expected a string with maximum length {most}, but got a string with "
            f"length {len(text)} instead.",
            param=param,
            code="string_above_max_length",
        )


def _wrong(part: Json) -> str:
    kinds = part.get("type")
    if kinds == "object" or (isinstance(kinds, list) and "object" in kinds):
        if part.get("additionalProperties") is not False:
            return "'additionalProperties' is required to be supplied and to be false."
        absent = [name for name in part.get("properties") or {} if name not in (part.get("required") or ())]
        if absent:
            return (
                "'required' is required to be supplied and to be an array including every key in properties. "
                f"Missing '{absent[0]}'."
            )
    found = next((name for name in _UNSUPPORTED if name in part), None)
    return f"'{found}' is not permitted." if found else ""


def _places(schema: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Json]]:
    if not isinstance(schema, dict):
        return
    yield place, schema
    for key in ("properties", "$defs", "definitions"):
        for name, part in (schema.get(key) or {}).items():
            yield from _places(part, (*place, key, name))
    if isinstance(schema.get("items"), dict):
        yield from _places(schema["items"], (*place, "items"))
    for number, part in enumerate(schema.get("anyOf") or ()):
        yield from _places(part, (*place, "anyOf", str(number)))
