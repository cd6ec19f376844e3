"""Which visit of which node a call belongs to, read from what LangGraph writes into the config."""

from langchain_core.runnables import RunnableConfig

from langroute.steps.visits import Visit

_CHECKPOINTS = "checkpoint_map"  # namespace -> checkpoint that its superstep started from; there without a checkpointer


def visit_of(config: RunnableConfig) -> Visit | None:
    """The visit a call belongs to; None outside a graph.

    The moment is the superstep. In a subgraph, whose supersteps begin anew each time, the checkpoint that the parent's
    superstep started from comes first: the tasks of one superstep share it, a resumed task still has it, and its ids
    sort by time. Further out, tasks are told apart by the namespace, so that branches do not count each other's visits.

    Tasks that an ``@entrypoint`` calls in a loop all run in its one superstep: they are no cycle here.
    """
    metadata = config.get("metadata") or {}
    step = metadata.get("langgraph_step")
    namespace = metadata.get("langgraph_checkpoint_ns")
    if not isinstance(step, int) or not isinstance(namespace, str) or not namespace:
        return None
    if "|" not in namespace:
        return Visit(node=namespace.partition(":")[0], moment=("", step))
    levels = namespace.split("|")
    names = [level.partition(":")[0] for level in levels[-2:]]
    outer = "|".join(levels[:-2])
    node = "|".join([outer, *names]) if outer else "|".join(names)
    checkpoints = (config.get("configurable") or {}).get(_CHECKPOINTS)
    checkpoint = checkpoints.get(outer, "") if isinstance(checkpoints, dict) else ""
    return Visit(node=node, moment=(str(checkpoint), step))
