"""WireServer: what the scripted servers of all providers have in common."""

from collections.abc import Mapping

from langroute.lab.formats import ChatFormat, WireFormat
from langroute.lab.refusals import Json
from langroute.lab.server import LabServer
from langroute.money import Price
from langroute.testing.answerer import obliging
from langroute.testing.scripted_service import ScriptedService, ServerScript, exact_rates, scripts_of

KEY = "scripted"
"""The key that clients get where the server asks for none: none of them can do without."""

_DEFAULT_PRICES = {
    "scripted-small": Price(input_per_million=0.137, output_per_million=1.011, cached_input_per_million=0.0137),
    "scripted-large": Price(input_per_million=2.5, output_per_million=10, cached_input_per_million=1.25),
}


class WireServer(LabServer):
    """Serves scripted answers on loopback in one provider's wire format, and keeps a meter of its own.

    The HTTP is the lab server's. Nothing is opened before ``start`` or ``with``. Faults are scripted as answers, or
    planned with ``inject`` (429, 500, 503, 529 for the next requests), ``inject_cut`` (a stream that breaks off) and
    ``inject_gate`` (a request that waits until the test opens the gate, so that slow starts and time-outs need no
    sleeping).

    Args:
        format: the provider's wire format, with the rules by which it refuses requests.
        answers: as for ``ScriptedModel``: texts, ``Reply`` or exceptions, one per request in the order of arrival, or
            a function of the request's JSON; or a mapping from model to these. ``obliging`` when left out. An
            exception made by ``refusal`` is sent as that HTTP status; ``ConnectionError`` closes the connection; any
            other one is a 500. What the provider's rules refuse uses no answer up.
        prices: model name -> price of the models served; ``scripted-small`` and ``scripted-large`` at awkward prices
            when left out. Hand the same table to a ``ModelPool`` of these models, and the meter checks langroute's
            books by arithmetic of its own.
        context_window: most tokens, here words, of prompt and answer together.
        port: the port to listen on; 0 takes a free one.
        api_key: the key clients must send; None asks for none.

    Raises:
        ConfigError: a script is for a model that is not served, or a price has tiers, which the meter does not know.

    Attributes:
        requests: the JSON of every request for an answer, refused ones and retries included, in order.
        prices: what was given.
    """

    def __init__(
        self,
        format: WireFormat,  # noqa: A002 - the word for it
        answers: ServerScript | Mapping[str, ServerScript] = obliging,
        *,
        prices: Mapping[str, Price] | None = None,
        context_window: int = 128_000,
        port: int = 0,
        api_key: str | None = None,
    ) -> None:
        self.prices = dict(_DEFAULT_PRICES if prices is None else prices)
        self.requests: list[Json] = []
        rates = {name: exact_rates(name, price) for name, price in self.prices.items()}
        scripts = scripts_of(answers, tuple(rates))
        # A chat completion's stream is cut at a chunk; the other formats open theirs with more events, and end early.
        service = ScriptedService(scripts, rates, context_window, cuts_chunks=isinstance(format, ChatFormat))
        super().__init__(port=port, api_key=api_key, service=service, format=format)

    @property
    def key(self) -> str:
        """A key that the server takes."""
        return self.api_key or KEY

    @property
    def origin(self) -> str:
        """Scheme, host and port, without a path; what clients are given that add the version themselves.

        Raises:
            LangrouteError: the server is not running.
        """
        return self.base_url.removesuffix("/v1")

    def note_request(self, body: object) -> None:
        """Keep a request that was received."""
        if isinstance(body, dict):
            self.requests.append(body)
