"""RoutingCallbackHandler: an app that nobody changed is metered, and what would have been chosen is logged."""

import asyncio
import json
import logging
import operator
from typing import Annotated, Any, TypedDict
from uuid import uuid4

import pytest
from deepagents import create_deep_agent
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.documents import Document
from langchain_core.language_models import FakeListLLM
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import Command, Send, interrupt
from pydantic import BaseModel

from langroute import Budget, ConfigError, Price
from langroute.integrations.callbacks import RoutingCallbackHandler
from langroute.integrations.graph import route_graph
from langroute.integrations.middleware import RoutingMiddleware
from langroute.money import format_dollars
from langroute.observe.report import as_json, explain
from langroute.replay import replay_decision, replay_episode
from langroute.testing import Reply, ScriptedModel
from tests.integration.routed import LARGE, House


class State(TypedDict, total=False):
    """State of the test graphs."""

    out: Annotated[list[str], operator.add]
    item: str


class App:
    """An app that knows nothing of langroute, and the house of a handler that meters it."""

    def __init__(self, answer: Any = "two words", *, name: str = "l-1", **options: Any) -> None:
        self.house = House(**options)
        self.model = ScriptedModel(answer if callable(answer) else lambda messages, kwargs: answer, model_name=name)
        self.handler = RoutingCallbackHandler(self.house.router)
        self.config: RunnableConfig = {"callbacks": [self.handler]}

    def graph(self, *nodes: Any, **options: Any) -> Any:
        """A graph of these nodes in a row; of one that calls the model without any."""
        builder = StateGraph(State)
        last = START
        for node in nodes or (self.extract,):
            builder.add_node(node.__name__, node)
            builder.add_edge(last, node.__name__)
            last = node.__name__
        return builder.compile(**options)

    def extract(self, state: State) -> State:
        """Extract it."""
        return {"out": [str(self.model.invoke(state.get("item", "x")).content)]}

    async def aextract(self, state: State) -> State:
        """Extract it."""
        return {"out": [str((await self.model.ainvoke(state.get("item", "x"))).content)]}

    def records(self) -> list[Any]:
        """The records of all episodes, oldest episode first."""
        self.house.router.flush()
        journal = self.house.router.journal
        return [record for episode in reversed(journal.episodes()) for record in journal.records(episode)]

    def scopes(self) -> bool:
        """Whether any ledger scope was opened."""
        return self.house.router.ledger.latest("") is not None


def test_an_unchanged_app_is_metered_and_shadowed() -> None:
    """One record per call: what was paid, by whom, and what would have been chosen; no scope, no hold, no call."""
    app = App()
    assert app.graph().invoke({"item": "one two three"}, app.config)["out"] == ["two words"]
    (record,) = app.records()
    usage = record.outcome.usage
    assert (record.action, record.outcome.arm, record.outcome.served_by) == ("shadow", "large", "l-1")
    assert record.outcome.cost_nano == usage.cost_nano(LARGE) > 0
    assert (record.step.node, record.step.kind, record.decision.arm) == ("extract", "execution", "small")
    assert record.pool == app.house.router.snapshot.id
    assert not app.scopes()
    assert app.house.small.calls == app.house.large.calls == []
    totals = app.handler.totals
    assert (totals.calls, totals.unknown, totals.paid_nano) == (1, 0, record.outcome.cost_nano)
    assert totals.expected_nano == record.decision.cost_nano
    assert 0 < totals.would_nano < totals.paid_nano
    assert (totals.paid_usd, totals.would_usd) == (totals.paid_nano / 1e9, totals.would_nano / 1e9)
    assert (totals.input_tokens, totals.output_tokens) == (usage.input_tokens, usage.output_tokens)


@pytest.mark.parametrize("way", ["stream", "messages", "astream", "ainvoke", "batch", "abatch", "events"])
async def test_every_way_of_running_is_metered_once(way: str) -> None:
    """Sync and async, whole and streamed, one by one and in batches: each provider call is metered once, with usage."""
    app = App()
    graph = app.graph(app.aextract if way[0] == "a" or way == "events" else app.extract)
    item: Any = {"item": "x"}
    match way:
        case "stream":
            list(graph.stream(item, app.config))
        case "messages":
            pieces = [piece for piece, _ in graph.stream(item, app.config, stream_mode="messages")]
            assert "".join(str(piece.content) for piece in pieces) == "two words"
        case "astream":
            [piece async for piece in graph.astream(item, app.config, stream_mode="messages")]
        case "ainvoke":
            await graph.ainvoke(item, app.config)
        case "batch":
            graph.batch([item] * 3, app.config)
        case "abatch":
            await graph.abatch([item] * 3, app.config)
        case "events":
            [event async for event in graph.astream_events(item, app.config, version="v2")]
    count = 3 if "batch" in way else 1
    assert len(app.model.calls) == app.handler.totals.calls == count
    assert app.handler.totals.unknown == 0
    records = app.records()
    assert len({record.step.episode for record in records}) == len(records) == count
    assert not app.scopes()


def test_a_decision_of_a_shadow_replays_byte_for_byte() -> None:
    """The record holds all that the decision was based on, as any other."""
    app = App(budget=Budget(total_dollars=1.0, hard_stop_after_retries=3))
    app.graph().invoke({"item": "x"}, app.config)
    (record,) = app.records()
    assert replay_decision(record, [app.house.router.policy]) == record.decision
    assert app.house.router.decide(record.step) == record.decision
    assert "shadow" not in record.decision.rationale.lower()


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Grade(BaseModel):
    """A grade of a document."""

    relevant: bool


def test_tools_schemas_and_limits_are_seen() -> None:
    """What is bound to a call reaches the shadow's step: tools, a schema, an output limit."""
    app = App(lambda messages, kwargs: Reply(tool_calls=(("Grade", {"relevant": True}),)))
    app.model.bind_tools([add]).invoke("x", app.config, max_tokens=7)
    app.model.with_structured_output(Grade).invoke("x", app.config)
    app.model.invoke("x", app.config, response_format={"type": "json_object"})
    tools, schema, form = app.records()
    assert (tools.step.needs_tools, tools.step.needs_structure, tools.step.output_cap) == (True, False, 7)
    assert (schema.step.needs_tools, schema.step.needs_structure, schema.step.kind) == (False, True, "verification")
    assert (form.step.needs_tools, form.step.needs_structure) == (False, True)
    assert "unknown_tool" in tools.outcome.defects


@pytest.mark.parametrize(
    "odd", [[{"google_search": {}}], [{"name": "x", "input_schema": {"type": "object"}}], [object()], "tools", 3]
)
def test_tools_of_any_providers_form_are_taken(odd: Any) -> None:
    """Forms that nobody here can read count by their text; the call is metered all the same."""
    app = App()
    app.model.invoke("x", app.config, tools=odd)
    assert (app.handler.totals.calls, app.handler.totals.unread) == (1, 0)
    assert app.records()[0].step.needs_tools is isinstance(odd, list)


async def test_an_agent_of_langchain_is_metered_as_it_is() -> None:
    """create_agent with tools: every model call is metered, pressure is read from the conversation."""
    answers = iter(
        [Reply(tool_calls=(("add", {"a": 1, "b": "two"}),)), Reply(tool_calls=(("add", {"a": 1, "b": 2}),)), "3"]
    )
    app = App(lambda messages, kwargs: next(answers))
    await create_agent(app.model, [add]).ainvoke({"messages": [HumanMessage("1 + 2")]}, app.config)
    records = app.records()
    assert [record.step.call_index for record in records] == [0, 1, 2]
    assert len({record.step.episode for record in records}) == 1
    assert all(record.step.needs_tools and record.step.loops for record in records)
    assert records[-1].step.pressure.tool_errors == 1


async def test_subagents_of_a_deep_agent_are_metered_too() -> None:
    """A deep agent's main loop and the subagent that it delegates to are one episode of three calls."""
    task = {"description": "find it", "subagent_type": "general-purpose"}
    answers = iter([Reply(tool_calls=(("task", task),)), "found", "done"])
    app = App(lambda messages, kwargs: next(answers))
    await create_deep_agent(model=app.model).ainvoke({"messages": [HumanMessage("x")]}, app.config)
    assert [record.step.call_index for record in app.records()] == [0, 1, 2]
    assert (app.handler.totals.calls, len(app.house.router.journal.episodes())) == (3, 1)


def test_a_handler_on_the_model_and_on_the_run_meters_once() -> None:
    """The same handler in two places sees each call once."""
    app = App()
    app.model.callbacks = [app.handler]
    app.graph().invoke({"item": "x"}, app.config)
    app.graph().invoke({"item": "x"})
    assert app.handler.totals.calls == 2
    assert [len(episode) for episode in episodes(app)] == [1, 1]


# -- what is routed already --------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["invoke", "stream", "astream", "generate", "v3"])
async def test_a_routed_call_is_not_metered_twice(way: str) -> None:
    """A RoutedChatModel under the handler is counted as routed; the records are the routed ones alone."""
    app = App()
    llm, prompt = app.house.llm, [HumanMessage("x")]
    with app.house.router.episode("e"):
        match way:
            case "invoke":
                llm.invoke(prompt, app.config)
            case "stream":
                list(llm.stream(prompt, app.config))
            case "astream":
                [piece async for piece in llm.astream(prompt, app.config)]
            case "generate":
                llm.generate([prompt], callbacks=[app.handler])
            case "v3":
                events: Any = llm.stream_events(prompt, app.config, version="v3")
                list(events)
    assert [record.action for record in app.records()] == ["call"]
    assert (app.handler.totals.routed, app.handler.totals.calls) == (1, 0)


async def test_an_agent_routed_by_the_middleware_is_not_metered_twice() -> None:
    """Under RoutingMiddleware the handler sees calls that are booked already, sync and async."""
    app = App()
    agent = create_agent(app.model, [add], middleware=[RoutingMiddleware(app.house.router)])
    with app.house.router.episode("e"):
        agent.invoke({"messages": [HumanMessage("x")]}, app.config)
        await agent.ainvoke({"messages": [HumanMessage("x")]}, app.config)
    assert [record.action for record in app.records()] == ["call", "call"]
    assert (app.handler.totals.routed, app.handler.totals.calls) == (2, 0)


def test_metered_calls_take_nothing_from_the_budget_of_routed_ones() -> None:
    """In one episode, a routed call and a metered one: the books know the routed one, the report tells them apart."""
    app = App()

    def both(state: State) -> State:
        app.extract(state)
        return {"out": [str(app.house.llm.invoke("x").content)]}

    builder = StateGraph(State).add_node("both", both).add_edge(START, "both")
    route_graph(builder, app.house.router).compile().invoke({"item": "x"}, app.config)
    episode = app.house.only_episode()
    actions = {record.action: record for record in app.records()}
    assert set(actions) == {"call", "shadow"}
    balance = app.house.router.balance(episode)
    assert (balance.spent.nano_usd, balance.calls) == (actions["call"].outcome.cost_nano, 1)
    told = json.loads(as_json(app.records()))["totals"]
    assert (told["calls"], told["steps"], told["metered"]["calls"]) == (1, 1, 1)
    assert told["cost_usd"] == actions["call"].outcome.cost_nano / 1e9
    assert told["metered"]["paid_usd"] == actions["shadow"].outcome.cost_nano / 1e9


# -- what it cost ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("served", "asked", "arm", "nano"),
    [
        ("s-1", "other", "small", 50 * 10 + 400 * 2),  # by the model that answered
        ("l-1-2026-11-01", "l-1", "large", 1250 * 10 + 10000 * 2),  # a dated name: by the model that was asked
        ("mine", "mine", "", 2000 * 10 + 3000 * 2),  # by the handler's own prices
        ("gpt-5-nano", "gpt-5-nano", "", 50 * 10 + 400 * 2),  # by the price book
        ("nobody's", "nobody's", "", None),
    ],
)
def test_the_price_is_that_of_the_model_that_answered(served: str, asked: str, arm: str, nano: int | None) -> None:
    """An arm of the pool, else the prices given, else the price book, else unknown and said so."""
    house = House()
    prices = {"mine": Price(input_per_million=2.0, output_per_million=3.0)}
    handler = RoutingCallbackHandler(house.router, prices=prices)
    provider = "openai" if asked.startswith("gpt") else "scripted"
    model = Named(
        lambda messages, kwargs: Reply(text="two words", input_tokens=10), model_name=asked, provider=provider
    )
    model.served = served
    model.invoke("x", {"callbacks": [handler]})
    house.router.flush()
    (record,) = house.records(house.only_episode())
    assert record.outcome.arm == arm
    assert record.outcome.served_by == served
    assert record.outcome.cost_nano == (nano or 0)
    assert ("price_unknown" in record.outcome.defects) is (nano is None)
    assert handler.totals.unknown == (nano is None)


class Named(ScriptedModel):
    """A model that is served by another name than it was asked by."""

    served: str = ""

    def _generate(self, *args: Any, **kwargs: Any) -> Any:
        result = super()._generate(*args, **kwargs)
        result.generations[0].message.response_metadata["model_name"] = self.served
        return result


def test_an_unknown_price_is_said_once_a_model(caplog: pytest.LogCaptureFixture) -> None:
    """The log names the model and the way out, once; the cost counts as unknown, and the report says so."""
    app = App(name="nobody's")
    for _ in range(3):
        app.model.invoke("x", app.config)
    assert caplog.text.count("price_unknown: nobody's of provider scripted") == 1
    assert "RoutingCallbackHandler(router, prices={model: Price(...)})" in caplog.text
    totals = app.handler.totals
    assert (totals.calls, totals.unknown, totals.paid_nano, totals.expected_nano, totals.would_nano) == (3, 3, 0, 0, 0)
    assert printed(explain(app.records()[:1])).count("?") >= 1
    assert "at an unknown price" in printed(explain(app.records()[:1]))


class Refused(Exception):
    """An error with the status of a provider's answer."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status_code = status


@pytest.mark.parametrize(("status", "unknown"), [(400, False), (429, False), (500, True)])
def test_an_error_costs_nothing_where_nothing_was_done(status: int, unknown: bool) -> None:
    """The app's own error comes out; what was refused is free, what may have been billed is unknown."""
    app = App(lambda messages, kwargs: Refused(status))
    with pytest.raises(Refused):
        app.graph().invoke({"item": "x"}, app.config)
    (record,) = app.records()
    assert (record.outcome.error, record.outcome.accepted) == ("Refused", False)
    assert ("usage_unknown" in record.outcome.defects) is unknown
    totals = app.handler.totals
    assert (totals.failed, totals.unknown, totals.paid_nano) == (1, int(unknown), 0)


async def test_streams_without_usage_or_end_are_unknown() -> None:
    """A stream that reports no usage, and one that its reader closes, are metered as unknown, never as free."""
    app = App()
    app.model.stream_usage = False
    list(app.model.stream("x", app.config))
    app.model.stream_usage = True
    cut: Any = app.model.stream("x", app.config)
    next(cut)
    cut.close()
    acut: Any = app.model.astream("x", app.config)
    await anext(acut)
    await acut.aclose()
    assert ["usage_unknown" in record.outcome.defects for record in app.records()] == [True] * 3
    assert (app.handler.totals.calls, app.handler.totals.unknown, app.handler.totals.paid_nano) == (3, 3, 0)


def test_an_answer_from_the_cache_is_free() -> None:
    """A hit of LangChain's own cache asked nobody: it is counted, at no cost and nothing saved."""
    app = App()
    app.model.cache = InMemoryCache()
    for _ in range(2):
        app.model.invoke("x", app.config)
    paid = [record.outcome.cost_nano for record in app.records()]
    totals = app.handler.totals
    assert sorted(paid) == [0, totals.paid_nano]
    assert (totals.calls, totals.cached, totals.unknown) == (2, 1, 0)
    assert len(app.model.calls) == 1


def test_a_model_of_plain_text_is_counted_as_unknown() -> None:
    """LangChain tells no usage of models that are no chat models: they are seen, not priced."""
    app = App()
    FakeListLLM(responses=["x"]).invoke("x", app.config)
    assert (app.handler.totals.calls, app.handler.totals.unknown, app.handler.totals.unread) == (1, 1, 0)


# -- the app comes first -----------------------------------------------------------------------------------------


def test_what_goes_wrong_in_metering_never_reaches_the_app(caplog: pytest.LogCaptureFixture) -> None:
    """A policy that fails, metadata that make no sense: the app's answer comes, and the log says it once a kind."""
    app = App()

    def fail(step: Any) -> Any:
        raise RuntimeError("on purpose")

    app.house.router.deliberate = fail  # type: ignore[method-assign]
    for _ in range(3):
        assert app.graph().invoke({"item": "x"}, app.config)["out"] == ["two words"]
    bad: RunnableConfig = {**app.config, "metadata": {"langroute_kind": "nonsense"}}
    assert app.model.invoke("x", bad).content == "two words"
    assert caplog.text.count("a call could not be metered") == 2
    assert (app.handler.totals.unread, app.handler.totals.calls) == (4, 0)
    assert app.records() == []


def test_a_handler_wants_a_router_with_models_and_real_prices() -> None:
    """Anything else is refused when it is made, by name."""
    house = House()
    with pytest.raises(ConfigError, match="router: must be a StepRouter, not ModelPool"):
        RoutingCallbackHandler(house.pool)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"prices\.mine"):
        RoutingCallbackHandler(house.router, prices={"mine": {"input": 1}})


def test_nothing_is_kept_of_runs_that_ended() -> None:
    """Calls and runs are forgotten when they end, and those that never end are bounded."""
    app = App()
    app.graph().invoke({"item": "x"}, app.config)
    with pytest.raises(ZeroDivisionError):
        app.graph(failing).invoke({"item": "x"}, app.config)
    assert not app.handler._open
    assert not app.handler._roots
    for _ in range(10_010):
        app.handler.on_chain_start({}, {}, run_id=uuid4(), parent_run_id=uuid4())
    assert len(app.handler._roots) == 10_000
    app.handler.on_llm_end(None, run_id=uuid4())  # type: ignore[arg-type]
    assert app.handler.totals.unread == 0


def failing(state: State) -> State:
    """Fail."""
    return {"out": [str(1 / 0)]}


# -- episodes ----------------------------------------------------------------------------------------------------


def episodes(app: App) -> list[list[str]]:
    """The nodes of each episode's calls, oldest episode first."""
    app.house.router.flush()
    journal = app.house.router.journal
    return [[record.step.node for record in journal.records(name)] for name in reversed(journal.episodes())]


def test_a_run_is_an_episode_and_its_fan_out_belongs_to_it() -> None:
    """Siblings in threads, and nested graphs, are metered under the outermost run."""
    app = App()
    inner = app.graph()

    def nested(state: State) -> State:
        return {"out": inner.invoke({"item": "x"})["out"]}

    builder = StateGraph(State).add_node("extract", app.extract).add_node("nested", nested)
    builder.add_conditional_edges(
        START, lambda state: [Send("extract", {"item": str(n)}) for n in range(4)], ["extract"]
    )
    graph = builder.add_edge("extract", "nested").compile()
    graph.invoke({"out": []}, app.config)
    graph.invoke({"out": []}, app.config)
    assert episodes(app) == [["extract"] * 5, ["extract"] * 5]


@pytest.mark.parametrize("per", ["turn", "thread"])
def test_a_turn_goes_on_when_it_is_resumed(per: Any) -> None:
    """Under a thread id a metered turn lasts through its interrupts; with per='thread' all turns are one."""
    app = App(budget=Budget(per=per))

    def ask(state: State) -> State:
        return {"out": [str(interrupt("well?"))]}

    def report(state: State) -> State:
        return app.extract(state)

    graph = app.graph(app.extract, ask, report, checkpointer=InMemorySaver())
    config: RunnableConfig = {**app.config, "configurable": {"thread_id": "t"}}
    for _ in range(2):
        graph.invoke({"item": "x"}, config)
        graph.invoke(Command(resume="yes"), config)
    turn = ["extract", "report"]
    assert episodes(app) == ([turn, turn] if per == "turn" else [turn + turn])
    names = app.house.router.journal.episodes()
    assert all(name.startswith("t#") if per == "turn" else name == "t" for name in names)
    assert not app.scopes()


def test_the_users_own_episode_is_taken() -> None:
    """An id in the metadata, or a block around the run, names the episode; the block's scope stays unopened."""
    app = App()
    app.graph().invoke({"item": "x"}, {**app.config, "metadata": {"langroute_episode": "mine"}})
    with app.house.router.episode("block", arm="large"):
        app.graph().invoke({"item": "x"}, app.config)
    told = {record.step.episode: record.decision.arm for record in app.records()}
    assert told == {"mine": "small", "block": "large"}
    assert not app.scopes()


def test_a_chain_outside_any_graph_is_one_episode() -> None:
    """Calls of one chain belong together, by its outermost run; single calls stand alone."""
    app = App()
    prompt = ChatPromptTemplate.from_messages([("human", "{q}")])
    chain = prompt | app.model | StrOutputParser() | (lambda text: [HumanMessage(text)]) | app.model
    chain.invoke({"q": "x"}, app.config)
    app.model.invoke("x", app.config)
    assert episodes(app) == [["", ""], [""]]


async def test_parallel_runs_are_told_apart() -> None:
    """One handler serves many runs at once; each call is priced for itself."""
    app = App()
    await asyncio.gather(*(app.graph(app.aextract).ainvoke({"item": "x " * n}, app.config) for n in range(1, 6)))
    assert sorted(record.outcome.usage.input_tokens for record in app.records()) == [1, 2, 3, 4, 5]
    assert app.handler.totals.calls == 5


class Rephrasing(BaseRetriever):
    """A retriever that asks a model to rephrase the question first."""

    model: Any

    def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
        self.model.invoke(query, {"callbacks": run_manager.get_child()})
        return [Document("found")]


def test_a_model_that_a_retriever_asks_belongs_to_the_run_around_it() -> None:
    """Outside any graph, too: the calls of one chain are one episode, whoever makes them."""
    house = House()
    chain = Rephrasing(model=house.small) | RunnableLambda(lambda found: house.small.invoke(str(found)))
    handler = RoutingCallbackHandler(house.router)
    chain.invoke("question", {"callbacks": [handler]})
    assert len(house.records(house.only_episode())) == 2
    assert not handler._roots


def test_the_shadow_has_a_budget_of_its_own() -> None:
    """It is spent as if the decisions were followed, not as the app spends: a tight one ends in a decision to stop."""
    app = App(budget=Budget(total_dollars=0.005))
    for _ in range(24):
        app.model.invoke("x " * 5000, {**app.config, "metadata": {"langroute_episode": "e"}})
    records = app.records()
    spent = [record.step.budget.spent_nano for record in records]
    assert spent[0] == 0
    assert spent == sorted(spent)
    assert app.handler.totals.paid_nano > 5_000_000
    assert max(spent) <= 5_000_000
    assert records[-1].step.budget.scope == "shadow:e"
    assert {record.decision.arm for record in records} == {"small", None}
    assert len(app.model.calls) == 24


# -- what is told ------------------------------------------------------------------------------------------------


def printed(what: Any) -> str:
    """The text of a report at 80 columns."""
    from rich.console import Console  # noqa: PLC0415 - here only

    console = Console(width=80, file=None, record=True, force_terminal=False)
    with console.capture() as captured:
        console.print(what)
    return captured.get()


def test_the_log_and_the_report_say_that_it_is_a_shadow(caplog: pytest.LogCaptureFixture) -> None:
    """The line carries shadow; explain says who made the call, for how much, and that nobody followed the decision."""
    app = App()
    with caplog.at_level(logging.INFO, "langroute"):
        app.graph().invoke({"item": "x"}, app.config)
    lines = [json.loads(entry.message) for entry in caplog.records if entry.name == "langroute"]
    assert [(line["event"], line["shadow"]) for line in lines] == [("routing_step", True)]
    assert (lines[0]["arm"], lines[0]["outcome"]["arm"]) == (app.records()[0].decision.arm, "large")
    text = " ".join(printed(explain(app.records())).split())
    assert "shadow" in text
    assert "Shadow: large made the call for $" in text
    assert "nobody followed this decision, which saw logged state only" in text
    assert "metered 1 not routed: $" in text
    assert "chosen were expected to cost $" in text
    text = " ".join(printed(explain(app.records(), arms=app.house.pool.arms)).split())
    assert f"would have cost {format_dollars(app.handler.totals.would_nano)} with the same tokens" in text
    assert "spent" not in text


def test_a_metered_episode_can_be_replayed_under_another_policy() -> None:
    """What the app would have cost with one arm alone follows from the tokens it used; unknown costs are left out."""
    app = App()
    app.graph().invoke({"item": "x"}, {**app.config, "metadata": {"langroute_episode": "e"}})
    app.model.stream_usage = False
    list(app.model.stream("x", {**app.config, "metadata": {"langroute_episode": "e"}}))
    replayed = replay_episode(app.records(), arms=app.house.pool.arms, policy_name="always-small")
    assert (len(replayed.calls), replayed.recorded_nano) == (1, app.handler.totals.paid_nano)
    assert 0 < replayed.nano < replayed.recorded_nano
    assert replayed.assumptions[-1] == "metered calls whose price or usage is not known are left out"


def test_the_messages_of_the_app_are_left_alone() -> None:
    """Neither the prompt nor the answer is changed by being metered."""
    app = App()
    prompt = [HumanMessage("x", id="1")]
    with_handler = app.model.invoke(prompt, app.config)
    without = app.model.invoke(prompt)
    assert prompt == [HumanMessage("x", id="1")]
    assert isinstance(with_handler, AIMessage)
    assert (with_handler.content, with_handler.usage_metadata) == (without.content, without.usage_metadata)
