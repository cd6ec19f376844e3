"""TextViews: several simple views of a question, each a guess at the same targets, mixed into one."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid
from langroute.estimators.forest import Forest
from langroute.estimators.rows import StepRows
from langroute.estimators.surface import COUNTS
from langroute.parts import Parts

VIEWS = ("word", "character", "kernel", "forest")
_MOST_SPREAD = 4.0
_ARRAYS = ("center", "spread", "landmarks", "landmark_groups", "kernel_weights", "kernel_offset", "mix", "base")


class TextViews:
    """Targets expected of a question, from its text vector (`HashedText` with a direction for each target) and group.

    The views are ridge regressions on words and on characters, which the encoder has already worked out; a kernel
    ridge regression over the surface counts, on landmarks (Nystroem), with a kernel that adds a share for an equal
    group; and boosted trees over the counts and the group. What they say is mixed linearly, with weights from
    training. A group that was never seen is no group; a vector of another length says nothing, and the means remain.

    Args:
        groups: the groups that are known.
        width: of the kernel, over counts scaled to spread 1 and divided by how many there are.
        same_group: what an equal group adds to the kernel.
        arrays: ``center`` and ``spread`` (c,) of the counts, ``landmarks`` (m, c), ``landmark_groups`` (m,) by number
            (-1 none), ``kernel_weights`` (m, t), ``kernel_offset`` (t,), ``mix`` (4 * t, t) over what `VIEWS` say,
            view by view, and ``base`` (t,).
        forest: one sum for each target over counts and groups; None without trees.
    """

    name = "text_views"

    def __init__(
        self,
        *,
        groups: Sequence[str],
        width: float,
        same_group: float,
        arrays: Mapping[str, NDArray[Any]],
        forest: Forest | None,
    ) -> None:
        self.groups = tuple(groups)
        self._places = {name: place for place, name in enumerate(self.groups)}
        self._width, self._same = float(width), float(same_group)
        self._forest = forest
        self._arrays = {name: np.ascontiguousarray(arrays[name], dtype=np.float64) for name in _ARRAYS}
        self._check()
        self._squares = (self._arrays["landmarks"] ** 2).sum(axis=1)

    def _check(self) -> None:
        known, targets = self._arrays, len(self._arrays["base"])
        many = len(known["landmarks"])
        shapes = {
            "center": (len(COUNTS),),
            "spread": (len(COUNTS),),
            "landmarks": (many, len(COUNTS)),
            "landmark_groups": (many,),
            "kernel_weights": (many, targets),
            "kernel_offset": (targets,),
            "mix": (len(VIEWS) * targets, targets),
        }
        for name, shape in shapes.items():
            if known[name].shape != shape or not np.isfinite(known[name]).all():
                raise ArtifactInvalid(f"must be {shape} finite numbers, not {known[name].shape}", field=name)
        if self._forest is not None and self._forest.width != len(COUNTS) + len(self.groups):
            raise ArtifactInvalid("reads other features than counts and groups", field="forest.width")

    @property
    def targets(self) -> int:
        """How many targets (t)."""
        return len(self._arrays["base"])

    def predict(self, rows: StepRows) -> NDArray[np.float64]:
        """(n, t) what is expected; not bounded."""
        base = np.tile(self._arrays["base"], (len(rows), 1))
        if rows.text.shape[1] != 2 * self.targets + len(COUNTS) or not len(rows):
            return base
        found: NDArray[np.float64] = base + self.views(rows) @ self._arrays["mix"]
        return found

    def views(self, rows: StepRows) -> NDArray[np.float64]:
        """(n, 4 * t) what each view says, about a mean of 0."""
        counts = rows.text[:, 2 * self.targets :]
        places = np.array([self._places.get(name, -1) for name in rows.word("domain").tolist()], dtype=np.int64)
        said = [rows.text[:, : 2 * self.targets], self._by_kernel(counts, places)]
        return np.concatenate([*said, self._by_forest(counts, places)], axis=1)

    def _by_kernel(self, counts: NDArray[np.float64], places: NDArray[np.int64]) -> NDArray[np.float64]:
        scaled = scaled_counts(counts, self._arrays["center"], self._arrays["spread"])
        own = self._arrays["landmark_groups"]
        near = kernel(scaled, places, self._arrays["landmarks"], own, self._squares, self._width, self._same)
        found: NDArray[np.float64] = near @ self._arrays["kernel_weights"] - self._arrays["kernel_offset"]
        return found

    def _by_forest(self, counts: NDArray[np.float64], places: NDArray[np.int64]) -> NDArray[np.float64]:
        if self._forest is None:
            return np.zeros((len(counts), self.targets))
        found: NDArray[np.float64] = self._forest.sums(with_groups(counts, places, len(self.groups)))
        return found

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        forest = self._forest.parts() if self._forest is not None else None
        settings = {"groups": list(self.groups), "width": self._width, "same_group": self._same}
        trees = {f"forest.{name}": array for name, array in forest.arrays.items()} if forest else {}
        return Parts(
            settings={**settings, "forest": dict(forest.settings) if forest else None},
            arrays={**self._arrays, **trees},
        )

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same views again.

        Raises:
            ArtifactInvalid: a setting or an array is missing or is not what it has to be.
        """
        own = {name: parts.arrays[name] for name in _ARRAYS if name in parts.arrays}
        if len(own) < len(_ARRAYS) or any(array.dtype.kind not in "iuf" for array in own.values()):
            raise ArtifactInvalid("lack some or hold what is no number; train again", field="arrays")
        try:
            told = parts.settings
            groups, width, same = list(map(str, told["groups"])), float(told["width"]), float(told["same_group"])
            grown = told["forest"]
        except (KeyError, TypeError, ValueError) as exc:
            raise ArtifactInvalid(f"is missing or damaged ({exc}); train again", field="settings") from exc
        trees = {
            name.removeprefix("forest."): array for name, array in parts.arrays.items() if name.startswith("forest.")
        }
        forest = None if grown is None else Forest.from_parts(Parts(settings=grown, arrays=trees))
        return cls(groups=groups, width=width, same_group=same, arrays=own, forest=forest)


def scaled_counts(
    counts: NDArray[np.float64], center: NDArray[np.float64], spread: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Counts about 0 with spread 1, none further out than 4, over the root of their number."""
    scaled: NDArray[np.float64] = np.clip((counts - center) / spread, -_MOST_SPREAD, _MOST_SPREAD)
    found: NDArray[np.float64] = scaled / np.sqrt(counts.shape[1])
    return found


def kernel(
    rows: NDArray[np.float64],
    places: NDArray[np.int64],
    landmarks: NDArray[np.float64],
    landmark_groups: NDArray[np.float64],
    squares: NDArray[np.float64],
    width: float,
    same_group: float,
) -> NDArray[np.float64]:
    """(n, m) how near rows are to landmarks: a Gaussian of their counts, and a share where the group is equal."""
    apart = (rows * rows).sum(axis=1)[:, None] + squares - 2.0 * rows @ landmarks.T
    near: NDArray[np.float64] = np.exp(-width * np.maximum(apart, 0.0))
    near += same_group * ((places[:, None] == landmark_groups) & (places[:, None] >= 0))
    return near


def with_groups(counts: NDArray[np.float64], places: NDArray[np.int64], groups: int) -> NDArray[np.float64]:
    """(n, c + g) counts, and a 1 at the group of each row."""
    marks = np.zeros((len(counts), groups))
    known = places >= 0
    marks[np.flatnonzero(known), places[known]] = 1.0
    return np.concatenate([counts, marks], axis=1)
