"""Each step by itself: how a model does when everything before the step is right."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from langroute.lab import agent
from langroute.lab.agent import Message, StepName
from langroute.lab.calculator import CALCULATOR_SCHEMA
from langroute.lab.chat import encode_chat
from langroute.lab.engine import Completion, LabModel, decode_reply
from langroute.lab.lessons import oracle_states, wrong_expression
from langroute.lab.world import Task, grade

TOOLS = (CALCULATOR_SCHEMA,)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepScore:
    """How a model does one step.

    Attributes:
        success: share of right replies.
        auroc: how well mean logprob tells right replies from wrong ones (0.5: not at all, 1: always); None where all
            replies are right or all are wrong.
        malformed: share of work replies whose call failed; 0 for other steps.
        caught: share of wrong claims a check sent back; None for other steps.
    """

    success: float
    auroc: float | None
    malformed: float = 0.0
    caught: float | None = None


def score_steps(model: LabModel, tasks: Sequence[Task]) -> dict[str, StepScore]:
    """Return the score of each step over the tasks: every plan, one work step, one check and the report of each.

    Half the claims to check are wrong: drawn by the rules training used, with other random numbers.
    """
    rng = random.Random(7)  # noqa: S311 - a reproducible draw
    chosen = [(task, *rng.choice(list(oracle_states(task)))) for task in tasks]
    return {
        "plan": _score_plans(model, tasks),
        "work": _score_works(model, chosen),
        "check": _score_checks(model, chosen, rng),
        "report": _score_reports(model, tasks),
    }


Chosen = Sequence[tuple[Task, str, tuple[int, ...], str]]


def _ask(model: LabModel, step: StepName, prompts: Sequence[Sequence[Message]]) -> list[Completion]:
    tools = TOOLS if step == "work" else None
    return model.complete_batch([encode_chat(prompt, tools) for prompt in prompts], max_tokens=agent.MAX_TOKENS[step])


Graded = tuple[list[Completion], list[bool]]
"""Replies, and whether each is right."""


def graded_replies(model: LabModel, tasks: Sequence[Task], rng: random.Random) -> dict[str, Graded]:
    """Return the replies to each step by itself: every plan, one work step, one check and the report of each task."""
    chosen = [(task, *rng.choice(list(oracle_states(task)))) for task in tasks]
    works, right, _ = _grade_works(model, chosen)
    checks, verdicts, good = _grade_checks(model, chosen, rng)
    return {
        "plan": _grade_plans(model, tasks),
        "work": (works, right),
        "check": (checks, [verdict == is_good for verdict, is_good in zip(verdicts, good, strict=True)]),
        "report": _grade_reports(model, tasks),
    }


def _grade_plans(model: LabModel, tasks: Sequence[Task]) -> Graded:
    replies = _ask(model, "plan", [agent.plan_messages(task.problem) for task in tasks])
    right = [
        _same_plan(agent.parse_plan(decode_reply(reply.ids).content or ""), task.plan)
        for task, reply in zip(tasks, replies, strict=True)
    ]
    return replies, right


def _score_plans(model: LabModel, tasks: Sequence[Task]) -> StepScore:
    replies, right = _grade_plans(model, tasks)
    return StepScore(success=fmean(right), auroc=_auroc(replies, right))


def _same_plan(plan: tuple[str, ...], oracle: tuple[str, ...]) -> bool:
    """Say whether two plans give the same answer: the same items in any order, then the same steps in order."""
    items = sorted(step for step in plan if " " in step)
    tail = [step for step in plan if " " not in step]
    first_tail = next((index for index, step in enumerate(plan) if " " not in step), len(plan))
    return (
        first_tail == len(items)
        and items == sorted(step for step in oracle if " " in step)
        and tail == [step for step in oracle if " " not in step]
    )


def _grade_works(model: LabModel, chosen: Chosen) -> tuple[list[Completion], list[bool], float]:
    """The replies, whether each is right, and the share whose call failed."""
    replies = _ask(model, "work", [agent.work_messages(task.problem, step, found) for task, step, found, _ in chosen])
    results = [agent.carry_out(agent.spelled(decode_reply(reply.ids, tools=TOOLS).tool_calls)) for reply in replies]
    truths = [agent.carry_out((("calculator", f'{{"expression": "{right}"}}'),)) for *_, right in chosen]
    right = [result.value == truth.value for result, truth in zip(results, truths, strict=True)]
    return replies, right, fmean(result.value is None for result in results)


def _score_works(model: LabModel, chosen: Chosen) -> StepScore:
    replies, right, malformed = _grade_works(model, chosen)
    return StepScore(success=fmean(right), auroc=_auroc(replies, right), malformed=malformed)


def _grade_checks(
    model: LabModel, chosen: Chosen, rng: random.Random
) -> tuple[list[Completion], list[bool], list[bool]]:
    """The replies, their verdicts, and whether each claim was right."""
    good = [rng.random() < 0.5 for _ in chosen]
    claims = [
        right if is_good else wrong_expression(rng, task, step, found, right)
        for is_good, (task, step, found, right) in zip(good, chosen, strict=True)
    ]
    prompts = [
        agent.check_messages(task.problem, step, found, claim)
        for claim, (task, step, found, _) in zip(claims, chosen, strict=True)
    ]
    replies = _ask(model, "check", prompts)
    return replies, [agent.parse_verdict(decode_reply(reply.ids).content or "") for reply in replies], good


def _score_checks(model: LabModel, chosen: Chosen, rng: random.Random) -> StepScore:
    replies, verdicts, good = _grade_checks(model, chosen, rng)
    right = [verdict == is_good for verdict, is_good in zip(verdicts, good, strict=True)]
    wrong_claims = [not verdict for verdict, is_good in zip(verdicts, good, strict=True) if not is_good]
    caught = fmean(wrong_claims) if wrong_claims else None
    return StepScore(success=fmean(right), auroc=_auroc(replies, right), caught=caught)


def _grade_reports(model: LabModel, tasks: Sequence[Task]) -> Graded:
    replies = _ask(model, "report", [agent.report_messages(task.problem, (task.answer,)) for task in tasks])
    return replies, [grade(task, decode_reply(reply.ids).content) for task, reply in zip(tasks, replies, strict=True)]


def _score_reports(model: LabModel, tasks: Sequence[Task]) -> StepScore:
    replies, right = _grade_reports(model, tasks)
    return StepScore(success=fmean(right), auroc=_auroc(replies, right))


def _auroc(replies: Sequence[Completion], right: Sequence[bool]) -> float | None:
    return auroc([reply.mean_logprob for reply in replies], right)


def auroc(scores: Sequence[float], right: Sequence[bool]) -> float | None:
    """Return the chance that a right one scores above a wrong one, ties counting half; None without both."""
    wins = sum(right)
    losses = len(right) - wins
    if not wins or not losses:
        return None
    ordered = sorted(zip(scores, right, strict=True))
    rank_sum, index = 0.0, 0
    while index < len(ordered):
        end = index
        while end < len(ordered) and ordered[end][0] == ordered[index][0]:
            end += 1
        rank_sum += (index + end + 1) / 2 * sum(good for _, good in ordered[index:end])
        index = end
    return (rank_sum - wins * (wins + 1) / 2) / (wins * losses)
