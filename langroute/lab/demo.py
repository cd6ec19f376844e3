"""The demonstration: the lab's agent on many tasks, always with the cheapest model, with the dearest, and routed.

Every policy runs the same tasks through the same door, so success and dollars are paired task by task. The baselines
run without a budget and take every answer as it comes; the routed runs have a budget each and the default policy.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from langroute.books import Balance
from langroute.budget import Budget
from langroute.config import RouterConfig
from langroute.errors import BudgetExceeded, ConfigError
from langroute.integrations.chat_model import RoutedChatModel
from langroute.integrations.graph import route_graph
from langroute.lab.agent import MAX_TOKENS, STEP_KINDS
from langroute.lab.counting import count_tokens
from langroute.lab.demo_result import DemoResult, PolicyResult, TaskRun
from langroute.lab.graph import build_graph
from langroute.lab.pool import LAB_CACHE, lab_models, lab_prices
from langroute.lab.service import LabService
from langroute.lab.serving import metered_nano, served
from langroute.lab.world import Task, grade, sample_task
from langroute.money import Price
from langroute.pool import ModelPool
from langroute.router import StepRouter

POLICIES = ("always-small", "always-large", "routed")
FIRST_SEED = 10_000_000
"""Tasks of the demonstration are drawn from seeds that training never used."""

CONFIG = RouterConfig(output_caps={STEP_KINDS[step]: cap for step, cap in MAX_TOKENS.items()})
"""Output limits that any right reply of the lab's agent keeps, so that no hold is larger than it must be."""

Progress = Callable[[str, int], None]


def lab_pool(base_url: str | None = None, *, service: LabService | None = None) -> ModelPool:
    """The lab's three models as a pool, with their prices, their exact tokenizer and how their prompt cache behaves.

    Args:
        base_url: a running lab server's; None for models in this process.
        service: what answers in this process; None takes the one that all in-process models share.
    """
    models = lab_models(base_url, service=service)
    prices = lab_prices()
    return ModelPool(
        models,
        prices={name: prices[f"lab-{name}"] for name in models},
        token_counters=dict.fromkeys(models, count_tokens),
        cache_rules=dict.fromkeys(models, LAB_CACHE),
    )


def openai_pool(names: Sequence[str], *, prices: Mapping[str, Price]) -> ModelPool:
    """Models of OpenAI, or of whatever answers at OPENAI_BASE_URL, as a pool.

    Raises:
        ConfigError: fewer than two models, or a model without a price.
    """
    from langchain_openai import ChatOpenAI  # noqa: PLC0415 - takes a second to import
    from pydantic import SecretStr  # noqa: PLC0415 - comes with it

    if len(names) < 2:
        raise ConfigError("needs at least two models to route between, such as gpt-5-nano,gpt-5", field="--models")
    key = SecretStr(os.environ.get("OPENAI_API_KEY", "none"))
    return ModelPool([(name, ChatOpenAI(model=name, api_key=key)) for name in names], prices=prices)


def demonstrate(
    *,
    tasks: int,
    budget: Budget,
    store: str,
    run_id: str,
    pool: ModelPool | None = None,
    progress: Progress | None = None,
) -> DemoResult:
    """Run the whole demonstration.

    Args:
        tasks: how many tasks each policy runs.
        budget: of each routed task.
        store: where books and journal are kept; a ledger of its own per router, in one file.
        run_id: begins the ids of the episodes.
        pool: the models; the lab's over loopback when left out, metered by their server.
        progress: told the policy's name and how many of its tasks are done.
    """
    chosen = demo_tasks(tasks)
    metered: dict[str, int] = {}
    policies: dict[str, PolicyResult] = {}
    for name in POLICIES:
        with ExitStack() as stack:
            # A server of its own for each policy: none may find its prompts in the cache that another one filled.
            base_url = stack.enter_context(served()) if pool is None else ""
            models = lab_pool(base_url) if pool is None else pool
            router = stack.enter_context(demo_router(name, models, budget=budget, store=store))
            policies[name] = run_policy(name, chosen, router, run_id=run_id, progress=progress)
            if base_url:
                metered[name] = metered_nano(base_url)
    return DemoResult(policies=policies, budget=budget, metered_nano=metered)


def demo_tasks(count: int) -> list[Task]:
    """Fresh tasks of all levels."""
    return [sample_task(FIRST_SEED + index) for index in range(count)]


def run_policy(
    name: str,
    tasks: Sequence[Task],
    router: StepRouter,
    *,
    run_id: str,
    progress: Progress | None = None,
    workers: int = 2,
) -> PolicyResult:
    """Run every task under one router, a few at a time.

    Args:
        name: name of the policy.
        tasks: what to run.
        router: decides, and keeps the books; every task is an episode of its own.
        run_id: begins the ids of the episodes, so that runs in one store are told apart.
        progress: told the policy's name and how many tasks are done.
        workers: tasks under way at once.
    """
    graph = route_graph(build_graph(RoutedChatModel(router)), router).compile()
    runs: list[TaskRun] = []
    with ThreadPoolExecutor(max_workers=workers) as threads:
        done = threads.map(
            lambda place: run_task(f"{run_id}-{name}-{place}", tasks[place], router, graph), range(len(tasks))
        )
        for run in done:
            runs.append(run)
            if progress is not None:
                progress(name, len(runs))
    return PolicyResult(name=name, runs=tuple(runs))


def run_task(episode_id: str, task: Task, router: StepRouter, graph: Any) -> TaskRun:
    """Run one task as one episode, grade it, and say how it ended."""
    refused = False
    state: Mapping[str, object] = {}
    with router.episode(episode_id) as episode:
        try:
            state = graph.invoke({"problem": task.problem})
        except BudgetExceeded:
            refused = True
        success = grade(task, state)
        episode.finish(success=success)
        balance = episode.look()
    return TaskRun(
        episode=episode_id,
        success=success,
        nano_usd=balance.spent.nano_usd,
        steps=balance.calls,
        refused=refused,
        overspent=_overspent(balance),
    )


def _overspent(balance: Balance) -> bool:
    limit = balance.limits.nano_usd
    return limit is not None and balance.used.nano_usd > limit


def demo_router(name: str, pool: ModelPool, *, budget: Budget, store: str) -> StepRouter:
    """The router of one policy of the demonstration: the baselines have no budget and take every answer as it comes."""
    if name == "routed":
        return StepRouter(pool, budget=budget, store=store, config=CONFIG)
    return StepRouter(pool, policy=name, acceptance=(), store=store, config=CONFIG)
