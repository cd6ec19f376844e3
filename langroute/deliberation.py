"""What a decision is based on: the step with its budget, the estimates, the ruling; and the error of a refusal."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from langroute.books import Balance, Resource
from langroute.errors import BudgetExceeded, LangrouteError, NoArmAvailable, StepNotWorthwhile
from langroute.money import dollars, format_dollars
from langroute.permits import usual_limit
from langroute.quick import changed, quick
from langroute.records import Arm, BudgetView, Estimate, Measure, Permit, Record, RoutingDecision, Ruling, Step


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Deliberation:
    """A decision with everything it was based on."""

    step: Step
    estimates: tuple[Estimate, ...]
    ruling: Ruling
    decision: RoutingDecision
    measures: tuple[Measure, ...] = ()
    estimator: str = ""


def record_of(
    thought: Deliberation,
    *,
    record_id: str,
    at: float,
    action: Literal["call", "shadow"] = "call",
    measures: tuple[Measure, ...] = (),
) -> Record:
    """The record of an attempt so far: the decision with all it was based on; ``measures`` stand before its own."""
    return Record(
        id=record_id,
        at=at,
        step=thought.step,
        estimates=thought.estimates,
        ruling=thought.ruling,
        decision=thought.decision,
        action=action,
        measures=(*measures, *thought.measures),
        estimator=thought.estimator,
    )


def view_of(books: Sequence[Balance], step: Step, *, max_seconds: float | None, now: float) -> BudgetView:
    """What a step may know of its budget, from the books of every scope that it takes from, its episode's first.

    The view is of the scope that leaves the least dollars; tokens are those that all of them leave.
    """
    view = _own_view(books[0], step, max_seconds=max_seconds, now=now)
    return view if len(books) == 1 else _tightest(view, books[1:], step)


def _tightest(view: BudgetView, shared: Sequence[Balance], step: Step) -> BudgetView:
    others = []
    for balance in shared:
        seen = _own_view(balance, step, max_seconds=None, now=0.0)
        if seen.available_nano is not None:
            others.append(seen.available_nano)
        tighter = _tighter(seen.available_nano, view.available_nano)
        dollars = seen if tighter else view
        came = seen if _tighter(seen.input_tokens_left, view.input_tokens_left) else view
        went = seen if _tighter(seen.output_tokens_left, view.output_tokens_left) else view
        view = changed(
            view,
            scope=dollars.scope,
            limit_nano=dollars.limit_nano,
            spent_nano=dollars.spent_nano,
            held_nano=dollars.held_nano,
            available_nano=dollars.available_nano,
            reserves=dollars.reserves,
            input_tokens_left=came.input_tokens_left,
            input_tokens_limit=came.input_tokens_limit,
            output_tokens_left=went.output_tokens_left,
            output_tokens_limit=went.output_tokens_limit,
        )
    return changed(view, shared_nano=min(others, default=None))


def _tighter(one: int | None, other: int | None) -> bool:
    return one is not None and (other is None or one < other)


def _own_view(balance: Balance, step: Step, *, max_seconds: float | None, now: float) -> BudgetView:
    limits, spent, held = balance.limits, balance.spent, balance.held
    reserves = tuple([(purpose, balance.reserve_left(purpose)) for purpose, _ in limits.reserves])
    available = None
    if limits.nano_usd is not None:
        available = limits.nano_usd - spent.nano_usd - held.nano_usd
        for purpose, left in reserves:
            if purpose != step.purpose:
                available -= left
        available = max(0, available)
    return BudgetView(
        scope=balance.scope,
        limit_nano=limits.nano_usd,
        spent_nano=spent.nano_usd,
        held_nano=held.nano_usd,
        available_nano=available,
        reserves=reserves,
        input_tokens_left=_left(limits.input_tokens, spent.input_tokens, held.input_tokens),
        output_tokens_left=_left(limits.output_tokens, spent.output_tokens, held.output_tokens),
        input_tokens_limit=limits.input_tokens,
        output_tokens_limit=limits.output_tokens,
        retries_limit=limits.retries,
        seconds_limit=max_seconds,
        retries_left=_left(limits.retries, spent.retries, held.retries),
        seconds_left=None if max_seconds is None else round(max_seconds - (now - balance.opened_at), 3),
    )


def _left(limit: int | None, spent: int, held: int) -> int | None:
    return None if limit is None else max(0, limit - spent - held)


def pinned_step(step: Step, arm: str | None) -> Step:
    """The step pinned to the arm of its episode, where nothing nearer to the call pins it already."""
    return step if arm is None or step.pinned is not None else replace(step, pinned=arm)


def lowered(thought: Deliberation, arm: Arm) -> tuple[Measure, ...]:
    """That the chosen arm is asked for less output than usual, so that it fits into what is left."""
    limit, usual = thought.decision.output_limit, usual_limit(thought.step, arm)
    if limit >= usual:
        return ()
    reason = f"{arm.name} may write {limit} instead of {usual} tokens, so that its worst case fits into what is left."
    return (Measure(action="lower_output", reason=reason),)


def too_dear(thought: Deliberation, calm: RoutingDecision) -> tuple[Measure, ...]:
    """That a dearer arm would have been taken if money were spent as planned."""
    chosen = thought.decision
    if calm.arm is None or calm.arm == chosen.arm or calm.cost_nano <= chosen.cost_nano:
        return ()
    reason = f"{chosen.arm} instead of {calm.arm}: {thought.ruling.reason}."
    return (Measure(action="downgrade", reason=reason),)


def could_wait(thought: Deliberation) -> bool:
    """Whether a call that does not fit, or would have to be the last, may fit once calls under way have settled."""
    if thought.step.budget.held_nano <= 0:
        return False
    short_of_dollars = any(permit.short_of == "dollars" for permit in thought.ruling.permits)
    return thought.step.closing or (thought.decision.arm is None and short_of_dollars)


def refusal(thought: Deliberation, books: Sequence[Balance] = ()) -> LangrouteError:
    """The error of a decision to stop: what ran short and in which of the books, or that no arm can make the call."""
    permits = thought.ruling.permits
    reasons = {permit.arm: permit.why_not or thought.decision.rationale or "the policy stopped" for permit in permits}
    pinned = thought.step.pinned
    if pinned is not None and pinned not in reasons:
        return NoArmAvailable(dict.fromkeys(reasons, f"the call is pinned to {pinned!r}, which the pool does not have"))
    short = [permit for permit in permits if permit.short_of is not None]
    if thought.ruling.stop_price is not None and any(permit.allowed for permit in permits):
        return StepNotWorthwhile({seen.arm: seen.why_not for seen in thought.decision.alternatives})
    if not short or any(permit.allowed for permit in permits):
        return NoArmAvailable(reasons)
    told = "; ".join(f"{arm}: {why}" for arm, why in reasons.items())
    kept = "".join(
        f" {format_dollars(nano)} is kept for {purpose}."
        for purpose, nano in thought.step.budget.reserves
        if nano and purpose != thought.step.purpose
    )
    hint = f"No arm fits ({told}).{kept} Raise the budget or finish earlier."
    return exceeded(thought.step, short, books, hint=hint)


def exceeded(step: Step, short: list[Permit], books: Sequence[Balance], *, hint: str) -> BudgetExceeded:
    """The error that names what ran short for the arm that came nearest to fitting."""
    nearest = min(short, key=lambda permit: (permit.short_of != "dollars", permit.worst_nano, permit.input_bound))
    resource: Resource = nearest.short_of or "dollars"
    limit, spent, requested = _figures(step, nearest, resource)
    scope = _scope_short_of(resource, step, books)
    return BudgetExceeded(scope=scope, resource=resource, limit=limit, spent=spent, requested=requested, hint=hint)


def _scope_short_of(resource: Resource, step: Step, books: Sequence[Balance]) -> str:
    """The scope that leaves the least of a resource; the view of a step names the one that leaves the least dollars."""
    if resource == "dollars" or not books:
        return step.budget.scope
    if resource not in ("input_tokens", "output_tokens"):
        return books[0].scope  # only episodes limit retries and time
    left = {
        balance.scope: _left(limit, getattr(balance.spent, resource), getattr(balance.held, resource))
        for balance in books
        if (limit := getattr(balance.limits, resource)) is not None
    }
    return min(left, key=lambda scope: left[scope] or 0)


Figures = tuple[Decimal | int, Decimal | int, Decimal | int]


def _figures(step: Step, permit: Permit, resource: Resource) -> Figures:
    """Limit, spent or held, and requested, in the resource's unit."""
    view = step.budget
    match resource:
        case "dollars":
            used = view.spent_nano + view.held_nano
            return dollars(view.limit_nano or 0), dollars(used), dollars(permit.worst_nano)
        case "input_tokens":
            return _counted(view.input_tokens_limit, view.input_tokens_left, permit.input_bound)
        case "output_tokens":
            return _counted(view.output_tokens_limit, view.output_tokens_left, max(1, permit.output_limit))
        case "retries":
            return _counted(view.retries_limit, view.retries_left, 1)
        case "seconds":
            limit = Decimal(str(view.seconds_limit or 0))
            return limit, limit - Decimal(str(view.seconds_left or 0)), Decimal(0)


def _counted(limit: int | None, left: int | None, requested: int) -> Figures:
    return limit or 0, (limit or 0) - (left or 0), requested
