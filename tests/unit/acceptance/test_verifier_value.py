"""A verifier is worth what it saves: against simulation, and where the formula must be obvious."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langroute.acceptance.verifier import value_of_verification
from langroute.errors import ConfigError

chances = st.floats(0.0, 1.0)


def _simulated(rng: np.random.Generator, *, verify: bool, redo: bool, **world: float) -> np.ndarray:
    """Net dollars of 200,000 answers that are used, verified or redone, drawn one by one."""
    n = 200_000
    wrong = rng.random(n) < world["p_wrong"]
    alarm = rng.random(n) < np.where(wrong, world["caught"], world["false_alarm"])
    again = alarm if verify else np.full(n, redo)
    redone = rng.random(n) < np.where(wrong, world["redo_success_if_wrong"], world["redo_success"])
    right = np.where(again, redone, ~wrong)
    return right * world["value"] - again * world["redo_price"] - verify * world["price"]


@pytest.mark.parametrize("seed", range(6))
def test_gains_are_those_of_simulated_answers(seed: int) -> None:
    """What verifying and redoing gain on average over drawn answers is what the formula says, within noise."""
    draws = np.random.default_rng(seed)
    world = {
        "p_wrong": draws.uniform(0.05, 0.6),
        "caught": draws.uniform(0.5, 1.0),
        "false_alarm": draws.uniform(0.0, 0.2),
        "price": draws.uniform(0.0, 0.02),
        "redo_price": draws.uniform(0.0, 0.1),
        "redo_success": draws.uniform(0.8, 1.0),
        "redo_success_if_wrong": draws.uniform(0.6, 0.9),
        "value": draws.uniform(0.5, 2.0),
    }
    found = value_of_verification(**world)
    stands = _simulated(draws, verify=False, redo=False, **world).mean()
    verified = _simulated(draws, verify=True, redo=False, **world)
    redone = _simulated(draws, verify=False, redo=True, **world)
    noise = 4 * world["value"] / np.sqrt(len(verified))
    assert found.gain == pytest.approx(verified.mean() - stands, abs=noise)
    assert found.redo_gain == pytest.approx(redone.mean() - stands, abs=noise)


def test_it_is_worth_most_where_the_answer_is_doubtful() -> None:
    """A sure answer stands, a hopeless one is redone without asking, in between one asks."""
    told = [
        value_of_verification(
            p_wrong=doubt, caught=0.9, false_alarm=0.05, price=0.01, redo_price=0.2, redo_success=0.95, value=1.0
        ).best
        for doubt in (0.0, 0.01, 0.2, 0.5, 0.99)
    ]
    assert told == ["accept", "accept", "verify", "verify", "redo"]


def test_an_alarm_that_nobody_would_follow_is_worth_nothing() -> None:
    """Where a redo costs more than a right answer is worth, verifying loses exactly its price."""
    found = value_of_verification(
        p_wrong=0.5, caught=1.0, false_alarm=0.0, price=0.01, redo_price=5.0, redo_success=1.0, value=1.0
    )
    assert found.gain == -0.01
    assert not found.worthwhile
    assert (found.alarm, found.wrong_given_alarm) == (0.5, 1.0)


@settings(max_examples=200, deadline=None)
@given(chances, chances, chances, chances, st.floats(0.0, 10.0), st.floats(0.0, 10.0), st.floats(0.0, 10.0))
def test_it_never_loses_more_than_its_price(
    doubt: float, caught: float, alarm: float, success: float, price: float, redo: float, value: float
) -> None:
    """Information can be ignored, so the most that is lost is what was paid for it; a better verifier is worth more."""
    world = {"p_wrong": doubt, "false_alarm": alarm, "price": price, "redo_price": redo, "value": value}
    found = value_of_verification(caught=caught, redo_success=success, **world)
    assert found.gain >= -price
    cheaper = value_of_verification(caught=caught, redo_success=success, **{**world, "price": price / 2})
    assert cheaper.gain >= found.gain
    assert 0.0 <= found.alarm <= 1.0 + 1e-12


@pytest.mark.parametrize("field", ["p_wrong", "caught", "false_alarm", "redo_success", "price", "redo_price", "value"])
@pytest.mark.parametrize("value", [-0.1, float("nan")])
def test_bad_figures_are_named(field: str, value: float) -> None:
    """A figure that makes no sense is named."""
    figures = dict.fromkeys(("p_wrong", "caught", "false_alarm", "redo_success", "price", "redo_price", "value"), 0.5)
    with pytest.raises(ConfigError, match=f"{field}: "):
        value_of_verification(**{**figures, field: value})
