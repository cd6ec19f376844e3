"""check_estimator accepts the house's estimators, and finds each way to break the contract."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from langroute.estimators.prior import PriorEstimator
from langroute.records import Arm, Estimate, Step
from langroute.testing import check_estimator
from langroute.testing.situations import situations

Mischief = Callable[[tuple[Estimate, ...]], tuple[Estimate, ...]]


def test_the_estimator_of_the_house_passes() -> None:
    """The default estimator keeps the contract it asks of others."""
    check_estimator(PriorEstimator())


class Spoiled(PriorEstimator):
    """The default estimator, with its estimates passed through a mischief."""

    def __init__(self, mischief: Mischief) -> None:
        super().__init__()
        self.mischief = mischief

    def estimate(self, step: Step, arms: Sequence[Arm]) -> tuple[Estimate, ...]:
        return self.mischief(super().estimate(step, arms))


BROKEN: list[tuple[str, Mischief]] = [
    ("one estimate per arm", lambda estimates: estimates[1:]),
    ("one estimate per arm", lambda estimates: estimates[::-1]),
    ("success must be in", lambda estimates: tuple(replace(e, success=1.01) for e in estimates)),
    ("success must be in", lambda estimates: tuple(replace(e, success=float("nan")) for e in estimates)),
    ("cost_nano", lambda estimates: tuple(replace(e, cost_nano=-1) for e in estimates)),
    ("output_tokens", lambda estimates: tuple(replace(e, output_tokens=True) for e in estimates)),
    ("asked twice", lambda estimates: tuple(replace(e, success=random.random()) for e in estimates)),
]


@pytest.mark.parametrize(("complaint", "mischief"), BROKEN, ids=[f"{c}-{i}" for i, (c, _) in enumerate(BROKEN)])
def test_each_break_is_found_and_named(complaint: str, mischief: Mischief, monkeypatch: pytest.MonkeyPatch) -> None:
    """An estimator that breaks one promise fails with a message that names it."""
    monkeypatch.setattr("langroute.testing.purity._pickled", lambda subject: subject)
    with pytest.raises(AssertionError, match=complaint):
        check_estimator(Spoiled(mischief), rounds=60)


def test_an_estimator_that_does_not_pickle_is_found() -> None:
    """An estimator that cannot travel to a worker process fails, and says why."""
    with pytest.raises(AssertionError, match="must pickle"):
        check_estimator(Spoiled(lambda estimates: estimates))


def test_situations_are_the_same_for_the_same_seed() -> None:
    """A failure in the suite can be looked at again: the situations follow from the seed."""
    drawn = [repr(situation) for situation in situations(rounds=30, seed=3)]
    assert drawn == [repr(situation) for situation in situations(rounds=30, seed=3)]
    assert drawn != [repr(situation) for situation in situations(rounds=30, seed=4)]


def test_situations_reach_every_corner() -> None:
    """The suite sees pools of every size, every kind of step, barred pools, retries and demanded arms."""
    drawn = list(situations(rounds=240))
    assert {len(situation.arms) for situation in drawn} == {1, 2, 3, 4, 5, 6}
    assert {situation.step.kind for situation in drawn} == {"control", "execution", "verification", "presentation"}
    assert {any(permit.allowed for permit in situation.ruling.permits) for situation in drawn} == {True, False}
    assert any(situation.step.rejected for situation in drawn)
    assert any(situation.step.pinned for situation in drawn)
