"""What is known of a step before it is decided: the arms, the pressure, the features and the budget.

Frozen, slotted, keyword-only, plain data, as the records of ``records.py`` that are made from it, and which give these
names too.
"""

from dataclasses import dataclass, field
from typing import Literal

from langroute.books import Purpose
from langroute.caching import CacheRule
from langroute.money import Price
from langroute.quick import quick

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
        rank: 0.0 for the cheapest arm of the pool, 1.0 for the dearest, by the price of a typical call of its model.
        modalities: kinds of media it takes beside text (``image``, ``audio``, ``video``, ``file``); None when unknown.
        caching: how its prompt cache behaves.
        samples: how often the model is called for one answer; the best of them is passed on.
        base: name of the arm with the same model that calls it once; empty for an arm that does so itself.
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
    modalities: tuple[str, ...] | None = None
    caching: CacheRule = field(default_factory=CacheRule)
    samples: int = 1
    base: str = ""

    def cost(
        self, *, input_tokens: int, output_tokens: int, cache_read_tokens: int = 0, cache_write_tokens: int = 0
    ) -> int:
        """Nano-dollars of all its samples, if each has these tokens: every sample is a request of its own."""
        return self.samples * self.price.cost(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cache_read_tokens=cache_read_tokens,
            cache_write_tokens=cache_write_tokens,
        )

    def worst_cost(self, *, input_tokens: int, output_tokens: int) -> int:
        """The most nano-dollars that all its samples can cost together, if none has more tokens than these."""
        return self.samples * self.price.worst_cost(input_tokens=input_tokens, output_tokens=output_tokens)

    def affordable_output(self, *, nano: int, input_tokens: int) -> int:
        """The largest output limit of each sample with which the worst case of all of them is at most ``nano``."""
        return self.price.affordable_output(nano=nano // self.samples, input_tokens=input_tokens)


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """How much trouble the episode is in, part by part.

    Attributes:
        retries: attempts of this step before this one: graph retry attempts and calls made again by langroute.
        invalid_tool_calls: tool calls in the conversation that could not be parsed.
        tool_errors: tool messages with status ``error``.
        repeated_calls: tool calls made again with equal or near-equal arguments.
        cycles: times the run came back to this node beyond its first visit.
        self_corrections: answers in which the model takes back what it said before.
        schema_failures: answers that did not fit the schema that was demanded.
        empty_ends: answers without text and without a readable tool call, which end an agent loop in silence.
        context_share: expected input over the largest window of the pool, in [0, 1]; 0 when no window is known.
    """

    retries: int = 0
    invalid_tool_calls: int = 0
    tool_errors: int = 0
    repeated_calls: int = 0
    cycles: int = 0
    self_corrections: int = 0
    schema_failures: int = 0
    empty_ends: int = 0
    context_share: float = 0.0

    @property
    def total(self) -> int:
        """All signals of trouble together; ``cycles`` and ``context_share`` are no trouble by themselves."""
        return (
            self.retries
            + self.invalid_tool_calls
            + self.tool_errors
            + self.repeated_calls
            + self.self_corrections
            + self.schema_failures
            + self.empty_ends
        )


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What else is known of a step before it is decided, for estimators and for the log. Never text of a prompt.

    Attributes:
        prompt_bytes: UTF-8 bytes of all that is sent.
        retrievals: retrieved documents and results of search tools in the current turn.
        tool_category: what the tools bound to the call are for, for example ``search``; empty without tools.
        prior_confidence: confidence of the step before this one in the episode; None when unknown.
        hint: what the caller says the task is; empty when nothing was said.
        channel: where the request comes from, for example ``chat`` or ``batch``; empty when nothing was said.
        domain: the subject, for example ``legal``; empty when nothing was said.
        entry: name of the entry rule that the call matched; empty without one.
        text: what the estimator's encoder made of what was asked (see ``TextEncoder``); empty without an encoder.
    """

    prompt_bytes: int = 0
    retrievals: int = 0
    tool_category: str = ""
    prior_confidence: float | None = None
    hint: str = ""
    channel: str = ""
    domain: str = ""
    entry: str = ""
    text: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """An arm that is out for the rest of this step.

    Attributes:
        arm: its name.
        reason: what was wrong.
        why: its ``answer`` was not accepted, its call ended in a ``fault``, a ``person`` said no to it, or it is
            ``unfit``: something of the call cannot be sent to it.
    """

    arm: str
    reason: str
    why: Literal["answer", "fault", "person", "unfit"] = "answer"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class CacheView:
    """What an arm's prompt cache is expected to do in a step; see ``steps.warmth``.

    Attributes:
        arm: its name.
        read_tokens: input tokens expected to be read from its cache.
        write_tokens: input tokens expected to be written to it, where that is billed.
        saved_nano: nano-dollars by which the input is cheaper than at the full rate; negative where writes outweigh.
    """

    arm: str
    read_tokens: int = 0
    write_tokens: int = 0
    saved_nano: int = 0


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetView:
    """What a step knows of its budget when it is decided.

    Attributes:
        scope: the scope that leaves the least dollars, the one the dollars speak of. Tokens are those of whichever
            scope leaves the least; retries and seconds are the episode's.
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
        shared_nano: nano-dollars that the tightest of the budgets shared with other episodes leaves; None when nothing
            is shared, or without limit.
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
    shared_nano: int | None = None


@quick
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
        rejected: arms that are out for the rest of this step, with the reason.
        budget: what is left.
        features: what else is known.
        needs_media: kinds of media in the messages that the arm has to take, sorted.
        loops: the call is one round of an agent's loop, which ends with an answer without a tool call.
        alone: the call stands outside any graph and episode, so it opens an episode of its own.
        closing: this is to be the last call of its episode: without tools, told to answer now.
        caches: what the arms' prompt caches are expected to do; an arm that is not here has full price.
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
    features: Features = field(default_factory=Features)
    needs_media: tuple[str, ...] = ()
    loops: bool = False
    alone: bool = False
    closing: bool = False
    caches: tuple[CacheView, ...] = ()

    @property
    def is_retry(self) -> bool:
        """Whether this call repeats an attempt of the same step, made by the graph or by langroute."""
        return self.attempt > 0 or self.pressure.retries > 0

    @property
    def sees_shared_budget(self) -> bool:
        """Whether the dollars of its view are those of a budget that episodes share, which leaves less than its own."""
        return self.budget.scope not in ("", f"episode:{self.episode}", f"shadow:{self.episode}")

    def cost_of(self, arm: Arm, output_tokens: int) -> int:
        """Nano-dollars this step is expected to cost by an arm: all its samples, its prompt cache included."""
        for seen in self.caches:
            if seen.arm == arm.name:
                return arm.cost(
                    input_tokens=self.input_tokens,
                    output_tokens=output_tokens,
                    cache_read_tokens=seen.read_tokens,
                    cache_write_tokens=seen.write_tokens,
                )
        return arm.cost(input_tokens=self.input_tokens, output_tokens=output_tokens)

    def bound_for(self, arm: Arm) -> int:
        """The most input tokens this arm can be billed for this step."""
        least = self.input_bound
        for name, bound in self.arm_bounds:
            if name == arm.name and bound < least:
                least = bound
        return least
