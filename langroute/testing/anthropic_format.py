"""Anthropic's messages API on the wire: requests read, answers whole and as server-sent events."""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, cast

from langroute.lab.exchange import Call, Exchange
from langroute.lab.refusals import ApiError, Json
from langroute.lab.requests import ChatRequest
from langroute.lab.wire import to_bytes
from langroute.testing.anthropic_history import Turn, turns_of
from langroute.testing.anthropic_rules import check_request
from langroute.testing.chat_form import anthropic_chat
from langroute.testing.reply import pieces_of
from langroute.testing.scripted_exchange import ScriptedExchange
from langroute.testing.signatures import Signer, digest

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class AnthropicFormat:
    """The messages API of Anthropic.

    Args:
        tools_with_history: refuse messages about tools without ``tools``.
        midway_system: take system messages after a user's.
        binds_prefix: refuse thinking when what stands before it has changed since it was thought.
    """

    id_header = "request-id"
    final = b""

    def __init__(
        self, *, tools_with_history: bool = False, midway_system: bool = False, binds_prefix: bool = False
    ) -> None:
        self._tools_with_history = tools_with_history
        self._midway_system = midway_system
        self._binds_prefix = binds_prefix
        self._signer = Signer("anthropic")

    def takes(self, path: str) -> bool:
        """Whether requests for an answer are posted to this path."""
        return path == "/v1/messages"

    def check_key(self, headers: Mapping[str, str], query: Mapping[str, str], key: str) -> None:  # noqa: ARG002
        """Refuse a request without the key, which stands in a header of its own or as a bearer's."""
        bearer = headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if headers.get("x-api-key", bearer) != key:
            raise ApiError("invalid x-api-key", status=401)

    def read(self, path: str, body: object) -> ChatRequest:  # noqa: ARG002 - all that is asked stands in the body
        """Check a request, and read it."""
        asked = check_request(
            body,
            tools_with_history=self._tools_with_history,
            midway_system=self._midway_system,
            signed=self._wrong_signature,
        )
        chat = anthropic_chat(asked)
        return ChatRequest(
            model=asked["model"],
            messages=tuple(chat["messages"]),
            tools=tuple(chat.get("tools") or ()),
            tool_choice=chat.get("tool_choice"),
            response_format=chat.get("response_format"),
            max_tokens=max(1, asked["max_tokens"]),
            stop=tuple(asked.get("stop_sequences") or ()),
            stream=bool(asked.get("stream")),
            thinking=(asked.get("thinking") or {}).get("type") in ("enabled", "adaptive"),
            body=asked,
        )

    def whole(self, exchange: Exchange) -> Json:
        """The message."""
        done = cast("ScriptedExchange", exchange)
        content = [self._thought(done)] if done.thinking else []
        content += [{"type": "text", "text": done.content}] if done.content else []
        content += [{**_opened(call), "input": _object(call.arguments)} for call in done.calls]
        return {**_message(done), "content": content, **_end(done), "usage": _usage(done)}

    def events(self, exchange: Exchange) -> Generator[Json, None, None]:
        """The events from ``message_start`` to ``message_stop``, or to where the reply is cut."""
        told = cast("ScriptedExchange", exchange)
        yield {
            "type": "message_start",
            "message": {**_message(told), "content": [], "stop_reason": None, "stop_sequence": None}
            | {"usage": _usage(told, output=1)},
        }
        place = -1
        if told.thinking:
            place += 1
            yield from self._thought_events(told, place)
        opened = ""
        with closing(told.told_pieces()) as pieces:
            for piece in pieces:
                for name, block, delta in _parts(told, piece.content, [call.index for call in piece.calls], piece):
                    if name != opened:
                        yield from [_stop(place)] if opened else []
                        place, opened = place + 1, name
                        yield {"type": "content_block_start", "index": place, "content_block": block}
                    yield {"type": "content_block_delta", "index": place, "delta": delta}
        if told.is_cut:
            return
        yield from [_stop(place)] if opened else []
        yield {"type": "message_delta", "delta": _end(told), "usage": _usage(told)}
        yield {"type": "message_stop"}

    def frame(self, event: Json) -> bytes:
        """An event with its name."""
        return b"event: %b\ndata: %b\n\n" % (str(event["type"]).encode(), to_bytes(event))

    def refused(self, error: ApiError) -> Json:
        """The error as Anthropic writes it (platform.claude.com/docs/en/api/errors)."""
        kind = _KINDS.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")
        return {"type": "error", "error": {"type": kind, "message": error.message}, "request_id": "req_scripted"}

    def failed(self, error: ApiError) -> Json:
        """The ``error`` event."""
        return self.refused(error)

    def _thought(self, exchange: ScriptedExchange) -> Json:
        """The block of what was thought, signed."""
        body = exchange.request.body
        told = "" if (body.get("thinking") or {}).get("display") == "omitted" else exchange.thinking
        facts = {
            "model": exchange.request.model,
            "prefix": _prefix(body, turns_of(body["messages"])),
            "said": digest(told),
        }
        if exchange.reply.redacted:
            return {"type": "redacted_thinking", "data": self._signer.seal({**facts, "thinking": exchange.thinking})}
        return {"type": "thinking", "thinking": told, "signature": self._signer.seal(facts)}

    def _thought_events(self, exchange: ScriptedExchange, place: int) -> Iterator[Json]:
        block = self._thought(exchange)
        if block["type"] == "redacted_thinking":
            yield {"type": "content_block_start", "index": place, "content_block": block}
        else:
            empty = {"type": "thinking", "thinking": "", "signature": ""}
            yield {"type": "content_block_start", "index": place, "content_block": empty}
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces_of(block["thinking"])]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
            for delta in deltas:
                yield {"type": "content_block_delta", "index": place, "delta": delta}
        yield _stop(place)

    def _wrong_signature(self, body: Json, before: Sequence[Turn], block: Json) -> str:
        """What is wrong with the signature of a block; empty when nothing is.

        A genuine block of another model of the provider's is let through: newer models drop what they cannot read,
        without an error (platform.claude.com/docs/en/build-with-claude/preserved-thinking).
        """
        hidden = block["type"] == "redacted_thinking"
        facts = self._signer.unseal(block["data"] if hidden else block["signature"])
        if facts is None or (not hidden and facts["said"] != digest(block["thinking"])):
            return f"Invalid `{'data' if hidden else 'signature'}` in `{block['type']}` block"
        if self._binds_prefix and facts["prefix"] != _prefix(body, before):
            return f"Invalid `{block['type']}` block: what stands before it has changed since it was produced"
        return ""


def _prefix(body: Json, before: Sequence[Turn]) -> str:
    """A name for all that the model saw in front of its answer; marks for the cache are no part of it."""
    turns = [[turn.role, [_unmarked(block) for _, block in turn.blocks]] for turn in before]
    system = body.get("system")
    system = [{"type": "text", "text": system}] if isinstance(system, str) else system or []
    return digest(
        [[_unmarked(block) for block in system], [_unmarked(tool) for tool in body.get("tools") or ()], turns]
    )


def _unmarked(block: Json) -> Json:
    return {key: value for key, value in block.items() if key != "cache_control"}


def _message(exchange: ScriptedExchange) -> Json:
    id_ = "msg_" + exchange.id.removeprefix("chatcmpl-")
    return {"id": id_, "type": "message", "role": "assistant", "model": exchange.request.model}


def _end(exchange: ScriptedExchange) -> Json:
    stop = exchange.stop_text
    if stop is not None:
        return {"stop_reason": "stop_sequence", "stop_sequence": stop}
    reason = "max_tokens" if exchange.finish_reason == "length" else "tool_use" if exchange.calls else "end_turn"
    return {"stop_reason": reason, "stop_sequence": None}


def _usage(exchange: ScriptedExchange, *, output: int | None = None) -> Json | None:
    """The tokens, those from the cache beside the others: here they are no part of the input tokens."""
    if not exchange.reports_usage:
        return None
    return {
        "input_tokens": exchange.prompt_tokens - exchange.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": exchange.cached_tokens,
        "output_tokens": exchange.completion_tokens if output is None else output,
        "service_tier": "standard",
    }


def _opened(call: Call) -> Json:
    return {"type": "tool_use", "id": "toolu_" + call.id.removeprefix("call_"), "name": call.name, "input": {}}


def _parts(exchange: ScriptedExchange, text: str, calls: Sequence[int], piece: Any) -> Iterator[tuple[str, Json, Json]]:
    """Name, opening and delta of each block that a piece begins or extends."""
    if text:
        yield "text", {"type": "text", "text": ""}, {"type": "text_delta", "text": text}
    for index, call in zip(calls, piece.calls, strict=True):
        delta = {"type": "input_json_delta", "partial_json": call.arguments}
        yield f"call {index}", _opened(exchange.calls[index]), delta


def _stop(place: int) -> Json:
    return {"type": "content_block_stop", "index": place}


def _object(arguments: str) -> Json:
    """The arguments as the object they must be here; text that is none cannot be sent, and becomes an empty one."""
    try:
        value = json.loads(arguments)
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
