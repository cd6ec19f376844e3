"""Dollars as integers inside, Decimal or float at the edges.

Inside, an amount of money is an ``int`` of nano-dollars (1e-9 dollars) and a rate an ``int`` of pico-dollars (1e-12
dollars) per token, so $0.000001 per million tokens is the finest rate. One rounding rule keeps the promise that a
settled call never exceeds its hold: costs round **up** to the next nano-dollar, once per call, after summing; limits
round **down**.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal, InvalidOperation
from fractions import Fraction
from math import ceil

from langroute.errors import ConfigError

NANO_PER_DOLLAR = 1_000_000_000
_PICO_PER_NANO = 1_000
_MOST_DOLLARS = 4_000_000_000  # in nano-dollars it still fits the 64-bit integers of a ledger

_UNITS = tuple([10 ** (9 - places) for places in range(10)])
"""Nano-dollars of the last digit, by how many decimals are shown."""

# Exact, whatever decimal context the program has set: the usual one rounds to 28 digits, and may be set to fewer.
_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)

Dollars = float | int | str | Decimal

STANDARD_TIERS = ("default", "standard")
"""What providers call the service tier whose prices are the listed ones."""


def _decimal(value: Dollars, *, field: str) -> Decimal:
    if isinstance(value, bool):
        raise ConfigError(f"must be an amount of dollars, not {value!r}", field=field)
    try:
        amount = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except (InvalidOperation, TypeError, ValueError) as exc:
        raise ConfigError(f"must be an amount of dollars, not {value!r}", field=field) from exc
    if not amount.is_finite():
        raise ConfigError(f"must be a finite amount of dollars, not {value!r}", field=field)
    if amount < 0:
        raise ConfigError(f"must not be negative, got {value!r}", field=field)
    if amount > _MOST_DOLLARS:
        raise ConfigError(f"must be at most {_MOST_DOLLARS} dollars, got {value!r}", field=field)
    return amount


def _scaled(amount: Decimal, factor: int, rounding: str) -> int:
    return int(_EXACT.multiply(amount, factor).to_integral_value(rounding, _EXACT))


def limit_nano(value: Dollars, *, field: str = "dollars") -> int:
    """Nano-dollars of a limit, rounded down so that a limit never grows.

    Raises:
        ConfigError: the value is negative, not finite or no number; the message names ``field``.
    """
    return _scaled(_decimal(value, field=field), NANO_PER_DOLLAR, ROUND_FLOOR)


def cost_nano(value: Dollars, *, field: str = "dollars") -> int:
    """Nano-dollars of a cost, rounded up so that a cost never shrinks.

    Raises:
        ConfigError: the value is negative, not finite or no number; the message names ``field``.
    """
    return _scaled(_decimal(value, field=field), NANO_PER_DOLLAR, ROUND_CEILING)


def dollars(nano: int) -> Decimal:
    """Exact dollars of an amount in nano-dollars."""
    return Decimal(nano).scaleb(-9, _EXACT)


def float_dollars(nano: int) -> float:
    """Dollars as the nearest float; ``round(x * 1e9)`` gives the amount back, up to 9 million dollars."""
    return nano / NANO_PER_DOLLAR  # a quotient of integers is rounded once, as a Decimal's float is


def format_dollars(nano: int) -> str:
    """Dollars for people: at least two decimals, and at least three significant digits for small amounts.

    >>> format_dollars(1_500_000_000), format_dollars(80_000_000), format_dollars(123_456), format_dollars(0)
    ('$1.50', '$0.08', '$0.000123', '$0.00')
    """
    if not nano:
        return "$0.00"
    size = nano if nano > 0 else -nano
    digits = len(str(size))
    places = 2 if digits > 9 else 12 - digits if digits > 3 else 9
    unit = _UNITS[places]
    count, rest = divmod(size, unit)
    rest += rest
    if rest > unit or (rest == unit and count % 2):  # half to even, as decimal does
        count += 1
    text = str(count).zfill(places + 1)
    fraction = text[-places:].rstrip("0")
    if len(fraction) < 2:
        fraction = fraction.ljust(2, "0")
    return f"{'-' if nano < 0 else ''}${text[:-places]}.{fraction}"


def _positive(value: Dollars, *, field: str) -> Fraction:
    number = Fraction(_decimal(value, field=field))
    if not number:
        raise ConfigError(f"must be more than 0, got {value!r}", field=field)
    return number


def _rate(per_million: Dollars | None, *, field: str) -> int | None:
    if per_million is None:
        return None
    return _scaled(_decimal(per_million, field=field), 1_000_000, ROUND_CEILING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What one token costs, in pico-dollars per token.

    Attributes:
        input: an input token that no cache served.
        output: an output token, reasoning included.
        cache_read: an input token served from the provider's prompt cache.
        cache_write: an input token written to the provider's prompt cache.
    """

    input: int
    output: int
    cache_read: int
    cache_write: int

    @property
    def dearest_input(self) -> int:
        """The most that an input token can cost, whatever the cache does."""
        return max(self.input, self.cache_read, self.cache_write)


@dataclass(frozen=True, slots=True, init=False)
class Price:
    """The price list of one model.

    Args:
        input_per_million: dollars per million input tokens.
        output_per_million: dollars per million output tokens (reasoning tokens are output tokens).
        cached_input_per_million: dollars per million input tokens read from the prompt cache; as input when left out.
        cache_write_per_million: dollars per million input tokens written to the cache; as input when left out.
        above: price lists that hold for the whole call once its input exceeds a number of tokens, as
            ``((threshold, Price(...)), ...)`` in rising order.
        tiers: by name of a service tier that the provider may serve a call in, its price list, or a number that all
            rates are multiplied by. A hold covers the dearest of them; what is booked is the one that was served.

    Raises:
        ConfigError: a rate is negative or no number.

    >>> Price(input_per_million=0.05, output_per_million=0.40).cost(input_tokens=1000, output_tokens=10)
    54000
    """

    rates: Rates
    above: tuple[tuple[int, "Price"], ...] = ()
    tiers: tuple[tuple[str, "Price"], ...] = ()

    def __init__(
        self,
        *,
        input_per_million: Dollars,
        output_per_million: Dollars,
        cached_input_per_million: Dollars | None = None,
        cache_write_per_million: Dollars | None = None,
        above: Iterable[tuple[int, "Price"]] = (),
        tiers: "Mapping[str, Price | Dollars] | None" = None,
    ) -> None:
        rate_in = _rate(input_per_million, field="input_per_million")
        rate_out = _rate(output_per_million, field="output_per_million")
        if rate_in is None or rate_out is None:
            raise ConfigError("a price needs input_per_million and output_per_million", field="prices")
        read = _rate(cached_input_per_million, field="cached_input_per_million")
        write = _rate(cache_write_per_million, field="cache_write_per_million")
        rates = Rates(
            input=rate_in,
            output=rate_out,
            cache_read=rate_in if read is None else read,
            cache_write=rate_in if write is None else write,
        )
        object.__setattr__(self, "rates", rates)
        object.__setattr__(self, "above", tuple(sorted(above, key=lambda step: step[0])))
        object.__setattr__(self, "tiers", ())
        if tiers:
            object.__setattr__(self, "tiers", self.with_tiers(tiers).tiers)

    @classmethod
    def from_rates(
        cls,
        rates: Rates,
        above: "Iterable[tuple[int, Price]]" = (),
        tiers: "Iterable[tuple[str, Price]]" = (),
    ) -> "Price":
        """The price list of given rates, exact to the pico-dollar."""
        price = cls(input_per_million=0, output_per_million=0, above=above)
        object.__setattr__(price, "rates", rates)
        object.__setattr__(price, "tiers", tuple(tiers))
        return price

    @classmethod
    def by_capacity(
        cls,
        *,
        dollars_per_hour: Dollars,
        output_tokens_per_s: Dollars,
        input_tokens_per_s: Dollars,
        cached_input_tokens_per_s: Dollars | None = None,
        concurrency: int = 1,
        utilization: Dollars = 1,
    ) -> "Price":
        """The price list of a model that is paid for by the hour: each token costs the time that it takes.

        Args:
            dollars_per_hour: what the machine costs.
            output_tokens_per_s: how fast it writes in one call, with ``concurrency`` calls at once.
            input_tokens_per_s: how fast it reads in one call, with as many at once.
            cached_input_tokens_per_s: how fast it passes over what its prefix cache holds; as input when left out.
            concurrency: calls it serves at once.
            utilization: share of the hours paid for in which it serves, in (0, 1]; what it idles is paid by what it
                serves.

        Raises:
            ConfigError: a number is not positive, or the utilization above 1.

        >>> gpu = Price.by_capacity(dollars_per_hour=3.6, output_tokens_per_s=50, input_tokens_per_s=1000)
        >>> gpu.cost(input_tokens=1000, output_tokens=100)  # three seconds, at a tenth of a cent each
        3000000
        """
        pico_per_s = Fraction(_decimal(dollars_per_hour, field="dollars_per_hour")) * 10**12 / 3600
        if type(concurrency) is not int or concurrency < 1:
            raise ConfigError(f"must be a whole number of calls, at least 1, not {concurrency!r}", field="concurrency")
        share = _positive(utilization, field="utilization")
        if share > 1:
            raise ConfigError(f"must be at most 1, got {utilization!r}", field="utilization")

        def rate(speed: Dollars, field: str) -> int:
            return ceil(pico_per_s / (_positive(speed, field=field) * concurrency * share))

        came_in = rate(input_tokens_per_s, "input_tokens_per_s")
        cached = cached_input_tokens_per_s
        return cls.from_rates(
            Rates(
                input=came_in,
                output=rate(output_tokens_per_s, "output_tokens_per_s"),
                cache_read=came_in if cached is None else rate(cached, "cached_input_tokens_per_s"),
                cache_write=came_in,
            )
        )

    def with_tiers(self, tiers: "Mapping[str, Price | Dollars]") -> "Price":
        """The same price list with service tiers; see the class.

        Raises:
            ConfigError: a multiplier is no positive number, or a tier has tiers of its own.
        """
        lists = []
        for name, given in tiers.items():
            price = given if isinstance(given, Price) else self._times(_positive(given, field=f"tiers.{name}"))
            if price.tiers:
                raise ConfigError("a tier cannot have tiers of its own", field=f"tiers.{name}")
            lists.append((name, price))
        return Price.from_rates(self.rates, self.above, lists)

    def asked(self, tier: str) -> "Price":
        """The price list of a model that asks for a tier: that tier's, with all others that may be served instead."""
        lists = dict(self.tiers)
        if tier not in lists:
            return self
        plain = Price.from_rates(self.rates, self.above)
        others = {**dict.fromkeys(STANDARD_TIERS, plain), **lists}
        return Price.from_rates(lists[tier].rates, lists[tier].above, others.items())

    def served(self, tier: str) -> "tuple[Price, ...]":
        """The price list of the tier that a call was served in; all that may hold where that tier is not known."""
        lists = dict(self.tiers)
        if tier in lists:
            return (lists[tier],)
        plain = self if not lists else Price.from_rates(self.rates, self.above)
        return (plain,) if tier in STANDARD_TIERS or not lists else (plain, *lists.values())

    def _times(self, factor: Fraction) -> "Price":
        rates = self.rates
        return Price.from_rates(
            Rates(
                input=ceil(rates.input * factor),
                output=ceil(rates.output * factor),
                cache_read=ceil(rates.cache_read * factor),
                cache_write=ceil(rates.cache_write * factor),
            ),
            [(threshold, price._times(factor)) for threshold, price in self.above],
        )

    def rates_for(self, input_tokens: int) -> Rates:
        """The rates that hold for a call with this many input tokens."""
        rates = self.rates
        for threshold, price in self.above:
            if input_tokens > threshold:
                rates = price.rates
        return rates

    def cost(
        self, *, input_tokens: int, output_tokens: int, cache_read_tokens: int = 0, cache_write_tokens: int = 0
    ) -> int:
        """Nano-dollars of a call, rounded up once.

        Args:
            input_tokens: all input tokens, those of the cache included.
            output_tokens: all output tokens.
            cache_read_tokens: the part of the input that was read from the cache.
            cache_write_tokens: the part of the input that was written to the cache.
        """
        rates = self.rates_for(input_tokens) if self.above else self.rates
        if cache_read_tokens or cache_write_tokens:
            plain = max(0, input_tokens - cache_read_tokens - cache_write_tokens)
            pico = plain * rates.input + cache_read_tokens * rates.cache_read + cache_write_tokens * rates.cache_write
        else:
            pico = input_tokens * rates.input if input_tokens > 0 else 0
        pico += output_tokens * rates.output
        return -(-pico // _PICO_PER_NANO)

    def worst_cost(self, *, input_tokens: int, output_tokens: int) -> int:
        """Nano-dollars of the dearest call within these bounds, whatever the cache does and whichever tier applies."""
        if self.above or self.tiers:
            dearest_in, dearest_out = self._dearest(input_tokens)
        else:  # every step asks this of every arm, and most prices have one rate
            rates = self.rates
            dearest_in, dearest_out = rates.input, rates.output
            if dearest_in < rates.cache_read or dearest_in < rates.cache_write:
                dearest_in = rates.dearest_input
        return -(-(input_tokens * dearest_in + output_tokens * dearest_out) // _PICO_PER_NANO)

    def affordable_output(self, *, nano: int, input_tokens: int) -> int:
        """The most output tokens whose worst case, with this input, fits into ``nano``; negative when none does."""
        dearest_in, dearest_out = self._dearest(input_tokens)
        left = nano * _PICO_PER_NANO - input_tokens * dearest_in
        if left < 0:
            return -1
        return left // dearest_out if dearest_out else 2**31

    def _dearest(self, input_tokens: int) -> tuple[int, int]:
        """The most that an input and an output token of a call with at most this input can cost."""
        rates = self.rates
        dearest_in, dearest_out = rates.dearest_input, rates.output
        for threshold, price in self.above:
            if input_tokens > threshold:
                dearest_in = max(dearest_in, price.rates.dearest_input)
                dearest_out = max(dearest_out, price.rates.output)
        for _, tier in self.tiers:
            most_in, most_out = tier._dearest(input_tokens)
            dearest_in, dearest_out = max(dearest_in, most_in), max(dearest_out, most_out)
        return dearest_in, dearest_out


def as_dollars(nano: int | None) -> float | None:
    """Dollars as a float, for logs; None stays None."""
    return None if nano is None else nano / NANO_PER_DOLLAR
