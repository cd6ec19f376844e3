"""A whole episode to print, log and replay: a plan, work that fails twice, a report, a refused hold and a stop."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from langroute.money import Price
from langroute.policies.frontier import FrontierPolicy
from langroute.records import (
    Arm,
    BudgetView,
    EpisodeEnd,
    Estimate,
    Kind,
    Outcome,
    Permit,
    Pressure,
    Record,
    Rejection,
    Ruling,
    Step,
    Usage,
)

SMALL = Arm(
    name="small",
    model="gpt-5-nano",
    provider="openai",
    price=Price(input_per_million=0.05, output_per_million=0.40, cached_input_per_million=0.005),
)
LARGE = Arm(
    name="large",
    model="gpt-5",
    provider="openai",
    price=Price(input_per_million=1.25, output_per_million=10, cached_input_per_million=0.125),
    rank=1.0,
)
ARMS = (SMALL, LARGE)
BY_NAME: Mapping[str, Arm] = {arm.name: arm for arm in ARMS}
END = EpisodeEnd(episode="order-42", at=1_790_000_009.0, success=1.0, note="the total was right")

_LIMIT = 80_000_000
_RESERVE = 20_000_000


class SampleEstimator:
    """Fixed beliefs, so that what is printed does not move when the defaults are tuned."""

    name = "sample"
    version = "1"

    def estimate(self, step: Step, arms: Sequence[Arm]) -> tuple[Estimate, ...]:
        """The dearer arm is better at everything, by most at control, and suffers less under pressure."""
        weak = {"control": 0.70, "execution": 0.88, "verification": 0.88, "presentation": 0.93}[step.kind]
        lost = 0.2 * min(step.pressure.total, 3)
        return tuple(
            Estimate(
                arm=arm.name,
                success=round(weak - lost + (0.97 - weak + 0.9 * lost) * arm.rank, 6),
                cost_nano=arm.price.cost(input_tokens=step.input_tokens, output_tokens=200),
                output_tokens=200,
            )
            for arm in arms
        )


class SampleGovernor:
    """A fixed price of a dollar, and a mask of what was tried and what still fits."""

    def rule(self, step: Step, arms: Sequence[Arm], estimates: Sequence[Estimate]) -> Ruling:
        """One permit per arm."""
        permits = tuple(self._permit(step, arm) for arm in arms)
        return Ruling(price_of_dollar=40.0, permits=permits, reason="a dollar is worth 40 success")

    def _permit(self, step: Step, arm: Arm) -> Permit:
        for tried in step.rejected:
            if tried.arm == arm.name:
                return Permit(arm=arm.name, why_not=f"tried in this step: {tried.reason}")
        worst = arm.price.worst_cost(input_tokens=step.input_bound, output_tokens=step.output_cap)
        bound, left = step.input_bound, step.budget.available_nano or 0
        if worst > left:
            why = f"needs {worst} nano-dollars, {left} are left for this step"
            return Permit(arm=arm.name, input_bound=bound, worst_nano=worst, why_not=why, short_of="dollars")
        return Permit(arm=arm.name, input_bound=bound, output_limit=step.output_cap, worst_nano=worst)


def decided(step: Step, *, record_id: str, at: float) -> Record:
    """A record of what these parts decide for a step."""
    estimates = SampleEstimator().estimate(step, ARMS)
    ruling = SampleGovernor().rule(step, ARMS, estimates)
    decision = FrontierPolicy().choose(step, estimates, ruling)
    return Record(id=record_id, at=at, step=step, estimates=estimates, ruling=ruling, decision=decision)


def stepped(call_index: int, node: str, kind: Kind, *, spent: int = 0, available: int | None = None) -> Step:
    """A step of the sample episode with so much of its budget spent."""
    left = _LIMIT - _RESERVE - spent if available is None else available
    view = BudgetView(
        scope="episode:order-42",
        limit_nano=_LIMIT,
        spent_nano=spent,
        available_nano=left,
        reserves=(("final_synthesis", _RESERVE),),
        retries_left=3,
        retries_limit=3,
    )
    return Step(
        episode="order-42",
        call_index=call_index,
        node=node,
        kind=kind,
        kind_reason=f"the node is called {node}",
        budget=view,
        input_tokens=900,
        input_bound=1200,
        needs_tools=kind == "execution",
    )


def called(record: Record, usage: Usage | None, **fields: object) -> Record:
    """The record with an outcome: its cost by the arm's price, or the hold when no usage is known."""
    arm = BY_NAME[str(record.decision.arm)]
    cost = record.decision.worst_nano if usage is None else usage.cost_nano(arm.price)
    outcome = Outcome(arm=arm.name, usage=usage, cost_nano=cost, worst_case=usage is None, latency_ms=412.5)
    return replace(record, outcome=replace(outcome, **fields))  # type: ignore[arg-type]


def episode() -> tuple[Record, ...]:
    """The sample episode: six attempts at five steps."""
    plan = called(
        decided(stepped(0, "plan", "control"), record_id="r0", at=1_790_000_000.0),
        Usage(input_tokens=880, output_tokens=210, cache_read_tokens=512),
        confidence=0.97,
        served_by="gpt-5-2025-08-07",
    )
    work = stepped(1, "work", "execution", spent=3_000_000)
    first = called(
        decided(work, record_id="r1", at=1_790_000_002.0),
        Usage(input_tokens=905, output_tokens=64),
        accepted=False,
        defects=("invalid_tool_call",),
        confidence=0.41,
    )
    again = replace(
        work,
        attempt=1,
        pressure=Pressure(retries=1, invalid_tool_calls=1),
        rejected=(Rejection(arm="small", reason="invalid_tool_call"),),
    )
    second = called(decided(again, record_id="r2", at=1_790_000_004.0), None, accepted=False, error="APITimeoutError")
    refused = replace(
        decided(stepped(2, "check", "verification", spent=14_000_000), record_id="r3", at=1_790_000_005.0),
        action="refused",
    )
    report = called(
        decided(stepped(3, "report", "presentation", spent=14_000_000), record_id="r4", at=1_790_000_006.0),
        Usage(input_tokens=700, output_tokens=120, reasoning_tokens=20),
        confidence=0.88,
    )
    stopped = replace(
        decided(stepped(4, "report", "presentation", spent=59_990_000), record_id="r5", at=1_790_000_008.0),
        action="stop",
    )
    return (plan, first, second, refused, report, stopped)
