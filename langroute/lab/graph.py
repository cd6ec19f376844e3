"""The lab's agent as a LangGraph graph, for any chat models.

Built over the pure functions of `langroute.lab.agent`, so it does what the batched runner does. Written the way users
write graphs: nodes call `model.invoke(messages)` and know nothing of routing.
"""

import json
import operator
from collections.abc import Mapping
from typing import Annotated, Protocol, TypedDict

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage, convert_to_messages
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph

from langroute.errors import ConfigError
from langroute.lab import agent
from langroute.lab.calculator import CALCULATOR, calculate

NODES: tuple[agent.StepName, ...] = ("plan", "work", "check", "report")


class AgentState(TypedDict, total=False):
    """State of the agent: give it `problem`, find `answer` in it at the end.

    `attempts` are the messages of the failed attempts at the step under way, `failed` is how many there were;
    `retries` counts them over the whole run. `messages` is the transcript of everything asked and answered.
    """

    problem: str
    plan: list[str]
    done: int
    results: list[int]
    attempts: list[BaseMessage]
    failed: int
    retries: int
    last: list[BaseMessage]
    value: int
    expression: str
    messages: Annotated[list[BaseMessage], operator.add]
    answer: str
    next: str


class Node(Protocol):
    """What a node is: state in, update out."""

    def __call__(self, state: AgentState) -> AgentState:
        """Take the step."""


@tool(CALCULATOR)
def calculator(expression: str) -> int:
    """Work out an expression of whole numbers with * + - and a percentage as last term."""
    return calculate(expression)


def build_graph(models: BaseChatModel | Mapping[str, BaseChatModel]) -> "StateGraph[AgentState]":
    """Return the graph of the agent, not yet compiled, with the nodes plan, work, check and report.

    Args:
        models: one chat model for every node, or a mapping from node name to chat model.

    Raises:
        ConfigError: if the mapping lacks a node or names one that does not exist.
    """
    nodes = _models_by_node(models)
    builder = StateGraph(AgentState)
    builder.add_node("plan", plan_node(nodes["plan"]))
    builder.add_node("work", work_node(nodes["work"]))
    builder.add_node("check", check_node(nodes["check"]))
    builder.add_node("report", report_node(nodes["report"]))
    builder.add_edge(START, "plan")
    builder.add_conditional_edges("plan", route, ["work", "report"])
    builder.add_conditional_edges("work", route, ["work", "check", "report"])
    builder.add_conditional_edges("check", route, ["work", "report"])
    builder.add_edge("report", END)
    return builder


def _models_by_node(models: BaseChatModel | Mapping[str, BaseChatModel]) -> Mapping[str, BaseChatModel]:
    if not isinstance(models, Mapping):
        return dict.fromkeys(NODES, models)
    if set(models) != set(NODES):
        raise ConfigError(f"needs a model for each of {', '.join(NODES)}; got {', '.join(models)}", field="models")
    return models


def route(state: AgentState) -> str:
    """Go where the last step said."""
    return state["next"]


def plan_node(model: BaseChatModel) -> Node:
    """Return the node that plans."""

    def plan(state: AgentState) -> AgentState:
        """Read the problem and decide which steps to take, in which order."""
        prompt = convert_to_messages(agent.plan_messages(state["problem"]))
        reply = model.invoke(prompt)
        steps = agent.parse_plan(str(reply.text))
        return {
            "plan": list(steps),
            "done": 0,
            "results": [],
            "attempts": [],
            "failed": 0,
            "retries": 0,
            "messages": [*prompt, reply],
            "next": agent.next_step(steps, 0),
        }

    return plan


def work_node(model: BaseChatModel) -> Node:
    """Return the node that works."""
    worker = model.bind_tools([calculator])

    def work(state: AgentState) -> AgentState:
        """Extract the facts a step needs from the problem and call the calculator with them."""
        asked = agent.work_messages(state["problem"], state["plan"][state["done"]], state["results"])
        problem, instruction = convert_to_messages(asked)
        reply = worker.invoke([problem, *state["attempts"], instruction])
        result = agent.carry_out(_calls(reply))
        told = _tool_messages(reply, result.content, failed=result.value is None)
        verdict = agent.judge_work(result, state["failed"] + 1)
        update: AgentState = {"messages": [instruction, reply, *told], "last": [reply, *told]}
        if result.value is None:
            return update | (_give_up() if verdict == "give up" else _again(state, update["last"]))
        update |= {"value": result.value, "expression": result.expression}
        return update | (_accept(state, result.value) if verdict == "accept" else {"next": "check"})

    return work


def check_node(model: BaseChatModel) -> Node:
    """Return the node that checks."""

    def check(state: AgentState) -> AgentState:
        """Verify a claim beside its facts; send the work back if it is wrong."""
        step = state["plan"][state["done"]]
        prompt = convert_to_messages(
            agent.check_messages(state["problem"], step, state["results"], state["expression"])
        )
        reply = model.invoke(prompt)
        update: AgentState = {"messages": [*prompt, reply]}
        if agent.parse_verdict(str(reply.text)):
            return update | _accept(state, state["value"])
        return update | _again(state, [*_rejected(state["last"]), HumanMessage(agent.SENT_BACK)])

    return check


def report_node(model: BaseChatModel) -> Node:
    """Return the node that reports."""

    def report(state: AgentState) -> AgentState:
        """Tell the user the answer in a sentence."""
        prompt = convert_to_messages(agent.report_messages(state["problem"], state["results"]))
        reply = model.invoke(prompt)
        return {"messages": [*prompt, reply], "answer": str(reply.text)}

    return report


def _again(state: AgentState, attempt: list[BaseMessage]) -> AgentState:
    return {
        "attempts": [*state["attempts"], *attempt],
        "failed": state["failed"] + 1,
        "retries": state["retries"] + 1,
        "next": "work",
    }


def _accept(state: AgentState, value: int) -> AgentState:
    results = agent.add_result(state["plan"][state["done"]], state["results"], value)
    done = state["done"] + 1
    return {
        "results": list(results),
        "done": done,
        "attempts": [],
        "failed": 0,
        "next": agent.next_step(state["plan"], done),
    }


def _rejected(attempt: list[BaseMessage]) -> list[BaseMessage]:
    """Mark the results of an attempt as failed, as agents do when a checker refuses them."""
    return [
        message.model_copy(update={"status": "error"}) if isinstance(message, ToolMessage) else message
        for message in attempt
    ]


def _give_up() -> AgentState:
    return {"results": [], "next": "report"}


def _calls(reply: AIMessage) -> tuple[tuple[str, str], ...]:
    """Return the calls of a reply as (name, raw arguments), readable ones or not."""
    readable = [(call["name"], json.dumps(call["args"])) for call in reply.tool_calls]
    unreadable = [(call["name"] or "", call["args"] or "") for call in reply.invalid_tool_calls]
    return agent.spelled([*readable, *unreadable])


def _tool_messages(reply: AIMessage, content: str, *, failed: bool) -> list[BaseMessage]:
    """Answer every call of a reply, as providers demand; only the first was carried out."""
    ids = [call["id"] for call in (*reply.tool_calls, *reply.invalid_tool_calls)]
    if not ids:
        return [HumanMessage(content)]
    status = "error" if failed else "success"
    first = ToolMessage(content, tool_call_id=ids[0] or "", name=CALCULATOR, status=status)
    return [first, *(ToolMessage("error: no", tool_call_id=other or "", status="error") for other in ids[1:])]
