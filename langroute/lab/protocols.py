"""What the lab's service asks of the models behind it, so that tests can script them."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from langroute.lab.meter import PublishedRates
from langroute.lab.refusals import Json


class GeneratedToken(Protocol):
    """A token a model produced."""

    @property
    def token(self) -> int:
        """The token."""
        ...

    @property
    def logprob(self) -> float:
        """Natural logarithm of the probability the model gave it."""
        ...

    @property
    def top(self) -> tuple[tuple[int, float], ...]:
        """The likeliest tokens at this place with their log probabilities, likeliest first."""
        ...


class ServedModel(Protocol):
    """A model that can be served."""

    @property
    def rates(self) -> PublishedRates:
        """Its price list."""
        ...

    @property
    def context_window(self) -> int:
        """Most tokens of prompt and answer together."""
        ...

    def stream(
        self, prompt: Sequence[int], *, max_tokens: int, temperature: float = 0.0, seed: int | None = None
    ) -> Iterator[GeneratedToken]:
        """The tokens of an answer, computed as they are taken; fewer than ``max_tokens`` when it ended by itself."""
        ...


class DecodedReply(Protocol):
    """What an answer's tokens mean."""

    @property
    def content(self) -> str | None:
        """Its text; None when it has none."""
        ...

    @property
    def tool_calls(self) -> tuple[tuple[str, str], ...]:
        """Name and raw arguments of each tool call, not necessarily valid JSON."""
        ...


class Engine(Protocol):
    """The models behind a service, and the writing they share."""

    @property
    def names(self) -> tuple[str, ...]:
        """The models there are."""
        ...

    def model(self, name: str) -> ServedModel:
        """One of them; the same object each time."""
        ...

    def encode(
        self,
        messages: Sequence[Json],
        *,
        tools: Sequence[Json],
        tool_choice: str | Json | None,
        response_format: Json | None,
    ) -> list[int]:
        """The prompt that messages and tools, written as the API has them, make."""
        ...

    def decode(self, tokens: Sequence[int], *, tools: Sequence[Json]) -> DecodedReply:
        """What the tokens so far mean; more tokens only ever extend the text, the calls and their arguments."""
        ...

    def text(self, token: int) -> str:
        """The text of one token; empty for a marker."""
        ...
