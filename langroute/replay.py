"""What was decided, decided again; and what an episode would have cost under another policy.

``replay_decision`` is exact: a decision depends on nothing but its record. ``replay_episode`` is an estimate, and says
what it assumes: the tokens are those that were recorded, because what another model would have written is not known.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from langroute.errors import ConfigError, EpisodeNotFound, ReplayError
from langroute.protocols import Estimator, Governor, RoutingPolicy
from langroute.records import Arm, Outcome, Record, RoutingDecision, Step

Basis = Literal["recorded", "tokens", "hold", "not billed", "stopped"]
Decide = Callable[[Step], RoutingDecision]

ALWAYS_SMALL = "always-small"
ALWAYS_LARGE = "always-large"

_ASSUMED = (
    "the same calls in the same order, retries included",
    "the same tokens in every call, whichever arm makes it",
    "prompt-cache hits as recorded where the arm is the same, none where it is not",
    "where tokens were not reported, the most the call could have used",
)
_ASSUMED_OF_QUALITY = ("what another arm would have answered is not known, so nothing is said of quality",)
_ASSUMED_OF_LEARNED = (
    "what another arm would have answered is not known: success is what the learned estimator expects, model-based",
    "losses of success that are expected of an episode's steps add up, gains count by their mean",
)
_ASSUMED_OF_METERED = ("metered calls whose price or usage is not known are left out",)
_ASSUMED_OF_DECISIONS = (
    "each step is decided with the budget, the pressure and the rejected arms that were recorded",
    "a step the policy would stop at costs nothing, and the steps after it are still counted",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedCall:
    """One recorded call as another policy would have made it.

    Attributes:
        call_index: step of the episode.
        attempt: which attempt at that step.
        node: graph node; empty outside a graph.
        recorded_arm: the arm that made the call.
        recorded_nano: nano-dollars that were booked.
        arm: the arm the other policy chooses; None when it stops.
        nano: nano-dollars the call would have cost.
        basis: what ``nano`` rests on: the ``recorded`` cost of the same arm, the recorded ``tokens`` or the ``hold``
            at the other arm's price, a failed call that was ``not billed``, or a policy that ``stopped``.
        gain: success that a learned estimator expects of the chosen arm less what it expects of the recorded one; None
            where none was asked, where it stopped, and where the recorded answer was not accepted.
    """

    call_index: int
    attempt: int
    node: str
    recorded_arm: str
    recorded_nano: int
    arm: str | None
    nano: int
    basis: Basis
    gain: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What an episode would have cost under another policy.

    Attributes:
        episode: its id.
        policy: name of the other policy.
        calls: every recorded call, in order.
        limit_nano: the episode's dollar limit; None when unlimited, or where a budget that episodes share was tighter.
        assumptions: what the answer assumes, one sentence fragment each.
    """

    episode: str
    policy: str
    calls: tuple[ReplayedCall, ...]
    limit_nano: int | None
    assumptions: tuple[str, ...]

    @property
    def recorded_nano(self) -> int:
        """Nano-dollars that were booked."""
        return sum(call.recorded_nano for call in self.calls)

    @property
    def nano(self) -> int:
        """Nano-dollars that would have been spent."""
        return sum(call.nano for call in self.calls)

    @property
    def gain(self) -> float | None:
        """Success that a learned estimator expects the changes of arm to add; None where none was asked.

        Losses add up over the steps, gains count by their mean: what is learned of a step is mostly the success of its
        whole episode, so added gains would count it over and over, and a mean of losses hides that each step can fail.
        Cautious on both sides, and langroute's own rule.
        """
        gains = [call.gain for call in self.calls if call.gain is not None]
        if not gains:
            return None
        return round(sum(gain for gain in gains if gain < 0) + sum(gain for gain in gains if gain > 0) / len(gains), 6)

    @property
    def changed(self) -> int:
        """Calls that another arm would have made."""
        return sum(call.arm != call.recorded_arm for call in self.calls)

    @property
    def over_limit(self) -> bool:
        """Whether the budget would not have carried it."""
        return self.limit_nano is not None and self.nano > self.limit_nano


def replay_decision(record: Record, policies: Iterable[RoutingPolicy]) -> RoutingDecision:
    """The decision of a record, computed again from the record alone.

    Args:
        record: a stored record.
        policies: policies to look for the one that decided in; it is found by name and version.

    Raises:
        ReplayError: none of the policies has the name and the version that the record names.
    """
    made = record.decision
    known = tuple(policies)
    for policy in known:
        if (policy.name, policy.version) == (made.policy, made.policy_version):
            return policy.choose(record.step, record.estimates, record.ruling)
    have = ", ".join(f"{policy.name} {policy.version}" for policy in known) or "none"
    raise ReplayError(
        f"record {record.id}: decided by policy {made.policy} {made.policy_version}, known here: {have}. "
        "Replay with the release and the policy that decided."
    )


def decider(*, arms: Sequence[Arm], estimator: Estimator, governor: Governor, policy: RoutingPolicy) -> Decide:
    """How these parts decide a step, for ``replay_episode``."""

    def decide(step: Step) -> RoutingDecision:
        estimates = estimator.estimate(step, arms)
        return policy.choose(step, estimates, governor.rule(step, arms, estimates))

    return decide


def replay_episode(
    records: Sequence[Record],
    *,
    arms: Sequence[Arm],
    policy_name: str,
    decide: Decide | None = None,
    learned: bool = False,
) -> Replayed:
    """What would have been spent had another policy chosen the arms: an estimate, with its assumptions.

    Args:
        records: the records of one episode, in order.
        arms: the pool, with prices.
        policy_name: ``always-small`` or ``always-large`` (the cheapest or the dearest arm that is capable of each
            step), or any name when ``decide`` is given.
        decide: chooses an arm for a recorded step; see ``decider``.
        learned: the estimates that ``decide`` weighs were learned from outcomes, so what they say of success is told.

    Raises:
        EpisodeNotFound: there are no records.
        ConfigError: the pool is empty, or the policy is neither known nor given by ``decide``.
        ReplayError: ``decide`` chose an arm that is not among ``arms``.
    """
    if not records:
        raise EpisodeNotFound(
            "the episode has no records: it ended before any call was decided, so there is nothing to replay"
        )
    if not arms:
        raise ConfigError("is empty; a replay needs the arms of the episode with their prices", field="arms")
    pick = _picker(policy_name, decide, arms)
    pool = {arm.name: arm for arm in arms}
    return Replayed(
        episode=records[0].step.episode,
        policy=policy_name,
        calls=tuple(
            _replayed(record, record.outcome, pick(record), pool, learned=learned)
            for record in records
            if record.outcome is not None and record.outcome.cost_known
        ),
        limit_nano=_own_limit(records[-1]),
        assumptions=_assumed(records, by_decisions=decide is not None, learned=learned),
    )


def _assumed(records: Sequence[Record], *, by_decisions: bool, learned: bool) -> tuple[str, ...]:
    unknown = any(record.outcome is not None and not record.outcome.cost_known for record in records)
    quality = _ASSUMED_OF_LEARNED if learned else _ASSUMED_OF_QUALITY
    return _ASSUMED + quality + _ASSUMED_OF_DECISIONS * by_decisions + _ASSUMED_OF_METERED * unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pick:
    arm: str | None
    success: Mapping[str, float] = field(default_factory=dict)


def _picker(name: str, decide: Decide | None, arms: Sequence[Arm]) -> Callable[[Record], _Pick]:
    if decide is not None:
        return lambda record: _picked(decide(record.step))
    by_price = sorted(arms, key=lambda arm: arm.rank)
    _, always, named = name.partition("always:")
    if always:
        if named not in {arm.name for arm in arms}:
            known = ", ".join(arm.name for arm in arms)
            raise ConfigError(f"the pool of the episode has no arm {named!r}; it had {known}", field="policy")
        by_price.sort(key=lambda arm: arm.name != named)
    elif name == ALWAYS_LARGE:
        by_price.reverse()
    elif name != ALWAYS_SMALL:
        raise ConfigError(
            f"{name!r} is unknown; use {ALWAYS_SMALL}, {ALWAYS_LARGE}, always:ARM, prior or the folder of a learned "
            "policy",
            field="policy",
        )
    return lambda record: _Pick(arm=_first_capable(by_price, record))


def _picked(decision: RoutingDecision) -> _Pick:
    return _Pick(arm=decision.arm, success={seen.arm: seen.success for seen in decision.alternatives})


def _first_capable(order: Sequence[Arm], record: Record) -> str:
    # What the step demands rules an arm out. What was left of the budget or was tried before does not: the question is
    # what the arm would have cost, not whether it could have been paid for.
    step = record.step
    return next((arm.name for arm in order if _capable(arm, step)), order[0].name)


def _capable(arm: Arm, step: Step) -> bool:
    return (
        step.pinned in (None, arm.name)
        and (arm.calls_tools or not step.needs_tools)
        and (arm.structured_output or not step.needs_structure)
        and (arm.context_window is None or step.input_tokens < arm.context_window)
    )


def _replayed(record: Record, outcome: Outcome, pick: _Pick, pool: dict[str, Arm], *, learned: bool) -> ReplayedCall:
    chosen = pick.arm
    if chosen is not None and chosen not in pool:
        raise ReplayError(
            f"record {record.id}: the policy chose {chosen}, which is not in the pool ({', '.join(pool)})"
        )
    nano, basis = _cost(record, outcome, None if chosen is None else pool[chosen])
    return ReplayedCall(
        call_index=record.step.call_index,
        attempt=record.step.attempt,
        node=record.step.node,
        recorded_arm=outcome.arm,
        recorded_nano=outcome.cost_nano,
        arm=chosen,
        nano=nano,
        basis=basis,
        gain=_gain(pick, outcome) if learned else None,
    )


def _gain(pick: _Pick, outcome: Outcome) -> float | None:
    """What the estimator expects the other arm to add to the answer that was passed on."""
    if pick.arm is None or outcome.arm not in pick.success or not outcome.accepted:
        return None
    return round(pick.success[pick.arm] - pick.success[outcome.arm], 6)


def would_cost(record: Record, arm: Arm) -> int:
    """Nano-dollars that a call would have cost by another arm, with the same tokens; 0 where its cost is not known."""
    outcome = record.outcome
    return 0 if outcome is None or not outcome.cost_known else _cost(record, outcome, arm)[0]


def _cost(record: Record, outcome: Outcome, arm: Arm | None) -> tuple[int, Basis]:
    if arm is None:
        return 0, "stopped"
    if arm.name == outcome.arm:
        return outcome.cost_nano, "recorded"
    if outcome.usage is not None:
        usage = outcome.usage
        # Recorded are the tokens of all samples together; each was a request of its own.
        made = outcome.samples
        each = {"input_tokens": -(-usage.input_tokens // made), "output_tokens": -(-usage.output_tokens // made)}
        return arm.cost(**each), "tokens"
    if not outcome.worst_case:
        return 0, "not billed"
    limit = record.decision.output_limit
    return arm.worst_cost(input_tokens=record.step.bound_for(arm), output_tokens=limit), "hold"


def _own_limit(record: Record) -> int | None:
    """The limit of the record's own episode; what others spend from a shared budget cannot be replayed."""
    return None if record.step.sees_shared_budget else record.step.budget.limit_nano
