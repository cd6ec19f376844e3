"""Content blocks of people and tools, in every style, as every format is sent them."""

import json
from copy import deepcopy
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from langroute.integrations.swap import reasons as why
from langroute.integrations.swap.inputs import fit_input
from tests.unit.integrations.swap.arms import ONE_OF_EACH, call, payload, swap, target

DATA = "iVBORw0KGgo="
PNG = f"data:image/png;base64,{DATA}"
PDF = f"data:application/pdf;base64,{DATA}"
MARK = {"cache_control": {"type": "ephemeral"}}

STYLES: dict[str, Any] = {
    "image, standard": {"type": "image", "base64": DATA, "mime_type": "image/png"},
    "image, standard of old": {"type": "image", "source_type": "base64", "data": DATA, "mime_type": "image/png"},
    "image, chat completions": {"type": "image_url", "image_url": {"url": PNG}},
    "image, responses": {"type": "input_image", "image_url": PNG},
    "image, Anthropic": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": DATA}},
    "image, Google": {"type": "media", "mime_type": "image/png", "data": DATA},
    "file, standard": {"type": "file", "base64": DATA, "mime_type": "application/pdf"},
    "file, chat completions": {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}},
    "file, responses": {"type": "input_file", "file_data": PDF, "filename": "a.pdf"},
    "file, Anthropic": {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": DATA},
    },
    "file, Google": {"type": "media", "mime_type": "application/pdf", "data": DATA},
}
TEXTS: dict[str, Any] = {
    "a bare string": "hello",
    "responses": {"type": "input_text", "text": "hello"},
    "plain text": {"type": "text-plain", "text": "hello", "mime_type": "text/plain"},
    "a text document": {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hello"}},
    "a search result": {
        "type": "search_result",
        "source": "s",
        "title": "t",
        "content": [{"type": "text", "text": "hello"}],
    },
    "an id of LangChain's": {"type": "text", "text": "hello", "id": "lc_1", "extras": {"a": 1}},
    "no type": {"text": "hello"},
}


def sent(arm: str, message: Any) -> str:
    """What the arm's package sends for one message, as text; and that state was left alone."""
    before = deepcopy(message)
    fit = fit_input(message, target(arm))
    assert fit.why_not == ""
    assert message == before
    assert fit.message is not None
    return repr(payload(arm, [fit.message, HumanMessage("and?")]))


@pytest.mark.parametrize("arm", ONE_OF_EACH)
@pytest.mark.parametrize("style", STYLES)
def test_media_of_every_style_reach_every_format(style: str, arm: str) -> None:
    """Images and files with their bytes are sent by every package, whoever's style they are written in."""
    told = sent(arm, HumanMessage([{"type": "text", "text": "What is it?"}, STYLES[style]]))
    assert "What is it?" in told
    assert DATA in told or "\\x89PNG" in told


@pytest.mark.parametrize("arm", ONE_OF_EACH)
@pytest.mark.parametrize("style", TEXTS)
def test_text_of_every_style_reaches_every_format(style: str, arm: str) -> None:
    """Text stays text, in the form that the package knows."""
    told = sent(arm, HumanMessage([TEXTS[style]]))
    assert "hello" in told
    assert "lc_1" not in told


@pytest.mark.parametrize("arm", ["chat", "responses", "gemini"])
@pytest.mark.parametrize("kind", [HumanMessage, SystemMessage])
def test_cache_markers_stay_with_claude(kind: Any, arm: str) -> None:
    """OpenAI refuses `cache_control`; only Anthropic is sent it."""
    message = kind([{"type": "text", "text": "hello", **MARK}])
    assert "cache_control" not in sent(arm, message)
    assert fit_input(message, target(arm)).reasons == (why.CACHE_MARKS,)
    assert fit_input(message, target("sonnet")).message is message
    assert "cache_control" in repr(payload("sonnet", [message, HumanMessage("q")]))


@pytest.mark.parametrize("arm", ONE_OF_EACH)
def test_bedrocks_cache_points_are_left_out(arm: str) -> None:
    """A block that is nothing but a cache point goes; some packages fail on it."""
    told = sent(arm, HumanMessage([{"type": "text", "text": "hello"}, {"cachePoint": {"type": "default"}}]))
    assert "cachePoint" not in told


@pytest.mark.parametrize(
    ("block", "able"),
    [
        ({"type": "file", "url": "https://a.example/a.pdf"}, {"responses", "sonnet", "gemini"}),
        ({"type": "file", "file_id": "file-1"}, {"chat", "responses"}),
        ({"type": "file", "file": {"file_id": "file-1"}}, {"chat", "responses"}),
        ({"type": "file", "file_id": "file_1"}, {"sonnet"}),
        ({"type": "document", "source": {"type": "file", "file_id": "file_1"}}, {"sonnet"}),
        ({"type": "media", "file_uri": "https://g.example/files/1", "mime_type": "application/pdf"}, {"gemini"}),
        ({"type": "image", "file_id": "file-1"}, {"responses"}),
        ({"type": "input_file", "file_id": "file-1"}, {"chat", "responses"}),
        ({"type": "audio", "base64": DATA, "mime_type": "audio/wav"}, {"chat", "gemini"}),
        ({"type": "input_audio", "input_audio": {"data": DATA, "format": "wav"}}, {"chat", "gemini"}),
        ({"type": "video", "base64": DATA, "mime_type": "video/mp4"}, {"gemini"}),
        ({"type": "file", "base64": DATA, "mime_type": "text/csv"}, {"chat", "responses", "gemini"}),
        ({"type": "container_upload", "file_id": "file_1"}, {"sonnet"}),
        ({"type": "something_new", "value": 1}, set()),
    ],
)
def test_what_an_arm_cannot_be_sent_masks_it(block: Any, able: set[str]) -> None:
    """Media by an id of another provider, by URL where bytes are needed, or of a kind a format lacks: not left out.

    Without them the task would be another one, so the arm is not asked. The others are sent them by their packages.
    """
    message = HumanMessage([{"type": "text", "text": "What is it?"}, block])
    found = {arm for arm in ONE_OF_EACH if not fit_input(message, target(arm)).why_not}
    assert found == able
    for arm in able:
        fit = fit_input(message, target(arm))
        assert fit.message is not None
        if not (arm == "gemini" and "url" in block):  # its package would fetch the file
            payload(arm, [fit.message])


def test_plain_text_in_base64_is_a_text_document_for_claude() -> None:
    """Anthropic takes no base64 but PDF; text is written as text."""
    block = {"type": "file", "base64": "aGVsbG8=", "mime_type": "text/plain"}
    assert "hello" in sent("sonnet", HumanMessage([block]))


@pytest.mark.parametrize("style", STYLES)
def test_media_of_a_tool_result_follow_it_where_it_may_hold_text_only(style: str) -> None:
    """Chat completions take no media in a tool message: a user's message with them stands behind the results."""
    messages = [
        HumanMessage("q"),
        AIMessage("", tool_calls=[call(known="call_1"), call(known="call_2")]),
        ToolMessage([{"type": "text", "text": "seen"}, STYLES[style]], tool_call_id="call_1"),
        ToolMessage("done", tool_call_id="call_2"),
    ]
    fitted = swap().fit("chat", messages=messages)
    assert why.RESULT_MEDIA in fitted.reasons
    told = payload("chat", fitted.messages)["messages"]
    assert [each["role"] for each in told] == ["user", "assistant", "tool", "tool", "user"]
    assert told[2]["content"] == [{"type": "text", "text": "seen"}]
    assert DATA in json.dumps(told[4])
    for arm in ("responses", "sonnet", "gemini"):
        assert [each.type for each in swap().fit(arm, messages=messages).messages] == [m.type for m in messages]


def test_rewritten_blocks_are_the_same_each_time() -> None:
    """What is sent twice is the same to the letter, or no prompt cache would know it again."""
    message = HumanMessage([STYLES["file, chat completions"]])
    first, second = (fit_input(message, target("sonnet")).message for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.content == second.content


def test_names_are_written_as_openai_takes_them() -> None:
    """Chat completions refuse names with white space, which other providers never look at."""
    message = HumanMessage("hello", name="Research Agent <1>")
    fit = fit_input(message, target("chat"))
    assert fit.message is not None
    assert fit.message.name == "Research_Agent_1"
    assert fit_input(message, target("sonnet")).message is message
