"""The lab's agent over thousands of tasks at once, calls of one model batched; does what the graph does.

Who makes a call is asked before each: a `Chooser` sees the step and what has gone wrong so far.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from langroute.lab import agent
from langroute.lab.agent import Message, StepName
from langroute.lab.calculator import CALCULATOR_SCHEMA, ToolResult
from langroute.lab.chat import encode_chat
from langroute.lab.engine import Completion, LabModel, Reply, decode_reply
from langroute.lab.world import Task, grade

TOOLS = (CALCULATOR_SCHEMA,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One model call: who made it for which step, what it cost in tokens, and the mean logprob of its reply."""

    step: StepName
    model: str
    attempt: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    mean_logprob: float


@dataclass(slots=True, kw_only=True)
class Run:
    """One task under way, and in the end: its answer and its calls."""

    task: Task
    step: StepName | None = "plan"
    plan: tuple[str, ...] = ()
    done: int = 0
    results: tuple[int, ...] = ()
    failures: list[tuple[Message, ...]] = field(default_factory=list)
    last: tuple[str | None, tuple[tuple[str, str], ...]] = (None, ())
    result: ToolResult = field(default_factory=lambda: ToolResult(content="", value=None))
    retries: int = 0
    answer: str | None = None
    calls: list[Call] = field(default_factory=list)
    seen: dict[str, list[list[int]]] = field(default_factory=lambda: defaultdict(list))

    @property
    def success(self) -> bool:
        """Whether the answer is exactly right."""
        return grade(self.task, self.answer)

    def messages(self) -> list[Message]:
        """Return the prompt of the step that is due."""
        problem = self.task.problem
        if self.step == "plan":
            return agent.plan_messages(problem)
        if self.step == "work":
            return agent.work_messages(problem, self.plan[self.done], self.results, self.failures)
        if self.step == "check":
            return agent.check_messages(problem, self.plan[self.done], self.results, self.result.expression)
        return agent.report_messages(problem, self.results)

    def read(self, completion: Completion) -> None:
        """Take the reply to the step that was due, and set the next step."""
        reply = decode_reply(completion.ids, tools=TOOLS if self.step == "work" else None)
        if self.step == "plan":
            self.plan = agent.parse_plan(reply.content or "")
            self.step = agent.next_step(self.plan, 0)
        elif self.step == "work":
            self._read_work(reply)
        elif self.step == "check":
            self._read_check(accepted=agent.parse_verdict(reply.content or ""))
        else:
            self.answer = reply.content
            self.step = None

    def _read_work(self, reply: Reply) -> None:
        calls = agent.spelled(reply.tool_calls)
        self.result = agent.carry_out(calls)
        self.last = (reply.content, calls)
        verdict = agent.judge_work(self.result, len(self.failures) + 1)
        if verdict == "retry":
            self._fail(sent_back=False)
        elif verdict == "check":
            self.step = "check"
        elif verdict == "accept":
            self._finish_work()
        else:
            self.results, self.step = (), "report"

    def _read_check(self, *, accepted: bool) -> None:
        if accepted:
            self._finish_work()
        else:
            self._fail(sent_back=True)

    def _fail(self, *, sent_back: bool) -> None:
        self.failures.append(agent.failed_attempt(*self.last, self.result, sent_back=sent_back))
        self.retries += 1
        self.step = "work"

    def _finish_work(self) -> None:
        assert self.result.value is not None  # noqa: S101 - work whose call failed is never finished
        self.results = agent.add_result(self.plan[self.done], self.results, self.result.value)
        self.failures.clear()
        self.done += 1
        self.step = agent.next_step(self.plan, self.done)


Chooser = Callable[[Run], str]
"""Names the model for the step that is due."""


def always(name: str) -> Chooser:
    """Return the chooser that gives every call to one model."""
    return lambda _: name


def by_step(names: Mapping[StepName, str], *, on_retry: str | None = None) -> Chooser:
    """Return the chooser of a fixed routing: a model for each step, and another one for retried work, if given."""

    def choose(run: Run) -> str:
        if run.step == "work" and run.failures and on_retry:
            return on_retry
        assert run.step is not None  # noqa: S101 - only runs under way are asked about
        return names[run.step]

    return choose


def run_tasks(tasks: Sequence[Task], models: Mapping[str, LabModel], choose: Chooser) -> list[Run]:
    """Run the agent on every task, greedily, and return the finished runs in the order of the tasks."""
    runs = [Run(task=task) for task in tasks]
    due = runs
    while due:
        groups: dict[tuple[str, StepName], list[Run]] = defaultdict(list)
        for run in due:
            if run.step is not None:
                groups[choose(run), run.step].append(run)
        for (name, step), group in groups.items():
            _advance(group, models[name], step)
        due = [run for run in due if run.step is not None]
    return runs


def _advance(group: list[Run], model: LabModel, step: StepName) -> None:
    tools = TOOLS if step == "work" else None
    prompts = [encode_chat(run.messages(), tools) for run in group]
    replies = model.complete_batch(prompts, max_tokens=agent.MAX_TOKENS[step])
    for run, prompt, reply in zip(group, prompts, replies, strict=True):
        earlier = run.seen[model.name]
        run.calls.append(
            Call(
                step=step,
                model=model.name,
                attempt=len(run.failures) + 1 if step == "work" else 1,
                input_tokens=len(prompt),
                cached_tokens=max((_common_prefix(prompt, other) for other in earlier), default=0),
                output_tokens=len(reply.tokens),
                mean_logprob=reply.mean_logprob,
            )
        )
        earlier.append(prompt)
        run.read(reply)


def _common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    for index, (left, right) in enumerate(zip(a, b, strict=False)):
        if left != right:
            return index
    return min(len(a), len(b))
