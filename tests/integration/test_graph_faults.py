"""LangGraph under faults, against a server's own meter: what was told is booked exactly, what was lost at its worst.

Each fault goes through every door that books. `MeteredKit.proven` compares the books with what the server billed.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, closing, suppress
from pathlib import Path
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache as AnswerCache
from langchain_core.globals import set_llm_cache
from langgraph.cache.memory import InMemoryCache as NodeCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import NodeTimeoutError
from langgraph.graph import START, StateGraph
from langgraph.types import CachePolicy, Command, RetryPolicy, Send, interrupt

from langroute import Budget, BudgetExceeded, RouterConfig, StepRouter
from langroute.testing import Reply, refusal
from tests.integration.door_kits import ask
from tests.integration.metered_kit import ROUTING, MeteredKit, Provider
from tests.integration.scenarios import ASKED, TEXT, THREAD, State, extract, look, row

PLAIN = Reply(text=TEXT, cached_tokens=1)
UNTOLD = Reply(text=TEXT, cached_tokens=1, usage=False)
STREAMED = {"stream_mode": ["messages", "values"], "subgraphs": True}

Making = Callable[..., MeteredKit]


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    """One server for all tests of this module."""
    with Provider() as server:
        yield server


@pytest.fixture
def provider(running: Provider, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """The server, as new; langroute's own retries come at once."""
    monkeypatch.setattr(StepRouter, "pause_before", lambda self, attempt: 0.0)
    running.renew()
    yield running
    running.faults.release()


@pytest.fixture(params=ROUTING)
def making(request: pytest.FixtureRequest, provider: Provider) -> Iterator[Making]:
    """Makes kits for one door after the other; they are closed at the end of the test."""
    made: list[MeteredKit] = []

    def make(way: str, **options: Any) -> MeteredKit:
        made.append(MeteredKit(request.param, way, provider, **options))
        return made[-1]

    yield make
    for kit in made:
        kit.__exit__(None, None, None)


def fan(kit: MeteredKit, *, wide: int, work: Any = extract, **options: Any) -> Any:
    """A graph whose one node is sent several items at once."""
    builder = kit.add(StateGraph(State), work, **options)
    sends = [Send(work.__name__, {"item": str(number)}) for number in range(wide)]
    return kit.compiled(builder.add_conditional_edges(START, lambda state: sends, [work.__name__]))


def patient(
    kit: MeteredKit, work: Awaitable[Any], *, gates: list[Any], then: Callable[[asyncio.Task[Any]], Any]
) -> None:
    """Start a run, wait until its calls stand at the provider's gates, and do something to it."""

    async def acted() -> None:
        task = asyncio.ensure_future(work)
        for gate in gates:
            await asyncio.to_thread(gate.wait_reached)
        then(task)
        with pytest.raises(asyncio.CancelledError):
            await task
        for gate in gates:
            gate.open()

    kit.run_async(acted())


# -- what is not told --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream", "messages", "amessages"])
def test_usage_that_never_came_is_booked_at_its_worst(making: Making, provider: Provider, way: str) -> None:
    """An answer without usage among answers with it: the one at its worst, the others at what the server billed."""
    kit = making(way)
    provider.first(PLAIN, UNTOLD, PLAIN)
    kit.run(fan(kit, wide=3), {"said": []})
    kit.proven(lost=1)
    assert len(provider.meter.rows()) == 3


@pytest.mark.parametrize("way", ["stream", "astream", "messages", "amessages"])
@pytest.mark.parametrize("clean", [True, False], ids=["in good order", "connection lost"])
def test_a_stream_that_is_cut_is_booked_at_its_worst(making: Making, provider: Provider, way: str, clean: bool) -> None:
    """Of two calls in a row the first one's stream breaks off: it is booked at its worst; one after it at its price."""
    kit = making(way)
    provider.inject_cut(after_chunks=3, clean=clean)
    with suppress(Exception):
        kit.run(row(kit, extract), {"item": "x"}, {"metadata": {"langroute_episode": "e"}})
    kit.run(row(kit, extract), {"item": "x"}, {"metadata": {"langroute_episode": "e"}})
    kit.proven(lost=1)
    assert provider.meter.total().cut == 1


@pytest.mark.parametrize("way", ["messages", "amessages"])
def test_a_stream_that_its_reader_closes_is_never_below_what_was_billed(
    making: Making, provider: Provider, way: str
) -> None:
    """Closing the stream of a whole graph after its first token ends the call or lets it end; it is paid either way."""
    kit = making(way)
    provider.script = lambda request: Reply(text="word " * 400, cached_tokens=1)
    program = row(kit, extract)

    def read() -> None:
        with closing(program.stream({"item": "x"}, kit.config(), **STREAMED)) as told:
            next(piece for piece in told if piece[1] == "messages")

    async def aread() -> None:
        async with aclosing(program.astream({"item": "x"}, kit.config(), **STREAMED)) as told:
            async for piece in told:
                if piece[1] == "messages":
                    break

    kit.run_async(aread()) if kit.asynchronous else read()
    kit.proven(lost=None)
    assert sum(entry.settled.nano_usd for entry in kit.entries() if entry.settled) > 0


# -- runs that are broken off ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["ainvoke", "astream", "amessages"])
def test_a_cancelled_run_pays_for_the_calls_it_left(making: Making, provider: Provider, way: str) -> None:
    """A run cancelled while three calls are under way: each is booked at its worst, and the run ends cancelled."""
    kit = making(way)
    gates = [provider.inject_gate() for _ in range(3)]
    program = fan(kit, wide=3)
    run = kit._arun(program, {"said": []}, kit.config())
    patient(kit, run, gates=gates, then=lambda task: task.cancel())
    kit.proven(lost=3)


def test_a_cancelled_run_in_a_subgraph_pays_for_its_call(making: Making, provider: Provider) -> None:
    """The call that is cut off stands two graphs deep; what was answered before it is booked at its price."""
    kit = making("ainvoke")

    def before(state: Any) -> Any:
        return {"said": [(yield ask("what is first"))]}

    inner = row(kit, before, extract)
    middle = StateGraph(State).add_node("inner", inner).add_edge(START, "inner").compile()
    program = kit.compiled(StateGraph(State).add_node("middle", middle).add_edge(START, "middle"))
    gates = [provider.inject_gate(), provider.inject_gate()]
    gates[0].open()
    patient(kit, program.ainvoke({"item": "x"}, kit.config()), gates=gates[1:], then=lambda task: task.cancel())
    kit.proven(lost=1)
    assert len(kit.entries()) == 2


def test_an_agent_cancelled_in_its_second_call_pays_for_both(making: Making, provider: Provider) -> None:
    """The agent has called its tool and asks again when it is cancelled: one call at its price, one at its worst."""
    kit = making("ainvoke")
    program = kit.door.hosted(kit, kit.door.agent(kit, [look]))
    gates = [provider.inject_gate(), provider.inject_gate()]
    gates[0].open()
    patient(kit, program.ainvoke(ASKED, kit.config()), gates=gates[1:], then=lambda task: task.cancel())
    kit.proven(lost=1)
    assert len(kit.entries()) == 2


def test_a_subagent_cancelled_at_work_pays_for_its_call(making: Making, provider: Provider) -> None:
    """The deep agent has delegated, and its subagent waits for its first answer when the whole run is cancelled."""
    kit = making("ainvoke")
    critic = {"name": "critic", "description": "criticises", "system_prompt": "Criticise.", "tools": [look]}
    program = kit.door.hosted(kit, kit.door.deep_agent(kit, [look], critic))
    gates = [provider.inject_gate(), provider.inject_gate()]
    gates[0].open()
    patient(kit, program.ainvoke(ASKED, kit.config()), gates=gates[1:], then=lambda task: task.cancel())
    kit.proven(lost=1)
    assert len(kit.entries()) == 2


def test_siblings_of_a_node_that_fails_are_paid(making: Making, provider: Provider) -> None:
    """LangGraph cancels what runs beside a node that failed; those calls are booked at their worst."""
    kit = making("ainvoke")
    gates = [provider.inject_gate() for _ in range(2)]

    async def fails(state: Any) -> Any:
        for gate in gates:
            await asyncio.to_thread(gate.wait_reached)
        raise LookupError("on purpose")

    builder = kit.add(StateGraph(State), extract).add_node("fails", fails)
    sends = [Send("extract", {"item": "a"}), Send("extract", {"item": "b"}), Send("fails", {})]
    program = kit.compiled(builder.add_conditional_edges(START, lambda state: sends, ["extract", "fails"]))
    with pytest.raises(LookupError, match="on purpose"):
        kit.run(program, {"said": []})
    for gate in gates:
        gate.open()
    kit.proven(lost=2)


def test_a_node_that_ran_out_of_time_pays_for_its_call(making: Making, provider: Provider) -> None:
    """A node with a time-out of its own, and a retry: the call left behind at its worst, the second at its price."""
    kit = making("ainvoke")
    gate = provider.inject_gate()
    policy = RetryPolicy(initial_interval=0.0, jitter=False, max_attempts=2, retry_on=NodeTimeoutError)
    builder = kit.add(StateGraph(State), extract, timeout=0.3, retry_policy=policy).add_edge(START, "extract")
    assert kit.run(kit.compiled(builder), {"said": []})["said"] == [TEXT]
    gate.open()
    kit.proven(lost=1)
    assert len(kit.entries()) == 2


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_a_step_over_its_time_limit_is_paid(making: Making, provider: Provider, way: str) -> None:
    """`step_timeout` ends an async call; a sync one goes on in its thread and is booked at its price."""
    kit = making(way)
    gate = provider.inject_gate()
    program = row(kit, extract)
    program.step_timeout = 1.0  # time enough for the request to arrive, on a busy machine too
    opener = threading.Timer(1.6, gate.open)
    opener.start()
    with pytest.raises(TimeoutError):
        kit.run(program, {"item": "x"})
    opener.join()
    kit.proven(lost=int(kit.asynchronous))
    assert len(provider.meter.rows()) == 1


# -- calls that are made again -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "messages", "amessages"])
def test_a_node_retried_after_an_outage_pays_for_what_may_have_been_billed(
    making: Making, provider: Provider, way: str
) -> None:
    """Every attempt of a step met a 500, LangGraph runs the node again: three worst cases, one answer at its price."""
    kit = making(way)
    provider.first(*[refusal(500) for _ in range(kit.router.attempts_on_fault)])
    policy = RetryPolicy(initial_interval=0.0, jitter=False, retry_on=Exception)
    builder = kit.add(StateGraph(State), extract, retry_policy=policy).add_edge(START, "extract")
    assert kit.run(kit.compiled(builder), {"said": []})["said"] == [TEXT]
    kit.proven(lost=kit.router.attempts_on_fault)


def test_what_a_provider_refused_costs_nothing(making: Making, provider: Provider) -> None:
    """A 429 and a 401 come before any work: nothing is booked for them, and the answer costs its price."""
    kit = making("invoke")
    for status in (429, 401):
        provider.first(refusal(status))
        kit.run(row(kit, extract), {"item": "x"})
    kit.proven()
    assert (len(kit.entries()), len(provider.meter.rows())) == (4, 2)


@pytest.mark.parametrize("way", ["invoke", "amessages"])
def test_a_call_beside_a_question_is_not_made_again(making: Making, provider: Provider, way: str) -> None:
    """One branch asks a person while another one calls: the resume runs the first only, and pays for its call only."""
    kit = making(way)

    def approve(state: Any) -> Any:
        person = interrupt("go on?")
        return {"said": [person, (yield ask("what now then"))]}

    builder = kit.add(StateGraph(State), extract, approve).add_edge(START, "extract").add_edge(START, "approve")
    program = kit.compiled(builder, checkpointer=InMemorySaver())
    kit.run(program, {"item": "x"}, THREAD)
    kit.proven()
    assert sorted(kit.run(program, Command(resume="yes"), THREAD)["said"]) == [TEXT, TEXT, "yes"]
    kit.proven()
    assert (len(provider.meter.rows()), len(kit.records())) == (2, 1)


def test_a_resume_in_another_process_goes_on_with_the_same_books(
    making: Making, provider: Provider, tmp_path: Path
) -> None:
    """The router that is asked for the resume is another one on the same file: one episode, both calls in its books."""
    store, saver = f"sqlite:///{tmp_path / 'books.db'}", InMemorySaver()

    def hesitate(state: Any) -> Any:
        first = yield ask("what is to be done")
        return {"said": [first, interrupt("go on?"), (yield ask("and what now then"))]}

    first, second = making("invoke", store=store), making("invoke", store=store)
    first.run(row(first, hesitate, checkpointer=saver), {"item": "x"}, THREAD)
    first.proven()
    first.router.close()
    second.run(row(second, hesitate, checkpointer=saver), Command(resume="yes"), THREAD)
    second.proven()
    assert (len(provider.meter.rows()), len(second.entries()), len(second.records())) == (3, 3, 1)


def test_a_fork_after_a_cancelled_run_pays_for_both(making: Making, provider: Provider) -> None:
    """A run is cancelled in its second node, then forked before it: the call left behind and the new one are paid."""
    kit = making("ainvoke")

    def report(state: Any) -> Any:
        return {"said": [(yield ask(f"report on {state['item']} now"))]}

    program = row(kit, extract, report, checkpointer=InMemorySaver())
    gates = [provider.inject_gate(), provider.inject_gate()]
    gates[0].open()
    run = program.ainvoke({"item": "x"}, kit.config(THREAD))
    patient(kit, run, gates=gates[1:], then=lambda task: task.cancel())
    before = next(state for state in program.get_state_history(THREAD) if state.next == ("report",))
    found = kit.run(program, None, program.update_state(before.config, {"item": "y"}))
    assert found["said"] == [TEXT, TEXT]
    kit.proven(lost=1)
    assert len(kit.entries()) == 3


# -- calls that nobody makes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "messages", "amessages"])
def test_an_answer_out_of_langchains_cache_costs_nothing(making: Making, provider: Provider, way: str) -> None:
    """The same question twice: the server bills one, the books show one at its price and one at nothing."""
    kit = making(way)
    set_llm_cache(AnswerCache())
    try:
        for _ in range(2):
            assert kit.run(row(kit, extract), {"item": "x"})["said"] == [TEXT]
    finally:
        set_llm_cache(None)
    kit.proven()
    assert len(provider.meter.rows()) == 1
    prices = sorted(entry.settled.nano_usd for entry in kit.entries() if entry.settled)
    assert prices == [0, provider.meter.total().nano_dollars]


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "messages", "amessages"])
def test_a_node_out_of_langgraphs_cache_makes_no_call(making: Making, provider: Provider, way: str) -> None:
    """A node whose result is cached is not run, so there is one call, one line in the books and one bill."""
    kit = making(way)
    builder = kit.add(StateGraph(State), extract, cache_policy=CachePolicy()).add_edge(START, "extract")
    program = kit.compiled(builder, cache=NodeCache())
    for _ in range(2):
        assert kit.run(program, {"item": "x"})["said"] == [TEXT]
    kit.proven()
    assert len(provider.meter.rows()) == len(kit.entries()) == 1


def _content(kit: MeteredKit) -> Any:
    """A node that is content with being refused, so that its siblings go on."""
    asks = kit.function(extract)

    def content(state: Any, *, model: Any = None) -> Any:
        try:
            return asks(state, model=model)
        except BudgetExceeded:
            return {"said": ["refused"]}

    async def acontent(state: Any, *, model: Any = None) -> Any:
        try:
            return await asks(state, model=model)
        except BudgetExceeded:
            return {"said": ["refused"]}

    made: Any = acontent if kit.asynchronous else content
    made.__name__ = made.__qualname__ = "extract"
    return made


# -- the budget itself -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "messages", "amessages"])
def test_the_meter_never_passes_the_budget(making: Making, provider: Provider, way: str) -> None:
    """Twelve siblings under a budget for a few, some of them cut off untold: the server billed no more than it."""
    limit = 0.000_2
    config = RouterConfig(patience_s=0.2, output_caps={"execution": 100})
    kit = making(way, budget=Budget(total_dollars=limit), config=config)
    provider.first(UNTOLD, PLAIN, UNTOLD)

    builder = StateGraph(State)
    kit.door.add(kit, builder, _content(kit), None, {})
    sends = [Send("extract", {"item": str(number)}) for number in range(12)]
    program = kit.compiled(builder.add_conditional_edges(START, lambda state: sends, ["extract"]))
    said = kit.run(program, {"said": []})["said"]
    assert (len(said), "refused" in said) == (12, True)
    kit.proven(lost=None)
    assert 0 < provider.meter.total().nano_dollars <= round(limit * 1e9)
    assert len(provider.meter.rows()) < 12
