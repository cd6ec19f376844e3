"""Prices of a dollar for targets: what they promise on calibration data, and what is refused."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from outcome_samples import full_table, journal_table

from langroute.errors import ConfigError, OutcomesInvalid
from langroute.estimators.rows import Expected, StepRows
from langroute.learning.examples import Examples
from langroute.learning.folds import folds_by
from langroute.learning.grid import OutcomeGrid
from langroute.learning.learners import Lesson
from langroute.learning.outcomes import OutcomeTable
from langroute.learning.sweep import choices_at
from langroute.learning.target_fitting import AllArms
from langroute.learning.targets import (
    expected_prices,
    mu_of_price,
    price_of_mu,
    replayed_prices,
    steady_price,
    tried_prices,
)
from langroute.money import NANO_PER_DOLLAR
from langroute.prices_of_targets import PricePoint, PriceTable
from langroute.target import Target


def grid() -> OutcomeGrid:
    """A full grid of 400 tasks."""
    return OutcomeGrid.of(OutcomeTable.read(full_table(400)))


def known(of: OutcomeGrid) -> np.ndarray:
    """What a good estimator expects: the mean of the task's group."""
    found = np.empty(of.success.shape)
    for group in np.unique(of.groups):
        found[of.groups == group] = of.success[of.groups == group].mean(axis=0)
    return found


def test_mu_and_lambda_decide_alike() -> None:
    """CARROT's argmax (1 - mu) q - mu c and argmax U - lambda C take the same arm for every mu."""
    random = np.random.default_rng(0)
    quality, cost = random.random((50, 4)), random.random((50, 4)) * 1e-3
    for mu in (0.0, 0.1, 0.5, 0.9, 0.99):
        price = price_of_mu(mu, dollars=1e-3)
        theirs = ((1 - mu) * quality - mu * cost / 1e-3).argmax(axis=1)
        assert np.array_equal(theirs, choices_at(quality, cost, price))
        assert mu_of_price(price, dollars=1e-3) == pytest.approx(mu)
    for bad in (1.0, -0.1, float("nan")):
        with pytest.raises(ConfigError, match="mu"):
            price_of_mu(bad)
    with pytest.raises(ConfigError, match="price"):
        mu_of_price(-1.0)


def test_a_target_of_quality_is_kept_on_the_calibration_data() -> None:
    """The price for 0.95 of the dearest arm keeps 0.95 there, costs less than it, and is replayed, not guessed."""
    of = grid()
    table = replayed_prices(of, known(of), of.cost, reference="large")
    price, told = table.price(Target(quality=0.95))
    chosen = choices_at(known(of), of.cost / NANO_PER_DOLLAR, price)
    reached = of.score(chosen)
    assert reached.quality >= 0.95 * of.success[:, of.column("large")].mean()
    assert reached.cost < 0.7 * of.cost[:, of.column("large")].mean()
    assert "replayed" in told


def test_more_than_there_is_is_refused_with_the_best_there_is() -> None:
    """A quality that no price reached is refused, and the message says what was."""
    of = grid()
    with pytest.raises(ConfigError, match=r"the best was \d"):
        replayed_prices(of, known(of), of.cost, reference="large").price(Target(quality=2.0))


def test_what_is_certified_is_in_the_table() -> None:
    """With many tasks a loss of .1 is certified up to some price, and the points say so; with few, nothing is."""
    of = grid()
    wide = replayed_prices(of, known(of), of.cost, reference="large", epsilon=0.1)
    assert any(point.certified for point in wide.points)
    assert "confidence 0.9" in wide.certificate
    few = of.take(np.arange(12))
    narrow = replayed_prices(few, known(few), few.cost, reference="large", epsilon=0.01)
    assert not any(point.certified for point in narrow.points)
    assert narrow.certificate.startswith("nothing certified: stays strong")


def test_prices_are_tried_without_looking_at_outcomes() -> None:
    """The family depends on estimates only, starts at 0 and ends where every task takes its cheapest arm."""
    of = grid()
    tried = tried_prices(known(of), of.cost)
    assert tried[0] == 0.0
    assert (np.diff(tried) > 0).all()
    last = choices_at(known(of), of.cost / NANO_PER_DOLLAR, float(tried[-1]))
    assert (of.cost[np.arange(len(of)), last] == of.cost.min(axis=1)).all()


def test_a_journal_is_model_based_and_certifies_nothing() -> None:
    """With one arm a step the table is the estimator's word: labelled so, and without a certificate."""
    steps = journal_table(30)
    size = len(steps["task"])
    expected = Expected(
        success=np.tile([0.5, 0.7, 0.9], (size, 1)),
        output_tokens=np.full((size, 3), np.nan),
        cost_nano=np.tile([1e3, 2e4, 4e5], (size, 1)),
    )
    arms = ("small", "medium", "large")
    table = expected_prices(expected, np.array(steps["task"]), arms=arms, reference="large")
    assert table.basis == "model-based"
    assert "nothing is certified" in table.certificate
    assert table.points[0].quality == pytest.approx(1.0)
    with pytest.raises(OutcomesInvalid, match="not one of"):
        expected_prices(expected, np.array(steps["task"]), arms=arms, reference="other")


def test_the_steady_price_stops_before_the_first_failure() -> None:
    """A lucky point beyond one that failed is not taken."""
    reached = ((0.0, 1.02), (1.0, 1.01), (2.0, 0.99), (3.0, 1.0))
    points = [PricePoint(price_of_dollar=p, dollars=1 - p / 10, quality=q, low=0.9) for p, q in reached]
    table = PriceTable(points, reference="large", basis="replayed")
    assert steady_price(table, 1.0).price_of_dollar == 1.0
    assert table.price(Target(quality=1.0))[0] == 3.0
    with pytest.raises(ConfigError, match=r"1\.020 at the lowest"):
        steady_price(table, 1.5)


def test_estimates_of_another_shape_are_refused() -> None:
    """Estimates must be for the grid's tasks and arms."""
    of = grid()
    with pytest.raises(OutcomesInvalid, match="estimates"):
        replayed_prices(of, known(of)[:, :2], of.cost[:, :2], reference="large")


class Told:
    """A lesson's estimator that says the same of every row."""

    name = "told"

    def __init__(self, *success: float) -> None:
        self.success = success

    def predict(self, rows: StepRows, arms: Sequence[str]) -> Expected:
        unknown = np.full((len(rows), len(arms)), np.nan)
        return Expected(success=np.tile(self.success, (len(rows), 1)), output_tokens=unknown, cost_nano=unknown)


@pytest.mark.parametrize(("table", "basis"), [(full_table, "replayed"), (journal_table, "model-based")])
def test_training_finds_prices_out_of_fold(table: Any, basis: str) -> None:
    """A full table is replayed, a journal is model-based; the reference is the arm that costs most."""
    examples = Examples.read(table(60))
    everywhere = AllArms(examples)
    for _, scored in folds_by(examples.task, count=3):
        everywhere.keep(Lesson(estimator=Told(0.9, 0.8, 0.5)), scored)  # type: ignore[arg-type]
    found = everywhere.prices()
    assert found is not None
    assert (found.basis, found.reference) == (basis, "large")


def test_rows_that_were_never_asked_make_no_table() -> None:
    """With a fold missing there is no table, rather than one of some of the rows."""
    examples = Examples.read(full_table(60))
    everywhere = AllArms(examples)
    everywhere.keep(Lesson(estimator=Told(0.9, 0.8, 0.5)), np.arange(30))  # type: ignore[arg-type]
    assert everywhere.prices() is None
