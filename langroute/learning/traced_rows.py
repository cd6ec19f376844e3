"""Traced episodes as rows of the table of outcomes."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from langroute.journal.importers.genai import TracedCall, TracedEpisode
from langroute.learning.call_prices import CallPrices
from langroute.learning.credit import Quality, credit_of
from langroute.learning.journal_rows import FAILED, UNKNOWN_SUCCESS, Row, Tally, told
from langroute.learning.verdict_file import Verdicts

NO_MODEL = "calls that name no model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How recorded calls are read.

    Attributes:
        arms: model to the arm it is in your pool; other models are arms of their own name.
        verdicts: how things went, beside what the file itself says.
        quality: what to take for success where nobody said anything.
        prices: what calls cost where the file does not say.
    """

    arms: Mapping[str, str] = field(default_factory=dict)
    verdicts: Verdicts = field(default_factory=Verdicts)
    quality: Quality = "known"
    prices: CallPrices = field(default_factory=CallPrices)


def traced_rows(episode: TracedEpisode, reading: Reading, tally: Tally) -> Iterator[Row]:
    """One row for each call of a traced episode that answered and whose success is known in some way."""
    said = reading.verdicts.episodes.get(episode.id, episode.verdict)
    runs: Counter[str] = Counter()
    for call in episode.calls:
        own = reading.verdicts.steps.get((episode.id, call.call_index), call.verdict)
        credited = credit_of(own=own, episode=said, accepted=True, flawed=False, quality=reading.quality)
        if call.error or not call.model or credited is None:
            tally.left_out[FAILED if call.error else UNKNOWN_SUCCESS if call.model else NO_MODEL] += 1
            continue
        dollars = call.cost_usd
        if dollars is None:
            dollars = reading.prices.dollars(call.model, call.provider, call.usage)
        arm = reading.arms.get(call.model, call.model)
        row = {
            **_cells(call),
            **credited.cells(),
            "task": episode.id,
            "episode": episode.id,
            "arm": arm,
            "run": runs[arm],
            "cost_usd": dollars,
        }
        runs[arm] += 1
        tally.rows[told(credited)] += 1
        tally.unpriced.update([call.model] if math.isnan(dollars) else ())
        yield row
    tally.episodes += bool(runs)


def _cells(call: TracedCall) -> Row:
    """What the trace tells of a call. The tokens it was billed stand for those that were expected before it."""
    usage = call.usage
    billed = math.nan if usage is None else float(usage.input_tokens)
    cells: Row = {
        "step_id": call.span,
        "model": call.model,
        "provider": call.provider,
        "node": call.node,
        "at": call.at,
        "latency_ms": call.latency_ms,
        "steps": 1,
        "accepted": 1.0,
        "call_index": call.call_index,
        "tool_errors": call.tool_errors,
        "repeated_calls": call.repeated_calls,
        "needs_tools": float(call.has_tools),
        "input_tokens": billed,
        "used_input_tokens": billed,
    }
    if usage is not None:
        for name in ("output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"):
            cells[name] = getattr(usage, name)
    if call.output_cap is not None:
        cells["output_cap"] = call.output_cap
    return cells
