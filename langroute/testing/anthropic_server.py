"""AnthropicServer: a server that speaks Anthropic's messages API and refuses what Anthropic refuses."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from langroute.money import Price
from langroute.testing.answerer import obliging
from langroute.testing.anthropic_format import AnthropicFormat
from langroute.testing.scripted_service import ServerScript
from langroute.testing.wire_server import WireServer

if TYPE_CHECKING:
    from langchain_anthropic import ChatAnthropic


class AnthropicServer(WireServer):
    """Serves scripted answers at ``/v1/messages``: whole and streamed, tools, thinking, schemas, usage.

    Thinking (``Reply(thinking=...)``) is told where the request turns it on, with a signature that comes back: one that
    is missing, changed or of another provider is refused. Scripts, faults and the other arguments are those of every
    `WireServer`. Arguments of a scripted call that are no JSON object arrive as an empty one, unless streamed.

    Args:
        answers: as for `WireServer`.
        prices: as for `WireServer`.
        context_window: as for `WireServer`.
        port: as for `WireServer`.
        api_key: as for `WireServer`.
        tools_with_history: refuse messages about tools in a request without ``tools``, as Anthropic did until February
            2025 and Bedrock still does.
        midway_system: take system messages after a user's, as newer models do.
        binds_prefix: refuse thinking when the system prompt, the tools or the messages before it have changed, as
            newer models do for accounts made since August 2026.

    >>> with AnthropicServer(["It is 7 o'clock."]) as server:
    ...     answer = server.chat_model("scripted-small").invoke("What time is it?")
    >>> answer.text, answer.response_metadata["stop_reason"]
    ("It is 7 o'clock.", 'end_turn')
    """

    def __init__(
        self,
        answers: ServerScript | Mapping[str, ServerScript] = obliging,
        *,
        prices: Mapping[str, Price] | None = None,
        context_window: int = 128_000,
        port: int = 0,
        api_key: str | None = None,
        tools_with_history: bool = False,
        midway_system: bool = False,
        binds_prefix: bool = False,
    ) -> None:
        spoken = AnthropicFormat(
            tools_with_history=tools_with_history, midway_system=midway_system, binds_prefix=binds_prefix
        )
        super().__init__(spoken, answers, prices=prices, context_window=context_window, port=port, api_key=api_key)

    def chat_model(self, model: str, **settings: Any) -> "ChatAnthropic":
        """A ``ChatAnthropic`` that talks to this server, which must be running; ``langchain-anthropic`` makes it.

        Args:
            model: name of a model served.
            **settings: further settings of ``ChatAnthropic``.
        """
        from langchain_anthropic import ChatAnthropic  # noqa: PLC0415 - only who asks for the client needs it

        return ChatAnthropic(**{"model": model, "base_url": self.origin, "api_key": self.key, **settings})
