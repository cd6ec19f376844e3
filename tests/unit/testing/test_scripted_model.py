"""ScriptedModel behaves as a provider's chat model does."""

import asyncio
import pickle

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, BaseMessageChunk, HumanMessage
from pydantic import BaseModel

from langroute.testing import Reply, ScriptedModel, ScriptExhausted


class Order(BaseModel):
    """An order."""

    item: str
    quantity: int


def total(chunks: list[AIMessageChunk]) -> BaseMessageChunk:
    whole: BaseMessageChunk = chunks[0]
    for chunk in chunks[1:]:
        whole = whole + chunk
    return whole


def test_answers_come_in_order_and_calls_are_remembered() -> None:
    """Each call takes the next answer; messages, bound arguments and stop words are kept for the test to read."""
    model = ScriptedModel(["one", "two"])
    assert model.invoke("first", stop=["END"]).content == "one"
    assert model.bind(temperature=0).invoke([HumanMessage("second")]).content == "two"
    first, second = model.calls
    assert (first.messages[0].content, first.stop, dict(first.kwargs), first.streamed) == ("first", ("END",), {}, False)
    assert (second.messages[0].content, dict(second.kwargs)) == ("second", {"temperature": 0})


def test_a_script_that_is_used_up_says_so() -> None:
    """A call too many fails with the number of answers scripted and of calls made."""
    model = ScriptedModel(["only"])
    model.invoke("a")
    with pytest.raises(ScriptExhausted, match="has 1 answers and this is call 2"):
        model.invoke("b")


def test_a_function_answers_from_messages_and_arguments() -> None:
    """A function sees what the model was sent, and may answer differently each time."""
    model = ScriptedModel(lambda messages, kwargs: f"{messages[-1].text} at {kwargs.get('temperature')}")
    assert model.invoke("hello", temperature=1).content == "hello at 1"


async def test_an_async_function_can_wait_and_be_cancelled() -> None:
    """An async answer is awaited in async calls and can be cancelled there; a sync call refuses it."""

    async def never(messages: object, kwargs: object) -> str:
        await asyncio.Event().wait()
        return "late"

    model = ScriptedModel(never)
    call = asyncio.ensure_future(model.ainvoke("x"))
    while not model.calls:
        await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    with pytest.raises(TypeError, match="plain function"):
        model.invoke("x")


def test_usage_counts_words_unless_told() -> None:
    """Usage is reported as providers report it: counted in words, or as scripted, or not at all."""
    model = ScriptedModel(
        [
            "three short words",
            Reply(text="x", input_tokens=90, output_tokens=7, cached_tokens=64, reasoning_tokens=5),
            Reply(text="x", usage=False),
        ]
    )
    counted = model.invoke("two words").usage_metadata
    assert counted is not None
    assert (counted["input_tokens"], counted["output_tokens"], counted["total_tokens"]) == (2, 3, 5)
    told = model.invoke("x").usage_metadata
    assert told is not None
    assert (told["input_tokens"], told["output_tokens"]) == (90, 7)
    assert told["input_token_details"]["cache_read"] == 64
    assert told["output_token_details"]["reasoning"] == 5
    assert model.invoke("x").usage_metadata is None


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict"])
def test_an_output_limit_is_kept(limit: str) -> None:
    """No more words than the limit are written or billed, and the finish reason is ``length``."""
    answer = ScriptedModel([Reply(text="one two three four", output_tokens=50)]).invoke("x", **{limit: 2})
    assert answer.content == "one two"
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == 2
    assert answer.response_metadata["finish_reason"] == "length"


def test_the_models_own_limit_holds_where_the_call_brings_none() -> None:
    """``max_tokens`` of the model limits calls; a limit of the call goes before it."""
    model = ScriptedModel(["one two three"] * 2, max_tokens=1)
    assert model.invoke("x").content == "one"
    assert model.invoke("x", max_tokens=2).content == "one two"


def test_tool_calls_are_parsed_and_malformed_ones_are_invalid() -> None:
    """Arguments that are no JSON object come back as invalid tool calls, as providers' packages do it."""
    answer = ScriptedModel([Reply(tool_calls=(("add", {"a": 1, "b": 2}), ("add", "{a: 1")))]).invoke("x")
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("add", {"a": 1, "b": 2})]
    assert [(call["name"], call["args"]) for call in answer.invalid_tool_calls] == [("add", "{a: 1")]
    assert answer.response_metadata["finish_reason"] == "tool_calls"


def test_a_limit_cuts_tool_arguments() -> None:
    """A tool call that does not fit into the output limit is cut in the middle, and is then invalid."""
    answer = ScriptedModel([Reply(tool_calls=(("add", {"a": 1, "b": 2}),))]).invoke("x", max_tokens=2)
    assert answer.tool_calls == []
    assert answer.invalid_tool_calls[0]["args"] == '{"a": 1,'
    assert answer.response_metadata["finish_reason"] == "length"


REPLY = Reply(text=" Here it\ncomes: ", tool_calls=(("add", {"a": 1, "b": 2}),), logprobs=(-0.1, -0.2, -0.3))


def same(streamed: AIMessage, whole: AIMessage) -> bool:
    def facts(message: AIMessage) -> tuple[object, ...]:
        return (
            message.content,
            message.tool_calls,
            message.invalid_tool_calls,
            message.usage_metadata,
            message.response_metadata,
        )

    return facts(streamed) == facts(whole)


def test_a_stream_adds_up_to_the_whole_answer() -> None:
    """The pieces of a stream, added, are the answer: text, tool calls, usage, finish reason, log-probabilities."""
    whole = ScriptedModel([REPLY]).invoke("x")
    streaming = ScriptedModel([REPLY])
    chunks = list(streaming.stream("x"))
    streamed = total(chunks)
    assert len(chunks) > 5
    assert isinstance(streamed, AIMessageChunk)
    assert same(streamed, whole)
    assert whole.response_metadata["logprobs"]["content"][2] | {"bytes": []} == {
        "token": "\ncomes: ",
        "logprob": -0.3,
        "bytes": [],
        "top_logprobs": [],
    }
    assert streaming.calls[0].streamed


async def test_async_methods_answer_as_the_sync_ones() -> None:
    """``ainvoke`` and ``astream`` give what ``invoke`` gives."""
    whole = ScriptedModel([REPLY]).invoke("x")
    assert same(await ScriptedModel([REPLY]).ainvoke("x"), whole)
    streamed = total([chunk async for chunk in ScriptedModel([REPLY]).astream("x")])
    assert isinstance(streamed, AIMessageChunk)
    assert same(streamed, whole)


def test_a_cut_stream_has_neither_usage_nor_an_error() -> None:
    """A dropped connection looks as it does with providers: some text, no usage, no finish reason, no error."""
    streamed = total(list(ScriptedModel([Reply(text="one two three", cut_after=2)]).stream("x")))
    assert isinstance(streamed, AIMessageChunk)
    assert streamed.content == "one two"
    assert streamed.usage_metadata is None
    assert "finish_reason" not in streamed.response_metadata


def test_a_stream_without_stream_usage_reports_none() -> None:
    """``stream_usage=False`` silences usage in streams, and only there."""
    model = ScriptedModel(["a b"] * 2, stream_usage=False)
    streamed = total(list(model.stream("x")))
    assert isinstance(streamed, AIMessageChunk)
    assert streamed.usage_metadata is None
    assert model.invoke("x").usage_metadata is not None


def test_errors_come_before_or_in_the_middle_of_an_answer() -> None:
    """A scripted exception is raised as it is; a reply's error comes after the pieces of its stream."""
    model = ScriptedModel([ConnectionError("down"), Reply(text="one two", error=TimeoutError("slow"))])
    with pytest.raises(ConnectionError, match="down"):
        model.invoke("x")
    pieces = model.stream("x")
    assert [next(pieces).content, next(pieces).content] == ["one", " two"]
    with pytest.raises(TimeoutError, match="slow"):
        next(pieces)


def test_callbacks_see_usage_under_the_models_name() -> None:
    """Usage reaches callback handlers under the model's name, which budgets are booked by."""
    usage = UsageMetadataCallbackHandler()
    ScriptedModel(["a b c"], model_name="tiny").invoke("x", config={"callbacks": [usage]})
    assert usage.usage_metadata["tiny"]["output_tokens"] == 3


def test_tools_and_schemas_can_be_bound() -> None:
    """Bound tools are in the call's arguments; structured output parses a scripted tool call."""
    model = ScriptedModel([Reply(tool_calls=(("Order", {"item": "pear", "quantity": 3}),))])
    assert model.with_structured_output(Order).invoke("three pears") == Order(item="pear", quantity=3)
    assert model.calls[0].kwargs["tools"][0]["function"]["name"] == "Order"
    assert model.calls[0].kwargs["tool_choice"] == "any"


def test_copies_share_the_script_and_the_calls() -> None:
    """A copy (as routers make it) goes on in the same script, and its calls are seen on the original."""
    model = ScriptedModel(["one", "two"])
    copy = model.model_copy(update={"tags": ["routed"]})
    assert [copy.invoke("a").content, model.invoke("b").content] == ["one", "two"]
    assert len(model.calls) == 2


def test_a_model_pickles_with_what_is_left_of_its_script() -> None:
    """A scripted model travels to another process; there it goes on with the answers that were left."""
    model = ScriptedModel(["one", "two"])
    model.invoke("a")
    copy = pickle.loads(pickle.dumps(model))
    assert copy.invoke("b").content == "two"


def test_tracing_sees_provider_and_model() -> None:
    """The parameters that tracing and routing read name the scripted provider and model."""
    seen: list[dict[str, object]] = []

    class Watch(UsageMetadataCallbackHandler):
        def on_chat_model_start(
            self, serialized: dict[str, object], messages: list[list[BaseMessage]], **kwargs: object
        ) -> None:
            metadata = kwargs["metadata"]
            assert isinstance(metadata, dict)
            seen.append(metadata)

    ScriptedModel(["x"], model_name="tiny", provider="acme").invoke("x", config={"callbacks": [Watch()]})
    assert (seen[0]["ls_provider"], seen[0]["ls_model_name"]) == ("acme", "tiny")
