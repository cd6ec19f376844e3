"""OpenAI's responses API on the wire: requests read, answers whole and as server-sent events."""

from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import closing
from typing import Any, cast

from langroute.lab.exchange import Call, Exchange
from langroute.lab.formats import check_bearer
from langroute.lab.refusals import ApiError, Json
from langroute.lab.requests import ChatRequest
from langroute.lab.wire import to_bytes
from langroute.testing.chat_form import responses_chat
from langroute.testing.openai_schemas import REASONING
from langroute.testing.reply import pieces_of
from langroute.testing.responses_items import ItemStore, check_items
from langroute.testing.responses_rules import check_fields
from langroute.testing.scripted_exchange import ScriptedExchange
from langroute.testing.signatures import Signer, digest

# As OpenAI's tokens begin.
_SEALED = "gAAAAA"


class ResponsesFormat:
    """The responses API of OpenAI.

    Args:
        reasoning: names of models that reason, beside those that are named as OpenAI names its own.
    """

    id_header = "x-request-id"
    final = b""

    def __init__(self, *, reasoning: Collection[str] = ()) -> None:
        self._reasoning = frozenset(reasoning)
        self._store = ItemStore()
        self._signer = Signer("openai")

    def takes(self, path: str) -> bool:
        """Whether requests for an answer are posted to this path."""
        return path == "/v1/responses"

    def check_key(self, headers: Mapping[str, str], query: Mapping[str, str], key: str) -> None:  # noqa: ARG002
        """Refuse a request without the bearer key."""
        check_bearer(headers, key)

    def read(self, path: str, body: object) -> ChatRequest:  # noqa: ARG002 - all that is asked stands in the body
        """Check a request, and read it."""
        asked = check_fields(body, self.reasons)
        before = self._store.before(asked["previous_response_id"]) if asked.get("previous_response_id") else []
        items = check_items(asked.get("input", []), before, self._store, self._is_sealed)
        chat = responses_chat({**asked, "input": [*before, *items]})
        effort = (asked.get("reasoning") or {}).get("effort")
        return ChatRequest(
            model=asked["model"],
            messages=tuple(chat["messages"]),
            tools=tuple(chat.get("tools") or ()),
            tool_choice=chat.get("tool_choice"),
            response_format=chat.get("response_format"),
            max_tokens=asked.get("max_output_tokens"),
            stream=bool(asked.get("stream")),
            thinking=self.reasons(asked["model"]) and effort != "none",
            body=asked,
        )

    def reasons(self, model: str) -> bool:
        """Whether a model is a reasoning model."""
        return model in self._reasoning or bool(REASONING.match(model))

    def whole(self, exchange: Exchange) -> Json:
        """The response."""
        done = cast("ScriptedExchange", exchange)
        output = self._output(done)
        self._keep(done, output)
        return _response(done, output)

    def events(self, exchange: Exchange) -> Generator[Json, None, None]:
        """The events from ``response.created`` to ``response.completed``, numbered, or to where the reply is cut."""
        with closing(self._events(cast("ScriptedExchange", exchange))) as events:
            for number, event in enumerate(events):
                yield {**event, "sequence_number": number}

    def frame(self, event: Json) -> bytes:
        """An event with its name."""
        return b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), to_bytes(event))

    def refused(self, error: ApiError) -> Json:
        """The error as OpenAI words it."""
        return error.body()

    def failed(self, error: ApiError) -> Json:
        """The ``error`` event."""
        return {"type": "error", "code": error.code, "message": error.message, "param": error.param}

    def _events(self, told: ScriptedExchange) -> Generator[Json, None, None]:
        for kind in ("response.created", "response.in_progress"):
            yield {"type": kind, "response": _response(told, [], status="in_progress")}
        place = 0
        for item in self._thought(told):
            yield from _thought_events(item, place)
            place += 1
        opened: Json | None = None
        with closing(told.told_pieces()) as pieces:
            for piece in pieces:
                parts: list[tuple[Json, str]] = [(_message(told, ""), piece.content)] if piece.content else []
                parts += [(_call(told.calls[part.index], ""), part.arguments) for part in piece.calls]
                for item, delta in parts:
                    if opened is None or opened["id"] != item["id"]:
                        if opened is not None:
                            yield from _closing(_finished(told, opened), place)
                            place += 1
                        yield from _opening(item, place)
                        opened = item
                    yield _delta(item, delta, place)
        if told.is_cut:
            return
        if opened is not None:
            yield from _closing(_finished(told, opened), place)
        output = self._output(told)
        self._keep(told, output)
        whole = _response(told, output)
        yield {"type": f"response.{whole['status']}", "response": whole}

    def _output(self, exchange: ScriptedExchange) -> list[Json]:
        output = self._thought(exchange)
        output += [_message(exchange, exchange.content)] if exchange.content else []
        return output + [_call(call, call.arguments) for call in exchange.calls]

    def _thought(self, exchange: ScriptedExchange) -> list[Json]:
        """The item of what was thought: a summary where one is asked for, sealed where it is not stored."""
        if not exchange.thinking:
            return []
        body = exchange.request.body
        item: Json = {"type": "reasoning", "id": f"rs_{_hex(exchange)}", "summary": []}
        if (body.get("reasoning") or {}).get("summary") and not exchange.reply.redacted:
            item["summary"] = [{"type": "summary_text", "text": exchange.thinking}]
        if body.get("store") is False or "reasoning.encrypted_content" in (body.get("include") or ()):
            facts = {"model": exchange.request.model, "said": digest(exchange.thinking)}
            item["encrypted_content"] = _SEALED + self._signer.seal(facts)
        return [item]

    def _is_sealed(self, secret: str) -> bool:
        return secret.startswith(_SEALED) and self._signer.unseal(secret.removeprefix(_SEALED)) is not None

    def _keep(self, exchange: ScriptedExchange, output: list[Json]) -> None:
        body = exchange.request.body
        if body.get("store") is False:
            return
        before = self._store.before(body["previous_response_id"]) if body.get("previous_response_id") else []
        given = check_items(body.get("input", []), before, self._store, self._is_sealed)
        self._store.keep(f"resp_{_hex(exchange)}", [*before, *given], output)


def _hex(exchange: ScriptedExchange) -> str:
    return exchange.id.removeprefix("chatcmpl-")


def _message(exchange: ScriptedExchange, text: str) -> Json:
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {
        "type": "message",
        "id": f"msg_{_hex(exchange)}",
        "role": "assistant",
        "status": "completed" if text else "in_progress",
        "content": [part] if text else [],
    }


def _call(call: Call, arguments: str) -> Json:
    return {
        "type": "function_call",
        "id": "fc_" + call.id.removeprefix("call_"),
        "call_id": call.id,
        "name": call.name,
        "arguments": arguments,
        "status": "completed" if arguments else "in_progress",
    }


def _finished(exchange: ScriptedExchange, item: Json) -> Json:
    """An item as far as it was told, closed."""
    if item["type"] == "message":
        return {**_message(exchange, exchange.content), "status": "completed"}
    call = next(call for call in exchange.calls if call.id == item["call_id"])
    return {**_call(call, call.arguments), "status": "completed"}


def _opening(item: Json, place: int) -> Iterator[Json]:
    yield {"type": "response.output_item.added", "output_index": place, "item": item}
    if item["type"] == "message":
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        yield {**_at(item, place), "type": "response.content_part.added", "content_index": 0, "part": part}


def _delta(item: Json, delta: str, place: int) -> Json:
    if item["type"] == "message":
        more = {"type": "response.output_text.delta", "content_index": 0, "logprobs": []}
        return {**_at(item, place), **more, "delta": delta}
    return {**_at(item, place), "type": "response.function_call_arguments.delta", "delta": delta}


def _closing(item: Json, place: int) -> Iterator[Json]:
    here = _at(item, place)
    if item["type"] == "message":
        part = item["content"][0]
        done = {"content_index": 0, "text": part["text"], "logprobs": []}
        yield {**here, "type": "response.output_text.done", **done}
        yield {**here, "type": "response.content_part.done", "content_index": 0, "part": part}
    else:
        yield {**here, "type": "response.function_call_arguments.done", "arguments": item["arguments"]}
    yield {"type": "response.output_item.done", "output_index": place, "item": item}


def _thought_events(item: Json, place: int) -> Iterator[Json]:
    here = _at(item, place)
    opened = {**item, "summary": []}
    yield {"type": "response.output_item.added", "output_index": place, "item": opened}
    for number, part in enumerate(item["summary"]):
        where = {**here, "summary_index": number}
        empty = {"type": "summary_text", "text": ""}
        yield {**where, "type": "response.reasoning_summary_part.added", "part": empty}
        for piece in pieces_of(part["text"]):
            yield {**where, "type": "response.reasoning_summary_text.delta", "delta": piece}
        yield {**where, "type": "response.reasoning_summary_text.done", "text": part["text"]}
        yield {**where, "type": "response.reasoning_summary_part.done", "part": part}
    yield {"type": "response.output_item.done", "output_index": place, "item": item}


def _at(item: Json, place: int) -> Json:
    return {"item_id": item["id"], "output_index": place}


def _response(exchange: ScriptedExchange, output: list[Json], *, status: str = "") -> Json:
    body = exchange.request.body
    cut = exchange.finish_reason == "length"
    shown: dict[str, Any] = {name: body.get(name) for name in ("instructions", "metadata", "previous_response_id")}
    return {
        "id": f"resp_{_hex(exchange)}",
        "object": "response",
        "created_at": exchange.created,
        "model": exchange.request.model,
        "status": status or ("incomplete" if cut else "completed"),
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": output,
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "temperature": body.get("temperature", 1.0),
        "top_p": body.get("top_p", 1.0),
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "text": body.get("text") or {"format": {"type": "text"}},
        "reasoning": body.get("reasoning") or {"effort": None, "summary": None},
        "store": body.get("store") is not False,
        "service_tier": "default",
        **shown,
        "usage": None if status else _usage(exchange),
    }


def _usage(exchange: ScriptedExchange) -> Json | None:
    if not exchange.reports_usage:
        return None
    return {
        "input_tokens": exchange.prompt_tokens,
        "input_tokens_details": {"cached_tokens": exchange.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": exchange.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": exchange.reasoning_tokens},
        "total_tokens": exchange.prompt_tokens + exchange.completion_tokens,
    }
