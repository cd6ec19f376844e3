"""Training: what is learned, how it is judged, and what is refused."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outcome_tables import step_columns

from langroute.artifacts import open_policy
from langroute.errors import ConfigError, OutcomesInvalid
from langroute.estimators.arm_table import ArmTable
from langroute.learning.boosted_sums import TreeOptions
from langroute.learning.boosting import AgentRouterLearner, BoostedLearner
from langroute.learning.examples import Examples
from langroute.learning.isotonic import fit_calibration
from langroute.learning.learners import learner
from langroute.learning.prediction_measures import auroc, brier, calibration_error, log_loss
from langroute.learning.tables import train_table
from langroute.learning.training import train
from langroute.learning.writing import write_table
from langroute.money import Price
from langroute.records import Arm

pytest.importorskip("xgboost", reason="the estimators are trained with XGBoost")

QUICK = TreeOptions(rounds=30, folds=3)


def examples(rows: int = 900, **changes: Any) -> Examples:
    return Examples.read({**step_columns(rows), **changes})


def test_it_beats_the_arms_means_where_there_is_something_to_learn() -> None:
    """Out of fold, and said so: better than what needs no learning, inside its own interval, calibrated."""
    trained = train(examples(1_500), BoostedLearner(options=QUICK), folds=3)
    loss = trained.metrics["log_loss"]
    assert loss["value"] < loss["arm_mean"] - 0.03
    assert loss["low"] < loss["value"] < loss["high"]
    assert trained.metrics["auroc"]["value"] > trained.metrics["auroc"]["arm_mean"] + 0.05
    assert trained.metrics["calibration_error"]["value"] < 0.08
    assert trained.metrics["cost_mae_usd"]["value"] < trained.metrics["cost_mae_usd"]["arm_mean"] * 1.05


def test_it_promises_nothing_where_there_is_nothing_to_learn() -> None:
    """Shuffled outcomes teach nothing: the loss is that of the mean, not better."""
    columns = step_columns(1_500)
    shuffled = np.random.default_rng(5).permutation(columns["success"]).tolist()
    trained = train(Examples.read({**columns, "success": shuffled}), BoostedLearner(options=QUICK), folds=3)
    assert trained.metrics["log_loss"]["value"] > trained.metrics["log_loss"]["arm_mean"] - 0.005


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Training again gives the same folder; another seed another one."""
    folders = [
        train(examples(400), BoostedLearner(options=QUICK), folds=2, seed=seed).save(tmp_path / str(number))
        for number, seed in enumerate((3, 3, 4))
    ]
    one, two, other = [
        (folder / "policy.json").read_bytes() + (folder / "arrays.npz").read_bytes() for folder in folders
    ]
    assert one == two
    assert one != other


def test_a_saved_policy_serves_and_its_card_tells(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The folder opens, an arm that was never seen is warned of in the log, and the card has the figures."""
    trained = train(examples(), BoostedLearner(options=QUICK), folds=3)
    folder = trained.save(tmp_path / "policy")
    price = Price(input_per_million=1, output_per_million=2)
    pool = [Arm(name=name, model=name, provider="any", price=price) for name in ("nano", "large", "fresh")]
    with caplog.at_level(logging.WARNING, logger="langroute"):
        opened = open_policy(folder, pool)
    assert opened.estimator.name == "boosted"
    assert "never saw fresh" in caplog.text
    card = (folder / "MODEL_CARD.md").read_text()
    assert trained.data["fingerprint"] in card
    assert "What it is not for" in card
    assert f"{trained.metrics['log_loss']['value']:.4f}" in card


def test_a_large_table_is_learned_in_batches_as_in_memory(tmp_path: Path) -> None:
    """From external memory the figures and the data's fingerprint are those of training in memory."""
    path = tmp_path / "steps.jsonl"
    columns = step_columns(1_500)
    write_table(path, Examples_columns(columns))
    small = train_table(path, BoostedLearner(options=QUICK), folds=3)
    large = train_table(path, BoostedLearner(options=QUICK), large=100)
    assert large.data == small.data
    assert large.metrics["log_loss"]["value"] == pytest.approx(small.metrics["log_loss"]["value"], abs=0.03)
    assert large.lesson.numbers == small.lesson.numbers
    assert large.lesson.words == small.lesson.words


def Examples_columns(columns: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - reads as what it gives
    """The columns as the writer takes them."""
    from langroute.learning.schema import checked  # noqa: PLC0415

    return checked(columns)


def test_agentrouter_reads_five_features_and_four_tiers() -> None:
    """The preset tells arms apart by their tier only, and reads no column but its five."""
    lesson = AgentRouterLearner(options=QUICK).fit(examples(), seed=0)
    assert set(lesson.numbers) <= {"retries", "invalid_tool_calls", "prior_confidence", "budget_share"}
    assert lesson.words == ("kind",)
    tiers = ArmTable.tiers({f"arm-{at}": float(at) for at in range(8)})
    assert tiers.columns == ("tier=0", "tier=1", "tier=2", "tier=3")
    assert tiers.features.sum(axis=0).tolist() == [2.0, 2.0, 2.0, 2.0]


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in step_columns(900).items() if key != name}


BAD: list[tuple[str, str, dict[str, Any]]] = [
    ("too few to learn from", "task", step_columns(30)),
    ("second arm", "arm", {**step_columns(), "arm": ["one"] * 600}),
    ("in every row", "success", {**step_columns(), "success": [1.0] * 600}),
    ("row 2 must be a number", "success", {**step_columns(), "success": [1.0, 0.0, None] + [1.0] * 597}),
    (r"row 1 must be in \[0, 1\]", "success", {**step_columns(), "success": [1.0, 1.5] + [0.0] * 598}),
    ("row 0 must be finite", "retries", {**step_columns(), "retries": [float("inf")] + [0.0] * 599}),
    ("row 3 must not be empty", "arm", {**step_columns(), "arm": ["a", "b", "c", ""] + ["a"] * 596}),
    ("must not be negative", "cost_usd", {**step_columns(), "cost_usd": [-1.0] + [0.1] * 599}),
    ("is missing", "task", without("task")),
    ("is missing", "arm or model", without("arm")),
    ("has 3 rows where task has 600", "kind", {**step_columns(), "kind": ["control"] * 3}),
    ("must be one of own, episode", "credit", {**step_columns(), "credit": ["mine"] * 600}),
]


@pytest.mark.parametrize(("complaint", "field", "columns"), BAD, ids=[f"{b[1]}-{n}" for n, b in enumerate(BAD)])
def test_bad_tables_are_refused_by_name(complaint: str, field: str, columns: dict[str, Any]) -> None:
    """Whoever brings a table that cannot be learned from is told the column, the row and what to do."""
    with pytest.raises(OutcomesInvalid, match=complaint) as raised:
        BoostedLearner(options=QUICK).fit(Examples.read(columns), seed=0)
    assert raised.value.field == field


def test_unknown_names_and_options_are_refused() -> None:
    """No estimator of that name, and no option that the learner does not take."""
    with pytest.raises(ConfigError, match="use one of"):
        learner("oracle")
    with pytest.raises(ConfigError, match="does not take"):
        learner("boosted", moons=3)
    with pytest.raises(ConfigError, match="at least 2"):
        train(examples(), BoostedLearner(), folds=1)


class Length:
    """An encoder that knows how long a text is."""

    name = "length"

    def encode(self, text: str) -> tuple[float, ...]:
        return (float(len(text)),)


def test_text_is_read_only_where_it_helps() -> None:
    """Texts whose length decides are read; texts that say nothing are not, so the door need not encode them."""
    columns = {key: value for key, value in step_columns(900).items() if key not in ("kind", "prior_confidence")}
    random = np.random.default_rng(1)
    told = ["long" * 9 if good > random.random() * 0.5 else "short" for good in columns["success"]]
    noise = ["long" * 9 if one else "short" for one in random.random(900) < 0.5]
    for texts, length in ((told, 1), (noise, 0)):
        read = Examples.read({**columns, "text": texts})
        lesson = BoostedLearner(options=QUICK, encoder=Length()).fit(read, seed=0)  # type: ignore[arg-type]
        assert lesson.text == length
        assert (lesson.encoder is None) == (length == 0)


def test_what_a_task_was_billed_in_the_end_is_no_feature() -> None:
    """Rows without a kind are whole attempts, whose input tokens nobody knew before."""
    columns = {key: value for key, value in step_columns(200).items() if key != "kind"}
    assert (Examples.read(columns).rows.number("input_tokens") == 0).all()
    assert (examples(200).rows.number("input_tokens") > 0).all()


def test_a_verdict_on_the_step_counts_four_times_a_credited_one() -> None:
    """Success handed from an episode to its steps weighs less, in every episode alike."""
    read = examples(200)
    credit = np.array(step_columns(200)["credit"])
    assert set(read.weight[credit == "own"]) == {1.0}
    assert set(read.weight[credit == "episode"]) == {0.25}


def test_calibration_is_monotone_and_right_on_average() -> None:
    """Overconfident probabilities come back to what is true; order is never turned round."""
    random = np.random.default_rng(0)
    true = random.random(4_000)
    success = (random.random(4_000) < true).astype(float)
    said = np.clip(0.5 + 1.8 * (true - 0.5), 0.001, 0.999)
    calibration = fit_calibration(said, success, np.ones(4_000))
    assert (np.diff(calibration(np.linspace(0, 1, 200))) >= 0).all()
    assert np.abs(calibration(said) - true).mean() < 0.05
    assert calibration_error(calibration(said), success) < calibration_error(said, success)


def test_measures_by_hand() -> None:
    """Log loss, Brier score and AUROC of a few rows, worked out by hand; ties count half."""
    said, true = np.array([0.5, 0.5, 0.8, 0.2]), np.array([1.0, 0.0, 1.0, 0.0])
    assert log_loss(said, true) == pytest.approx(-(2 * np.log(0.5) + 2 * np.log(0.8)) / 4)
    assert brier(said, true) == pytest.approx((0.25 + 0.25 + 0.04 + 0.04) / 4)
    assert auroc(said, true) == pytest.approx(3.5 / 4)
    assert auroc(said, np.ones(4)) is None
    assert auroc(np.full(4, 0.3), true) == 0.5


def test_metrics_are_plain_data() -> None:
    """They are stored as JSON, which has no NaN."""
    trained = train(examples(400), BoostedLearner(options=QUICK), folds=2)
    assert json.loads(json.dumps(trained.metrics, allow_nan=False)) == trained.metrics
