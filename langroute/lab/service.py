"""Answering chat requests: what the server and the in-process chat model have in common.

A `LabService` is one provider: an engine, a prompt cache and a meter. Each request becomes an `Exchange`, whose pieces
are generated as they are taken; whoever takes them decides whether the client sees them one by one or joined.
"""

import time
from collections.abc import Callable, Sequence

from langroute.lab.engine import MODEL_NAMES, LabModel, Reply, decode_reply, encode_chat, token_text
from langroute.lab.exchange import Exchange
from langroute.lab.meter import Meter
from langroute.lab.prompt_cache import PromptCache
from langroute.lab.protocols import Engine
from langroute.lab.refusals import ApiError, Json
from langroute.lab.requests import ChatRequest


class LabService:
    """A provider of models: engine, prompt cache and meter. Safe to use from any thread.

    Args:
        engine: the models; None takes the lab's own.
        clock: seconds on a clock that never goes back, for the prompt cache's lifetime.

    Attributes:
        engine: the models.
        meter: what was served.
        cache: the prompt cache.
    """

    def __init__(self, *, engine: Engine | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.engine: Engine = LabEngine() if engine is None else engine
        self.meter = Meter()
        self.cache = PromptCache(clock=clock)

    def open(self, request: ChatRequest) -> Exchange:
        """Read the prompt; nothing is generated or metered until the exchange's pieces are taken.

        Raises:
            ApiError: no such model, or the prompt fills its context.
        """
        self.check_model(request)
        prompt = self.engine.encode(
            request.messages,
            tools=request.tools,
            tool_choice=request.tool_choice,
            response_format=request.response_format,
        )
        self.check_window(len(prompt), self.engine.model(request.model).context_window)
        cached = self.cache.use(request.model, prompt)
        return Exchange(request=request, engine=self.engine, meter=self.meter, prompt=prompt, cached=cached)

    def check_model(self, request: ChatRequest) -> None:
        """Refuse a request for a model that is not served."""
        if request.model not in self.engine.names:
            raise ApiError(
                f"The model `{request.model}` does not exist or you do not have access to it.",
                status=404,
                code="model_not_found",
            )

    def check_window(self, prompt_tokens: int, window: int) -> None:
        """Refuse a prompt that leaves no room for an answer."""
        if prompt_tokens >= window:
            raise ApiError(
                f"This model's maximum context length is {window} tokens. However, your messages resulted in "
                f"{prompt_tokens} tokens. Please reduce the length of the messages.",
                param="messages",
                code="context_length_exceeded",
            )

    def answer(self, request: ChatRequest) -> Exchange:
        """Answer a request whole; as `open`, with every piece taken."""
        exchange = self.open(request)
        for _ in exchange.pieces():
            pass
        return exchange


class LabEngine:
    """The lab's own models as an `Engine`; weights are read when a model is first asked for, and kept."""

    @property
    def names(self) -> tuple[str, ...]:
        """The lab's models, smallest first."""
        return MODEL_NAMES

    def model(self, name: str) -> LabModel:
        """One of the lab's models.

        Raises:
            ConfigError: there is no such model, or its weights are not those of this version.
        """
        return LabModel.load(name)

    def encode(
        self,
        messages: Sequence[Json],
        *,
        tools: Sequence[Json],
        tool_choice: str | Json | None,
        response_format: Json | None,
    ) -> list[int]:
        """The prompt of a request."""
        return encode_chat(messages, tools, tool_choice, response_format)

    def decode(self, tokens: Sequence[int], *, tools: Sequence[Json]) -> Reply:
        """What the tokens of a reply mean."""
        return decode_reply(tokens, tools=tools)

    def text(self, token: int) -> str:
        """The text of one token."""
        return token_text(token)
