"""The lab's agent as pure functions: what each step asks, how its reply is read, where it goes next.

plan -> work -> check -> (work again, or the next work) -> report. The graph (`langroute.lab.graph`) and the batched
runner (`langroute.lab.runner`) are both written over these functions, so they do the same.

Messages are OpenAI wire messages: dictionaries with `role` and `content`.
"""

import re
from collections.abc import Sequence
from typing import Any, Literal

from langroute.lab.calculator import ToolResult, run_tool

Message = dict[str, Any]
StepName = Literal["plan", "work", "check", "report"]
STEP_KINDS: dict[StepName, str] = {
    "plan": "control",
    "work": "execution",
    "check": "verification",
    "report": "presentation",
}
"""The agent's steps and the kind each of them is."""

MAX_PLAN_STEPS = 8
MAX_ATTEMPTS = 3
"""Attempts at one work step: the first and two more after it was sent back or its call failed."""

MAX_TOKENS: dict[StepName, int] = {"plan": 40, "work": 24, "check": 4, "report": 10}
"""Output limit of each step, in tokens; a right reply always fits."""

SENT_BACK = "wrong"
_READABLE = re.compile(r"(cost|count) [a-z]+|sum|off|coupon|shipping")


def user(content: str) -> Message:
    """Return a user message."""
    return {"role": "user", "content": content}


def plan_messages(problem: str) -> list[Message]:
    """Return the prompt that asks for a plan."""
    return [user(problem), user("plan")]


def parse_plan(reply: str) -> tuple[str, ...]:
    """Return the steps of a plan such as `cost pens; cost cups; sum; off`; what cannot be read is left out."""
    steps = (" ".join(part.split()) for part in reply.split(";"))
    return tuple(step for step in steps if _READABLE.fullmatch(step))[:MAX_PLAN_STEPS]


def instruction(step: str, results: Sequence[int]) -> str:
    """Return what a work step is told: the plan's words, after the numbers it starts from."""
    if step.startswith(("cost", "count")):
        return step
    given = results if step == "sum" else results[-1:]
    return " ".join((" , ".join(map(str, given)), step)).strip()


def work_messages(
    problem: str, step: str, results: Sequence[int], failures: Sequence[Sequence[Message]] = ()
) -> list[Message]:
    """Return the prompt for one work step.

    Args:
        problem: the problem's text.
        step: the plan's step.
        results: numbers found so far.
        failures: earlier attempts at this step, oldest first, each as `failed_attempt` gives it.
    """
    return [user(problem), *(message for failure in failures for message in failure), user(instruction(step, results))]


def carry_out(calls: Sequence[tuple[str, str]]) -> ToolResult:
    """Carry out a work reply's first tool call; a reply without any is an error like others."""
    return run_tool(*calls[0]) if calls else ToolResult(content="error: no call", value=None)


def failed_attempt(
    text: str | None, calls: Sequence[tuple[str, str]], result: ToolResult, *, sent_back: bool
) -> tuple[Message, ...]:
    """Return an attempt as a retry sees it.

    Args:
        text: the reply's text, if any.
        calls: the reply's tool calls, (name, raw arguments); only the first was carried out.
        result: what the tool said.
        sent_back: whether the checker rejected the result; its word stands last.
    """
    if not calls:
        return ({"role": "assistant", "content": text or ""}, user(result.content))
    written = [
        {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for index, (name, arguments) in enumerate(calls)
    ]
    told = [
        {"role": "tool", "tool_call_id": call["id"], "content": "error: no" if index else result.content}
        for index, call in enumerate(written)
    ]
    reply = {"role": "assistant", "content": text, "tool_calls": written}
    return (reply, *told, *((user(SENT_BACK),) if sent_back else ()))


def spelled(calls: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return calls with empty arguments spelled as an empty object, as chat clients do."""
    return tuple((name, arguments or "{}") for name, arguments in calls)


def facts(problem: str, step: str, results: Sequence[int]) -> str:
    """Return the words of the problem that a step is about: the lines a checker needs beside the claim."""
    wanted = step.rsplit(maxsplit=1)[-1]
    if wanted == "sum":
        return " , ".join(map(str, results))
    parts = [part.strip() for part in re.split(r"[:,.]", problem)]
    if step.startswith(("cost", "count")):
        found = [part for part in parts if wanted in part.split() and " at " in part]
        return found[0] if found else "no"
    found = [part for part in parts if wanted in part.split() and not part.startswith(("cost", "count"))]
    return " , ".join([found[0] if found else "no", *map(str, results[-1:])])


def check_messages(problem: str, step: str, results: Sequence[int], expression: str) -> list[Message]:
    """Return the prompt that asks whether a claim follows from its facts; the checker sees nothing else."""
    return [user(f"{facts(problem, step, results)} ; {step} : {expression} check")]


def parse_verdict(reply: str) -> bool:
    """Say whether the checker accepted; anything but `ok` sends the work back."""
    return reply.strip() == "ok"


def add_result(step: str, results: Sequence[int], value: int) -> tuple[int, ...]:
    """Return the numbers after a step: an item's number joins the others, any other step replaces them."""
    return (*results, value) if step.startswith(("cost", "count")) else (value,)


def report_messages(problem: str, results: Sequence[int]) -> list[Message]:
    """Return the prompt that asks for the answer in a sentence."""
    return [user(problem), user(f"result {results[-1] if results else 'missing'} report")]


WorkVerdict = Literal["retry", "check", "accept", "give up"]


def judge_work(result: ToolResult, attempts: int) -> WorkVerdict:
    """Return what becomes of attempt number `attempts` (1 is the first) at a work step.

    A failed call is tried again, a good one is checked. The last attempt allowed is taken as it is, for a checker
    could not send it back any more; if its call failed, the agent gives up.
    """
    if result.value is None:
        return "retry" if attempts < MAX_ATTEMPTS else "give up"
    return "check" if attempts < MAX_ATTEMPTS else "accept"


def next_step(plan: Sequence[str], done: int) -> StepName:
    """Return the step once `done` steps of the plan are finished."""
    return "work" if done < len(plan) else "report"
