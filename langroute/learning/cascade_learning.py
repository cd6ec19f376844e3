"""A cascade learned from a table of outcomes: what confidence is worth, and how surprises go together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from langroute.acceptance.validity import MALFORMED
from langroute.errors import OutcomesInvalid
from langroute.learning import example_columns as column
from langroute.learning.acceptance_fitting import auroc
from langroute.learning.cascades import fit_cascade
from langroute.learning.examples import Examples
from langroute.learning.folds import folds_by
from langroute.learning.isotonic import fit_calibration
from langroute.policies.cascade import CascadePolicy

Floats = NDArray[np.float64]

LEAST = 20
"""Answers with a confidence, and attempts that every arm made, below which no cascade is fitted."""

_FOLDS = 5
_ERRORS = 2.0
_DEPTH = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Confidences:
    """How sure the arms were of the answers of n rows.

    Attributes:
        value: (n,) in [0, 1]; NaN where unknown.
        malformed: (n,) whether the answer could not be read, so that it is worth nothing however sure it was.
    """

    value: Floats
    malformed: NDArray[np.bool_]

    @classmethod
    def read(cls, columns: Mapping[str, Sequence[Any]]) -> "Confidences":
        """The columns ``confidence`` and, where it is there, ``defects``.

        Raises:
            OutcomesInvalid: there is no confidence, or one is not in [0, 1].
        """
        size = len(columns["task"])
        if "confidence" not in columns:
            message = (
                "is missing; a cascade reads an answer's quality off its confidence. Use models that send logprobs, or "
                "--policy chain with a rule that knows right from wrong"
            )
            raise OutcomesInvalid(message, field="confidence")
        value = column.reals(columns["confidence"], "confidence", size, gaps=True)
        column.refuse((value < 0) | (value > 1), "confidence", value, "must be in [0, 1]")
        told = column.texts(columns.get("defects", [""] * size), "defects", size, empty=True)
        names = [{name.strip() for name in defects.replace(",", ";").split(";")} for defects in told.tolist()]
        return cls(value=value, malformed=np.array([not MALFORMED.isdisjoint(found) for found in names], dtype=bool))

    @property
    def known(self) -> NDArray[np.bool_]:
        """(n,) whether the answer could be read and its confidence is known."""
        return ~np.isnan(self.value) & ~self.malformed


def learn_cascade(
    examples: Examples, said: Confidences, expected: Floats, *, depth: int = _DEPTH, seed: int = 0
) -> CascadePolicy:
    """A cascade policy for the estimator whose expectations these are.

    What a confidence is worth is an isotonic regression of success on it, one for all arms (a reconstruction: the paper
    leaves open how post-hoc quality is estimated). The covariance of the surprises, post-hoc less ex-ante quality, is
    that of attempts which every arm made, with the regression fitted without the attempt's task; so neither has seen
    the outcome. An attempt is a task and run; of several rows of one arm in it the first counts.

    Args:
        examples: the rows.
        said: how sure the answers were.
        expected: (n, k) success of each arm in each row, out of fold; arms in the order of ``examples.arms``.
        depth: most arms to run for a step.
        seed: of the folds.

    Raises:
        OutcomesInvalid: there are fewer than `LEAST` answers with a confidence, or attempts that every arm made; the
            confidence does not tell right from wrong; there is one arm only.
    """
    if len(examples.arms) < 2:
        raise OutcomesInvalid(f"a cascade needs two arms or more, not {', '.join(examples.arms)}", field="arm")
    _check_telling(examples, said)
    after = _qualities(examples, said, seed)
    rows = _attempts(examples, after)
    if len(rows) < LEAST:
        message = (
            f"{len(rows)} attempts have an answer with a confidence of every arm; at least {LEAST} are needed to know "
            "how their qualities go together. Collect outcomes of every arm on the same tasks"
        )
        raise OutcomesInvalid(message, field="arm")
    arms = np.arange(len(examples.arms))
    known = said.known
    worth = fit_calibration(said.value[known], examples.success[known], examples.weight[known])
    return fit_cascade(
        examples.arms,
        expected[rows, arms],
        after[rows],
        depth=min(depth, len(arms)),
        confidences=worth.said.tolist(),
        qualities=worth.true.tolist(),
    )


def _check_telling(examples: Examples, said: Confidences) -> None:
    """Nothing, where the confidence is higher in right answers than in wrong ones of the same arm, beyond chance."""
    known = said.known
    if int(known.sum()) < LEAST:
        message = f"is known of {int(known.sum())} readable answers; at least {LEAST} are needed"
        raise OutcomesInvalid(message, field="confidence")
    areas, weights = [], []
    for arm in examples.arms:
        chosen = known & (examples.arm == arm)
        right = examples.success[chosen] >= 0.5
        area = auroc(said.value[chosen], right)
        if area is not None:
            areas.append(area)
            weights.append(float(min(right.sum(), (~right).sum())))
    mean = float(np.average(areas, weights=weights)) if areas else 0.5
    if not areas or mean - _ERRORS * sqrt(mean * (1 - mean) / sum(weights)) <= 0.5:
        message = (
            f"does not tell right answers from wrong ones (area under the ROC curve within arms {mean:.2f}), so an "
            "answer's quality cannot be read off it"
        )
        raise OutcomesInvalid(message, field="confidence")


def _qualities(examples: Examples, said: Confidences, seed: int) -> Floats:
    """(n,) what each answer is worth by a regression that did not see its task; NaN where nothing is known of it."""
    found = np.where(said.malformed, 0.0, np.nan)
    count = min(_FOLDS, len(np.unique(examples.task)))
    if count < 2:
        raise OutcomesInvalid("a cascade needs two tasks or more", field="task")
    for seen, scored in folds_by(examples.task, count=count, seed=seed):
        fit, put = seen[said.known[seen]], scored[said.known[scored]]
        if len(fit) and len(put):
            worth = fit_calibration(said.value[fit], examples.success[fit], examples.weight[fit])
            found[put] = worth(said.value[put])
    return found


def _attempts(examples: Examples, after: Floats) -> NDArray[np.int64]:
    """(m, k) the row of each arm, for the m attempts whose quality is known of every arm."""
    task = np.unique(examples.task, return_inverse=True)[1]
    attempt = np.unique(np.stack([task, examples.run]), axis=1, return_inverse=True)[1].ravel()
    place = np.searchsorted(np.array(examples.arms), examples.arm)
    rows = np.full((int(attempt.max()) + 1, len(examples.arms)), -1)
    for row in np.flatnonzero(~np.isnan(after))[::-1].tolist():  # backwards, so that the first row stays
        rows[attempt[row], place[row]] = row
    return rows[(rows >= 0).all(axis=1)]
