"""The last call of an agent's loop: when it is due, and what it looks like.

An agent's loop ends when the model calls no tool, so it cannot know its last call beforehand. Here it is made known: a
call after which no other round could be paid for loses its tools, is told to answer now, and may use the reserve for
the final synthesis.
"""

from collections.abc import Sequence
from dataclasses import replace

from langroute.money import format_dollars
from langroute.records import Arm, Estimate, Permit, Step

CLOSING_TOKENS = 256
"""Input tokens that the instruction of a last call adds at most: its bytes, and what a message costs besides."""


def may_close(step: Step) -> bool:
    """Whether a step is a round of a loop that tools keep alive."""
    return step.loops and step.needs_tools and not step.closing


def closing_step(step: Step) -> Step:
    """The step as the last call of its episode: without tools, on the reserve for the final synthesis too."""
    return replace(
        step,
        closing=True,
        needs_tools=False,
        purpose="final_synthesis" if step.purpose == "general" else step.purpose,
        budget=replace(step.budget, available_nano=left_for_closing(step)),
        input_bound=step.input_bound + CLOSING_TOKENS,
        arm_bounds=tuple((arm, bound + CLOSING_TOKENS) for arm, bound in step.arm_bounds),
        caches=(),  # tools stand at the head of a prompt: without them nothing of it is in a cache
    )


def closing_reason(
    step: Step, arms: Sequence[Arm], permits: Sequence[Permit], estimates: Sequence[Estimate], *, output_tokens: int
) -> str:
    """Why this has to be the last call of a loop; empty when what is left carries another round.

    Args:
        step: a step that ``may_close``.
        arms: the pool.
        permits: which arms may be called, one per arm.
        estimates: what they are expected to cost, one per arm.
        output_tokens: output tokens that a last call should have room for.
    """
    left = left_for_closing(step)
    if left is None or not _short_of_money(permits):
        return ""
    able = [place for place, seen in enumerate(permits) if seen.allowed]
    if not able:
        return "no call with tools fits into what is left"
    after = left - min(estimates[place].cost_nano for place in able)
    needed = _needed(step, arms, able, estimates, output_tokens=output_tokens)
    return "" if after >= needed else _told(after, needed)


def leaving_room(
    step: Step, arms: Sequence[Arm], permits: Sequence[Permit], estimates: Sequence[Estimate], *, output_tokens: int
) -> tuple[Permit, ...]:
    """The permits without those arms after whose call no last call could be paid for, though it could after another's.

    Args:
        step: a step that ``may_close`` and need not be the last call; the others as for `closing_reason`.
        arms: the pool.
        permits: which arms may be called, one per arm.
        estimates: what they are expected to cost, one per arm.
        output_tokens: output tokens that a last call should have room for.
    """
    left = left_for_closing(step)
    able = [place for place, seen in enumerate(permits) if seen.allowed]
    if left is None or not able:
        return tuple(permits)
    needed = _needed(step, arms, able, estimates, output_tokens=output_tokens)
    kept = list(permits)
    for place in able:
        after = left - estimates[place].cost_nano
        if after < needed:
            kept[place] = Permit(arm=permits[place].arm, why_not=_told(after, needed))
    return tuple(kept)


def _needed(
    step: Step, arms: Sequence[Arm], able: Sequence[int], estimates: Sequence[Estimate], *, output_tokens: int
) -> int:
    """The least that a last call of the next round may cost at worst, by the arms that may be called now."""
    cheapest = min(able, key=lambda place: estimates[place].cost_nano)
    # The next round's prompt has grown by what this one adds: about as much as each call has added so far.
    grown = step.bound_for(arms[cheapest]) + step.bound_for(arms[cheapest]) // (step.call_index + 1)
    return min(arms[place].worst_cost(input_tokens=grown, output_tokens=output_tokens) for place in able)


def _told(after: int, needed: int) -> str:
    left = format_dollars(max(0, after))
    return f"after this call {left} would be left, and the next may need {format_dollars(needed)}"


def left_for_closing(step: Step) -> int | None:
    """Nano-dollars that a last call of this episode may set aside; None when unlimited."""
    view = step.budget
    if view.available_nano is None or view.limit_nano is None or step.purpose != "general":
        return view.available_nano
    kept = dict(view.reserves)
    own = kept.pop("final_synthesis", 0)
    unspent = view.limit_nano - view.spent_nano - view.held_nano - sum(kept.values())
    most = view.available_nano + own if view.shared_nano is None else min(view.available_nano + own, view.shared_nano)
    return max(0, min(most, unspent))


def _short_of_money(permits: Sequence[Permit]) -> bool:
    """Whether money is what decides here: something may be called, or dollars alone are what lacks."""
    return any(seen.allowed or seen.short_of == "dollars" for seen in permits)
