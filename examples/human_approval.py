"""A person is asked before a dear call: yes once, yes for the episode, no, or raise the budget first; offline.

The graph stops at LangGraph's `interrupt`, with nothing held and nothing called, and goes on with
`Command(resume=...)`. Here a list of answers stands in for the person. Run it: ``python examples/human_approval.py``
"""

from textwrap import fill
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from langroute import Budget, RoutedChatModel, RouterConfig, StepRouter, route_graph
from langroute.lab.demo import demo_tasks, lab_pool
from langroute.lab.graph import build_graph
from langroute.lab.world import grade
from langroute.money import format_dollars

ANSWERS: tuple[object, ...] = ("no", "once", {"raise_budget_to_usd": 0.004}, "episode")

CONFIG = RouterConfig(
    budget=Budget(total_dollars=0.003),
    tiers={"control": {"default": "large"}},  # plans go to the dear model, if a person agrees
    output_caps={"control": 40, "execution": 24, "verification": 4, "presentation": 10},
    actions={"ask_above_dollars": 0.001},
)


def main() -> None:
    """Run one task per answer, and print the question, the answer and what came of it."""
    router = StepRouter(lab_pool(), config=CONFIG)
    graph = route_graph(build_graph(RoutedChatModel(router)), router).compile(checkpointer=InMemorySaver())
    for number, (task, answer) in enumerate(zip(demo_tasks(len(ANSWERS)), ANSWERS, strict=True)):
        config: Any = {"configurable": {"thread_id": f"task-{number}"}}
        with router.episode(f"task-{number}") as episode:
            state = graph.invoke({"problem": task.problem}, config)
            asked = 0
            while questions := state.get("__interrupt__"):
                asked += 1
                if asked == 1:
                    print(fill(questions[0].value["action_requests"][0]["description"], 80))
                state = graph.invoke(Command(resume=answer), config)
            episode.finish(success=grade(task, state))
        arms = [record.decision.arm for record in router.journal.records(episode.id)]
        books = episode.look()
        spent, limit = format_dollars(books.spent.nano_usd), format_dollars(books.limits.nano_usd or 0)
        print(f"  {answer!r} to {asked} question{'s' * (asked != 1)}")
        print(f"  plan by {arms[0]}; {'right' if grade(task, state) else 'wrong'}; {spent} of {limit} spent\n")


if __name__ == "__main__":
    main()
