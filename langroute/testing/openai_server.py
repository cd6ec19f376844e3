"""ScriptedServer: an OpenAI-compatible server that answers what a test wrote for it."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from langroute.lab.formats import ChatFormat
from langroute.lab.requests import ChatRequest, read_request
from langroute.money import Price
from langroute.testing.answerer import obliging
from langroute.testing.chat_rules import check_chat, without_media
from langroute.testing.openai_schemas import REASONING
from langroute.testing.scripted_service import ServerScript
from langroute.testing.wire_server import WireServer

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI


class StrictChatFormat(ChatFormat):
    """Chat completions that refuse all that OpenAI is known to refuse, and take images, sounds and files unread.

    Args:
        reasoning: names of models that reason, beside those that are named as OpenAI names its own.
    """

    def __init__(self, *, reasoning: Collection[str] = ()) -> None:
        self._reasoning = frozenset(reasoning)

    def read(self, path: str, body: object) -> ChatRequest:  # noqa: ARG002 - all that is asked stands in the body
        """Check a request, and read it."""
        check_chat(body, lambda model: model in self._reasoning or bool(REASONING.match(model)))
        request = read_request(without_media(body))
        return replace(request, body=body if isinstance(body, dict) else {})


class ScriptedServer(WireServer):
    """Serves scripted chat completions on loopback, and keeps a meter of its own.

    It speaks the API as the lab's server does, whose HTTP it is: whole and streamed answers, usage, tool calls,
    log-probabilities, output limits, stop texts; what OpenAI refuses is refused in its words. Nothing is opened before
    ``start`` or ``with``. Scripts, faults and the other arguments are those of every `WireServer`.

    Args:
        answers: as for `WireServer`.
        prices: as for `WireServer`.
        context_window: as for `WireServer`.
        port: as for `WireServer`.
        api_key: as for `WireServer`.
        reasoning: names of models that reason, beside those named as OpenAI names its own (``o3``, ``gpt-5``): they
            take no ``temperature``, ``stop`` and ``max_tokens``.

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
        reasoning: Collection[str] = (),
    ) -> None:
        spoken = StrictChatFormat(reasoning=reasoning)
        super().__init__(spoken, answers, prices=prices, context_window=context_window, port=port, api_key=api_key)

    def chat_model(self, model: str, **settings: Any) -> "ChatOpenAI":
        """A ``ChatOpenAI`` that talks to this server, which must be running.

        Args:
            model: name of a model served.
            **settings: further settings of ``ChatOpenAI``.
        """
        from langchain_openai import ChatOpenAI  # noqa: PLC0415 - only who asks for the client loads it

        given: dict[str, Any] = {"base_url": self.base_url, "api_key": self.key, **settings}
        return ChatOpenAI(model=model, **given)
