"""GainLearner and SoftGapLearner: from outcomes of a weak and a strong arm, or from preferences between them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid
from langroute.estimators.arm_scale import ArmScale
from langroute.estimators.gain import GainEstimator
from langroute.estimators.soft_gap import SoftGapEstimator
from langroute.estimators.text_views import TextViews
from langroute.learning.examples import Examples
from langroute.learning.learners import Lesson
from langroute.learning.view_fitting import Questions, ViewOptions, fit_views

Floats = NDArray[np.float64]


class GainLearner:
    """Regresses what the strong arm gains over the weak one (RouteLLM 2406.18665), see `GainEstimator`.

    Args:
        weak: name of the weak arm; the cheapest by mean cost (else the one that succeeds least) when left out.
        strong: name of the strong arm; the dearest (else the one that succeeds most) when left out.
        options: how the text is viewed; the mix of views is chosen by what ranks gains best out of fold.
    """

    name = "gain"

    def __init__(self, *, weak: str = "", strong: str = "", options: ViewOptions | None = None) -> None:
        self._weak, self._strong, self._options = weak, strong, options or ViewOptions()
        self.chosen: dict[str, Any] = {}

    def fit(self, examples: Examples, *, seed: int) -> Lesson:
        """What it learns of examples; `chosen` then says which recipe, and how the others did.

        Raises:
            OutcomesInvalid: an arm is missing, or too few tasks were attempted by both arms.
        """
        weak, strong = ends(examples, self._weak, self._strong)
        pairs = _Pairs(examples, weak, strong)
        low, high = pairs.means()
        seen = fit_views(pairs.questions(np.stack([high - low, low], axis=1)), options=self._options, seed=seed)
        self.chosen = {"recipe": seen.recipe, "tried": dict(seen.tried), "weak": weak, "strong": strong}
        estimator = GainEstimator(views=seen.views, scale=scale_of(examples, weak, strong))
        return _lesson(estimator, seen.encoder)


class SoftGapLearner:
    """Regresses HybridLLM's label (2404.14618): the share of pairs of samples with ``weak >= strong - tolerance``.

    Args:
        weak: as of `GainLearner`.
        strong: as of `GainLearner`.
        tolerance: t of the label; when left out, the one of `TOLERANCES` that tells questions apart best, which is the
            paper's rule: the largest mean difference of labels between two questions.
        options: how the text is viewed.
    """

    name = "soft_gap"

    def __init__(
        self, *, weak: str = "", strong: str = "", tolerance: float | None = None, options: ViewOptions | None = None
    ) -> None:
        self._weak, self._strong, self._tolerance, self._options = weak, strong, tolerance, options or ViewOptions()
        self.chosen: dict[str, Any] = {}

    def fit(self, examples: Examples, *, seed: int) -> Lesson:
        """What it learns of examples; `chosen` then says which tolerance and recipe.

        Raises:
            OutcomesInvalid: an arm is missing, or too few tasks were attempted by both arms.
        """
        weak, strong = ends(examples, self._weak, self._strong)
        pairs = _Pairs(examples, weak, strong)
        tolerance = self._tolerance if self._tolerance is not None else apart_most(pairs.low, pairs.high)
        label = soft_labels(pairs.low, pairs.high, tolerance)
        # What is ranked by is how much the strong arm is needed, so the sign is turned for the fit and back after it.
        seen = fit_views(pairs.questions((1.0 - label)[:, None]), options=self._options, seed=seed)
        self.chosen = {"recipe": seen.recipe, "tried": dict(seen.tried), "tolerance": tolerance}
        estimator = SoftGapEstimator(
            views=_turned(seen.views), scale=scale_of(examples, weak, strong), tolerance=tolerance
        )
        return _lesson(estimator, seen.encoder)


TOLERANCES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
"""What is tried where no tolerance is given; with outcomes of 0 and 1 all are the same."""


def soft_labels(low: Sequence[Floats], high: Sequence[Floats], tolerance: float) -> Floats:
    """(n,) share of pairs of samples with ``low >= high - tolerance``, from each question's samples of both arms."""
    found = [
        float((one[:, None] >= other[None, :] - tolerance - 1e-12).mean()) for one, other in zip(low, high, strict=True)
    ]
    return np.array(found)


def apart_most(low: Sequence[Floats], high: Sequence[Floats]) -> float:
    """The tolerance whose labels differ most between two questions, the smallest of equals (2404.14618, eq. 3)."""
    spreads = []
    for tolerance in TOLERANCES:
        label = np.sort(soft_labels(low, high, tolerance))
        ranks = 2 * np.arange(1, len(label) + 1) - len(label) - 1
        spreads.append(round(float((ranks * label).sum()), 9))
    return TOLERANCES[int(np.argmax(spreads))]


def preferred(columns: Mapping[str, Sequence[Any]], *, weak: str, strong: str) -> dict[str, list[Any]]:
    """A table of outcomes from preferences between two arms, so that a gain can be learned from what people chose.

    The arm that was preferred succeeds (1), the other fails (0), and in a tie both have .5; so the gain is the
    probability that the strong arm wins less the probability that it loses.

    Args:
        columns: ``winner`` (a name of an arm, or ``tie``), ``text``, and perhaps ``task`` and ``group``.
        weak: name of the weak arm.
        strong: name of the strong arm.

    Raises:
        OutcomesInvalid: a column is missing, or a winner is neither arm nor ``tie``.
    """
    for name in ("winner", "text"):
        if name not in columns:
            raise OutcomesInvalid(f"is missing; the columns are {', '.join(sorted(columns)) or 'none'}", field=name)
    size = len(columns["winner"])
    tasks, groups = (
        columns.get("task") or [f"pair-{row}" for row in range(size)],
        columns.get("group") or ["all"] * size,
    )
    found: dict[str, list[Any]] = {name: [] for name in ("task", "group", "text", "arm", "run", "success")}
    seen: dict[str, int] = {}
    for row, winner in enumerate(columns["winner"]):
        if winner not in (weak, strong, "tie"):
            raise OutcomesInvalid(f"row {row} is {winner!r}, not {weak!r}, {strong!r} or 'tie'", field="winner")
        run = seen[tasks[row]] = seen.get(tasks[row], 0) + 1
        for arm in (weak, strong):
            success = 0.5 if winner == "tie" else float(winner == arm)
            values = (tasks[row], groups[row], columns["text"][row], arm, run, success)
            for name, value in zip(found, values, strict=True):
                found[name].append(value)
    return found


def ends(examples: Examples, weak: str, strong: str) -> tuple[str, str]:
    """The weak and the strong arm: as named, else by mean cost, else by mean success.

    Raises:
        OutcomesInvalid: an arm is not in the table, or there is only one.
    """
    arms = examples.arms
    for name in filter(None, (weak, strong)):
        if name not in arms:
            raise OutcomesInvalid(f"has no {name!r}; there are {', '.join(arms)}", field="arm")
    costs = examples.mean_costs()
    success = {arm: float(examples.success[examples.arm == arm].mean()) for arm in arms}
    order = sorted(arms, key=lambda arm: (costs[arm] if len(costs) == len(arms) else 0.0, success[arm]))
    low, high = weak or order[0], strong or order[-1]
    if low == high:
        raise OutcomesInvalid(f"is {low!r} only; a gain needs two arms", field="arm")
    return low, high


def scale_of(examples: Examples, weak: str, strong: str) -> ArmScale:
    """Where the arms of a table stand between the two, by their mean successes."""
    means = {arm: float(examples.success[examples.arm == arm].mean()) for arm in examples.arms}
    gap = means[strong] - means[weak]
    places = {arm: min(1.0, max(0.0, (mean - means[weak]) / gap)) if gap > 0 else 0.0 for arm, mean in means.items()}
    tokens = {}
    for arm in examples.arms:
        known = examples.output_tokens[examples.arm == arm]
        if np.isfinite(known).any():
            tokens[arm] = float(np.nanmean(known))
    return ArmScale(places={**places, weak: 0.0, strong: 1.0}, tokens=tokens, costs=examples.mean_costs())


class _Pairs:
    """Tasks that both arms attempted, with every sample of both; the text and group of the first row of a task."""

    def __init__(self, examples: Examples, weak: str, strong: str) -> None:
        if not examples.knows_text:
            raise OutcomesInvalid("is missing; a gain is learned from what was asked", field="text")
        samples: dict[str, tuple[list[float], list[float]]] = {}
        first: dict[str, int] = {}
        rows = zip(examples.task.tolist(), examples.arm.tolist(), examples.success.tolist(), strict=True)
        for row, (task, arm, success) in enumerate(rows):
            if arm in (weak, strong):
                first.setdefault(task, row)
                samples.setdefault(task, ([], []))[int(arm == strong)].append(success)
        both = sorted(task for task, (one, other) in samples.items() if one and other)
        self.low = [np.array(samples[task][0]) for task in both]
        self.high = [np.array(samples[task][1]) for task in both]
        self._texts = tuple([examples.asked[first[task]] for task in both])
        self._groups = examples.group[[first[task] for task in both]]

    def means(self) -> tuple[Floats, Floats]:
        return np.array([one.mean() for one in self.low]), np.array([one.mean() for one in self.high])

    def questions(self, targets: Floats) -> Questions:
        return Questions(texts=self._texts, groups=self._groups, targets=targets)


def _turned(views: TextViews) -> TextViews:
    parts = views.parts()
    arrays = {**parts.arrays, "mix": -parts.arrays["mix"], "base": 1.0 - parts.arrays["base"]}
    return TextViews.from_parts(replace(parts, arrays=arrays))


def _lesson(estimator: GainEstimator | SoftGapEstimator, encoder: Any) -> Lesson:
    return Lesson(estimator=estimator, encoder=encoder, words=("domain",), text=encoder.width)
