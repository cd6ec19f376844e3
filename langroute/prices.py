"""Where prices come from: the bundled price list of `genai-prices`, and the user's own tables beside it.

A price is looked up once, when a pool is built, and is from then on a plain ``langroute.Price``. Nothing here reaches
the network: the list is the one that ships with the installed `genai-prices`, and its updater is never started. Where
the list says something a ``Price`` cannot say, the model is refused rather than underpriced.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from langroute.errors import ConfigError, PriceUnknown
from langroute.money import Price
from langroute.protocols import PriceBook

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

PriceTable = Mapping[str, Price | Mapping[str, Any]]

# What LangChain calls a provider -> what genai-prices calls it, where the two differ or are known to agree. A provider
# that is missing here and not in genai-prices under the very same id has no price: a fuzzy match could be a wrong one.
_PROVIDERS = {
    "amazon_bedrock": "aws",
    "anthropic": "anthropic",
    "anthropic-bedrock": "aws",
    "anthropic_bedrock": "aws",
    "azure": "azure",
    "azure_openai": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "google_anthropic_vertex": "google",
    "google_genai": "google",
    "google_vertexai": "google",
    "groq": "groq",
    "mistral": "mistral",
    "mistralai": "mistral",
    "openai": "openai",
    "openrouter": "openrouter",
    "together": "together",
    "xai": "x-ai",
}

_TOKEN_RATES = {
    "input_mtok",
    "output_mtok",
    "cache_read_mtok",
    "cache_write_mtok",
    "cache_write_5m_mtok",
    "cache_write_1h_mtok",
    "output_reasoning_mtok",
}
# Rates that a call of text in, text out, without the provider's own tools, never meets.
_BESIDE_TEXT = re.compile(
    r"audio|image|video|pixels|kpages|(web|social|storage)_searches_kcount|rerank_searches|code_exec"
)
# Models that search by themselves in every call, and are billed for it beside the tokens, whatever the list says.
_ALWAYS_SEARCHES = re.compile(r"(^|[-/])(search|sonar|deep-research)")

CacheLifetime = Literal["5m", "1h"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GenaiPriceBook:
    """The price list bundled with `genai-prices`: offline, no threads, about 2,300 models.

    Prices are those of standard text calls. A rate that changes with the hour of the day (off-peak discounts) is taken
    at its dearest hour, so a pool that lives through the day never underprices. Providers' own tools (web search, code
    execution) and other media than text are billed beside this price.

    Attributes:
        at: moment whose prices hold; None is the moment of the question. Naive times are UTC.
        cache_ttl: lifetime of prompt-cache entries that calls ask for. Anthropic bills writes that live an hour at a
            higher rate than the usual five minutes: say ``"1h"`` when your messages carry such markers.

    >>> GenaiPriceBook().price(model="gpt-5-nano", provider="openai").cost(input_tokens=1_000_000, output_tokens=0) > 0
    True
    """

    at: datetime | None = None
    cache_ttl: CacheLifetime = "5m"

    def price(self, *, model: str, provider: str | None) -> Price | None:
        """The price list of a model.

        Args:
            model: the provider's name for the model.
            provider: LangChain's or genai-prices' id of the provider; None searches all by the model's name.

        Returns:
            None when the list does not know the model, or gives no price for its input or its output.

        Raises:
            PriceUnknown: the list knows the model, but bills it in a way that a ``Price`` cannot express.
        """
        info = _find(model, provider)
        if info is None:
            return None
        prices = _in_force(info, self.at or datetime.now(UTC))
        if any(_value(price, "input_mtok", 0) is None or _value(price, "output_mtok", 0) is None for price in prices):
            return None
        _refuse_other_units(info, prices)
        return _convert(prices, self.cache_ttl)


class OwnPrices:
    """The user's price tables, beside a price book and winning over it.

    Args:
        prices: arm name or model name -> ``Price``, or a mapping with the same fields.
        beside: the book that is asked where the tables say nothing.

    Raises:
        ConfigError: a table is no price; the message names the entry and the field.
    """

    def __init__(self, prices: PriceTable, *, beside: PriceBook | None = None) -> None:
        if not isinstance(prices, Mapping):
            raise ConfigError(f"must map arm or model names to prices, not {type(prices).__name__}", field="prices")
        self._own = {name: as_price(price, field=f"prices.{name}") for name, price in prices.items()}
        self._beside = beside

    def price(self, *, model: str, provider: str | None) -> Price | None:
        """The user's price of a model, else the book's; None when neither knows one."""
        if model in self._own:
            return self._own[model]
        return self._beside.price(model=model, provider=provider) if self._beside else None

    def price_of_arm(self, arm: str, *, model: str, provider: str | None) -> Price | None:
        """The price under the arm's name, else as ``price``: the arm's name wins over the model's."""
        return self._own[arm] if arm in self._own else self.price(model=model, provider=provider)

    def owns(self, arm: str, *, model: str) -> bool:
        """Whether the price of this arm comes from the user's tables."""
        return arm in self._own or model in self._own

    def unused(self, known: Iterable[str]) -> tuple[str, ...]:
        """The entries that name none of the known arms and models."""
        names = set(known)
        return tuple(name for name in self._own if name not in names)


_TOKEN_FIELDS = (
    "input_per_million",
    "output_per_million",
    "cached_input_per_million",
    "cache_write_per_million",
    "above",
    "tiers",
)
_HOUR_FIELDS = (
    "dollars_per_hour",
    "output_tokens_per_s",
    "input_tokens_per_s",
    "cached_input_tokens_per_s",
    "concurrency",
    "utilization",
    "tiers",
)


def as_price(value: Price | Mapping[str, Any], *, field: str) -> Price:
    """A price from a ``Price`` or from plain data, as a configuration file holds it.

    Args:
        value: a ``Price``, or a mapping with ``input_per_million``, ``output_per_million`` and optionally
            ``cached_input_per_million``, ``cache_write_per_million`` and ``above``: pairs (or a mapping) of an input
            token count and the price that holds for calls with more input than that. Or a mapping with
            ``dollars_per_hour`` and the other arguments of ``Price.by_capacity``. Either may have ``tiers``: a mapping
            of service tiers to multipliers or such mappings.
        field: where the value stands, for messages.

    Raises:
        ConfigError: a field is missing, unknown or no amount; the message names it.
    """
    if isinstance(value, Price):
        return value
    if not isinstance(value, Mapping):
        raise ConfigError(f"must be a Price or a mapping of its fields, not {value!r}", field=field)
    by_hour = "dollars_per_hour" in value
    known, required = (_HOUR_FIELDS, _HOUR_FIELDS[:3]) if by_hour else (_TOKEN_FIELDS, _TOKEN_FIELDS[:2])
    for name in value:
        if name not in known:
            raise ConfigError(f"unknown field; a price has {', '.join(known)}", field=f"{field}.{name}")
    for name in required:
        if value.get(name) is None:
            unit = "a number is" if by_hour else "dollars per million tokens are"
            raise ConfigError(f"is missing; {unit} needed", field=f"{field}.{name}")
    rates = {name: amount for name, amount in value.items() if name not in ("above", "tiers")}
    above = _tiers(value.get("above") or (), field=f"{field}.above")
    lists = _service_tiers(value.get("tiers"), field=f"{field}.tiers")
    try:
        price = Price.by_capacity(**rates) if by_hour else Price(**rates, above=above)
        return price.with_tiers(lists) if lists else price
    except ConfigError as exc:
        raise ConfigError(str(exc).removeprefix(f"{exc.field}: "), field=f"{field}.{exc.field}") from exc


def _service_tiers(value: Any, *, field: str) -> dict[str, Any]:
    if not isinstance(value or {}, Mapping):
        raise ConfigError("must map names of service tiers to multipliers or prices", field=field)
    return {
        str(name): as_price(given, field=f"{field}.{name}") if isinstance(given, Mapping) else given
        for name, given in (value or {}).items()
    }


def _tiers(value: Any, *, field: str) -> tuple[tuple[int, Price], ...]:
    pairs = value.items() if isinstance(value, Mapping) else value
    if isinstance(pairs, str) or not isinstance(pairs, Iterable):
        raise ConfigError("must be pairs of an input token count and a price", field=field)
    tiers = []
    for pair in pairs:
        if not isinstance(pair, Sequence) or len(pair) != 2 or type(pair[0]) is not int or pair[0] < 0:
            raise ConfigError(f"must be pairs of an input token count and a price, not {pair!r}", field=field)
        tiers.append((pair[0], as_price(pair[1], field=f"{field}.{pair[0]}")))
    return tuple(tiers)


def _find(model: str, provider: str | None) -> "ModelInfo | None":
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - 0.4 seconds, and only pools need it

    snapshot = get_snapshot()
    known = provider if provider is None else _PROVIDERS.get(provider.lower(), provider.lower())
    if not model or (known is not None and known not in {entry.id for entry in snapshot.providers}):
        return None
    ref = model.rpartition("models/")[2] if known == "google" else model
    try:
        return snapshot.find_provider_model(ref, None, known, None)[1]
    except LookupError:
        return None


def _in_force(info: "ModelInfo", at: datetime) -> "list[ModelPrice]":
    """The price lists in force on the day of ``at``: several where prices depend on the hour."""
    from genai_prices.types import TimeOfDateConstraint  # noqa: PLC0415

    moment = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    moments = [moment]
    for entry in info.prices if isinstance(info.prices, list) else ():
        if isinstance(hours := entry.constraint, TimeOfDateConstraint):
            edges = (hours.start_time, hours.end_time)
            moments += [datetime.combine(moment.date(), edge.replace(tzinfo=edge.tzinfo or UTC)) for edge in edges]
    return [info.get_prices(when) for when in moments]


def _refuse_other_units(info: "ModelInfo", prices: "list[ModelPrice]") -> None:
    keys = {key for price in prices for key, value in vars(price).items() if value is not None}
    strange = sorted(key for key in keys - _TOKEN_RATES if not _BESIDE_TEXT.search(key))
    why = f"is billed by {', '.join(strange)} beside tokens" if strange else ""
    if not why and _ALWAYS_SEARCHES.search(info.id):
        why = "searches in every call and is billed for the searches beside tokens"
    if why:
        raise PriceUnknown(
            f"{info.id!r} {why}, which a price per token cannot say. "
            "Only a price of your own that is high enough covers it."
        )


def _value(price: "ModelPrice", key: str, tokens: int) -> Decimal | None:
    """Dollars per million at this many input tokens; None where the list has no such rate."""
    from genai_prices.types import TieredPrices  # noqa: PLC0415

    value: Decimal | TieredPrices | None = vars(price).get(key)
    if not isinstance(value, TieredPrices):
        return value
    rate = value.base
    for tier in value.tiers:
        if tokens > tier.start:
            rate = tier.price
    return rate


def _thresholds(prices: "list[ModelPrice]") -> list[int]:
    from genai_prices.types import TieredPrices  # noqa: PLC0415

    values = [value for price in prices for value in vars(price).values()]
    return sorted({tier.start for value in values if isinstance(value, TieredPrices) for tier in value.tiers})


def _convert(prices: "list[ModelPrice]", cache_ttl: CacheLifetime) -> Price:
    # A tier holds for calls with MORE tokens than its start, there as here.
    above = [(start, _dearest(prices, start + 1, cache_ttl)) for start in _thresholds(prices)]
    return _dearest(prices, 0, cache_ttl, above=above)


def _dearest(
    prices: "list[ModelPrice]", tokens: int, cache_ttl: CacheLifetime, *, above: Sequence[tuple[int, Price]] = ()
) -> Price:
    """The dearest of each rate for calls with this many input tokens."""

    def rate(*keys: str) -> Decimal:
        return max(_first(price, keys, tokens) for price in prices)

    long_lived = ("cache_write_1h_mtok",) if cache_ttl == "1h" else ()
    return Price(
        input_per_million=rate("input_mtok"),
        # Reasoning tokens are output tokens to a Price, so the dearer of the two rates must hold for all.
        output_per_million=max(rate("output_mtok"), rate("output_reasoning_mtok")),
        cached_input_per_million=rate("cache_read_mtok", "input_mtok"),
        cache_write_per_million=rate(*long_lived, "cache_write_5m_mtok", "cache_write_mtok", "input_mtok"),
        above=above,
    )


def _first(price: "ModelPrice", keys: Sequence[str], tokens: int) -> Decimal:
    found = (_value(price, key, tokens) for key in keys)
    return next((value for value in found if value is not None), Decimal(0))
