"""ScriptedServer: an OpenAI-compatible server that answers what a test wrote for it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langroute.lab.formats import ChatFormat
from langroute.money import Price
from langroute.testing.answerer import obliging
from langroute.testing.scripted_service import ServerScript
from langroute.testing.wire_server import WireServer

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI


class ScriptedServer(WireServer):
    """Serves scripted chat completions on loopback, and keeps a meter of its own.

    It speaks the API as the lab's server does, whose HTTP it is: whole and streamed answers, usage, tool calls,
    log-probabilities, output limits, stop texts, refusals worded as OpenAI words them. Nothing is opened before
    ``start`` or ``with``. Scripts, faults and arguments are those of every `WireServer`.

    >>> with ScriptedServer(["It is 7 o'clock."]) as server:
    ...     answer = server.chat_model("scripted-small").invoke("What time is it?")
    >>> answer.text, server.meter.total().completion_tokens
    ("It is 7 o'clock.", 4)
    >>> server.requests[0]["model"]
    'scripted-small'
    """

    def __init__(
        self,
        answers: ServerScript | Mapping[str, ServerScript] = obliging,
        *,
        prices: Mapping[str, Price] | None = None,
        context_window: int = 128_000,
        port: int = 0,
        api_key: str | None = None,
    ) -> None:
        super().__init__(
            ChatFormat(), answers, prices=prices, context_window=context_window, port=port, api_key=api_key
        )

    def chat_model(self, model: str, **settings: Any) -> "ChatOpenAI":
        """A ``ChatOpenAI`` that talks to this server, which must be running.

        Args:
            model: name of a model served.
            **settings: further settings of ``ChatOpenAI``.
        """
        from langchain_openai import ChatOpenAI  # noqa: PLC0415 - only who asks for the client loads it

        given: dict[str, Any] = {"base_url": self.base_url, "api_key": self.key, **settings}
        return ChatOpenAI(model=model, **given)
