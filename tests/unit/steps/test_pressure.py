"""Reading a conversation: signals, sizes, and that reading only what is new changes nothing."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage

from langroute.records import Pressure
from langroute.steps import ConversationReader, Reading, bound_input_tokens, expected_input_tokens, read_pressure


def _call(name: str = "search", *, call_id: str = "c1", **args: Any) -> dict[str, Any]:
    return {"name": name, "args": args, "id": call_id}


def _answer(
    *calls: dict[str, Any], text: str = "", usage: tuple[int, int] | None = None, model: str = "m", **fields: Any
) -> AIMessage:
    counted = usage and {"input_tokens": usage[0], "output_tokens": usage[1], "total_tokens": sum(usage)}
    about = {"model_name": model} if usage else {}
    return AIMessage(text, tool_calls=list(calls), usage_metadata=counted, response_metadata=about, **fields)


def _comparable(reading: Reading) -> Reading:
    """A reading without what the reader's memory may change."""
    usage = reading.last_usage
    known = {"anchored": False, "bytes_after": 0, "media_after": 0, "messages_after": 0}
    return replace(reading, new_messages=0, last_usage=usage and replace(usage, **known))


def test_each_signal_counts_once_per_occurrence() -> None:
    """Invalid calls, tool errors and repeated calls are counted one by one; retries are not read from messages."""
    broken = {"name": "search", "args": "{", "id": "x", "error": "no JSON", "type": "invalid_tool_call"}
    messages = [
        HumanMessage("find it"),
        _answer(_call(q="a"), _call(q="b", call_id="c2"), invalid_tool_calls=[broken, broken]),
        ToolMessage("boom", tool_call_id="c1", status="error"),
        ToolMessage("fine", tool_call_id="c2"),
        _answer(_call(q="a", call_id="c3")),
    ]
    assert read_pressure(messages) == Pressure(invalid_tool_calls=2, tool_errors=1, repeated_calls=1)


def test_answers_that_take_back_or_say_nothing_count_once_each() -> None:
    """An answer with two corrections counts once; one without text and readable calls is an empty end."""
    broken = {"name": "search", "args": "{", "id": "x", "error": "no JSON", "type": "invalid_tool_call"}
    messages = [
        HumanMessage("find it"),
        _answer(_call(q="a"), text="Wait, that is wrong. Actually, it is b."),
        ToolMessage("fine", tool_call_id="c1"),
        _answer(text="", invalid_tool_calls=[broken]),
        _answer(text=""),
        _answer(_call(q="b")),
    ]
    assert read_pressure(messages) == Pressure(self_corrections=1, empty_ends=2, invalid_tool_calls=1)


def test_an_empty_end_finishes_no_turn() -> None:
    """When a person asks what happened, the silence still counts; after a real answer it is over."""
    messages = [HumanMessage("one"), _answer(text=""), HumanMessage("hello?")]
    assert read_pressure(messages) == Pressure(empty_ends=1)
    assert read_pressure([*messages, _answer(text="here"), HumanMessage("two")]) == Pressure()


_MISFIT = "Error: Failed to parse structured output for tool 'Answer': 1 error.\n Please fix your mistakes."


def test_a_missed_schema_counts_once_an_answer_and_is_no_tool_error() -> None:
    """LangChain writes one message for each wrong call of an answer, whatever its status: one failure."""
    twins = [ToolMessage(_MISFIT, tool_call_id=name, status="error") for name in ("c1", "c2")]
    messages = [
        HumanMessage("q"),
        _answer(_call("Answer", n=1), _call("Answer", call_id="c2", n=2)),
        *twins,
        _answer(_call("Answer", call_id="c1", n=3)),
        ToolMessage(_MISFIT, tool_call_id="c1"),
    ]
    assert read_pressure(messages) == Pressure(schema_failures=2)


def test_retrievals_are_the_documents_of_search_tools_in_the_turn() -> None:
    """Each document of an artifact counts, a result without a list once; errors and other tools count nothing."""
    found = [
        ToolMessage("a b c", tool_call_id="c1", name="search_docs", artifact=["a", "b", "c"]),
        ToolMessage("d", tool_call_id="c2", name="wikipedia"),
        ToolMessage("down", tool_call_id="c3", name="search_docs", status="error"),
        ToolMessage("sent", tool_call_id="c4", name="send_email", artifact=["x"]),
    ]
    history = [HumanMessage("q"), _answer(_call(q="a")), *found]
    assert ConversationReader().read(history).retrievals == 4
    assert ConversationReader().read([*history, _answer(text="done"), HumanMessage("next")]).retrievals == 0


@pytest.mark.parametrize(
    ("block", "kinds"),
    [
        ({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}, ("image",)),
        ({"type": "image", "base64": "AA", "mime_type": "image/png"}, ("image",)),
        ({"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}, ("audio",)),
        ({"type": "video", "url": "https://example.org/a.mp4"}, ("video",)),
        ({"type": "file", "base64": "AA", "mime_type": "application/pdf"}, ("file",)),
        ({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AA"}}, ("file",)),
        ({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hi"}}, ()),
        ({"type": "file", "base64": "AA", "mime_type": "text/csv"}, ()),
        ({"type": "media", "mime_type": "video/mp4", "file_uri": "gs://a/b"}, ("video",)),
        ({"type": "media", "mime_type": "application/pdf", "data": "AA"}, ("file",)),
        ({"type": "text", "text": "image"}, ()),
    ],
)
def test_kinds_of_media_are_read_from_blocks(block: dict[str, Any], kinds: tuple[str, ...]) -> None:
    """Blocks of every provider's form tell what an arm has to take; plain text in a file needs nothing."""
    assert ConversationReader().read([HumanMessage([block])]).media_kinds == kinds
    assert ConversationReader().read([SystemMessage([block]), HumanMessage("q")]).media_kinds == kinds


def test_an_instruction_within_a_turn_ends_no_trouble() -> None:
    """A human message right after a tool's result is part of the turn: the failed attempt before it still counts."""
    messages = [
        HumanMessage("one"),
        _answer(_call(q="a")),
        ToolMessage("boom", tool_call_id="c1", status="error"),
        HumanMessage("wrong, try again"),
    ]
    assert read_pressure(messages) == Pressure(tool_errors=1)


def test_trouble_of_an_earlier_turn_is_over() -> None:
    """Signals before a finished answer do not count, nor do calls repeated from an earlier turn."""
    messages = [
        HumanMessage("one"),
        _answer(_call(q="a")),
        ToolMessage("boom", tool_call_id="c1", status="error"),
        AIMessage("it did not work"),
        HumanMessage("two"),
        _answer(_call(q="a")),
    ]
    assert read_pressure(messages) == Pressure()


@pytest.mark.parametrize(
    ("first", "second", "repeated"),
    [
        ({"q": "Red  Apples"}, {"q": "red apples "}, 1),
        ({"n": 3}, {"n": 3.0}, 1),
        ({"x": 0.1 + 0.2}, {"x": 0.3}, 1),
        ({"a": 1, "b": [2, {"c": None}]}, {"b": [2, {"c": None}], "a": 1}, 1),
        ({"id": 1234567}, {"id": 1234568}, 0),
        ({"flag": True}, {"flag": 1}, 0),
        ({"n": 1}, {"n": "1"}, 0),
        ({"a": [1, 2]}, {"a": [2, 1]}, 0),
    ],
)
def test_near_equal_arguments(first: dict[str, Any], second: dict[str, Any], repeated: int) -> None:
    """Case, white space and float noise do not make a call new; any other difference does."""
    assert read_pressure([_answer(_call(**first)), _answer(_call(**second))]).repeated_calls == repeated


def test_parallel_twins_count_and_other_tools_do_not() -> None:
    """The same call twice in one answer is a repeat; the same arguments to another tool are not."""
    assert read_pressure([_answer(_call(q="a"), _call(q="a", call_id="c2"))]).repeated_calls == 1
    assert read_pressure([_answer(_call("search", q="a"), _call("fetch", q="a"))]).repeated_calls == 0


def test_only_new_messages_are_read() -> None:
    """A step on a known history reads its new messages, also when the system message was made anew."""
    reader = ConversationReader()
    history: list[AnyMessage] = [HumanMessage("q", id="h")]
    for index in range(200):
        history += [_answer(_call(q=str(index))), ToolMessage("r", tool_call_id="c1")]
    assert reader.read([SystemMessage("be kind"), *history]).new_messages == 402
    history += [_answer(_call(q="3")), ToolMessage("r", tool_call_id="c1")]
    again = reader.read([SystemMessage("be brief"), *history])
    assert (again.new_messages, again.pressure.repeated_calls) == (3, 1)


def test_a_deserialised_history_is_recognised() -> None:
    """Equal messages count as the same ones, as after a resume from a checkpoint."""
    reader = ConversationReader()
    history = [HumanMessage("q", id="h"), _answer(_call(q="a")), ToolMessage("r", tool_call_id="c1")]
    reader.read(history)
    assert reader.read([message.model_copy() for message in history]).new_messages == 0


def test_an_instruction_added_for_one_step_does_not_cost_a_full_scan() -> None:
    """A message that was appended for one call only is forgotten: reading goes on from the read before it."""
    reader = ConversationReader()
    history: list[AnyMessage] = [HumanMessage("q", id="h"), _answer(text="a")]
    reader.read(history)
    reader.read([*history, HumanMessage("answer now")])
    assert reader.read([*history, _answer(text="b")]).new_messages == 1


def test_a_last_message_changed_in_place_is_read_again() -> None:
    """A streamed answer that grew after it was read is not taken for known."""
    reader = ConversationReader()
    history: list[AnyMessage] = [HumanMessage("q", id="h"), _answer(text="a")]
    small = reader.read(history).total_bytes
    history[-1].content = "a longer one"
    assert reader.read(history).total_bytes == small + 11


_TEXTS = st.sampled_from(["", "a", "naïve", "long " * 20, "\ud800", "Wait, no.", _MISFIT])
_ARGS = st.dictionaries(st.sampled_from("xy"), st.sampled_from([1, 1.0, "A", "a ", None, [True]]), max_size=2)


@st.composite
def _messages(draw: st.DrawFn) -> AnyMessage:
    who = draw(st.sampled_from(["human", "ai", "ai", "tool", "tool", "system"]))
    text = draw(_TEXTS)
    if who == "human":
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
        sound = {"type": "audio", "base64": "AAAA", "mime_type": "audio/wav"}
        return HumanMessage(draw(st.sampled_from([text, [{"type": "text", "text": text}, image], [sound]])))
    if who == "tool":
        name, artifact = draw(
            st.sampled_from([(None, None), ("search", None), ("search", ["a", "b"]), ("send", ["a"])])
        )
        status = draw(st.sampled_from(["success", "error"]))
        return ToolMessage(text, tool_call_id="c", name=name, artifact=artifact, status=status)
    if who == "system":
        return SystemMessage(text)
    calls = [_call(call_id="c", **args) for args in draw(st.lists(_ARGS, max_size=2))]
    return _answer(*calls, text=text, usage=draw(st.sampled_from([None, (7, 2), (90, 1)])))


@given(st.lists(_messages(), max_size=12), st.data())
def test_incremental_equals_full_scan(pool: list[AnyMessage], data: st.DataObject) -> None:
    """Whatever is read in whatever order - growth, forks, trims, edits, copies - equals a full scan of it."""
    reader = ConversationReader(max_conversations=3)
    history: list[AnyMessage] = []
    for _ in range(data.draw(st.integers(1, 8))):
        cut = data.draw(st.integers(0, len(history)))
        keep = history[:cut] if data.draw(st.booleans()) else history[cut // 2 :]
        more = data.draw(st.lists(st.sampled_from(pool), max_size=4)) if pool else []
        history = [*keep, *more]
        if data.draw(st.booleans()):
            history = [message.model_copy() for message in history]
        reading = reader.read(history)
        assert _comparable(reading) == _comparable(ConversationReader().read(history))
        assert reading.pressure == read_pressure(history)


def test_memory_is_bounded_and_threads_are_safe() -> None:
    """More conversations than are remembered, read from many threads, all read right."""
    reader = ConversationReader(max_conversations=4)
    histories = [[HumanMessage(f"q{index}"), _answer(_call(q="a")), _answer(_call(q="a"))] for index in range(40)]
    with ThreadPoolExecutor(8) as pool:
        readings = list(pool.map(reader.read, histories * 5))
    assert {reading.pressure.repeated_calls for reading in readings} == {1}
    assert reader.read(histories[0] + histories[1]).messages == 6


def test_bytes_cover_everything_that_is_sent() -> None:
    """Text in any script, names, call names, ids and JSON arguments are in the byte count; images count as media."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10_000}}
    reading = ConversationReader().read(
        [
            HumanMessage([{"type": "text", "text": "héllo"}, image], name="ann"),
            _answer(_call("go", call_id="id1", place="Zürich")),
        ]
    )
    least = len("héllo".encode()) + len("ann") + len("go" + "id1") + len('{"place": "Zürich"}'.encode())
    assert least <= reading.total_bytes < least + 60
    assert (reading.media, reading.tool_calls) == (1, 1)


def test_inline_files_count_by_their_bytes() -> None:
    """A file has no natural most: its inline data are in the byte count."""
    block = {"type": "file", "base64": "A" * 5_000, "mime_type": "application/pdf"}
    assert ConversationReader().read([HumanMessage([block])]).total_bytes >= 5_000


def _asked(reader: ConversationReader, *, text: str) -> tuple[list[AnyMessage], Reading]:
    """A conversation whose first call reported 500 input tokens and whose tool then returned ``text``."""
    history: list[AnyMessage] = [SystemMessage("s" * 400), HumanMessage("q" * 3_000, id="h")]
    reader.read(history)
    history += [_answer(_call(q="a"), usage=(500, 20), model="small"), ToolMessage(text, tool_call_id="c1")]
    return history, reader.read(history)


def test_reported_tokens_stand_for_what_they_counted() -> None:
    """For the model that reported them, only what is new is bounded by bytes; for any other, everything is."""
    _, reading = _asked(ConversationReader(), text="r" * 100)
    everything = bound_input_tokens(reading)
    assert everything >= reading.total_bytes
    assert bound_input_tokens(reading, reported_model="other") == everything
    assert 500 + 100 < bound_input_tokens(reading, reported_model="small") < 1_000


def test_a_report_nobody_witnessed_is_not_trusted() -> None:
    """After a restart, or when other messages stood before the answer, the bound falls back to bytes."""
    history, _ = _asked(ConversationReader(), text="r")
    fresh = ConversationReader().read(history)
    assert fresh.last_usage is not None
    assert not fresh.last_usage.anchored
    assert bound_input_tokens(fresh, reported_model="small") == bound_input_tokens(fresh)


def test_another_system_message_is_counted_anew() -> None:
    """A report made under one system message does not stand for another one."""
    reader = ConversationReader()
    history, before = _asked(reader, text="r")
    after = reader.read([SystemMessage("t" * 400), *history[1:]])
    assert before.last_usage is not None
    assert after.last_usage is not None
    assert after.last_usage.bytes_after == before.last_usage.bytes_after + 400


def test_two_system_messages_over_one_history_leave_the_report_unclear() -> None:
    """When two calls were made on the same messages, nobody knows whose answer came back: both heads count again."""
    reader = ConversationReader()
    history: list[AnyMessage] = [HumanMessage("q", id="h")]
    reader.read([SystemMessage("a" * 90), *history])
    reader.read([SystemMessage("b" * 10), *history])
    reading = reader.read([SystemMessage("b" * 10), *history, _answer(text="x", usage=(100, 1))])
    assert reading.last_usage is not None
    assert reading.last_usage.bytes_after == 10


@given(st.lists(_messages(), max_size=10), st.integers(0, 500))
def test_expectation_never_exceeds_the_bound(history: list[AnyMessage], tools_bytes: int) -> None:
    """What is expected of unseen conversations lies below what is held, and tools and messages only add."""
    reading = ConversationReader().read(history)
    bound = bound_input_tokens(reading, tools_bytes=tools_bytes)
    assert expected_input_tokens(reading, tools_bytes=tools_bytes) <= bound
    assert bound >= reading.total_bytes + tools_bytes
    assert bound_input_tokens(reading, tools_bytes=tools_bytes, messages_count=reading.messages + 1) > bound


def test_hidden_reasoning_is_bounded_by_its_report() -> None:
    """Reasoning tokens that are billed again, but are not in the messages, are in the bound."""
    usage = {"input_tokens": 5, "output_tokens": 900, "total_tokens": 905, "output_token_details": {"reasoning": 880}}
    reading = ConversationReader().read([HumanMessage("q"), AIMessage("a", usage_metadata=usage)])
    assert reading.reasoning_tokens == 880
    assert bound_input_tokens(reading) >= 880


def test_only_a_settled_list_is_remembered_without_a_copy() -> None:
    """A list that grows after it was read is read anew; one that nobody changes need not be copied."""
    growing: list[AnyMessage] = [HumanMessage("Hi")]
    reader = ConversationReader()
    reader.read(growing)
    growing.append(AIMessage("Yes?"))
    assert reader.read(growing).new_messages == 1
    settled: list[AnyMessage] = [HumanMessage("Hi"), AIMessage("Yes?")]
    again = ConversationReader()
    assert again.read(settled, settled=True).new_messages == 2
    assert again.read([*settled, HumanMessage("No.")], settled=True).new_messages == 1
