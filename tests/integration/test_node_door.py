"""routed_node: the kind, purpose and arm that a function says, wherever LangGraph runs it."""

import asyncio
import functools
import gc
import operator
import weakref
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tools import tool
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.types import CachePolicy, Command, RetryPolicy, Send, StreamWriter, interrupt

from langroute import Budget, ConfigError, RoutedChatModel, RouterConfig, node_kinds, route_graph
from langroute.actions import Actions
from langroute.integrations.node import routed_node, shared_model
from langroute.integrations.scope import find_episode
from tests.integration.routed import House


class State(TypedDict, total=False):
    """State of the test graphs."""

    out: Annotated[list[str], operator.add]
    item: str


class Narrow(TypedDict, total=False):
    """What a node wants of the state."""

    item: str


class Talk(TypedDict):
    """State of a graph of messages."""

    messages: Annotated[list[Any], operator.add]


def thread(name: str) -> RunnableConfig:
    """A config with a thread id."""
    return {"configurable": {"thread_id": name}}


def alone(function: Any, house: House | None = None, *, name: str = "n", **options: Any) -> Any:
    """A graph of this one node; routed by route_graph too where a house is given."""
    builder = StateGraph(State).add_node(name, function, **options).add_edge(START, name)
    return route_graph(builder, house.router) if house else builder


def seen(house: House) -> list[tuple[str, str, str | None]]:
    """Node, kind and arm of every call of the one episode."""
    records = house.records(house.only_episode())
    return [(record.step.node, record.step.kind, record.decision.arm) for record in records]


# -- the function as LangGraph sees it ---------------------------------------------------------------------------


def test_the_model_is_injected_and_everything_else_too() -> None:
    """config, runtime, store and writer arrive as before, the model comes from the router, unseen by LangGraph."""
    house = House()
    got: dict[str, Any] = {}

    @routed_node(house.router, kind="verification")
    def check(
        state: State,
        config: RunnableConfig,
        model: Any,
        *,
        runtime: Runtime[Any],
        store: BaseStore,
        writer: StreamWriter,
    ) -> State:
        got.update(config=config, runtime=runtime, store=store)
        writer({"half": "way"})
        return {"out": [model.invoke(state["item"]).content]}

    graph = alone(check).compile(store=InMemoryStore())
    pieces = list(graph.stream({"item": "x"}, stream_mode=["custom", "values"]))
    assert ("custom", {"half": "way"}) in pieces
    assert pieces[-1] == ("values", {"out": ["small"], "item": "x"})
    assert isinstance(got["runtime"], Runtime)
    assert isinstance(got["store"], InMemoryStore)
    assert got["config"]["metadata"]["langroute_kind"] == "verification"
    (record,) = house.records(house.only_episode())
    assert (record.step.kind, record.step.kind_reason, record.step.purpose) == (
        "verification",
        "set by routed_node",
        "verification",
    )


def test_hints_survive() -> None:
    """The input schema of the state's hint and the destinations of a Command are inferred as without the decorator."""
    house = House()

    @routed_node(house.router)
    def first(model: RoutedChatModel, state: Narrow) -> Command[Literal["second"]]:
        assert set(state) <= {"item"}
        return Command(update={"out": [str(model.invoke("x").content)]}, goto="second")

    @routed_node(house.router)
    def second(state: State) -> State:
        return {"out": ["end"]}

    builder = StateGraph(State).add_node(first).add_node(second).add_edge(START, "first")
    assert builder.nodes["first"].input_schema is Narrow
    assert builder.nodes["first"].ends == ("second",)
    assert builder.compile().invoke({"out": ["begin"], "item": "x"})["out"] == ["begin", "small", "end"]
    assert "model" not in first.__annotations__
    assert first.__doc__ is None
    assert second.__name__ == "second"


def test_the_model_is_injected_behind_any_number_of_arguments() -> None:
    """A keyword-only model arrives as one, however many arguments stand before it."""
    house = House()

    @routed_node(house.router, kind="execution")
    def join(*texts: str, model: Any) -> str:
        return f"{len(texts)} {model.invoke(' '.join(texts) or 'x').content}"

    with house.router.episode("e"):
        assert [join(), join("a"), join("a", "b", "c")] == ["0 small", "1 small", "3 small"]


def test_the_function_can_be_called_as_it_is() -> None:
    """Outside any graph it is a function: with the routed model, or with the one a test hands it."""
    house = House()

    @routed_node(house.router, kind="control")
    def plan(state: State, model: Any) -> str:
        """Plan it."""
        return str(model.invoke("x").content)

    with house.router.episode("e"):
        assert plan({}) == "large"
    assert plan({}, model=house.small) == "small"
    assert plan.__doc__ == "Plan it."
    assert house.records("e")[0].step.kind == "control"
    assert len(house.records("e")) == 1


class Nodes:
    """Nodes that are methods."""

    def __init__(self, house: House) -> None:
        self.house = house

    def extract(self, state: State, model: Any) -> State:
        """Extract."""
        return {"out": [str(model.invoke("x").content)]}

    async def aextract(self, state: State, model: Any) -> State:
        """Extract."""
        return {"out": [str((await model.ainvoke("x")).content)]}

    def __call__(self, state: State, model: Any) -> State:
        """Extract."""
        return self.extract(state, model)


@pytest.mark.parametrize("form", ["method", "async method", "object", "partial", "async partial"])
async def test_methods_and_objects_are_nodes_too(form: str) -> None:
    """Bound methods, callable objects and partials are decorated as functions are."""
    house = House()
    nodes = Nodes(house)
    forms: dict[str, Any] = {
        "method": nodes.extract,
        "async method": nodes.aextract,
        "object": nodes,
        "partial": functools.partial(Nodes.extract, nodes),
        "async partial": functools.partial(Nodes.aextract, nodes),
    }
    function = forms[form]
    graph = alone(routed_node(house.router, arm="large")(function)).compile()
    assert (await graph.ainvoke({"item": "x"}))["out"] == ["large"]
    assert [arm for _, _, arm in seen(house)] == ["large"]


def test_a_class_can_decorate_its_methods() -> None:
    """In a class body the decorator sees a function with self, and the bound method is the node."""
    house = House()

    class Work:
        """A node of its own."""

        @routed_node(house.router, kind="presentation")
        def report(self, state: State, model: Any) -> State:
            """Report."""
            return {"out": [str(model.invoke("x").content)]}

    graph = alone(Work().report, house, name="report").compile()
    assert graph.invoke({"item": "x"})["out"] == ["small"]
    assert seen(house) == [("report", "presentation", "small")]


def test_generators_stream_inside_their_episode_and_leave_nothing_behind() -> None:
    """A generator node runs inside the run's episode, and its reader's context stays as it was."""
    house = House()

    @routed_node(house.router, kind="control")
    def extract(state: State, model: Any) -> Iterator[State]:
        yield {"out": ["draft"]}
        yield {"out": [str(model.invoke("x").content)]}

    assert alone(extract).compile().invoke({"item": "x"})["out"] == ["large"]
    with house.router.episode("e") as around:
        made: Any = extract({})
        assert next(made) == {"out": ["draft"]}
        assert find_episode(house.router) is around
    with house.router.episode("f") as other:
        assert next(made) == {"out": ["large"]}
        assert find_episode(house.router) is other
    made.close()


async def test_async_generators_run_inside_their_episode() -> None:
    """An async generator is a routed function as well."""
    house = House()

    @routed_node(house.router, kind="control")
    async def extract(state: State, model: Any) -> AsyncIterator[str]:
        yield "draft"
        yield str((await model.ainvoke("x")).content)

    with house.router.episode("e"):
        pieces: Any = extract({})
        assert [piece async for piece in pieces] == ["draft", "large"]
    assert house.arms("e") == ["large"]


def test_what_cannot_be_decorated_is_refused_with_the_way_out() -> None:
    """Graphs, tasks, classes, other things than routers, unknown kinds, purposes and arms are refused by name."""
    house = House()
    decorate: Any = routed_node(house.router)
    wrong: Any = routed_node
    refused: list[tuple[Any, str]] = [
        (lambda: wrong(lambda state: state), r"router: must be a StepRouter.*write @routed_node\(router\)"),
        (lambda: wrong(house.router, kind="plan"), "kind: 'plan' is no kind"),
        (lambda: wrong(house.router, purpose="fun"), "purpose: 'fun' is no purpose; use one of general"),
        (lambda: routed_node(house.router, arm="huge"), "arm: the pool has no arm 'huge'; it has small, large"),
        (lambda: decorate(alone(lambda state: {}).compile()), "function: is a CompiledStateGraph"),
        (lambda: decorate(RunnableLambda(str)), "function: is a RunnableLambda.*langroute_kind"),
        (lambda: decorate(task(lambda state: state)), "function: is a task already; put @task above @routed_node"),
        (lambda: decorate(decorate(lambda state: state)), "function: is decorated with routed_node already"),
        (lambda: decorate(Nodes), "function: must be a function"),
    ]
    for act, message in refused:
        with pytest.raises(ConfigError, match=message):
            act()


def test_a_router_has_one_model_for_all_its_nodes() -> None:
    """All decorated functions of a router are handed the same model; another router has another."""
    house, other = House(), House()

    def handed(state: State, model: Any) -> Any:
        return model

    first, second = routed_node(house.router)(handed), routed_node(house.router, kind="control")(handed)
    assert first({}) is second({}) is shared_model(house.router)
    assert first({}) is not routed_node(other.router)(handed)({})


def test_a_shared_model_goes_with_its_router() -> None:
    """Nothing keeps a router alive that nobody uses any more."""
    house = House()
    gone = weakref.ref(house.router)
    shared_model(house.router)
    del house
    gc.collect()
    assert gone() is None


# -- who wins ----------------------------------------------------------------------------------------------------


def asks(house: House, **call: Any) -> Any:
    """A node that calls the house's own routed model, with metadata of its own."""

    def extract(state: State) -> State:
        config: RunnableConfig = {"metadata": call} if call else {}
        return {"out": [str(house.llm.invoke("x", config).content)]}

    return extract


KINDS: list[tuple[str | None, str | None, str | None, str | None, str]] = [
    # of the call, of the decorator, kinds= of route_graph, of the node's metadata: the kind it is
    ("presentation", "control", "execution", "verification", "presentation"),
    (None, "control", "execution", "verification", "control"),
    (None, None, "presentation", "verification", "presentation"),
    (None, None, None, "verification", "verification"),
    (None, "control", None, "verification", "control"),
    (None, None, None, None, "execution"),
]


@pytest.mark.parametrize(
    ("call", "decorator", "kinds", "metadata", "kind", "by_graph"),
    [(*case, True) for case in KINDS] + [(*case, False) for case in KINDS if case[2] is None],
)
def test_the_order_in_which_a_kind_is_found(
    call: Any, decorator: Any, kinds: Any, metadata: Any, kind: str, by_graph: bool
) -> None:
    """The call, the decorator, what the graph says of the node, what the node is: the first that speaks."""
    house = House()
    function = routed_node(house.router, kind=decorator)(asks(house, **({"langroute_kind": call} if call else {})))
    builder = StateGraph(State)
    builder.add_node("extract", function, metadata={"langroute_kind": metadata} if metadata else None)
    builder.add_edge(START, "extract")
    if by_graph:
        route_graph(builder, house.router, kinds={"extract": kinds} if kinds else None)
    builder.compile().invoke({"item": "x"})
    assert [found for _, found, _ in seen(house)] == [kind]


ARMS: list[tuple[str | None, str | None, str | None, str | None, str | None, str | None, str]] = [
    # of the call, the decorator, the node's metadata, config pins, the run's config, the episode: the arm that calls
    ("a", "b", "b", "b", "b", "b", "a"),
    (None, "a", "b", "b", "b", "b", "a"),
    (None, None, "a", "b", "b", "b", "a"),
    (None, None, None, "a", "b", "b", "a"),
    (None, None, None, None, "a", "b", "a"),
    (None, None, None, None, None, "a", "a"),
]


@pytest.mark.parametrize("arm", ["small", "large"])
@pytest.mark.parametrize(("call", "decorator", "metadata", "pins", "run", "episode", "chosen"), ARMS)
def test_the_order_in_which_a_pin_is_found(
    arm: str, call: Any, decorator: Any, metadata: Any, pins: Any, run: Any, episode: Any, chosen: str
) -> None:
    """A call's own pin, the decorator's, the node's, the config's, the run's, the episode's: the first that speaks."""
    names = {"a": arm, "b": "large" if arm == "small" else "small", None: None}
    house = House(config=RouterConfig(pins={"extract": names[pins]} if pins else {}))
    function = asks(house, **({"langroute_arm": names[call]} if call else {}))
    function = routed_node(house.router, arm=names[decorator])(function)
    builder = StateGraph(State).add_edge(START, "extract")
    builder.add_node("extract", function, metadata={"langroute_arm": names[metadata]} if metadata else None)
    config: RunnableConfig = {"configurable": {"langroute_arm": names[run]} if run else {}}
    with house.router.episode("e", arm=names[episode]):
        builder.compile().invoke({"item": "x"}, config)
    (record,) = house.records("e")
    assert record.step.pinned == record.decision.arm == names[chosen]


@pytest.mark.parametrize(
    ("pins", "arm"), [({"outer": "large"}, "large"), ({"outer": "large", "inner": "small"}, "small")]
)
def test_a_pin_of_a_node_holds_for_the_graphs_that_it_runs(pins: Any, arm: str) -> None:
    """The config's pin of a node reaches the calls of a graph inside; that of the nearest node counts."""
    house = House(config=RouterConfig(pins=pins))

    def inner(state: State) -> State:
        return {"out": [str(house.llm.invoke("x").content)]}

    agent = alone(inner, name="inner").compile()
    outer = alone(lambda state: agent.invoke({"item": "x"}), name="outer")
    outer.compile().invoke({"item": "x"})
    assert house.arms(house.only_episode()) == [arm]


def test_pins_are_checked_where_they_are_said() -> None:
    """A pin to an arm that the pool lacks is refused by its field, when the router or the episode is made."""
    with pytest.raises(ConfigError, match=r"pins\.plan: the pool has no arm 'huge'; it has small, large"):
        House(config=RouterConfig(pins={"plan": "huge"}))
    house = House()
    with pytest.raises(ConfigError, match="arm: the pool has no arm 'huge'"):
        house.router.episode("e", arm="huge")
    with pytest.raises(ConfigError, match=r"configurable\.langroute_arm: must be a non-empty string, not 3"):
        alone(asks(house)).compile().invoke({"item": "x"}, {"configurable": {"langroute_arm": 3}})


def test_an_episodes_arm_holds_for_nested_agents_with_threads_of_their_own() -> None:
    """router.episode(arm=) reaches every call in the block, and a later block of the same id keeps it."""
    house = House()
    nested = alone(asks(house)).compile(checkpointer=InMemorySaver())
    outer = alone(lambda state: nested.invoke({"item": "x"}, thread("child"))).compile(checkpointer=InMemorySaver())
    with house.router.episode("e", arm="large"):
        outer.invoke({"item": "x"}, thread("parent"))
    with house.router.episode("e"):
        house.llm.invoke("x")
    assert house.arms("e") == ["large", "large"]


def test_the_decorator_of_an_inner_node_wins_over_that_of_the_outer() -> None:
    """What is said of the node nearest to the call holds; what it does not say comes from the nodes around it."""
    house = House()
    inner = StateGraph(State).add_node("one", routed_node(house.router, kind="verification")(asks(house)))
    inner.add_node("two", routed_node(house.router)(asks(house))).add_edge(START, "one").add_edge("one", "two")
    graph = inner.compile()

    @routed_node(house.router, kind="control", arm="large", purpose="final_synthesis")
    def outer(state: State, model: Any) -> State:
        graph.invoke({"item": "x"})
        return {"out": [str(model.invoke("x").content)]}

    alone(outer, house, name="outer").compile().invoke({"item": "x"})
    records = house.records(house.only_episode())
    told = [(record.step.node, record.step.kind, record.step.purpose, record.step.pinned) for record in records]
    assert told == [
        ("one", "verification", "verification", "large"),
        ("two", "control", "final_synthesis", "large"),
        ("outer", "control", "final_synthesis", "large"),
    ]


def test_a_subgraphs_decorated_nodes_are_what_they_are() -> None:
    """A kind that the node around was classified as does not become that of a decorated node inside."""
    house = House()

    @routed_node(house.router)
    def extract(state: State, model: Any) -> State:
        return {"out": [str(model.invoke("x").content)]}

    builder = StateGraph(State).add_node("planner", alone(extract, name="extract").compile())
    route_graph(builder.add_edge(START, "planner"), house.router).compile().invoke({"item": "x"})
    assert seen(house) == [("extract", "execution", "small")]


def test_route_graph_takes_a_decorated_node_as_it_is() -> None:
    """It is neither wrapped nor classified again; its kind and purpose are in the metadata and in node_kinds."""
    house = House()
    function = routed_node(house.router, kind="presentation", purpose="human_handoff")(asks(house))
    builder = alone(function, house, name="extract")
    assert type(builder.nodes["extract"].runnable).__name__ == "RunnableCallable"
    assert builder.nodes["extract"].metadata == {
        "langroute_kind": "presentation",
        "langroute_kind_reason": "set by routed_node",
        "langroute_purpose": "human_handoff",
    }
    assert node_kinds(builder)["extract"].kind == "presentation"
    last = alone(routed_node(house.router, kind="presentation")(asks(house)), name="report").add_edge("report", END)
    assert route_graph(last, house.router).nodes["report"].metadata["langroute_purpose"] == "final_synthesis"
    last.compile().invoke({"item": "x"})
    assert house.records(house.only_episode())[0].step.purpose == "final_synthesis"


# -- whatever LangGraph does to a run ----------------------------------------------------------------------------


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_task_and_an_entrypoint_are_routed(asynchronous: bool) -> None:
    """@task takes no metadata, yet its kind reaches its calls; entrypoint and tasks share an episode."""
    house = House()

    @task
    @routed_node(house.router, kind="verification", arm="large")
    def check(text: str, *, model: Any) -> str:
        return str(model.invoke(text).content)

    @task
    @routed_node(house.router, kind="presentation")
    async def report(text: str, model: Any) -> str:
        return str((await model.ainvoke(text)).content)

    if asynchronous:

        @entrypoint(checkpointer=InMemorySaver())
        @routed_node(house.router, kind="control")
        async def work(text: str, *, model: Any, previous: Any = None) -> list[str]:
            first = str((await model.ainvoke(text)).content)
            return [first, await check(text), await report(text)]

        assert await work.ainvoke("x", thread("t")) == ["large", "large", "small"]
        kinds = ["control", "verification", "presentation"]
    else:

        @entrypoint(checkpointer=InMemorySaver())
        @routed_node(house.router, kind="control")
        def work_sync(text: str, *, model: Any) -> list[str]:
            return [str(model.invoke(text).content), check(text).result()]

        assert work_sync.invoke("x", thread("t")) == ["large", "large"]
        kinds = ["control", "verification"]
    assert [kind for _, kind, _ in seen(house)] == kinds
    assert house.only_episode().startswith("t#")


@pytest.mark.parametrize("mode", ["values", "updates", "messages", "custom"])
@pytest.mark.parametrize("asynchronous", [True, False])
async def test_every_stream_mode(mode: Any, asynchronous: bool) -> None:
    """Streams of a graph show what they show without routing, and each call is made and booked once."""
    house = House(small=lambda messages, kwargs: "one two")

    @routed_node(house.router, kind="presentation")
    def report(state: State, model: Any, writer: StreamWriter) -> State:
        writer("written")
        return {"out": [str(model.invoke("x").content)]}

    @routed_node(house.router, kind="presentation")
    async def areport(state: State, model: Any, writer: StreamWriter) -> State:
        writer("written")
        return {"out": [str((await model.ainvoke("x")).content)]}

    graph = alone(areport if asynchronous else report, house).compile()
    if asynchronous:
        pieces = [piece async for piece in graph.astream({"item": "x"}, stream_mode=mode)]
    else:
        pieces = list(graph.stream({"item": "x"}, stream_mode=mode))
    text = "".join(str(piece[0].content) for piece in pieces) if mode == "messages" else str(pieces[-1])
    assert {"custom": "written"}.get(mode, "one two") in text
    (record,) = house.records(house.only_episode())
    assert (record.outcome.worst_case, len(house.small.calls)) == (False, 1)


async def test_a_fan_out_of_decorated_nodes_shares_one_episode() -> None:
    """Siblings of one superstep, sync ones in threads and async ones in tasks, are told apart and booked together."""
    house = House()

    @routed_node(house.router, kind="execution")
    def work(state: State, model: Any) -> State:
        return {"out": [str(model.invoke(state["item"]).content)]}

    @routed_node(house.router, kind="control")
    async def plan(state: State, model: Any) -> State:
        return {"out": [str((await model.ainvoke(state["item"])).content)]}

    def spread(state: State) -> list[Send]:
        return [Send("work" if number % 2 else "plan", {"item": str(number)}) for number in range(8)]

    builder = StateGraph(State).add_node(work).add_node(plan).add_conditional_edges(START, spread, ["work", "plan"])
    out = (await builder.compile().ainvoke({"out": []}))["out"]
    assert sorted(out) == ["large"] * 4 + ["small"] * 4
    assert sorted(seen(house)) == [("plan", "control", "large")] * 4 + [("work", "execution", "small")] * 4


def asking(house: House, saver: Any) -> Any:
    """A graph whose one decorated node calls, asks a human, and calls again."""

    @routed_node(house.router, kind="execution")
    def extract(state: State, model: Any) -> State:
        first = str(model.invoke("one").content)
        answer = interrupt("go on?")
        return {"out": [first, str(answer), str(model.invoke("two").content)]}

    return alone(extract).compile(checkpointer=saver)


def test_interrupt_resume_and_time_travel_stay_in_the_turn() -> None:
    """A resume runs the node again, a replay too, all from the turn's budget; a new input is a new turn."""
    house = House()
    graph = asking(house, InMemorySaver())
    graph.invoke({"item": "x"}, thread("t"))
    done = graph.invoke(Command(resume="yes"), thread("t"))
    assert done["out"] == ["small", "yes", "small"]
    assert len(house.records(house.only_episode())) == 3
    start = next(state for state in graph.get_state_history(thread("t")) if state.next == ("n",))
    graph.invoke(None, start.config)
    assert len(house.records(house.only_episode())) == 4
    graph.invoke({"item": "y"}, thread("t"))
    house.router.flush()
    assert len(house.router.journal.episodes()) == 2


def test_a_retry_policy_is_pressure() -> None:
    """A decorated node that LangGraph runs again is a retry in the books and goes to a stronger arm."""
    house = House(small=lambda messages, kwargs: "")

    @routed_node(house.router, kind="execution")
    def extract(state: State, model: Any) -> State:
        text = str(model.invoke("x").content)
        if not text:
            raise ValueError("empty")
        return {"out": [text]}

    policy = RetryPolicy(initial_interval=0.0, jitter=False, max_attempts=3, retry_on=ValueError)
    assert alone(extract, retry_policy=policy).compile().invoke({"item": "x"})["out"] == ["large"]
    records = house.records(house.only_episode())
    assert [record.step.pressure.retries for record in records] == [0, 1]


def test_a_batch_is_an_episode_for_each_input() -> None:
    """graph.batch runs its inputs side by side, each under a budget of its own."""
    house = House()
    graph = alone(routed_node(house.router, kind="execution")(asks(house))).compile()
    assert [found["out"] for found in graph.batch([{"item": "x"}] * 4)] == [["small"]] * 4
    house.router.flush()
    assert [len(house.records(episode)) for episode in house.router.journal.episodes()] == [1] * 4


def test_the_node_cache_spares_the_call() -> None:
    """A cached node is not run and not billed, and decorated functions of one node name are told apart."""
    house, cache = House(), InMemoryCache[Any]()
    first = routed_node(house.router, kind="execution")(Nodes(house).extract)
    other = routed_node(house.router, kind="control")(asks(house))
    found = []
    for function in (first, other, first, other):
        graph = alone(function, house, cache_policy=CachePolicy()).compile(cache=cache)
        found += graph.invoke({"item": "x"})["out"]
    assert found == ["small", "large", "small", "large"]
    assert (len(house.small.calls), len(house.large.calls)) == (1, 1)


def test_graphs_called_inside_are_still_found() -> None:
    """Drawing with xray and get_subgraphs look through a decorated node at the graph that it invokes."""
    house = House()
    inner = StateGraph(State).add_node("deep", asks(house)).add_edge(START, "deep").compile()

    @routed_node(house.router, kind="execution")
    def extract(state: State, model: Any) -> State:
        return {"out": inner.invoke({"item": "x"})["out"]}

    graph = alone(extract, name="extract").compile()
    assert "deep" in graph.get_graph(xray=True).draw_mermaid()
    assert graph.invoke({"item": "x"})["out"] == ["small"]
    assert [node for node, _, _ in seen(house)] == ["deep"]


def test_an_agent_in_an_agent_in_an_agent_is_one_episode() -> None:
    """Agents that call agents through tools, each with a thread of its own, all draw on the outermost budget."""
    house = House()
    saver = InMemorySaver()

    @routed_node(house.router, kind="execution")
    def deepest(state: State, model: Any) -> State:
        return {"out": [str(model.invoke("x").content)]}

    third = alone(deepest).compile(checkpointer=saver)

    @tool
    def delegate(text: str) -> str:
        """Ask another agent."""
        return str(third.invoke({"item": text}, thread("third"))["out"])

    builder = StateGraph(Talk).add_node("tools", ToolNode([delegate])).add_edge(START, "tools")
    second = builder.compile(checkpointer=saver)
    call = {"name": "delegate", "args": {"text": "x"}, "id": "1", "type": "tool_call"}

    @routed_node(house.router, kind="control")
    async def first(state: State, model: Any) -> State:
        await second.ainvoke({"messages": [AIMessage("", tool_calls=[call])]}, thread("second"))
        return {"out": [str((await model.ainvoke("x")).content)]}

    graph = alone(first, name="first").compile(checkpointer=saver)
    asyncio.run(graph.ainvoke({"item": "x"}, thread("first")))
    assert seen(house) == [("n", "execution", "small"), ("first", "control", "large")]
    assert house.only_episode().startswith("first#")


def test_what_is_said_reaches_a_thread_with_the_config() -> None:
    """A plain thread pool loses the context; the config that the node was handed carries all of it."""
    house = House()

    @routed_node(house.router, kind="verification", arm="large")
    def extract(state: State, config: RunnableConfig) -> State:
        with ThreadPoolExecutor(1) as pool:
            return {"out": [str(pool.submit(house.llm.invoke, "x", config).result().content)]}

    alone(extract, name="extract").compile().invoke({"item": "x"})
    assert seen(house) == [("extract", "verification", "large")]


# -- the budget, read inside -------------------------------------------------------------------------------------


@pytest.mark.parametrize("routed", [True, False])
async def test_the_budget_is_read_in_a_node_and_in_a_tool(routed: bool) -> None:
    """find_episode gives the run's episode in nodes and tools, in a routed graph and in one that nobody routed."""
    house = House()
    found = []

    @tool
    def spent(text: str) -> str:
        """Whether something was spent and something is left."""
        episode = find_episode(house.router)
        return f"{episode.id} {0 < (episode.remaining.dollars or 0) < 1}"

    def plan(state: dict[str, Any]) -> dict[str, Any]:
        house.llm.invoke("x")
        found.append(find_episode(house.router).id)
        call = {"name": "spent", "args": {"text": "x"}, "id": "1", "type": "tool_call"}
        return {"messages": [AIMessage("", tool_calls=[call])]}

    builder = StateGraph(Talk).add_node(plan).add_node("tools", ToolNode([spent]))
    builder.add_edge(START, "plan").add_edge("plan", "tools")
    graph = (route_graph(builder, house.router) if routed else builder).compile()
    for act in (graph.invoke, graph.ainvoke):
        done: Any = act({"messages": [HumanMessage("x")]})
        done = await done if asyncio.iscoroutine(done) else done
        assert done["messages"][-1].content == f"{found[-1]} True"
    assert len(set(found)) == 2


def test_no_episode_is_said_so() -> None:
    """Outside any run and block there is no episode, and none is invented."""
    house = House()
    with pytest.raises(ConfigError, match=r"config: no episode is around this code; call it inside a node"):
        find_episode(house.router)
    with house.router.episode("e") as episode:
        assert find_episode(house.router) is episode
        assert find_episode(House().router).id == "e"
    assert find_episode(house.router, {"metadata": {"langroute_episode": "e"}}) is episode


# -- nodes that may be left out ----------------------------------------------------------------------------------


def thrifty() -> House:
    """A house whose governor leaves out every node it may, once anything was spent."""
    return House(config=RouterConfig(budget=Budget(total_dollars=1.0), actions=Actions(skip_below=1.0)))


def skipped(house: House) -> list[tuple[str, bool]]:
    """Which nodes were left out in all episodes, and whether it was said why."""
    house.router.flush()
    episodes = house.router.journal.episodes()
    actions = [action for episode in episodes for action in house.router.journal.actions(episode)]
    return [(action.node, "is optional" in action.reason) for action in actions if action.action == "skip"]


@pytest.mark.parametrize("by", ["decorator", "argument", "metadata", "argument over a decorator", "a second time"])
async def test_a_node_that_is_optional_is_left_out(by: str) -> None:
    """It makes no call and no update, the graph goes on, and it is told once; nodes that are not optional stay."""
    house = thrifty()
    function: Any = asks(house)
    if by in ("decorator", "argument over a decorator"):
        function = routed_node(house.router, optional=by == "decorator")(function)
    builder = StateGraph(State).add_node("polish", function, metadata={"langroute_optional": by == "metadata"})
    for name in ("extract", "report"):
        builder.add_node(name, asks(house))
    builder.add_edge(START, "extract").add_edge("extract", "polish").add_edge("polish", "report")
    if by == "a second time":
        route_graph(builder, house.router)
    route_graph(builder, house.router, optional=() if by in ("decorator", "metadata") else ["polish"])
    graph = builder.compile()
    assert graph.invoke({"out": ["begin"]})["out"] == ["begin", "small", "small"]
    assert (await graph.ainvoke({"out": ["begin"]}))["out"] == ["begin", "small", "small"]
    assert skipped(house) == [("polish", True)] * 2


async def test_functions_of_every_nature_can_be_left_out() -> None:
    """Coroutines and both kinds of generators give the empty update when they are left out."""
    house = thrifty()
    decorate: Any = routed_node(house.router, optional=True)

    async def coroutine(state: State) -> State:
        raise AssertionError

    def generator(state: State) -> Iterator[State]:
        yield from ()
        raise AssertionError

    async def stream(state: State) -> AsyncIterator[State]:
        raise AssertionError
        yield {}

    with house.router.episode("e"):
        house.llm.invoke("x")
        assert await decorate(coroutine)({}) == {}
        assert list(decorate(generator)({})) == [{}]
        assert [piece async for piece in decorate(stream)({})] == [{}]
    assert skipped(house) == [("coroutine", True), ("generator", True), ("stream", True)]


async def test_an_optional_node_runs_while_there_is_money(tmp_path: Path) -> None:
    """Nothing is left out before the budget runs low, also where the books are in a file."""
    house = House(store=f"sqlite:///{tmp_path / 'books.db'}")
    graph = route_graph(alone(asks(house)), house.router, optional=["n"]).compile()
    assert graph.invoke({"item": "x"})["out"] == ["small"]
    assert (await graph.ainvoke({"item": "x"}))["out"] == ["small"]
    assert skipped(house) == []
    house.router.close()


def test_what_cannot_be_left_out_is_refused() -> None:
    """A compiled graph is no node that can be left out, and an unknown name is refused with those there are."""
    house = House()
    builder = StateGraph(State).add_node("sub", alone(asks(house)).compile()).add_edge(START, "sub")
    with pytest.raises(ConfigError, match=r"optional\.sub: is a compiled graph, which cannot be left out"):
        route_graph(builder, house.router, optional=["sub"])
    with pytest.raises(ConfigError, match=r"optional\.nope: the graph has no such node; it has sub"):
        route_graph(builder, house.router, optional=["nope"])
