"""Answers of one model as another one is sent them."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI

from langroute.integrations.swap import reasons as why
from langroute.integrations.swap.answers import fit_answer
from langroute.integrations.swap.authors import Authors
from langroute.integrations.swap.targets import target_of
from tests.unit.integrations.swap.arms import KEY, MODELS, answer, call, target

THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2lnbmVk"}
REDACTED = {"type": "redacted_thinking", "data": "c2VhbGVk"}
USE = {"type": "tool_use", "id": "call_1", "name": "look", "input": {}}
ITEM = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "c2VhbGVk"}
FUNCTION = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": "{}"}

ANSWERS: dict[str, AIMessage] = {
    "sonnet": answer("sonnet", [THOUGHT, {"type": "text", "text": "So."}, USE], tool_calls=[call()]),
    "responses": answer(
        "responses", [ITEM, {"type": "text", "text": "So.", "id": "msg_1"}, FUNCTION], tool_calls=[call()]
    ),
    "gemini": answer(
        "gemini",
        [{"type": "text", "text": "So.", "extras": {"signature": "c2ln"}}],
        tool_calls=[call()],
        additional_kwargs={"__gemini_function_call_thought_signatures__": {"call_1": "c2ln"}},
    ),
}


@pytest.mark.parametrize("reader", MODELS)
@pytest.mark.parametrize("writer", ANSWERS)
def test_what_a_model_thought_is_kept_for_it_alone(writer: str, reader: str) -> None:
    """Its own model is sent the very answer; every other one its text and its tool calls, and nothing signed."""
    message = ANSWERS[writer]
    before = deepcopy(message)
    fit = fit_answer(message, target(reader), Authors())
    assert message == before
    if reader == writer:
        assert fit.message is message
        assert fit.reasons == ()
        return
    assert isinstance(fit.message, AIMessage)
    assert why.REASONING in fit.reasons
    assert fit.message.text == "So."
    assert fit.message.tool_calls == message.tool_calls
    told = repr(fit.message)
    assert not any(secret in told for secret in ("c2ln", "c2VhbGVk", "rs_1", "fc_1", "msg_1"))


def test_another_claude_keeps_all_but_the_thoughts() -> None:
    """Blocks that every Claude reads, such as searches at Anthropic's, stay for another Claude; thoughts do not."""
    search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    message = answer("sonnet", [THOUGHT, REDACTED, search, {"type": "text", "text": "So."}])
    fit = fit_answer(message, target("opus"), Authors())
    assert isinstance(fit.message, AIMessage)
    assert fit.message.content == [search, {"type": "text", "text": "So."}]


@pytest.mark.parametrize("reader", ["chat", "responses", "opus", "gemini"])
def test_an_answer_of_thoughts_alone_is_left_out(reader: str) -> None:
    """Where nothing but thoughts was said, nothing is sent; providers refuse empty answers."""
    fit = fit_answer(answer("sonnet", [THOUGHT, REDACTED]), target(reader), Authors())
    assert fit.message is None
    assert why.REASONING in fit.reasons


def test_a_snapshot_is_the_model_it_is_of() -> None:
    """An answer names the dated snapshot of a model; its thoughts are kept for the model of the plain name."""
    about = {"model_provider": "anthropic", "model_name": "claude-sonnet-4-5-20250929"}
    message = AIMessage([THOUGHT, {"type": "text", "text": "So."}], response_metadata=about)
    assert fit_answer(message, target("sonnet"), Authors()).message is message


def test_a_thinking_model_through_its_other_format_reads_text() -> None:
    """The items of OpenAI's responses API mean nothing to its chat completions, even of the same model."""
    same = target_of("other", ChatOpenAI(model="gpt-5", api_key=KEY))
    fit = fit_answer(ANSWERS["responses"], same, Authors())
    assert isinstance(fit.message, AIMessage)
    assert fit.message.content == "So."


@pytest.mark.parametrize(
    ("blocks", "text", "reason"),
    [
        ([{"type": "text", "text": "a", "annotations": [{"type": "citation"}]}], "a", why.CITATIONS),
        ([{"type": "refusal", "refusal": "No."}], "No.", None),
        ([{"type": "text", "text": "a"}, {"type": "web_search_call", "id": "ws_1"}], "a", why.SERVER_TOOLS),
        ([{"type": "text", "text": "a"}, {"type": "image", "base64": "eA=="}], "a", why.ANSWER_MEDIA),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, ITEM], "ab", why.REASONING),
        ([{"type": "text", "text": "a"}, ITEM, {"type": "text", "text": "b"}], "a\n\nb", why.REASONING),
    ],
)
def test_what_another_model_cannot_read_is_left_out_with_a_reason(
    blocks: list[Any], text: str, reason: str | None
) -> None:
    """Citations, searches, pictures and thoughts go; texts stay in their order; the reason is told."""
    fit = fit_answer(answer("responses", blocks), target("gemini"), Authors())
    assert isinstance(fit.message, AIMessage)
    assert fit.message.content == text
    assert fit.reasons == (() if reason is None else (reason,))


def test_old_extras_of_the_responses_api_are_left_out_too() -> None:
    """What older versions keep beside the content belongs to its model as well: reasoning, item ids, tool outputs."""
    extras = {
        "reasoning": {"id": "rs_1", "summary": []},
        "__openai_function_call_ids__": {"call_1": "fc_1"},
        "tool_outputs": [{"type": "web_search_call", "id": "ws_1"}],
    }
    message = answer("responses", "So.", tool_calls=[call()], additional_kwargs=extras, id="msg_1")
    fit = fit_answer(message, target("mini"), Authors())
    assert isinstance(fit.message, AIMessage)
    assert fit.message.additional_kwargs == {}
    assert fit.message.id is None
    assert set(fit.reasons) == {why.REASONING, why.ITEM_IDS, why.SERVER_TOOLS}


def test_plain_answers_of_anybody_are_sent_as_they_are() -> None:
    """Text and tool calls are written by every package: there is nothing to copy."""
    for writer in MODELS:
        message = answer(writer, "So.", tool_calls=[call()])
        for reader in MODELS:
            assert fit_answer(message, target(reader), Authors()).message is message


def test_blocks_tell_whose_an_answer_is_that_does_not_say() -> None:
    """Answers from before ``model_provider`` are known by their blocks; what could be the model's own is kept."""
    unsaid = AIMessage([ITEM, {"type": "text", "text": "So."}])
    assert fit_answer(unsaid, target("responses"), Authors()).message is unsaid
    fit = fit_answer(unsaid, target("sonnet"), Authors())
    assert isinstance(fit.message, AIMessage)
    assert fit.message.content == "So."


def test_two_places_of_one_model_do_not_read_each_others_items() -> None:
    """An id means something at the endpoint that gave it; which one that was is remembered, else nothing is kept."""
    here = replace(target("responses"), endpoint="here.example", twin=True)
    there = replace(target("responses"), endpoint="there.example", twin=True)
    message = answer("responses", [ITEM, {"type": "text", "text": "So."}], id="lc_run--1")
    authors = Authors()
    assert fit_answer(message, here, authors).message is not message
    authors.remember("lc_run--1", here)
    assert fit_answer(message, here, authors).message is message
    assert fit_answer(message, there, authors).message is not message
