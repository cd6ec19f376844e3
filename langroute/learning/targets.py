"""Finds what a dollar must buy for a target: tries prices of a dollar on calibration data, and certifies what it can.

The rule is ``argmax U - lambda C``; lambda, the price of a dollar, is success given up per dollar saved. CARROT
(2502.03261) writes the same rule as ``argmax (1 - mu) q - mu c``: see `price_of_mu`. Which lambda meets a target
depends on how well the estimator tells arms apart, so it is found on outcomes that the estimator was not fitted on.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from langroute.acceptance.conformal import LambdaCertificate, certify_lambda
from langroute.errors import ConfigError, OutcomesInvalid
from langroute.estimators.rows import Expected
from langroute.learning.grid import OutcomeGrid
from langroute.learning.sweep import choices_at, moves
from langroute.money import NANO_PER_DOLLAR
from langroute.prices_of_targets import PricePoint, PriceTable

MOST_PRICES = 40
"""Prices that are tried: spread evenly over the changes of arm that any price brings about."""

_RESAMPLES = 500

Floats = NDArray[np.float64]


def price_of_mu(mu: float, *, dollars: float = 1.0) -> float:
    """The price of a dollar that decides as CARROT's mu does: ``mu / (1 - mu)`` for each ``dollars`` of its cost.

    Args:
        mu: weight of the cost, in [0, 1).
        dollars: what one unit of CARROT's cost is; its costs are often scaled.

    Raises:
        ConfigError: mu is outside [0, 1), or dollars not positive.
    """
    if not 0 <= mu < 1 or not dollars > 0:
        raise ConfigError(f"mu must be in [0, 1) and dollars positive, not {mu} and {dollars}", field="mu")
    return mu / (1 - mu) / dollars


def mu_of_price(price: float, *, dollars: float = 1.0) -> float:
    """CARROT's mu of a price of a dollar; undoes `price_of_mu`.

    Raises:
        ConfigError: the price is negative, or dollars not positive.
    """
    if not price >= 0 or not dollars > 0:
        raise ConfigError(f"must not be negative, and dollars positive: {price}, {dollars}", field="price")
    return price * dollars / (1 + price * dollars)


def tried_prices(success: Floats, cost_nano: Floats, *, most: int = MOST_PRICES) -> Floats:
    """Prices of a dollar worth trying, rising from 0, by what is expected (n, k): between them little changes.

    No outcome is looked at, so a certificate may be computed for them.
    """
    changes = np.unique(moves(success, cost_nano / NANO_PER_DOLLAR).price)
    if len(changes) > most:
        changes = np.unique(np.quantile(changes, np.linspace(0, 1, most)))
    beyond = changes[-1:] * (1 + 1e-6)
    return np.concatenate([[0.0], changes[changes > 0] * (1 + 1e-12), beyond[beyond > 0]])


def replayed_prices(
    grid: OutcomeGrid,
    success: Floats,
    cost_nano: Floats,
    *,
    reference: str,
    prices: Sequence[float] | Floats | None = None,
    epsilon: float = 0.03,
    delta: float = 0.1,
    seed: int = 0,
) -> PriceTable:
    """The table where every arm was tried on every task: what each price would have come to is known.

    Args:
        grid: calibration outcomes, of tasks that the estimator was not fitted on (or out of fold).
        success: (n, k) expected, in the order of the grid's tasks and arms.
        cost_nano: (n, k) expected.
        reference: the arm whose mean success quality is a share of.
        prices: what to try; by default `tried_prices`.
        epsilon: the loss of success against the reference that a certificate allows (Learn-then-Test over tasks).
        delta: the probability that it is wrong.
        seed: of the intervals.

    Raises:
        OutcomesInvalid: the estimates do not fit the grid, or the reference never succeeds.
    """
    if success.shape != grid.success.shape or cost_nano.shape != grid.success.shape:
        message = f"must be {grid.success.shape}, not {success.shape} and {cost_nano.shape}"
        raise OutcomesInvalid(message, field="estimates")
    strong = grid.success[:, grid.column(reference)]
    if not strong.mean() > 0:
        raise OutcomesInvalid(f"{reference} never succeeds, so no quality is a share of it", field="reference")
    tried = np.unique(np.asarray(tried_prices(success, cost_nano) if prices is None else prices, dtype=np.float64))
    rows = np.arange(len(grid))
    chosen = [choices_at(success, cost_nano / NANO_PER_DOLLAR, price) for price in tried.tolist()]
    reached = np.stack([grid.success[rows, arms] for arms in chosen], axis=1)
    spent = np.array([grid.cost[rows, arms].mean() for arms in chosen]) / NANO_PER_DOLLAR
    certificate = certify_lambda(tried, reached, strong, epsilon=epsilon, delta=delta)
    lows = _lows(reached, strong, seed)
    points = [
        PricePoint(
            price_of_dollar=float(price),
            dollars=float(spent[at]),
            quality=float(reached[:, at].mean() / strong.mean()),
            low=float(lows[at]),
            certified=certificate.lambda_ is not None and bool(price <= certificate.lambda_),
        )
        for at, price in enumerate(tried)
    ]
    return PriceTable(points, reference=reference, basis="replayed", certificate=_told(certificate))


def expected_prices(
    expected: Expected, episodes: NDArray[np.str_], *, arms: Sequence[str], reference: str
) -> PriceTable:
    """The table where each step was made by one arm only: what a price would come to is what the estimator expects.

    Model-based: nothing but the estimator says how the arms that were not taken would have done, so errors of the
    estimator are errors of the table, and nothing is certified. That one arm's choice does not change the steps that
    follow is assumed. An episode is expected to lose, against the reference, what is lost at each of its steps, all
    added up: steps compound, and what is learned of one is mostly the success of its whole episode. Gains are not
    counted, for the best of several uncertain expectations promises more than it keeps; so no quality is above 1.

    Args:
        expected: of n steps and the arms, out of fold.
        episodes: (n,) the episode of each step; dollars are sums over an episode's steps.
        arms: the k arms.
        reference: the arm whose expected success quality is a share of.

    Raises:
        OutcomesInvalid: the reference is no arm, is expected never to succeed, or costs are unknown.
    """
    if reference not in arms:
        raise OutcomesInvalid(f"is {reference!r}, not one of {', '.join(arms)}", field="reference")
    if np.isnan(expected.cost_nano).any():
        raise OutcomesInvalid("is unknown, so no price of a dollar can be found", field="cost_nano")
    strong = float(expected.success[:, list(arms).index(reference)].mean())
    if not strong > 0:
        raise OutcomesInvalid(f"{reference} is expected never to succeed", field="reference")
    rows, count = np.arange(len(episodes)), len(np.unique(episodes))
    against = expected.success[:, list(arms).index(reference)]
    points = []
    for price in tried_prices(expected.success, expected.cost_nano).tolist():
        chosen = choices_at(expected.success, expected.cost_nano / NANO_PER_DOLLAR, price)
        lost = float(np.maximum(0.0, against - expected.success[rows, chosen]).sum()) / count
        quality = max(0.0, 1.0 - lost / strong)
        spent = float(expected.cost_nano[rows, chosen].sum()) / count / NANO_PER_DOLLAR
        points.append(PricePoint(price_of_dollar=price, dollars=spent, quality=quality, low=0.0))
    why = "nothing is certified: only one arm was tried at each step, so its loss against another cannot be tested"
    return PriceTable(points, reference=reference, basis="model-based", certificate=why)


def steady_price(table: PriceTable, quality: float) -> PricePoint:
    """The highest price up to which every price that was tried reached a quality.

    `PriceTable.price` takes the cheapest point that reached it, also where points before it did not: the luckiest of
    many. This one asks that the way to it held too, so it promises less and keeps it more often.

    Raises:
        ConfigError: not even the lowest price reached it; says what it reached.
    """
    best: PricePoint | None = None
    for point in table.points:
        if point.quality < quality:
            break
        best = point
    if best is None:
        first = table.points[0]
        raise ConfigError(
            f"{quality:g} of {table.reference} was not reached on the calibration data: {first.quality:.3f} at the "
            "lowest price of a dollar",
            field="target.quality",
        )
    return best


def _lows(reached: Floats, strong: Floats, seed: int) -> Floats:
    """(m,) lower ends of the 95% intervals of the ratio of means, by a paired bootstrap over n tasks."""
    random = np.random.default_rng(seed)
    size = len(strong)
    ratios = np.empty((_RESAMPLES, reached.shape[1]))
    for at in range(_RESAMPLES):
        count = np.bincount(random.integers(size, size=size), minlength=size).astype(np.float64)
        ratios[at] = (count @ reached) / max(float(count @ strong), 1e-12)
    found: Floats = np.quantile(ratios, 0.025, axis=0)
    return found


def _told(certificate: LambdaCertificate) -> str:
    if certificate.certified:
        return certificate.told()
    return f"nothing certified: stays strong where a certificate is wanted. {certificate.told()}"
