"""BudgetGovernor: what a dollar is worth right now, which arms may be called, and what else is to be done."""

import math
from collections.abc import Sequence

from langroute.actions import Actions
from langroute.errors import ConfigError
from langroute.money import NANO_PER_DOLLAR, float_dollars, format_dollars, limit_nano
from langroute.permits import permits
from langroute.records import Arm, Estimate, Ruling, Step

_MOST_SQUEEZE = 4.0


class BudgetGovernor:
    """The price of a dollar from the pool's own prices and the state of the budget; the mask from what still fits.

    The price of a dollar (lambda) is scale-free: ``thrift`` is the success probability one is willing to give up to use
    the cheapest arm instead of the dearest for this step, so ``lambda = thrift / (C_dearest - C_cheapest)``. Where
    prompt caches are warm that difference is the smaller of the one they leave and the one without them: what a cache
    saves is not spent on a dearer arm, and what leaving it costs weighs against going. Once less
    than half of a limited budget is left, lambda rises in inverse proportion to what is left; where a number of
    calls is planned, it rises by how far the share spent is ahead of the share of calls made. At most fourfold. These
    scales are langroute's own rule, not taken from a paper. A price of a dollar that is given, because it was found on
    calibration data or set by the user, stands in place of ``thrift``; scarcity raises it all the same.

    The mask is hard: see ``permits``. Beside both, the ruling says whether this has to be the last call of its episode,
    whether its prompt should be made shorter first, and from which price on a person is asked.

    Args:
        thrift: success probability given up per full step down the price ladder, in [0, 1]; 0 ignores cost.
        actions: what may be done beside choosing an arm.
        price_of_dollar: success probability given up per dollar saved, in place of ``thrift``.
        priced_because: where that price comes from, for the log.
    """

    name = "budget"
    version = "2"

    def __init__(
        self,
        *,
        thrift: float = 0.12,
        actions: Actions | None = None,
        price_of_dollar: float | None = None,
        priced_because: str = "",
    ) -> None:
        if not 0 <= thrift <= 1:
            raise ConfigError(f"must be between 0 (cost does not matter) and 1, got {thrift}", field="thrift")
        if price_of_dollar is not None and not 0 <= price_of_dollar < math.inf:
            raise ConfigError(f"must be a number from 0 on, got {price_of_dollar}", field="price_of_a_dollar")
        self.thrift = thrift
        self.price_of_dollar = price_of_dollar
        self._because = priced_because
        self.actions = Actions() if actions is None else actions
        asked = self.actions.ask_above_dollars
        self._ask_nano = None if asked is None else limit_nano(asked, field="actions.ask_above_dollars")

    def rule(self, step: Step, arms: Sequence[Arm], estimates: Sequence[Estimate]) -> Ruling:
        """The price of a dollar now, one permit per arm in the order of ``arms``, and what else is to be done."""
        costs = [estimate.cost_nano for estimate in estimates]
        spread = _spread(costs)
        if step.caches:
            spread = min(spread, _spread(_full_costs(step, arms, estimates)))
        squeeze, why = _squeeze(step, self.actions.planned_calls) if self.actions.downgrade else (1.0, "")
        actions = self.actions
        granted = permits(
            step, arms, lower_output=actions.lower_output, least_output_tokens=actions.least_output_tokens
        )
        calm = self._price(spread, 1.0)
        worth = self.actions.value_of_success
        return Ruling(
            price_of_dollar=calm if squeeze == 1 else self._price(spread, squeeze),
            permits=granted,
            reason=self._reason(spread, squeeze, why),
            calm_price=calm,
            stop_price=None if worth is None else 1.0 / worth,
            compress=self._compress(step, costs),
            ask_nano=self._ask_nano,
            reservation_nano=step.budget.limit_nano if step.alone else None,
        )

    def _price(self, spread: int, squeeze: float) -> float:
        # Significant digits, not decimals: prices in any currency or scale must lead to the same choice.
        if self.price_of_dollar is not None:
            return float(f"{self.price_of_dollar * squeeze:.9g}")
        return float(f"{self.thrift * squeeze / float_dollars(spread):.9g}") if spread else 0.0

    def _reason(self, spread: int, squeeze: float, why: str) -> str:
        if self.price_of_dollar is not None:
            reason = _worth(self.price_of_dollar * squeeze) + (f" ({self._because})" if self._because else "")
        elif not spread:
            reason = "all arms cost the same here"
        else:
            reason = f"{self.thrift * squeeze:.3g} more success may cost at most {format_dollars(spread)} here"
        if squeeze == 1:
            return reason
        return f"{reason}, a dollar being {squeeze:.1f} times as dear as usual because {why}"

    def _compress(self, step: Step, costs: Sequence[int]) -> str:
        """Why the prompt should be made shorter before the call; empty when it should not."""
        at, share = self.actions.compress_at, self.actions.compress_cost_share
        if at is not None and step.pressure.context_share >= at:
            return f"the prompt fills {step.pressure.context_share:.0%} of the largest window"
        left, cheapest = step.budget.available_nano, min(costs, default=0)
        if share is not None and left and step.call_index and cheapest > share * left:
            return f"even by the cheapest arm the call is expected to cost {cheapest / left:.0%} of what is left"
        return ""


def _worth(price: float) -> str:
    """What a price of a dollar means: what one more success may cost."""
    return f"one more success may cost {format_dollars(round(NANO_PER_DOLLAR / price))}" if price else "cost is ignored"


def _spread(costs: Sequence[int]) -> int:
    return max(costs, default=0) - min(costs, default=0)


def _full_costs(step: Step, arms: Sequence[Arm], estimates: Sequence[Estimate]) -> list[int]:
    """What the arms would cost without any cache."""
    return [
        arm.cost(input_tokens=step.input_tokens, output_tokens=estimate.output_tokens)
        for arm, estimate in zip(arms, estimates, strict=True)
    ]


def _squeeze(step: Step, planned_calls: int | None) -> tuple[float, str]:
    """How many times dearer than usual a dollar is, from 1 to 4, and why."""
    low, ahead = scarcity(step), pace(step, planned_calls)
    return (ahead, "money is spent faster than planned") if ahead > low else (low, "the budget runs low")


def scarcity(step: Step) -> float:
    """How many times dearer than usual a dollar is: 1 while half of what this step may spend is left, up to 4."""
    view = step.budget
    if not view.limit_nano or view.available_nano is None:
        return 1.0
    # Money kept for other purposes was never this step's to spend: what is left is a share of the rest.
    share = view.available_nano / max(1, view.available_nano + view.spent_nano + view.held_nano)
    return round(min(_MOST_SQUEEZE, max(1.0, 0.5 / share)) if share > 0 else _MOST_SQUEEZE, 6)


def pace(step: Step, planned_calls: int | None) -> float:
    """How far the share of money spent is ahead of the share of planned calls, this one included: from 1 to 4."""
    view = step.budget
    if not view.limit_nano or not planned_calls or view.available_nano is None:
        return 1.0
    spendable = view.available_nano + view.spent_nano + view.held_nano
    spent = (view.spent_nano + view.held_nano) / max(1, spendable)
    planned = min(1.0, (step.call_index + 1) / planned_calls)
    return round(min(_MOST_SQUEEZE, max(1.0, spent / planned)), 6)
