"""Work is done once per message, nothing is kept alive, and the usual conversation costs next to nothing."""

import gc
import threading
import weakref
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langroute.integrations.swap import memory
from langroute.integrations.swap.fits import Fit
from langroute.integrations.swap.memory import FitMemory
from langroute.integrations.swap.plain import PlainConversations
from langroute.integrations.swap.targets import Target
from tests.unit.integrations.swap.arms import MODELS, answer, call, swap, target

CHAT = target("chat")


class Counting:
    """Makes fits, and counts how often."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, message: BaseMessage, arm: Target) -> Fit:
        """A copy of the message."""
        self.made += 1
        return Fit(message=HumanMessage(f"{message.content} for {arm.arm}"))


def talk(rounds: int) -> list[BaseMessage]:
    """A plain agent conversation."""
    messages: list[BaseMessage] = [SystemMessage("s"), HumanMessage("q")]
    for n in range(rounds):
        messages += [AIMessage("", tool_calls=[call(known=f"call_{n}")]), ToolMessage("3", tool_call_id=f"call_{n}")]
    return messages


# -- by message --------------------------------------------------------------------------------------------------------


def test_a_message_is_made_fit_once_per_arm() -> None:
    """A long history is sent again at every step; only what is new is worked on."""
    known, make, message = FitMemory(), Counting(), HumanMessage("q")
    for _ in range(3):
        for arm in ("chat", "sonnet"):
            fit = known.of(message, target(arm), make)
            assert fit is not None
            assert fit.message is not None
            assert fit.message.content == f"q for {arm}"
    assert make.made == 2


def _new_content(message: Any) -> None:
    message.content = "other"


def _new_block(message: Any) -> None:
    message.content[0]["text"] = "other"


def _new_mark(message: Any) -> None:
    message.content[0]["cache_control"] = {"type": "ephemeral"}


def _new_call(message: Any) -> None:
    message.tool_calls[0]["args"]["place"] = "there"


def _new_extra(message: Any) -> None:
    message.additional_kwargs["reasoning"] = {"id": "rs_1"}


def _new_name(message: Any) -> None:
    message.name = "other"


@pytest.mark.parametrize("change", [_new_content, _new_block, _new_mark, _new_call, _new_extra, _new_name])
def test_a_message_that_was_changed_in_place_is_made_fit_anew(change: Any) -> None:
    """Middleware puts cache markers on messages in place; what was worked out before no longer holds."""
    known, make = FitMemory(), Counting()
    message = AIMessage([{"type": "text", "text": "a"}], tool_calls=[call(place="here")])
    known.of(message, CHAT, make)
    change(message)
    known.of(message, CHAT, make)
    assert make.made == 2


@pytest.mark.parametrize("same", [True, False])
def test_messages_are_not_kept_alive(same: bool) -> None:
    """What is remembered goes with the message, whether it was copied or sent as it is."""
    known, message = FitMemory(), HumanMessage("q")
    fit = known.of(message, CHAT, lambda given, arm: Fit(message=given if same else HumanMessage("r"), why_not="x"))
    assert fit is not None
    assert (fit.message is message) == same
    assert len(known) == 1
    gone = weakref.ref(message)
    del message, fit
    gc.collect()
    assert gone() is None
    assert len(known) == 0


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are forgotten first, also while their messages live."""
    monkeypatch.setattr(memory, "_MOST", 3)
    known, messages = FitMemory(), [HumanMessage(str(n)) for n in range(5)]
    for message in messages:
        known.of(message, CHAT, Counting())
    assert len(known) == 3


def test_extras_that_cannot_be_copied_are_no_obstacle() -> None:
    """Whatever stands among the extras, the message is sent."""
    known, make = FitMemory(), Counting()
    message = HumanMessage("q", additional_kwargs={"lock": threading.Lock()})
    assert known.of(message, CHAT, make) is not None


# -- by conversation ---------------------------------------------------------------------------------------------------


def test_the_usual_conversation_is_sent_as_it_is() -> None:
    """Text, calls and results in turn: the very list goes to every arm, and nothing is told."""
    known, messages = swap(), talk(5)
    for arm in MODELS:
        if arm != "opus":  # thinks by a budget, and this loop began without a thought
            fitted = known.fit(arm, messages=messages)
            assert fitted.messages is messages
            assert fitted.reasons == ()


ODD: dict[str, BaseMessage] = {
    "content in blocks": HumanMessage([{"type": "text", "text": "a"}]),
    "an empty question": HumanMessage(" "),
    "an empty answer": AIMessage(""),
    "a call without a result": AIMessage("", tool_calls=[call(known="call_9")]),
    "a result without a call": ToolMessage("3", tool_call_id="call_9"),
    "an id used before": AIMessage("", tool_calls=[call(known="call_0")]),
    "an odd id": AIMessage("", tool_calls=[call(known="functions.look:0")]),
    "a system message inside": SystemMessage("x"),
    "a name with a blank": HumanMessage("a", name="a b"),
    "reasoning beside the content": AIMessage("a", additional_kwargs={"reasoning": {"id": "rs_1"}}),
}


@pytest.mark.parametrize("odd", ODD)
def test_whatever_is_not_usual_is_seen(odd: str) -> None:
    """At the end and in the midst, in a conversation that is new and in one that is known."""
    fresh, usual = PlainConversations(), talk(2)
    assert not fresh.has([*usual, ODD[odd]])
    assert not fresh.has([*usual, ODD[odd], HumanMessage("and?")])
    assert fresh.has(usual)
    assert not fresh.has([*usual, ODD[odd]])
    assert fresh.has([*usual, AIMessage("a"), HumanMessage("b")])


def test_a_conversation_that_begins_oddly_is_not_usual() -> None:
    """With an answer, with blocks for a system prompt, or with nothing."""
    for messages in ([AIMessage("a"), HumanMessage("b")], [SystemMessage("s")], []):
        assert not PlainConversations().has(messages)
    assert not PlainConversations().has([SystemMessage([{"type": "text", "text": "s"}]), HumanMessage("q")])


def test_only_new_messages_are_looked_at() -> None:
    """A known beginning is not read again, however long it is; a changed one is."""
    looked: list[str] = []

    class Watched(ToolMessage):
        @property
        def status_seen(self) -> str:
            return ""

        def __getattribute__(self, name: str) -> Any:
            if name == "content":
                looked.append("x")
            return super().__getattribute__(name)

    known = PlainConversations()
    messages = talk(3)
    messages[3] = Watched("3", tool_call_id="call_0")
    assert known.has(messages)
    first = len(looked)
    assert first > 0
    for _ in range(3):
        messages = [*messages, AIMessage("a"), HumanMessage("b")]
        assert known.has(messages)
    assert len(looked) == first
    other = [messages[0], messages[1], HumanMessage("other"), *messages[2:]]
    assert known.has(other)
    assert len(looked) > first


def test_the_last_message_is_looked_at_again() -> None:
    """It may still grow; the others are taken as immutable."""
    known, messages = PlainConversations(), talk(1)
    assert known.has(messages)
    messages[-1].content = [{"type": "text", "text": "3"}]
    assert not known.has(messages)


def test_an_answer_that_has_to_change_is_changed_once() -> None:
    """The same copy goes out at every step, so that nothing is worked out twice."""
    known = swap()
    thought = answer(
        "sonnet", [{"type": "thinking", "thinking": "hm", "signature": "x"}, {"type": "text", "text": "a"}]
    )
    first = known.fit("chat", messages=[HumanMessage("q"), thought, HumanMessage("r")])
    second = known.fit("chat", messages=[HumanMessage("q"), thought, HumanMessage("r"), HumanMessage("s")])
    assert first.messages[1] is not thought
    assert second.messages[1] is first.messages[1]
