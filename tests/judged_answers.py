"""Steps and tables of answers whose truth is known, for the tests of acceptance rules."""

from typing import Any

import numpy as np

from langroute.records import BudgetView, Step


def a_step(**changes: Any) -> Step:
    """A control step of an unlimited episode, in no trouble."""
    fields: dict[str, Any] = {
        "episode": "e",
        "call_index": 0,
        "kind": "control",
        "input_tokens": 500,
        "input_bound": 800,
        "output_cap": 1000,
        "budget": BudgetView(scope="episode:e"),
    }
    return Step(**{**fields, **changes})


def outcome_table(
    tasks: int,
    *,
    seed: int,
    wrong: float = 0.3,
    kinds: tuple[str, ...] = ("control",),
    arms: tuple[str, ...] = ("small", "large"),
    runs: int = 1,
) -> dict[str, list[Any]]:
    """A table of outcomes: answers of every arm, the last of which is nearly always right.

    A wrong answer tends to have a lower confidence, and the runs of one task share their fate: a task that is hard is
    hard in every run, and what is written of it looks the same.
    """
    draws = np.random.default_rng(seed)
    columns: dict[str, list[Any]] = {
        name: []
        for name in (
            "task",
            "arm",
            "kind",
            "success",
            "credit",
            "confidence",
            "uncertainty",
            "output_tokens",
            "cost_usd",
        )
    }
    for task in range(tasks):
        for kind in kinds:
            for place, arm in enumerate(arms):
                share = 0.02 if place == len(arms) - 1 else wrong / (place + 1)
                failed = bool(draws.random() < share)
                certainty = float(draws.beta(2, 3) if failed else draws.beta(7, 1.5))
                for _ in range(runs):
                    row = (f"t{task}", arm, kind, 1.0 - failed, "own", certainty, 1 - certainty, 20, 10.0**place * 1e-5)
                    for name, value in zip(columns, row, strict=True):
                        columns[name].append(value)
    return columns
