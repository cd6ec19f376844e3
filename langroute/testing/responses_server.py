"""ResponsesServer: a server that speaks OpenAI's responses API and refuses what OpenAI refuses."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from langroute.money import Price
from langroute.testing.answerer import obliging
from langroute.testing.responses_format import ResponsesFormat
from langroute.testing.scripted_service import ServerScript
from langroute.testing.wire_server import WireServer

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI


class ResponsesServer(WireServer):
    """Serves scripted answers at ``/v1/responses``: whole and streamed, tools, reasoning, schemas, usage.

    Responses are stored unless a request says ``store: false``, and can be gone on with by id. Reasoning
    (``Reply(thinking=...)``) is told by models that reason: its summary where one is asked for, sealed where that is
    asked for or nothing is stored. Sealed reasoning of another provider, and stored one that never was, are refused.
    Scripts, faults and the other arguments are those of every `WireServer`.

    Args:
        answers: as for `WireServer`.
        prices: as for `WireServer`.
        context_window: as for `WireServer`.
        port: as for `WireServer`.
        api_key: as for `WireServer`.
        reasoning: names of models that reason, beside those named as OpenAI names its own (``o3``, ``gpt-5``).

    >>> with ResponsesServer(["It is 7 o'clock."]) as server:
    ...     answer = server.chat_model("scripted-small").invoke("What time is it?")
    >>> answer.text, answer.response_metadata["status"]
    ("It is 7 o'clock.", 'completed')
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
        spoken = ResponsesFormat(reasoning=reasoning)
        super().__init__(spoken, answers, prices=prices, context_window=context_window, port=port, api_key=api_key)

    def chat_model(self, model: str, **settings: Any) -> "ChatOpenAI":
        """A ``ChatOpenAI`` that talks to this server, which must be running, by the responses API.

        Args:
            model: name of a model served.
            **settings: further settings of ``ChatOpenAI``.
        """
        from langchain_openai import ChatOpenAI  # noqa: PLC0415 - only who asks for the client loads it

        given = {"base_url": self.base_url, "api_key": self.key, "use_responses_api": True, **settings}
        return ChatOpenAI(model=model, **given)
