"""What recorded calls cost, from a price book: for tables of programs that counted tokens and no dollars."""

import math
from dataclasses import dataclass, field

from langroute.errors import PriceUnknown
from langroute.money import NANO_PER_DOLLAR, Price
from langroute.protocols import PriceBook
from langroute.records import Usage


@dataclass(slots=True)
class CallPrices:
    """A price book that is asked once for each model.

    Attributes:
        book: where prices come from; None prices nothing.
        known: what it said, by model and provider.
    """

    book: PriceBook | None = None
    known: dict[tuple[str, str], Price | None] = field(default_factory=dict)

    def dollars(self, model: str, provider: str, usage: Usage | None) -> float:
        """What the tokens cost; NaN where tokens or price are not known."""
        if usage is None or self.book is None:
            return math.nan
        key = (model, provider)
        if key not in self.known:
            try:
                self.known[key] = self.book.price(model=model, provider=provider or None)
            except PriceUnknown:
                self.known[key] = None
        price = self.known[key]
        return math.nan if price is None else usage.cost_nano(price) / NANO_PER_DOLLAR
