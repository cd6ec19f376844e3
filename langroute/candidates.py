"""What a selector chooses from, and what an acceptance rule may have bought beside the call.

Frozen, slotted, keyword-only, plain data, as the records of ``records.py``. They live for one step and are stored
nowhere: a candidate may hold what a model said, a record never does.
"""

from dataclasses import dataclass
from typing import Literal

from langroute.quick import quick
from langroute.records import Usage


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One of several answers of an arm to the same call.

    Attributes:
        answer: what it says, in a form in which equal answers are equal: text without case and runs of white space,
            tool calls with their arguments in order, structured values as JSON. Empty where nothing can be read.
        confidence: geometric mean of the output tokens' probabilities, in (0, 1]; None without logprobs.
        uncertainty: mean of ``1 - p`` over the output tokens, in [0, 1); None without logprobs.
        options: probabilities of the likeliest first tokens, best first; empty without alternatives.
        defects: what is malformed about it; empty for a valid answer.
        usage: tokens reported; None when the provider reported none.
        latency_ms: from sending to the last token.
    """

    answer: str
    confidence: float | None = None
    uncertainty: float | None = None
    options: tuple[float, ...] = ()
    defects: tuple[str, ...] = ()
    usage: Usage | None = None
    latency_ms: float = 0.0


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierCall:
    """A call that an acceptance rule wants to have made about an answer.

    Attributes:
        arm: who makes it; of an arm with several samples the one that calls the model once.
        asks: for a ``verdict`` on the answer, or for an ``answer`` of its own to the same call, to compare both.
        worth_nano: nano-dollars it may be expected to cost at most, or it is not made; None for any price.
        output_tokens: output tokens of a verdict at most; an answer has the limit that every call of the step has.
        reason: why it is wanted, one plain sentence.
    """

    arm: str
    asks: Literal["verdict", "answer"] = "verdict"
    worth_nano: int | None = None
    output_tokens: int = 64
    reason: str = ""
