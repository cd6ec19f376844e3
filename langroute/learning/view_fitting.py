"""Fitting `TextViews`: each view alone, and their mix, chosen by what they say out of fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from langroute.errors import OutcomesInvalid
from langroute.estimators.columns import NUMBERS, WORDS
from langroute.estimators.forest import Forest
from langroute.estimators.rows import StepRows
from langroute.estimators.surface import COUNTS, counts_of
from langroute.estimators.text import HashedText
from langroute.estimators.text_views import VIEWS, TextViews, kernel, scaled_counts, with_groups
from langroute.learning.folds import folds_by, rank_within
from langroute.learning.text_fitting import Grams, ridge_directions
from langroute.learning.xgboost_trees import forest_of

Floats = NDArray[np.float64]
Recipe = tuple[tuple[str, int, float], ...]


def _recipe(*views: str, doubts: Sequence[str] = ()) -> Recipe:
    """Views that count alike, of the first target; ``doubts`` are views of the second, taken with the other sign."""
    return (*((view, 0, 1.0) for view in views), *((view, 1, -1.0) for view in doubts))


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "text": _recipe("word", "character"),
        "kernel": _recipe("kernel"),
        "forest": _recipe("forest"),
        "kernel+forest": _recipe("kernel", "forest"),
        "text+kernel": _recipe("word", "character", "kernel"),
        "text+kernel+forest": _recipe("word", "character", "kernel", "forest"),
        "kernel+doubt": _recipe("kernel", doubts=("kernel",)),
        "character+kernel+forest+doubt": _recipe("character", "kernel", "forest", doubts=("kernel",)),
    }
)
"""What is tried for the first target: which views are added up, each scaled to the same spread. Where it is a gain,
a doubt is what a view says against the weak arm: that it fails is easier to see than that the strong one does not."""


_MARGIN = 0.01
"""By so much fewer than three views must rank better than a mix of more, which errs less on other questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewOptions:
    """How views are fitted.

    Attributes:
        by_group: whole groups are left out when a recipe is chosen: for questions of groups that were never seen.
        recipe: one of `RECIPES`; chosen by what it ranks out of fold when left out.
        folds: inner folds for that choice.
        text_penalty: of the ridge regressions on n-grams.
        kernel_penalty: of the kernel ridge regression, for each row that is learned from.
        width: of its kernel.
        same_group: what an equal group adds to the kernel.
        landmarks: most rows that the kernel is spanned by.
        trees: of the forest, for each target.
        depth: of a tree.
        rate: how much of a tree's advice is taken.
    """

    by_group: bool = False
    recipe: str = ""
    folds: int = 4
    text_penalty: float = 20.0
    kernel_penalty: float = 0.005
    width: float = 1.0
    same_group: float = 0.3
    landmarks: int = 800
    trees: int = 200
    depth: int = 3
    rate: float = 0.03


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Questions:
    """What views are fitted to: n questions.

    Attributes:
        texts: what was asked.
        groups: (n,) what each belongs to.
        targets: (n, t) in [-1, 1]; the first is what is ranked by.
        counts: (n, c) surface counts; worked out from the texts when left out.
    """

    texts: tuple[str, ...]
    groups: NDArray[np.str_]
    targets: Floats
    counts: Floats = field(default_factory=lambda: np.empty((0, len(COUNTS))))

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.texts):
            object.__setattr__(self, "counts", np.array([counts_of(text) for text in self.texts]))

    def take(self, rows: NDArray[np.int64]) -> "Questions":
        """The questions with these row numbers."""
        texts = tuple([self.texts[row] for row in rows.tolist()])
        return Questions(texts=texts, groups=self.groups[rows], targets=self.targets[rows], counts=self.counts[rows])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """Views that were fitted, the encoder they read with, and how the mix was chosen.

    Attributes:
        views: fitted.
        encoder: fitted on the same questions.
        recipe: the name of what was chosen.
        tried: what every recipe ranked out of fold, as the mean of target times rank over the mean target.
    """

    views: TextViews
    encoder: HashedText
    recipe: str
    tried: Mapping[str, float]


def fit_views(questions: Questions, *, options: ViewOptions | None = None, seed: int = 0) -> Seen:
    """Views of questions; all that is chosen is chosen on these questions, out of fold.

    Raises:
        OutcomesInvalid: there are fewer than 40 questions, no text, or a target that is always the same.
    """
    chosen = options or ViewOptions()
    _check(questions)
    labels = questions.groups if chosen.by_group else np.array(questions.texts)
    count = min(chosen.folds, len(np.unique(labels)))
    folds = folds_by(labels, count=count, seed=seed)
    said = np.zeros((len(questions.texts), len(VIEWS) * questions.targets.shape[1]))
    for fit, held in folds:
        views, encoder = _fit_all(questions.take(fit), chosen, seed)
        said[held] = views.views(rows_of(questions.take(held), encoder))
        for column in range(said.shape[1]):
            said[held, column] -= said[held, column].mean()
    scores = {name: _score(said @ _mixed(said, recipe), folds, questions) for name, recipe in _usable(questions)}
    name = chosen.recipe or max(scores, key=lambda each: scores[each] + _MARGIN * (len(RECIPES[each]) > 2))
    if name not in scores:
        raise OutcomesInvalid(f"is {name!r}, not one of {', '.join(scores)}", field="recipe")
    views, encoder = _fit_all(questions, chosen, seed, _mix(said, RECIPES[name], questions.targets))
    return Seen(views=views, encoder=encoder, recipe=name, tried=scores)


def rows_of(questions: Questions, encoder: HashedText) -> StepRows:
    """Questions as rows of a table, as the encoder reads them."""
    size = len(questions.texts)
    words = np.full((size, len(WORDS)), "", dtype=object)
    words[:, WORDS.index("domain")] = questions.groups
    text = np.array([encoder.encode(text) for text in questions.texts]).reshape(size, encoder.width)
    return StepRows(numbers=np.zeros((size, len(NUMBERS))), words=words.astype(np.str_), text=text)


def _check(questions: Questions) -> None:
    if len(set(questions.texts)) < 40:
        raise OutcomesInvalid(f"has {len(set(questions.texts))} different ones; at least 40 are needed", field="text")
    if not np.ptp(questions.targets[:, 0]) > 0:
        raise OutcomesInvalid("is the same for every question: there is nothing to learn", field="success")
    if len(np.unique(questions.groups)) < 1:
        raise OutcomesInvalid("has no group", field="group")


def _usable(questions: Questions) -> list[tuple[str, Recipe]]:
    targets = questions.targets.shape[1]
    return [(name, recipe) for name, recipe in RECIPES.items() if all(target < targets for _, target, _ in recipe)]


def _mixed(said: Floats, recipe: Recipe) -> Floats:
    """(4 * t,) weights of a recipe: each view over its spread."""
    targets = said.shape[1] // len(VIEWS)
    weights = np.zeros(said.shape[1])
    for view, target, sign in recipe:
        column = VIEWS.index(view) * targets + target
        weights[column] = sign / max(float(said[:, column].std()), 1e-12)
    return weights


def _mix(said: Floats, recipe: Recipe, targets: Floats) -> Floats:
    """(4 * t, t): the recipe for the first target, all views for the others; sized by regression, never negative."""
    mix = np.zeros((said.shape[1], targets.shape[1]))
    for target in range(targets.shape[1]):
        own = recipe if target == 0 else tuple((view, target, 1.0) for view in VIEWS)
        weights = _mixed(said, own)
        told = said @ weights
        told -= told.mean()
        slope = float(told @ (targets[:, target] - targets[:, target].mean())) / max(float(told @ told), 1e-12)
        # Not a hair below 0: a ranking that was learned is kept, however little it is worth.
        mix[:, target] = weights * max(slope, 1e-6)
    return mix


def _score(told: Floats, folds: Any, questions: Questions) -> float:
    ranked, target = rank_within(told, folds), questions.targets[:, 0]
    return float((ranked * target).mean() / max(abs(float(target.mean())), 1e-9))


def _fit_all(
    questions: Questions, options: ViewOptions, seed: int, mix: Floats | None = None
) -> tuple[TextViews, HashedText]:
    base = questions.targets.mean(axis=0)
    goal = questions.targets - base
    grams = Grams(questions.texts)
    encoder = grams.encoder([ridge_directions(matrix, goal, options.text_penalty) for matrix in grams.matrices])
    groups = sorted(set(questions.groups.tolist()))
    places = np.searchsorted(np.array(groups), questions.groups)
    arrays = _kernel_arrays(questions.counts, places, goal, options, seed)
    whole = {**arrays, "mix": np.zeros((len(VIEWS) * goal.shape[1], goal.shape[1])) if mix is None else mix}
    views = TextViews(
        groups=groups,
        width=options.width,
        same_group=options.same_group,
        arrays={**whole, "base": base},
        forest=_forest(questions.counts, places, goal, options, seed, len(groups)),
    )
    return views, encoder


def _kernel_arrays(
    counts: Floats, places: NDArray[np.int64], goal: Floats, options: ViewOptions, seed: int
) -> dict[str, Floats]:
    """Kernel ridge regression on landmarks (Nystroem), solved in the space that the landmarks span."""
    spread = counts.std(axis=0)
    center, spread = counts.mean(axis=0), np.where(spread > 1e-9, spread, 1.0)
    scaled = scaled_counts(counts, center, spread)
    many = min(options.landmarks, len(counts))
    chosen = np.sort(np.random.default_rng(seed).choice(len(counts), many, replace=False))
    landmarks, own = scaled[chosen], places[chosen].astype(np.float64)
    near = kernel(scaled, places, landmarks, own, (landmarks**2).sum(axis=1), options.width, options.same_group)
    sizes, turned = np.linalg.eigh(near[chosen])
    kept = sizes > 1e-6 * sizes[-1]
    to_span = turned[:, kept] / np.sqrt(sizes[kept])
    spanned = near @ to_span
    middle = spanned.mean(axis=0)
    spanned -= middle
    penalty = options.kernel_penalty * len(counts) * np.eye(spanned.shape[1])
    found = np.linalg.solve(spanned.T @ spanned + penalty, spanned.T @ goal)
    return {
        "center": center,
        "spread": spread,
        "landmarks": landmarks,
        "landmark_groups": own,
        "kernel_weights": to_span @ found,
        "kernel_offset": middle @ found,
    }


def _forest(
    counts: Floats, places: NDArray[np.int64], goal: Floats, options: ViewOptions, seed: int, groups: int
) -> Forest:
    import xgboost  # noqa: PLC0415 - only training needs it

    features = with_groups(counts, places, groups).astype(np.float32)
    settings = {
        "objective": "reg:squarederror",
        "base_score": 0.0,
        "max_depth": options.depth,
        "learning_rate": options.rate,
        "subsample": 0.6,
        "colsample_bytree": 0.3,
        "min_child_weight": max(2.0, min(30.0, len(counts) / 50)),
        "reg_lambda": 30.0,
        "tree_method": "hist",
        "nthread": 1,
        "seed": seed,
        "verbosity": 0,
    }
    boosters = [
        xgboost.train(settings, xgboost.DMatrix(features, label=goal[:, target]), options.trees)
        for target in range(goal.shape[1])
    ]
    return forest_of(boosters, width=features.shape[1])
