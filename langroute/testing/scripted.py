"""ScriptedModel: a chat model that answers what a test wrote for it."""

import inspect
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr

from langroute.testing.reply import Reply, Sending, count_words

Answer = str | Reply | BaseException
Answerer = Callable[[Sequence[BaseMessage], Mapping[str, Any]], Answer | Awaitable[Answer]]

_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict")


class ScriptExhausted(AssertionError):
    """A scripted model was called more often than its script has answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedCall:
    """One call that a scripted model received.

    Attributes:
        messages: what it was sent.
        kwargs: everything bound to or passed with the call: tools, tool_choice, output limits.
        stop: stop words, empty when none.
        streamed: whether the answer was asked for piece by piece.
    """

    messages: tuple[BaseMessage, ...]
    kwargs: Mapping[str, Any]
    stop: tuple[str, ...]
    streamed: bool


class Script:
    """The answers still to give and the calls received; shared by the copies of one model."""

    def __init__(self, answers: Sequence[Answer] | Answerer) -> None:
        self.calls: list[ScriptedCall] = []
        self._answerer = answers if callable(answers) else None
        self._given = 0 if callable(answers) else len(answers)
        self._waiting: deque[Answer] = deque(() if callable(answers) else answers)

    def take(self, call: ScriptedCall) -> Answer | Awaitable[Answer]:
        """Note a call and return its answer.

        Raises:
            ScriptExhausted: no answer is left.
        """
        self.calls.append(call)
        if self._answerer is not None:
            return self._answerer(call.messages, call.kwargs)
        try:
            return self._waiting.popleft()
        except IndexError:
            raise ScriptExhausted(
                f"the script has {self._given} answers and this is call {len(self.calls)}; script more answers, "
                "or pass a function"
            ) from None


class ScriptedModel(BaseChatModel):
    """A chat model that gives scripted answers, through every public method, and remembers what it was asked.

    It behaves as a provider's model does: usage, finish reason, tool calls (also malformed ones), log-probabilities,
    streams piece by piece, output limits (``max_tokens`` and its other names), errors before, during or instead of an
    answer, streams that are cut. It needs no network and no clock.

    Args:
        answers: in order, one per call: a text, a ``Reply``, or an exception to raise; or a function of the messages
            and the call's keyword arguments that returns one of these, or (async calls only) an awaitable of one.
        model_name: what the model says it is.
        provider: what it says who serves it.
        max_tokens: output limit of calls that bring none.
        stream_usage: whether streams report usage.

    >>> model = ScriptedModel(["It is 7 o'clock.", Reply(tool_calls=(("clock", {"zone": "UTC"}),))])
    >>> model.invoke("What time is it?").usage_metadata["output_tokens"]
    4
    >>> model.invoke("And in London?").tool_calls[0]["args"]
    {'zone': 'UTC'}
    >>> [call.messages[0].content for call in model.calls]
    ['What time is it?', 'And in London?']
    """

    model_name: str = "scripted"
    provider: str = "scripted"
    max_tokens: int | None = None
    stream_usage: bool = True
    _script: Script = PrivateAttr()

    def __init__(self, answers: Sequence[Answer] | Answerer, **settings: Any) -> None:
        super().__init__(**settings)
        self._script = Script(answers)

    @property
    def calls(self) -> list[ScriptedCall]:
        """Every call received so far, by this model and its copies, in order."""
        return self._script.calls

    @property
    def _llm_type(self) -> str:
        return "langroute-scripted"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = self.provider
        return params

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools in its calls' keyword arguments, in OpenAI's form."""
        chosen = {} if tool_choice is None else {"tool_choice": tool_choice}
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **chosen, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - the base class's signature
        **kwargs: Any,
    ) -> ChatResult:
        answer = _not_awaitable(self._take(messages, stop, kwargs, streamed=False))
        return _whole(self._sending(answer, messages, kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - the base class's signature
        **kwargs: Any,
    ) -> ChatResult:
        answer = await _awaited(self._take(messages, stop, kwargs, streamed=False))
        return _whole(self._sending(answer, messages, kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        answer = _not_awaitable(self._take(messages, stop, kwargs, streamed=True))
        for message in self._sending(answer, messages, kwargs).chunks(with_usage=self.stream_usage):
            chunk = ChatGenerationChunk(message=message)
            if run_manager:
                run_manager.on_llm_new_token(message.text, chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        answer = await _awaited(self._take(messages, stop, kwargs, streamed=True))
        for message in self._sending(answer, messages, kwargs).chunks(with_usage=self.stream_usage):
            chunk = ChatGenerationChunk(message=message)
            if run_manager:
                await run_manager.on_llm_new_token(message.text, chunk=chunk)
            yield chunk

    def _take(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any], *, streamed: bool
    ) -> Answer | Awaitable[Answer]:
        call = ScriptedCall(messages=tuple(messages), kwargs=dict(kwargs), stop=tuple(stop or ()), streamed=streamed)
        return self._script.take(call)

    def _sending(self, answer: Answer, messages: list[BaseMessage], kwargs: dict[str, Any]) -> Sending:
        if isinstance(answer, BaseException):
            raise answer
        limits = [kwargs[name] for name in _LIMITS if kwargs.get(name) is not None]
        return Sending(
            reply=Reply(text=answer) if isinstance(answer, str) else answer,
            model_name=self.model_name,
            call=len(self.calls),
            input_words=sum(count_words(message.text) for message in messages),
            limit=min(limits) if limits else self.max_tokens,
        )


def _whole(sending: Sending) -> ChatResult:
    if sending.reply.error is not None:
        raise sending.reply.error
    return ChatResult(generations=[ChatGeneration(message=sending.message())])


async def _awaited(answer: Answer | Awaitable[Answer]) -> Answer:
    if isinstance(answer, str | Reply | BaseException):
        return answer
    return await answer


def _not_awaitable(answer: Answer | Awaitable[Answer]) -> Answer:
    if isinstance(answer, str | Reply | BaseException):
        return answer
    if inspect.iscoroutine(answer):
        answer.close()
    raise TypeError("an async answer was scripted for a sync call; script a plain function, or call the async methods")
