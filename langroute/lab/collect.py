"""Collecting: the lab's agent on fresh tasks under exploration, and its journal as a table of outcomes.

Only what a user would know goes into the table: whether the task was answered right, what the calls cost, how sure the
models were, and what was malformed. The lab could grade each plan and each call by itself; it does not.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langroute.acceptance.validity import ValidityAcceptance
from langroute.artifacts import open_policy
from langroute.budget import Budget
from langroute.errors import ConfigError, EpisodeNotFound
from langroute.estimators.prior import PriorEstimator
from langroute.governor import BudgetGovernor
from langroute.lab.demo import CONFIG, lab_pool, run_policy
from langroute.lab.demo_result import PolicyResult
from langroute.lab.noting import NotingEstimator
from langroute.lab.world import Task, sample_task
from langroute.learning.export import EXPORTED
from langroute.learning.journal_rows import Row, StoredEpisode, Tally, step_rows
from langroute.learning.schema import COLUMNS, Columns, checked
from langroute.policies.exploring import ExploringPolicy
from langroute.policies.frontier import FrontierPolicy
from langroute.pool import ModelPool
from langroute.protocols import Journal
from langroute.router import StepRouter

COLLECT_SEED = 20_000_000
"""Tasks to learn from are drawn from here on; the demonstration's, which are scored, start at 10,000,000."""

SHARE = 0.5
"""Share of the steps that are explored."""

_NAME = "exploring"
"""What the policy is called in the ids of the episodes."""

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a collection brought.

    Attributes:
        columns: the table of outcomes, a row for each call, with what was asked in ``text``.
        tally: what the rows rest on, and what was left out.
        runs: how the tasks went, and what they cost.
    """

    columns: Columns
    tally: Tally
    runs: PolicyResult


def collect(
    tasks: Sequence[Task],
    *,
    share: float = SHARE,
    seed: int = 0,
    base: str | Path | None = None,
    price_of_dollar: float | None = None,
    budget: Budget | None = None,
    pool: ModelPool | None = None,
    store: str = "memory://",
    progress: Progress | None = None,
) -> Collected:
    """Run tasks under exploration and return their calls as a table of outcomes.

    Args:
        tasks: what to run; each is an episode of its own.
        share: of the steps that are drawn evenly from the permitted arms.
        seed: of the exploration; the same seed and tasks are explored alike, and have the same episode ids.
        base: folder of a learned policy that makes the other decisions; the default policy when left out.
        price_of_dollar: success given up per dollar saved, for a learned base.
        budget: of each task; none when left out.
        pool: the arms; the lab's in this process when left out.
        store: where books and journal are kept.
        progress: told how many tasks are done.

    Raises:
        ConfigError: the share or the price is out of range, or the store holds this collection already.
        ArtifactInvalid: the base cannot be read.
    """
    arms = lab_pool() if pool is None else pool
    # Draws depend on the names of the episodes, so that these must not change from run to run.
    run_id = f"collect-{seed}-{tasks[0].seed if tasks else 0}"
    with _exploring(arms, share, seed, base, price_of_dollar, budget, store) as (router, noting):
        _refuse_collected(router.journal, run_id)
        runs = run_policy(_NAME, tasks, router, run_id=run_id, progress=progress, workers=1)
        router.flush()
        tally = Tally()
        episodes = [_stored(router.journal, run.episode) for run in runs.runs]
        rows = [_with_text(row, noting) for episode in episodes for row in step_rows(episode, tally)]
    return Collected(columns=_columns(rows), tally=tally, runs=runs)


def fresh_tasks(count: int, *, first_seed: int = COLLECT_SEED, level: int | None = None) -> list[Task]:
    """Tasks with consecutive seeds, of all levels or of one."""
    return [sample_task(first_seed + index, level) for index in range(count)]


@contextmanager
def _exploring(
    pool: ModelPool,
    share: float,
    seed: int,
    base: str | Path | None,
    price: float | None,
    budget: Budget | None,
    store: str,
) -> Iterator[tuple[StepRouter, NotingEstimator]]:
    """A router that explores around a base policy, and the texts that it read."""
    learned = None if base is None else open_policy(base, pool.arms)
    noting = NotingEstimator(PriorEstimator() if learned is None else learned.estimator)
    policy = FrontierPolicy() if learned is None or learned.policy is None else learned.policy
    rules = () if learned is None else learned.acceptance
    with StepRouter(
        pool,
        policy=ExploringPolicy(policy, share=share, seed=seed),
        estimator=noting,
        governor=BudgetGovernor(price_of_dollar=price),
        acceptance=(ValidityAcceptance(), *rules),
        budget=budget,
        store=store,
        config=CONFIG,
    ) as router:
        yield router, noting


def _refuse_collected(journal: Journal, run_id: str) -> None:
    try:
        journal.records(f"{run_id}-{_NAME}-0")  # tasks are run in order, so the first of them is there if any is
    except EpisodeNotFound:
        return
    raise ConfigError(f"{run_id} was collected in this store before; take another seed or store", field="seed")


def _stored(journal: Journal, episode: str) -> StoredEpisode:
    return StoredEpisode(
        id=episode,
        records=journal.records(episode),
        actions=journal.actions(episode),
        end=journal.end(episode),
        arms=journal.arms(episode),
    )


def _with_text(row: Row, noting: NotingEstimator) -> Row:
    """A row with what was asked in place of its vector."""
    return {**row, "group": "lab", "text": noting.text_of(row["encoded"]), "encoded": ()}


def _columns(rows: Sequence[Row]) -> Columns:
    names = [name for name in (*EXPORTED, "text") if name != "encoded"]
    return checked({name: [_cell(row, name) for row in rows] for name in names})


def _cell(row: Row, name: str) -> Any:
    known = COLUMNS.get(name)
    return row.get(name, None if known is None else known.default)
