"""BudgetGovernor: what a dollar is worth right now, and which arms may be called."""

from collections.abc import Sequence

from langroute.books import Resource
from langroute.errors import ConfigError
from langroute.money import dollars, format_dollars
from langroute.records import Arm, Estimate, Permit, Ruling, Step


class BudgetGovernor:
    """The price of a dollar from the pool's own prices and the state of the budget; the mask from what still fits.

    The price of a dollar (lambda) is scale-free: ``thrift`` is the success probability one is willing to give up to use
    the cheapest arm instead of the dearest for this step, so ``lambda = thrift / (C_dearest - C_cheapest)``. Once less
    than half of a limited budget is left, lambda rises in inverse proportion to what is left, up to fourfold. This
    scale is langroute's own rule, not taken from a paper.

    The mask is hard: an arm is permitted only with an output limit whose worst case fits into what is left, so a
    permitted call can never settle above the budget.

    Args:
        thrift: success probability given up per full step down the price ladder, in [0, 1]; 0 ignores cost.
    """

    name = "budget"
    version = "1"

    def __init__(self, *, thrift: float = 0.12) -> None:
        if not 0 <= thrift <= 1:
            raise ConfigError(f"must be between 0 (cost does not matter) and 1, got {thrift}", field="thrift")
        self.thrift = thrift

    def rule(self, step: Step, arms: Sequence[Arm], estimates: Sequence[Estimate]) -> Ruling:
        """The price of a dollar now, and one permit per arm in the order of ``arms``."""
        costs = [estimate.cost_nano for estimate in estimates]
        spread = max(costs, default=0) - min(costs, default=0)
        squeeze = scarcity(step)
        # Significant digits, not decimals: prices in any currency or scale must lead to the same choice.
        price = float(f"{self.thrift * squeeze / float(dollars(spread)):.9g}") if spread else 0.0
        reason = f"{self.thrift * squeeze:.3g} more success may cost at most {format_dollars(spread)} here"
        if not spread:
            reason = "all arms cost the same here"
        if squeeze > 1:
            reason += f", {squeeze:.1f} times the usual share because the budget runs low"
        return Ruling(price_of_dollar=price, permits=tuple(permit(step, arm) for arm in arms), reason=reason)


def scarcity(step: Step) -> float:
    """How many times dearer than usual a dollar is: 1 while half of what this step may spend is left, up to 4."""
    view = step.budget
    if not view.limit_nano or view.available_nano is None:
        return 1.0
    # Money kept for other purposes was never this step's to spend: what is left is a share of the rest.
    share = view.available_nano / max(1, view.available_nano + view.spent_nano + view.held_nano)
    return round(min(4.0, max(1.0, 0.5 / share)) if share > 0 else 4.0, 6)


def permit(step: Step, arm: Arm) -> Permit:
    """Whether an arm may be called now, and with which output limit."""
    if reason := _incapable(step, arm):
        return Permit(arm=arm.name, why_not=reason)
    most = _too_short(step, arm)
    if most is not None:
        why = f"is not worth calling for less than {arm.min_output_tokens} output tokens, and {most} may be asked for"
        return Permit(arm=arm.name, input_bound=step.bound_for(arm), why_not=why)
    if short := _short_of_anything_but_dollars(step, arm):
        wanted = arm.min_output_tokens
        return Permit(
            arm=arm.name, output_limit=wanted, input_bound=step.bound_for(arm), why_not=short[1], short_of=short[0]
        )
    limit = _output_limit(step, arm)
    bound = step.bound_for(arm)
    if limit < arm.min_output_tokens:
        needed = arm.price.worst_cost(input_tokens=bound, output_tokens=arm.min_output_tokens)
        left = format_dollars(step.budget.available_nano or 0)
        why = f"its smallest worthwhile call may cost {format_dollars(needed)}, {left} is left for this step"
        return Permit(arm=arm.name, input_bound=bound, worst_nano=needed, why_not=why, short_of="dollars")
    worst = arm.price.worst_cost(input_tokens=bound, output_tokens=limit)
    return Permit(arm=arm.name, output_limit=limit, input_bound=bound, worst_nano=worst)


def _too_short(step: Step, arm: Arm) -> int | None:
    """The most output that may be asked for, where that is too little for the arm whatever the budget says."""
    most = step.output_cap if arm.max_output_tokens is None else min(step.output_cap, arm.max_output_tokens)
    return most if most < arm.min_output_tokens else None


def _incapable(step: Step, arm: Arm) -> str:
    for rejection in step.rejected:
        if rejection.arm == arm.name:
            return f"tried in this step: {rejection.reason}"
    if step.pinned is not None and step.pinned != arm.name:
        return f"pinned to {step.pinned}"
    if step.needs_tools and not arm.calls_tools:
        return "cannot call tools"
    if step.needs_structure and not arm.structured_output:
        return "cannot return structured output"
    return _cannot_take(step, arm)


def _cannot_take(step: Step, arm: Arm) -> str:
    if arm.modalities is not None and (media := [kind for kind in step.needs_media if kind not in arm.modalities]):
        return f"cannot take {' or '.join(media)} input"
    if arm.context_window is not None and step.input_tokens + arm.min_output_tokens > arm.context_window:
        return f"about {step.input_tokens} input tokens do not fit its window of {arm.context_window}"
    return ""


def _short_of_anything_but_dollars(step: Step, arm: Arm) -> tuple[Resource, str] | None:
    view = step.budget
    if view.seconds_left is not None and view.seconds_left <= 0:
        return "seconds", "the time of the episode is up"
    if step.is_retry and view.retries_left is not None and view.retries_left < 1:
        return "retries", "no retries are left"
    if view.input_tokens_left is not None and view.input_tokens_left < step.bound_for(arm):
        return "input_tokens", f"may take {step.bound_for(arm)} input tokens, {view.input_tokens_left} are left"
    if view.output_tokens_left is not None and view.output_tokens_left < arm.min_output_tokens:
        return "output_tokens", f"needs {arm.min_output_tokens} output tokens, {view.output_tokens_left} are left"
    return None


def _output_limit(step: Step, arm: Arm) -> int:
    """The largest output limit that the step, the arm and every part of the budget allow."""
    view = step.budget
    limits = [step.output_cap]
    if arm.max_output_tokens is not None:
        limits.append(arm.max_output_tokens)
    if view.output_tokens_left is not None:
        limits.append(view.output_tokens_left)
    if view.available_nano is not None:
        limits.append(arm.price.affordable_output(nano=view.available_nano, input_tokens=step.bound_for(arm)))
    return min(limits)
