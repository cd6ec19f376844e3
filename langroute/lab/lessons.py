"""Training data: every task as one row of tokens, with several of its steps packed behind one problem.

A row starts with the problem; the steps follow as segments. A segment sees the problem (unless it is a check, which
does not) and itself, never another segment, so each is exactly the prompt that the agent sends. Retries are taught with
made-up failures, checks with made-up wrong claims: the mistakes small models make.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from langroute.lab import agent
from langroute.lab.calculator import CALCULATOR, CALCULATOR_SCHEMA, run_tool
from langroute.lab.catalog import NEIGHBOURS
from langroute.lab.chat import encode_chat
from langroute.lab.vocabulary import CALL, END, PAD, UNITS, USER, encode_text
from langroute.lab.world import Task, sample_task

TOOLS = (CALCULATOR_SCHEMA,)
STEP_WEIGHTS = {"plan": 1.0, "work": 1.0, "check": 3.0, "report": 0.5, "repeat": 0.5}
REPEAT_SHARE = 0.15
RETRY_SHARE = 0.12
ALONE = 100
"""Segments numbered from here do not see the problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One packed task.

    Attributes:
        tokens: the problem and then the segments.
        previous: (tokens, NEIGHBOURS) the ones before each in its own prompt, nearest first; `PAD` before the first.
        positions: the place of each in its own prompt.
        segments: 0 for the problem.
        weights: of predicting each token; 0 where it is not learned.
    """

    tokens: npt.NDArray[np.uint8]
    previous: npt.NDArray[np.uint8]
    positions: npt.NDArray[np.int16]
    segments: npt.NDArray[np.uint8]
    weights: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.tokens)


def oracle_expression(task: Task, step: str, results: Sequence[int]) -> str:
    """Return the right expression for a step of a right plan."""
    if step == "sum":
        return " + ".join(map(str, results))
    if step.startswith(("cost", "count")):
        verb, item = step.split()
        line = next(line for line in task.lines if line.item == item)
        return " * ".join(map(str, line.cost_factors if verb == "cost" else line.count_factors))
    amount = next(adjustment.amount for adjustment in task.adjustments if adjustment.name == step)
    return f"{results[-1]} " + {"off": f"- {amount} %", "coupon": f"- {amount}", "shipping": f"+ {amount}"}[step]


def oracle_states(task: Task) -> Iterator[tuple[str, tuple[int, ...], str]]:
    """Yield each step of the right plan with the numbers before it and its right expression."""
    results: tuple[int, ...] = ()
    for step in task.plan:
        expression = oracle_expression(task, step, results)
        yield step, results, expression
        value = run_tool(CALCULATOR, arguments(expression)).value
        assert value is not None  # noqa: S101 - the oracle's expressions are readable
        results = agent.add_result(step, results, value)


def arguments(expression: str) -> str:
    """Return the call's arguments as a model writes them."""
    return f'{{"expression":"{expression}"}}'


def report_text(task: Task) -> str:
    """Return the right report."""
    return f"you {'get' if task.unit == 'pieces' else 'pay'} {task.answer} {task.unit}"


def wrong_expression(rng: random.Random, task: Task, step: str, results: Sequence[int], right: str) -> str:
    """Return a plausible wrong expression for a step; never the right one."""
    while True:
        wrong = _mistake(rng, task, step, results, right)
        if wrong.replace(" ", "") != right.replace(" ", ""):
            return wrong


def _mistake(rng: random.Random, task: Task, step: str, results: Sequence[int], right: str) -> str:
    words = right.split()
    numbers = [index for index, word in enumerate(words) if word.isdigit()]
    kind = rng.random()
    if step.startswith(("cost", "count")) and kind < 0.55:
        return _misread_line(rng, task, step)
    if kind < 0.85 and len(words) > 1:
        words[rng.choice(numbers)] = _other_number(rng, task, results, int(words[rng.choice(numbers)]))
    elif kind < 0.93 and len(numbers) > 1:
        cut = rng.choice(numbers)
        del words[max(cut - 1, 0) : cut + 1 if cut else 2]
    elif words[-1] == "%" and kind < 0.97:
        words = words[:-1]
    else:
        words[numbers[-1]] = _other_number(rng, task, results, int(words[numbers[-1]]))
    return " ".join(words)


def _misread_line(rng: random.Random, task: Task, step: str) -> str:
    """Return the factors of another line, or of the right line with its pack or price read wrongly."""
    verb, item = step.split()
    line = next(line for line in task.lines if line.item == item)
    other = rng.choice(task.lines)
    if rng.random() < 0.4:
        return " * ".join(map(str, other.cost_factors if verb == "cost" else other.count_factors))
    unit = rng.choice((1, *UNITS.values())) if rng.random() < 0.5 else UNITS.get(line.unit or "", 1)
    quantity = other.quantity if rng.random() < 0.3 else line.quantity
    price = other.price if rng.random() < 0.3 else line.price
    factors = (
        [quantity, unit, price] if rng.random() < 0.6 else [quantity, price] if rng.random() < 0.5 else [quantity, unit]
    )
    return " * ".join(str(factor) for index, factor in enumerate(factors) if factor != 1 or index != 1)


def _other_number(rng: random.Random, task: Task, results: Sequence[int], number: int) -> str:
    choice = rng.random()
    if choice < 0.4:
        line = rng.choice(task.lines)
        return str(rng.choice((line.quantity, line.price, *results[-1:])))
    if choice < 0.8 and number > 9:
        digits = list(str(number))
        digits[rng.randrange(1, len(digits))] = rng.choice("0123456789")
        return "".join(digits)
    return str(max(1, number + rng.choice((-3, -2, -1, 1, 2, 3))))


def _failure(
    rng: random.Random, task: Task, step: str, results: Sequence[int], right: str
) -> tuple[agent.Message, ...]:
    """Return a made-up earlier attempt: mostly a wrong claim that was sent back, sometimes an unreadable call."""
    wrong = right if rng.random() < 0.1 else wrong_expression(rng, task, step, results, right)
    written = arguments(wrong)
    if rng.random() < 0.25:
        written = rng.choice((written[:-2], arguments(f"{wrong} *"), arguments(wrong.rsplit(" ", 1)[0]), ""))
    calls = agent.spelled(((CALCULATOR, written),))
    result = agent.carry_out(calls)
    return agent.failed_attempt(None, calls, result, sent_back=result.value is not None)


def draw_row(seed: int) -> Row:
    """Return the row of a seed: the problem, its plan, some of its work steps and checks, its report."""
    rng = random.Random(f"row {seed}")  # noqa: S311 - reproducible training data
    task = sample_task(seed)
    packer = _Packer(task.problem)
    packer.add("plan", encode_chat(agent.plan_messages(task.problem)), encode_text("; ".join(task.plan)))
    states = list(oracle_states(task))
    for step, results, right in rng.sample(states, min(3, len(states))):
        failures: list[tuple[agent.Message, ...]] = []
        while rng.random() < RETRY_SHARE and len(failures) < agent.MAX_ATTEMPTS - 1:
            failures.append(_failure(rng, task, step, results, right))
        prompt = encode_chat(agent.work_messages(task.problem, step, results, failures), TOOLS)
        packer.add("work", prompt, [CALL, *encode_text(CALCULATOR), *encode_text(arguments(right))])
    for step, results, right in rng.sample(states, min(3, len(states))):
        good = rng.random() < 0.5
        claim = right if good else wrong_expression(rng, task, step, results, right)
        prompt = encode_chat(agent.check_messages(task.problem, step, results, claim))
        packer.add("check", prompt, encode_text("ok" if good else "wrong"))
    if rng.random() < 0.5:
        packer.add(
            "report", encode_chat(agent.report_messages(task.problem, (task.answer,))), encode_text(report_text(task))
        )
    if rng.random() < REPEAT_SHARE:
        repeat = [agent.user(task.problem), agent.user("repeat")]
        packer.add("repeat", encode_chat(repeat), encode_text(task.problem))
    return packer.row()


def _neighbours(tokens: Sequence[int]) -> list[list[int]]:
    padded = [PAD] * NEIGHBOURS + list(tokens)
    return [padded[place : place + NEIGHBOURS][::-1] for place in range(len(tokens))]


def draw_drill(seed: int) -> Row:
    """Return a short row of a seed: a problem and its plan, nothing else."""
    task = sample_task(seed)
    packer = _Packer(task.problem)
    packer.add("plan", encode_chat(agent.plan_messages(task.problem)), encode_text("; ".join(task.plan)))
    return packer.row()


class _Packer:
    """Collects segments behind one problem."""

    def __init__(self, problem: str) -> None:
        self._problem = [USER, *encode_text(problem)]
        self._tokens = list(self._problem)
        self._previous = _neighbours(self._problem)
        self._positions = list(range(len(self._problem)))
        self._segments = [0] * len(self._problem)
        self._weights = [0.0] * len(self._problem)
        self._count = 0

    def add(self, step: str, prompt: list[int], reply: list[int]) -> None:
        """Append one step: its prompt (less the problem, where it starts with it) and the reply to learn."""
        self._count += 1
        shared = len(self._problem)
        sees_problem = prompt[:shared] == self._problem
        start = shared if sees_problem else 0
        text = [*prompt[start:], *reply, END]
        self._tokens += text
        before = self._problem if sees_problem else []
        self._previous += _neighbours([*before, *text])[len(before) :]
        self._positions += range(start, start + len(text))
        self._segments += [self._count if sees_problem else ALONE + self._count] * len(text)
        learned = len(reply) + 1
        self._weights += [0.0] * (len(text) - learned) + [STEP_WEIGHTS[step]] * learned

    def row(self) -> Row:
        """Return what was collected."""
        return Row(
            tokens=np.array(self._tokens, np.uint8),
            previous=np.array(self._previous, np.uint8),
            positions=np.array(self._positions, np.int16),
            segments=np.array(self._segments, np.uint8),
            weights=np.array(self._weights, np.float32),
        )
