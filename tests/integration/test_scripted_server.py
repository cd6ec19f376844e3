"""ScriptedServer: scripted answers over real HTTP, and a meter that langroute's books must equal."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from langroute import Budget, ConfigError, LangrouteError, ModelPool, Price, RoutedChatModel, StepRouter
from langroute.lab.engine import LabModel
from langroute.testing import Reply, ScriptedModel, ScriptedServer, refusal

ADD = {
    "type": "function",
    "function": {"name": "add", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}},
}


class Verdict(BaseModel):
    """A verdict."""

    ok: bool


def client(server: ScriptedServer, **settings: Any) -> ChatOpenAI:
    """A client without retries, that asks for everything a stream can tell."""
    return server.chat_model("scripted-small", **{"max_retries": 0, "stream_usage": True, **settings})


def joined(model: Any, prompt: Any = "hi there") -> Any:
    """A streamed answer, put together."""
    first, *rest = model.stream(prompt)
    return sum(rest, first)


REPLIES = {
    "text": Reply(text="It is 7 o'clock."),
    "reported tokens": Reply(
        text="yes", input_tokens=1000, output_tokens=50, cached_tokens=640, reasoning_tokens=40, logprobs=(-0.5,)
    ),
    "tool calls": Reply(text="well", tool_calls=(("add", {"a": 1}), ("add", {"a": 2}))),
    "no usage": Reply(text="a b c", usage=False),
    "nothing": Reply(),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_arrives_as_a_scripted_model_gives_it(name: str, stream: bool) -> None:
    """Text, tool calls, usage with its details and finish reason are those of ScriptedModel, through HTTP too."""
    reply = REPLIES[name]
    ask: Callable[[Any], Any] = joined if stream else lambda model: model.invoke("hi there")
    with ScriptedServer([reply]) as server:
        got = ask(client(server).bind_tools([ADD]))
    wanted = ask(ScriptedModel([reply]))
    assert got.content == wanted.content
    assert [(call["name"], call["args"]) for call in got.tool_calls] == [
        (call["name"], call["args"]) for call in wanted.tool_calls
    ]
    assert got.response_metadata["finish_reason"] == wanted.response_metadata["finish_reason"]
    if wanted.usage_metadata is None:
        assert got.usage_metadata is None
    else:
        for key in ("input_tokens", "output_tokens", "total_tokens"):
            assert got.usage_metadata[key] == wanted.usage_metadata[key]
        assert got.usage_metadata["input_token_details"]["cache_read"] == reply.cached_tokens
        assert got.usage_metadata["output_token_details"]["reasoning"] == reply.reasoning_tokens


def test_log_probabilities_come_only_where_they_are_scripted_and_asked_for() -> None:
    """Each token has one, the last one scripted repeats; without a script or a question there are none."""
    sure = Reply(text="one two three", logprobs=(-0.1, -0.2))
    with ScriptedServer([sure, sure, "no"]) as server:
        told = client(server, logprobs=True).invoke("hi").response_metadata["logprobs"]["content"]
        assert not client(server).invoke("hi").response_metadata["logprobs"]
        assert not client(server, logprobs=True).invoke("hi").response_metadata["logprobs"]
    assert [(token["token"], token["logprob"]) for token in told] == [("one", -0.1), (" two", -0.2), (" three", -0.2)]


def test_malformed_arguments_arrive_as_they_were_written() -> None:
    """Text that is no JSON comes back as an invalid tool call beside the sound one."""
    calls = (("add", {"a": 1}), ("add", '{"a": '))
    with ScriptedServer([Reply(tool_calls=calls)]) as server:
        answer = client(server).bind_tools([ADD]).invoke("add")
    assert [call["args"] for call in answer.tool_calls] == [{"a": 1}]
    assert [call["args"] for call in answer.invalid_tool_calls] == ['{"a": ']


def test_no_tool_is_called_where_the_request_forbids_it() -> None:
    """With `tool_choice="none"` a scripted call is not made: the API never makes one then."""
    with ScriptedServer([Reply(text="no", tool_calls=(("add", {"a": 1}),))]) as server:
        answer = client(server).bind_tools([ADD], tool_choice="none").invoke("add")
    assert (answer.content, answer.tool_calls) == ("no", [])


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_output_limits_and_stop_texts_end_an_answer(limit: str) -> None:
    """No more words than asked for are written or metered; a stop text is not told."""
    with ScriptedServer(["one two three four", "one two three four"]) as server:
        short = client(server).bind(**{limit: 2}).invoke("hi")
        stopped = client(server).bind(stop=[" three"]).invoke("hi")
    assert (short.content, short.response_metadata["finish_reason"]) == ("one two", "length")
    assert (stopped.content, stopped.response_metadata["finish_reason"]) == ("one two", "stop")
    assert server.meter.rows()[0].completion_tokens == 2


def test_the_obliging_answerer_fits_tools_and_schemas() -> None:
    """Without a script, schemas are met by every strategy and a tool that is asked for is called."""
    with ScriptedServer() as server:
        model = client(server)
        for method in ("json_schema", "function_calling"):
            assert model.with_structured_output(Verdict, method=method).invoke("well?") == Verdict(ok=True)
        call = model.bind_tools([ADD]).invoke("please add")
        end = model.bind_tools([ADD]).invoke(
            [("human", "please add"), call, ToolMessage("7", tool_call_id=call.tool_calls[0]["id"])]
        )
    assert call.tool_calls[0]["name"] == "add"
    assert end.content == "You said: 7"


def test_answers_may_depend_on_the_request_and_on_the_model() -> None:
    """A function sees the JSON that was sent; each model may have a script of its own."""
    scripts: Any = {
        "scripted-small": lambda request: f"{request['temperature']} {request['user']}",
        "scripted-large": ["L"],
    }
    with ScriptedServer(scripts) as server:
        small = client(server, temperature=0.5).bind(user="me")
        large = server.chat_model("scripted-large")
        assert [small.invoke("hi").content, large.invoke("hi").content] == ["0.5 me", "L"]
    assert [request["model"] for request in server.requests] == ["scripted-small", "scripted-large"]


def test_answers_are_given_once_each_under_threads() -> None:
    """Requests that come at once each get an answer of their own."""
    with ScriptedServer([str(number) for number in range(16)]) as server:
        model = client(server)
        with ThreadPoolExecutor(8) as pool:
            said = pool.map(lambda _: model.invoke("hi").content, range(16))
            assert sorted(map(int, map(str, said))) == list(range(16))
    assert server.meter.total().requests == len(server.requests) == 16


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (429, openai.RateLimitError),
        (503, openai.InternalServerError),
    ],
)
def test_a_scripted_refusal_is_the_sdks_error(status: int, kind: type[openai.APIStatusError]) -> None:
    """A status arrives as the exception the real API's does, with body and headers, and costs nothing."""
    scripted = refusal(status, message="not now", code="why", retry_after=1.5)
    with ScriptedServer([scripted]) as server, pytest.raises(kind, match="not now") as caught:
        client(server).invoke("hi")
    assert caught.value.response.headers["retry-after"] == "1.5"
    assert caught.value.code == "why"
    assert server.meter.rows() == ()
    assert len(server.requests) == 1


def test_the_sdks_own_retries_are_counted() -> None:
    """Every request is kept, also those that the SDK makes behind the caller's back."""
    with ScriptedServer([refusal(503, retry_after=0.01), refusal(429, retry_after=0.01), "yes"]) as server:
        assert client(server, max_retries=2).invoke("hi").content == "yes"
    assert len(server.requests) == 3
    assert server.meter.total().requests == 1


def test_a_script_that_runs_out_says_so() -> None:
    """One request too many is refused in words that name the cause, and not retried."""
    with ScriptedServer(["one"]) as server:
        model = client(server, max_retries=2)
        model.invoke("hi")
        with pytest.raises(openai.BadRequestError, match="has 1 answers and all were given"):
            model.invoke("hi")
    assert len(server.requests) == 2


def test_a_cut_stream_ends_early_without_usage() -> None:
    """As behind some proxies: no error, no finish reason; what was written until then is metered."""
    with ScriptedServer([Reply(text="one two three", cut_after=2)]) as server:
        answer = joined(client(server))
        server.wait_idle()
        (row,) = server.meter.rows()
    assert (answer.content, answer.usage_metadata) == ("one two", None)
    assert row.cut


def test_an_error_after_the_pieces_breaks_a_stream() -> None:
    """The pieces arrive, then the error; a lost connection is told apart from an error that was sent."""
    pieces: list[Any] = []
    failing = [Reply(text="one two", error=error) for error in (RuntimeError("boom"), ConnectionError())]
    with ScriptedServer([*failing, failing[0]]) as server:
        with pytest.raises(openai.APIError, match="had an error"):
            pieces.extend(client(server).stream("hi"))
        with pytest.raises(openai.APIConnectionError):
            pieces.extend(client(server).stream("hi"))
        with pytest.raises(openai.InternalServerError):
            client(server).invoke("hi")
    assert "".join(piece.content for piece in pieces) == "one twoone two"


def test_a_slow_server_is_a_gate() -> None:
    """A time-out of the client needs no sleeping server: the request stands at a gate."""
    with ScriptedServer(["late"]) as server:
        gate = server.inject_gate()
        with pytest.raises(openai.APITimeoutError):
            client(server, timeout=openai.Timeout(10, read=0.05)).invoke("hi")
        gate.wait_reached()
        gate.open()


def test_the_books_equal_the_servers_meter_to_the_nano_dollar() -> None:
    """The meter prices by arithmetic of its own; langroute's books say the same after any mix of calls."""
    price = Price(input_per_million=0.137, output_per_million=1.011, cached_input_per_million=0.0137)
    awkward = Reply(text="a b", input_tokens=997, cached_tokens=311, output_tokens=13, reasoning_tokens=7)
    script: list[Any] = [awkward, "one", Reply(tool_calls=(("add", {"a": 1}),)), awkward]
    with ScriptedServer(script, prices={"odd": price}) as server:
        pool = ModelPool({"odd": server.chat_model("odd")}, prices=server.prices)
        router = StepRouter(pool, budget=Budget(total_dollars=1.0))
        llm = RoutedChatModel(router)
        with router.episode("e"):
            llm.invoke("hi")
            list(llm.stream("hi"))
            llm.bind_tools([ADD]).invoke("add")
            list(llm.stream("hi"))
        server.wait_idle()
    total = server.meter.total()
    assert router.balance("e").spent.nano_usd == total.nano_dollars > 0
    assert router.balance("e").spent.output_tokens == total.completion_tokens


def test_prompts_beyond_the_window_and_unknown_models_are_refused() -> None:
    """As the real API does, in its words."""
    with ScriptedServer(["one"], context_window=5) as server:
        with pytest.raises(openai.BadRequestError, match="maximum context length is 5"):
            client(server).invoke("one two three four five")
        with pytest.raises(openai.NotFoundError, match="does not exist"):
            server.chat_model("scripted-huge").invoke("hi")
        with pytest.raises(openai.BadRequestError, match="Invalid 'n'"):
            client(server).bind(n=2).invoke("hi")


def test_the_labs_weights_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The HTTP is the lab's, the models are not: nothing of them is loaded."""
    monkeypatch.setattr(LabModel, "load", lambda name: pytest.fail(f"{name} was loaded"))
    with ScriptedServer() as server:
        assert client(server).invoke("hi").content == "You said: hi"


def test_the_models_can_be_listed() -> None:
    """GET /v1/models names the models served; a key is asked for where one was set."""
    with ScriptedServer(["hi"], api_key="secret") as server:
        with openai.OpenAI(base_url=server.base_url, api_key="secret") as sdk:
            assert [model.id for model in sdk.models.list()] == ["scripted-small", "scripted-large"]
        assert isinstance(server.chat_model("scripted-small").invoke("hi"), AIMessage)


def test_mistakes_are_named_before_anything_is_opened() -> None:
    """A script for no model, a price with tiers and a status that is no refusal are refused by field."""
    with pytest.raises(ConfigError, match=r"^answers\.other"):
        ScriptedServer({"other": ["x"]})
    tiers = Price(
        input_per_million=1, output_per_million=1, above=[(10, Price(input_per_million=2, output_per_million=2))]
    )
    with pytest.raises(ConfigError, match=r"^prices\.m"):
        ScriptedServer(prices={"m": tiers})
    for status in (200, 499):
        with pytest.raises(ConfigError, match=r"^status"):
            refusal(status)
    with pytest.raises(LangrouteError, match="not running"):
        ScriptedServer().chat_model("scripted-small")
