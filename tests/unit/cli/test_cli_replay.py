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
    assert "use always-small, always-large, always:ARM, prior or the folder of a learned policy" in result.stderr


def test_without_a_pool_there_is_no_guess(run: Run, store: str) -> None:
    """Where the store does not hold the pool, a replay says so instead of inventing prices."""
    result = run("replay", "order-42", "--policy", "always-small", "--store", store)
    assert result.exit_code == 2
    assert "does not hold the pool of episode order-42" in result.stderr


@pytest.mark.usefixtures("kept")
def test_without_an_id_all_episodes_are_summed_up(run: Run, store: str) -> None:
    """All stored episodes under one policy: dollars with an interval, and nothing of quality where nothing learned."""
    told = json.loads(run("replay", "--policy", "always-large", "--json", "--store", store).output)
    one = json.loads(run("replay", "order-42", "--policy", "always-large", "--json", "--store", store).output)
    assert told["episodes"] == 1
    assert (told["replayed_usd"], told["recorded_usd"]) == (one["replayed_usd"], one["recorded_usd"])
    assert told["cost_share"]["low"] == told["cost_share"]["high"] == told["cost_share"]["point"]
    assert told["success"] is None
    printed = run("replay", "--policy", "prior", "--price-of-a-dollar", "20", "--store", store)
    assert printed.exit_code == 0, printed.output
    assert "1 episodes under policy prior" in printed.output
    assert max(map(len, printed.output.splitlines())) <= 80


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--policy", "prior", "--quality-target", "0.9"), "is not learned"),
        (("--policy", "prior", "--quality-target", "0.9", "--price-of-a-dollar", "2"), "give one"),
        (("--policy", "always-small", "--price-of-a-dollar", "2"), "has no effect on always-small"),
        (("--policy", "prior", "--since", "1d", "order-42"), "leave out the id or --since"),
        (("--policy", "no/such/folder"), "no/such/folder"),
        (("--policy", "prior", "--since", "2100-01-01"), "no episode to replay"),
    ],
)
def test_what_does_not_go_together_is_said(run: Run, store: str, given: tuple[str, ...], said: str) -> None:
    """Targets without a learned policy, two targets, and a missing folder are one line and exit code 2."""
    result = run("replay", *given, "--store", store)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
