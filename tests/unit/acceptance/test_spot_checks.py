"""How often cheap answers differ from strong ones, with bounds that hold, and an alarm that may be looked at often."""

from itertools import pairwise

import numpy as np
import pytest

from langroute.acceptance.spot_checks import SpotCheck, disagreement, drift_p_value
from langroute.errors import CalibrationError


def _checks(differed: np.ndarray, **cell: str) -> list[SpotCheck]:
    place = {"kind": "control", "arm": "small", **cell}
    return [SpotCheck(agreed=not one, at=float(at), **place) for at, one in enumerate(differed.tolist())]


def test_rates_are_per_kind_and_arm() -> None:
    """Each cell has its own count and rate; nothing is said of cells without checks."""
    checks = [*_checks(np.array([1, 0, 0, 0])), *_checks(np.array([1, 1]), arm="medium")]
    found = disagreement(checks)
    assert [(one.arm, one.n, one.differing, one.rate) for one in found] == [
        ("medium", 2, 2, 1.0),
        ("small", 4, 1, 0.25),
    ]
    assert disagreement([]) == ()


def test_the_interval_is_the_exact_one() -> None:
    """Clopper-Pearson at 95%: 1 of 10, none of 20 and all of 5, from the tables."""
    for differing, n, low, high in ((1, 10, 0.0025, 0.4450), (0, 20, 0.0, 0.1684), (5, 5, 0.4782, 1.0)):
        (found,) = disagreement(_checks(np.arange(n) < differing))
        assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Over 2,000 draws of 60 checks the true rate is outside in at most 5%."""
    draws = np.random.default_rng(4)
    counts, times = np.unique(draws.binomial(60, 0.12, size=2000), return_counts=True)
    outside = 0
    for count, seen in zip(counts.tolist(), times.tolist(), strict=True):
        (found,) = disagreement(_checks(np.arange(60) < count))
        outside += seen * (not found.low <= 0.12 <= found.high)
    assert outside / 2000 <= 0.05


def test_looking_after_every_check_raises_no_more_false_alarms() -> None:
    """At the promised rate, the lowest p-value over 300 looks is at most .1 in at most a tenth of the runs."""
    draws = np.random.default_rng(7)
    alarms = [drift_p_value(_checks(draws.random(300) < 0.1), rate=0.1) <= 0.1 for _ in range(500)]
    assert np.mean(alarms) <= 0.1 + 2 * np.sqrt(0.09 / 500)


def test_looking_again_never_takes_an_alarm_back() -> None:
    """The p-value of more checks is at most that of the first ones, so it can be looked at whenever one likes."""
    differed = np.random.default_rng(1).random(200) < 0.2
    looks = [drift_p_value(_checks(differed[:seen]), rate=0.1) for seen in range(0, 201, 20)]
    assert looks[0] == 1.0
    assert all(later <= before + 1e-12 for before, later in pairwise(looks))


def test_a_real_drift_is_found() -> None:
    """A rate of .3 where .1 was promised is found within 150 checks nearly always, at a level of .05."""
    draws = np.random.default_rng(2)
    found = [drift_p_value(_checks(draws.random(150) < 0.3), rate=0.1) <= 0.05 for _ in range(200)]
    assert np.mean(found) >= 0.95


@pytest.mark.parametrize("rate", [0.0, 1.0, -1.0])
def test_a_rate_is_a_probability(rate: float) -> None:
    """What was promised lies strictly between 0 and 1."""
    with pytest.raises(CalibrationError, match="rate:"):
        drift_p_value([], rate=rate)
