"""`ChatOpenAI`, unmodified, talks to the lab's server as to the real API."""

from typing import Any

import openai
import pytest
from langchain_core.messages import AIMessage, BaseMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from scripted_engine import CALL, ScriptedEngine

from langroute.lab.meter import MeterRow
from langroute.lab.server import LabServer
from langroute.money import Price

TOOL = {
    "type": "function",
    "function": {
        "name": "calculator",
        "description": "Calculate.",
        "parameters": {"type": "object", "properties": {"expression": {"type": "string"}}},
    },
}
CALL_PIECES = [CALL, "calculator", '{"expression"', ': "1+', '1"}']


class Order(BaseModel):
    """An order."""

    item: str
    count: int


def joined(chunks: list[Any]) -> AIMessage:
    """The message that streamed chunks add up to."""
    whole: BaseMessageChunk = chunks[0]
    for chunk in chunks[1:]:
        whole = whole + chunk
    assert isinstance(whole, AIMessage)
    return whole


def test_invoke_brings_text_usage_and_finish_reason(model: ChatOpenAI) -> None:
    """A whole answer carries its text, its tokens and why it ended."""
    answer = model.invoke("say it")
    assert answer.content == "Hello big world"
    assert answer.usage_metadata == {
        "input_tokens": 3, "output_tokens": 3, "total_tokens": 6,
        "input_token_details": {"audio": 0, "cache_read": 0}, "output_token_details": {"audio": 0, "reasoning": 0},
    }  # fmt: skip
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.response_metadata["model_name"] == "lab-small"


def test_logprobs_tell_every_token_and_its_rivals(server: LabServer, model: ChatOpenAI) -> None:
    """Log probabilities come per token, with the likeliest ones asked for; a probability of zero is -9999."""
    answer = model.invoke("say it", top_logprobs=3)
    content = answer.response_metadata["logprobs"]["content"]
    assert [(entry["token"], entry["logprob"]) for entry in content] == [
        ("Hello", 0.0), (" big", -0.01), (" world", -0.02),
    ]  # fmt: skip
    assert bytes(content[1]["bytes"]) == b" big"
    assert [rival["logprob"] for rival in content[1]["top_logprobs"]] == [-0.01, -5.0, -9999.0]


def test_a_stream_adds_up_to_the_whole_answer(model: ChatOpenAI) -> None:
    """Text comes in pieces; text, usage, log probabilities and reason add up to what invoke returns."""
    whole = model.invoke("say it")
    chunks = list(model.stream("say it"))
    assert [chunk.content for chunk in chunks if chunk.content] == ["Hello", " big", " world"]
    streamed = joined(chunks)
    assert streamed.content == whole.content
    assert streamed.usage_metadata == whole.usage_metadata
    for field in ("logprobs", "finish_reason", "model_name", "system_fingerprint"):
        assert streamed.response_metadata[field] == whole.response_metadata[field]


@pytest.mark.asyncio(loop_scope="session")
async def test_async_answers_are_the_same(model: ChatOpenAI) -> None:
    """Async calls, whole and streamed, bring what invoke brings."""
    whole = await model.ainvoke("say it")
    streamed = joined([chunk async for chunk in model.astream("say it")])
    assert whole.content == streamed.content == "Hello big world"
    assert whole.usage_metadata == streamed.usage_metadata


def test_a_stream_without_usage_asked_for_brings_none(server: LabServer, model: ChatOpenAI) -> None:
    """As with the real API, usage is streamed only on request; the meter counts it all the same."""
    streamed = joined(list(model.stream("say it", stream_usage=False)))
    assert streamed.usage_metadata is None
    assert server.meter.total().completion_tokens == 3


@pytest.mark.parametrize("stream", [False, True])
def test_tool_calls_arrive_with_their_arguments(model: ChatOpenAI, engine: ScriptedEngine, stream: bool) -> None:
    """A call has its name, parsed arguments and an id; its tokens have log probabilities too."""
    engine.script = lambda prompt: CALL_PIECES
    bound = model.bind_tools([TOOL])
    answer = joined(list(bound.stream("add"))) if stream else bound.invoke("add")
    (call,) = answer.tool_calls
    assert (call["name"], call["args"]) == ("calculator", {"expression": "1+1"})
    assert str(call["id"]).startswith("call_")
    assert answer.content == ""
    assert answer.response_metadata["finish_reason"] == "tool_calls"
    assert len(answer.response_metadata["logprobs"]["content"]) == len(CALL_PIECES)


@pytest.mark.parametrize("stream", [False, True])
def test_text_may_come_before_several_calls(model: ChatOpenAI, engine: ScriptedEngine, stream: bool) -> None:
    """Text and more than one call in an answer keep their order and places."""
    engine.script = lambda prompt: ["well", CALL, "calculator", "{}", CALL, "calculator", '{"expression":', ' "2"}']
    bound = model.bind_tools([TOOL])
    answer = joined(list(bound.stream("add"))) if stream else bound.invoke("add")
    assert answer.content == "well"
    assert [call["args"] for call in answer.tool_calls] == [{}, {"expression": "2"}]
    assert len({call["id"] for call in answer.tool_calls}) == 2


@pytest.mark.parametrize("stream", [False, True])
def test_malformed_arguments_become_an_invalid_call(model: ChatOpenAI, engine: ScriptedEngine, stream: bool) -> None:
    """What the model wrote is passed on as it is, so a client sees the malformed call."""
    engine.script = lambda prompt: [CALL, "calculator", "{1 +", " 1"]
    bound = model.bind_tools([TOOL])
    if stream:
        # LangChain mends partial JSON while streaming and calls it valid; the raw text is in the chunks.
        streamed: Any = joined(list(bound.stream("add")))
        (call,) = streamed.tool_call_chunks
    else:
        (call,) = bound.invoke("add").invalid_tool_calls
    assert (call["name"], call["args"]) == ("calculator", "{1 + 1")


def test_tool_choice_reaches_the_engine(model: ChatOpenAI, engine: ScriptedEngine) -> None:
    """A forced tool arrives by name and ends with ``stop``, ``any`` as ``required``; ``none`` hides the tools."""
    engine.script = lambda prompt: CALL_PIECES
    forced = model.bind_tools([TOOL], tool_choice="calculator").invoke("add")
    assert engine.seen["tool_choice"] == {"type": "function", "function": {"name": "calculator"}}
    assert forced.response_metadata["finish_reason"] == "stop"
    assert model.bind_tools([TOOL], tool_choice="any").invoke("add").tool_calls
    assert engine.seen["tool_choice"] == "required"
    assert model.bind_tools([TOOL], tool_choice="none").invoke("add").tool_calls == []
    assert engine.seen["tools"][0]["function"]["name"] == "calculator"


def test_a_conversation_with_tools_goes_round(model: ChatOpenAI, engine: ScriptedEngine) -> None:
    """The call and the tool's answer go back as messages the engine can read."""
    engine.script = lambda prompt: ["2"] if prompt.endswith("two") else CALL_PIECES
    bound = model.bind_tools([TOOL])
    messages = [SystemMessage("be brief"), HumanMessage([{"type": "text", "text": "add"}])]
    call = bound.invoke(messages)
    result = ToolMessage("two", tool_call_id=call.tool_calls[0]["id"])
    assert bound.invoke([*messages, call, result]).content == "2"
    assert [message["role"] for message in engine.seen["messages"]] == ["system", "user", "assistant", "tool"]
    assert engine.seen["messages"][1]["content"] == "add"


@pytest.mark.parametrize("method", ["json_schema", "json_mode", "function_calling"])
def test_structured_output_by_every_method(model: ChatOpenAI, engine: ScriptedEngine, method: Any) -> None:
    """JSON in the text, or in a call, comes back as the object asked for."""
    pieces = ['{"item":', ' "pens",', ' "count": 3}']
    engine.script = lambda prompt: [CALL, "Order", *pieces] if method == "function_calling" else pieces
    # An "answer in JSON" is what the real API demands beside JSON mode.
    answer = model.with_structured_output(Order, method=method).invoke("answer in JSON")
    assert answer == Order(item="pens", count=3)
    wanted = {"json_schema": "json_schema", "json_mode": "json_object"}.get(method)
    assert (engine.seen["response_format"] or {}).get("type") == wanted


# LangChain dumps the SDK's parsed object under a type that says there is none.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning")
def test_structured_output_streams(model: ChatOpenAI, engine: ScriptedEngine) -> None:
    """The SDK's own stream accumulator, used with a response format, understands the chunks."""
    engine.script = lambda prompt: ['{"item":', ' "pens",', ' "count": 3}']
    parts = list(model.with_structured_output(Order, method="json_schema").stream("json"))
    assert parts[-1] == Order(item="pens", count=3)


def test_the_output_limit_ends_an_answer_with_length(model: ChatOpenAI, server: LabServer) -> None:
    """No more tokens than asked for are generated or billed."""
    answer = model.invoke("say it", max_tokens=2)
    assert answer.content == "Hello big"
    assert answer.response_metadata["finish_reason"] == "length"
    assert server.meter.total().completion_tokens == 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_text_ends_an_answer_before_it(model: ChatOpenAI, engine: ScriptedEngine, stream: bool) -> None:
    """The stop text is not told, not even its beginning, when it arrives in parts; what only looked like it is."""
    engine.script = lambda prompt: ["a", " #", "b", " #", "#", " never"]
    bound = model.bind(stop=["##"])
    answer = joined(list(bound.stream("go"))) if stream else bound.invoke("go")
    assert answer.content == "a #b "
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == 5


def test_a_repeated_prefix_is_billed_at_the_cached_rate(model: ChatOpenAI, server: LabServer) -> None:
    """The second call reads its whole blocks from the cache, says so, and costs less."""
    text = " ".join(f"word{number}" for number in range(40))
    first, second = model.invoke(text), model.invoke(text)
    assert first.usage_metadata is not None
    assert second.usage_metadata is not None
    assert first.usage_metadata["input_token_details"]["cache_read"] == 0
    assert second.usage_metadata["input_token_details"]["cache_read"] == 32
    dear, cheap = server.meter.rows()
    assert cheap.nano_dollars < dear.nano_dollars
    other = model.bind(model="lab-large").invoke(text)
    assert other.usage_metadata is not None
    assert other.usage_metadata["input_token_details"]["cache_read"] == 0


def test_the_meter_is_the_sum_of_usage_times_price(server: LabServer, model: ChatOpenAI) -> None:
    """What clients are told they used, priced by langroute's own arithmetic, is the meter to the nano-dollar."""
    prices = {
        "lab-small": Price(input_per_million=0.137, output_per_million=1.011, cached_input_per_million=0.0137),
        "lab-large": Price(input_per_million=2.5, output_per_million=10, cached_input_per_million=1.25),
    }
    told = 0
    for number in range(40):
        name = ("lab-small", "lab-large")[number % 2]
        bound = model.bind(model=name, max_tokens=1 + number % 4)
        text = " ".join(f"w{place}" for place in range(number)) + " end"
        answer = joined(list(bound.stream(text))) if number % 3 else bound.invoke(text)
        usage = answer.usage_metadata
        assert usage is not None
        told += prices[name].cost(
            input_tokens=usage["input_tokens"],
            output_tokens=usage["output_tokens"],
            cache_read_tokens=usage["input_token_details"]["cache_read"],
        )
    assert told == server.meter.total().nano_dollars > 0
    assert server.meter.total().cached_tokens > 0


def test_errors_keep_the_types_of_the_sdk(model: ChatOpenAI, server: LabServer) -> None:
    """Refusals arrive as the exceptions that the real API's do, with its codes; nothing is billed for them."""
    with pytest.raises(openai.NotFoundError) as missing:
        model.bind(model="lab-huge").invoke("hi")
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as too_long:
        model.invoke("word " * 100)
    assert too_long.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError, match="below minimum value") as too_small:
        model.invoke("hi", max_tokens=0)
    assert too_small.value.code == "integer_below_min_value"
    with pytest.raises(openai.BadRequestError, match="Invalid 'n'"):
        model.invoke("hi", n=2)
    with pytest.raises(openai.BadRequestError, match="Unknown parameter: 'langroute'"):
        model.invoke("hi", extra_body={"langroute": 1})
    assert server.meter.rows() == ()


def test_a_stream_is_refused_before_it_begins(model: ChatOpenAI) -> None:
    """A refused stream is an error answer, not a broken stream."""
    with pytest.raises(openai.NotFoundError):
        list(model.bind(model="lab-huge").stream("hi"))


def test_unanswered_calls_are_refused(model: ChatOpenAI) -> None:
    """A history that the real API would not take is not taken here either."""
    call = AIMessage("", tool_calls=[{"name": "calculator", "args": {}, "id": "call_1"}])
    with pytest.raises(openai.BadRequestError, match=r"must be followed by tool messages.*call_1"):
        model.invoke([HumanMessage("add"), call, HumanMessage("well?")])
    with pytest.raises(openai.BadRequestError, match="must be a response to a preceeding message"):
        model.invoke([HumanMessage("add"), ToolMessage("2", tool_call_id="call_1")])


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, openai.RateLimitError), (500, openai.InternalServerError), (503, openai.InternalServerError)],
)
def test_planned_errors_come_as_often_as_planned(
    model: ChatOpenAI, server: LabServer, status: int, kind: type[openai.APIStatusError]
) -> None:
    """An injected status hits the next requests, unbilled, and no more than those."""
    server.inject(status=status, times=2, retry_after=1.5)
    for _ in range(2):
        with pytest.raises(kind) as refused:
            model.invoke("hi")
        assert refused.value.status_code == status
        assert refused.value.response.headers["retry-after"] == "1.5"
    assert server.meter.rows() == ()
    assert model.invoke("hi").content == "Hello big world"


def test_the_sdk_retries_what_it_may(model: ChatOpenAI, server: LabServer) -> None:
    """A client with retries gets over a planned 503, and is billed for the one answer."""
    server.inject(status=503, retry_after=0)
    patient = ChatOpenAI(model="lab-small", base_url=server.base_url, api_key=model.openai_api_key, max_retries=1)
    assert patient.invoke("hi").content == "Hello big world"
    assert server.meter.total().requests == 1


def test_a_key_is_asked_for_only_when_the_server_has_one(engine: ScriptedEngine, model: ChatOpenAI) -> None:
    """With a key, any other one is refused with 401 and its code."""
    with LabServer(engine=engine, api_key="secret") as locked:
        client = openai.OpenAI(base_url=locked.base_url, api_key="wrong", max_retries=0)
        with client, pytest.raises(openai.AuthenticationError) as refused:
            client.models.list()
        assert refused.value.code == "invalid_api_key"
        with openai.OpenAI(base_url=locked.base_url, api_key="secret", max_retries=0) as client:
            assert [model.id for model in client.models.list()] == ["lab-small", "lab-large"]
            assert client.models.retrieve("lab-large").id == "lab-large"
            with pytest.raises(openai.NotFoundError):
                client.models.retrieve("lab-huge")


def only_row(server: LabServer) -> MeterRow:
    """The one row the meter has."""
    (row,) = server.meter.rows()
    return row


def test_a_cut_stream_breaks_off_and_bills_what_was_made(model: ChatOpenAI, server: LabServer) -> None:
    """The client gets two chunks and a broken connection, the meter the tokens made until then."""
    server.inject_cut(after_chunks=2)
    chunks: list[Any] = []
    with pytest.raises(openai.APIConnectionError):
        chunks.extend(model.stream("say it"))
    row = only_row(server)
    assert row.cut
    assert row.streamed
    assert 1 <= row.completion_tokens < 3


def test_a_clean_cut_looks_like_a_short_answer(model: ChatOpenAI, server: LabServer) -> None:
    """Without error, finish reason or usage: only their absence tells the client."""
    server.inject_cut(after_chunks=2, clean=True)
    answer = joined(list(model.stream("say it")))
    assert answer.content == "Hello"
    assert answer.usage_metadata is None
    assert "finish_reason" not in answer.response_metadata
    assert only_row(server).cut


def test_a_closed_stream_bills_what_was_made(model: ChatOpenAI, server: LabServer) -> None:
    """A client that closes its stream pays for the tokens made so far, not for the rest."""
    gate = server.inject_gate(after_chunks=2)
    stream = model.stream("say it")
    while next(stream).content != "Hello":
        pass
    gate.wait_reached()
    stream.close()
    gate.open()
    server.wait_idle()
    row = only_row(server)
    assert row.cut
    assert row.completion_tokens == 2
