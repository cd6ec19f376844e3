"""The same agent under two config files, without a change of code: budget, kinds, pins, tiers and entry rules. Offline.

Run it: ``python examples/config_only.py``
"""

from pathlib import Path

from langchain_core.messages import HumanMessage

from langroute import RoutedChatModel, StepRouter, route_graph
from langroute.lab.demo import demo_tasks, lab_pool
from langroute.lab.graph import build_graph
from langroute.lab.world import grade
from langroute.money import format_dollars

TASKS = demo_tasks(4)


def run(config: Path) -> None:
    """Run the tasks under one file, then one request that comes in outside any graph: by voice, about billing."""
    router = StepRouter.from_file(config, lab_pool())
    model = RoutedChatModel(router)
    graph = route_graph(build_graph(model), router).compile()
    right, nano, arms = 0, 0, dict[str, set[str]]()
    for number, task in enumerate(TASKS):
        with router.episode(f"task-{number}") as episode:
            right += grade(task, graph.invoke({"problem": task.problem}))
        nano += episode.look().spent.nano_usd
        for record in router.journal.records(episode.id):
            arms.setdefault(record.step.node, set()).add(str(record.decision.arm))
    print(f"{config.name}: {right} of {len(TASKS)} right for {format_dollars(nano)}")
    for node, used in arms.items():
        print(f"  {node}: {', '.join(sorted(used))}")

    request = [HumanMessage(TASKS[0].problem), HumanMessage("plan")]
    model.invoke(request, {"metadata": {"langroute_channel": "voice", "langroute_domain": "billing"}})
    (record,) = router.journal.records(router.journal.episodes(limit=1)[0])
    made = f"{record.decision.arm} ({record.step.kind_reason})"
    print(f"  by voice, about billing: {made}, {format_dollars(record.ruling.reservation_nano or 0)} set aside")


def main() -> None:
    """Compare the two files that lie beside this one."""
    here = Path(__file__).parent
    run(here / "config_only_thrifty.yaml")
    run(here / "config_only_careful.toml")


if __name__ == "__main__":
    main()
