"""The demonstration run: the books equal the server's meter, every decision replays, no budget is broken."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from langroute import Budget
from langroute.cli.app import app
from langroute.journal.row import from_json, to_json
from langroute.lab.demo import POLICIES, demo_router, demo_tasks, lab_pool, run_policy
from langroute.lab.demo_result import DemoResult
from langroute.lab.server import LabServer
from langroute.records import Record
from langroute.replay import replay_decision, replay_episode

TASKS = 6
BUDGET = Budget(total_dollars=0.003)


class Ran:
    """A small demonstration over a real server, with everything it left behind."""

    def __init__(self, folder: Path, server: LabServer) -> None:
        self.pool = lab_pool(server.base_url)
        self.results = {}
        self.metered = {}
        self.records: dict[str, list[Record]] = {}
        self.replayed: list[tuple[Record, str]] = []
        for name in POLICIES:
            with demo_router(name, self.pool, budget=BUDGET, store=f"sqlite:///{folder / 'demo.db'}") as router:
                before = server.meter.total().nano_dollars
                self.results[name] = run_policy(name, demo_tasks(TASKS), router, run_id="t")
                self.metered[name] = server.meter.total().nano_dollars - before
                runs = self.results[name].runs
                self.records[name] = [record for run in runs for record in router.journal.records(run.episode)]
                for record in self.records[name]:
                    assert router.decide(record.step) == record.decision
                    assert replay_decision(from_json(to_json(record)), [router.policy]) == record.decision


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """One run for all tests of this module; every decision of it was replayed on the way."""
    with LabServer() as server:
        yield Ran(tmp_path_factory.mktemp("demo"), server)


def test_the_books_equal_the_servers_meter(ran: Ran) -> None:
    """What was booked for each policy is what the server's own meter counted, to the nano-dollar."""
    assert {name: result.nano_usd for name, result in ran.results.items()} == ran.metered


def test_no_budget_is_broken(ran: Ran) -> None:
    """No routed task is booked above its budget."""
    limit = BUDGET.limits().nano_usd
    assert limit is not None
    assert all(not run.overspent and run.nano_usd <= limit for run in ran.results["routed"].runs)


def test_every_call_is_explained(ran: Ran) -> None:
    """Each record says the node, the kind and how it was found, and gives a sentence of reason."""
    for record in ran.records["routed"]:
        assert record.step.node in {"plan", "work", "check", "report"}
        assert record.step.kind_reason
        assert record.decision.rationale.endswith(".")
    assert {record.step.node: record.step.kind for record in ran.records["routed"]} == {
        "plan": "control",
        "work": "execution",
        "check": "verification",
        "report": "presentation",
    }


def test_the_policies_differ_as_they_should(ran: Ran) -> None:
    """always-small and always-large use one arm each; routing uses several and costs less than always-large."""
    arms = {name: {record.decision.arm for record in records} for name, records in ran.records.items()}
    assert arms["always-small"] == {"small"}
    assert arms["always-large"] == {"large"}
    assert len(arms["routed"]) > 1
    assert ran.results["routed"].nano_usd < ran.results["always-large"].nano_usd


def test_a_stored_episode_is_priced_anew(ran: Ran) -> None:
    """Replaying an always-large episode as always-large costs what it cost, and as always-small less."""
    episode = ran.results["always-large"].runs[0].episode
    records = [record for record in ran.records["always-large"] if record.step.episode == episode]
    same = replay_episode(records, arms=ran.pool.arms, policy_name="always-large")
    less = replay_episode(records, arms=ran.pool.arms, policy_name="always-small")
    assert same.nano == same.recorded_nano == ran.results["always-large"].runs[0].nano_usd
    assert less.nano < same.nano


def test_the_result_is_one_json_object(ran: Ran) -> None:
    """The object has the keys that programs read, and intervals around what it says."""
    told = DemoResult(policies=ran.results, budget=BUDGET, metered_nano=ran.metered).as_json()
    assert {"tasks", "policies", "overspent", "saving_vs_large", "quality_vs_large", "interval"} <= told.keys()
    assert {"success", "dollars", "steps"} <= told["policies"]["routed"].keys()
    low, high = told["interval"]["saving_vs_large"]
    assert low <= told["saving_vs_large"] <= high
    assert told["overspent"] == 0


def test_the_command_runs_from_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """langroute demo --json starts its own server, runs, and prints one object; the store can be explained after."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["demo", "--tasks", "2", "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["tasks"] == 2
    booked = {name: policy["dollars"] for name, policy in told["policies"].items()}
    assert booked == pytest.approx(told["metered_dollars"], abs=1e-12)
    listed = CliRunner().invoke(app, ["explain"], catch_exceptions=False)
    assert "routed" in listed.stdout
