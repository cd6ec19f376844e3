"""FrontierPolicy: the best of success less cost, at the current price of a dollar."""

from collections.abc import Sequence

from langroute.money import NANO_PER_DOLLAR, float_dollars, format_dollars
from langroute.policies.warmth import warmth_told
from langroute.records import Alternative, Estimate, Permit, RoutingDecision, Ruling, Step


class FrontierPolicy:
    """``argmax U(a) - lambda * C(a)`` over the permitted arms; stopping when none is permitted.

    The rule that routing papers share (CARROT; RouteLLM 2406.18665 with two arms of constant cost): they differ in
    where U, C and lambda come from. Ties go to the cheaper arm, then to the earlier one in the pool. Deterministic, so
    the propensity of every decision is 1.
    """

    name = "frontier"
    version = "1"

    def choose(self, step: Step, estimates: Sequence[Estimate], ruling: Ruling) -> RoutingDecision:
        """The decision over one estimate and one permit per arm, both in pool order."""
        price = ruling.price_of_dollar
        scored = [
            (round(estimate.success - price * (estimate.cost_nano / NANO_PER_DOLLAR), 9), estimate, permit)
            for estimate, permit in zip(estimates, ruling.permits, strict=True)
        ]
        allowed = [entry for entry in scored if not entry[2].why_not]
        best = _best(allowed)
        if not any(worthwhile(entry[1], ruling) for entry in allowed):
            best = None
        return compose(self, step, ruling, scored, best)


Scored = tuple[float, Estimate, Permit]


def _best(entries: "Sequence[Scored]") -> "Scored | None":
    """The entry of most utility; the cheaper one of two that tie, then the earlier."""
    best: Scored | None = None
    for entry in entries:
        if best is None or entry[0] > best[0] or (entry[0] == best[0] and entry[1].cost_nano < best[1].cost_nano):
            best = entry
    return best


def worthwhile(estimate: Estimate, ruling: Ruling) -> bool:
    """Whether an arm beats the empty arm, which costs nothing and achieves nothing; any does if nobody may stop."""
    return ruling.stop_price is None or estimate.success >= ruling.stop_price * float_dollars(estimate.cost_nano)


def compose(
    policy: "FrontierPolicy | object",
    step: Step,
    ruling: Ruling,
    scored: Sequence[Scored],
    best: Scored | None,
    *,
    because: str = "",
) -> RoutingDecision:
    """The decision record around a choice, with a reason against every arm that was not chosen.

    Args:
        policy: gives its name and version.
        step: what was decided on.
        ruling: the price of a dollar and the mask.
        scored: utility, estimate and permit of every arm, in pool order.
        best: the chosen one of them; None to stop.
        because: why the policy chose it, where it did not weigh it against the next best.
    """
    name, version = getattr(policy, "name", ""), getattr(policy, "version", "")
    alternatives = tuple(
        [
            Alternative(
                arm=estimate.arm,
                success=estimate.success,
                cost_nano=estimate.cost_nano,
                worst_nano=permit.worst_nano,
                utility=utility,
                why_not=permit.why_not or _why_not(utility, estimate, best, ruling),
            )
            for utility, estimate, permit in scored
        ]
    )
    if best is None:
        return RoutingDecision(
            arm=None,
            price_of_dollar=ruling.price_of_dollar,
            alternatives=alternatives,
            policy=name,
            policy_version=version,
            rationale=f"Stop: no arm {_verb(scored)} make this {step.kind} call ({_reasons(alternatives)})"
            f"{_caveats(scored)}.",
        )
    _, estimate, permit = best
    return RoutingDecision(
        arm=estimate.arm,
        output_limit=permit.output_limit,
        worst_nano=permit.worst_nano,
        cost_nano=estimate.cost_nano,
        success=estimate.success,
        price_of_dollar=ruling.price_of_dollar,
        alternatives=alternatives,
        policy=name,
        policy_version=version,
        rationale=_rationale(step, ruling, scored, best, because),
    )


def _why_not(utility: float, estimate: Estimate, best: Scored | None, ruling: Ruling) -> str:
    """Why an arm that is permitted was not chosen; empty for the one that was."""
    if best is None:
        return _not_worth(estimate, ruling)
    chosen_utility, chosen, _ = best
    if estimate is chosen:
        return ""
    gain = estimate.success - chosen.success
    extra = estimate.cost_nano - chosen.cost_nano
    if utility > chosen_utility or (extra < 0 and gain >= 0):
        return f"the policy prefers {chosen.arm}"
    if extra > 0 and gain > 0:
        return f"{gain:+.3f} success is not worth {format_dollars(extra)} more"
    if extra < 0 and gain < 0:
        return f"saves {format_dollars(-extra)} but costs {-gain:.3f} success"
    return f"no better than {chosen.arm}, and no cheaper"


def _not_worth(estimate: Estimate, ruling: Ruling) -> str:
    if not ruling.stop_price:
        return ""
    worth = format_dollars(round(estimate.success / ruling.stop_price * NANO_PER_DOLLAR))
    cost = format_dollars(estimate.cost_nano)
    return f"an expected success of {estimate.success:.2f} is worth {worth}, less than its price of {cost}"


def _verb(scored: Sequence[Scored]) -> str:
    return "should" if any(permit.allowed for _, _, permit in scored) else "may"


def _reasons(alternatives: Sequence[Alternative]) -> str:
    return "; ".join(f"{seen.arm}: {seen.why_not}" for seen in alternatives) or "the pool is empty"


def _rationale(step: Step, ruling: Ruling, scored: Sequence[Scored], best: Scored, because: str) -> str:
    chosen = best[1]
    place = f" in node {step.node}" if step.node else ""
    total = step.pressure.total
    trouble = f", under pressure {total}" if total else ""
    head = (
        f"{chosen.arm} makes this {step.kind} call{place}{trouble}: expected success {chosen.success:.2f} "
        f"for {format_dollars(chosen.cost_nano)}"
    )
    if step.caches:
        head += warmth_told(step, chosen.arm)
    return f"{head}; {_against(ruling, scored, best, because)}{_caveats(scored)}."


def _against(ruling: Ruling, scored: Sequence[Scored], best: Scored, because: str) -> str:
    """What speaks for the chosen arm and against the others."""
    rival = _best([entry for entry in scored if entry is not best and not entry[2].why_not])
    if rival is None:
        barred = [f"{estimate.arm}: {permit.why_not}" for _, estimate, permit in scored if not permit.allowed]
        return f"the only arm permitted ({'; '.join(barred)})" if barred else "the only arm"
    if because:
        return because
    offered = rival[1]
    offer = f"next best {offered.arm} offers {offered.success:.2f} for {format_dollars(offered.cost_nano)}"
    return f"{offer}; {ruling.reason}"


def _caveats(scored: Sequence[Scored]) -> str:
    """What is to be known of the estimates, arm by arm; empty where they are all alike."""
    told = [f"{estimate.arm}: {estimate.caveat}" for _, estimate, _ in scored if estimate.caveat]
    return f" ({'; '.join(told)})" if told else ""
