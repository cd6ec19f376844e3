"""NeighboursEstimator: what the arms did in the most similar contexts that were seen (CARROT's kNN)."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid
from langroute.estimators.arrays import array_of, flags_of, names_of, number_of
from langroute.estimators.feature_schema import FeatureSchema
from langroute.estimators.live import estimates_of, expected_of, for_arms, unseen_arms
from langroute.estimators.rows import Expected, StepRows
from langroute.estimators.scaling import Scaling
from langroute.parts import Parts
from langroute.records import Arm, Estimate, Step

_BATCH = 256
"""Rows of a table that are compared with all contexts at once: bounds the memory."""


class NeighboursEstimator:
    """Quality and cost of every arm as its mean over the k nearest contexts in which it was tried (2502.03261).

    Contexts are steps or tasks of the training data, compared by the distance of their scaled features. Each arm has
    neighbours of its own, so a journal, where every step was made by one arm, works as a full table does. The mean is
    shrunk: it counts ``strength`` more neighbours that did as the arm does on average (ours; CARROT takes the plain
    mean). ``prior_success`` is the same number by itself: how similar contexts ended.

    An arm that was never seen has, in a table, the mean of the arms that were, and in a live step the prior's estimate.

    Args:
        arms: the k arms of training.
        schema: which features are read.
        scaling: how they are scaled.
        block: (width,) the root of what each scaled feature counts in a distance.
        contexts: (m, width) scaled features, times ``block``.
        tried: (m, 3, k) what an arm's outcomes in a context count, one by one; 0 where unknown or not tried.
        outcomes: (m, 3, k) success, output tokens and cost in nano-dollars; of no meaning where they do not count.
        means: (3, k) the same of each arm over all.
        nearest: how many contexts are asked.
        strength: how many more count as the arm's mean.
        known: whether output tokens and costs are known; what is not is not read.
    """

    name = "neighbours"
    version = "1"

    def __init__(
        self,
        *,
        arms: Sequence[str],
        schema: FeatureSchema,
        scaling: Scaling,
        block: NDArray[np.float64],
        contexts: NDArray[np.float32],
        tried: NDArray[np.float32],
        outcomes: NDArray[np.float32],
        means: NDArray[np.float64],
        nearest: int,
        strength: float,
        known: tuple[bool, bool],
    ) -> None:
        self.arms = tuple(arms)
        self.schema = schema
        self.scaling = scaling
        self.block = block
        self.contexts = contexts
        self.tried = tried
        self.outcomes = outcomes
        self.means = means
        self.nearest = nearest
        self.strength = strength
        self.amounts_known = known
        self._known = {name: at for at, name in enumerate(self.arms)}
        self._squares = (contexts**2).sum(axis=1)
        self._rows_of = [np.flatnonzero(tried[:, 0, arm] > 0) for arm in range(len(self.arms))]

    def estimate(self, step: Step, arms: Sequence[Arm]) -> tuple[Estimate, ...]:
        """One estimate per arm, in the order of ``arms``."""
        return estimates_of(step, arms, self._expected(self.schema.row(step)[None, :]), self._known)

    def predict(self, rows: StepRows, arms: Sequence[str]) -> Expected:
        """What each arm is expected to do on each row, in the order of ``arms``."""
        return for_arms(self._expected(self.schema.matrix(rows)), self._known, arms)

    def prior_success(self, step: Step) -> dict[str, float]:
        """How similar contexts ended before, by arm, in [0, 1]."""
        found = self._expected(self.schema.row(step)[None, :]).success[0]
        return dict(zip(self.arms, found.tolist(), strict=True))

    def unseen(self, arms: Sequence[Arm]) -> tuple[str, ...]:
        """The names of a pool's arms that the prior estimates."""
        return unseen_arms(arms, self._known)

    def _expected(self, features: NDArray[np.float64]) -> Expected:
        asked = (self.scaling.apply(features) * self.block).astype(np.float32)
        found = np.empty((len(asked), 3, len(self.arms)))
        for start in range(0, len(asked), _BATCH):
            found[start : start + _BATCH] = self._means_near(asked[start : start + _BATCH])
        return expected_of(found, self.amounts_known)

    def _means_near(self, asked: NDArray[np.float32]) -> NDArray[np.float64]:
        """(b, 3, k) of b rows: the shrunk means over each arm's nearest contexts."""
        distance = self._squares - 2.0 * (asked @ self.contexts.T)  # less the row's own square, which ranks nothing
        found = np.empty((len(asked), 3, len(self.arms)))
        for arm, rows in enumerate(self._rows_of):
            near = rows[_smallest(distance if len(rows) == len(self.contexts) else distance[:, rows], self.nearest)]
            weight = self.tried[near, :, arm].astype(np.float64)
            total = (self.outcomes[near, :, arm] * weight).sum(axis=1)
            found[:, :, arm] = (total + self.strength * self.means[:, arm]) / (weight.sum(axis=1) + self.strength)
        return found

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        settings: dict[str, Any] = {
            "arms": list(self.arms),
            "schema": self.schema.as_settings(),
            "nearest": self.nearest,
            "strength": self.strength,
            "known": list(self.amounts_known),
        }
        named = ("block", "contexts", "tried", "outcomes", "means")
        return Parts(
            settings=settings, arrays={**self.scaling.arrays(), **{name: getattr(self, name) for name in named}}
        )

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same estimator again.

        Raises:
            ArtifactInvalid: a setting or an array is missing or is not what it has to be.
        """
        settings = parts.settings
        arms, schema = names_of(settings, "arms"), FeatureSchema.from_settings(settings.get("schema"))
        scaling = Scaling.from_parts(parts, schema.width)
        contexts = array_of(parts, "contexts", None, scaling.width)
        tried = array_of(parts, "tried", len(contexts), 3, len(arms))
        if not (tried[:, 0] > 0).any(axis=0).all():
            raise ArtifactInvalid("must have an outcome of every arm; train again", field="tried")
        return cls(
            arms=arms,
            schema=schema,
            scaling=scaling,
            block=array_of(parts, "block", scaling.width),
            contexts=contexts.astype(np.float32),
            tried=tried.astype(np.float32),
            outcomes=array_of(parts, "outcomes", len(contexts), 3, len(arms)).astype(np.float32),
            means=array_of(parts, "means", 3, len(arms)),
            nearest=int(number_of(settings, "nearest", least=1)),
            strength=number_of(settings, "strength", least=1e-9),
            known=flags_of(settings, "known"),
        )


def _smallest(distance: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """(b, count) the columns of the smallest values of each of b rows; all columns where there are no more.

    Of equals the earlier columns, and in the order of columns, so that sums do not depend on how ties fell.
    """
    if distance.shape[1] <= count:
        return np.broadcast_to(np.arange(distance.shape[1]), distance.shape)
    edge = np.partition(distance, count - 1, axis=1)[:, count - 1 : count]
    below = distance < edge
    room = count - below.sum(axis=1, keepdims=True)
    at_edge = distance == edge
    chosen = below | (at_edge & (np.cumsum(at_edge, axis=1) <= room))
    return np.nonzero(chosen)[1].reshape(len(distance), count)
