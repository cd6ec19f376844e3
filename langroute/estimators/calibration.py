"""A monotone map from what a model says to how often it is right, as a few stored knots."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid

_LOWEST = 1e-6


class MonotoneCalibration:
    """Straight lines between knots; flat outside of them.

    Args:
        said: (knots,) rising.
        true: (knots,) in [0, 1], never falling.

    Raises:
        ArtifactInvalid: the knots are none, or do not rise.
    """

    def __init__(self, said: NDArray[Any], true: NDArray[Any]) -> None:
        self.said, self.true = np.asarray(said, dtype=np.float64), np.asarray(true, dtype=np.float64)
        sound = self.said.shape == self.true.shape and self.said.ndim == 1 and len(self.said) > 0
        if not sound or (np.diff(self.said) <= 0).any() or (np.diff(self.true) < 0).any():
            raise ArtifactInvalid("knots must rise; train again with `langroute train`", field="calibration")
        if self.true[0] < 0 or self.true[-1] > 1:
            raise ArtifactInvalid("must be in [0, 1]; train again with `langroute train`", field="calibration")

    @classmethod
    def identity(cls) -> Self:
        """What a model says is taken as it is."""
        return cls(np.array([0.0, 1.0]), np.array([0.0, 1.0]))

    def __call__(self, said: NDArray[np.float64]) -> NDArray[np.float64]:
        """The calibrated probabilities, of any shape."""
        return np.interp(said, self.said, self.true)

    def arrays(self) -> Mapping[str, NDArray[np.float64]]:
        """The knots."""
        return {"calibration_said": self.said, "calibration_true": self.true}


def logit(share: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Log odds, of shares that are kept a millionth away from 0 and 1."""
    inside = np.clip(np.asarray(share, dtype=np.float64), _LOWEST, 1 - _LOWEST)
    odds: NDArray[np.float64] = np.log(inside / (1 - inside))
    return odds


def logistic(margin: NDArray[np.float64]) -> NDArray[np.float64]:
    """From log odds to a probability; exact at both ends."""
    return 0.5 * (1.0 + np.tanh(0.5 * margin))
