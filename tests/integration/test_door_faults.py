"""A hostile user at the doors: odd nodes, odd settings, lost contexts. Nothing is lost, doubled or mixed up."""

import asyncio
import functools
import operator
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import tool
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import CachePolicy, Command, RetryPolicy, Send, interrupt
from pydantic import BaseModel

from langroute import (
    Budget,
    BudgetExceeded,
    ConfigError,
    ModelPool,
    RoutedChatModel,
    RouterConfig,
    StepRouter,
    route_graph,
)
from langroute.testing import Reply
from tests.integration.routed import SMALL, House


class State(TypedDict, total=False):
    """State of the test graphs."""

    out: Annotated[list[Any], operator.add]


@tool
def add(a: int = 0, b: int = 0) -> int:
    """Add two numbers."""
    return a + b


class Witness(BaseCallbackHandler):
    """Notes the runs of chat models."""

    def __init__(self) -> None:
        self.ids: list[uuid.UUID] = []
        self.tags: list[str] = []
        self.metadata: dict[str, Any] = {}
        self.ended = 0

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        """Note a run that begins."""
        self.ids.append(kwargs["run_id"])
        self.tags = list(kwargs.get("tags") or [])
        self.metadata = dict(kwargs.get("metadata") or {})

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        """Count a run that ends."""
        self.ended += 1


def graph_of(house: House, node: Any, **options: Any) -> Any:
    """A routed graph of one node."""
    builder = StateGraph(State).add_node("extract", node, **options).add_edge(START, "extract")
    return route_graph(builder.add_edge("extract", END), house.router).compile()


def only_records(house: House) -> list[tuple[str, str]]:
    """Node and kind of every record of the only episode."""
    return [(record.step.node, record.step.kind) for record in house.records(house.only_episode())]


# -- settings of the model itself --------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["invoke", "stream", "batch"])
def test_callbacks_given_at_construction_see_every_call_once(way: str) -> None:
    """Callbacks, tags and metadata of the routed model reach the run of the chosen model, whatever the way in."""
    house, witness = House(), Witness()
    llm = RoutedChatModel(house.router, callbacks=[witness], tags=["mine"], metadata={"langroute_arm": "large"})
    with house.router.episode("e"):
        list(getattr(llm, way)(["hi"]))
    assert witness.ended == len(witness.ids) == 1
    assert "mine" in witness.tags
    assert house.arms("e") == ["large"]


@pytest.mark.parametrize(
    "settings",
    [{"cache": True}, {"disable_streaming": True}, {"temperature": 0}, {"rate_limiter": object()}],
    ids=["cache", "disable_streaming", "temperature", "rate_limiter"],
)
def test_settings_without_effect_are_refused(settings: dict[str, Any]) -> None:
    """What only the chosen model can do is refused at construction, by name, with the way out."""
    with pytest.raises(ConfigError, match=f"^{next(iter(settings))}: .*models of the pool"):
        RoutedChatModel(House().router, **settings)


def test_every_attempt_is_a_run_of_its_own() -> None:
    """A run id given by the caller names the first attempt only, and the first prompt only."""
    wanted = uuid.uuid4()
    house, witness = House(small=[Reply(tool_calls=(("subtract", {}),))]), Witness()
    with house.router.episode("e"):
        config: RunnableConfig = {"run_id": wanted, "callbacks": [witness], "metadata": {"langroute_kind": "execution"}}
        house.llm.bind_tools([add]).invoke("add", config)
    assert house.arms("e") == ["small", "large"]
    assert [run == wanted for run in witness.ids] == [True, False]
    again, other = House(), Witness()
    with again.router.episode("e"):
        again.llm.generate([[HumanMessage("a")], [HumanMessage("b")]], callbacks=[other], run_id=wanted)
    assert [run == wanted for run in other.ids] == [True, False]


def test_bound_tools_can_be_inspected_as_those_of_any_model() -> None:
    """The tools in a binding are what is sent, so that code that looks into it finds names; the tool itself is kept."""
    house = House(small=[Reply(tool_calls=(("add", {"a": 1}),))])
    (bound,) = house.llm.bind_tools([add]).kwargs["tools"]  # type: ignore[attr-defined]
    assert bound["function"]["name"] == "add"
    assert bound.original is add


class Plain(BaseChatModel):
    """A chat model without a field for its output limit, which takes it with each call."""

    @property
    def _llm_type(self) -> str:
        return "plain"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """Bind tools as they are."""
        return self.bind(tools=tools, **kwargs)

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        call = {"name": "Limit", "args": {"tokens": kwargs.get("max_tokens")}, "id": "1"}
        return ChatResult(generations=[ChatGeneration(message=AIMessage("", tool_calls=[call]))])


class Limit(BaseModel):
    """What the model was told."""

    tokens: int


def test_a_model_without_a_field_for_its_limit_is_sent_one_with_structured_output() -> None:
    """Where the limit cannot be on the model it goes along with the call."""
    pool = ModelPool({"plain": Plain()}, prices={"plain": SMALL})
    router = StepRouter(pool, budget=Budget(total_dollars=1.0))
    with router.episode("e"):
        assert RoutedChatModel(router).with_structured_output(Limit).invoke("hi", max_tokens=9) == Limit(tokens=9)


def test_tokens_are_counted_as_the_pool_counts_them() -> None:
    """Trimming by the routed model's own count needs no tokenizer beyond those of the pool; the highest count holds."""
    house = House()
    house.pool._counters["large"] = lambda messages, tools: 7 * len(messages)
    house.pool._counters["small"] = lambda messages, tools: 5 * len(messages)
    assert house.llm.get_num_tokens_from_messages([HumanMessage("a"), HumanMessage("b")]) == 14


def test_wrapped_by_langchain_it_routes_all_the_same() -> None:
    """Pipes, retries, fallbacks, configs and bindings around the model make one routed call each."""
    house = House()
    prompt = ChatPromptTemplate.from_messages([("human", "{q}")])
    with house.router.episode("e"):
        assert (prompt | house.llm | StrOutputParser()).invoke({"q": "hi"}) == "small"
        assert "".join((prompt | house.llm | StrOutputParser()).stream({"q": "hi"})) == "small"
        assert house.llm.with_retry(stop_after_attempt=2).invoke("hi").content == "small"
        assert house.llm.with_fallbacks([house.llm]).bind_tools([add]).invoke("hi").content
        assert house.llm.with_config(metadata={"langroute_arm": "large"}).invoke("hi").content == "large"
        assert house.llm.model_copy().bind(stop=["x"]).invoke("hi").content == "small"
    assert len(house.records("e")) == len(house.small.calls) + len(house.large.calls) == 6


# -- nodes of every form -----------------------------------------------------------------------------------------


class Called:
    """A node that is an object."""

    def __init__(self, house: House) -> None:
        self.house = house

    def __call__(self, state: State) -> Any:
        """Make one call."""
        return {"out": [self.house.llm.invoke("x").content]}


def _injected(house: House) -> Any:
    def extract(state: State, config: RunnableConfig, runtime: Runtime[Any]) -> Any:
        assert isinstance(runtime, Runtime)
        assert config["metadata"]["langgraph_node"] == "extract"
        return Called(house)(state)

    return extract


def _commanding(house: House) -> Any:
    def extract(state: State) -> Command[Any]:
        return Command(update=Called(house)(state), goto=END)

    return extract


NODES: dict[str, Any] = {
    "lambda": lambda house: lambda state: {"out": [house.llm.invoke("x").content]},
    "partial": lambda house: functools.partial(lambda house, state: Called(house)(state), house),
    "object": Called,
    "sequence": lambda house: RunnableLambda(lambda state: "x") | house.llm | (lambda found: {"out": [found.content]}),
    "injected": _injected,
    "commanding": _commanding,
}


@pytest.mark.parametrize("form", NODES)
def test_nodes_of_every_form_are_classified_and_routed(form: str) -> None:
    """Whatever a node is, its one call belongs to the run's episode and to the node, and its update arrives."""
    house = House()
    assert graph_of(house, NODES[form](house)).invoke({"out": []})["out"] == ["small"]
    assert [node for node, _ in only_records(house)] == ["extract"]


def test_metadata_of_a_single_call_do_not_hide_its_node() -> None:
    """A call with metadata of its own still stands in its node, with the node's kind and purpose."""
    house = House()

    def extract(state: State) -> Any:
        found = house.llm.invoke("x", {"metadata": {"mine": 1}, "callbacks": []})
        return {"out": [found.content]}

    builder = StateGraph(State).add_node(extract).add_edge(START, "extract")
    route_graph(builder, house.router, kinds={"extract": "verification"}).compile().invoke({"out": []})
    (record,) = house.records(house.only_episode())
    assert (record.step.node, record.step.kind, record.step.purpose) == ("extract", "verification", "verification")


def test_the_node_cache_keeps_the_nodes_of_two_graphs_apart() -> None:
    """Nodes of one name in two graphs share no cached results because they are routed."""
    house, cache = House(), InMemoryCache[Any]()

    def first(state: State) -> Any:
        return {"out": ["first"]}

    def second(state: State) -> Any:
        return {"out": ["second"]}

    found = []
    for function in (first, second, first):
        builder = StateGraph(State).add_node("n", function, cache_policy=CachePolicy()).add_edge(START, "n")
        found += route_graph(builder, house.router).compile(cache=cache).invoke({"out": []})["out"]
    assert found == ["first", "second", "first"]


def test_an_error_handler_is_in_the_episode_of_its_run() -> None:
    """What a node's error handler asks is paid from the same budget."""
    house = House()

    def fails(state: State) -> Any:
        house.llm.invoke("x")
        raise RuntimeError("on purpose")

    def handles(state: State) -> Any:
        return {"out": ["handled", house.llm.invoke("x").content]}

    found = graph_of(house, fails, error_handler=handles).invoke({"out": []})
    assert found["out"] == ["handled", "small"]
    assert len(only_records(house)) == 2


def test_graphs_are_drawn_as_before() -> None:
    """Drawing with xray looks through a routed node at the graph it invokes."""
    house = House()
    inner = StateGraph(State).add_node("deep", Called(house)).add_edge(START, "deep").compile()
    graph = graph_of(house, lambda state: {"out": inner.invoke({"out": []})["out"]})
    outer = StateGraph(State).add_node("sub", inner).add_edge(START, "sub")
    assert "deep" in route_graph(outer, house.router).compile().get_graph(xray=True).draw_mermaid()
    assert "extract" in graph.get_graph(xray=True).draw_mermaid()
    assert graph.invoke({"out": []})["out"] == ["small"]


def test_two_routers_in_one_graph_keep_books_of_their_own() -> None:
    """A graph routed by two routers runs each one's calls under the same episode, in its own books."""
    one, two = House(), House()

    def both(state: State) -> Any:
        return {"out": [one.llm.invoke("x").content, two.llm.invoke("x").content]}

    builder = StateGraph(State).add_node("both", both).add_edge(START, "both")
    route_graph(route_graph(builder, one.router), two.router).compile().invoke({"out": []})
    assert one.only_episode() == two.only_episode()
    assert len(one.small.calls) == len(two.small.calls) == 1


def test_a_thread_without_context_is_warned_about_and_the_config_is_the_way_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A plain executor loses the episode, which is said; passing the node's config on keeps it."""
    house, other = House(), House()

    def lost(state: State) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return {"out": [pool.submit(house.llm.invoke, "x").result().content]}

    def kept(state: State, config: RunnableConfig) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return {"out": [pool.submit(other.llm.invoke, "x", config).result().content]}

    graph_of(house, lost).invoke({"out": []})
    assert "outside any graph and episode" in caplog.text
    graph_of(other, kept).invoke({"out": []})
    assert [node for node, _ in only_records(other)] == ["extract"]
    assert other.only_episode().startswith("run-")


# -- episodes of the functional API ------------------------------------------------------------------------------


@pytest.mark.parametrize("in_task", [True, False])
def test_each_input_of_an_entrypoint_is_a_turn_of_its_own(in_task: bool) -> None:
    """Under a thread id, a fresh input opens a new budget, and a resume goes on with the old one."""
    house = House()

    @task
    def asks(text: str) -> str:
        return str(house.llm.invoke(text).content)

    @entrypoint(checkpointer=InMemorySaver())
    def work(text: str) -> list[str]:
        first = asks(text).result() if in_task else str(house.llm.invoke(text).content)
        if text == "ask":
            interrupt("well?")
        return [first, str(house.llm.invoke("more").content)]

    thread: RunnableConfig = {"configurable": {"thread_id": "t"}}
    inputs: list[Any] = ["one", "two", "ask", Command(resume="yes"), "three"]
    for given in inputs:
        work.invoke(given, thread)
    house.router.flush()
    episodes = house.router.journal.episodes()
    assert len(episodes) == 4
    assert sum(len(house.records(episode)) for episode in episodes) == len(house.small.calls)


# -- tight budgets -----------------------------------------------------------------------------------------------


def _fan(house: House, *, asynchronous: bool) -> Any:
    def extract(state: State) -> Any:
        try:
            return {"out": [house.llm.invoke("x" * 50).content]}
        except BudgetExceeded:
            return {"out": ["refused"]}

    async def aextract(state: State) -> Any:
        try:
            return {"out": [(await house.llm.ainvoke("x" * 50)).content]}
        except BudgetExceeded:
            return {"out": ["refused"]}

    def report(state: State) -> Any:
        return {"out": ["reported " + str(house.llm.invoke("x").content)]}

    builder = StateGraph(State).add_node("report", report).add_edge("report", END)
    builder.add_node("extract", aextract if asynchronous else extract).add_edge("extract", "report")
    builder.add_conditional_edges(START, lambda state: [Send("extract", {}) for _ in range(8)], ["extract"])
    return route_graph(builder, house.router).compile()


@pytest.mark.parametrize("asynchronous", [True, False])
@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_the_final_node_has_its_reserve_when_others_were_refused(
    store: str, asynchronous: bool, tmp_path: Path
) -> None:
    """However many siblings want the money, none takes the reserve, and the last node may write its answer."""
    budget = Budget(total_dollars=0.000_02, reserve_for_final_synthesis=0.000_01)
    place = "memory://" if store == "memory" else f"sqlite:///{tmp_path / 'books.db'}"
    tight = RouterConfig(actions={"least_output_tokens": 1})  # so little is left that answers are a token or two
    small = lambda messages, kwargs: Reply(text="ok", input_tokens=90)  # noqa: E731 - as the other houses here
    house = House(budget=budget, store=place, small=small, config=tight)
    graph = _fan(house, asynchronous=asynchronous)
    found = asyncio.run(graph.ainvoke({"out": []})) if asynchronous else graph.invoke({"out": []})
    assert found["out"][-1] == "reported ok"
    assert "refused" in found["out"]
    balance = house.router.balance(house.only_episode())
    assert balance.held.nano_usd == 0
    assert balance.spent.nano_usd <= 20_000
    house.router.close()


def test_no_more_retries_than_allowed_under_a_retry_policy() -> None:
    """LangGraph may run a node as often as it likes: after hard_stop_after_retries no model is asked any more."""
    house = House(
        small=lambda messages, kwargs: LookupError("no"),
        large=lambda messages, kwargs: LookupError("no"),
        budget=Budget(total_dollars=1, hard_stop_after_retries=2),
    )
    policy = RetryPolicy(max_attempts=6, initial_interval=0.0, jitter=False, retry_on=Exception)
    with pytest.raises(BudgetExceeded, match="retries"):
        graph_of(house, Called(house), retry_policy=policy).invoke({"out": []})
    assert len(house.small.calls) + len(house.large.calls) == 3
