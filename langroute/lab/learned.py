"""Learning in the lab: from collected episodes to a policy, its prices of a dollar by live trials, and live runs of it.

The price of a dollar is chosen on calibration tasks that neither training nor the final measurement sees.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from langroute.acceptance.conformal import LambdaCertificate, certify_lambda
from langroute.budget import Budget
from langroute.config import RouterConfig
from langroute.estimators.word_counts import WordCounts
from langroute.lab.demo import CONFIG, run_policy
from langroute.lab.demo_result import PolicyResult
from langroute.lab.world import Task
from langroute.learning.boosting import BoostedLearner
from langroute.learning.bootstrap import bootstrap
from langroute.learning.examples import Examples
from langroute.learning.folds import folds_by
from langroute.learning.training import Trained, cross_fitted, train
from langroute.learning.worth_fitting import Told, fit_worth
from langroute.money import NANO_PER_DOLLAR
from langroute.pool import ModelPool
from langroute.prices_of_targets import PricePoint, PriceTable
from langroute.router import StepRouter
from langroute.target import Target

CALIBRATE_SEED = 30_000_000
"""Tasks on which the price of a dollar is chosen are drawn from here on."""

PRICES = (100.0, 150.0, 200.0, 250.0, 300.0)
"""Prices of a dollar that are tried: success given up per dollar; a task of the lab costs at most a third of a cent."""

EPSILON, DELTA = 0.025, 0.1
"""The loss of success against always-large that may be given up, and the probability of being misled about it."""

LAB_BUDGET = Budget(total_dollars=0.003)

Progress = Callable[[str, int], None]
Columns = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What was learned of a table, before prices were tried.

    Attributes:
        trained: the estimator, with its metrics out of fold.
        rule: says after the call whether another arm is worth its price; an `Acceptance`.
        told: what the rule rests on, by kind of step.
    """

    trained: Trained
    rule: Any
    told: tuple[Told, ...]

    def save(self, folder: str | Path, *, targets: PriceTable | None = None) -> Path:
        """Store it as the folder of a learned policy.

        Raises:
            ConfigError: something else than an artifact stands there.
        """
        more: dict[str, Any] = {} if targets is None else {"targets": targets}
        return self.trained.save(folder, acceptance=[self.rule], **more)


def learn(columns: Columns, *, seed: int = 0, folds: int = 3) -> Learned:
    """Learn from a table of collected steps: success and cost before the call, and what an answer is worth after it.

    Args:
        columns: as `langroute.lab.collect` makes them.
        seed: of folds and trees.
        folds: the estimator is judged out of so many.

    Raises:
        OutcomesInvalid: there is too little to learn from.
    """
    examples = Examples.read(columns)
    learner = BoostedLearner(encoder=WordCounts.of(dict.fromkeys(examples.asked)))
    trained = train(examples, learner, folds=folds, seed=seed)
    dealt = folds_by(examples.task, count=folds, seed=seed)
    expected = cross_fitted(learner, examples, dealt, seed=seed).success
    rule, told = fit_worth(columns, examples, expected, seed=seed)
    return Learned(trained=trained, rule=rule, told=told)


def live(
    name: str,
    tasks: Sequence[Task],
    pool: ModelPool,
    *,
    policy: str,
    price_of_dollar: float | None = None,
    budget: Budget | None = None,
    store: str = "memory://",
    workers: int = 1,
    progress: Progress | None = None,
) -> PolicyResult:
    """Run tasks under a policy, call by call through the graph, as an app would.

    Args:
        name: names the result and its episodes.
        tasks: what to run.
        pool: the arms.
        policy: ``prior``, ``always-small``, ``always-large``, or the folder of a learned policy.
        price_of_dollar: success given up per dollar saved; the policy's own way when left out.
        budget: of each task; none when left out.
        store: where books and journal are kept.
        workers: tasks under way at once.
        progress: told the name and how many tasks are done.
    """
    target = Target() if price_of_dollar is None else Target(price_of_a_dollar=price_of_dollar)
    config = RouterConfig(output_caps=CONFIG.output_caps, target=target)
    fixed = policy.startswith("always-")
    acceptance = () if fixed else None
    with StepRouter(pool, policy=policy, acceptance=acceptance, budget=budget, store=store, config=config) as router:
        return run_policy(name, tasks, router, run_id="live", workers=workers, progress=progress)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """Prices of a dollar, tried live on calibration tasks.

    Attributes:
        table: what each came to, for targets.
        certificate: the cheapest price whose loss against always-large is certified, or why none is.
        trials: the runs, by price.
        strong: the runs of always-large on the same tasks.
    """

    table: PriceTable
    certificate: LambdaCertificate
    trials: Mapping[float, PolicyResult]
    strong: PolicyResult

    @property
    def chosen(self) -> float:
        """The price to run with: the certified one, else the lowest that was tried, the most careful."""
        return self.certificate.lambda_ if self.certificate.lambda_ is not None else min(self.trials)


def try_prices(
    folder: str | Path,
    tasks: Sequence[Task],
    pools: Callable[[], ModelPool],
    *,
    prices: Sequence[float] = PRICES,
    budget: Budget | None = LAB_BUDGET,
    epsilon: float = EPSILON,
    delta: float = DELTA,
    progress: Progress | None = None,
) -> Priced:
    """Run a learned policy at each price on the same tasks, and certify what can be (Learn-then-Test over tasks).

    Args:
        folder: of the learned policy.
        tasks: neither trained on nor scored later.
        pools: makes a pool whose prompt caches are empty, for each trial anew.
        prices: rising.
        budget: of each task, as it will be in use.
        epsilon: the loss of mean success against always-large that a certificate allows.
        delta: the probability that it misleads.
        progress: told the price under trial and how many tasks are done.
    """
    strong = live("always-large", tasks, pools(), policy="always-large", progress=progress)
    trials = {
        price: live(
            f"price {price:g}", tasks, pools(), policy=str(folder), price_of_dollar=price, budget=budget,
            progress=progress,
        )
        for price in sorted(prices)
    }  # fmt: skip
    success = np.array([[float(run.success) for run in trial.runs] for trial in trials.values()]).T
    reference = np.array([float(run.success) for run in strong.runs])
    certificate = certify_lambda(sorted(prices), success, reference, epsilon=epsilon, delta=delta)
    points = [
        PricePoint(
            price_of_dollar=price,
            dollars=trial.dollars_per_task,
            quality=trial.success / strong.success,
            low=_low(success[:, at], reference),
            certified=certificate.lambda_ is not None and price <= certificate.lambda_,
        )
        for at, (price, trial) in enumerate(trials.items())
    ]
    table = PriceTable(points, reference="always-large", basis="live", certificate=certificate.told())
    return Priced(table=table, certificate=certificate, trials=trials, strong=strong)


def _low(success: Any, reference: Any) -> float:
    """Lower end of the 95% interval of the share of the reference's success, by paired bootstrap over tasks."""
    found = bootstrap(lambda rows: float(success[rows].mean() / max(1e-9, reference[rows].mean())), len(reference))
    return round(found.low, 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """One policy beside always-large on the same tasks; 95% intervals by paired bootstrap over tasks."""

    success: float
    dollars: float
    saving: float
    saving_low: float
    saving_high: float
    quality: float
    quality_low: float
    quality_high: float


def versus(ours: PolicyResult, strong: PolicyResult) -> Versus:
    """What a policy saved, and which share of always-large's success it kept."""
    cost = np.array([(run.nano_usd, other.nano_usd) for run, other in zip(ours.runs, strong.runs, strict=True)], float)
    right = np.array([(run.success, other.success) for run, other in zip(ours.runs, strong.runs, strict=True)], float)
    saving = bootstrap(lambda rows: float(1 - cost[rows, 0].sum() / cost[rows, 1].sum()), len(cost))
    kept = bootstrap(lambda rows: float(right[rows, 0].sum() / max(1.0, right[rows, 1].sum())), len(right))
    return Versus(
        success=ours.success,
        dollars=float(cost[:, 0].mean()) / NANO_PER_DOLLAR,
        saving=saving.point,
        saving_low=saving.low,
        saving_high=saving.high,
        quality=kept.point,
        quality_low=kept.low,
        quality_high=kept.high,
    )
