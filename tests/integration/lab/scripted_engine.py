"""An engine whose models say what a script tells them: pieces of text, and marked tool calls."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from langroute.lab.meter import Rate

CALL = "<call>"
"""A piece that begins a tool call; the next piece is the tool's name, the rest its arguments."""

Script = Callable[[str], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """A price list with awkward decimals."""

    input_per_million: Rate = 0.137
    output_per_million: Rate = 1.011
    cached_input_per_million: Rate = 0.0137


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the server wants it."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """A decoded reply as the server wants it."""

    content: str | None
    tool_calls: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Words:
    """Gives every piece of text a number, and back."""

    known: list[str] = field(default_factory=lambda: ["<user>", CALL])

    def number(self, word: str) -> int:
        """The number of a word, given when it is first seen."""
        if word not in self.known:
            self.known.append(word)
        return self.known.index(word)


@dataclass(slots=True)
class ScriptedModel:
    """Replies to a prompt's text with the script's pieces; token n has the log probability -n / 100."""

    words: Words
    script: Script
    rates: Rates = field(default_factory=Rates)
    context_window: int = 100

    def stream(
        self, prompt: Sequence[int], *, max_tokens: int, temperature: float = 0.0, seed: int | None = None
    ) -> Iterator[Token]:
        """Say what the script says, up to the limit."""
        told = " ".join(self.words.known[number] for number in prompt)
        for place, piece in enumerate(self.script(told)[:max_tokens]):
            number = self.words.number(piece)
            yield Token(number, -place / 100, ((number, -place / 100), (0, -5.0), (1, float("-inf"))))


class ScriptedEngine:
    """Models ``lab-small`` and ``lab-large`` that follow one script; one token per word or piece.

    Attributes:
        script: from the prompt's text to the reply's pieces; tests may replace it.
        seen: the keyword arguments of the last `encode`.
    """

    names = ("lab-small", "lab-large")

    def __init__(self, script: Script) -> None:
        self.script = script
        self.seen: dict[str, Any] = {}
        self._words = Words()
        small = ScriptedModel(self._words, self._reply)
        large = ScriptedModel(
            self._words,
            self._reply,
            Rates(input_per_million=2.5, output_per_million=10, cached_input_per_million=1.25),
            context_window=1000,
        )
        self._models = {"lab-small": small, "lab-large": large}

    def _reply(self, prompt: str) -> Sequence[str]:
        return self.script(prompt)

    def model(self, name: str) -> ScriptedModel:
        """One of the two models."""
        return self._models[name]

    def encode(self, messages: Sequence[dict[str, Any]], **options: Any) -> list[int]:
        """A token per message and per word; what came is kept in `seen`."""
        self.seen = {"messages": messages, **options}
        words = [word for message in messages for word in ("<user>", *(message["content"] or "").split())]
        return [self._words.number(word) for word in words]

    def decode(self, tokens: Sequence[int], *, tools: Sequence[dict[str, Any]]) -> Reply:
        """Text up to the first call marker, and the calls."""
        pieces = [self._words.known[token] for token in tokens]
        if not tools or CALL not in pieces:
            return Reply("".join(piece for piece in pieces if piece != CALL), ())
        content, *calls = _split(pieces)
        return Reply("".join(content) or None, tuple((call[0], "".join(call[1:])) for call in calls if call))

    def text(self, token: int) -> str:
        """The piece a token stands for; markers have no text."""
        word = self._words.known[token]
        return "" if word in ("<user>", CALL) else word


def _split(pieces: Sequence[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for piece in pieces:
        if piece == CALL:
            parts.append([])
        else:
            parts[-1].append(piece)
    return parts
