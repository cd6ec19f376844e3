"""The records that travel through one step: frozen, slotted, keyword-only, plain data.

Money is integer nano-dollars (``*_nano``), time is seconds or milliseconds as the name says, probabilities are floats
in [0, 1]. What is known before a decision is in ``situation.py``, the records of the books are in ``books.py``. Nothing
here knows a framework, a store or a clock.
"""

from dataclasses import dataclass
from math import log
from typing import Literal

from langroute.books import Resource
from langroute.money import Price, as_dollars
from langroute.quick import quick
from langroute.situation import KINDS, Arm, BudgetView, CacheView, Features, Kind, Pressure, Rejection, Step

__all__ = [
    "KINDS",
    "Action",
    "ActionTaken",
    "Alternative",
    "Arm",
    "BudgetView",
    "CacheView",
    "EpisodeEnd",
    "Estimate",
    "Features",
    "Judge",
    "Kind",
    "Measure",
    "Outcome",
    "Permit",
    "PoolSnapshot",
    "Pressure",
    "Record",
    "Rejection",
    "RoutingDecision",
    "Ruling",
    "Step",
    "Usage",
    "Verdict",
    "as_dollars",
]

Action = Literal[
    "budget_changed",
    "downgrade",
    "lower_output",
    "compress",
    "verify",
    "spot_check",
    "skip",
    "ask",
    "answered",
    "finish",
    "retry",
    "failover",
    "escalate",
    "stop",
    "refused",
    "charged",
    "episode_finished",
    "judged",
]
"""What can happen to an episode beside a call."""

Judge = Literal["success", "human", "verifier"]
"""Who says how something went: the program that ran it, a person who looked again, or a verifier."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What an arm is expected to achieve and to cost in this step.

    Attributes:
        arm: its name.
        success: probability that the step is done right, in [0, 1].
        cost_nano: expected nano-dollars.
        output_tokens: expected output tokens, which ``cost_nano`` is based on.
        caveat: what it rests on where that is not what all others do, in a few words; empty as a rule.
    """

    arm: str
    success: float
    cost_nano: int
    output_tokens: int
    caveat: str = ""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """The mask for one arm: whether it may be called now, and with which output limit.

    Attributes:
        arm: its name.
        output_limit: output tokens each of its calls may be sent; when not allowed 0, or, when short of tokens, retries
            or time, what the smallest worthwhile call would need.
        input_bound: input tokens that must be held for it, for all its samples together.
        worst_nano: nano-dollars that must be held for it with that limit; when short of dollars, what the smallest
            worthwhile call would need.
        why_not: empty when allowed, else the reason.
        short_of: the resource of the budget that ran short; None when allowed or when the reason is a capability.
    """

    arm: str
    output_limit: int = 0
    input_bound: int = 0
    worst_nano: int = 0
    why_not: str = ""
    short_of: Resource | None = None

    @property
    def allowed(self) -> bool:
        """Whether the arm may be called."""
        return not self.why_not


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What the governor says about a step.

    Attributes:
        price_of_dollar: lambda, success probability given up per dollar saved.
        permits: one per arm, in pool order.
        reason: why lambda is what it is, one sentence.
        calm_price: lambda if money were spent as planned; equal to ``price_of_dollar`` when it is.
        stop_price: success probability that a dollar must buy, or stopping is better; None when stopping is no choice.
        closing: why this has to be the last call of its episode; empty when it has not.
        compress: why the prompt should be made shorter first; empty when it should not.
        ask_nano: a person is asked before a call that is expected to cost this much or more; None when nobody is.
        reservation_nano: nano-dollars that an episode opened by this very call is given; None when it has no limit, or
            when the call did not open it.
    """

    price_of_dollar: float
    permits: tuple[Permit, ...]
    reason: str = ""
    calm_price: float | None = None
    stop_price: float | None = None
    closing: str = ""
    compress: str = ""
    ask_nano: int | None = None
    reservation_nano: int | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One arm as the decision saw it.

    Attributes:
        utility: success - lambda * cost in dollars.
        why_not: empty for the chosen arm.
    """

    arm: str
    success: float
    cost_nano: int
    worst_nano: int
    utility: float
    why_not: str = ""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingDecision:
    """Which arm makes the call, and why.

    Attributes:
        arm: the chosen arm; None is the empty arm: stop.
        output_limit: output tokens the call may ask for.
        worst_nano: nano-dollars to hold.
        cost_nano: expected nano-dollars.
        success: expected success of the chosen arm.
        price_of_dollar: lambda in force.
        alternatives: every arm of the pool, in pool order.
        policy: name of the policy.
        policy_version: its version.
        propensity: probability with which this policy chooses this arm here.
        rationale: one plain sentence.
    """

    arm: str | None
    output_limit: int = 0
    worst_nano: int = 0
    cost_nano: int = 0
    success: float = 0.0
    price_of_dollar: float = 0.0
    alternatives: tuple[Alternative, ...] = ()
    policy: str = ""
    policy_version: str = ""
    propensity: float = 1.0
    rationale: str = ""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens a provider reported for one call.

    Attributes:
        input_tokens: all input tokens, cache reads and writes included.
        output_tokens: all output tokens, reasoning included.
        cache_read_tokens: part of the input read from the prompt cache.
        cache_write_tokens: part of the input written to it.
        reasoning_tokens: part of the output spent on reasoning.
    """

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    def cost_nano(self, price: Price, *, tier: str = "default") -> int:
        """Nano-dollars of this usage under a price list; the dearest of its tiers where the served one is not known."""
        return max(
            [
                one.cost(
                    input_tokens=self.input_tokens,
                    output_tokens=self.output_tokens,
                    cache_read_tokens=self.cache_read_tokens,
                    cache_write_tokens=self.cache_write_tokens,
                )
                for one in (price.served(tier) if price.tiers else (price,))
            ]
        )


PRICE_UNKNOWN = "price_unknown"
USAGE_UNKNOWN = "usage_unknown"
"""Defects of metered calls: what they cost is not known, so ``cost_nano`` is 0."""


Verdict = Literal["", "ok", "wrong", "same", "different", "unclear"]
"""What a check that was bought said of an answer."""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came back from a call, or why nothing did.

    Attributes:
        arm: the arm that was called; of a metered call the arm with that model, empty where the pool has none.
        usage: tokens reported; None when the provider reported none.
        cost_nano: nano-dollars booked.
        worst_case: the hold was booked in full because the truth was not known.
        latency_ms: from sending to the last token.
        confidence: geometric mean of the output tokens' probabilities, in (0, 1]; None without logprobs.
        uncertainty: mean of ``1 - p`` over the output tokens, in [0, 1); None without logprobs.
        options: probabilities of the likeliest tokens at the first place of the answer, best first; empty where the
            provider sent no alternatives.
        agreement: share of the step's samples that say the same as this answer, in (0, 1]; None where one was taken.
        defects: what was found wrong with the answer, for example ``invalid_tool_call``.
        accepted: whether the answer was passed on.
        error: class name of the error that ended the call; empty without one.
        served_by: model name that the provider says answered; empty when it does not say.
        service_tier: tier that the provider says it was served in; empty when it does not say.
        swapped: what was changed or left out of what was sent, so that it fits the arm; short reasons.
        samples: how often the model was called for the answer; usage and cost are of all of them together.
        failed_samples: those of them that brought no answer.
        verdict: what a check that was bought said of the answer: ``ok``, ``wrong`` or ``unclear`` of a verifier;
            ``same``, ``different`` or ``unclear`` of a spot check; empty without a check.
    """

    arm: str
    usage: Usage | None = None
    cost_nano: int = 0
    worst_case: bool = False
    latency_ms: float = 0.0
    confidence: float | None = None
    uncertainty: float | None = None
    options: tuple[float, ...] = ()
    agreement: float | None = None
    defects: tuple[str, ...] = ()
    accepted: bool = True
    error: str = ""
    served_by: str = ""
    service_tier: str = ""
    swapped: tuple[str, ...] = ()
    samples: int = 1
    failed_samples: int = 0
    verdict: Verdict = ""

    @property
    def cost_known(self) -> bool:
        """Whether ``cost_nano`` is what the call cost, or at least that; False for metered calls nobody can price."""
        return PRICE_UNKNOWN not in self.defects and USAGE_UNKNOWN not in self.defects

    @property
    def answer_entropy(self) -> float | None:
        """Entropy of ``options`` in nats, what they leave out aside; None without them."""
        total = sum(self.options)
        if total <= 0:
            return None
        return abs(sum([-share * log(share) for value in self.options if (share := value / total) > 0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Something done about a step beside choosing its arm, and why."""

    action: Action
    reason: str


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One attempt at one step, whole: what was known, what was decided, what came of it.

    With ``step``, ``estimates`` and ``ruling`` the decision replays byte for byte.

    Attributes:
        id: unique id; equal to the hold's id.
        at: epoch seconds of the decision.
        outcome: None when no call was made (the decision was to stop, or the hold was refused).
        action: ``call``, ``stop``, ``refused``, or ``shadow``: the call was metered in an app that is not routed, and
            the decision is what would have been chosen. Nobody followed it, and it saw logged state only.
        pool: id of the pool that was chosen from; see ``PoolSnapshot``.
        measures: what was done beside choosing an arm: a lower tier, a lower limit, a compressed prompt, a last call,
            a check of the answer.
        checks: id of the record whose answer this call checks; empty for a call of the agent's own.
        estimator: name and version of what gave the estimates; empty in rows that are older than this field.
    """

    id: str
    at: float
    step: Step
    estimates: tuple[Estimate, ...]
    ruling: Ruling
    decision: RoutingDecision
    outcome: Outcome | None = None
    action: Literal["call", "stop", "refused", "shadow"] = "call"
    pool: str = ""
    measures: tuple[Measure, ...] = ()
    checks: str = ""
    estimator: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSnapshot:
    """The arms of a pool with their prices, so that a stored episode can be priced anew.

    Attributes:
        id: fingerprint of the arms; equal pools have equal ids.
        arms: in pool order.
    """

    id: str
    arms: tuple[Arm, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionTaken:
    """Something other than a call that happened to an episode; the journal keeps it beside the records.

    Attributes:
        id: unique id.
        episode: id of the episode.
        at: epoch seconds.
        action: what was done.
        reason: why, one plain sentence without text of a prompt or an answer.
        call_index: the step it happened in; None when it concerns the whole episode.
        node: graph node it happened in; empty outside a graph.
        cost_nano: nano-dollars that were booked for it (charges), else 0.
        detail: plain data as JSON, for whoever takes the action up again; empty when there is none.
    """

    id: str
    episode: str
    at: float
    action: Action
    reason: str
    call_index: int | None = None
    node: str = ""
    cost_nano: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeEnd:
    """How an episode ended, as far as anybody said.

    Attributes:
        success: True, False, a degree in [0, 1], or None when unknown.
        note: free text of whoever finished it.
        source: who said so.
    """

    episode: str
    at: float
    success: float | None = None
    note: str = ""
    source: Judge = "success"
