"""Whether there is enough to learn from."""

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid
from langroute.learning.examples import Examples

LEAST_ROWS = 20
"""Rows below which nothing is fitted."""


def check_enough(examples: Examples) -> None:
    """Nothing, where there is enough to learn from.

    Raises:
        OutcomesInvalid: there are fewer rows than `LEAST_ROWS`, or fewer than two tasks, so that nothing could be
            chosen by cross-validation.
    """
    tasks = len(np.unique(examples.task))
    if len(examples) < LEAST_ROWS or tasks < 2:
        message = (
            f"{len(examples)} rows of {tasks} tasks are too few; at least {LEAST_ROWS} rows of 2 tasks are needed: "
            "collect more outcomes"
        )
        raise OutcomesInvalid(message, field="task")


def amounts_known(examples: Examples) -> tuple[bool, bool]:
    """Whether output tokens, and costs, are known of some row of every arm, so that they can be learned."""
    return _everywhere(examples, examples.output_tokens), _everywhere(examples, examples.cost_nano)


def _everywhere(examples: Examples, amount: NDArray[np.float64]) -> bool:
    return len(np.unique(examples.arm[~np.isnan(amount)])) == len(examples.arms)
