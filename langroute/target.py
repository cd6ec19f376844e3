"""Target: what is wanted of routing, from which the price of a dollar follows."""

import math
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from langroute.budget import plain_number


class Target(BaseModel):
    """One of three ways to say how much success a dollar must buy. At most one is given.

    Attributes:
        quality: success wanted, as a share of what the reference of the learned policy reaches: 0.97 gives up 3% of it.
            The price of a dollar is looked up in what the policy found on its calibration data.
        dollars_per_episode: dollars an episode should cost on average; looked up in the same way. An aim, not a limit:
            the limit is the budget.
        price_of_a_dollar: success probability given up per dollar saved, as it is; goes with any policy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    quality: float | None = Field(default=None, gt=0, lt=math.inf)
    dollars_per_episode: float | None = Field(default=None, gt=0)
    price_of_a_dollar: float | None = Field(default=None, ge=0)

    @field_validator("quality", "dollars_per_episode", "price_of_a_dollar", mode="before")
    @classmethod
    def _plain_number(cls, value: object) -> object:
        return plain_number(value)

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if len(self.said) > 1:
            raise ValueError(f"says {' and '.join(self.said)}; one of them decides the price of a dollar, give one")
        return self

    @property
    def said(self) -> tuple[str, ...]:
        """The names of what is given."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) is not None)
