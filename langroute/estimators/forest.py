"""Forest: boosted trees as flat arrays, walked by numpy for all rows and all trees at once, level by level.

Decision trees of any library could be put into these arrays; ``langroute.learning.boosting`` puts XGBoost's there. A
row goes left where its feature is under the node's threshold, in single precision as XGBoost does; where the feature
is missing (NaN), to the side that training found better.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid
from langroute.parts import Parts

_ROWS_AT_ONCE = 4_096
ALWAYS_LEFT = float(np.finfo(np.float32).max)
"""The threshold of a leaf."""


class Forest:
    """Several sums of trees over the same features.

    The children of a node stand side by side, so one array of left children is enough; a leaf is its own left child
    and sends everything left, so that rows which arrive early wait there. A node whose missing values go right reads a
    second copy of the features, in which missing ones are huge instead of tiny; so a level needs no test for NaN.

    Args:
        feature: (nodes,) which feature a node asks, counted over both copies.
        threshold: (nodes,) what it is compared with.
        left: (nodes,) the left child; the right one is the next.
        value: (nodes,) what a leaf adds; 0 elsewhere.
        roots: (trees,) where each tree begins; trees of one sum stand together.
        trees: (sums,) trees of each sum.
        base: (sums,) where each sum begins.
        width: features of a row.
        depth: most levels under a root.

    Raises:
        ArtifactInvalid: an array points outside of the trees or the features.
    """

    def __init__(
        self,
        *,
        feature: NDArray[Any],
        threshold: NDArray[Any],
        left: NDArray[Any],
        value: NDArray[Any],
        roots: NDArray[Any],
        trees: NDArray[Any],
        base: NDArray[Any],
        width: int,
        depth: int,
    ) -> None:
        self._feature = np.ascontiguousarray(feature, dtype=np.intp)
        self._threshold = np.ascontiguousarray(threshold, dtype=np.float32)
        self._left = np.ascontiguousarray(left, dtype=np.intp)
        self._value = np.ascontiguousarray(value, dtype=np.float64)
        self._roots = np.ascontiguousarray(roots, dtype=np.intp)
        self._trees = np.ascontiguousarray(trees, dtype=np.intp)
        self._base = np.ascontiguousarray(base, dtype=np.float64)
        self.width = width
        self.depth = depth
        self._check()
        self._starts = np.concatenate([[0], np.cumsum(self._trees)[:-1]]).astype(np.intp)

    def _check(self) -> None:
        nodes = len(self._feature)
        lengths = {len(self._threshold), len(self._left), len(self._value)}
        leaf = self._left == np.arange(nodes)
        sound = (
            lengths == {nodes}
            and self._inside(self._feature, 2 * self.width + 1)
            and self._inside(self._left, nodes)
            and self._inside(self._left[~leaf] + 1, nodes)
            and self._inside(self._roots, nodes)
            and len(self._trees) == len(self._base) > 0
            and (self._trees > 0).all()
            and self._trees.sum() == len(self._roots)
            and 0 <= self.depth <= nodes
        )
        if not sound:
            raise ArtifactInvalid("do not make trees; train again with `langroute train`", field="forest")

    @staticmethod
    def _inside(places: NDArray[np.intp], limit: int) -> bool:
        return not len(places) or (int(places.min()) >= 0 and int(places.max()) < limit)

    def sums(self, rows: NDArray[np.floating[Any]], *, first: int | None = None) -> NDArray[np.float64]:
        """What the trees say of rows (n, width), NaN where a feature is unknown; (n, sums).

        Args:
            rows: the features.
            first: only so many sums, the others' trees are not walked; all for None.
        """
        if len(rows) > _ROWS_AT_ONCE:
            parts = [self.sums(rows[at : at + _ROWS_AT_ONCE], first=first) for at in range(0, len(rows), _ROWS_AT_ONCE)]
            return np.concatenate(parts)
        starts, base = self._starts[:first], self._base[:first]
        roots = self._roots if first is None else self._roots[: int(self._trees[:first].sum())]
        width = self.width
        seen = np.zeros((len(rows), 2 * width + 1), dtype=np.float32)
        seen[:, :width] = rows
        seen[:, width : 2 * width] = seen[:, :width]
        missing = np.isnan(seen[:, :width])
        if missing.any():
            seen[:, :width][missing] = -np.inf
            seen[:, width : 2 * width][missing] = np.inf
        offset = np.arange(0, seen.size, seen.shape[1], dtype=np.intp)[:, None]
        flat = seen.ravel()
        place = np.repeat(roots[None, :], len(rows), axis=0)
        for _ in range(self.depth):
            asked = self._feature.take(place)
            asked += offset
            right = flat.take(asked) >= self._threshold.take(place)
            place = self._left.take(place)
            place += right
        return np.add.reduceat(self._value.take(place), starts, axis=1) + base

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        return Parts(
            settings={"width": self.width, "depth": self.depth},
            arrays={
                "feature": self._feature.astype(np.int32),
                "threshold": self._threshold,
                "left": self._left.astype(np.int32),
                "value": self._value.astype(np.float32),
                "roots": self._roots.astype(np.int32),
                "trees": self._trees.astype(np.int32),
                "base": self._base,
            },
        )

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same forest again.

        Raises:
            ArtifactInvalid: an array or a setting is missing or is not what it has to be.
        """
        try:
            names = ("feature", "threshold", "left", "value", "roots", "trees", "base")
            arrays = {name: parts.arrays[name] for name in names}
            width, depth = int(parts.settings["width"]), int(parts.settings["depth"])
        except (KeyError, TypeError, ValueError) as exc:
            raise ArtifactInvalid(
                f"is missing or damaged ({exc}); train again with `langroute train`", field="forest"
            ) from exc
        if any(array.ndim != 1 or array.dtype.kind not in "iuf" for array in arrays.values()):
            raise ArtifactInvalid("must be rows of numbers; train again with `langroute train`", field="forest")
        return cls(width=width, depth=depth, **arrays)
