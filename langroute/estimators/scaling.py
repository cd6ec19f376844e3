"""Scaling: features of different units brought to one scale, so that weights and distances can be compared."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid
from langroute.estimators.arrays import array_of
from langroute.parts import Parts

_FARTHEST = 5.0
"""Standard deviations from the mean at which a feature is cut off: one odd step must not decide alone."""


class Scaling:
    """Subtracts means, divides by standard deviations; an unknown number is the mean, and says that it is unknown.

    Args:
        mean: (width,) subtracted.
        scale: (width,) divided by, positive.
        gaps: the features that were unknown in some rows: each has one more column, 1 where it is unknown.
    """

    def __init__(self, *, mean: NDArray[np.float64], scale: NDArray[np.float64], gaps: Sequence[int] = ()) -> None:
        self.mean = mean
        self.scale = scale
        self.gaps = np.array(gaps, dtype=np.int64)
        self.width = len(mean) + len(self.gaps)

    @classmethod
    def fit(cls, features: NDArray[np.float64], *, together: int = 0) -> Self:
        """The scaling of (n, width) features; a feature that does not vary is only centred.

        Args:
            features: NaN where unknown.
            together: so many of the last features have one scale for all, their mean spread: in the vector of a text
                a component that hardly varies also hardly matters.
        """
        unknown = np.isnan(features)
        count = np.maximum(1, (~unknown).sum(axis=0))
        filled = np.where(unknown, 0.0, features)
        mean = filled.sum(axis=0) / count
        spread = np.sqrt((np.where(unknown, 0.0, features - mean) ** 2).sum(axis=0) / count)
        if together:
            spread[-together:] = np.sqrt((spread[-together:] ** 2).mean())
        return cls(
            mean=mean,
            scale=np.where(spread > 1e-9, spread, 1.0),
            gaps=np.flatnonzero(unknown.any(axis=0) & ~unknown.all(axis=0)).tolist(),
        )

    def apply(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, self.width) of (n, width) features: finite, within five standard deviations of the mean."""
        unknown = np.isnan(features)
        scaled = (np.where(unknown, self.mean, features) - self.mean) / self.scale
        scaled = np.clip(scaled, -_FARTHEST, _FARTHEST)
        return np.concatenate([scaled, unknown[:, self.gaps]], axis=1) if len(self.gaps) else scaled

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `from_parts` needs, to be stored among the arrays of what uses it."""
        return {"mean": self.mean, "scale": self.scale, "gaps": self.gaps}

    @classmethod
    def from_parts(cls, parts: Parts, width: int) -> Self:
        """The scaling that is stored among the arrays of an estimator with so many features.

        Raises:
            ArtifactInvalid: an array is missing or is not what it has to be.
        """
        scale, gaps = array_of(parts, "scale", width), array_of(parts, "gaps", None)
        if not (scale > 0).all():
            raise ArtifactInvalid("must be positive; train again with `langroute train`", field="scale")
        if gaps.dtype.kind != "i" or not ((gaps >= 0) & (gaps < width)).all():
            raise ArtifactInvalid("must be numbers of features; train again with `langroute train`", field="gaps")
        return cls(mean=array_of(parts, "mean", width), scale=scale, gaps=gaps.tolist())
