"""Prices: the bundled list says the same as its own calculator, and never less than a call costs."""

import random
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import DataSnapshot
from genai_prices.types import ClauseEquals, ModelInfo, ModelPrice, Provider

from langroute.errors import ConfigError, PriceUnknown
from langroute.money import Price, dollars
from langroute.prices import GenaiPriceBook, OwnPrices, as_price
from langroute.protocols import PriceBook

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
NANO = Decimal("0.000000001")
MODELS = [
    ("openai", "gpt-5-nano"),
    ("openai", "gpt-5"),
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-opus-4-5"),
    ("anthropic", "claude-haiku-4-5-20251001"),
    ("google", "gemini-2.5-pro"),
    ("google", "gemini-2.5-flash"),
]


def _price(model: str, provider: str | None, **options: Any) -> Price:
    found = GenaiPriceBook(at=AT, **options).price(model=model, provider=provider)
    assert found is not None
    return found


def _listed(provider: str, model: str, usage: dict[str, int], at: datetime = AT) -> Decimal:
    return calc_price(Usage(**usage), model, provider_id=provider, genai_request_timestamp=at).total_price


@pytest.mark.parametrize(("provider", "model"), MODELS)
def test_a_call_costs_what_the_list_says_it_costs(provider: str, model: str) -> None:
    """Over random usages, on both sides of tiers and with caches, our cost is the list's within a nano-dollar."""
    price, draw = _price(model, provider), random.Random(7)
    for _ in range(200):
        whole = draw.choice((0, 1, 999, 127_999, 128_001, 200_000, 200_001, 272_001, draw.randrange(400_000)))
        read = draw.choice((0, draw.randint(0, whole)))
        write = draw.choice((0, draw.randint(0, whole - read)))
        out = draw.randrange(20_000)
        usage = {
            "input_tokens": whole,
            "output_tokens": out,
            "cache_read_tokens": read,
            "cache_write_tokens": write,
        }
        ours = price.cost(input_tokens=whole, output_tokens=out, cache_read_tokens=read, cache_write_tokens=write)
        assert Decimal(0) <= dollars(ours) - _listed(provider, model, usage) < NANO


def test_tiers_are_carried_over() -> None:
    """A model that is dearer above a number of input tokens has that tier, and it holds from one token above."""
    price = _price("gemini-2.5-pro", "google_genai")
    assert [threshold for threshold, _ in price.above] == [200_000]
    assert price.rates_for(200_000) == price.rates
    assert price.rates_for(200_001).input > price.rates.input


@pytest.mark.parametrize("hour", range(24))
def test_prices_that_change_with_the_hour_are_never_too_low(hour: int) -> None:
    """An off-peak discount is not relied on: a pool built at night does not underprice calls of the day."""
    built = datetime(2026, 11, 1, 20, tzinfo=UTC)
    price = GenaiPriceBook(at=built).price(model="deepseek-chat", provider="deepseek")
    assert price is not None
    usage = {"input_tokens": 10_000, "output_tokens": 1000, "cache_read_tokens": 4000}
    listed = _listed("deepseek", "deepseek-chat", usage, built.replace(hour=hour, minute=45))
    assert dollars(price.cost(input_tokens=10_000, output_tokens=1000, cache_read_tokens=4000)) >= listed


def test_prices_with_a_date_are_those_of_the_moment_asked_about() -> None:
    """A price change takes effect on its day, not before; a naive moment is UTC."""
    before, after = datetime(2025, 6, 9, 12), datetime(2025, 6, 10, 12) + timedelta(days=1)
    old = GenaiPriceBook(at=before).price(model="o3", provider="openai")
    new = GenaiPriceBook(at=after).price(model="o3", provider="openai")
    assert old is not None
    assert new is not None
    usage = {"input_tokens": 1_000_000, "output_tokens": 0}
    assert dollars(old.cost(**usage)) == _listed("openai", "o3", usage, before)
    assert dollars(new.cost(**usage)) == _listed("openai", "o3", usage, after)
    assert old.rates.input > new.rates.input


def test_long_lived_cache_writes_cost_more_when_asked_for() -> None:
    """With one-hour cache markers a write is priced at the hour's rate."""
    short = _price("claude-sonnet-4-5", "anthropic")
    long = _price("claude-sonnet-4-5", "anthropic", cache_ttl="1h")
    assert long.rates.cache_write > short.rates.cache_write > short.rates.input
    assert long.rates.cache_read == short.rates.cache_read


@pytest.mark.parametrize(
    ("langchain", "listed", "model"),
    [
        ("amazon_bedrock", "aws", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("azure", "azure", "gpt-5"),
        ("google_genai", "google", "gemini-2.5-flash"),
        ("google_vertexai", "google", "gemini-2.5-flash"),
        ("mistralai", "mistral", "mistral-large-latest"),
        ("groq", "groq", "llama-3.1-8b-instant"),
        ("xai", "x-ai", "grok-4-0709"),
        ("openrouter", "openrouter", "openai/gpt-5"),
        ("fireworks", "fireworks", "accounts/fireworks/models/llama-v3p1-8b-instruct"),
    ],
)
def test_langchain_names_of_providers_find_the_same_price(langchain: str, listed: str, model: str) -> None:
    """LangChain's id of a provider leads to that provider's own price list."""
    assert _price(model, langchain) == _price(model, listed)


def test_googles_long_model_names_are_understood() -> None:
    """A model name with Google's ``models/`` in front has the price of the model."""
    assert _price("models/gemini-2.5-pro", "google_genai") == _price("gemini-2.5-pro", "google_genai")


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "no-such-model"),
        ("ollama", "llama3"),
        ("nowhere", "gpt-5"),
        ("openai", ""),
        ("openai", "text-embedding-3-small"),
        ("openrouter", "qwen3-30b-a3b:free"),
    ],
)
def test_what_the_list_does_not_price_is_unknown(provider: str, model: str) -> None:
    """No price is guessed: not for unknown names or providers, not where a rate is missing, and missing is not free."""
    assert GenaiPriceBook(at=AT).price(model=model, provider=provider) is None


@pytest.mark.parametrize(
    ("provider", "model", "why"),
    [
        ("perplexity", "sonar-pro", "requests_kcount"),
        ("perplexity", "sonar-deep-research", "output_citation_mtok"),
        ("openai", "gpt-5-search-api", "searches in every call"),
    ],
)
def test_models_billed_by_more_than_tokens_are_refused(provider: str, model: str, why: str) -> None:
    """A model whose calls cost more than their tokens is refused with the reason, never underpriced."""
    with pytest.raises(PriceUnknown, match=why):
        GenaiPriceBook(at=AT).price(model=model, provider=provider)


def test_reasoning_that_costs_more_than_output_prices_all_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where reasoning tokens have a rate of their own, output is priced at the dearer of the two."""
    prices = ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(2), output_reasoning_mtok=Decimal(5))
    model = ModelInfo(id="thinker", match=ClauseEquals("thinker"), prices=prices)
    provider = Provider(id="openai", name="x", api_pattern="x", models=[model])
    snapshot = DataSnapshot(providers=[provider], from_auto_update=False)
    monkeypatch.setattr("genai_prices.data_snapshot._custom_snapshot", snapshot)
    assert _price("thinker", "openai").rates.output == 5_000_000


def test_looking_up_prices_starts_no_thread() -> None:
    """The list is the bundled one: no thread is started that would fetch another."""
    before = threading.active_count()
    _price("gpt-5", "openai")
    assert threading.active_count() == before


def test_own_prices_win_by_arm_then_by_model_then_the_book() -> None:
    """An arm's own price beats its model's, which beats the book's."""
    by_arm, by_model = (Price(input_per_million=n, output_per_million=n) for n in (7, 8))
    own = OwnPrices({"small": by_arm, "gpt-5": by_model}, beside=GenaiPriceBook(at=AT))
    assert own.price_of_arm("small", model="gpt-5", provider="openai") == by_arm
    assert own.price_of_arm("large", model="gpt-5", provider="openai") == by_model
    assert own.price_of_arm("large", model="gpt-5-nano", provider="openai") == _price("gpt-5-nano", "openai")
    assert OwnPrices({}).price(model="gpt-5", provider="openai") is None
    assert own.unused(["small"]) == ("gpt-5",)
    assert isinstance(own, PriceBook)
    assert isinstance(GenaiPriceBook(), PriceBook)


def test_a_price_can_be_plain_data() -> None:
    """A mapping as a configuration file holds it is the same price, tiers included."""
    plain = {
        "input_per_million": "1.25",
        "output_per_million": 10,
        "cached_input_per_million": 0.125,
        "above": {200_000: {"input_per_million": 2.5, "output_per_million": 15}},
    }
    tier = Price(input_per_million=2.5, output_per_million=15)
    rates = {"input_per_million": 1.25, "output_per_million": 10, "cached_input_per_million": 0.125}
    assert as_price(plain, field="prices.x") == Price(**rates, above=[(200_000, tier)])
    pairs = [[200_000, tier]]
    assert as_price({**rates, "above": pairs}, field="prices.x") == Price(**rates, above=[(200_000, tier)])


@pytest.mark.parametrize(
    ("table", "field"),
    [
        (3, "prices.x"),
        ({"input_per_million": 1}, "prices.x.output_per_million"),
        ({"input_per_million": 1, "output_per_million": 1, "input": 3}, "prices.x.input"),
        ({"input_per_million": -1, "output_per_million": 1}, "prices.x.input_per_million"),
        ({"input_per_million": 1, "output_per_million": "much"}, "prices.x.output_per_million"),
        ({"input_per_million": 1, "output_per_million": 1, "above": 3}, "prices.x.above"),
        ({"input_per_million": 1, "output_per_million": 1, "above": [3]}, "prices.x.above"),
        ({"input_per_million": 1, "output_per_million": 1, "above": {-1: {}}}, "prices.x.above"),
        ({"input_per_million": 1, "output_per_million": 1, "above": {5: {}}}, "prices.x.above.5.input_per_million"),
    ],
)
def test_a_bad_table_is_refused_by_the_name_of_its_field(table: Any, field: str) -> None:
    """What is wrong in a price table is named by its dotted path, once."""
    with pytest.raises(ConfigError) as caught:
        OwnPrices({"x": table})
    assert caught.value.field == field
    assert str(caught.value).count("per_million: ") <= 1


def test_tables_must_be_a_mapping() -> None:
    """A list of prices has no names and is refused."""
    with pytest.raises(ConfigError, match="prices: must map"):
        OwnPrices([1])  # type: ignore[arg-type]
