"""The lab's meter: what was served and what it costs, by arithmetic of its own.

The meter is the witness of every cost test, so it shares no code with `langroute.money`: prices are exact fractions of
the published rates, and each request is rounded up once, to the next nano-dollar.
"""

import math
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Protocol

Rate = int | float | Decimal | Fraction


class PublishedRates(Protocol):
    """A price list in dollars per million tokens."""

    @property
    def input_per_million(self) -> Rate:
        """Dollars per million input tokens that no cache served."""
        ...

    @property
    def output_per_million(self) -> Rate:
        """Dollars per million output tokens."""
        ...

    @property
    def cached_input_per_million(self) -> Rate:
        """Dollars per million input tokens read from the prompt cache."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterRow:
    """One request that was served.

    Attributes:
        id: the id its answer carries.
        model: which model answered.
        prompt_tokens: all input tokens, cached ones included.
        cached_tokens: the part of them that the prompt cache served.
        completion_tokens: tokens generated, also those that a cut kept from the client.
        nano_dollars: what it costs, in nano-dollars.
        streamed: whether it was asked for as a stream.
        cut: the answer broke off: the client went away or the connection was cut.
    """

    id: str
    model: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    nano_dollars: int
    streamed: bool
    cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterTotal:
    """Sums over requests; the fields mean what they mean in `MeterRow`, `cut` counts."""

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    nano_dollars: int = 0
    cut: int = 0


def exact_rate(rate: Rate) -> Fraction:
    """A rate as the fraction its decimal digits say: 0.1 is 1/10, not the binary number next to it."""
    return Fraction(repr(rate)) if isinstance(rate, float) else Fraction(rate)


def metered_cost(rates: PublishedRates, *, prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> int:
    """Nano-dollars of one request, rounded up once.

    Raises:
        ValueError: more cached than prompt tokens, or a negative count.
    """
    if not 0 <= cached_tokens <= prompt_tokens or completion_tokens < 0:
        raise ValueError(
            f"no such usage: {prompt_tokens} prompt, {cached_tokens} cached, {completion_tokens} completion"
        )
    millionths = (
        (prompt_tokens - cached_tokens) * exact_rate(rates.input_per_million)
        + cached_tokens * exact_rate(rates.cached_input_per_million)
        + completion_tokens * exact_rate(rates.output_per_million)
    )
    return math.ceil(millionths * 1000)


class Meter:
    """Keeps one row per served request, in memory. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: list[MeterRow] = []

    def record(
        self,
        *,
        id: str,  # noqa: A002 - the field's name on the wire
        model: str,
        rates: PublishedRates,
        prompt_tokens: int,
        cached_tokens: int,
        completion_tokens: int,
        streamed: bool = False,
        cut: bool = False,
    ) -> MeterRow:
        """Price a request, keep its row and return it.

        Raises:
            ValueError: the token counts contradict each other.
        """
        row = MeterRow(
            id=id,
            model=model,
            prompt_tokens=prompt_tokens,
            cached_tokens=cached_tokens,
            completion_tokens=completion_tokens,
            nano_dollars=metered_cost(
                rates, prompt_tokens=prompt_tokens, cached_tokens=cached_tokens, completion_tokens=completion_tokens
            ),
            streamed=streamed,
            cut=cut,
        )
        with self._lock:
            self._rows.append(row)
        return row

    def rows(self) -> tuple[MeterRow, ...]:
        """Every row since the last reset, in the order the requests ended."""
        with self._lock:
            return tuple(self._rows)

    def total(self, model: str | None = None) -> MeterTotal:
        """Sums over one model, or over all of them."""
        return _sum(row for row in self.rows() if model is None or row.model == model)

    def by_model(self) -> dict[str, MeterTotal]:
        """Sums per model that served anything, by name."""
        rows = self.rows()
        return {name: _sum(row for row in rows if row.model == name) for name in sorted({row.model for row in rows})}

    def reset(self) -> tuple[MeterRow, ...]:
        """Empty the meter and return what it held; no row is lost between the two."""
        with self._lock:
            rows, self._rows = self._rows, []
        return tuple(rows)

    def as_json(self) -> dict[str, object]:
        """Everything as plain data: ``total``, ``models`` and ``rows``, of one moment."""
        rows = self.rows()
        names = sorted({row.model for row in rows})
        return {
            "total": asdict(_sum(rows)),
            "models": {name: asdict(_sum(row for row in rows if row.model == name)) for name in names},
            "rows": [asdict(row) for row in rows],
        }


def _sum(rows: Iterable[MeterRow]) -> MeterTotal:
    kept = tuple(rows)
    return MeterTotal(
        requests=len(kept),
        prompt_tokens=sum(row.prompt_tokens for row in kept),
        cached_tokens=sum(row.cached_tokens for row in kept),
        completion_tokens=sum(row.completion_tokens for row in kept),
        nano_dollars=sum(row.nano_dollars for row in kept),
        cut=sum(row.cut for row in kept),
    )
