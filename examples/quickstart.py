"""A routed LangGraph agent in one page, offline: the lab's agent on the lab's tiny models, under a budget.

Run it: ``python examples/quickstart.py``
"""

from langroute import Budget, RoutedChatModel, StepRouter, route_graph
from langroute.lab.demo import demo_tasks, lab_pool
from langroute.lab.graph import build_graph
from langroute.lab.world import grade
from langroute.money import format_dollars


def main() -> None:
    """Run five tasks and print what each cost and who made its calls."""
    router = StepRouter(lab_pool(), budget=Budget(total_dollars=0.003))
    graph = route_graph(build_graph(RoutedChatModel(router)), router).compile()
    for number, task in enumerate(demo_tasks(5)):
        with router.episode(f"task-{number}") as episode:
            state = graph.invoke({"problem": task.problem})
            episode.finish(success=grade(task, state))
        records = router.journal.records(episode.id)
        path = " ".join(f"{record.step.node}:{record.decision.arm}" for record in records)
        right = "right" if grade(task, state) else "wrong"
        print(f"{right}  {format_dollars(episode.look().spent.nano_usd)}  {path}")


if __name__ == "__main__":
    main()
