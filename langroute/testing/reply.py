"""Reply: one scripted answer of a model, and the forms in which a provider would send it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, InvalidToolCall, ToolCall, ToolCallChunk
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata

_PIECE = re.compile(r"\s*\S+\s*$|\s*\S+|\s+$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a scripted model answers.

    A token here is a word: text and tool arguments are cut at white space. An output limit of the call is kept as a
    provider keeps it: what is beyond is not written, and the finish reason is ``length``.

    Attributes:
        text: the answer's text.
        tool_calls: pairs of tool name and arguments, a mapping or the raw JSON text; text that is no JSON object comes
            back as an invalid tool call.
        input_tokens: reported input tokens; None counts the words of the messages.
        output_tokens: reported output tokens; None counts the words written.
        cached_tokens: reported part of the input read from the prompt cache.
        reasoning_tokens: reported part of the output spent on reasoning.
        thinking: what the model thinks in front of its answer; servers of formats that tell it send it, signed, where
            the request asks for it. Its words count as output and as reasoning. ``ScriptedModel`` does not tell it.
        redacted: the thinking is sent encrypted and unreadable, where the format knows that.
        usage: whether usage is reported at all.
        logprobs: log-probabilities of the output tokens, in order; empty reports none.
        cut_after: a stream ends after so many pieces, with no usage, no finish reason and no error, as when a server
            drops the connection; None never. A whole (not streamed) answer is not cut.
        error: raised after the pieces of a stream were sent, or instead of a whole answer.
    """

    text: str = ""
    tool_calls: tuple[tuple[str, Mapping[str, Any] | str], ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    thinking: str = ""
    redacted: bool = False
    usage: bool = True
    logprobs: tuple[float, ...] = ()
    cut_after: int | None = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One reply as it answers one call: after the output limit, with ids and counts.

    Attributes:
        reply: what was scripted.
        model_name: the model that answers.
        call: number of the call, which tool call ids are made from.
        input_words: words of the messages of the call.
        limit: output limit of the call; None when none was sent.
    """

    reply: Reply
    model_name: str
    call: int
    input_words: int
    limit: int | None = None

    def message(self) -> AIMessage:
        """The whole answer."""
        calls, invalid = self._parsed_calls()
        return AIMessage(
            content="".join(self._text_pieces()),
            tool_calls=calls,
            invalid_tool_calls=invalid,
            usage_metadata=self.usage(),
            response_metadata=self._metadata(),
        )

    def chunks(self, *, with_usage: bool) -> Iterator[AIMessageChunk]:
        """The answer piece by piece, the last piece with usage and metadata; ends early where the reply is cut."""
        for position, chunk in enumerate(self._pieces()):
            if position == self.reply.cut_after:
                return
            yield chunk
        if self.reply.cut_after is not None:
            return
        if self.reply.error is not None:
            raise self.reply.error
        yield AIMessageChunk(
            content="",
            usage_metadata=self.usage() if with_usage else None,
            response_metadata=self._metadata(),
            chunk_position="last",
        )

    def usage(self) -> UsageMetadata | None:
        """What the provider reports, or None."""
        reply = self.reply
        if not reply.usage:
            return None
        written = len(self._text_pieces()) + sum(len(pieces_of(raw)) for _, raw, _ in self._sent_calls())
        output = max(1, written) if reply.output_tokens is None else reply.output_tokens
        if self.limit is not None:
            output = min(output, self.limit)
        given = self.input_words if reply.input_tokens is None else reply.input_tokens
        return UsageMetadata(
            input_tokens=given,
            output_tokens=output,
            total_tokens=given + output,
            input_token_details=InputTokenDetails(cache_read=reply.cached_tokens),
            output_token_details=OutputTokenDetails(reasoning=reply.reasoning_tokens),
        )

    def _text_pieces(self) -> list[str]:
        return pieces_of(self.reply.text)[: self.limit]

    def _sent_calls(self) -> list[tuple[str, str, str]]:
        """Name, raw arguments and id of every tool call that fits into the output limit, the last perhaps cut."""
        room = None if self.limit is None else self.limit - len(self._text_pieces())
        sent = []
        for position, (name, arguments) in enumerate(self.reply.tool_calls):
            raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
            if room is not None:
                if room <= 0:
                    break
                pieces = pieces_of(raw)
                raw, room = "".join(pieces[:room]), room - len(pieces)
            sent.append((name, raw, f"call_{self.call}_{position}"))
        return sent

    def _parsed_calls(self) -> tuple[list[ToolCall], list[InvalidToolCall]]:
        calls: list[ToolCall] = []
        invalid: list[InvalidToolCall] = []
        for name, raw, call_id in self._sent_calls():
            arguments = _json_object(raw)
            if arguments is None:
                error = f"arguments are no JSON object: {raw}"
                invalid.append(InvalidToolCall(type="invalid_tool_call", name=name, args=raw, id=call_id, error=error))
            else:
                calls.append(ToolCall(type="tool_call", name=name, args=arguments, id=call_id))
        return calls, invalid

    def _pieces(self) -> Iterator[AIMessageChunk]:
        for piece in self._text_pieces():
            yield AIMessageChunk(content=piece)
        for index, (name, raw, call_id) in enumerate(self._sent_calls()):
            for position, piece in enumerate(pieces_of(raw) or [""]):
                first = position == 0
                part = ToolCallChunk(
                    type="tool_call_chunk",
                    name=name if first else None,
                    args=piece,
                    id=call_id if first else None,
                    index=index,
                )
                yield AIMessageChunk(content="", tool_call_chunks=[part])

    def _metadata(self) -> dict[str, Any]:
        reply = self.reply
        metadata: dict[str, Any] = {"model_name": self.model_name, "finish_reason": self._finish_reason()}
        if reply.logprobs:
            tokens = [*self._text_pieces(), *[""] * len(reply.logprobs)]
            metadata["logprobs"] = {
                "content": [
                    {"token": token, "logprob": logprob, "bytes": list(token.encode()), "top_logprobs": []}
                    for token, logprob in zip(tokens, reply.logprobs, strict=False)
                ]
            }
        return metadata

    def _finish_reason(self) -> str:
        wanted = [
            self.reply.text,
            *(raw if isinstance(raw, str) else json.dumps(raw) for _, raw in self.reply.tool_calls),
        ]
        if self.limit is not None and sum(len(pieces_of(text)) for text in wanted) > self.limit:
            return "length"
        return "tool_calls" if self.reply.tool_calls else "stop"


def count_words(text: str) -> int:
    """How many scripted tokens a text has."""
    return len(text.split())


def pieces_of(text: str) -> list[str]:
    """A text cut into words, white space kept in front of each; the pieces joined are the text."""
    return _PIECE.findall(text)


def _json_object(raw: str) -> dict[str, Any] | None:
    try:
        value = json.loads(raw)
    except json.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
