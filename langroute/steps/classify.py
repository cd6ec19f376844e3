"""Says what kind of step a node makes, from what the node is: no model call, no I/O, the same answer each time.

Every piece of evidence adds log-odds to the four kinds (``lexicon`` holds the words), the largest sum wins, and the
softmax of the sums is the confidence. The conventions: a model with tools bound in a loop controls, unless its words
say that it drafts text or code; a node that runs a whole agent inside executes; rewriting a query executes;
decomposing and outlining controls; answers to the user present, intermediate answers and sections execute.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from math import exp, sqrt
from typing import Any

from langroute.records import KINDS, Kind
from langroute.steps.lexicon import LEXICON, Weights, may_match, stem, words

_PRIOR: Weights = (0.3, 0.8, 0.0, 0.3)
_TOOLS: Weights = (3.0, 0.0, 0.0, 0.0)
_COMMANDS: Weights = (1.5, 0.0, 0.0, 0.0)
_STRUCTURE: Weights = (0.4, 0.2, 0.4, -1.2)
_INNER_AGENT: Weights = (0.0, 3.0, 0.0, 0.0)
_NAME, _FUNCTION, _OWNER, _DOC, _SCHEMA, _FIELDS, _PROMPT, _SOURCE = 1.0, 0.42, 0.18, 0.4, 0.6, 0.4, 0.5, 0.3

_AGENTIVE = ("er", "or", "ist")
_NO_AGENTS = frozenset({"answer", "user", "order", "number", "letter", "paper", "error"})
_GENERIC = frozenset({"run", "arun", "invoke", "ainvoke", "call", "acall", "__call__", "node"})
_INNER_AGENTS = ("create_react_agent", "create_agent", "create_deep_agent", "agentexecutor")
_STRUCTURES = ("with_structured_output", "basemodel")
_MOST_CHARACTERS = 1_500  # whose words are looked up, of a prompt or source: enough to tell, and bounds the time
_MOST_SEARCHED = 50_000  # characters that are searched for calls such as bind_tools
_MOST_WORDS = 600  # of a bag
_MOST_OF_DOC = 300  # characters of its first line


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """What kind of step a node makes.

    Attributes:
        kind: the likeliest kind.
        confidence: its probability in (0, 1], as far as words and place in the graph can tell.
        reason: one short sentence: the piece of evidence that spoke most for this kind.
    """

    kind: Kind
    confidence: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEdges:
    """The place of a node in its graph.

    Attributes:
        conditional_out: a conditional edge leaves it.
        to_end: an edge leads from it to the end.
        from_start: an edge leads from the start to it.
        loops: it lies on a cycle.
    """

    conditional_out: bool = False
    to_end: bool = False
    from_start: bool = False
    loops: bool = False


@dataclass(frozen=True, slots=True)
class _Evidence:
    reason: str
    weights: Weights


def classify_node(
    *,
    name: str,
    function: object | None = None,
    doc: str | None = None,
    source: str | Iterable[str] | None = None,
    prompt: str | Iterable[str] | None = None,
    tools: bool = False,
    schema: object | None = None,
    commands: bool = False,
    edges: NodeEdges | None = None,
) -> Classification:
    """The kind of step a node makes, with confidence and reason. Pure, and under a millisecond.

    Args:
        name: the node's name in the graph.
        function: the function it runs, or that function's (qualified) name.
        doc: its docstring; taken from ``function`` when that is an object and this is None.
        source: its source text, or the bag of words in it.
        prompt: the text of its prompt, or the bag of words in it.
        tools: tools are bound to its model.
        schema: what its model must answer with (class, JSON schema, or the name of one).
        commands: it returns ``Command`` objects, that is, says where the graph goes next.
        edges: its place in the graph.

    >>> classify_node(name="planner").kind, classify_node(name="grade_documents").kind
    ('control', 'verification')
    """
    qualified = _name_of(function)
    owner, _, own = qualified.rpartition(".")
    if own in _GENERIC:
        owner, own = "", owner
    text = _doc_of(function) if doc is None else doc
    source_text, prompt_text = _text_of(source), _text_of(prompt)
    said = f"{source_text} {prompt_text}".lower()
    tools = tools or "bind_tools" in said
    found = [
        _Evidence("nothing tells it from the most frequent kind", _PRIOR),
        _named("name", name, _NAME),
        _named("function", own, _FUNCTION),
        _named("class", owner, _OWNER),
        _told("docstring", words(text.strip().partition("\n")[0][:_MOST_OF_DOC]), _DOC),
        _named("schema", _name_of(schema), _SCHEMA),
        _held("schema", _fields_of(schema), _FIELDS),
        _held("prompt", prompt_text, _PROMPT),
        _held("source", source_text, _SOURCE),
        *_facts(tools=tools, structured=schema is not None or _any(_STRUCTURES, said), commands=commands),
        *_places(edges or NodeEdges()),
    ]
    if _any(_INNER_AGENTS, said):
        found.append(_Evidence("it runs a whole agent inside", _INNER_AGENT))
    return _verdict(found)


def _verdict(found: list[_Evidence]) -> Classification:
    totals = [sum(item.weights[column] for item in found) for column in range(len(KINDS))]
    best = max(range(len(KINDS)), key=totals.__getitem__)
    rival = max((column for column in range(len(KINDS)) if column != best), key=totals.__getitem__)
    prior, *others = found
    decisive = max(others, key=lambda item: item.weights[best] - item.weights[rival])
    if decisive.weights[best] <= decisive.weights[rival]:
        decisive = prior
    return Classification(
        kind=KINDS[best],
        confidence=1.0 / sum(exp(total - totals[best]) for total in totals),
        reason=decisive.reason,
    )


def _facts(*, tools: bool, structured: bool, commands: bool) -> Iterable[_Evidence]:
    if tools:
        yield _Evidence("tools are bound to its model", _TOOLS)
    if structured:
        yield _Evidence("its answer is structured", _STRUCTURE)
    if commands:
        yield _Evidence("it says where the graph goes next", _COMMANDS)


def _places(edges: NodeEdges) -> Iterable[_Evidence]:
    if edges.conditional_out:
        yield _Evidence("a conditional edge leaves it", (0.8, 0.0, 0.6, 0.0))
    if edges.to_end:
        yield _Evidence("it leads to the end", (0.0, 0.0, 0.0, 1.2))
    if edges.from_start:
        yield _Evidence("it comes first", (0.4, 0.0, 0.0, 0.0))
    if edges.loops:
        yield _Evidence("it lies on a loop", (0.2, 0.3, 0.3, -0.3))


def _named(where: str, name: str, scale: float) -> _Evidence:
    """Evidence of an identifier: what it starts and ends with says more than what stands between."""
    said = words(name)
    matches = list(_matches(said))
    scaled = []
    for begin, end, row in matches:
        if begin == 0 or end == len(said):
            last = said[-1].lower()
            agent = end == len(said) and last.endswith(_AGENTIVE) and last not in _NO_AGENTS
            weight = 1.2 if agent else 1.15 if row[2] == max(row) else 1.0  # what checks a plan is no plan
        else:
            weight = 0.6
        scaled.append(("_".join(said[begin:end]), row, weight * scale))
    return _added(where, scaled)


def _told(where: str, said: list[str], scale: float) -> _Evidence:
    """Evidence of running text: the more words speak, the less each counts; the verb it opens with counts double."""
    matches = [("_".join(said[begin:end]), row, 1.0 if begin else 2.0) for begin, end, row in _matches(said)]
    return _added(where, [(text, row, weight * scale / sqrt(len(matches) + 1)) for text, row, weight in matches])


def _held(where: str, text: str, scale: float) -> _Evidence:
    """Evidence of a bag of words, where order and number mean nothing."""
    parts = {stem(part): part for part in sorted(filter(may_match, set(words(text[:_MOST_CHARACTERS]))))}
    matches = [(part, LEXICON[key]) for key, part in sorted(parts.items()) if key in LEXICON]
    return _added(where, [(part, row, scale / sqrt(len(matches) + 4)) for part, row in matches])


def _matches(said: list[str]) -> Iterable[tuple[int, int, Weights]]:
    """Where words of the lexicon stand, pairs first."""
    stems = [stem(word) for word in said]
    begin = 0
    while begin < len(stems):
        end = begin + 2
        row = LEXICON.get("_".join(stems[begin:end])) if end <= len(stems) else None
        if row is None:
            end, row = begin + 1, LEXICON.get(stems[begin])
        if row is not None:
            yield begin, end, row
        begin = end


def _added(where: str, scaled: list[tuple[str, Weights, float]]) -> _Evidence:
    if not scaled:
        return _Evidence("", (0.0, 0.0, 0.0, 0.0))
    totals = [sum(row[column] * weight for _, row, weight in scaled) for column in range(len(KINDS))]
    best = totals.index(max(totals))
    text, _, _ = max(scaled, key=lambda item: item[1][best] * item[2])
    return _Evidence(f"{where} says '{text.lower()}'", (totals[0], totals[1], totals[2], totals[3]))


def _text_of(text: str | Iterable[str] | None) -> str:
    """A text, or a bag of words or texts as one text; long ones are cut."""
    if text is None:
        return ""
    return (text if isinstance(text, str) else " ".join(map(str, islice(text, _MOST_WORDS))))[:_MOST_SEARCHED]


def _any(needles: Iterable[str], said: str) -> bool:
    return any(needle in said for needle in needles)


def _unwrapped(thing: object) -> object:
    while isinstance(thing, partial):
        thing = thing.func
    return thing


def _doc_of(function: object) -> str:
    """The docstring of a function; one of a mere callable object speaks of its class, which tells nothing."""
    function = _unwrapped(function)
    return (getattr(function, "__doc__", None) or "") if hasattr(function, "__qualname__") else ""


def _name_of(thing: object) -> str:
    if thing is None or isinstance(thing, str):
        return thing or ""
    thing = _unwrapped(thing)
    if isinstance(thing, Mapping):
        return str(thing.get("title") or thing.get("name") or "")
    name = getattr(thing, "__qualname__", None) or type(thing).__qualname__
    return str(name).rpartition("<locals>.")[2].replace("<lambda>", "")


def _fields_of(schema: Any) -> str:
    if isinstance(schema, Mapping):
        fields = schema.get("properties")
    else:
        fields = getattr(schema, "model_fields", None) or getattr(schema, "__annotations__", None)
    return " ".join(map(str, fields)) if isinstance(fields, Mapping) else ""
