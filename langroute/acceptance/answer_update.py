"""AnswerUpdate: what an answer tells beyond what was expected of it before the call."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid
from langroute.parts import Parts

Floats = NDArray[np.float64]

_NARROW = 1e-3
_LEAST_SURPRISE = 1e-2


def log_odds(expected: Floats) -> Floats:
    """Log odds of probabilities, those within a thousandth of 0 or 1 moved there."""
    inside = np.clip(expected, _NARROW, 1.0 - _NARROW)
    return np.asarray(np.log(inside / (1.0 - inside)), dtype=np.float64)


def log_surprise(confidence: Floats, output_tokens: Floats) -> Floats:
    """Logarithm of how improbable the model held its whole answer: tokens times the mean of -log p; NaN if unknown."""
    surprise = -np.log(np.clip(confidence, 1e-9, 1.0)) * output_tokens
    return np.asarray(np.log(surprise + _LEAST_SURPRISE), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellUpdate:
    """The update of one kind of step and arm: ``logit = odds + w . (1, odds - centre, (surprise - mean) / scale)``.

    Attributes:
        centre: mean log odds expected.
        mean: of the log surprise.
        scale: its standard deviation.
        weights: (3,) all zero where answers tell nothing: then what was expected stands.
    """

    centre: float
    mean: float
    scale: float
    weights: tuple[float, float, float]


class AnswerUpdate:
    """P(success | answer) from P(success) before the call and how surprised the model was by its own answer.

    A logistic regression by kind and arm with the expected log odds as its offset, shrunk towards no update. So a
    signal that tells nothing changes nothing, and what is expected of an answer stays comparable with what is expected
    of the arms that were not asked.

    Args:
        cells: updates by (kind, arm).
    """

    name = "answer_update"

    def __init__(self, cells: Mapping[tuple[str, str], CellUpdate]) -> None:
        self.cells = dict(cells)

    def chance(
        self, *, kind: str, arm: str, expected: float, confidence: float | None, output_tokens: int | None
    ) -> float | None:
        """P(success) of an answer; None where a signal is missing or this kind and arm were never fitted."""
        cell = self.cells.get((kind, arm))
        if cell is None or confidence is None or output_tokens is None or math.isnan(confidence):
            return None
        found = self.chances(
            cell, np.array([expected]), np.array([confidence]), np.array([output_tokens], dtype=np.float64)
        )
        return float(found[0])

    @staticmethod
    def chances(cell: CellUpdate, expected: Floats, confidence: Floats, output_tokens: Floats) -> Floats:
        """(n,) the same for many answers of one cell; NaN where a signal is."""
        odds = log_odds(expected)
        told = (log_surprise(confidence, output_tokens) - cell.mean) / cell.scale
        constant, trust, surprise = cell.weights
        logits = odds + constant + trust * (odds - cell.centre) + surprise * told
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -500.0, 500.0))), dtype=np.float64)

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        numbers = [(cell.centre, cell.mean, cell.scale, *cell.weights) for cell in self.cells.values()]
        return Parts(
            settings={"cells": [list(names) for names in self.cells]},
            arrays={"numbers": np.array(numbers, dtype=np.float64).reshape(-1, 6)},
        )

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same again.

        Raises:
            ArtifactInvalid: the cells are missing, or their numbers do not fit them.
        """
        names: Any = parts.settings.get("cells")
        numbers: Any = parts.arrays.get("numbers")
        fits = isinstance(names, list) and getattr(numbers, "shape", None) == (len(names), 6)
        if not fits or not np.isfinite(numbers).all() or not (numbers[:, 2] > 0).all():
            raise ArtifactInvalid("must be finite numbers, six for each cell; train again", field="numbers")
        return cls(
            {
                (str(kind), str(arm)): CellUpdate(centre=centre, mean=mean, scale=scale, weights=(first, second, third))
                for (kind, arm), (centre, mean, scale, first, second, third) in zip(
                    names, numbers.tolist(), strict=True
                )
            }
        )
