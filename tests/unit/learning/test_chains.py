"""Chains learned from outcomes of a world whose truth is known."""

import numpy as np
import pytest

from langroute.errors import OutcomesInvalid
from langroute.learning.abilities import fit_abilities, sigmoid
from langroute.learning.attempt_costs import fit_costs
from langroute.learning.chains import Population, fit_chains
from langroute.learning.outcomes import OutcomeTable
from langroute.learning.recurring import Recurrence
from langroute.learning.tallies import Tallies
from langroute.policies.plans import Rules, follow

ARMS = ("cheap", "middle", "strong")
ABILITY = np.array([-1.0, 0.5, 2.0])
DOLLARS = np.array([0.01, 0.1, 1.0])


def world(*, tasks: int = 120, runs: int = 3, seed: int = 0) -> tuple[OutcomeTable, np.ndarray]:
    """Outcomes of three arms on tasks of two groups, and the true success (n, k); ``cheap`` is at home in group b."""
    random = np.random.default_rng(seed)
    group = np.arange(tasks) % 2
    home = np.outer(group, [3.0, 0.0, 0.0])
    truth = sigmoid(ABILITY + home - random.normal(0, 1.5, tasks)[:, None])
    size = np.exp(random.normal(0, 0.3, tasks))
    rows: dict[str, list[object]] = {name: [] for name in ("task", "group", "arm", "run", "success", "cost_usd")}
    for task in range(tasks):
        for arm, name in enumerate(ARMS):
            for run in range(runs):
                won = float(random.random() < truth[task, arm])
                cost = round(float(DOLLARS[arm] * size[task]), 6)
                for key, value in zip(rows, (f"t{task:03}", "ab"[group[task]], name, run, won, cost), strict=True):
                    rows[key].append(value)
    return OutcomeTable.read(rows), truth


def test_abilities_are_found_again() -> None:
    """Arms come out in their order, groups with what suits them, and tasks as hard as they are."""
    table, truth = world()
    found = fit_abilities(Tallies.of(table))
    assert np.argsort(found.merit("a")).tolist() == [0, 1, 2]
    assert found.merit("b")[0] - found.merit("a")[0] > 1.5
    tallies = Tallies.of(table)
    fitted = found.success(None, tallies.groups)
    assert np.abs(fitted - truth).mean() < 0.7 * np.abs(tallies.rate - truth).mean()
    assert np.array_equal(found.merit("never seen"), found.ability)


def test_costs_are_found_again() -> None:
    """Arms' usual dollars are right up to the mean size of tasks, and a bigger task costs all of them more."""
    tallies = Tallies.of(world()[0])
    found = fit_costs(tallies)
    assert np.exp(found.arm) == pytest.approx(DOLLARS, rel=0.15)
    assert found.dollars(None, tallies.groups) == pytest.approx(tallies.cost, rel=0.05)


def test_a_chain_starts_cheap_where_cheap_is_at_home() -> None:
    """Group b starts with the cheap arm; no chain goes from a dearer to a cheaper arm of this world."""
    policy = fit_chains(Tallies.of(world()[0]), prices=[0.1, 0.3, 200.0])
    assert policy.order(price=0.3, domain="b")[0] == "cheap"
    for domain in ("a", "b"):
        order = policy.order(price=0.1, domain=domain)
        assert list(order) == sorted(order, key=ARMS.index)
    assert policy.order(price=200.0, domain="a") == ()


def test_chains_beat_the_strong_arm_on_tasks_not_seen() -> None:
    """On other tasks of the world a chain with a perfect verifier costs far less than the strong arm and wins more."""
    policy = fit_chains(Tallies.of(world()[0]))
    fresh, truth = world(seed=1)
    tallies = Tallies.of(fresh)
    success = cost = 0.0
    for group in ("a", "b"):
        rows = tallies.groups == group
        order = [ARMS.index(arm) for arm in policy.order(price=0.1, domain=group)]
        won, paid = follow(order, truth[rows], tallies.cost[rows])
        success, cost = success + won.sum() / len(tallies), cost + paid.sum() / len(tallies)
    assert success > truth[:, 2].mean()
    assert cost < 0.6 * tallies.cost[:, 2].mean()


def test_a_wrong_verifier_makes_chains_shorter_or_stronger() -> None:
    """Where the verifier errs, the first arm of a chain is no weaker than with a perfect one."""
    tallies = Tallies.of(world()[0])
    sure = fit_chains(tallies, rules=Rules(attempts=3)).order(price=0.1, domain="a")
    unsure = fit_chains(tallies, rules=Rules(attempts=3, error=0.3)).order(price=0.1, domain="a")
    assert ARMS.index(unsure[0]) >= ARMS.index(sure[0])


def test_a_task_seen_before_is_known_by_its_own_attempts() -> None:
    """An arm that solved a task twice is trusted there; failures of all say that the task is hard for each."""
    tallies = Tallies.of(world(runs=2)[0])
    population = Population.of(tallies)
    known = Recurrence(abilities=population.abilities, dollars=population.costs.arm)
    solved = tallies.successes.sum(axis=1) == 6
    failed = tallies.successes.sum(axis=1) == 0
    easy, hard = int(np.flatnonzero(solved)[0]), int(np.flatnonzero(failed)[0])
    assert (known.scenarios(tallies, easy).ease > known.scenarios(tallies, hard).ease + 0.3).all()
    assert known.scenarios(tallies, easy).ease[0] > 0.8


def test_cells_nobody_tried_say_nothing() -> None:
    """Leaving out attempts of one arm on some tasks changes no shape and nothing of note."""
    table, _ = world()
    some = ~((table.arm == "strong") & np.isin(table.task, [f"t{task:03}" for task in range(40)]))
    tallies = Tallies.of(table.rows(some))
    assert not tallies.whole
    assert fit_abilities(tallies).ability == pytest.approx(fit_abilities(Tallies.of(table)).ability, abs=0.5)
    assert np.isfinite(Population.of(tallies).scenarios("a").cost).all()


def test_the_same_table_gives_the_same_chains() -> None:
    """Fitting has no randomness beyond its seed."""
    tallies = Tallies.of(world()[0])
    assert fit_chains(tallies).parts() == fit_chains(tallies).parts()


def test_too_few_tasks_are_refused() -> None:
    """Chains of four tasks would be luck."""
    with pytest.raises(OutcomesInvalid, match="need 5 or more"):
        fit_chains(Tallies.of(world(tasks=4)[0]))


def test_an_arm_without_outcomes_is_named() -> None:
    """Asking for an arm that was never tried says which."""
    with pytest.raises(OutcomesInvalid, match="genius"):
        Tallies.of(world(tasks=6)[0], arms=["cheap", "genius"])
