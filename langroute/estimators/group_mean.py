"""GroupMeanEstimator: what an arm did before in the same group, kind and node; nothing of the step itself."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid
from langroute.estimators.arrays import array_of, flags_of, names_of
from langroute.estimators.columns import WORDS, words_of
from langroute.estimators.live import estimates_of, expected_of, for_arms, unseen_arms
from langroute.estimators.rows import Expected, StepRows
from langroute.parts import Parts
from langroute.records import Arm, Estimate, Step

LEVELS: tuple[str, ...] = ("domain", "kind", "node")
"""From the widest to the narrowest group: each is asked within the ones before it."""


class GroupMeanEstimator:
    """Mean success, output tokens and cost of each arm, by (domain, kind, node).

    A baseline that stands in every table: what does no better has learned only which group is hard. Small groups are
    shrunk: the mean of a group is that of its own rows and of ``strength`` rows like the group around it, up to the
    arm's mean over all. A group never seen is the widest known one around it.

    Args:
        arms: the k arms of training.
        levels: columns that are asked, from the widest group to the narrowest; a part of `LEVELS`.
        groups: the groups known, each as the names of its levels so far; the empty one, all rows, first.
        means: (g, 3, k): success, output tokens and cost in nano-dollars of each group and arm.
        known: whether output tokens and costs are known; what is not is not read.
    """

    name = "group_mean"
    version = "1"

    def __init__(
        self,
        *,
        arms: Sequence[str],
        levels: Sequence[str],
        groups: Sequence[Sequence[str]],
        means: NDArray[np.float64],
        known: tuple[bool, bool],
    ) -> None:
        self.arms = tuple(arms)
        self.levels = tuple(levels)
        self.groups = tuple(tuple(group) for group in groups)
        self.means = means
        self.amounts_known = known
        self._known = {name: at for at, name in enumerate(self.arms)}
        self._places = [WORDS.index(level) for level in self.levels]
        self._group_at: Mapping[tuple[str, ...], int] = {group: at for at, group in enumerate(self.groups)}

    def estimate(self, step: Step, arms: Sequence[Arm]) -> tuple[Estimate, ...]:
        """One estimate per arm, in the order of ``arms``."""
        group = self._group(words_of(step))
        return estimates_of(step, arms, self._expected(np.array([group])), self._known)

    def predict(self, rows: StepRows, arms: Sequence[str]) -> Expected:
        """What each arm is expected to do on each row, in the order of ``arms``."""
        groups = np.array([self._group(words) for words in rows.words.tolist()], dtype=np.int64)
        return for_arms(self._expected(groups), self._known, arms)

    def unseen(self, arms: Sequence[Arm]) -> tuple[str, ...]:
        """The names of a pool's arms that the prior estimates."""
        return unseen_arms(arms, self._known)

    def _group(self, words: Sequence[str]) -> int:
        """The narrowest known group of a step."""
        names = tuple([words[place] for place in self._places])
        for length in range(len(names), 0, -1):
            found = self._group_at.get(names[:length])
            if found is not None:
                return found
        return 0

    def _expected(self, groups: NDArray[np.int64]) -> Expected:
        found = self.means[groups]
        return expected_of(found, self.amounts_known)

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        settings: dict[str, Any] = {
            "arms": list(self.arms),
            "levels": list(self.levels),
            "groups": [list(group) for group in self.groups],
            "known": list(self.amounts_known),
        }
        return Parts(settings=settings, arrays={"means": self.means})

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same estimator again.

        Raises:
            ArtifactInvalid: a setting or an array is missing or is not what it has to be.
        """
        settings = parts.settings
        arms = names_of(settings, "arms")
        levels, groups = settings.get("levels"), settings.get("groups")
        if not isinstance(levels, list) or not all(level in LEVELS for level in levels):
            raise ArtifactInvalid(f"must be of {', '.join(LEVELS)}, not {levels!r}; train again", field="levels")
        if not isinstance(groups, list) or not groups or groups[0] != [] or not all(map(_is_group, groups)):
            raise ArtifactInvalid("must be lists of names, the empty one first; train again", field="groups")
        means = array_of(parts, "means", len(groups), 3, len(arms))
        return cls(arms=arms, levels=levels, groups=groups, means=means, known=flags_of(settings, "known"))


def _is_group(group: Any) -> bool:
    return isinstance(group, list) and all(isinstance(name, str) for name in group)
