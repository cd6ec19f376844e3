"""The order and form of a conversation, as every format demands it."""

import warnings
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage

from langroute import ModelPool
from langroute.integrations.swap import reasons as why
from langroute.integrations.swap.swap import Swap
from langroute.integrations.swap.turns import is_cold
from tests.unit.integrations.swap.arms import KEY, MODELS, ONE_OF_EACH, PRICE, answer, call, payload, swap

ASKED, RESULT = HumanMessage("q"), ToolMessage("3", tool_call_id="call_1")


def fitted(arm: str, *messages: BaseMessage) -> tuple[list[BaseMessage], tuple[str, ...]]:
    """What an arm is sent, and the reasons; its package takes it without a warning, and state is as it was."""
    before = deepcopy(messages)
    done = swap().fit(arm, messages=list(messages))
    assert list(messages) == list(before)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        payload(arm, done.messages)
    return list(done.messages), done.reasons


def kinds(messages: Sequence[BaseMessage]) -> list[str]:
    """The kinds of messages."""
    return [message.type for message in messages]


@pytest.mark.parametrize("arm", ONE_OF_EACH)
def test_a_call_without_a_result_is_left_out(arm: str) -> None:
    """A run that was cut off, or a trimmed history, leaves calls that nobody answered; every provider refuses them."""
    cut = AIMessage("I look.", tool_calls=[call(known="call_1"), call(known="call_2")])
    messages, reasons = fitted(arm, ASKED, cut, RESULT, HumanMessage("and?"))
    assert reasons == (why.LONE_CALL,)
    sent = messages[1]
    assert isinstance(sent, AIMessage)
    assert [each["id"] for each in sent.tool_calls] == ["call_1"]
    assert sent.content == "I look."


@pytest.mark.parametrize("arm", ONE_OF_EACH)
def test_an_answer_of_lone_calls_is_left_out_whole(arm: str) -> None:
    """Without its calls nothing is left of it."""
    messages, reasons = fitted(arm, ASKED, AIMessage("", tool_calls=[call()]), HumanMessage("and?"))
    assert kinds(messages) == ["human", "human"]
    assert why.LONE_CALL in reasons


@pytest.mark.parametrize("arm", ONE_OF_EACH)
def test_a_result_without_a_call_is_left_out(arm: str) -> None:
    """Trimming may cut between a call and its result."""
    messages, reasons = fitted(arm, ASKED, RESULT, AIMessage("a"), HumanMessage("and?"))
    assert kinds(messages) == ["human", "ai", "human"]
    assert reasons == (why.LONE_RESULT,)


@pytest.mark.parametrize("arm", ONE_OF_EACH)
def test_results_stand_behind_their_calls(arm: str) -> None:
    """A word in between is put behind the results: providers want them right after the call."""
    between = HumanMessage("hurry")
    messages, reasons = fitted(arm, ASKED, AIMessage("", tool_calls=[call()]), between, RESULT)
    assert kinds(messages) == ["human", "ai", "tool", "human"]
    assert reasons == (why.RESULT_ORDER,)


@pytest.mark.parametrize(
    ("known", "arms"),
    [("", ONE_OF_EACH), (None, ONE_OF_EACH), ("x" * 41, ["chat"]), ("x" * 65, ["chat", "responses", "sonnet"])],
)
def test_ids_that_are_missing_or_too_long_are_rewritten_in_pairs(known: str | None, arms: Sequence[str]) -> None:
    """A call and its result get the same new id, which is the same at every step."""
    pair = AIMessage("", tool_calls=[call(known=known)]), ToolMessage("3", tool_call_id=known or "")
    for arm in ONE_OF_EACH:
        messages, reasons = fitted(arm, ASKED, *pair)
        again, _ = fitted(arm, ASKED, *pair, AIMessage("a"), HumanMessage("and?"))
        asked, given = messages[1:3]
        assert isinstance(asked, AIMessage)
        assert isinstance(given, ToolMessage)
        assert asked.tool_calls[0]["id"] == given.tool_call_id
        assert (reasons == (why.CALL_IDS,)) == (arm in arms)
        assert given.tool_call_id
        assert again[:3] == messages


@pytest.mark.parametrize("arm", ONE_OF_EACH)
def test_an_id_that_is_used_twice_is_rewritten_the_second_time(arm: str) -> None:
    """Small models count their calls from 0 each time; Anthropic refuses that, and Google's package mixes them up."""
    turn = AIMessage("", tool_calls=[call()]), ToolMessage("3", tool_call_id="call_1")
    second = AIMessage("", tool_calls=[call(name="hear")]), ToolMessage("4", tool_call_id="call_1")
    messages, reasons = fitted(arm, ASKED, *turn, *second)
    assert reasons == (why.CALL_IDS,)
    ids = [message.tool_call_id for message in messages if isinstance(message, ToolMessage)]
    assert ids[0] == "call_1"
    assert ids[1] != "call_1"
    assert [message.content for message in messages if isinstance(message, ToolMessage)] == ["3", "4"]


def test_calls_that_nobody_could_read_go_unless_somebody_answered() -> None:
    """OpenAI's and Anthropic's packages send malformed calls too, and each of them needs its result."""
    bad: Any = {"name": "look", "args": "{", "id": "call_2", "error": None, "type": "invalid_tool_call"}
    broken = AIMessage("I look.", tool_calls=[call()], invalid_tool_calls=[bad])
    messages, reasons = fitted("chat", ASKED, broken, RESULT)
    assert reasons == (why.LONE_CALL,)
    told = ToolMessage("no JSON", tool_call_id="call_2")
    messages, reasons = fitted("chat", ASKED, broken, RESULT, told)
    assert messages[1] is broken
    assert reasons == ()


@pytest.mark.parametrize("arm", ONE_OF_EACH)
def test_a_system_message_inside_the_conversation_keeps_its_place(arm: str) -> None:
    """Where it may not stand it is sent as a user's and says what it is, so that all before it stays what it was."""
    inside = SystemMessage("Be brief.")
    before = [SystemMessage("s"), ASKED, AIMessage("a"), HumanMessage("b")]
    messages, reasons = fitted(arm, *before, inside, AIMessage("c"), HumanMessage("d"))
    assert messages[:4] == before
    if arm in {"chat", "responses"}:
        assert messages[4] is inside
        return
    assert reasons == (why.SYSTEM_INSIDE,)
    assert messages[4] == HumanMessage("<system>\nBe brief.\n</system>")


def test_newer_claudes_take_system_messages_in_their_place() -> None:
    """Their profile says so; but not behind an answer, which Anthropic refuses."""
    newer = Swap(ModelPool({"new": ChatAnthropic(model_name="claude-opus-5", api_key=KEY)}, prices={"new": PRICE}))
    good = [ASKED, SystemMessage("x"), AIMessage("a"), HumanMessage("b"), SystemMessage("y")]
    assert newer.fit("new", messages=good).messages is good
    bad = [ASKED, AIMessage("a"), SystemMessage("x"), HumanMessage("b")]
    assert newer.fit("new", messages=bad).reasons == (why.SYSTEM_INSIDE,)


@pytest.mark.parametrize("arm", ONE_OF_EACH)
def test_several_leading_system_messages_stay(arm: str) -> None:
    """Packages put them together themselves."""
    given = [SystemMessage("a"), SystemMessage("b"), ASKED]
    messages, reasons = fitted(arm, *given)
    assert (messages, reasons) == (given, ())


@pytest.mark.parametrize(("arm", "left_out"), [("chat", 0), ("responses", 0), ("sonnet", 3), ("gemini", 2)])
def test_empty_messages_are_left_out_where_they_are_refused(arm: str, left_out: int) -> None:
    """Anthropic refuses texts of white space, Google's package warns of empty questions."""
    empty = [HumanMessage(" "), AIMessage("a"), HumanMessage([{"type": "text", "text": ""}]), AIMessage(" \n")]
    messages, reasons = fitted(arm, ASKED, *empty, HumanMessage("and?"))
    assert len(messages) == 6 - left_out
    assert reasons == ((why.EMPTY,) if left_out else ())


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ([SystemMessage("Write a poem.")], 1),
        ([SystemMessage("s"), AIMessage("Hello, what can I do?"), HumanMessage("q")], 1),
        ([AIMessage("", tool_calls=[call()]), RESULT], 0),
    ],
)
def test_somebody_opens_the_conversation(given: list[BaseMessage], place: int) -> None:
    """Anthropic and Google want a user's message first, and one at all; OpenAI does not care."""
    for arm in ("sonnet", "gemini"):
        messages, reasons = fitted(arm, *given)
        assert isinstance(messages[place], HumanMessage)
        assert reasons == (why.OPENING,)
    for arm in ("chat", "responses"):
        assert fitted(arm, *given) == (given, ())


def test_two_answers_in_a_row_are_parted_for_google() -> None:
    """As a supervisor's call follows what its subagent answered: Google takes no call that follows an answer."""
    given = [ASKED, AIMessage("It is three."), AIMessage("I check.", tool_calls=[call()]), RESULT]
    messages, reasons = fitted("gemini", *given)
    assert kinds(messages) == ["human", "ai", "human", "ai", "tool"]
    assert reasons == (why.BETWEEN,)
    assert fitted("gemini", *given[:3], RESULT, AIMessage("Yes."))[0][:5] == messages
    for plain in (given[1:2], [AIMessage("Yes.")]):
        assert fitted("gemini", ASKED, AIMessage("Hm."), *plain)[1] == ()
    for arm in ("chat", "responses", "sonnet"):
        assert fitted(arm, *given) == (given, ())


@pytest.mark.parametrize("arm", ["sonnet", "gemini", "responses"])
def test_messages_of_a_free_role_are_taken_for_what_they_are(arm: str) -> None:
    """Anthropic's and Google's packages do not know `ChatMessage`."""
    free = [ChatMessage(role="system", content="s"), ChatMessage(role="user", content="q")]
    messages, reasons = fitted(arm, *free, ChatMessage(role="assistant", content="a"), HumanMessage("b"))
    assert kinds(messages) == ["system", "human", "ai", "human"]
    assert reasons == (why.ROLES,)


def test_a_loop_is_cold_when_its_first_answer_had_no_thought() -> None:
    """Anthropic demands a thought in front of an answer under way when the model thinks by a budget."""
    thought = answer("sonnet", [{"type": "thinking", "thinking": "hm", "signature": "x"}], tool_calls=[call()])
    plain = AIMessage("", tool_calls=[call()])
    assert not is_cold([ASKED])
    assert is_cold([ASKED, plain, RESULT])
    assert not is_cold([ASKED, thought, RESULT])
    assert not is_cold([ASKED, thought, RESULT, plain, RESULT])
    assert is_cold([ASKED, plain, RESULT, thought, RESULT])
    assert is_cold([ASKED, plain, RESULT, HumanMessage("Answer now.")])
    assert not is_cold([ASKED, plain, RESULT, AIMessage("a"), HumanMessage("b")])


def test_thinking_is_off_for_a_call_in_a_cold_loop_only() -> None:
    """The arm's model is used as it is as soon as a new question is asked; the pool's own model never changes."""
    known = swap()
    cold = known.fit("opus", messages=[ASKED, AIMessage("", tool_calls=[call()]), RESULT])
    assert cold.reasons == (why.THINKING_OFF,)
    model: Any = known.model("opus", cold.settings)
    assert model.thinking is None
    assert known.owns(model)
    assert known.model("opus", cold.settings) is model
    assert getattr(known.model("opus"), "thinking", None) is not None
    assert known.fit("opus", messages=[ASKED]).settings == {}
    assert not known.owns(MODELS["opus"])
