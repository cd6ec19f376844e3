"""Plans: which arms to try one after another until an answer is accepted, weighed over scenarios of one task."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ArtifactInvalid

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scenarios:
    """What a task may be like: n cases, and what each of k arms would achieve and cost in them.

    Failures of arms correlate, since a hard task is hard for all of them. Given the case they are taken as independent,
    so the correlation is in the cases: an arm that fails makes the hard ones likelier.

    Attributes:
        success: (n, k) probability that an attempt of the arm succeeds.
        cost: (n, k) dollars an attempt is expected to cost, whether it succeeds or not.
        weight: (n,) probability of the case; sums to 1.

    Raises:
        ArtifactInvalid: shapes that do not fit, or values out of range.
    """

    success: Floats
    cost: Floats
    weight: Floats

    def __post_init__(self) -> None:
        fits = self.success.ndim == 2 and self.success.shape == self.cost.shape
        if not fits or self.weight.shape != self.success.shape[:1] or not self.success.size:
            shapes = f"{self.success.shape}, {self.cost.shape} and {self.weight.shape}"
            raise ArtifactInvalid(f"scenarios: success, cost and weight do not fit together: {shapes}")
        if not (((self.success >= 0) & (self.success <= 1)).all() and (self.cost >= 0).all()):
            raise ArtifactInvalid("scenarios: success must be in [0, 1] and cost not negative")
        if not (self.weight >= 0).all() or abs(float(self.weight.sum()) - 1) > 1e-6:
            raise ArtifactInvalid("scenarios: weight must be probabilities that sum to 1")

    @property
    def ease(self) -> Floats:
        """(k,) probability that each arm alone succeeds."""
        return self.weight @ self.success


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Arms by number, in the order in which they are tried, and what that is expected to achieve and cost.

    Attributes:
        arms: none to stop at once.
        success: probability that the answer that is passed on is right.
        cost: expected dollars.
    """

    arms: tuple[int, ...] = ()
    success: float = 0.0
    cost: float = 0.0

    def worth(self, price: float) -> float:
        """Success less what the dollars are worth."""
        return self.success - price * self.cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How plans are made.

    Attributes:
        attempts: most arms in a plan. Few is safer than many: each choice is made on the same few tasks.
        error: probability that the verifier's word is wrong, either way. With 0 an answer is right when accepted;
            otherwise the last answer is passed on whatever the verifier says, since nobody can make it better.
        width: how many plans are kept at each depth of the search.
    """

    attempts: int = 4
    error: float = 0.0
    width: int = 12

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.width < 1 or not 0 <= self.error < 0.5:
            message = "plan rules: attempts and width must be 1 or more, error in [0, 0.5)"
            raise ArtifactInvalid(f"{message}, not {self.attempts}, {self.width}, {self.error}")


def follow(order: Sequence[int], success: Floats, cost: Floats, *, error: float = 0.0) -> tuple[Floats, Floats]:
    """What trying arms in this order achieves and costs on each of n tasks with known (n, k) success and cost.

    Exact in expectation over the attempts of each arm, which are independent given the task; so where ``success`` and
    ``cost`` are means over runs, no run is used for two attempts (an arm stands in an order once).

    Returns:
        (n,) success and (n,) cost.
    """
    reach = np.ones(len(success))
    achieved, paid = np.zeros(len(success)), np.zeros(len(success))
    for place, arm in enumerate(order):
        passed = 1.0 if error and place == len(order) - 1 else 1.0 - error
        paid += reach * cost[:, arm]
        achieved += reach * success[:, arm] * passed
        reach = reach * _rejected(success[:, arm], error)
    return achieved, paid


def _rejected(success: Floats, error: float) -> Floats:
    """Probability that the verifier rejects an answer, for these probabilities that it is right."""
    return (1 - error) * (1 - success) + error * success


def plan(scenarios: Scenarios, *, price: float, rules: Rules | None = None) -> Plan:
    """The plan of most success less ``price`` times cost, by beam search; empty if none is worth it.

    Stopping early is among the plans, so a dear last attempt is only made where, after all the failures before it, it
    is still worth its price. Exact for one attempt; beyond that the beam may miss a better order.

    Args:
        scenarios: what the task may be like.
        price: of a dollar: success given up per dollar saved.
        rules: length, verifier and width.
    """
    rules = rules or Rules()
    success, cost, error = scenarios.success, scenarios.cost, rules.error
    best, beam = Plan(), [(Plan(), scenarios.weight)]
    for _ in range(rules.attempts):
        grown: list[tuple[float, Plan, Floats]] = []
        for tried, reach in beam:
            right, paid = reach @ success, reach @ cost
            for arm in _open(tried, right, paid, price, rules):
                arms, spent = (*tried.arms, arm), tried.cost + float(paid[arm])
                last = Plan(arms=arms, success=tried.success + float(right[arm]), cost=spent)
                best = max(best, last, key=lambda each: each.worth(price))
                kept = Plan(arms=arms, success=tried.success + (1 - error) * float(right[arm]), cost=spent)
                grown.append((kept.worth(price), kept, reach))
        beam = _widest(grown, success, rules)
    return best


def _open(tried: Plan, right: Floats, paid: Floats, price: float, rules: Rules) -> list[int]:
    """The arms not yet tried, those that pay most at once first, three for each plan that is kept."""
    ranked = np.argsort(price * paid - right, kind="stable").tolist()
    return [arm for arm in ranked if arm not in tried.arms][: 3 * rules.width]


def _widest(grown: list[tuple[float, Plan, Floats]], success: Floats, rules: Rules) -> list[tuple[Plan, Floats]]:
    """The plans worth most, of each set of arms the best order only, with the weight of what they leave unsolved."""
    kept: dict[frozenset[int], tuple[Plan, Floats]] = {}
    for _, tried, reach in sorted(grown, key=lambda each: -each[0]):
        key = frozenset(tried.arms)
        if key not in kept:
            kept[key] = (tried, reach * _rejected(success[:, tried.arms[-1]], rules.error))
        if len(kept) == rules.width:
            break
    return list(kept.values())
