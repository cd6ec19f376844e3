"""Which signals tell right replies from wrong ones, by step and model: ``python -m langroute.lab.signals``."""

import math
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from langroute.lab.engine import MODEL_NAMES, Completion, LabModel
from langroute.lab.probes import auroc, graded_replies
from langroute.lab.world import sample_task

FIRST_SEED = 3_000_000_000
"""Tasks measured start at this seed; training, the ladder and the demo have others."""


def _entropy(reply: Completion) -> float:
    """Entropy in nats of the first token's alternatives, what they leave out aside."""
    if not reply.tokens:
        return 0.0
    chances = [math.exp(logprob) for _, logprob in reply.tokens[0].top]
    return -sum(chance / sum(chances) * math.log(max(chance / sum(chances), 1e-30)) for chance in chances)


SIGNALS: Mapping[str, Callable[[Completion], float]] = {
    "geometric mean": lambda reply: reply.mean_logprob,
    "1 - u": lambda reply: fmean([math.exp(token.logprob) for token in reply.tokens] or [1.0]),
    "whole reply": lambda reply: reply.mean_logprob * len(reply.tokens),
    "first token": lambda reply: -_entropy(reply),
}
"""Each signal, higher where a reply is surer."""


def measure_signals(model: LabModel, *, tasks: int, seed: int = FIRST_SEED) -> dict[str, dict[str, float | None]]:
    """By step: the share of right replies, and the AUROC of each signal; None where all are right, or all wrong.

    Every step is asked by itself, all before it being right; half the claims to check are wrong.
    """
    drawn = [sample_task(seed + index) for index in range(tasks)]
    graded = graded_replies(model, drawn, random.Random(7))  # noqa: S311 - a reproducible draw
    return {step: {"right": fmean(right), **_aurocs(replies, right)} for step, (replies, right) in graded.items()}


def _aurocs(replies: Sequence[Completion], right: Sequence[bool]) -> dict[str, float | None]:
    return {name: auroc([signal(reply) for reply in replies], right) for name, signal in SIGNALS.items()}


def main(tasks: int = 2_000) -> None:
    """Print one line for each model and step."""
    for name in MODEL_NAMES:
        for step, found in measure_signals(LabModel.load(name), tasks=tasks).items():
            told = ", ".join(
                f"{what} {'-' if value is None else format(value, '.3f')}" for what, value in found.items()
            )
            print(f"{name} {step}: {told}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
