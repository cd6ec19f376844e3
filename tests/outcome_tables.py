"""Small tables of outcomes with a known truth, for tests of what is learned."""

from typing import Any

import numpy as np

KINDS = ("control", "execution", "verification", "presentation")
ARMS = ("nano", "mini", "large")


def step_columns(rows: int = 600, *, seed: int = 0) -> dict[str, Any]:
    """Steps of episodes of six: the dearer arm is better at control, and equal elsewhere; retries harm all."""
    random = np.random.default_rng(seed)
    arm, kind = random.integers(3, size=rows), random.integers(4, size=rows)
    retries = random.poisson(0.4, rows)
    margin = np.where(kind == 0, -2.0 + 2.0 * arm, 1.5) - 0.8 * retries
    tokens = np.rint(random.gamma(4, 30, rows) * (1 + kind)) + 1
    gaps, confidence = random.random(rows) < 0.3, random.random(rows)
    return {
        "task": [f"episode-{at // 6}" for at in range(rows)],
        "arm": [ARMS[at] for at in arm],
        "success": (random.random(rows) < 1 / (1 + np.exp(-margin))).astype(float).tolist(),
        "cost_usd": (tokens * 1e-6 * 10.0**arm).tolist(),
        "output_tokens": tokens.tolist(),
        "kind": [KINDS[at] for at in kind],
        "retries": retries.astype(float).tolist(),
        "input_tokens": np.rint(np.exp(random.normal(7, 1, rows))).tolist(),
        "prior_confidence": [None if gap else value for gap, value in zip(gaps, confidence, strict=True)],
        "credit": ["own" if own else "episode" for own in random.random(rows) < 0.5],
    }
