"""Decider: from a step to a deliberation, by an estimator, a governor and a policy. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from langroute.actions import Actions
from langroute.checks import check_within
from langroute.closing import closing_reason, closing_step, leaving_room, may_close
from langroute.deliberation import Deliberation, lowered, too_dear
from langroute.entry import EntryRule
from langroute.protocols import Estimator, Governor, RoutingPolicy
from langroute.records import Arm, Estimate, Kind, Measure, Ruling, Step
from langroute.tiers import Tier, tiered


class Decider:
    """Decides steps: no clock, no randomness, no network; the same settings and step give the same decision.

    Args:
        arms: the pool.
        estimator: what to expect of an arm.
        governor: the price of a dollar, the mask, and what else is to be done.
        policy: the rule of choice.
        tiers: what lies over the governor's mask, by kind.
        entries: the entry rules, whose tiers do so too.
        actions: what may be done beside choosing an arm.
    """

    def __init__(
        self,
        arms: Sequence[Arm],
        *,
        estimator: Estimator,
        governor: Governor,
        policy: RoutingPolicy,
        tiers: Mapping[Kind, Tier],
        entries: Sequence[EntryRule],
        actions: Actions,
    ) -> None:
        self._arms = tuple(arms)
        self._by_name = {arm.name: arm for arm in arms}
        self._estimator = estimator
        self._estimated_by = f"{estimator.name} {estimator.version}"
        self._governor = governor
        self._policy = policy
        self._tiers = tiers
        self._entries = entries
        self._actions = actions

    def deliberate(self, step: Step) -> Deliberation:
        """The decision with the estimates and the ruling it was based on, and what was done beside it.

        Where the ruling says that this has to be the last call of its episode, the step is decided again as that.

        Raises:
            ConfigError: the policy chose what the ruling does not permit.
        """
        thought = self._weigh(step)
        if thought.ruling.closing:
            last = self._weigh(closing_step(step))
            if last.decision.arm is not None:
                finish = Measure(action="finish", reason=f"The last call of the episode: {thought.ruling.closing}.")
                return replace(last, measures=(finish, *last.measures))
        return thought

    def _weigh(self, step: Step) -> Deliberation:
        estimates = self._estimator.estimate(step, self._arms)
        ruled = self._governor.rule(step, self._arms, estimates)
        ruling = self._closing(self._tiered(ruled, step), step, estimates)
        decision = self._policy.choose(step, estimates, ruling)
        check_within(decision, ruling)
        thought = Deliberation(
            step=step, estimates=estimates, ruling=ruling, decision=decision, estimator=self._estimated_by
        )
        measures = self._measures(thought, ruled)
        return replace(thought, measures=measures) if measures else thought

    def _tiered(self, ruling: Ruling, step: Step) -> Ruling:
        return tiered(ruling, step, self._arms, tiers=self._tiers, entries=self._entries)

    def _closing(self, ruling: Ruling, step: Step, estimates: Sequence[Estimate]) -> Ruling:
        if not (self._actions.finish and may_close(step)):
            return ruling
        room = self._actions.closing_output_tokens
        reason = closing_reason(step, self._arms, ruling.permits, estimates, output_tokens=room)
        if reason:
            return replace(ruling, closing=reason)
        permits = leaving_room(step, self._arms, ruling.permits, estimates, output_tokens=room)
        return ruling if permits == ruling.permits else replace(ruling, permits=permits)

    def _measures(self, thought: Deliberation, ruled: Ruling) -> tuple[Measure, ...]:
        """What was done about the chosen arm: a lower limit, a lower tier."""
        ruling, chosen = thought.ruling, thought.decision.arm
        if chosen is None:
            return ()
        measures = lowered(thought, self._by_name[chosen])
        if ruling.calm_price is None or ruling.price_of_dollar <= ruling.calm_price:
            return measures
        # The price opens and closes tiers, too, so calm is asked of the governor's own ruling.
        calm = self._tiered(replace(ruled, price_of_dollar=ruling.calm_price), thought.step)
        return (*measures, *too_dear(thought, self._policy.choose(thought.step, thought.estimates, calm)))
