"""The rule of cascade routing (2410.10347): which arms to run next, given what those already run came to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid

Floats = NDArray[np.float64]

_DRAWS = 256
_MOST_SUBSETS_OF = 8
_UNTOLD = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SupermodelRule:
    """Runs the set S of arms that is best in ``U(S) - lambda * C(S)``, one arm at a time, the cheapest of it first.

    ``U(S)`` is the expected maximum over S: of an arm that has run its post-hoc quality, of one to run its ex-ante
    quality plus a normal error, whose covariance is that of post-hoc minus ex-ante qualities. After each answer
    everything is weighed again; where no further arm gains more than its price, one stops. The expectation is over
    256 fixed antithetic draws, so it is deterministic, and exact for a single arm. Our reconstructions: of more than
    8 arms only the 8 worth most alone are combined; what other arms' answers came to moves the ex-ante qualities as the
    covariance says, where the paper estimates them anew.

    Attributes:
        covariance: (k, k) of post-hoc minus ex-ante qualities.
        depth: most arms to run; 1 is routing.
        dearer: by how many arms have run, what the price of a dollar is multiplied by; the last holds from there on.
        order: arms are run in this order only, which makes it a cascade; None for any order.

    Raises:
        ArtifactInvalid: a covariance that is none, or another attribute out of range.
    """

    covariance: Floats
    depth: int
    dearer: tuple[float, ...] = (1.0,)
    order: tuple[int, ...] | None = None
    _noise: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        square = self.covariance.ndim == 2 and self.covariance.shape[0] == self.covariance.shape[1]
        if not square or not np.isfinite(self.covariance).all():
            raise ArtifactInvalid(f"cascade: covariance must be square and finite, not {self.covariance.shape}")
        values, vectors = np.linalg.eigh((self.covariance + self.covariance.T) / 2)
        if values.min(initial=0.0) < -1e-8 or self.depth < 1 or not self.dearer or min(self.dearer) < 0:
            raise ArtifactInvalid("cascade: a negative eigenvalue of covariance, a depth below 1, or dearer below 0")
        half = np.random.default_rng(0).standard_normal((_DRAWS // 2, len(values)))
        normal = np.concatenate((half, -half))
        object.__setattr__(self, "_noise", normal @ (vectors * np.sqrt(np.maximum(values, 0.0))).T)

    def next(
        self, before: Floats, cost: Floats, seen: Mapping[int, float], *, price: float, allowed: Iterable[int]
    ) -> int | None:
        """The arm to run next; None to stop, which before any answer is never chosen, and with one of quality 1 always.

        Args:
            before: (k,) ex-ante qualities.
            cost: (k,) expected dollars.
            seen: post-hoc qualities of the arms that have run.
            price: of a dollar.
            allowed: arms that may run; those that have run are left out.
        """
        open_ = [arm for arm in allowed if arm not in seen]
        price = price * self.dearer[min(len(seen), len(self.dearer) - 1)]
        held = max(seen.values(), default=-np.inf)
        if held >= 1:
            return None  # normal errors know no bounds, so they would still promise something better
        before, noise = self._given(before, seen)
        best: tuple[int, ...] = ()
        worth_best, paid_best = held, 0.0
        for chosen in self._sets(open_, before - price * cost, self.depth - len(seen)):
            paid = float(cost[list(chosen)].sum())
            worth = _expected_best(before, noise, held, chosen) - price * paid
            ahead = round(worth - worth_best, 9) if np.isfinite(worth_best) else 1.0
            if ahead > 0 or (ahead == 0 and best and paid < paid_best):
                best, worth_best, paid_best = chosen, worth, paid
        if not best:
            return None
        return best[0] if self.order is not None else min(best, key=lambda arm: (cost[arm], arm))

    def _given(self, before: Floats, seen: Mapping[int, float]) -> tuple[Floats, Floats]:
        """Ex-ante qualities and draws of their errors, given what the arms that have run came to.

        Normal errors given some of them: an answer that disappoints lowers what is expected of arms that fail together
        with its own. One that is worth what was expected is taken as one of which nothing is known.
        """
        arms = [arm for arm, quality in seen.items() if abs(quality - before[arm]) > _UNTOLD]
        if not arms or not self.covariance[np.ix_(arms, arms)].any():
            return before, self._noise
        surprise = np.array([seen[arm] for arm in arms]) - before[arms]
        gain = self.covariance[:, arms] @ np.linalg.pinv(self.covariance[np.ix_(arms, arms)], hermitian=True)
        return np.clip(before + gain @ surprise, 0.0, 1.0), self._noise - self._noise[:, arms] @ gain.T

    def _sets(self, open_: Sequence[int], alone: Floats, most: int) -> Iterator[tuple[int, ...]]:
        """The sets of arms that may be run next, smaller ones first."""
        if self.order is not None:
            left = [arm for arm in self.order if arm in open_]
            yield from (tuple(left[:size]) for size in range(1, min(most, len(left)) + 1))
            return
        kept = sorted(sorted(open_, key=lambda arm: -alone[arm])[:_MOST_SUBSETS_OF])
        for size in range(1, min(most, len(kept)) + 1):
            yield from combinations(kept, size)


def _expected_best(before: Floats, noise: Floats, held: float, chosen: tuple[int, ...]) -> float:
    """U(S) of the answers held and the arms chosen."""
    if len(chosen) == 1 and held == -np.inf:
        return float(before[chosen[0]])
    drawn = before[list(chosen)] + noise[:, list(chosen)]
    return float(np.maximum(drawn.max(axis=1), held).mean())
