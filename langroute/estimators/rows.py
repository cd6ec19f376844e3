"""Steps as rows: what a fitted estimator reads, from a table or from a live step, and what it expects of each arm."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from langroute.estimators.columns import NUMBERS, WORDS, numbers_of, words_of
from langroute.records import Step


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepRows:
    """What is known of n steps before they are decided.

    Attributes:
        numbers: (n, len(NUMBERS)) in the order of ``columns.NUMBERS``; NaN where unknown.
        words: (n, len(WORDS)) in the order of ``columns.WORDS``; empty where unknown.
        text: (n, d) what the encoder made of what was asked; (n, 0) without an encoder.
    """

    numbers: NDArray[np.float64]
    words: NDArray[np.str_]
    text: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.numbers)

    @classmethod
    def of(cls, *steps: Step) -> Self:
        """The rows of live steps; a step without text among steps with it has zeros."""
        longest = max((len(step.features.text) for step in steps), default=0)
        text = np.zeros((len(steps), longest))
        for row, step in enumerate(steps):
            text[row, : len(step.features.text)] = step.features.text
        return cls(
            numbers=np.array([numbers_of(step) for step in steps], dtype=np.float64).reshape(len(steps), len(NUMBERS)),
            words=np.array([words_of(step) for step in steps], dtype=np.str_).reshape(len(steps), len(WORDS)),
            text=text,
        )

    def take(self, rows: NDArray[Any] | slice) -> Self:
        """The rows that a mask, row numbers or a slice choose."""
        return type(self)(numbers=self.numbers[rows], words=self.words[rows], text=self.text[rows])

    def number(self, name: str) -> NDArray[np.float64]:
        """One column of numbers, (n,)."""
        return self.numbers[:, NUMBERS.index(name)]

    def word(self, name: str) -> NDArray[np.str_]:
        """One column of names, (n,)."""
        return self.words[:, WORDS.index(name)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Expected:
    """What each of m arms is expected to achieve and to cost on each of n rows.

    Attributes:
        success: (n, m) in [0, 1].
        output_tokens: (n, m); NaN where the table that was learned from does not know tokens.
        cost_nano: (n, m) nano-dollars as the table billed them; a live step is priced anew, by its own price list.
    """

    success: NDArray[np.float64]
    output_tokens: NDArray[np.float64]
    cost_nano: NDArray[np.float64]


@runtime_checkable
class Predictor(Protocol):
    """What a fitted estimator can do beside ``estimate``: many rows of a table at once, so that it can be judged."""

    def predict(self, rows: StepRows, arms: Sequence[str]) -> Expected:
        """What each arm is expected to do on each row, in the order of ``arms``. Pure.

        An arm that was never seen in training is expected to do what the estimator documents for it.
        """
        ...
