"""What an episode came to: sums over its records."""

from collections.abc import Sequence
from dataclasses import dataclass

from langroute.money import format_dollars
from langroute.records import ActionTaken, Arm, Record
from langroute.replay import ALWAYS_LARGE, replay_episode, would_cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Dearest:
    """What the dearest arm alone would have cost; always an estimate.

    Attributes:
        arm: its name; empty when it differed from step to step.
        nano: nano-dollars.
        against_nano: what the calls that were made come to on the same basis, in nano-dollars.
        basis: what the figure rests on, for people.
    """

    arm: str
    nano: int
    against_nano: int
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """Sums over the calls of an app that is not routed; no budget paid for them.

    Attributes:
        calls: how many.
        paid_nano: nano-dollars they cost, as far as that is known.
        expected_nano: nano-dollars the shadow decisions expected of the arms that would have been chosen.
        would_nano: nano-dollars those arms would have cost with the tokens that were used, over the calls of known
            cost; None where the pool is not known.
        unknown: calls whose price or usage is not known.
    """

    calls: int
    paid_nano: int
    expected_nano: int
    would_nano: int | None
    unknown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeTotals:
    """Sums over the records of one episode.

    Attributes:
        episode: its id.
        steps: steps that were decided; shadow decisions are none.
        calls: routed calls that were made.
        rejected: calls whose answer was not passed on, without an error.
        failed: calls that ended in an error.
        stopped: decisions to make no call.
        refused: holds that the ledger refused.
        worst_case: calls booked at their worst case, because the truth was not known.
        cost_nano: nano-dollars booked for calls.
        charged_nano: nano-dollars booked beside them, for tools and the like.
        estimated_nano: nano-dollars the decisions expected of the same calls.
        input_tokens: input tokens reported.
        output_tokens: output tokens reported.
        limit_nano: the episode's dollar limit as the last step saw it; None when unlimited, or when it saw a
            budget that episodes share, which was tighter.
        tightest: that shared budget; empty without one.
        dearest: what the dearest arm alone would have cost; None when no call was made.
        metered: calls that were only metered, with what would have been chosen; None without any.
    """

    episode: str
    steps: int
    calls: int
    rejected: int
    failed: int
    stopped: int
    refused: int
    worst_case: int
    cost_nano: int
    charged_nano: int
    estimated_nano: int
    input_tokens: int
    output_tokens: int
    limit_nano: int | None
    tightest: str
    dearest: Dearest | None
    metered: Metered | None = None

    @property
    def spent_nano(self) -> int:
        """Nano-dollars booked in all."""
        return self.cost_nano + self.charged_nano


def totals(records: Sequence[Record], arms: Sequence[Arm] = (), actions: Sequence[ActionTaken] = ()) -> EpisodeTotals:
    """The sums of one episode.

    Args:
        records: its records.
        arms: its pool; with it the dearest arm is priced on the tokens that were used.
        actions: what happened beside its calls; there is at least one record or action.
    """
    routed = [record for record in records if record.action != "shadow"]
    called = [(record, record.outcome) for record in routed if record.outcome is not None]
    usages = [outcome.usage for _, outcome in called if outcome.usage is not None]
    return EpisodeTotals(
        episode=records[0].step.episode if records else actions[0].episode,
        steps=len({record.step.call_index for record in routed}),
        calls=len(called),
        rejected=sum(not outcome.accepted and not outcome.error for _, outcome in called),
        failed=sum(bool(outcome.error) for _, outcome in called),
        stopped=sum(record.action == "stop" for record in records),
        refused=sum(record.action == "refused" for record in records),
        worst_case=sum(outcome.worst_case for _, outcome in called),
        cost_nano=sum(outcome.cost_nano for _, outcome in called),
        charged_nano=sum(action.cost_nano for action in actions),
        estimated_nano=sum(record.decision.cost_nano for record, _ in called),
        input_tokens=sum(usage.input_tokens for usage in usages),
        output_tokens=sum(usage.output_tokens for usage in usages),
        limit_nano=_limit(records[-1]) if records else None,
        tightest=_tightest(records[-1]) if records else "",
        dearest=_dearest([record for record, _ in called], arms),
        metered=_metered([record for record in records if record.action == "shadow"], arms),
    )


def _limit(record: Record) -> int | None:
    return None if record.step.sees_shared_budget else record.step.budget.limit_nano


def _tightest(record: Record) -> str:
    """The shared budget that a step saw, in a few words; empty where its episode's own was the tightest."""
    view = record.step.budget
    if view.limit_nano is None or not record.step.sees_shared_budget:
        return ""
    used = format_dollars(view.spent_nano + view.held_nano)
    return f"{view.scope}: {used} of {format_dollars(view.limit_nano)} was spent or held before the last step"


def _metered(shadows: Sequence[Record], arms: Sequence[Arm]) -> Metered | None:
    if not shadows:
        return None
    outcomes = [record.outcome for record in shadows if record.outcome is not None]
    pool = {arm.name: arm for arm in arms}
    would = [would_cost(record, pool[record.decision.arm]) for record in shadows if record.decision.arm in pool]
    return Metered(
        calls=len(shadows),
        paid_nano=sum(outcome.cost_nano for outcome in outcomes),
        expected_nano=sum(record.decision.cost_nano for record in shadows),
        would_nano=sum(would) if arms else None,
        unknown=sum(not outcome.cost_known for outcome in outcomes),
    )


def _dearest(called: Sequence[Record], arms: Sequence[Arm]) -> Dearest | None:
    if not called:
        return None
    if arms:
        replayed = replay_episode(called, arms=arms, policy_name=ALWAYS_LARGE)
        used = {call.arm or "" for call in replayed.calls}
        name = used.pop() if len(used) == 1 else ""
        basis = "an estimate: the same calls and tokens at its price"
        return Dearest(arm=name, nano=replayed.nano, against_nano=replayed.recorded_nano, basis=basis)
    expected: dict[str, int] = {}
    for record in called:
        for estimate in record.estimates:
            expected[estimate.arm] = expected.get(estimate.arm, 0) + estimate.cost_nano
    if not expected:
        return None
    name = max(expected, key=lambda arm: expected[arm])
    chosen = sum(record.decision.cost_nano for record in called)
    # Expected dollars may be far from true ones, so they are only set against what was expected of the chosen arms.
    basis = f"an estimate: what each decision expected it to cost, against {format_dollars(chosen)} expected"
    return Dearest(arm=name, nano=expected[name], against_nano=chosen, basis=basis)
