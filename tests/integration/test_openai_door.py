"""The real ChatOpenAI behind the door: whatever happens on the wire, the books and the server's own meter agree."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel, SecretStr, ValidationError

from langroute import Budget, ConfigError, ModelPool, Price, RoutedChatModel, RouterConfig, StepRouter, route_graph
from langroute.lab.server import LabServer
from langroute.records import Record
from langroute.testing import Reply, ResponsesServer
from tests.integration.lab.scripted_engine import CALL, ScriptedEngine

WORK: RunnableConfig = {"metadata": {"langroute_kind": "execution"}}
ADD = (CALL, "add", '{"a": 1,', ' "b": 2}')


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Verdict(BaseModel):
    """A verdict."""

    ok: bool


class Bench:
    """A router over two models of a scripted server."""

    def __init__(self, server: LabServer, engine: ScriptedEngine, **options: Any) -> None:
        self.server = server
        self.engine = engine
        self.pool = ModelPool(
            {name: _chat(f"lab-{name}", server.base_url) for name in ("small", "large")},
            prices={
                "small": Price(input_per_million=0.137, output_per_million=1.011, cached_input_per_million=0.0137),
                "large": Price(input_per_million=2.5, output_per_million=10, cached_input_per_million=1.25),
            },
        )
        self.router = StepRouter(self.pool, **{"budget": Budget(total_dollars=1.0), **options})
        self.llm = RoutedChatModel(self.router)

    def says(self, *pieces: str) -> None:
        """Make every answer consist of these pieces."""
        self.engine.script = lambda prompt: pieces

    def books(self) -> tuple[int, int]:
        """Nano-dollars booked, and nano-dollars metered by the server, once nothing is under way."""
        self.server.wait_idle()
        balance = self.router.balance("e")
        assert balance.held.nano_usd == 0
        return balance.spent.nano_usd, self.server.meter.total().nano_dollars

    def records(self) -> Sequence[Record]:
        """The records of the episode."""
        self.router.flush()
        return self.router.journal.records("e")


def _chat(name: str, url: str) -> ChatOpenAI:
    return ChatOpenAI(model=name, base_url=url, api_key=SecretStr("lab"), temperature=0, logprobs=True)


@pytest.fixture(scope="module")
def running() -> Iterator[LabServer]:
    """One server for all tests of this module."""
    with LabServer(engine=ScriptedEngine(lambda prompt: ["ok"])) as server:
        yield server


@pytest.fixture
def bench(running: LabServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A fresh router over the server, which is found as new; retries come at once."""
    monkeypatch.setattr(StepRouter, "pause_before", lambda self, attempt: 0.0)
    engine = running.service.engine
    assert isinstance(engine, ScriptedEngine)
    running.meter.reset()
    running.service.cache.clear()
    bench = Bench(running, engine)
    bench.says("Hello", " big", " world")
    yield bench
    running.faults.release()


SYNC: dict[str, Callable[[Any], Any]] = {
    "invoke": lambda llm: llm.invoke("hi there"),
    "asked twice": lambda llm: [llm.invoke("one two three"), llm.invoke("one two three")],
    "stream": lambda llm: list(llm.stream("hi there")),
    "batch": lambda llm: llm.batch(["a", "b c", "d e f"]),
    "generate": lambda llm: llm.generate([[HumanMessage("a")], [HumanMessage("b")]]),
    "tools": lambda llm: llm.bind_tools([add], tool_choice="any", strict=True).invoke("add"),
    "tools streamed": lambda llm: list(llm.bind_tools([add]).stream("add")),
    "an empty list of tools": lambda llm: llm.bind_tools([], strict=True, tool_choice="auto").invoke("hi"),
    "a response format": lambda llm: llm.bind(response_format={"type": "json_object"}).invoke("json"),
    "stop words": lambda llm: llm.bind(stop=["big"]).invoke("hi"),
}


@pytest.mark.parametrize("way", SYNC)
def test_every_sync_way_in_costs_what_the_server_metered(bench: Bench, way: str) -> None:
    """The books equal the meter to the nano-dollar, cached prompt tokens included."""
    with bench.router.episode("e"):
        SYNC[way](bench.llm)
    booked, metered = bench.books()
    assert booked == metered > 0


async def test_every_async_way_in_costs_what_the_server_metered(bench: Bench) -> None:
    """The async twins book the same truth."""
    with bench.router.episode("e"):
        await bench.llm.ainvoke("hi")
        assert [piece async for piece in bench.llm.astream("hi")]
        assert [event async for event in bench.llm.astream_events("hi", version="v2")]
        await bench.llm.abatch(["a", "b"])
        await bench.llm.agenerate([[HumanMessage("a")]])
    booked, metered = bench.books()
    assert booked == metered > 0
    assert bench.server.meter.total().requests == 6


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
async def test_event_streams_of_version_3_are_routed_too(bench: Bench) -> None:
    """stream_events and astream_events, version 3, stream the chosen model's text, at its metered price."""
    with bench.router.episode("e"):
        told = list(bench.llm.stream_events("hi", WORK, version="v3"))
        again = [event async for event in await bench.llm.astream_events("hi", WORK, version="v3")]
    assert "Hello" in str(told)
    assert "Hello" in str(again)
    assert [record.step.kind for record in bench.records()] == ["execution", "execution"]
    booked, metered = bench.books()
    assert booked == metered > 0


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
@pytest.mark.parametrize("include_raw", [True, False])
def test_every_strategy_of_structured_output_is_booked(bench: Bench, method: str, include_raw: bool) -> None:
    """All of ChatOpenAI's strategies parse, and their hidden usage is booked."""
    bench.says(*((CALL, "Verdict", '{"ok": true}') if method == "function_calling" else ('{"ok":', " true}")))
    structured = bench.llm.with_structured_output(Verdict, method=method, include_raw=include_raw)
    with bench.router.episode("e"):
        found = structured.invoke("well?")
    assert (found["parsed"] if include_raw else found) == Verdict(ok=True)
    booked, metered = bench.books()
    assert booked == metered > 0


def test_an_answer_that_the_sdk_cannot_parse_is_booked_at_its_price(bench: Bench) -> None:
    """Where OpenAI's SDK fails to parse an answer, its usage is read off the raw response, not guessed."""
    bench.says('{"ok":', ' "per')
    with bench.router.episode("e"), pytest.raises(ValidationError):
        bench.llm.with_structured_output(Verdict).invoke("well?")
    assert [record.decision.arm for record in bench.records()] == ["small", "large"]
    booked, metered = bench.books()
    assert booked == metered > 0


def test_an_answer_by_the_responses_api_that_does_not_parse_is_booked_at_its_price() -> None:
    """Its raw answer tells its usage in other words."""
    price = Price(input_per_million=0.137, output_per_million=1.011, cached_input_per_million=0.0137)
    with ResponsesServer([Reply(text='{"ok": per haps', cached_tokens=3)], prices={"gpt-5": price}) as server:
        router = StepRouter(
            ModelPool({"gpt": server.chat_model("gpt-5")}, prices={"gpt": price}), budget=Budget(total_dollars=1.0)
        )
        with router.episode("e"), pytest.raises(ValidationError):
            RoutedChatModel(router).with_structured_output(Verdict).invoke("one two three four?")
        server.wait_idle()
        assert router.balance("e").spent.nano_usd == server.meter.total().nano_dollars > 0


def test_an_answer_cut_off_by_its_limit_goes_to_a_stronger_arm(bench: Bench) -> None:
    """A structured answer that ends at the output limit does not fit its schema: it is paid, and another arm tries."""
    bench.engine.script = lambda prompt: ('{"ok":', " ", " ", " true}")
    with bench.router.episode("e"), pytest.raises(Exception, match="length limit"):
        bench.llm.with_structured_output(Verdict).invoke("well?", max_tokens=2)
    outcomes = [record.outcome for record in bench.records()]
    assert [(outcome.arm, outcome.defects) for outcome in outcomes if outcome] == [
        ("small", ("invalid_structure",)),
        ("large", ("invalid_structure",)),
    ]
    booked, metered = bench.books()
    assert booked == metered > 0


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_a_schema_of_the_models_own_is_booked_at_its_price(bench: Bench, way: str) -> None:
    """Where a model of the pool demands its schema itself, an answer that is cut off costs what it cost, no more."""
    bench.says('{"ok":', " ", " ", " true}")
    schema = {**Verdict.model_json_schema(), "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "Verdict", "schema": schema, "strict": True}}
    models = {
        name: bench.pool.model(name).model_copy(update={"model_kwargs": {"response_format": form}})
        for name in ("small", "large")
    }
    prices = {arm.name: arm.price for arm in bench.pool.arms}
    bench.router = StepRouter(ModelPool(models, prices=prices), budget=Budget(total_dollars=1.0))
    llm = RoutedChatModel(bench.router)
    with bench.router.episode("e"), pytest.raises(Exception, match="length limit"):
        llm.invoke("well?", max_tokens=2) if way == "invoke" else await llm.ainvoke("well?", max_tokens=2)
    outcomes = [record.outcome for record in bench.records()]
    assert [(outcome.defects, outcome.worst_case) for outcome in outcomes if outcome] == [
        (("invalid_structure",), False)
    ]
    booked, metered = bench.books()
    assert booked == metered > 0


def test_a_rate_limit_is_retried_by_langroute_with_a_hold_each(bench: Bench) -> None:
    """The SDK asks once per hold; a refusal costs nothing, and the answer costs its price."""
    bench.server.inject(status=429, times=2)
    with bench.router.episode("e"):
        assert bench.llm.invoke("hi").content == "Hello big world"
    assert [record.outcome.cost_nano > 0 for record in bench.records() if record.outcome] == [False, False, True]
    booked, metered = bench.books()
    assert booked == metered > 0


def test_sdk_retries_are_off(bench: Bench) -> None:
    """As many refusals as langroute makes attempts reach the caller: none was asked for behind its back."""
    bench.server.inject(status=429, times=bench.router.attempts_on_fault)
    with bench.router.episode("e"), pytest.raises(Exception, match="Rate limit"):
        bench.llm.invoke("hi")
    assert bench.books() == (0, 0)
    assert bench.server.faults.next_error() is None


def _closed(llm: Any) -> None:
    pieces = llm.stream("hi")
    next(pieces)
    next(pieces)
    pieces.close()


def _cut(llm: Any) -> None:
    with pytest.raises(Exception, match="Connection"):
        list(llm.stream("hi"))


FAULTS: dict[str, tuple[Callable[[LabServer], object], Callable[[Any], object]]] = {
    "500": (lambda server: server.inject(status=500), lambda llm: llm.invoke("hi")),
    "500 before a stream": (lambda server: server.inject(status=500), lambda llm: list(llm.stream("hi"))),
    "cut": (lambda server: server.inject_cut(after_chunks=2), _cut),
    "cut in good order": (lambda server: server.inject_cut(clean=True), lambda llm: list(llm.stream("hi"))),
    "closed by the consumer": (lambda server: None, _closed),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_may_have_been_billed_is_booked_at_its_worst(bench: Bench, fault: str) -> None:
    """After a fault the first attempt is marked worst_case, and the books are never below the meter."""
    plan, act = FAULTS[fault]
    plan(bench.server)
    with bench.router.episode("e"):
        act(bench.llm)
    booked, metered = bench.books()
    assert booked >= metered
    first = bench.records()[0]
    assert first.outcome
    assert first.outcome.worst_case
    assert first.outcome.cost_nano == first.decision.worst_nano


async def test_a_cancelled_call_is_booked_at_its_worst_in_a_file_too(bench: Bench, tmp_path: Path) -> None:
    """Cancelling while the provider works leaves no hold open, in a store that has to be waited for."""
    filed = Bench(bench.server, bench.engine, store=f"sqlite:///{tmp_path / 'books.db'}")
    gate = bench.server.inject_gate()
    with filed.router.episode("e"):
        task = asyncio.create_task(filed.llm.ainvoke("hi"))
        await asyncio.to_thread(gate.wait_reached)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    gate.open()
    booked, metered = filed.books()
    assert booked >= metered
    (record,) = filed.records()
    assert record.outcome
    assert record.outcome.worst_case
    filed.router.close()


async def test_a_closed_async_stream_is_booked_at_its_worst_in_a_file_too(bench: Bench, tmp_path: Path) -> None:
    """aclose() waits until the books are written."""
    filed = Bench(bench.server, bench.engine, store=f"sqlite:///{tmp_path / 'books.db'}")
    with filed.router.episode("e"):
        pieces: Any = filed.llm.astream("hi")
        await anext(pieces)
        await pieces.aclose()
    booked, metered = filed.books()
    assert booked >= metered
    filed.router.close()


async def test_a_stream_read_after_its_episode_is_paid_by_it(bench: Bench) -> None:
    """A stream belongs to the episode it was opened in, also where a web framework reads it later."""
    with bench.router.episode("e"):
        pieces, others = bench.llm.stream("hi"), bench.llm.astream("hi")
    assert list(pieces)
    assert [piece async for piece in others]
    booked, metered = bench.books()
    assert booked == metered > 0


def test_an_answer_out_of_langchains_cache_costs_nothing(bench: Bench) -> None:
    """Nobody was asked, so nothing is booked for the hit; the miss before it costs its price."""
    set_llm_cache(InMemoryCache())
    try:
        with bench.router.episode("e"):
            first, second = bench.llm.invoke("hi"), bench.llm.invoke("hi")
    finally:
        set_llm_cache(None)
    assert first.content == second.content
    assert bench.server.meter.total().requests == 1
    booked, metered = bench.books()
    assert booked == metered > 0


@pytest.mark.parametrize(
    "options",
    [
        {"model": "lab-large"},
        {"extra_body": {"max_tokens": 9000}},
        {"extra_body": {"model": "lab-large"}},
        {"n": 3},
        {"service_tier": "priority"},
        {"max_tokens": 0},
        {"max_tokens": "5"},
    ],
    ids=str,
)
def test_options_that_would_break_the_hold_are_refused(bench: Bench, options: dict[str, Any]) -> None:
    """An argument that makes a call dearer than its hold is refused by name, however it is bound; nothing is sent."""
    (name,) = options
    with bench.router.episode("e"):
        with pytest.raises(ConfigError, match=f"^{name}:"):
            bench.llm.invoke("hi", **options)
        with pytest.raises(ConfigError, match=f"^{name}:"):
            list(bench.llm.bind(**options).stream("hi"))
    assert bench.books() == (0, 0)


def test_text_in_options_is_part_of_the_bound(bench: Bench) -> None:
    """A response format or instructions are billed as input, so the hold covers them."""
    text = "x" * 3000
    with bench.router.episode("e"):
        bench.llm.invoke("hi")
        bench.llm.bind(response_format={"type": "json_object", "description": text}).invoke("json")
    plain, formatted = bench.records()
    assert formatted.step.input_bound >= plain.step.input_bound + len(text)
    assert formatted.step.needs_structure


def _script(prompt: str) -> Sequence[str]:
    return ("done",) if "3" in prompt.split() else ADD


def test_the_tool_loop_of_an_agent_is_routed_and_booked(bench: Bench) -> None:
    """create_agent calls the tool and comes to an end, in every mode of streaming, at the metered price."""
    bench.engine.script = _script
    agent = create_agent(bench.llm, [add])
    question: Any = {"messages": [HumanMessage("add")]}
    with bench.router.episode("e"):
        assert agent.invoke(question)["messages"][-1].content == "done"
        for mode in ("messages", "updates", "values"):
            assert "done" in str(list(agent.stream(question, stream_mode=mode)))
    booked, metered = bench.books()
    assert booked == metered > 0
    assert bench.server.meter.total().requests == 8


@pytest.mark.parametrize("strategy", [ToolStrategy, ProviderStrategy])
@pytest.mark.parametrize("tools", [[add], []], ids=["tools", "no tools"])
def test_an_agents_response_format_works(bench: Bench, strategy: Any, tools: list[Any]) -> None:
    """Both strategies of create_agent bring a structured response through the routed model."""
    bench.says(*((CALL, "Verdict", '{"ok": true}') if strategy is ToolStrategy else ('{"ok":', " true}")))
    agent: Any = create_agent(bench.llm, tools, response_format=strategy(Verdict))
    with bench.router.episode("e"):
        found = agent.invoke({"messages": [HumanMessage("well?")]})
    assert found["structured_response"] == Verdict(ok=True)
    booked, metered = bench.books()
    assert booked == metered > 0


def _worker(bench: Bench) -> Any:
    def work(state: MessagesState) -> Any:
        return {"messages": [bench.llm.bind_tools([add]).invoke("add")]}

    builder = StateGraph(MessagesState).add_node(work).add_edge(START, "work")
    return route_graph(builder, bench.router, kinds={"work": "execution"}).compile()


def test_usage_is_there_when_a_node_is_streamed_underneath(bench: Bench) -> None:
    """stream_mode='messages' turns .invoke() into a stream; even with a base_url of its own, usage is asked for."""
    with bench.router.episode("e"):
        list(_worker(bench).stream({"messages": []}, stream_mode="messages"))
    booked, metered = bench.books()
    assert booked == metered > 0
    assert bench.server.meter.rows()[0].streamed


def test_broken_arguments_are_seen_although_langchain_mends_them_in_streams(bench: Bench) -> None:
    """`{"a": 1, "b": 2` arrives as a valid call when streamed; it is recorded as malformed."""
    bench.engine.script = lambda prompt: (CALL, "add", '{"a": 1, "b": 2')
    with bench.router.episode("e"):
        list(bench.llm.bind_tools([add]).stream("add", WORK))
    (record,) = bench.records()
    assert record.outcome
    assert record.outcome.defects == ("invalid_tool_call",)


def test_a_mended_call_is_rejected_where_streams_are_gated(bench: Bench) -> None:
    """With gate_streams, a broken call that is streamed underneath a node goes to a stronger arm all the same."""
    gated = Bench(bench.server, bench.engine, config=RouterConfig(gate_streams=True))
    bench.engine.script = lambda prompt: (CALL, "add", '{"a": 1, "b": 2')
    with gated.router.episode("e"):
        list(_worker(gated).stream({"messages": []}, stream_mode="messages"))
    assert [record.decision.arm for record in gated.records()] == ["small", "large"]
    booked, metered = gated.books()
    assert booked == metered > 0
