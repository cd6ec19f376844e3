"""breakerbox in the scenes of ``overspend.py``; runs in an environment with breakerbox and without langroute.

As its documentation enforces a budget: a LangGraph app in ``guard(budget_usd=..., on_trip="kill")``, whose model has a
``max_tokens`` of its own, under which it promises to stay below its budget. All at once is a fan-out with ``Send``; in
a row is one node that asks again when an answer was lost.
"""

import operator
import sys
import tempfile
from typing import Annotated, Any, TypedDict

from breakerbox import guard
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from openai import APITimeoutError

CALLS, CAP_USD, TOKENS, PATIENCE_S = 8, 0.02, 1_000, 0.15


class State(TypedDict):
    """What was said."""

    said: Annotated[list[str], operator.add]


def main(scene: str, base_url: str) -> None:
    """Make the calls."""
    timeout = PATIENCE_S if scene == "in_a_row" else 30
    model = ChatOpenAI(
        model="gpt-4o", base_url=base_url, api_key="none", max_tokens=TOKENS, max_retries=0, timeout=timeout
    )

    def ask(state: State) -> Any:
        return {"said": [str(model.invoke("x " * TOKENS).content)]}

    def ask_again(state: State) -> Any:
        for _ in range(CALLS):
            try:
                return ask(state)
            except APITimeoutError:
                continue
        return {"said": []}

    builder = StateGraph(State).add_node("ask", ask if scene == "at_once" else ask_again).add_edge("ask", END)
    if scene == "at_once":
        builder.add_conditional_edges(START, lambda state: [Send("ask", state) for _ in range(CALLS)], ["ask"])
    else:
        builder.add_edge(START, "ask")
    with tempfile.TemporaryDirectory() as folder:
        app = guard(builder.compile(), budget_usd=CAP_USD, on_trip="kill", report_dir=folder)
        try:
            app.invoke({"said": []})
        except Exception as exc:
            if type(exc).__name__ != "BudgetKilled":
                raise


if __name__ == "__main__":
    main(*sys.argv[1:3])
