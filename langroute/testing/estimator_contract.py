"""check_estimator: what every estimator must do, whatever it is made of."""

from langroute.protocols import Estimator
from langroute.records import Arm, Estimate
from langroute.testing.purity import check_named, check_pure, expect
from langroute.testing.situations import Situation, situations


def check_estimator(estimator: Estimator, *, rounds: int = 240, seed: int = 0) -> None:
    """Try an estimator in many situations.

    It must be pure and picklable, and give one estimate per arm in the order of the arms: a success probability in
    [0, 1], a cost in whole nano-dollars and a number of output tokens, neither negative.

    Args:
        estimator: the estimator under test, fitted if it needs fitting.
        rounds: how many situations.
        seed: which situations.

    Raises:
        AssertionError: says what was broken, and in which situation.
    """
    expect(isinstance(estimator, Estimator), f"{type(estimator).__name__} has no estimate(step, arms)")
    check_named(estimator)
    drawn = list(situations(rounds=rounds, seed=seed))
    for situation, estimates in zip(drawn, check_pure(estimator, drawn, _estimate), strict=True):
        try:
            _check_estimates(situation, estimates)
        except AssertionError as exc:
            raise AssertionError(f"{exc}\nestimates: {estimates}\nsituation: {situation}") from exc


def _estimate(estimator: Estimator, situation: Situation) -> tuple[Estimate, ...]:
    # A list, so that an estimator that sorts or pops what it is given is found out by the next line.
    arms: list[Arm] = list(situation.arms)
    estimates = estimator.estimate(situation.step, arms)
    expect(tuple(arms) == situation.arms, "the list of arms was changed")
    return estimates


def _check_estimates(situation: Situation, estimates: tuple[Estimate, ...]) -> None:
    expect(isinstance(estimates, tuple), f"estimate must return a tuple, not {type(estimates).__name__}")
    names = [estimate.arm for estimate in estimates]
    pool = [arm.name for arm in situation.arms]
    expect(names == pool, f"there must be one estimate per arm in the order of the arms, {pool}, got {names}")
    for estimate in estimates:
        expect(0.0 <= estimate.success <= 1.0, f"{estimate.arm}: success must be in [0, 1], got {estimate.success}")
        for field in ("cost_nano", "output_tokens"):
            value = getattr(estimate, field)
            expect(
                type(value) is int and value >= 0, f"{estimate.arm}: {field} must be an int, 0 or more, got {value!r}"
            )
