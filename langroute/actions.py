"""Actions: what the governor may do beside choosing an arm, and from when on."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from langroute.budget import config_error, plain_number


class Actions(BaseModel):
    """What the governor may do beside choosing an arm. Everything it does is logged with its reason.

    Attributes:
        downgrade: make a dollar dearer, and so lower the tier, when money is spent faster than planned or runs low.
        planned_calls: model calls a task usually takes. With it, a dollar also gets dearer while the share of money
            spent is larger than the share of calls made. None: only when the budget runs low.
        lower_output: lower a call's output limit until its worst case fits into what is left; when false an arm whose
            usual limit does not fit is ruled out instead.
        least_output_tokens: a lowered limit is not worth calling for below this, or below a quarter of the usual limit
            where that is less.
        compress_at: shorten the prompt once it fills this share of the largest window of the pool; None never.
        compress_cost_share: shorten the prompt once the call is expected to cost, by the cheapest arm, more than this
            share of what is left; None never. A door shortens only by the means it was given.
        skip_below: nodes marked optional are skipped once less than this share of the dollars is left; 0 never.
        ask_above_dollars: a person is asked before a call that is expected to cost this much or more; None never.
        finish: when what is left does not carry another round of an agent's loop, the call loses its tools and is told
            to answer now, and may use the reserve for the final synthesis. Loops are those of ``create_agent`` and
            deepagents, and nodes whose metadata say ``langroute_loop``.
        closing_output_tokens: output tokens such a last call should have room for.
        value_of_success: what a step done right is worth, in dollars. With it, a step is not taken (the empty arm) when
            no arm's expected success justifies its price. None: money alone decides.

    Raises:
        ConfigError: an unknown field or a wrong value; names the field.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    downgrade: bool = True
    planned_calls: int | None = Field(default=None, ge=1)
    lower_output: bool = True
    least_output_tokens: int = Field(default=64, ge=1)
    compress_at: float | None = Field(default=0.8, gt=0, le=1)
    compress_cost_share: float | None = Field(default=0.25, gt=0, le=1)
    skip_below: float = Field(default=0.25, ge=0, le=1)
    ask_above_dollars: float | None = Field(default=None, gt=0)
    finish: bool = True
    closing_output_tokens: int = Field(default=512, ge=1)
    value_of_success: float | None = Field(default=None, gt=0)

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as exc:
            raise config_error(exc, section="actions", known=type(self).model_fields) from exc

    @field_validator(
        "planned_calls",
        "least_output_tokens",
        "compress_at",
        "compress_cost_share",
        "skip_below",
        "ask_above_dollars",
        "closing_output_tokens",
        "value_of_success",
        mode="before",
    )
    @classmethod
    def _plain_number(cls, value: object) -> object:
        return plain_number(value)
