"""Calls outside any graph: routed by hint, channel, domain and prompt, under what is set aside for their episode."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, MessagesState, StateGraph

from langroute import Budget, BudgetExceeded, ConfigError, NoArmAvailable, RouterConfig
from langroute.books import Balance
from langroute.policies.frontier import FrontierPolicy
from langroute.records import Record
from langroute.testing import Reply
from tests.integration.routed import House

ENTRIES: list[dict[str, Any]] = [
    {"name": "voice", "when": {"channel": "voice"}, "kind": "presentation", "reserve_dollars": 0.01},
    {"name": "legal", "when": {"domain": "legal", "hint": "draft"}, "minimum": "large", "reserve_dollars": 0.20},
    {"name": "court", "when": {"words": ["lawsuit"]}, "default": "large", "reserve_dollars": 5.0},
]


def a_house(*, budget: Budget | None = None, **settings: Any) -> House:
    """A house whose doors have entry rules."""
    config = RouterConfig(**{"entries": ENTRIES, **settings})
    return House(config=config, **({} if budget is None else {"budget": budget}))


def said(**words: str) -> RunnableConfig:
    """A config whose metadata says these of a call."""
    return {"metadata": {f"langroute_{name}": word for name, word in words.items()}}


def only_record(house: House) -> Record:
    """The record of the one call that was made."""
    (record,) = house.records(house.only_episode())
    return record


def books_of(house: House, record: Record) -> Balance:
    """The books of a record's episode."""
    return house.router.balance(record.step.episode)


def test_a_rule_says_which_arm_takes_the_first_call_and_what_the_task_may_cost() -> None:
    """Channel and domain pick the rule; arm, kind, reservation and limit are what it says, in record and books."""
    house = a_house()
    assert house.llm.invoke("A new will", said(domain="Legal", hint="draft")).content == "large"
    record = only_record(house)
    assert (record.step.features.hint, record.step.features.domain, record.step.features.entry) == (
        "draft",
        "Legal",
        "legal",
    )
    assert record.step.alone
    assert record.ruling.reservation_nano == record.step.budget.limit_nano == 2 * 10**8
    assert books_of(house, record).limits.nano_usd == 2 * 10**8
    assert "below the minimum tier large of the entry rule legal" in record.decision.rationale


def test_the_first_decision_in_the_log_tells_what_was_set_aside() -> None:
    """The line of its first step opens an episode: the reservation, an untouched budget, the words and the rule."""
    events: list[dict[str, Any]] = []

    class Log:
        def info(self, event: str, /, **fields: Any) -> None:
            events.append({"event": event, **fields})

    house = House(config=RouterConfig(entries=ENTRIES), logger=Log())
    house.llm.invoke("Hello", said(channel="voice"))
    (decided,) = events
    assert decided["call_index"] == decided["budget"]["spent_usd"] == decided["budget"]["held_usd"] == 0
    assert decided["reservation_usd"] == decided["budget"]["limit_usd"] == 0.01
    assert (decided["kind"], decided["kind_reason"]) == ("presentation", "the entry rule voice")
    assert (decided["features"]["channel"], decided["features"]["entry"], decided["alone"]) == ("voice", "voice", True)


def test_each_lone_call_opens_an_episode_of_its_own() -> None:
    """Two requests are two tasks, each with what is set aside for it; what one spent is not missing in the other."""
    house = a_house()
    for _ in range(2):
        house.llm.invoke("Hello", said(channel="voice"))
    house.router.flush()
    episodes = house.router.journal.episodes()
    assert len(set(episodes)) == 2
    for episode in episodes:
        (record,) = house.records(episode)
        assert record.ruling.reservation_nano == 10**7
        assert record.step.budget.spent_nano == 0


def test_inside_an_episode_nothing_more_is_set_aside() -> None:
    """The words still count, for kind, tier and features; the budget is the episode's, and the call opens nothing."""
    house = a_house()
    with house.router.episode("task"):
        house.llm.invoke("A new will", said(domain="legal", hint="draft"))
    house.llm.invoke("A new will", {"metadata": {**said(channel="voice")["metadata"], "langroute_episode": "task"}})
    drafted, spoken = house.records("task")
    assert (drafted.decision.arm, drafted.step.features.entry) == ("large", "legal")
    assert (spoken.step.kind, spoken.step.features.entry) == ("presentation", "voice")
    for record in (drafted, spoken):
        assert not record.step.alone
        assert record.ruling.reservation_nano is None
        assert record.step.budget.limit_nano == 10**9


def test_a_reservation_is_never_above_the_routers_budget() -> None:
    """A rule that sets aside more than the router allows gives what the router allows."""
    house = a_house()
    house.llm.invoke("They filed a LAWSUIT.")
    record = only_record(house)
    assert (record.decision.arm, record.step.features.entry) == ("large", "court")
    assert record.ruling.reservation_nano == 10**9


def test_without_a_rule_a_lone_call_gets_the_routers_budget() -> None:
    """No rule matches: the reservation is the router's whole budget; none at all where that is unlimited."""
    house = a_house()
    house.llm.invoke("Hello", said(channel="chat"))
    record = only_record(house)
    assert (record.step.features.channel, record.step.features.entry) == ("chat", "")
    assert record.ruling.reservation_nano == 10**9
    unlimited = a_house(budget=Budget())
    unlimited.llm.invoke("Hello")
    record = only_record(unlimited)
    assert record.step.alone
    assert record.ruling.reservation_nano is None


@pytest.mark.parametrize("thread", [{}, {"configurable": {"thread_id": "t"}}])
def test_an_attempt_again_stays_in_the_episode_that_was_opened(thread: Any) -> None:
    """A lone call that is retried or escalated is one episode under one reservation, however often it is decided."""
    house = House(
        config=RouterConfig(entries=ENTRIES),
        small=[Reply(tool_calls=(("add", "{"),))],
        large=[Reply(tool_calls=(("add", {"a": 1}),))],
    )
    house.llm.bind_tools([{"name": "add", "description": "adds", "parameters": {"type": "object"}}]).invoke(
        "Hello", {"metadata": {**said(channel="voice")["metadata"], "langroute_kind": "execution"}, **thread}
    )
    first, second = house.records(house.only_episode())
    assert [first.decision.arm, second.decision.arm] == ["small", "large"]
    assert first.ruling.reservation_nano == second.ruling.reservation_nano == 10**7
    assert first.outcome is not None
    assert second.step.budget.spent_nano == first.outcome.cost_nano > 0
    assert books_of(house, first).calls == 2


def test_what_is_set_aside_cannot_be_overspent() -> None:
    """A call whose worst case does not fit into its reservation is refused, and nothing is spent."""
    house = a_house(entries=[{"when": {"channel": "free"}, "reserve_dollars": 0.0}])
    with pytest.raises(BudgetExceeded):
        house.llm.invoke("Hello", said(channel="free"))
    record = only_record(house)
    assert record.action == "stop"
    assert record.ruling.reservation_nano == 0
    assert not house.small.calls + house.large.calls


def test_a_decision_at_the_entrance_replays() -> None:
    """The record alone gives the decision again: rule and reservation are in it, the prompt is not needed."""
    house = a_house()
    house.llm.invoke("They filed a lawsuit.")
    record = only_record(house)
    assert house.router.decide(record.step) == record.decision
    assert FrontierPolicy().choose(record.step, record.estimates, record.ruling) == record.decision
    assert "lawsuit" not in repr(record)


async def test_every_way_in_meets_the_rules() -> None:
    """Async, streamed and batched calls outside a graph are met as whole sync ones are."""
    house = a_house()
    config = said(domain="legal", hint="draft")
    assert (await house.llm.ainvoke("A will", config)).content == "large"
    assert "".join([str(piece.content) async for piece in house.llm.astream("A will", config)]) == "large"
    assert "".join(str(piece.content) for piece in house.llm.stream("A will", config)) == "large"
    assert [message.content for message in house.llm.batch(["A will", "Another"], config)] == ["large", "large"]
    house.router.flush()
    episodes = house.router.journal.episodes()
    assert len(episodes) == 5
    assert {record.ruling.reservation_nano for episode in episodes for record in house.records(episode)} == {2 * 10**8}


def test_a_lone_call_of_a_thread_opens_its_turn() -> None:
    """With a thread id each call is a turn with a reservation; with one budget over the thread it is no opening."""
    spoken: RunnableConfig = {**said(channel="voice"), "configurable": {"thread_id": "t"}}
    house = a_house()
    house.llm.invoke("Hello", spoken)
    record = only_record(house)
    assert record.step.episode.startswith("t#")
    assert record.ruling.reservation_nano == 10**7
    whole = a_house(budget=Budget(total_dollars=1.0, per="thread"))
    whole.llm.invoke("Hello", spoken)
    (record,) = whole.records("t")
    assert (record.step.alone, record.ruling.reservation_nano) == (False, None)


def test_words_reach_the_nodes_of_a_run_as_features() -> None:
    """Said once for a whole run, they are features of every step; entry rules are for calls outside graphs."""
    house = a_house()
    builder = StateGraph(MessagesState)
    builder.add_node("answer", lambda state: {"messages": [house.llm.invoke(state["messages"])]})
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    config: RunnableConfig = {"configurable": {"langroute_channel": "voice", "langroute_domain": "legal"}}
    builder.compile().invoke({"messages": [HumanMessage("Hi")]}, config)
    record = only_record(house)
    features = record.step.features
    assert (features.channel, features.domain, features.entry, record.step.alone) == ("voice", "legal", "", False)
    assert record.step.budget.limit_nano == 10**9


def test_a_calls_own_word_wins_over_its_runs() -> None:
    """Metadata of the call goes before what ``configurable`` says of the run."""
    house = a_house()
    house.llm.invoke("Hello", {**said(channel="chat"), "configurable": {"langroute_channel": "voice"}})
    assert only_record(house).step.features.channel == "chat"


@pytest.mark.parametrize("key", ["langroute_hint", "langroute_channel", "langroute_domain"])
@pytest.mark.parametrize("value", ["", "  ", 5, ["voice"], "x" * 101])
def test_a_wrong_word_is_named(key: str, value: Any) -> None:
    """What is no short text is refused by its key, before anything is held."""
    house = a_house()
    for config in ({"metadata": {key: value}}, {"configurable": {key: value}}):
        with pytest.raises(ConfigError, match=rf"^(metadata|configurable)\.{key}: must be a word or a few"):
            house.llm.invoke("Hello", config)
    assert house.router.ledger.latest("episode:") is None


@pytest.mark.parametrize(
    ("config", "kind", "reason"),
    [
        (said(kind="verification", channel="voice", hint="plan"), "verification", "set in metadata"),
        (said(channel="voice", hint="plan"), "presentation", "the entry rule voice"),
        (said(hint="plan a trip"), "control", "hint 'plan a trip': "),
        (said(hint="check the contract"), "verification", "hint 'check the contract': "),
    ],
)
def test_the_order_in_which_a_kind_is_found(config: RunnableConfig, kind: str, reason: str) -> None:
    """Outside a graph: the call's own kind, then its rule's, then what its hint says."""
    house = a_house()
    house.llm.invoke("Hello", config)
    step = only_record(house).step
    assert step.kind == kind
    assert step.kind_reason.startswith(reason)


def test_without_a_hint_the_prompt_tells_the_kind() -> None:
    """The system's and the newest human words count; the reason does not quote them."""
    house = a_house()
    house.llm.invoke([SystemMessage("You verify claims. Grade whether the answer is correct."), HumanMessage("x" * 99)])
    step = only_record(house).step
    assert (step.kind, step.kind_reason) == ("verification", "the words of its prompt")
    other = a_house()
    other.llm.invoke([HumanMessage("Verify and grade this claim"), AIMessage("ok"), HumanMessage("zzz")])
    assert only_record(other).step.kind == "execution"


def test_tiers_hold_for_the_nodes_of_a_graph() -> None:
    """A kind's default and minimum decide without code; a call that only the masked arm could make is refused."""
    tiers = {"execution": {"minimum": "large"}, "control": {"default": "small"}}
    house = a_house(tiers=tiers, entries=[])
    with house.router.episode("e"):
        house.llm.invoke("Hi", said(kind="execution"))
        house.llm.invoke("Hi", said(kind="control"))
        with pytest.raises(NoArmAvailable, match="small: below the minimum tier large of execution steps"):
            house.llm.invoke("Hi", said(kind="execution", arm="small"))
    assert house.arms("e") == ["large", "small", None]
    assert house.records("e")[1].decision.alternatives[1].why_not == "not the default tier small of control steps"


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"tiers": {"control": {"minimum": "huge"}}}, "tiers.control.minimum"),
        ({"entries": [{"minimum": "huge"}]}, "entries.0.minimum"),
    ],
)
def test_a_router_checks_the_names_in_its_config(settings: dict[str, Any], field: str) -> None:
    """A tier or rule that names no arm of the pool is refused when the router is made."""
    with pytest.raises(ConfigError) as caught:
        a_house(**settings)
    assert caught.value.field == field
