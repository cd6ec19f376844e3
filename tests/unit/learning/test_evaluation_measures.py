"""Measures on cases small enough to work out by hand."""

from itertools import permutations

import numpy as np
import pytest

from langroute.errors import OutcomesInvalid
from langroute.learning import (
    Curve,
    OutcomeGrid,
    OutcomeTable,
    Point,
    apgr,
    bankruptcy,
    baseline_table,
    best_single,
    bootstrap,
    cheapest_single,
    choices_at,
    cost_save,
    cpt,
    cross_fitted_oracle,
    dearest_single,
    first_large,
    folds_by,
    frontier,
    gap_closed,
    group_means,
    hypervolume,
    oracle_frontier,
    out_of_fold,
    perf_gain,
    pgr,
    random_mixture,
    rank_within,
    single_hull,
    strong_call_curve,
    upper_hull,
)


def grid_of(success: list[list[float]], cost: list[list[int]], groups: list[str] | None = None) -> OutcomeGrid:
    """Tasks t000, t001, ... in rows; arms a, b, ... in columns."""
    tasks, arms = len(success), len(success[0])
    names = [f"t{row:03}" for row in range(tasks)]
    columns = {
        "task": [name for name in names for _ in range(arms)],
        "group": [name for name in (groups or ["g"] * tasks) for _ in range(arms)],
        "arm": ["abcdef"[at] for _ in range(tasks) for at in range(arms)],
        "success": [value for row in success for value in row],
        "cost_nano": [value for row in cost for value in row],
    }
    return OutcomeGrid.of(OutcomeTable.read(columns))


def points(curve: Curve) -> list[tuple[float, float]]:
    return list(zip(curve.cost.tolist(), curve.quality.tolist(), strict=True))


# Four tasks: the strong arm b gains on two, a third nobody solves, the last a solves alone.
FOUR = grid_of([[0, 1], [0, 1], [0, 0], [1, 0]], [[1, 5]] * 4)
WEAK = np.array([0.0, 0.0, 1.0, 1.0])
STRONG = np.array([1.0, 1.0, 1.0, 1.0])


def test_strong_calls_go_to_the_highest_scores() -> None:
    """The curve starts at always-weak, and each further share adds what those tasks gain."""
    curve = strong_call_curve(np.array([4.0, 2.0, 3.0, 1.0]), WEAK, STRONG)
    assert points(curve) == [(0, 0.5), (0.25, 0.75), (0.5, 0.75), (0.75, 1.0), (1.0, 1.0)]


def test_apgr_and_cpt_by_hand() -> None:
    """PGR at shares 0, .25, .5, .75, 1 is 0, .5, .5, 1, 1: area .625; .5 is reached at .25, .8 at .65."""
    curve = strong_call_curve(np.array([4.0, 2.0, 3.0, 1.0]), WEAK, STRONG)
    assert apgr(curve) == pytest.approx(0.625)
    assert (cpt(curve, 0.5), cpt(curve, 0.8), cpt(curve, 0), cpt(curve, 1)) == pytest.approx((0.25, 0.65, 0, 0.75))


def test_equal_scores_are_a_random_order() -> None:
    """Equal scores give the straight line of random mixing, whatever the order of the rows: APGR .5, CPT(x) = x."""
    curve = strong_call_curve(np.zeros(4), WEAK, STRONG)
    assert points(curve) == [(0, 0.5), (1, 1)]
    assert (apgr(curve), cpt(curve, 0.5), cpt(curve, 0.8)) == pytest.approx((0.5, 0.5, 0.8))


def test_a_random_estimator_has_an_apgr_of_a_half() -> None:
    """Collapse test 5: averaged over all orders of the tasks, scores that know nothing reach APGR .5."""
    found = [apgr(strong_call_curve(np.array(order, dtype=float), WEAK, STRONG)) for order in permutations(range(4))]
    assert np.mean(found) == pytest.approx(0.5)


def test_pgr_without_a_gap_is_refused() -> None:
    """Where the strong arm is no better there is nothing to recover, and a curve must go from one arm to the other."""
    assert pgr(0.75, weak=0.5, strong=1.0) == 0.5
    with pytest.raises(OutcomesInvalid, match="not better than weak"):
        apgr(strong_call_curve(np.arange(4.0), STRONG, WEAK))
    with pytest.raises(OutcomesInvalid, match="from a share of 0 to 1"):
        apgr(Curve.of(Point(0, 0.5), Point(0.9, 1)))
    with pytest.raises(OutcomesInvalid, match=r"must be in \[0, 1\], not 80"):
        cpt(strong_call_curve(np.arange(4.0), WEAK, STRONG), 80)
    with pytest.raises(OutcomesInvalid, match="has 1 NaN"):
        strong_call_curve(np.array([0, np.nan, 1, 2]), WEAK, STRONG)
    with pytest.raises(OutcomesInvalid, match="one number for each task"):
        strong_call_curve(np.arange(3.0), WEAK, STRONG)


def test_a_curve_is_read_by_straight_lines() -> None:
    """Between points lies a random mix; dearer than the dearest stays; cheaper than the cheapest is not possible."""
    curve = Curve.of(Point(3, 0.6), Point(1, 0.2), Point(5, 0.4))
    assert [curve.quality_at(cost) for cost in (0.5, 1, 2, 4, 9)] == [None, *map(pytest.approx, (0.2, 0.4, 0.5, 0.4))]
    assert [curve.cost_at(quality) for quality in (0.1, 0.4, 0.6)] == pytest.approx([1, 2, 3])
    assert curve.cost_at(0.61) is None
    with pytest.raises(OutcomesInvalid, match="not finite"):
        Curve.of(Point(1, float("nan")))


def test_the_hull_leaves_out_what_mixing_beats() -> None:
    """Under the line, dearer and no better, and equally dear and worse: none is on the hull."""
    cost, quality = np.array([1.0, 2, 3, 3, 4]), np.array([0.2, 0.3, 0.8, 0.5, 0.7])
    assert points(upper_hull(cost, quality)) == [(1, 0.2), (3, 0.8)]
    assert points(upper_hull(np.array([1.0, 2]), np.array([0.5, 0.5]))) == [(1, 0.5)]
    assert points(upper_hull(np.array([1.0, 1]), np.array([0.2, 0.5]))) == [(1, 0.5)]


def test_the_oracle_buys_the_best_bargains_first() -> None:
    """Three tasks gain 1 for 2, for 4 and for 8: the frontier buys them in that order and stops where none gains."""
    grid = grid_of([[0, 1], [0, 1], [0, 1], [1, 0]], [[1, 9], [1, 3], [1, 5], [1, 2]])
    assert points(oracle_frontier(grid)) == [(1, 0.25), (1.5, 0.5), (2.5, 0.75), (4.5, 1.0)]


def test_the_oracle_skips_arms_that_mixing_beats() -> None:
    """On one task the middle arm lies under the line from the cheap to the dear one, so no lambda chooses it."""
    grid = grid_of([[0.0, 0.4, 1.0]], [[0, 5, 10]])
    assert points(oracle_frontier(grid)) == [(0, 0), (10, 1)]


def test_a_frontier_by_estimates_is_scored_by_what_happened() -> None:
    """Estimates choose, outcomes count: believing in the wrong task buys cost without success."""
    grid = grid_of([[0, 1], [0, 0]], [[1, 3], [1, 3]])
    believed = np.array([[0.0, 0.4], [0.0, 0.9]])
    assert points(frontier(grid, believed, grid.cost)) == [(1, 0), (2, 0), (3, 0.5)]
    assert grid.score(choices_at(believed, grid.cost, 0.3)) == (2, 0)


def test_two_arms_at_constant_cost_are_routellms_threshold() -> None:
    """Collapse test 1: with two arms of constant cost CARROT's rule is a threshold on the gain, as RouteLLM's."""
    random = np.random.default_rng(1)
    success = random.integers(0, 2, (50, 2)).astype(float)
    grid = grid_of(success.tolist(), [[0, 1]] * 50)
    gain = random.permutation(np.arange(1, 51)) / 50
    threshold = strong_call_curve(gain, success[:, 0], success[:, 1])
    rule = frontier(grid, np.stack([np.zeros(50), gain], axis=1), grid.cost)
    assert np.allclose(rule.cost, threshold.cost)
    assert np.allclose(rule.quality, threshold.quality)


def test_perf_gain_and_cost_save_by_hand() -> None:
    """Half way up from (2, .4) to (4, .8) quality .6 costs 3: a quarter saved of 4; at most a third more quality."""
    curve = Curve.of(Point(2, 0.4), Point(4, 0.8))
    best = Point(4, 0.6)
    assert perf_gain(curve, best) == pytest.approx(1 / 3)
    assert cost_save(curve, best) == pytest.approx(0.25)
    assert cost_save(curve, best, share=2 / 3) == pytest.approx(0.5)
    assert cost_save(curve, best, share=1.5) is None
    assert cost_save(curve, Point(1, 0.4)) == pytest.approx(-1)
    for refused in (Point(4, 0), Point(0, 0.5)):
        with pytest.raises(OutcomesInvalid, match="best_single"):
            _ = perf_gain(curve, refused) if not refused.quality else cost_save(curve, refused)


def test_hypervolume_counts_steps_not_lines() -> None:
    """Under a cost of 4: 1 x .5 + 2 x .75 of 4; a point beyond, or one worse and dearer, adds nothing."""
    curve = Curve.of(Point(1, 0.5), Point(2, 0.75), Point(3, 0.6), Point(9, 1.0))
    assert hypervolume(curve, most_cost=4) == pytest.approx(2 / 4)
    assert hypervolume(curve, most_cost=4, least_quality=0.5) == pytest.approx(2 * 0.25 / 2)
    with pytest.raises(OutcomesInvalid, match="no area"):
        hypervolume(curve, most_cost=0)
    with pytest.raises(OutcomesInvalid, match="at most 1"):
        hypervolume(Curve.of(Point(1, 1.5)), most_cost=4)


def test_gap_closed_by_hand() -> None:
    """From cost 1 to 5 the hull has area 1.5, the oracle 2.5 and the policy 1.75: a quarter of the room."""
    hull, oracle = single_hull(FOUR), oracle_frontier(FOUR)
    assert points(hull) == [(1, 0.25), (5, 0.5)]
    assert points(oracle) == [(1, 0.25), (3, 0.75)]
    policy = Curve.of(Point(1, 0.25), Point(3, 0.5), Point(5, 0.5))
    assert gap_closed(policy, hull, oracle) == pytest.approx(0.25)
    assert gap_closed(Curve.of(Point(3, 0.75)), hull, oracle) == pytest.approx(1)  # mixed with the cheapest below
    assert gap_closed(Curve.of(Point(1, 0.25)), hull, oracle) == pytest.approx(-0.5)  # stays where it is


def test_gap_closed_where_one_arm_is_both_cheapest_and_best() -> None:
    """The range of costs is a single one there; without room over the hull there is nothing to measure."""
    grid = grid_of([[1, 0], [0, 1], [1, 0]], [[2, 3], [4, 2], [3, 9]])
    hull, oracle = single_hull(grid), oracle_frontier(grid)
    assert len(hull.cost) == 1
    assert (gap_closed(oracle, hull, oracle), gap_closed(hull, hull, oracle)) == (1, 0)
    dominated = grid_of([[1, 0]], [[1, 2]])
    with pytest.raises(OutcomesInvalid, match="nothing to gain"):
        gap_closed(single_hull(dominated), single_hull(dominated), oracle_frontier(dominated))


def test_bankruptcy_is_the_share_over_budget() -> None:
    """An episode that costs exactly its budget is not bankrupt; budgets may differ by episode."""
    costs = np.array([1, 2, 3, 4])
    assert bankruptcy(costs, 2) == 0.5
    assert bankruptcy(costs, np.array([0.0, 2, 3, 3])) == 0.5
    with pytest.raises(OutcomesInvalid, match="negative or NaN"):
        bankruptcy(costs, float("nan"))
    with pytest.raises(OutcomesInvalid, match="one for each"):
        bankruptcy(costs, np.array([1.0]))


def test_single_arms_are_told_apart() -> None:
    """Cheapest, dearest and best are by means over tasks; of equally good arms the cheaper is best."""
    grid = grid_of([[0, 1, 1], [0, 0, 0]], [[1, 4, 6], [1, 2, 6]])
    assert (cheapest_single(grid), dearest_single(grid), best_single(grid)) == ("a", "c", "b")


def test_a_random_mixture_lies_on_the_line() -> None:
    """Half of the tasks to each arm costs and achieves the middle; shares that are none are refused."""
    assert random_mixture(FOUR, np.array([0.5, 0.5])) == (3, 0.375)
    for shares in ([0.5, 0.6], [1.5, -0.5], [1.0]):
        with pytest.raises(OutcomesInvalid, match="sum to 1"):
            random_mixture(FOUR, np.array(shares))


def test_first_large_spends_first_and_never_too_much() -> None:
    """13 nano-dollars pay two strong calls and two weak ones, 4 only weak ones; 3 pay too little."""
    assert first_large(FOUR, weak="a", strong="b", budget=13).tolist() == [1, 1, 0, 0]
    assert first_large(FOUR, weak="a", strong="b", budget=4).tolist() == [0, 0, 0, 0]
    with pytest.raises(OutcomesInvalid, match="do not pay 'a' for every task"):
        first_large(FOUR, weak="a", strong="b", budget=3)


def test_the_cross_fitted_oracle_loses_its_luck() -> None:
    """Two arms that succeed in turns: the oracle of a run wins always, chosen on the other run it never does."""
    columns = {
        "task": ["t"] * 4,
        "arm": ["a", "b", "a", "b"],
        "run": [1, 1, 2, 2],
        "success": [1, 0, 0, 1],
        "cost_nano": [1, 1, 1, 1],
    }
    table = OutcomeTable.read(columns)
    assert oracle_frontier(OutcomeGrid.of(table.of_runs(1))).quality.max() == 1
    assert cross_fitted_oracle(table) == (1, 0)
    with pytest.raises(OutcomesInvalid, match="there is one only"):
        cross_fitted_oracle(table.of_runs(1))


def test_the_baseline_table_at_one_cost() -> None:
    """At a mean cost of 3 of [1, 5]: half of the room is random's, two of four strong calls are First-Large's."""
    folds = folds_by(FOUR.tasks, count=4)
    table = baseline_table(FOUR, folds, cost=3)
    assert table["always-weak"] == (1, 0.25)
    assert table["always-strong"] == table["best single"] == (5, 0.5)
    assert table["random mixture"] == (3, 0.375)
    assert table["First-Large"] == table["oracle"] == (3, 0.75)
    curve = frontier(FOUR, *group_means(FOUR, folds))
    assert table["group mean"] == (min(3, curve.cost[-1]), curve.quality_at(3))
    assert set(baseline_table(FOUR, folds, cost=0.5)) == {"always-weak", "always-strong", "best single"}


def test_group_means_come_from_the_other_folds() -> None:
    """A task's own outcome is not in its estimate, and an unknown group has the mean of everything seen."""
    grid = grid_of([[1, 0], [0, 0], [0, 1], [0, 1]], [[1, 2]] * 4, ["g", "g", "h", "h"])
    by_task, _ = group_means(grid, folds_by(grid.tasks, count=4))
    assert by_task.tolist() == [[0, 0], [1, 0], [0, 1], [0, 1]]
    by_group, cost = group_means(grid, folds_by(grid.groups, count=2))
    assert by_group.tolist() == [[0, 1], [0, 1], [0.5, 0], [0.5, 0]]
    assert cost.tolist() == [[1, 2]] * 4


def test_out_of_fold_shows_no_fit_what_it_scores() -> None:
    """Every row is predicted once, by a model that was given only other labels; bad predictions are refused."""
    labels = np.array(["x", "x", "y", "z", "z", "z"])
    folds = folds_by(labels, count=3, seed=4)

    def predict(seen: set[str], rows: np.ndarray) -> np.ndarray:
        assert not seen & set(labels[rows])
        return rows.astype(float)

    assert out_of_fold(folds, lambda rows: set(labels[rows]), predict).tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(OutcomesInvalid, match="predict: must be finite"):
        out_of_fold(folds, lambda rows: rows, lambda _, rows: np.full(len(rows), np.nan))
    with pytest.raises(OutcomesInvalid, match=r"number of different labels \(3\), not 4"):
        folds_by(labels, count=4)


def test_ranks_within_folds_forget_the_fold() -> None:
    """A shift of one fold's scores changes no rank, and equal scores share theirs."""
    folds = folds_by(["a", "b", "c", "d"], count=2)
    scores = np.array([1.0, 2.0, 2.0, 1.0])
    shifted = scores + 100 * folds.fold
    assert np.array_equal(rank_within(scores, folds), rank_within(shifted, folds))
    first = np.flatnonzero(folds.fold == 0)
    same = np.where(folds.fold == 0, 7.0, scores)
    assert rank_within(same, folds)[first].tolist() == [0.5, 0.5]


def test_the_bootstrap_by_hand() -> None:
    """Of a constant the interval is a point; of one task in two the mean is 0, 1/2 or 1."""
    outcomes = np.array([0.0, 1.0])
    assert bootstrap(lambda rows: 3.0, 5, resamples=20) == bootstrap(lambda rows: 3.0, 9, resamples=20, seed=1)
    found = bootstrap(lambda rows: float(outcomes[rows].mean()), 2, resamples=400)
    assert (found.point, found.low, found.high, found.undefined) == (0.5, 0, 1, 0)


def test_the_bootstrap_is_paired() -> None:
    """Two policies that differ by .1 on every task differ by exactly that on every resample."""
    first = np.random.default_rng(0).random(30)
    second = first + 0.1
    found = bootstrap(lambda rows: float(second[rows].mean() - first[rows].mean()), 30, resamples=100)
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))


def test_the_bootstrap_draws_whole_clusters() -> None:
    """Where tasks of a cluster are alike the interval is wider than over tasks, and a cluster is drawn as one."""
    clusters = np.repeat(np.arange(6), 20)
    outcomes = (clusters % 2).astype(float)
    wide = bootstrap(lambda rows: float(outcomes[rows].mean()), 120, clusters=clusters)
    narrow = bootstrap(lambda rows: float(outcomes[rows].mean()), 120)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    whole = bootstrap(lambda rows: float(len(rows) % 20), 120, clusters=clusters, resamples=50)
    assert (whole.low, whole.high) == (0, 0)


def test_undefined_resamples_are_counted() -> None:
    """A resample without a gap has no APGR: it is counted, not read as zero; a measure never defined is refused."""

    def measure(rows: np.ndarray) -> float:
        return apgr(strong_call_curve(rows.astype(float), WEAK[rows], STRONG[rows]))

    found = bootstrap(measure, 4, resamples=300)
    assert found.undefined > 0
    assert found.resamples + found.undefined == 300
    with pytest.raises(OutcomesInvalid, match="not defined on the tasks themselves"):
        bootstrap(lambda rows: None, 4)
    with pytest.raises(OutcomesInvalid, match="not defined on any of 5 resamples"):
        bootstrap(lambda rows: 1.0 if rows.tolist() == list(range(50)) else None, 50, resamples=5)
    with pytest.raises(OutcomesInvalid, match="out of range"):
        bootstrap(lambda rows: 1.0, 4, level=95)
    with pytest.raises(OutcomesInvalid, match="one for each of 4 tasks"):
        bootstrap(lambda rows: 1.0, 4, clusters=np.arange(3))


def test_of_points_with_one_cost_the_best_counts() -> None:
    """Two settings that cost the same are not averaged, and the worse one does not pull the line down on its right."""
    curve = Curve.of(Point(1, 0.8), Point(1, 0.2), Point(3, 0.8))
    assert (curve.quality_at(1), curve.quality_at(2)) == pytest.approx((0.8, 0.8))


@pytest.mark.parametrize("seed", range(5))
def test_folds_are_as_even_as_their_labels_allow(seed: int) -> None:
    """A group of four and four groups of one make two folds of four, in whatever order the seed deals them."""
    folds = folds_by(["big"] * 4 + ["a", "b", "c", "d"], count=2, seed=seed)
    assert np.bincount(folds.fold).tolist() == [4, 4]


def test_the_bootstrap_is_as_wide_as_theory_says() -> None:
    """Of 100 outcomes, half of them successes, the 95% interval of the mean is 2 x 1.96 x .05 wide."""
    outcomes = np.arange(100) % 2
    found = bootstrap(lambda rows: float(outcomes[rows].mean()), 100, resamples=2000)
    assert found.high - found.low == pytest.approx(0.196, abs=0.021)
    assert found.low == pytest.approx(0.5 - 0.098, abs=0.015)


def test_ties_of_the_cross_fitted_oracle_go_to_the_better_arm_then_the_cheaper() -> None:
    """On t both arms always succeed: b is taken, because it is the better one on u, or a where it is cheaper only."""
    columns = {
        "task": ["t", "t", "u", "u"] * 2,
        "arm": ["a", "b"] * 4,
        "run": [1] * 4 + [2] * 4,
        "success": [1, 1, 0, 1] * 2,
        "cost_nano": [1, 3] * 4,
    }
    assert cross_fitted_oracle(OutcomeTable.read(columns)) == (3, 1)
    assert cross_fitted_oracle(OutcomeTable.read({**columns, "success": [1] * 8})) == (1, 1)
