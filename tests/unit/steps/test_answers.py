"""What one message shows: something taken back, nothing said, a schema that was missed."""

from typing import Any

import pytest
from langchain.agents.factory import STRUCTURED_OUTPUT_ERROR_TEMPLATE
from langchain.agents.structured_output import MultipleStructuredOutputsError, StructuredOutputValidationError
from langchain_core.messages import AIMessage, ToolMessage

from langroute.steps.answers import misfit_reported, says_nothing, takes_back


@pytest.mark.parametrize(
    "text",
    [
        "Wait, the flight leaves at nine.",
        "wait - that is the old price",
        "The total is 40. Wait, no: it is 44.",
        "Hmm, wait. I should look again.",
        "Actually, it is 7.",
        "Let me correct that.",
        "I made a mistake in the sum.",
        "It is 12.\nI\u2019ve made a small error: it is 13.",
        "On second thought, take the train.",
        "Correction: 14 rooms.",
        "**Correction:** 14 rooms.",
        "Apologies, I read the wrong file.",
        "I apologize for the confusion.",
        "Sorry, I misread the table.",
        "Scratch that.",
    ],
)
def test_an_answer_that_takes_something_back_is_noticed(text: str) -> None:
    """English phrases of taking back count at the start of a sentence, in any case, in text and in blocks."""
    assert takes_back(text)
    assert takes_back([{"type": "text", "text": text}])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Please wait for the result.",
        "Wait for the mail to arrive, then reply.",
        "This is actually, as they say, fine.",
        "You made a mistake in line 4.",
        "The answer is correct: 4.",
        "The correction is in the file.",
        "I thought about it. The train is faster.",
        "Permission granted. The mission goes on.",
        "x" * 600 + ". Wait, no.",
    ],
)
def test_an_answer_that_only_uses_such_words_is_not(text: str) -> None:
    """The words alone, in the middle of a sentence or said of somebody else, or late in a long text, count nothing."""
    assert not takes_back(text)


def test_thinking_is_no_answer() -> None:
    """What a reasoning model thinks may turn back and forth, and is not text for the reader."""
    thinking = [{"type": "thinking", "thinking": "Wait, no."}]
    assert not takes_back([*thinking, {"type": "text", "text": "It is 7."}])
    assert says_nothing(AIMessage(thinking))


@pytest.mark.parametrize(
    ("message", "nothing"),
    [
        (AIMessage(""), True),
        (AIMessage(" \n"), True),
        (AIMessage([]), True),
        (AIMessage([{"type": "text", "text": ""}]), True),
        (AIMessage("x"), False),
        (AIMessage(["x"]), False),
        (AIMessage([{"type": "image", "url": "https://example.org/a.png"}]), False),
        (AIMessage("", additional_kwargs={"refusal": "I may not."}), False),
        (AIMessage("", additional_kwargs={"function_call": {"name": "f", "arguments": "{}"}}), False),
    ],
)
def test_nothing_to_read_is_told_from_something(message: AIMessage, nothing: bool) -> None:
    """Only blank text says nothing; media, refusals and calls in the old form say something."""
    assert says_nothing(message) is nothing


def _result(error: Exception) -> ToolMessage:
    return ToolMessage(STRUCTURED_OUTPUT_ERROR_TEMPLATE.format(error=error), tool_call_id="c", name="Answer")


def test_langchains_own_words_for_a_missed_schema_are_known() -> None:
    """The texts that LangChain's own errors and template make are recognised; any other tool result is not."""
    answer: Any = AIMessage("")
    assert misfit_reported(_result(StructuredOutputValidationError("Answer", ValueError("no"), answer)))
    assert misfit_reported(_result(MultipleStructuredOutputsError(["Answer", "Other"], answer)))
    assert not misfit_reported(ToolMessage("Error: no such file", tool_call_id="c", status="error"))
    assert not misfit_reported(ToolMessage([{"type": "text", "text": "ok"}], tool_call_id="c"))
