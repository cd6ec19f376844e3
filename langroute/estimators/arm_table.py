"""ArmTable: what a fitted estimator knows of the arms it saw in training."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid, OutcomesInvalid

MOST_IDENTITIES = 256
"""So many arms have a feature of their own; with more of them, arms are told apart by their numbers only."""

TIERS = 4


class ArmTable:
    """Features of arms, by name, as they were in training; so that a change of price later changes no success.

    Args:
        names: the arms.
        columns: what each feature is.
        features: (arms, columns) finite numbers.
    """

    def __init__(self, *, names: Sequence[str], columns: Sequence[str], features: NDArray[Any]) -> None:
        self.names = tuple(names)
        self.columns = tuple(columns)
        self.features = np.asarray(features, dtype=np.float64)
        if self.features.shape != (len(self.names), len(self.columns)) or len(set(self.names)) < len(self.names):
            raise ArtifactInvalid(
                f"needs {len(self.names)} x {len(self.columns)} numbers for as many different names", field="arms"
            )
        self._places = {name: at for at, name in enumerate(self.names)}

    @classmethod
    def fit(
        cls,
        names: Sequence[str],
        *,
        costs: Mapping[str, float] | None = None,
        facts: Mapping[str, Mapping[str, float]] | None = None,
    ) -> Self:
        """Identity, mean cost of an attempt (logarithm), rank by it, and what else is known of every arm and varies.

        Args:
            names: the arms.
            costs: mean nano-dollars of an attempt, by arm; used where they are known of all.
            facts: more numbers by arm and name: prices, context window, samples.

        Raises:
            OutcomesInvalid: there are so many arms without costs that nothing tells them apart.
        """
        names, columns = sorted(names), {}
        if costs and set(names) <= set(costs):
            ranks = ranked({name: costs[name] for name in names})
            columns["log_cost"] = np.log1p(np.array([costs[name] for name in names]))
            columns["rank"] = np.array([ranks[name] for name in names])
        known = set.intersection(*(set((facts or {}).get(name, {})) for name in names)) if names else set()
        for fact in sorted(known):
            values = np.array([(facts or {})[name][fact] for name in names], dtype=np.float64)
            if np.isfinite(values).all() and (values >= 0).all() and (values != values[0]).any():
                columns[f"log_{fact}"] = np.log1p(values)
        if len(names) <= MOST_IDENTITIES:
            columns |= {f"arm={name}": np.eye(len(names))[at] for at, name in enumerate(names)}
        if not columns:
            raise OutcomesInvalid(
                f"is one of {len(names)}, and nothing else tells them apart: at most {MOST_IDENTITIES}, or add costs",
                field="arm",
            )
        return cls(names=names, columns=tuple(columns), features=np.stack(list(columns.values()), axis=1))

    @classmethod
    def tiers(cls, costs: Mapping[str, float], *, count: int = TIERS) -> Self:
        """Only which tier of price an arm is in: as many arms in each as can be, cheapest first."""
        names, order = sorted(costs), [name for name, _ in sorted(costs.items(), key=lambda item: (item[1], item[0]))]
        tier = {name: at * count // len(order) if len(order) > count else at for at, name in enumerate(order)}
        found = [[float(tier[name] == number) for number in range(count)] for name in names]
        return cls(names=names, columns=[f"tier={number}" for number in range(count)], features=np.array(found))

    def place(self, arm: str) -> int | None:
        """The row of an arm; None where it was never seen in training."""
        return self._places.get(arm)

    def places(self, arms: Sequence[str] | NDArray[np.str_]) -> NDArray[np.intp]:
        """The rows of arms, all of which were seen."""
        return np.array([self._places[str(arm)] for arm in arms], dtype=np.intp)

    def as_settings(self) -> dict[str, Any]:
        """Its names, as plain data; the numbers are an array of their own."""
        return {"names": list(self.names), "columns": list(self.columns)}

    @classmethod
    def from_settings(cls, settings: Any, features: NDArray[Any]) -> Self:
        """The same table again.

        Raises:
            ArtifactInvalid: names are missing, or do not fit the numbers.
        """
        try:
            names, columns = settings["names"], settings["columns"]
        except (KeyError, TypeError) as exc:
            raise ArtifactInvalid(f"lacks {exc}; train again with `langroute train`", field="arms") from exc
        return cls(names=names, columns=columns, features=features)


def ranked(costs: Mapping[str, float]) -> dict[str, float]:
    """Each arm's place in the order of costs, from 0.0 for the cheapest to 1.0 for the dearest, as ``Arm.rank``."""
    order = sorted(costs, key=lambda name: (costs[name], name))
    last = len(order) - 1
    return {name: at / last if last else 1.0 for at, name in enumerate(order)}
