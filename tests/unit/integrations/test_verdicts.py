"""What answers say, and what a verifier is asked and says."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from pydantic import BaseModel

from langroute.integrations.sayings import saying
from langroute.integrations.verdicts import INSTRUCTION, prompt_tokens, verdict_of, verdict_prompt


class Sum(BaseModel):
    """A structured answer."""

    total: int


def calling(*calls: tuple[str, dict[str, object]], text: str = "") -> AIMessage:
    """An answer with tool calls."""
    made = [{"name": name, "args": args, "id": f"c{place}"} for place, (name, args) in enumerate(calls)]
    return AIMessage(text, tool_calls=made)


def test_equal_answers_say_the_same() -> None:
    """Case, white space, ids, the order of parallel calls and words beside them do not count; arguments do."""
    assert saying(AIMessage(" The  answer\n\nis 42 ")) == saying(AIMessage("the answer\nIS 42")) == "the answer\nis 42"
    one, two = ("add", {"a": 1, "b": 2}), ("look", {"q": "x"})
    assert saying(calling(one, two)) == saying(calling(two, ("add", {"b": 2, "a": 1}), text="I will add"))
    assert saying(calling(one)) != saying(calling(("add", {"a": 1, "b": 3})))
    assert saying(Sum(total=3)) == saying({"raw": AIMessage("x"), "parsed": Sum(total=3), "parsing_error": None})
    assert saying({"b": 1, "a": 2}) == saying({"a": 2, "b": 1})
    assert saying({"raw": AIMessage("Text"), "parsed": None, "parsing_error": ValueError()}) == "text"
    assert (saying(None), saying(object()), saying("Text")) == ("", "", "text")


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("OK", "ok"),
        ("ok.", "ok"),
        ("**WRONG**: it says 41", "wrong"),
        ("\n\nThe reply is correct.", "ok"),
        ("Incorrect\nnot OK at all", "wrong"),
        ('{"verdict": "WRONG", "why": "ok"}', "wrong"),
        ('```json\n{"verdict": "OK"}\n```', "ok"),
        ("not ok", "unclear"),
        ("OK or WRONG", "unclear"),
        ("I would have to look at this for longer to say whether it is OK", "unclear"),
        ("", "unclear"),
        ("{broken", "unclear"),
        ("42", "unclear"),
    ],
)
def test_a_verdict_is_read_by_its_first_words(said: str, verdict: str) -> None:
    """One word is asked for; what is no clear verdict is told as unclear."""
    assert verdict_of(AIMessage(said)) == verdict


def test_the_prompt_shows_everything_and_its_bound_holds() -> None:
    """Conversation, tool calls, results and the answer stand in one message; a byte is at least a token."""
    talk = [
        HumanMessage([{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": "data:x"}}]),
        calling(("look", {"q": "größe"})),
        ToolMessage("a cat", tool_call_id="c0"),
    ]
    (message,) = prompt = verdict_prompt(talk, AIMessage("A cat."))
    text = message.text
    for part in (INSTRUCTION, "What is it?", "(image_url)", 'look({"q": "größe"})', "a cat", "A cat."):
        assert part in text
    assert "data:x" not in text
    expected, bound = prompt_tokens(prompt)
    assert len(text.encode()) < bound < len(text.encode()) + 200
    assert expected < bound
