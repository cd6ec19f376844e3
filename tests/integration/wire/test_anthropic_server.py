"""AnthropicServer: langchain-anthropic talks to it as to the real API, and it refuses what that refuses."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import anthropic
import httpx2
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from pydantic import BaseModel

from langroute import Budget, ModelPool, RoutedChatModel, StepRouter
from langroute.testing import AnthropicServer, Reply, refusal

from .anthropic_requests import REFUSED, RESULT, TAKEN, THINKING, TOOL, USE, USER
from .posting import post

CALLS = (("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4}))


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Verdict(BaseModel):
    """A verdict."""

    ok: bool


def client(server: AnthropicServer, **settings: Any) -> ChatAnthropic:
    """A client without retries."""
    return server.chat_model("scripted-small", **{"max_retries": 0, **settings})


def ask(model: Any, prompt: Any, *, stream: bool) -> AIMessage:
    """An answer, whole or put together from its pieces."""
    if not stream:
        return model.invoke(prompt)
    first, *rest = model.stream(prompt)
    return sum(rest, first)


def results(answer: AIMessage) -> list[BaseMessage]:
    """An answer to every call."""
    return [ToolMessage("3", tool_call_id=call["id"]) for call in answer.tool_calls]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_thinking_agent_loop_is_taken(stream: bool) -> None:
    """Thinking, text and parallel calls arrive with usage, and go back with their signature."""
    replies = [
        Reply(text="well", thinking="let me think", tool_calls=CALLS, input_tokens=100, cached_tokens=60),
        Reply(text="seven", thinking="so it is"),
    ]
    with AnthropicServer(replies, binds_prefix=True) as server:
        model = client(server, **THINKING).bind_tools([add])
        asked: list[BaseMessage] = [HumanMessage("add")]
        first = ask(model, asked, stream=stream)
        second = ask(model, [*asked, first, *results(first)], stream=stream)
    assert [block["type"] for block in first.content_blocks] == ["reasoning", "text", "tool_call", "tool_call"]
    assert [(call["name"], call["args"]) for call in first.tool_calls] == list(CALLS)
    assert first.response_metadata["stop_reason"] == "tool_use"
    usage = first.usage_metadata
    assert usage is not None
    assert (usage["input_tokens"], usage["input_token_details"].get("cache_read")) == (100, 60)
    assert usage["output_tokens"] == server.meter.rows()[0].completion_tokens
    assert (second.text, second.response_metadata["stop_reason"]) == ("seven", "end_turn")


def test_thinking_is_told_only_where_it_is_asked_for() -> None:
    """Without `thinking` in the request there is none in the answer; redacted thinking comes sealed and goes back."""
    hidden = Reply(text="yes", thinking="secret words", redacted=True)
    with AnthropicServer([hidden, hidden, hidden, "ok"]) as server:
        assert client(server).invoke("hi").content == "yes"
        for stream in (False, True):
            answer = ask(client(server, **THINKING), "hi", stream=stream)
            assert [block["type"] for block in answer.content] == ["redacted_thinking", "text"]
            assert "secret" not in str(answer.content)
        client(server, **THINKING).invoke([HumanMessage("hi"), answer, HumanMessage("more")])


def test_structures_limits_and_stops() -> None:
    """Schemas are met by both strategies; an answer ends at its limit or its stop text, and says which."""
    with AnthropicServer() as server:
        for method in ("json_schema", "function_calling"):
            structured = client(server).with_structured_output(Verdict, method=method)
            assert structured.invoke("well?") == Verdict(ok=True)
    with AnthropicServer(["one two three"] * 2) as server:
        short = client(server, max_tokens=2).invoke("hi")
        stopped = client(server).invoke("hi", stop=["three"])
    assert (short.text, short.response_metadata["stop_reason"]) == ("one two", "max_tokens")
    assert (stopped.text.strip(), stopped.response_metadata["stop_sequence"]) == ("one two", "three")


@pytest.mark.parametrize(
    ("status", "kind", "type_"),
    [
        (401, anthropic.AuthenticationError, "authentication_error"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (529, anthropic.InternalServerError, "overloaded_error"),
    ],
)
def test_a_refusal_is_the_sdks_error(status: int, kind: type[anthropic.APIStatusError], type_: str) -> None:
    """A status arrives as the exception the real API's does, with the error body of Anthropic, and costs nothing."""
    with AnthropicServer([refusal(status, message="not now", retry_after=1.5)]) as server:
        with pytest.raises(kind, match="not now") as caught:
            client(server).invoke("hi")
        assert server.meter.rows() == ()
    assert caught.value.status_code == status
    assert caught.value.response.headers["retry-after"] == "1.5"
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["error"]["type"] == type_


def test_streams_break_as_they_do_in_the_wild() -> None:
    """An error inside a stream, a lost connection, a stream that ends short and one cut on the wire are four things."""
    failing = [Reply(text="one two", error=error) for error in (refusal(529), ConnectionError())]
    with AnthropicServer([*failing, Reply(text="one two three", cut_after=2), "one two three"]) as server:
        with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
            list(client(server).stream("hi"))
        with pytest.raises(httpx2.RemoteProtocolError):
            list(client(server).stream("hi"))
        short = ask(client(server), "hi", stream=True)
        server.wait_idle()
        assert server.meter.rows()[-1].cut
        server.inject_cut(after_chunks=4)
        with pytest.raises(httpx2.RemoteProtocolError):
            list(client(server).stream("hi"))
    assert short.text == "one two"
    assert "stop_reason" not in short.response_metadata


def test_a_slow_server_is_a_gate() -> None:
    """A time-out needs no sleeping server."""
    with AnthropicServer(["late"]) as server:
        gate = server.inject_gate()
        with pytest.raises(anthropic.APITimeoutError):
            client(server, default_request_timeout=0.05).invoke("hi")
        gate.wait_reached()
        gate.open()


def test_the_books_equal_the_servers_meter() -> None:
    """A routed call through this format is booked at what the server metered, to the nano-dollar."""
    awkward = Reply(text="a b", input_tokens=997, cached_tokens=311, output_tokens=13)
    with AnthropicServer([awkward, awkward]) as server:
        models = {name: server.chat_model(f"scripted-{name}", max_retries=0) for name in ("small", "large")}
        pool = ModelPool(models, prices=server.prices)
        router = StepRouter(pool, budget=Budget(total_dollars=1))
        with router.episode("e"):
            RoutedChatModel(router).invoke("hi")
            list(RoutedChatModel(router).stream("hi"))
        assert router.balance("e").spent.nano_usd == server.meter.total().nano_dollars > 0


@pytest.fixture(scope="module")
def listening() -> Iterator[AnthropicServer]:
    """One server for all bare requests; it answers everything that it takes."""
    with AnthropicServer(lambda _: "ok") as server:
        yield server


@pytest.mark.parametrize("name", REFUSED)
def test_what_anthropic_refuses_is_refused(name: str, listening: AnthropicServer) -> None:
    """The request is answered with 400 and Anthropic's words for it; without its fault it is taken."""
    changes, told = REFUSED[name]
    body = {"model": "scripted-small", "max_tokens": 100, "messages": [USER], **changes}
    status, answer = post(f"{listening.origin}/v1/messages", {k: v for k, v in body.items() if v is not None})
    assert (status, answer["type"], answer["error"]["type"]) == (400, "error", "invalid_request_error")
    assert told in answer["error"]["message"]


@pytest.mark.parametrize("name", TAKEN)
def test_what_anthropic_takes_is_taken(name: str, listening: AnthropicServer) -> None:
    """The rules refuse no more than the API does, as far as that is known."""
    status, answer = post(
        f"{listening.origin}/v1/messages",
        {"model": "scripted-small", "max_tokens": 100, "messages": [USER], **TAKEN[name]},
    )
    assert (status, answer.get("content")) == (200, [{"type": "text", "text": "ok"}])


def test_tools_may_be_demanded_beside_their_history() -> None:
    """As on Bedrock: tools in messages without `tools` are refused where the server is told so, and only there."""
    body = {"model": "scripted-small", "max_tokens": 9, "messages": [USER, USE, RESULT]}
    for strict, wanted in ((True, 400), (False, 200)):
        with AnthropicServer(["ok"], tools_with_history=strict) as server:
            assert post(f"{server.origin}/v1/messages", body)[0] == wanted


def test_system_messages_may_be_taken_after_a_users() -> None:
    """Newer models take them there, and nowhere else."""
    note = {"role": "system", "content": "be brief"}
    with AnthropicServer(lambda _: "ok", midway_system=True) as server:
        for messages, wanted in (([USER, note], 200), ([note, USER], 400), ([USER, USE, note, RESULT], 400)):
            body = {"model": "scripted-small", "max_tokens": 9, "messages": messages}
            assert post(f"{server.origin}/v1/messages", body)[0] == wanted


def test_thinking_is_bound_to_what_stands_before_it() -> None:
    """Where prefixes are bound, a changed system prompt or tool invalidates a thought; a moved cache mark does not."""
    answers = [Reply(text="x", thinking="hm"), "ok", "ok"]
    with AnthropicServer(answers, binds_prefix=True) as server:
        body: dict[str, Any] = {
            "model": "scripted-small",
            "system": "a",
            "tools": [TOOL],
            "messages": [USER],
            **THINKING,
        }
        url = f"{server.origin}/v1/messages"
        _, first = post(url, body)
        body["messages"] = [USER, {"role": "assistant", "content": first["content"]}, USER]
        marked = {**deepcopy(body), "system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]}
        for changed, wanted in (({}, 200), ({"system": "b"}, 400), ({"tools": []}, 400)):
            assert post(url, {**body, **changed})[0] == wanted
        assert post(url, marked)[0] == 200


def test_a_changed_thought_is_refused() -> None:
    """A genuine signature does not carry over to other words."""
    with AnthropicServer([Reply(text="x", thinking="hm")]) as server:
        url = f"{server.origin}/v1/messages"
        body: dict[str, Any] = {"model": "scripted-small", "messages": [USER], **THINKING}
        _, first = post(url, body)
        first["content"][0]["thinking"] = "ha"
        status, answer = post(
            url, {**body, "messages": [USER, {"role": "assistant", "content": first["content"]}, USER]}
        )
    assert status == 400
    assert answer["error"]["message"] == "messages.1.content.0: Invalid `signature` in `thinking` block"


def test_a_key_is_asked_for() -> None:
    """A server with a key refuses clients without it, in Anthropic's words."""
    with AnthropicServer(["ok"], api_key="secret") as server:
        with pytest.raises(anthropic.AuthenticationError, match="invalid x-api-key"):
            client(server, api_key="other").invoke("hi")
        assert client(server).invoke("hi").text == "ok"
