"""ResponsesServer: langchain-openai talks to it as to the real API, and it refuses what that refuses."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from langroute import Budget, ModelPool, Price, RoutedChatModel, StepRouter
from langroute.testing import Reply, ResponsesServer, refusal

from .posting import post
from .responses_requests import ASSISTANT, FN, REFUSED, TAKEN

CALLS = (("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4}))


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Verdict(BaseModel):
    """A verdict."""

    ok: bool


def client(server: ResponsesServer, **settings: Any) -> ChatOpenAI:
    """A client without retries."""
    return server.chat_model("scripted-small", **{"max_retries": 0, **settings})


def ask(model: Any, prompt: Any, *, stream: bool) -> AIMessage:
    """An answer, whole or put together from its pieces."""
    if not stream:
        return model.invoke(prompt)
    first, *rest = model.stream(prompt)
    return sum(rest, first)


@pytest.mark.parametrize("store", [True, False], ids=["stored", "sealed"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_reasoning_agent_loop_is_taken(stream: bool, store: bool) -> None:
    """Reasoning, text and parallel calls arrive with usage, and go back by id where stored, sealed where not."""
    replies = [
        Reply(text="well", thinking="let me think", tool_calls=CALLS, input_tokens=100, cached_tokens=60),
        Reply(text="seven", thinking="so it is"),
    ]
    with ResponsesServer(replies, reasoning=["scripted-small"]) as server:
        model = client(server, reasoning={"effort": "low", "summary": "auto"}, store=store).bind_tools([add])
        asked: list[BaseMessage] = [HumanMessage("add")]
        first = ask(model, asked, stream=stream)
        results = [ToolMessage("3", tool_call_id=call["id"]) for call in first.tool_calls]
        second = ask(model, [*asked, first, *results], stream=stream)
    kinds = [item["type"] for item in server.requests[1]["input"] if item.get("type") != "message"]
    assert kinds == ["reasoning", *["function_call"] * 2, *["function_call_output"] * 2]
    assert ("encrypted_content" in server.requests[1]["input"][1]) is not store
    assert [block["type"] for block in first.content_blocks] == ["reasoning", "text", "tool_call", "tool_call"]
    assert [(call["name"], call["args"]) for call in first.tool_calls] == list(CALLS)
    usage = first.usage_metadata
    assert usage is not None
    assert (usage["input_tokens"], usage["input_token_details"].get("cache_read")) == (100, 60)
    assert usage["output_token_details"].get("reasoning") == 3
    assert usage["output_tokens"] == server.meter.rows()[0].completion_tokens
    assert second.text == "seven"


def test_a_conversation_goes_on_by_id() -> None:
    """What was stored need not be sent again; what was not stored is unknown."""
    with ResponsesServer([Reply(tool_calls=CALLS[:1]), "seven", "lost", "never"]) as server:
        model = client(server).bind_tools([add])
        first = model.invoke("add")
        result = ToolMessage("3", tool_call_id=first.tool_calls[0]["id"])
        again = model.invoke([result], previous_response_id=first.response_metadata["id"])
        unstored = client(server, store=False).invoke("hi")
        with pytest.raises(openai.BadRequestError, match="Previous response with id"):
            model.invoke("hi", previous_response_id=unstored.response_metadata["id"])
    assert again.text == "seven"


def test_structures_and_limits() -> None:
    """Schemas are met by every strategy; an answer that fills its limit is incomplete."""
    with ResponsesServer() as server:
        for method in ("json_schema", "function_calling"):
            structured = client(server).with_structured_output(Verdict, method=method)
            assert structured.invoke("well?") == Verdict(ok=True)
    with ResponsesServer([" ".join("abcdefghijklmnopqrstuvwxyz")] * 2) as server:
        for stream in (False, True):
            short = ask(client(server, max_tokens=16), "hi", stream=stream)
            assert short.text == " ".join("abcdefghijklmnop")
            assert short.response_metadata["status"] == "incomplete"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, openai.AuthenticationError), (429, openai.RateLimitError), (500, openai.InternalServerError)],
)
def test_a_refusal_is_the_sdks_error(status: int, kind: type[openai.APIStatusError]) -> None:
    """A status arrives as the exception the real API's does, and costs nothing."""
    with ResponsesServer([refusal(status, message="not now", code="why", retry_after=1.5)]) as server:
        with pytest.raises(kind, match="not now") as caught:
            client(server).invoke("hi")
        assert server.meter.rows() == ()
    assert (caught.value.code, caught.value.response.headers["retry-after"]) == ("why", "1.5")


def test_streams_break_as_they_do_in_the_wild() -> None:
    """An error inside a stream, a lost connection, a stream that ends short and one cut on the wire are four things."""
    failing = [Reply(text="one two", error=error) for error in (refusal(500), ConnectionError())]
    with ResponsesServer([*failing, Reply(text="one two three", cut_after=2), "one two three"]) as server:
        with pytest.raises(ValueError, match="had an error"):  # as langchain-openai tells of an error event
            list(client(server).stream("hi"))
        with pytest.raises(openai.APIConnectionError):
            list(client(server).stream("hi"))
        short = ask(client(server), "hi", stream=True)
        server.wait_idle()
        assert server.meter.rows()[-1].cut
        server.inject_cut(after_chunks=4)
        with pytest.raises(openai.APIConnectionError):
            list(client(server).stream("hi"))
    assert (short.text, short.usage_metadata) == ("one two", None)
    assert "status" not in short.response_metadata


def test_a_slow_server_is_a_gate() -> None:
    """A time-out needs no sleeping server."""
    with ResponsesServer(["late"]) as server:
        gate = server.inject_gate()
        with pytest.raises(openai.APITimeoutError):
            client(server, timeout=openai.Timeout(10, read=0.05)).invoke("hi")
        gate.wait_reached()
        gate.open()


def test_the_books_equal_the_servers_meter() -> None:
    """A routed call through this format is booked at what the server metered, to the nano-dollar."""
    awkward = Reply(text="a b", input_tokens=997, cached_tokens=311, output_tokens=17, reasoning_tokens=7)
    with ResponsesServer([awkward, awkward]) as server:
        models = {name: server.chat_model(f"scripted-{name}", max_retries=0) for name in ("small", "large")}
        router = StepRouter(ModelPool(models, prices=server.prices), budget=Budget(total_dollars=1))
        with router.episode("e"):
            RoutedChatModel(router).invoke("hi")
            list(RoutedChatModel(router).stream("hi"))
        assert router.balance("e").spent.nano_usd == server.meter.total().nano_dollars > 0


@pytest.fixture(scope="module")
def listening() -> Iterator[ResponsesServer]:
    """One server for all bare requests; it answers everything that it takes."""
    price = Price(input_per_million=1, output_per_million=1)
    with ResponsesServer(lambda _: "ok", prices={"scripted-small": price, "gpt-5-mini": price}) as server:
        yield server


@pytest.mark.parametrize("name", REFUSED)
def test_what_openai_refuses_is_refused(name: str, listening: ResponsesServer) -> None:
    """The request is answered as a mistake of the client's, in OpenAI's words for it."""
    changes, told = REFUSED[name]
    body = {"model": "scripted-small", "input": "hi", **changes}
    sent = {key: value for key, value in body.items() if value is not None}
    status, answer = post(f"{listening.base_url}/responses", sent)
    wanted = 404 if "not found. Items" in told or "unknown ref" in name else 400
    assert (status, answer["error"]["type"]) == (wanted, "invalid_request_error")
    assert told in answer["error"]["message"]


@pytest.mark.parametrize("name", TAKEN)
def test_what_openai_takes_is_taken(name: str, listening: ResponsesServer) -> None:
    """The rules refuse no more than the API does, as far as that is known."""
    body = {"model": "scripted-small", "input": "hi", **TAKEN[name]}
    status, answer = post(f"{listening.base_url}/responses", body)
    assert (status, answer["output"][-1]["content"][0]["text"]) == (200, "ok")


def test_reasoning_and_what_it_led_to_stay_together() -> None:
    """Reasoning without its item is refused, and so is a stored item without its reasoning."""
    replies = [Reply(thinking="hm", tool_calls=CALLS[:1]), "ok", "never", "never"]
    with ResponsesServer(replies, reasoning=["scripted-small"]) as server:
        url = f"{server.base_url}/responses"
        body: dict[str, Any] = {"model": "scripted-small", "tools": [FN]}
        _, first = post(url, {**body, "input": "add"})
        thought, call = first["output"]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "3"}
        taken, _ = post(url, {**body, "input": [thought, call, output]})
        lone, alone = post(url, {**body, "input": [thought, {"role": "user", "content": "hi"}]})
        bare, without = post(url, {**body, "input": [call, output]})
        ends, _ = post(url, {**body, "input": [ASSISTANT, thought]})
    assert (taken, lone, bare, ends) == (200, 400, 400, 400)
    assert "of type 'reasoning' was provided without its required following item" in alone["error"]["message"]
    assert "was provided without its required 'reasoning' item: 'rs_" in without["error"]["message"]
