"""The lab learns: collecting, learning, trying prices, and running what was learned, on a handful of tasks."""

import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from langroute.artifacts import open_policy
from langroute.cli.app import app
from langroute.errors import ConfigError
from langroute.lab.collect import Collected, collect, fresh_tasks
from langroute.lab.demo import lab_pool
from langroute.lab.learned import CALIBRATE_SEED, Priced, learn, live, try_prices, versus
from langroute.lab.remembering import RememberingEngine
from langroute.lab.service import LabService
from langroute.learning.journal_rows import DOUBTED
from langroute.learning.reading import read_table
from langroute.learning.writing import write_table
from langroute.pool import ModelPool

ENGINE = RememberingEngine()
TASKS = 30


def pool() -> ModelPool:
    """The lab's arms with a prompt cache of their own; replies are remembered between tests."""
    return lab_pool(service=LabService(engine=ENGINE))


@pytest.fixture(scope="module")
def collected() -> Collected:
    return collect(fresh_tasks(TASKS), pool=pool(), share=0.6, seed=4)


@pytest.fixture(scope="module")
def folder(collected: Collected, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learn(collected.columns, folds=2).save(tmp_path_factory.mktemp("learned") / "policy")


@pytest.fixture(scope="module")
def priced(folder: Path) -> Priced:
    return try_prices(folder, fresh_tasks(6, first_seed=CALIBRATE_SEED), pool, prices=(100.0, 400.0))


def test_a_row_for_each_call(collected: Collected) -> None:
    """Every call of every task is a row, with its task's success and what the books say it cost."""
    columns = collected.columns
    assert len(columns["task"]) == sum(run.steps for run in collected.runs.runs)
    assert math.isclose(np.nansum(columns["cost_usd"]), collected.runs.nano_usd / 1e9, rel_tol=1e-9)
    success = {run.episode: float(run.success) for run in collected.runs.runs}
    assert [success[task] for task in columns["task"]] == columns["success"].tolist()
    assert set(columns["credit"]) == {"episode"}


def test_the_propensities_are_those_of_the_exploration(collected: Collected) -> None:
    """With three arms and a share of .6 an arm has .2, or .6 where it is the base's own choice."""
    assert set(np.round(collected.columns["propensity"], 9).tolist()) == {0.2, 0.6}
    assert set(collected.columns["arm"]) == {"small", "medium", "large"}


def test_the_text_is_what_was_asked(collected: Collected) -> None:
    """A plan's text is its problem, and each row's text belongs to its own task."""
    problems = {run.episode: task.problem for run, task in zip(collected.runs.runs, fresh_tasks(TASKS), strict=True)}
    columns = collected.columns
    plans = [
        (task, text) for task, node, text in zip(columns["task"], columns["node"], columns["text"], strict=True)
        if node == "plan"
    ]  # fmt: skip
    assert len(plans) == TASKS
    assert all(text == f"{problems[task]}\nplan" for task, text in plans)


def test_the_seed_decides_what_is_explored(collected: Collected) -> None:
    """The same seed and tasks are explored alike, call by call; another seed explores other steps."""
    again, other = (collect(fresh_tasks(4), pool=pool(), share=0.6, seed=seed) for seed in (4, 5))
    calls = len(again.columns["arm"])
    for name in ("task", "arm", "propensity", "success", "confidence"):
        assert again.columns[name].tolist() == collected.columns[name][:calls].tolist()
    assert other.columns["arm"].tolist() != again.columns["arm"].tolist()


def test_a_store_holds_a_collection_once(tmp_path: Path) -> None:
    """Collecting the same again into the same store is refused before any call, and says the way out."""
    store = f"sqlite:///{tmp_path / 'lab.db'}"
    collect(fresh_tasks(1), pool=pool(), store=store, seed=1)
    with pytest.raises(ConfigError, match="seed: collect-1-20000000 was collected in this store before"):
        collect(fresh_tasks(1), pool=pool(), store=store, seed=1)
    collect(fresh_tasks(1), pool=pool(), store=store, seed=2)


def test_a_table_survives_its_file(collected: Collected, tmp_path: Path) -> None:
    """What is written is read back, text and propensity included."""
    write_table(tmp_path / "table.parquet", collected.columns)
    read = read_table(tmp_path / "table.parquet")
    for name in ("arm", "text", "node"):
        assert read[name].tolist() == collected.columns[name].tolist()
    assert np.allclose(read["propensity"], collected.columns["propensity"])


def test_collecting_around_a_learned_policy(folder: Path) -> None:
    """A second round explores around what was learned; texts are joined as before, no call is lost in silence."""
    found = collect(fresh_tasks(3, first_seed=77), base=folder, price_of_dollar=300.0, pool=pool(), share=0.3)
    assert all(found.columns["text"])
    assert "doubtful" not in found.columns["defects"]
    calls = sum(run.steps for run in found.runs.runs)
    assert len(found.columns["task"]) + found.tally.left_out[DOUBTED] == calls
    assert all(name.startswith("exploring:") for name in found.columns["policy"])


def test_what_was_learned_serves(folder: Path, priced: Priced) -> None:
    """The folder opens with estimator, encoder and rule, and routes whole tasks live, within their budgets."""
    learned = open_policy(folder, pool().arms)
    assert [rule.name for rule in learned.acceptance] == ["worth"]
    assert set(priced.trials) == {100.0, 400.0}
    assert not any(run.overspent for trial in priced.trials.values() for run in trial.runs)
    against = versus(priced.trials[400.0], priced.strong)
    assert against.saving_low <= against.saving <= against.saving_high
    assert against.saving > 0.3


def test_too_few_tasks_certify_nothing(priced: Priced) -> None:
    """Six tasks cannot show a loss of at most .025: nothing is certified, and the most careful price is chosen."""
    assert not priced.certificate.certified
    assert not any(point.certified for point in priced.table.points)
    assert "stay strong" in priced.table.certificate
    assert priced.chosen == 100.0


def test_remembered_replies_are_the_models_own() -> None:
    """The remembering engine answers and bills as the plain one, the first time and the second."""
    tasks = fresh_tasks(2, first_seed=5)
    plain = live("always-small", tasks, lab_pool(service=LabService()), policy="always-small")
    for _ in range(2):
        again = live("always-small", tasks, pool(), policy="always-small")
        assert [(run.success, run.nano_usd, run.steps) for run in again.runs] == [
            (run.success, run.nano_usd, run.steps) for run in plain.runs
        ]


def test_the_commands(tmp_path: Path, collected: Collected) -> None:
    """``lab collect`` writes a table, and ``lab learn`` a policy with the prices it tried."""
    table, folder = tmp_path / "table.jsonl", tmp_path / "policy"
    said = CliRunner().invoke(app, ["lab", "collect", str(table), "--tasks", "2"])
    assert said.exit_code == 0, said.output
    assert "calls of 2 tasks" in said.output
    write_table(table, collected.columns)
    said = CliRunner().invoke(app, ["lab", "learn", str(table), "--save", str(folder), "--calibrate", "2"])
    assert said.exit_code == 0, said.output
    assert "price of a dollar" in said.output
    assert open_policy(folder).targets is not None
