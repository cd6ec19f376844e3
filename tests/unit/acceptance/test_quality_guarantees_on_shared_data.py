"""The guarantees over 1,000 resplits of real outcomes, where a folder of them lies beside the checkout.

RouteLLM's MMLU answers: a cheap model that is right or wrong, and a strong one. A third of the tasks is set aside to
learn from, by subject alone; the rest is split again and again.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from calibration_worlds import SIZES, Answers, Episodes, splits, two_errors, two_errors_at

from langroute.acceptance.conformal import (
    certify_lambda,
    control_marginal_risk,
    control_missed_failures,
    control_selective_risk,
    marginal_risk,
    missed_failures,
    selective_risk,
)

FILE = Path(__file__).resolve().parents[4] / "shared" / "data" / "routellm_mmlu" / "outcomes.parquet"
parquet = pytest.importorskip(
    "pyarrow.parquet", reason="pyarrow is not installed: pip install pyarrow to read the outcomes"
)
if not FILE.exists():
    pytest.skip(f"no outcomes at ../{FILE.relative_to(FILE.parents[3])}", allow_module_level=True)

DELTA = 0.1


@cache
def tasks() -> tuple[Answers, Episodes, np.ndarray]:
    """Answers and episodes of two thirds of the tasks, and thresholds that were chosen on the other third."""
    table = parquet.read_table(FILE).to_pydict()
    by_model: dict[str, dict[str, float]] = {}
    subjects = dict(zip(table["task"], table["group"], strict=True))
    for task, model, success in zip(table["task"], table["model"], table["success"], strict=True):
        by_model.setdefault(model, {})[task] = success
    weak, strong = sorted(by_model.values(), key=lambda successes: sum(successes.values()))
    names = np.random.default_rng(31).permutation(sorted(weak.keys() & strong.keys()))
    cheap = np.array([weak[name] for name in names])
    dear = np.array([strong[name] for name in names])
    _, subject = np.unique([subjects[name] for name in names], return_inverse=True)
    learned, rest = slice(None, len(names) // 3), slice(len(names) // 3, None)
    counts = np.bincount(subject[learned], minlength=subject.max() + 1)
    right = np.bincount(subject[learned], cheap[learned], minlength=len(counts))
    gained = np.bincount(subject[learned], (dear - cheap)[learned], minlength=len(counts))
    score = ((right + 3 * cheap[learned].mean()) / (counts + 3))[subject]
    gain = ((gained + 3 * (dear - cheap)[learned].mean()) / (counts + 3))[subject]
    cuts = np.unique(np.quantile(gain[learned], np.linspace(0.05, 0.95, 10)))
    routed = np.where(gain[rest, None] <= cuts, cheap[rest, None], dear[rest, None])
    thresholds = np.unique(np.quantile(score[learned], np.linspace(0.1, 0.95, 12)))
    return (
        Answers(scores=score[rest], wrong=cheap[rest] < 0.5),
        Episodes(lambdas=np.arange(float(len(cuts))), routed=routed, strong=dear[rest]),
        thresholds,
    )


@pytest.mark.parametrize("n", SIZES)
def test_marginal_risk_and_missed_failures_are_kept_on_average(n: int) -> None:
    """The means over 1,000 resplits of both are at most alpha, with a score that has many ties."""
    pool, _, _ = tasks()
    risks, missed = [], []
    for chosen, others in splits(len(pool.scores), n, seed=32):
        seen, unseen = pool.part(chosen), pool.part(others)
        marginal = control_marginal_risk(seen.scores, seen.wrong, alpha=0.05)
        failures = control_missed_failures(seen.scores, seen.wrong, alpha=0.1)
        assert marginal.threshold is not None
        assert failures.threshold is not None
        risks.append(marginal_risk(unseen.scores, unseen.wrong, marginal.threshold))
        missed.append(missed_failures(unseen.scores, unseen.wrong, failures.threshold) or 0.0)
    assert 0.02 < np.mean(risks) <= 0.05 + two_errors(risks)
    assert 0.03 < np.mean(missed) <= 0.1 + two_errors(missed)


@pytest.mark.parametrize("n", SIZES)
def test_selective_risk_is_kept_with_confidence(n: int) -> None:
    """The share of 1,000 resplits whose accepted answers are wrong more often than alpha is at most delta."""
    pool, _, thresholds = tasks()
    above = []
    for chosen, others in splits(len(pool.scores), n, seed=33):
        seen, unseen = pool.part(chosen), pool.part(others)
        found = control_selective_risk(seen.scores, seen.wrong, thresholds=thresholds, alpha=0.2, delta=DELTA)
        risk = None if found.threshold is None else selective_risk(unseen.scores, unseen.wrong, found.threshold)
        above.append(risk is not None and risk > 0.2)
    assert np.mean(above) <= DELTA + two_errors_at(DELTA)


def above_epsilon(n: int, *, epsilon: float, tested: bool) -> tuple[float, float]:
    """The share of resplits whose lambda loses more than epsilon on the other tasks; of those with a lambda."""
    _, pool, _ = tasks()
    total, above, some = pool.losses(), [], []
    for chosen, others in splits(len(pool.strong), n, seed=34):
        seen = pool.part(chosen)
        fits = np.flatnonzero(seen.losses() <= epsilon * n)
        found = float(pool.lambdas[fits[-1]]) if len(fits) else None
        if tested:
            found = certify_lambda(seen.lambdas, seen.routed, seen.strong, epsilon=epsilon, delta=DELTA).lambda_
        losses = (total - seen.losses()) / len(others)
        above.append(found is not None and losses[int(found)] > epsilon)
        some.append(found is not None)
    return float(np.mean(above)), float(np.mean(some))


@pytest.mark.parametrize("n", SIZES)
def test_the_certified_lambda_keeps_epsilon_with_confidence(n: int) -> None:
    """The share of 1,000 resplits whose certified lambda loses more than 0.05 of success is at most delta."""
    above, some = above_epsilon(n, epsilon=0.05, tested=True)
    assert above <= DELTA + two_errors_at(DELTA)
    assert n < 500 or some > 0.5


@pytest.mark.parametrize("n", SIZES)
def test_the_cheapest_lambda_that_looks_good_enough_is_not(n: int) -> None:
    """The control: choosing lambda by its empirical loss alone exceeds epsilon far too often."""
    above, _ = above_epsilon(n, epsilon=0.05, tested=False)
    assert above > DELTA + two_errors_at(DELTA)
