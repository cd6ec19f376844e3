"""The lab's server on the wire: bodies, errors, kept connections, threads, and nothing left behind."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from langchain_openai import ChatOpenAI
from scripted_engine import CALL, ScriptedEngine

from langroute.errors import ConfigError, LangrouteError
from langroute.lab.server import LabServer

CHAT = "/v1/chat/completions"
HELLO = {"model": "lab-small", "messages": [{"role": "user", "content": "say it"}]}


def address(server: LabServer) -> tuple[str, int]:
    host, port = server.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    return host, int(port)


@contextmanager
def connected(server: LabServer) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(*address(server), timeout=10)
    try:
        yield connection
    finally:
        connection.close()


def ask(
    connection: http.client.HTTPConnection, body: Any = None, *, path: str = CHAT, method: str = "POST"
) -> tuple[int, Any]:
    """Status and decoded body of one request on a kept connection."""
    raw = body if isinstance(body, str | None) else json.dumps(body)
    connection.request(method, path, raw)
    response = connection.getresponse()
    data = response.read()
    return response.status, json.loads(data) if data else None


def events(connection: http.client.HTTPConnection, body: Any) -> list[Any]:
    """The events of a stream; `[DONE]` stays text."""
    connection.request("POST", CHAT, json.dumps(body))
    response = connection.getresponse()
    assert response.headers["content-type"].startswith("text/event-stream")
    parts = response.read().decode().split("\n\n")
    assert parts.pop() == ""
    data = [part.removeprefix("data: ") for part in parts]
    return [json.loads(part) if part != "[DONE]" else part for part in data]


def test_a_whole_answer_has_the_fields_of_the_api(server: LabServer) -> None:
    """Every field that clients of the real API read is there."""
    with connected(server) as connection:
        status, body = ask(connection, HELLO)
    assert status == 200
    assert set(body) == {
        "id", "object", "created", "model", "service_tier", "system_fingerprint", "choices", "usage",
    }  # fmt: skip
    assert body["object"] == "chat.completion"
    (choice,) = body["choices"]
    assert choice["message"] == {
        "role": "assistant", "content": "Hello big world", "refusal": None, "annotations": [],
    }  # fmt: skip
    assert (choice["index"], choice["logprobs"], choice["finish_reason"]) == (0, None, "stop")
    assert body["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0


def test_a_stream_is_worded_as_the_api_words_it(server: LabServer) -> None:
    """Role first, then text, then the reason, then usage without choices, then `[DONE]`; one id throughout."""
    with connected(server) as connection:
        *chunks, done = events(connection, {**HELLO, "stream": True, "stream_options": {"include_usage": True}})
    assert done == "[DONE]"
    *told, last = chunks
    assert [chunk["choices"][0]["delta"] for chunk in told] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "Hello"}, {"content": " big"}, {"content": " world"}, {},
    ]  # fmt: skip
    assert [chunk["choices"][0]["finish_reason"] for chunk in told] == [None] * 4 + ["stop"]
    assert all(chunk["usage"] is None for chunk in told)
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == 6
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1


def test_streamed_calls_open_with_the_name_and_go_on_with_arguments(server: LabServer, engine: ScriptedEngine) -> None:
    """The first delta names role, id and tool with empty arguments; later ones only add to the arguments."""
    engine.script = lambda prompt: [CALL, "calculator", '{"a"', ": 1}"]
    tool = {"type": "function", "function": {"name": "calculator"}}
    with connected(server) as connection:
        *chunks, _ = events(connection, {**HELLO, "tools": [tool], "stream": True})
    opening, *more, last = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert (opening["role"], opening["content"]) == ("assistant", None)
    (named,) = opening["tool_calls"]
    assert named["function"] == {"name": "calculator", "arguments": ""}
    assert (named["index"], named["type"]) == (0, "function")
    assert more == [
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]},
    ]
    assert last == {}
    assert "usage" not in chunks[-1]


def test_an_empty_answer_is_still_an_answer(server: LabServer, engine: ScriptedEngine) -> None:
    """A model that ends at once has said nothing, whole or streamed."""
    engine.script = lambda prompt: []
    with connected(server) as connection:
        _, body = ask(connection, HELLO)
        assert body["choices"][0]["message"]["content"] == ""
        assert body["choices"][0]["finish_reason"] == "stop"
        *chunks, _ = events(connection, {**HELLO, "stream": True})
    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks] == ["", None]


REFUSED: dict[str, tuple[Any, int, str | None, str | None]] = {
    "no JSON": ("{", 400, None, None),
    "not a number": ('{"model": "lab-small", "temperature": NaN}', 400, None, None),
    "no object": ([1], 400, None, None),
    "no model": ({"messages": HELLO["messages"]}, 400, None, None),
    "no messages": ({"model": "lab-small"}, 400, "messages", "missing_required_parameter"),
    "messages no list": ({**HELLO, "messages": "hi"}, 400, "messages", "invalid_type"),
    "messages empty": ({**HELLO, "messages": []}, 400, "messages", "empty_array"),
    "message no object": ({**HELLO, "messages": ["hi"]}, 400, "messages.[0]", "invalid_type"),
    "unknown role": ({**HELLO, "messages": [{"role": "boss"}]}, 400, "messages.[0].role", "invalid_value"),
    "no content": ({**HELLO, "messages": [{"role": "user"}]}, 400, "messages.[0].content", None),
    "content a number": ({**HELLO, "messages": [{"role": "user", "content": 1}]}, 400, "messages.[0].content",
                         "invalid_type"),
    "an image": ({**HELLO, "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400,
                 "messages.[0].content.[0].type", None),
    "call without id": ({**HELLO, "messages": [{"role": "assistant", "tool_calls": [{}]}]}, 400,
                        "messages.[0].tool_calls", "invalid_type"),
    "unknown model": ({**HELLO, "model": "lab-huge"}, 404, None, "model_not_found"),
    "unknown field": ({**HELLO, "budget": 1}, 400, "budget", "unknown_parameter"),
    "limit zero": ({**HELLO, "max_tokens": 0}, 400, "max_tokens", "integer_below_min_value"),
    "limit text": ({**HELLO, "max_completion_tokens": "1"}, 400, "max_completion_tokens", "invalid_type"),
    "limit true": ({**HELLO, "max_tokens": True}, 400, "max_tokens", "invalid_type"),
    "two limits": ({**HELLO, "max_tokens": 1, "max_completion_tokens": 1}, 400, "max_tokens",
                   "invalid_parameter_combination"),
    "two answers": ({**HELLO, "n": 2}, 400, "n", "integer_above_max_value"),
    "too hot": ({**HELLO, "temperature": 2.5}, 400, "temperature", "decimal_above_max_value"),
    "stream text": ({**HELLO, "stream": "yes"}, 400, "stream", "invalid_type"),
    "options without stream": ({**HELLO, "stream_options": {}}, 400, "stream_options", None),
    "top without logprobs": ({**HELLO, "top_logprobs": 2}, 400, "top_logprobs", None),
    "top too many": ({**HELLO, "logprobs": True, "top_logprobs": 21}, 400, "top_logprobs", "integer_above_max_value"),
    "stop a number": ({**HELLO, "stop": 1}, 400, "stop", "invalid_type"),
    "stops too many": ({**HELLO, "stop": list("abcde")}, 400, "stop", "array_above_max_length"),
    "tool no object": ({**HELLO, "tools": [1]}, 400, "tools[0]", "invalid_type"),
    "tool without name": ({**HELLO, "tools": [{"function": {}}]}, 400, "tools[0].function.name",
                          "missing_required_parameter"),
    "choice without tools": ({**HELLO, "tool_choice": "auto"}, 400, "tool_choice", None),
    "choice unknown": ({**HELLO, "tools": [{"function": {"name": "a"}}], "tool_choice": "b"}, 400, "tool_choice",
                       "invalid_value"),
    "choice of no tool": ({**HELLO, "tools": [{"function": {"name": "a"}}], "tool_choice": {"function": 1}}, 400,
                          "tool_choice", "invalid_value"),
    "too long": ({**HELLO, "messages": [{"role": "user", "content": "w " * 100}]}, 400, "messages",
                 "context_length_exceeded"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_bad_requests_are_refused_as_the_api_refuses_them(server: LabServer, case: str) -> None:
    """Status, param and code name the fault; the connection stays usable and nothing is billed."""
    body, status, param, code = REFUSED[case]
    with connected(server) as connection:
        told, answer = ask(connection, body)
        error = answer["error"]
        assert (told, error["param"], error["code"]) == (status, param, code)
        assert error["type"] == "invalid_request_error"
        assert error["message"]
        assert server.meter.rows() == ()
        assert ask(connection, HELLO)[0] == 200


def test_paths_and_methods_are_checked(server: LabServer) -> None:
    """Unknown paths are 404, wrong methods 405 with what is allowed, and both leave the connection usable."""
    with connected(server) as connection:
        status, answer = ask(connection, HELLO, path="/v1/embeddings")
        assert (status, answer["error"]["message"]) == (404, "Invalid URL (POST /v1/embeddings)")
        assert ask(connection, path=CHAT, method="GET")[0] == 405
        assert ask(connection, HELLO, path="/v1/models", method="DELETE")[0] == 405
        connection.request("HEAD", CHAT)
        response = connection.getresponse()
        assert (response.status, response.headers["allow"], response.read()) == (405, "POST", b"")
        status, models = ask(connection, path="/v1/models?limit=2", method="GET")
        assert [model["id"] for model in models["data"]] == ["lab-small", "lab-large"]


def test_the_meter_can_be_read_over_http(server: LabServer) -> None:
    """The JSON at /v1/lab/meter is the meter's own, and reading it is free."""
    with connected(server) as connection:
        ask(connection, HELLO)
        status, told = ask(connection, path="/v1/lab/meter", method="GET")
    assert status == 200
    assert told == server.meter.as_json()
    assert told["total"]["requests"] == 1


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Content-Length: x\r\n", 411),
        (b"Content-Length: -1\r\n", 411),
        (b"Transfer-Encoding: chunked\r\n", 411),
        (b"Content-Length: 99999999999\r\n", 413),
    ],
)
def test_bodies_of_unknown_or_absurd_length_are_refused(server: LabServer, head: bytes, status: int) -> None:
    """Where the body ends cannot be known or would not fit, the answer says so and the connection closes."""
    with socket.create_connection(address(server), timeout=10) as raw:
        raw.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: lab\r\n" + head + b"\r\n")
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in answer


def test_http_1_0_gets_an_unchunked_stream(server: LabServer) -> None:
    """An old client reads plain events to the end of the connection."""
    body = json.dumps({**HELLO, "stream": True}).encode()
    with socket.create_connection(address(server), timeout=10) as raw:
        raw.sendall(b"POST /v1/chat/completions HTTP/1.0\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    _, _, stream = answer.partition(b"\r\n\r\n")
    assert stream.startswith(b"data: {")
    assert stream.endswith(b"data: [DONE]\n\n")


def test_a_failing_engine_is_a_server_error(
    server: LabServer, engine: ScriptedEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """An engine's failure is logged, answered with 500 or an error event, and not billed."""
    engine.script = lambda prompt: [1 / 0]  # type: ignore[list-item]
    with connected(server) as connection:
        status, answer = ask(connection, HELLO)
        assert (status, answer["error"]["type"]) == (500, "server_error")
        (event,) = events(connection, {**HELLO, "stream": True})
    assert event["error"]["type"] == "server_error"
    assert server.meter.rows() == ()
    assert [type(record.exc_info[1]) for record in caplog.records if record.exc_info] == [ZeroDivisionError] * 2


def test_many_clients_are_served_at_once_each_on_one_connection(server: LabServer, engine: ScriptedEngine) -> None:
    """Sixteen threads on kept connections get their own answers, and every one is metered once."""
    engine.script = lambda prompt: [prompt.split()[-1]]
    together = threading.Barrier(16)

    def client(number: int) -> list[bool]:
        right = []
        with connected(server) as connection:
            connection.connect()
            own_socket = connection.sock
            together.wait(timeout=10)
            for place in range(12):
                word = f"w{number}-{place}"
                body = {"model": "lab-small", "messages": [{"role": "user", "content": word}]}
                if place % 2:
                    *chunks, _ = events(connection, {**body, "stream": True})
                    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
                else:
                    text = ask(connection, body)[1]["choices"][0]["message"]["content"]
                right.append(text == word and connection.sock is own_socket)
        return right

    with ThreadPoolExecutor(16) as pool:
        right = [answer for answers in pool.map(client, range(16)) for answer in answers]
    assert right == [True] * (16 * 12)
    rows = server.meter.rows()
    assert len(rows) == len({row.id for row in rows}) == 16 * 12
    assert {row.prompt_tokens for row in rows} == {2}


def test_requests_run_side_by_side(server: LabServer, model: ChatOpenAI) -> None:
    """A request that is held does not hold up another one."""
    gate = server.inject_gate()
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(model.invoke, "slow")
        gate.wait_reached()
        assert model.invoke("quick").content == "Hello big world"
        assert not held.done()
        gate.open()
        assert held.result(timeout=10).content == "Hello big world"


def test_stopping_leaves_nothing_behind(engine: ScriptedEngine) -> None:
    """After stop no thread or connection is left, though a client keeps its connection and one request is held."""
    before = threading.active_count()
    server = LabServer(engine=engine).start()
    gate, place = server.inject_gate(), address(server)
    with connected(server) as idle, connected(server) as held:
        ask(idle, path="/v1/models", method="GET")
        held.request("POST", CHAT, json.dumps(HELLO))
        gate.wait_reached()
        server.stop()
        server.stop()
        assert threading.active_count() == before
        assert idle.sock.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(place, timeout=10)


def test_a_server_can_be_started_again_and_not_twice(engine: ScriptedEngine) -> None:
    """Starting twice, a taken port and a stopped server's address are clear errors; stop and start is fine."""
    server = LabServer(engine=engine)
    with pytest.raises(LangrouteError, match="not running"):
        _ = server.base_url
    with server:
        with pytest.raises(LangrouteError, match="runs already"):
            server.start()
        with pytest.raises(ConfigError, match=r"port: cannot listen on .*port 0 takes a free one"):
            LabServer(engine=engine, port=address(server)[1]).start()
    with server, connected(server) as connection:
        assert ask(connection, HELLO)[0] == 200


def test_only_known_statuses_can_be_planned(server: LabServer) -> None:
    """A status the server has no words for is refused when it is planned."""
    with pytest.raises(ConfigError, match="status: must be one of 429, 500, 503"):
        server.inject(status=418)
