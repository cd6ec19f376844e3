"""The pool: the arms a router may choose from, built from chat models or their names."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from langroute.caching import CacheRule, cache_rule
from langroute.errors import ConfigError, PriceUnknown
from langroute.money import Price
from langroute.pool_models import prepared_model
from langroute.pool_samples import sampled
from langroute.pool_traits import Traits, limited_model, output_limit_kwargs, traits
from langroute.prices import GenaiPriceBook, OwnPrices, PriceTable
from langroute.protocols import PriceBook
from langroute.records import Arm

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

TokenCounter = Callable[[Sequence[Any], Sequence[Mapping[str, Any]]], int]
"""Input tokens of a call, from its messages and the JSON schemas of its tools."""

# The call that arms are put in order by: a prompt of a page and a short answer.
_TYPICAL_INPUT, _TYPICAL_OUTPUT = 1000, 300


class ModelPool:
    """Named chat models with their prices, capabilities and order by price.

    Everything is checked here, so that a router never meets a model without a price or with retries of its own. The
    models given are not changed: the pool calls copies of them.

    Args:
        models: arm name -> chat model or ``"provider:model"``, or pairs of these. The order is kept.
        prices: arm name or model name -> price, where the book does not know it or you pay another one.
        price_book: where prices are looked up; the list bundled with `genai-prices` when left out.
        min_output_tokens: arm name -> the smallest output limit under which calling the arm is worth while.
        refused_options: arm name -> options of a call that the arm refuses beyond those langroute knows of, such as
            ``["temperature"]``; they are left out of its calls, and the log says so.
        token_counters: arm name -> a function of (messages, tool schemas) that gives the input tokens the arm will be
            billed, or more: its own tokenizer. Without one, holds rest on a byte bound, several times too high. The
            budget's promise rests on a counter never giving less than what is billed.
        cache_rules: arm name -> how its prompt cache behaves, where the provider's own rule does not hold.
        samples: arm name -> how often its model may be called for one answer, such as ``[1, 3]``: for each number above
            1 there is another arm beside it, named like ``small x3``.

    Raises:
        ConfigError: an entry is wrong; the message names it and says what to do.
        PriceUnknown: a model has no price, so no budget could be promised for it.

    >>> from langchain_core.language_models import FakeListChatModel
    >>> model = FakeListChatModel(responses=["yes"])
    >>> pool = ModelPool({"small": model}, prices={"small": Price(input_per_million=0.05, output_per_million=0.40)})
    >>> pool.arm("small").rank
    1.0
    """

    def __init__(
        self,
        models: "Mapping[str, BaseChatModel | str] | Iterable[tuple[str, BaseChatModel | str]]",
        *,
        prices: PriceTable | None = None,
        price_book: PriceBook | None = None,
        min_output_tokens: Mapping[str, int] | None = None,
        token_counters: Mapping[str, TokenCounter] | None = None,
        cache_rules: Mapping[str, CacheRule] | None = None,
        refused_options: Mapping[str, Sequence[str]] | None = None,
        samples: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        entries = _entries(models)
        floors = _floors(min_output_tokens or {}, entries)
        self._counters = _counters(token_counters or {}, entries)
        rules = _cache_rules(cache_rules or {}, entries)
        self._refused = _refused(refused_options or {}, entries)
        own = OwnPrices(prices or {}, beside=price_book if price_book is not None else GenaiPriceBook())
        self._book = own
        self._models = {name: prepared_model(entry, field=f"models.{name}") for name, entry in entries.items()}
        found = {name: traits(model) for name, model in self._models.items()}
        _refuse_unused(own, found)
        priced = {name: _price(name, about, own) for name, about in found.items()}
        self._order = tuple(sorted(priced, key=lambda name: _typical_cost(priced[name])))
        ranks = _ranks(self._order)
        self._arms = {
            name: _arm(
                name,
                about,
                price=priced[name],
                rank=ranks[name],
                floor=floors.get(name, 1),
                caching=rules.get(name) or cache_rule(model=about.model, provider=about.provider),
            )
            for name, about in found.items()
        }
        self._all = sampled(self._arms, samples or {})
        self._bases = {arm.name: arm.base or arm.name for arm in self._all.values()}

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms, in the order given, each followed by those that call its model several times."""
        return tuple(self._all.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The arms' names, in the order of `arms`."""
        return tuple(self._all)

    @property
    def cheapest(self) -> Arm:
        """The arm with the lowest price of a typical call; of equals the first."""
        return self._arms[self._order[0]]

    @property
    def dearest(self) -> Arm:
        """The arm with the highest price of a typical call; of equals the last."""
        return self._arms[self._order[-1]]

    @property
    def price_book(self) -> PriceBook:
        """Where prices were looked up, the user's own first; knows models beyond those of the pool."""
        return self._book

    def arm(self, name: str) -> Arm:
        """The arm of a name.

        Raises:
            ConfigError: the pool has no such arm.
        """
        return self._all[self._known(name)]

    def model(self, name: str) -> "BaseChatModel":
        """The prepared model of an arm: a copy of the user's, without retries of its own and with usage in streams.

        Raises:
            ConfigError: the pool has no such arm.
        """
        return self._models[self._bases[self._known(name)]]

    def token_counter(self, name: str) -> TokenCounter | None:
        """The tokenizer of an arm, if one was given."""
        return self._counters.get(self._bases.get(name, name))

    def refused_options(self, name: str) -> frozenset[str]:
        """Options of a call that an arm refuses, as far as the user said so."""
        return self._refused.get(self._bases.get(name, name), frozenset())

    def output_limit_kwargs(self, name: str, tokens: int) -> dict[str, Any]:
        """The keyword arguments of one call that limit this arm's output to a number of tokens.

        Raises:
            ConfigError: the pool has no such arm.
        """
        return output_limit_kwargs(self.model(name), tokens)

    def limited_model(self, name: str, tokens: int) -> "BaseChatModel":
        """The prepared model with an output limit built in, for calls that keyword arguments do not reach.

        LangChain drops the keyword arguments of a call to ``with_structured_output(..., include_raw=True)``; there the
        limit must be the model's own, or none is sent. Use it beside ``output_limit_kwargs``, not instead of it: a
        class without a field for the limit is returned as it is.

        Raises:
            ConfigError: the pool has no such arm.
        """
        return limited_model(self.model(name), tokens)

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, name: object) -> bool:
        return name in self._all

    def __repr__(self) -> str:
        return f"ModelPool({', '.join(f'{arm.name}={arm.provider}:{arm.model}' for arm in self.arms)})"

    def _known(self, name: str) -> str:
        if name not in self._all:
            raise ConfigError(f"there is no arm {name!r}; the pool has {', '.join(self._all)}", field="models")
        return name


def _entries(models: object) -> dict[str, object]:
    """The entries by name, each name checked against those before it."""
    if isinstance(models, str | bytes) or not isinstance(models, Iterable):
        raise ConfigError(f"must map names to chat models, not be {_shown(models)}", field="models")
    entries: dict[str, object] = {}
    folded: dict[str, str] = {}
    for pair in models.items() if isinstance(models, Mapping) else models:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ConfigError(
                f"must map names to chat models, or be pairs of both; {_shown(pair)} has no name", field="models"
            )
        name = _name(pair[0], entries, folded)
        entries[name] = pair[1]
    if not entries:
        raise ConfigError("is empty; a pool needs at least one model", field="models")
    return entries


def _name(name: object, entries: Mapping[str, object], folded: dict[str, str]) -> str:
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"an arm's name must be a string that is not empty, not {name!r}", field="models")
    if name in entries:
        raise ConfigError("two arms have this name; give each its own", field=f"models.{name}")
    other = folded.setdefault("".join(name.split()).casefold(), name)
    if other != name:
        raise ConfigError(
            f"differs from the arm {other!r} only by case or spaces; give them names one can tell apart",
            field=f"models.{name}",
        )
    return name


def _floors(given: object, entries: Mapping[str, object]) -> dict[str, int]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"must map arm names to tokens, not be {_shown(given)}", field="min_output_tokens")
    for name, tokens in given.items():
        field = _field_of_arm("min_output_tokens", name, entries)
        if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1:
            raise ConfigError(f"must be a whole number of tokens, at least 1, not {tokens!r}", field=field)
    return dict(given)


def _field_of_arm(setting: str, name: object, entries: Mapping[str, object]) -> str:
    """The field of a setting that is given by arm; the arm has to be there."""
    field = f"{setting}.{name}"
    if name not in entries:
        raise ConfigError(f"there is no such arm; the pool has {', '.join(entries)}", field=field)
    return field


def _counters(given: object, entries: Mapping[str, object]) -> dict[str, TokenCounter]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"must map arm names to functions, not be {_shown(given)}", field="token_counters")
    for name, counter in given.items():
        field = _field_of_arm("token_counters", name, entries)
        if not callable(counter):
            raise ConfigError(f"must be a function of (messages, tool schemas), not {_shown(counter)}", field=field)
    return dict(given)


def _cache_rules(given: object, entries: Mapping[str, object]) -> dict[str, CacheRule]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"must map arm names to cache rules, not be {_shown(given)}", field="cache_rules")
    for name, rule in given.items():
        field = _field_of_arm("cache_rules", name, entries)
        if not isinstance(rule, CacheRule):
            raise ConfigError(f"must be a CacheRule, not {_shown(rule)}", field=field)
    return dict(given)


def _refused(given: object, entries: Mapping[str, object]) -> dict[str, frozenset[str]]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"must map arm names to names of options, not be {_shown(given)}", field="refused_options")
    for name, options in given.items():
        field = _field_of_arm("refused_options", name, entries)
        listed = isinstance(options, Iterable) and not isinstance(options, str | bytes | Mapping)
        if not listed or not all(isinstance(option, str) for option in options):
            raise ConfigError(f"must be a list of names of options, not {_shown(options)}", field=field)
    return {name: frozenset(options) for name, options in given.items()}


def _refuse_unused(own: OwnPrices, found: Mapping[str, Traits]) -> None:
    unused = own.unused([*found, *(about.model for about in found.values())])
    if unused:
        known = ", ".join(f"{name} ({about.model})" for name, about in found.items())
        raise ConfigError(f"names no arm and no model of the pool; it has {known}", field=f"prices.{unused[0]}")


def _price(name: str, about: Traits, own: OwnPrices) -> Price:
    way_out = f"Give one: prices={{{name!r}: Price(input_per_million=..., output_per_million=...)}}"
    shown = f"{about.provider or 'unknown provider'}:{about.model}"
    if about.special_terms and not own.owns(name, model=about.model):
        raise PriceUnknown(
            f"{shown} with {about.special_terms} is billed at other rates than those listed. {way_out}",
            field=f"models.{name}",
        )
    try:
        price = own.price_of_arm(name, model=about.model, provider=about.provider or None)
    except PriceUnknown as exc:
        raise PriceUnknown(f"no price for {shown}: {exc} {way_out}", field=f"models.{name}") from exc
    if price is None:
        raise PriceUnknown(f"no price is known for {shown}. {way_out}", field=f"models.{name}")
    return price.asked(about.service_tier)


def _typical_cost(price: Price) -> int:
    return price.cost(input_tokens=_TYPICAL_INPUT, output_tokens=_TYPICAL_OUTPUT)


def _ranks(order: tuple[str, ...]) -> dict[str, float]:
    """Evenly spaced from 0.0 for the cheapest to 1.0 for the dearest; an arm alone is the dearest."""
    if len(order) == 1:
        return {order[0]: 1.0}
    return {name: place / (len(order) - 1) for place, name in enumerate(order)}


def _arm(name: str, about: Traits, *, price: Price, rank: float, floor: int, caching: CacheRule) -> Arm:
    return Arm(
        name=name,
        model=about.model,
        provider=about.provider,
        price=price,
        context_window=about.context_window,
        calls_tools=about.calls_tools,
        structured_output=about.structured_output,
        min_output_tokens=max(floor, about.min_output_tokens),
        max_output_tokens=about.max_output_tokens,
        rank=rank,
        modalities=about.modalities,
        caching=caching,
    )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
