"""Whatever a conversation looks like: state is left alone, fitting is stable, and the hold covers what is sent."""

from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langroute.integrations.swap.swap import Swap
from langroute.steps.facts import message_bytes
from langroute.steps.input_tokens import MESSAGE_TOKENS
from tests.unit.integrations.swap.arms import MODELS, pool, target

POOL = pool()
SWAP = Swap(POOL)
ARMS = st.sampled_from(sorted(MODELS))
WORDS = st.sampled_from(["", " ", "a", "tell me", "the sky ☂"])
IDS = st.sampled_from(["", "call_1", "call_2", "functions.f:0", "y" * 50])

TEXT = st.fixed_dictionaries({"type": st.just("text"), "text": WORDS})
INPUTS = st.one_of(
    TEXT,
    st.just({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}),
    st.just({"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}}),
    st.just({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "eA=="}}),
    st.just({"type": "media", "mime_type": "image/png", "data": "eA=="}),
    st.just({"type": "input_text", "text": "y"}),
    st.just({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "z"}}),
    st.just({"type": "file", "base64": "eA==", "mime_type": "application/pdf"}),
)
OUTPUTS = st.one_of(
    TEXT,
    st.just({"type": "thinking", "thinking": "hm", "signature": "c2ln"}),
    st.just({"type": "redacted_thinking", "data": "c2ln"}),
    st.just({"type": "reasoning", "id": "rs_1", "summary": []}),
    st.just({"type": "web_search_call", "id": "ws_1"}),
    st.just({"type": "refusal", "refusal": "No."}),
)


@st.composite
def answers(draw: st.DrawFn) -> AIMessage:
    """Answers of any arm, or of nobody."""
    about: dict[str, Any] = {}
    if draw(st.booleans()):
        known = target(draw(ARMS))
        about = {"model_provider": known.maker, "model_name": known.model}
    calls = draw(st.lists(IDS, max_size=2))
    return AIMessage(
        content=draw(st.one_of(WORDS, st.lists(OUTPUTS, min_size=1, max_size=3))),
        tool_calls=[{"name": "f", "args": {"a": 1}, "id": known_id, "type": "tool_call"} for known_id in calls],
        response_metadata=about,
    )


CONTENT = st.one_of(WORDS, st.lists(INPUTS, min_size=1, max_size=2))
MESSAGES = st.one_of(
    st.builds(HumanMessage, CONTENT),
    st.builds(SystemMessage, WORDS),
    st.builds(ToolMessage, CONTENT, tool_call_id=IDS),
    answers(),
)
TALKS = st.lists(MESSAGES, min_size=1, max_size=8)


def frozen(messages: list[BaseMessage]) -> str:
    """All that is to be seen of messages."""
    return repr([(type(message).__name__, message.model_dump()) for message in messages])


@settings(deadline=None, max_examples=300)
@given(TALKS, ARMS)
def test_state_is_never_touched(messages: list[BaseMessage], arm: str) -> None:
    """Neither the list nor any message in it is changed, down to the last block."""
    before, same = frozen(deepcopy(messages)), list(messages)
    SWAP.fit(arm, messages=messages)
    assert frozen(messages) == before
    assert all(left is right for left, right in zip(messages, same, strict=True))


@settings(deadline=None, max_examples=300)
@given(TALKS, ARMS)
def test_what_fits_is_sent_as_it_is(messages: list[BaseMessage], arm: str) -> None:
    """Fitting twice is fitting once: what was made fit for an arm is not changed again for it."""
    once = SWAP.fit(arm, messages=messages).messages
    twice = SWAP.fit(arm, messages=once).messages
    assert frozen(list(twice)) == frozen(list(once))


@settings(deadline=None, max_examples=300)
@given(TALKS, TALKS, ARMS)
def test_a_longer_conversation_begins_as_the_shorter_one(
    first: list[BaseMessage], more: list[BaseMessage], arm: str
) -> None:
    """What was sent stays what it was, as long as every call has its result: caches stay warm, thoughts stay valid."""
    asked = {call["id"] for message in first if isinstance(message, AIMessage) for call in message.tool_calls}
    late = {message.tool_call_id for message in more if isinstance(message, ToolMessage)}
    if asked & late or (first and isinstance(first[-1], SystemMessage)):
        return  # a result that comes later changes what is sent of its call
    short = list(SWAP.fit(arm, messages=first).messages)
    long = list(SWAP.fit(arm, messages=[*first, *more]).messages)
    if short and short[-1].content == "Go on.":
        return  # nothing has been said yet: who opens the conversation is not settled
    assert frozen(long[: len(short)]) == frozen(short)


@settings(deadline=None, max_examples=300)
@given(TALKS, ARMS)
def test_the_hold_covers_what_is_sent(messages: list[BaseMessage], arm: str) -> None:
    """What is sent is at most as large as what was given and the growth that was told beforehand."""
    fitted = SWAP.messages(messages, arm)

    def size(of: Any) -> int:
        return sum(message_bytes(message)[0] + MESSAGE_TOKENS for message in of)

    assert size(fitted.messages) <= size(messages) + fitted.growth


@settings(deadline=None, max_examples=200)
@given(TALKS, TALKS, TALKS, st.lists(st.integers(0, 12), min_size=2, max_size=6), ARMS)
def test_what_is_remembered_changes_nothing(
    trunk: list[BaseMessage], left: list[BaseMessage], right: list[BaseMessage], cuts: list[int], arm: str
) -> None:
    """Forks, earlier points and longer ones, in any order: the same is sent as if nothing had been sent before."""
    for number, cut in enumerate(cuts):
        messages = [*trunk, *(left if number % 2 else right)][: cut + 1]
        told, fresh = SWAP.fit(arm, messages=messages), Swap(POOL).fit(arm, messages=messages)
        assert frozen(list(told.messages)) == frozen(list(fresh.messages))
        assert told.reasons == fresh.reasons
        assert SWAP.messages(messages, arm).growth == Swap(POOL).messages(messages, arm).growth
