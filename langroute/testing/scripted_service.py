"""ScriptedService: what answers behind the HTTP of a scripted server, whichever provider it plays."""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from http import HTTPStatus

from langroute.errors import ConfigError
from langroute.lab.faults import INJECTABLE, OVERLOADED, status_error
from langroute.lab.meter import PublishedRates
from langroute.lab.refusals import ApiError, Json
from langroute.lab.requests import ChatRequest
from langroute.lab.service import LabService
from langroute.money import Price
from langroute.testing.reply import Reply
from langroute.testing.scripted_exchange import ScriptedEngine, ScriptedExchange, reply_of

ServerAnswer = str | Reply | BaseException
RequestAnswerer = Callable[[Json], ServerAnswer]
ServerScript = Sequence[ServerAnswer] | RequestAnswerer


class ScriptedService(LabService):
    """What answers behind the HTTP: one script per model, or one for all."""

    def __init__(
        self,
        scripts: "Mapping[str, RequestScript]",
        rates: Mapping[str, PublishedRates],
        context_window: int,
        *,
        cuts_chunks: bool = True,
    ) -> None:
        super().__init__(engine=ScriptedEngine(rates, context_window=context_window))
        self._scripts = scripts
        self._rates = rates
        self._window = context_window
        self._cuts_chunks = cuts_chunks

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
            cuts_chunks=self._cuts_chunks,
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
    """An answer that refuses: an HTTP status, with an error body as the server's provider writes them.

    Args:
        status: 400 to 599; 529 is Anthropic's for a service that is overloaded.
        message: what it says; OpenAI's words, or the name of the status, when left out.
        code: the machine-readable reason.
        retry_after: seconds for the ``retry-after`` header; None leaves it out.

    Raises:
        ConfigError: the status is no refusal.
    """
    if status not in range(400, 600) or status not in {*HTTPStatus, OVERLOADED}:
        raise ConfigError(f"must be an HTTP status of 400 to 599, not {status}", field="status")
    usual = status_error(status) if status in INJECTABLE else None
    return ApiError(
        message or (usual.message if usual else HTTPStatus(status).phrase),
        status=status,
        type=usual.type if usual else "invalid_request_error" if status < 500 else "server_error",
        code=code or (usual.code if usual else None),
        headers={} if retry_after is None else {"retry-after": f"{retry_after:g}"},
    )


def scripts_of(answers: ServerScript | Mapping[str, ServerScript], names: tuple[str, ...]) -> dict[str, RequestScript]:
    """A script for every model served.

    Raises:
        ConfigError: there is a script for another model.
    """
    if not isinstance(answers, Mapping):
        shared = RequestScript(answers)
        return dict.fromkeys(names, shared)
    unknown = [name for name in answers if name not in names]
    if unknown:
        raise ConfigError(f"no such model is served; there are {', '.join(names)}", field=f"answers.{unknown[0]}")
    return {name: RequestScript(answers.get(name, ())) for name in names}


def exact_rates(name: str, price: Price) -> ExactRates:
    """The price per million tokens, from the whole pico-dollars per token that a `Price` keeps.

    Raises:
        ConfigError: the price has tiers.
    """
    if price.above:
        raise ConfigError("the server's meter knows no tiers; give a price without `above`", field=f"prices.{name}")
    rates = price.rates
    return ExactRates(
        input_per_million=Fraction(rates.input, 1_000_000),
        output_per_million=Fraction(rates.output, 1_000_000),
        cached_input_per_million=Fraction(rates.cache_read, 1_000_000),
    )
