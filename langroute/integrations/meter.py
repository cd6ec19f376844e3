"""CallMeter: reads usage, confidence and defects of one provider call from its own callbacks.

Callbacks see usage also where the return value hides it (structured output, parsers).
"""

from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from langroute.flow import Reply
from langroute.integrations.certainty import confidence_of, options_of, uncertainty_of
from langroute.records import Usage


class CallMeter(BaseCallbackHandler):
    """Collects what one call brought.

    Attributes:
        message: the answer as the provider gave it; None until the call has ended.
        runs: provider calls seen; one for a call that was delegated properly.
        written: arguments of tool calls as the model wrote them, by their place in the answer; empty unless streamed.
    """

    run_inline = True

    def __init__(self) -> None:
        super().__init__()
        self.message: AIMessage | None = None
        self.runs = 0
        self.written: dict[str, str] = {}

    def on_chat_model_start(self, serialized: dict[str, Any], messages: list[list[BaseMessage]], **kwargs: Any) -> None:
        """Nothing to keep. Without this method LangChain would write out the whole prompt for ``on_llm_start``."""

    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """Keep what is written of tool calls, before LangChain mends it."""
        message = getattr(kwargs.get("chunk"), "message", None)
        for piece in getattr(message, "tool_call_chunks", None) or ():
            place = str(piece.get("index"))
            self.written[place] = self.written.get(place, "") + (piece.get("args") or "")

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:  # noqa: ARG002
        """Keep the answer of the call that ended."""
        self._keep(response)

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:  # noqa: ARG002
        """Keep what is known of an answer that broke off."""
        response = kwargs.get("response")
        if isinstance(response, LLMResult):
            self._keep(response)

    def _keep(self, response: LLMResult) -> None:
        self.runs += 1
        generation = response.generations[0][0] if response.generations and response.generations[0] else None
        if isinstance(generation, ChatGeneration) and isinstance(generation.message, AIMessage):
            self.message = generation.message

    @property
    def usage(self) -> Usage | None:
        """Tokens of the call, if the provider reported them."""
        return None if self.message is None else _any_usage(self.message)

    def reply(self, value: Any, defects: tuple[str, ...]) -> Reply:
        """All that is known of the call, around its answer."""
        return reply_of(self.message, value, defects)


def meter_of(error: BaseException) -> CallMeter:
    """What a meter would have seen of a call that failed: the raw answer, where the client hangs it on the error."""
    meter = CallMeter()
    try:
        body = error.response.json()  # type: ignore[attr-defined]
    except Exception:  # no answer came, or nobody has read it, or it is none of JSON
        return meter
    meter.message = AIMessage("", response_metadata={"body": body})
    return meter


def reply_of(message: AIMessage | None, value: Any, defects: tuple[str, ...]) -> Reply:
    """All that a provider's message tells of its call, around the answer that was made of it."""
    if message is None:
        return Reply(value=value, defects=defects)
    told = bool(message.response_metadata.get("logprobs"))
    return Reply(
        value=value,
        usage=_any_usage(message),
        confidence=confidence_of(message) if told else None,
        uncertainty=uncertainty_of(message) if told else None,
        options=options_of(message) if told else (),
        defects=defects,
        served_by=served_by(message),
        service_tier=service_tier(message),
    )


def _any_usage(message: AIMessage) -> Usage | None:
    return usage_of(message) or _usage_in_body(message)


def usage_of(message: AIMessage) -> Usage | None:
    """Tokens a message reports; None when it reports none.

    A report without any input token is no report: every call has input. An answer out of LangChain's own cache repeats
    the report of the call it was kept from, marked with a cost of zero: nobody was asked, so nothing was used.
    """
    reported = message.usage_metadata
    if reported and reported.get("total_cost") == 0:
        return Usage(input_tokens=0, output_tokens=0)
    if not reported or not reported.get("input_tokens"):
        return None
    came_in = reported.get("input_token_details") or {}
    went_out = reported.get("output_token_details") or {}
    return Usage(
        input_tokens=reported["input_tokens"],
        output_tokens=reported.get("output_tokens") or 0,
        cache_read_tokens=came_in.get("cache_read") or 0,
        cache_write_tokens=came_in.get("cache_creation") or 0,
        reasoning_tokens=went_out.get("reasoning") or 0,
    )


def _usage_in_body(message: AIMessage) -> Usage | None:
    """Tokens in the raw answer that LangChain keeps where an SDK failed to make the answer fit its schema."""
    body = message.response_metadata.get("body")
    reported = body.get("usage") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(reported, Mapping):
        return None
    responses = body.get("object") == "response"  # OpenAI's two ways of saying it
    came, went = ("input_tokens", "output_tokens") if responses else ("prompt_tokens", "completion_tokens")
    came_in, went_out = reported.get(came), reported.get(went)
    if not isinstance(came_in, int) or not isinstance(went_out, int) or came_in < 1:
        return None
    cached = (reported.get(f"{came}_details") or {}).get("cached_tokens") or 0
    return Usage(input_tokens=came_in, output_tokens=went_out, cache_read_tokens=cached)


def served_by(message: AIMessage) -> str:
    """The model that the provider says answered; empty when it does not say."""
    return str(message.response_metadata.get("model_name") or "")


def service_tier(message: AIMessage) -> str:
    """The service tier that the provider says a call was served in; empty when it does not say."""
    told = message.response_metadata
    usage = told.get("usage")  # Anthropic says it there
    return str(told.get("service_tier") or (usage.get("service_tier") if isinstance(usage, Mapping) else "") or "")
