"""The table of outcomes: its columns, what each means, and the check that every table goes through.

One row is one attempt, at a task or at a step of an episode. ``task``, ``arm`` (or ``model``) and ``success`` must be
there; everything else may be missing and then has its default. Columns that are not named here are kept as they are.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid
from langroute.estimators.columns import DEFAULTS, NUMBERS, WORDS

Columns = dict[str, NDArray[Any]]
"""A table: arrays of one length by name. Text is an array of ``str`` objects, numbers are float64 with NaN where
unknown, whole numbers int64, a vector is (rows, length)."""

Form = Literal["text", "name", "share", "number", "whole", "vector"]
"""What a column holds: any text, text that is not empty, a number in [0, 1], a number, a 64-bit integer, numbers."""

Level = Literal["step", "episode"]
SuccessSource = Literal["success", "human", "verifier", "validity"]
Credit = Literal["own", "episode"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the table of outcomes.

    Attributes:
        name: as it stands in files.
        form: what it holds.
        meaning: what it says, with its unit.
        default: what a row without it is read as; NaN and empty text are "unknown".
        required: whether every table must have it, with a value in every row.
        words: the only texts it may hold besides an empty one; empty when free.
    """

    name: str
    form: Form
    meaning: str
    default: Any = math.nan
    required: bool = False
    words: tuple[str, ...] = ()


def _text(name: str, meaning: str, *, words: tuple[str, ...] = ()) -> Column:
    return Column(name=name, form="text", meaning=meaning, default="", words=words)


def _number(name: str, meaning: str, *, form: Form = "number", default: float = math.nan) -> Column:
    return Column(name=name, form=form, meaning=meaning, default=default)


_OF_OUTCOMES = (
    Column(name="task", form="name", meaning="what was attempted; in a journal's table the episode", required=True),
    Column(name="arm", form="name", meaning="who attempted it; a file may say `model` instead", required=True),
    Column(name="success", form="share", meaning="how well it went, in [0, 1]", required=True),
    _number("cost_usd", "dollars it cost; NaN where unknown"),
    Column(name="cost_nano", form="whole", meaning="the same in nano-dollars, where a file has that", default=0),
    _number("charged_usd", "dollars booked beside the calls of an episode, for tools and the like"),
    _text("dataset", "where the row comes from"),
    _text("group", "what the task belongs to: a subject, a service, a domain"),
    Column(name="run", form="whole", meaning="which attempt of this arm at this task", default=0),
    _text("text", "what was asked; usually in a file of tasks beside the outcomes"),
    _number("output_tokens", "output tokens that were billed, reasoning included"),
    _number("used_input_tokens", "input tokens that were billed, where `input_tokens` is what was expected before"),
    _number("cache_read_tokens", "part of the billed input that was read from the prompt cache"),
    _number("cache_write_tokens", "part of the billed input that was written to it"),
    _number("reasoning_tokens", "part of the output spent on reasoning"),
    _number("steps", "model calls of the attempt"),
    _number("latency_ms", "milliseconds from sending to the last token"),
)

_OF_STEPS = (
    _text("level", "what `success` speaks of; empty: the attempt at the task", words=get_args(Level)),
    _text("success_source", "who said so", words=get_args(SuccessSource)),
    _text("credit", "`own`: said of this row; `episode`: the episode's, handed to its steps", words=get_args(Credit)),
    _text("episode", "id of the episode the step belongs to"),
    _text("step_id", "id of the step's record in the journal, or of the span it was read from"),
    _number("at", "epoch seconds of the decision"),
    _number("propensity", "probability with which the policy chose this arm here, in (0, 1]", form="share"),
    _number("accepted", "1 if the answer was passed on, 0 if it was rejected", form="share"),
    _number("confidence", "geometric mean of the output tokens' probabilities, in (0, 1]", form="share"),
    _text("defects", "what was found wrong with the answer, parted by '; '"),
    _text("error", "class name of the error that ended the call"),
    _text("policy", "name and version of the policy that chose"),
    _text("model", "the provider's name for the model"),
    _text("provider", "the provider's id"),
    Column(name="encoded", form="vector", meaning="what the encoder at the door made of what was asked", default=()),
)

_NUMBER_MEANINGS = MappingProxyType(
    {
        "call_index": "how many steps of the episode came before",
        "attempt": "how often this step was decided before",
        "context_share": "expected input over the largest window of the pool, in [0, 1]",
        "input_tokens": "input tokens expected before the call; of an attempt at a task, those that were billed",
        "output_cap": "most output tokens the step may ask for",
        "prompt_bytes": "UTF-8 bytes of all that is sent",
        "retrievals": "retrieved documents and search results in the turn",
        "prior_confidence": "confidence of the step before this one",
        "budget_share": "what is left of the budget, in [0, 1]; 1 without one",
        "needs_tools": "1 if tools are bound to the call",
        "needs_structure": "1 if a schema is bound to it",
        "loops": "1 if it is a round of an agent's loop",
    }
)
_WORD_MEANINGS = MappingProxyType(
    {
        "kind": "control, execution, verification or presentation",
        "node": "graph node the call is made in",
        "tool_category": "what the tools bound to the call are for",
        "hint": "what the caller says the task is",
        "channel": "where the request comes from",
        "domain": "the subject; read from `group` where a file lacks it",
        "entry": "entry rule that the call matched",
    }
)
_PRESSURE = "trouble so far in the episode; see the page on pressure"

COLUMNS: Mapping[str, Column] = MappingProxyType(
    {
        column.name: column
        for column in (
            *_OF_OUTCOMES,
            *_OF_STEPS,
            *[_number(name, _NUMBER_MEANINGS.get(name, _PRESSURE), default=DEFAULTS[name]) for name in NUMBERS],
            *[_text(name, _WORD_MEANINGS[name]) for name in WORDS],
        )
    }
)
"""Every column by name, in the order files have them."""


def checked(columns: Mapping[str, Sequence[Any] | NDArray[Any]], *, first_row: int = 0) -> Columns:
    """A table in its forms, from columns as they stand in a file.

    Args:
        columns: values by column, all of one length; None is unknown. Columns that `COLUMNS` does not name are kept.
        first_row: number of the first row in the file, for messages.

    Raises:
        OutcomesInvalid: a required column is missing, a column has another length, or a value is not what its column
            holds; names the column and the row (counted from 0).
    """
    named = dict(columns)
    if "arm" not in named and "model" in named:
        named["arm"] = named["model"]
    for column in COLUMNS.values():
        if column.required and column.name not in named:
            raise _missing(column.name, columns)
    size = len(named["task"])
    found: Columns = {}
    for name in [*[known for known in COLUMNS if known in named], *[free for free in named if free not in COLUMNS]]:
        if len(named[name]) != size:
            raise OutcomesInvalid(f"has {len(named[name])} rows where task has {size}", field=name)
        found[name] = _formed(name, named[name], first_row)
    return found


def column_of(columns: Columns, name: str) -> NDArray[Any]:
    """A column of a table, or its default in every row where the table lacks it; ``group`` serves as ``domain``.

    Raises:
        OutcomesInvalid: there is neither such a column nor a default for it.
    """
    if name in columns:
        return columns[name]
    if name == "domain" and "group" in columns:
        return columns["group"]
    size = len(columns["task"]) if "task" in columns else 0
    known = COLUMNS.get(name)
    if known is None or known.required:
        raise _missing(name, columns)
    if known.form == "vector":
        return np.empty((size, 0))
    kinds: dict[Form, Any] = {"text": object, "whole": np.int64}
    return np.full(size, known.default, dtype=kinds.get(known.form, np.float64))


def _missing(name: str, columns: Mapping[str, Any]) -> OutcomesInvalid:
    told = "arm or model" if name == "arm" else name
    return OutcomesInvalid(f"is missing; the columns are {', '.join(map(str, columns)) or 'none'}", field=told)


def _formed(name: str, values: Sequence[Any] | NDArray[Any], first_row: int) -> NDArray[Any]:
    column = COLUMNS.get(name)
    if column is None:
        return _free(values)
    if column.form in ("text", "name"):
        return _texts(column, values, first_row)
    if column.form == "vector":
        return _vectors(column, values, first_row)
    if column.form == "whole":
        return _wholes(column, values, first_row)
    return _numbers(column, values, first_row)


def _free(values: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
    """A column nobody described: numbers where all are, else objects as they came."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values
    if all(value is None or isinstance(value, int | float) for value in values):
        return np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    kept = np.empty(len(values), dtype=object)
    kept[:] = list(values)
    return kept


def _texts(column: Column, values: Sequence[Any] | NDArray[Any], first_row: int) -> NDArray[Any]:
    found = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        text = "" if value is None else value
        if not isinstance(text, str):
            raise _bad(column, first_row + row, value, "text")
        if not text and column.required:
            raise _bad(column, first_row + row, value, "a non-empty text")
        if text and column.words and text not in column.words:
            raise _bad(column, first_row + row, value, f"one of {', '.join(column.words)}")
        found[row] = str(text)
    return found


def _numbers(column: Column, values: Sequence[Any] | NDArray[Any], first_row: int) -> NDArray[np.float64]:
    expected = "a number in [0, 1]" if column.form == "share" else "a finite number"
    if not (isinstance(values, np.ndarray) and values.dtype.kind in "fiub"):
        values = [math.nan if value is None else value for value in values]
        for row, value in enumerate(values):
            if not isinstance(value, int | float | np.number | np.bool_):
                raise _bad(column, first_row + row, value, expected)
    found = np.asarray(values, dtype=np.float64)
    bad = np.isinf(found)
    if column.form == "share":
        bad = (found < 0) | (found > 1)
    if column.required:
        bad |= np.isnan(found)
    if bad.any():
        row = int(bad.argmax())
        raise _bad(column, first_row + row, values[row], expected)
    return found


def _wholes(column: Column, values: Sequence[Any] | NDArray[Any], first_row: int) -> NDArray[np.int64]:
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        return values.astype(np.int64)
    found = np.empty(len(values), dtype=np.int64)
    for row, value in enumerate(values):
        # A file's integers with gaps come as floats.
        unknown = value is None or (isinstance(value, float) and math.isnan(value))
        if unknown and column.name == "cost_nano":
            raise _bad(column, first_row + row, value, "a whole number; write cost_usd where some costs are unknown")
        whole = column.default if unknown else value
        if isinstance(whole, bool) or not isinstance(whole, int | float | np.number) or int(whole) != whole:
            raise _bad(column, first_row + row, value, "a whole number")
        if abs(int(whole)) >= 2**63:
            raise _bad(column, first_row + row, value, "a whole number of 64 bits")
        found[row] = int(whole)
    return found


def _vectors(column: Column, values: Sequence[Any] | NDArray[Any], first_row: int) -> NDArray[np.float64]:
    if isinstance(values, np.ndarray) and values.ndim == 2:
        return values.astype(np.float64)
    rows = [() if value is None else value for value in values]
    length = max((len(row) for row in rows), default=0)
    found = np.full((len(rows), length), math.nan)
    for row, vector in enumerate(rows):
        if not len(vector):
            continue
        try:
            numbers = np.asarray(vector, dtype=np.float64)
            if numbers.shape != (length,):
                raise ValueError(numbers.shape)  # it would be spread over the row
            found[row] = numbers
        except (TypeError, ValueError) as exc:
            expected = f"{length} numbers, as in other rows; vectors of different encoders cannot stand in one table"
            raise _bad(column, first_row + row, vector, expected) from exc
    return found


def _bad(column: Column, row: int, value: Any, expected: str) -> OutcomesInvalid:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return OutcomesInvalid(
        f"row {row} must hold {expected}, not {shown}; mend the row or leave it out", field=column.name
    )
