"""From a journal to a learned policy and back: explored, exported, trained, routed, explained and replayed."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from learned_house import BUDGET, collected, graph, pool, question, run, trained
from typer.testing import CliRunner

from langroute.cli.app import app
from langroute.errors import ConfigError
from langroute.integrations.chat_model import RoutedChatModel
from langroute.integrations.middleware import RoutingMiddleware
from langroute.journal.row import from_json, to_json
from langroute.policies.frontier import FrontierPolicy
from langroute.records import Record
from langroute.replay import replay_decision
from langroute.router import StepRouter

pytest.importorskip("xgboost", reason="the policy is trained with XGBoost")
pytest.importorskip("sklearn", reason="the policy is trained with scikit-learn")


@dataclass(frozen=True, kw_only=True)
class House:
    """What was learned, and from what."""

    folder: str
    store: str
    table: Path
    asked: Path


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    place = tmp_path_factory.mktemp("learned")
    table, asked, store = collected(place)
    folder = trained(table, asked).save(place / "policy")
    return House(folder=str(folder), store=store, table=table, asked=asked)


@pytest.fixture
def router(house: House, tmp_path: Path) -> Iterator[StepRouter]:
    with StepRouter(
        pool(), policy=house.folder, quality_target=0.9, budget=BUDGET, store=f"sqlite:///{tmp_path / 'live.db'}"
    ) as made:
        yield made


def drafts(router: StepRouter, number: int) -> list[Record]:
    return [record for record in records_of(router, f"task-{number}") if record.step.node == "draft"]


def records_of(router: StepRouter, episode: str) -> list[Record]:
    router.flush()
    return [record for record in router.journal.records(episode) if record.outcome is not None]


def test_what_was_learned_is_used(router: StepRouter) -> None:
    """Proofs go to the large model and names to the small one; a doubted answer is bettered, so all tasks are right."""
    run(router, range(300, 330))
    for number in range(300, 330):
        end = router.journal.end(f"task-{number}")
        assert end is not None
        assert end.success == 1.0
        assert drafts(router, number)[-1].decision.arm == ("large" if number % 3 == 0 else "small")


def test_a_doubted_answer_is_escalated_by_the_calibrated_rule(house: House) -> None:
    """Where only price speaks, the small model is asked first; what it is unsure of goes on to the large one."""
    with StepRouter(pool(), policy=house.folder, price_of_a_dollar=1e7, budget=BUDGET) as router:
        run(router, [0, 1])
        hard, easy = drafts(router, 0), drafts(router, 1)
        assert [record.decision.arm for record in easy] == ["small"]
        assert [record.decision.arm for record in hard] == ["small", "large"]
        assert hard[0].outcome is not None
        assert hard[0].outcome.defects[0].endswith("marginal_risk")
        assert not hard[0].outcome.accepted


def test_each_record_tells_who_decided_and_replays_byte_for_byte(
    router: StepRouter, caplog: pytest.LogCaptureFixture
) -> None:
    """Policy, estimator with the data it learned from, and why a dollar has its price; and no text of what was asked."""
    with caplog.at_level(logging.INFO, logger="langroute"):
        run(router, [301])
    lines = [json.loads(line.getMessage()) for line in caplog.records if '"routing_step"' in line.getMessage()]
    assert [line["node"] for line in lines][:1] == ["draft"]
    assert {line["policy"] for line in lines} == {"frontier"}
    assert {line["estimator"] for line in lines} == {f"boosted {router.estimator.version}"}
    assert router.estimator.version.startswith("1+")
    assert "for quality 0.9" in lines[0]["price_reason"]
    assert "on calibration data, model-based, not certified" in lines[0]["price_reason"]
    for record in records_of(router, "task-301"):
        row = to_json(record)
        assert replay_decision(from_json(row), [FrontierPolicy()]) == record.decision
        assert len(record.step.features.text) > 0
        assert "name of" not in row
        assert question(301) not in caplog.text


def test_an_agent_is_routed_through_its_middleware(router: StepRouter) -> None:
    """create_agent under the same policy: text is read at this door too, and the right model answers."""
    agent: Any = create_agent(RoutedChatModel(router), [], middleware=[RoutingMiddleware(router, kind="execution")])
    for number in (303, 304):
        with router.episode(f"agent-{number}"):
            state = agent.invoke({"messages": [HumanMessage(question(number))]})
        assert state["messages"][-1].content == "right and complete"
        (last,) = records_of(router, f"agent-{number}")[-1:]
        assert last.step.features.text
        assert last.estimator.startswith("boosted 1+")
        assert last.decision.arm == ("large" if number % 3 == 0 else "small")


async def test_it_is_the_same_when_awaited(router: StepRouter) -> None:
    """The async ways decide alike."""
    with router.episode("task-301"):
        state = await graph(router).ainvoke({"messages": [HumanMessage(question(301))]})
    assert [str(one.content) for one in state["messages"][1:]] == ["right and complete"] * 2
    assert [record.decision.arm for record in drafts(router, 301)] == ["small"]


def command(*words: str) -> str:
    """What a command prints at 80 columns."""
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    assert max(len(line) for line in done.output.splitlines()) <= 80
    return " ".join(done.output.split())


def test_what_was_decided_is_explained(router: StepRouter, house: House) -> None:
    """The page of one step names the estimator and the reason of the price; the page of the episode fits."""
    run(router, [303])
    store = router.config.store
    assert "Episode task-303" in command("explain", "task-303", "--store", store)
    told = command("explain", "task-303", "--step", "0", "--store", store)
    assert f"boosted {router.estimator.version}" in told
    assert "for quality 0.9" in told


def test_the_journal_is_replayed_under_what_was_learned(house: House) -> None:
    """One episode, and all of them: dollars by prices, success by the estimator, and what that assumes."""
    words = ("--policy", house.folder, "--quality-target", "0.9", "--store", house.store)
    one = command("replay", "task-4", *words)
    assert "success is what the learned estimator expects, model-based" in one
    whole = command("replay", *words)
    assert "150" in whole
    assert "model-based" in whole


def test_evaluate_and_frontier_read_the_folder(house: House) -> None:
    """The artifact and the table it was trained on: said so, at 80 columns."""
    words = (house.folder, str(house.table), "--tasks", str(house.asked))
    assert "trained" in command("evaluate", *words)
    assert "price" in command("frontier", *words).lower()


def test_an_arm_it_never_saw_is_estimated_by_the_prior_and_each_decision_says_so(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """A model that joins the pool later is warned of once, and named in the rationale of every decision."""
    with caplog.at_level(logging.INFO, logger="langroute"):
        with StepRouter(pool("small", "fresh", "large"), policy=house.folder, budget=BUDGET) as router:
            run(router, [1])
            (first, *_) = records_of(router, "task-1")
    assert "never saw fresh in training" in caplog.text
    assert "fresh: never seen in training, so estimated by the prior" in first.decision.rationale
    assert "never seen in training" in next(line for line in caplog.messages if '"routing_step"' in line)


def test_an_arm_gone_from_the_pool_changes_nothing(house: House) -> None:
    """What was learned of the others stands; nothing is warned of."""
    with StepRouter(pool("large"), policy=house.folder, budget=BUDGET) as router:
        run(router, [1])
        (first, *_) = records_of(router, "task-1")
    assert first.decision.arm == "large"
    assert "never seen" not in first.decision.rationale


def test_a_target_beyond_what_was_reached_is_refused(house: House) -> None:
    """The best that can be had is named, before any call is made."""
    with pytest.raises(ConfigError, match="the best was"):
        StepRouter(pool(), policy=house.folder, quality_target=1.7)


_SERVE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"xgboost", "sklearn", "scipy", "pandas", "pyarrow", "plotly"}:
            raise ImportError(f"{name} is not there")
        return None

sys.meta_path.insert(0, Blocked())
from learned_house import BUDGET, pool, run
from langroute.router import StepRouter
with StepRouter(pool(), policy=sys.argv[1], quality_target=0.9, budget=BUDGET) as router:
    run(router, [300, 301])
    found = [router.journal.records(f"task-{number}") for number in (300, 301)]
    print([[one for one in records if one.step.node == "draft"][-1].decision.arm for records in found])
"""


def test_serving_works_where_no_learning_library_is_installed(house: House) -> None:
    """A router decides by the artifact with every library for training out of reach."""
    here = Path(__file__).parents[1]
    paths = [str(here), str(here.parent)]
    code = f"import sys; sys.path[:0] = {paths!r}\n" + _SERVE
    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", code, house.folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['large', 'small']"
