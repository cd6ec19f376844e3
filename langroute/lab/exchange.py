"""One chat request and its answer, generated piece by piece and metered when it ends, however it ends."""

import time
import uuid
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from langroute.lab.faults import Cut
from langroute.lab.meter import Meter, MeterRow
from langroute.lab.protocols import Engine, GeneratedToken
from langroute.lab.requests import ChatRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPiece:
    """A tool call, or more of the arguments of one.

    Attributes:
        index: which call of the answer.
        id: its id; None when this only extends it.
        name: the tool; None when this only extends it.
        arguments: raw arguments to append.
    """

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What one step of generation added to an answer.

    Attributes:
        content: text to append.
        calls: tool calls to begin or extend.
        tokens: the tokens it came from, markers included.
    """

    content: str = ""
    calls: tuple[CallPiece, ...] = ()
    tokens: tuple[GeneratedToken, ...] = ()


@dataclass(slots=True, kw_only=True)
class Call:
    """A tool call as far as it was generated: its id, the tool's name and the raw arguments."""

    id: str
    name: str
    arguments: str = ""


class Exchange:
    """One request and its answer as far as it was generated.

    Iterate over `pieces` once. When they run out, or are closed early, the request is metered; an engine that fails
    meters nothing. The attributes then tell the answer.

    Attributes:
        id: the id of the answer.
        created: epoch seconds, whole.
        request: what was asked.
        prompt_tokens: all input tokens.
        cached_tokens: the part of them the prompt cache served.
        content: text so far.
        calls: tool calls so far.
        tokens: tokens so far.
        finish_reason: ``stop``, ``length`` or ``tool_calls``; empty until the answer is whole.
        row: the meter's row; None until the request is metered.
        reasoning_tokens: part of the completion reported as reasoning.
        reports_usage: whether the client is told the usage.
        cut: where its stream breaks off; None for nowhere.
    """

    def __init__(
        self, *, request: ChatRequest, engine: Engine, meter: Meter, prompt: Sequence[int], cached: int
    ) -> None:
        self.id = f"chatcmpl-{uuid.uuid4().hex}"
        self.created = int(time.time())
        self.request = request
        self.prompt_tokens = len(prompt)
        self.cached_tokens = cached
        self.content = ""
        self.calls: list[Call] = []
        self.tokens: list[GeneratedToken] = []
        self.finish_reason = ""
        self.row: MeterRow | None = None
        self.reasoning_tokens = 0
        self.reports_usage = True
        self.cut: Cut | None = None
        self._engine = engine
        self._model = engine.model(request.model)
        self._meter = meter
        self._prompt = prompt
        self._tools = () if request.tool_choice == "none" else request.tools
        self._told = 0

    def pieces(self) -> Generator[Piece, None, None]:
        """Generate the answer piece by piece."""
        failed = False
        try:
            yield from self._generate()
        except Exception:
            failed = True
            raise
        finally:
            if not failed:
                self._settle(cut=True)

    @property
    def completion_tokens(self) -> int:
        """Output tokens so far, as they are reported and metered."""
        return len(self.tokens)

    def untold(self) -> tuple[GeneratedToken, ...]:
        """Tokens that no piece carried so far: markers at the end of an answer."""
        tokens = tuple(self.tokens[self._told :])
        self._told = len(self.tokens)
        return tokens

    def text(self, token: int) -> str:
        """The text of one token."""
        return self._engine.text(token)

    def _generate(self) -> Iterator[Piece]:
        room = self._model.context_window - self.prompt_tokens
        limit = min(self.request.max_tokens or room, room)
        stream = self._model.stream(
            self._prompt, max_tokens=limit, temperature=self.request.temperature, seed=self.request.seed
        )
        stopped = False
        for token in stream:
            self.tokens.append(token)
            piece, stopped = self._advance(last=False)
            if piece:
                yield piece
            if stopped:
                break
        piece, stopped_late = self._advance(last=True)
        ended = stopped or stopped_late or len(self.tokens) < limit
        self.finish_reason = self._reason(ended=ended)
        self._settle(cut=False)
        if piece:
            yield piece

    def _advance(self, *, last: bool) -> tuple[Piece | None, bool]:
        """What the tokens so far add to what was told, and whether a stop text ends the answer here."""
        reply = self._engine.decode([token.token for token in self.tokens], tools=self._tools)
        text, stopped = _before_stop(reply.content or "", self.request.stop, last=last)
        added = text.removeprefix(self.content) if text.startswith(self.content) else ""
        self.content += added
        calls = tuple(self._extend(index, *call) for index, call in enumerate(reply.tool_calls))
        begun = tuple(call for call in calls if call is not None)
        if not added and not begun:
            return None, stopped
        return Piece(content=added, calls=begun, tokens=self.untold()), stopped

    def _extend(self, index: int, name: str, arguments: str) -> CallPiece | None:
        if index == len(self.calls):
            call = Call(id=f"call_{uuid.uuid4().hex[:24]}", name=name, arguments=arguments)
            self.calls.append(call)
            return CallPiece(index=index, id=call.id, name=name, arguments=arguments)
        call = self.calls[index]
        added = arguments.removeprefix(call.arguments)
        if not added or not arguments.startswith(call.arguments):
            return None
        call.arguments = arguments
        return CallPiece(index=index, arguments=added)

    def _reason(self, *, ended: bool) -> str:
        if not ended:
            return "length"
        # As the real API has it: a tool forced by name is answered with "stop".
        return "tool_calls" if self.calls and not isinstance(self.request.tool_choice, dict) else "stop"

    def _settle(self, *, cut: bool) -> None:
        if self.row is None:
            self.row = self._meter.record(
                id=self.id,
                model=self.request.model,
                rates=self._model.rates,
                prompt_tokens=self.prompt_tokens,
                cached_tokens=self.cached_tokens,
                completion_tokens=self.completion_tokens,
                streamed=self.request.stream,
                cut=cut,
            )


def _before_stop(text: str, stops: Sequence[str], *, last: bool) -> tuple[str, bool]:
    """The part of a text that may be told: up to a stop text, and short of what may become one."""
    found = [place for place in (text.find(stop) for stop in stops) if place >= 0]
    if found:
        return text[: min(found)], True
    if last:
        return text, False
    held = max((n for stop in stops for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0)
    return text[: len(text) - held], False
