"""The lab's three models: their sizes, and their prices by a stated formula."""

from dataclasses import dataclass

from langroute.lab.vocabulary import WORDS

MODEL_NAMES = ("lab-small", "lab-medium", "lab-large")
CONTEXT_WINDOW = 192
"""Tokens of prompt and reply together."""

ROTARY_BASE = 50.0
NEIGHBOURS = 6
"""How many tokens before it each token carries along."""

PRICE_EXPONENT = 1.8
DOLLARS_AT_100K = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The size of a decoder: width, layers, attention heads, and the width of the feed-forward layers."""

    width: int
    layers: int
    heads: int
    hidden: int

    @property
    def parameters(self) -> int:
        """Trained numbers: embeddings (the output shares them), neighbours, and the layers with their norms."""
        layer = 4 * self.width**2 + 2 * self.width * self.hidden + 2 * self.width
        return (len(WORDS) + NEIGHBOURS * self.width) * self.width + self.layers * layer + self.width


SHAPES: dict[str, Shape] = {
    "lab-small": Shape(width=32, layers=2, heads=2, hidden=96),
    "lab-medium": Shape(width=44, layers=2, heads=2, hidden=132),
    "lab-large": Shape(width=64, layers=3, heads=4, hidden=256),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Dollars per million tokens."""

    input_per_million: float
    output_per_million: float
    cached_input_per_million: float


def rates_of(parameters: int) -> Rates:
    """Return the prices of a model of so many parameters.

    Input costs `3 * (parameters / 100,000) ** 1.8` dollars per million tokens, rounded to whole tenths of a cent;
    output costs four times and cached input a quarter of that.
    """
    price = round(DOLLARS_AT_100K * (parameters / 100_000) ** PRICE_EXPONENT * 250) / 250
    return Rates(
        input_per_million=price,
        output_per_million=round(4 * price, 6),
        cached_input_per_million=round(price / 4, 6),
    )
