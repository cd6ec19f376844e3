"""Reading a chat-completions request: what it may say, and how the real API words its objections."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from langroute.lab.refusals import ApiError, Json, kind_of, missing, wrong_type
from langroute.lab.transcript import read_messages

_READ = (
    "model", "messages", "tools", "tool_choice", "response_format", "max_tokens", "max_completion_tokens",
    "temperature", "seed", "stop", "n", "stream", "stream_options", "logprobs", "top_logprobs",
)  # fmt: skip
# What the real API takes and these models have no use for.
_TAKEN = (
    "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "metadata", "modalities",
    "parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key", "prompt_cache_retention",
    "reasoning_effort", "safety_identifier", "service_tier", "store", "top_p", "user", "verbosity",
)  # fmt: skip
_KNOWN = frozenset(_READ + _TAKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A chat-completions request that was found in order.

    Attributes:
        model: name of the model asked for; whether it exists is not known yet.
        messages: the messages as sent, text parts joined to plain strings.
        tools: the tools as sent.
        tool_choice: as sent; None when left out.
        response_format: as sent; None when left out.
        max_tokens: most tokens to generate; None means as many as the context holds.
        temperature: 0 takes the likeliest token each time.
        seed: makes sampling repeatable.
        stop: texts before which the answer ends.
        stream: whether the answer is wanted as a stream.
        include_usage: whether that stream ends with its usage.
        logprobs: whether to tell each token's log probability.
        top_logprobs: how many likely tokens to tell beside each.
        thinking: whether the model is to reason in front of its answer and to tell it; chat completions never ask so.
        body: the whole request, as sent.
    """

    model: str
    messages: tuple[Json, ...]
    tools: tuple[Json, ...] = ()
    tool_choice: str | Json | None = None
    response_format: Json | None = None
    max_tokens: int | None = None
    temperature: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    stream: bool = False
    include_usage: bool = False
    logprobs: bool = False
    top_logprobs: int = 0
    thinking: bool = False
    body: Json = field(default_factory=dict)


def read_request(body: object) -> ChatRequest:
    """Check the decoded JSON of a request.

    Raises:
        ApiError: something is missing, unknown, of the wrong type or out of range; ``param`` names it.
    """
    if not isinstance(body, dict):
        raise ApiError(f"Invalid type for request body: expected an object, but got {kind_of(body)} instead.")
    _refuse_unknown(body)
    model = _of_type(body, "model", str, "a string")
    if not model:
        raise ApiError("you must provide a model parameter")
    _integer(body, "n", least=1, most=1)
    tools = _checked_tools(_of_type(body, "tools", list, "an array of objects") or ())
    stream = bool(_of_type(body, "stream", bool, "a boolean"))
    logprobs = bool(_of_type(body, "logprobs", bool, "a boolean"))
    return ChatRequest(
        model=model,
        messages=read_messages(body.get("messages")),
        tools=tools,
        tool_choice=_tool_choice(body, tools),
        response_format=_of_type(body, "response_format", dict, "an object"),
        max_tokens=_limit(body),
        temperature=_temperature(body),
        seed=_integer(body, "seed"),
        stop=_stop(body),
        stream=stream,
        include_usage=_include_usage(body, stream=stream),
        logprobs=logprobs,
        top_logprobs=_top_logprobs(body, logprobs=logprobs),
        body=body,
    )


def _refuse_unknown(body: Json) -> None:
    unknown = next((name for name in body if name not in _KNOWN), None)
    if unknown is not None:
        raise ApiError(f"Unknown parameter: '{unknown}'.", param=unknown, code="unknown_parameter")


def _of_type(body: Json, param: str, kind: type, expected: str) -> Any:
    value = body.get(param)
    if value is not None and not isinstance(value, kind):
        raise wrong_type(param, expected, value)
    return value


def _integer(body: Json, param: str, *, least: int | None = None, most: int | None = None) -> int | None:
    value = body.get(param)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(param, "an integer", value)
    _in_range(param, value, least, most, kind="integer")
    return value


def _in_range(param: str, value: float, least: float | None, most: float | None, *, kind: str) -> None:
    for bad, side, word, bound in (
        (least is not None and value < least, "below minimum", ">=", least),
        (most is not None and value > most, "above maximum", "<=", most),
    ):
        if bad:
            raise ApiError(
                f"Invalid '{param}': {kind} {side} value. Expected a value {word} {bound}, but got {value} instead.",
                param=param,
                code=f"{kind}_{side.replace('minimum', 'min').replace('maximum', 'max').replace(' ', '_')}_value",
            )


def _limit(body: Json) -> int | None:
    old, new = _integer(body, "max_tokens", least=1), _integer(body, "max_completion_tokens", least=1)
    if old is not None and new is not None:
        raise ApiError(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            param="max_tokens",
            code="invalid_parameter_combination",
        )
    return old if new is None else new


def _temperature(body: Json) -> float:
    value = body.get("temperature")
    if value is None:
        return 1.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type("temperature", "a decimal", value)
    _in_range("temperature", value, 0, 2, kind="decimal")
    return float(value)


def _stop(body: Json) -> tuple[str, ...]:
    value = body.get("stop")
    stops = [value] if isinstance(value, str) else value or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise wrong_type("stop", "a string or an array of strings", value)
    if len(stops) > 4:
        raise ApiError(
            f"Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length "
            f"{len(stops)} instead.",
            param="stop",
            code="array_above_max_length",
        )
    return tuple(stop for stop in stops if stop)


def _include_usage(body: Json, *, stream: bool) -> bool:
    options = _of_type(body, "stream_options", dict, "an object")
    if options is None:
        return False
    if not stream:
        raise ApiError(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    return bool(_of_type(options, "include_usage", bool, "a boolean"))


def _top_logprobs(body: Json, *, logprobs: bool) -> int:
    top = _integer(body, "top_logprobs", least=0, most=20)
    if top is not None and not logprobs:
        raise ApiError("The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", param="top_logprobs")
    return top or 0


def _checked_tools(tools: Sequence[object]) -> tuple[Json, ...]:
    checked = []
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise wrong_type(f"tools[{index}]", "an object", tool)
        function = tool.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise missing(f"tools[{index}].function" + (".name" if isinstance(function, dict) else ""))
        checked.append(tool)
    return tuple(checked)


def _tool_choice(body: Json, tools: Sequence[Json]) -> str | Json | None:
    choice = body.get("tool_choice")
    if choice is None:
        return None
    if not tools:
        raise ApiError("Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
                       param="tool_choice")  # fmt: skip
    if isinstance(choice, str):
        if choice not in ("none", "auto", "required"):
            raise _wrong_choice(f"Invalid value: '{choice}'. Supported values are: 'none', 'auto', and 'required'.")
        return choice
    function = choice.get("function") if isinstance(choice, dict) else None
    named = function.get("name") if isinstance(function, dict) else None
    if named not in [tool["function"]["name"] for tool in tools]:
        raise _wrong_choice(f"Invalid value for 'tool_choice': the function {named!r} is not among the 'tools'.")
    return dict(choice)


def _wrong_choice(message: str) -> ApiError:
    return ApiError(message, param="tool_choice", code="invalid_value")
