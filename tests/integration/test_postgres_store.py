"""A router whose books and journal are in PostgreSQL, and the commands that read them there."""

import asyncio
import json
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from langroute import Budget, ModelPool, Price, RoutedChatModel, StepRouter
from langroute.books import Limits
from langroute.cli.app import app
from langroute.config import RouterConfig
from langroute.errors import BudgetExceeded, ConfigError
from langroute.journal import MemoryJournal, SqliteJournal
from langroute.ledgers.postgres_place import PostgresPlace
from langroute.testing import Reply, ScriptedModel


def router_for(url: str, *answers: Reply, dollars: float = 0.01, **settings: str) -> StepRouter:
    """A router over one scripted arm."""
    pool = ModelPool(
        {"small": ScriptedModel(list(answers))},
        prices={"small": Price(input_per_million=0.05, output_per_million=0.40)},
    )
    return StepRouter(pool, budget=Budget(total_dollars=dollars), config=RouterConfig(store=url, **settings))


def command(*arguments: str) -> str:
    """What a command prints, as a pipe sees it."""
    done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "100"})
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_run_is_booked_recorded_explained_and_replayed(postgres_url: str) -> None:
    """One store URL serves the books, the journal and every command; a second router goes on with the same budget."""
    answers = [Reply(text="Paris", input_tokens=40, output_tokens=2) for _ in range(2)]
    with router_for(postgres_url, *answers) as router, router.episode("demo"):
        assert RoutedChatModel(router).invoke("Capital of France?").text == "Paris"
    with router_for(postgres_url, *answers) as again, again.episode("demo"):
        assert asyncio.run(RoutedChatModel(again).ainvoke("And again?")).text == "Paris"
        assert again.balance("demo").spent.nano_usd == 2 * 2_800
    assert "demo" in command("explain", "--store", postgres_url)
    explained = json.loads(command("explain", "demo", "--json", "--store", postgres_url))
    assert len(explained["attempts"]) == 2
    assert "small" in command("replay", "demo", "--policy", "always-small", "--store", postgres_url)
    shown = json.loads(command("ledger", "show", "demo", "--json", "--store", postgres_url))
    assert "episode:demo" in json.dumps(shown)
    assert "episode:demo" in command("ledger", "top", "--store", postgres_url)
    command("ledger", "audit", "--store", postgres_url)


def test_a_budget_spent_by_one_router_is_spent_for_all(postgres_url: str) -> None:
    """The second router's call is refused before it is made, since the first one's has used up the episode's budget."""
    reply = Reply(text="ok", input_tokens=40, output_tokens=2)
    with router_for(postgres_url, reply, dollars=0.001) as router, router.episode("shared"):
        RoutedChatModel(router).invoke("Hello")
        router.ledger.amend("episode:shared", Limits(nano_usd=2_800), at=1.0)
    with (
        router_for(postgres_url, reply, dollars=0.001) as other,
        other.episode("shared"),
        pytest.raises(BudgetExceeded, match="episode:shared"),
    ):
        RoutedChatModel(other).invoke("Hello")


def test_looking_at_an_empty_database_makes_nothing_in_it(postgres_url: str) -> None:
    """Commands on a database that no router has used find nothing, and leave nothing behind."""
    assert "no episode yet" in command("explain", "--store", postgres_url)
    command("ledger", "top", "--store", postgres_url)
    place = PostgresPlace.of(postgres_url)
    with psycopg.connect(place.conninfo) as link:
        found = link.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (place.schema,)).fetchone()
    assert found is None


def test_records_may_live_elsewhere(postgres_url: str, tmp_path: Path) -> None:
    """The setting ``journal`` names another store for the records; a store of books alone asks for it."""
    with router_for(postgres_url, journal=f"sqlite:///{tmp_path}/records.db") as router:
        assert isinstance(router.journal, SqliteJournal)
    with router_for(postgres_url, journal="memory://") as router:
        assert isinstance(router.journal, MemoryJournal)
    with pytest.raises(ConfigError, match=r"journal: redis://localhost keeps books, not records"):
        router_for("memory://", journal="redis://localhost")
