"""ChainPolicy: arms one after another until an answer is accepted, in an order learned for the task or its group."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from langroute.errors import ArtifactInvalid
from langroute.money import float_dollars
from langroute.parts import Parts
from langroute.policies.frontier import FrontierPolicy, Scored, compose, worthwhile
from langroute.quick import changed
from langroute.records import Estimate, RoutingDecision, Ruling, Step

Menu = tuple[tuple[float, tuple[str, ...]], ...]
"""Orders of arms by the price of a dollar from which each holds, the lowest price first."""

EVERYTHING = ""
"""The key of the menu for tasks of which nothing is known."""


class ChainPolicy:
    """The first arm of the step's order that is permitted and not yet rejected; stops where the order ends.

    The order is looked up by ``Features.hint`` (a task that recurs), then by ``Features.domain`` (its group), then in
    the menu of everything; and in it by the price of a dollar, so a tighter budget gets a shorter and cheaper order.
    The rule that accepts is not here: where it rejects an answer the flow goes round again, and this is asked for the
    next arm. Where the order ends after rejections, the step stops and the last answer is passed on.

    Where no arm of the order can be called and no answer was given yet, as when its providers are down, the choice is
    left to `FrontierPolicy`. An arm that is not worth its price (``actions.value_of_success``) is passed over.

    Args:
        menus: orders by key; must have one for `EVERYTHING`.

    Raises:
        ArtifactInvalid: a menu is empty, is not sorted by price, or names an arm twice in one order.
    """

    name = "chain"
    version = "1"

    def __init__(self, menus: Mapping[str, Menu]) -> None:
        if EVERYTHING not in menus:
            raise ArtifactInvalid("chain: there is no menu for '', which serves tasks of which nothing is known")
        self._menus = {key: _checked(key, menu) for key, menu in menus.items()}

    def order(self, *, price: float, hint: str = "", domain: str = "") -> tuple[str, ...]:
        """The arms to try, at a price of a dollar, for a task or a group; empty where nothing is worth its price."""
        key = next((key for key in (hint, domain) if key and key in self._menus), EVERYTHING)
        menu = self._menus[key]
        return menu[max(0, bisect_right([from_price for from_price, _ in menu], price) - 1)][1]

    def choose(self, step: Step, estimates: Sequence[Estimate], ruling: Ruling) -> RoutingDecision:
        """The decision over one estimate and one permit per arm, both in pool order."""
        price, told = ruling.price_of_dollar, step.features
        order = self.order(price=price, hint=told.hint, domain=told.domain)
        scored: list[Scored] = [
            (round(estimate.success - price * float_dollars(estimate.cost_nano), 9), estimate, permit)
            for estimate, permit in zip(estimates, ruling.permits, strict=True)
        ]
        out = {rejection.arm for rejection in step.rejected}
        open_ = {entry[1].arm: entry for entry in scored if entry[2].allowed and entry[1].arm not in out}
        best = next((open_[arm] for arm in order if arm in open_ and worthwhile(open_[arm][1], ruling)), None)
        because = f"the order at this price is {' > '.join(order)}"
        if best is None and not any(rejection.why == "answer" for rejection in step.rejected):
            best = open_.get(FrontierPolicy().choose(step, estimates, ruling).arm or "")
            because = "no arm of its order can be called, so success and cost decide"
        return compose(self, step, ruling, _told(scored, best, ruling), best, because=because)

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        return Parts(settings={"menus": {key: [[p, list(arms)] for p, arms in m] for key, m in self._menus.items()}})

    @classmethod
    def from_parts(cls, parts: Parts) -> "ChainPolicy":
        """The same policy again.

        Raises:
            ArtifactInvalid: the menus are missing or are no menus.
        """
        try:
            menus = {str(key): _menu(entries) for key, entries in parts.settings["menus"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise ArtifactInvalid(f"chain: menus: {exc!r}; train the policy again") from exc
        return cls(menus)


def _told(scored: Sequence[Scored], best: Scored | None, ruling: Ruling) -> Sequence[Scored]:
    """The entries, with a reason against every permitted arm that is worth its price, where the order has ended."""
    if best is not None:
        return scored
    return [
        (worth, estimate, changed(permit, why_not=permit.why_not or _ENDED))
        if worthwhile(estimate, ruling)
        else (worth, estimate, permit)
        for worth, estimate, permit in scored
    ]


_ENDED = "the order of this task has ended"


def _menu(entries: Any) -> Menu:
    return tuple((float(price), tuple(str(arm) for arm in arms)) for price, arms in entries)


def _checked(key: str, menu: Menu) -> Menu:
    prices = [price for price, _ in menu]
    if not menu or prices != sorted(set(prices)):
        raise ArtifactInvalid(f"chain: the menu of {key!r} must have rising prices, not {prices}")
    for price, arms in menu:
        if len(set(arms)) != len(arms):
            raise ArtifactInvalid(f"chain: the menu of {key!r} names an arm twice at {price}: {', '.join(arms)}")
    return tuple((float(price), tuple(arms)) for price, arms in menu)
