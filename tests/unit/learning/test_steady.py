"""Steady estimates: what is believed of arms, what costs are read from, and that noise is not bought."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fakes import a_step, ladder

from langroute.errors import ArtifactInvalid
from langroute.estimators.rows import StepRows
from langroute.estimators.steady import SteadyEstimator
from langroute.learning.caution import cautious_success, shrunk_success
from langroute.learning.examples import Examples
from langroute.learning.steady_fitting import SteadyLearner, gap_of, sizes_by_text
from langroute.learning.tallies import Tallies
from langroute.learning.task_table import TaskTable
from langroute.parts import Parts
from langroute.records import Features
from langroute.testing import check_estimator

ARMS = ("dear", "fair", "low")
RATES = (0.8, 0.8, 0.3)
DOLLARS = (1.0, 0.2, 0.01)


def outcomes(tasks: int = 80, *, rates: tuple[float, ...] = RATES, seed: int = 0) -> dict[str, list[Any]]:
    """Every arm on every task; tasks of group ``x`` cost ``dear`` a tenth, and long texts cost ten times as much."""
    random, table = np.random.default_rng(seed), {name: [] for name in ("task", "group", "domain", "text")}
    table |= {name: [] for name in ("arm", "success", "cost_usd")}
    for task in range(tasks):
        group, long = ("x", "y")[task % 2], random.random() < 0.5
        for arm, rate, dollars in zip(ARMS, rates, DOLLARS, strict=True):
            cost = dollars * (10 if long else 1) * (0.1 if arm == "dear" and group == "x" else 1.0)
            row = (f"t{task:03}", group, group, "prove that the theorem holds " * 20 if long else "add two", arm)
            for name, value in zip(("task", "group", "domain", "text", "arm"), row, strict=True):
                table[name].append(value)
            table["success"].append(float(random.random() < rate))
            table["cost_usd"].append(cost * float(np.exp(random.normal(0, 0.2))))
    return table


def learned(table: dict[str, list[Any]], **options: Any) -> Any:
    """The lesson of a table."""
    return SteadyLearner(deals=2, **options).fit(Examples.read(table), seed=0)


def tallies_of(rates: tuple[float, ...], tasks: int = 200) -> Tallies:
    """Arms of these rates, tried once on every task."""
    successes = (np.random.default_rng(1).random((tasks, len(rates))) < np.array(rates)).astype(np.float64)
    return Tallies(
        tasks=np.array([f"{task:04}" for task in range(tasks)]),
        groups=np.full(tasks, "all"),
        arms=tuple(f"arm{at}" for at in range(len(rates))),
        tries=np.ones_like(successes),
        successes=successes,
        cost=np.ones_like(successes),
    )


def test_arms_that_differ_by_luck_only_are_put_on_the_line() -> None:
    """Equal arms keep less than half of what luck set between them; arms far off the line keep nearly all."""
    dollars = np.geomspace(0.01, 1, 10)
    equal = tallies_of((0.5,) * 10)
    assert shrunk_success(equal, dollars).std() < 0.5 * equal.rate.mean(axis=0).std()
    apart = tallies_of((0.1, 0.9) * 5)
    assert np.abs(shrunk_success(apart, dollars) - apart.rate.mean(axis=0)).max() < 0.03


def test_a_gain_within_noise_is_not_believed_and_a_clear_one_is() -> None:
    """With caution a dearer arm of the same rate counts as no better; one that is far better stays far better."""
    dollars = np.array([0.01, 0.1, 0.2, 1.0])
    found = cautious_success(tallies_of((0.2, 0.6, 0.6, 0.95)), dollars, caution=2.0)
    assert found[2] <= found[1] + 1e-12
    assert found[1] > found[0] + 0.2
    assert found[3] > found[1] + 0.2
    for seed in range(5):
        noise = tallies_of((0.6,) * 4).take(np.random.default_rng(seed).permutation(200)[:80])
        assert (
            cautious_success(noise, dollars, caution=4.0)[1:].max() <= cautious_success(noise, dollars, caution=4.0)[0]
        )


def test_costs_follow_the_group_and_the_text() -> None:
    """The arm that is cheap in one group is expected to be so there; a long text costs all arms several times more."""
    lesson = learned(outcomes())
    asked = Examples.read(outcomes(20, seed=3)).reading(lesson.encoder)
    cost = lesson.estimator.predict(asked.rows, ARMS).cost_nano
    ratio = cost[:, 0] / cost[:, 1]
    x = asked.group == "x"
    assert ratio[x].max() < ratio[~x].min() / 5
    long = np.array([len(text) > 50 for text in asked.asked])
    assert np.median(cost[long, 1]) > 4 * np.median(cost[~long, 1])


def test_success_is_the_same_on_every_task() -> None:
    """No task and no group changes what is believed of an arm's success."""
    lesson = learned(outcomes())
    rows = Examples.read(outcomes(20, seed=3)).reading(lesson.encoder).rows
    assert (np.ptp(lesson.estimator.predict(rows, ARMS).success, axis=0) == 0).all()


def test_caution_is_chosen_where_it_pays() -> None:
    """It says which caution was chosen, and the gap that each one closed; with one option nothing is compared."""
    learner = SteadyLearner(deals=2)
    learner.fit(Examples.read(outcomes()), seed=0)
    gaps = learner.chosen["gap_closed"]
    assert isinstance(gaps, dict)
    assert gaps[str(learner.chosen["caution"])] == max(gaps.values())
    only = SteadyLearner(cautions=(1.0,))
    only.fit(Examples.read(outcomes()), seed=0)
    assert only.chosen == {"caution": 1.0, "gap_closed": {}}


def test_routing_by_cost_closes_some_of_the_gap() -> None:
    """Where two equal arms are each cheaper in one group, costs alone beat mixing single models on unseen tasks."""
    lesson = learned(outcomes(200))
    table = TaskTable.of(Examples.read(outcomes(200, seed=5)).reading(lesson.encoder))
    first = np.arange(len(table))
    group = np.array([lesson.estimator.groups.index(str(name)) for name in table.tallies.groups])
    cost = lesson.estimator.amounts["cost"].on(group, table.text)
    success = np.repeat(lesson.estimator.success[None], len(first), axis=0)
    assert gap_of(table, success, cost) > 0.05


def test_a_table_with_gaps_or_without_costs_still_teaches() -> None:
    """A journal where arms tried different tasks takes the first caution; without costs none are expected."""
    table = outcomes()
    kept = [at for at in range(len(table["task"])) if at % 4]
    sparse = {name: [values[at] for at in kept] for name, values in table.items()}
    learner = SteadyLearner()
    learner.fit(Examples.read(sparse), seed=0)
    assert learner.chosen == {"caution": 2.0, "gap_closed": {}}
    del table["cost_usd"]
    lesson = learned(table)
    assert lesson.estimator.amounts == {}
    assert len(lesson.estimator.estimate(a_step(), ladder(*ARMS))) == 3


def test_it_keeps_the_contract_and_is_the_same_again_from_its_parts() -> None:
    """Pure and picklable; made again it expects the same; a damaged array or setting is refused."""
    lesson = learned(outcomes())
    check_estimator(lesson.estimator, rounds=40)
    assert lesson.estimator.unseen(ladder("low", "stranger")) == ("stranger",)
    parts = lesson.estimator.parts()
    rows = Examples.read(outcomes(10, seed=2)).reading(lesson.encoder).rows
    again = SteadyEstimator.from_parts(parts)
    assert np.array_equal(again.predict(rows, ARMS).cost_nano, lesson.estimator.predict(rows, ARMS).cost_nano)
    for array in parts.arrays:
        others = {key: value for key, value in parts.arrays.items() if key != array}
        with pytest.raises(ArtifactInvalid, match=array):
            SteadyEstimator.from_parts(Parts(settings=parts.settings, arrays=others))
    with pytest.raises(ArtifactInvalid, match="amounts"):
        SteadyEstimator.from_parts(replace(parts, settings={**parts.settings, "amounts": ["joy"]}))


def test_a_group_never_seen_and_no_text_are_as_tasks_are() -> None:
    """An unknown domain adds nothing to an arm's usual cost; a step without text is of usual size."""
    estimator = learned(outcomes()).estimator
    rows = StepRows.of(a_step(features=Features(domain="elsewhere")))
    usual = np.exp(estimator.amounts["cost"].usual)
    assert np.allclose(estimator.predict(rows, estimator.arms).cost_nano[0], usual)


def test_text_that_says_nothing_gets_no_slope() -> None:
    """Where no penalty beats the mean on tasks left out, the size is the mean; where text tells, the slope is found."""
    random = np.random.default_rng(0)
    text = random.normal(size=(60, 5))
    centre, slope, left = sizes_by_text(text, text[:, 0] + random.normal(0, 0.1, 60))
    assert abs(slope[0] - 1) < 0.1
    assert left.std() < 0.2
    centre, slope, _ = sizes_by_text(np.zeros((30, 4)), np.arange(30.0))
    assert (centre, slope.tolist()) == (14.5, [0.0] * 4)
