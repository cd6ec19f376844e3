"""Says what kind of step a node makes, from what the node is: no model call, no I/O, the same answer each time.

Every piece of evidence adds log-odds to the four kinds: ``lexicon`` and ``cues`` hold the words, ``evidence`` reads
them, ``figures`` says what each place counts. The largest sum wins, and the softmax of the sums is the confidence.
The conventions: a model with tools bound in a loop controls, unless its words say that it drafts text or code; a node
that runs a whole agent inside executes; rewriting a query executes; decomposing and outlining controls; answers to
the user present, intermediate answers and sections execute.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from math import exp
from typing import Any

from langroute.records import KINDS, Kind
from langroute.steps.evidence import Evidence, of_bag, of_doc, of_name
from langroute.steps.figures import BY_HAND, FITTED, SCALES
from langroute.steps.lexicon import Weights

_GENERIC = frozenset({"run", "arun", "invoke", "ainvoke", "call", "acall", "__call__", "node"})
_INNER_AGENTS = ("create_react_agent", "create_agent", "create_deep_agent", "agentexecutor")
_STRUCTURES = ("with_structured_output", "basemodel")
_MOST_SEARCHED = 50_000  # characters that are searched for calls such as bind_tools
_MOST_WORDS = 600  # of a bag


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
    edges: NodeEdges | Mapping[str, bool] | None = None,
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
        edges: its place in the graph; a mapping has the attributes of ``NodeEdges`` as keys.

    >>> classify_node(name="planner").kind, classify_node(name="grade_documents").kind
    ('control', 'verification')
    """
    return verdict(
        gather(
            name=name,
            function=function,
            doc=doc,
            source=source,
            prompt=prompt,
            tools=tools,
            schema=schema,
            commands=commands,
            edges=edges,
        )
    )


def gather(
    *,
    name: str,
    function: object | None,
    doc: str | None,
    source: str | Iterable[str] | None,
    prompt: str | Iterable[str] | None,
    tools: bool,
    schema: object | None,
    commands: bool,
    edges: NodeEdges | Mapping[str, bool] | None,
) -> list[Evidence]:
    """Everything that is known of a node as evidence, unscaled, the prior first: what ``verdict`` adds up."""
    qualified = name_of(function)
    owner, _, own = qualified.rpartition(".")
    if own in _GENERIC:
        owner, own = "", owner
    text = _doc_of(function) if doc is None else doc
    source_text, prompt_text = _text_of(source), _text_of(prompt)
    said = f"{source_text} {prompt_text}".lower()
    return [
        Evidence("prior", "nothing tells it from the most frequent kind"),
        of_name("name", name),
        of_name("function", own),
        of_name("class", owner),
        of_doc("docstring", text),
        of_name("schema", name_of(schema)),
        of_bag("fields", fields_of(schema)),
        of_bag("prompt", prompt_text),
        of_bag("source", source_text),
        *_facts(
            tools=tools or "bind_tools" in said,
            structured=schema is not None or _any(_STRUCTURES, said),
            commands=commands,
            agent_inside=_any(_INNER_AGENTS, said),
        ),
        *_places(NodeEdges(**edges) if isinstance(edges, Mapping) else edges or NodeEdges()),
    ]


def verdict(found: list[Evidence]) -> Classification:
    """The kind that the evidence speaks for most, with its probability and the strongest reason."""
    scaled = [_scaled(item) for item in found]
    totals = [sum(weights[column] for weights in scaled) for column in range(len(KINDS))]
    best = max(range(len(KINDS)), key=totals.__getitem__)
    rival = max((column for column in range(len(KINDS)) if column != best), key=totals.__getitem__)
    leads = [weights[best] - weights[rival] for weights in scaled]
    decisive = max(range(1, len(found)), key=leads.__getitem__)
    return Classification(
        kind=KINDS[best],
        confidence=1.0 / sum(exp(total - totals[best]) for total in totals),
        reason=found[decisive if leads[decisive] > 0 else 0].reason,
    )


def _scaled(item: Evidence) -> Weights:
    fact = FITTED.get(item.place) or BY_HAND.get(item.place)
    if fact is not None:
        return fact
    scale = SCALES[item.place]
    first, second, third, fourth = item.weights
    return first * scale, second * scale, third * scale, fourth * scale


def _facts(*, tools: bool, structured: bool, commands: bool, agent_inside: bool) -> Iterable[Evidence]:
    if tools:
        yield Evidence("tools", "tools are bound to its model")
    if structured:
        yield Evidence("structure", "its answer is structured")
    if commands:
        yield Evidence("commands", "it says where the graph goes next")
    if agent_inside:
        yield Evidence("inner agent", "it runs a whole agent inside")


def _places(edges: NodeEdges) -> Iterable[Evidence]:
    if edges.conditional_out:
        yield Evidence("conditional", "a conditional edge leaves it")
    if edges.to_end:
        yield Evidence("end", "it leads to the end")
    if edges.from_start:
        yield Evidence("start", "it comes first")
    if edges.loops:
        yield Evidence("loop", "it lies on a loop")


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


def name_of(thing: object) -> str:
    """The name of a function or schema, which may be given by its name."""
    if thing is None or isinstance(thing, str):
        return thing or ""
    thing = _unwrapped(thing)
    if isinstance(thing, Mapping):
        return str(thing.get("title") or thing.get("name") or "")
    name = getattr(thing, "__qualname__", None) or type(thing).__qualname__
    return str(name).rpartition("<locals>.")[2].replace("<lambda>", "")


def fields_of(schema: Any) -> str:
    """The names of a schema's fields, in one text."""
    if isinstance(schema, Mapping):
        fields = schema.get("properties")
    else:
        fields = getattr(schema, "model_fields", None) or getattr(schema, "__annotations__", None)
    return " ".join(map(str, fields)) if isinstance(fields, Mapping) else ""
