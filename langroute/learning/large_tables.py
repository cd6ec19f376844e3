"""Training on tables that should not be in memory whole: read in batches, spooled to a file, grown from there."""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from langroute.errors import ConfigError, OutcomesInvalid
from langroute.estimators.calibration import logistic
from langroute.estimators.columns import NUMBERS, WORDS
from langroute.estimators.feature_schema import MOST_WORDS, FeatureSchema
from langroute.learning.boosted_sums import Grown, dealt
from langroute.learning.boosting import BoostedLearner, Targets, boosted, check_known
from langroute.learning.examples import Examples
from langroute.learning.fingerprint import Fingerprint
from langroute.learning.isotonic import fit_calibration
from langroute.learning.learners import Lesson
from langroute.learning.prediction_measures import Predicted, measured
from langroute.learning.spooled_rows import SpooledRows
from langroute.learning.training import Tell, Trained

Batches = Callable[[], Iterator[Examples]]
"""Gives the same rows in the same order each time it is called."""

LARGE = 200_000
"""Tables with more rows are trained on in batches."""

_MOST_NAMES = 100_000
_FOLDS = 2  # half of so many rows is enough to judge the other half by


def train_large(
    batches: Batches, learner: BoostedLearner, *, seed: int = 0, tell: Tell = lambda _what, _share: None
) -> Trained:
    """Fit a boosted learner on batches, with memory for some 50 bytes a row beside a batch.

    Trees see all rows. They are judged by the trees of the inner folds, each without the rows it is judged on; the
    calibration that goes with them is fitted on the other folds. Texts are not read: a table of this size says what
    was asked by its columns.

    Args:
        batches: the rows.
        learner: how trees are grown, and what they read.
        seed: of folds and samples; the same seed gives the same result on the same number of cores.
        tell: told of the progress.

    Raises:
        OutcomesInvalid: there is too little to learn from.
    """
    options = replace(learner.options, folds=min(learner.options.folds, _FOLDS))
    scanned = _scan(batches, tell)
    check_known(len(scanned.success), len(np.unique(scanned.task)), scanned.names, scanned.success)
    schema = learner.schema_for(scanned.schema())
    arms = learner.arms_for(scanned.names, scanned.mean_costs())
    targets = Targets(success=scanned.success, output_tokens=scanned.tokens, cost_nano=scanned.cost)
    _, together = np.unique(scanned.task, return_inverse=True)
    done = _Counted(tell, 3 * (options.folds + 1))
    with tempfile.TemporaryDirectory(prefix="langroute-train-") as folder:
        spool = SpooledRows(Path(folder) / "rows", width=schema.width + len(arms.columns))
        for batch in batches():
            own = arms.features[arms.places(batch.arm)]
            spool.add(np.concatenate([schema.matrix(batch.rows), own], axis=1).astype(np.float32))
        estimator, grown = boosted(
            spool, targets, scanned.weight, together, schema, arms, options, seed, done.tell, beside=True
        )
    predicted = _predicted(grown, targets, scanned.weight, together, options.folds, seed)
    metrics = {
        "folds": options.folds,
        "seed": seed,
        "basis": "out of fold by task, by the trees of the inner folds; 95% intervals over a sample of tasks",
        **measured(
            {"ours": predicted, "arm_mean": scanned.arm_means()},
            success=scanned.success,
            cost_nano=scanned.cost,
            output_tokens=scanned.tokens,
            tasks=together,
            seed=seed,
        ),
    }
    tell("judged", 1.0)
    lesson = Lesson.over(schema, estimator)
    return Trained(estimator=learner.name, lesson=lesson, data=scanned.described(), metrics=metrics)


@dataclass(slots=True)
class _Counted:
    """Turns the fits done into a share of all the work."""

    tell_share: Tell
    fits: int
    done: int = 0

    def tell(self, what: str) -> None:
        """One more fit is done."""
        self.done += 1
        self.tell_share(f"trees for a {what}", 0.1 + 0.85 * min(1.0, self.done / self.fits))


@dataclass(slots=True)
class _Scan:
    """What one reading of all rows leaves in memory: a few numbers a row, and what the columns hold."""

    parts: dict[str, list[NDArray[Any]]] = field(default_factory=dict)
    words: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in WORDS})
    low: NDArray[np.float64] = field(default_factory=lambda: np.full(len(NUMBERS), np.inf))
    high: NDArray[np.float64] = field(default_factory=lambda: np.full(len(NUMBERS), -np.inf))
    gaps: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(len(NUMBERS), dtype=bool))
    arms: dict[str, int] = field(default_factory=dict)
    fingerprint: Fingerprint = field(default_factory=Fingerprint)
    episodes: list[NDArray[np.uint64]] = field(default_factory=list)
    groups: set[str] = field(default_factory=set)
    success: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    cost: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    tokens: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    weight: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    task: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    arm: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, dtype=np.int32))

    def add(self, batch: Examples) -> None:
        """Take a batch."""
        self.fingerprint.add(
            {name: getattr(batch, name) for name in ("task", "arm", "run", "success", "cost_nano")}
            | {"rows": batch.rows}
        )
        numbers = batch.rows.numbers
        missing = np.isnan(numbers)
        self.gaps |= missing.any(axis=0)
        self.low = np.minimum(self.low, np.where(missing, np.inf, numbers).min(axis=0))
        self.high = np.maximum(self.high, np.where(missing, -np.inf, numbers).max(axis=0))
        for name, counted in self.words.items():
            found, counts = np.unique(batch.rows.word(name), return_counts=True)
            counted.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))
            if len(counted) > _MOST_NAMES:  # a column of ids: its rare names would never get a feature
                self.words[name] = Counter(dict(counted.most_common(_MOST_NAMES // 2)))
        self.groups.update(np.unique(batch.group).tolist())
        for name, values in self._kept(batch).items():
            self.parts.setdefault(name, []).append(values)

    def _kept(self, batch: Examples) -> dict[str, NDArray[Any]]:
        names, place = np.unique(batch.arm, return_inverse=True)
        codes = np.array([self.arms.setdefault(name, len(self.arms)) for name in names.tolist()], dtype=np.int32)
        return {
            "success": batch.success,
            "cost": batch.cost_nano,
            "tokens": batch.output_tokens,
            "weight": batch.weight,
            "task": _hashed(batch.task),
            "episode": _hashed(batch.episode),
            "arm": codes[place],
        }

    def finish(self) -> None:
        """Join what was kept."""
        for name in ("success", "cost", "tokens", "weight", "task", "arm"):
            setattr(self, name, np.concatenate(self.parts.pop(name)))
        self.episodes = [np.unique(np.concatenate(self.parts.pop("episode")))]

    @property
    def names(self) -> tuple[str, ...]:
        """The arms, sorted."""
        return tuple(sorted(self.arms))

    def schema(self) -> FeatureSchema:
        """The columns that vary, and their frequent names."""
        varies = (self.low < self.high) | (self.gaps & np.isfinite(self.low))
        vocabulary = {}
        for name, counted in self.words.items():
            if len(counted) > 1:
                often = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:MOST_WORDS]
                vocabulary[name] = tuple(word for word, count in often if count >= 5)
        numbers = [name for name, does in zip(NUMBERS, varies.tolist(), strict=True) if does]
        return FeatureSchema(numbers=numbers, vocabulary=vocabulary)

    def mean_costs(self) -> dict[str, float]:
        """Mean nano-dollars by arm; arms without a known cost are left out."""
        means = self._by_arm(self.cost)
        return {name: float(means[code]) for name, code in self.arms.items() if not np.isnan(means[code])}

    def arm_means(self) -> Predicted:
        """What each row's arm does on average: with so many rows, one more or less in it does not tell."""
        success, cost, tokens = (self._by_arm(values)[self.arm] for values in (self.success, self.cost, self.tokens))
        return Predicted(success=success, cost_nano=cost, output_tokens=tokens)

    def _by_arm(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        known = ~np.isnan(values)
        count = np.bincount(self.arm[known], minlength=len(self.arms))
        total = np.bincount(self.arm[known], values[known], minlength=len(self.arms))
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def described(self) -> dict[str, Any]:
        """The same as `Examples.described`."""
        sizes = np.bincount(self.arm, minlength=len(self.arms))
        known = self.cost[~np.isnan(self.cost)]
        return {
            "fingerprint": self.fingerprint.hex(),
            "rows": len(self.success),
            "tasks": len(np.unique(self.task)),
            "episodes": len(self.episodes[0]),
            "groups": len(self.groups),
            "arms": {name: int(sizes[self.arms[name]]) for name in self.names},
            "success": round(float(self.success.mean()), 6),
            "cost_nano": round(float(known.mean())) if len(known) else None,
        }


def _scan(batches: Batches, tell: Tell) -> _Scan:
    tell("reading", 0.0)
    scanned = _Scan()
    for batch in batches():
        scanned.add(batch)
    if not scanned.parts:
        raise OutcomesInvalid("has no rows; a table needs at least one outcome", field="task")
    scanned.finish()
    return scanned


def _hashed(names: NDArray[np.str_]) -> NDArray[np.uint64]:
    """64 bits of each name: of ten million tasks two would share them once in half a million tables."""
    known, place = np.unique(names, return_inverse=True)
    digests = b"".join(hashlib.blake2b(name.encode(), digest_size=8).digest() for name in known.tolist())
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)[place]


def _predicted(
    grown: tuple[Grown, ...],
    targets: Targets,
    weight: NDArray[np.float64],
    together: NDArray[np.int64],
    folds: int,
    seed: int,
) -> Predicted:
    """What the trees of the inner folds say of the rows they did not see, calibrated on other folds."""
    said = logistic(grown[0].margin)
    success = np.empty(len(said))
    for seen, scored in dealt(together, folds, seed=seed):
        success[scored] = fit_calibration(said[seen], targets.success[seen], weight[seen])(said[scored])
    amounts = []
    for one, amount in zip(grown[1:], (targets.output_tokens, targets.cost_nano), strict=True):
        known = amount[~np.isnan(amount)]
        amounts.append(np.exp(one.margin) * (known.mean() if len(known) and one.rounds else np.nan))
    return Predicted(success=success, output_tokens=amounts[0], cost_nano=amounts[1])


def check_large(learner: object) -> BoostedLearner:
    """A learner that trains in batches.

    Raises:
        ConfigError: it cannot.
    """
    if not isinstance(learner, BoostedLearner):
        name = getattr(learner, "name", "this one")
        raise ConfigError(
            f"{name} keeps all rows in memory, so it takes at most {LARGE:,}; use boosted, or fewer rows",
            field="estimator",
        )
    return learner
