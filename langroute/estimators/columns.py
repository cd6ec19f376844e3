"""What a learned estimator may know of a step, as named columns: the same for training tables and for live steps.

A table of outcomes that has these columns can be learned from; one that lacks some is read with their defaults. Never
text of a prompt. `row_of` is what a live step says in them.
"""

import math
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from langroute.records import Step

NUMBERS: tuple[str, ...] = (
    "call_index",
    "attempt",
    "retries",
    "invalid_tool_calls",
    "tool_errors",
    "repeated_calls",
    "cycles",
    "self_corrections",
    "schema_failures",
    "empty_ends",
    "context_share",
    "input_tokens",
    "output_cap",
    "prompt_bytes",
    "retrievals",
    "prior_confidence",
    "budget_share",
    "needs_tools",
    "needs_structure",
    "loops",
)
"""Columns of numbers, NaN where unknown. ``budget_share`` is what is left of the budget, in [0, 1]; 1 without one."""

WORDS: tuple[str, ...] = ("kind", "node", "tool_category", "hint", "channel", "domain", "entry")
"""Columns of names, empty where unknown. ``domain`` is what tables of outcomes call ``group``."""

_DEFAULTS = {"context_share": 0.0, "prior_confidence": math.nan, "budget_share": 1.0, "output_cap": 1024.0}
DEFAULTS = MappingProxyType({name: _DEFAULTS.get(name, 0.0) for name in NUMBERS})
"""What a column of numbers is read as where a table lacks it."""


def numbers_of(step: Step) -> list[float]:
    """The numbers of a step, in the order of `NUMBERS`."""
    pressure, features = step.pressure, step.features
    confidence = features.prior_confidence
    return [
        step.call_index,
        step.attempt,
        pressure.retries,
        pressure.invalid_tool_calls,
        pressure.tool_errors,
        pressure.repeated_calls,
        pressure.cycles,
        pressure.self_corrections,
        pressure.schema_failures,
        pressure.empty_ends,
        pressure.context_share,
        step.input_tokens,
        step.output_cap,
        features.prompt_bytes,
        features.retrievals,
        math.nan if confidence is None else confidence,
        budget_share(step),
        step.needs_tools,
        step.needs_structure,
        step.loops,
    ]


def budget_share(step: Step) -> float:
    """What this step may still spend, as a share of all it could have; 1 without a limit."""
    view = step.budget
    if not view.limit_nano or view.available_nano is None:
        return 1.0
    return view.available_nano / max(1, view.available_nano + view.spent_nano + view.held_nano)


_WORDS_OF: tuple[Callable[[Step], str], ...] = (
    lambda step: step.kind,
    lambda step: step.node,
    lambda step: step.features.tool_category,
    lambda step: step.features.hint,
    lambda step: step.features.channel,
    lambda step: step.features.domain,
    lambda step: step.features.entry,
)


def words_of(step: Step) -> list[str]:
    """The names of a step, in the order of `WORDS`."""
    return [word(step) for word in _WORDS_OF]


def row_of(step: Step) -> dict[str, Any]:
    """A step as a row of a table of outcomes: all `NUMBERS` and `WORDS`."""
    return {
        **dict(zip(NUMBERS, map(float, numbers_of(step)), strict=True)),
        **dict(zip(WORDS, words_of(step), strict=True)),
    }
