"""What must hold of every measure and baseline, whatever the outcomes are."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from langroute.learning import (
    Curve,
    OutcomeGrid,
    OutcomeTable,
    Point,
    apgr,
    bankruptcy,
    best_single,
    choices_at,
    cost_save,
    cpt,
    folds_by,
    frontier,
    gap_closed,
    group_means,
    hypervolume,
    moves,
    oracle_frontier,
    out_of_fold,
    perf_gain,
    random_mixture,
    rank_within,
    single_hull,
    singles,
    strong_call_curve,
)

SLACK = 1e-9

shares = st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0, 1)
costs = st.integers(1, 8) | st.integers(1, 10**9)


@st.composite
def grids(draw: st.DrawFn, most_tasks: int = 8, most_arms: int = 4) -> OutcomeGrid:
    """Some tasks, some arms, with plenty of ties."""
    tasks, arms = draw(st.integers(1, most_tasks)), draw(st.integers(1, most_arms))
    size = tasks * arms
    groups = draw(st.lists(st.sampled_from(["g", "h", "i"]), min_size=tasks, max_size=tasks))
    columns = {
        "task": [f"t{row:02}" for row in range(tasks) for _ in range(arms)],
        "group": [name for name in groups for _ in range(arms)],
        "arm": ["abcd"[at] for _ in range(tasks) for at in range(arms)],
        "success": draw(st.lists(shares, min_size=size, max_size=size)),
        "cost_nano": draw(st.lists(costs, min_size=size, max_size=size)),
    }
    return OutcomeGrid.of(OutcomeTable.read(columns))


def numbers(seed: int, *shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).random(shape)


def rescaled(grid: OutcomeGrid, factor: float) -> OutcomeGrid:
    return OutcomeGrid(
        tasks=grid.tasks, groups=grid.groups, arms=grid.arms, success=grid.success, cost=grid.cost * factor
    )


def never_above(curve: Curve, bound: Curve) -> bool:
    return bool((curve.quality <= bound.interpolated(curve.cost) + SLACK).all())


@given(grid=grids(), seed=st.integers(0, 99))
def test_no_policy_of_single_calls_beats_the_oracle(grid: OutcomeGrid, seed: int) -> None:
    """Fixed choices, random mixtures, single arms and every estimator's frontier lie on or under the oracle's."""
    oracle = oracle_frontier(grid)
    random = np.random.default_rng(seed)
    mixture = random_mixture(grid, random.dirichlet(np.ones(len(grid.arms))))
    chosen = grid.score(random.integers(len(grid.arms), size=len(grid)))
    believed = frontier(grid, random.random(grid.success.shape), random.random(grid.cost.shape))
    policies = [Curve.of(mixture), Curve.of(chosen), Curve.of(*singles(grid).values()), single_hull(grid), believed]
    assert all(never_above(policy, oracle) for policy in policies)


@given(grid=grids())
def test_a_perfect_estimator_reaches_the_oracle(grid: OutcomeGrid) -> None:
    """Collapse test 5: argmax U - lambda C on the outcomes themselves lies on the oracle's frontier at every lambda."""
    oracle = oracle_frontier(grid)
    prices = moves(grid.success, grid.cost).price
    for price in [0.0, *prices * 0.5, *prices, *prices * 2, 1e9]:
        point = grid.score(choices_at(grid.success, grid.cost, price))
        assert point.quality == pytest.approx(float(oracle.interpolated(np.array([point.cost]))[0]), abs=1e-6)


@given(grid=grids())
def test_hull_and_oracle_are_concave_and_rise(grid: OutcomeGrid) -> None:
    """More money never buys less, and every further dollar buys no more than the one before."""
    for curve in (single_hull(grid), oracle_frontier(grid)):
        rise, run = np.diff(curve.quality), np.diff(curve.cost)
        assert (rise >= -SLACK).all()
        assert (run >= 0).all()
        assert (rise[1:] * run[:-1] <= rise[:-1] * run[1:] * (1 + 1e-6) + SLACK * run.max(initial=1)).all()
    assert never_above(single_hull(grid), oracle_frontier(grid))


@given(grid=grids(), seed=st.integers(0, 99))
def test_gap_closed_is_one_for_the_oracle_nought_for_the_hull_and_never_more(grid: OutcomeGrid, seed: int) -> None:
    """The measure's two fixed points, and its upper bound for whatever a router believes."""
    hull, oracle = single_hull(grid), oracle_frontier(grid)
    room = oracle.interpolated(hull.cost) - hull.quality
    assume(room.max() > 1e-3)
    assume(len(hull.cost) == 1 or np.ptp(hull.cost) > 1e-3)
    try:
        assert gap_closed(oracle, hull, oracle) == pytest.approx(1)
    except ValueError:
        assume(False)  # the room is at a single cost
    assert gap_closed(hull, hull, oracle) == pytest.approx(0, abs=1e-6)
    believed = frontier(grid, numbers(seed, *grid.success.shape), grid.cost)
    assert gap_closed(believed, hull, oracle) <= 1 + 1e-6


@given(grid=grids(), factor=st.sampled_from([0.5, 4.0, 1024.0]))
def test_measures_do_not_depend_on_the_unit_of_cost(grid: OutcomeGrid, factor: float) -> None:
    """Nano-dollars or dollars: savings, gains, hypervolume and gap closed stay, and choices change with the price."""

    def measured(of: OutcomeGrid) -> list[float | None]:
        curve, best = single_hull(of), singles(of)[best_single(of)]
        oracle = oracle_frontier(of)
        most = float(of.cost.mean(axis=0).max())
        found: list[float | None] = [cost_save(oracle, best), hypervolume(oracle, most_cost=most)]
        found.append(perf_gain(oracle, best) if best.quality else None)
        try:
            found.append(gap_closed(Curve.of(*singles(of).values()), curve, oracle))
        except ValueError:
            found.append(None)
        return found

    for one, other in zip(measured(grid), measured(rescaled(grid, factor)), strict=True):
        assert other == (one if one is None else pytest.approx(one, rel=1e-6, abs=1e-6))


@given(seed=st.integers(0, 999), size=st.integers(1, 30), levels=st.integers(1, 6))
def test_strong_call_measures_keep_their_bounds(seed: int, size: int, levels: int) -> None:
    """Curves join always-weak and always-strong; only the order counts; reversed scores mirror APGR around .5."""
    random = np.random.default_rng(seed)
    weak, strong = random.integers(0, 2, (2, size)).astype(float)
    assume(strong.mean() > weak.mean())
    scores = random.integers(0, levels, size).astype(float)
    curve = strong_call_curve(scores, weak, strong)
    assert (curve.quality[0], curve.quality[-1]) == pytest.approx((weak.mean(), strong.mean()))
    assert apgr(strong_call_curve(np.exp(scores) - 7, weak, strong)) == pytest.approx(apgr(curve))
    assert apgr(strong_call_curve(-scores, weak, strong)) == pytest.approx(1 - apgr(curve))
    assert apgr(curve) <= apgr(strong_call_curve(strong - weak, weak, strong)) + SLACK
    thresholds = [cpt(curve, share) for share in (0, 0.2, 0.5, 0.8, 1)]
    assert thresholds == sorted(thresholds)
    assert thresholds[0] == 0
    assert thresholds[-1] <= 1


@given(grid=grids(), cost=st.integers(1, 10**9), quality=st.floats(0, 1))
def test_hypervolume_is_a_share_that_more_points_only_raise(grid: OutcomeGrid, cost: int, quality: float) -> None:
    """It lies in [0, 1], and offering one point more never makes it smaller."""
    offered = list(singles(grid).values())
    few = hypervolume(Curve.of(*offered), most_cost=10**9)
    more = hypervolume(Curve.of(*offered, Point(cost, quality)), most_cost=10**9)
    assert -SLACK <= few <= more + SLACK
    assert more <= 1 + SLACK


@given(spent=st.lists(st.integers(0, 100), min_size=1), low=st.integers(0, 100), more=st.integers(0, 100))
def test_a_larger_budget_bankrupts_no_more(spent: list[int], low: int, more: int) -> None:
    """Bankruptcy is a share that falls as budgets grow, and is nought where the dearest episode fits."""
    paid = np.array(spent)
    assert 1 >= bankruptcy(paid, low) >= bankruptcy(paid, low + more) >= 0
    assert bankruptcy(paid, float(paid.max())) == 0


@given(grid=grids(), level=st.floats(0, 1))
def test_a_cost_read_off_a_curve_buys_what_was_asked(grid: OutcomeGrid, level: float) -> None:
    """``cost_at`` names a cost at which the curve has the quality, and None only where no point has it."""
    curve = Curve.of(*singles(grid).values())
    cost = curve.cost_at(level)
    assert (cost is None) == (level > curve.quality.max())
    if cost is not None:
        assert curve.interpolated(np.array([cost]))[0] >= level - 1e-6


@given(labels=st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=40), data=st.data())
def test_folds_never_score_what_selected(labels: list[str], data: st.DataObject) -> None:
    """Every row is scored once; no label stands on both sides; a seed gives the same folds again."""
    assume(len(set(labels)) >= 2)
    count = data.draw(st.integers(2, len(set(labels))))
    folds, names = folds_by(labels, count=count, seed=3), np.array(labels)
    scored = np.concatenate([rows for _, rows in folds])
    assert sorted(scored.tolist()) == list(range(len(labels)))
    for fit, score in folds:
        assert score.size
        assert not set(names[fit]) & set(names[score])
        assert len(fit) + len(score) == len(labels)
    assert np.array_equal(folds.fold, folds_by(labels, count=count, seed=3).fold)


@given(grid=grids(), seed=st.integers(0, 99))
def test_an_estimate_does_not_know_its_own_outcome(grid: OutcomeGrid, seed: int) -> None:
    """Changing the outcomes of a fold changes none of the group means that fold is scored with."""
    assume(len(grid) >= 2)
    folds = folds_by(grid.tasks, count=2, seed=seed)
    before, _ = group_means(grid, folds)
    changed = np.where((folds.fold == 0)[:, None], 1 - grid.success, grid.success)
    other = OutcomeGrid(tasks=grid.tasks, groups=grid.groups, arms=grid.arms, success=changed, cost=grid.cost)
    assert np.array_equal(before[folds.fold == 0], group_means(other, folds)[0][folds.fold == 0])


@given(seed=st.integers(0, 99), size=st.integers(2, 30))
def test_ranks_keep_the_order_within_a_fold(seed: int, size: int) -> None:
    """Ranks lie in (0, 1], and are ordered and tied as the scores of their fold are."""
    folds = folds_by(list(range(size)), count=2, seed=seed)
    scores = np.random.default_rng(seed).integers(0, 4, size).astype(float)
    ranks = rank_within(scores, folds)
    assert ((ranks > 0) & (ranks <= 1)).all()
    for _, rows in folds:
        assert np.array_equal(
            np.sign(np.subtract.outer(scores[rows], scores[rows])), np.sign(np.subtract.outer(ranks[rows], ranks[rows]))
        )
    means = out_of_fold(folds, lambda fit: scores[fit].mean(), lambda mean, rows: np.full(len(rows), mean))
    assert len(set(means.tolist())) <= 2
