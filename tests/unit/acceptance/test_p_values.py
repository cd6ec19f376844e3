"""P-values are exact where they are said to be, and never too small where a mean loss is at the level."""

import math
from fractions import Fraction

import numpy as np
import pytest

from langroute.acceptance.p_values import (
    betting_p_values,
    binomial_p_value,
    binomial_tail,
    hoeffding_bentkus_p_value,
    rescaled,
)


def exact_tail(successes: int, n: int, probability: Fraction) -> float:
    """The binomial distribution function in fractions."""
    return float(
        sum(
            math.comb(n, count) * probability**count * (1 - probability) ** (n - count)
            for count in range(successes + 1)
        )
    )


@pytest.mark.parametrize(
    ("n", "probability"), [(1, "1/2"), (20, "1/20"), (100, "1/10"), (500, "1/20"), (300, "97/100")]
)
def test_the_binomial_tail_is_the_one_of_fractions(n: int, probability: str) -> None:
    """The tail agrees with exact arithmetic to nine digits, down to the smallest values."""
    share = Fraction(probability)
    for successes in sorted({0, 1, n // 20, n // 10, n // 2, n - 1}):
        if successes < n:
            assert binomial_tail(successes, n, float(share)) == pytest.approx(exact_tail(successes, n, share), rel=1e-9)
    assert binomial_tail(n, n, float(share)) == 1.0
    assert binomial_tail(-1, n, float(share)) == 0.0


def test_the_binomial_tail_stands_large_counts() -> None:
    """A million rows neither overflow nor vanish: half of them is half the probability."""
    assert binomial_tail(500_000, 1_000_000, 0.5) == pytest.approx(0.5, abs=1e-3)


def test_no_row_proves_nothing() -> None:
    """Without a row the p-value is 1."""
    assert binomial_p_value(0, 0, 0.1) == 1.0
    assert hoeffding_bentkus_p_value(0.0, 0, 0.1) == 1.0


def test_hoeffding_bentkus_is_the_smaller_of_two_bounds_written_out() -> None:
    """With no loss seen Hoeffding is (1 - level)^n, below Bentkus; near the level Bentkus is the smaller one."""
    assert hoeffding_bentkus_p_value(0.0, 50, 0.1) == pytest.approx(0.9**50)
    near = hoeffding_bentkus_p_value(20.0, 500, 0.1)
    assert near == pytest.approx(math.e * binomial_tail(20, 500, 0.1))
    assert near < math.exp(-500 * (0.04 * math.log(0.04 / 0.1) + 0.96 * math.log(0.96 / 0.9)))
    assert hoeffding_bentkus_p_value(60.0, 500, 0.1) == 1.0


def test_rounding_of_sums_does_not_add_a_loss() -> None:
    """Ten losses of 0.3 sum to a little less or more than 3; both count as 3."""
    assert hoeffding_bentkus_p_value(sum([0.3] * 10), 100, 0.1) == hoeffding_bentkus_p_value(3.0, 100, 0.1)
    assert hoeffding_bentkus_p_value(3.0 + 1e-12, 100, 0.1) == hoeffding_bentkus_p_value(3.0, 100, 0.1)


def test_betting_wins_what_was_computed_by_hand() -> None:
    """One row of loss 0 against level 1/2: the stake is the boldest, 1.5, so the wealth is 1.75."""
    assert betting_p_values(np.zeros((1, 1)), 0.5, 0.1)[0] == pytest.approx(1 / 1.75)


def test_a_stake_rests_on_the_rows_before_it() -> None:
    """After a first row of 0.5 the spread is 0.25 / 2; the second stake is made of that, not of the second row."""
    stake = math.sqrt(2 * math.log(1 / 0.9) / (2 * 0.125))
    assert betting_p_values(np.array([[0.5], [0.0]]), 0.5, 0.9)[0] == pytest.approx(1 / (1 + stake * 0.5))


def test_a_stake_does_not_know_the_rows_that_come_later() -> None:
    """What was won before the last row does not depend on how that row turns out to lose."""
    rows = np.tile([[1.0], [0.0]], (25, 1))
    slightly, badly = (betting_p_values(np.concatenate((rows, [[last]])), 0.6, 0.1)[0] for last in (0.7, 1.0))
    assert slightly == badly < 1


LEVEL, DELTA = 0.525, 0.1


@pytest.mark.parametrize("kind", ["pairs that mostly agree", "coins", "graded"])
def test_p_values_are_not_too_small_at_the_level(kind: str) -> None:
    """Where the mean loss is exactly at the level, at most delta of 4,000 samples have a p-value up to delta."""
    draws = np.random.default_rng(11)
    n, samples = 200, 4_000
    if kind == "pairs that mostly agree":
        losses = draws.choice([0.0, 0.5, 1.0], p=[0.05, 0.85, 0.10], size=(n, samples))
    elif kind == "coins":
        losses = (draws.random((n, samples)) < LEVEL).astype(float)
    else:
        losses = draws.beta(2 * LEVEL, 2 * (1 - LEVEL), size=(n, samples))
    allowed = DELTA + 2 * math.sqrt(DELTA * (1 - DELTA) / samples)
    betting = betting_p_values(losses, LEVEL, DELTA)
    bounds = np.array([hoeffding_bentkus_p_value(float(total), n, LEVEL) for total in losses.sum(axis=0)])
    assert (betting <= DELTA).mean() <= allowed
    assert (bounds <= DELTA).mean() <= allowed
    assert (betting <= DELTA).any(), "a p-value that is never small would be no test"


def test_the_normal_approximation_would_be_too_small() -> None:
    """The control: the z-test on rare losses of a small sample rejects a true hypothesis far more often than delta."""
    losses = np.random.default_rng(12).random((100, 4_000)) < 0.02
    z = (losses.mean(axis=0) - 0.02) / np.maximum(losses.std(axis=0), 1e-12) * math.sqrt(100)
    exact = np.array([binomial_p_value(int(count), 100, 0.02) for count in losses.sum(axis=0)])
    assert (z < -1.2816).mean() > 0.12
    assert (exact <= DELTA).mean() <= DELTA


def test_betting_rules_out_more_than_hoeffding_bentkus_where_pairs_agree() -> None:
    """500 pairs without any difference show that at most 0.05 is lost by betting, not by Hoeffding-Bentkus."""
    losses = np.full((500, 1), rescaled(np.zeros(1), (-1.0, 1.0))[0])
    assert betting_p_values(losses, LEVEL, DELTA)[0] < 1e-3
    assert hoeffding_bentkus_p_value(float(losses.sum()), 500, LEVEL) > DELTA
