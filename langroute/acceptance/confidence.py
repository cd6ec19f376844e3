"""Token uncertainty as a score: how sure a model was of the tokens it wrote (RouteNLP, 2604.23577)."""

from typing import Self

from langroute.acceptance.signals import Answers, Floats
from langroute.errors import ArtifactInvalid, ConfigError
from langroute.parts import Parts

MEANS = ("uncertainty", "confidence")


class TokenCertainty:
    """``1 - u`` with ``u = mean(1 - p)`` over the output tokens: RouteNLP's uncertainty, turned round.

    The paper escalates when u is above a threshold that conformal risk control chose for each task type and model. That
    is `CalibratedAcceptance` with this score and the guarantee ``marginal_risk``, by (kind, arm). What it says of
    reasoning tokens, of tool calls and of the paper's further parts was not available: a reconstruction.

    Args:
        mean: ``uncertainty`` is the paper's arithmetic mean; ``confidence`` the geometric mean of the probabilities,
            for tables that have no other. A single guess weighs more in it.

    Raises:
        ConfigError: there is no such mean.
    """

    name = "token_certainty"

    def __init__(self, *, mean: str = "uncertainty") -> None:
        if mean not in MEANS:
            raise ConfigError(f"must be one of {', '.join(MEANS)}, got {mean!r}", field="mean")
        self.mean = mean

    def scores(self, answers: Answers) -> Floats:
        """(n,) in [0, 1]; NaN without log-probabilities."""
        found = answers.signal(self.mean)
        return 1.0 - found if self.mean == "uncertainty" else found.copy()

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        return Parts(settings={"mean": self.mean})

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same thing again.

        Raises:
            ArtifactInvalid: the mean is missing or unknown.
        """
        mean = parts.settings.get("mean")
        if mean not in MEANS:
            raise ArtifactInvalid(f"must be one of {', '.join(MEANS)}, got {mean!r}; train again", field="mean")
        return cls(mean=mean)
