"""ScriptedServer: an OpenAI-compatible server that answers what a test wrote for it."""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from langroute.errors import ConfigError
from langroute.lab.faults import INJECTABLE, status_error
from langroute.lab.meter import PublishedRates
from langroute.lab.refusals import ApiError, Json
from langroute.lab.requests import ChatRequest
from langroute.lab.server import LabServer
from langroute.lab.service import LabService
from langroute.money import Price
from langroute.testing.answerer import obliging
from langroute.testing.reply import Reply
from langroute.testing.scripted_exchange import ScriptedEngine, ScriptedExchange, reply_of

if TYPE_CHECKING:
    from langchain_openai import ChatOpenAI

ServerAnswer = str | Reply | BaseException
RequestAnswerer = Callable[[Json], ServerAnswer]
ServerScript = Sequence[ServerAnswer] | RequestAnswerer

_DEFAULT_PRICES = {
    "scripted-small": Price(input_per_million=0.137, output_per_million=1.011, cached_input_per_million=0.0137),
    "scripted-large": Price(input_per_million=2.5, output_per_million=10, cached_input_per_million=1.25),
}
_KEY = "scripted"


class ScriptedServer(LabServer):
    """Serves scripted chat completions on loopback, and keeps a meter of its own.

    It speaks the API as the lab's server does, whose HTTP it is: whole and streamed answers, usage, tool calls,
    log-probabilities, output limits, stop texts, refusals worded as OpenAI words them. Nothing is opened before
    ``start`` or ``with``. Faults are scripted as answers, or planned with ``inject`` (429, 500, 503 for the next
    requests), ``inject_cut`` (a stream that breaks off) and ``inject_gate`` (a request that waits until the test opens
    the gate, so that slow starts and time-outs need no sleeping).

    Args:
        answers: as for ``ScriptedModel``: texts, ``Reply`` or exceptions, one per request in the order of arrival, or
            a function of the request's JSON; or a mapping from model to these. ``obliging`` when left out. An
            exception made by ``refusal`` is sent as that HTTP status; ``ConnectionError`` closes the connection; any
            other one is a 500.
        prices: model name -> price of the models served; ``scripted-small`` and ``scripted-large`` at awkward prices
            when left out. Hand the same table to a ``ModelPool`` of these models, and the meter checks langroute's
            books by arithmetic of its own.
        context_window: most tokens, here words, of prompt and answer together.
        port: the port to listen on; 0 takes a free one.
        api_key: the key clients must send; None asks for none.

    Raises:
        ConfigError: a script is for a model that is not served, or a price has tiers, which the meter does not know.

    Attributes:
        requests: the JSON of every chat request received, refused ones and retries included, in order.
        prices: what was given.

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
        self.prices = dict(_DEFAULT_PRICES if prices is None else prices)
        self.requests: list[Json] = []
        rates = {name: _published(name, price) for name, price in self.prices.items()}
        scripts = _scripts(answers, tuple(rates))
        super().__init__(port=port, api_key=api_key, service=ScriptedService(scripts, rates, context_window))

    def note_request(self, body: object) -> None:
        """Keep a request that was received."""
        if isinstance(body, dict):
            self.requests.append(body)

    def chat_model(self, model: str, **settings: Any) -> "ChatOpenAI":
        """A ``ChatOpenAI`` that talks to this server, which must be running.

        Args:
            model: name of a model served.
            **settings: further settings of ``ChatOpenAI``.
        """
        from langchain_openai import ChatOpenAI  # noqa: PLC0415 - only who asks for the client loads it

        given: dict[str, Any] = {"base_url": self.base_url, "api_key": self.api_key or _KEY, **settings}
        return ChatOpenAI(model=model, **given)


class ScriptedService(LabService):
    """What answers behind the HTTP: one script per model, or one for all."""

    def __init__(
        self, scripts: "Mapping[str, RequestScript]", rates: Mapping[str, PublishedRates], context_window: int
    ) -> None:
        super().__init__(engine=ScriptedEngine(rates, context_window=context_window))
        self._scripts = scripts
        self._rates = rates
        self._window = context_window

    def open(self, request: ChatRequest) -> ScriptedExchange:
        """The exchange of a request with the answer that its script has next.

        Raises:
            ApiError: the script says so, has no answer left, or the request cannot be served.
        """
        self.check_model(request)
        exchange = ScriptedExchange(
            request=request,
            reply=reply_of(self._scripts[request.model].take(request.body)),
            rates=self._rates,
            context_window=self._window,
            meter=self.meter,
        )
        self.check_window(exchange.prompt_tokens, self._window)
        return exchange


class RequestScript:
    """The answers still to give. Safe to use from any thread."""

    def __init__(self, answers: ServerScript) -> None:
        self._answerer = answers if callable(answers) else None
        self._given = 0 if callable(answers) else len(answers)
        self._waiting: deque[ServerAnswer] = deque(() if callable(answers) else answers)
        self._lock = threading.Lock()

    def take(self, request: Json) -> ServerAnswer:
        """The answer to a request.

        Raises:
            ApiError: no answer is left; a refusal that clients do not retry, so that the test sees it.
        """
        if self._answerer is not None:
            return self._answerer(request)
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
        told = f"The script has {self._given} answers and all were given; script more answers, or pass a function."
        raise ApiError(told, code="script_exhausted")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactRates:
    """A price list as exact fractions of a dollar per million tokens."""

    input_per_million: Fraction
    output_per_million: Fraction
    cached_input_per_million: Fraction


def refusal(status: int, *, message: str = "", code: str | None = None, retry_after: float | None = None) -> ApiError:
    """An answer that refuses: an HTTP status with an error body as OpenAI writes them.

    Args:
        status: 400 to 599.
        message: what it says; OpenAI's words, or the name of the status, when left out.
        code: the machine-readable reason.
        retry_after: seconds for the ``retry-after`` header; None leaves it out.

    Raises:
        ConfigError: the status is no refusal.
    """
    if status not in range(400, 600) or status not in set(HTTPStatus):
        raise ConfigError(f"must be an HTTP status of 400 to 599, not {status}", field="status")
    usual = status_error(status) if status in INJECTABLE else None
    return ApiError(
        message or (usual.message if usual else HTTPStatus(status).phrase),
        status=status,
        type=usual.type if usual else "invalid_request_error" if status < 500 else "server_error",
        code=code or (usual.code if usual else None),
        headers={} if retry_after is None else {"retry-after": f"{retry_after:g}"},
    )


def _scripts(answers: ServerScript | Mapping[str, ServerScript], names: tuple[str, ...]) -> dict[str, RequestScript]:
    if not isinstance(answers, Mapping):
        shared = RequestScript(answers)
        return dict.fromkeys(names, shared)
    unknown = [name for name in answers if name not in names]
    if unknown:
        raise ConfigError(f"no such model is served; there are {', '.join(names)}", field=f"answers.{unknown[0]}")
    return {name: RequestScript(answers.get(name, ())) for name in names}


def _published(name: str, price: Price) -> ExactRates:
    """The price per million tokens, from the whole pico-dollars per token that a `Price` keeps."""
    if price.above:
        raise ConfigError("the server's meter knows no tiers; give a price without `above`", field=f"prices.{name}")
    rates = price.rates
    return ExactRates(
        input_per_million=Fraction(rates.input, 1_000_000),
        output_per_million=Fraction(rates.output, 1_000_000),
        cached_input_per_million=Fraction(rates.cache_read, 1_000_000),
    )
