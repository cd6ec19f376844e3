"""Rules of choice that are trained with their estimator: from a table to a router, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from langroute.cli.app import app
from langroute.errors import ConfigError, OutcomesInvalid
from langroute.learning.group_mean_fitting import GroupMeanLearner
from langroute.learning.tables import train_table
from langroute.money import Price
from langroute.policies.cascade import CascadePolicy
from langroute.policies.chain import ChainPolicy
from langroute.policies.difference import DifferencePolicy
from langroute.policies.frontier import FrontierPolicy
from langroute.pool import ModelPool
from langroute.records import Outcome
from langroute.router import StepRouter
from langroute.testing import ScriptedModel

RATE = {"small": 0.5, "large": 0.9}
COST = {"small": 0.01, "large": 0.30}

Rows = list[dict[str, Any]]


def rows(tasks: int = 150, *, seed: int = 0) -> Rows:
    """Both arms on every task of two groups; in `easy` the small arm never fails; confidence is a noisy truth."""
    random = np.random.default_rng(seed)
    found = []
    for task in range(tasks):
        group = "easy" if task % 2 else "hard"
        for arm, rate in RATE.items():
            right = bool(random.random() < (1.0 if group == "easy" else rate))
            told = float(np.clip(random.normal(0.7 if right else 0.4, 0.12), 0.01, 0.99))
            found.append(
                {
                    "task": f"t{task}",
                    "group": group,
                    "arm": arm,
                    "success": float(right),
                    "cost_usd": COST[arm],
                    "confidence": round(told, 4),
                }
            )
    return found


def stored(folder: Path, table: Rows) -> Path:
    path = folder / "outcomes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in table), encoding="utf-8")
    return path


def routed(folder: Path, **options: Any) -> StepRouter:
    price = Price(input_per_million=0.1, output_per_million=1.0)
    models = {name: ScriptedModel((), model_name=name) for name in RATE}
    pool = ModelPool(models, prices=dict.fromkeys(RATE, price))
    return StepRouter(pool, policy=str(folder), **options)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("frontier", FrontierPolicy),
        ("cascade", CascadePolicy),
        ("chain", ChainPolicy),
        ("difference", DifferencePolicy),
    ],
)
def test_a_trained_rule_serves(tmp_path: Path, name: str, made: type) -> None:
    """The command stores it, a router opens it; a cascade judges answers with the very object that chooses arms."""
    table = stored(tmp_path, rows())
    options = ["--estimator", "group_mean", "--policy", name, "--save", str(tmp_path / "made"), "--json"]
    told = CliRunner().invoke(app, ["train", str(table), *options])
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["policy"] == name
    router = routed(tmp_path / "made", price_of_a_dollar=1.0)
    assert type(router.policy) is made
    assert [rule is router.policy for rule in router.acceptance] == [False, *([True] if name == "cascade" else [])]
    card = (tmp_path / "made" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert {"frontier": "frontier", "cascade": "confidence", "chain": "order", "difference": "cheap arm"}[name] in card


def fitted(folder: Path, table: Rows, name: str) -> Any:
    return train_table(stored(folder, table), GroupMeanLearner(), folds=3, policy=name)


def test_a_cascade_reads_confidence_as_it_was_right(tmp_path: Path) -> None:
    """Sure answers are worth what such answers were in the table; surprises are uncertain, and equal ones are PSD."""
    policy = fitted(tmp_path, rows(600), "cascade").policy
    assert policy.quality(Outcome(arm="small", confidence=0.85), otherwise=0.5) > 0.95
    assert policy.quality(Outcome(arm="small", confidence=0.25), otherwise=0.5) < 0.15
    covariance = policy.parts().settings["covariance"]
    assert 0.01 < covariance["small"]["small"] < 0.25
    assert covariance["small"]["large"] == covariance["large"]["small"]


def test_a_malformed_answer_counts_as_worth_nothing(tmp_path: Path) -> None:
    """Sure but unreadable answers do not enter the map, and make what comes of an arm less certain."""
    plain, broken = rows(300), rows(300)
    for number, row in enumerate(broken):
        if row["arm"] == "small" and number % 8 == 0:
            row.update(defects="invalid_tool_call", success=0.0, confidence=0.99)
    one, other = [fitted(tmp_path, table, "cascade").policy for table in (plain, broken)]
    assert other.quality(Outcome(arm="small", confidence=0.9), otherwise=0.5) > 0.9
    variance = [policy.parts().settings["covariance"]["small"]["small"] for policy in (one, other)]
    assert variance[1] > variance[0]


def test_a_chain_has_an_order_for_each_group(tmp_path: Path) -> None:
    """Where the cheap arm may fail the dear one follows, while it is worth its price."""
    policy = fitted(tmp_path, rows(), "chain").policy
    assert policy.order(price=1.0, domain="hard") == ("small", "large")
    assert policy.order(price=20.0, domain="easy") == ("small",)
    assert policy.order(price=1e9) == ()


def test_a_difference_keeps_the_best_arms_success(tmp_path: Path) -> None:
    """The cheap arm gets the group where it is as good, the strong one the other."""
    trained = fitted(tmp_path, rows(), "difference")
    settings = trained.policy.parts().settings
    assert (settings["weak"], settings["strong"]) == ("small", "large")
    assert 0.0 <= settings["difference"] < 0.6


def test_prices_for_targets_are_the_frontiers_own(tmp_path: Path) -> None:
    """What a price reaches was found for the frontier, so a target is refused under another rule, and why is said."""
    assert fitted(tmp_path, rows(), "frontier").targets is not None
    fitted(tmp_path, rows(), "chain").save(tmp_path / "made")
    with pytest.raises(ConfigError, match="--policy frontier"):
        routed(tmp_path / "made", quality_target=0.97)


def without(column: str) -> Callable[[Rows], Rows]:
    return lambda table: [{name: value for name, value in row.items() if name != column} for row in table]


def changed(**values: Any) -> Callable[[Rows], Rows]:
    return lambda table: [{**row, **values} for row in table]


def shuffled(table: Rows) -> Rows:
    told = np.random.default_rng(1).permutation([row["confidence"] for row in table]).tolist()
    return [{**row, "confidence": value} for row, value in zip(table, told, strict=True)]


def one_arm_a_task(table: Rows) -> Rows:
    return [row for number, row in enumerate(table) if (number // 2) % 2 == number % 2]


def only_small(table: Rows) -> Rows:
    return [row for row in table if row["arm"] == "small"]


def small_is_perfect(table: Rows) -> Rows:
    return [{**row, "success": 1.0} if row["arm"] == "small" else row for row in table]


REFUSED = [
    ("cascade", without("confidence"), "confidence: is missing"),
    ("cascade", changed(confidence=None), "confidence: is known of 0 readable answers"),
    ("cascade", changed(confidence=1.5), "confidence"),
    ("cascade", shuffled, "does not tell right answers from wrong"),
    ("cascade", one_arm_a_task, "arm: 0 attempts"),
    ("cascade", only_small, "two arms or more"),
    ("chain", without("cost_usd"), "cost_usd: is unknown of large, small"),
    ("chain", changed(cost_usd=0.0), "cost_usd: is 0"),
    ("chain", one_arm_a_task, "arm: 0 tasks were tried by more than one arm"),
    ("difference", one_arm_a_task, "arm: a difference is fitted on tasks that every arm was tried on"),
    ("difference", small_is_perfect, "arm: small is both cheapest and best"),
]


@pytest.mark.parametrize(("name", "spoil", "told"), REFUSED, ids=[f"{n}: {t}" for n, _, t in REFUSED])
def test_a_table_that_lacks_what_a_rule_needs_is_refused(
    tmp_path: Path, name: str, spoil: Callable[[Rows], Rows], told: str
) -> None:
    """The error names the column, and says what is missing."""
    with pytest.raises(OutcomesInvalid, match=told):
        fitted(tmp_path, spoil(rows()), name)


def test_an_unknown_rule_and_a_table_too_large_are_refused(tmp_path: Path) -> None:
    """Before anything is trained."""
    table = stored(tmp_path, rows(30))
    with pytest.raises(ConfigError, match="frontier, cascade, chain, difference"):
        train_table(table, GroupMeanLearner(), policy="oracle")
    with pytest.raises(ConfigError, match="in memory"):
        train_table(table, GroupMeanLearner(), policy="chain", large=10)
