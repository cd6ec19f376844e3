"""Meter an app that nobody changed, and see what routing it would have cost; offline, on the lab's tiny models.

The app is a LangGraph agent on the dearest model. One callback at ``invoke`` meters its calls and logs which model
would have been chosen for each; it holds nothing, calls nothing and changes nothing.
Run it: ``python examples/metering.py``
"""

from rich.console import Console

from langroute import Budget, RoutingCallbackHandler, StepRouter, node_kinds
from langroute.lab.demo import CONFIG, demo_tasks, lab_pool
from langroute.lab.graph import build_graph
from langroute.lab.pool import lab_models
from langroute.observe.report import explain
from langroute.records import Kind

TASKS = 5


def main() -> None:
    """Run the app as it is under a metering callback, and print what was paid and what would have been."""
    builder = build_graph(lab_models()["large"])  # the app: it knows nothing of langroute
    app = builder.compile()

    kinds: dict[str, Kind] = {
        name: found.kind for name, found in node_kinds(builder).items()
    }  # looks at the graph, changes nothing
    router = StepRouter(lab_pool(), budget=Budget(total_dollars=0.003), kinds=kinds, config=CONFIG)
    handler = RoutingCallbackHandler(router)
    for number, task in enumerate(demo_tasks(TASKS)):
        app.invoke(
            {"problem": task.problem},
            {"callbacks": [handler], "metadata": {"langroute_episode": f"task-{number}"}},
        )

    totals = handler.totals
    print(f"{TASKS} tasks, {totals.calls} calls, {totals.input_tokens} tokens in, {totals.output_tokens} out")
    print(f"paid                                     ${totals.paid_usd:.5f}")
    print(f"by the arms that would have been chosen  ${totals.would_usd:.5f}  (the same tokens at their prices)")
    print(f"calls of unknown cost                    {totals.unknown}")
    print("\nThat says nothing of quality: nobody knows what other models would have answered.\nOne task:\n")
    router.flush()
    Console(width=80, highlight=False).print(explain(router.journal.records("task-4"), arms=router.pool.arms))


if __name__ == "__main__":
    main()
