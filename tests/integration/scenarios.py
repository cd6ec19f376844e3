"""What LangGraph can do to a call, each written once: a program around "a routed call", and what it must have cost.

A node is a generator: it yields what it asks its model, or a future, and is sent the answer; so it runs sync and async.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import Command, RetryPolicy, Send, interrupt

from langroute import RouterConfig, route_graph
from langroute.integrations.node import routed_node
from tests.integration.door_kits import Kit, Verdict, ask

TEXT = "one two three four"
THREAD: Any = {"configurable": {"thread_id": "t"}}


class State(TypedDict, total=False):
    """State of the programs."""

    said: Annotated[list[Any], operator.add]
    item: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a scenario must have cost.

    Attributes:
        calls: provider calls of each episode, in any order.
        arms: the arms that were demanded, in the order of the calls; None where the router was free.
        names: ids that the episodes must have; None where langroute gives them.
    """

    calls: tuple[int, ...]
    arms: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None


SCENARIOS: dict[str, Callable[[Kit], Expected]] = {}
SETTINGS: dict[str, dict[str, Any]] = {
    "an arm for a node by the configuration": {"config": RouterConfig(pins={"extract": "large"})}
}


def scenario(name: str) -> Callable[[Callable[[Kit], Expected]], Callable[[Kit], Expected]]:
    """Put a scenario into the matrix."""

    def note(function: Callable[[Kit], Expected]) -> Callable[[Kit], Expected]:
        SCENARIOS[name] = function
        return function

    return note


def extract(state: Any) -> Any:
    """Ask once."""
    return {"said": [(yield ask(f"extract this {state.get('item', '')}"))]}


def row(kit: Kit, *works: Any, arm: str | None = None, **options: Any) -> Any:
    """A graph of these nodes in a row."""
    builder, last = StateGraph(State), START
    for work in works:
        kit.add(builder, work, arm=arm)
        builder.add_edge(last, work.__name__)
        last = work.__name__
    return kit.compiled(builder, **options)


@scenario("a call in a node")
def a_call(kit: Kit) -> Expected:
    assert kit.run(row(kit, extract), {"item": "x"})["said"] == [TEXT]
    return Expected(calls=(1,))


@scenario("a call outside any graph")
def outside(kit: Kit) -> Expected:
    def work(text: str) -> Any:
        return (yield ask(text, config=kit.config({"metadata": {"langroute_episode": "e"}})))

    assert kit.alone(work, "tell me something", episode="e") == TEXT
    return Expected(calls=(1,), names=("e",))


@scenario("structured output")
def structured(kit: Kit) -> Expected:
    def judge(state: Any) -> Any:
        return {"said": [(yield ask("judge this please", schema=Verdict))]}

    assert kit.run(row(kit, judge), {"item": "x"})["said"] == [Verdict(ok=True)]
    return Expected(calls=(1,))


@scenario("a fan-out with Send")
def fan_out(kit: Kit) -> Expected:
    builder = kit.add(StateGraph(State), extract)
    builder.add_conditional_edges(
        START, lambda state: [Send("extract", {"item": str(i)}) for i in range(4)], ["extract"]
    )
    assert kit.run(kit.compiled(builder), {"said": []})["said"] == [TEXT] * 4
    return Expected(calls=(4,))


@scenario("subgraphs")
def subgraphs(kit: Kit) -> Expected:
    """A graph as a node, a graph in it, and a node of its own after them."""
    inner = row(kit, extract)
    middle = kit.add(StateGraph(State).add_node("inner", inner), extract)
    builder = StateGraph(State).add_node(
        "middle", kit.compiled(middle.add_edge(START, "inner").add_edge("inner", "extract"))
    )
    kit.add(builder, extract).add_edge(START, "middle").add_edge("middle", "extract")
    assert kit.run(kit.compiled(builder), {"said": []})["said"]
    return Expected(calls=(3,))


def hesitate(state: Any) -> Any:
    """Ask the model, ask a person, ask the model again."""
    first = yield ask("what is to be done")
    person = interrupt("go on?")
    return {"said": [first, person, (yield ask("and what now then"))]}


@scenario("interrupt and resume")
def interrupted(kit: Kit) -> Expected:
    """A resume runs the node from its start, so its first call is made again; a fresh input is another turn."""
    graph = row(kit, hesitate, checkpointer=InMemorySaver())
    for turn in (1, 2):
        kit.run(graph, {"item": "x"}, THREAD)
        assert graph.get_state(THREAD).next == ("hesitate",)
        assert kit.run(graph, Command(resume="yes"), THREAD)["said"] == [TEXT, "yes", TEXT] * turn
    return Expected(calls=(3, 3))


@scenario("a person before a graph in a node")
def interrupted_before(kit: Kit) -> Expected:
    """The first call after a resume stands in a graph that begins only then, and is still of the turn."""

    def approve(state: Any) -> Any:
        yield from ()
        return {"said": [interrupt("go on?")]}

    builder = kit.add(StateGraph(State), extract, approve).add_node("inner", row(kit, extract))
    builder.add_edge(START, "extract").add_edge("extract", "approve").add_edge("approve", "inner")
    graph = kit.compiled(builder, checkpointer=InMemorySaver())
    for _ in range(2):
        kit.run(graph, {"item": "x"}, THREAD)
        kit.run(graph, Command(resume="yes"), THREAD)
    return Expected(calls=(2, 2))


@scenario("all doors at once")
def together(kit: Kit) -> Expected:
    """A decorated node of a routed graph, under the metering handler, that calls the model or the agent of the door."""
    kit.is_metered = True
    builder = StateGraph(State).add_node("extract", routed_node(kit.router)(kit.function(extract)))
    kit.run(route_graph(builder.add_edge(START, "extract"), kit.router).compile(), {"said": []})
    assert (kit.handler.totals.routed, kit.handler.totals.calls) == (1, 0)
    return Expected(calls=(1,))


@scenario("time travel: replay and fork")
def time_travel(kit: Kit) -> Expected:
    """Going back rewinds the state and not the money: two calls, one made again, one made again on another state."""

    def report(state: Any) -> Any:
        return {"said": [(yield ask(f"report on {state['item']} now"))]}

    graph = row(kit, extract, report, checkpointer=InMemorySaver())
    kit.run(graph, {"item": "x"}, THREAD)
    before = next(state for state in graph.get_state_history(THREAD) if state.next == ("report",))
    kit.run(graph, None, before.config)
    kit.run(graph, None, graph.update_state(before.config, {"item": "y"}))
    return Expected(calls=(4,))


@scenario("a retry policy")
def retried(kit: Kit) -> Expected:
    """A node that fails after its call is run again by LangGraph: two calls were made and are paid."""
    failures = iter([ValueError("not yet")])

    def extract(state: Any) -> Any:
        answer = yield ask("extract this now")
        for failure in failures:
            raise failure
        return {"said": [answer]}

    policy = RetryPolicy(initial_interval=0.0, jitter=False, retry_on=ValueError)
    builder = kit.add(StateGraph(State), extract, retry_policy=policy).add_edge(START, "extract")
    assert kit.run(kit.compiled(builder), {"said": []})["said"] == [TEXT]
    return Expected(calls=(2,))


@scenario("@entrypoint and @task")
def functional(kit: Kit) -> Expected:
    """An entrypoint calls its model and two tasks, which call theirs."""

    def verify(text: str) -> Any:
        return (yield ask(f"verify {text} please"))

    checked = task(kit.door.node(kit, kit.function(verify)))

    def flow(text: str) -> Any:
        first = yield ask(f"plan {text} please")
        under_way = [checked("one"), checked("two")]
        return [first, (yield under_way[0]), (yield under_way[1])]

    program = entrypoint()(kit.door.node(kit, kit.function(flow)))
    assert kit.run(program, "it") == [TEXT] * 3
    return Expected(calls=(3,))


@scenario("a batch of runs")
def batch(kit: Kit) -> Expected:
    """Each input of a batch is a run, and an episode, of its own."""
    states = kit.run_batch(row(kit, extract), [{"item": item} for item in "abc"])
    assert [state["said"] for state in states] == [[TEXT]] * 3
    return Expected(calls=(1, 1, 1))


@scenario("a batch in a node")
def batch_inside(kit: Kit) -> Expected:
    def many(state: Any) -> Any:
        return {"said": (yield ask("first of these", "second of these", "third of these"))}

    assert kit.run(row(kit, many), {"said": []})["said"] == [TEXT] * 3
    return Expected(calls=(3,))


@tool
def look(at: str) -> str:
    """Look at something."""
    return f"seen {at}"


ASKED: Any = {"messages": [("user", "look at it and tell")]}


@scenario("an agent with a tool")
def agent(kit: Kit) -> Expected:
    program = kit.door.hosted(kit, kit.door.agent(kit, [look]))
    assert kit.run(program, ASKED)["messages"][-1].text == TEXT
    return Expected(calls=(2,))


@scenario("an agent whose tool asks a person")
def hesitant_agent(kit: Kit) -> Expected:
    """A tool interrupts the agent inside a node; the resume goes on after the call that was made."""

    @tool("look")
    def careful(at: str) -> str:
        """Look at something."""
        return f"seen {at}, {interrupt('may I?')}"

    inner = kit.door.agent(kit, [careful])

    def research(state: Any) -> Any:
        return {"said": [(yield ask("look at it and tell", agent=inner))]}

    graph = row(kit, research, checkpointer=InMemorySaver())
    kit.run(graph, {"said": []}, THREAD)
    assert kit.run(graph, Command(resume="yes"), THREAD)["said"] == [TEXT]
    return Expected(calls=(2,))


@scenario("deepagents with subagents")
def deep(kit: Kit) -> Expected:
    """The agent delegates to its general-purpose subagent and to a critic of its own; each looks, and tells."""
    critic = {"name": "critic", "description": "criticises", "system_prompt": "Criticise.", "tools": [look]}
    program = kit.door.hosted(kit, kit.door.deep_agent(kit, [look], critic))
    assert kit.run(program, ASKED)["messages"][-1].text == TEXT
    return Expected(calls=(7,))


@scenario("an arm for a node")
def arm_of_a_node(kit: Kit) -> Expected:
    for arm in ("large", "small"):
        kit.run(row(kit, extract, arm=arm), {"said": []}, {"metadata": {"langroute_episode": "mine"}})
    return Expected(calls=(2,), arms=("large", "small"), names=("mine",))


@scenario("an arm for a node by the configuration")
def arm_by_pins(kit: Kit) -> Expected:
    kit.run(row(kit, extract), {"said": []})
    return Expected(calls=(1,), arms=("large",))


@scenario("an arm for a call")
def arm_of_a_call(kit: Kit) -> Expected:
    def both(state: Any) -> Any:
        first = yield ask("tell me something", config={"metadata": {"langroute_arm": "large"}})
        return {"said": [first, (yield ask("tell me more", config={"metadata": {"langroute_arm": "small"}}))]}

    kit.run(row(kit, both), {"said": []})
    return Expected(calls=(2,), arms=("large", "small"))


@scenario("an arm for a run")
def arm_of_a_run(kit: Kit) -> Expected:
    for arm in ("large", "small"):
        run = {"configurable": {"langroute_arm": arm}, "metadata": {"langroute_episode": "mine"}}
        kit.run(row(kit, extract), {"said": []}, run)
    return Expected(calls=(2,), arms=("large", "small"), names=("mine",))


@scenario("an arm for an episode")
def arm_of_an_episode(kit: Kit) -> Expected:
    for arm in ("large", "small"):
        with kit.router.episode(arm, arm=arm):
            kit.run(row(kit, extract), {"said": []})
    return Expected(calls=(1, 1), arms=("large", "small"), names=("large", "small"))
