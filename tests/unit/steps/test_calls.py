"""The kind of a call outside any classified node."""

import gc
import weakref
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, create_model

from langroute.steps import calls
from langroute.steps.calls import classify_call, system_prompt
from langroute.steps.classify import classify_node


class _Grade(BaseModel):
    binary_score: str
    relevance: int


@pytest.mark.parametrize("schema", [None, _Grade, _Grade.model_json_schema(), "Grade"])
def test_a_call_is_classified_as_a_node_of_the_same_facts(schema: Any) -> None:
    """A call gets the kind, the confidence and the reason that its facts would give a node."""
    asked = {"prompt": "Decide which worker acts next.", "tools": False, "schema": schema}
    assert classify_call(node="step", **asked) == classify_node(name="step", **asked)


def test_tools_of_a_call_count() -> None:
    """Whether tools are bound is part of the question."""
    assert classify_call(node="assistant", tools=True).kind == "control"
    assert classify_call(node="assistant").kind == "presentation"


def test_the_same_call_is_classified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking again with equal facts looks the answer up; another prompt is another question."""
    asked: list[str] = []

    def counted(**facts: Any) -> Any:
        asked.append(facts["prompt"])
        return classify_node(**facts)

    monkeypatch.setattr(calls, "classify_node", counted)
    calls._classified.cache_clear()
    for prompt in ("Plan the work.", "Plan the work.", "Grade the answer.", "Plan the work."):
        classify_call(node="n", prompt=prompt, schema=_Grade)
    assert asked == ["Plan the work.", "Grade the answer."]


def test_what_is_remembered_is_bounded() -> None:
    """However many different calls come, no more than the bound are remembered, and prompts are cut."""
    calls._classified.cache_clear()
    for at in range(calls._MOST_REMEMBERED + 50):
        classify_call(node=f"n{at}", prompt="word " * 1_000)
    assert calls._classified.cache_info().currsize == calls._MOST_REMEMBERED


def test_schemas_are_not_kept_alive() -> None:
    """A schema made for one call can be collected afterwards."""
    schema = create_model("Route", next=(str, ...))
    classify_call(node="n", schema=schema)
    gone = weakref.ref(schema)
    del schema
    gc.collect()
    assert gone() is None


def test_the_system_prompt_is_what_a_conversation_begins_with() -> None:
    """Texts of leading system messages count, as text or in blocks; nothing that others said does."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    begun = [SystemMessage("Be brief."), SystemMessage([{"type": "text", "text": "Route the request."}, image])]
    rest = [HumanMessage("Hello"), SystemMessage("Later."), AIMessage("Hi")]
    assert system_prompt([*begun, *rest]) == "Be brief.\nRoute the request."
    assert system_prompt(rest) == ""
    assert system_prompt([]) == ""
