"""The kind of a node, from what it is."""

import sys
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from langroute.records import KINDS
from langroute.steps import NodeEdges, classify_node
from langroute.steps.figures import FITTED, SCALES, UNSURE

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
import kinds  # the script that measures on the labelled nodes

_NAMES = {
    "control": "plan planner replan supervisor router route_question orchestrator triage_input classify_intent "
    "decide_next_step decompose_question clarify_with_user generate_report_plan select_tool handoff_to_human "
    "task_decomposer revise_plan",
    "execution": "work extract_entities search_web execute_step execute_plan call_tool researcher coder update_memory "
    "rewrite_question transform_query generate_queries write_section generate_sql summarize_conversation "
    "rewriteArtifact",
    "verification": "check verify validate grade_documents critique reflect reviewer fact_checker guard_input "
    "hallucination_grader sql_validator evaluateAnswer quality_check check_sub_answer code_reviewer moderation",
    "presentation": "report answer respond finalize final_answer write_report generate_answer chatbot call_model "
    "synthesizer reporter final_report_generation respond_to_general_query finalize_answer send_reply format_response",
}


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for kind, text in _NAMES.items() for name in text.split()])
def test_usual_names(name: str, kind: str) -> None:
    """Names that graphs commonly use are understood without anything else."""
    assert classify_node(name=name).kind == kind


def test_tools_in_the_model_make_a_node_control() -> None:
    """A model with tools bound decides what happens next, whatever says that they are bound."""
    told = classify_node(name="assistant", tools=True)
    assert (told.kind, told.reason) == ("control", "tools are bound to its model")
    assert (
        classify_node(name="assistant", source="def node(state): return llm.bind_tools(tools).invoke(state)").kind
        == "control"
    )
    assert classify_node(name="assistant").kind == "presentation"


def test_a_whole_agent_inside_executes() -> None:
    """A node that runs an agent of its own is work to be done, not the one who decides about it."""
    found = classify_node(name="helper", source="agent = create_react_agent(model, tools)\nagent.invoke(state)")
    assert (found.kind, found.reason) == ("execution", "it runs a whole agent inside")


def test_place_in_the_graph_decides_where_words_do_not() -> None:
    """A nameless node before the end presents; one with a conditional edge that says where to go controls."""
    assert classify_node(name="x", edges=NodeEdges(to_end=True)).kind == "presentation"
    assert classify_node(name="x", edges=NodeEdges(conditional_out=True), commands=True).kind == "control"


def test_nothing_to_go_by_is_said() -> None:
    """Without evidence the most frequent kind is named, with low confidence and saying so."""
    found = classify_node(name="x1")
    assert (found.kind, found.reason) == ("execution", "nothing tells it from the most frequent kind")
    assert found.confidence < 0.5


def test_reason_names_the_evidence() -> None:
    """The reason says where the deciding word stands."""
    assert classify_node(name="planner").reason == "name says 'planner'"
    assert classify_node(name="n", function="grade_documents").reason == "function says 'grade_documents'"
    assert classify_node(name="n", function="ReviewerAgent.run").kind == "verification"


class _Grade(BaseModel):
    """A verdict."""

    relevance_score: int


class _Plan(TypedDict):
    subtasks: list[str]


def test_objects_are_as_good_as_names() -> None:
    """Functions and schemas may be given as objects: their names, docstrings and fields are read."""

    def node(state: dict[str, Any]) -> dict[str, Any]:
        """Verify every claim of the draft."""
        return state

    by_doc = classify_node(name="n", function=node)
    assert (by_doc.kind, by_doc.reason) == ("verification", "docstring says 'verify'")
    assert classify_node(name="n", function=partial(node)) == by_doc
    assert classify_node(name="n", schema=_Grade).kind == "verification"
    assert classify_node(name="n", schema=_Plan).kind == "control"
    assert classify_node(name="n", schema={"title": "Route", "properties": {"next": {}}}).kind == "control"


def test_prompt_may_be_text_or_words() -> None:
    """A prompt counts the same as one text or as the bag of its words."""
    text = "You are a strict grader. Judge whether the draft is grounded and check its quality."
    found = classify_node(name="n", prompt=text)
    assert found.kind == "verification"
    assert classify_node(name="n", prompt=set(text.split())) == found


@given(
    st.text(max_size=40),
    st.one_of(st.none(), st.text(max_size=40)),
    st.one_of(st.none(), st.text(max_size=200), st.lists(st.text(max_size=9), max_size=20)),
    st.booleans(),
)
def test_any_input_gets_an_answer(name: str, doc: str | None, prompt: str | list[str] | None, tools: bool) -> None:
    """Whatever a node is called, there is a kind, a probability and a reason, and asking again gives the same."""
    found = classify_node(name=name, doc=doc, prompt=prompt, source=prompt, tools=tools)
    assert found.kind in KINDS
    assert 1 / len(KINDS) <= found.confidence <= 1.0
    assert found.reason
    assert classify_node(name=name, doc=doc, prompt=prompt, source=prompt, tools=tools) == found


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """The nodes that two people labelled, where they are there."""
    path = kinds.data_file()
    if not path.exists():
        pytest.skip(f"the labelled nodes are not there: {path} (set LANGROUTE_DATA)")
    return kinds.load(path)


def test_labelled_nodes_of_repositories_left_out(rows: list[dict[str, Any]]) -> None:
    """Nodes of repositories that shaped no figure get the kind two people gave them, also where words are struck."""
    result = kinds.measure(rows)
    assert result["accuracy_unseen"] >= 0.9
    assert result["accuracy_words_unseen"] >= 0.8
    assert result["accuracy_families_unseen"] >= 0.78
    assert result["accuracy_always_execution"] < 0.5


def test_confidence_tells_the_unsure(rows: list[dict[str, Any]]) -> None:
    """Nodes below the confidence that is called unsure are wrong more than twice as often as the others."""
    bands = kinds.measure(rows)["by_confidence"].items()
    wrong: dict[bool, list[float]] = {True: [0.0, 0.0], False: [0.0, 0.0]}
    for band, found in bands:
        counts = wrong[float(band.split("-")[0]) < UNSURE]
        counts[0] += found["nodes"] * (1 - found["accuracy"])
        counts[1] += found["nodes"]
    unsure, sure = (counts[0] / counts[1] for counts in (wrong[True], wrong[False]))
    assert unsure > 2 * sure


def test_shipped_figures_are_the_fitted_ones(rows: list[dict[str, Any]]) -> None:
    """The figures in the package are those that the fit to all labelled nodes gives."""
    scales, facts = kinds.fit(rows)
    assert {name: SCALES[name] for name in scales} == pytest.approx(scales, abs=0.011)
    for name, weights in facts.items():
        assert FITTED[name] == pytest.approx(weights, abs=0.011)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("recheck", "verification"),
        ("guardian_input", "verification"),
        ("rerouting", "control"),
        ("websearch", "execution"),
    ],
)
def test_relatives_of_listed_words_count(name: str, kind: str) -> None:
    """A word that is not listed counts like the listed word it is made from."""
    assert classify_node(name=name).kind == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("risk_judge", "verification"),
        ("query_analysis_agent", "control"),
        ("market_agent", "execution"),
        ("supervisor_agent", "control"),
        ("fetch_and_validate", "verification"),
        ("write_report_node", "presentation"),
    ],
)
def test_heads_of_names_lead(name: str, kind: str) -> None:
    """What a name is about in the end, or commands at first, says more than what stands around it."""
    assert classify_node(name=name).kind == kind


def test_prompts_tell_where_names_do_not() -> None:
    """A nameless node is known by what its prompt asks for, in words that people use in prompts."""
    prompts = {
        "control": "You are a supervisor managing these workers. Decide which worker should act next, or FINISH.",
        "execution": "Extract all entities from the text below as JSON and translate their names into English.",
        "verification": "You are a grader assessing the relevance of a document. Give a binary score, 'yes' or 'no'.",
        "presentation": "You are a friendly, helpful assistant. Reply to the customer in a warm, polite tone.",
    }
    assert {kind: classify_node(name="n", prompt=text).kind for kind, text in prompts.items()} == {
        kind: kind for kind in prompts
    }


def test_place_may_be_a_mapping() -> None:
    """The place in the graph may be given as a plain mapping."""
    place = NodeEdges(to_end=True, loops=True)
    assert classify_node(name="x", edges={"to_end": True, "loops": True}) == classify_node(name="x", edges=place)
