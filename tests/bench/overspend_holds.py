"""What to hold before a call: its worst case, its average, or nothing. What each costs, and what it lets through.

An episode has a budget and many calls that want to be made, at most ``SIDE_BY_SIDE`` of them at once. Before a call an
amount is held in a real ledger; where it does not fit, the call waits until another one has settled, and is refused
when none is under way. Then the call settles at its true cost, above its hold or below. Only what is held differs:

- ``worst_case``: the output limit. What langroute does.
- ``ninety_five``: the length that 95 of 100 answers stay under.
- ``average``: the mean length, as estimates from experience are.
- ``nothing``: a call is admitted while anything is left, as budgets do that look at what is spent.

Answers are log-normal in length and cut at the limit: ``MEDIAN`` and the standard deviation ``SIGMA`` of the logarithm
are those of the 20,163 steps of a coding agent (mini-swe-agent on SWE-bench), whose longest answers are longer still.
"""

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import exp
from statistics import mean

from langroute.books import Amount, HoldRequest, Limits
from langroute.errors import BudgetExceeded
from langroute.ledgers import MemoryLedger

LIMIT = 2_000
MEDIAN, SIGMA = 89.0, 1.22
NANO_PER_TOKEN = 10_000
WANTED = 400
SIDE_BY_SIDE = 32
BUDGET_CALLS = 16  # what the budget is worth, in calls at the limit
EPISODES = 200
_SCOPE = "episode:holds"


@dataclass(slots=True)
class Episode:
    """How one episode went.

    Attributes:
        spent: what was billed, as a share of the budget.
        made: calls that were made.
        at_once: calls under way, in the mean over the episode's time.
    """

    spent: float
    made: int
    at_once: float


def lengths(generator: random.Random) -> Iterator[int]:
    """Lengths of answers, in tokens, without end."""
    while True:
        yield min(LIMIT, max(1, round(MEDIAN * exp(generator.gauss(0.0, SIGMA)))))


def amounts(generator: random.Random) -> dict[str, int]:
    """What each rule holds, in tokens, from a sample of answers."""
    sample = sorted(length for length, _ in zip(lengths(generator), range(20_000), strict=False))
    return {
        "worst_case": LIMIT,
        "ninety_five": sample[int(0.95 * len(sample))],
        "average": round(mean(sample)),
        "nothing": 0,
    }


def episode(held: int, generator: random.Random) -> Episode:
    """Play one episode; calls end in the order of their lengths, since a longer answer takes longer."""
    ledger, budget = MemoryLedger(), BUDGET_CALLS * LIMIT * NANO_PER_TOKEN
    ledger.open(_SCOPE, Limits(nano_usd=budget), at=0.0)
    under_way: list[tuple[float, int, int]] = []
    now, busy, made, answers = 0.0, 0, 0, lengths(generator)
    while made < WANTED:
        if len(under_way) < SIDE_BY_SIDE and _admitted(ledger, made, held, budget):
            length = next(answers)
            heapq.heappush(under_way, (now + length, made, length))
            made, busy = made + 1, busy + length
        elif under_way:
            now = _ended(ledger, under_way)
        else:
            break
    while under_way:
        now = _ended(ledger, under_way)
    return Episode(spent=ledger.balance(_SCOPE).spent.nano_usd / budget, made=made, at_once=busy / now)


def _admitted(ledger: MemoryLedger, number: int, held: int, budget: int) -> bool:
    if not held and ledger.balance(_SCOPE).spent.nano_usd >= budget:
        return False
    amount = Amount(nano_usd=held * NANO_PER_TOKEN)
    try:
        ledger.hold(HoldRequest(id=str(number), scopes=(_SCOPE,), amount=amount, at=0.0))
    except BudgetExceeded:
        return False
    return True


def _ended(ledger: MemoryLedger, under_way: list[tuple[float, int, int]]) -> float:
    at, number, length = heapq.heappop(under_way)
    ledger.settle(str(number), Amount(nano_usd=length * NANO_PER_TOKEN), at=at)
    return at


def compare(
    *, seed: int, episodes: int = EPISODES, play: Callable[[int, random.Random], Episode] = episode
) -> dict[str, dict[str, float]]:
    """Each rule over the same episodes.

    Returns:
        By rule: ``held_tokens``; ``overspent``, the share of episodes above their budget; ``spent`` and ``most_spent``,
        what they spent in the mean and at most, as a share of the budget; ``made``, calls of an episode, and
        ``at_once``, calls under way at a time, both in the mean.
    """
    found = {}
    for rule, held in amounts(random.Random(seed)).items():
        told = [play(held, random.Random(f"{seed}-{number}")) for number in range(episodes)]
        found[rule] = {
            "held_tokens": held,
            "overspent": round(mean(one.spent > 1 for one in told), 3),
            "spent": round(mean(one.spent for one in told), 4),
            "most_spent": round(max(one.spent for one in told), 4),
            "made": round(mean(one.made for one in told), 1),
            "at_once": round(mean(one.at_once for one in told), 1),
        }
    return found
