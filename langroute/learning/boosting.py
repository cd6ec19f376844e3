"""BoostedLearner: trains a `BoostedEstimator` with XGBoost."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid
from langroute.estimators.arm_table import ArmTable
from langroute.estimators.boosted import BoostedEstimator
from langroute.estimators.calibration import logistic
from langroute.estimators.feature_schema import FeatureSchema
from langroute.learning.boosted_sums import ArraySource, Grown, Progress, Source, TreeOptions, grow, no_trees
from langroute.learning.examples import Examples
from langroute.learning.isotonic import fit_calibration
from langroute.learning.learners import Lesson, fitted_encoder
from langroute.learning.xgboost_trees import forest_of
from langroute.parts import Fitted
from langroute.protocols import TextEncoder

LEAST_ROWS, LEAST_TASKS = 40, 10


class BoostedLearner:
    """XGBoost success and cost over (step features, arm features): one model, the arm is part of a row.

    Success is learned with logistic loss, output tokens and dollars with gamma loss, whose sums are logarithms of
    means. How many trees is found by early stopping inside the folds; success is calibrated by isotonic regression on
    what was predicted out of fold.

    Args:
        options: how trees are grown.
        encoder: reads the texts, or has made the table's ``encoded`` vectors; one is fitted to the texts when left out.
        facts: more numbers of the arms, by arm and name, such as prices and context windows.
        tell: called after each fit, with what was fitted.
    """

    name = "boosted"

    def __init__(
        self,
        *,
        options: TreeOptions | None = None,
        encoder: Fitted | None = None,
        facts: Mapping[str, Mapping[str, float]] | None = None,
        tell: Progress = lambda _: None,
    ) -> None:
        self.options = options or TreeOptions()
        self._encoder = encoder
        self._facts = facts
        self._tell = tell

    def fit(self, examples: Examples, *, seed: int) -> Lesson:
        """What it learns of examples; the same for the same seed.

        Raises:
            OutcomesInvalid: there are too few rows or tasks, only one arm, or only one outcome.
        """
        check_enough(examples)
        encoder, read = self._read(examples, seed)
        schema = self.schema_for(FeatureSchema.fit(read.rows))
        arms = self.arms_for(read.arms, read.mean_costs())
        schema, source, success = self._chosen(read, schema, arms, seed)
        targets = Targets(success=read.success, output_tokens=read.output_tokens, cost_nano=read.cost_nano)
        estimator, _ = boosted(
            source, targets, read.weight, _numbered(read), schema, arms, self.options, seed, self._tell, success=success
        )
        return Lesson.over(schema, estimator, encoder=encoder)

    def _chosen(
        self, read: Examples, schema: FeatureSchema, arms: ArmTable, seed: int
    ) -> tuple[FeatureSchema, Source, Grown]:
        """The features with the trees for success; with text only where it helps tasks that the trees did not see."""
        tried = []
        for one in (schema.without_text(), schema) if schema.text else (schema,):
            own = arms.features[arms.places(read.arm)]
            source = ArraySource(features=np.concatenate([one.matrix(read.rows), own], axis=1).astype(np.float32))
            grown = grow(
                source,
                read.success,
                read.weight,
                _numbered(read),
                target="share",
                options=self.options,
                seed=seed,
                tell=self._tell,
            )
            tried.append((one, source, grown))
        if len(tried) > 1 and not _helps(tried[1][2], tried[0][2], read):
            return tried[0]
        return tried[-1]

    def schema_for(self, varying: FeatureSchema) -> FeatureSchema:
        """Which columns of a step are read, of those that vary: all."""
        return varying

    def arms_for(self, names: Sequence[str], costs: Mapping[str, float]) -> ArmTable:
        """What is known of the arms."""
        return ArmTable.fit(names, costs=costs, facts=self._facts)

    def _read(self, examples: Examples, seed: int) -> tuple[Fitted | None, Examples]:
        """The encoder, and the examples with its vectors."""
        if self._encoder is not None and not examples.knows_text:
            return self._encoder, examples
        encoder = self._encoder or fitted_encoder(examples, seed=seed)
        return encoder, examples.reading(cast("TextEncoder | None", encoder))


class AgentRouterLearner(BoostedLearner):
    """AgentRouter's setting (AdaptFM 2026): four tiers of price, five features of the step known before the call.

    A reconstruction: only the abstract could be read. It says "four tiers, five features", and not which; taken here
    are the kind of step, retries, malformed calls, the share of the budget that is left and the confidence of the step
    before, and arms are told apart by their tier only.
    """

    name = "agentrouter"
    numbers = ("retries", "invalid_tool_calls", "prior_confidence", "budget_share")
    words = ("kind",)

    def schema_for(self, varying: FeatureSchema) -> FeatureSchema:
        """The five features, of which those that vary are read."""
        return FeatureSchema(
            numbers=[name for name in varying.numbers if name in self.numbers],
            vocabulary={name: known for name, known in varying.vocabulary.items() if name in self.words},
        )

    def arms_for(self, names: Sequence[str], costs: Mapping[str, float]) -> ArmTable:
        """The four tiers.

        Raises:
            OutcomesInvalid: an arm has no known cost, so it has no tier.
        """
        unpriced = [name for name in names if name not in costs]
        if unpriced:
            told = ", ".join(unpriced[:5]) + (f" and {len(unpriced) - 5} more" if len(unpriced) > 5 else "")
            raise OutcomesInvalid(f"is unknown of {told}: without costs there are no tiers", field="cost_usd")
        return ArmTable.tiers({name: costs[name] for name in names})


class Targets:
    """What is learned, (n,) each: success; output tokens and nano-dollars with NaN where unknown."""

    def __init__(
        self,
        *,
        success: NDArray[np.float64],
        output_tokens: NDArray[np.float64],
        cost_nano: NDArray[np.float64],
    ) -> None:
        self.success = success
        self.output_tokens = output_tokens
        self.cost_nano = cost_nano


def boosted(
    source: Source,
    targets: Targets,
    weight: NDArray[np.float64],
    together: NDArray[np.int64],
    schema: FeatureSchema,
    arms: ArmTable,
    options: TreeOptions,
    seed: int,
    tell: Progress,
    *,
    beside: bool = False,
    success: Grown | None = None,
) -> tuple[BoostedEstimator, tuple[Grown, ...]]:
    """The estimator, and the trees for success, tokens and dollars with their predictions out of fold.

    With ``beside`` the sums are grown beside each other, in threads; that changes no result. Trees for success that
    are grown already are taken as they are.
    """
    amounts = (targets.output_tokens, targets.cost_nano)
    scales = [_scale(amount) for amount in amounts]

    def sum_of(number: int) -> Grown:
        if number == 0 and success is not None:
            return success
        if number == 0:
            own = targets.success
            return grow(source, own, weight, together, target="share", options=options, seed=seed, tell=tell)
        amount, scale = amounts[number - 1], scales[number - 1]
        return _amount_trees(source, amount, scale, weight, together, options, seed, tell)

    with ThreadPoolExecutor(max_workers=min(3, os.cpu_count() or 1) if beside else 1) as workers:
        grown = tuple(workers.map(sum_of, range(3)))
    calibration = fit_calibration(logistic(grown[0].margin), targets.success, weight)
    estimator = BoostedEstimator(
        schema=schema,
        arms=arms,
        forest=forest_of([one.booster for one in grown], width=source.width),
        calibration=calibration,
        token_scale=scales[0],
        cost_scale=scales[1],
    )
    return estimator, grown


def _numbered(examples: Examples) -> NDArray[np.int64]:
    """The tasks as numbers."""
    found: NDArray[np.int64] = np.unique(examples.task, return_inverse=True)[1]
    return found


def _helps(more: Grown, less: Grown, examples: Examples) -> bool:
    """Whether more features lower the loss of tasks left out by more than its standard error over tasks."""

    def losses(grown: Grown) -> NDArray[np.float64]:
        return examples.weight * (np.logaddexp(0.0, grown.margin) - examples.success * grown.margin)

    saved = np.bincount(_numbered(examples), losses(less) - losses(more))
    return bool(saved.mean() > saved.std(ddof=1) / np.sqrt(len(saved)))


def check_enough(examples: Examples) -> None:
    """Nothing, where there is something to learn.

    Raises:
        OutcomesInvalid: there are too few rows or tasks, only one arm, or only one outcome.
    """
    check_known(len(examples), len(np.unique(examples.task)), examples.arms, examples.success)


def check_known(rows: int, tasks: int, arms: Sequence[str], success: NDArray[np.float64]) -> None:
    """The same as `check_enough`, of what is known of a table.

    Raises:
        OutcomesInvalid: there are too few rows or tasks, only one arm, or only one outcome.
    """
    if rows < LEAST_ROWS or tasks < LEAST_TASKS:
        message = (
            f"{rows} rows of {tasks} tasks are too few to learn from; at least {LEAST_ROWS} rows of {LEAST_TASKS} "
            "tasks are needed. Until then route by the prior (policy='prior')"
        )
        raise OutcomesInvalid(message, field="task")
    if len(arms) < 2:
        message = f"is {arms[0]!r} in every row; nothing is learned of a choice without a second arm"
        raise OutcomesInvalid(message, field="arm")
    if (success == success[0]).all():
        message = (
            f"is {success[0]:g} in every row; nothing tells a good choice from a bad one. Add outcomes of the other "
            "class, or a finer measure of success"
        )
        raise OutcomesInvalid(message, field="success")


def _scale(amount: NDArray[np.float64]) -> float:
    known = amount[~np.isnan(amount)]
    return float(known.mean()) if len(known) >= LEAST_ROWS else 0.0


def _amount_trees(
    source: Source,
    amount: NDArray[np.float64],
    scale: float,
    weight: NDArray[np.float64],
    together: NDArray[np.int64],
    options: TreeOptions,
    seed: int,
    tell: Progress,
) -> Grown:
    known = ~np.isnan(amount)
    if not scale or len(np.unique(together[known])) < 2:
        return no_trees(source)
    return grow(source, amount / scale, weight, together, target="amount", options=options, seed=seed, tell=tell)
