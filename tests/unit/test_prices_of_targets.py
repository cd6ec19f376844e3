"""PriceTable: the price of a dollar for what is wanted is one that was tried and reached it, or a clear refusal."""

import json
from typing import Any

import pytest

from langroute.errors import ArtifactInvalid, ConfigError
from langroute.parts import Parts
from langroute.prices_of_targets import PricePoint, PriceTable
from langroute.target import Target

TABLE = PriceTable(
    [
        PricePoint(price_of_dollar=50.0, dollars=0.001, quality=0.80, low=0.75),
        PricePoint(price_of_dollar=0.0, dollars=0.010, quality=1.00, low=0.97, certified=True),
        PricePoint(price_of_dollar=5.0, dollars=0.004, quality=0.98, low=0.95, certified=True),
    ],
    reference="always-large",
    basis="replayed",
)


def test_the_cheapest_price_that_reached_a_quality() -> None:
    """A quality target takes the cheapest point that reached it, and says what that was and how sure it is."""
    price, why = TABLE.price(Target(quality=0.97))
    assert price == 5.0
    assert why == "for quality 0.97: 98.0% of always-large for $0.004 on calibration data, replayed, certified"
    assert TABLE.price(Target(quality=0.99))[0] == 0.0


def test_the_best_price_within_dollars() -> None:
    """A target of dollars takes the best point that kept within them."""
    assert TABLE.price(Target(dollars_per_episode=0.005))[0] == 5.0
    assert TABLE.price(Target(dollars_per_episode=0.5))[0] == 0.0
    assert TABLE.price(Target(price_of_a_dollar=7.0)) == (7.0, "as set")


@pytest.mark.parametrize(
    ("target", "field", "best"),
    [
        (Target(quality=1.05), "target.quality", "1.000 for $0.01"),
        (Target(dollars_per_episode=0.0001), "target.dollars_per_episode", "$0.001, at 0.800"),
        (Target(), "target", "give quality"),
    ],
)
def test_what_was_not_reached_is_refused_with_the_best_that_was(target: Target, field: str, best: str) -> None:
    """A target beyond the table is refused by its field, with the best that was reached."""
    with pytest.raises(ConfigError) as caught:
        TABLE.price(target)
    assert caught.value.field == field
    assert best in str(caught.value)


def test_a_table_survives_being_stored() -> None:
    """Through JSON and back a table says the same of every target."""
    again = PriceTable.from_parts(Parts(settings=json.loads(json.dumps(dict(TABLE.parts().settings)))))
    assert again.points == TABLE.points
    assert again.price(Target(quality=0.97)) == TABLE.price(Target(quality=0.97))


@pytest.mark.parametrize("change", [{"points": []}, {"points": [{"price": 1}]}, {"basis": "guessed"}, {"points": None}])
def test_a_damaged_table_is_refused(change: dict[str, Any]) -> None:
    """No points, unknown fields or an unknown basis are named as a damage of the artifact."""
    with pytest.raises(ArtifactInvalid, match="targets"):
        PriceTable.from_parts(Parts(settings={**TABLE.parts().settings, **change}))
