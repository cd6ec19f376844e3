"""How often ``classify_node`` names the kind that two annotators gave real nodes of repositories it was not fitted to.

    python tests/bench/kinds.py [--json] [--verbose] [--fit]

Reads ``graph_nodes/nodes.jsonl`` under ``$LANGROUTE_DATA``, or under ``../shared/data`` beside the repository.

What is fitted are figures alone: what a place counts (name, prompt, ...) and what a plain fact counts (tools are bound,
...), by a ridge towards values set by hand. ``--fit`` prints them. Each repository is left out in turn: the figures are
fitted to the others, and it is judged by them. The ridge's strength, and how a name's parts are stressed, were chosen
with these accuracies in view, from a flat stretch: strengths from 1 to 50 gave .91 to .92, and .79 to .82 with words
struck.

- ``accuracy_unseen``: so judged. No row of the repository shaped a figure. The words, though, were listed by people who
  know LangGraph applications and who have seen the rows, so that this still flatters.
- ``accuracy_words_unseen``: besides, every listed word is struck, from names and prompts alike, that of all rows only
  that repository's own names, functions and schemas speak, general words like "critique" included.
- ``accuracy_families_unseen``: the relatives of such words are struck too, until none of them is recognised.

How the words were chosen: from general knowledge of how such applications name their nodes and write their prompts
(routers, planners, graders, retrieval and its variants, reflection, research and report writers, support, memory,
code), by kind, in round weights. The words of prompts were listed without reading the prompts of the rows. No word's
weight was fitted, or changed for the sake of a single row.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from langroute.records import KINDS
from langroute.steps import Classification, classify_node
from langroute.steps.classify import gather
from langroute.steps.cues import CUES
from langroute.steps.figures import BY_HAND, FITTED, SCALES
from langroute.steps.lexicon import LEXICON, find, stem, words

Row = dict[str, Any]
Array = np.ndarray[Any, np.dtype[np.float64]]

# How strongly the fit holds on to the values set by hand.
_RIDGE_SCALES, _RIDGE_FACTS = 20.0, 5.0
START_FITTED = {
    "prior": (0.3, 0.8, 0.0, 0.3),
    "tools": (3.0, 0.0, 0.0, 0.0),
    "commands": (1.5, 0.0, 0.0, 0.0),
    "structure": (0.4, 0.2, 0.4, -1.2),
}
START_SCALES = {"name": 1.0, "function": 0.4, "class": 0.2, "docstring": 0.4, "schema": 0.6, "prompt": 1.0}
_START = np.array([*START_SCALES.values(), *(weight for row in START_FITTED.values() for weight in row)])
_RIDGE = np.array([_RIDGE_SCALES] * len(START_SCALES) + [_RIDGE_FACTS] * (len(_START) - len(START_SCALES)))
_BANDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.01)


def data_file() -> Path:
    """Where the labelled nodes should be."""
    root = os.environ.get("LANGROUTE_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(root) / "graph_nodes" / "nodes.jsonl"


def load(path: Path) -> list[Row]:
    """The labelled nodes."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _facts(row: Row) -> dict[str, Any]:
    return {
        "name": row["node"],
        "function": row["function"],
        "doc": row["doc"],
        "prompt": row["prompt_words"],
        "tools": row["binds_tools"],
        "schema": row["structured_output"],
        "commands": row["returns_command"],
    }


def classify_row(row: Row) -> Classification:
    """What the classifier says of a labelled node."""
    return classify_node(**_facts(row))


def measure(rows: list[Row]) -> dict[str, Any]:
    """Accuracies in [0, 1] on repositories left out, by repository and by confidence; microseconds per node."""
    truth = np.array([KINDS.index(row["kind"]) for row in rows])
    chances = _left_out(rows)
    right = chances.argmax(axis=1) == truth
    strict = _left_out(rows, strike=_words)
    repositories = list(dict.fromkeys(row["repo"] for row in rows))
    return {
        "nodes": len(rows),
        "repositories": len(repositories),
        "accuracy_unseen": float(right.mean()),
        "accuracy_words_unseen": float((strict.argmax(axis=1) == truth).mean()),
        "accuracy_families_unseen": float((_left_out(rows, strike=_families).argmax(axis=1) == truth).mean()),
        "accuracy_as_shipped": sum(classify_row(row).kind == row["kind"] for row in rows) / len(rows),
        "accuracy_always_execution": sum(row["kind"] == "execution" for row in rows) / len(rows),
        "by_repository": {
            name: {
                "nodes": sum(row["repo"] == name for row in rows),
                "right": int(sum(ok for ok, row in zip(right, rows, strict=True) if row["repo"] == name)),
            }
            for name in repositories
        },
        "by_confidence": _calibration(chances.max(axis=1), right),
        "by_confidence_words_unseen": _calibration(strict.max(axis=1), strict.argmax(axis=1) == truth),
        "microseconds": median(_microseconds(row) for row in rows),
    }


def _calibration(confidence: Array, right: Any) -> dict[str, dict[str, float]]:
    """How many of the nodes left out were right, by the confidence that was claimed for them."""
    found = {}
    for low, high in pairwise(_BANDS):
        inside = (confidence >= low) & (confidence < high)
        if inside.any():
            found[f"{low:g}-{min(high, 1):g}"] = {
                "nodes": int(inside.sum()),
                "confidence": round(float(confidence[inside].mean()), 3),
                "accuracy": round(float(right[inside].mean()), 3),
            }
    return found


def _microseconds(row: Row) -> float:
    facts, best = _facts(row), float("inf")
    for _ in range(5):
        began = perf_counter()
        classify_node(**facts)
        best = min(best, perf_counter() - began)
    return best * 1e6


def fit(rows: Sequence[Row]) -> tuple[dict[str, float], dict[str, tuple[float, ...]]]:
    """The scales and the weights of facts that suit the rows best, near those set by hand."""
    figures, _ = _fit(*_design(rows), _kinds(rows))
    found = [round(float(figure), 2) + 0.0 for figure in figures]
    scales = dict(zip(START_SCALES, found, strict=False))
    facts = found[len(START_SCALES) :]
    width = len(KINDS)
    return scales, {name: tuple(facts[at * width : (at + 1) * width]) for at, name in enumerate(START_FITTED)}


def _left_out(rows: list[Row], strike: Any = None) -> Array:
    """Probabilities of the kinds of each node, by figures fitted to the other repositories."""
    chances = np.zeros((len(rows), len(KINDS)))
    for name in dict.fromkeys(row["repo"] for row in rows):
        inside = np.array([row["repo"] == name for row in rows])
        with _without(strike(name, rows) if strike else set()):
            design, fixed = _design(rows)
        figures, _ = _fit(design[~inside], fixed[~inside], _kinds(rows)[~inside])
        chances[inside] = _chances(design[inside], fixed[inside], figures)
    return chances


def _kinds(rows: Sequence[Row]) -> Array:
    return np.array([[float(row["kind"] == kind) for kind in KINDS] for row in rows])


def _design(rows: Sequence[Row]) -> tuple[Array, Array]:
    """What each figure is multiplied by for each node and kind, and the log-odds that no figure scales."""
    scales, facts, width = list(START_SCALES), list(START_FITTED), len(KINDS)
    design = np.zeros((len(rows), width, len(_START)))
    fixed = np.zeros((len(rows), width))
    for at, row in enumerate(rows):
        given = {"source": None, "edges": None, **_facts(row)}
        for item in gather(**given):
            if item.place in scales:
                design[at, :, scales.index(item.place)] += item.weights
            elif item.place in facts:
                begin = len(scales) + facts.index(item.place) * width
                design[at, :, begin : begin + width] += np.eye(width)
            else:
                fixed[at] += BY_HAND.get(item.place, item.weights)
    return design, fixed


def _chances(design: Array, fixed: Array, figures: Array) -> Array:
    logits = design @ figures + fixed
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _fit(design: Array, fixed: Array, kinds: Array) -> tuple[Array, float]:
    """Multinomial logistic regression with a ridge around ``_START``, by Newton's method; and its last step's size."""
    figures, step = _START.copy(), np.zeros_like(_START)
    for _ in range(20):
        chances = _chances(design, fixed, figures)
        slope = np.einsum("nkf,nk->f", design, chances - kinds) + _RIDGE * (figures - _START)
        spread = np.einsum("nkf,nk,nkg->fg", design, chances, design)
        means = np.einsum("nkf,nk->nf", design, chances)
        step = np.linalg.solve(spread - means.T @ means + np.diag(_RIDGE), slope)
        figures = figures - step
    return figures, float(np.abs(step).max())


def _stems(row: Row) -> Iterator[str]:
    """The stems and pairs of stems in the identifiers of a row."""
    for text in (row["node"], row["function"], row["structured_output"] or ""):
        stems = [stem(word) for word in words(text)]
        yield from stems
        yield from ("_".join(pair) for pair in pairwise(stems))


def _spoken(rows: Sequence[Row]) -> set[str]:
    """The entries of the word lists that the identifiers of rows match, relatives included."""
    stems = {key for row in rows for key in _stems(row)}
    return {find(key)[0] for key in stems} & LEXICON.keys() | stems & CUES.keys()


def _words(repository: str, rows: list[Row]) -> set[str]:
    """Entries that only this repository's identifiers match."""
    return _spoken([row for row in rows if row["repo"] == repository]) - _spoken(
        [row for row in rows if row["repo"] != repository]
    )


def _families(repository: str, rows: list[Row]) -> set[str]:
    """The same, again and again, until what is left recognises none of those identifiers."""
    struck: set[str] = set()
    while True:
        with _without(struck):
            more = _words(repository, rows)
        if not more:
            return struck
        struck |= more


@contextmanager
def _without(keys: set[str]) -> Iterator[None]:
    tables: list[dict[str, Any]] = [LEXICON, CUES]
    struck = [{key: table.pop(key) for key in keys & table.keys()} for table in tables]
    try:
        yield
    finally:
        for table, entries in zip(tables, struck, strict=True):
            table.update(entries)


def _print_fit(rows: list[Row]) -> None:
    scales, facts = fit(rows)
    print(json.dumps({"FITTED": facts, "SCALES": scales}, indent=2))
    same = _agrees(scales, SCALES) and _agrees(facts, FITTED)
    print("as in langroute/steps/figures.py" if same else "langroute/steps/figures.py has other figures")


def _agrees(found: Mapping[str, Any], shipped: Mapping[str, Any]) -> bool:
    return all(shipped[name] == figure for name, figure in found.items())


def main(arguments: list[str] | None = None) -> int:
    """Print the accuracies; exit code 2 when the data are not there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--verbose", action="store_true", help="list the nodes that were taken for another kind")
    parser.add_argument("--fit", action="store_true", help="print the figures fitted to all rows instead")
    options = parser.parse_args(arguments)
    if not data_file().exists():
        print(f"{data_file()} is not there; set LANGROUTE_DATA to the folder that holds graph_nodes", file=sys.stderr)
        return 2
    rows = load(data_file())
    if options.fit:
        _print_fit(rows)
        return 0
    if options.verbose:
        for row in rows:
            found = classify_row(row)
            if found.kind != row["kind"]:
                print(f"{row['node']}: {row['kind']} taken for {found.kind} ({found.confidence:.2f}, {found.reason})")
    result = measure(rows)
    print(json.dumps(result) if options.json else json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
