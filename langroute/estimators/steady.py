"""SteadyEstimator: success of each arm that no task and no group changes, and costs that both do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid
from langroute.estimators.arrays import array_of, names_of
from langroute.estimators.live import estimates_of, for_arms, unseen_arms
from langroute.estimators.rows import Expected, StepRows
from langroute.parts import Parts
from langroute.records import Arm, Estimate, Step

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Amount:
    """``log amount = usual[arm] + special[group, arm] + text @ slope``, of output tokens or nano-dollars.

    Attributes:
        usual: (k,).
        special: (g, k).
        slope: (d,) what the text says of a task's size, the same for all arms; zeros where it says nothing.
    """

    usual: Floats
    special: Floats
    slope: Floats

    def on(self, group: NDArray[np.int64], text: Floats) -> Floats:
        """(n, k) for rows of these groups, -1 for one never seen; a text of another length says nothing."""
        special = np.concatenate([self.special, np.zeros((1, len(self.usual)))])[group]
        size = text @ self.slope if text.shape[1] == len(self.slope) else np.zeros(len(text))
        found: Floats = np.exp(np.clip(self.usual + special + size[:, None], -60.0, 60.0))
        return found


class SteadyEstimator:
    """Believes of success only what holds for all tasks, and routes by what a task will cost.

    Without a verifier, which task suits which arm is mostly noise where tasks are few, and a router that believes it
    does harm. Costs are another matter: they are known of every attempt, and a group or a text says much of them. So
    arms differ in success by one number each, shrunk and cautious; see `langroute.learning.steady_fitting`.

    Args:
        arms: the k arms of training.
        groups: the g domains known; one never seen is as all tasks are.
        success: (k,) of each arm.
        amounts: of ``tokens`` and ``cost`` those that the table knew.
    """

    name = "steady"
    version = "1"

    def __init__(
        self, *, arms: Sequence[str], groups: Sequence[str], success: Floats, amounts: Mapping[str, Amount]
    ) -> None:
        self.arms = tuple(arms)
        self.groups = tuple(groups)
        self.success = success
        self.amounts = dict(amounts)
        self._known = {name: at for at, name in enumerate(self.arms)}
        self._group_at = {name: at for at, name in enumerate(self.groups)}

    def estimate(self, step: Step, arms: Sequence[Arm]) -> tuple[Estimate, ...]:
        """One estimate per arm, in the order of ``arms``."""
        return estimates_of(step, arms, self._expected(StepRows.of(step)), self._known)

    def predict(self, rows: StepRows, arms: Sequence[str]) -> Expected:
        """What each arm is expected to do on each row, in the order of ``arms``."""
        return for_arms(self._expected(rows), self._known, arms)

    def unseen(self, arms: Sequence[Arm]) -> tuple[str, ...]:
        """The names of a pool's arms that the prior estimates."""
        return unseen_arms(arms, self._known)

    def _expected(self, rows: StepRows) -> Expected:
        group = np.array([self._group_at.get(str(name), -1) for name in rows.word("domain")], dtype=np.int64)
        unknown = np.full((len(rows), len(self.arms)), np.nan)
        told = {name: amount.on(group, rows.text) for name, amount in self.amounts.items()}
        return Expected(
            success=np.repeat(self.success[None], len(rows), axis=0),
            output_tokens=told.get("tokens", unknown),
            cost_nano=told.get("cost", unknown),
        )

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        arrays = {"success": self.success}
        for name, amount in self.amounts.items():
            arrays |= {f"{name}.{part}": getattr(amount, part) for part in ("usual", "special", "slope")}
        settings = {"arms": list(self.arms), "groups": list(self.groups), "amounts": sorted(self.amounts)}
        return Parts(settings=settings, arrays=arrays)

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same estimator again.

        Raises:
            ArtifactInvalid: a setting or an array is missing or is not what it has to be.
        """
        arms, groups = names_of(parts.settings, "arms"), names_of(parts.settings, "groups")
        named = parts.settings.get("amounts")
        if not isinstance(named, list) or not all(name in ("cost", "tokens") for name in named):
            raise ArtifactInvalid(f"must be of cost and tokens, not {named!r}; train again", field="amounts")
        amounts = {
            name: Amount(
                usual=array_of(parts, f"{name}.usual", len(arms)),
                special=array_of(parts, f"{name}.special", len(groups), len(arms)),
                slope=array_of(parts, f"{name}.slope", None),
            )
            for name in named
        }
        return cls(arms=arms, groups=groups, success=array_of(parts, "success", len(arms)), amounts=amounts)
