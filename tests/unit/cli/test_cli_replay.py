import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from episode_samples import ARMS, episode

from langroute.journal.store import open_journal
from langroute.records import PoolSnapshot

Run = Callable[..., Any]


@pytest.fixture
def kept(store: str) -> None:
    """The store keeps the pool of the sample episode too, as a router's journal does."""
    pool = PoolSnapshot(id="sample", arms=ARMS)
    journal = open_journal(store)
    journal.keep_pool(pool)
    for record in episode():
        journal.write(replace(record, pool=pool.id))
    journal.close()


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("policy", ["always-small", "always-large", "prior"])
def test_an_episode_is_replayed(run: Run, store: str, policy: str) -> None:
    """Each policy is answered with dollars, and with what the answer assumes."""
    result = run("replay", "order-42", "--policy", policy, "--store", store)
    assert result.exit_code == 0, result.output
    assert f"under policy {policy}" in result.output
    assert "Assumed: the same calls" in result.output
    assert max(map(len, result.output.splitlines())) <= 80


@pytest.mark.usefixtures("kept")
def test_json_is_one_object(run: Run, store: str) -> None:
    """The JSON form has the dollars of both, call by call, and the assumptions."""
    told = json.loads(run("replay", "order-42", "--policy", "always-large", "--json", "--store", store).output)
    recorded = [record.outcome.cost_nano for record in episode() if record.outcome]
    assert round(told["recorded_usd"] * 1e9) == sum(recorded)
    assert [call["arm"] for call in told["calls"]] == ["large"] * 4
    assert told["calls_changed"] == 2
    assert len(told["assumptions"]) == 5


@pytest.mark.usefixtures("kept")
def test_an_unknown_policy_names_the_known_ones(run: Run, store: str) -> None:
    """A policy that does not exist is one line and exit code 2."""
    result = run("replay", "order-42", "--policy", "cheapest", "--store", store)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "use always-small, always-large, always:ARM or prior" in result.stderr


def test_without_a_pool_there_is_no_guess(run: Run, store: str) -> None:
    """Where the store does not hold the pool, a replay says so instead of inventing prices."""
    result = run("replay", "order-42", "--policy", "always-small", "--store", store)
    assert result.exit_code == 2
    assert "does not hold the pool of episode order-42" in result.stderr
