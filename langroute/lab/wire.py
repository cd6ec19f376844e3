"""Answers as the chat-completions API writes them: one JSON object, or the chunks of a stream."""

import json
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace

from langroute.lab.exchange import CallPiece, Exchange, Piece
from langroute.lab.protocols import GeneratedToken
from langroute.lab.refusals import Json

FINGERPRINT = "fp_langroute_lab"
_LEAST_LOGPROB = -9999.0  # how the API writes a probability of zero: JSON knows no infinity


def to_bytes(data: Json) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


def completion(exchange: Exchange) -> Json:
    """The body of a whole answer; the exchange must be finished."""
    message: Json = {"role": "assistant", "content": exchange.content or None, "refusal": None, "annotations": []}
    if exchange.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in exchange.calls
        ]
    else:
        message["content"] = exchange.content
    choice: Json = {
        "index": 0,
        "message": message,
        "logprobs": logprobs(exchange, exchange.tokens),
        "finish_reason": exchange.finish_reason,
    }
    return {**_head(exchange, "chat.completion"), "choices": [choice], "usage": usage(exchange)}


def usage(exchange: Exchange) -> Json | None:
    """The tokens of an exchange as the API reports them; None where it is not to report any."""
    if not exchange.reports_usage:
        return None
    return {
        "prompt_tokens": exchange.prompt_tokens,
        "completion_tokens": exchange.completion_tokens,
        "total_tokens": exchange.prompt_tokens + exchange.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": exchange.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": exchange.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def logprobs(exchange: Exchange, tokens: Sequence[GeneratedToken]) -> Json | None:
    """Log probabilities of some of an exchange's tokens, those of tool calls included; None when not asked for.

    Markers, such as the end of an answer, are listed with an empty text, so the entries number the completion tokens.
    """
    if not exchange.request.logprobs:
        return None
    listed = [
        {
            **_logprob(exchange, token.token, token.logprob),
            "top_logprobs": [_logprob(exchange, *pair) for pair in token.top[: exchange.request.top_logprobs]],
        }
        for token in tokens
    ]
    return {"content": listed, "refusal": None}


def chunks(exchange: Exchange) -> Generator[Json, None, None]:
    """The chunks of a streamed answer, generated as they are taken; close it to break the exchange off.

    The last two chunks, finish reason and usage, are made when the exchange is metered.
    """
    begun = False
    with closing(exchange.pieces()) as pieces:
        for piece in pieces:
            deltas = _deltas(piece, begun=begun)
            begun = True
            for delta in deltas[:-1]:
                yield _chunk(exchange, delta)
            yield _chunk(exchange, deltas[-1], piece.tokens)
    if not begun:
        yield _chunk(exchange, {"role": "assistant", "content": "", "refusal": None})
    yield _chunk(exchange, {}, exchange.untold(), finish_reason=exchange.finish_reason)
    if exchange.request.include_usage and exchange.reports_usage:
        yield {**_head(exchange, "chat.completion.chunk"), "choices": [], "usage": usage(exchange)}


def _head(exchange: Exchange, kind: str) -> Json:
    return {
        "id": exchange.id,
        "object": kind,
        "created": exchange.created,
        "model": exchange.request.model,
        "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    }


def _logprob(exchange: Exchange, token: int, value: float) -> Json:
    text = exchange.text(token)
    return {"token": text, "logprob": max(float(value), _LEAST_LOGPROB), "bytes": list(text.encode())}


def _deltas(piece: Piece, *, begun: bool) -> list[Json]:
    """The deltas of a piece; an answer opens with its role and, where it begins with a tool call, that call's name."""
    deltas: list[Json] = [{"content": piece.content}] if piece.content else []
    deltas += [{"tool_calls": [_call(call)]} for call in piece.calls]
    if begun:
        return deltas
    if piece.content:
        return [{"role": "assistant", "content": "", "refusal": None}, *deltas]
    first = piece.calls[0]
    named = _call(replace(first, arguments=""))
    opening: Json = {"role": "assistant", "content": None, "tool_calls": [named], "refusal": None}
    rest = [{"tool_calls": [_call(replace(first, id=None))]}] if first.arguments else []
    return [opening, *rest, *deltas[1:]]


def _call(call: CallPiece) -> Json:
    if call.id is None:
        return {"index": call.index, "function": {"arguments": call.arguments}}
    function = {"name": call.name, "arguments": call.arguments}
    return {"index": call.index, "id": call.id, "type": "function", "function": function}


def _chunk(
    exchange: Exchange, delta: Json, tokens: Sequence[GeneratedToken] = (), *, finish_reason: str | None = None
) -> Json:
    told = logprobs(exchange, tokens) if tokens else None
    chunk: Json = {
        **_head(exchange, "chat.completion.chunk"),
        "choices": [{"index": 0, "delta": delta, "logprobs": told, "finish_reason": finish_reason}],
    }
    return {**chunk, "usage": None} if exchange.request.include_usage else chunk
