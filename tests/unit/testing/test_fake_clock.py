"""FakeClock: time that passes only when a test says so."""

import pytest

from langroute.protocols import Clock
from langroute.testing import FakeClock


def test_time_stands_still_until_advanced() -> None:
    """Both clocks move together, by exactly what was asked."""
    clock = FakeClock(at=50.0)
    assert (clock.now(), clock.elapsed()) == (50.0, 0.0)
    clock.advance(1.5)
    assert (clock.now(), clock.elapsed()) == (51.5, 1.5)


def test_setting_the_wall_clock_back_leaves_elapsed_alone() -> None:
    """As on a real machine, a corrected wall clock does not change durations."""
    clock = FakeClock(at=50.0)
    clock.advance(10)
    clock.set_now(20.0)
    assert (clock.now(), clock.elapsed()) == (20.0, 10.0)


def test_time_never_passes_backwards() -> None:
    """Advancing by less than nothing is refused, with the way out."""
    with pytest.raises(ValueError, match="set_now"):
        FakeClock().advance(-1)


def test_it_is_a_clock() -> None:
    """It fits wherever the house asks for a Clock."""
    assert isinstance(FakeClock(), Clock)
