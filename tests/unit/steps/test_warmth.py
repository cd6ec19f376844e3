"""Which caches are warm: read from what was sent, what was reported, and when."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from langroute.caching import CacheRule
from langroute.money import Price
from langroute.records import Arm, CacheView, Usage
from langroute.steps.warmth import PromptCaches, has_cache_marks

PRICE = Price(input_per_million=2, output_per_million=8, cached_input_per_million=0.2, cache_write_per_million=2)
WRITES = Price(input_per_million=2, output_per_million=8, cached_input_per_million=0.2, cache_write_per_million=2.5)
AUTOMATIC = CacheRule(mode="automatic", min_tokens=100, block_tokens=10, lifetime_s=300.0)
MARKED = CacheRule(mode="marked", min_tokens=100, lifetime_s=300.0)


def arm(name: str, *, rule: CacheRule = AUTOMATIC, price: Price = PRICE) -> Arm:
    return Arm(name=name, model=f"model-{name}", provider="test", price=price, caching=rule)


def talk(turns: int, *, start: str = "start") -> list[BaseMessage]:
    """A conversation of so many turns after its first message; its messages are made once each."""
    told: list[BaseMessage] = [SystemMessage("s" * 400), HumanMessage(start * 40)]
    for turn in range(turns):
        told += [AIMessage(f"answer {turn} " * 20), HumanMessage(f"result {turn} " * 40)]
    return told


def weight(messages: list[BaseMessage]) -> int:
    return sum(len(str(message.content)) for message in messages)


def learn(caches: PromptCaches, name: str, messages: list[BaseMessage], at: float = 0.0, **changes: Any) -> int:
    """Tell of a call whose tokens are a quarter of its letters; returns the tokens."""
    tokens = weight(messages) // 4
    usage = Usage(**{"input_tokens": tokens, "output_tokens": 10, **changes})
    caches.learn(messages, arm=name, usage=usage, prompt_bytes=weight(messages), tools_bytes=0, at=at)
    return tokens


def expect(
    caches: PromptCaches, messages: list[BaseMessage], at: float = 1.0, *, marked: bool = False, tools_bytes: int = 0
) -> dict[str, CacheView]:
    views = caches.expect(messages, tools_bytes=tools_bytes, input_tokens=weight(messages) // 4, marked=marked, at=at)
    return {view.arm: view for view in views}


def test_the_arm_that_was_called_is_warm_and_no_other() -> None:
    """What an arm was sent is expected from its cache, in whole blocks; another arm starts cold."""
    caches = PromptCaches([arm("a"), arm("b")])
    messages = talk(3)
    sent = learn(caches, "a", messages)
    longer = [*messages, AIMessage("more"), HumanMessage("and more")]
    view = expect(caches, longer)
    assert set(view) == {"a"}
    assert view["a"].read_tokens == sent - sent % 10
    assert view["a"].write_tokens == 0
    assert view["a"].saved_nano == view["a"].read_tokens * 1800


def test_a_fresh_copy_of_the_conversation_is_the_same_one() -> None:
    """Messages that were loaded anew are recognised by what they say."""
    caches = PromptCaches([arm("a")])
    learn(caches, "a", talk(20))
    assert expect(caches, talk(21))["a"].read_tokens > weight(talk(20)) // 4 - 10


def test_a_cache_cools_down() -> None:
    """After its lifetime nothing is expected, and a new call starts it again."""
    caches = PromptCaches([arm("a")])
    learn(caches, "a", talk(3))
    assert expect(caches, talk(4), at=300.0)
    assert not expect(caches, talk(4), at=301.0)
    learn(caches, "a", talk(4), at=301.0)
    assert expect(caches, talk(5), at=600.0)


@pytest.mark.parametrize("place", [2, 7, 20, 30])
def test_an_edited_history_is_cold_from_its_first_message_on(place: int) -> None:
    """Messages that were changed or cleared, as compression does, break the prefix: only its start is expected."""
    caches = PromptCaches([arm("a")])
    learn(caches, "a", talk(20))
    edited = talk(21)
    for index in range(place, len(edited) - 4):
        edited[index] = HumanMessage("[cleared]")
    assert expect(caches, edited)["a"].read_tokens <= weight(talk(0)) // 4


def test_another_head_shares_nothing_and_another_conversation_its_head() -> None:
    """System message and tools are shared by conversations that begin with the same ones, and by no others."""
    caches = PromptCaches([arm("a")])
    learn(caches, "a", talk(5))
    other = talk(5, start="other")
    assert expect(caches, other)["a"].read_tokens == 100
    assert not expect(caches, other, tools_bytes=512)
    assert not expect(caches, [SystemMessage("t" * 400), *talk(5)[1:]])


def test_an_instruction_at_the_end_forks_and_the_rest_is_kept() -> None:
    """Where only the last message differs, all before it is expected; where all but the first do, the first."""
    caches = PromptCaches([arm("a")])
    messages = talk(5)
    learn(caches, "a", [*messages, HumanMessage("plan")])
    whole = weight(messages) // 4
    assert whole - 20 <= expect(caches, [*messages, HumanMessage("work now")])["a"].read_tokens <= whole
    first = weight(messages[:2]) // 4
    assert first - 20 <= expect(caches, [*messages[:2], HumanMessage("work now")])["a"].read_tokens <= first


def test_marked_prompts_are_warm_as_far_as_was_reported() -> None:
    """With marks, what was read or written is warm; the next call writes what it adds before the mark."""
    caches = PromptCaches([arm("a", rule=MARKED, price=WRITES)])
    messages = talk(10)
    tokens = weight(messages) // 4
    assert not expect(caches, messages)
    cold = expect(caches, messages, marked=True)["a"]
    assert (cold.read_tokens, cold.write_tokens) == (0, tokens)
    assert cold.saved_nano == -tokens * 500
    learn(caches, "a", messages, cache_write_tokens=tokens - 7)
    view = expect(caches, talk(11), marked=True)["a"]
    assert view.read_tokens == tokens - 7
    assert view.write_tokens == weight(talk(11)) // 4 - view.read_tokens - 7


def test_a_mark_behind_the_system_message_writes_once() -> None:
    """Where the last call only read, no further write is expected."""
    caches = PromptCaches([arm("a", rule=MARKED, price=WRITES)])
    learn(caches, "a", talk(10), cache_read_tokens=150)
    view = expect(caches, talk(11), marked=True)["a"]
    assert (view.read_tokens, view.write_tokens) == (150, 0)


def test_automatic_writes_are_priced_where_they_are_billed() -> None:
    """A provider that caches every prompt and bills writes is expected to write all that it does not read."""
    caches = PromptCaches([arm("a", price=WRITES)])
    view = expect(caches, talk(3))["a"]
    assert (view.read_tokens, view.write_tokens) == (0, weight(talk(3)) // 4)


def test_an_unknown_provider_has_to_show_its_cache() -> None:
    """Nothing is expected of a cache that nobody has seen; once a call reports a read, it is."""
    caches = PromptCaches([arm("a", rule=CacheRule())])
    learn(caches, "a", talk(5))
    assert not expect(caches, talk(6))
    tokens = learn(caches, "a", talk(6), cache_read_tokens=300)
    assert expect(caches, talk(7))["a"].read_tokens == tokens


def test_arms_without_a_discount_are_not_followed() -> None:
    """Where cached tokens cost what others do, or there is no cache, nothing is kept."""
    plain = Price(input_per_million=2, output_per_million=8)
    caches = PromptCaches([arm("a", price=plain), arm("b", rule=CacheRule(mode="none"))])
    assert not caches
    learn(caches, "a", talk(5))
    assert not expect(caches, talk(6))


def test_an_unreported_call_teaches_nothing() -> None:
    """Without usage the state stays as it was."""
    caches = PromptCaches([arm("a")])
    caches.learn(talk(5), arm="a", usage=None, prompt_bytes=1000, tools_bytes=0, at=0.0)
    caches.learn(
        talk(5), arm="stranger", usage=Usage(input_tokens=9, output_tokens=1), prompt_bytes=9, tools_bytes=0, at=0
    )
    assert not expect(caches, talk(6))


def test_memory_is_bounded() -> None:
    """The conversation that was called least recently is forgotten; its shared head is not."""
    caches = PromptCaches([arm("a")], most=2)
    for start in ("one", "two", "three"):
        learn(caches, "a", talk(5, start=start))
    assert expect(caches, talk(6, start="one"))["a"].read_tokens == 100
    assert expect(caches, talk(6, start="three"))["a"].read_tokens > 100


def test_what_is_expected_never_exceeds_the_prompt() -> None:
    """Where the new prompt is expected to be shorter than what was reported, no more than all of it is read."""
    caches = PromptCaches([arm("a", price=WRITES)])
    messages = talk(3)
    learn(caches, "a", messages, input_tokens=10_000)
    view = expect(caches, messages)["a"]
    assert view.read_tokens == weight(messages) // 4
    assert view.write_tokens == 0


def test_empty_and_system_only_prompts_are_read() -> None:
    """A prompt without a conversation has a cache of its own kind, too."""
    caches = PromptCaches([arm("a")])
    head: list[BaseMessage] = [SystemMessage("s" * 800)]
    learn(caches, "a", head)
    assert expect(caches, head)["a"].read_tokens == 200
    assert not expect(caches, [])


@pytest.mark.parametrize(
    ("messages", "options", "marked"),
    [
        ([HumanMessage("hello")], {}, False),
        ([HumanMessage("hello")], {"cache_control": {"type": "ephemeral"}}, True),
        ([HumanMessage([{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}])], {}, True),
        ([SystemMessage([{"type": "text", "text": "hi"}, {"cachePoint": {"type": "default"}}]), *talk(3)], {}, True),
        ([HumanMessage(["plain", {"type": "text", "text": "hi"}])], {}, False),
        ([], {}, False),
    ],
)
def test_marks_are_seen(messages: list[BaseMessage], options: dict[str, Any], marked: bool) -> None:
    """Marks in the options of a call, in its head or in its last messages are found."""
    assert has_cache_marks(messages, options) is marked
