"""How often ``classify_node`` names the kind that two annotators gave real nodes, repository by repository.

    python tests/bench/kinds.py [--json] [--verbose]

Reads ``graph_nodes/nodes.jsonl`` under ``$LANGROUTE_DATA``, or under ``../shared/data`` beside the repository.

No figure of the classifier is fitted to these rows, so leaving a repository out changes nothing: ``accuracy_unseen``.
But the word list was written by people who had read the rows, so that figure flatters. A second, pessimistic one leaves
each repository out for real: every word that only that repository's names, functions and schemas speak is struck from
the list before it is judged, general words like "critique" included: ``accuracy_words_unseen``. The truth lies between.
"""

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from langroute.steps import Classification, classify_node
from langroute.steps.lexicon import LEXICON, stem, words

Row = dict[str, Any]


def data_file() -> Path:
    """Where the labelled nodes should be."""
    root = os.environ.get("LANGROUTE_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(root) / "graph_nodes" / "nodes.jsonl"


def load(path: Path) -> list[Row]:
    """The labelled nodes."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def classify_row(row: Row) -> Classification:
    """What the classifier says of a labelled node."""
    return classify_node(
        name=row["node"],
        function=row["function"],
        doc=row["doc"],
        prompt=row["prompt_words"],
        tools=row["binds_tools"],
        schema=row["structured_output"],
        commands=row["returns_command"],
    )


def measure(rows: list[Row]) -> dict[str, Any]:
    """Accuracies in [0, 1], overall and by repository."""
    repositories = Counter(row["repo"] for row in rows)
    right = Counter(row["repo"] for row in rows if classify_row(row).kind == row["kind"])
    strict = 0
    for repository in repositories:
        with _without(_only_in(repository, rows)):
            strict += sum(classify_row(row).kind == row["kind"] for row in rows if row["repo"] == repository)
    return {
        "nodes": len(rows),
        "repositories": len(repositories),
        "accuracy_unseen": right.total() / len(rows),
        "accuracy_words_unseen": strict / len(rows),
        "accuracy_always_execution": sum(row["kind"] == "execution" for row in rows) / len(rows),
        "by_repository": {name: {"nodes": nodes, "right": right[name]} for name, nodes in repositories.items()},
    }


def _spoken(row: Row) -> set[str]:
    """The entries of the word list that the identifiers of a row can match."""
    keys: set[str] = set()
    for text in (row["node"], row["function"], row["structured_output"] or ""):
        stems = [stem(word) for word in words(text)]
        keys.update(stems, ("_".join(pair) for pair in pairwise(stems)))
    return keys & LEXICON.keys()


def _only_in(repository: str, rows: list[Row]) -> set[str]:
    inside = {key for row in rows if row["repo"] == repository for key in _spoken(row)}
    return inside - {key for row in rows if row["repo"] != repository for key in _spoken(row)}


@contextmanager
def _without(keys: set[str]) -> Iterator[None]:
    struck = {key: LEXICON.pop(key) for key in keys}
    try:
        yield
    finally:
        LEXICON.update(struck)


def main(arguments: list[str] | None = None) -> int:
    """Print the accuracies; exit code 2 when the data are not there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--verbose", action="store_true", help="list the nodes that were taken for another kind")
    options = parser.parse_args(arguments)
    if not data_file().exists():
        print(f"{data_file()} is not there; set LANGROUTE_DATA to the folder that holds graph_nodes", file=sys.stderr)
        return 2
    rows = load(data_file())
    result = measure(rows)
    if options.verbose:
        for row in rows:
            found = classify_row(row)
            if found.kind != row["kind"]:
                print(f"{row['node']}: {row['kind']} taken for {found.kind} ({found.confidence:.2f}, {found.reason})")
    print(json.dumps(result) if options.json else json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
