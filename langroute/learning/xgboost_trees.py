"""XGBoost's own trees, read from its JSON into a `Forest`."""

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from langroute.errors import ArtifactInvalid
from langroute.estimators.forest import ALWAYS_LEFT, Forest


def forest_of(boosters: Sequence[Any], *, width: int) -> Forest:
    """One forest with a sum for each booster.

    A sum is what the booster calls the margin: before the logistic function or the exponential.

    Args:
        boosters: of XGBoost (``gbtree``), each with one output, trained on numbers only.
        width: features of a row.

    Raises:
        ArtifactInvalid: a booster has another form than that.
    """
    nodes = _Nodes(width)
    trees, base = [], []
    for booster in boosters:
        learner = json.loads(booster.save_raw("json").decode())["learner"]
        model = learner["gradient_booster"].get("model", {})
        grown = model.get("trees", [])
        if learner["gradient_booster"].get("name") != "gbtree" or any(model.get("tree_info", [])):
            raise ArtifactInvalid("must be trees with one output", field="booster")
        for tree in grown:
            nodes.add(tree)
        trees.append(len(grown))
        base.append(_margin(learner))
    return nodes.forest(trees, base)


def _margin(learner: dict[str, Any]) -> float:
    """Where the sum begins: the stored score is what it is after the link function."""
    told = learner["learner_model_param"]["base_score"].strip("[]")
    score, objective = float(told), learner["objective"]["name"]
    if objective == "binary:logistic":
        return math.log(score / (1 - score))
    if objective in ("reg:gamma", "reg:tweedie", "count:poisson"):
        return math.log(score)
    return score


class _Nodes:
    """Nodes of all trees so far, each tree level by level, with the children of a node side by side."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.feature: list[int] = []
        self.threshold: list[float] = []
        self.left: list[int] = []
        self.value: list[float] = []
        self.roots: list[int] = []
        self.depth = 0

    def add(self, tree: dict[str, Any]) -> None:
        """Take one tree."""
        if any(tree.get("split_type", ())):
            raise ArtifactInvalid("must be trained on numbers: it splits by category", field="booster")
        self.roots.append(len(self.feature))
        level, depth = [0], 0
        while level:
            following: list[int] = []
            first_child = len(self.feature) + len(level)
            for node in level:
                self._add_node(tree, node, first_child + len(following))
                if tree["left_children"][node] != -1:
                    following += [tree["left_children"][node], tree["right_children"][node]]
            level = following
            depth += bool(level)
        self.depth = max(self.depth, depth)

    def _add_node(self, tree: dict[str, Any], node: int, child: int) -> None:
        here, condition = len(self.feature), tree["split_conditions"][node]
        if tree["left_children"][node] == -1:
            self.feature.append(2 * self.width)
            self.threshold.append(ALWAYS_LEFT)
            self.left.append(here)
            self.value.append(condition)
            return
        copy = 0 if tree["default_left"][node] else self.width
        self.feature.append(tree["split_indices"][node] + copy)
        self.threshold.append(condition)
        self.left.append(child)
        self.value.append(0.0)

    def forest(self, trees: list[int], base: list[float]) -> Forest:
        """All of them."""
        return Forest(
            feature=np.array(self.feature),
            threshold=np.array(self.threshold, dtype=np.float32),
            left=np.array(self.left),
            value=np.array(self.value, dtype=np.float32),
            roots=np.array(self.roots),
            trees=np.array(trees),
            base=np.array(base),
            width=self.width,
            depth=self.depth,
        )
