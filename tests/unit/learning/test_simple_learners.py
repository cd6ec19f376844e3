"""Ridge heads, neighbours, group means and their mean: what they learn, serve, store and refuse."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fakes import a_step, ladder
from outcome_samples import full_table, journal_table

from langroute.errors import ArtifactInvalid, OutcomesInvalid
from langroute.estimators.group_mean import GroupMeanEstimator
from langroute.estimators.mean import MeanEstimator
from langroute.estimators.neighbours import NeighboursEstimator
from langroute.estimators.rows import StepRows
from langroute.learning.examples import Examples
from langroute.learning.latent_fitting import fit_latent_text
from langroute.learning.learners import learner
from langroute.parts import Parts
from langroute.records import Features
from langroute.testing import check_estimator

NAMES = ("ridge", "neighbours", "group_mean", "mean")
ARMS = ("small", "medium", "large")


def lesson_of(name: str, table: dict[str, list[Any]]) -> Any:
    """What a learner makes of a table; the mean of the quick ones, so that no trees are grown."""
    options = {"members": ("ridge", "neighbours")} if name == "mean" else {}
    return learner(name, **options).fit(Examples.read(table), seed=0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("table", [full_table, journal_table])
def test_it_tells_hard_from_easy(name: str, table: Any) -> None:
    """On a full table and on a journal with one arm a step, hard tasks pull the arms apart, easy ones do not."""
    lesson = lesson_of(name, table())
    asked = Examples.read(full_table(40, seed=1)).reading(lesson.encoder)
    if table is journal_table:  # a step of the journal also says its kind
        words = asked.rows.words.copy()
        words[:, 0] = np.where(asked.group == "hard", "control", "execution")
        asked = replace(asked, rows=replace(asked.rows, words=words))
    found = lesson.estimator.predict(asked.rows, ARMS)
    gain = found.success[:, 2] - found.success[:, 0]
    hard = asked.group == "hard"
    assert gain[hard].mean() > gain[~hard].mean() + 0.2
    assert (found.cost_nano[:, 2] > 10 * found.cost_nano[:, 0]).all()


@pytest.mark.parametrize("name", NAMES)
def test_it_keeps_the_contract_of_estimators(name: str) -> None:
    """Pure, picklable, in the pool's order: also for arms it never saw, which the prior estimates."""
    estimator = lesson_of(name, journal_table()).estimator
    check_estimator(estimator, rounds=60)
    assert estimator.unseen(ladder("small", "stranger")) == ("stranger",)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_the_same_again_from_its_parts(name: str) -> None:
    """Taken apart and made again, it expects the same to the last bit."""
    lesson = lesson_of(name, full_table())
    rows = Examples.read(full_table(10, seed=2)).reading(lesson.encoder).rows
    again = type(lesson.estimator).from_parts(lesson.estimator.parts())
    for field in ("success", "output_tokens", "cost_nano"):
        one, other = (getattr(made.predict(rows, ARMS), field) for made in (lesson.estimator, again))
        assert np.array_equal(one, other)


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_array_is_refused(name: str) -> None:
    """An array that is gone, of another shape or not finite is refused by its name, never used."""
    parts = lesson_of(name, full_table()).estimator.parts()
    made = type(lesson_of(name, full_table()).estimator)
    for array in parts.arrays:
        others = {key: value for key, value in parts.arrays.items() if key != array}
        gone = Parts(settings=parts.settings, arrays=others)
        with pytest.raises(ArtifactInvalid):
            made.from_parts(gone)
        flat = Parts(settings=parts.settings, arrays={**parts.arrays, array: np.zeros((1, 1, 1, 1))})
        with pytest.raises(ArtifactInvalid):
            made.from_parts(flat)


@pytest.mark.parametrize("name", NAMES)
def test_too_little_is_refused(name: str) -> None:
    """From a handful of rows nothing is learned, and the message says how many are needed."""
    with pytest.raises(OutcomesInvalid, match="too few"):
        lesson_of(name, full_table(3))


@pytest.mark.parametrize("name", NAMES)
def test_a_live_step_is_priced_by_the_pool(name: str) -> None:
    """Expected output tokens are priced by the arm's own list, not by what the table was billed."""
    table = full_table()
    estimator = lesson_of(name, table).estimator
    arms = ladder(*ARMS)
    for estimate, arm in zip(estimator.estimate(a_step(), arms), arms, strict=True):
        assert estimate.cost_nano == a_step().cost_of(arm, estimate.output_tokens)
        assert 80 <= estimate.output_tokens <= 220


def test_without_tokens_a_bill_says_how_many() -> None:
    """A table with costs and no tokens: what a bill leaves beside the input is output."""
    table = full_table()
    del table["output_tokens"]
    arm = ladder("small")[0]
    table["cost_nano"] = [a_step().cost_of(arm, 300) for _ in table["task"]]
    (estimate,) = lesson_of("group_mean", table).estimator.estimate(a_step(), (arm,))
    assert abs(estimate.output_tokens - 300) <= 1


def test_without_costs_the_prior_says_how_many_tokens() -> None:
    """A table with neither tokens nor costs still tells successes, and the price is that of the prior's tokens."""
    table = full_table()
    del table["output_tokens"], table["cost_nano"]
    arm = ladder("small")[0]
    (estimate,) = lesson_of("ridge", table).estimator.estimate(a_step(), (arm,))
    assert estimate.output_tokens == 200


def test_group_means_by_hand() -> None:
    """A group's mean is that of its rows and of ``strength`` rows like the mean of all."""
    means = np.array([[[0.5], [100.0], [1_000.0]], [[0.75], [100.0], [1_000.0]]])
    made = GroupMeanEstimator(arms=("a",), levels=("domain",), groups=[(), ("x",)], means=means, known=(True, True))
    rows = StepRows.of(*(a_step(features=Features(domain=name)) for name in ("x", "y")))
    assert made.predict(rows, ("a",)).success.tolist() == [[0.75], [0.5]]


def test_neighbours_by_hand() -> None:
    """Of two contexts the nearer one decides, as far as the shrinkage lets it."""
    lesson = lesson_of("neighbours", full_table())
    estimator = lesson.estimator
    assert isinstance(estimator, NeighboursEstimator)
    step = a_step(features=Features(text=tuple(lesson.encoder.encode("prove that the theorem holds for manifolds"))))
    before = estimator.prior_success(step)
    assert before["small"] < 0.5 < before["large"]


def test_a_mean_lies_between_its_members() -> None:
    """The mean estimator's success is the mean of its members'."""
    made = lesson_of("mean", full_table()).estimator
    assert isinstance(made, MeanEstimator)
    told = [member.estimate(a_step(), ladder(*ARMS)) for member in made.members]
    for at, estimate in enumerate(made.estimate(a_step(), ladder(*ARMS))):
        assert estimate.success == pytest.approx(sum(one[at].success for one in told) / len(told), abs=1e-6)


def test_latent_text_is_whole_for_any_text() -> None:
    """Empty, huge and odd texts become as many finite numbers as others, the same each time."""
    made = fit_latent_text([f"{text} {at}" for at in range(30) for text in ("sum of", "prove that")], seed=0)
    again = type(made).from_parts(made.parts())
    width = len(made.encode("sum of 3"))
    for text in ("", " ", "x" * 1_000_000, "\ud800 lone", "日本語のテキスト", "\x00"):
        found = made.encode(text)
        assert len(found) == width
        assert np.isfinite(found).all()
        assert found == again.encode(text)
