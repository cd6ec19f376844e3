"""What is stored of something fitted: plain settings, and arrays. Never code, so loading it runs nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, runtime_checkable

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Something fitted, taken apart.

    Attributes:
        settings: plain data, as JSON holds it.
        arrays: numbers by name; no arrays of Python objects.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@runtime_checkable
class Fitted(Protocol):
    """Something fitted that can be stored and made again: an estimator, an encoder, an acceptance rule, a policy."""

    name: str

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        ...

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same thing again.

        Raises:
            ArtifactInvalid: a setting or an array is missing or is not what it has to be.
        """
        ...
