"""Prompts and replies: to tokens and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from langroute.lab.calculator import CALCULATOR_SCHEMA
from langroute.lab.chat import decode_reply, encode_chat
from langroute.lab.vocabulary import CALL, END, UNK, WORDS, decode_text, encode_text, token_text

TOOLS = [CALCULATOR_SCHEMA]


@pytest.mark.parametrize(
    "text", ["cost pens; count cups; sum; off", "you pay 1234 dollars", "you get 36 pieces", "ok", "3 * 12 * 4"]
)
def test_replies_read_back_as_written(text: str) -> None:
    """What the models are taught to say decodes to exactly that text, piece by piece."""
    tokens = encode_text(text)
    assert decode_text(tokens) == text
    assert "".join(token_text(token) for token in tokens) == text


@given(st.integers(min_value=0, max_value=10**15))
def test_any_number_can_be_written(number: int) -> None:
    """Every whole number survives the way to tokens and back."""
    assert decode_text(encode_text(str(number))) == str(number)


@given(st.text())
def test_foreign_text_never_fails(text: str) -> None:
    """Any text becomes known tokens, and every word that is not known costs one."""
    tokens = encode_chat([{"role": "user", "content": text}])
    assert all(0 <= token < len(WORDS) for token in tokens)


def test_foreign_messages_never_fail() -> None:
    """Content parts, unknown roles, missing content, foreign tools and formats are all taken."""
    messages = [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": [{"type": "text", "text": "pens"}, {"type": "image_url", "image_url": {}}, 3]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "a", "function": {"name": "x", "arguments": "{"}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": 5},
        {"role": "stranger"},
    ]
    tools = [{"type": "function", "function": {"name": "search_web"}}, {"type": "web"}]
    tokens = encode_chat(messages, tools, "auto", {"type": "json_schema", "json_schema": {}})
    assert UNK in tokens
    assert encode_chat([]) == []


def test_every_word_counts() -> None:
    """Instructions are billed word by word, and tools by their names and parameters."""
    plain = encode_chat([{"role": "user", "content": "plan"}])
    assert len(encode_chat([{"role": "user", "content": "please do make me a plan"}])) == len(plain) + 5
    offered = encode_chat([{"role": "user", "content": "plan"}], TOOLS)
    assert len(offered) == len(plain) + 3
    assert encode_chat([{"role": "user", "content": "plan"}], TOOLS, "none") == plain
    assert offered[-1] == plain[-1]


def test_prompts_of_one_task_share_the_problem() -> None:
    """The problem comes first, before tools and instructions, so a prompt cache can keep it."""
    problem = {"role": "user", "content": "guest : pens 3 at 4 . cost of all ?"}
    plan = encode_chat([problem, {"role": "user", "content": "plan"}])
    work = encode_chat([problem, {"role": "user", "content": "cost pens"}], TOOLS)
    shared = len(encode_chat([problem]))
    assert plan[:shared] == work[:shared]


def test_calls_come_back_as_emitted() -> None:
    """A call is a name and raw arguments, also when they are malformed; without tools it is text."""
    call = [CALL, *encode_text("calculator"), *encode_text('{"expression":"3 * 4"}'), END]
    reply = decode_reply(call, tools=TOOLS)
    assert reply.content is None
    assert reply.tool_calls == (("calculator", '{"expression":"3 * 4"}'),)
    assert decode_reply(call[:-2], tools=TOOLS).tool_calls == (("calculator", '{"expression":"3 * 4'),)
    assert decode_reply([CALL], tools=TOOLS).tool_calls == ()
    assert decode_reply(call, tools=None).tool_calls == ()
    assert "3 * 4" in (decode_reply(call, tools=None).content or "")


def test_a_call_survives_a_client() -> None:
    """Arguments parsed and written again by a client give the same tokens."""
    assert encode_text('{"expression": "3 * 4"}') == encode_text('{"expression":"3 * 4"}')
