"""The records that travel through one step: frozen, slotted, keyword-only, plain data.

Money is integer nano-dollars (``*_nano``), time is seconds or milliseconds as the name says, probabilities are floats
in [0, 1]. The records of the books are in ``books.py``. Nothing here knows a framework, a store or a clock.
"""

from dataclasses import dataclass, field
from typing import Literal

from langroute.books import Purpose, Resource
from langroute.money import Price, dollars

Kind = Literal["control", "execution", "verification", "presentation"]
KINDS: tuple[Kind, ...] = ("control", "execution", "verification", "presentation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """Something that can make the call: a model with its settings.

    Attributes:
        name: the user's name for it in the pool.
        model: the provider's name for the model.
        provider: the provider's id, for example ``openai``.
        price: its price list.
        context_window: most input tokens it takes; None when unknown.
        calls_tools: whether tools may be bound to it.
        structured_output: whether a schema may be bound to it.
        min_output_tokens: under this output limit the arm is not worth calling and is masked.
        max_output_tokens: the most it can write, or the user's own limit on it; None when unknown.
        rank: 0.0 for the cheapest arm of the pool, 1.0 for the dearest, by the price of a typical call.
    """

    name: str
    model: str
    provider: str
    price: Price
    context_window: int | None = None
    calls_tools: bool = True
    structured_output: bool = True
    min_output_tokens: int = 1
    max_output_tokens: int | None = None
    rank: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """How much trouble the episode is in, part by part.

    Attributes:
        retries: attempts of this step before this one: graph retry attempts and calls made again by langroute.
        invalid_tool_calls: tool calls in the conversation that could not be parsed.
        tool_errors: tool messages with status ``error``.
        repeated_calls: tool calls made again with equal or near-equal arguments.
    """

    retries: int = 0
    invalid_tool_calls: int = 0
    tool_errors: int = 0
    repeated_calls: int = 0

    @property
    def total(self) -> int:
        """All parts together."""
        return self.retries + self.invalid_tool_calls + self.tool_errors + self.repeated_calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """An arm that was tried in this step and did not do, and why."""

    arm: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetView:
    """What a step knows of its budget when it is decided.

    Attributes:
        scope: the tightest scope, the one all other fields speak of.
        limit_nano: its limit in nano-dollars; None when unlimited.
        spent_nano: settled.
        held_nano: set aside by calls under way.
        available_nano: what this step may set aside, other purposes' reserves excluded; None when unlimited.
        reserves: nano-dollars still kept, by purpose.
        input_tokens_left: None when unlimited.
        output_tokens_left: None when unlimited.
        retries_left: None when unlimited.
        seconds_left: None when unlimited.
        input_tokens_limit: the limits that the ``*_left`` fields are parts of; None when unlimited.
        output_tokens_limit: see above.
        retries_limit: see above.
        seconds_limit: see above.
    """

    scope: str
    limit_nano: int | None = None
    spent_nano: int = 0
    held_nano: int = 0
    available_nano: int | None = None
    reserves: tuple[tuple[Purpose, int], ...] = ()
    input_tokens_left: int | None = None
    output_tokens_left: int | None = None
    retries_left: int | None = None
    seconds_left: float | None = None
    input_tokens_limit: int | None = None
    output_tokens_limit: int | None = None
    retries_limit: int | None = None
    seconds_limit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One model call about to be made: all that the decision may look at.

    Attributes:
        episode: id of the episode.
        call_index: how many steps of the episode came before this one.
        attempt: how often this step was decided before (0 at first).
        node: graph node the call is made in; empty outside a graph.
        kind: what kind of step it is.
        kind_reason: how the kind was found.
        purpose: which reserve the call may open.
        pressure: how much trouble the episode is in.
        input_tokens: expected input tokens.
        input_bound: no call of this step can be billed more input tokens than this, whichever arm makes it.
        arm_bounds: tighter bounds that hold for single arms, as pairs: from the arm's own tokenizer, or its own report
            of the conversation's prefix plus a byte bound of what is new.
        output_cap: most output tokens this step may ask for; the limit that is sent is this or less.
        needs_tools: tools are bound to the call.
        needs_structure: a schema is bound to the call.
        pinned: arm the user demands; None when free.
        rejected: arms tried in this step before, with the reason.
        budget: what is left.
    """

    episode: str
    call_index: int
    kind: Kind
    budget: BudgetView
    attempt: int = 0
    node: str = ""
    kind_reason: str = ""
    purpose: Purpose = "general"
    pressure: Pressure = field(default_factory=Pressure)
    input_tokens: int = 0
    input_bound: int = 0
    arm_bounds: tuple[tuple[str, int], ...] = ()
    output_cap: int = 1024
    needs_tools: bool = False
    needs_structure: bool = False
    pinned: str | None = None
    rejected: tuple[Rejection, ...] = ()

    @property
    def is_retry(self) -> bool:
        """Whether this call repeats an attempt of the same step, made by the graph or by langroute."""
        return self.attempt > 0 or self.pressure.retries > 0

    def bound_for(self, arm: Arm) -> int:
        """The most input tokens this arm can be billed for this step."""
        return min([self.input_bound, *(bound for name, bound in self.arm_bounds if name == arm.name)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What an arm is expected to achieve and to cost in this step.

    Attributes:
        arm: its name.
        success: probability that the step is done right, in [0, 1].
        cost_nano: expected nano-dollars.
        output_tokens: expected output tokens, which ``cost_nano`` is based on.
    """

    arm: str
    success: float
    cost_nano: int
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """The mask for one arm: whether it may be called now, and with which output limit.

    Attributes:
        arm: its name.
        output_limit: output tokens it may be sent; when not allowed 0, or, when short of tokens, retries or time, what
            the smallest worthwhile call would need.
        input_bound: input tokens that must be held for it.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What the governor says about a step.

    Attributes:
        price_of_dollar: lambda, success probability given up per dollar saved.
        permits: one per arm, in pool order.
        reason: why lambda is what it is, one sentence.
    """

    price_of_dollar: float
    permits: tuple[Permit, ...]
    reason: str = ""


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

    def cost_nano(self, price: Price) -> int:
        """Nano-dollars of this usage under a price list."""
        return price.cost(
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cache_read_tokens=self.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came back from a call, or why nothing did.

    Attributes:
        arm: the arm that was called.
        usage: tokens reported; None when the provider reported none.
        cost_nano: nano-dollars booked.
        worst_case: the hold was booked in full because the truth was not known.
        latency_ms: from sending to the last token.
        confidence: geometric mean of the output tokens' probabilities, in (0, 1]; None without logprobs.
        defects: what was found wrong with the answer, for example ``invalid_tool_call``.
        accepted: whether the answer was passed on.
        error: class name of the error that ended the call; empty without one.
        served_by: model name that the provider says answered; empty when it does not say.
    """

    arm: str
    usage: Usage | None = None
    cost_nano: int = 0
    worst_case: bool = False
    latency_ms: float = 0.0
    confidence: float | None = None
    defects: tuple[str, ...] = ()
    accepted: bool = True
    error: str = ""
    served_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One attempt at one step, whole: what was known, what was decided, what came of it.

    With ``step``, ``estimates`` and ``ruling`` the decision replays byte for byte.

    Attributes:
        id: unique id; equal to the hold's id.
        at: epoch seconds of the decision.
        outcome: None when no call was made (the decision was to stop, or the hold was refused).
        action: ``call``, ``stop`` or ``refused``.
        pool: id of the pool that was chosen from; see ``PoolSnapshot``.
    """

    id: str
    at: float
    step: Step
    estimates: tuple[Estimate, ...]
    ruling: Ruling
    decision: RoutingDecision
    outcome: Outcome | None = None
    action: Literal["call", "stop", "refused"] = "call"
    pool: str = ""


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
class EpisodeEnd:
    """How an episode ended, as far as anybody said.

    Attributes:
        success: True, False, a degree in [0, 1], or None when unknown.
        note: free text of whoever finished it.
    """

    episode: str
    at: float
    success: float | None = None
    note: str = ""


def as_dollars(nano: int | None) -> float | None:
    """Dollars as a float, for logs; None stays None."""
    return None if nano is None else float(dollars(nano))
