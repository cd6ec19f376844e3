"""GoogleServer: a server that speaks Google's generateContent and refuses what Google refuses."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from langroute.money import Price
from langroute.testing.answerer import obliging
from langroute.testing.google_format import GoogleFormat
from langroute.testing.scripted_service import ServerScript
from langroute.testing.wire_server import WireServer

if TYPE_CHECKING:
    from langchain_google_genai import ChatGoogleGenerativeAI


class GoogleServer(WireServer):
    """Serves scripted answers at ``/v1beta/models/NAME:generateContent`` and ``:streamGenerateContent``.

    Whole and streamed answers, tools, schemas, usage; thoughts (``Reply(thinking=...)``) where a request includes them.
    Models that sign their function calls demand the signatures of the current turn back, and a signature that is not
    Google's is refused. Arguments of a scripted call that are no JSON object arrive as an empty one. A stream tells its
    usage with its last event. Scripts, faults and the other arguments are those of every `WireServer`.

    Args:
        answers: as for `WireServer`.
        prices: as for `WireServer`.
        context_window: as for `WireServer`.
        port: as for `WireServer`.
        api_key: as for `WireServer`.
        signing: names of models that sign their calls, beside those named ``gemini-3`` and later.

    >>> with GoogleServer(["It is 7 o'clock."]) as server:
    ...     answer = server.chat_model("scripted-small").invoke("What time is it?")
    >>> answer.text, answer.response_metadata["finish_reason"]
    ("It is 7 o'clock.", 'STOP')
    """

    def __init__(
        self,
        answers: ServerScript | Mapping[str, ServerScript] = obliging,
        *,
        prices: Mapping[str, Price] | None = None,
        context_window: int = 128_000,
        port: int = 0,
        api_key: str | None = None,
        signing: Collection[str] = (),
    ) -> None:
        spoken = GoogleFormat(signing=signing)
        super().__init__(spoken, answers, prices=prices, context_window=context_window, port=port, api_key=api_key)

    def chat_model(self, model: str, **settings: Any) -> "ChatGoogleGenerativeAI":
        """A ``ChatGoogleGenerativeAI`` that talks to this server, which must be running.

        The package ``langchain-google-genai`` makes it.

        Args:
            model: name of a model served.
            **settings: further settings of ``ChatGoogleGenerativeAI``.
        """
        from langchain_google_genai import ChatGoogleGenerativeAI  # noqa: PLC0415 - only who asks for it needs it

        given: dict[str, Any] = {"model": model, "base_url": self.origin, "api_key": self.key, "vertexai": False}
        return ChatGoogleGenerativeAI(**{**given, **settings})
