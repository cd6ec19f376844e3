"""The scene of ``overspend.py``: a local server that answers and bills, and who is let loose on it.

The server speaks OpenAI's chat completions and keeps a meter of its own. What it served and billed is the only witness:
nobody's own books are asked. Every call is billed $0.0125: gpt-4o at its published price, 1,000 tokens in, 1,000 out.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from langroute import Price
from langroute.testing import Reply, ScriptedServer

MODEL = "gpt-4o"
PRICE = Price(input_per_million=2.5, output_per_million=10, cached_input_per_million=1.25)
CALLS = 8
CAP_USD = 0.02
CALL_USD = 0.0125
TOKENS = 1_000
QUESTION = "x " * TOKENS  # as many tokens for OpenAI's own tokenizers
ANSWER_S = 0.3
"""Seconds in which the server answers, so that calls which are made at once are under way at once."""
PATIENCE_S = 0.15
"""Seconds after which a client of the second scene goes away: the provider works on, and bills."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What was let through, by the server's meter.

    Attributes:
        admitted: calls that reached the provider.
        spent: dollars billed for them.
        cap: dollars that should have been the most.
    """

    admitted: int
    spent: float
    cap: float = CAP_USD


class Scene:
    """A server and its meter; a context manager."""

    def __init__(self) -> None:
        self._server = ScriptedServer(_answer, prices={MODEL: PRICE})

    def __enter__(self) -> "Scene":
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def base_url(self) -> str:
        """Where clients send their requests."""
        return self._server.base_url

    def watch(self, act: Callable[[str], object]) -> dict[str, float]:
        """What somebody spends who is handed the server's address, as JSON."""
        self._server.meter.reset()
        act(self._server.base_url)
        self._server.wait_idle()
        total = self._server.meter.total()
        return asdict(Spending(admitted=total.requests, spent=total.nano_dollars / 1e9))


def _answer(_: object) -> Reply:
    time.sleep(ANSWER_S)
    return Reply(text="yes", input_tokens=TOKENS, output_tokens=TOKENS)
