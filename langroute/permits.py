"""The mask: whether an arm may be called in a step, and with which output limit.

It is hard. An arm is permitted only with an output limit whose worst case fits into what is left, so a permitted call
can never settle above the budget.
"""

from collections.abc import Sequence

from langroute.books import Resource
from langroute.money import format_dollars
from langroute.records import Arm, Permit, Rejection, Step


def permits(
    step: Step, arms: Sequence[Arm], *, lower_output: bool = True, least_output_tokens: int = 1
) -> tuple[Permit, ...]:
    """What `permit` says of each arm, in their order; where money is no matter, which is usual, in a glance."""
    view, tools, structure = step.budget, step.needs_tools, step.needs_structure
    available, output_left = view.available_nano, view.output_tokens_left
    usual = _is_usual(step)
    made = []
    cap, expected = step.output_cap, step.input_tokens
    for arm in arms:
        window, most = arm.context_window, arm.max_output_tokens
        if most is None or most > cap:
            most = cap
        samples = arm.samples
        if (
            usual
            and (arm.calls_tools or not tools)
            and (arm.structured_output or not structure)
            and (window is None or expected + arm.min_output_tokens <= window)
            and most >= arm.min_output_tokens
            and (output_left is None or samples * most <= output_left)
        ):
            bound = step.bound_for(arm) if step.arm_bounds else step.input_bound
            worst = samples * arm.price.worst_cost(input_tokens=bound, output_tokens=most)
            if available is None or worst <= available:
                held = samples * bound
                made.append(Permit(arm=arm.name, output_limit=most, input_bound=held, worst_nano=worst))
                continue
        made.append(permit(step, arm, lower_output=lower_output, least_output_tokens=least_output_tokens))
    return tuple(made)


def _is_usual(step: Step) -> bool:
    """Whether nothing but tools, schema, window, output and money can stand against an arm."""
    view = step.budget
    return (
        not step.rejected
        and step.pinned is None
        and not step.needs_media
        and view.input_tokens_left is None
        and view.seconds_left is None
        and not (step.is_retry and view.retries_left is not None)
    )


def permit(step: Step, arm: Arm, *, lower_output: bool = True, least_output_tokens: int = 1) -> Permit:
    """Whether an arm may be called now, and with which output limit.

    Args:
        step: the step.
        arm: the arm.
        lower_output: whether a limit below the usual one will do where the usual one does not fit.
        least_output_tokens: a lowered limit will not do below this, or a quarter of the usual one if that is less.
    """
    if reason := _incapable(step, arm):
        return Permit(arm=arm.name, why_not=reason)
    most, bound = usual_limit(step, arm), step.bound_for(arm)
    held = arm.samples * bound
    if most < arm.min_output_tokens:
        why = f"is not worth calling for less than {arm.min_output_tokens} output tokens, and {most} may be asked for"
        return Permit(arm=arm.name, input_bound=held, why_not=why)
    wanted = max(arm.min_output_tokens, min(least_output_tokens, -(-most // 4)))
    least = wanted if lower_output else most
    if short := _short_of_anything_but_dollars(step, held, arm.samples * least):
        return Permit(arm=arm.name, output_limit=least, input_bound=held, why_not=short[1], short_of=short[0])
    limit = _output_limit(step, arm, most, bound)
    if limit < least:
        needed = arm.worst_cost(input_tokens=bound, output_tokens=least)
        left = format_dollars(step.budget.available_nano or 0)
        smallest = "smallest worthwhile call" if lower_output else "usual call"
        why = f"its {smallest} may cost {format_dollars(needed)}, {left} is left for this step"
        return Permit(arm=arm.name, input_bound=held, worst_nano=needed, why_not=why, short_of="dollars")
    worst = arm.worst_cost(input_tokens=bound, output_tokens=limit)
    return Permit(arm=arm.name, output_limit=limit, input_bound=held, worst_nano=worst)


def usual_limit(step: Step, arm: Arm) -> int:
    """The output limit a call of this step has when money is no matter."""
    return step.output_cap if arm.max_output_tokens is None else min(step.output_cap, arm.max_output_tokens)


def _told(rejection: Rejection) -> str:
    said = {"answer": "tried in this step: ", "fault": "failed in this step: "}.get(rejection.why, "")
    return f"{said}{rejection.reason}"


def _incapable(step: Step, arm: Arm) -> str:
    for rejection in step.rejected:
        if rejection.arm == arm.name:
            return _told(rejection)
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


def _short_of_anything_but_dollars(step: Step, bound: int, least: int) -> tuple[Resource, str] | None:
    view = step.budget
    if view.seconds_left is not None and view.seconds_left <= 0:
        return "seconds", "the time of the episode is up"
    if step.is_retry and view.retries_left is not None and view.retries_left < 1:
        return "retries", "no retries are left"
    if view.input_tokens_left is not None and view.input_tokens_left < bound:
        return "input_tokens", f"may take {bound} input tokens, {view.input_tokens_left} are left"
    if view.output_tokens_left is not None and view.output_tokens_left < least:
        return "output_tokens", f"needs {least} output tokens, {view.output_tokens_left} are left"
    return None


def _output_limit(step: Step, arm: Arm, most: int, bound: int) -> int:
    """The largest output limit of each sample, ``most`` or less, that every part of the budget allows."""
    view = step.budget
    if view.output_tokens_left is not None:
        most = min(most, view.output_tokens_left // arm.samples)
    if view.available_nano is not None:
        most = min(most, arm.affordable_output(nano=view.available_nano, input_tokens=bound))
    return most
