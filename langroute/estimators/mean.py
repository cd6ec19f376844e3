"""MeanEstimator: the mean of what several fitted estimators expect, which errs less than each of them."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol, Self

import numpy as np

from langroute.errors import ArtifactInvalid
from langroute.estimators.rows import Expected, StepRows
from langroute.parts import Parts
from langroute.records import Arm, Estimate, Step

MEMBERS = {
    "boosted": "langroute.estimators.boosted:BoostedEstimator",
    "group_mean": "langroute.estimators.group_mean:GroupMeanEstimator",
    "neighbours": "langroute.estimators.neighbours:NeighboursEstimator",
    "ridge": "langroute.estimators.ridge:RidgeEstimator",
}
"""Name -> ``module:class`` of what can be a member."""


class Member(Protocol):
    """An estimator that is fitted and reads tables."""

    name: str

    def estimate(self, step: Step, arms: Sequence[Arm]) -> tuple[Estimate, ...]:
        """One estimate per arm."""
        ...

    def predict(self, rows: StepRows, arms: Sequence[str]) -> Expected:
        """What each arm is expected to do on each row."""
        ...

    def unseen(self, arms: Sequence[Arm]) -> tuple[str, ...]:
        """Arms that were never seen in training."""
        ...

    def parts(self) -> Parts:
        """What it is made of."""
        ...


class MeanEstimator:
    """Plain means of success and output tokens over its members; the price follows from the tokens.

    The members err for different reasons (lines, trees, neighbours), so much of their error cancels; the differences
    between arms that a router lives on are small beside it.

    Args:
        members: at least one, fitted on the same arms and the same text vectors.
    """

    name = "mean"
    version = "1"

    def __init__(self, members: Sequence[Member]) -> None:
        if not members:
            raise ArtifactInvalid("has no member; train again with `langroute train`", field="members")
        self.members = tuple(members)

    def estimate(self, step: Step, arms: Sequence[Arm]) -> tuple[Estimate, ...]:
        """One estimate per arm, in the order of ``arms``."""
        told = zip(*[member.estimate(step, arms) for member in self.members], strict=True)
        found = []
        for arm, estimates in zip(arms, told, strict=True):
            tokens = round(sum(one.output_tokens for one in estimates) / len(estimates))
            success = sum(one.success for one in estimates) / len(estimates)
            cost = step.cost_of(arm, tokens)
            caveat = next((one.caveat for one in estimates if one.caveat), "")
            found.append(
                Estimate(arm=arm.name, success=round(success, 6), cost_nano=cost, output_tokens=tokens, caveat=caveat)
            )
        return tuple(found)

    def predict(self, rows: StepRows, arms: Sequence[str]) -> Expected:
        """What each arm is expected to do on each row, in the order of ``arms``."""
        told = [member.predict(rows, arms) for member in self.members]
        return Expected(
            success=np.mean([one.success for one in told], axis=0),
            output_tokens=np.mean([one.output_tokens for one in told], axis=0),
            cost_nano=np.mean([one.cost_nano for one in told], axis=0),
        )

    def unseen(self, arms: Sequence[Arm]) -> tuple[str, ...]:
        """The names of a pool's arms that the members estimate by the prior."""
        return self.members[0].unseen(arms)

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        parts = [member.parts() for member in self.members]
        told = [
            {"type": member.name, "settings": dict(one.settings), "arrays": sorted(one.arrays)}
            for member, one in zip(self.members, parts, strict=True)
        ]
        arrays = {f"{at}.{name}": array for at, one in enumerate(parts) for name, array in one.arrays.items()}
        return Parts(settings={"members": told}, arrays=arrays)

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same estimator again.

        Raises:
            ArtifactInvalid: a member is not known, or is not what it has to be.
        """
        told = parts.settings.get("members")
        if not isinstance(told, list):
            raise ArtifactInvalid("is missing; train again with `langroute train`", field="members")
        return cls([_member(at, one, parts) for at, one in enumerate(told)])


def _member(at: int, told: Any, parts: Parts) -> Member:
    try:
        module, _, name = MEMBERS[told["type"]].partition(":")
        own = Parts(
            settings=dict(told["settings"]), arrays={name: parts.arrays[f"{at}.{name}"] for name in told["arrays"]}
        )
    except (KeyError, TypeError, ValueError) as exc:
        message = f"is missing or not known ({exc}); train again with `langroute train`"
        raise ArtifactInvalid(message, field=f"members[{at}]") from exc
    made: Member = getattr(import_module(module), name).from_parts(own)
    return made
