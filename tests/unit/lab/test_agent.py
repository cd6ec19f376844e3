"""The agent: its steps, its bounds, and that graph and batched runner are one agent."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolMessage

from langroute.errors import ConfigError
from langroute.lab import agent
from langroute.lab.calculator import ToolResult
from langroute.lab.chat import encode_chat
from langroute.lab.chat_model import LabChatModel
from langroute.lab.engine import MODEL_NAMES, LabModel
from langroute.lab.graph import build_graph
from langroute.lab.lessons import arguments, draw_row, oracle_states, report_text, wrong_expression
from langroute.lab.runner import Run, always, by_step, run_tasks
from langroute.lab.vocabulary import UNK, encode_text
from langroute.lab.world import grade, sample_task

TASKS = [sample_task(2_000_000_000 + index) for index in range(6)]


@pytest.fixture(scope="module")
def models() -> dict[str, LabModel]:
    return {name: LabModel.load(name) for name in MODEL_NAMES}


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_graph_and_runner_are_one_agent(name: str, models: dict[str, LabModel]) -> None:
    """The LangGraph agent over chat models and the batched runner give the same plans, results, retries and answers."""
    graph = build_graph(LabChatModel(model=name, temperature=0)).compile()
    for task, run in zip(TASKS, run_tasks(TASKS, models, always(name)), strict=True):
        state = graph.invoke({"problem": task.problem})
        assert state["answer"] == (run.answer or "")
        assert (tuple(state["plan"]), state["retries"]) == (run.plan, run.retries)
        assert grade(task, state) == run.success


async def test_graph_runs_with_a_model_for_each_node(models: dict[str, LabModel]) -> None:
    """A mapping gives each node its own model, also when run asynchronously."""
    names = {"plan": "lab-large", "work": "lab-small", "check": "lab-medium", "report": "lab-small"}
    graph = build_graph({node: LabChatModel(model=name, temperature=0) for node, name in names.items()}).compile()
    states = await asyncio.gather(*(graph.ainvoke({"problem": task.problem}) for task in TASKS[:3]))
    runs = run_tasks(TASKS[:3], models, by_step(names))
    assert [state["answer"] for state in states] == [run.answer for run in runs]


def test_unknown_nodes_are_refused() -> None:
    """A mapping that lacks a node is an error naming the nodes there are."""
    with pytest.raises(ConfigError, match="plan, work, check, report"):
        build_graph({"plan": GenericFakeChatModel(messages=iter(()))})


class Scripted(GenericFakeChatModel):
    """Says what it is told to, and remembers what it was asked."""

    asked: list = []  # noqa: RUF012 - a pydantic field, copied for each instance

    def bind_tools(self, tools, **kwargs):
        return self

    def invoke(self, input, config=None, **kwargs):  # noqa: A002 - LangChain's name
        self.asked.append(list(input))
        return super().invoke(input, config, **kwargs)


def _call(expression: str, call_id: str = "a") -> AIMessage:
    return AIMessage("", tool_calls=[{"name": "calculator", "args": {"expression": expression}, "id": call_id}])


def test_failed_calls_and_send_backs_are_retried_in_sight() -> None:
    """A retry is sent the failed call with the tool's error, then the rejected one with the checker's word.

    Both results are marked as errors, so that whoever watches the messages sees the trouble.
    """
    unreadable = AIMessage(
        "", invalid_tool_calls=[{"name": "calculator", "args": '{"expression"', "id": "x", "error": None}]
    )
    worker = Scripted(messages=iter([unreadable, _call("5 * 5"), _call("3 * 4")]), asked=[])
    graph = build_graph(
        {
            "plan": Scripted(messages=iter([AIMessage("cost pens")])),
            "work": worker,
            "check": Scripted(messages=iter([AIMessage("wrong")])),
            "report": Scripted(messages=iter([AIMessage("you pay 12 dollars")])),
        }
    ).compile()
    state = graph.invoke({"problem": "guest : pens 3 at 4 , cups 5 at 5 . cost of pens ?"})
    assert (state["retries"], state["results"], state["answer"]) == (2, [12], "you pay 12 dollars")
    third = worker.asked[2]
    assert [type(message).__name__ for message in third] == [
        "HumanMessage", "AIMessage", "ToolMessage", "AIMessage", "ToolMessage", "HumanMessage", "HumanMessage",
    ]  # fmt: skip
    tools = [message for message in third if isinstance(message, ToolMessage)]
    assert [(message.status, message.content) for message in tools] == [
        ("error", "error: arguments not json"),
        ("error", "25"),
    ]
    assert third[5].content == "wrong"


def test_endless_failure_ends() -> None:
    """A worker that never makes a readable call is given up after its last attempt, and the agent reports."""
    worker = Scripted(messages=iter([AIMessage("no idea")] * 5), asked=[])
    graph = build_graph(
        {
            "plan": Scripted(messages=iter([AIMessage("cost pens; cost cups")])),
            "work": worker,
            "check": Scripted(messages=iter([])),
            "report": Scripted(messages=iter([AIMessage("you pay 0 dollars")])),
        }
    ).compile()
    state = graph.invoke({"problem": "guest : pens 3 at 4 . cost of pens ?"})
    assert len(worker.asked) == agent.MAX_ATTEMPTS
    assert state["answer"] == "you pay 0 dollars"


@given(st.text())
def test_any_plan_is_read_and_bounded(text: str) -> None:
    """Whatever a model says, the plan is a bounded list of steps the agent knows."""
    plan = agent.parse_plan(text)
    assert len(plan) <= agent.MAX_PLAN_STEPS
    assert agent.parse_plan("; ".join(plan)) == plan


def test_a_missing_call_is_an_error_like_others() -> None:
    """A reply without any call is tried again, and after the last attempt given up."""
    result = agent.carry_out(())
    assert result.value is None
    assert agent.judge_work(result, 1) == "retry"
    assert agent.judge_work(result, agent.MAX_ATTEMPTS) == "give up"
    good = ToolResult(content="1", value=1)
    assert [agent.judge_work(good, attempt) for attempt in (1, 2, 3)] == ["check", "check", "accept"]


def test_the_oracle_solves_every_task() -> None:
    """Doing what the lessons teach, step by step through the agent's own functions, gives the right answer."""
    for seed in range(300):
        task, results = sample_task(seed), ()
        for step, before, expression in oracle_states(task):
            assert before == results
            results = agent.add_result(step, results, agent.carry_out((("calculator", arguments(expression)),)).value)
        assert results[-1] == task.answer
        assert grade(task, report_text(task))
        assert agent.parse_plan("; ".join(task.plan)) == task.plan


def test_prompts_use_known_words_only() -> None:
    """No prompt of the agent holds a word the models cannot read, retries and checks included."""
    import random  # noqa: PLC0415 - only here

    rng = random.Random(5)
    for seed in range(200):
        task = sample_task(seed)
        step, results, right = next(iter(oracle_states(task)))
        wrong = wrong_expression(rng, task, step, results, right)
        assert wrong != right
        for prompt in (
            agent.check_messages(task.problem, step, results, wrong),
            agent.work_messages(task.problem, step, results),
            agent.report_messages(task.problem, results),
        ):
            assert UNK not in encode_chat(prompt)


def test_lessons_are_the_agents_own_prompts() -> None:
    """A training row's plan segment is the prompt the agent sends, then the oracle's plan."""
    row = draw_row(17)
    task = sample_task(17)
    prompt = encode_chat(agent.plan_messages(task.problem))
    problem, plan = row.tokens[row.segments == 0], row.tokens[row.segments == 1]
    assert [*problem, *plan][: len(prompt)] == prompt
    reply = encode_text("; ".join(task.plan))
    assert list(plan[len(prompt) - len(problem) :][: len(reply)]) == reply
    positions = row.positions[row.segments == 1]
    assert list(positions) == list(range(len(problem), len(problem) + len(plan)))


def test_runs_are_bounded(models: dict[str, LabModel]) -> None:
    """No run takes more calls than plan, report and two for every attempt at every step."""
    most = 2 + agent.MAX_PLAN_STEPS * (2 * agent.MAX_ATTEMPTS - 1)
    runs: list[Run] = run_tasks([sample_task(seed) for seed in range(50)], models, always("lab-small"))
    assert max(len(run.calls) for run in runs) <= most
