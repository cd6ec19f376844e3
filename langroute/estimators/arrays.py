"""Checks of the arrays and settings that something fitted is made of again."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid
from langroute.parts import Parts

_AGAIN = "train again with `langroute train`"


def array_of(parts: Parts, name: str, *shape: int | None) -> NDArray[Any]:
    """An array of numbers by its name.

    Args:
        parts: what was stored.
        name: of the array.
        shape: what it has to have; None for any length.

    Raises:
        ArtifactInvalid: it is missing, of another shape, holds no numbers, or a number that is not finite.
    """
    if name not in parts.arrays:
        raise ArtifactInvalid(f"is missing; {_AGAIN}", field=name)
    found = np.asarray(parts.arrays[name])
    fits = found.ndim == len(shape) and all(
        want is None or have == want for have, want in zip(found.shape, shape, strict=True)
    )
    if not fits or found.dtype.kind not in "biuf":
        message = f"is {found.dtype} of shape {found.shape}, not numbers of shape {shape}; {_AGAIN}"
        raise ArtifactInvalid(message, field=name)
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise ArtifactInvalid(f"holds numbers that are not finite; {_AGAIN}", field=name)
    return found


def names_of(settings: Mapping[str, Any], field: str) -> tuple[str, ...]:
    """A setting that is a list of different names, at least one.

    Raises:
        ArtifactInvalid: it is not.
    """
    found = settings.get(field)
    named = isinstance(found, list) and bool(found) and all(isinstance(name, str) for name in found)
    if not named or len(set(found or ())) != len(found or ()):
        raise ArtifactInvalid(f"must be a list of different names, not {found!r}; {_AGAIN}", field=field)
    return tuple(found or ())


def number_of(settings: Mapping[str, Any], field: str, *, least: float) -> float:
    """A setting that is a number.

    Raises:
        ArtifactInvalid: it is none, or is below ``least``.
    """
    found = settings.get(field)
    if isinstance(found, bool) or not isinstance(found, int | float) or not found >= least:
        raise ArtifactInvalid(f"must be a number of {least:g} or more, not {found!r}; {_AGAIN}", field=field)
    return float(found)


def flags_of(settings: Mapping[str, Any], field: str) -> tuple[bool, bool]:
    """A setting that is two times true or false.

    Raises:
        ArtifactInvalid: it is not.
    """
    found = settings.get(field)
    if not isinstance(found, list) or len(found) != 2 or not all(isinstance(flag, bool) for flag in found):
        raise ArtifactInvalid(f"must be two of true and false, not {found!r}; {_AGAIN}", field=field)
    return found[0], found[1]
