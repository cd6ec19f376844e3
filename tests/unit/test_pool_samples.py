"""Pools with arms that call a model several times."""

import pytest
from fakes import a_step
from langchain_core.language_models import FakeListChatModel

from langroute.defaults import policy
from langroute.errors import ConfigError
from langroute.estimators.prior import PriorEstimator
from langroute.money import Price
from langroute.pool import ModelPool

PRICES = {
    "small": Price(input_per_million=0.05, output_per_million=0.40),
    "large": Price(input_per_million=1.25, output_per_million=10.0),
}


def a_pool(**options: object) -> ModelPool:
    """Two models of the same kind under other names."""
    models = {name: FakeListChatModel(responses=["yes"]) for name in PRICES}
    return ModelPool(models, prices=PRICES, **options)  # type: ignore[arg-type]


def test_an_arm_with_samples_is_its_base_called_more_often() -> None:
    """The same model, price, rank and capabilities; a cost and a worst case that many times as large."""
    pool = a_pool(samples={"small": (1, 3)})
    one, three = pool.arm("small"), pool.arm("small x3")
    assert pool.names == ("small", "small x3", "large")
    assert (three.samples, three.base, three.rank, three.price) == (3, "small", one.rank, one.price)
    assert pool.model("small x3") is pool.model("small")
    assert pool.output_limit_kwargs("small x3", 9) == pool.output_limit_kwargs("small", 9)
    assert (len(pool), "small x3" in pool, pool.cheapest.name, pool.dearest.name) == (3, True, "small", "large")
    tokens = {"input_tokens": 1000, "output_tokens": 10}
    assert three.cost(**tokens) == 3 * one.cost(**tokens)
    assert three.worst_cost(**tokens) == 3 * one.worst_cost(**tokens)
    limit = three.affordable_output(nano=1_000_000, input_tokens=1000)
    assert three.worst_cost(input_tokens=1000, output_tokens=limit) <= 1_000_000
    assert three.worst_cost(input_tokens=1000, output_tokens=limit + 1) > 1_000_000


@pytest.mark.parametrize(
    "samples", [{"odd": (3,)}, {"small": (0,)}, {"small": "3"}, {"small": 3}, {"small": (True,)}, 3]
)
def test_what_are_no_samples_is_refused(samples: object) -> None:
    """The error names the field."""
    with pytest.raises(ConfigError, match="samples"):
        a_pool(samples=samples)


def test_a_name_that_is_taken_is_refused() -> None:
    """A model that already has the name of an arm with samples cannot be told from it."""
    models = {"small": FakeListChatModel(responses=["a"]), "small x3": FakeListChatModel(responses=["a"])}
    prices = dict.fromkeys(models, PRICES["small"])
    with pytest.raises(ConfigError, match="already"):
        ModelPool(models, prices=prices, samples={"small": (3,)})


def test_the_prior_believes_little_in_samples_and_counts_all_of_them() -> None:
    """Three calls cost three times as much and are believed to mend a tenth of the errors."""
    pool = a_pool(samples={"small": (3,)})
    step = a_step()
    one, three, _ = PriorEstimator().estimate(step, pool.arms)
    assert three.cost_nano == 3 * one.cost_nano
    assert three.success == pytest.approx(one.success + 0.1 * (1 - one.success), abs=1e-6)


def test_fixed_policies_take_the_single_call() -> None:
    """`always-small` and `always-large` mean one call of the model at that end."""
    pool = a_pool(samples={"small": (3,), "large": (3,)})
    for name, wanted in (("always-small", "small"), ("always-large", "large"), ("always:small x3", "small x3")):
        assert policy(name, pool.arms)._order[0] == wanted  # type: ignore[attr-defined]
