"""The in-process chat model answers as `ChatOpenAI` does over the server."""

import pickle
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel
from scripted_engine import CALL, ScriptedEngine

from langroute.errors import ConfigError
from langroute.lab.chat_model import LabChatModel
from langroute.lab.refusals import ApiError
from langroute.lab.service import LabService


class Calculator(BaseModel):
    """Calculate."""

    expression: str


SCRIPTS: dict[str, list[str]] = {
    "text": ["Hello", " big", " world"],
    "call": [CALL, "Calculator", '{"expression"', ': "1+', '1"}'],
    "malformed": [CALL, "Calculator", '{"expression": ', "one}"],
    "both": ["well", CALL, "Calculator", "{}", CALL, "Calculator", '{"expression": "2"}'],
    "nothing": [],
}


@pytest.fixture
def local(engine: ScriptedEngine) -> LabChatModel:
    return LabChatModel(model="lab-small", service=LabService(engine=engine))


def told(answer: AIMessage) -> dict[str, Any]:
    """What must be the same wherever the model runs: everything but ids and the name of the provider."""
    kept = ("finish_reason", "model_name", "logprobs", "system_fingerprint")
    return {
        "content": answer.content,
        "calls": [(call["name"], call["args"]) for call in answer.tool_calls],
        "invalid": [(call["name"], call["args"]) for call in answer.invalid_tool_calls],
        "usage": answer.usage_metadata,
        **{name: answer.response_metadata.get(name) for name in kept},
    }


def streamed(model: Any, text: str, **options: Any) -> AIMessage:
    """The message a stream adds up to."""
    whole: Any = None
    for chunk in model.stream(text, **options):
        whole = chunk if whole is None else whole + chunk
    assert isinstance(whole, AIMessage)
    return whole


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("limit", [100, 3])
def test_whole_answers_equal_the_servers(
    model: ChatOpenAI, local: LabChatModel, engine: ScriptedEngine, script: str, limit: int
) -> None:
    """Text, calls, invalid calls, usage, log probabilities and reason are equal, cut off or not."""
    engine.script = lambda prompt: SCRIPTS[script]
    remote = model.bind_tools([Calculator]).invoke("go on", max_tokens=limit)
    assert told(local.bind_tools([Calculator]).invoke("go on", max_tokens=limit)) == told(remote)


@pytest.mark.parametrize("script", SCRIPTS)
def test_streams_equal_the_servers(model: ChatOpenAI, local: LabChatModel, engine: ScriptedEngine, script: str) -> None:
    """Streams add up to the same message here and there."""
    engine.script = lambda prompt: SCRIPTS[script]
    remote = streamed(model.bind_tools([Calculator]), "go on")
    assert told(streamed(local.bind_tools([Calculator]), "go on")) == told(remote)


async def test_async_is_the_same(local: LabChatModel) -> None:
    """Async calls, whole and streamed, bring what invoke brings."""
    whole = await local.ainvoke("go on")
    text = "".join([str(chunk.content) async for chunk in local.astream("go on")])
    assert whole.content == text == "Hello big world"


def test_cache_and_meter_are_the_services(local: LabChatModel) -> None:
    """A repeated prompt is read from the cache, and the meter has both calls at their prices."""
    text = " ".join(f"word{number}" for number in range(40))
    first, second = local.invoke(text), local.invoke(text)
    assert first.usage_metadata is not None
    assert second.usage_metadata is not None
    assert first.usage_metadata["input_token_details"]["cache_read"] == 0
    assert second.usage_metadata["input_token_details"]["cache_read"] == 32
    assert local.service is not None
    assert [row.cached_tokens for row in local.service.meter.rows()] == [0, 32]


def test_a_closed_stream_is_metered_for_what_was_made(local: LabChatModel) -> None:
    """A stream closed after its first piece is billed one token, and marked cut."""
    stream = local.stream("go on")
    assert next(stream).content == "Hello"
    stream.close()  # type: ignore[attr-defined]
    assert local.service is not None
    (row,) = local.service.meter.rows()
    assert (row.cut, row.completion_tokens) == (True, 1)


def test_structured_output_comes_as_the_object(local: LabChatModel, engine: ScriptedEngine) -> None:
    """LangChain's own way to structured output, by a required tool, works."""
    engine.script = lambda prompt: SCRIPTS["call"]
    assert local.with_structured_output(Calculator).invoke("go on") == Calculator(expression="1+1")
    assert engine.seen["tool_choice"] == "required"


def test_a_failed_call_can_be_told_back(model: ChatOpenAI, local: LabChatModel, engine: ScriptedEngine) -> None:
    """An invalid call and the tool's complaint go back to the model the same way here and there."""
    engine.script = lambda prompt: SCRIPTS["malformed"]
    call = local.bind_tools([Calculator]).invoke("go on")
    complaint = ToolMessage("no JSON", tool_call_id=str(call.invalid_tool_calls[0]["id"]), status="error")
    messages = [HumanMessage("go on"), call, complaint]
    local.invoke(messages)
    seen_here = engine.seen["messages"]
    model.invoke(messages)
    for here, there in zip(seen_here, engine.seen["messages"], strict=True):
        assert (here["role"], here["content"] or "") == (there["role"], there["content"] or "")
        assert here.get("tool_calls") == there.get("tool_calls")


def test_tool_choices_are_translated(local: LabChatModel, engine: ScriptedEngine) -> None:
    """Names, ``any`` and True become the API's own words; a name that is not offered is refused."""
    forced = {"type": "function", "function": {"name": "Calculator"}}
    for choice, wanted in (("Calculator", forced), ("any", "required"), (True, "required"), ("auto", "auto")):
        local.bind_tools([Calculator], tool_choice=choice).invoke("go on")
        assert engine.seen["tool_choice"] == wanted
    local.bind_tools([Calculator]).invoke("go on")
    assert engine.seen["tool_choice"] is None
    with pytest.raises(ConfigError, match=r"tool_choice: 'Oven' is not among the tools: Calculator"):
        local.bind_tools([Calculator], tool_choice="Oven")


def test_refusals_are_those_of_the_api(local: LabChatModel) -> None:
    """What the server would refuse is refused here, with the same status and code."""
    with pytest.raises(ApiError, match="does not exist") as refused:
        local.invoke("go on", model="lab-huge")
    assert (refused.value.status, refused.value.code) == (404, "model_not_found")
    with pytest.raises(ApiError, match="maximum context length is 100 tokens"):
        local.invoke("word " * 100)


def test_tracing_learns_provider_and_model(local: LabChatModel) -> None:
    """LangSmith parameters name the lab as the provider, and the settings of the call."""
    params = local._get_ls_params(stop=["#"], max_tokens=5)
    assert params == {
        "ls_provider": "langroute-lab", "ls_model_name": "lab-small", "ls_model_type": "chat",
        "ls_temperature": 0.0, "ls_max_tokens": 5, "ls_stop": ["#"],
    }  # fmt: skip


def test_stop_texts_are_obeyed(local: LabChatModel) -> None:
    """The model's own stop texts hold, and a call's take their place."""
    own = local.model_copy(update={"stop": ["big"]})
    assert own.invoke("go on").content == "Hello "
    assert own.invoke("go on", stop=["world"]).content == "Hello big "
    assert streamed(own, "go on").content == "Hello "


def test_a_model_pickles_by_its_settings() -> None:
    """A model on the shared service survives pickling; nothing was opened to make it."""
    copy = pickle.loads(pickle.dumps(LabChatModel(model="lab-large", temperature=0.5)))
    assert isinstance(copy, BaseChatModel)
    assert copy == LabChatModel(model="lab-large", temperature=0.5)


@pytest.mark.parametrize("written", ["484848", "[1]", '"1+1"'])
def test_arguments_that_are_no_object_are_an_invalid_call(
    local: LabChatModel, engine: ScriptedEngine, written: str
) -> None:
    """JSON that is a number, a list or a text is told as an invalid call with what was written, and raises nothing."""
    engine.script = lambda prompt: [CALL, "Calculator", written]
    answer = local.bind_tools([Calculator]).invoke("go on")
    assert answer.tool_calls == []
    (call,) = answer.invalid_tool_calls
    assert (call["name"], call["args"]) == ("Calculator", written)
