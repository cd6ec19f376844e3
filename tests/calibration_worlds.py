"""Pools of answers and of paired episodes whose risks are known, to split again and again."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RESPLITS = 1_000
SIZES = (100, 250, 500)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Shape (n,) each: the score of a cheap answer, and whether it is wrong."""

    scores: Floats
    wrong: NDArray[np.bool_]

    def part(self, rows: NDArray[np.intp]) -> "Answers":
        return Answers(scores=self.scores[rows], wrong=self.wrong[rows])


@dataclass(frozen=True, kw_only=True)
class Episodes:
    """Lambdas (m,), success of the router per episode and lambda (n, m), and of always-strong (n,)."""

    lambdas: Floats
    routed: Floats
    strong: Floats

    def part(self, rows: NDArray[np.intp]) -> "Episodes":
        return Episodes(lambdas=self.lambdas, routed=self.routed[rows], strong=self.strong[rows])

    def losses(self) -> Floats:
        """Summed loss of success per lambda."""
        found: Floats = self.strong.sum() - self.routed.sum(axis=0)
        return found


def answers(*, count: int = 8_000, wrong: float = 0.3, seed: int = 1) -> Answers:
    """Wrong answers score lower on the whole, right and wrong overlap, and scores lie in (0, 1)."""
    draws = np.random.default_rng(seed)
    failed = draws.random(count) < wrong
    return Answers(scores=draws.beta(np.where(failed, 2.0, 5.0), np.where(failed, 4.0, 2.0)), wrong=failed)


def episodes(*, epsilon: float, count: int = 8_000, seed: int = 2) -> Episodes:
    """Nine lambdas whose losses rise from 0 to three times epsilon; the sixth is just above epsilon.

    Always-strong succeeds in 70% of the tasks. The router loses some of these, and wins half as large a share of the
    others, evenly spread, so that the losses of the whole pool are what they are said to be.
    """
    draws = np.random.default_rng(seed)
    strong = np.arange(count) < 0.7 * count
    won = int(strong.sum())
    turned = np.concatenate([draws.permutation(part) / part for part in (won, count - won)])
    true_losses = epsilon * np.array([0.0, 0.1, 0.3, 0.5, 0.8, 1.06, 1.3, 2.0, 3.0])
    lost = true_losses / (0.7 - 0.3 / 2)
    routed = np.where(strong[:, None], turned[:, None] >= lost, turned[:, None] < lost / 2)
    return Episodes(lambdas=np.arange(9.0), routed=routed.astype(float), strong=strong.astype(float))


def splits(rows: int, n: int, *, seed: int, resplits: int = RESPLITS) -> Iterator[tuple[NDArray[np.intp], ...]]:
    """The n rows to calibrate on and all others, drawn again and again."""
    draws = np.random.default_rng((seed, n))
    for _ in range(resplits):
        chosen = draws.choice(rows, n, replace=False)
        others = np.ones(rows, dtype=bool)
        others[chosen] = False
        yield chosen, np.flatnonzero(others)


def two_errors(values: list[float] | list[bool]) -> float:
    """Two standard errors of a mean."""
    return float(2 * np.std(values, ddof=1) / np.sqrt(len(values)))


def two_errors_at(share: float, count: int = RESPLITS) -> float:
    """Two standard errors of a share of so many draws, were it what it should be."""
    return float(2 * np.sqrt(share * (1 - share) / count))
