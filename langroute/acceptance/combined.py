"""Several signals as one score: the probability that an answer is right, given all that is known of it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from langroute.acceptance.signals import SIGNALS, Answers, Floats, answer_of
from langroute.errors import ArtifactInvalid
from langroute.parts import Parts
from langroute.records import Outcome, Record

FEATURES: tuple[str, ...] = (
    "log_confidence",
    "surprise",
    "log_uncertainty",
    "answer_entropy",
    "agreement",
    "malformed",
    "log_pressure",
    "log_output_tokens",
)
"""What the signals are turned into. ``surprise`` is the log-probability of the whole answer, length and all."""

_LEAST_SURPRISE = -60.0


def features_of(answers: Answers) -> Floats:
    """(n, 8) the columns of `FEATURES`; NaN where a signal that one needs is unknown."""
    confidence = np.log(np.clip(answers.signal("confidence"), 1e-9, 1.0))
    tokens = answers.signal("output_tokens")
    return np.column_stack(
        (
            confidence,
            np.maximum(_LEAST_SURPRISE, confidence * tokens),
            np.log(answers.signal("uncertainty") + 1e-4),
            answers.signal("answer_entropy"),
            answers.signal("agreement"),
            answers.signal("malformed"),
            np.log1p(answers.signal("pressure")),
            np.log1p(tokens),
        )
    )


class CombinedScore:
    """A logistic regression on all signals, with what each (kind, arm) adds of its own, shrunk towards what all share.

    ``logit P(right) = b + w . x + b_c + w_c . x`` for the cell c of the answer, x the standardised features with one
    column for each that says whether it is unknown. A cell that was never fitted has the shared part only. Fitted by
    ``langroute.learning.acceptance_fitting``, served with numpy. Which signals and features is a choice made here; that
    signals belong combined is RouteNLP's and HybridLLM's.

    An answer that lacks a signal which every answer had when this was fitted has no score: nothing is known of such.

    Args:
        mean: (8,) of the features.
        scale: (8,) standard deviation of the features, 1 where they did not vary.
        needed: (8,) whether a feature was always known.
        shared: (17,) intercept, weights of features, weights of "unknown".
        cells: (kind, arm) of each row of ``own``.
        own: (cells, 17) what each adds to ``shared``.
    """

    name = "combined"

    def __init__(
        self,
        *,
        mean: Floats,
        scale: Floats,
        needed: NDArray[np.bool_],
        shared: Floats,
        cells: Sequence[tuple[str, str]],
        own: Floats,
    ) -> None:
        self._mean, self._scale, self._needed = mean, scale, needed
        self._shared, self._own = shared, own
        self._cells = [(kind, arm) for kind, arm in cells]
        # The row past the last is for cells that were never fitted: they add nothing.
        self._weights = shared + np.vstack([own, np.zeros((1, len(shared)))])
        self._place = {cell: place for place, cell in enumerate(self._cells)}

    def scores(self, answers: Answers) -> Floats:
        """(n,) P(right) in (0, 1); NaN where a signal that was always known is not."""
        features = features_of(answers)
        places = [self._place.get(cell, -1) for cell in zip(answers.kind, answers.arm, strict=True)]
        logits = np.einsum("ij,ij->i", design(features, self._mean, self._scale), self._weights[places])
        lost = (np.isnan(features) & self._needed).any(axis=1)
        found: Floats = np.where(lost, np.nan, 1.0 / (1.0 + np.exp(-logits)))
        return found

    def doubt(self, record: Record, outcome: Outcome) -> float:
        """P(wrong) of one live answer; of one without a score what the decision expected of its arm.

        For whoever asks what an answer is worth before it is used, such as `value_of_verification`.
        """
        score = float(self.scores(answer_of(record.step, outcome))[0])
        return 1.0 - (record.decision.success if math.isnan(score) else score)

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        return Parts(
            settings={"signals": list(SIGNALS), "cells": [list(cell) for cell in self._cells]},
            arrays={
                "mean": self._mean,
                "scale": self._scale,
                "needed": self._needed,
                "shared": self._shared,
                "own": self._own,
            },
        )

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same thing again.

        Raises:
            ArtifactInvalid: another version's signals, a missing array, or one of another shape.
        """
        told: Mapping[str, Any] = parts.settings
        if told.get("signals") != list(SIGNALS):
            message = f"are {told.get('signals')!r}, this version reads {list(SIGNALS)}; train again"
            raise ArtifactInvalid(message, field="signals")
        cells = [(str(kind), str(arm)) for kind, arm in told.get("cells", ())]
        wide, width = len(FEATURES), 1 + 2 * len(FEATURES)
        shapes = {
            "mean": (wide,),
            "scale": (wide,),
            "needed": (wide,),
            "shared": (width,),
            "own": (len(cells), width),
        }
        for name, shape in shapes.items():
            if name not in parts.arrays or parts.arrays[name].shape != shape:
                raise ArtifactInvalid(f"is missing or not of shape {shape}; train again", field=name)
        found = {name: np.asarray(parts.arrays[name], dtype=np.float64) for name in shapes if name != "needed"}
        return cls(cells=cells, needed=np.asarray(parts.arrays["needed"], dtype=bool), **found)


def design(features: Floats, mean: Floats, scale: Floats) -> Floats:
    """(n, 17) what the weights are for: 1, the standardised features (0 where unknown), and what is unknown."""
    unknown = np.isnan(features)
    known = np.where(unknown, 0.0, (features - mean) / scale)
    return np.column_stack((np.ones(len(features)), known, unknown.astype(np.float64)))
