"""Budgets that episodes share, from the config to the books."""

import json
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from integration.routed import House
from langgraph.graph import END, START, MessagesState, StateGraph
from rich.console import Console

from langroute import Budget, BudgetExceeded, ConfigError, RouterConfig
from langroute.observe.report import as_json, explain
from langroute.testing import FakeClock

ADA, BOB = ({"configurable": {"langroute_scopes": {"user": name}}} for name in ("ada", "bob"))
DAY = {"name": "user", "per": "day", "total_dollars": 0.004}
NOON = 1_790_000_000.0


def house(*scopes: dict[str, Any], clock: FakeClock | None = None, store: str = "memory://", **settings: Any) -> House:
    config = RouterConfig(
        scopes=scopes or (DAY,), budget=Budget(total_dollars=1), store=store, patience_s=0, **settings
    )
    return House(budget=None, config=config, clock=clock or FakeClock(at=NOON))


def test_episodes_of_one_user_take_from_one_budget() -> None:
    """Each run is an episode of its own, and both take from the user's day; somebody else's day is untouched."""
    made = house()
    for _ in range(2):
        made.llm.invoke("Hi", ADA)
    made.llm.invoke("Hi", BOB)
    ada, bob = (made.router.ledger.balance(f"user:{name}@2026-09-21") for name in ("ada", "bob"))
    spent = [made.router.ledger.balance(f"episode:{name}").spent for name in made.router.journal.episodes()]
    assert (ada.calls, bob.calls) == (2, 1)
    assert ada.spent + bob.spent == spent[0] + spent[1] + spent[2]
    assert ada.limits.nano_usd == 4_000_000


def test_the_tightest_is_named_by_the_error_and_by_the_log() -> None:
    """The step sees the budget that leaves least, and a refusal names it, with nothing booked anywhere."""
    made = house(
        {"name": "user", "per": "day", "total_dollars": 0.000001}, {"name": "firm", "shared": True, "total_dollars": 9}
    )
    with pytest.raises(BudgetExceeded) as caught:
        made.llm.invoke("Hi", ADA)
    assert caught.value.scope == "user:ada@2026-09-21"
    (record,) = made.records(made.only_episode())
    view = record.step.budget
    assert (view.scope, view.limit_nano, view.available_nano, view.shared_nano) == (
        "user:ada@2026-09-21",
        1_000,
        1_000,
        1_000,
    )
    assert (
        made.router.ledger.balance("firm:all").held.nano_usd
        == made.router.ledger.balance("firm:all").spent.nano_usd
        == 0
    )


@pytest.mark.parametrize("resource", ["input_tokens", "output_tokens"])
def test_the_scope_that_is_short_of_tokens_is_named(resource: str) -> None:
    """Not the one with the least dollars: whoever reads the error raises the budget that ran out."""
    made = house(
        {"name": "firm", "shared": True, "total_dollars": 0.5},
        {"name": "user", "per": "day", f"max_{resource}": 1},
        {"name": "team", "key": "user", f"max_{resource}": 1_000_000},
    )
    with pytest.raises(BudgetExceeded) as caught:
        made.llm.invoke("Hi", ADA)
    assert (caught.value.scope, caught.value.resource, caught.value.limit) == ("user:ada@2026-09-21", resource, 1)


def test_only_an_episode_is_short_of_time() -> None:
    """Whichever budget leaves the least dollars."""
    clock = FakeClock(at=NOON)
    made = house(clock=clock)
    with made.router.episode("e", budget=Budget(total_dollars=1, max_seconds=5), scopes={"user": "ada"}):
        made.llm.invoke("Hi")
        clock.advance(6)
        with pytest.raises(BudgetExceeded) as caught:
            made.llm.invoke("Hi")
    assert (caught.value.scope, caught.value.resource) == ("episode:e", "seconds")


def test_a_new_day_begins_anew() -> None:
    """What was spent yesterday does not count today, and stays in yesterday's books."""
    clock = FakeClock(at=NOON)
    made = house(clock=clock)
    made.llm.invoke("Hi", ADA)
    clock.advance(86_400)
    made.llm.invoke("Hi", ADA)
    days = [made.router.ledger.balance(f"user:ada@2026-09-{day}").calls for day in (21, 22)]
    assert days == [1, 1]


def test_a_rolling_window_forgets() -> None:
    """A day's window refuses what the last day has spent already, and admits it when that is long enough ago."""
    clock = FakeClock(at=NOON)
    made = house({"name": "user", "per": "rolling", "window_hours": 1, "total_dollars": 0.01}, clock=clock)
    with made.router.episode("e", scopes={"user": "ada"}) as episode:
        episode.charge("search", 0.009)
        with pytest.raises(BudgetExceeded):
            episode.charge("search", 0.002)
        clock.advance(3_700)
        episode.charge("search", 0.002)
    assert made.router.ledger.balance("user:ada", at=clock.now()).spent.nano_usd == 2_000_000
    assert made.router.ledger.balance("user:ada").lifetime.nano_usd == 11_000_000


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"per": "rolling", "window_hours": 1}, {"per": "always"}),
        ({"per": "always"}, {"per": "rolling", "window_hours": 1}),
        ({"per": "rolling", "window_hours": 1}, {"per": "rolling", "window_hours": 0.1}),
    ],
)
def test_books_of_an_hour_are_not_taken_for_books_of_ever(
    first: dict[str, Any], then: dict[str, Any], tmp_path: Path
) -> None:
    """A rolling budget that is now for ever would start anew every hour: it is refused, and told the way out."""
    user, store = {"name": "user", "total_dollars": 1}, f"sqlite:///{tmp_path / 'books.db'}"
    for scope in (user | first, user | first, {**user, **then, "name": "user2", "key": "user"}):
        made = house(scope, store=store)
        made.llm.invoke("Hi", ADA)
        made.router.close()
    made = house(user | then, store=store)
    with pytest.raises(ConfigError, match="give the scope another name") as caught:
        made.llm.invoke("Hi", ADA)
    assert caught.value.field == "scopes.user.per"
    assert made.small.calls == made.large.calls == []
    made.router.close()


def test_whose_budget_it_is_has_to_be_said() -> None:
    """Without a word, with an unknown one, or with another one in the same episode, nothing is held or called."""
    made = house()
    for config, told in (
        ({}, "does not say whose budget"),
        ({"metadata": {"langroute_scopes": {"usr": "ada"}}}, "usr"),
    ):
        with pytest.raises(ConfigError, match=told):
            made.llm.invoke("Hi", config)
    with made.router.episode("e", scopes={"user": "ada"}):
        with pytest.raises(ConfigError, match="takes from the budget of 'ada'"):
            made.llm.invoke("Hi", BOB)
        made.llm.invoke("Hi")
    assert [len(model.calls) for model in (made.small, made.large)] in ([1, 0], [0, 1])


def test_a_run_says_it_once_for_all_its_nodes() -> None:
    """What is said in `configurable` reaches every call of a graph, those of a nested graph too."""
    made = house()

    def ask(state: MessagesState) -> Any:
        return {"messages": [made.llm.invoke("Hi")]}

    inner = StateGraph(MessagesState)
    inner.add_node("inner", ask)
    inner.add_edge(START, "inner")
    outer = StateGraph(MessagesState)
    outer.add_node("ask", ask)
    outer.add_node("nested", inner.compile())
    outer.add_edge(START, "ask")
    outer.add_edge("ask", "nested")
    outer.add_edge("nested", END)
    outer.compile().invoke({"messages": []}, ADA)
    assert made.router.ledger.balance("user:ada@2026-09-21").calls == 2
    assert len(made.records(made.only_episode())) == 2


@pytest.mark.parametrize("store", ["memory://", "sqlite"])
def test_parallel_episodes_never_overspend_what_they_share(store: str, tmp_path: Path) -> None:
    """Whatever runs in parallel in episodes of their own, the user's day ends at or below its limit."""
    place = f"sqlite:///{tmp_path / 'books.db'}" if store == "sqlite" else store
    made = house(
        {**DAY, "total_dollars": 0.00015}, store=place, output_caps=dict.fromkeys(("control", "execution"), 256)
    )
    refused = 0

    def call(_: int) -> int:
        try:
            made.llm.invoke("Hi", ADA)
        except BudgetExceeded:
            return 1
        return 0

    with ThreadPoolExecutor(8) as threads:
        refused = sum(threads.map(call, range(400)))
    day = made.router.ledger.balance("user:ada@2026-09-21")
    assert day.held.nano_usd == 0
    assert day.spent.nano_usd <= 150_000
    assert 0 < day.calls == 400 - refused < 400
    made.router.close()


def test_explain_keeps_an_episode_and_what_it_shares_apart() -> None:
    """What an episode spent is not told as a part of a budget that others spend from, too."""
    made = house()
    with made.router.episode("e", scopes={"user": "ada"}):
        made.llm.invoke("Hi")
    told = json.loads(as_json(made.records("e"), None, made.pool.arms, ()))["totals"]
    assert told["limit_usd"] is None
    assert told["tightest"] == "user:ada@2026-09-21: $0.00 of $0.004 was spent or held before the last step"
    page = Console(file=StringIO(), width=120)
    page.print(explain(made.records("e"), None, made.pool.arms, ()))
    assert "tightest" in page.file.getvalue()
