"""BoostedEstimator: the contract, what it learned, and what it says of arms that it never saw."""

from dataclasses import replace

import numpy as np
import pytest
from outcome_tables import ARMS, step_columns

from langroute.errors import ArtifactInvalid
from langroute.estimators.boosted import BoostedEstimator
from langroute.estimators.prior import BY_PRIOR, PriorEstimator
from langroute.money import Price
from langroute.parts import Parts
from langroute.quick import changed
from langroute.records import Arm, BudgetView, Step
from langroute.testing import check_estimator
from langroute.testing.situations import situations

pytest.importorskip("xgboost", reason="the estimator is trained with XGBoost")

from langroute.learning.boosting import BoostedLearner
from langroute.learning.examples import Examples


def arm(name: str, place: int) -> Arm:
    price = Price(input_per_million=0.1 * 10.0**place, output_per_million=10.0**place)
    return Arm(name=name, model=name, provider="any", price=price, rank=place / 2)


POOL = tuple(arm(name, place) for place, name in enumerate(ARMS))
STEP = Step(episode="e", call_index=0, kind="control", budget=BudgetView(scope="episode:e"), input_tokens=1_000)


@pytest.fixture(scope="module")
def fitted() -> BoostedEstimator:
    estimator = BoostedLearner().fit(Examples.read(step_columns(1_200)), seed=0).estimator
    assert isinstance(estimator, BoostedEstimator)
    return estimator


def test_it_keeps_the_contract(fitted: BoostedEstimator) -> None:
    """Pure, picklable, one sound estimate per arm: also in pools of which it knows no arm, or some."""
    check_estimator(fitted)
    names = [f"arm-{number}" for number in range(3)]
    renamed = {**step_columns(1_200), "arm": [names[ARMS.index(name)] for name in step_columns(1_200)["arm"]]}
    check_estimator(BoostedLearner().fit(Examples.read(renamed), seed=0).estimator)  # type: ignore[arg-type]


def test_it_learned_where_the_dear_arm_is_better(fitted: BoostedEstimator) -> None:
    """In control the dear arm succeeds far more often; in execution all do alike."""
    control = [one.success for one in fitted.estimate(STEP, POOL)]
    execution = [one.success for one in fitted.estimate(changed(STEP, kind="execution"), POOL)]
    assert control[2] - control[0] > 0.4
    assert abs(execution[2] - execution[0]) < 0.15


def test_costs_are_the_pools_prices_for_the_tokens_expected(fitted: BoostedEstimator) -> None:
    """A live step is priced by the arm's price list, within the step's cap, never by what the table paid."""
    for arm_, one in zip(POOL, fitted.estimate(STEP, POOL), strict=True):
        assert 0 < one.output_tokens < 1_024
        assert one.cost_nano == STEP.cost_of(arm_, one.output_tokens)
    assert all(one.output_tokens <= 5 for one in fitted.estimate(changed(STEP, output_cap=5), POOL))


def test_a_table_without_tokens_gives_dollars() -> None:
    """Where the table knows dollars only, dollars are what is expected."""
    columns = step_columns(1_200)
    del columns["output_tokens"]
    estimator = BoostedLearner().fit(Examples.read(columns), seed=0).estimator
    told = estimator.estimate(STEP, POOL)  # type: ignore[attr-defined]
    assert told[0].cost_nano < told[1].cost_nano < told[2].cost_nano
    assert 5 < told[2].cost_nano / told[1].cost_nano < 20


def test_an_arm_never_seen_has_the_prior_on_the_scale_of_what_was_learned(fitted: BoostedEstimator) -> None:
    """It is as far from the known arms, in log odds, as the prior has it; known arms stay as they were."""
    fresh = replace(POOL[1], name="fresh")
    told = fitted.estimate(STEP, (*POOL, fresh))
    assert told[:3] == fitted.estimate(STEP, POOL)
    assert fitted.unseen((*POOL, fresh)) == ("fresh",)

    def odds(share: float) -> float:
        return float(np.log(share / (1 - share)))

    prior = PriorEstimator().estimate(STEP, (*POOL, fresh))
    shift = np.mean([odds(one.success) - odds(two.success) for one, two in zip(told[:3], prior[:3], strict=True)])
    assert odds(told[3].success) == pytest.approx(odds(prior[3].success) + shift, abs=1e-3)
    assert told[3].cost_nano == STEP.cost_of(fresh, told[3].output_tokens)


def test_a_pool_without_any_known_arm_has_the_prior(fitted: BoostedEstimator) -> None:
    """With nothing learned of any arm, the prior's estimates are taken as they are, and each says so."""
    strangers = tuple(replace(one, name=f"new-{one.name}") for one in POOL)
    told = fitted.estimate(STEP, strangers)
    assert {one.caveat for one in told} == {BY_PRIOR}
    assert tuple(replace(one, caveat="") for one in told) == PriorEstimator().estimate(STEP, strangers)


def test_an_arm_gone_from_the_pool_changes_nothing(fitted: BoostedEstimator) -> None:
    """The others are estimated as before."""
    assert fitted.estimate(STEP, POOL[:2]) == fitted.estimate(STEP, POOL)[:2]


def test_what_it_predicts_for_tables_is_what_it_estimates_live(fitted: BoostedEstimator) -> None:
    """The figures of an evaluation are those of serving."""
    from langroute.estimators.rows import StepRows  # noqa: PLC0415

    steps = [situation.step for situation in situations(rounds=30)]
    told = fitted.predict(StepRows.of(*steps), ARMS)
    live = [[one.success for one in fitted.estimate(step, POOL)] for step in steps]
    np.testing.assert_allclose(told.success, live, atol=1e-6)
    mean = fitted.predict(StepRows.of(*steps), ["stranger"]).success[:, 0]
    np.testing.assert_allclose(mean, told.success.mean(axis=1))


def test_it_is_the_same_after_it_was_taken_apart(fitted: BoostedEstimator) -> None:
    """What is stored makes the same estimator again."""
    again = BoostedEstimator.from_parts(fitted.parts())
    assert again.estimate(STEP, POOL) == fitted.estimate(STEP, POOL)


@pytest.mark.parametrize("missing", ["features", "arms", "forest", "token_scale"])
def test_missing_settings_are_named(fitted: BoostedEstimator, missing: str) -> None:
    """A part that is not there is an error that names it."""
    parts = fitted.parts()
    settings = {name: value for name, value in parts.settings.items() if name != missing}
    with pytest.raises(ArtifactInvalid, match=missing):
        BoostedEstimator.from_parts(Parts(settings=settings, arrays=parts.arrays))
