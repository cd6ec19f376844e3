"""Nodes of a plain StateGraph, each saying with a decorator what it is; offline, on the lab's tiny models.

Nothing else about the graph changes: the decorator hands each node a routed model, finds its kind, and puts the run
under one budget. Run it: ``python examples/plain_graph.py``
"""

import asyncio
import json
from collections.abc import Sequence
from textwrap import fill
from typing import TypedDict

from langchain_core.messages import convert_to_messages
from langgraph.graph import END, START, StateGraph

from langroute import Budget, RoutedChatModel, StepRouter, find_episode, routed_node
from langroute.lab import agent
from langroute.lab.demo import demo_tasks, lab_pool
from langroute.lab.graph import calculator
from langroute.lab.world import grade
from langroute.money import format_dollars

router = StepRouter(lab_pool(), budget=Budget(total_dollars=0.002, reserve_for_final_synthesis=0.0002))


class Task(TypedDict):
    """What is asked."""

    problem: str


class State(Task):
    """What the nodes hand on."""

    plan: Sequence[str]
    results: Sequence[int]
    left: str
    answer: str


@routed_node(router, kind="control")
def plan(state: State, model: RoutedChatModel) -> dict[str, object]:
    """Decide which steps to take."""
    reply = model.invoke(convert_to_messages(agent.plan_messages(state["problem"])), max_tokens=40)
    return {"plan": agent.parse_plan(reply.text)}


@routed_node(router)  # its kind follows from its name, docstring and source
def calculate(state: State, model: RoutedChatModel) -> dict[str, object]:
    """Extract the numbers of each step and work them out with the calculator."""
    worker = model.bind_tools([calculator])
    results: tuple[int, ...] = ()
    for step in state["plan"]:
        asked = convert_to_messages(agent.work_messages(state["problem"], step, results))
        calls = worker.invoke(asked, max_tokens=24).tool_calls
        found = agent.carry_out([(call["name"], json.dumps(call["args"])) for call in calls])
        results = agent.add_result(step, results, found.value or 0)
    left = find_episode(router).remaining.dollars  # a node or a tool can read the budget
    return {"results": results, "left": f"${left:.6f}"}


@routed_node(router, kind="presentation", purpose="final_synthesis", arm="medium")
async def report(state: State, model: RoutedChatModel) -> dict[str, object]:
    """Tell the user the answer; always by the medium model, and on money that was kept for it."""
    asked = convert_to_messages(agent.report_messages(state["problem"], state["results"]))
    return {"answer": (await model.ainvoke(asked, max_tokens=10)).text}


async def main() -> None:
    """Run three tasks; print what was asked, what came out, and who made each call at what cost."""
    builder = StateGraph(State, input_schema=Task).add_node(plan).add_node(calculate).add_node(report)
    builder.add_edge(START, "plan").add_edge("plan", "calculate").add_edge("calculate", "report")
    graph = builder.add_edge("report", END).compile()
    for number, task in enumerate(demo_tasks(3)):
        with router.episode(f"task-{number}") as episode:
            state = await graph.ainvoke({"problem": task.problem})
            right = grade(task, state)
            episode.finish(success=right)
        print(f"{fill(task.problem, 80)}\n  -> {state['answer']} ({'right' if right else 'wrong'})")
        for record in router.journal.records(episode.id):
            cost = format_dollars(record.outcome.cost_nano) if record.outcome else "-"
            print(f"  {record.step.node:10} {record.step.kind:13} {record.decision.arm or 'nobody':7} {cost}")
        spent = format_dollars(episode.look().spent.nano_usd)
        print(f"  spent {spent} of $0.002; {state['left']} were left for more work before the report\n")


if __name__ == "__main__":
    asyncio.run(main())
