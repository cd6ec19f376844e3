"""Training on a table in a file: in memory, or in batches where it is large."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from langroute.errors import ConfigError
from langroute.learning.accepting import Wanted, accepted_by
from langroute.learning.examples import Examples
from langroute.learning.large_tables import LARGE, check_large, train_large
from langroute.learning.learners import Learner
from langroute.learning.reading import read_batches, read_table
from langroute.learning.rules import check_rule, rule_of
from langroute.learning.training import Tell, Trained, train

_NOT_READ = ("text", "encoded")


def train_table(
    path: str | Path,
    learner: Learner,
    *,
    tasks: str | Path | None = None,
    folds: int = 5,
    seed: int = 0,
    accept: Wanted | None = None,
    tell: Tell = lambda _what, _share: None,
    large: int = LARGE,
    policy: str = "frontier",
) -> Trained:
    """Fit a learner on a file, judge it and return it.

    Args:
        path: a table of outcomes, as `read_table` reads it.
        learner: what is trained.
        tasks: texts and groups of the tasks, see `read_table`.
        folds: parts scored in turn; of a large table those of the learner's own options.
        seed: of folds and samples.
        accept: which guarantee cheap answers must keep; no rule is fitted when left out.
        tell: told of the progress.
        large: with more rows than this the table is trained on in batches.
        policy: the rule of choice, see `RULES`.

    Raises:
        ConfigError: a file is missing, no policy has this name, or a large table was given to what needs it whole.
        OutcomesInvalid: a column is missing or holds what it must not, or there is too little to learn from.
    """
    check_rule(policy)
    # First, as it takes little time: what is missing for it is told before the trees are grown.
    stands = None if accept is None else accepted_by(path, accept, tasks=tasks, seed=seed)
    trained = _trained(path, learner, tasks=tasks, folds=folds, seed=seed, tell=tell, large=large, policy=policy)
    return trained if stands is None else trained.accepting(stands)


def _trained(
    path: str | Path,
    learner: Learner,
    *,
    tasks: str | Path | None,
    folds: int,
    seed: int,
    tell: Tell,
    large: int,
    policy: str,
) -> Trained:
    if not _longer(path, large):
        whole: dict[str, Any] = dict(read_table(path, tasks=tasks))
        rule = rule_of(policy, whole, seed=seed)
        return train(Examples.read(whole), learner, folds=folds, seed=seed, tell=tell, rule=rule)
    if policy != "frontier":
        message = f"{policy} is fitted on a table in memory, of at most {large:,} rows; leave rows out"
        raise ConfigError(message, field="--policy")

    def batches() -> Iterator[Examples]:
        for columns in read_batches(path, tasks=tasks):
            known: dict[str, Any] = {name: values for name, values in columns.items() if name not in _NOT_READ}
            yield Examples.read(known)

    return train_large(batches, check_large(learner), seed=seed, tell=tell)


def _longer(path: str | Path, rows: int) -> bool:
    """Whether a table has more rows than that; no more is read of it than it takes to know."""
    seen = 0
    for batch in read_batches(path):
        seen += len(batch["task"])
        if seen > rows:
            return True
    return False
