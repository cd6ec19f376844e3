"""What other programs recorded, as a table of outcomes: rows in JSON Lines, or OpenTelemetry spans.

Imported calls become rows of a table and no records of the journal: a record holds the estimates and the ruling that
its decision was made from, so that it replays byte for byte, and none of that ever existed here.
"""

import math
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from langroute.errors import OutcomesInvalid
from langroute.estimators.columns import NUMBERS, WORDS
from langroute.journal.importers.genai import By, Traces
from langroute.journal.importers.spans import is_trace, spans_of
from langroute.learning.credit import credit_of
from langroute.learning.export import write_rows
from langroute.learning.journal_rows import UNKNOWN_SUCCESS, Row, Tally
from langroute.learning.json_lines import read_lines
from langroute.learning.schema import COLUMNS
from langroute.learning.traced_rows import Reading, traced_rows
from langroute.money import NANO_PER_DOLLAR
from langroute.records import Usage

_TOLD = frozenset({"call_index", "tool_errors", "repeated_calls", "input_tokens", "output_cap", "needs_tools", "node"})
_UNTOLD = (
    *NUMBERS,
    *WORDS,
    "text",
    "dataset",
    "cost_nano",
    "charged_usd",
    "encoded",
    "defects",
    "policy",
    "propensity",
)
_OF_TRACES = tuple(name for name in COLUMNS if name in _TOLD or name not in _UNTOLD)
_OF_ROWS = tuple(name for name in COLUMNS if name != "cost_nano")


def import_file(
    path: str | Path, out: str | Path, *, reading: Reading | None = None, by: By = "trace", evaluation: str = ""
) -> Tally:
    """Read what another program recorded and write it as a table of outcomes; says what became of each call.

    The file holds spans (see `langroute.journal.importers.spans`) or rows: JSON Lines in the columns of the schema,
    in which ``success`` may be missing where it is known from elsewhere, and ``cost_usd`` where ``model`` and tokens
    are there to price it. Rows are read as a stream; spans are gathered first, since a trace may be spread over a file.

    Args:
        path: a file of JSON objects, one a line.
        out: a ``.parquet`` or ``.jsonl`` file; one that is there is replaced. Without a row no file is made.
        reading: how calls are read.
        by: what an episode is, in spans.
        evaluation: which evaluation (``gen_ai.evaluation.name``) says how things went, in spans; empty takes the only
            one there is.

    Raises:
        ConfigError: a file cannot be read or written, or an evaluation has to be chosen.
        OutcomesInvalid: an object of the file is neither a row nor a span, or a value is not what it has to be.
    """
    reading, tally = reading or Reading(), Tally()
    lines = read_lines(Path(path))
    first = next(lines, None)
    if first is None:
        raise OutcomesInvalid(f"{path} holds nothing; expected are JSON objects, one a line")
    objects = chain([first], lines)
    if is_trace(first):
        traces = Traces(by=by, evaluation=evaluation)
        episodes = traces.episodes(spans_of(objects))
        rows = chain.from_iterable(traced_rows(episode, reading, tally) for episode in episodes)
        write_rows(out, rows, columns=_OF_TRACES)
        tally.left_out.update({reason: count for reason, count in traces.passed_over.items() if count})
    else:
        write_rows(out, _rows(objects, reading, tally), columns=_OF_ROWS)
    return tally


def _rows(lines: Iterator[dict[str, Any]], reading: Reading, tally: Tally) -> Iterator[Row]:
    """The rows of a file, what is missing filled in; those whose success is not known are left out."""
    last = None
    for line in lines:
        row = _filled(line, reading)
        if row["success"] is None:
            tally.left_out[UNKNOWN_SUCCESS] += 1
            continue
        if is_unpriced(row["cost_usd"]):
            tally.unpriced[str(row.get("model") or row["arm"])] += 1
        tally.rows["as the file has them" if line.get("success") is not None else "with success from elsewhere"] += 1
        tally.left_out.update(
            f"cells of the column {name!r}, which no table has" for name in row.keys() - COLUMNS.keys()
        )
        tally.episodes += row["task"] != last  # rows of an episode stand together in what programs write
        last = row["task"]
        yield row


def is_unpriced(dollars: object) -> bool:
    """Whether a cost is not known."""
    return isinstance(dollars, float) and math.isnan(dollars)


def _filled(line: Mapping[str, Any], reading: Reading) -> Row:
    row = dict(line)
    task = str(row.setdefault("task", row.get("episode")))
    model = str(row.get("model") or row.get("arm") or "")
    if row.get("arm") is None:
        row["arm"] = reading.arms.get(model, model)
    if row.get("success") is None:
        index, accepted = row.get("call_index"), row.get("accepted") in (None, 1, True)
        credited = credit_of(
            own=reading.verdicts.steps.get((task, index)) if isinstance(index, int) else None,
            episode=reading.verdicts.episodes.get(task),
            accepted=accepted,
            flawed=bool(row.get("defects")),
            quality=reading.quality,
        )
        row |= {"success": None} if credited is None else credited.cells()
    nano = row.pop("cost_nano", None)
    if row.get("cost_usd") is None and isinstance(nano, int):
        row["cost_usd"] = nano / NANO_PER_DOLLAR
    elif row.get("cost_usd") is None:
        row["cost_usd"] = reading.prices.dollars(model, str(row.get("provider") or ""), _usage(row))
    return row


def _usage(row: Mapping[str, Any]) -> Usage | None:
    """The tokens a row was billed; None where it does not say, or says no numbers."""
    names = ("used_input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
    found = {name: row.get(name) for name in names}
    if found["used_input_tokens"] is None:
        found["used_input_tokens"] = row.get("input_tokens")
    if not all(isinstance(found[name], int | float) for name in names[:2]):
        return None
    counts = {name: int(number) if isinstance(number, int | float) else 0 for name, number in found.items()}
    return Usage(
        input_tokens=counts["used_input_tokens"],
        output_tokens=counts["output_tokens"],
        cache_read_tokens=counts["cache_read_tokens"],
        cache_write_tokens=counts["cache_write_tokens"],
        reasoning_tokens=counts["reasoning_tokens"],
    )
