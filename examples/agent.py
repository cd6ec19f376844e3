"""Agents of `create_agent` under a budget, offline: three small agents solve a task with the lab's tiny models.

Each agent has a RoutingMiddleware, which puts in the router's choice before every model call. The worker is told to be
of the kind "execution": an agent with tools would count as "control" otherwise.

Run it: ``python examples/agent.py``
"""

from itertools import groupby
from typing import Any

from langchain.agents import create_agent
from langchain_core.tools import tool

from langroute import Budget, RoutedChatModel, RoutingMiddleware, StepRouter
from langroute.lab import agent as lab
from langroute.lab.calculator import calculate
from langroute.lab.demo import demo_tasks, lab_pool
from langroute.lab.world import Task, grade
from langroute.money import format_dollars


@tool(return_direct=True)
def calculator(expression: str) -> str:
    """Work out an expression of whole numbers with * + - and a percentage as last term."""
    try:
        return str(calculate(expression))
    except ValueError as error:
        return f"error: {error}"


class Team:
    """A planner, a worker with a calculator, and a reporter, all on one router.

    Args:
        router: decides which model makes each of their calls.
    """

    def __init__(self, router: StepRouter) -> None:
        llm = RoutedChatModel(router)
        self.planner = create_agent(llm, middleware=[RoutingMiddleware(router)], name="planner")
        self.worker = create_agent(
            llm, [calculator], middleware=[RoutingMiddleware(router, kind="execution")], name="worker"
        )
        self.reporter = create_agent(llm, middleware=[RoutingMiddleware(router)], name="reporter")

    def solve(self, problem: str) -> str:
        """The answer to a problem."""
        results: tuple[int, ...] = ()
        for step in lab.parse_plan(_say(self.planner, lab.plan_messages(problem))):
            said = _say(self.worker, lab.work_messages(problem, step, results))
            if said.isdigit():
                results = lab.add_result(step, results, int(said))
        return _say(self.reporter, lab.report_messages(problem, results))


def _say(agent: Any, messages: list[dict[str, Any]]) -> str:
    return str(agent.invoke({"messages": messages})["messages"][-1].text)


def solve(team: Team, router: StepRouter, number: int, task: Task) -> None:
    """Solve a task in an episode of its own, and print what it cost and who made its calls."""
    with router.episode(f"task-{number}") as episode:
        answer = team.solve(task.problem)
        right = grade(task, answer)
        episode.finish(success=right)
    records = router.journal.records(episode.id)
    calls = groupby(f"{record.step.kind}:{record.decision.arm}" for record in records)
    path = "  ".join(f"{call} x{len(list(group))}" for call, group in calls)
    print(f"{'right' if right else 'wrong'}  {format_dollars(episode.look().spent.nano_usd):<12} {answer}")
    print(f"       {path}")


def main() -> None:
    """Solve three tasks."""
    router = StepRouter(lab_pool(), budget=Budget(total_dollars=0.003))
    team = Team(router)
    for number, task in enumerate(demo_tasks(3)):
        solve(team, router, number, task)


if __name__ == "__main__":
    main()
