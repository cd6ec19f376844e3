"""Arms of several samples (BEST-Route, 2506.22716): the best of n attempts, as one more arm of the same rule."""

from collections.abc import Sequence
from dataclasses import replace
from math import comb

import numpy as np

from langroute.errors import OutcomesInvalid
from langroute.learning.tallies import Tallies


def with_samples(tallies: Tallies, counts: Sequence[int]) -> Tallies:
    """The tallies with an arm ``NAME*n`` beside each arm, for each n: right where any of n attempts is.

    The selector is perfect, as a verifier is; a proxy reward would lose some. Successes are exact expectations over the
    choice of n different attempts, so an arm needs n attempts on every task; one that has fewer is not multiplied.

    Args:
        tallies: the outcomes, of successes that are 0 or 1.
        counts: numbers of samples, each 2 or more.

    Raises:
        OutcomesInvalid: a count below 2, or successes that are degrees.
    """
    if any(count < 2 for count in counts):
        raise OutcomesInvalid(f"must be 2 or more, not {list(counts)}", field="counts")
    if not np.array_equal(tallies.successes, np.round(tallies.successes)):
        raise OutcomesInvalid("must be 0 or 1 to know whether any of several is right", field="success")
    arms, columns = list(tallies.arms), [(tallies.tries, tallies.successes, tallies.cost)]
    for count in counts:
        kept = np.flatnonzero((tallies.tries >= count).all(axis=0))
        tries, failures = tallies.tries[:, kept], (tallies.tries - tallies.successes)[:, kept]
        missed = np.vectorize(lambda wrong, of, n=count: comb(int(wrong), n) / comb(int(of), n), otypes=[float])
        columns.append((tries, tries * (1 - missed(failures, tries)), count * tallies.cost[:, kept]))
        arms += [f"{tallies.arms[arm]}*{count}" for arm in kept.tolist()]
    tried, successes, cost = (np.concatenate(parts, axis=1) for parts in zip(*columns, strict=True))
    return replace(tallies, arms=tuple(arms), tries=tried, successes=successes, cost=cost)
