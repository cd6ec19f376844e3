"""The lab's models as a chat model in this process: the same answers as the server gives, without HTTP."""

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk
from langchain_core.output_parsers.openai_tools import make_invalid_tool_call, parse_tool_call
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field

from langroute.errors import ConfigError
from langroute.lab import wire
from langroute.lab.exchange import Exchange, Piece
from langroute.lab.refusals import Json
from langroute.lab.requests import ChatRequest, read_request
from langroute.lab.service import LabService

PROVIDER = "langroute-lab"


@functools.cache
def shared_service() -> LabService:
    """The service that chat models share when they are given none: one prompt cache and one meter per process."""
    return LabService()


class LabChatModel(BaseChatModel):
    """A model of the lab, answering in this process.

    Requests go through the same reading, engine, prompt cache and meter as the server's; usage, log probabilities,
    tool calls and invalid tool calls come back where `ChatOpenAI` puts them.

    Attributes:
        model_name: for example ``lab-small``; `model` in the constructor.
        temperature: 0 takes the likeliest token each time.
        max_tokens: most tokens to generate; None means as many as the context holds.
        seed: makes sampling repeatable.
        stop: texts before which answers end.
        logprobs: whether answers tell each token's log probability.
        top_logprobs: how many likely tokens to tell beside each.
        service: what answers; None is the one that the models of this process share.

    Raises:
        ApiError: when called with something the API would refuse; never wrapped.
    """

    model_config = ConfigDict(populate_by_name=True, arbitrary_types_allowed=True)

    model_name: str = Field(alias="model")
    temperature: float = 0.0
    max_tokens: int | None = None
    seed: int | None = None
    stop: list[str] | None = None
    logprobs: bool = True
    top_logprobs: int | None = None
    service: LabService | None = Field(default=None, exclude=True, repr=False)

    @property
    def _llm_type(self) -> str:
        return PROVIDER

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, **self._settings()}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = LangSmithParams(
            ls_provider=PROVIDER,
            ls_model_name=kwargs.get("model", self.model_name),
            ls_model_type="chat",
            ls_temperature=kwargs.get("temperature", self.temperature),
        )
        if (limit := kwargs.get("max_tokens", self.max_tokens)) is not None:
            params["ls_max_tokens"] = limit
        if stops := stop or self.stop:
            params["ls_stop"] = stops
        return params

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Offer tools with every call.

        Args:
            tools: tools in any form LangChain knows.
            tool_choice: ``auto``, ``none``, ``any`` or ``required`` (also True), a tool's name, or the API's own form.
            strict: written into the tools' schemas; the lab's models learned their arguments and obey no schema.
            **kwargs: bound as they are.

        Raises:
            ConfigError: the choice names no tool that is offered.
        """
        formatted = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        names = [tool["function"]["name"] for tool in formatted]
        if (choice := _choice(tool_choice, names)) is not None:
            kwargs["tool_choice"] = choice
        return self.bind(tools=formatted, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - nothing happens on the way to tell of
        **kwargs: Any,
    ) -> ChatResult:
        exchange = self._provider().answer(self._request(messages, stop, kwargs, stream=False))
        message = AIMessage(content=exchange.content, usage_metadata=_usage(exchange), **_parsed_calls(exchange))
        info = {"finish_reason": exchange.finish_reason, "logprobs": wire.logprobs(exchange, exchange.tokens)}
        output = {
            "token_usage": wire.usage(exchange),
            "model_provider": PROVIDER,
            "model_name": exchange.request.model,
            "system_fingerprint": wire.FINGERPRINT,
            "id": exchange.id,
        }
        return ChatResult(generations=[ChatGeneration(message=message, generation_info=info)], llm_output=output)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        exchange = self._provider().open(self._request(messages, stop, kwargs, stream=True))
        with closing(exchange.pieces()) as pieces:
            for piece in pieces:
                message = AIMessageChunk(content=piece.content, tool_call_chunks=_call_chunks(piece))
                logprobs = wire.logprobs(exchange, piece.tokens)
                chunk = ChatGenerationChunk(
                    message=message, generation_info={"logprobs": logprobs} if logprobs else None
                )
                if run_manager:
                    run_manager.on_llm_new_token(piece.content, chunk=chunk, logprobs=logprobs)
                yield chunk
        yield _last_chunk(exchange)

    def _provider(self) -> LabService:
        return shared_service() if self.service is None else self.service

    def _request(
        self, messages: Sequence[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any], *, stream: bool
    ) -> ChatRequest:
        """The same request the API would get, read by the same code."""
        told = {name: value for name, value in kwargs.items() if name not in _LANGCHAIN_ONLY}
        if "max_completion_tokens" in told:
            told["max_tokens"] = told.pop("max_completion_tokens")
        body = {"model": self.model_name, "messages": [_wire_message(message) for message in messages]}
        settings = self._settings()
        if not told.get("logprobs", self.logprobs):
            settings.pop("top_logprobs", None)
        if stops := stop or self.stop:
            settings["stop"] = stops
        return read_request({**body, **settings, **told, "stream": stream})

    def _settings(self) -> dict[str, Any]:
        settings = {
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "logprobs": self.logprobs,
            "top_logprobs": self.top_logprobs,
        }
        return {name: value for name, value in settings.items() if value is not None}


# Call-time options of LangChain that no API ever sees.
_LANGCHAIN_ONLY = frozenset({"ls_structured_output_format", "strict", "stream", "stream_usage", "stream_options"})


def _choice(tool_choice: str | dict[str, Any] | bool | None, names: Sequence[str]) -> str | Json | None:
    if tool_choice in (None, False, ""):
        return None
    if tool_choice in (True, "any", "required"):
        return "required"
    if isinstance(tool_choice, dict) or tool_choice in ("auto", "none"):
        return tool_choice
    if tool_choice not in names:
        raise ConfigError(f"{tool_choice!r} is not among the tools: {', '.join(names)}", field="tool_choice")
    return {"type": "function", "function": {"name": tool_choice}}


def _wire_message(message: BaseMessage) -> Json:
    named = {"name": message.name} if message.name else {}
    match message:
        case HumanMessage():
            return {"role": "user", "content": message.content, **named}
        case SystemMessage():
            return {"role": "system", "content": message.content, **named}
        case ToolMessage():
            return {"role": "tool", "content": message.content, "tool_call_id": message.tool_call_id}
        case AIMessage():
            return {"role": "assistant", "content": message.content, **_wire_calls(message), **named}
        case ChatMessage():
            return {"role": message.role, "content": message.content, **named}
    raise ConfigError(f"the lab's models read no {type(message).__name__}", field="messages")


def _wire_calls(message: AIMessage) -> Json:
    """The calls of an assistant message, in order; what was no valid JSON goes back as it was."""
    calls = [
        _wire_call(call["id"], call["name"], json.dumps(call["args"], ensure_ascii=False))
        for call in message.tool_calls
    ]
    calls += [_wire_call(call["id"], call["name"], call["args"] or "") for call in message.invalid_tool_calls]
    return {"tool_calls": calls} if calls else {}


def _wire_call(call_id: str | None, name: str | None, arguments: str) -> Json:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _parsed_calls(exchange: Exchange) -> dict[str, list[Any]]:
    valid, invalid = [], []
    for call in exchange.calls:
        raw = _wire_call(call.id, call.name, call.arguments)
        try:
            parsed = parse_tool_call(raw, return_id=True)
        except ValueError as exc:
            invalid.append(make_invalid_tool_call(raw, str(exc)))
            continue
        if parsed is not None and isinstance(parsed["args"], dict):
            valid.append(parsed)
        else:  # JSON, but a number or a list: LangChain takes objects only
            invalid.append(make_invalid_tool_call(raw, "the arguments are no JSON object"))
    return {"tool_calls": valid, "invalid_tool_calls": invalid}


def _call_chunks(piece: Piece) -> list[ToolCallChunk]:
    return [tool_call_chunk(name=c.name, args=c.arguments, id=c.id, index=c.index) for c in piece.calls]


def _last_chunk(exchange: Exchange) -> ChatGenerationChunk:
    """The end of a stream: finish reason, usage, and the log probabilities of closing markers."""
    info: dict[str, Any] = {
        "finish_reason": exchange.finish_reason,
        "model_name": exchange.request.model,
        "system_fingerprint": wire.FINGERPRINT,
        "model_provider": PROVIDER,
    }
    untold = exchange.untold()
    if untold and (logprobs := wire.logprobs(exchange, untold)):
        info["logprobs"] = logprobs
    message = AIMessageChunk(content="", usage_metadata=_usage(exchange), chunk_position="last")
    return ChatGenerationChunk(message=message, generation_info=info)


def _usage(exchange: Exchange) -> UsageMetadata:
    return UsageMetadata(
        input_tokens=exchange.prompt_tokens,
        output_tokens=len(exchange.tokens),
        total_tokens=exchange.prompt_tokens + len(exchange.tokens),
        input_token_details=InputTokenDetails(audio=0, cache_read=exchange.cached_tokens),
        output_token_details=OutputTokenDetails(audio=0, reasoning=0),
    )
