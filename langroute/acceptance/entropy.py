"""Answer-set entropy: how undecided a model was between the options of an answer; CP-Router's rule (2505.19970)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from langroute.acceptance.option_sets import choose_alpha, conformal_quantile, option_rows, right_options, set_sizes
from langroute.acceptance.signals import Answers, Floats
from langroute.errors import ArtifactInvalid
from langroute.parts import Parts
from langroute.records import Outcome, Step


class AnswerEntropy:
    """Less the entropy of the answer's first options in nats: 0 where the model was sure, as a score."""

    name = "answer_entropy"

    def scores(self, answers: Answers) -> Floats:
        """(n,), at most 0; NaN where the provider sent no alternatives."""
        return -answers.signal("answer_entropy")

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        return Parts()

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:  # noqa: ARG003 - the contract's signature
        """The same thing again."""
        return cls()


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionSets:
    """How the options of one kind and arm become a set.

    Attributes:
        kind: of the steps.
        arm: who answers.
        alpha: the level chosen; the set lacks the right option with about this probability.
        quantile: options at or above ``1 - quantile`` are in the set; above 1 where every option is.
        n: the answers it was computed from.
    """

    kind: str
    arm: str
    alpha: float
    quantile: float
    n: int


def calibrate_option_sets(
    options: Sequence[Sequence[float]], right: Sequence[float], *, kind: str, arm: str
) -> OptionSets:
    """The sets of one kind and arm, with alpha* and its quantile from these answers.

    Args:
        options: probabilities of the options, as `Outcome.options` has them; one answer a task.
        right: whether the likeliest option was right.
        kind: of the steps.
        arm: who answered.

    Raises:
        CalibrationError: nothing to calibrate on, or no probabilities.
    """
    rows = option_rows(options)
    truth = right_options(rows, right)
    alpha = choose_alpha(rows, truth)
    quantile = min(2.0, conformal_quantile(truth, alpha=alpha))
    return OptionSets(kind=kind, arm=arm, alpha=alpha, quantile=quantile, n=len(rows))


class SingleAnswerAcceptance:
    """CP-Router's rule: the cheap answer stands if its conformal set is one option, else the dearer model answers.

    The paper asks before a reasoning model is used; here the answer is there already, so a set of one option accepts it
    and an empty set or a larger one rejects it (``undecided``). Kinds and arms without sets are not judged, nor are
    answers without alternatives.

    Args:
        sets: one per (kind, arm); see `calibrate_option_sets`.
    """

    name = "single_answer"

    def __init__(self, *, sets: Sequence[OptionSets]) -> None:
        self._sets = {(one.kind, one.arm): one for one in sets}
        self._kinds = {one.kind for one in sets}

    def gates(self, step: Step) -> bool:
        """Whether there are sets for this kind, and another arm could answer."""
        return step.pinned is None and step.kind in self._kinds

    def defects(self, step: Step, outcome: Outcome) -> tuple[str, ...]:
        """``undecided`` where the set is not one option."""
        found = self._sets.get((step.kind, outcome.arm))
        if found is None or sum(outcome.options) <= 0:
            return ()
        size = int(set_sizes(option_rows([outcome.options]), found.quantile)[0])
        return () if size == 1 else ("undecided",)

    def parts(self) -> Parts:
        """All that `from_parts` needs."""
        return Parts(settings={"sets": [asdict(one) for one in self._sets.values()]})

    @classmethod
    def from_parts(cls, parts: Parts) -> Self:
        """The same thing again.

        Raises:
            ArtifactInvalid: the sets are missing or are not sets.
        """
        try:
            return cls(sets=[_read(one) for one in parts.settings["sets"]])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactInvalid(f"holds no option sets ({error}); train again", field="sets") from error


def _read(told: Mapping[str, Any]) -> OptionSets:
    return OptionSets(
        kind=str(told["kind"]),
        arm=str(told["arm"]),
        alpha=float(told["alpha"]),
        quantile=float(told["quantile"]),
        n=int(told["n"]),
    )
