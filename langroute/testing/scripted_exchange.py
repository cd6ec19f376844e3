"""ScriptedExchange: one scripted reply on its way through the HTTP server, token by token."""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from langroute.lab.exchange import Exchange, Piece
from langroute.lab.faults import Cut, status_error
from langroute.lab.meter import Meter, PublishedRates
from langroute.lab.refusals import ApiError, Json
from langroute.lab.requests import ChatRequest
from langroute.testing.reply import Reply, count_words, pieces_of

_TEXT = -1


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of a reply, as the server counts it."""

    token: int
    logprob: float

    @property
    def top(self) -> tuple[tuple[int, float], ...]:
        """The token itself: nothing else was likely."""
        return ((self.token, self.logprob),)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the tokens so far mean."""

    content: str | None
    tool_calls: tuple[tuple[str, str], ...]


class ScriptedEngine:
    """A reply in the form that the server serves: the models, and their writing, for one request.

    Args:
        names: the models there are.
        rates: their price lists.
        context_window: most tokens of prompt and answer together.
        model: the model that is asked.
        reply: what it says; tool calls are left out where ``tools`` is false.
        tools: whether the reply may call tools.
    """

    def __init__(
        self,
        rates: Mapping[str, PublishedRates],
        *,
        context_window: int,
        model: str = "",
        reply: Reply | None = None,
        tools: bool = True,
    ) -> None:
        self.names = tuple(rates)
        self.context_window = context_window
        self._all_rates = rates
        self._model = model
        self._reply = reply or Reply()
        self._calls = self._reply.tool_calls if tools else ()
        self._units = [(_TEXT, piece) for piece in pieces_of(self._reply.text)]
        for index, (_, arguments) in enumerate(self._calls):
            raw = arguments if isinstance(arguments, str) else json.dumps(arguments)
            self._units += [(index, piece) for piece in pieces_of(raw) or [""]]

    @property
    def rates(self) -> PublishedRates:
        """The price list of the model that is asked."""
        return self._all_rates[self._model]

    def model(self, name: str) -> "ScriptedEngine":
        """The engine itself, which speaks for one model at a time."""
        return (
            self
            if name == self._model
            else ScriptedEngine(self._all_rates, context_window=self.context_window, model=name)
        )

    def stream(
        self,
        prompt: Sequence[int],  # noqa: ARG002 - the script knows the answer already
        *,
        max_tokens: int,
        temperature: float = 0.0,  # noqa: ARG002
        seed: int | None = None,  # noqa: ARG002
    ) -> Iterator[Token]:
        """The reply up to the limit; with fewer log-probabilities than tokens the last one repeats."""
        told = self._reply.logprobs or (0.0,)
        for place in range(min(max_tokens, len(self._units))):
            yield Token(place, told[min(place, len(told) - 1)])

    def encode(
        self,
        messages: Sequence[Json],
        *,
        tools: Sequence[Json],  # noqa: ARG002 - words of the messages are what counts, as in ScriptedModel
        tool_choice: str | Json | None,  # noqa: ARG002
        response_format: Json | None,  # noqa: ARG002
    ) -> list[int]:
        """A token per word of the messages, or as many as the reply reports."""
        words = sum(count_words(message.get("content") or "") for message in messages)
        reported = self._reply.input_tokens
        # What a cache served was part of the prompt, and no prompt is empty.
        return list(range(max(1, self._reply.cached_tokens, words if reported is None else reported)))

    def decode(self, tokens: Sequence[int], *, tools: Sequence[Json]) -> Decoded:  # noqa: ARG002
        """Text and calls, as far as the tokens go."""
        units = [self._units[token] for token in tokens]
        content = "".join(text for call, text in units if call == _TEXT)
        begun = dict.fromkeys(call for call, _ in units if call != _TEXT)
        calls = tuple(
            (self._calls[index][0], "".join(text for call, text in units if call == index)) for index in begun
        )
        return Decoded(content or None, calls)

    def text(self, token: int) -> str:
        """The text of one token."""
        return self._units[token][1]


class ScriptedExchange(Exchange):
    """A request and its scripted reply: what is reported, where it is cut, how it fails.

    Attributes:
        reply: what was scripted.
        thinking: what is told of the reply's thinking; empty where the request asks for none.
    """

    def __init__(
        self,
        *,
        request: ChatRequest,
        reply: Reply,
        rates: Mapping[str, PublishedRates],
        context_window: int,
        meter: Meter,
        cuts_chunks: bool = True,
    ) -> None:
        engine = ScriptedEngine(
            rates,
            context_window=context_window,
            model=request.model,
            reply=reply,
            tools=request.tool_choice != "none",
        )
        prompt = engine.encode(request.messages, tools=(), tool_choice=None, response_format=None)
        super().__init__(
            request=request if reply.logprobs else replace(request, logprobs=False),
            engine=engine,
            meter=meter,
            prompt=prompt,
            cached=reply.cached_tokens,
        )
        self.reply = reply
        self.thinking = reply.thinking if request.thinking else ""
        self.reasoning_tokens = reply.reasoning_tokens or count_words(self.thinking)
        self.reports_usage = reply.usage
        if cuts_chunks and reply.cut_after is not None:
            # A stream opens with a chunk that carries no text.
            self.cut = Cut(after_chunks=reply.cut_after + 1, clean=True)

    @property
    def completion_tokens(self) -> int:
        """What the reply reports, within the limit; of an answer that broke off, what was written."""
        written = len(self.tokens) + count_words(self.thinking)
        if not self.finish_reason:
            return written
        told = self.reply.output_tokens
        count = max(1, written) if told is None else told
        return count if self.request.max_tokens is None else min(count, self.request.max_tokens)

    def pieces(self) -> Generator[Piece, None, None]:
        """The reply piece by piece; its error comes after them, or at once where the answer is not streamed."""
        error = self.reply.error
        if error is not None and not self.request.stream:
            raise as_refusal(error)
        yield from super().pieces()
        if error is not None:
            raise as_refusal(error)

    def told_pieces(self) -> Generator[Piece, None, None]:
        """The pieces up to where the reply is cut, for formats whose streams open with more than one event."""
        with closing(self.pieces()) as pieces:
            for told, piece in enumerate(pieces):
                if told == self.reply.cut_after:
                    return
                yield piece

    @property
    def is_cut(self) -> bool:
        """Whether the stream ended at the reply's cut."""
        return not self.finish_reason

    @property
    def stop_text(self) -> str | None:
        """The stop text that ended the answer; None where none did."""
        rest = self.reply.text.removeprefix(self.content)
        return next((stop for stop in self.request.stop if rest.startswith(stop)), None)


def as_refusal(error: BaseException) -> BaseException:
    """A scripted error in the form in which the server sends it; a lost connection is not sent at all."""
    if isinstance(error, ApiError | ConnectionError | TimeoutError):
        return error
    refused = status_error(500)
    refused.__cause__ = error
    return refused


def reply_of(answer: Any) -> Reply:
    """A scripted answer as a reply.

    Raises:
        ApiError: the answer is an error.
        TypeError: it is nothing that can be answered.
    """
    if isinstance(answer, BaseException):
        raise as_refusal(answer)
    if isinstance(answer, str):
        return Reply(text=answer)
    if not isinstance(answer, Reply):
        raise TypeError(f"scripted: must be a text, a Reply or an exception, not {answer!r}")
    return answer
