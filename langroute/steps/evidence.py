"""Evidence: what the words of a node's name, docstring, prompt or schema say about its kind, each in its own way."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt

from langroute.records import KINDS
from langroute.steps.cues import CUES, may_match
from langroute.steps.lexicon import LEXICON, NOTHING, Weights, find, stem, words

_AGENTIVE = ("er", "or", "ist")
_NO_AGENTS = frozenset({"answer", "user", "order", "number", "letter", "paper", "error", "newsletter"})
_WRAPPINGS = frozenset({"node", "agent", "chain", "graph", "subgraph", "function", "fn", "func", "handler", "stage"})
_PREAMBLE = frozenset(
    words(
        "langgraph node nodes agent this the a an that which who to for is will step function async responsible of "
        "used method invoke call llm by"
    )
)
_VERBS = frozenset(
    words(
        """
        add aggregate analyze ask assess assign build call categorize chat check choose classify clean collect compile
    compose compress conduct convert correct create critique decide decompose deliver describe determine develop do
    draft edit enrich evaluate execute expand explain extract fetch filter finalize find fix format gather generate get
    give grade handle identify implement improve invoke judge load make merge optimize parse perform pick plan prepare
    present process produce provide query rank rate read refine reflect reply respond retrieve return review revise
    rewrite route run save score search select send should solve split start store suggest summarize synthesize
    transform translate triage update use validate verify write"""
    )
)
_HELPER: Weights = (0.0, 0.6, 0.0, 0.0)
_MOST_CHARACTERS = 1_500  # whose words are looked up, of a prompt or source: enough to tell, and bounds the time
_MOST_OF_DOC = 300  # characters of its first line
_MOST_OF_NAME = 120


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one place says about the kind.

    Attributes:
        place: where it stands, a key of the ``figures``.
        reason: a short sentence for a person; empty where the place says nothing.
        weights: log-odds by kind, before they are scaled by what the place counts.
    """

    place: str
    reason: str = ""
    weights: Weights = NOTHING


def of_name(place: str, name: str) -> Evidence:
    """Evidence of an identifier: its verb or its head says more than what stands around them."""
    said = [word.lower() for word in words(name[:_MOST_OF_NAME])]
    # A helper that is called agent works; an agent that is called nothing else leads.
    helper = len(said) > 1 and said[-1] == "agent" and said[-2] != "call"
    while len(said) > 1 and said[-1] in _WRAPPINGS and said[-2] != "call":
        said.pop()
    scaled = [("_".join(said[begin:end]), row, _stress(said, begin, end, row)) for begin, end, row in _matches(said)]
    if helper:
        scaled.append(("agent", _HELPER, 1.0))
    return _added(place, scaled)


def _stress(said: list[str], begin: int, end: int, row: Weights) -> float:
    """How much a word counts by where it stands in a name.

    A name is a command (``write_plan``), whose verb comes first, or a thing (``plan_writer``), whose head comes last.
    """
    first, last = begin == 0 or said[begin - 1] == "and", end == len(said)
    if not (first or last):
        return 0.6
    if last and said[-1].endswith(_AGENTIVE) and said[-1] not in _NO_AGENTS:
        return 1.2
    if not last and said[0] not in _VERBS:
        return 0.7
    return 1.15 if row[2] == max(row) else 1.0  # what checks a plan is no plan


def of_doc(place: str, text: str) -> Evidence:
    """Evidence of running text: the more words speak, the less each counts; the verb it opens with counts for three."""
    said = words(text.strip().partition("\n")[0][:_MOST_OF_DOC])
    opening = next((at for at, word in enumerate(said) if word.lower() not in _PREAMBLE), 0)
    matches = [("_".join(said[begin:end]), row, 3.0 if begin == opening else 1.0) for begin, end, row in _matches(said)]
    return _added(place, [(text, row, weight / sqrt(len(matches) + 1)) for text, row, weight in matches])


def of_bag(place: str, text: str, *, table: Mapping[str, Weights] = CUES) -> Evidence:
    """Evidence of a bag of words, where order and number mean nothing."""
    parts = {stem(part): part for part in sorted(filter(may_match, set(words(text[:_MOST_CHARACTERS]))))}
    matches = [(part, table[key]) for key, part in sorted(parts.items()) if key in table]
    return _added(place, [(part, row, 1.0 / sqrt(len(matches) + 4)) for part, row in matches])


def _matches(said: list[str]) -> Iterable[tuple[int, int, Weights]]:
    """Where words of the lexicon stand, pairs first."""
    stems = [stem(word) for word in said]
    begin = 0
    while begin < len(stems):
        end = begin + 2
        row = LEXICON.get("_".join(stems[begin:end])) if end <= len(stems) else None
        if row is None:
            end, row = begin + 1, find(stems[begin])[1]
        if row is not None:
            yield begin, end, row
        begin = end


def _added(place: str, scaled: list[tuple[str, Weights, float]]) -> Evidence:
    if not scaled:
        return Evidence(place)
    totals = [sum(row[column] * weight for _, row, weight in scaled) for column in range(len(KINDS))]
    best = totals.index(max(totals))
    text, _, _ = max(scaled, key=lambda item: item[1][best] * item[2])
    return Evidence(place, f"{place} says '{text.lower()}'", (totals[0], totals[1], totals[2], totals[3]))
