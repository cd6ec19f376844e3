"""An agent of scripted models whose truth is known, explored, exported and learned from: for tests of learned policies."""

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage
from langgraph.graph import END, START, MessagesState, StateGraph

from langroute.budget import Budget
from langroute.integrations.chat_model import RoutedChatModel
from langroute.integrations.graph import route_graph
from langroute.journal.store import open_journal
from langroute.learning.accepting import Wanted
from langroute.learning.boosted_sums import TreeOptions
from langroute.learning.boosting import BoostedLearner
from langroute.learning.export import export_journal
from langroute.learning.tables import train_table
from langroute.learning.training import Trained
from langroute.money import Price
from langroute.policies.exploring import ExploringPolicy
from langroute.pool import ModelPool
from langroute.router import StepRouter
from langroute.testing import Reply, ScriptedModel

PRICES = {
    "small": Price(input_per_million=0.1, output_per_million=0.4),
    "large": Price(input_per_million=2.0, output_per_million=8.0),
}
BUDGET = Budget(total_dollars=1.0)
PRESENT = "present what was found on:"
WORDS = ("city", "river", "harbour", "castle", "bridge", "market")


def question(number: int) -> str:
    """What is asked: every third asks for a proof, which the small model cannot give."""
    word = WORDS[number % len(WORDS)]
    return f"give the {'proof of the lemma on' if number % 3 == 0 else 'name of'} the {word} number {number}"


def answerer(name: str, seed: int = 0) -> Any:
    """How a model answers: the small one drafts wrong proofs, and is sure of itself only where it is right."""
    draws = random.Random(f"{name}-{seed}")  # noqa: S311 - a script, no secret

    def answer(messages: Sequence[BaseMessage], _: Mapping[str, Any]) -> Reply:
        asked = str(messages[0].content)
        right = name == "large" or "proof" not in asked or asked.startswith(PRESENT)
        doubt = draws.uniform(0.01, 0.1) if right else draws.uniform(0.4, 1.2)
        words = "right and complete" if right else "wrong and complete"
        return Reply(text=words, input_tokens=40, logprobs=(-doubt,) * 3)

    return answer


def pool(*names: str) -> ModelPool:
    """A pool of these models, or of both."""
    chosen = names or tuple(PRICES)
    models = {name: ScriptedModel(answerer(name), model_name=f"model-{name}") for name in chosen}
    prices = {name: PRICES.get(name, Price(input_per_million=1.0, output_per_million=4.0)) for name in chosen}
    return ModelPool(models, prices=prices)


def graph(router: StepRouter) -> Any:
    """Draft and report; a task is right where its draft was, for a report is well made by anybody."""
    model = RoutedChatModel(router)

    def draft(state: MessagesState) -> MessagesState:
        return {"messages": [model.invoke(state["messages"][:1])]}

    def report(state: MessagesState) -> MessagesState:
        asked = HumanMessage(f"{PRESENT} {state['messages'][0].content}")
        return {"messages": [model.invoke([asked])]}

    builder = StateGraph(MessagesState).add_node(draft).add_node(report)
    builder.add_edge(START, "draft").add_edge("draft", "report").add_edge("report", END)
    return route_graph(builder, router).compile()


def run(router: StepRouter, numbers: Sequence[int], *, begin: str = "task") -> None:
    """Ask questions, an episode each, and say how each ended."""
    agent = graph(router)
    for number in numbers:
        with router.episode(f"{begin}-{number}") as episode:
            state = agent.invoke({"messages": [HumanMessage(question(number))]})
            episode.finish(success=str(state["messages"][1].content).startswith("right"))
    router.flush()


def collected(folder: Path, *, tasks: int = 150) -> tuple[Path, Path, str]:
    """A table of explored steps, the table of what was asked, and the store they come from."""
    store = f"sqlite:///{folder / 'explored.db'}"
    with StepRouter(pool(), policy=ExploringPolicy(share=1.0, seed=3), budget=BUDGET, store=store) as router:
        run(router, range(tasks))
    journal = open_journal(store)
    table = folder / "steps.jsonl"
    export_journal(journal, table)
    journal.close()
    asked = folder / "tasks.jsonl"
    lines = [json.dumps({"task": f"task-{number}", "text": question(number)}) for number in range(tasks)]
    asked.write_text("\n".join(lines) + "\n")
    return table, asked, store


def trained(table: Path, asked: Path, **options: Any) -> Trained:
    """A small boosted policy of it, with a rule for cheap answers."""
    learner = BoostedLearner(options=TreeOptions(rounds=30, folds=3))
    wanted = Wanted(guarantee="marginal_risk", alpha=0.1)
    return train_table(table, learner, tasks=asked, folds=3, accept=wanted, **options)
