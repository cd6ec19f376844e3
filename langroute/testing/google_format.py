"""Google's generateContent on the wire: requests read, answers whole and as server-sent events."""

import json
import re
from collections.abc import Collection, Generator, Mapping
from contextlib import closing
from typing import cast

from langroute.lab.exchange import Call, Exchange
from langroute.lab.refusals import ApiError, Json
from langroute.lab.requests import ChatRequest
from langroute.lab.wire import to_bytes
from langroute.testing.chat_form import google_chat
from langroute.testing.google_rules import check_request
from langroute.testing.reply import pieces_of
from langroute.testing.scripted_exchange import ScriptedExchange
from langroute.testing.signatures import Signer, digest

_PATH = re.compile(r"/v1(?:beta|alpha)?/models/(?P<model>[^/:]+):(?P<way>generateContent|streamGenerateContent)$")
_SIGNING = re.compile(r"gemini-[3-9]")
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class GoogleFormat:
    """The generateContent of Google's Gemini API.

    Args:
        signing: names of models that sign their function calls and demand the signatures, beside those named
            ``gemini-3`` and later.
    """

    id_header = "x-request-id"
    final = b""

    def __init__(self, *, signing: Collection[str] = ()) -> None:
        self._signing = frozenset(signing)
        self._signer = Signer("google")

    def takes(self, path: str) -> bool:
        """Whether requests for an answer are posted to this path: each model has two of its own."""
        return _PATH.match(path) is not None

    def check_key(self, headers: Mapping[str, str], query: Mapping[str, str], key: str) -> None:
        """Refuse a request without the key, which stands in a header or in the address."""
        given = headers.get("x-goog-api-key") or query.get("key")
        if given is None:
            raise ApiError("Method doesn't allow unregistered callers. Please use API Key.", status=403)
        if given != key:
            raise ApiError("API key not valid. Please pass a valid API key.")

    def read(self, path: str, body: object) -> ChatRequest:
        """Check a request, and read it; model and way of answering stand in its path."""
        found = _PATH.match(path)
        if found is None:
            raise ApiError(f"Invalid path: {path}", status=404)
        model = found["model"]
        asked = check_request(body, signs=self.signs(model), genuine=self._is_genuine)
        sent = cast("Json", body)
        chat = google_chat(sent)
        config = asked.get("generation_config") or {}
        return ChatRequest(
            model=model,
            messages=tuple(chat["messages"]),
            tools=tuple(chat.get("tools") or ()),
            tool_choice=chat.get("tool_choice"),
            response_format=chat.get("response_format"),
            max_tokens=config.get("max_output_tokens"),
            stop=tuple(config.get("stop_sequences") or ()),
            stream=found["way"] == "streamGenerateContent",
            thinking=bool((config.get("thinking_config") or {}).get("include_thoughts")),
            body=sent,
        )

    def signs(self, model: str) -> bool:
        """Whether a model signs its function calls."""
        return model in self._signing or bool(_SIGNING.match(model))

    def whole(self, exchange: Exchange) -> Json:
        """The response."""
        done = cast("ScriptedExchange", exchange)
        parts: list[Json] = [{"text": done.thinking, "thought": True}] if done.thinking else []
        parts += [{"text": done.content}] if done.content else []
        parts += self._calls(done)
        return _response(done, self._signed(done, parts), last=True)

    def events(self, exchange: Exchange) -> Generator[Json, None, None]:
        """The responses in which an answer is told; function calls come whole, the last response ends it."""
        told = cast("ScriptedExchange", exchange)
        for thought in pieces_of(told.thinking):
            yield _response(told, [{"text": thought, "thought": True}])
        with closing(told.told_pieces()) as pieces:
            for piece in pieces:
                if piece.content:
                    yield _response(told, [{"text": piece.content}])
        if told.is_cut:
            return
        # A text ends with an empty part that has nothing but its signature.
        rest = self._calls(told) or ([{"text": ""}] if self._is_signed(told) else [])
        yield _response(told, self._signed(told, rest), last=True)

    def frame(self, event: Json) -> bytes:
        """A response is nothing but its data."""
        return b"data: %b\r\n\r\n" % to_bytes(event)

    def refused(self, error: ApiError) -> Json:
        """The error as Google's services write it."""
        status = _STATUSES.get(error.status, "INTERNAL" if error.status >= 500 else "INVALID_ARGUMENT")
        return {"error": {"code": error.status, "message": error.message, "status": status}}

    def failed(self, error: ApiError) -> Json:
        """The error in place of a response."""
        return self.refused(error)

    def _calls(self, exchange: ScriptedExchange) -> list[Json]:
        return [{"functionCall": self._call(call, exchange.request.model)} for call in exchange.calls]

    def _call(self, call: Call, model: str) -> Json:
        told = {"name": call.name, "args": _object(call.arguments)}
        # Newer models number their calls.
        return {**told, "id": call.id} if self.signs(model) else told

    def _is_signed(self, exchange: ScriptedExchange) -> bool:
        return bool(exchange.thinking) or self.signs(exchange.request.model)

    def _signed(self, exchange: ScriptedExchange, parts: list[Json]) -> list[Json]:
        """The parts, the first call or else the last part with a signature."""
        if not parts or not self._is_signed(exchange):
            return parts
        place = next((n for n, part in enumerate(parts) if "functionCall" in part), len(parts) - 1)
        facts = {"model": exchange.request.model, "said": digest(parts[place])}
        signed = {**parts[place], "thoughtSignature": self._signer.seal(facts)}
        return [*parts[:place], signed, *parts[place + 1 :]]

    def _is_genuine(self, signature: object) -> bool:
        """Whether a signature is the provider's own, in either alphabet of base64."""
        return self._signer.unseal(str(signature).replace("-", "+").replace("_", "/")) is not None


def _response(exchange: ScriptedExchange, parts: list[Json], *, last: bool = False) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": parts}, "index": 0}
    told: Json = {
        "candidates": [candidate],
        "modelVersion": exchange.request.model,
        "responseId": exchange.id.removeprefix("chatcmpl-"),
    }
    if not last:
        return told
    candidate["finishReason"] = "MAX_TOKENS" if exchange.finish_reason == "length" else "STOP"
    return {**told, "usageMetadata": _usage(exchange)} if exchange.reports_usage else told


def _usage(exchange: ScriptedExchange) -> Json:
    """The tokens; those of thinking stand beside the others."""
    thoughts = min(exchange.reasoning_tokens, exchange.completion_tokens)
    usage: Json = {
        "promptTokenCount": exchange.prompt_tokens,
        "candidatesTokenCount": exchange.completion_tokens - thoughts,
        "totalTokenCount": exchange.prompt_tokens + exchange.completion_tokens,
    }
    usage |= {"cachedContentTokenCount": exchange.cached_tokens} if exchange.cached_tokens else {}
    return usage | ({"thoughtsTokenCount": thoughts} if thoughts else {})


def _object(arguments: str) -> Json:
    """The arguments as the object they must be here; text that is none cannot be sent, and becomes an empty one."""
    try:
        value = json.loads(arguments)
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
