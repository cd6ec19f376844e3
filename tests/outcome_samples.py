"""Tables of outcomes for tests of learning: three arms on tasks whose text says which of them can do it."""

from typing import Any

import numpy as np

WORDS_OF = {"easy": "sum of two small numbers", "hard": "prove that the theorem holds for manifolds"}
COST = {"small": 1_000, "medium": 20_000, "large": 400_000}
SKILL = {"small": (0.95, 0.1), "medium": (0.95, 0.45), "large": (0.96, 0.9)}


def full_table(tasks: int = 120, *, seed: int = 0) -> dict[str, list[Any]]:
    """Every arm on every task; half of the tasks are hard, and cost twice as much."""
    random = np.random.default_rng(seed)
    columns: dict[str, list[Any]] = {
        name: [] for name in ("task", "group", "arm", "success", "cost_nano", "output_tokens", "text")
    }
    for number in range(tasks):
        hard = number % 2
        name = "hard" if hard else "easy"
        for arm, cost in COST.items():
            columns["task"].append(f"t{number:04d}")
            columns["group"].append(name)
            columns["arm"].append(arm)
            columns["success"].append(float(random.random() < SKILL[arm][hard]))
            columns["cost_nano"].append(cost * (1 + hard))
            columns["output_tokens"].append(100 * (1 + hard))
            columns["text"].append(f"{WORDS_OF[name]} {number}")
    return columns


def journal_table(tasks: int = 200, *, seed: int = 0) -> dict[str, list[Any]]:
    """One arm for each step, as a journal has it; steps differ by kind and by retries."""
    random = np.random.default_rng(seed)
    whole = full_table(tasks, seed=seed)
    kept = [3 * number + int(random.integers(3)) for number in range(tasks)]
    columns = {name: [values[row] for row in kept] for name, values in whole.items()}
    columns["kind"] = ["control" if group == "hard" else "execution" for group in columns["group"]]
    columns["retries"] = [float(random.integers(3)) for _ in kept]
    columns["prior_confidence"] = [float("nan") if number % 3 else 0.5 for number in range(len(kept))]
    return columns
