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


def test_labelled_nodes_of_real_applications() -> None:
    """Nodes that two people labelled get the same kind far more often than by always saying execution."""
    path = kinds.data_file()
    if not path.exists():
        pytest.skip(f"the labelled nodes are not there: {path} (set LANGROUTE_DATA)")
    result = kinds.measure(kinds.load(path))
    assert result["accuracy_unseen"] >= 0.9
    assert result["accuracy_words_unseen"] >= 0.7
    assert result["accuracy_always_execution"] < 0.5
