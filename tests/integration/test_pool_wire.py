"""What a prepared model really sends: one request per call, with the output limit in it, and usage asked for."""

import json
import threading
from collections.abc import Iterator
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import openai
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from langroute.money import Price
from langroute.pool import ModelPool

LIMIT = 77
KEY = SecretStr("none")
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


class Answer(BaseModel):
    """A schema to ask for."""

    text: str


class _Handler(BaseHTTPRequestHandler):
    server: "Server"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.bodies.append(body)
        if self.server.status != 200:
            self._send("application/json", json.dumps({"error": {"message": "down"}}))
        elif body.get("stream"):
            self._send("text/event-stream", _stream(body))
        elif self.path.endswith("/responses"):
            self._send("application/json", json.dumps(_RESPONSE))
        else:
            self._send("application/json", json.dumps(_completion("message", {"content": '{"text": "hi"}'})))

    def _send(self, kind: str, text: str) -> None:
        self.send_response(self.server.status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args: Any) -> None:
        """Stay quiet."""


class Server(ThreadingHTTPServer):
    """A loopback server that remembers what it was sent and answers with one status."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[dict[str, Any]] = []
        self.status = 200

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server_port}/v1"


_RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-5-nano",
    "status": "completed",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "hi", "annotations": []}],
        }
    ],
    "usage": {
        "input_tokens": 5,
        "output_tokens": 2,
        "total_tokens": 7,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    },
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}


def _completion(part: str, content: dict[str, Any]) -> dict[str, Any]:
    choice = {"index": 0, part: {"role": "assistant", **content}, "finish_reason": "stop"}
    kind = "chat.completion" if part == "message" else "chat.completion.chunk"
    return {"id": "1", "object": kind, "created": 1, "model": "gpt-5-nano", "choices": [choice], "usage": USAGE}


def _stream(body: dict[str, Any]) -> str:
    chunks = [{**_completion("delta", {"content": "hi"}), "usage": None}]
    if body.get("stream_options", {}).get("include_usage"):
        chunks.append({**chunks[0], "choices": [], "usage": USAGE})
    return "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of its own for each test."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _pool(server: Server, **options: Any) -> ModelPool:
    model = ChatOpenAI(model="gpt-5-nano", base_url=server.url, api_key=KEY, **options)
    return ModelPool({"a": model}, prices={"a": Price(input_per_million=1, output_per_million=1)})


def _model(server: Server, **options: Any) -> BaseChatModel:
    return _pool(server, **options).model("a")


@pytest.mark.parametrize("options", [{}, {"max_retries": 4}, {"use_responses_api": True}])
async def test_a_failing_call_is_one_request(server: Server, options: dict[str, Any]) -> None:
    """A server that answers 503 is asked once per call, in every way of calling; the error keeps its type."""
    server.status = 503
    model = _model(server, **options)
    with pytest.raises(openai.InternalServerError):
        model.invoke("hello")
    with pytest.raises(openai.InternalServerError):
        await model.ainvoke("hello")
    with pytest.raises(openai.InternalServerError):
        list(model.stream("hello"))
    with pytest.raises(openai.InternalServerError):
        [chunk async for chunk in model.astream("hello")]
    assert len(server.bodies) == 4


def _invoke(model: Any, limit: dict[str, Any]) -> None:
    model.invoke("hello", **limit)


def _stream_all(model: Any, limit: dict[str, Any]) -> None:
    list(model.stream("hello", **limit))


def _with_tools(model: Any, limit: dict[str, Any]) -> None:
    tool = {"name": "add", "description": "Add.", "parameters": {"type": "object", "properties": {}}}
    model.bind_tools([tool]).invoke("hello", **limit)


def _structured(model: Any, limit: dict[str, Any]) -> None:
    assert model.with_structured_output(Answer).invoke("hello", **limit) == Answer(text="hi")


@pytest.mark.parametrize("call", [_invoke, _stream_all, _with_tools, _structured])
@pytest.mark.parametrize("own", [{}, {"max_tokens": 5000}, {"model_kwargs": {"max_completion_tokens": 5000}}])
@pytest.mark.filterwarnings("ignore:Parameters .* should be specified explicitly:UserWarning")
def test_the_output_limit_is_sent(server: Server, call: Any, own: dict[str, Any]) -> None:
    """However the model is called, the request carries the limit of this call, and not the user's wider one."""
    pool = _pool(server, **deepcopy(own))
    call(pool.model("a"), pool.output_limit_kwargs("a", LIMIT))
    (body,) = server.bodies
    assert body["max_completion_tokens"] == LIMIT
    assert "max_tokens" not in body


@pytest.mark.parametrize("own", [{}, {"max_tokens": 5000}, {"model_kwargs": {"max_completion_tokens": 5000}}])
@pytest.mark.filterwarnings("ignore:Parameters .* should be specified explicitly:UserWarning")
def test_a_limit_built_in_is_sent_where_arguments_get_lost(server: Server, own: dict[str, Any]) -> None:
    """Structured output with the raw message drops the arguments of the call; a limited model still sends its limit."""
    model = _pool(server, **deepcopy(own)).limited_model("a", LIMIT)
    told: Any = model.with_structured_output(Answer, include_raw=True).invoke("hello")
    assert told["parsed"] == Answer(text="hi")
    assert server.bodies[0]["max_completion_tokens"] == LIMIT


def test_the_output_limit_reaches_the_responses_api(server: Server) -> None:
    """The Responses API is sent the limit under its own name."""
    pool = _pool(server, use_responses_api=True)
    pool.model("a").invoke("hello", **pool.output_limit_kwargs("a", LIMIT))
    assert server.bodies[0]["max_output_tokens"] == LIMIT


async def test_streams_report_usage(server: Server) -> None:
    """A stream from a server that is not OpenAI's asks for usage and brings it, though the user asked for none."""
    model = _model(server)
    usages = [chunk.usage_metadata for chunk in model.stream("hello") if getattr(chunk, "usage_metadata", None)]
    async for chunk in model.astream("hello"):
        usages += [chunk.usage_metadata] if getattr(chunk, "usage_metadata", None) else []
    assert [usage and usage["total_tokens"] for usage in usages] == [7, 7]
    assert all(body["stream_options"] == {"include_usage": True} for body in server.bodies)
