"""GoogleServer: langchain-google-genai talks to it as to the real API, and it refuses what that refuses."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google.genai.errors import APIError
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_google_genai import ChatGoogleGenerativeAI
from pydantic import BaseModel

from langroute import Budget, ModelPool, Price, RoutedChatModel, StepRouter
from langroute.testing import GoogleServer, Reply, refusal

from .google_requests import ANSWER, CALL, REFUSED, TAKEN, USER
from .posting import post

CALLS = (("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4}))


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Verdict(BaseModel):
    """A verdict."""

    ok: bool


MADE: list[ChatGoogleGenerativeAI] = []


def client(server: GoogleServer, model: str = "scripted-small", **settings: Any) -> ChatGoogleGenerativeAI:
    """A client that tries once."""
    MADE.append(server.chat_model(model, **{"max_retries": 1, **settings}))
    return MADE[-1]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Clients of Google's keep their connections open until they are closed or collected."""
    yield
    while MADE:
        MADE.pop().client.close()


def ask(model: Any, prompt: Any, *, stream: bool) -> AIMessage:
    """An answer, whole or put together from its pieces."""
    if not stream:
        return model.invoke(prompt)
    first, *rest = model.stream(prompt)
    return sum(rest, first)


def signatures(server: GoogleServer) -> list[Any]:
    """The signatures in the last request, one for every part."""
    contents = server.requests[-1]["contents"]
    return [part.get("thoughtSignature") for content in contents for part in content["parts"]]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_thinking_agent_loop_is_taken(stream: bool) -> None:
    """Thoughts, text and parallel calls arrive with usage, and the first call goes back with its signature."""
    replies = [
        Reply(text="well", thinking="let me think", tool_calls=CALLS, input_tokens=100, cached_tokens=60),
        Reply(text="seven", thinking="so it is"),
    ]
    prices = {"gemini-3-flash": Price(input_per_million=1, output_per_million=2)}
    with GoogleServer(replies, prices=prices) as server:
        model = client(server, "gemini-3-flash", include_thoughts=True).bind_tools([add])
        asked: list[BaseMessage] = [HumanMessage("add")]
        first = ask(model, asked, stream=stream)
        results = [ToolMessage("3", tool_call_id=call["id"]) for call in first.tool_calls]
        second = ask(model, [*asked, first, *results], stream=stream)
        rows = server.meter.rows()
    genuine = [each for each in signatures(server) if each]
    assert len(genuine) == 1
    assert "skip" not in genuine[0]
    assert [block["type"] for block in first.content_blocks][:2] == ["reasoning", "text"]
    assert [(call["name"], call["args"]) for call in first.tool_calls] == list(CALLS)
    usage = first.usage_metadata
    assert usage is not None
    assert (usage["input_tokens"], usage["input_token_details"].get("cache_read")) == (100, 60)
    assert usage["output_token_details"].get("reasoning") == 3
    assert usage["output_tokens"] == rows[0].completion_tokens
    assert second.text == "seven"


def test_structures_limits_and_stops() -> None:
    """Schemas are met by both strategies; an answer ends at its limit or its stop text."""
    with GoogleServer() as server:
        for method in ("json_schema", "function_calling"):
            structured = client(server).with_structured_output(Verdict, method=method)
            assert structured.invoke("well?") == Verdict(ok=True)
    with GoogleServer(["one two three"] * 2) as server:
        short = client(server, max_output_tokens=2).invoke("hi")
        stopped = client(server).invoke("hi", stop=["three"])
    assert (short.text, short.response_metadata["finish_reason"]) == ("one two", "MAX_TOKENS")
    assert (stopped.text.strip(), stopped.response_metadata["finish_reason"]) == ("one two", "STOP")


@pytest.mark.parametrize(
    ("status", "told"),
    [(403, "PERMISSION_DENIED"), (429, "RESOURCE_EXHAUSTED"), (500, "INTERNAL"), (503, "UNAVAILABLE")],
)
def test_a_refusal_is_googles_error(status: int, told: str) -> None:
    """A status arrives as the exception the real API's does, with Google's error body, and costs nothing."""
    with GoogleServer([refusal(status, message="not now")]) as server:
        with pytest.raises(Exception, match=told) as caught:
            client(server).invoke("hi")
        assert server.meter.rows() == ()
    cause = caught.value.__cause__ if not isinstance(caught.value, APIError) else caught.value
    assert isinstance(cause, APIError)
    assert (cause.code, cause.status, cause.message) == (status, told, "not now")


def test_streams_break_as_they_do_in_the_wild() -> None:
    """An error inside a stream, a lost connection, a stream that ends short and one cut on the wire are four things."""
    failing = [Reply(text="one two", error=error) for error in (refusal(503), ConnectionError())]
    with GoogleServer([*failing, Reply(text="one two three", cut_after=2), "one two three"]) as server:
        with pytest.raises(Exception, match="overloaded"):
            list(client(server).stream("hi"))
        with pytest.raises(httpx.RemoteProtocolError):
            list(client(server).stream("hi"))
        short = ask(client(server), "hi", stream=True)
        server.wait_idle()
        assert server.meter.rows()[-1].cut
        server.inject_cut(after_chunks=2)
        with pytest.raises(httpx.RemoteProtocolError):
            list(client(server).stream("hi"))
    assert (short.text, short.usage_metadata) == ("one two", None)
    assert "finish_reason" not in short.response_metadata


def test_a_slow_server_is_a_gate() -> None:
    """A time-out needs no sleeping server."""
    with GoogleServer(["late"]) as server:
        gate = server.inject_gate()
        with pytest.raises(httpx.TimeoutException):
            client(server, timeout=0.1).invoke("hi")
        gate.wait_reached()
        gate.open()


def test_the_books_equal_the_servers_meter() -> None:
    """A routed call through this format is booked at what the server metered, to the nano-dollar."""
    awkward = Reply(text="a b", input_tokens=997, cached_tokens=311, output_tokens=13, reasoning_tokens=7)
    with GoogleServer([awkward, awkward]) as server:
        models = {name: client(server, f"scripted-{name}") for name in ("small", "large")}
        router = StepRouter(ModelPool(models, prices=server.prices), budget=Budget(total_dollars=1))
        with router.episode("e"):
            RoutedChatModel(router).invoke("hi")
            list(RoutedChatModel(router).stream("hi"))
        assert router.balance("e").spent.nano_usd == server.meter.total().nano_dollars > 0


@pytest.fixture(scope="module")
def listening() -> Iterator[GoogleServer]:
    """One server for all bare requests; it answers everything that it takes."""
    price = Price(input_per_million=1, output_per_million=1)
    with GoogleServer(lambda _: "ok", prices={"gemini-2.5-flash": price, "gemini-3-pro-preview": price}) as server:
        yield server


def asked(server: GoogleServer, changes: dict[str, Any]) -> tuple[int, Any]:
    """What the server answers to a plain request with changes."""
    body = {"contents": [USER], **changes}
    model = body.pop("model", "gemini-2.5-flash")
    return post(f"{server.origin}/v1beta/models/{model}:generateContent", body)


@pytest.mark.parametrize("name", REFUSED)
def test_what_google_refuses_is_refused(name: str, listening: GoogleServer) -> None:
    """The request is answered as an invalid argument, in Google's words for it."""
    changes, told = REFUSED[name]
    status, answer = asked(listening, changes)
    assert (status, answer["error"]["code"], answer["error"]["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert told in answer["error"]["message"]


@pytest.mark.parametrize("name", TAKEN)
def test_what_google_takes_is_taken(name: str, listening: GoogleServer) -> None:
    """The rules refuse no more than the API does, as far as that is known."""
    status, answer = asked(listening, TAKEN[name])
    assert (status, answer.get("candidates", [{}])[0].get("content", {}).get("parts", [{}])[0].get("text")) == (
        200,
        "ok",
    )


def test_a_genuine_signature_is_known_in_either_alphabet() -> None:
    """What the API signed comes back as it was sent, or in the web's alphabet of base64, as Google's SDK writes it."""
    with GoogleServer([Reply(tool_calls=CALLS[:1]), "ok", "ok"], signing=["scripted-small"]) as server:
        url = f"{server.origin}/v1beta/models/scripted-small:generateContent"
        _, first = post(url, {"contents": [USER]})
        part = first["candidates"][0]["content"]["parts"][0]
        for signature in (part["thoughtSignature"], part["thoughtSignature"].translate(str.maketrans("+/", "-_"))):
            signed = {"role": "model", "parts": [{**part, "thoughtSignature": signature}]}
            assert post(url, {"contents": [USER, signed, ANSWER]})[0] == 200
        status, refused = post(url, {"contents": [USER, CALL, ANSWER]})
    assert (status, "missing a thought_signature" in refused["error"]["message"]) == (400, True)


def test_a_key_is_asked_for() -> None:
    """A server with a key refuses clients with another one, in Google's words."""
    with GoogleServer(["ok"], api_key="secret") as server:
        with pytest.raises(Exception, match="API key not valid"):
            client(server, api_key="other").invoke("hi")
        assert client(server).invoke("hi").text == "ok"
